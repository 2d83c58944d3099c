//! One observation of a run against its truth and its power-iteration reference: the quantities of arXiv 2106.15013.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostics::phases::{ALIGNED, Phase, PhaseClock, PhaseInput, Phases};
use crate::diagnostics::power_iteration::PowerIteration;
use crate::diagnostics::spectrum::Spectrum;
use crate::diagnostics::subspace::{leading_left, signal_and_noise, sine_of_largest_angle};
use crate::error::Result;
use crate::linalg;
use crate::memory::product;
use crate::problem::{Block, MatrixView, Truth};

/// Singular values of the truth below this share of the largest count as zero.
const RANK_TOLERANCE: f64 = 1e-8;
/// Matrices of the size of U, or of M, that a decomposition holds at most.
const COPIES: usize = 6;

/// Quantities of one observation. Fields are absent where they do not apply.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Diagnosis {
    /// Singular value σ_{r*}(U_t).
    pub sigma_rank: f64,
    /// Singular value σ_{r*+1}(U_t), the largest of the surplus; absent where k ≤ r*.
    pub sigma_next: Option<f64>,
    /// Sine of angle(X, L_t), where L_t is the span of the leading r* left singular vectors of U_t.
    pub angle_truth: Option<f64>,
    /// Sine of angle(L, L_t), where L is the span of the leading r* eigenvectors of P.
    pub angle_spectral: Option<f64>,
    /// Sine of angle(X, L̃_t) for the power iteration.
    pub power_angle_truth: Option<f64>,
    /// Sine of angle(L, L̃_t) for the power iteration.
    pub power_angle_spectral: Option<f64>,
    /// Relative distance ‖U_t − Ũ_t‖_F/‖Ũ_t‖_F to the power iteration.
    pub power_distance: Option<f64>,
    /// Norm ‖U_t W_⊥‖ of the noise part.
    pub noise_norm: f64,
    /// Smallest singular value σ_min(V_XᵀU_t) of the signal part.
    pub signal_min: f64,
    /// Phase of the observation.
    pub phase: Phase,
}

/// A factor, or the real form of a complex one.
enum Wide<'a> {
    Same(MatrixView<'a>),
    Made(Block),
}

impl<'a> Wide<'a> {
    fn of(factor: MatrixView<'a>, complex: bool) -> Self {
        match complex {
            false => Self::Same(factor),
            true => {
                let wide = crate::problem::complex::expanded(factor.columns(), factor.as_slice());
                Self::Made(Block::new(factor.rows(), 2 * factor.columns(), wide))
            }
        }
    }

    fn view(&self) -> MatrixView<'_> {
        match self {
            Self::Same(factor) => *factor,
            Self::Made(block) => block.of(0),
        }
    }
}

/// The constants of a run: the truth's subspace, P's subspace and the power iteration; and its phase clock.
pub struct PaperDiagnostics {
    /// Orthonormal basis V_X, n×r*.
    basis: Vec<f64>,
    rank: usize,
    /// Whether factors are complex: all is done on their real forms, which have every direction twice.
    complex: bool,
    leading: Vec<f64>,
    power: Option<PowerIteration>,
    clock: PhaseClock,
}

impl PaperDiagnostics {
    /// Diagnostics for a truth, the spectrum of P = s·A*(y), the start U₀ (n×k) and the step size of gradient descent.
    /// Other methods have no power iteration and pass no step size.
    ///
    /// # Errors
    /// Those of the decompositions.
    pub fn new(truth: &Truth, spectrum: Arc<Spectrum>, step_size: Option<f64>, start: MatrixView<'_>) -> Result<Self> {
        let complex = truth.domain().is_complex();
        let (basis, sigma) = truth_basis(&truth.real_form())?;
        let start = Wide::of(start, complex);
        let rank = sigma.len();
        let sigma_min = sigma.last().copied().unwrap_or(0.0);
        Ok(Self {
            leading: spectrum.leading(rank),
            power: step_size.and_then(|step_size| PowerIteration::new(spectrum, step_size, start.view())),
            clock: PhaseClock::new(sigma_min, ALIGNED),
            basis,
            rank,
            complex,
        })
    }

