//! Facts known before any run: the spectrum of P = s·A*(y) compared with the truth, and its consequences.

use serde::{Deserialize, Serialize};

use crate::reproduce::settings::{Ensemble, Ss21};
use lowrank::Result;
use lowrank::internals::diagnostics::{Spectrum, leading_left, sine_of_largest_angle};
use lowrank::problem::Truth;
use lowrank::solver::Problem;

/// Factor by which σ_min² must exceed half the noise edge for L to align with X: sin angle(X, L) ≈ 1/separation.
const SEPARATED: f64 = 2.0;
/// Largest λ₁/λ_{r*} of P for which the signal directions grow and saturate together.
const TOGETHER: f64 = 1.5;
/// Bounds on the number of iterations from the formulas.
const ITERATIONS: (f64, f64) = (60.0, 3000.0);

/// Numbers of one problem instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub operator: Ensemble,
    pub n: usize,
    pub rank: usize,
    pub measurements: usize,
    pub condition_number: f64,
    pub step_size: f64,
    /// Smallest singular value σ_min(X).
    pub sigma_min: f64,
    /// Norm ‖M‖_F.
    pub truth_norm: f64,
    /// Eigenvalue λ₁ of P; the next ones are λ_{r*} and λ_{r*+1}.
    pub lambda_first: f64,
    pub lambda_rank: f64,
    pub lambda_next: Option<f64>,
    /// Distance ‖P − M‖; absent for n > 1024, where only the leading part of the spectrum is computed.
    pub distance: Option<f64>,
    /// Angle between X and L.
    pub angle: f64,
}

impl Facts {
    /// Computes the facts of instance 0 of a problem whose truth is a factor.
    ///
    /// # Errors
    /// Those of the decompositions.
    pub fn new(problem: &Problem, truth: &Truth, settings: &Ss21) -> Result<Self> {
        let Ss21 { operator: ensemble, condition_number, step_size, .. } = *settings;
        let operator = &**problem.operator();
        let y = problem.observations(0).unwrap_or_default();
        let rank = truth.rank().unwrap_or(0);
        let centred = centred(operator.is_centred(), y);
        let spectrum = Spectrum::new(operator, &centred, operator.normalization(), rank + 1)?;
        let sigma = truth.singular_values()?;
        let basis = match truth.factor() {
            Some(x) => leading_left(x, rank)?.1,
            None => Vec::new(),
        };
        let n = truth.domain().rows();
        let value = |i: usize| spectrum.values().get(i).copied();
        Ok(Self {
            operator: ensemble,
            n,
            rank,
            measurements: operator.measurements(),
            condition_number,
            step_size,
            sigma_min: sigma.get(rank.saturating_sub(1)).copied().unwrap_or(0.0),
            truth_norm: sigma.iter().map(|s| s.powi(4)).sum::<f64>().sqrt(),
            lambda_first: value(0).unwrap_or(0.0),
            lambda_rank: value(rank.saturating_sub(1)).unwrap_or(0.0),
            lambda_next: value(rank),
            distance: spectrum.distance_to(&truth.to_matrix())?,
            angle: sine_of_largest_angle(n, &basis, &spectrum.leading(rank))?,
        })
    }

    /// Returns the noise edge in the spectrum of P: ‖M‖_F·√(2n/m), the expected ‖P − M‖, for Gaussian matrices; for others
    /// ‖P − M‖ itself, where it was computed.
    pub fn edge(&self) -> f64 {
        if let (Ensemble::RankOne | Ensemble::Entries, Some(distance)) = (self.operator, self.distance) {
            return distance;
        }
        self.truth_norm * (2.0 * self.n as f64 / self.measurements as f64).sqrt()
    }

    /// Returns σ_min(X)²/(½·edge): up to 1, the weakest direction of the truth is below the noise of P.
    pub fn separation(&self) -> f64 {
        self.sigma_min * self.sigma_min / (0.5 * self.edge())
    }

    /// Returns ln(1 + μλ_{r*}(P)), the growth of the signal per iteration in the first two phases.
    pub fn growth(&self) -> f64 {
        (1.0 + self.step_size * self.lambda_rank).ln()
    }

