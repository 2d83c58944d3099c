//! Predictions from saved factors: entries, best columns of a row, and new rows or columns against fixed factors.
//!
//! A prediction is ẑ_ab = (Σ_j L_aj R_bj + μ + b_a + c_b)·s_b with factors L (n1 × k) and R (n2 × k), the biases μ, b, c and the
//! column scales s, where the factors' file has them.

mod complex;
mod fold_in;
mod lines;
mod parts;

use std::path::Path;

pub use fold_in::{FoldInAxis, FoldedIn};
pub use lines::{FittedLines, LineFits};

use crate::error::{Error, Result};
use crate::io::labels::{Id, Lookup};
use crate::io::texts::read_labels;
use crate::io::truth::factor_of;
use crate::io::{FactorArray, Labels, NpzArray, TripletOptions, npz_names, read_npz, write_npz_arrays};
use crate::operators::entries::Biases;

/// Factors with what belongs to predictions from them: biases, column scales, names of rows and columns.
#[derive(Clone, Debug)]
pub struct Predictor {
    k: usize,
    /// (n1, k) and (n2, k), row-major.
    left: Vec<f64>,
    right: Vec<f64>,
    biases: Option<Biases>,
    scales: Option<Vec<f64>>,
    rows: Labels,
    columns: Labels,
    /// Whether rows and columns are one.
    symmetric: bool,
}

/// A prediction, and what it was made of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Prediction {
    /// From factors, and from biases where there are any.
    Full(f64),
    /// From the biases of what is known.
    ByBiases(f64),
    /// Nothing is known of the row or the column, and there are no biases.
    Unknown,
}

impl Prediction {
    /// The predicted value, if there is one.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Full(value) | Self::ByBiases(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// A pair of ids, with the indices of those that are known.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct IdPair {
    /// Id of the row and of the column.
    pub names: (String, String),
    /// Their indices; `None` for an unknown one.
    pub at: (Option<usize>, Option<usize>),
}

/// Indices of the rows and columns of factors, by their names.
pub struct NameIndex<'a> {
    rows: Lookup<'a>,
    columns: Lookup<'a>,
}

impl NameIndex<'_> {
    /// The index of a row. `55`, `55.0` and `5.5e1` are one name.
    pub fn row(&self, name: &str) -> Option<usize> {
        self.rows.find(&Id::of(name.as_bytes())?)
    }

    /// The index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.find(&Id::of(name.as_bytes())?)
    }

    /// The index of a row whose name is a whole number.
    pub fn row_number(&self, name: i64) -> Option<usize> {
        self.rows.find(&Id::Integer(name))
    }

    /// The index of a column whose name is a whole number.
    pub fn column_number(&self, name: i64) -> Option<usize> {
        self.columns.find(&Id::Integer(name))
    }
}

const SAVE: &str = "Write them with `lowrank solve --out factors.npz`";

