//! Results of a run.

use serde::{Deserialize, Serialize};

use crate::diagnostics::{Diagnosis, Flatness, Phase, PhaseProxy, Phases};
use crate::engine::{EngineInfo, Precision};
use crate::memory::Memory;
use crate::operators::entries::Biases;
use crate::problem::{Block, MatrixView, Product};
use crate::solver::faults::Fault;
use crate::solver::form::Form;
use crate::solver::preference::PreferenceFit;
use crate::solver::trial::TrialParameters;

/// Reason why a trial ended. Data, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// All targets were reached.
    Converged,
    /// The iteration limit was reached.
    IterationLimit,
    /// The time limit was reached.
    TimeLimit,
    /// Over a window the loss was flat and no singular value of U grew by more than 1 %.
    Stalled,
    /// The method has nothing more to do: the residual is rounding error, or another column explains no more than
    /// noise.
    Finished,
    /// The loss became non-finite, rose a millionfold above its start (10¹⁴-fold for `scaled-gd` with λ > 0, which
    /// overshoots), or oscillated over a window without a new minimum; the best iterate is kept.
    Diverged,
    /// The observer requested a stop.
    Interrupted,
    /// The device failed; the last good iterate is kept.
    DeviceLost,
}

impl Status {
    /// The status as one sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Converged => "every requested target was reached",
            Self::IterationLimit => "the iteration limit was reached",
            Self::TimeLimit => "the time limit was reached",
            Self::Stalled => "the loss is flat and no singular value grows",
            Self::Finished => "the method finished: it found no further improvement",
            Self::Diverged => "the loss rises, or oscillates without falling; the solution is the best iterate",
            Self::Interrupted => "interrupted; the solution is the best iterate so far",
            Self::DeviceLost => "the device failed; the solution is the last good iterate",
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
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct TraceRow {
    /// Index of the trial.
    pub trial: usize,
    /// Iteration of the observation.
    pub iteration: usize,
    /// Seconds since the iteration began.
    pub seconds: f64,
    /// Training loss (s/4)·Σ eᵢ², or (s/2)·Σ eᵢ² for two factors. Centred operators have eᵢ − ē in place of eᵢ; other
    /// losses have 2ρ(eᵢ) in place of eᵢ².
    pub train_loss: f64,
    /// Relative residual ‖e‖/‖y‖ over the training measurements.
    pub relative_residual: f64,
    /// Relative error ‖Z − M‖_F/‖M‖_F of the iterate Z = UUᵀ, U S Uᵀ or L Rᵀ, with a truth.
    pub relative_error: Option<f64>,
    /// Held-out loss (s/4)·Σ wᵢeᵢ², with s for the number of held-out measurements and weights wᵢ of mean 1 over them.
    pub holdout_loss: Option<f64>,
    /// Angles, singular values and phase, if [`crate::Settings::diagnose`] is set and there is a truth.
    pub diagnosis: Option<Diagnosis>,
    /// Proxy of the phase without a truth, if [`crate::Settings::diagnose`] is set. During the run it is provisional;
    /// afterwards it is the result of [`PhaseProxy`] in hindsight.
    pub phase_proxy: Option<Phase>,
    /// Imbalance ‖LᵀL − RᵀR‖_F of two factors.
    pub imbalance: Option<f64>,
    /// Flatness of two or more factors, if [`crate::Settings::diagnose`] is set.
    pub flatness: Option<Flatness>,
}

/// Result of one trial. Losses, errors and spectrum belong to the returned factor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrialSolution {
    /// Parameters of the trial.
    pub parameters: TrialParameters,
    /// Reason why the trial ended.
    pub status: Status,
    /// Number of completed iterations.
    pub iterations: usize,
    /// Iteration of the returned factor: the last one, or the best by held-out loss, or the last good one.
    pub kept_iteration: usize,
    /// Training loss, see [`TraceRow::train_loss`].
    pub train_loss: f64,
    /// Relative residual ‖e‖/‖y‖ over the training measurements.
    pub relative_residual: f64,
    /// Relative error ‖Z − M‖_F/‖M‖_F, with a truth.
    pub relative_error: Option<f64>,
    /// Held-out loss, see [`TraceRow::holdout_loss`].
    pub holdout_loss: Option<f64>,
    /// Relative residual ‖e‖/‖y‖ over the held-out measurements. For isotropic ensembles it estimates the relative
    /// error (including noise in y).
    pub estimated_relative_error: Option<f64>,
    /// Singular values of U, largest first; for products other than U Uᵀ the square roots of those of the product.
    pub singular_values: Vec<f64>,
    /// Rank suggested by the spectrum, see [`crate::diagnostics::estimated_rank`].
    pub estimated_rank: usize,
    /// Times t_*, t_1 and t_power, if the run was diagnosed.
    pub phases: Option<Phases>,
    /// Proxy of the phase times without a truth.
    pub phases_proxy: Option<PhaseProxy>,
    /// Remark beside the status, such as a descent that ended at the accuracy of single precision.
    pub remark: Option<String>,
    /// Doubt about the result: something simpler is better, or the remainder is not noise.
    pub doubt: Option<String>,
    /// The fit over the whole matrix, for entries with a weight of the unobserved ones, as implicit feedback has.
    pub preference: Option<PreferenceFit>,
    pub(crate) biases: Option<Biases>,
    /// Whether held-out entries chose a ridge.
    pub(crate) tuned: bool,
    pub(crate) form: Form,
    pub(crate) blocks: Vec<Block>,
    /// Thin ends L and R, where these are not the blocks themselves.
    pub(crate) ends: Option<Vec<Block>>,
}

