//! Measurements that are kept out of training.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::problem::random::{Purpose, stream};

/// A share of the measurements kept out of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holdout {
    pub fraction: f64,
    pub seed: u64,
}

impl Holdout {
    /// The measurements of 0..rows that are held out, ascending.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a share outside 0 to 1, or where none would be left.
    pub fn measurements(self, rows: usize) -> Result<Vec<usize>> {
        self.check()?;
        share_of(self, rows)
    }

    /// Refuses a share that is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless it lies between 0 and 1.
    pub fn check(self) -> Result<()> {
        if self.fraction > 0.0 && self.fraction < 1.0 {
            return Ok(());
        }
        let fix = "0.1 keeps a tenth of the measurements aside";
        Err(Error::invalid("holdout", self.fraction, "a share between 0 and 1, both excluded", fix))
    }
}

/// A share of 0..rows, ascending: a function of the seed, the share and `rows` only.
pub(super) fn share_of(holdout: Holdout, rows: usize) -> Result<Vec<usize>> {
    let count = ((rows as f64 * holdout.fraction).round() as usize).max(1);
    if count >= rows {
        return Err(Error::invalid(
            "holdout",
            format!("{count} of {rows} measurements"),
            "fewer than all of them",
            "lower the share or bring more measurements",
        ));
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(holdout.seed, Purpose::Holdout, rows as u64));
    order.truncate(count);
    order.sort_unstable();
    Ok(order)
}
