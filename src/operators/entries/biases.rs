//! Biases of a matrix, without interaction of rows and columns: a mean, and an offset per row and per column.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::io::Labels;
use crate::operators::compressed::Index;
use crate::operators::{Entries, Operator};

/// The biases μ + b_a + c_b.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Biases {
    /// Mean μ.
    pub mean: f64,
    /// Row offsets b, n1 numbers; 0 for rows without an entry.
    pub rows: Vec<f64>,
    /// Column offsets c, n2 numbers.
    pub columns: Vec<f64>,
}

/// Root mean square errors of predictions without factors, on held-out entries if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Error of the mean as prediction.
    pub global_mean: f64,
    /// Error of the mean with the offsets of rows and columns.
    pub row_and_column_biases: f64,
}

/// Predictions of sampled entries without factors.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// Their errors; none for implicit feedback, whose targets are all about 1.
    pub baseline: Option<Baseline>,
    /// Biases that were subtracted from y, to be added to predictions.
    pub biases: Option<Biases>,
    /// Scale of each column by which y was divided, where it was.
    pub column_scales: Option<Vec<f64>>,
    /// Names of rows and columns, where the entries are from a table.
    pub labels: Option<(Labels, Labels)>,
}

/// λ of the fit, in entries: a row with n entries keeps n/(n + λ) of its mean.
const RIDGE: f64 = 5.0;
/// Most sweeps, and the largest change, relative to the largest bias, at which they end.
const SWEEPS: usize = 50;
const SMALL: f64 = 1e-6;

impl Biases {
    /// The weighted mean of the entries, without offsets. Entry i has the weight `weight(i)`, 0 for one that is not used.
    pub fn mean_of(entries: &Entries, observations: &[f64], weight: impl Fn(usize) -> f64) -> Result<Self> {
        check(entries, observations)?;
        let domain = entries.domain();
        let (mut sum, mut count) = (0.0, 0.0);
        for (w, y) in observations.iter().enumerate().map(|(i, y)| (weight(i), y)).filter(|(w, _)| *w > 0.0) {
            sum += w * y;
            count += w;
        }
        let mean = if count > 0.0 { sum / count } else { 0.0 };
        Ok(Self { mean, rows: vec![0.0; domain.rows()], columns: vec![0.0; domain.columns()] })
    }

    /// Ridge least squares fit, min Σ w (y − μ − b_a − c_b)² + λ(‖b‖² + ‖c‖²) with λ = 5, w = `weight(i)` and μ the mean.
    /// Sweeps over rows and columns alternate until convergence.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong number of observations, or a symmetric unknown, whose rows and columns are the
    /// same.
    pub fn fit(entries: &Entries, observations: &[f64], weight: impl Fn(usize) -> f64) -> Result<Self> {
        let mut biases = Self::mean_of(entries, observations, &weight)?;
        let Some(by_column) = &entries.lists.by_column else {
            let fix = "use the model asymmetric, or leave the biases out";
            return Err(Error::invalid("biases", "a symmetric model", "the model asymmetric", fix));
        };
        let by_row = &entries.lists.by_row;
        for _ in 0..SWEEPS {
            let columns = &biases.columns;
            let rows = line_means(by_row, |i, b| observations[i] - biases.mean - columns[b], &weight);
            let columns = line_means(by_column, |i, a| observations[i] - biases.mean - rows[a], &weight);
            let moved = change(&rows, &biases.rows).max(change(&columns, &biases.columns));
            let largest = rows.iter().chain(&columns).fold(0.0_f64, |a, v| a.max(v.abs()));
            (biases.rows, biases.columns) = (rows, columns);
            if moved <= SMALL * largest {
                break;
            }
        }
        Ok(biases)
    }

    /// Prediction μ + b_a + c_b.
    ///
    /// # Panics
    /// For a row or column outside the matrix, as slices do.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.mean + self.rows[row] + self.columns[column]
    }

    /// Observations y minus the biases, for every measurement.
    pub fn without(&self, entries: &Entries, observations: &[f64]) -> Vec<f64> {
        let at = |i: usize| entries.position(i);
        observations.iter().enumerate().map(|(i, y)| y - self.at(at(i).0, at(i).1)).collect()
    }

    /// Root mean square √(Σ we²/Σ w) of e, y minus the biases, with the weights w of some measurements and 0 for others.
    pub fn rmse(&self, entries: &Entries, observations: &[f64], weight: impl Fn(usize) -> f64) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for (w, i, y) in observations.iter().enumerate().map(|(i, y)| (weight(i), i, y)).filter(|of| of.0 > 0.0) {
            let (row, column) = entries.position(i);
            sum += w * (y - self.at(row, column)).powi(2);
            count += w;
        }
        (sum / count).sqrt()
    }
}

fn check(entries: &Entries, observations: &[f64]) -> Result<()> {
    if observations.len() == entries.measurements() {
        return Ok(());
    }
    let (found, allowed) = (format!("{} numbers", observations.len()), format!("{} numbers", entries.measurements()));
    Err(Error::invalid("observations", found, allowed, "pass one observation per entry"))
}

/// Σ w·value/(Σ w + λ) over the entries of each line.
fn line_means(index: &Index, value: impl Fn(usize, usize) -> f64, weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let line = |line: usize| {
        let (mut sum, mut count) = (0.0, RIDGE);
        for q in index.range(line) {
            let i = index.measurement[q] as usize;
            let w = weight(i);
            if w > 0.0 {
                sum += w * value(i, index.other[q] as usize);
                count += w;
            }
        }
        sum / count
    };
    (0..index.starts.len() - 1).map(line).collect()
}

fn change(new: &[f64], old: &[f64]) -> f64 {
    new.iter().zip(old).fold(0.0, |a, (new, old)| a.max((new - old).abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Domain;

    #[test]
    fn the_fit_is_a_stationary_point_and_ignores_what_is_not_used() {
        let (n1, n2, m) = (7, 5, 40);
        let entries = Entries::uniform(Domain::rectangular(n1, n2), m, 3).unwrap();
        let mut y: Vec<f64> = (0..m).map(|i| ((i * 37) % 11) as f64 - 2.0 + entries.position(i).0 as f64).collect();
        let used = |i: usize| i % 4 != 1;
        let weight = |i: usize| f64::from(u8::from(used(i)));
        let fit = Biases::fit(&entries, &y, weight).unwrap();
        for a in 0..n1 {
            let own = (0..m).filter(|&i| used(i) && entries.position(i).0 == a);
            let slope: f64 = own.map(|i| y[i] - fit.at(a, entries.position(i).1)).sum::<f64>() - RIDGE * fit.rows[a];
            assert!(slope.abs() < 1e-3, "{slope}");
        }
        assert!(
            fit.rmse(&entries, &y, weight) < Biases::mean_of(&entries, &y, weight).unwrap().rmse(&entries, &y, weight)
        );
        y.iter_mut().enumerate().filter(|(i, _)| !used(*i)).for_each(|(_, y)| *y = 1e9);
        assert_eq!(Biases::fit(&entries, &y, weight).unwrap(), fit);
        let rest = fit.without(&entries, &y);
        assert_eq!(rest[0], y[0] - fit.at(entries.position(0).0, entries.position(0).1));
    }
}