impl TrialSolution {
    /// Factors in the model's order: U, or L and R, or all blocks of a longer product.
    pub fn blocks(&self) -> impl Iterator<Item = MatrixView<'_>> {
        self.blocks.iter().map(|block| block.of(0))
    }

    /// Names of the factors in files.
    pub fn names(&self) -> Vec<String> {
        self.form.model.names()
    }

    /// Left factor of the recovered product: U, n×k, or L, n1×k.
    pub fn left(&self) -> MatrixView<'_> {
        self.product().left()
    }

    /// Right factor R, n2×k, or U for models of one factor.
    pub fn right(&self) -> MatrixView<'_> {
        self.product().right()
    }

    /// Root mean square √(Σ wᵢeᵢ²/Σ wᵢ) of the residuals over the training measurements, in the units of y.
    pub fn train_rmse(&self) -> f64 {
        self.rmse(self.train_loss)
    }

    /// Root mean square √(Σ wᵢeᵢ²/Σ wᵢ) of the residuals over the held-out measurements, in the units of y, with the
    /// weights of the problem.
    pub fn holdout_rmse(&self) -> Option<f64> {
        self.holdout_loss.map(|loss| self.rmse(loss))
    }

    /// √(Σe²/count) from c·s·Σe², where s is that of `count` measurements: s·count is the same for any number of them.
    fn rmse(&self, loss: f64) -> f64 {
        let p = &self.parameters;
        (loss / (self.form.share() * p.normalization * (p.rows - p.holdout_rows) as f64)).sqrt()
    }

    /// Recovered product: U Uᵀ, U S Uᵀ or L Rᵀ.
    pub fn product(&self) -> Product<'_> {
        self.form.product(&self.blocks, self.ends.as_ref()).expect("the solver stores blocks of the model's sizes")
    }

    /// Biases added to the product (a mean, and an offset per row and column), if the run chose them; see
    /// [`Settings::without_biases`](crate::Settings::without_biases).
    pub fn biases(&self) -> Option<&Biases> {
        self.biases.as_ref()
    }

    /// Recovered matrix, row-major: the product plus the biases.
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
    /// For an index outside the matrix, as slices do.
    pub fn entries(&self, at: &[(usize, usize)]) -> Vec<f64> {
        let product = self.product();
        let bias = |(i, j)| self.biases.as_ref().map_or(0.0, |biases| biases.at(i, j));
        at.iter().map(|&(i, j)| product.entry(i, j) + bias((i, j))).collect()
    }
}

/// Relative residual below which single precision rounds: each residual sums about 10⁴ products of unit roundoff 6·10⁻⁸
/// with random signs.
const SINGLE_PRECISION_FLOOR: f64 = 1e-6;

/// Relative residual above which no precision explains it as rounding.
pub(super) const MISFIT: f64 = 1e-3;

impl TrialSolution {
    /// Remark on a VᵀV that was too ill-conditioned for its damping, so that the user does not blame the method or the
    /// device.
    pub(crate) fn damping_remark(&self, raised: usize) -> Option<String> {
        (raised > 0).then(|| {
            let condition = match (self.singular_values.first(), self.singular_values.last()) {
                (Some(first), Some(last)) if *last > 0.0 => format!("; σ₁/σ_k of the iterate is {:.0e}", first / last),
                _ => String::new(),
            };
            format!(
                "in {raised} iterations the damping floor applied, or directions were dropped, because the \
                 preconditioner exceeded the precision of the arithmetic{condition}"
            )
        })
    }

