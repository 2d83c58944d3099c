//! Conversion of rows, columns and values from files into an operator with its observations.

use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::io::{Duplicates, Triplets};
use crate::operators::compressed::Compressed;
use crate::operators::entries::Entries;
use crate::problem::Domain;
use crate::problem::random::{Purpose, stream};

/// Refuses positions outside the domain.
fn check(triplets: &Triplets, name: &str, domain: Domain) -> Result<()> {
    let weights = if triplets.weights.is_empty() { triplets.values.len() } else { triplets.weights.len() };
    let lengths = [triplets.rows.len(), triplets.columns.len(), triplets.values.len(), weights];
    if lengths.iter().any(|&length| length != lengths[0]) {
        return Err(Error::invalid(
            name,
            format!("{lengths:?} rows, columns, values and weights"),
            "as many of each",
            "repair",
        ));
    }
    for q in 0..triplets.len() {
        let (row, column, value) = (triplets.rows[q], triplets.columns[q], triplets.values[q]);
        if row as usize >= domain.rows() || column as usize >= domain.columns() || !value.is_finite() {
            return Err(Error::invalid(
                name,
                format!("({row}, {column}) = {value} at entry {q}"),
                format!("positions inside the {domain} matrix, counted from 0, and finite values"),
                "check --shape and --index-base, or remove that entry",
            ));
        }
    }
    Ok(())
}

/// An operator with its observations, in the operator's own order.
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Sampled {
    /// Operator of the observed entries.
    pub operator: Entries,
    /// Observations y, one per measurement.
    pub observations: Vec<f64>,
    /// Weights of the measurements, where they differ.
    pub weights: Option<Vec<f64>>,
    /// Measurements from the held-out triplets, ascending.
    pub held_out: Vec<usize>,
    /// Measurements in the order in which the triplets first name their position.
    pub given: Vec<u32>,
    /// Number of triplets whose position occurs earlier in the same list.
    pub duplicates: usize,
    /// The first such position.
    pub repeated: Option<(usize, usize)>,
    /// Number of held-out positions that are also training positions.
    pub shared: usize,
}

/// The entries of one position.
#[derive(Clone, Copy)]
struct Cell {
    row: u32,
    column: u32,
    /// Whether it is held out.
    held: bool,
    /// Whether it was given as (column, row) of a symmetric matrix.
    mirrored: bool,
    value: f64,
    weight: f64,
    count: f64,
    /// Number of its first triplet.
    first: u32,
}

impl Cell {
    fn key(&self) -> (u32, u32, bool) {
        (self.row, self.column, self.held)
    }

    /// Adds an entry of the same position on the same side of the diagonal.
    fn add(&mut self, next: &Self, duplicates: Duplicates) {
        match duplicates {
            Duplicates::Mean | Duplicates::Refuse => {
                // Running weighted mean; the weight is the mean of the weights, so that repetition alone changes nothing.
                let (before, after) = (self.weight * self.count, self.weight * self.count + next.weight);
                if after > 0.0 {
                    self.value += (next.value - self.value) * next.weight / after;
                }
                self.count += 1.0;
                self.weight = (before + next.weight) / self.count;
            }
            Duplicates::Last => (self.value, self.weight) = (next.value, next.weight),
            Duplicates::Sum => self.value += next.value,
        }
    }

    /// Adds the entry of the mirrored position: ⟨A, Z⟩ is the same, so both count, as one measurement of their weight.
    fn join(&mut self, mirrored: &Self) {
        self.first = self.first.min(mirrored.first);
        let weight = self.weight + mirrored.weight;
        if weight > 0.0 {
            self.value += (mirrored.value - self.value) * mirrored.weight / weight;
        }
        self.weight = weight;
    }
}

impl Entries {
    /// Entries with their values, ordered so that shards are blocks of matrix rows. Rows are shuffled by `seed`, so a
    /// shard is a fair sample of them; entries are sorted by row and column. Repeated positions give their mean. On a
    /// symmetric domain (a, b) and (b, a) are one measurement, of twice the weight where both are given.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no triplets, positions outside the domain, or values that are not finite.
    pub fn from_triplets(domain: Domain, triplets: &Triplets, seed: u64) -> Result<Sampled> {
        Self::with_held_out(domain, triplets, &Triplets::default(), Duplicates::Mean, seed)
    }

