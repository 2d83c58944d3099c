//! The loop: plan, load, then observe and advance until every trial has a status.

mod axes;
mod init;
mod plan;
mod problem;
mod settings;
mod solution;
mod spectra;
mod stall;
mod starts;
mod watch;

use std::ops::ControlFlow;
use std::time::Instant;

use rayon::prelude::*;

use crate::backend::Backend;
use crate::engine::{Engine, EngineInfo, Load};
use crate::error::{Error, Result};
use crate::memory::{Memory, Part, Place, product};
use crate::methods::{Algorithm, Recipe};
use crate::problem::Factors;

pub use axes::Axes;
pub use init::{IMBALANCED, Init, InitStd, Preprocess};
use plan::Plan;
pub use plan::TrialParameters;
pub use problem::Problem;
pub use settings::{Holdout, Schedule, Settings, Stop, Trial};
pub use solution::{Solution, Status, Timing, TraceRow, TrialSolution};
use watch::{Form, Moment, TrialWatch};

/// What an observer sees at every scheduled iteration.
#[derive(Debug)]
pub struct Progress<'a> {
    pub iteration: usize,
    pub max_iterations: usize,
    /// Since the iteration began.
    pub seconds: f64,
    /// Trials still running, before this observation.
    pub active: usize,
    /// This observation of each of them.
    pub rows: &'a [TraceRow],
    /// The factors of all trials, (batch, n, k), or pairs of them; narrower trials are padded with zero columns, and a trial that has ended
    /// keeps its last factor.
    pub factors: &'a Factors,
}

/// A problem loaded on a backend: validated, uploaded and compiled once. Owns what it needs and can be sent to another
/// thread.
pub struct Solver {
    problem: Problem,
    settings: Settings,
    plan: Plan,
    engine: Box<dyn Engine>,
    setup_seconds: f64,
}

/// The plan's sentences, and what the engine has to add.
fn notices(plan: &Plan, engine: &dyn Engine) -> Vec<String> {
    plan.notices.iter().chain(&engine.info().notices).cloned().collect()
}

impl Solver {
    /// Validates everything, chooses what was left automatic, uploads the operator and compiles its kernels.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bad settings, [`Error::Unsupported`] for an operator, precision or model the backend
    /// does not run, [`Error::Device`] where the device refuses.
    pub fn new(problem: Problem, settings: Settings, backend: Backend) -> Result<Self> {
        let started = Instant::now();
        if settings.stop.relative_error.is_some() && (0..problem.instances()).any(|j| problem.truth(j).is_none()) {
            return Err(Error::invalid(
                "stop_relative_error",
                "a target but no truth",
                "a target where the truth is known",
                "attach a truth, or stop by residual, loss or a held-out share",
            ));
        }
        let plan = plan::plan(&problem, &settings)?;
        let (recipe, driven) = match plan.algorithm {
            Algorithm::Recipe(recipe) => (recipe, None),
            Algorithm::Driven(driven) => (Recipe { loss: driven.loss, ..Recipe::default() }, Some(driven)),
        };
        let load = Load {
            operator: problem.operator().clone(),
            recipe,
            driven,
            batch: plan.trials.len(),
            search_rank: plan.start.search_rank(),
            signature: settings.signature,
            variant: settings.variant.clone(),
        };
        let options = crate::gpu::Options { memory_bytes: settings.device_memory, ..Default::default() };
        let mut engine = backend.load(&load, settings.precision, &options)?;
        engine.set_observations(&plan.target, &plan.weights)?;
        let mut plan = plan;
        plan.notices = notices(&plan, &*engine);
        Ok(Self { problem, settings, plan, engine, setup_seconds: started.elapsed().as_secs_f64() })
    }

