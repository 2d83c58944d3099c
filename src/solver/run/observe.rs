//! One observation: residuals and factors, every trial's watch, the observer, and stops.

use rayon::prelude::*;

use crate::error::Result;
use crate::solver::run::Run;
use crate::solver::solution::{Status, TraceRow};
use crate::solver::watch::Moment;
use crate::solver::{Observer, Progress};

impl Run<'_> {
    /// Observes the running trials, tells the observer, and freezes those that ended.
    pub(super) fn observe(&mut self, observer: &mut Observer<'_>) -> Result<()> {
        let (residuals, factors) = (self.loaded.residuals()?, self.loaded.factors()?);
        self.require_residual(&residuals, &factors)?;
        let finished = self.loaded.finished(self.active.len())?;
        let state = if self.recovery.keeps_states() { Some(self.loaded.state()?) } else { None };
        // Ranks that share a problem must stop together.
        let seconds = self.loaded.agree(self.clock.seconds())?;
        let moment = Moment {
            iteration: self.iteration,
            seconds,
            residuals: &residuals,
            factors: &factors,
            finished: &finished,
        };
        let rows = self.watch(&moment)?;
        self.due = false;
        self.recovery.observed(self.iteration, state);
        let progress = Progress {
            iteration: self.iteration,
            max_iterations: self.task.settings.stop.max_iterations,
            seconds,
            active: rows.len(),
            rows: &rows,
            factors: &factors,
            is_choice: false,
        };
        let asked = f64::from(u8::from(observer(&progress).is_break()));
        if self.loaded.agree(asked)? > 0.0 {
            self.end_all(Status::Interrupted);
        }
        self.freeze_ended()
    }

    /// Adds a trace row for every running trial.
    fn watch(&mut self, moment: &Moment<'_>) -> Result<Vec<TraceRow>> {
        let running = self.watches.par_iter_mut().zip(&self.active).filter(|(_, active)| **active);
        let rows: Vec<TraceRow> = running.map(|(watch, _)| watch.observe(moment)).collect::<Result<_>>()?;
        self.trace.extend_from_slice(&rows);
        Ok(rows)
    }

    /// Freezes the trials that have a status.
    fn freeze_ended(&mut self) -> Result<()> {
        let now: Vec<bool> = self.watches.iter().map(|watch| watch.status.is_none()).collect();
        if now == self.active {
            return Ok(());
        }
        self.active = now;
        // Without a running trial the engine is not called any more.
        if self.is_running() { self.loaded.set_active(&self.active) } else { Ok(()) }
    }
}
