//! The engine of a run: every engine call of the solver is made here.

use std::sync::Arc;

use crate::backend::Backend;
use crate::engine::faults::{Faults, Faulty};
use crate::engine::{Engine, EngineInfo, Increments, Load, Options, Precision, State};
use crate::error::{Error, Result};
use crate::methods::{Context, PASSES};
use crate::problem::random::{Purpose, normals};
use crate::problem::{Block, Factors};
use crate::solver::plan::{Plan, Task};
use crate::solver::trial::TrialParameters;
use crate::solver::units::Units;
use crate::tape::{Kind, Op, Program, Tape};

/// An engine with its observations, and its backend.
pub(super) struct Loaded {
    engine: Box<dyn Engine>,
    /// Program of the iteration.
    program: Arc<Program>,
    backend: Backend,
    /// Deliberate faults, for tests.
    faults: Option<Faults>,
    /// Units of the engine, where they differ from the user's.
    units: Option<Units>,
    /// Sizes of the factors without the method's own columns, where it has any.
    narrow: Option<Vec<(usize, usize)>>,
}

impl Loaded {
    /// Loads the problem on a backend.
    pub(super) fn new(task: Task<'_>, backend: Backend) -> Result<Self> {
        let (engine, program) = load(task, &backend, task.settings.variant.clone(), None)?;
        let mut loaded = Self { engine, program, backend, faults: None, units: None, narrow: None };
        loaded.observe(task.plan)?;
        Ok(loaded)
    }

    pub(super) fn info(&self) -> &EngineInfo {
        self.engine.info()
    }

    /// Average number of passes over the measurements per iteration.
    pub(super) fn passes(&self) -> f64 {
        self.program.passes()
    }

    /// Passes over the measurements so far, the mean of the trials; `None` where the method does not count them.
    pub(super) fn counted_passes(&mut self) -> Result<Option<f64>> {
        let Some(register) = self.program.find(PASSES) else { return Ok(None) };
        let passes = self.engine.read(register)?;
        Ok(Some(passes.iter().sum::<f64>() / passes.len().max(1) as f64))
    }

    /// Number of f64 passes over the measurement data, if the engine makes any.
    pub(super) fn f64_passes(&self) -> Option<usize> {
        self.engine.info().f64_passes
    }

    /// Loads the problem again with a kernel variant, or with the engine's own choice.
    pub(super) fn load_again(&mut self, task: Task<'_>, variant: Option<String>) -> Result<()> {
        (self.engine, self.program) = load(task, &self.backend, variant, self.faults.as_ref())?;
        self.observe(task.plan)
    }

    /// Loads the problem again with faults.
    pub(super) fn inject(&mut self, task: Task<'_>, faults: Faults) -> Result<()> {
        self.faults = Some(faults);
        self.load_again(task, task.settings.variant.clone())
    }

    /// The backend, unless several processes share the work.
    pub(super) fn backend_alone(&self) -> Option<Backend> {
        (!matches!(self.backend, Backend::Team(..))).then(|| self.backend.clone())
    }

    /// The same backend, opened again.
    pub(super) fn reopened(&self) -> Result<Backend> {
        self.backend.reopened()
    }

    /// Loads the problem on another backend, and continues from `state` or from the start.
    pub(super) fn move_to(
        &mut self,
        task: Task<'_>,
        place: Backend,
        active: &[bool],
        state: Option<&State>,
    ) -> Result<()> {
        // Another backend has other variants.
        let same = self.info().backend != "gpu" || place.word() == "gpu";
        let variant = same.then(|| bare(&self.info().variant));
        (self.engine, self.program) = load(task, &place, variant, self.faults.as_ref())?;
        self.observe(task.plan)?;
        self.begin(task, active, state)?;
        self.backend = place;
        Ok(())
    }

    /// Switches to the observations of another plan.
    pub(super) fn set_observations(&mut self, plan: &Plan) -> Result<()> {
        self.observe(plan)
    }

    fn observe(&mut self, plan: &Plan) -> Result<()> {
        self.units = (!plan.units.are_usual()).then(|| plan.units.clone());
        match &self.units {
            None => self.engine.write(self.program.target.into(), &plan.target)?,
            Some(units) => self.engine.write(self.program.target.into(), &units.scaled(&plan.target, false))?,
        }
        self.engine.write(self.program.weights.into(), &plan.weights)
    }