impl Predictor {
    /// Reads the factors of one trial that `lowrank solve --out` wrote.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for a file of another kind, or arrays whose sizes do not agree;
    /// [`Error::Invalid`] for a trial that does not exist.
    pub fn open(path: impl AsRef<Path>, trial: usize) -> Result<Self> {
        let path = path.as_ref();
        let names = npz_names(path)?;
        let has = |name: &str| names.iter().any(|other| other == name);
        let factor = |name: &str| -> Result<FactorArray> {
            let array = read_npz(path, name)?;
            let rows = array.shape().len().checked_sub(2).map_or(0, |axis| array.shape()[axis]);
            factor_of(array, rows, "factors")
        };
        let left = factor("left")?;
        if trial >= left.batch {
            let allowed = format!("0 to {}", left.batch - 1);
            return Err(Error::invalid("trial", trial, allowed, "pick a trial of the file"));
        }
        let k = left.columns;
        let of = |factor: &FactorArray| {
            let size = factor.rows * factor.columns;
            factor.values[trial * size..(trial + 1) * size].to_vec()
        };
        let mut product = of(&left);
        for at in (1..).take_while(|at| has(&format!("middle_{at}"))) {
            let middle = factor(&format!("middle_{at}"))?;
            if (middle.rows, middle.columns, middle.batch) != (k, k, left.batch) {
                return Err(Error::file(path, format!("middle_{at} of another size"), "k x k as in left", SAVE));
            }
            product = crate::linalg::times(&product, k, &of(&middle), k);
        }
        let symmetric = !has("right");
        let (n2, right) = match symmetric {
            true => (left.rows, signed(path, &of(&left), k, has("signature"))?),
            false => {
                let right = factor("right")?;
                if (right.columns, right.batch) != (k, left.batch) {
                    return Err(Error::file(path, "right of another k or batch", "those of left", SAVE));
                }
                (right.rows, of(&right))
            }
        };
        let list = |name: &str, count: usize| -> Result<Option<Vec<f64>>> {
            if !has(name) {
                return Ok(None);
            }
            let values = read_npz(path, name)?.to_vec()?;
            if values.len() != count || values.iter().any(|value| !value.is_finite()) {
                let found = format!("'{name}' of {} numbers", values.len());
                return Err(Error::file(path, found, format!("{count} finite numbers"), SAVE));
            }
            Ok(Some(values))
        };
        let biases = match (list("mean", 1)?, list("row_bias", left.rows)?, list("column_bias", n2)?) {
            (Some(mean), Some(rows), Some(columns)) => Some(Biases { mean: mean[0], rows, columns }),
            _ => None,
        };
        let (rows, columns) = (labels_of(path, "rows", left.rows)?, labels_of(path, "columns", n2)?);
        Ok(Self { k, left: product, right, biases, scales: list("column_scale", n2)?, rows, columns, symmetric })
    }

    /// Shape (n1, n2) of the matrix.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    /// Names of rows and columns.
    pub fn labels(&self) -> (&Labels, &Labels) {
        (&self.rows, &self.columns)
    }

    /// Whether there are biases, which serve unknown rows and columns.
    pub fn has_biases(&self) -> bool {
        self.biases.is_some()
    }

    fn left(&self, row: usize) -> &[f64] {
        &self.left[row * self.k..(row + 1) * self.k]
    }

    fn right(&self, column: usize) -> &[f64] {
        &self.right[column * self.k..(column + 1) * self.k]
    }

    /// μ + b_a + c_b of what is known.
    fn bias(&self, row: Option<usize>, column: Option<usize>) -> f64 {
        let Some(biases) = &self.biases else { return 0.0 };
        biases.mean + row.map_or(0.0, |row| biases.rows[row]) + column.map_or(0.0, |column| biases.columns[column])
    }

    fn scale(&self, column: Option<usize>) -> f64 {
        self.scales.as_ref().zip(column).map_or(1.0, |(scales, column)| scales[column])
    }

    /// The prediction of an entry; `None` for a row or a column that is not known.
    ///
    /// # Panics
    /// For an index beyond the matrix, as slices do.
    pub fn predict(&self, row: Option<usize>, column: Option<usize>) -> Prediction {
        let bias = self.bias(row, column);
        match (row, column, &self.biases) {
            (Some(a), Some(b), _) => Prediction::Full((dot(self.left(a), self.right(b)) + bias) * self.scale(column)),
            (_, _, Some(_)) => Prediction::ByBiases(bias * self.scale(column)),
            _ => Prediction::Unknown,
        }
    }

    /// The columns with the largest predictions in a row, best first, without those that `left_out` names (ascending).
    ///
    /// # Panics
    /// For an index beyond the matrix, as slices do.
    pub fn top(&self, row: Option<usize>, count: usize, left_out: &[u32]) -> Vec<(usize, f64)> {
        let value = |column: usize| Some((column, self.predict(row, Some(column)).value()?));
        let kept = |column: &usize| left_out.binary_search(&(*column as u32)).is_err();
        let mut all: Vec<(usize, f64)> = (0..self.columns.len()).filter(kept).filter_map(value).collect();
        let best = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let count = count.min(all.len());
        if count < all.len() {
            all.select_nth_unstable_by(count, best);
            all.truncate(count);
        }
        all.sort_unstable_by(best);
        all
    }

