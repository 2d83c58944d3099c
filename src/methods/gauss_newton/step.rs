//! The step: least squares in the thin rows, and the point after it.

use faer::{Mat, MatRef};

use super::spectrum::{SIGNAL, edge, eigen};
use crate::error::Result;
use crate::tall;
use crate::tape::{Seen, ThinRows};

/// Factor on the edge of the noise below which a column is dropped.
const DROP: f64 = 0.7;
/// Reduction of the gradient at which the inner iteration ends, and its most iterations.
const INNER: f64 = 1e-6;
const INNER_MOST: usize = 80;

/// W of least Σ wᵢ(eᵢ + 2⟨Bᵢ, W⟩)², by conjugate gradients; the share of Σ w e² that it leaves is in `energy`.
pub(super) struct Solved {
    pub(super) w: Mat<f64>,
    pub(super) energy: f64,
}

/// In orthonormal coordinates of the tangent space the symmetric part of QᵀW counts twice as much as the rest.
fn precondition(q: MatRef<'_, f64>, r: &Mat<f64>) -> Mat<f64> {
    let inner = q.transpose() * r;
    let symmetric = &inner + inner.transpose();
    r - q * (symmetric * 0.25)
}

/// Solves for the first `columns` columns of the basis. `seen` is the pass at Z.
///
/// # Errors
/// A lack of memory.
pub(super) fn solve(thin: &dyn ThinRows, basis: MatRef<'_, f64>, seen: &Seen) -> Result<Solved> {
    // Half the gradient of Σ w(e + 2⟨B, W⟩)² at W: 2·G·Q + 4·ΣwᵢBᵢ⟨Bᵢ, W⟩.
    let mut r = (&seen.gradient * basis) * -2.0;
    let mut w = Mat::zeros(basis.nrows(), basis.ncols());
    let mut z = precondition(basis, &r);
    let mut p = z.clone();
    let mut size = tall::inner(r.as_ref(), z.as_ref());
    let (first, mut energy) = (size, seen.energy);
    for _ in 0..INNER_MOST {
        if size <= INNER * INNER * first || size <= 0.0 {
            break;
        }
        let product = thin.normal(p.as_ref())? * 4.0;
        let curvature = tall::inner(p.as_ref(), product.as_ref());
        if curvature <= 0.0 {
            break;
        }
        let length = size / curvature;
        w += &p * length;
        r -= product * length;
        // The square falls by ⟨r, p⟩²/⟨p, Np⟩ = length·size in a step.
        energy -= length * size;
        z = precondition(basis, &r);
        let next = tall::inner(r.as_ref(), z.as_ref());
        p = &z + &p * (next / size);
        size = next;
    }
    Ok(Solved { w, energy: energy.max(0.0) })
}

/// The point after a step, with its orthogonal factors of decreasing length, and the size of the completion.
pub(super) struct Point {
    /// U with orthogonal columns, Z = UUᵀ.
    pub(super) u: Mat<f64>,
    pub(super) kept: usize,
    pub(super) completion: f64,
    /// Root mean square of the residual after the step.
    pub(super) left: f64,
}

/// Conditions of a truncation.
pub(super) struct Limits {
    /// Columns that are no probe.
    pub(super) sure: usize,
    /// Total weight of the rows that were read, and the degrees of freedom of the step.
    pub(super) weight: f64,
    pub(super) freedom: f64,
    /// Factor from residuals to the units of Z.
    pub(super) unit: f64,
}

/// X = Z + QWᵀ + WQᵀ with the completion Y⊥H⁻¹Y⊥ᵀ, H = QᵀXQ, without the columns that are noise.
///
/// # Errors
/// [`crate::Error::Invalid`] where a number is not finite.
pub(super) fn point(u: MatRef<'_, f64>, basis: MatRef<'_, f64>, solved: &Solved, limits: &Limits) -> Result<Point> {
    let (n, q) = (basis.nrows(), basis.ncols());
    let rest = (limits.weight - limits.freedom).max(1.0);
    let left = (solved.energy / rest).sqrt();
    let noise = edge(n, rest, left * limits.unit);
    let (inner, coordinates) = (basis.transpose() * &solved.w, basis.transpose() * u);
    let h = &coordinates * coordinates.transpose() + &inner + inner.transpose();
    // The part of W beyond Q, in an orthonormal basis P of its own: W − QQᵀW = P R.
    let beyond = &solved.w - basis * &inner;
    let qr = beyond.qr();
    let (p, r) = (qr.compute_thin_Q(), qr.thin_R().to_owned());
    let (values, vectors) = eigen(h.as_ref())?;
    let y = &r * &vectors;
    let complete: Vec<usize> = (0..q)
        .filter(|j| values[*j] > noise.max(1e-300) && y.col(*j).squared_norm_l2() < values[*j] * values[*j])
        .collect();
    let low = r.nrows();
    let mut completed = Mat::<f64>::zeros(low, low);
    for j in complete {
        completed += y.col(j) * y.col(j).transpose() * (1.0 / values[j]);
    }
    let completion = completed.norm_l2();
    let small = Mat::from_fn(q + low, q + low, |i, j| match (i < q, j < q) {
        (true, true) => h[(i, j)],
        (false, true) => r[(i - q, j)],
        (true, false) => r[(j - q, i)],
        (false, false) => completed[(i - q, j - q)],
    });
    let (values, vectors) = eigen(small.as_ref())?;
    let keeps = |j: usize| values[j] > (DROP * noise).max(0.0) && (j < limits.sure || values[j] > SIGNAL * noise);
    let mut kept = (0..q).take_while(|j| keeps(*j)).count();
    if kept == 0 && values[0] > 0.0 {
        kept = 1;
    }
    let scaled = Mat::from_fn(q + low, kept, |i, j| vectors[(i, j)] * values[j].sqrt());
    let u = basis * scaled.subrows(0, q) + p * scaled.subrows(q, low);
    Ok(Point { u, kept, completion, left })
}