    /// Sets the engine to the start, or to `state`.
    pub(super) fn begin(&mut self, task: Task<'_>, active: &[bool], state: Option<&State>) -> Result<()> {
        let (plan, program) = (task.plan, self.program.clone());
        let problem_size = task.problem.operator().measurements();
        let mut parameter = |name: &str, values: Vec<f64>| match program.find(name) {
            Some(register) => self.engine.write(register, &values),
            None => Ok(()),
        };
        parameter("step_size", plan.steps.clone())?;
        parameter("ridge", plan.ridge.clone())?;
        parameter("unobserved_weight", plan.unobserved.clone())?;
        plan.perturbation.iter().try_for_each(|(name, values)| parameter(name, values.clone()))?;
        let numbers: Vec<Vec<(&str, f64)>> = plan.numbers.iter().map(|trial| plan.method.numbers(trial)).collect();
        for (index, (name, _)) in numbers.first().into_iter().flatten().enumerate() {
            parameter(name, numbers.iter().map(|of_trial| of_trial[index].1).collect())?;
        }
        parameter("signs", signs(plan, problem_size))?;
        if let Some(bounds) = task.problem.upper_bounds() {
            // Single precision holds this number, too.
            let least = |bound: &bool| if *bound { 0.0 } else { -f64::from(f32::MAX) };
            let of_trial: Vec<f64> = bounds.iter().map(least).collect();
            parameter("least_residual", of_trial.repeat(plan.trials.len()))?;
        }
        let sizes = || plan.model.sizes(&task.problem.operator().domain(), plan.search_rank());
        self.narrow = (plan.start.search_rank() > plan.search_rank()).then(sizes);
        match state {
            None => self.engine.write(program.iterate.into(), &self.in_units(plan.start.clone(), false)?.by_trial())?,
            Some(state) => self.engine.restore(state)?,
        }
        self.set_active(active)
    }

    pub(super) fn set_active(&mut self, active: &[bool]) -> Result<()> {
        self.engine.set_active(active)
    }

    pub(super) fn advance(&mut self, iterations: usize) -> Result<()> {
        self.engine.run(iterations)
    }

    pub(super) fn residuals(&mut self) -> Result<Vec<f64>> {
        let values = self.engine.read(self.program.residual.into())?;
        match &self.units {
            None => Ok(values),
            Some(units) => Ok(units.scaled(&values, true)),
        }
    }

    /// Converts factors to the engine's units, or back.
    fn in_units(&self, factors: Factors, back: bool) -> Result<Factors> {
        match &self.units {
            None => Ok(factors),
            Some(units) => Factors::of_blocks(factors.batch(), units.factors(&factors, back)),
        }
    }

    pub(super) fn factors(&mut self) -> Result<Factors> {
        let values = self.engine.read(self.program.iterate.into())?;
        let factors = self.in_units(Factors::from_trials(&sizes_of(&self.program), &values)?, true)?;
        let Some(sizes) = &self.narrow else { return Ok(factors) };
        let of = |(block, size): (&Block, &(usize, usize))| {
            let own = (0..factors.batch()).flat_map(|trial| block.corner(trial, *size).data().to_vec());
            Block::new(size.0, size.1, own.collect())
        };
        Factors::of_blocks(factors.batch(), factors.blocks().iter().zip(sizes).map(of).collect())
    }

    pub(super) fn state(&mut self) -> Result<State> {
        self.engine.state()
    }

    /// The maximum of a number over the ranks of a team.
    pub(super) fn agree(&mut self, number: f64) -> Result<f64> {
        let mut numbers = [number];
        self.engine.agree(&mut numbers)?;
        Ok(numbers[0])
    }

    /// Number of iterations with a raised damping, by trial.
    pub(super) fn damping_floor_iterations(&mut self, batch: usize) -> Result<Vec<usize>> {
        self.counts("raised", batch)
    }

    /// Trials that the method itself has ended.
    pub(super) fn finished(&mut self, batch: usize) -> Result<Vec<bool>> {
        Ok(self.counts("finished", batch)?.into_iter().map(|finished| finished > 0).collect())
    }

    fn counts(&mut self, name: &str, batch: usize) -> Result<Vec<usize>> {
        match self.program.find(name) {
            Some(register) => Ok(self.engine.read(register)?.into_iter().map(|count| count as usize).collect()),
            None => Ok(vec![0; batch]),
        }
    }
}

