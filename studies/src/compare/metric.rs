//! Metrics of a comparison.

use serde::{Deserialize, Serialize};

use lowrank::solver::{Problem, Settings, TraceRow, TrialSolution};

/// Error that compares contenders: the best one available for the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Relative error ‖Z − M‖_F/‖M‖_F, with a truth.
    RelativeError,
    /// ‖e‖/‖y‖ over held-out measurements, without a truth and if every contender holds some out.
    HeldOutError,
    /// ‖e‖/‖y‖ over the training measurements, otherwise. It shows how fast a method fits them, not how well it
    /// recovers M.
    RelativeResidual,
}

impl Metric {
    pub(super) fn of<'a>(problem: &Problem, mut settings: impl Iterator<Item = &'a Settings>) -> Self {
        if (0..problem.instances()).all(|instance| problem.truth(instance).is_some()) {
            Self::RelativeError
        } else if settings.all(|settings| settings.holds_out()) {
            Self::HeldOutError
        } else {
            Self::RelativeResidual
        }
    }

    /// Returns the name in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::RelativeError => "relative_error",
            Self::HeldOutError => "held_out_error",
            Self::RelativeResidual => "relative_residual",
        }
    }

    /// Returns the label on axes.
    pub fn label(self) -> &'static str {
        match self {
            Self::RelativeError => "relative error",
            Self::HeldOutError => "held-out error",
            Self::RelativeResidual => "relative residual",
        }
    }

    /// Returns its definition and the reason for it, as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::RelativeError => "The error is ‖Z − M‖/‖M‖ of the iterate Z and the truth M.",
            Self::HeldOutError => {
                "Without a truth, the error is ‖A(Z) − y‖/‖y‖ over the held-out measurements. It estimates ‖Z − \
                 M‖/‖M‖ and includes the noise in y."
            }
            Self::RelativeResidual => {
                "Without a truth and a held-out share, the error is ‖A(Z) − y‖/‖y‖ over the training measurements. \
                 It shows how fast a method fits them, not how well it recovers the matrix."
            }
        }
    }

    /// Returns the error of an observation; `scale` is [`Metric::scale`] of its trial.
    pub(super) fn at(self, row: &TraceRow, scale: Option<f64>) -> Option<f64> {
        let value = match self {
            Self::RelativeError => row.relative_error,
            Self::HeldOutError => row.holdout_loss.and_then(|loss| match loss == 0.0 {
                true => Some(0.0),
                false => Some(loss.sqrt() * scale?),
            }),
            Self::RelativeResidual => Some(row.relative_residual),
        };
        value.filter(|value| value.is_finite())
    }

    /// Returns the error of the factor that a trial returned.
    pub(super) fn of_result(self, trial: &TrialSolution) -> Option<f64> {
        let value = match self {
            Self::RelativeError => trial.relative_error,
            Self::HeldOutError => trial.estimated_relative_error,
            Self::RelativeResidual => Some(trial.relative_residual),
        };
        value.filter(|value| value.is_finite())
    }

    /// Returns the factor that turns the root of the held-out loss into ‖e‖/‖y‖ over the held-out measurements.
    pub(super) fn scale(self, trial: &TrialSolution) -> Option<f64> {
        let (estimate, loss) = (trial.estimated_relative_error?, trial.holdout_loss?);
        (loss > 0.0).then(|| estimate / loss.sqrt())
    }
}
