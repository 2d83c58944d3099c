//! The result of a trial.

use crate::diagnostics;
use crate::error::Result;
use crate::solver::solution::{Status, TraceRow, TrialSolution};

use super::{Kept, TrialWatch, zeros};

/// Ratio to the loss of the zero matrix above which a fit is worse.
const WORSE: f64 = 1.01;

impl TrialWatch<'_> {
    /// The reason why the kept iterate may be no answer.
    fn doubt(&self, kept: &Kept) -> Option<String> {
        // For all losses: the zero matrix has the loss of y.
        let worse = kept.row.train_loss > WORSE * self.training_loss(self.target, self.norms.0);
        worse.then(|| "the result fits the measurements worse than the zero matrix".into())
    }

    /// The result: the kept iterate with its metrics.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for non-finite factors.
    pub(crate) fn finish(self) -> Result<TrialSolution> {
        let (domain, k) = (&self.form.domain, self.parameters.search_rank);
        let doubt = self.kept.as_ref().and_then(|kept| self.doubt(kept));
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
                flatness: None,
            },
            estimated_relative_error: None,
            blocks: zeros(&self.form.model.sizes(domain, k)),
        });
        let ends = self.form.ends(&kept.blocks)?;
        let singular_values = self.form.product(&kept.blocks, ends.as_ref())?.singular_values().unwrap_or_default();
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
            doubt,
            preference: None,
            biases: None,
            tuned: false,
            form: self.form,
            blocks: kept.blocks,
            ends,
        })
    }
}
