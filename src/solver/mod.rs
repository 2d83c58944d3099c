//! Plans a run, loads it, then observes and advances until every trial has a status.

mod apply;
pub(crate) mod axes;
mod checkpoint;
mod choices;
mod doubts;
mod faults;
mod fixed_trace;
mod form;
pub(crate) mod identity;
pub(crate) mod init;
mod loaded;
mod measured;
mod memory;
mod open;
mod place;
mod plan;
mod preference;
mod problem;
mod run;
mod schedule;
mod second;
mod settings;
mod solution;
mod solve;
mod spectra;
mod stall;
mod starts;
pub(crate) mod table;
mod trial;
mod tuning;
mod units;
mod verdict;
mod watch;

use std::ops::ControlFlow;
use web_time::Instant;

use crate::backend::Backend;
use crate::engine::EngineInfo;
use crate::engine::faults::Faults;
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::methods::Method;
use crate::problem::Factors;
pub use crate::problem::{Fold, Holdout};

pub use checkpoint::Checkpoint;
pub use faults::{Fault, OnDeviceLoss};
pub use init::{Init, InitStd, Preprocess};
use loaded::Loaded;
pub(crate) use measured::{largest_ridge, training_measurements};
use plan::{Plan, Task};
pub use preference::PreferenceFit;
pub use problem::Problem;
pub use schedule::{SaveEvery, Schedule};
pub use settings::{Settings, Stop};
pub use solution::{Solution, Status, Timing, TraceRow, TrialSolution};
pub use trial::{Trial, TrialParameters};

/// The observer of a run. Inside the solver it is a trait object, so that each part is compiled once.
type Observer<'a> = dyn FnMut(&Progress<'_>) -> ControlFlow<()> + 'a;

/// State of the run at a scheduled iteration, for the observer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Iteration of the observation.
    pub iteration: usize,
    /// Largest number of iterations of the run.
    pub max_iterations: usize,
    /// Seconds since the iteration began.
    pub seconds: f64,
    /// Number of trials that were running before this observation.
    pub active: usize,
    /// Trace rows of these trials at this observation.
    pub rows: &'a [TraceRow],
    /// Factors of all trials, (batch, n, k), or pairs of them. Narrower trials are padded with zero columns; a trial
    /// that has ended keeps its last factor.
    pub factors: &'a Factors,
    /// Whether this is an auxiliary run for a choice, not the requested run.
    pub is_choice: bool,
}

/// A problem loaded on a backend: validated, uploaded and compiled once. It owns its data and can be sent to another
/// thread.
pub struct Solver {
    problem: Problem,
    settings: Settings,
    plan: Plan,
    loaded: Loaded,
    setup_seconds: f64,
}

/// Sentences of the plan and of the engine.
fn notices(plan: &Plan, engine: &EngineInfo) -> Vec<String> {
    plan.notices.iter().chain(&engine.notices).cloned().collect()
}

impl Solver {
    /// Validates everything, makes the automatic choices, uploads the operator and compiles its kernels.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bad settings, [`Error::Unsupported`] for an operator, precision or model that the backend
    /// cannot run, [`Error::Device`] where the device refuses.
    pub fn new(problem: Problem, settings: Settings, backend: Backend) -> Result<Self> {
        let started = Instant::now();
        if settings.stop.relative_error.is_some() && (0..problem.instances()).any(|j| problem.truth(j).is_none()) {
            return Err(Error::invalid(
                "stop_relative_error",
                "a target without a truth",
                "no target without a truth",
                "attach a truth, or stop by residual, loss or a held-out share",
            ));
        }
        let mut plan = plan::plan(&problem, &settings, backend.reads_rows())?;
        plan.require_trace_of(&settings, &backend)?;
        let loaded = Loaded::new(Task { problem: &problem, settings: &settings, plan: &plan }, backend)?;
        plan.notices = notices(&plan, loaded.info());
        let setup_seconds = started.elapsed().as_secs_f64();
        Ok(Self { problem, settings, plan, loaded, setup_seconds })
    }

