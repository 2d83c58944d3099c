//! The solution of a finished run.

use crate::error::Result;
use crate::solver::checkpoint::Checkpoint;
use crate::solver::memory::memory;
use crate::solver::plan::Task;
use crate::solver::run::Run;
use crate::solver::solution::{Solution, Status, Timing, TraceRow, TrialSolution};

impl Run<'_> {
    /// The solution: the kept iterates of all trials, remarks, and times.
    pub(super) fn finish(mut self) -> Result<Solution> {
        let timing = self.timing()?;
        let watches = std::mem::take(&mut self.watches);
        let mut trials = watches.into_iter().map(|watch| watch.finish()).collect::<Result<Vec<_>>>()?;
        name_phases(&mut self.trace, &trials);
        self.add_remarks(&mut trials)?;
        Ok(Solution {
            trials,
            trace: self.trace,
            timing,
            memory: {
                let Task { problem, settings, plan } = self.task;
                memory((problem, settings), &plan.model, plan.start.search_rank(), self.loaded.info())
            },
            engine: self.loaded.info().clone(),
            notices: self.notices,
            fault: self.recovery.fault,
            resumed_at: self.from.map(Checkpoint::iteration),
        })
    }

    fn timing(&mut self) -> Result<Timing> {
        // A lost device cannot report the count.
        let counted = if self.recovery.fault.is_some() { None } else { self.loaded.counted_passes()? };
        let iterations = self.iteration.max(1) as f64;
        let passes = counted.unwrap_or(self.loaded.passes() * self.iteration as f64);
        let info = self.loaded.info();
        Ok(Timing {
            setup: self.setup_seconds,
            solve: self.clock.seconds(),
            seconds_per_iteration: self.clock.seconds_per_iteration(self.iteration),
            operator_bytes_per_iteration: match counted {
                Some(passes) => info.operator_bytes as f64 * passes / iterations,
                None => info.operator_bytes_per_iteration,
            },
            passes,
            f64_passes: self.loaded.f64_passes(),
        })
    }

    /// Gives each trial the first applicable remark.
    fn add_remarks(&mut self, trials: &mut [TrialSolution]) -> Result<()> {
        let precision = self.loaded.info().precision;
        // A lost device cannot report the count.
        let gone = self.recovery.fault.is_some();
        let raised = if gone { vec![0; trials.len()] } else { self.loaded.damping_floor_iterations(trials.len())? };
        for (trial, raised) in trials.iter_mut().zip(raised) {
            let cause = trial.remark.take().map(|cause| self.task.with_advice(cause, trial));
            trial.remark = cause.or_else(|| trial.floor_remark(precision)).or_else(|| trial.damping_remark(raised));
        }
        Ok(())
    }
}

impl Task<'_> {
    /// The cause of a divergence, with the stable step where it is known.
    fn with_advice(&self, cause: String, trial: &TrialSolution) -> String {
        match (trial.status, self.plan.stable_step(self.problem, &trial.parameters)) {
            (Status::Diverged, Some(step)) => format!("{cause}. {step}"),
            _ => cause,
        }
    }
}

/// Sets the phase in every row of trials without a truth, in hindsight.
fn name_phases(trace: &mut [TraceRow], trials: &[TrialSolution]) {
    for row in trace {
        if let Some(proxy) = trials[row.trial].phases_proxy.as_ref().filter(|proxy| proxy.t_1.is_some()) {
            row.phase_proxy = proxy.phase(row.iteration);
        }
    }
}
