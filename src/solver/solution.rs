//! What a run returns.

use serde::{Deserialize, Serialize};

use crate::diagnostics::{Diagnosis, Phase, PhaseProxy, Phases};
use crate::engine::{EngineInfo, Precision};
use crate::memory::Memory;
use crate::operators::entries::Biases;
use crate::problem::{Block, MatrixView, Product};
use crate::solver::faults::Fault;
use crate::solver::form::Form;
use crate::solver::trial::TrialParameters;

/// How a trial ended. Data, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// Every requested target was reached.
    Converged,
    /// The iterations ran out.
    IterationLimit,
    /// The time ran out.
    TimeLimit,
    /// Over a window the loss was flat and no singular value of U grew by more than 1 %.
    Stalled,
    /// The method found nothing more to do: the residual is that of rounding, or another column explains no more than noise would.
    Finished,
    /// The loss became non-finite, rose a millionfold above its start (of `scaled-gd` with λ > 0, which overshoots, 10¹⁴-fold), or went
    /// up and down over a window in which its lowest value did not fall; the best iterate is kept.
    Diverged,
    /// The observer asked to stop.
    Interrupted,
    /// The device failed; the last good iterate is kept.
    DeviceLost,
}

impl Status {
    /// One sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Converged => "every requested target was reached",
            Self::IterationLimit => "the iteration limit was reached",
            Self::TimeLimit => "the time limit was reached",
            Self::Stalled => "the loss is flat and no singular value grows any more",
            Self::Finished => "the method found nothing more to do",
            Self::Diverged => "the loss rises, or goes up and down and gets no lower; the best iterate is kept",
            Self::Interrupted => "interrupted; the best iterate so far is kept",
            Self::DeviceLost => "the device failed; the last good iterate is kept",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Converged => "Converged",
            Self::IterationLimit => "IterationLimit",
            Self::TimeLimit => "TimeLimit",
            Self::Stalled => "Stalled",
            Self::Finished => "Finished",
            Self::Diverged => "Diverged",
            Self::Interrupted => "Interrupted",
            Self::DeviceLost => "DeviceLost",
        })
    }
}

/// One observation of one trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceRow {
    pub trial: usize,
    pub iteration: usize,
    /// Since the iteration began.
    pub seconds: f64,
    /// (s/4)·Σ eᵢ² over the training measurements, (s/2)·Σ eᵢ² for two factors; of eᵢ − ē for centred operators; 2ρ(eᵢ) in place
    /// of eᵢ² with another loss.
    pub train_loss: f64,
    /// ‖e‖/‖y‖ over the training measurements.
    pub relative_residual: f64,
    /// ‖Z − M‖_F/‖M‖_F for the iterate Z = UUᵀ, U S Uᵀ or L Rᵀ, with a truth.
    pub relative_error: Option<f64>,
    /// (s/4)·Σ eᵢ² over the held-out measurements, with s for their number.
    pub holdout_loss: Option<f64>,
    /// Angles, singular values and phase, where [`crate::Settings::diagnose`] asked for them and there is a truth.
    pub diagnosis: Option<Diagnosis>,
    /// Without a truth: a guess at the phase, where [`crate::Settings::diagnose`] asked for it. While the run goes on it
    /// is what can be told so far, afterwards what [`PhaseProxy`] found in hindsight.
    pub phase_proxy: Option<Phase>,
    /// ‖LᵀL − RᵀR‖_F, for two factors.
    pub imbalance: Option<f64>,
}

