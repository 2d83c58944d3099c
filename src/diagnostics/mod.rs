//! Pure functions of factors: test error, spectra, rank estimates, all in f64.

mod flatness;
mod information;
mod paper;
pub(crate) mod phases;
mod power_iteration;
mod proxy;
pub(crate) mod ranking;
pub(crate) mod spectrum;
pub(crate) mod start;
mod state;
pub(crate) mod subspace;
mod tangent;
mod visibility;

use faer::Mat;

use crate::error::Result;
use crate::linalg;
use crate::problem::{MatrixView, Product, Truth};

pub use flatness::Flatness;
pub(crate) use information::{information, jacobian_bytes};
pub use paper::Diagnosis;
pub(crate) use paper::PaperDiagnostics;
pub(crate) use phases::PhaseClock;
pub use phases::{Phase, Phases};
pub use proxy::PhaseProxy;
pub(crate) use proxy::ProxyClock;
pub use ranking::Ranking;
pub(crate) use spectrum::{Spectrum, spectral_norm};
pub(crate) use start::spectral_start;
pub use state::{fidelity, purity};
pub(crate) use tangent::{Tangent, ZERO_COLUMN};
pub(crate) use visibility::{Visibility, visibility, work_of_visibility};

/// Relative test error ‖Z − M‖_F / ‖M‖_F for Z = U Uᵀ, U S Uᵀ or L Rᵀ.
///
/// With Z − M = [L, −L*]·[R, R*]ᵀ this is ‖A Bᵀ‖_F over the norm of the truth, where A and B are the triangular factors
/// of the two QR decompositions. Expanding the norm into a sum of traces would cancel and stop near 1e-8. Where L = R =
/// U up to signs, one decomposition serves both. The difference is taken row by row where the factors are wider than
/// the matrix and for truths that are not products. A zero truth gives ‖Z‖_F.
///
/// Columns of zeros are left out.
///
/// # Errors
/// [`crate::Error::Invalid`] where the sizes differ.
pub fn relative_error(found: &Product<'_>, truth: &Truth) -> Result<f64> {
    if truth.domain().is_complex() {
        return relative_error(&found.real_form().product(), &truth.real_form());
    }
    let (n1, n2) = (found.rows(), found.columns());
    if (n1, n2) != (truth.domain().rows(), truth.domain().columns()) {
        return Err(crate::Error::invalid(
            "truth",
            format!("a {} matrix", truth.domain()),
            format!("a {n1}x{n2} matrix"),
            "the truth must have the size of the unknown",
        ));
    }
    if !found.is_finite() {
        return Ok(f64::INFINITY);
    }
    let used = used_columns(found);
    let k = used.len();
    let (difference, norm) = match truth.product() {
        Some(x) if k + x.left().columns() < n1.min(n2) => {
            let joint = |of: MatrixView<'_>, x: MatrixView<'_>| {
                let both = |i: usize, j: usize| if j < k { of.row(i)[used[j]] } else { x.row(i)[j - k] };
                linalg::triangular_factor(&Mat::from_fn(of.rows(), k + x.columns(), both))
            };
            let sign = |j: usize| if j < k { found.sign(used[j]) } else { -x.sign(j - k) };
            let a = joint(found.left(), x.left());
            let b = if found.is_single() && x.is_single() { a.clone() } else { joint(found.right(), x.right()) };
            let signed = Mat::from_fn(a.nrows(), a.ncols(), |i, j| sign(j) * a[(i, j)]);
            ((&signed * b.transpose()).norm_l2(), product_norm(&x))
        }
        _ => by_rows(found, truth),
    };
    Ok(if norm > 0.0 { difference / norm } else { difference })
}

/// Columns in which neither factor is zero.
fn used_columns(found: &Product<'_>) -> Vec<usize> {
    let has_numbers = |of: MatrixView<'_>, j: usize| (0..of.rows()).any(|i| of.row(i)[j] != 0.0);
    (0..found.left().columns()).filter(|j| has_numbers(found.left(), *j) && has_numbers(found.right(), *j)).collect()
}

/// ‖Z − M‖_F and ‖M‖_F, row by row: neither matrix is formed.
fn by_rows(found: &Product<'_>, truth: &Truth) -> (f64, f64) {
    let norm = |row: &[f64]| linalg::view(1, row.len(), row).norm_l2();
    (0..found.rows()).fold((0.0_f64, 0.0_f64), |(difference, size), i| {
        let wanted = truth.row(i);
        let apart: Vec<f64> = wanted.iter().enumerate().map(|(j, m)| found.entry(i, j) - m).collect();
        (difference.hypot(norm(&apart)), size.hypot(norm(&wanted)))
    })
}

