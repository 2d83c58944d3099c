//! One trial under observation: its metrics, its stop rules, and the iterate worth keeping.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostics::{self, PaperDiagnostics, PhaseClock, ProxyClock, Spectrum};
use crate::error::{Error, Result};
use crate::operators::Loss;
use crate::problem::{Factors, MatrixView, Model, Product, Shape, Truth};
use crate::solver::plan::TrialParameters;
use crate::solver::settings::Stop;
use crate::solver::solution::{Status, TraceRow, TrialSolution};
use crate::solver::spectra::weighted_mean;
use crate::solver::stall::{Anchor, StallWatch};
use crate::text::readable;

/// Rise of the loss over its start that counts as divergence.
const BLOW_UP: f64 = 1e6;
/// The same for damped preconditioning: while UᵀU is near λ a step goes beyond M by a factor of up to μ²‖M‖/(4λ), its square in
/// the loss, and the next ones come back from there by 1 − μ each.
const BLOW_UP_DAMPED: f64 = 1e14;

pub(crate) struct TrialWatch<'a> {
    parameters: &'a TrialParameters,
    target: &'a [f64],
    weights: &'a [f64],
    held_out: &'a [usize],
    truth: Option<&'a Truth>,
    stop: &'a Stop,
    form: Form,
    /// ‖y‖² over training and over held-out measurements.
    norms: (f64, f64),
    stall: StallWatch,
    diagnostics: Option<PaperDiagnostics>,
    /// Where there is no truth.
    proxy: Option<ProxyClock>,
    resolution: f64,
    first_loss: Option<f64>,
    kept: Option<Kept>,
    pub(crate) status: Option<Status>,
    iterations: usize,
    /// Of a trial that diverged: how.
    cause: Option<String>,
    /// All training observations are zero.
    is_zero: bool,
}

/// What a watch has seen, for a run to go on from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Watched {
    first_loss: Option<f64>,
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
    left: Vec<f64>,
    /// Empty for models of one factor.
    right: Vec<f64>,
}

/// What kind of product a trial's factors are, and how its loss counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Form {
    pub shape: Shape,
    pub signature: Option<(usize, usize)>,
    /// Of residuals: see [`Operator::is_centred`](crate::operators::Operator::is_centred).
    pub centred: bool,
    /// ρ.
    pub loss: Loss,
}

impl Form {
    /// The product of two factors of k columns; the second may be empty for models of one.
    pub(crate) fn product<'b>(&self, k: usize, left: &'b [f64], right: &'b [f64]) -> Result<Product<'b>> {
        let l = MatrixView::new(self.shape.rows(), k, left)?;
        match self.shape.model() {
            Model::Asymmetric => Product::pair(l, MatrixView::new(self.shape.columns(), k, right)?),
            _ => Ok(Product::signed(l, self.signature.map_or(k, |(positive, _)| positive))),
        }
    }

    /// f over s·Σe²: a quarter for U U^T, a half for L R^T.
    pub(crate) fn share(&self) -> f64 {
        if self.shape.is_symmetric() { 0.25 } else { 0.5 }
    }
}

/// Everything that is not per trial at one observation.
pub(crate) struct Moment<'a> {
    pub iteration: usize,
    pub seconds: f64,
    /// (batch, m)
    pub residuals: &'a [f64],
    pub factors: &'a Factors,
}

