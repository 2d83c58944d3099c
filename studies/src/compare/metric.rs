//! What the errors of a comparison are.

use serde::{Deserialize, Serialize};

use lowrank::solver::{Problem, Settings, TraceRow, TrialSolution};

/// The error by which contenders are compared: the best that the problem lets one know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// ‖Z − M‖_F/‖M‖_F: there is a truth.
    RelativeError,
    /// ‖e‖/‖y‖ over held-out measurements: there is no truth, and every contender holds some out.
    HeldOutError,
    /// ‖e‖/‖y‖ over the training measurements: there is neither. It tells how fast they are fitted, not how well M is recovered.
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

    /// Its name in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::RelativeError => "relative_error",
            Self::HeldOutError => "held_out_error",
            Self::RelativeResidual => "relative_residual",
        }
    }

    /// Its name on axes.
    pub fn label(self) -> &'static str {
        match self {
            Self::RelativeError => "relative error",
            Self::HeldOutError => "held-out error",
            Self::RelativeResidual => "relative residual",
        }
    }

    /// What it is and why it was taken.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::RelativeError => "The error is ‖Z − M‖/‖M‖ of the iterate Z, since the truth M is known.",
            Self::HeldOutError => {
                "The error is ‖A(Z) − y‖/‖y‖ over the held-out measurements, an estimate of ‖Z − M‖/‖M‖, since no truth is known; \
                 noise in y counts into it."
            }
            Self::RelativeResidual => {
                "The error is ‖A(Z) − y‖/‖y‖ over the measurements that were fitted, since there is neither a truth nor a held-out \
                 share: it tells how fast they are fitted, not how well the matrix is recovered."
            }
        }
    }

    /// Of an observation; `scale` is [`Metric::scale`] of its trial.
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

    /// Of the factor that a trial returned.
    pub(super) fn of_result(self, trial: &TrialSolution) -> Option<f64> {
        let value = match self {
            Self::RelativeError => trial.relative_error,
            Self::HeldOutError => trial.estimated_relative_error,
            Self::RelativeResidual => Some(trial.relative_residual),
        };
        value.filter(|value| value.is_finite())
    }

    /// The root of the held-out loss times this is ‖e‖/‖y‖ over the held-out measurements.
    pub(super) fn scale(self, trial: &TrialSolution) -> Option<f64> {
        let (estimate, loss) = (trial.estimated_relative_error?, trial.holdout_loss?);
        (loss > 0.0).then(|| estimate / loss.sqrt())
    }
}