/// One trial's result. Losses, errors and spectrum belong to the returned factor.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialSolution {
    pub parameters: TrialParameters,
    pub status: Status,
    /// Iterations carried out.
    pub iterations: usize,
    /// Iteration of the returned factor: the last one, or the best by held-out loss, or the last good one.
    pub kept_iteration: usize,
    pub train_loss: f64,
    pub relative_residual: f64,
    pub relative_error: Option<f64>,
    pub holdout_loss: Option<f64>,
    /// ‖e‖/‖y‖ over the held-out measurements: for isotropic ensembles an estimate of the relative error (noise in y
    /// counts into it).
    pub estimated_relative_error: Option<f64>,
    /// Singular values of U, largest first; for other products than U Uᵀ the square roots of those of the product.
    pub singular_values: Vec<f64>,
    /// The rank the spectrum suggests, see [`crate::diagnostics::estimated_rank`].
    pub estimated_rank: usize,
    /// The times t_*, t_1 and t_twin, where the run was diagnosed.
    pub phases: Option<Phases>,
    /// What stands in for them without a truth.
    pub phases_proxy: Option<PhaseProxy>,
    /// A sentence beside the status: that single precision is what ended the descent.
    pub remark: Option<String>,
    /// Why it may be no answer: something simpler is better, or something that it leaves is no noise.
    pub doubt: Option<String>,
    pub(crate) biases: Option<Biases>,
    /// It has a ridge that held-out entries chose.
    pub(crate) tuned: bool,
    pub(crate) form: Form,
    pub(crate) blocks: Vec<Block>,
    /// L and R, where these are not the blocks themselves.
    pub(crate) ends: Option<Vec<Block>>,
}

impl TrialSolution {
    /// The factors, in the model's order: U, or L and R, or all that a longer product has.
    pub fn blocks(&self) -> impl Iterator<Item = MatrixView<'_>> {
        self.blocks.iter().map(|block| block.of(0))
    }

    /// Names of the factors, as files of factors have them.
    pub fn names(&self) -> Vec<String> {
        self.form.model.names()
    }

    /// U, n×k, or L, n1×k, of the thin product that was recovered.
    pub fn left(&self) -> MatrixView<'_> {
        self.product().left()
    }

    /// R, n2×k; U again for models of one factor.
    pub fn right(&self) -> MatrixView<'_> {
        self.product().right()
    }

    /// Root mean square of the residuals over the training measurements, in the units of y.
    pub fn train_rmse(&self) -> f64 {
        self.rmse(self.train_loss)
    }

    /// The same over the held-out measurements.
    pub fn holdout_rmse(&self) -> Option<f64> {
        self.holdout_loss.map(|loss| self.rmse(loss))
    }

    /// √(Σe²/count) from c·s·Σe², s being that of `count` measurements: s·count is the same for any number of them.
    fn rmse(&self, loss: f64) -> f64 {
        let p = &self.parameters;
        (loss / (self.form.share() * p.normalization * (p.rows - p.holdout_rows) as f64)).sqrt()
    }

    /// What was recovered: U Uᵀ, U S Uᵀ or L Rᵀ.
    pub fn product(&self) -> Product<'_> {
        self.form.product(&self.blocks, self.ends.as_ref()).expect("the solver stores blocks of the model's sizes")
    }

    /// What the mean, each row and each column add to the product, where the run has chosen to have them; see
    /// [`Settings::without_biases`](crate::Settings::without_biases).
    pub fn biases(&self) -> Option<&Biases> {
        self.biases.as_ref()
    }

    /// The recovered matrix, row-major: the product and the biases.
    pub fn to_dense(&self) -> Vec<f64> {
        let mut all = self.product().to_dense();
        if let Some(biases) = &self.biases {
            let columns = biases.columns.len();
            all.iter_mut().enumerate().for_each(|(at, v)| *v += biases.at(at / columns, at % columns));
        }
        all
    }

    /// Entries (i, j) of the recovered matrix, biases included.
    ///
    /// # Panics
    /// Where an index is too large, as slices do.
    pub fn entries(&self, at: &[(usize, usize)]) -> Vec<f64> {
        let product = self.product();
        let bias = |(i, j)| self.biases.as_ref().map_or(0.0, |biases| biases.at(i, j));
        at.iter().map(|&(i, j)| product.entry(i, j) + bias((i, j))).collect()
    }
}

