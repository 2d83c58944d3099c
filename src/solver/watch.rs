//! One trial under observation: its metrics, its stop rules, and the iterate worth keeping.

use std::sync::Arc;

use crate::diagnostics::{self, PaperDiagnostics, ProxyClock, Spectrum};
use crate::error::Result;
use crate::problem::{Factors, MatrixView, Truth};
use crate::solver::plan::TrialParameters;
use crate::solver::settings::Stop;
use crate::solver::solution::{Status, TraceRow, TrialSolution};
use crate::solver::stall::StallWatch;

/// Rise of the loss over its start that counts as divergence.
const BLOW_UP: f64 = 100.0;

pub(crate) struct TrialWatch<'a> {
    parameters: &'a TrialParameters,
    target: &'a [f64],
    weights: &'a [f64],
    held_out: &'a [usize],
    truth: Option<&'a Truth>,
    stop: &'a Stop,
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
}

/// An iterate with its metrics.
struct Kept {
    row: TraceRow,
    estimated_relative_error: Option<f64>,
    factor: Vec<f64>,
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
    pub(crate) fn new(
        parameters: &'a TrialParameters,
        target: &'a [f64],
        weights: &'a [f64],
        held_out: &'a [usize],
        truth: Option<&'a Truth>,
        stop: &'a Stop,
        resolution: f64,
    ) -> Self {
        let training = target.iter().zip(weights).map(|(y, w)| w * y * y).sum();
        let held = held_out.iter().map(|&i| target[i] * target[i]).sum();
        let stall = StallWatch::new(stop.stall_window, resolution);
        Self {
            parameters,
            target,
            weights,
            held_out,
            truth,
            stop,
            norms: (training, held),
            stall,
            diagnostics: None,
            proxy: None,
            resolution,
            first_loss: None,
            kept: None,
            status: None,
            iterations: 0,
        }
    }

    pub(crate) fn trial(&self) -> usize {
        self.parameters.trial
    }

    /// Follows the trial through the phases, from the spectrum of its P and its start.
    pub(crate) fn diagnose(&mut self, spectrum: Arc<Spectrum>, start: MatrixView<'_>) -> Result<()> {
        if let Some(truth) = self.truth {
            let start_factor = trimmed(start, self.parameters.search_rank);
            let view = MatrixView::new(start.rows(), self.parameters.search_rank, &start_factor)?;
            self.diagnostics = Some(PaperDiagnostics::new(truth, spectrum, self.parameters.step_size, view)?);
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
        // A weight of 0 must hide even an infinite residual.
        let training: f64 = e.iter().zip(self.weights).filter(|(_, w)| **w > 0.0).map(|(e, w)| w * e * e).sum();
        let held: f64 = self.held_out.iter().map(|&i| e[i] * e[i]).sum();
        let ratio = |part: f64, whole: f64| if part == 0.0 { 0.0 } else { (part / whole).sqrt() };
        let factor = trimmed(moment.factors.left(p.trial), p.search_rank);
        let view = MatrixView::new(moment.factors.rows(), p.search_rank, &factor)?;
        // s of the held-out measurements: s·m over their number, as for the training ones.
        let all = p.normalization * (p.rows - p.holdout_rows) as f64;
        let finite = training.is_finite() && factor.iter().all(|v| v.is_finite());
        let diagnosis = match &mut self.diagnostics {
            Some(diagnostics) if finite => Some(diagnostics.observe(moment.iteration, view)?),
            _ => None,
        };
        let train_loss = p.normalization / 4.0 * training;
        let phase_proxy = match &mut self.proxy {
            Some(proxy) if finite => proxy.observe(moment.iteration, train_loss, &diagnostics::singular_values(view)?),
            _ => None,
        };
        let row = TraceRow {
            trial: p.trial,
            iteration: moment.iteration,
            seconds: moment.seconds,
            train_loss,
            relative_residual: ratio(training, self.norms.0),
            relative_error: self.truth.map(|truth| diagnostics::relative_error(view, truth)).transpose()?,
            holdout_loss: (!self.held_out.is_empty()).then(|| all / self.held_out.len() as f64 / 4.0 * held),
            diagnosis,
            phase_proxy,
        };
        self.iterations = moment.iteration;
        let first = *self.first_loss.get_or_insert(row.train_loss);
        let scale = first.max(p.normalization / 4.0 * self.norms.0);
        if !finite || row.train_loss > BLOW_UP * scale {
            self.status = Some(Status::Diverged);
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
            self.kept = Some(Kept { row, estimated_relative_error, factor: factor.clone() });
        }
        if self.status.is_some() {
            return Ok(row);
        }
        if reached {
            self.status = Some(Status::Converged);
        } else if moment.iteration >= self.stop.max_iterations {
            self.status = Some(Status::IterationLimit);
        } else if self.stop.time.is_some_and(|limit| moment.seconds >= limit) {
            self.status = Some(Status::TimeLimit);
        } else if (self.stall)
            .stalled(moment.iteration, row.train_loss, || diagnostics::singular_values(view).unwrap_or_default())
        {
            self.status = Some(Status::Stalled);
        }
        Ok(row)
    }

    fn reached(&self, row: &TraceRow) -> bool {
        let met = |target: Option<f64>, value: Option<f64>| target.is_none_or(|t| value.is_some_and(|v| v <= t));
        self.stop.has_target()
            && met(self.stop.relative_error, row.relative_error)
            && met(self.stop.loss, Some(row.train_loss))
            && met(self.stop.residual, Some(row.relative_residual))
    }

    pub(crate) fn finish(self, n: usize) -> Result<TrialSolution> {
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
            },
            estimated_relative_error: None,
            factor: vec![0.0; n * self.parameters.search_rank],
        });
        let singular_values =
            diagnostics::singular_values(MatrixView::new(n, self.parameters.search_rank, &kept.factor)?)
                .unwrap_or_default();
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
            remark: None,
            n,
            left: kept.factor,
        })
    }
}

/// The first `k` columns.
fn trimmed(factor: MatrixView<'_>, k: usize) -> Vec<f64> {
    (0..factor.rows()).flat_map(|i| &factor.row(i)[..k]).copied().collect()
}
