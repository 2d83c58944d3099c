//! Entries that were not seen because they lie below a threshold.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::operators::{Entries, Operator};
use crate::solver::problem::Problem;

impl Problem {
    /// Makes every entry that was not observed a measurement with the upper bound t: unseen entries lie below the threshold
    /// of the detector, so the loss on them is max(Z_ab − t, 0)²/2. They follow the observed ones, by rows; on a symmetric
    /// domain those of the upper triangle, where neither (a, b) nor (b, a) was observed. A weight of theirs is 1.
    ///
    /// The observed entries alone do not tell a random start the way: descent ends at a matrix that fits them and is large
    /// elsewhere. (Liu et al., arXiv 2406.05822, for the sampling; arXiv 2503.23832 for the use of what is not seen)
    ///
    /// # Errors
    /// [`Error::Invalid`] for a threshold that is not finite, and where no entry is unseen; [`Error::Unsupported`] for
    /// measurements that are no entries; those of [`Entries::new`] for a matrix that is too large.
    pub fn with_unseen_below(self, threshold: f64) -> Result<Self> {
        if !threshold.is_finite() {
            let fix = "pass the largest number that an unseen entry can be";
            return Err(Error::invalid("loss_unseen", threshold, "a finite threshold", fix));
        }
        let Some(entries) = self.operator.entries() else {
            let what = format!(
                "a loss on unseen entries for the measurements '{}', which are no entries,",
                self.operator.name()
            );
            return Err(Error::Unsupported { what, fix: "pass entries, or mark measurements as upper bounds".into() });
        };
        let (m, domain) = (entries.measurements(), entries.domain());
        let (mut rows, mut columns): (Vec<usize>, Vec<usize>) = (0..m).map(|i| entries.position(i)).unzip();
        for place in unseen(entries) {
            rows.push(place.0);
            columns.push(place.1);
        }
        let all = rows.len();
        if all == m {
            let fix = "leave loss_unseen out";
            return Err(Error::invalid("loss_unseen", "no entry that was not observed", "some of them", fix));
        }
        // s is in proportion to 1/m, whatever the entries are scaled by.
        let s = entries.normalization() * m as f64 / all as f64;
        let operator = Entries::new(domain, &rows, &columns)?.with_normalization(s)?;
        let weights = self.weights.as_ref().map(|weights| weights.iter().copied().chain(vec![1.0; all - m]).collect());
        let mut instances = self.instances;
        instances.iter_mut().for_each(|instance| instance.observations.resize(all, threshold));
        let common_weight = self.common_weight;
        let problem = Self { operator: Arc::new(operator), instances, weights, common_weight, upper_bounds: None };
        let given = self.upper_bounds.as_deref().unwrap_or_default();
        let given = given.iter().enumerate().filter(|(_, bound)| **bound).map(|(i, _)| i);
        problem.with_upper_bounds(given.chain(m..all))
    }
}

/// Positions without an observation, by rows; those of the upper triangle on a symmetric domain.
fn unseen(entries: &Entries) -> impl Iterator<Item = (usize, usize)> {
    let domain = entries.domain();
    let (n1, n2, symmetric) = (domain.rows(), domain.columns(), domain.is_symmetric());
    let mut seen = vec![false; n1 * n2];
    for i in 0..entries.measurements() {
        let (row, column) = entries.position(i);
        seen[row * n2 + column] = true;
        if symmetric {
            seen[column * n2 + row] = true;
        }
    }
    let inside = move |at: &usize| !symmetric || at / n2 <= at % n2;
    (0..n1 * n2).filter(inside).filter(move |at| !seen[*at]).map(move |at| (at / n2, at % n2))
}