    /// Entries with their values, with held-out entries as further measurements. `duplicates` says what several entries of
    /// one position mean.
    ///
    /// # Errors
    /// Those of [`Entries::from_triplets`]; [`Error::Invalid`] for repeated positions where they are refused.
    pub fn with_held_out(
        domain: Domain,
        training: &Triplets,
        held_out: &Triplets,
        duplicates: Duplicates,
        seed: u64,
    ) -> Result<Sampled> {
        domain.validate()?;
        check(training, "entries", domain)?;
        check(held_out, "holdout", domain)?;
        if training.is_empty() {
            return Err(Error::invalid("entries", 0, "at least 1", "pass at least one entry"));
        }
        let total = training.len() + held_out.len();
        Compressed::require_room(domain, total, total, 0, true)?;
        let symmetric = domain.is_symmetric();
        let cell = |number: u32| {
            let q = number as usize;
            let held = q >= training.len();
            let (of, q) = if held { (held_out, q - training.len()) } else { (training, q) };
            let (a, b) = (of.rows[q], of.columns[q]);
            let mirrored = symmetric && a > b;
            let (row, column) = if mirrored { (b, a) } else { (a, b) };
            let weight = of.weights.get(q).copied().unwrap_or(1.0);
            Cell { row, column, held, mirrored, value: of.values[q], weight, count: 1.0, first: number }
        };
        let of = |q: u32| (cell(q).column, cell(q).held, cell(q).mirrored);
        let order = order(domain.rows(), total, seed, |q| cell(q).row, of);
        let mut gathered = Gathered::with_capacity(total);
        let mut last: Option<Cell> = None;
        for q in order {
            let next = cell(q);
            match &mut last {
                Some(last) if last.key() == next.key() && last.mirrored == next.mirrored => {
                    gathered.duplicates += 1;
                    gathered.repeated.get_or_insert((next.row as usize, next.column as usize));
                    last.add(&next, duplicates);
                }
                _ => {
                    gathered.take(last.replace(next));
                }
            }
        }
        gathered.take(last);
        if let (Duplicates::Refuse, Some((row, column))) = (duplicates, gathered.repeated) {
            let found = format!("several entries at row {row}, column {column}, counted from 0");
            return Err(Error::invalid(
                "duplicates",
                found,
                "one entry per position",
                "remove the others, or use mean, last or sum",
            ));
        }
        Ok(gathered.sampled(domain))
    }
}

/// Measurements in the order of the operator.
struct Gathered {
    cells: Places,
    observations: Vec<f64>,
    weights: Vec<f64>,
    first: Vec<u32>,
    held_out: Vec<usize>,
    boundaries: Vec<usize>,
    duplicates: usize,
    repeated: Option<(usize, usize)>,
    shared: usize,
    last: Option<Cell>,
}

/// Rows and columns of the measurements.
struct Places {
    rows: Vec<u32>,
    columns: Vec<u32>,
}

impl Gathered {
    fn with_capacity(total: usize) -> Self {
        let cells = Places { rows: Vec::with_capacity(total), columns: Vec::with_capacity(total) };
        let (observations, weights, first) = (Vec::with_capacity(total), Vec::new(), Vec::with_capacity(total));
        let (held_out, boundaries) = (Vec::new(), Vec::new());
        let (duplicates, repeated, shared, last) = (0, None, 0, None);
        Self { cells, observations, weights, first, held_out, boundaries, duplicates, repeated, shared, last }
    }

    /// Takes a complete position; its mirror image joins it.
    fn take(&mut self, cell: Option<Cell>) {
        let Some(cell) = cell else { return };
        match self.last.take() {
            Some(mut last) if last.key() == cell.key() => {
                last.join(&cell);
                self.last = Some(last);
            }
            last => {
                self.finish(last, Some(&cell));
                self.last = Some(cell);
            }
        }
    }

