//! Names of rows and columns: the ids that occur in a file, in the order of their indices.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Names of the rows or of the columns of a matrix, by index from 0.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Labels {
    /// Consecutive numbers, the first of them given.
    Counted {
        /// Name of index 0.
        first: u64,
        /// Number of rows or columns.
        count: usize,
    },
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Texts, with whole numbers among them as text.
    Texts(Vec<String>),
}

/// The name of a row or a column as a file has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Id {
    Integer(i64),
    Text(String),
}

impl Id {
    /// Reads a field. Whole numbers are numbers however they are written (`55`, `55.0`, `5.5e+01`); digits after a leading
    /// zero, and everything else, are text. `None` for fractions, which are values and not names.
    pub(crate) fn of(field: &[u8]) -> Option<Self> {
        match integer(field) {
            Some(whole) => Some(Self::Integer(whole)),
            None => {
                let text = String::from_utf8_lossy(field);
                let pointed = field.contains(&b'.').then(|| text.parse::<f64>().ok()).flatten();
                match pointed {
                    Some(number) if number.is_finite() => {
                        let exact = number.fract() == 0.0 && number.abs() <= (1_u64 << 53) as f64;
                        exact.then_some(Self::Integer(number as i64))
                    }
                    _ => Some(Self::Text(text.into_owned())),
                }
            }
        }
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        match id {
            Id::Integer(whole) => whole.to_string(),
            Id::Text(text) => text,
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(whole) => write!(f, "{whole}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A whole number of decimal digits without leading zeros, which fits in 64 bits.
#[inline]
fn integer(field: &[u8]) -> Option<i64> {
    let (negative, digits) = match field {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 || (digits[0] == b'0' && digits.len() > 1) {
        // 19 digits may fit or not.
        return std::str::from_utf8(field).ok().filter(|_| digits.len() == 19 && digits[0] != b'0')?.parse().ok();
    }
    let mut value = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

impl Labels {
    /// Names that are whole numbers.
    pub(crate) fn of_integers(all: Vec<i64>) -> Self {
        let first = all.first().and_then(|first| u64::try_from(*first).ok());
        match first.filter(|_| all.windows(2).all(|pair| pair[1].checked_sub(1) == Some(pair[0]))) {
            Some(first) => Self::Counted { first, count: all.len() },
            None => Self::Integers(all),
        }
    }

    /// Number of rows or columns.
    pub fn len(&self) -> usize {
        match self {
            Self::Counted { count, .. } => *count,
            Self::Integers(all) => all.len(),
            Self::Texts(all) => all.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the names are the indices from 0.
    pub fn are_indices(&self) -> bool {
        matches!(self, Self::Counted { first: 0, .. })
    }

    /// The name of an index, as text.
    ///
    /// # Panics
    /// For an index beyond them, as slices do.
    pub fn name(&self, index: usize) -> String {
        match self {
            Self::Counted { first, .. } => (first + index as u64).to_string(),
            Self::Integers(all) => all[index].to_string(),
            Self::Texts(all) => all[index].clone(),
        }
    }

    /// The name of an index, as files are searched for it.
    pub(crate) fn id(&self, index: usize) -> Id {
        match self {
            Self::Counted { first, .. } => Id::Integer((first + index as u64) as i64),
            Self::Integers(all) => Id::Integer(all[index]),
            Self::Texts(all) => {
                let text = || Id::Text(all[index].clone());
                Id::of(all[index].as_bytes()).unwrap_or_else(text)
            }
        }
    }

    /// A description for reports: how many, what kind, the first and the last name.
    pub fn described(&self) -> Value {
        let kind = match self {
            Self::Counted { .. } => "indices",
            Self::Integers(_) => "integers",
            Self::Texts(_) => "texts",
        };
        let ends = |at: usize| (!self.is_empty()).then(|| self.name(at));
        json!({ "kind": kind, "count": self.len(), "first": ends(0), "last": ends(self.len().saturating_sub(1)) })
    }

    /// An index of the names, for lookups.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        match self {
            Self::Counted { first, count } => Lookup::Counted { first: *first, count: *count },
            Self::Integers(all) => Lookup::Integers(all.iter().enumerate().map(|(at, id)| (*id, at)).collect()),
            Self::Texts(all) => Lookup::Texts(all.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect()),
        }
    }
}

/// Indices of names.
pub(crate) enum Lookup<'a> {
    Counted { first: u64, count: usize },
    Integers(HashMap<i64, usize, Fast>),
    Texts(HashMap<&'a str, usize, Fast>),
}

impl Lookup<'_> {
    /// The index of a name.
    pub(crate) fn find(&self, id: &Id) -> Option<usize> {
        match (self, id) {
            (Self::Counted { first, count }, Id::Integer(whole)) => {
                let at = u64::try_from(*whole).ok()?.checked_sub(*first)?;
                usize::try_from(at).ok().filter(|at| at < count)
            }
            (Self::Integers(all), Id::Integer(whole)) => all.get(whole).copied(),
            (Self::Texts(all), Id::Text(text)) => all.get(text.as_str()).copied(),
            (Self::Texts(all), id) => all.get(id.to_string().as_str()).copied(),
            _ => None,
        }
    }
}

/// A hasher of whole numbers and short texts; ids are data of the user, not of an adversary.
type Fast = std::hash::BuildHasherDefault<rustc_hash::FxHasher>;

/// Ids in the order of their first occurrence, each with a number.
#[derive(Default)]
pub(crate) struct Interner {
    integers: HashMap<i64, u32, Fast>,
    texts: HashMap<String, u32, Fast>,
}

impl Interner {
    pub(crate) fn len(&self) -> usize {
        self.integers.len() + self.texts.len()
    }

    /// The number of an id, a new one for an id that is new.
    #[inline]
    pub(crate) fn number(&mut self, id: Id) -> u32 {
        let next = self.len() as u32;
        match id {
            Id::Integer(whole) => *self.integers.entry(whole).or_insert(next),
            Id::Text(text) => *self.texts.entry(text).or_insert(next),
        }
    }

    /// The ids in ascending order, and the index in that order of each number.
    pub(crate) fn sorted(self) -> (Labels, Vec<u32>) {
        let mut indices = vec![0; self.len()];
        let mut integers: Vec<(i64, u32)> = self.integers.into_iter().collect();
        let mut texts: Vec<(String, u32)> = self.texts.into_iter().collect();
        integers.sort_unstable();
        texts.sort_unstable();
        let numbers = integers.iter().map(|one| one.1).chain(texts.iter().map(|one| one.1));
        numbers.enumerate().for_each(|(at, number)| indices[number as usize] = at as u32);
        let labels = if texts.is_empty() {
            Labels::of_integers(integers.into_iter().map(|one| one.0).collect())
        } else {
            let whole = integers.into_iter().map(|one| one.0.to_string());
            Labels::Texts(whole.chain(texts.into_iter().map(|one| one.0)).collect())
        };
        (labels, indices)
    }

    /// The ids in the order of their numbers.
    pub(crate) fn in_order(self) -> Labels {
        if self.texts.is_empty() {
            let mut all = vec![0; self.len()];
            self.integers.into_iter().for_each(|(id, number)| all[number as usize] = id);
            return Labels::of_integers(all);
        }
        let mut all = vec![String::new(); self.len()];
        self.integers.into_iter().for_each(|(id, number)| all[number as usize] = id.to_string());
        self.texts.into_iter().for_each(|(id, number)| all[number as usize] = id);
        Labels::Texts(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_one_id_however_they_are_written() {
        let whole = |value| Some(Id::Integer(value));
        for field in ["55", "55.0", "5.5e+01", "5.500000000000000000e+01"] {
            assert_eq!(Id::of(field.as_bytes()), whole(55), "{field}");
        }
        assert_eq!(Id::of(b"-3"), whole(-3));
        assert_eq!(Id::of(b"9223372036854775807"), whole(i64::MAX));
        for field in ["9223372036854775808", "007", "12e4", "u1", "1.2.3", "+5"] {
            assert_eq!(Id::of(field.as_bytes()), Some(Id::Text(field.into())), "{field}");
        }
        assert_eq!((Id::of(b"1.5"), Id::of(b"1.0e300")), (None, None));
    }

    #[test]
    fn ids_are_sorted_and_found_again() {
        let mut interner = Interner::default();
        let numbers: Vec<u32> = [70, -2, 70, 5].into_iter().map(|id| interner.number(Id::Integer(id))).collect();
        let (labels, indices) = interner.sorted();
        assert_eq!(labels, Labels::Integers(vec![-2, 5, 70]));
        assert_eq!(numbers.iter().map(|&number| indices[number as usize]).collect::<Vec<_>>(), [2, 0, 2, 1]);
        let mut interner = Interner::default();
        ["b", "a", "10", "9"].iter().for_each(|id| _ = interner.number(Id::of(id.as_bytes()).unwrap()));
        let labels = interner.sorted().0;
        assert_eq!(labels, Labels::Texts(["9", "10", "a", "b"].map(String::from).to_vec()));
        let lookup = labels.lookup();
        assert_eq!((lookup.find(&Id::Integer(10)), lookup.find(&Id::Text("c".into()))), (Some(1), None));
        let counted = Labels::Counted { first: 1, count: 3 };
        let found = [0, 1, 3, 4].map(|id| counted.lookup().find(&Id::Integer(id)));
        assert_eq!(found, [None, Some(0), Some(2), None]);
    }
}
