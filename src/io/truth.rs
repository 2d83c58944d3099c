//! Factors (truths, starts) and truth matrices.

use std::path::Path;

use super::npy::{NpyArray, open_array};
use super::npz;
use super::shape_text;
use crate::error::{Error, Result};
use crate::problem::Block;

/// Factors from a file: `batch` matrices of `rows`×`columns`, row-major, one after the other.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FactorArray {
    /// Number of matrices.
    pub batch: usize,
    /// Rows of each matrix.
    pub rows: usize,
    /// Columns of each matrix.
    pub columns: usize,
    /// Entries, (batch, rows, columns).
    pub values: Vec<f64>,
}

/// Reads two factors, with `rows` and `columns` rows, from an `.npz` archive with `left`, (n1, k) or (batch, n1, k),
/// and `right`, (n2, k) or (batch, n2, k).
///
/// # Errors
/// Those of [`read_factor`]; a difference in k or in the batch.
pub fn read_pair(
    path: impl AsRef<Path>,
    rows: usize,
    columns: usize,
    setting: &str,
) -> Result<(FactorArray, FactorArray)> {
    let path = path.as_ref();
    if !npz::is_archive(path)? {
        return Err(Error::file(
            path,
            format!("a single array for {setting}"),
            "an .npz archive with left (n1, k) and right (n2, k), the two factors of the asymmetric model",
            "Save both: numpy.savez(path, left=L, right=R)",
        ));
    }
    pair_of(path, open_array(path, &["left"])?, npz::read_npz(path, "right")?, (rows, columns), setting)
}

/// Reads the blocks of a product. One block is read like [`read_factor`]; several come from an `.npz` archive with an
/// array of each name, (rows, k) or (batch, rows, k). Blocks whose rows are `None` have k rows. `model` and `setting`
/// are for messages.
///
/// # Errors
/// Those of [`read_factor`]; blocks that differ in k or in the batch.
pub(crate) fn read_blocks(
    path: &Path,
    wanted: &[(&str, Option<usize>)],
    model: &str,
    setting: &str,
) -> Result<(usize, Vec<Block>)> {
    if let [(_, Some(rows))] = wanted {
        let FactorArray { batch, rows, columns, values } = read_factor(path, *rows, setting)?;
        return Ok((batch, vec![Block::new(rows, columns, values)]));
    }
    let names = || wanted.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let fix = "Save all of them: numpy.savez(path, left=L, right=R) for two";
    if !npz::is_archive(path)? {
        let allowed = format!("an .npz archive with {}: the model {model} has {} factors", names(), wanted.len());
        return Err(Error::file(path, format!("a single array for {setting}"), allowed, fix));
    }
    let (mut first, mut blocks) = (None, Vec::new());
    for (name, rows) in wanted {
        let array = npz::read_npz(path, name)?;
        let k = first.map_or_else(|| array.shape().last().copied().unwrap_or(0), |(_, k)| k);
        let FactorArray { batch, rows, columns, values } = factor_of(array, rows.unwrap_or(k), setting)?;
        if *first.get_or_insert((batch, columns)) != (batch, columns) {
            let found = format!("{name} of {batch} x k = {columns}, unlike the factors before it");
            return Err(Error::file(path, found, "factors of the same k and batch", "Save the factors of one product"));
        }
        blocks.push(Block::new(rows, columns, values));
    }
    Ok((first.map_or(0, |(batch, _)| batch), blocks))
}

/// Makes two factors from two arrays, like [`read_pair`]; `path` stands for both in messages.
///
/// # Errors
/// Those of [`read_pair`].
pub fn pair_of(
    path: impl AsRef<Path>,
    left: NpyArray,
    right: NpyArray,
    (rows, columns): (usize, usize),
    setting: &str,
) -> Result<(FactorArray, FactorArray)> {
    let path = path.as_ref();
    let (left, right) = (factor_of(left, rows, setting)?, factor_of(right, columns, setting)?);
    if (left.batch, left.columns) != (right.batch, right.columns) {
        return Err(Error::file(
            path,
            format!(
                "left of {} x k = {} and right of {} x k = {}",
                left.batch, left.columns, right.batch, right.columns
            ),
            "two factors of the same k and batch",
            "Save the two factors of one product",
        ));
    }
    Ok((left, right))
}

/// Reads a factor with `n` rows: shape (n, k), or (batch, n, k). An `.npz` archive provides the array `left` (as this
/// crate writes it), or its only one. `setting` names the flag in messages (`truth`, `init`).
///
/// # Errors
/// [`Error::Io`] and [`Error::File`]: another shape, no columns, NaN or infinite entries (with their index).
pub fn read_factor(path: impl AsRef<Path>, n: usize, setting: &str) -> Result<FactorArray> {
    factor_of(open_array(path, &["left"])?, n, setting)
}

/// Makes a factor from an array, like [`read_factor`].
///
/// # Errors
/// Those of [`read_factor`].
pub fn factor_of(array: NpyArray, n: usize, setting: &str) -> Result<FactorArray> {
    let (batch, rows, columns) = match *array.shape() {
        [rows, columns] => (1, rows, columns),
        [batch, rows, columns] => (batch, rows, columns),
        _ => (0, 0, 0),
    };
    if rows != n || array.is_empty() {
        return Err(Error::file(
            array.path(),
            format!("a factor of shape {} for {setting}", shape_text(array.shape())),
            format!("shape ({n}, k) or (batch, {n}, k) with k at least 1: the unknown matrix is {n} x {n}"),
            if matches!(*array.shape(), [_, rows] if rows == n) {
                "Transpose it: numpy.save(path, X.T)"
            } else {
                "Pass a factor X with one row per row of the unknown matrix"
            },
        ));
    }
    Ok(FactorArray { batch, rows, columns, values: finite(&array)? })
}

