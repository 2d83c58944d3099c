//! Spectra: the edge of the noise, and eigenvectors beyond a basis.

use faer::{Mat, MatRef, Side};

use crate::error::{Error, Result};

/// Factor above the edge of the noise from which an eigenvalue is signal: at 2/√3 the eigenvector of a signal and that of
/// its estimate have the squared cosine ¼ (Baik, Ben Arous & Péché 2005 for symmetric matrices).
pub(super) const SIGNAL: f64 = 1.154_700_538_379_251_5;

/// Edge √(2n/m)·v of the spectrum of A*(e)/m for white residuals of root mean square v.
pub(super) fn edge(n: usize, m: f64, v: f64) -> f64 {
    (2.0 * n as f64 / m).sqrt() * v
}

/// Eigenvalues and eigenvectors of a symmetric matrix, largest first.
///
/// # Errors
/// [`Error::Invalid`] where an entry is not finite.
pub(super) fn eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let n = matrix.nrows();
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| {
        Error::invalid("matrix", "a NaN or infinite entry", "finite entries", "the input is broken")
    })?;
    let values = (0..n).rev().map(|i| eigen.S()[i]).collect();
    let vectors = Mat::from_fn(n, n, |i, j| eigen.U()[(i, n - 1 - j)]);
    Ok((values, vectors))
}

/// P⊥TP⊥ with P⊥ = I − QQᵀ.
pub(super) fn beyond(t: &Mat<f64>, q: &Mat<f64>) -> Mat<f64> {
    let tq = t * q;
    let inner = q.transpose() * &tq;
    let half = tq - q * (inner * 0.5);
    t - q * half.transpose() - &half * q.transpose()
}

/// An orthonormal basis of the range of the columns of A and B together, those of A first.
pub(super) fn joined(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let (n, left) = (a.nrows(), a.ncols());
    let all = Mat::from_fn(n, left + b.ncols(), |i, j| if j < left { a[(i, j)] } else { b[(i, j - left)] });
    if all.ncols() == 0 { all } else { all.qr().compute_thin_Q() }
}
