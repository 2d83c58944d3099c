//! New rows or columns against fixed factors: ridge least squares of their entries.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::Predictor;
use crate::error::{Error, Result};
use crate::io::labels::{Id, Interner};
use crate::io::{Labels, TripletFile};

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

/// Entries of a new row or column: features of the other side, and what they have to explain.
struct Line {
    features: Mat<f64>,
    targets: Vec<f64>,
}

impl Line {
    /// Solution of (FᵀF + λI)x = Fᵀt and the leave-one-out residuals (t − Fx)ᵢ/(1 − hᵢ).
    fn solve(&self, ridge: f64) -> Option<(Vec<f64>, Vec<f64>)> {
        let p = self.features.ncols();
        let mut normal = self.features.transpose() * &self.features;
        (0..p).for_each(|j| normal[(j, j)] += ridge);
        let factorised = normal.llt(Side::Lower).ok()?;
        let targets = Mat::from_fn(self.targets.len(), 1, |i, _| self.targets[i]);
        let x = factorised.solve(self.features.transpose() * &targets);
        let spread = factorised.solve(self.features.transpose());
        let fitted = &self.features * &x;
        let residual = |i: usize| {
            let leverage: f64 = (0..p).map(|j| self.features[(i, j)] * spread[(j, i)]).sum();
            (self.targets[i] - fitted[(i, 0)]) / (1.0 - leverage).max(1e-12)
        };
        let left_out: Vec<f64> = (0..self.targets.len()).map(residual).collect();
        let x: Vec<f64> = (0..p).map(|j| x[(j, 0)]).collect();
        x.iter().chain(&left_out).all(|value| value.is_finite()).then_some((x, left_out))
    }

    /// Mean diagonal of FᵀF.
    fn size(&self) -> f64 {
        self.features.squared_norm_l2() / self.features.ncols() as f64
    }
}

impl Predictor {
    /// Adds the rows (or columns) of a table that the factors do not know, with the other factor fixed: for a new row a with
    /// entries y_b, minimises Σ_b (y_b/s_b − μ − c_b − β − R_b·x)² + λ(‖x‖² + β²) over x and, where the factors have biases, its
    /// own bias β. Without `ridge`, λ is chosen from shares of the mean diagonal of the normal equations by the leave-one-out
    /// error over all new entries.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a symmetric matrix; [`Error::Invalid`] for a negative ridge, and where no new row has an entry
    /// in a known column.
    pub fn fold_in(&mut self, file: &TripletFile, axis: FoldInAxis, ridge: Option<f64>) -> Result<FoldedIn> {
        if self.symmetric {
            let what = "new rows of a symmetric matrix, which are new columns too";
            return Err(Error::unsupported(what, "solve with --model asymmetric, or fit again"));
        }
        if let Some(found) = ridge.filter(|ridge| !(ridge.is_finite() && *ridge >= 0.0)) {
            return Err(Error::invalid(
                "ridge",
                found,
                "a finite number of at least 0",
                "leave it out to have it chosen",
            ));
        }
        let (names, lines, known, unknown) = self.new_lines(file, axis);
        if lines.is_empty() {
            let (new, other) = if axis == FoldInAxis::Rows { ("row", "column") } else { ("column", "row") };
            let found = format!("no new {new} with an entry in a known {other}");
            return Err(Error::invalid("entries", found, format!("at least one new {new}"), "pass entries of new ids"));
        }
        let (ridge, left_out_rmse) = match ridge {
            Some(ridge) => (ridge, None),
            None => chosen(&lines)?,
        };
        for (name, line) in names.into_iter().zip(&lines) {
            let (x, _) = line.solve(ridge).ok_or_else(|| {
                let found = format!("{ridge}, with which the entries of '{name}' do not determine it");
                Error::invalid("ridge", found, "a larger number", "raise --ridge, or leave it out")
            })?;
            self.append(axis, name, &x);
        }
        Ok(FoldedIn { added: lines.len(), ridge, left_out_rmse, known, unknown })
    }

