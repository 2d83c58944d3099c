//! The loop: plan, load, then observe and advance until every trial has a status.

mod axes;
mod checkpoint;
mod faults;
mod identity;
mod init;
mod loaded;
mod plan;
mod problem;
mod run;
mod schedule;
mod settings;
mod solution;
mod spectra;
mod stall;
mod starts;
mod watch;

use std::time::Instant;

use crate::backend::Backend;
use crate::engine::faults::Faults;
use crate::engine::{Engine, EngineInfo};
use crate::error::{Error, Result};
use crate::memory::{Memory, Part, Place, product};
use crate::problem::Factors;

pub use axes::Axes;
pub use checkpoint::{Checkpoint, SaveEvery};
pub use faults::{Fault, OnDeviceLoss};
pub(crate) use identity::factor_digest;
pub use init::{IMBALANCED, Init, InitStd, Preprocess};
use plan::Plan;
pub use plan::TrialParameters;
pub use problem::Problem;
pub use schedule::Schedule;
pub use settings::{Holdout, Settings, Stop, Trial};
pub use solution::{Solution, Status, Timing, TraceRow, TrialSolution};

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
    backend: Backend,
    engine: Box<dyn Engine>,
    setup_seconds: f64,
    faults: Option<Faults>,
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
        let engine = loaded::load(&problem, &settings, &plan, &backend, settings.variant.clone(), None)?;
        let mut plan = plan;
        plan.notices = notices(&plan, &*engine);
        let setup_seconds = started.elapsed().as_secs_f64();
        Ok(Self { problem, settings, plan, backend, engine, setup_seconds, faults: None })
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

    /// Makes the engine fail: for tests.
    #[doc(hidden)]
    pub fn inject(&mut self, faults: Faults) -> Result<()> {
        self.faults = Some(faults);
        self.load_again(self.settings.variant.clone())
    }

    /// Loads the engine anew, in place of the one there is.
    fn load_again(&mut self, variant: Option<String>) -> Result<()> {
        let Self { problem, settings, plan, backend, faults, .. } = &*self;
        self.engine = loaded::load(problem, settings, plan, backend, variant, faults.as_ref())?;
        Ok(())
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
}