/// Largest asymmetry of a truth matrix, relative to its largest entry, that counts as `f32` rounding.
const ROUNDING: f64 = 1e-6;

/// Reads the factor of a signed truth from an `.npz` archive with `left`, (n, p+q), and `signature`, (2,): p columns
/// with positive sign, then q with negative sign.
///
/// # Errors
/// Those of [`read_factor`]; a signature other than two whole numbers that add up to the columns.
pub fn read_signed_factor(path: impl AsRef<Path>, n: usize, setting: &str) -> Result<(FactorArray, (usize, usize))> {
    let path = path.as_ref();
    require_archive(path, setting)?;
    let left = factor_of(npz::read_npz(path, "left")?, n, setting)?;
    let signature = read_signature(path, left.columns)?;
    Ok((left, signature))
}

const SIGNED: &str = "an .npz archive with left (n, p+q) and signature (2,) = p, q";
const SAVE_BOTH: &str =
    "Save both: numpy.savez(path, left=X, signature=[p, q]), or pass the matrix itself as --truth-matrix";

/// Refuses a single array where a signature is needed.
///
/// # Errors
/// [`Error::File`], and [`Error::Io`].
pub(crate) fn require_archive(path: &Path, setting: &str) -> Result<()> {
    match npz::is_archive(path)? {
        true => Ok(()),
        false => Err(Error::file(path, format!("a single array for {setting}"), SIGNED, SAVE_BOTH)),
    }
}

/// Reads the signature of a factor of so many columns from its archive.
///
/// # Errors
/// [`Error::File`] for a signature other than two whole numbers that add up to the columns.
pub(crate) fn read_signature(path: &Path, columns: usize) -> Result<(usize, usize)> {
    let numbers = npz::read_npz(path, "signature")?.to_vec()?;
    let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v <= columns as f64).then_some(v as usize);
    let found = match numbers.as_slice() {
        &[p, q] => match (whole(p), whole(q)) {
            (Some(p), Some(q)) if p + q == columns => return Ok((p, q)),
            _ => format!("a signature {p}, {q} for {columns} columns"),
        },
        other => format!("a signature of {} numbers", other.len()),
    };
    Err(Error::file(path, found, SIGNED, SAVE_BOTH))
}

/// Reads an n1×n2 truth matrix, row-major. An `.npz` archive provides the array `truth` or `M`, or its only one.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`]: another shape, NaN or infinite entries.
pub fn read_rectangular_truth(path: impl AsRef<Path>, rows: usize, columns: usize) -> Result<Vec<f64>> {
    rectangular_truth_of(open_array(path, &["truth", "M"])?, rows, columns)
}

/// Makes an n1×n2 truth matrix from an array, like [`read_rectangular_truth`].
///
/// # Errors
/// Those of [`read_rectangular_truth`].
pub fn rectangular_truth_of(array: NpyArray, rows: usize, columns: usize) -> Result<Vec<f64>> {
    if *array.shape() != [rows, columns] {
        return Err(Error::file(
            array.path(),
            format!("a truth matrix of shape {}", shape_text(array.shape())),
            format!("shape ({rows}, {columns}), that of the unknown matrix"),
            "Pass the matrix M itself, or its factors as an .npz archive with left and right",
        ));
    }
    finite(&array)
}

/// Reads a symmetric n×n truth matrix, row-major. An `.npz` archive provides the array `truth` or `M`, or its only one.
/// A matrix that is symmetric up to f32 rounding is symmetrised.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`]: another shape, not symmetric (the worst entry is named), NaN or infinite entries.
pub fn read_truth_matrix(path: impl AsRef<Path>, n: usize) -> Result<Vec<f64>> {
    truth_matrix_of(open_array(path, &["truth", "M"])?, n)
}

/// Makes a symmetric truth matrix from an array, like [`read_truth_matrix`].
///
/// # Errors
/// Those of [`read_truth_matrix`].
pub fn truth_matrix_of(array: NpyArray, n: usize) -> Result<Vec<f64>> {
    if *array.shape() != [n, n] || n == 0 {
        return Err(Error::file(
            array.path(),
            format!("a truth matrix of shape {}", shape_text(array.shape())),
            format!("shape ({n}, {n}), that of the unknown matrix"),
            "Pass the matrix M itself, or its factor X of shape (n, r) as the truth",
        ));
    }
    let mut values = finite(&array)?;
    let largest = values.iter().fold(0.0_f64, |largest, v| largest.max(v.abs()));
    let mut worst = (0.0, 0, 0);
    for i in 0..n {
        for j in i + 1..n {
            let (a, b) = (values[i * n + j], values[j * n + i]);
            let difference = (a - b).abs();
            if difference > worst.0 {
                worst = (difference, i, j);
            }
            // Halving first: the sum of two large numbers may overflow.
            let mean = 0.5 * a + 0.5 * b;
            (values[i * n + j], values[j * n + i]) = (mean, mean);
        }
    }
    let (difference, i, j) = worst;
    if difference > ROUNDING * largest {
        return Err(Error::file(
            array.path(),
            format!("a matrix that is not symmetric: entries [{i}, {j}] and [{j}, {i}] differ by {difference:.3e}"),
            "a symmetric matrix",
            "Save its symmetric part: numpy.save(path, (M + M.T) / 2)",
        ));
    }
    Ok(values)
}

fn finite(array: &NpyArray) -> Result<Vec<f64>> {
    let values = array.to_vec()?;
    array.require_finite(&values)?;
    Ok(values)
}
