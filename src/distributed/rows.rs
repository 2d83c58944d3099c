//! The rows of all ranks, for functions on the host.
//!
//! Shard j of part p is shard j·P + p of the whole: some of the first ones are read by all ranks. A rank adds its parts in
//! the tree of passes, and every rank adds the rest, so that sums do not depend on the number of ranks. Thin rows stay
//! where their Aᵢ are; each of their products is a sum over the ranks.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use faer::{Mat, MatRef};

use crate::distributed::Link;
use crate::distributed::tree::Node;
use crate::error::Result;
use crate::tape::{Rows, Seen, ThinRows};

/// The rows of one trial.
pub(super) struct TeamRows<'r> {
    link: Mutex<&'r mut Link>,
    /// Rows of this rank's parts.
    parts: Vec<Box<dyn Rows + 'r>>,
    /// Number of the first of them.
    first: usize,
    /// Number of all parts.
    count: usize,
    weights: Vec<f64>,
}

impl<'r> TeamRows<'r> {
    /// # Errors
    /// Those of the connection.
    pub(super) fn new(link: &'r mut Link, parts: Vec<Box<dyn Rows + 'r>>) -> Result<Self> {
        let (first, count) = (link.own_parts().start, link.cut.parts);
        let mut most = [parts.iter().map(|rows| rows.weights().len()).max().unwrap_or(0) as f64];
        link.agree(&mut most)?;
        let mut rows = Self { link: Mutex::new(link), parts, first, count, weights: Vec::new() };
        let leaf = |at: usize| {
            let part = &rows.parts[at];
            let mut own = vec![0.0; most[0] as usize * count];
            part.weights().iter().enumerate().for_each(|(j, weight)| own[j * count + first + at] = *weight);
            own
        };
        rows.weights = rows.sum((0..rows.parts.len()).map(leaf).collect())?;
        Ok(rows)
    }

    /// The shards of a part, by its place among this rank's, that are among some of the whole.
    fn of_part(&self, shards: &Range<usize>, at: usize) -> Range<usize> {
        of_part(shards, (self.first + at, self.count), self.parts[at].weights().len())
    }

    /// The sum of the numbers of all parts, of which each rank gives its own.
    fn sum(&self, leaves: Vec<Vec<f64>>) -> Result<Vec<f64>> {
        let numbers = leaves.first().map_or(0, Vec::len);
        let leaves = leaves.into_iter().map(|sums| Node { moments: Vec::new(), sums }).collect();
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(link.exchange::<f64>(leaves, (0, numbers))?.sums)
    }

    /// What all parts saw.
    fn together(&self, seen: Vec<Seen>) -> Result<Seen> {
        let (n1, n2) = seen.first().map_or((0, 0), |seen| seen.gradient.shape());
        let leaf = |seen: Seen| {
            let mut numbers = vec![seen.energy, seen.weight];
            numbers.extend(by_columns(&seen.gradient));
            numbers
        };
        let all = self.sum(seen.into_iter().map(leaf).collect())?;
        Ok(Seen::new(matrix(n1, n2, &all[2..]), all[0], all[1]))
    }
}

/// The shards of part `part` of `count` that are among `shards` of the whole, if it has `own` of them.
fn of_part(shards: &Range<usize>, (part, count): (usize, usize), own: usize) -> Range<usize> {
    let before = |end: usize| end.saturating_sub(part).div_ceil(count).min(own);
    before(shards.start)..before(shards.end)
}

fn by_columns(matrix: &Mat<f64>) -> impl Iterator<Item = f64> {
    matrix.col_iter().flat_map(|column| column.iter().copied())
}

fn matrix(rows: usize, columns: usize, numbers: &[f64]) -> Mat<f64> {
    Mat::from_fn(rows, columns, |i, j| numbers[j * rows + i])
}

impl Rows for TeamRows<'_> {
    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn pass(&self, shards: Range<usize>, left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Result<Seen> {
        let own = self.parts.iter().enumerate();
        let seen = own.map(|(at, part)| part.pass(self.of_part(&shards, at), left, right)).collect::<Result<_>>()?;
        self.together(seen)
    }

    fn pass_and_thin(
        &self,
        shards: Range<usize>,
        ends: (MatRef<'_, f64>, MatRef<'_, f64>),
        bases: (MatRef<'_, f64>, MatRef<'_, f64>),
    ) -> Result<(Seen, Box<dyn ThinRows + '_>)> {
        let (mut seen, mut thin) = (Vec::new(), Vec::new());
        for (at, part) in self.parts.iter().enumerate() {
            let (own, rows) = part.pass_and_thin(self.of_part(&shards, at), ends, bases)?;
            seen.push(own);
            thin.push(rows);
        }
        Ok((self.together(seen)?, Box::new(TeamThin { rows: self, parts: thin })))
    }
}

/// Thin rows of all parts of this rank.
struct TeamThin<'a, 'r> {
    rows: &'a TeamRows<'r>,
    parts: Vec<Box<dyn ThinRows + 'a>>,
}

impl ThinRows for TeamThin<'_, '_> {
    fn normal(&self, p: MatRef<'_, f64>) -> Result<Mat<f64>> {
        let mut leaves = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            leaves.push(by_columns(&part.normal(p)?).collect());
        }
        let all = self.rows.sum(leaves)?;
        Ok(matrix(p.nrows(), p.ncols(), &all))
    }
}

#[cfg(test)]
mod tests {
    use super::of_part;

    #[test]
    fn every_shard_of_a_part_is_read_once() {
        let own = [3, 1, 2, 3];
        let whole = 3 * own.len();
        for cuts in [vec![0, whole], vec![0, 1, 2, whole], vec![0, 3, 7, 8, whole], (0..=whole).collect()] {
            for (part, own) in own.into_iter().enumerate() {
                let of = |pair: &[usize]| of_part(&(pair[0]..pair[1]), (part, 4), own);
                let read: Vec<usize> = cuts.windows(2).flat_map(of).collect();
                assert_eq!(read, (0..own).collect::<Vec<_>>(), "part {part}, cut at {cuts:?}");
            }
        }
        // Shard 5 of the whole is shard 1 of part 1.
        assert_eq!([0, 1, 2, 3].map(|part| of_part(&(5..6), (part, 4), 3).len()), [0, 1, 0, 0]);
        assert_eq!(of_part(&(5..6), (1, 4), 3), 1..2);
    }
}
