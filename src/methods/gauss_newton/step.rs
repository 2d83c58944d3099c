//! The step: least squares in the thin rows, and the point after it.

use faer::{Mat, MatRef};

use super::space::{Bases, SIGNAL, Space, Triplets, stacked};
use crate::error::Result;
use crate::tall;
use crate::tape::{Seen, ThinRows};

/// Factor on the edge of the noise below which a column is dropped.
const DROP: f64 = 0.7;
/// Reduction of the gradient at which the inner iteration ends: this share of the relative residual, so that the error of
/// the next point is still of second order, and at most and at least the other two. Its most iterations.
const INNER_SHARE: f64 = 0.1;
const INNER_MOST_SHARE: f64 = 1e-2;
const INNER: f64 = 1e-6;
const INNER_MOST: usize = 80;
/// Share of the energy of the statistical error that the last inner iteration of a settled step may take.
const OPEN: f64 = 1e-2;

/// W of least Σ wᵢ(eᵢ + c⟨Bᵢ, W⟩)², and what is left of the sum. W is n×q for Δ = QWᵀ + WQᵀ, and W₂ above W₁ for
/// Δ = QW₁ᵀ + W₂Rᵀ.
pub(super) struct Solved {
    w: Mat<f64>,
    energy: f64,
    /// What the last inner iteration took off the sum: more of them would take off about as much.
    last: f64,
}

/// The parts of a stacked matrix that belong to Q and to R.
fn parts(space: Space, w: &Mat<f64>) -> [MatRef<'_, f64>; 2] {
    match space {
        Space::Symmetric { .. } => [w.as_ref(), w.as_ref()],
        Space::Rectangular { n1, n2 } => [w.subrows(0, n1), w.subrows(n1, n2)],
    }
}

/// Divides by the metric ‖Δ‖²: Q S Rᵀ has two coordinates, and counts twice as much as the rest.
fn precondition(space: Space, bases: &Bases, r: &Mat<f64>) -> Mat<f64> {
    let [left, right] = parts(space, r);
    let inner = bases.left.transpose() * left;
    let other = bases.right.transpose() * right;
    let mean = (inner + other.transpose()) * 0.25;
    let above = left - &bases.left * &mean;
    if space.is_symmetric() {
        above
    } else {
        stacked(above.as_ref(), (right - &bases.right * mean.transpose()).as_ref())
    }
}

/// Conjugate gradients on the thin rows. `seen` is the pass at Z, whose residual has the size `error` relative to y.
///
/// # Errors
/// A lack of memory.
pub(super) fn solve(space: Space, thin: &dyn ThinRows, bases: &Bases, seen: &Seen, error: f64) -> Result<Solved> {
    let reduction = (INNER_SHARE * error).clamp(INNER, INNER_MOST_SHARE);
    let c = space.share();
    let above = &seen.gradient * &bases.right;
    let gradient = match space {
        Space::Symmetric { .. } => above,
        Space::Rectangular { .. } => stacked(above.as_ref(), (seen.gradient.transpose() * &bases.left).as_ref()),
    };
    // Half the gradient of the sum at W is c·ΣwᵢeᵢBᵢ + c²·ΣwᵢBᵢ⟨Bᵢ, W⟩.
    let mut r = gradient * -c;
    let mut w = Mat::zeros(r.nrows(), r.ncols());
    let mut z = precondition(space, bases, &r);
    let mut p = z.clone();
    let mut size = tall::inner(r.as_ref(), z.as_ref());
    let (first, mut energy, mut last) = (size, seen.energy, 0.0);
    for _ in 0..INNER_MOST {
        if size <= reduction * reduction * first || size <= 0.0 {
            break;
        }
        let product = thin.normal(p.as_ref())? * (c * c);
        let curvature = tall::inner(p.as_ref(), product.as_ref());
        if curvature <= 0.0 {
            break;
        }
        let length = size / curvature;
        w += &p * length;
        r -= product * length;
        last = length * size;
        energy -= last;
        z = precondition(space, bases, &r);
        let next = tall::inner(r.as_ref(), z.as_ref());
        p = &z + &p * (next / size);
        size = next;
    }
    Ok(Solved { w, energy: energy.max(0.0), last })
}

