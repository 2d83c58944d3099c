//! Conversion of rows, columns and values from files into an operator with its observations.

use rand::seq::SliceRandom;

use crate::error::{Error, Result};
use crate::io::Triplets;
use crate::operators::compressed::Compressed;
use crate::operators::entries::Entries;
use crate::problem::Domain;
use crate::problem::random::{Purpose, stream};

/// Refuses positions outside the domain.
fn check(triplets: &Triplets, name: &str, domain: Domain) -> Result<()> {
    let lengths = [triplets.rows.len(), triplets.columns.len(), triplets.values.len()];
    if lengths.iter().any(|&length| length != lengths[0]) {
        return Err(Error::invalid(name, format!("{lengths:?} rows, columns and values"), "as many of each", "repair"));
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
    /// Observations y, one per measurement; the mean where a position was given several times.
    pub observations: Vec<f64>,
    /// Measurements from the held-out triplets, ascending.
    pub held_out: Vec<usize>,
    /// Number of triplets whose position occurs earlier in the same list.
    pub duplicates: usize,
    /// Number of held-out positions that are also training positions.
    pub shared: usize,
}

impl Entries {
    /// Entries with their values, ordered so that shards are blocks of matrix rows. Rows are shuffled by `seed`, so a
    /// shard is a fair sample of them; entries are sorted by row and column. Repeated positions (for a symmetric domain
    /// (a, b) and (b, a) are one) give their mean.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no triplets, positions outside the domain, or values that are not finite.
    pub fn from_triplets(domain: Domain, triplets: &Triplets, seed: u64) -> Result<Sampled> {
        Self::with_held_out(domain, triplets, &Triplets::default(), seed)
    }

    /// Entries with their values, with held-out entries as further measurements.
    ///
    /// # Errors
    /// Those of [`Entries::from_triplets`].
    pub fn with_held_out(domain: Domain, training: &Triplets, held_out: &Triplets, seed: u64) -> Result<Sampled> {
        domain.validate()?;
        check(training, "entries", domain)?;
        check(held_out, "holdout", domain)?;
        if training.is_empty() {
            return Err(Error::invalid("entries", 0, "at least 1", "pass at least one entry"));
        }
        let total = training.len() + held_out.len();
        Compressed::require_room(domain, total, total, 0, true)?;
        let symmetric = domain.is_symmetric();
        let both = [training, held_out];
        let place = |q: u32| {
            let (which, q) =
                if (q as usize) < training.len() { (0, q as usize) } else { (1, q as usize - training.len()) };
            let (a, b) = (both[which].rows[q], both[which].columns[q]);
            let (a, b) = if symmetric { (a.min(b), a.max(b)) } else { (a, b) };
            (a, b, which, both[which].values[q])
        };
        let order = order(domain.rows(), total, seed, |q| place(q).0, |q| (place(q).1, place(q).2));
        let (mut rows, mut columns, mut observations) = (Vec::new(), Vec::new(), Vec::with_capacity(total));
        rows.reserve_exact(total);
        columns.reserve_exact(total);
        let (mut held, mut boundaries, mut shared, mut count) = (Vec::new(), vec![], 0, 0.0);
        let mut last = None;
        for q in order {
            let (a, b, which, value) = place(q);
            if last == Some((a, b, which)) {
                // Running mean.
                count += 1.0;
                let mean: &mut f64 = observations.last_mut().expect("a repeated position has a first");
                *mean += (value - *mean) / count;
                continue;
            }
            if last.is_some_and(|(row, _, _)| row != a) {
                boundaries.push(rows.len());
            }
            shared += usize::from(last == Some((a, b, 0)));
            if which == 1 {
                held.push(rows.len());
            }
            (last, count) = (Some((a, b, which)), 1.0);
            rows.push(a);
            columns.push(b);
            observations.push(value);
        }
        let duplicates = total - rows.len();
        let operator = Self::of(domain, rows, columns, Some(&boundaries));
        Ok(Sampled { operator, observations, held_out: held, duplicates, shared })
    }
}

/// Sorts 0..count by a random rank of the row, then by `rest`, then by input order.
fn order(
    rows: usize,
    count: usize,
    seed: u64,
    row: impl Fn(u32) -> u32,
    rest: impl Fn(u32) -> (u32, usize),
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
    let mut first = 0;
    for &end in &starts[..rows] {
        order[first..end as usize].sort_unstable_by_key(|&q| (rest(q), q));
        first = end as usize;
    }
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
        // Mirrored positions are one.
        let sampled = Entries::from_triplets(Domain::symmetric(4), &given, 5).unwrap();
        assert_eq!(sampled.duplicates, 3);
        assert_eq!(sorted(&sampled), [(0, 1, 1.0), (1, 2, 6.25)]);
    }

    #[test]
    fn held_out_entries_stay_apart() {
        let (train, test) = (triplets(&[(0, 0, 1.0), (1, 1, 2.0)]), triplets(&[(0, 0, 3.0), (0, 1, 4.0), (0, 1, 6.0)]));
        let sampled = Entries::with_held_out(Domain::rectangular(2, 2), &train, &test, 1).unwrap();
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
