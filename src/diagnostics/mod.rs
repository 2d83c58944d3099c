//! Pure functions of factors: test error, spectra, rank estimates. Always in f64.

mod paper;
mod phases;
mod proxy;
mod spectrum;
mod subspace;
mod twin;

use faer::Mat;

use crate::error::Result;
use crate::linalg;
use crate::problem::{MatrixView, Truth};

pub use paper::{Diagnosis, PaperDiagnostics};
pub use phases::{ALIGNED, Phase, PhaseClock, PhaseInput, Phases, TWIN_LEFT, phases};
pub use proxy::{FELL, GAP, GROWN, PhaseProxy, ProxyClock, QUIET, SPENT, STILL};
pub use spectrum::Spectrum;
pub use subspace::{SignalAndNoise, leading_left, signal_and_noise, sine_of_largest_angle};
pub use twin::{PowerTwin, TwinFactor};

/// ‖U Uᵀ − M‖_F / ‖M‖_F.
///
/// For a truth X with k + r < n this is ‖R S Rᵀ‖_F / ‖XᵀX‖_F with R from the QR decomposition of [U X] and
/// S = diag(1…1, −1…−1): expanding the norm into a sum of traces instead would cancel and floor near 1e-8. Otherwise
/// the difference is formed directly. A zero truth gives ‖U Uᵀ‖_F.
///
/// `factor` is n×k; columns of zeros are harmless.
///
/// # Errors
/// [`crate::Error::Invalid`] where the sizes differ.
pub fn relative_error(factor: MatrixView<'_>, truth: &Truth) -> Result<f64> {
    let (n, k) = (factor.rows(), factor.columns());
    if n != truth.shape().rows() {
        return Err(crate::Error::invalid(
            "truth",
            format!("a {} matrix", truth.shape()),
            format!("a {n}x{n} matrix"),
            "the truth must have the size of the unknown",
        ));
    }
    if factor.as_slice().iter().any(|v| !v.is_finite()) {
        return Ok(f64::INFINITY);
    }
    let (difference, norm) = match truth.factor() {
        Some(x) if k + x.columns() < n => {
            let joint = Mat::from_fn(n, k + x.columns(), |i, j| if j < k { factor.row(i)[j] } else { x.row(i)[j - k] });
            let r = linalg::triangular_factor(&joint);
            let signed = Mat::from_fn(r.nrows(), r.ncols(), |i, j| if j < k { r[(i, j)] } else { -r[(i, j)] });
            let xm = linalg::view(n, x.columns(), x.as_slice());
            ((&signed * r.transpose()).norm_l2(), (xm.transpose() * xm).norm_l2())
        }
        _ => {
            let u = linalg::view(n, k, factor.as_slice());
            let m = truth.to_matrix();
            let m = linalg::view(n, n, &m);
            ((u * u.transpose() - m).norm_l2(), m.norm_l2())
        }
    };
    Ok(if norm > 0.0 { difference / norm } else { difference })
}

/// Singular values of a factor, largest first.
///
/// # Errors
/// [`crate::Error::Invalid`] for non-finite entries.
pub fn singular_values(factor: MatrixView<'_>) -> Result<Vec<f64>> {
    linalg::singular_values(factor.rows(), factor.columns(), factor.as_slice())
}

/// The rank a spectrum suggests: the position of the largest ratio σᵢ/σᵢ₊₁ among those σᵢ ≥ 1e-3·σ₁, provided it is
/// at least 5; all of them otherwise. Small-initialisation iterates show a wide gap there (signal against a remainder
/// of the size of the start); a spectrum without one is reported as full.
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
            let by_qr = relative_error(view, &truth).unwrap();
            let expected = (1.0 + delta) * (1.0 + delta) - 1.0;
            assert!((by_qr - expected).abs() <= 1e-3 * expected + 2e-15, "{by_qr} {expected}");
            let direct = relative_error(view, &Truth::from_matrix(30, truth.to_matrix()).unwrap()).unwrap();
            assert!((direct - expected).abs() <= 1e-3 * expected + 2e-15, "{direct} {expected}");
        }
    }

    #[test]
    fn wide_factors_use_the_direct_difference() {
        let truth = synthetic::psd(4).rank(2).seed(1).build().unwrap();
        let zero = vec![0.0; 4 * 9];
        let error = relative_error(MatrixView::new(4, 9, &zero).unwrap(), &truth).unwrap();
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