/// ‖L S Rᵀ‖_F = √tr(S LᵀL S RᵀR).
fn product_norm(x: &Product<'_>) -> f64 {
    let gram = |m: MatrixView<'_>| {
        let m = linalg::view(m.rows(), m.columns(), m.as_slice());
        m.transpose() * m
    };
    let (l, r) = (gram(x.left()), gram(x.right()));
    let rank = x.left().columns();
    let terms = (0..rank * rank).map(|at| (at / rank, at % rank));
    terms.map(|(i, j)| x.sign(i) * x.sign(j) * l[(i, j)] * r[(i, j)]).sum::<f64>().max(0.0).sqrt()
}

/// Singular values of a factor, largest first.
///
/// # Errors
/// [`crate::Error::Invalid`] for non-finite entries.
pub fn singular_values(factor: MatrixView<'_>) -> Result<Vec<f64>> {
    linalg::singular_values(factor.rows(), factor.columns(), factor.as_slice())
}

/// Rank suggested by a spectrum: the position of the largest ratio σᵢ/σᵢ₊₁ among σᵢ ≥ 1e-3·σ₁ if that ratio is at least
/// 5, else all of them. Iterates from a small start show a wide gap there, between the signal and a remainder of the
/// size of the start. A spectrum without a gap counts as full rank.
pub fn estimated_rank(singular_values: &[f64]) -> usize {
    let Some(&first) = singular_values.first().filter(|v| **v > 0.0) else { return 0 };
    let floor = first * f64::EPSILON;
    let mut best = (5.0, singular_values.len());
    for (i, pair) in singular_values.windows(2).enumerate() {
        let ratio = pair[0] / pair[1].max(floor);
        if pair[0] >= 1e-3 * first && ratio >= best.0 {
            best = (ratio, i + 1);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::synthetic;

    #[test]
    fn both_forms_of_the_error_agree_and_keep_their_digits() {
        let truth = synthetic::psd(30).rank(3).condition_number(2.0).seed(1).build().unwrap();
        let x = truth.factor().unwrap();
        for delta in [0.5, 1e-3, 1e-9, 1e-13] {
            let moved: Vec<f64> = x.as_slice().iter().map(|v| v * (1.0 + delta)).collect();
            let view = MatrixView::new(30, 3, &moved).unwrap();
            let by_qr = relative_error(&Product::psd(view), &truth).unwrap();
            let expected = (1.0 + delta) * (1.0 + delta) - 1.0;
            assert!((by_qr - expected).abs() <= 1e-3 * expected + 2e-15, "{by_qr} {expected}");
            let direct =
                relative_error(&Product::psd(view), &Truth::from_matrix(30, truth.to_matrix()).unwrap()).unwrap();
            assert!((direct - expected).abs() <= 1e-3 * expected + 2e-15, "{direct} {expected}");
        }
    }

    #[test]
    fn the_error_of_every_form_is_that_of_the_matrix() {
        let asymmetric = synthetic::asymmetric(20, 14).rank(3).condition_number(4.0).seed(2).build().unwrap();
        let signed = synthetic::signed(20, (2, 1)).condition_number(2.0).seed(3).build().unwrap();
        for truth in [asymmetric, signed] {
            let x = truth.product().unwrap();
            let moved = |m: MatrixView<'_>, by: f64| m.as_slice().iter().map(|v| v * (1.0 + by)).collect::<Vec<f64>>();
            let (l, r) = (moved(x.left(), 0.01), moved(x.right(), if x.is_single() { 0.01 } else { -0.005 }));
            let (l, r) = (MatrixView::new(20, 3, &l).unwrap(), MatrixView::new(x.columns(), 3, &r).unwrap());
            let found = if x.is_single() { Product::signed(l, 2) } else { Product::pair(l, r).unwrap() };
            let by_qr = relative_error(&found, &truth).unwrap();
            let direct = relative_error(&found, &Truth::from_matrix_of(truth.domain(), truth.to_matrix()).unwrap());
            approx::assert_relative_eq!(by_qr, direct.unwrap(), max_relative = 1e-10);
            let itself = relative_error(&x, &truth).unwrap();
            assert!(itself < 1e-15, "{itself:e}");
        }
    }

    #[test]
    fn wide_factors_use_the_direct_difference() {
        let truth = synthetic::psd(4).rank(2).seed(1).build().unwrap();
        let zero = vec![0.0; 4 * 9];
        let error = relative_error(&Product::psd(MatrixView::new(4, 9, &zero).unwrap()), &truth).unwrap();
        approx::assert_abs_diff_eq!(error, 1.0, epsilon = 1e-14);
    }

    #[test]
    fn the_rank_is_where_the_spectrum_falls() {
        assert_eq!(estimated_rank(&[1.0, 0.9, 0.5, 1e-5, 9e-6]), 3);
        assert_eq!(estimated_rank(&[1.0, 0.05, 1e-6]), 2);
        assert_eq!(estimated_rank(&[1.0, 0.9, 0.8]), 3);
        assert_eq!(estimated_rank(&[1.0, 0.9, 0.0, 0.0]), 2);
        assert_eq!(estimated_rank(&[0.0, 0.0]), 0);
        assert_eq!(estimated_rank(&[]), 0);
    }
}