    /// The new lines with their names, and the numbers of entries of known lines and of unknown other ids.
    fn new_lines(&self, file: &TripletFile, axis: FoldInAxis) -> (Vec<String>, Vec<Line>, usize, usize) {
        let (mut interner, mut names, mut entries) = (Interner::default(), Vec::new(), Vec::<Vec<(usize, f64)>>::new());
        let (mut known, mut unknown) = (0, 0);
        for (pair, value) in self.pairs(file).into_iter().zip(&file.triplets.values) {
            let (name, own, other) = match axis {
                FoldInAxis::Rows => (pair.names.0, pair.at.0, pair.at.1),
                FoldInAxis::Columns => (pair.names.1, pair.at.1, pair.at.0),
            };
            let (None, Some(other)) = (own, other) else {
                known += usize::from(own.is_some());
                unknown += usize::from(own.is_none());
                continue;
            };
            let at = interner.number(Id::Text(name.clone())) as usize;
            if at == names.len() {
                names.push(name);
                entries.push(Vec::new());
            }
            entries[at].push((other, *value));
        }
        (names, entries.into_iter().map(|of| self.line(axis, &of)).collect(), known, unknown)
    }

    fn line(&self, axis: FoldInAxis, entries: &[(usize, f64)]) -> Line {
        let own = usize::from(self.biases.is_some());
        let factor = |at: usize| if axis == FoldInAxis::Rows { self.right(at) } else { self.left(at) };
        let feature = |i: usize, j: usize| factor(entries[i].0).get(j).copied().unwrap_or(1.0);
        let target = |&(at, value): &(usize, f64)| match axis {
            FoldInAxis::Rows => value / self.scale(Some(at)) - self.bias(None, Some(at)),
            FoldInAxis::Columns => value - self.bias(Some(at), None),
        };
        let features = Mat::from_fn(entries.len(), self.k + own, feature);
        Line { features, targets: entries.iter().map(target).collect() }
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

/// The ridge of least leave-one-out error, with that error.
fn chosen(lines: &[Line]) -> Result<(f64, Option<f64>)> {
    let size = lines.iter().map(Line::size).sum::<f64>() / lines.len() as f64;
    let error = |ridge: f64| -> Option<f64> {
        let all =
            lines.iter().map(|line| line.solve(ridge).map(|(_, left_out)| left_out)).collect::<Option<Vec<_>>>()?;
        let (sum, count) = all.iter().flatten().fold((0.0, 0.0), |(sum, count), e| (sum + e * e, count + 1.0));
        Some((sum / count).sqrt())
    };
    let tried = SHARES.iter().filter_map(|share| Some((share * size, error(share * size)?)));
    let best = tried.min_by(|a, b| a.1.total_cmp(&b.1));
    let missing =
        || Error::invalid("ridge", "no value that works", "factors that are not all 0", "fit the factors again");
    best.map(|(ridge, rmse)| (ridge, Some(rmse))).ok_or_else(missing)
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
    fn leave_one_out_residuals_are_those_of_fits_without_the_entry() {
        let features = Mat::from_fn(6, 3, |i, j| ((i * 7 + j * 3) % 5) as f64 - 1.5);
        let targets: Vec<f64> = (0..6).map(|i| (i * i % 4) as f64).collect();
        let line = Line { features: features.clone(), targets: targets.clone() };
        let (_, left_out) = line.solve(0.3).unwrap();
        for out in 0..6 {
            let rest: Vec<usize> = (0..6).filter(|i| *i != out).collect();
            let fewer = Line {
                features: Mat::from_fn(5, 3, |i, j| features[(rest[i], j)]),
                targets: rest.iter().map(|&i| targets[i]).collect(),
            };
            let x = fewer.solve(0.3).unwrap().0;
            let row: Vec<f64> = (0..3).map(|j| features[(out, j)]).collect();
            let fitted: f64 = row.iter().zip(&x).map(|(a, b)| a * b).sum();
            assert!((targets[out] - fitted - left_out[out]).abs() < 1e-9);
        }
    }

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
