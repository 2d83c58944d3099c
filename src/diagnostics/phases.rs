//! The three phases after a small random start, as computable times.

use serde::{Deserialize, Serialize};

/// Phase of one observation: I spectral alignment, II saddle avoidance, III local refinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Before t_*: the iterates turn towards L, the span of the leading eigenvectors of P.
    #[serde(rename = "1")]
    Alignment,
    /// From t_* to t_1: the aligned directions grow from the size of the start to that of the truth.
    #[serde(rename = "2")]
    SaddleAvoidance,
    /// From t_1 on: the error contracts.
    #[serde(rename = "3")]
    Refinement,
}

impl Phase {
    /// Roman numeral of the phase: I, II or III.
    pub fn numeral(self) -> &'static str {
        match self {
            Self::Alignment => "I",
            Self::SaddleAvoidance => "II",
            Self::Refinement => "III",
        }
    }

    /// Number of the phase: 1, 2 or 3.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// Sine of angle(L, L_t) below which a run counts as aligned.
pub const ALIGNED: f64 = 0.1;
/// Relative distance ‖U_t − Ũ_t‖/‖Ũ_t‖ above which a run has left the power iteration.
pub const POWER_LEFT: f64 = 0.1;

/// Input of [`PhaseClock`] from one observation; `None` where a quantity does not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PhaseInput {
    /// Iteration of the observation.
    pub iteration: usize,
    /// Sine of angle(L, L_t).
    pub angle_spectral: Option<f64>,
    /// Smallest singular value σ_min(V_XᵀU_t) of the signal part.
    pub signal_min: Option<f64>,
    /// Norm ‖U_t W_⊥‖ of the noise part.
    pub noise_norm: Option<f64>,
    /// Relative distance ‖U_t − Ũ_t‖/‖Ũ_t‖ to the power iteration.
    pub power_distance: Option<f64>,
}

/// Phase times of a run, at the resolution of its observations. A time that does not exist is null, with the reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Phases {
    /// Time of alignment t_* = min{t : angle(L, L_t) ≤ `aligned`}, before t_1.
    pub t_star: Option<usize>,
    /// Time of refinement t_1 = min{t : σ_min(V_XᵀU_t) ≥ σ_min(X)/√10}.
    pub t_1: Option<usize>,
    /// Time of leaving the power iteration, min{t : ‖U_t − Ũ_t‖ > `power_left`·‖Ũ_t‖}.
    #[serde(alias = "t_twin")]
    pub t_power: Option<usize>,
    /// Noise norm ‖U W_⊥‖ at t_1. The phases are meaningful only where it is small against the signal.
    pub noise_at_t_1: Option<f64>,
    /// Threshold of t_*, a sine.
    pub aligned: f64,
    /// Threshold of `t_power`, a relative distance.
    #[serde(alias = "twin_left")]
    pub power_left: f64,
    /// Reasons for the times that are null.
    pub reasons: Vec<String>,
}

/// Clock of the phases of one run. Observations come in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhaseClock {
    /// Threshold σ_min(X)/√10.
    threshold: f64,
    aligned: f64,
    phases: Phases,
    smallest_angle: Option<f64>,
    /// Whether there is a power iteration to compare with.
    #[serde(alias = "twinned")]
    compared: bool,
}

impl PhaseClock {
    /// A clock for a truth whose factor has the smallest nonzero singular value `sigma_min`. `aligned` is the threshold
    /// of t_*, by default [`ALIGNED`].
    pub fn new(sigma_min: f64, aligned: f64) -> Self {
        Self {
            threshold: sigma_min / 10f64.sqrt(),
            aligned,
            phases: Phases::default(),
            smallest_angle: None,
            compared: false,
        }
    }