    /// Where and how it will run.
    pub fn engine(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// What a run holds at the same time, by part: the operator, the engine, and the solver itself. Predicted from the
    /// sizes, before anything of it was taken.
    pub fn memory(&self) -> Memory {
        let operator = self.problem.operator();
        let (batch, m) = (self.plan.start.batch(), operator.measurements());
        let shape = operator.shape();
        let rows = shape.rows() + if shape.is_symmetric() { 0 } else { shape.columns() };
        let factor = [batch, rows, self.plan.start.search_rank()];
        let mut parts = operator.memory();
        parts.extend(self.engine.info().memory.parts.iter().cloned());
        // Targets, weights, and residuals of the last look; the observations as they were given.
        let looks = product(&[m, 3 * batch + self.problem.instances(), 8]);
        parts.push(Part::new("observations and residuals in f64", Place::Host, looks));
        // The start, the factors of the last look, those kept of each trial; and while one is looked at, its factors again
        // and what their decomposition works in.
        let look = product(&factor[1..]).saturating_mul(4);
        let factors = product(&factor).saturating_mul(3).saturating_add(look).saturating_mul(8);
        parts.push(Part::new("factors in f64", Place::Host, factors));
        Memory { parts }
    }

    /// For each trial, in how many iterations of the last run a damping λ had to be raised to keep VᵀV + λI positive definite.
    ///
    /// # Errors
    /// Device failures.
    pub fn damping_raised(&mut self) -> Result<Vec<usize>> {
        self.engine.damping_raised()
    }

    /// Automatic choices and doubts, in sentences.
    pub fn notices(&self) -> &[String] {
        &self.plan.notices
    }

    /// The concrete trials.
    pub fn trials(&self) -> &[TrialParameters] {
        &self.plan.trials
    }

    /// How many observations a run makes at most, the (batch, n, k) of its factors, and n2 where there are two.
    pub(crate) fn observations_at_most(&self) -> (usize, [usize; 3], Option<usize>) {
        let (last, start) = (self.settings.stop.max_iterations, &self.plan.start);
        let points = match self.settings.observe {
            Schedule::Every(j) => last.div_ceil(j.max(1)) + 1,
            Schedule::Log => std::iter::successors(Some(0), |&t| (t < last).then(|| Schedule::Log.next(t))).count(),
        };
        let second = (!start.is_single()).then(|| start.columns());
        (points, [start.batch(), start.rows(), start.search_rank()], second)
    }

    /// Replaces the observations without uploading the operator again; automatic values are chosen anew, truths are
    /// forgotten. For a problem of several instances see [`Solver::set_observations_batch`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length or non-finite entries.
    pub fn set_observations(&mut self, observations: &[f64]) -> Result<()> {
        self.set_observations_batch(vec![observations.to_vec()])
    }

    /// Replaces the observations of every instance.
    ///
    /// # Errors
    /// As [`Solver::set_observations`].
    pub fn set_observations_batch(&mut self, observations: Vec<Vec<f64>>) -> Result<()> {
        let started = Instant::now();
        let mut problem = self.problem.clone();
        problem.replace_observations(observations)?;
        if self.settings.stop.relative_error.is_some() {
            let fix = "new observations come without a truth: stop by residual instead";
            return Err(Error::invalid("stop_relative_error", "a target", "no such target here", fix));
        }
        self.plan = plan::plan(&problem, &self.settings)?;
        self.plan.notices = notices(&self.plan, &*self.engine);
        self.problem = problem;
        self.engine.set_observations(&self.plan.target, &self.plan.weights)?;
        self.setup_seconds = started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Goes over to other observations, truths and trials of the same operator without loading it again. Says whether
    /// it could: the number of trials and the widest search rank must be those that were loaded.
    pub(crate) fn reload(&mut self, problem: &Problem, settings: &Settings) -> Result<bool> {
        let started = Instant::now();
        let mut plan = plan::plan(problem, settings)?;
        plan.notices = notices(&plan, &*self.engine);
        let same = plan.start.batch() == self.plan.start.batch()
            && plan.start.search_rank() == self.plan.start.search_rank()
            && problem.operator().measurements() == self.problem.operator().measurements()
            && problem.operator().shape() == self.problem.operator().shape()
            && (settings.method, settings.precision) == (self.settings.method, self.settings.precision)
            && plan.algorithm == self.plan.algorithm
            && settings.signature == self.settings.signature
            && (&settings.variant, settings.device_memory) == (&self.settings.variant, self.settings.device_memory);
        if same {
            self.engine.set_observations(&plan.target, &plan.weights)?;
            (self.plan, self.problem, self.settings) = (plan, problem.clone(), settings.clone());
            self.setup_seconds = started.elapsed().as_secs_f64();
        }
        Ok(same)
    }

    /// Solves from the start.
    ///
    /// # Errors
    /// Device failures. Limits, stalls and divergence are [`Status`]es.
    pub fn solve(&mut self) -> Result<Solution> {
        self.solve_with(|_| ControlFlow::Continue(()))
    }

    /// [`Solver::solve`] under an observer, called at every scheduled iteration; `Break` ends every running trial as
    /// [`Status::Interrupted`] with its iterate of that moment.
    ///
    /// # Errors
    /// As [`Solver::solve`].
    pub fn solve_with(&mut self, mut observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>) -> Result<Solution> {
        let operator = self.problem.operator();
        let (shape, m) = (operator.shape(), operator.measurements());
        let form = Form {
            shape,
            signature: self.settings.signature,
            centred: operator.is_centred(),
            loss: self.settings.parameters.loss,
        };
        let n = shape.rows().max(shape.columns());
        let (plan, stop, engine) = (&self.plan, &self.settings.stop, &mut self.engine);
        let unit_roundoff = engine.info().precision.unit_roundoff();
        let mut watches: Vec<TrialWatch<'_>> = (plan.trials.iter().zip(&plan.held_out))
            .map(|(p, held_out)| {
                let rows = p.trial * m..(p.trial + 1) * m;
                let truth = self.problem.truth(p.instance);
                let (target, weights) = (&plan.target[rows.clone()], &plan.weights[rows]);
                TrialWatch::new(p, (target, weights), held_out, truth, stop, form, unit_roundoff * (n as f64).sqrt())
            })
            .collect();
        for (watch, spectrum) in watches.iter_mut().zip(&plan.spectra) {
            if let Some(spectrum) = spectrum {
                watch.diagnose(spectrum.clone(), plan.start.left(watch.trial()), plan.is_plain())?;
            } else if self.settings.diagnose && plan.is_plain() {
                watch.diagnose_without_truth();
            }
        }
        let mut active = vec![true; watches.len()];
        let mut trace = Vec::new();
        let mut iteration = 0;
        let mut engine_seconds = 0.0;
        engine.set_steps(&plan.steps)?;
        engine.set_ridge(&plan.shrink)?;
        engine.set_tuning(&plan.tuning)?;
        engine.set_factors(&plan.start)?;
        engine.set_active(&active)?;

        let started = Instant::now();
        loop {
            let residuals = engine.residuals()?;
            let factors = engine.factors()?;
            // Ranks that share a problem have to stop together.
            let mut seconds = [started.elapsed().as_secs_f64()];
            engine.agree(&mut seconds)?;
            let moment = Moment { iteration, seconds: seconds[0], residuals: &residuals, factors: &factors };
            let rows: Vec<TraceRow> = (watches.par_iter_mut().zip(&active))
                .filter(|(_, active)| **active)
                .map(|(watch, _)| watch.observe(&moment))
                .collect::<Result<_>>()?;
            trace.extend_from_slice(&rows);
            let progress = Progress {
                iteration,
                max_iterations: stop.max_iterations,
                seconds: moment.seconds,
                active: rows.len(),
                rows: &rows,
                factors: &factors,
            };
            let mut asked = [f64::from(u8::from(observer(&progress).is_break()))];
            engine.agree(&mut asked)?;
            if asked[0] > 0.0 {
                watches.iter_mut().filter(|w| w.status.is_none()).for_each(|w| w.status = Some(Status::Interrupted));
            }
            let now: Vec<bool> = watches.iter().map(|watch| watch.status.is_none()).collect();
            if now.iter().all(|active| !active) {
                break;
            }
            if now != active {
                engine.set_active(&now)?;
                active = now;
            }
            let next = self.settings.observe.next(iteration).min(stop.max_iterations);
            let before = Instant::now();
            engine.advance(next - iteration)?;
            engine_seconds += before.elapsed().as_secs_f64();
            iteration = next;
        }
        let timing = Timing {
            setup: self.setup_seconds,
            solve: started.elapsed().as_secs_f64(),
            seconds_per_iteration: engine_seconds / iteration.max(1) as f64,
            operator_bytes_per_iteration: engine.info().operator_bytes_per_iteration,
            f64_passes: engine.f64_passes(),
        };
        let mut trials = watches.into_iter().map(|watch| watch.finish()).collect::<Result<Vec<_>>>()?;
        for row in &mut trace {
            if let Some(proxy) = trials[row.trial].phases_proxy.as_ref().filter(|proxy| proxy.t_1.is_some()) {
                row.phase_proxy = proxy.phase(row.iteration);
            }
        }
        let precision = engine.info().precision;
        let raised = engine.damping_raised()?;
        for (trial, raised) in trials.iter_mut().zip(raised) {
            trial.remark = trial.floor_remark(precision).or_else(|| trial.damping_remark(raised));
        }
        let (engine, notices) = (engine.info().clone(), plan.notices.clone());
        Ok(Solution { trials, trace, timing, memory: self.memory(), engine, notices })
    }
}
