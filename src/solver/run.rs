//! The loop: observe, advance, save, and what happens where the device fails.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use crate::backend::Backend;
use crate::engine::State;
use crate::error::{Error, Result};
use crate::solver::checkpoint::{Checkpoint, Record, Saver};
use crate::solver::faults::{Fault, OnDeviceLoss};
use crate::solver::identity::{identity, require_same};
use crate::solver::solution::{Solution, Status, Timing, TraceRow};
use crate::solver::watch::{Form, Moment, TrialWatch};
use crate::solver::{Progress, Solver, loaded, notices, plan};

/// Attempts to go on after a fault without a new observation between them.
const ATTEMPTS: usize = 3;

/// Where the loop stands.
struct Course {
    iteration: usize,
    /// Seconds before this process took over.
    before: f64,
    engine_seconds: f64,
    active: Vec<bool>,
    trace: Vec<TraceRow>,
    /// The engine at the last observation, where it may have to be loaded again.
    good: Option<(usize, State)>,
    fault: Option<Fault>,
    /// Faults since the last observation.
    attempts: usize,
}

/// The variant without the operator's name before it.
fn bare(variant: &str) -> String {
    variant.split_once('/').map_or(variant, |(_, name)| name).to_owned()
}

impl Solver {
    /// Solves from the start.
    ///
    /// # Errors
    /// Those of the first observation, and of writing checkpoints. Limits, stalls, divergence and later failures of the device are
    /// [`Status`]es.
    pub fn solve(&mut self) -> Result<Solution> {
        self.solve_with(|_| ControlFlow::Continue(()))
    }

    /// [`Solver::solve`] under an observer, called at every scheduled iteration; `Break` ends every running trial as
    /// [`Status::Interrupted`] with its iterate of that moment.
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub fn solve_with(&mut self, observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>) -> Result<Solution> {
        self.run(None, observer)
    }

    /// Goes on from a checkpoint to the same result, bit for bit, as the run that wrote it would have had, on the same backend with
    /// the same kernel variant, which is chosen unless the settings name another one. Limits of iterations and time are those of this
    /// solver: trials that had ended at theirs, or were interrupted, go on. The solution and its trace are those of the whole run.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the data, the settings or the start are others, naming the first difference; then as
    /// [`Solver::solve`].
    pub fn resume(&mut self, from: &Checkpoint) -> Result<Solution> {
        self.resume_with(from, |_| ControlFlow::Continue(()))
    }