/// Relative residuals below this are rounding in single precision: each of them sums some 10⁴ products of unit roundoff
/// 6·10⁻⁸ with random signs.
const SINGLE_PRECISION_FLOOR: f64 = 1e-6;

/// Relative residuals above this are no rounding, in any precision.
pub(super) const MISFIT: f64 = 1e-3;

impl TrialSolution {
    /// What the status alone would let a user blame the method or the device for.
    /// Where VᵀV was too ill-conditioned for the damping there was.
    pub(crate) fn damping_remark(&self, raised: usize) -> Option<String> {
        (raised > 0).then(|| {
            let condition = match (self.singular_values.first(), self.singular_values.last()) {
                (Some(first), Some(last)) if *last > 0.0 => format!("; σ₁/σ_k of the iterate {:.0e}", first / last),
                _ => String::new(),
            };
            format!(
                "in {raised} iterations the damping was raised, or directions left out, to keep the preconditioner within \
                 the precision of the arithmetic{condition}"
            )
        })
    }

    pub(crate) fn floor_remark(&self, precision: Precision) -> Option<String> {
        let ended = matches!(self.status, Status::Finished | Status::Stalled | Status::IterationLimit);
        (ended && precision == Precision::F32 && self.relative_residual < SINGLE_PRECISION_FLOOR).then(|| {
            format!(
                "single-precision floor reached (relative residual {:.0e}): --precision mixed or f64 goes on",
                self.relative_residual
            )
        })
    }
}

/// Where the time went, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Automatic choices, upload, compilation.
    pub setup: f64,
    /// The loop, observations included.
    pub solve: f64,
    /// Time of the engine over iterations carried out.
    pub seconds_per_iteration: f64,
    /// Measurement data read by one iteration.
    pub operator_bytes_per_iteration: f64,
    /// Mixed precision: passes over the measurement data in f64, beside those of the iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f64_passes: Option<usize>,
}

/// The result of a run: one [`TrialSolution`] a trial.
#[derive(Clone, Debug)]
pub struct Solution {
    pub trials: Vec<TrialSolution>,
    /// Observations of all trials, by iteration and then by trial.
    pub trace: Vec<TraceRow>,
    pub timing: Timing,
    pub engine: EngineInfo,
    /// What the run held, as predicted: [`crate::Solver::memory`].
    pub memory: Memory,
    /// Automatic choices and doubts, in sentences.
    pub notices: Vec<String>,
    /// What ended the run before its time.
    pub fault: Option<Fault>,
    /// The iteration from which it went on, where it did not begin at the start.
    pub resumed_at: Option<usize>,
}

impl Solution {
    /// One trial of a batch, as if it had been alone.
    pub(super) fn only(mut self, trial: usize) -> Self {
        self.trace.retain(|row| row.trial == trial);
        self.trace.iter_mut().for_each(|row| row.trial = 0);
        self.trials = vec![self.trials.swap_remove(trial)];
        let parameters = &mut self.trials[0].parameters;
        (parameters.trial, parameters.instance) = (0, 0);
        self
    }

    /// What was found in its place, with a sentence that says so; what was said before stays.
    pub(super) fn replaced_by(self, mut found: Self, notice: String) -> Self {
        found.trials[0].parameters.instance = self.trials[0].parameters.instance;
        found.timing.setup = self.timing.setup;
        found.notices = self.notices;
        found.notices.push(notice);
        found
    }

    /// The trial with the lowest held-out loss, or the lowest training loss where nothing is held out. Losses of
    /// trials that use different measurements are compared as they are.
    pub fn best(&self) -> &TrialSolution {
        let score = |t: &TrialSolution| {
            let loss = t.holdout_loss.unwrap_or(t.train_loss);
            (t.status == Status::Diverged, if loss.is_nan() { f64::INFINITY } else { loss })
        };
        self.trials
            .iter()
            .min_by(|a, b| score(a).partial_cmp(&score(b)).unwrap_or(std::cmp::Ordering::Equal))
            .expect("a run has at least one trial")
    }
}