    /// Makes an index of the names.
    pub fn index(&self) -> NameIndex<'_> {
        NameIndex { rows: self.rows.lookup(), columns: self.columns.lookup() }
    }

    /// Hands over every pair of a table (with [`TripletOptions::pairs`]) or every row of a list (with
    /// [`TripletOptions::ids`]), one after the other, as it is read. Returns assumptions about the file, as sentences.
    ///
    /// # Errors
    /// Those of [`TripletOptions::open`], and of `visit`, which ends the reading.
    pub fn for_each_pair(
        &self,
        path: impl AsRef<Path>,
        options: &TripletOptions,
        mut visit: impl FnMut(IdPair) -> Result<()>,
    ) -> Result<Vec<String>> {
        let index = self.index();
        options.for_each_pair(path.as_ref(), |row, column| {
            let at = (index.rows.find(&row), index.columns.find(&column));
            visit(IdPair { names: (row.into(), column.into()), at })
        })
    }

    /// Every row, as a pair without a column.
    pub fn rows(&self) -> Vec<IdPair> {
        let pair = |at: usize| IdPair { names: (self.rows.name(at), String::new()), at: (Some(at), None) };
        (0..self.rows.len()).map(pair).collect()
    }

    /// Writes the factors, with biases, scales and names, as [`Predictor::open`] reads them.
    ///
    /// # Errors
    /// Those of `writer`.
    pub fn write(&self, writer: &mut impl std::io::Write) -> std::io::Result<()> {
        let (n1, n2) = self.shape();
        let (left, right) = ([1, n1, self.k], [1, n2, self.k]);
        let mut arrays =
            vec![("left", NpzArray::Numbers(&left, &self.left)), ("right", NpzArray::Numbers(&right, &self.right))];
        let sizes = ([n1], [n2]);
        let mean = self.biases.as_ref().map(|biases| [biases.mean]);
        if let (Some(biases), Some(mean)) = (&self.biases, &mean) {
            arrays.push(("mean", NpzArray::Numbers(&[1], mean)));
            arrays.push(("row_bias", NpzArray::Numbers(&sizes.0, &biases.rows)));
            arrays.push(("column_bias", NpzArray::Numbers(&sizes.1, &biases.columns)));
        }
        arrays.extend(self.scales.iter().map(|scales| ("column_scale", NpzArray::Numbers(&sizes.1, scales))));
        arrays.push(("rows", NpzArray::Labels(&self.rows)));
        arrays.push(("columns", NpzArray::Labels(&self.columns)));
        write_npz_arrays(writer, &arrays)
    }
}

/// Names of `count` rows or columns: their indices where the file has none.
fn labels_of(path: &Path, name: &str, count: usize) -> Result<Labels> {
    let labels = read_labels(path, name)?.unwrap_or(Labels::Counted { first: 0, count });
    match labels.len() == count {
        true => Ok(labels),
        false => Err(Error::file(path, format!("{} names in '{name}'", labels.len()), format!("{count}"), SAVE)),
    }
}

/// The right factor of a symmetric matrix: the left one, with the columns of negative sign turned.
fn signed(path: &Path, left: &[f64], k: usize, has_signature: bool) -> Result<Vec<f64>> {
    let signs = signs(path, k, has_signature)?;
    Ok(left.iter().enumerate().map(|(at, value)| signs[at % k] * value).collect())
}

/// Signs of the columns of a symmetric matrix: 1 without a signature.
fn signs(path: &Path, k: usize, has_signature: bool) -> Result<Vec<f64>> {
    if !has_signature {
        return Ok(vec![1.0; k]);
    }
    let signature = read_npz(path, "signature")?.to_vec()?;
    let positive = signature.first().copied().filter(|p| (0.0..=k as f64).contains(p));
    let Some(positive) = positive else {
        return Err(Error::file(path, "a signature beyond the columns", format!("two numbers of sum {k}"), SAVE));
    };
    Ok((0..k).map(|at| if at < positive as usize { 1.0 } else { -1.0 }).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