/// The point after a step.
pub(super) struct Point {
    pub(super) found: Triplets,
    /// Norm of the completion.
    pub(super) completion: f64,
    /// Root mean square of the residual after the step.
    pub(super) left: f64,
    /// Whether more inner iterations would have changed the step by more than a tenth of its statistical error.
    pub(super) is_open: bool,
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

/// W − BBᵀW as an orthonormal basis times a small matrix.
fn outside(basis: &Mat<f64>, w: MatRef<'_, f64>) -> (Mat<f64>, Mat<f64>) {
    let rest = w - basis * (basis.transpose() * w);
    let qr = rest.qr();
    (qr.compute_thin_Q(), qr.thin_R().to_owned())
}

/// X = Z + Δ with the completion Y₂H⁻¹Y₁ᵀ, H = QᵀXR and Y the parts of W outside the bases, without the columns that are
/// noise: to second order Z + Δ + Y₂H⁻¹Y₁ᵀ has the rank of H.
///
/// # Errors
/// [`crate::Error::Invalid`] where a number is not finite.
pub(super) fn point(space: Space, at: &Triplets, bases: &Bases, solved: &Solved, limits: &Limits) -> Result<Point> {
    let q = bases.columns();
    let rest = (limits.weight - limits.freedom).max(1.0);
    let left = (solved.energy / rest).sqrt();
    let noise = space.edge(0, rest, left * limits.unit);
    let [w2, w1] = parts(space, &solved.w);
    let (scaled, unit) = at.ends();
    let coordinates = (bases.left.transpose() * scaled) * (bases.right.transpose() * unit).transpose();
    let h = coordinates + bases.left.transpose() * w2 + (bases.right.transpose() * w1).transpose();
    let ((p2, r2), (p1, r1)) = (outside(&bases.left, w2), outside(&bases.right, w1));
    let core = space.decomposed(h.as_ref())?;
    let (y2, y1) = (&r2 * &core.right, &r1 * &core.left);
    let mut completed = Mat::<f64>::zeros(r2.nrows(), r1.nrows());
    for (j, value) in core.values.iter().enumerate() {
        let large = y2.col(j).norm_l2().max(y1.col(j).norm_l2());
        if space.signal(*value) > noise.max(1e-300) && large < value.abs() {
            completed += y2.col(j) * y1.col(j).transpose() * (1.0 / value);
        }
    }
    let completion = completed.norm_l2();
    let is_open = solved.last > OPEN * limits.freedom / limits.weight * solved.energy;
    let small = Mat::from_fn(q + r2.nrows(), q + r1.nrows(), |i, j| match (i < q, j < q) {
        (true, true) => h[(i, j)],
        (false, true) => r2[(i - q, j)],
        (true, false) => r1[(j - q, i)],
        (false, false) => completed[(i - q, j - q)],
    });
    let all = space.decomposed(small.as_ref())?;
    let keeps = |count: usize, signal: f64| {
        count < q && signal > (DROP * noise).max(0.0) && (count < limits.sure || signal > SIGNAL * noise)
    };
    let mut kept = space.chosen(&all.values, [0, 0], keeps);
    if kept.is_empty() {
        kept = space.chosen(&all.values, [0, 0], |count, signal| count == 0 && signal > 0.0);
    }
    let small = all.at(&kept);
    let of = |basis: &Mat<f64>, p: &Mat<f64>, v: &Mat<f64>| basis * v.subrows(0, q) + p * v.subrows(q, v.nrows() - q);
    let found = Triplets {
        values: small.values.clone(),
        left: of(&bases.left, &p2, &small.left),
        right: of(&bases.right, &p1, &small.right),
    };
    Ok(Point { found, completion, left, is_open })
}
