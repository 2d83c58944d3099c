//! Angles between subspaces, and the signal and noise parts of a factor.

use faer::Mat;

use crate::error::Result;
use crate::linalg::{self, view};
use crate::problem::MatrixView;

/// Sine of the largest principal angle between two subspaces of equal dimension, ‖V_⊥ᵀ W‖ = ‖(I − V Vᵀ) W‖, for
/// orthonormal bases (n×r row-major). It is 0 where they agree and 1 where a direction of one is orthogonal to the
/// other.
///
/// # Errors
/// [`crate::Error::Invalid`] for non-finite entries.
pub fn sine_of_largest_angle(n: usize, v: &[f64], w: &[f64]) -> Result<f64> {
    if n == 0 || v.is_empty() || w.is_empty() {
        return Ok(0.0);
    }
    let (v, w) = (view(n, v.len() / n, v), view(n, w.len() / n, w));
    let outside = w - v * (v.transpose() * w);
    Ok(largest(&outside)?.min(1.0))
}

/// Largest singular value σ₁ of a matrix.
fn largest(matrix: &Mat<f64>) -> Result<f64> {
    let data: Vec<f64> =
        (0..matrix.nrows() * matrix.ncols()).map(|at| matrix[(at / matrix.ncols(), at % matrix.ncols())]).collect();
    Ok(linalg::singular_values(matrix.nrows(), matrix.ncols(), &data)?.first().copied().unwrap_or(0.0))
}

/// Singular values of a factor, largest first, and an orthonormal basis (n×min(rank, count)) of its leading left
/// singular vectors.
///
/// # Errors
/// [`crate::Error::Invalid`] for non-finite entries.
pub fn leading_left(factor: MatrixView<'_>, rank: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    linalg::left_singular(factor.rows(), factor.columns(), factor.as_slice(), rank)
}

/// Sizes of the signal part U W Wᵀ and the noise part U − U W Wᵀ of U, from the SVD V_XᵀU = V Σ Wᵀ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalAndNoise {
    /// Smallest singular value σ_min(V_XᵀU) of the signal (0 where U has fewer columns than X).
    pub signal_min: f64,
    /// Norm ‖U W_⊥‖ of the noise part.
    pub noise_norm: f64,
}

/// Splits U into signal and noise for an orthonormal basis V_X (n×r row-major) of the truth's column space.
///
/// # Errors
/// [`crate::Error::Invalid`] for non-finite entries.
pub fn signal_and_noise(factor: MatrixView<'_>, basis: &[f64]) -> Result<SignalAndNoise> {
    let (n, k) = (factor.rows(), factor.columns());
    let rank = basis.len() / n.max(1);
    let u = view(n, k, factor.as_slice());
    // (V_XᵀU)ᵀ = UᵀV_X has W as its left singular vectors.
    let projected = u.transpose() * view(n, rank, basis);
    let data: Vec<f64> = (0..k * rank).map(|at| projected[(at / rank, at % rank)]).collect();
    let (sigma, w) = linalg::left_singular(k, rank, &data, rank)?;
    let columns = w.len() / k.max(1);
    let w = view(k, columns, &w);
    let noise = u - (u * w) * w.transpose();
    let signal_min = if k < rank { 0.0 } else { sigma.last().copied().unwrap_or(0.0) };
    Ok(SignalAndNoise { signal_min, noise_norm: largest(&noise)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_of_known_planes() {
        // span(e1, e2) against span(e1, cos t·e2 + sin t·e3): sine of the largest angle is sin t.
        let v = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        for t in [0.0, 0.3_f64, 1e-9, std::f64::consts::FRAC_PI_2] {
            let w = [1.0, 0.0, 0.0, t.cos(), 0.0, t.sin()];
            approx::assert_abs_diff_eq!(sine_of_largest_angle(3, &v, &w).unwrap(), t.sin(), epsilon = 1e-15);
        }
    }

    #[test]
    fn signal_and_noise_of_a_hand_made_factor() {
        // V_X = e1; U = [[3, 0], [0, 4]]: the signal direction is the first column, the noise is the second.
        let u = MatrixView::new(2, 2, &[3.0, 0.0, 0.0, 4.0]).unwrap();
        let split = signal_and_noise(u, &[1.0, 0.0]).unwrap();
        approx::assert_abs_diff_eq!(split.signal_min, 3.0, epsilon = 1e-14);
        approx::assert_abs_diff_eq!(split.noise_norm, 4.0, epsilon = 1e-14);
        // Fewer columns than the truth has rank: no signal in one direction.
        let narrow = MatrixView::new(2, 1, &[1.0, 2.0]).unwrap();
        assert_eq!(signal_and_noise(narrow, &[1.0, 0.0, 0.0, 1.0]).unwrap().signal_min, 0.0);
    }

    #[test]
    fn leading_directions_come_with_all_singular_values() {
        let u = MatrixView::new(3, 2, &[0.0, 2.0, 5.0, 0.0, 0.0, 0.0]).unwrap();
        let (sigma, basis) = leading_left(u, 1).unwrap();
        approx::assert_abs_diff_eq!(sigma[0], 5.0, epsilon = 1e-14);
        approx::assert_abs_diff_eq!(sigma[1], 2.0, epsilon = 1e-14);
        approx::assert_abs_diff_eq!(basis[1].abs(), 1.0, epsilon = 1e-14);
    }
}