impl<'a> TrialWatch<'a> {
    /// `observed` is the target and the weights of the trial's measurements.
    pub(crate) fn new(
        parameters: &'a TrialParameters,
        observed: (&'a [f64], &'a [f64]),
        held_out: &'a [usize],
        truth: Option<&'a Truth>,
        stop: &'a Stop,
        form: Form,
        resolution: f64,
    ) -> Self {
        let (target, weights) = observed;
        let norms = squares(form, target, weights, held_out);
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
            kept: None,
            status: None,
            iterations: 0,
            cause: is_zero
                .then(|| "all observations are zero, and so is the matrix: there is nothing to iterate".into()),
            is_zero,
        }
    }

    pub(crate) fn trial(&self) -> usize {
        self.parameters.trial
    }

    pub(crate) fn save(&self) -> Watched {
        Watched {
            first_loss: self.first_loss,
            kept: self.kept.clone(),
            status: self.status,
            iterations: self.iterations,
            cause: self.cause.clone(),
            anchor: self.stall.anchor.clone(),
            clock: self.diagnostics.as_ref().map(|diagnostics| diagnostics.clock().clone()),
            proxy: self.proxy.clone(),
        }
    }

    /// Goes on from what was saved at `iteration`, after it was told what to diagnose.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it cannot have been seen by then, or is of other sizes.
    pub(crate) fn restore(&mut self, from: &Watched, iteration: usize) -> Result<()> {
        let (shape, k, trial) = (self.form.shape, self.parameters.search_rank, self.parameters.trial);
        let sizes = (shape.rows() * k, if shape.is_symmetric() { 0 } else { shape.columns() * k });
        let kept = from.kept.as_ref().is_none_or(|kept| {
            (kept.left.len(), kept.right.len()) == sizes && kept.row.trial == trial && kept.row.iteration <= iteration
        });
        let anchor = from.anchor.as_ref().is_none_or(|anchor| anchor.is_within(iteration));
        let proxy = from.proxy.as_ref().is_none_or(|proxy| proxy.is_within(iteration));
        if !(kept && anchor && proxy && from.iterations <= iteration) {
            let found = format!("what trial {trial} was not seen to do by iteration {iteration}");
            let fix = "the checkpoint is damaged, or another program wrote it: start anew";
            return Err(Error::invalid("resume", found, "what one run saved", fix));
        }
        (self.first_loss, self.status, self.iterations) = (from.first_loss, from.status, from.iterations);
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

    /// Follows the trial through the phases, from the spectrum of its P and its start; beside its twin where it has one.
    pub(crate) fn diagnose(&mut self, spectrum: Arc<Spectrum>, start: MatrixView<'_>, twin: bool) -> Result<()> {
        if let Some(truth) = self.truth {
            let start_factor = trimmed(start, self.parameters.search_rank);
            let view = MatrixView::new(start.rows(), self.parameters.search_rank, &start_factor)?;
            self.diagnostics =
                Some(PaperDiagnostics::new(truth, spectrum, twin.then_some(self.parameters.step_size), view)?);
        }
        Ok(())
    }

    /// Follows what can be told of the phases without a truth.
    pub(crate) fn diagnose_without_truth(&mut self) {
        self.proxy = Some(ProxyClock::new(self.parameters.step_size, self.resolution));
    }

    /// Measures the trial, updates what is kept, and applies the stop rules.
    pub(crate) fn observe(&mut self, moment: &Moment<'_>) -> Result<TraceRow> {
        let m = self.target.len();
        let p = self.parameters;
        let e = &moment.residuals[p.trial * m..(p.trial + 1) * m];
        let nothing = if self.is_zero { vec![0.0; m] } else { Vec::new() };
        let e = if self.is_zero { &nothing[..] } else { e };
        let (training, held) = squares(self.form, e, self.weights, self.held_out);
        let ratio = |part: f64, whole: f64| if part == 0.0 { 0.0 } else { (part / whole).sqrt() };
        let mut left = trimmed(moment.factors.left(p.trial), p.search_rank);
        let mut right =
            if moment.factors.is_single() { Vec::new() } else { trimmed(moment.factors.right(p.trial), p.search_rank) };
        if self.is_zero {
            // The zero matrix fits, whatever the start.
            left.fill(0.0);
            right.fill(0.0);
        }
        let product = self.form.product(p.search_rank, &left, &right)?;
        // s of the held-out measurements: s·m over their number, as for the training ones.
        let all = p.normalization * (p.rows - p.holdout_rows) as f64;
        let finite = training.is_finite() && product.is_finite();
        let diagnosis = match &mut self.diagnostics {
            Some(diagnostics) if finite => Some(diagnostics.observe(moment.iteration, product.left())?),
            _ => None,
        };
        let share = self.form.share();
        let train_loss = match self.form.loss {
            Loss::Square => share * p.normalization * training,
            loss => 2.0 * share * p.normalization * self.summed(loss, e),
        };
        let phase_proxy = match &mut self.proxy {
            Some(proxy) if finite => proxy.observe(moment.iteration, train_loss, &product.singular_values()?),
            _ => None,
        };
        let row = TraceRow {
            trial: p.trial,
            iteration: moment.iteration,
            seconds: moment.seconds,
            train_loss,
            relative_residual: ratio(training, self.norms.0),
            relative_error: self.truth.map(|truth| diagnostics::relative_error(&product, truth)).transpose()?,
            holdout_loss: (!self.held_out.is_empty()).then(|| share * all / self.held_out.len() as f64 * held),
            diagnosis,
            phase_proxy,
            imbalance: product.imbalance().filter(|_| finite),
        };
        self.iterations = moment.iteration;
        let first = *self.first_loss.get_or_insert(row.train_loss);
        let zero = match self.form.loss {
            Loss::Square => share * p.normalization * self.norms.0,
            loss => 2.0 * share * p.normalization * self.summed(loss, self.target),
        };
        let scale = first.max(zero);
        let rise = if p.damping.is_some_and(|damping| damping > 0.0) { BLOW_UP_DAMPED } else { BLOW_UP };
        if !finite || row.train_loss > rise * scale {
            self.status = Some(Status::Diverged);
            let good = self.kept.as_ref().map_or_else(String::new, |kept| {
                format!("; at iteration {} the loss was {}", kept.row.iteration, readable(kept.row.train_loss))
            });
            self.cause = Some(match finite {
                false => format!(
                    "at iteration {} a number of the factors or residuals is not finite, or not a number{good}",
                    moment.iteration
                ),
                true => format!("at iteration {} the loss was {}{good}", moment.iteration, readable(row.train_loss)),
            });
            if self.kept.is_some() {
                return Ok(row);
            }
        }
        let better = match (&self.kept, row.holdout_loss) {
            (Some(Kept { row: TraceRow { holdout_loss: Some(old), .. }, .. }), Some(new)) => new < *old,
            _ => true,
        };
        let reached = self.reached(&row);
        // The iterate that meets the targets is the one to return, even if an earlier one had less held-out loss.
        if better || reached {
            let estimated_relative_error =
                (!self.held_out.is_empty()).then(|| ratio(held, self.norms.1)).filter(|v| v.is_finite());
            self.kept = Some(Kept { row, estimated_relative_error, left: left.clone(), right: right.clone() });
        }
        if self.status.is_some() {
            return Ok(row);
        }
        if reached || self.is_zero {
            self.status = Some(Status::Converged);
        } else if moment.iteration >= self.stop.max_iterations {
            self.status = Some(Status::IterationLimit);
        } else if self.stop.time.is_some_and(|limit| moment.seconds >= limit) {
            self.status = Some(Status::TimeLimit);
        } else if (self.stall)
            .stalled(moment.iteration, row.train_loss, || product.singular_values().unwrap_or_default())
        {
            self.status = Some(Status::Stalled);
        }
        Ok(row)
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

    pub(crate) fn finish(self) -> Result<TrialSolution> {
        let (shape, k) = (self.form.shape, self.parameters.search_rank);
        let kept = self.kept.unwrap_or_else(|| Kept {
            row: TraceRow {
                trial: self.parameters.trial,
                iteration: 0,
                seconds: 0.0,
                train_loss: f64::NAN,
                relative_residual: f64::NAN,
                relative_error: None,
                holdout_loss: None,
                diagnosis: None,
                phase_proxy: None,
                imbalance: None,
            },
            estimated_relative_error: None,
            left: vec![0.0; shape.rows() * k],
            right: vec![0.0; if shape.is_symmetric() { 0 } else { shape.columns() * k }],
        });
        let singular_values = self.form.product(k, &kept.left, &kept.right)?.singular_values().unwrap_or_default();
        Ok(TrialSolution {
            parameters: self.parameters.clone(),
            status: self.status.unwrap_or(Status::Interrupted),
            iterations: self.iterations,
            kept_iteration: kept.row.iteration,
            train_loss: kept.row.train_loss,
            relative_residual: kept.row.relative_residual,
            relative_error: kept.row.relative_error,
            holdout_loss: kept.row.holdout_loss,
            estimated_relative_error: kept.estimated_relative_error,
            estimated_rank: diagnostics::estimated_rank(&singular_values),
            singular_values,
            phases: self.diagnostics.map(|d| d.phases()),
            phases_proxy: self.proxy.map(|proxy| proxy.finish()),
            remark: self.cause,
            form: self.form,
            left: kept.left,
            right: kept.right,
        })
    }
}

/// Sums of squares over training measurements, weighted, and over held-out ones; about the mean of the training
/// measurements where residuals are centred.
fn squares(form: Form, e: &[f64], weights: &[f64], held_out: &[usize]) -> (f64, f64) {
    let centre = if form.centred { weighted_mean(e, weights) } else { 0.0 };
    let square = |e: f64| (e - centre) * (e - centre);
    // A weight of 0 must hide even an infinite residual.
    let training = e.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(e, w)| w * square(*e)).sum();
    (training, held_out.iter().map(|&i| square(e[i])).sum())
}

/// The first `k` columns.
fn trimmed(factor: MatrixView<'_>, k: usize) -> Vec<f64> {
    (0..factor.rows()).flat_map(|i| &factor.row(i)[..k]).copied().collect()
}