    /// Bytes that the diagnosis of a U of k columns holds besides the spectrum: the bases of col(X) and L, and the
    /// coefficients of the power iteration.
    pub(crate) fn bytes(truth: &Truth, k: usize) -> u64 {
        let n = truth.domain().rows();
        product(&[n, 2 * truth.rank().unwrap_or(n) + k, size_of::<f64>()])
    }

    /// Bytes of the decompositions of a diagnosis; those of a truth without factors need M itself.
    pub(crate) fn workspace(truth: &Truth, k: usize) -> u64 {
        let n = truth.domain().rows();
        product(&[n, COPIES, truth.rank().map_or(n, |_| k), size_of::<f64>()])
    }

    /// Diagnoses U_t. Observations come in order.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a non-finite factor.
    pub fn observe(&mut self, iteration: usize, factor: MatrixView<'_>) -> Result<Diagnosis> {
        let wide = Wide::of(factor, self.complex);
        let factor = wide.view();
        let n = factor.rows();
        let (sigma, leading) = leading_left(factor, self.rank)?;
        // Angles compare subspaces of the same dimension.
        let whole = factor.columns() >= self.rank && self.rank > 0;
        let angle = |v: &[f64], w: &[f64]| whole.then(|| sine_of_largest_angle(n, v, w)).transpose();
        let split = signal_and_noise(factor, &self.basis)?;
        let (mut power_angle_truth, mut power_angle_spectral, mut power_distance) = (None, None, None);
        if let Some(power) = &self.power {
            let power = power.at(iteration);
            let view = MatrixView::new(n, factor.columns(), &power.scaled)?;
            power_distance = Some(power.relative_distance(factor));
            let (_, power_leading) = leading_left(view, self.rank)?;
            power_angle_truth = angle(&self.basis, &power_leading)?;
            power_angle_spectral = angle(&self.leading, &power_leading)?;
        }
        let angle_spectral = angle(&self.leading, &leading)?;
        let phase = self.clock.observe(&PhaseInput {
            iteration,
            angle_spectral,
            signal_min: Some(split.signal_min),
            noise_norm: Some(split.noise_norm),
            power_distance,
        });
        Ok(Diagnosis {
            sigma_rank: sigma.get(self.rank.saturating_sub(1)).copied().unwrap_or(0.0),
            sigma_next: sigma.get(self.rank).copied(),
            angle_truth: angle(&self.basis, &leading)?,
            angle_spectral,
            power_angle_truth,
            power_angle_spectral,
            power_distance,
            noise_norm: split.noise_norm,
            signal_min: split.signal_min,
            phase,
        })
    }

    /// The phase clock, for a checkpoint.
    pub fn clock(&self) -> &PhaseClock {
        &self.clock
    }

    /// Continues from a saved phase clock.
    pub fn set_clock(&mut self, clock: PhaseClock) {
        self.clock = clock;
    }

    /// The phase times found so far.
    pub fn phases(&self) -> Phases {
        self.clock.phases()
    }
}

/// An orthonormal basis of col(X) and the nonzero singular values of X, largest first.
fn truth_basis(truth: &Truth) -> Result<(Vec<f64>, Vec<f64>)> {
    let n = truth.domain().rows();
    let (sigma, vectors) = match truth.factor() {
        Some(x) => linalg::left_singular(n, x.columns(), x.as_slice(), x.columns())?,
        None => {
            let (values, vectors) = linalg::symmetric_eigen(n, &truth.to_matrix())?;
            let sigma = values.iter().rev().map(|v| v.max(0.0).sqrt()).collect();
            (sigma, vectors.chunks(n).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect())
        }
    };
    let tolerance = RANK_TOLERANCE * sigma.first().copied().unwrap_or(0.0);
    let rank = sigma.iter().filter(|s| **s > tolerance).count();
    let columns = sigma.len().max(1);
    let basis = vectors.chunks(columns).flat_map(|row| &row[..rank]).copied().collect();
    Ok((basis, sigma[..rank].to_vec()))
}