    pub(crate) fn floor_remark(&self, precision: Precision) -> Option<String> {
        let ended = matches!(self.status, Status::Finished | Status::Stalled | Status::IterationLimit);
        (ended && precision == Precision::F32 && self.relative_residual < SINGLE_PRECISION_FLOOR).then(|| {
            format!(
                "single-precision floor reached (relative residual {:.0e}): continue with --precision mixed or f64",
                self.relative_residual
            )
        })
    }
}

/// Times of a run in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Timing {
    /// Seconds of automatic choices, upload and compilation.
    pub setup: f64,
    /// Seconds of the loop, observations included.
    pub solve: f64,
    /// Seconds of the engine per iteration.
    pub seconds_per_iteration: f64,
    /// Bytes of measurement data read by one iteration.
    pub operator_bytes_per_iteration: f64,
    /// Passes over the measurement data in all iterations; methods that read some of the rows make parts of passes, and
    /// those of the trials are averaged. An observation takes one more where the iteration after it does not use its
    /// residual.
    #[serde(default)]
    pub passes: f64,
    /// Number of f64 passes over the measurement data in mixed precision, besides those of the iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f64_passes: Option<usize>,
}

/// Result of a run, with one [`TrialSolution`] per trial.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Solution {
    /// Results by trial.
    pub trials: Vec<TrialSolution>,
    /// Observations of all trials, by iteration and then by trial.
    pub trace: Vec<TraceRow>,
    /// Times of the run.
    pub timing: Timing,
    /// Engine of the run.
    pub engine: EngineInfo,
    /// Predicted memory of the run, see [`crate::Solver::memory`].
    pub memory: Memory,
    /// Automatic choices and doubts, as sentences.
    pub notices: Vec<String>,
    /// Device failure that ended the run early.
    pub fault: Option<Fault>,
    /// Iteration from which the run was resumed, if it was.
    pub resumed_at: Option<usize>,
}

impl Solution {
    /// The solution of one trial of a batch, as if it had run alone.
    pub(super) fn only(mut self, trial: usize) -> Self {
        self.trace.retain(|row| row.trial == trial);
        self.trace.iter_mut().for_each(|row| row.trial = 0);
        self.trials = vec![self.trials.swap_remove(trial)];
        let parameters = &mut self.trials[0].parameters;
        (parameters.trial, parameters.instance) = (0, 0);
        self
    }

    /// The same solution with a further sentence.
    pub(super) fn with_notice(mut self, notice: impl Into<String>) -> Self {
        self.notices.push(notice.into());
        self
    }

    /// The solution `found` in place of this one, with a sentence about it; earlier sentences stay.
    /// The solution of one trial with zero columns up to the requested number, for models of one or two factors.
    pub(super) fn with_columns(mut self, search_rank: usize) -> Self {
        let trial = &mut self.trials[0];
        if trial.parameters.search_rank < search_rank {
            trial.parameters.search_rank = search_rank;
            trial.blocks = trial.blocks.iter().map(|block| block.widened(search_rank)).collect();
            trial.singular_values.resize(search_rank, 0.0);
        }
        self
    }

    pub(super) fn replaced_by(self, mut found: Self, notice: String) -> Self {
        found.trials[0].parameters.instance = self.trials[0].parameters.instance;
        found.timing.setup = self.timing.setup;
        found.notices = self.notices;
        found.notices.push(notice);
        found
    }

    /// The trial with the lowest held-out loss, or the lowest training loss where nothing is held out. With a weight of
    /// unobserved entries it is the best ranking of held-out entries, or the lowest loss over the whole matrix. Losses of trials
    /// with different measurements are compared directly.
    pub fn best(&self) -> &TrialSolution {
        let score = |t: &TrialSolution| {
            let whole = t.preference.map(|of| of.ranking.map_or(of.loss, |ranking| -ranking.auc));
            let loss = whole.or(t.holdout_loss).unwrap_or(t.train_loss);
            (t.status == Status::Diverged, if loss.is_nan() { f64::INFINITY } else { loss })
        };
        self.trials
            .iter()
            .min_by(|a, b| score(a).partial_cmp(&score(b)).unwrap_or(std::cmp::Ordering::Equal))
            .expect("a run has at least one trial")
    }
}
