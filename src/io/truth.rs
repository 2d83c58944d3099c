//! Factors (truths, starts) and truth matrices.

use std::path::Path;

use super::npy::{NpyArray, open_array};
use super::shape_text;
use crate::error::{Error, Result};

/// Factors as read: `batch` matrices of `rows`×`columns`, row-major, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorArray {
    pub batch: usize,
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

/// Reads a factor with `n` rows: shape (n, k), or (batch, n, k). Of an `.npz` archive the array `left` is read (what
/// this crate writes), or its only one. `setting` names the flag in messages (`truth`, `init`).
///
/// # Errors
/// [`Error::Io`] and [`Error::File`]: another shape, no columns, NaN or infinite entries (with their index).
pub fn read_factor(path: impl AsRef<Path>, n: usize, setting: &str) -> Result<FactorArray> {
    let array = open_array(path, &["left"])?;
    let (batch, rows, columns) = match *array.shape() {
        [rows, columns] => (1, rows, columns),
        [batch, rows, columns] => (batch, rows, columns),
        _ => (0, 0, 0),
    };
    if rows != n || array.is_empty() {
        return Err(Error::file(
            array.path(),
            format!("a factor of shape {} for {setting}", shape_text(array.shape())),
            format!("shape ({n}, k) or (batch, {n}, k) with k at least 1, as the unknown matrix is {n} x {n}"),
            if matches!(*array.shape(), [_, rows] if rows == n) {
                "Transpose it: numpy.save(path, X.T)"
            } else {
                "Give a factor X with one row for each row of the unknown matrix"
            },
        ));
    }
    Ok(FactorArray { batch, rows, columns, values: finite(&array)? })
}

/// Asymmetry of a truth matrix, relative to its largest entry, that passes as the rounding of `f32`.
const ROUNDING: f64 = 1e-6;

/// Reads a symmetric n×n truth matrix, row-major. Of an `.npz` archive the array `truth` or `M` is read, or its only
/// one. A matrix that is symmetric up to f32 rounding is symmetrised.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`]: another shape, not symmetric (the worst entry is named), NaN or infinite entries.
pub fn read_truth_matrix(path: impl AsRef<Path>, n: usize) -> Result<Vec<f64>> {
    let array = open_array(path, &["truth", "M"])?;
    if *array.shape() != [n, n] || n == 0 {
        return Err(Error::file(
            array.path(),
            format!("a truth matrix of shape {}", shape_text(array.shape())),
            format!("shape ({n}, {n}), as the unknown matrix"),
            "Give the matrix M itself, or its factor X of shape (n, r) as a factor",
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
            // Halves first: the sum of two large numbers need not be finite.
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
