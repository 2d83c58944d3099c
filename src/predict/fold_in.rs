//! New rows or columns against fixed factors: ridge least squares of their entries.

use super::Predictor;
use super::lines::{FittedLines, LineFits};
use crate::error::{Error, Result};
use crate::io::labels::Id;
use crate::io::{Labels, Triplets};
use crate::memory::{Memory, product};

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldInAxis {
    /// Rows.
    Rows,
    /// Columns.
    Columns,
}

words!(FoldInAxis as "axis" { Rows => "rows", Columns => "columns" });

/// Candidates of the ridge, as shares of the mean diagonal of the normal equations.
const SHARES: [f64; 12] = [1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0];

/// Result of a fold-in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoldedIn {
    /// Number of new rows or columns.
    pub added: usize,
    /// Ridge λ of the least squares problems.
    pub ridge: f64,
    /// Root mean square of the leave-one-out residuals, where λ was chosen by them.
    pub left_out_rmse: Option<f64>,
    /// Entries of rows or columns that the factors know already: left as they are.
    pub known: usize,
    /// Entries whose other id is not in the factors.
    pub unknown: usize,
}

/// Entries of the new lines that name a known other id, line after line.
#[derive(Default)]
struct NewLines {
    names: Vec<String>,
    starts: Vec<usize>,
    places: Vec<u32>,
    values: Vec<f64>,
    known: usize,
    unknown: usize,
}

impl Predictor {
    /// Adds the rows (or columns) that the factors do not know, with the other factor fixed: for a new row a with entries
    /// y_b, minimises Σ_b (y_b/s_b − μ − c_b − β − R_b·x)² + λ(‖x‖² + β²) over x and, where the factors have biases, its own
    /// bias β. Without `ridge`, λ is chosen from shares of the mean diagonal of the normal equations by the leave-one-out
    /// error over all new entries. `names` are those of the rows and columns of the entries.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a symmetric matrix; [`Error::Invalid`] for a negative ridge, and where no new row has an
    /// entry in a known column; [`Error::Memory`].
    ///
    /// # Panics
    /// For entries beyond the names, as slices do.
    pub fn fold_in(
        &mut self,
        entries: &Triplets,
        names: (&Labels, &Labels),
        axis: FoldInAxis,
        ridge: Option<f64>,
    ) -> Result<FoldedIn> {
        if self.symmetric {
            let what = "new rows of a symmetric matrix, which are new columns too";
            return Err(Error::unsupported(what, "solve with --model asymmetric, or fit again"));
        }
        if let Some(found) = ridge.filter(|ridge| !(ridge.is_finite() && *ridge >= 0.0)) {
            let allowed = "a finite number of at least 0";
            return Err(Error::invalid("ridge", found, allowed, "leave it out to have it chosen"));
        }
        let new = self.new_lines(entries, names, axis);
        if new.names.is_empty() {
            let (new, other) = if axis == FoldInAxis::Rows { ("row", "column") } else { ("column", "row") };
            let found = format!("no new {new} with an entry in a known {other}");
            return Err(Error::invalid("entries", found, format!("at least one new {new}"), "pass entries of new ids"));
        }
        let (features, width) = self.features(axis)?;
        let lines =
            FittedLines { features: &features, width, starts: &new.starts, places: &new.places, values: &new.values };
        let (ridge, fits, left_out_rmse) = match ridge {
            Some(ridge) => {
                let fits = lines.fits(&vec![ridge; width], false).map_err(|line| {
                    let name = &new.names[line];
                    let found = format!("{ridge}, with which the entries of '{name}' do not determine it");
                    Error::invalid("ridge", found, "a larger number", "raise it, or leave it out")
                })?;
                (ridge, fits, None)
            }
            None => chosen(&lines)?,
        };
        let added = new.names.len();
        for (name, x) in new.names.into_iter().zip(fits.coefficients.chunks(width)) {
            self.append(axis, name, x);
        }
        Ok(FoldedIn { added, ridge, left_out_rmse, known: new.known, unknown: new.unknown })
    }

