//! Observation of one trial: its metrics, its stop rules, and the iterate to keep.

mod result;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostics::{self, Flatness, PaperDiagnostics, PhaseClock, ProxyClock, Spectrum};
use crate::error::{Error, Result};
use crate::operators::{Loss, Operator};
use crate::problem::{Block, Factors, Product, Truth};
use crate::solver::form::Form;
use crate::solver::measured::Held;
use crate::solver::settings::Stop;
use crate::solver::solution::{MISFIT, Status, TraceRow};
use crate::solver::spectra::weighted_mean;
use crate::solver::stall::{Anchor, Stall, StallWatch};
use crate::solver::trial::TrialParameters;
use crate::text::readable;

/// Rise of the loss above its start that counts as divergence.
const BLOW_UP: f64 = 1e6;
/// Ratio to the lowest loss up to which a later iterate is kept: smaller differences are rounding.
const AS_GOOD: f64 = 1.02;
/// The rise for damped preconditioning: while UᵀU is near λ a step overshoots M by a factor of up to μ²‖M‖/(4λ), which
/// is squared in the loss. The next steps return by 1 − μ each.
const BLOW_UP_DAMPED: f64 = 1e14;

pub(crate) struct TrialWatch<'a> {
    parameters: &'a TrialParameters,
    target: &'a [f64],
    weights: &'a [f64],
    held_out: Held<'a>,
    truth: Option<&'a Truth>,
    stop: &'a Stop,
    form: Form,
    /// ‖y‖² over training and over held-out measurements.
    norms: (f64, f64),
    stall: StallWatch,
    diagnostics: Option<PaperDiagnostics>,
    /// Phase proxy, where there is no truth.
    proxy: Option<ProxyClock>,
    resolution: f64,
    first_loss: Option<f64>,
    /// Lowest loss so far.
    lowest: Option<f64>,
    kept: Option<Kept>,
    pub(crate) status: Option<Status>,
    iterations: usize,
    /// Cause of a divergence.
    cause: Option<String>,
    /// Whether all training observations are zero.
    is_zero: bool,
    /// Whether the loss of the descent has a further term, which reported losses omit.
    has_ridge: bool,
    /// Measurements for the flatness of the factors, where it is asked for.
    flat: Option<&'a dyn Operator>,
}

/// State of a watch, for a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Watched {
    first_loss: Option<f64>,
    lowest: Option<f64>,
    kept: Option<Kept>,
    pub(super) status: Option<Status>,
    iterations: usize,
    cause: Option<String>,
    anchor: Option<Anchor>,
    clock: Option<PhaseClock>,
    proxy: Option<ProxyClock>,
}

/// An iterate with its metrics.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    row: TraceRow,
    estimated_relative_error: Option<f64>,
    blocks: Vec<Block>,
}

/// Common data of all trials at one observation.
pub(crate) struct Moment<'a> {
    pub iteration: usize,
    pub seconds: f64,
    /// Residuals, (batch, m).
    pub residuals: &'a [f64],
    pub factors: &'a Factors,
    /// Trials that the method itself has ended.
    pub finished: &'a [bool],
}

/// One trial at one observation.
struct Seen<'m> {
    e: Cow<'m, [f64]>,
    /// Sums of squares of e over training and over held-out measurements.
    training: f64,
    held: f64,
    blocks: Vec<Block>,
    /// Thin ends, where these are not the blocks themselves.
    ends: Option<Vec<Block>>,
}

impl<'a> TrialWatch<'a> {
    /// A watch. `observed` is the target and the weights of the trial's measurements.
    pub(crate) fn new(
        parameters: &'a TrialParameters,
        observed: (&'a [f64], &'a [f64]),
        held_out: Held<'a>,
        truth: Option<&'a Truth>,
        stop: &'a Stop,
        form: Form,
        resolution: f64,
    ) -> Self {
        let (target, weights) = observed;
        let norms = squares(&form, target, weights, held_out);
        let is_zero = target.iter().zip(weights).all(|(y, w)| *y == 0.0 || *w == 0.0);
        let stall = StallWatch::new(stop.stall_window, resolution);
        Self {
            parameters,
            target,
            weights,
            held_out,
            truth,
            stop,
            form,
            norms,
            stall,
            diagnostics: None,
            proxy: None,
            resolution,
            first_loss: None,
            lowest: None,
            kept: None,
            status: None,
            iterations: 0,
            cause: is_zero.then(|| "all observations are zero, so the matrix is zero".into()),
            is_zero,
            has_ridge: false,
            flat: None,
        }
    }