    /// Takes in one observation and returns its phase.
    pub fn observe(&mut self, input: &PhaseInput) -> Phase {
        let p = &mut self.phases;
        if p.t_1.is_none() && input.signal_min.is_some_and(|s| s >= self.threshold) {
            p.t_1 = Some(input.iteration);
            p.noise_at_t_1 = input.noise_norm;
        }
        if let Some(angle) = input.angle_spectral {
            if p.t_1.is_none_or(|t| t == input.iteration) {
                self.smallest_angle = Some(self.smallest_angle.map_or(angle, |a: f64| a.min(angle)));
            }
            // Alignment at the very observation of t_1 still counts: phase II is then empty.
            if p.t_star.is_none() && angle <= self.aligned && p.t_1.is_none_or(|t| t == input.iteration) {
                p.t_star = Some(input.iteration);
            }
        }
        self.compared |= input.power_distance.is_some();
        if p.t_power.is_none() && input.power_distance.is_some_and(|d| d > POWER_LEFT) {
            p.t_power = Some(input.iteration);
        }
        match (p.t_star, p.t_1) {
            (_, Some(_)) => Phase::Refinement,
            (Some(_), None) => Phase::SaddleAvoidance,
            (None, None) => Phase::Alignment,
        }
    }

    /// The phase times so far, with reasons for those that are null.
    pub fn phases(&self) -> Phases {
        let mut phases = Phases { aligned: self.aligned, power_left: POWER_LEFT, ..self.phases.clone() };
        if phases.t_star.is_none() {
            phases.reasons.push(match self.smallest_angle {
                Some(angle) => format!(
                    "t_star: angle(L, L_t) fell to {angle:.3} before t_1 and not to {}: the start is too large, or \
                     the measurements are too few for a spectral phase",
                    self.aligned
                ),
                None => "t_star: angle(L, L_t) was not observed before t_1".into(),
            });
        }
        if phases.t_1.is_none() {
            phases.reasons.push("t_1: the signal did not reach σ_min(X)/√10 in this run".into());
        }
        if phases.t_power.is_none() {
            phases.reasons.push(match self.compared {
                true => "t_power: U_t stayed with its power iteration to the end of this run".into(),
                false => {
                    "t_power: only gradient descent with a constant step has a power iteration to compare with".into()
                }
            });
        }
        phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Phase times of a finished trace.
    fn phases(sigma_min: f64, aligned: f64, observations: &[PhaseInput]) -> Phases {
        let mut clock = PhaseClock::new(sigma_min, aligned);
        observations.iter().for_each(|input| {
            clock.observe(input);
        });
        clock.phases()
    }

    fn row(iteration: usize, angle: f64, signal: f64, distance: f64) -> PhaseInput {
        PhaseInput {
            iteration,
            angle_spectral: Some(angle),
            signal_min: Some(signal),
            noise_norm: Some(1e-3),
            power_distance: Some(distance),
        }
    }

    #[test]
    fn times_of_a_made_up_trace() {
        let rows = [
            row(0, 0.9, 1e-6, 0.0),
            row(10, 0.08, 1e-4, 0.01),
            row(20, 0.01, 0.1, 0.2),
            row(30, 0.2, 0.4, 5.0),
            row(40, 0.05, 1.0, 50.0),
        ];
        let found = phases(1.0, ALIGNED, &rows);
        assert_eq!((found.t_star, found.t_1, found.t_power), (Some(10), Some(30), Some(20)));
        assert!(found.reasons.is_empty());
        let mut clock = PhaseClock::new(1.0, ALIGNED);
        let numerals: Vec<_> = rows.iter().map(|r| clock.observe(r).numeral()).collect();
        assert_eq!(numerals, ["I", "II", "II", "III", "III"]);
    }

    #[test]
    fn an_alignment_after_t_1_is_none_and_the_reason_is_given() {
        let rows = [row(0, 0.9, 0.5, 0.0), row(10, 0.05, 1.0, 0.5)];
        let found = phases(1.0, ALIGNED, &rows);
        assert_eq!((found.t_star, found.t_1, found.t_power), (None, Some(0), Some(10)));
        assert!(found.reasons[0].starts_with("t_star") && found.reasons[0].contains("0.900"), "{:?}", found.reasons);
    }

    #[test]
    fn a_short_run_has_no_times() {
        let found = phases(1.0, ALIGNED, &[row(0, 0.9, 1e-6, 0.0)]);
        assert_eq!((found.t_star, found.t_1, found.t_power), (None, None, None));
        assert_eq!(found.reasons.len(), 3);
    }
}
