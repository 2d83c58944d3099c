//! What the training entries alone say: rows without any, spreads of columns, predictions without factors.

use crate::error::Result;
use crate::operators::entries::{Baseline, Biases};
use crate::operators::{Entries, Operator};
use crate::text::readable;

/// Least entries of a column for a spread.
const FEWEST: f64 = 2.0;
/// Ratio of spreads from which columns seem to have different units.
const DIFFERENT: f64 = 100.0;

/// Training entries; those held out have the weight 0.
pub(super) struct Training<'a> {
    pub operator: &'a Entries,
    pub weights: &'a [f64],
    /// Weights of the entries that judge predictions: those held out, or the training entries where there are none.
    pub judged: &'a [f64],
}

impl Training<'_> {
    /// Biases of the training entries, and the errors of predictions by them.
    pub(super) fn without_factors(&self, observations: &[f64]) -> Result<(Biases, Baseline)> {
        let operator = self.operator;
        let over = |i: usize| self.judged[i];
        let mean = Biases::mean_of(operator, observations, |i| self.weights[i])?;
        let symmetric = operator.domain().is_symmetric();
        let biases = match symmetric {
            true => mean.clone(),
            false => Biases::fit(operator, observations, |i| self.weights[i])?,
        };
        let baseline = Baseline {
            global_mean: mean.rmse(operator, observations, over),
            row_and_column_biases: biases.rmse(operator, observations, over),
        };
        Ok((biases, baseline))
    }

    /// Says how many rows and columns have no training entry.
    pub(super) fn gaps(&self) -> Option<String> {
        let domain = self.operator.domain();
        let (mut rows, mut columns) = (vec![false; domain.rows()], vec![false; domain.columns()]);
        for i in (0..self.weights.len()).filter(|&i| self.weights[i] > 0.0) {
            let (row, column) = self.operator.position(i);
            (rows[row], columns[column]) = (true, true);
            if domain.is_symmetric() {
                (rows[column], columns[row]) = (true, true);
            }
        }
        let missing = |seen: &[bool]| seen.iter().filter(|seen| !**seen).count();
        let (rows, columns) = (missing(&rows), missing(&columns));
        (rows + columns > 0).then(|| {
            format!(
                "{rows} of {} rows and {columns} of {} columns have no training entry: nothing is learned of them",
                domain.rows(),
                domain.columns()
            )
        })
    }

    /// Standard deviation of the training entries of each column, weighted; 0 where there are fewer than two.
    pub(super) fn column_spreads(&self, observations: &[f64]) -> Spreads {
        let columns = self.operator.domain().columns();
        let mut sums = vec![[0.0_f64; 3]; columns];
        for (i, w) in self.weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            let of = &mut sums[self.operator.position(i).1];
            // Running weighted mean and sum of squares about it.
            of[0] += w;
            let before = observations[i] - of[1];
            of[1] += before * w / of[0];
            of[2] += w * before * (observations[i] - of[1]);
        }
        Spreads(sums.iter().map(|of| if of[0] < FEWEST { 0.0 } else { (of[2] / of[0]).sqrt() }).collect())
    }
}

/// Spread of each column.
pub(super) struct Spreads(Vec<f64>);

impl Spreads {
    /// Scales of the columns: their spread, and the median spread of the others for columns that have none.
    pub(super) fn scales(&self) -> Vec<f64> {
        let mut known: Vec<f64> = self.positive().collect();
        known.sort_by(f64::total_cmp);
        let usual = known.get(known.len() / 2).copied().unwrap_or(1.0);
        self.0.iter().map(|spread| if *spread > 0.0 { *spread } else { usual }).collect()
    }

    fn positive(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied().filter(|spread| *spread > 0.0)
    }

    /// Says where the spreads differ so much that columns seem to have different units.
    pub(super) fn doubt(&self) -> Option<String> {
        let (least, most) = self.positive().fold((f64::INFINITY, 0.0_f64), |(a, b), s| (a.min(s), b.max(s)));
        (most > DIFFERENT * least).then(|| {
            format!(
                "the spreads of columns differ {} times: the fit follows the largest. --scale-columns divides each column by its \
                 spread",
                readable(most / least)
            )
        })
    }
}