    /// Sets whether the loss of the descent has a further term.
    pub(crate) fn with_ridge(mut self, has_ridge: bool) -> Self {
        self.has_ridge = has_ridge;
        self
    }

    /// Follows the flatness of the factors over these measurements.
    pub(crate) fn follow_flatness(&mut self, operator: &'a dyn Operator) {
        self.flat = Some(operator);
    }

    pub(crate) fn save(&self) -> Watched {
        Watched {
            first_loss: self.first_loss,
            lowest: self.lowest,
            kept: self.kept.clone(),
            status: self.status,
            iterations: self.iterations,
            cause: self.cause.clone(),
            anchor: self.stall.anchor.clone(),
            clock: self.diagnostics.as_ref().map(|diagnostics| diagnostics.clock().clone()),
            proxy: self.proxy.clone(),
        }
    }

    /// Resumes from the state saved at `iteration`, after the diagnoses are set.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a state that cannot exist by then, or of other sizes.
    pub(crate) fn restore(&mut self, from: &Watched, iteration: usize) -> Result<()> {
        let (domain, k, trial) = (&self.form.domain, self.parameters.search_rank, self.parameters.trial);
        let sizes = self.form.model.sizes(domain, k);
        let kept = from.kept.as_ref().is_none_or(|kept| {
            kept.blocks.len() == sizes.len()
                && kept.blocks.iter().zip(&sizes).all(|(block, size)| block.is_one_of(*size))
                && kept.row.trial == trial
                && kept.row.iteration <= iteration
        });
        let anchor = from.anchor.as_ref().is_none_or(|anchor| anchor.is_within(iteration));
        let proxy = from.proxy.as_ref().is_none_or(|proxy| proxy.is_within(iteration));
        if !(kept && anchor && proxy && from.iterations <= iteration) {
            let found = format!("a state that trial {trial} cannot have at iteration {iteration}");
            let fix = "the checkpoint is damaged, or another program wrote it: start a new run";
            return Err(Error::invalid("resume", found, "the state of one run", fix));
        }
        (self.first_loss, self.lowest) = (from.first_loss, from.lowest);
        (self.status, self.iterations) = (from.status, from.iterations);
        (self.kept, self.stall.anchor, self.proxy) = (from.kept.clone(), from.anchor.clone(), from.proxy.clone());
        self.cause = from.cause.clone();
        if let (Some(diagnostics), Some(clock)) = (&mut self.diagnostics, &from.clock) {
            diagnostics.set_clock(clock.clone());
        }
        Ok(())
    }

    /// Whether there is an iterate to return.
    pub(crate) fn has_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Diagnoses the phases of the trial, from the spectrum of its P and its start; with `power` also against the power
    /// iteration.
    pub(crate) fn diagnose(&mut self, spectrum: Arc<Spectrum>, start: &Block, power: bool) -> Result<()> {
        if let Some(truth) = self.truth {
            let start = start.corner(self.parameters.trial, (start.rows(), self.parameters.search_rank));
            let step_size = power.then_some(self.parameters.step_size);
            self.diagnostics = Some(PaperDiagnostics::new(truth, spectrum, step_size, start.of(0))?);
        }
        Ok(())
    }

    /// Follows the phase proxy, without a truth.
    pub(crate) fn diagnose_without_truth(&mut self) {
        self.proxy = Some(ProxyClock::new(self.parameters.step_size, self.resolution));
    }

    /// Measures the trial, updates the kept iterate, and applies the stop rules.
    pub(crate) fn observe(&mut self, moment: &Moment<'_>) -> Result<TraceRow> {
        let seen = self.seen(moment)?;
        let product = self.form.product(&seen.blocks, seen.ends.as_ref())?;
        let finite = seen.training.is_finite() && product.is_finite();
        let row = self.measure(moment, &seen, &product, finite)?;
        self.iterations = moment.iteration;
        if self.blew_up(&row, finite) {
            self.status = Some(Status::Diverged);
            self.cause = Some(self.cause_of_divergence(&row, finite));
            if self.kept.is_some() {
                return Ok(row);
            }
        }
        let reached = self.reached(&row);
        // The iterate that meets the targets is returned, even if an earlier one had less held-out loss. The last
        // iterate of a method that finished is its answer, even if a trial column had less loss.
        let finished = moment.finished[self.parameters.trial];
        if self.is_better(&row) || reached || (finished && self.chosen_by(&row).is_none()) {
            let estimate = (!self.held_out.is_empty()).then(|| ratio(seen.held, self.norms.1));
            let estimated_relative_error = estimate.filter(|v| v.is_finite());
            self.kept = Some(Kept { row, estimated_relative_error, blocks: seen.blocks.clone() });
        }
        if self.status.is_none() {
            self.status = self.stops(&row, (reached, finished), &product);
        }
        Ok(row)
    }

