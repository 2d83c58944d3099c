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