    /// [`Solver::resume`] under an observer.
    ///
    /// # Errors
    /// As [`Solver::resume`].
    pub fn resume_with(
        &mut self,
        from: &Checkpoint,
        observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Solution> {
        let header = &from.header;
        if header.diagnose != self.settings.diagnose {
            // What is watched is part of what was saved.
            self.settings.diagnose = header.diagnose;
            self.plan = plan::plan(&self.problem, &self.settings)?;
            self.plan.notices = notices(&self.plan, &*self.engine);
        }
        require_same(&header.identity, &identity(&self.problem, &self.settings, &self.plan)?)?;
        let info = self.engine.info();
        if info.backend == header.backend && info.variant != header.variant && self.settings.variant.is_none() {
            self.load_again(Some(bare(&header.variant)))?;
        }
        let info = self.engine.info();
        if (&info.backend, &info.variant) != (&header.backend, &header.variant) {
            self.plan.notices.push(format!(
                "resumed on {} ({}) what was saved on {} ({}): the rest differs in rounding from an uninterrupted run",
                info.backend, info.variant, header.backend, header.variant
            ));
        }
        self.run(Some(from), observer)
    }

    fn run(
        &mut self,
        from: Option<&Checkpoint>,
        mut observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Solution> {
        let Self { problem, settings, plan, backend, engine, setup_seconds, faults } = self;
        let operator = problem.operator();
        let (shape, m) = (operator.shape(), operator.measurements());
        let form = Form {
            shape,
            signature: settings.signature,
            centred: operator.is_centred(),
            loss: settings.parameters.loss,
        };
        let n = shape.rows().max(shape.columns());
        let stop = &settings.stop;
        let unit_roundoff = engine.info().precision.unit_roundoff();
        let mut watches: Vec<TrialWatch<'_>> = (plan.trials.iter().zip(&plan.held_out))
            .map(|(p, held_out)| {
                let rows = p.trial * m..(p.trial + 1) * m;
                let truth = problem.truth(p.instance);
                let (target, weights) = (&plan.target[rows.clone()], &plan.weights[rows]);
                TrialWatch::new(p, (target, weights), held_out, truth, stop, form, unit_roundoff * (n as f64).sqrt())
            })
            .collect();
        for (watch, spectrum) in watches.iter_mut().zip(&plan.spectra) {
            if let Some(spectrum) = spectrum {
                watch.diagnose(spectrum.clone(), plan.start.left(watch.trial()), plan.is_plain())?;
            } else if settings.diagnose && plan.is_plain() {
                watch.diagnose_without_truth();
            }
        }
        let mut said = plan.notices.clone();
        let mut course = Course {
            iteration: 0,
            before: 0.0,
            engine_seconds: 0.0,
            active: vec![true; watches.len()],
            trace: Vec::new(),
            good: None,
            fault: None,
            attempts: 0,
        };
        if let Some(from) = from {
            course.take_over(from, &mut watches, stop)?;
            said.extend(from.record.notices.iter().filter(|notice| !plan.notices.contains(notice)).cloned());
        }
        // Writing at the start finds a path that cannot be written before the work.
        let mut saver = match &settings.checkpoint {
            None => None,
            Some((path, every)) => Some(Saver::new(path, *every, identity(problem, settings, plan)?)),
        };
        let keep = settings.on_device_loss != OnDeviceLoss::Stop;
        let save = |saver: &Saver<'_>,
                    info: &_,
                    state: State,
                    course: &Course,
                    watches: &[TrialWatch<'_>],
                    now: f64,
                    said: &[String]| {
            let record = Record {
                seconds: now,
                engine_seconds: course.engine_seconds,
                trace: course.trace.clone(),
                watches: watches.iter().map(TrialWatch::save).collect(),
                notices: said.to_vec(),
            };
            let identity = saver.identity.clone();
            Checkpoint::new(info, course.iteration, settings.diagnose, identity, record, state).write(saver.path)
        };
        loaded::begin(&mut **engine, plan, &course.active, from.map(|from| &from.state))?;

        let started = Instant::now();
        let mut due = from.is_none();
        let mut first = saver.is_some() && from.is_none();
        loop {
            let ended = course.active.iter().all(|active| !active);
            // What may fail with the device, up to the next observation or the next time to save.
            let mut round = || -> Result<()> {
                if due {
                    let (residuals, factors) = (engine.residuals()?, engine.factors()?);
                    let state = if keep { Some(engine.state()?) } else { None };
                    // Ranks that share a problem have to stop together.
                    let mut seconds = [course.before + started.elapsed().as_secs_f64()];
                    engine.agree(&mut seconds)?;
                    let moment = Moment {
                        iteration: course.iteration,
                        seconds: seconds[0],
                        residuals: &residuals,
                        factors: &factors,
                    };
                    let rows: Vec<TraceRow> = (watches.par_iter_mut().zip(&course.active))
                        .filter(|(_, active)| **active)
                        .map(|(watch, _)| watch.observe(&moment))
                        .collect::<Result<_>>()?;
                    course.trace.extend_from_slice(&rows);
                    (course.attempts, due) = (0, false);
                    course.good = state.map(|state| (course.iteration, state));
                    let progress = Progress {
                        iteration: course.iteration,
                        max_iterations: stop.max_iterations,
                        seconds: moment.seconds,
                        active: rows.len(),
                        rows: &rows,
                        factors: &factors,
                    };
                    let mut asked = [f64::from(u8::from(observer(&progress).is_break()))];
                    engine.agree(&mut asked)?;
                    if asked[0] > 0.0 {
                        let running = watches.iter_mut().filter(|w| w.status.is_none());
                        running.for_each(|w| w.status = Some(Status::Interrupted));
                    }
                    let now: Vec<bool> = watches.iter().map(|watch| watch.status.is_none()).collect();
                    if now != course.active {
                        course.active = now;
                        if course.active.contains(&true) {
                            engine.set_active(&course.active)?;
                        }
                    }
                }
                let ended = course.active.iter().all(|active| !active);
                if let Some(saver) = &mut saver
                    && (saver.due(course.iteration) || first || ended)
                {
                    let now = course.before + started.elapsed().as_secs_f64();
                    let (info, state) = (engine.info().clone(), engine.state()?);
                    save(saver, &info, state, &course, &watches, now, &said)?;
                    first = false;
                }
                if ended {
                    return Ok(());
                }
                let next = settings.observe.next(course.iteration).min(stop.max_iterations);
                let pace = course.engine_seconds / course.iteration.max(1) as f64;
                let ahead = saver.as_ref().map_or(usize::MAX, |saver| saver.ahead(course.iteration, pace));
                let count = (next - course.iteration).min(ahead);
                let before = Instant::now();
                engine.advance(count)?;
                course.engine_seconds += before.elapsed().as_secs_f64();
                course.iteration += count;
                due = course.iteration == next;
                Ok(())
            };
            if ended {
                break;
            }
            let Err(error) = round() else { continue };
            if !error.is_device_fault() {
                return Err(error);
            }
            course.attempts += 1;
            let again = match settings.on_device_loss {
                OnDeviceLoss::Stop => None,
                OnDeviceLoss::Retry if course.attempts > ATTEMPTS => None,
                OnDeviceLoss::Retry => Some(backend.reopened()),
                // The Cpu backend does not lose itself.
                OnDeviceLoss::Cpu if course.attempts > 1 => None,
                OnDeviceLoss::Cpu => Some(Ok(Backend::Cpu)),
            };
            let seen = course.trace.last().map_or(0, |row| row.iteration);
            let moved = again.transpose().and_then(|again| {
                let Some(place) = again else { return Ok(false) };
                // Another backend has variants of its own.
                let same = engine.info().backend != "gpu" || matches!(place, Backend::Gpu(_));
                let variant = if same { Some(bare(&engine.info().variant)) } else { None };
                *engine = loaded::load(problem, settings, plan, &place, variant, faults.as_ref())?;
                let (back, state) = match (&course.good, from) {
                    (Some((iteration, state)), _) => (*iteration, Some(state)),
                    (None, from) => (from.map_or(0, Checkpoint::iteration), from.map(|from| &from.state)),
                };
                loaded::begin(&mut **engine, plan, &course.active, state)?;
                (course.iteration, due) = (back, course.good.is_none() && from.is_none());
                *backend = place;
                Ok(true)
            });
            match moved {
                Ok(true) => said.push(format!(
                    "the device failed after iteration {seen} ({error}): went on from iteration {} on {}",
                    course.iteration,
                    engine.info().backend
                )),
                // Neither did the other attempt come to anything.
                Ok(false) | Err(_) if !watches.iter().all(TrialWatch::has_kept) => return Err(error),
                Err(second)
                    if second.is_device_fault()
                        && course.attempts <= ATTEMPTS
                        && settings.on_device_loss == OnDeviceLoss::Retry => {}
                Ok(false) | Err(_) => {
                    let running = watches.iter_mut().filter(|watch| watch.status.is_none());
                    running.for_each(|watch| watch.status = Some(Status::DeviceLost));
                    course.active.fill(false);
                    said.push(format!("the device failed after iteration {seen}: {error}"));
                    course.fault = Some(Fault { iteration: seen, error: Arc::new(error) });
                }
            }
        }
        let timing = Timing {
            setup: *setup_seconds,
            solve: course.before + started.elapsed().as_secs_f64(),
            seconds_per_iteration: course.engine_seconds / course.iteration.max(1) as f64,
            operator_bytes_per_iteration: engine.info().operator_bytes_per_iteration,
            f64_passes: engine.f64_passes(),
        };
        let mut trials = watches.into_iter().map(|watch| watch.finish()).collect::<Result<Vec<_>>>()?;
        for row in &mut course.trace {
            if let Some(proxy) = trials[row.trial].phases_proxy.as_ref().filter(|proxy| proxy.t_1.is_some()) {
                row.phase_proxy = proxy.phase(row.iteration);
            }
        }
        let precision = engine.info().precision;
        // A device that is gone does not tell how often.
        let raised = if course.fault.is_some() { vec![0; trials.len()] } else { engine.damping_raised()? };
        for (trial, raised) in trials.iter_mut().zip(raised) {
            let remark = trial.remark.take();
            trial.remark = remark
                .map(|cause| match (trial.status, plan.stable_step(problem, trial)) {
                    (Status::Diverged, Some(step)) => format!("{cause}. {step}"),
                    _ => cause,
                })
                .or_else(|| trial.floor_remark(precision))
                .or_else(|| trial.damping_remark(raised))
                .or_else(|| trial.misfit_remark());
        }
        let engine = engine.info().clone();
        let resumed_at = from.map(Checkpoint::iteration);
        let Course { trace, fault, .. } = course;
        Ok(Solution { trials, trace, timing, memory: self.memory(), engine, notices: said, fault, resumed_at })
    }
}

impl Course {
    /// From where a checkpoint was taken; trials that ended at a limit, or were interrupted, go on where they may.
    fn take_over(
        &mut self,
        from: &Checkpoint,
        watches: &mut [TrialWatch<'_>],
        stop: &crate::solver::Stop,
    ) -> Result<()> {
        let (record, iteration) = (&from.record, from.iteration());
        if record.watches.len() != watches.len() {
            let (found, allowed) = (record.watches.len().to_string(), watches.len().to_string());
            return Err(Error::invalid("resume", found + " trials", allowed, "resume with the same trials"));
        }
        // What the engines and the clocks count in f64 stays exact.
        let told = |row: &TraceRow| row.trial < watches.len() && row.iteration <= iteration;
        if iteration as u64 >= 1 << 53 || !record.trace.iter().all(told) {
            let found = format!("a trace of other trials or later iterations than {iteration}");
            let fix = "the checkpoint is damaged, or another program wrote it: start anew";
            return Err(Error::invalid("resume", found, "the trace of one run", fix));
        }
        for (watch, seen) in watches.iter_mut().zip(&record.watches) {
            watch.restore(seen, iteration)?;
            watch.status = match seen.status {
                Some(Status::IterationLimit) if iteration < stop.max_iterations => None,
                Some(Status::TimeLimit) if stop.time.is_none_or(|limit| record.seconds < limit) => None,
                Some(Status::Interrupted) => None,
                other => other,
            };
        }
        self.active = watches.iter().map(|watch| watch.status.is_none()).collect();
        if self.active.contains(&true) && stop.max_iterations <= iteration {
            let allowed = format!("more than the {iteration} iterations that are done");
            return Err(Error::invalid("max_iterations", stop.max_iterations, allowed, "raise it, or do not resume"));
        }
        (self.iteration, self.before) = (iteration, record.seconds);
        (self.engine_seconds, self.trace) = (record.engine_seconds, record.trace.clone());
        Ok(())
    }
}