    /// Whether the factors reach the error at which the trial stops. This needs no pass over the measurements.
    pub(crate) fn reaches(&self, factors: &Factors) -> Result<bool> {
        let (Some(target), Some(truth)) = (self.stop.relative_error, self.truth) else { return Ok(false) };
        let blocks = self.blocks(factors);
        let ends = self.form.ends(&blocks)?;
        let product = self.form.product(&blocks, ends.as_ref())?;
        Ok(product.is_finite() && diagnostics::relative_error(&product, truth)? <= target)
    }

    /// This trial's share of the factors of all.
    fn blocks(&self, factors: &Factors) -> Vec<Block> {
        let sizes = self.form.model.sizes(&self.form.domain, self.parameters.search_rank);
        factors.blocks().iter().zip(&sizes).map(|(block, size)| block.corner(self.parameters.trial, *size)).collect()
    }

    /// This trial's share of the engine's data; zero residuals and factors where nothing is iterated.
    fn seen<'m>(&self, moment: &Moment<'m>) -> Result<Seen<'m>> {
        let (p, m) = (self.parameters, self.target.len());
        let mut e = Cow::Borrowed(&moment.residuals[p.trial * m..(p.trial + 1) * m]);
        let mut blocks = self.blocks(moment.factors);
        if self.is_zero {
            // The zero matrix fits, for every start.
            e = Cow::Owned(vec![0.0; m]);
            blocks = zeros(&self.form.model.sizes(&self.form.domain, p.search_rank));
        }
        let ends = self.form.ends(&blocks)?;
        let (training, held) = squares(&self.form, &e, self.weights, self.held_out);
        Ok(Seen { e, training, held, blocks, ends })
    }

    /// The metrics of this observation.
    fn measure(
        &mut self,
        moment: &Moment<'_>,
        seen: &Seen<'_>,
        product: &Product<'_>,
        finite: bool,
    ) -> Result<TraceRow> {
        let p = self.parameters;
        let diagnosis = match &mut self.diagnostics {
            Some(diagnostics) if finite => Some(diagnostics.observe(moment.iteration, product.left())?),
            _ => None,
        };
        let train_loss = self.training_loss(&seen.e, seen.training);
        let phase_proxy = match &mut self.proxy {
            Some(proxy) if finite => proxy.observe(moment.iteration, train_loss, &product.singular_values()?),
            _ => None,
        };
        // s of the held-out measurements: s·m over their number, as for the training measurements.
        let all = p.normalization * (p.rows - p.holdout_rows) as f64;
        let holdout_loss = || self.form.share() * all / self.held_out.len() as f64 * seen.held;
        Ok(TraceRow {
            trial: p.trial,
            iteration: moment.iteration,
            seconds: moment.seconds,
            train_loss,
            relative_residual: ratio(seen.training, self.norms.0),
            relative_error: self.truth.map(|truth| diagnostics::relative_error(product, truth)).transpose()?,
            holdout_loss: (!self.held_out.is_empty()).then(holdout_loss),
            diagnosis,
            phase_proxy,
            imbalance: product.imbalance().filter(|_| finite && seen.ends.is_none()),
            flatness: self
                .flat
                .filter(|_| finite)
                .map(|operator| self.flatness(seen, product, operator))
                .transpose()?
                .flatten(),
        })
    }

    fn flatness(&self, seen: &Seen<'_>, product: &Product<'_>, operator: &dyn Operator) -> Result<Option<Flatness>> {
        let blocks: Vec<_> = seen.blocks.iter().map(|block| block.of(0)).collect();
        let roots = product.singular_values()?;
        let values: Vec<f64> = roots.iter().map(|root| root * root).collect();
        Ok(Flatness::new(&blocks, &values, operator, self.parameters.normalization))
    }

    /// The loss of residuals whose weighted squares sum up to `squares`.
    fn training_loss(&self, e: &[f64], squares: f64) -> f64 {
        let (share, s) = (self.form.share(), self.parameters.normalization);
        match self.form.loss {
            Loss::Square => share * s * squares,
            loss => 2.0 * share * s * self.summed(loss, e),
        }
    }

    /// Whether the trial diverged: non-finite numbers, or a loss far above those of its start and of the zero matrix.
    fn blew_up(&mut self, row: &TraceRow, finite: bool) -> bool {
        let first = *self.first_loss.get_or_insert(row.train_loss);
        let scale = first.max(self.training_loss(self.target, self.norms.0));
        let rise = if self.parameters.damping.is_some_and(|damping| damping > 0.0) { BLOW_UP_DAMPED } else { BLOW_UP };
        !finite || row.train_loss > rise * scale
    }

    fn cause_of_divergence(&self, row: &TraceRow, finite: bool) -> String {
        let iteration = row.iteration;
        let good = self.kept.as_ref().map_or_else(String::new, |kept| {
            format!("; at iteration {} the loss was {}", kept.row.iteration, readable(kept.row.train_loss))
        });
        match finite {
            false => format!("at iteration {iteration} the factors or residuals hold NaN or a non-finite number{good}"),
            true => format!("at iteration {iteration} the loss was {}{good}", readable(row.train_loss)),
        }
    }

    /// Whether the iterate replaces the kept one: by its held-out loss, if there is any; else if the loss is not higher.
    /// The later one is kept where the descent has another loss, that of a ridge or of unobserved entries, or moves along the
    /// fits as label noise does.
    fn is_better(&mut self, row: &TraceRow) -> bool {
        let lowest = self.lowest.map_or(row.train_loss, |lowest| lowest.min(row.train_loss));
        self.lowest = Some(lowest);
        match (self.kept.as_ref().map(|kept| self.chosen_by(&kept.row)), self.chosen_by(row)) {
            (Some(Some(old)), Some(new)) if !self.form.unobserved => new < old,
            (Some(None), None) if self.has_ridge || self.form.unobserved || self.form.perturbed => true,
            (Some(None), None) => row.train_loss <= AS_GOOD * lowest,
            _ => true,
        }
    }

    /// The held-out loss that chooses the iterate; a fold judges the run without choosing.
    fn chosen_by(&self, row: &TraceRow) -> Option<f64> {
        row.holdout_loss.filter(|_| self.parameters.fold.is_none())
    }

    /// The stop rule that ends the trial, if any.
    fn stops(&mut self, row: &TraceRow, (reached, finished): (bool, bool), product: &Product<'_>) -> Option<Status> {
        let singular_values = || product.singular_values().unwrap_or_default();
        if reached || self.is_zero {
            Some(Status::Converged)
        } else if finished {
            Some(Status::Finished)
        } else if row.iteration >= self.stop.max_iterations {
            Some(Status::IterationLimit)
        } else if self.stop.time.is_some_and(|limit| row.seconds >= limit) {
            Some(Status::TimeLimit)
        } else if self.form.perturbed {
            // The loss does not show what label noise still moves.
            None
        } else {
            let stall = self.stall.stalled(row.iteration, row.train_loss, singular_values)?;
            let misses = self.kept.as_ref().is_none_or(|kept| kept.row.relative_residual > MISFIT);
            if stall == Stall::Flat || !misses {
                return Some(Status::Stalled);
            }
            let best = self.lowest.map_or_else(String::new, |lowest| format!(" below {}", readable(lowest)));
            self.cause = Some(format!("the loss oscillates without falling{best}"));
            Some(Status::Diverged)
        }
    }

    /// Σ wρ(e).
    fn summed(&self, loss: Loss, e: &[f64]) -> f64 {
        let centre = if self.form.centred { weighted_mean(e, self.weights) } else { 0.0 };
        let used = e.iter().zip(self.weights).filter(|(_, w)| **w > 0.0);
        used.map(|(e, w)| w * loss.value(e - centre)).sum()
    }

    fn reached(&self, row: &TraceRow) -> bool {
        let met = |target: Option<f64>, value: Option<f64>| target.is_none_or(|t| value.is_some_and(|v| v <= t));
        self.stop.has_target()
            && met(self.stop.relative_error, row.relative_error)
            && met(self.stop.loss, Some(row.train_loss))
            && met(self.stop.residual, Some(row.relative_residual))
    }
}

/// Weighted sums of squares over training and held-out measurements; about the training mean for centred residuals.
fn squares(form: &Form, e: &[f64], weights: &[f64], held_out: Held<'_>) -> (f64, f64) {
    let centre = if form.centred { weighted_mean(e, weights) } else { 0.0 };
    let square = |e: f64| (e - centre) * (e - centre);
    // A weight of 0 must hide an infinite residual too.
    let training = e.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(e, w)| w * square(*e)).sum();
    (training, held_out.sum(|i| square(e[i])))
}

/// √(part/whole), and 0 where the part is 0, for any whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if part == 0.0 { 0.0 } else { (part / whole).sqrt() }
}

/// Blocks of zeros.
fn zeros(sizes: &[(usize, usize)]) -> Vec<Block> {
    sizes.iter().map(|&(rows, columns)| Block::new(rows, columns, vec![0.0; rows * columns])).collect()
}