    /// Appends a measurement; `next` is the one after it.
    fn finish(&mut self, cell: Option<Cell>, next: Option<&Cell>) {
        let Some(cell) = cell else { return };
        let at = self.cells.rows.len();
        if cell.held {
            self.held_out.push(at);
        }
        self.cells.rows.push(cell.row);
        self.cells.columns.push(cell.column);
        self.observations.push(cell.value);
        self.first.push(cell.first);
        // Weights are kept from the first that is not 1.
        if cell.weight != 1.0 && self.weights.is_empty() {
            self.weights = vec![1.0; at];
        }
        if cell.weight != 1.0 || !self.weights.is_empty() {
            self.weights.push(cell.weight);
        }
        if let Some(next) = next {
            if next.row != cell.row {
                self.boundaries.push(at + 1);
            }
            self.shared += usize::from((next.row, next.column) == (cell.row, cell.column));
        }
    }

    fn sampled(mut self, domain: Domain) -> Sampled {
        let last = self.last.take();
        self.finish(last, None);
        let Self { cells, observations, weights, first, held_out, boundaries, duplicates, repeated, shared, .. } = self;
        // Measurements in the order of the input: `first` has each of its numbers once.
        let mut given = vec![u32::MAX; first.iter().max().map_or(0, |last| *last as usize + 1)];
        (0..).zip(&first).for_each(|(at, first)| given[*first as usize] = at);
        given.retain(|at| *at != u32::MAX);
        let operator = Entries::of(domain, cells.rows, cells.columns, Some(&boundaries));
        let weights = (!weights.is_empty()).then_some(weights);
        Sampled { operator, observations, weights, held_out, given, duplicates, repeated, shared }
    }
}

