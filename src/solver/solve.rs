//! The begin of a run: from its start, or from a checkpoint.

use std::ops::ControlFlow;
use web_time::Instant;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::solver::checkpoint::{Checkpoint, Header};
use crate::solver::identity::Identity;
use crate::solver::loaded::bare;
use crate::solver::place::Level;
use crate::solver::plan::{Task, plan};
use crate::solver::solution::Solution;
use crate::solver::{Observer, Progress, Solver, notices};

impl Solver {
    /// Solves the problem from the start.
    ///
    /// # Errors
    /// Those of the first observation, and of writing checkpoints. Limits, stalls, divergence and later device failures
    /// are [`Status`](crate::Status)es.
    pub fn solve(&mut self) -> Result<Solution> {
        self.solve_with(|_| ControlFlow::Continue(()))
    }

    /// Solves like [`Solver::solve`] with an observer, called at every scheduled iteration. `Break` ends every running
    /// trial as [`Status::Interrupted`](crate::Status::Interrupted) with its best iterate so far.
    ///
    /// # Errors
    /// Those of [`Solver::solve`].
    pub fn solve_with(&mut self, mut observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>) -> Result<Solution> {
        let fit = self.run(None, &mut observer)?;
        let (started, solve) = (Instant::now(), fit.timing.solve);
        let fit = self.second_fit(fit, &mut observer)?;
        let mut solution = self.tuned(fit, &mut observer)?;
        // Auxiliary runs count, whether or not their result was taken.
        solution.timing.solve = solve + started.elapsed().as_secs_f64();
        let solution = self.judged(solution)?;
        self.on_trace(solution, &mut observer)
    }

    /// Runs all trials beside the requested run, with no second fit and no choice of a ridge; `None` where the observer
    /// ended it.
    pub(crate) fn run_beside(&mut self, observer: &mut Observer<'_>) -> Result<Option<Solution>> {
        let mut stopped = false;
        let found = self.run(None, &mut |progress: &Progress<'_>| {
            let flow = observer(&Progress { is_choice: true, ..*progress });
            stopped |= flow.is_break();
            flow
        })?;
        Ok((!stopped).then_some(found))
    }

    /// Resumes from a checkpoint, to the same result, bit for bit, as the uninterrupted run on the same backend with
    /// the same kernel variant. That variant is chosen unless the settings name another one. The limits of iterations
    /// and time are those of this solver: trials that ended at theirs, or were interrupted, continue. The solution and
    /// its trace are those of the whole run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for other data, settings or start, with the first difference; those of [`Solver::solve`].
    pub fn resume(&mut self, from: &Checkpoint) -> Result<Solution> {
        self.resume_with(from, |_| ControlFlow::Continue(()))
    }

    /// Resumes like [`Solver::resume`] with an observer.
    ///
    /// # Errors
    /// Those of [`Solver::resume`].
    pub fn resume_with(
        &mut self,
        from: &Checkpoint,
        mut observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Solution> {
        let header = &from.header;
        if header.diagnose != self.settings.diagnose {
            // The saved state includes the diagnoses.
            self.settings.diagnose = header.diagnose;
            self.plan = plan(&self.problem, &self.settings, self.plan.reads_rows)?;
            self.plan.notices = notices(&self.plan, self.loaded.info());
        }
        require_same(header, &Identity::of(self.task(), Level::Run)?)?;
        self.take_variant_of(header)?;
        let solution = self.run(Some(from), &mut observer)?;
        let solution = self.judged(solution)?;
        self.on_trace(solution, &mut observer)
    }

    /// The solution with the fit of each trial over the whole matrix, and with a sentence on its remainder where it has none
    /// yet. Auxiliary runs get none.
    fn judged(&self, mut solution: Solution) -> Result<Solution> {
        let count = solution.trials.len();
        for trial in &mut solution.trials {
            trial.preference = self.task().preference(&trial.parameters, &trial.product());
            trial.doubt = trial.doubt.take().or_else(|| trial.preference.and_then(|of| of.doubt()));
        }
        for trial in &mut solution.trials {
            let seen = self.task().visibility(trial)?;
            let left = if trial.remark.is_some() { None } else { self.task().what_is_left(trial, count, seen)? };
            match left {
                Some((sentence, true)) if trial.doubt.is_none() => trial.doubt = Some(sentence),
                Some((sentence, _)) => trial.remark = Some(sentence),
                None => {}
            }
            trial.doubt = trial.doubt.take().or_else(|| self.task().what_is_open(trial, seen));
        }
        Ok(solution)
    }

    /// Loads the kernel variant of a checkpoint, with a notice where it is not available.
    fn take_variant_of(&mut self, header: &Header) -> Result<()> {
        let info = self.loaded.info();
        if info.backend == header.backend && info.variant != header.variant && self.settings.variant.is_none() {
            let task = Task { problem: &self.problem, settings: &self.settings, plan: &self.plan };
            self.loaded.load_again(task, Some(bare(&header.variant)))?;
        }
        let info = self.loaded.info();
        if (&info.backend, &info.variant) != (&header.backend, &header.variant) {
            self.plan.notices.push(format!(
                "the run resumes on {} ({}) but was saved on {} ({}): its rounding differs from that of an \
                 uninterrupted run",
                info.backend, info.variant, header.backend, header.variant
            ));
        }
        Ok(())
    }
}

/// Refuses a run other than the saved one, with the first difference.
fn require_same(header: &Header, given: &Identity) -> Result<()> {
    let Some(difference) = Identity::from(&header.identity).difference(given) else { return Ok(()) };
    let difference = difference.innermost();
    let allowed = format!("{}, as in the checkpoint", short(&difference.then));
    let fix = "resume with the settings of the saved run, or start a new run without --resume";
    Err(Error::invalid(difference.name, short(&difference.now), allowed, fix))
}

/// A value as text; digests are abbreviated.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("data with the digest {}…", &text[..12])
        }
        Value::String(text) => format!("'{text}'"),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}
