//! Held-out measurements.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::problem::random::{Purpose, stream};

/// Random share of the measurements, held out of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Holdout {
    /// Share of the measurements that is held out, between 0 and 1.
    pub fraction: f64,
    /// Seed of the draw.
    pub seed: u64,
}

impl Holdout {
    /// A share of the measurements, drawn with a seed.
    pub const fn new(fraction: f64, seed: u64) -> Self {
        Self { fraction, seed }
    }

    /// Held-out measurements among 0..rows, ascending.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a share outside 0 to 1, or where no measurement would be left.
    pub fn measurements(self, rows: usize) -> Result<Vec<usize>> {
        self.check()?;
        share_of(self, rows)
    }

    /// Refuses an invalid share.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the share lies between 0 and 1.
    pub fn check(self) -> Result<()> {
        if self.fraction > 0.0 && self.fraction < 1.0 {
            return Ok(());
        }
        let fix = "0.1 holds out a tenth of the measurements";
        Err(Error::invalid("holdout", self.fraction, "a share above 0 and below 1", fix))
    }
}

/// One fold of a cross-validation: the measurements that it holds out, one of `count` random parts of about equal size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Fold {
    /// Index of the fold, from 0.
    pub index: usize,
    /// Number of folds.
    pub count: usize,
    /// Seed of the random parts.
    pub seed: u64,
}

impl Fold {
    /// Fold `index` of `count`, drawn with a seed.
    pub const fn new(index: usize, count: usize, seed: u64) -> Self {
        Self { index, count, seed }
    }

    /// The part of these measurements that the fold holds out, ascending. The folds of one count and seed are disjoint,
    /// and together they are all measurements.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an index beyond the folds, fewer than two folds, or fewer measurements than folds.
    pub(crate) fn part_of(self, mut measurements: Vec<usize>) -> Result<Vec<usize>> {
        let Self { index, count, seed } = self;
        if count < 2 || index >= count || measurements.len() < count {
            let found = format!("fold {index} of {count} for {} measurements", measurements.len());
            let allowed = "a fold below the number of folds, and 2 folds or more but no more than measurements";
            return Err(Error::invalid("folds", found, allowed, "use fewer folds, or add measurements"));
        }
        let rows = measurements.len() as u64;
        measurements.shuffle(&mut stream(seed, Purpose::Holdout, rows));
        let mut part: Vec<usize> = measurements.into_iter().skip(index).step_by(count).collect();
        part.sort_unstable();
        Ok(part)
    }
}

/// A random share of 0..rows, ascending; it depends only on the seed, the share and `rows`.
pub(crate) fn share_of(holdout: Holdout, rows: usize) -> Result<Vec<usize>> {
    let count = ((rows as f64 * holdout.fraction).round() as usize).max(1);
    if count >= rows {
        return Err(Error::invalid(
            "holdout",
            format!("{count} of {rows} measurements"),
            "fewer than all of them",
            "lower the share or add measurements",
        ));
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(holdout.seed, Purpose::Holdout, rows as u64));
    order.truncate(count);
    order.sort_unstable();
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_disjoint_and_cover_everything() {
        let all: Vec<usize> = (0..23).filter(|i| i % 3 != 0).collect();
        let parts: Vec<Vec<usize>> = (0..4).map(|index| Fold::new(index, 4, 7).part_of(all.clone()).unwrap()).collect();
        let mut together = parts.concat();
        together.sort_unstable();
        assert_eq!(together, all);
        assert!(parts.iter().all(|part| (3..=4).contains(&part.len())), "{parts:?}");
        assert_ne!(parts[0], Fold::new(0, 4, 8).part_of(all.clone()).unwrap());
        for (index, count) in [(4, 4), (0, 1), (0, 16)] {
            assert!(Fold::new(index, count, 7).part_of(all.clone()).is_err(), "{index} of {count}");
        }
    }
}
