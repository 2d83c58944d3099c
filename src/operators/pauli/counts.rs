//! Counts of outcomes, the form in which quantum computers return measurements.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::operators::pauli::PauliString;
use crate::operators::pauli::sums::{transformed, zeros};

/// Most strings that counts determine: all of ten qubits.
const MOST_STRINGS: usize = 1 << 20;

/// Counts of outcomes by basis: for each word of X, Y and Z, how often each bitstring was seen. The first letter and the
/// first bit belong to the same qubit.
pub struct Counts {
    path: PathBuf,
    bases: Bases,
}

/// Counts by outcome, by basis.
pub type Bases = BTreeMap<String, BTreeMap<String, u64>>;

const ALLOWED: &str = "counts by basis: {\"XYZ\": {\"010\": 12, \"111\": 5}, …}";

/// Expectation values of strings.
#[non_exhaustive]
pub struct Expectations {
    /// The strings.
    pub strings: Vec<PauliString>,
    /// Their values.
    pub values: Vec<f64>,
    /// Number of counts that each value is the mean of.
    pub weights: Vec<f64>,
    /// Number of bases.
    pub bases: usize,
    /// Number of all counts.
    pub shots: u64,
}

impl Counts {
    /// Reads a JSON object of objects.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] for other JSON, another letter, and another number of bits than letters.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e, "Check the file"))?;
        let bases = serde_json::from_str(&text).map_err(|e| {
            Error::file(path, format!("JSON of another form ({e})"), ALLOWED, "Write counts of outcomes")
        })?;
        Self::new(path, bases)
    }

    /// Counts from memory; `path` names them in messages.
    ///
    /// # Errors
    /// Those of [`Counts::read`], except those of the file.
    pub fn new(path: &Path, bases: Bases) -> Result<Self> {
        let refused = |found: String, fix: &str| Err(Error::file(path, found, ALLOWED, fix));
        let Some(qubits) = bases.keys().next().map(String::len) else {
            return refused("no basis".into(), "Write at least one basis");
        };
        for (basis, counts) in &bases {
            if let Some(letter) = basis.chars().find(|c| !"XYZ".contains(*c)) {
                return refused(
                    format!("the letter '{letter}' in the basis '{basis}'"),
                    "A basis has X, Y or Z for each qubit",
                );
            }
            if basis.len() != qubits {
                return refused(
                    format!("the basis '{basis}' beside one of {qubits} letters"),
                    "Write as many letters in each",
                );
            }
            if let Some(bits) =
                counts.keys().find(|bits| bits.len() != qubits || bits.chars().any(|c| c != '0' && c != '1'))
            {
                return refused(
                    format!("the outcome '{bits}' of the basis '{basis}'"),
                    "An outcome has a 0 or 1 for each qubit",
                );
            }
            if counts.values().sum::<u64>() == 0 {
                return refused(format!("no counts of the basis '{basis}'"), "Leave the basis out");
            }
        }
        Ok(Self { path: path.to_owned(), bases })
    }

    /// Expectation values of all strings that some basis determines: the strings that agree with it or have I. Counts of several bases
    /// add up.
    ///
    /// # Errors
    /// [`Error::File`] for more strings than can be told.
    pub fn expectations(&self) -> Result<Expectations> {
        let qubits = self.bases.keys().next().map_or(0, String::len);
        if qubits >= 32 || self.bases.len() << qubits > 16 * MOST_STRINGS {
            let found = format!("{} bases of {qubits} qubits", self.bases.len());
            return Err(Error::file(
                &self.path,
                found,
                "fewer",
                "Form the expectation values yourself: --pauli strings.txt",
            ));
        }
        // Σ counts·(−1)^parity and Σ counts by (x, z).
        let mut sums: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
        let mut shots = 0;
        for (basis, counts) in &self.bases {
            let whole = PauliString::from_word(basis)?;
            let n = 1_usize << qubits;
            let mut parities = zeros(n);
            for (bits, count) in counts {
                shots += count;
                parities.as_flattened_mut()[usize::from_str_radix(bits, 2).unwrap_or(0)] += *count as f64;
            }
            let total: f64 = parities.as_flattened().iter().sum();
            transformed(n, &mut parities);
            for (measured, parity) in parities.as_flattened()[..n].iter().enumerate() {
                let mask = measured as u32;
                let sum = sums.entry((whole.flips() & mask, whole.signs() & mask)).or_default();
                *sum = (sum.0 + parity, sum.1 + total);
            }
        }
        let strings = sums.keys().map(|&(x, z)| PauliString::new(qubits, x, z)).collect::<Result<_>>()?;
        let (values, weights) = sums.values().map(|(parity, count)| (parity / count, *count)).unzip();
        Ok(Expectations { strings, values, weights, bases: self.bases.len(), shots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Expectations> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Counts::read(file.path())?.expectations()
    }

    #[test]
    fn strings_are_the_parities_of_the_bits_that_they_see() {
        // 3 of 4 outcomes agree in the basis ZZ; in XZ the first bit is always 1.
        let found = of(r#"{"ZZ": {"00": 2, "11": 1, "01": 1}, "XZ": {"10": 4}}"#).unwrap();
        let value = |word: &str| {
            let string = PauliString::from_word(word).unwrap();
            let at = found.strings.iter().position(|of| *of == string).unwrap();
            (found.values[at], found.weights[at])
        };
        assert_eq!(value("ZZ"), (0.5, 4.0));
        assert_eq!(value("ZI"), (0.5, 4.0));
        assert_eq!(value("XI"), (-1.0, 4.0));
        // The second qubit is measured in Z by both: (2 − 2 + 4)/8.
        assert_eq!(value("IZ"), (0.5, 8.0));
        assert_eq!(value("II"), (1.0, 8.0));
        assert_eq!((found.shots, found.bases, found.strings.len()), (8, 2, 6));
    }

    #[test]
    fn wrong_counts_are_named() {
        for (text, words) in [
            ("[1]", "another form"),
            ("{}", "no basis"),
            (r#"{"XQ": {"00": 1}}"#, "'Q' in the basis 'XQ'"),
            (r#"{"XX": {"00": 1}, "XXX": {"000": 1}}"#, "'XXX' beside"),
            (r#"{"XX": {"02": 1}}"#, "'02' of the basis 'XX'"),
            (r#"{"XX": {}}"#, "no counts"),
        ] {
            let message = of(text).err().unwrap().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