/// Random signs ±1 for every measurement of every trial, from the trial's seed.
fn signs(plan: &Plan, measurements: usize) -> Vec<f64> {
    let of = |trial: &TrialParameters| normals(trial.seed.unwrap_or(0), Purpose::Signs, 1.0, measurements);
    plan.trials.iter().flat_map(of).map(f64::signum).collect()
}

/// Sizes (rows, columns) of the iterate's blocks.
fn sizes_of(program: &Program) -> Vec<(usize, usize)> {
    match &program.declaration(program.iterate).kind {
        Kind::Blocks(sizes) => sizes.iter().map(|block| (block.rows, block.columns)).collect(),
        _ => Vec::new(),
    }
}

/// The tape of a run's iteration, around a centre where `centred`.
fn record(task: Task<'_>, precision: Precision, centred: bool) -> Result<Program> {
    let Task { problem, settings, plan } = task;
    let (domain, model) = (problem.operator().domain(), &plan.model);
    let search_rank = plan.start.search_rank();
    let n = domain.rows().max(domain.columns()) as f64;
    let floor = precision.unit_roundoff() * n.sqrt() * 4.0;
    let freedom = (0..=search_rank).map(task.freedom()).collect();
    let cost = problem.operator().cost(1, model.default_search_rank(&domain));
    let flops_per_byte = cost.flops / cost.bytes;
    let touches_few_lines = problem.operator().accelerate().gathers.is_some();
    let context = Context { undamped: plan.is_undamped(), floor, freedom, flops_per_byte, touches_few_lines };
    let mut tape = Tape::new(model.recorded(), domain, search_rank, settings.loss, centred, plan.has_ridge())
        .nonnegative(settings.nonnegative);
    if plan.weighs_unobserved() {
        tape.weigh_unobserved();
    }
    if problem.upper_bounds().is_some() {
        tape.bound_residuals();
    }
    if settings.kept_trace(&plan.method).is_some() {
        tape.fix_trace();
    }
    if settings.label_noise > 0.0 {
        tape.add_label_noise();
    }
    if settings.sharpness > 0.0 {
        tape.sharpen();
    }
    plan.method.record(&mut tape, &context)?;
    Ok(tape.finish())
}

/// The programs of mixed precision: increments of iterative refinement, and a program whose residual is that of its iterate;
/// `None` where the method needs the whole point on the host.
fn increments(task: Task<'_>, program: &Program) -> Result<Option<Increments>> {
    if program.steps().any(|step| matches!(step.op, Op::Host(_))) {
        return Ok(None);
    }
    let (domain, model) = (task.problem.operator().domain(), &task.plan.model);
    if model.factors() > 1 {
        return Err(Error::Unsupported {
            what: format!("mixed precision for the model {}", model.word()),
            fix: "use precision f64 (backend cpu has it), or f32".into(),
        });
    }
    let search_rank = task.plan.start.search_rank();
    let mut exact = Tape::new(model.recorded(), domain, search_rank, task.settings.loss, false, false);
    let iterate = exact.iterate();
    let (e, _) = exact.gradient(iterate);
    exact.observe(e);
    let program = Arc::new(record(task, Precision::F32, true)?);
    Ok(Some(Increments { program, exact: Arc::new(exact.finish()) }))
}

/// Loads an engine with its observations.
fn load(
    task: Task<'_>,
    backend: &Backend,
    variant: Option<String>,
    faults: Option<&Faults>,
) -> Result<(Box<dyn Engine>, Arc<Program>)> {
    let Task { problem, settings, plan } = task;
    let precision = backend.precision(settings.precision);
    let program = Arc::new(record(task, precision, false)?);
    let increments = if precision == Precision::Mixed { increments(task, &program)? } else { None };
    let visible = increments.as_ref().map_or_else(|| program.clone(), |increments| increments.program.clone());
    let load = Load { operator: problem.operator().clone(), program, increments, batch: plan.trials.len(), variant };
    let options = Options { memory_bytes: settings.device_memory, retune: settings.retune, ..Default::default() };
    let engine = backend.load(&load, settings.precision, &options)?;
    let engine = match faults {
        None => engine,
        Some(faults) => Box::new(Faulty { inner: engine, faults: faults.clone() }),
    };
    Ok((engine, visible))
}

/// The variant without the operator's name in front.
pub(super) fn bare(variant: &str) -> String {
    variant.split_once('/').map_or(variant, |(_, name)| name).to_owned()
}
