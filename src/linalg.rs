//! The few dense decompositions that the host needs, through faer, on row-major slices in f64.

use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, MatRef, Side, c64};

use crate::error::{Error, Result};
use crate::field::Field;

pub(crate) fn view(rows: usize, columns: usize, data: &[f64]) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(data, rows, columns)
}

pub(crate) fn row_major(matrix: MatRef<'_, f64>) -> Vec<f64> {
    (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| matrix[(i, j)])).collect()
}

/// Singular values, largest first, min(rows, columns) in number.
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(crate) fn singular_values(rows: usize, columns: usize, data: &[f64]) -> Result<Vec<f64>> {
    if data.iter().any(|v| !v.is_finite()) {
        return Err(not_finite());
    }
    // Tall matrices: the triangular factor has the same singular values and is much smaller.
    let m = view(rows, columns, data);
    if rows > 2 * columns && columns > 0 {
        return m.qr().thin_R().to_owned().singular_values().map_err(|_| not_finite());
    }
    m.singular_values().map_err(|_| not_finite())
}

/// Eigenvalues (ascending) and eigenvectors (columns, row-major n×n) of a symmetric matrix.
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(crate) fn symmetric_eigen(n: usize, data: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    if data.iter().any(|v| !v.is_finite()) {
        return Err(not_finite());
    }
    let eigen = view(n, n, data).self_adjoint_eigen(Side::Lower).map_err(|_| not_finite())?;
    Ok(((0..n).map(|i| eigen.S()[i]).collect(), row_major(eigen.U())))
}

/// Eigenvalues (ascending) and eigenvectors (columns) of a symmetric or Hermitian matrix.
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(crate) fn eigen<E: Field>(matrix: &Mat<E>) -> Result<(Vec<f64>, Mat<E>)> {
    require_finite(matrix)?;
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| not_finite())?;
    Ok(((0..matrix.nrows()).map(|i| eigen.S()[i].real()).collect(), eigen.U().to_owned()))
}

/// A complex matrix from its real form: real parts above imaginary parts, (2n)×columns row-major.
pub(crate) fn complex(rows: usize, columns: usize, data: &[f64]) -> Mat<c64> {
    c64::unstacked(view(rows, columns, data).to_owned())
}

/// Left and right singular vectors of a matrix, and between them its singular values, largest first.
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(crate) fn singular<E: Field>(matrix: &Mat<E>) -> Result<(Mat<E>, Vec<f64>, Mat<E>)> {
    require_finite(matrix)?;
    let svd = matrix.thin_svd().map_err(|_| not_finite())?;
    let values: Vec<f64> = (0..matrix.nrows().min(matrix.ncols())).map(|j| svd.S()[j].real().max(0.0)).collect();
    Ok((svd.U().to_owned(), values, svd.V().to_owned()))
}

/// Left and right singular vectors of L Rᴴ with its singular values, largest first, without the matrix.
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(crate) fn svd_of_product<E: Field>(left: &Mat<E>, right: &Mat<E>) -> Result<([Mat<E>; 2], Vec<f64>)> {
    require_finite(left)?;
    require_finite(right)?;
    let (l, r) = (left.qr(), right.qr());
    let (u, values, v) = singular(&(l.thin_R() * r.thin_R().adjoint()))?;
    Ok(([l.compute_thin_Q() * u, r.compute_thin_Q() * v], values))
}

fn require_finite<E: Field>(matrix: &Mat<E>) -> Result<()> {
    let finite = matrix.col_iter().all(|column| column.iter().all(|v| v.square().is_finite()));
    if finite { Ok(()) } else { Err(not_finite()) }
}

/// An orthonormal basis of the column space of a matrix with full column rank, rows×columns row-major; of a complex one in its real
/// form.
pub(crate) fn orthonormal_columns<E: Field>(rows: usize, columns: usize, data: &[f64]) -> Vec<f64> {
    let basis = E::unstacked(view(rows, columns, data).to_owned()).qr().compute_thin_Q();
    row_major(E::stacked(basis).as_ref())
}

/// R of the QR decomposition, min(rows, columns)×columns.
pub(crate) fn triangular_factor(matrix: &Mat<f64>) -> Mat<f64> {
    matrix.qr().thin_R().to_owned()
}

fn not_finite() -> Error {
    Error::invalid("matrix", "a NaN or infinite entry", "finite entries", "the run diverged or the input is broken")
}

/// All singular values, largest first, and the leading `rank` left singular vectors (rows×min(rank, count) row-major).
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(crate) fn left_singular(rows: usize, columns: usize, data: &[f64], rank: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    if data.iter().any(|v| !v.is_finite()) {
        return Err(not_finite());
    }
    let svd = view(rows, columns, data).thin_svd().map_err(|_| not_finite())?;
    let count = rows.min(columns);
    let values = (0..count).map(|i| svd.S()[i]).collect();
    let wanted = rank.min(count);
    let u = svd.U();
    Ok((values, (0..rows * wanted).map(|at| u[(at / wanted, at % wanted)]).collect()))
}

/// Singular values, largest first, and the right singular vectors (columns×count row-major), count = min(rows, columns).
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(crate) fn right_singular(rows: usize, columns: usize, data: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    if data.iter().any(|v| !v.is_finite()) {
        return Err(not_finite());
    }
    let m = view(rows, columns, data);
    // Tall matrices: the triangular factor has the same ones and is much smaller.
    let svd = match rows > 2 * columns && columns > 0 {
        true => m.qr().thin_R().thin_svd(),
        false => m.thin_svd(),
    };
    let svd = svd.map_err(|_| not_finite())?;
    let count = rows.min(columns);
    Ok(((0..count).map(|i| svd.S()[i]).collect(), row_major(svd.V())))
}

/// A·B for row-major A (n×a) and B (a×b).
pub(crate) fn times(a: &[f64], inner: usize, b: &[f64], columns: usize) -> Vec<f64> {
    let product = view(a.len() / inner, inner, a) * view(inner, columns, b);
    (0..product.nrows() * columns).map(|at| product[(at / columns, at % columns)]).collect()
}

/// A·Aᵀ for row-major A (rows×columns).
pub(crate) fn gram_of_rows(rows: usize, columns: usize, a: &[f64]) -> Vec<f64> {
    let a = view(rows, columns, a);
    row_major((a * a.transpose()).as_ref())
}

/// The inverse of a symmetric positive definite matrix, n×n row-major.
///
/// # Errors
/// [`Error::Invalid`] for a matrix that is not positive definite, as one with an entry that is not finite.
pub(crate) fn inverse_positive(n: usize, data: &[f64]) -> Result<Vec<f64>> {
    let factor = view(n, n, data).llt(Side::Lower).map_err(|_| {
        let fix = "the run diverged, or the matrix is singular to rounding";
        Error::invalid("matrix", "a matrix that is not positive definite", "a positive definite one", fix)
    })?;
    Ok(row_major(factor.inverse().as_ref()))
}