    /// Sorts the entries of the lines that are new, in the order of their names.
    fn new_lines(&self, entries: &Triplets, names: (&Labels, &Labels), axis: FoldInAxis) -> NewLines {
        let index = self.index();
        let (own, other, mine, theirs) = match axis {
            FoldInAxis::Rows => (names.0, names.1, &entries.rows, &entries.columns),
            FoldInAxis::Columns => (names.1, names.0, &entries.columns, &entries.rows),
        };
        let (is_known, find) = match axis {
            FoldInAxis::Rows => (&index.rows, &index.columns),
            FoldInAxis::Columns => (&index.columns, &index.rows),
        };
        let known: Vec<bool> = (0..own.len()).map(|at| is_known.find(&own.id(at)).is_some()).collect();
        let others: Vec<Option<usize>> = (0..other.len()).map(|at| find.find(&other.id(at))).collect();
        let mut new = NewLines { starts: vec![0], ..NewLines::default() };
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&q| mine[q]);
        let mut last = None;
        for q in order {
            let line = mine[q] as usize;
            let (false, Some(at)) = (known[line], others[theirs[q] as usize]) else {
                new.known += usize::from(known[line]);
                new.unknown += usize::from(!known[line]);
                continue;
            };
            if last.replace(line) != Some(line) {
                new.names.push(own.name(line));
                new.starts.push(new.values.len());
            }
            let value = entries.values[q];
            new.places.push(at as u32);
            new.values.push(match axis {
                FoldInAxis::Rows => value / self.scale(Some(at)) - self.bias(None, Some(at)),
                FoldInAxis::Columns => value - self.bias(Some(at), None),
            });
            *new.starts.last_mut().expect("it begins with 0") = new.values.len();
        }
        new
    }

    /// The fixed factor, with a column of ones for a bias, and the number of its columns.
    fn features(&self, axis: FoldInAxis) -> Result<(Vec<f64>, usize)> {
        let factor = if axis == FoldInAxis::Rows { &self.right } else { &self.left };
        let own = usize::from(self.biases.is_some());
        let rows = factor.len() / self.k;
        let bytes = product(&[rows, self.k + own, size_of::<f64>()]);
        Memory::of_host([("the fixed factor", bytes)]).require("factors", "Use a machine with more memory")?;
        let ones = std::iter::repeat_n(1.0, own);
        let features = factor.chunks(self.k).flat_map(|row| row.iter().copied().chain(ones.clone())).collect();
        Ok((features, self.k + own))
    }

    fn append(&mut self, axis: FoldInAxis, name: String, x: &[f64]) {
        let (factor, labels) = match axis {
            FoldInAxis::Rows => (&mut self.left, &mut self.rows),
            FoldInAxis::Columns => (&mut self.right, &mut self.columns),
        };
        factor.extend(&x[..self.k]);
        labels.push(name);
        let bias = x.get(self.k).copied().unwrap_or(0.0);
        match (axis, &mut self.biases) {
            (FoldInAxis::Rows, Some(biases)) => biases.rows.push(bias),
            (FoldInAxis::Columns, Some(biases)) => biases.columns.push(bias),
            _ => {}
        }
        // Entries of a new column are in their own units.
        if let (FoldInAxis::Columns, Some(scales)) = (axis, &mut self.scales) {
            scales.push(1.0);
        }
    }
}

/// The ridge of least leave-one-out error, the fits with it, and that error.
fn chosen(lines: &FittedLines<'_>) -> Result<(f64, LineFits, Option<f64>)> {
    // The mean over the lines of the mean diagonal of FᵀF.
    let squares = |place: &u32| {
        let row = &lines.features[*place as usize * lines.width..][..lines.width];
        row.iter().map(|v| v * v).sum::<f64>()
    };
    let size = lines.places.iter().map(squares).sum::<f64>() / (lines.width * (lines.starts.len() - 1)) as f64;
    let error =
        |fits: &LineFits| (fits.left_out.iter().map(|e| e * e).sum::<f64>() / fits.left_out.len() as f64).sqrt();
    let tried = SHARES.iter().filter_map(|share| {
        let fits = lines.fits(&vec![share * size; lines.width], false).ok()?;
        Some((share * size, error(&fits), fits))
    });
    let best = tried.min_by(|a, b| a.1.total_cmp(&b.1));
    let missing =
        || Error::invalid("ridge", "no value that works", "factors that are not all 0", "fit the factors again");
    best.map(|(ridge, rmse, fits)| (ridge, fits, Some(rmse))).ok_or_else(missing)
}

impl Labels {
    /// Appends a name.
    fn push(&mut self, name: String) {
        let whole = match Id::of(name.as_bytes()) {
            Some(Id::Integer(whole)) if !matches!(self, Self::Texts(_)) => Some(whole),
            _ => None,
        };
        match (whole, &mut *self) {
            (Some(whole), Self::Integers(all)) => return all.push(whole),
            (None, Self::Texts(all)) => return all.push(name),
            _ => {}
        }
        let before = (0..self.len()).map(|at| self.name(at));
        *self = match whole {
            Some(whole) => Self::Integers(before.filter_map(|name| name.parse().ok()).chain([whole]).collect()),
            None => Self::Texts(before.chain([name]).collect()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_appended_to_every_kind() {
        let mut labels = Labels::Counted { first: 0, count: 2 };
        labels.push("9".into());
        assert_eq!(labels, Labels::Integers(vec![0, 1, 9]));
        labels.push("x".into());
        labels.push("4".into());
        assert_eq!(labels, Labels::Texts(["0", "1", "9", "x", "4"].map(String::from).to_vec()));
    }
}