/// Sorts 0..count by a random rank of the row, then by `rest`, then by input order.
fn order(
    rows: usize,
    count: usize,
    seed: u64,
    row: impl Fn(u32) -> u32 + Sync,
    rest: impl Fn(u32) -> (u32, bool, bool) + Sync,
) -> Vec<u32> {
    let mut rank: Vec<u32> = (0..rows as u32).collect();
    rank.shuffle(&mut stream(seed, Purpose::Shards, 0));
    // Counting sort by rank, then each row by itself.
    let mut starts = vec![0_u32; rows + 1];
    (0..count as u32).for_each(|q| starts[rank[row(q) as usize] as usize + 1] += 1);
    for at in 0..rows {
        starts[at + 1] += starts[at];
    }
    let mut order = vec![0; count];
    for q in 0..count as u32 {
        let next = &mut starts[rank[row(q) as usize] as usize];
        order[*next as usize] = q;
        *next += 1;
    }
    // `starts` has moved to the ends.
    let (mut lines, mut others, mut first) = (Vec::with_capacity(rows), &mut order[..], 0);
    for &end in &starts[..rows] {
        let (line, behind) = others.split_at_mut((end - first) as usize);
        lines.push(line);
        (others, first) = (behind, end);
    }
    lines.into_par_iter().for_each(|line| line.sort_unstable_by_key(|&q| (rest(q), q)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Operator;

    fn triplets(of: &[(u32, u32, f64)]) -> Triplets {
        Triplets {
            rows: of.iter().map(|t| t.0).collect(),
            columns: of.iter().map(|t| t.1).collect(),
            values: of.iter().map(|t| t.2).collect(),
            weights: Vec::new(),
        }
    }

    fn sorted(sampled: &Sampled) -> Vec<(usize, usize, f64)> {
        let of = |i: usize| (sampled.operator.position(i), sampled.observations[i]);
        let mut all: Vec<_> = (0..sampled.observations.len()).map(of).map(|((a, b), v)| (a, b, v)).collect();
        all.sort_by_key(|(a, b, _)| (*a, *b));
        all
    }

    #[test]
    fn duplicates_are_averaged_and_counted() {
        let given = triplets(&[(2, 1, 4.0), (0, 1, 1.0), (2, 1, 5.0), (1, 2, 7.0), (2, 1, 9.0)]);
        let sampled = Entries::from_triplets(Domain::rectangular(3, 4), &given, 5).unwrap();
        assert_eq!((sampled.duplicates, sampled.shared), (2, 0));
        assert_eq!(sorted(&sampled), [(0, 1, 1.0), (1, 2, 7.0), (2, 1, 6.0)]);
        assert_eq!(sampled.weights, None);
        for (duplicates, wanted) in [(Duplicates::Last, 9.0), (Duplicates::Sum, 18.0)] {
            let none = Triplets::default();
            let sampled = Entries::with_held_out(Domain::rectangular(3, 4), &given, &none, duplicates, 5).unwrap();
            assert_eq!(sorted(&sampled)[2], (2, 1, wanted));
        }
        let refused =
            Entries::with_held_out(Domain::rectangular(3, 4), &given, &Triplets::default(), Duplicates::Refuse, 5);
        assert!(refused.err().unwrap().to_string().contains("row 2, column 1"));
        // Mirrored positions are one measurement of both weights: the mean 6 of (2, 1), and 7 of (1, 2).
        let sampled = Entries::from_triplets(Domain::symmetric(4), &given, 5).unwrap();
        assert_eq!(sampled.duplicates, 2);
        assert_eq!(sorted(&sampled), [(0, 1, 1.0), (1, 2, 6.5)]);
        let at = |i: usize| sampled.operator.position(i) == (1, 2);
        assert_eq!(sampled.weights.as_ref().unwrap()[usize::from(at(1))], 2.0);
        let weighted = Triplets { weights: vec![1.0, 1.0, 3.0, 1.0, 0.0], ..given };
        let sampled = Entries::from_triplets(Domain::rectangular(3, 4), &weighted, 5).unwrap();
        assert_eq!(sorted(&sampled)[2], (2, 1, 4.75));
    }

    #[test]
    fn held_out_entries_stay_apart() {
        let (train, test) = (triplets(&[(0, 0, 1.0), (1, 1, 2.0)]), triplets(&[(0, 0, 3.0), (0, 1, 4.0), (0, 1, 6.0)]));
        let sampled = Entries::with_held_out(Domain::rectangular(2, 2), &train, &test, Duplicates::Mean, 1).unwrap();
        assert_eq!((sampled.duplicates, sampled.shared), (1, 1));
        let held: Vec<_> =
            sampled.held_out.iter().map(|&i| (sampled.operator.position(i), sampled.observations[i])).collect();
        assert_eq!(held, [((0, 0), 3.0), ((0, 1), 5.0)]);
    }

    #[test]
    fn shards_are_blocks_of_shuffled_rows() {
        let (n1, n2) = (500, 400);
        let all: Vec<_> =
            (0..n1 * n2).map(|q| ((q * 7 % (n1 * n2) / n2) as u32, (q * 7 % n2) as u32, q as f64)).collect();
        let sampled = Entries::from_triplets(Domain::rectangular(n1, n2), &triplets(&all), 1).unwrap();
        let operator = &sampled.operator;
        assert!(operator.shards() > 4);
        let mut seen = std::collections::HashSet::new();
        let mut first = Vec::new();
        for shard in 0..operator.shards() {
            let rows: std::collections::BTreeSet<usize> =
                operator.shard_range(shard).map(|i| operator.position(i).0).collect();
            assert!(rows.iter().all(|&row| seen.insert(row)), "a row is in two shards");
            first.push(*rows.first().unwrap());
            assert!(*rows.last().unwrap() - rows.first().unwrap() > n1 / 2, "the rows of a shard are neighbours");
        }
        let other = Entries::from_triplets(Domain::rectangular(n1, n2), &triplets(&all), 2).unwrap();
        assert_ne!(other.observations, sampled.observations);
    }

    #[test]
    fn what_lies_outside_is_refused() {
        let domain = Domain::rectangular(2, 2);
        for bad in [(2, 0, 1.0), (0, 2, 1.0), (0, 0, f64::NAN)] {
            let message = Entries::from_triplets(domain, &triplets(&[bad]), 1).err().unwrap().to_string();
            assert!(message.contains("entry 0"), "{message}");
        }
        assert!(Entries::from_triplets(domain, &Triplets::default(), 1).is_err());
    }
}