    fn task(&self) -> Task<'_> {
        Task { problem: &self.problem, settings: &self.settings, plan: &self.plan }
    }

    /// Description of the engine.
    pub fn engine(&self) -> &EngineInfo {
        self.loaded.info()
    }

    /// Memory that a run holds at the same time, by part: the operator, the engine, and the solver itself. Predicted
    /// from the sizes before any allocation.
    pub fn memory(&self) -> Memory {
        let Task { problem, settings, plan } = self.task();
        memory::memory((problem, settings), &plan.model, plan.start.search_rank(), self.loaded.info())
    }

    /// Average number of passes over the measurements per iteration, without observations.
    pub fn passes(&self) -> f64 {
        self.loaded.passes()
    }

    /// Number of iterations of the last run, by trial, in which a damping λ was raised to keep VᵀV + λI positive
    /// definite.
    ///
    /// # Errors
    /// Device failures.
    pub fn damping_floor_iterations(&mut self) -> Result<Vec<usize>> {
        self.loaded.damping_floor_iterations(self.plan.trials.len())
    }

    /// Injects faults into the engine, for tests.
    #[doc(hidden)]
    pub fn inject(&mut self, faults: Faults) -> Result<()> {
        let Self { problem, settings, plan, loaded, .. } = self;
        loaded.inject(Task { problem, settings, plan }, faults)
    }

    /// Automatic choices and doubts, as sentences.
    pub fn notices(&self) -> &[String] {
        &self.plan.notices
    }

    /// The notices that call the input into question: a truth of other data, a start that cannot grow.
    pub fn doubts(&self) -> &[String] {
        &self.plan.doubts
    }

    /// The method, as requested or chosen.
    pub fn method(&self) -> &Method {
        &self.plan.method
    }

    /// Parameters of the trials.
    pub fn trials(&self) -> &[TrialParameters] {
        &self.plan.trials
    }

    /// The problem.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Weights of the measurements in a trial of the last run: 1 for training measurements, else 0.
    pub(crate) fn training_weights(&self, trial: &TrialSolution) -> &[f64] {
        let m = self.problem.operator().measurements();
        &self.plan.weights[trial.parameters.trial * m..][..m]
    }

    /// Whether a trial of the last run has a ridge.
    pub(crate) fn has_ridge(&self, trial: &TrialSolution) -> bool {
        trial.tuned || self.plan.ridge[trial.parameters.trial] > 0.0
    }

    /// Largest number of observations of a run, and the names and shapes (batch, rows, columns) of its factors.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn observations_at_most(&self) -> (usize, Vec<(String, [usize; 3])>) {
        let (last, start) = (self.settings.stop.max_iterations, &self.plan.start);
        let points = match self.settings.observe {
            Schedule::Every(j) => last.div_ceil(j.max(1)) + 1,
            Schedule::Log => std::iter::successors(Some(0), |&t| (t < last).then(|| Schedule::Log.next(t))).count(),
        };
        let sizes = self.plan.model.sizes(&self.problem.operator().domain(), self.plan.search_rank());
        let shapes = sizes.iter().map(|(rows, columns)| [start.batch(), *rows, *columns]);
        (points, self.plan.model.names().into_iter().zip(shapes).collect())
    }

    /// Replaces the observations without uploading the operator again. Automatic values are chosen again, and truths
    /// are dropped. For a problem of several instances see [`Solver::set_observations_batch`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length or non-finite entries.
    pub fn set_observations(&mut self, observations: &[f64]) -> Result<()> {
        self.set_observations_batch(vec![observations.to_vec()])
    }

    /// Replaces the observations of every instance.
    ///
    /// # Errors
    /// Those of [`Solver::set_observations`].
    pub fn set_observations_batch(&mut self, observations: Vec<Vec<f64>>) -> Result<()> {
        let started = Instant::now();
        let mut problem = self.problem.clone();
        problem.replace_observations(observations)?;
        if self.settings.stop.relative_error.is_some() {
            let fix = "new observations have no truth: stop by residual instead";
            return Err(Error::invalid("stop_relative_error", "a target", "no such target", fix));
        }
        self.plan = plan::plan(&problem, &self.settings, self.plan.reads_rows)?;
        self.plan.notices = notices(&self.plan, self.loaded.info());
        self.problem = problem;
        self.loaded.set_observations(&self.plan)?;
        self.setup_seconds = started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Switches to other observations, truths and trials of the same operator without loading it again. Returns whether
    /// it could: the number of trials and the widest search rank must be the loaded ones.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn reload(&mut self, problem: &Problem, settings: &Settings) -> Result<bool> {
        let started = Instant::now();
        let mut plan = plan::plan(problem, settings, self.plan.reads_rows)?;
        plan.notices = notices(&plan, self.loaded.info());
        let other = Task { problem, settings, plan: &plan };
        let loaded = identity::Identity::of(self.task(), place::Level::Engine)?;
        let same = loaded.difference(&identity::Identity::of(other, place::Level::Engine)?).is_none();
        if same {
            self.loaded.set_observations(&plan)?;
            (self.plan, self.problem, self.settings) = (plan, problem.clone(), settings.clone());
            self.setup_seconds = started.elapsed().as_secs_f64();
        }
        Ok(same)
    }
}