    /// Returns ln(1 + μλ_{r*}(P))/ln(1 + μλ₁(P)), the share of t_1 after which the strongest direction has grown.
    pub fn head_start(&self) -> f64 {
        let share = self.growth() / (1.0 + self.step_size * self.lambda_first).ln();
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 }
    }

    /// Returns the delay of t_1 in iterations per decade of α.
    pub fn iterations_per_decade(&self) -> f64 {
        std::f64::consts::LN_10 / self.growth()
    }

    /// Returns the exponent 2·(1 − ln(1+μλ_{r*+1}(P))/ln(1+μλ_{r*}(P))): while the signal grows from α to 1, the
    /// surplus grows to α to the power of half of this; the test error is its square.
    pub fn exponent(&self) -> Option<f64> {
        Some(2.0 * (1.0 - (1.0 + self.step_size * self.lambda_next?).ln() / self.growth()))
    }

    /// Returns the reason why statements about spectral alignment do not apply to this problem, if any.
    pub fn outside(&self) -> Option<String> {
        if 4 * self.rank > self.n || self.n < 20 {
            return Some(format!(
                "n = {} and r* = {}: the statements concern low rank in many dimensions (here n ≥ 20, r* ≤ n/4)",
                self.n, self.rank
            ));
        }
        let separation = self.separation();
        if separation.is_nan() || separation < SEPARATED {
            return Some(format!(
                "the measurements are too few for this condition number: σ_min(X)² = {:.3} is {separation:.2} times \
                 half the noise of P, {:.3}, and spectral alignment needs well above 1 (here {SEPARATED})",
                self.sigma_min * self.sigma_min,
                0.5 * self.edge()
            ));
        }
        None
    }

    /// Returns the reason why one growth rate does not describe the run, if any.
    pub fn staged(&self) -> Option<String> {
        let ratio = self.lambda_first / self.lambda_rank;
        (ratio.is_nan() || ratio > TOGETHER).then(|| {
            format!(
                "λ₁(P)/λ_r*(P) = {ratio:.2} above {TOGETHER}: the directions emerge one after another and \
                 influence each other, so no single growth rate describes the run"
            )
        })
    }

    /// Estimates the iteration at which the signal of a start of scale α with k columns reaches σ_min(X)/√10.
    pub fn expected_t_1(&self, init_scale: f64, search_rank: usize) -> f64 {
        // The smallest singular value of an r*×k Gaussian matrix with entries N(0, α²/k).
        let weakest = 1.0 - (self.rank as f64 / search_rank.max(1) as f64).sqrt();
        let start = init_scale * weakest.max(0.5 / search_rank.max(1) as f64);
        (self.sigma_min / 10f64.sqrt() / start).ln().max(0.0) / self.growth()
    }

    /// Returns a stop time: t_1 plus the time in which the linear phase III falls below the error of the surplus.
    ///
    /// Phase III contracts along the slowest directions, X E⊥ᵀ + E⊥Xᵀ, by 1 − μσ_min²·(1 − √(nr*/m))² per iteration,
    /// where the last factor is the smallest eigenvalue of s·A*A on a space of nr* dimensions.
    pub fn stop_time(&self, init_scale: f64, search_rank: usize) -> usize {
        let share = ((self.n * self.rank) as f64 / self.measurements as f64).sqrt();
        let contraction = self.step_size * self.sigma_min.powi(2) * (1.0 - share).max(0.05).powi(2);
        let rate = -(1.0 - contraction.clamp(1e-3, 0.9)).ln();
        let decades = self.exponent().unwrap_or(1.3).clamp(0.5, 2.0) * (1.0 / init_scale).ln().max(0.0) + 5.0;
        let total = self.expected_t_1(init_scale, search_rank) + (decades / rate).max(100.0);
        let total = if total.is_finite() { total.clamp(ITERATIONS.0, ITERATIONS.1) } else { 300.0 };
        (total / 10.0).ceil() as usize * 10
    }
}

/// The observations that the iteration sees: about their mean where residuals are centred, as those of aᵀM a are. Their mean,
/// tr M, would add a multiple of the identity to P.
fn centred(is_centred: bool, y: &[f64]) -> Vec<f64> {
    let mean = if is_centred { y.iter().sum::<f64>() / y.len().max(1) as f64 } else { 0.0 };
    y.iter().map(|y| y - mean).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Typical facts for κ = 1, n = 100, r* = 3, m = 3000.
    pub(crate) fn typical() -> Facts {
        Facts {
            operator: Ensemble::Dense,
            n: 100,
            rank: 3,
            measurements: 3000,
            condition_number: 1.0,
            step_size: 0.25,
            sigma_min: 1.0,
            truth_norm: 3f64.sqrt(),
            lambda_first: 1.09,
            lambda_rank: 1.03,
            lambda_next: Some(0.42),
            distance: Some(0.441),
            angle: 0.252,
        }
    }

    #[test]
    fn formulas_of_the_typical_problem() {
        let f = typical();
        approx::assert_abs_diff_eq!(f.edge(), 0.447, epsilon = 1e-3);
        approx::assert_abs_diff_eq!(f.iterations_per_decade(), 10.06, epsilon = 0.05);
        approx::assert_abs_diff_eq!(f.exponent().unwrap(), 1.127, epsilon = 5e-3);
        assert!(f.outside().is_none() && f.staged().is_none());
        assert!((200..320).contains(&f.stop_time(1e-7, 75)), "{}", f.stop_time(1e-7, 75));
    }

    #[test]
    fn what_lies_outside_has_a_reason() {
        let weak = Facts { sigma_min: 1.0 / 3.0, truth_norm: 1.1, ..typical() };
        assert!(weak.outside().unwrap().contains("too few"));
        assert!(Facts { n: 8, ..typical() }.outside().unwrap().contains("dimensions"));
        assert!(Facts { measurements: 10, ..typical() }.outside().is_some());
        assert!(Facts { lambda_rank: 0.5, ..typical() }.staged().is_some());
        // Numbers that make no sense still give a stop time.
        let broken = Facts { lambda_rank: -5.0, measurements: 1, ..typical() };
        assert!((60..=3000).contains(&broken.stop_time(1e-7, 75)));
    }
}
