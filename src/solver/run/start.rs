//! The start of a run: watches over its trials, fresh or from a checkpoint.

use web_time::Instant;

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::solver::Solver;
use crate::solver::checkpoint::Checkpoint;
use crate::solver::form::Form;
use crate::solver::identity::Identity;
use crate::solver::measured::Held;
use crate::solver::place::Level;
use crate::solver::plan::Task;
use crate::solver::run::recover::Recovery;
use crate::solver::run::save::Saver;
use crate::solver::run::{Clock, Run};
use crate::solver::solution::{Status, TraceRow};
use crate::solver::watch::{TrialWatch, Watched};

impl<'a> Run<'a> {
    /// Sets the engine to the start, or to the state saved in `from`.
    pub(super) fn start(solver: &'a mut Solver, from: Option<&'a Checkpoint>) -> Result<Self> {
        let Solver { problem, settings, plan, loaded, setup_seconds } = solver;
        let task = Task { problem, settings, plan };
        let watches = watches(task, loaded.info().precision)?;
        let mut run = Self {
            task,
            loaded,
            setup_seconds: *setup_seconds,
            from,
            active: vec![true; watches.len()],
            watches,
            iteration: 0,
            due: from.is_none(),
            trace: Vec::new(),
            notices: task.plan.notices.clone(),
            clock: Clock { before: 0.0, started: Instant::now(), engine: 0.0 },
            saver: None,
            recovery: Recovery::new(task.settings.on_device_loss),
        };
        if let Some(from) = from {
            run.take_over(from)?;
        }
        if let Some((path, every)) = &task.settings.checkpoint {
            let identity = Identity::of(task, Level::Run)?.into_value();
            run.saver = Some(Saver::new(path, *every, identity, from.is_none()));
        }
        run.loaded.begin(task, &run.active, from.map(|from| &from.state))?;
        run.clock.started = Instant::now();
        Ok(run)
    }

    /// Continues from a checkpoint.
    fn take_over(&mut self, from: &Checkpoint) -> Result<()> {
        let (record, iteration) = (&from.record, from.iteration());
        check_record(from, self.watches.len())?;
        for (watch, seen) in self.watches.iter_mut().zip(&record.watches) {
            watch.restore(seen, iteration)?;
            watch.status = self.task.still_ended(seen, iteration, record.seconds);
        }
        self.active = self.watches.iter().map(|watch| watch.status.is_none()).collect();
        let last = self.task.settings.stop.max_iterations;
        if self.is_running() && last <= iteration {
            let allowed = format!("more than the {iteration} finished iterations");
            return Err(Error::invalid("max_iterations", last, allowed, "raise it, or do not resume"));
        }
        self.iteration = iteration;
        (self.clock.before, self.clock.engine) = (record.seconds, record.engine_seconds);
        self.trace.clone_from(&record.trace);
        let known = &self.task.plan.notices;
        self.notices.extend(record.notices.iter().filter(|notice| !known.contains(notice)).cloned());
        Ok(())
    }
}

impl Task<'_> {
    /// The status that a trial keeps on resumption. Trials that ended at a limit or were interrupted run again if the
    /// limits allow.
    fn still_ended(&self, seen: &Watched, iteration: usize, seconds: f64) -> Option<Status> {
        let stop = &self.settings.stop;
        match seen.status {
            Some(Status::IterationLimit) if iteration < stop.max_iterations => None,
            Some(Status::TimeLimit) if stop.time.is_none_or(|limit| seconds < limit) => None,
            Some(Status::Interrupted) => None,
            other => other,
        }
    }
}

/// A watch for each trial.
fn watches(task: Task<'_>, precision: Precision) -> Result<Vec<TrialWatch<'_>>> {
    let Task { problem, settings, plan } = task;
    let operator = problem.operator();
    let (domain, m) = (operator.domain(), operator.measurements());
    let (model, centred, loss) = (plan.model.clone(), operator.is_centred(), settings.loss);
    let form = Form {
        domain,
        model,
        centred,
        loss,
        unobserved: settings.unobserved_weight > 0.0,
        bounded: problem.upper_bounds().is_some(),
        perturbed: settings.perturbs(),
    };
    let n = domain.rows().max(domain.columns());
    let resolution = precision.unit_roundoff() * (n as f64).sqrt();
    let mut watches = Vec::with_capacity(plan.trials.len());
    for ((p, held_out), spectrum) in plan.trials.iter().zip(&plan.held_out).zip(&plan.spectra) {
        let rows = p.trial * m..(p.trial + 1) * m;
        let observed = (&plan.target[rows.clone()], &plan.weights[rows]);
        let truth = problem.truth(p.instance);
        let held_out = Held { at: held_out, weights: &plan.held_weights[p.trial] };
        let mut watch = TrialWatch::new(p, observed, held_out, truth, &settings.stop, form.clone(), resolution)
            .with_ridge(plan.ridge[p.trial] > 0.0);
        if let Some(spectrum) = spectrum {
            watch.diagnose(spectrum.clone(), plan.start.block(0), plan.plain)?;
        } else if settings.diagnose && plan.plain {
            watch.diagnose_without_truth();
        }
        if settings.diagnose {
            watch.follow_flatness(&**operator);
        }
        watches.push(watch);
    }
    Ok(watches)
}

/// Refuses a record that a run of `trials` trials cannot have saved.
fn check_record(from: &Checkpoint, trials: usize) -> Result<()> {
    let (record, iteration) = (&from.record, from.iteration());
    if record.watches.len() != trials {
        let (found, allowed) = (format!("{} trials", record.watches.len()), trials.to_string());
        return Err(Error::invalid("resume", found, allowed, "resume with the same trials"));
    }
    // Counts of engines and clocks stay exact in f64.
    let told = |row: &TraceRow| row.trial < trials && row.iteration <= iteration;
    if iteration as u64 >= 1 << 53 || !record.trace.iter().all(told) {
        let found = format!("a trace of other trials, or of iterations after {iteration}");
        let fix = "the checkpoint is damaged, or another program wrote it: start a new run";
        return Err(Error::invalid("resume", found, "the trace of one run", fix));
    }
    Ok(())
}
