//! The power iteration Ũ_t = (I + μP)ᵗ U₀: gradient descent with the residual held at −y.

use std::sync::Arc;

use faer::Mat;

use crate::diagnostics::spectrum::Spectrum;
use crate::linalg::view;
use crate::problem::MatrixView;

/// The power iteration Ũ_t in the eigenbasis of P: row i of VᵀU₀ is multiplied by (1 + μλᵢ)ᵗ. Any t costs the same. The
/// common scale is kept as a logarithm, so t may be so large that Ũ_t itself would overflow.
#[derive(Clone, Debug)]
pub struct PowerIteration {
    spectrum: Arc<Spectrum>,
    step_size: f64,
    /// Coefficients VᵀU₀, n×k.
    coefficients: Mat<f64>,
}

/// The factor Ũ_t = `scaled`·exp(`log_scale`).
#[derive(Clone, Debug)]
pub struct PowerFactor {
    /// Scaled factor, n×k row-major, with largest multiplier 1.
    pub scaled: Vec<f64>,
    /// Logarithm of the scale.
    pub log_scale: f64,
}

impl PowerIteration {
    /// The power iteration of a start U₀ under step size μ, where the spectrum is complete.
    pub fn new(spectrum: Arc<Spectrum>, step_size: f64, start: MatrixView<'_>) -> Option<Self> {
        if !spectrum.is_complete() {
            return None;
        }
        let n = spectrum.size();
        let coefficients = view(n, n, spectrum.vectors()).transpose() * view(n, start.columns(), start.as_slice());
        Some(Self { spectrum, step_size, coefficients })
    }

    /// The factor Ũ_t at iteration t.
    pub fn at(&self, iteration: usize) -> PowerFactor {
        let (n, k) = (self.spectrum.size(), self.coefficients.ncols());
        let logarithm = |value: f64| iteration as f64 * (1.0 + self.step_size * value).abs().ln();
        let log_scale = self.spectrum.values().iter().map(|&v| logarithm(v)).fold(f64::NEG_INFINITY, f64::max);
        let multiplier = |value: f64| {
            let sign = if 1.0 + self.step_size * value < 0.0 && iteration % 2 == 1 { -1.0 } else { 1.0 };
            // 0⁰ = 1 and 0ᵗ = 0: the logarithm of 0 times 0 would be NaN.
            if iteration == 0 { 1.0 } else { sign * (logarithm(value) - log_scale).exp() }
        };
        let log_scale = if iteration == 0 { 0.0 } else { log_scale };
        let grown = Mat::from_fn(n, k, |i, c| multiplier(self.spectrum.values()[i]) * self.coefficients[(i, c)]);
        let product = view(n, n, self.spectrum.vectors()) * grown;
        PowerFactor { scaled: (0..n * k).map(|at| product[(at / k, at % k)]).collect(), log_scale }
    }
}

impl PowerFactor {
    /// Relative distance ‖U − Ũ‖_F / ‖Ũ‖_F.
    pub fn relative_distance(&self, factor: MatrixView<'_>) -> f64 {
        let scale = (-self.log_scale).exp();
        let (mut difference, mut norm) = (0.0, 0.0);
        for (u, v) in factor.as_slice().iter().zip(&self.scaled) {
            difference += (u * scale - v).powi(2);
            norm += v * v;
        }
        (difference / norm).sqrt()
    }
}
