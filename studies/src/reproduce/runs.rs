//! Runs behind the figures: problems, batches and stop times.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Instant;

use crate::report::Environment;
use crate::reproduce::StageTime;
use crate::reproduce::data::{
    Moment, PhaseRun, Results, ScalePoint, ScaleRun, Stage, StartTime, TimesRun, WidthRun, WidthTrial,
};
use crate::reproduce::facts::Facts;
use crate::reproduce::settings::{Ensemble, Experiment, Ss21};
use lowrank::Backend;
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::methods::Method;
use lowrank::problem::{Truth, packed_len, synthetic};
use lowrank::solver::{Init, Problem, Schedule, Settings, Solution, Solver, Stop, Trial};

/// Maximal bytes of the measurement matrices of an extra run.
const MOST_BYTES: usize = 3 << 30;
/// Observation interval of the scale runs.
const SCALE_EVERY: usize = 5;
const BEFORE: usize = 20;

pub(crate) struct Outcome {
    pub results: Results,
    pub environment: Option<Environment>,
    pub times: Vec<StageTime>,
    pub interrupted: bool,
}

/// A problem with its facts.
struct Case {
    problem: Problem,
    facts: Facts,
}

impl Case {
    fn new(settings: &Ss21, n: usize, measurements: usize) -> Result<Self> {
        let truth: Truth = synthetic::psd(n)
            .rank(settings.rank)
            .condition_number(settings.condition_number)
            .seed(settings.seed)
            .build()?;
        let problem = settings.operator.measure(truth.clone(), measurements, settings.seed)?;
        let facts = Facts::new(&problem, &truth, settings)?;
        Ok(Self { problem, facts })
    }
}

/// Pending stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Phases,
    Times,
    Scale,
    Slope(usize),
    Width,
}

struct Runner<'a, F> {
    settings: &'a Ss21,
    backend: &'a Backend,
    observer: F,
    parts: Vec<(Part, f64)>,
    times: Vec<StageTime>,
    environment: Option<Environment>,
    interrupted: bool,
}

pub(crate) fn run(
    settings: &Ss21,
    experiments: &[Experiment],
    backend: &Backend,
    observer: impl FnMut(&Moment<'_>) -> ControlFlow<()>,
) -> Result<Outcome> {
    settings.check()?;
    let wants = |e: Experiment| experiments.contains(&e);
    let mut results = Results {
        wants_phases: wants(Experiment::Phases),
        wants_spectral: wants(Experiment::Spectral),
        ..Results::default()
    };
    let mut factors = Vec::new();
    if wants(Experiment::Scale) {
        for &factor in &settings.slope_factors {
            let rows = factor * settings.slope_size * settings.rank;
            let bytes = rows.saturating_mul(packed_len(settings.slope_size)).saturating_mul(4);
            if settings.rank > settings.slope_size {
                let size = settings.slope_size;
                results.skipped.push((factor, format!("n = {size} of the extra runs is below r* = {}", settings.rank)));
            } else if settings.operator == Ensemble::Entries && rows > packed_len(settings.slope_size) {
                let all = packed_len(settings.slope_size);
                results.skipped.push((factor, format!("a matrix has {all} distinct entries, and {rows} are asked")));
            } else if settings.operator == Ensemble::Dense && bytes > MOST_BYTES {
                let reason = format!("{rows} matrices would take {:.1} GiB", bytes as f64 / f64::from(1 << 30));
                results.skipped.push((factor, reason));
            } else {
                factors.push(factor);
            }
        }
    }
    let started = Instant::now();
    let main = Case::new(settings, settings.n, settings.measurements)?;
    let mut runner = Runner {
        settings,
        backend,
        observer,
        parts: parts(settings, &main.facts, experiments, &factors),
        times: vec![StageTime { stage: "measurements".into(), seconds: started.elapsed().as_secs_f64() }],
        environment: None,
        interrupted: false,
    };
    for (part, _) in runner.parts.clone() {
        match part {
            Part::Phases => results.phases = runner.phases(&main)?,
            Part::Times => results.times = runner.starts(&main)?,
            Part::Width => results.width = runner.width(&main)?,
            Part::Scale => results.scale = runner.scale(&main, settings.scale_search_rank, part)?,
            Part::Slope(factor) => {
                let n = settings.slope_size;
                let case = Case::new(settings, n, factor * n * settings.rank)?;
                let wide = (3 * n / 4).max(2 * settings.rank);
                results.slopes.extend(runner.scale(&case, wide, part)?);
            }
        }
        if runner.interrupted {
            break;
        }
    }
    let Runner { times, environment, interrupted, .. } = runner;
    Ok(Outcome { results, environment, times, interrupted })
}

/// Returns the stages in order, with their work: trials × iterations × measurement entries.
fn parts(s: &Ss21, facts: &Facts, experiments: &[Experiment], factors: &[usize]) -> Vec<(Part, f64)> {
    let entries = |n: usize, m: usize| packed_len(n) as f64 * m as f64;
    let main = entries(s.n, s.measurements);
    let scale = s.scales.len() as f64 * facts.stop_time(Ss21::smallest(&s.scales), s.scale_search_rank) as f64;
    let mut parts = Vec::new();
    let wants = |e: Experiment| experiments.contains(&e);
    if wants(Experiment::Phases) || wants(Experiment::Spectral) {
        parts.push((Part::Phases, main * facts.stop_time(s.init_scale, s.search_rank) as f64));
    }
    if wants(Experiment::Phases) {
        let last = facts.expected_t_1(Ss21::smallest(&s.time_scales), s.search_rank);
        let last = if last.is_finite() { last } else { 300.0 };
        parts.push((Part::Times, main * s.time_scales.len() as f64 * last));
    }
    if wants(Experiment::Scale) {
        // Twice as dear: double precision.
        parts.push((Part::Scale, 2.0 * main * scale));
        for &factor in factors {
            parts.push((Part::Slope(factor), 2.0 * scale * entries(s.slope_size, factor * s.slope_size * s.rank)));
        }
    }
    if wants(Experiment::Width) {
        let typical = facts.expected_t_1(s.init_scale, s.search_rank) + 30.0;
        let typical = if typical.is_finite() { typical } else { 100.0 };
        parts.push((Part::Width, main * (s.widths.len() * s.starts) as f64 * typical));
    }
    parts
}

impl<F: FnMut(&Moment<'_>) -> ControlFlow<()>> Runner<'_, F> {
    /// Solves under the observer; `None` if it stopped the study.
    fn solve(&mut self, part: Part, problem: &Problem, settings: Settings) -> Result<Option<Solution>> {
        let index = self.parts.iter().position(|p| p.0 == part).unwrap_or(0);
        let total: f64 = self.parts.iter().map(|p| p.1).sum();
        let before: f64 = self.parts[..index].iter().map(|p| p.1).sum();
        let work = self.parts.get(index).map_or(0.0, |p| p.1);
        let mut stage = Stage { name: title(part), index, count: self.parts.len(), done: before / total };
        let started = Instant::now();
        let mut solver = Solver::new(problem.clone(), settings, self.backend.clone())?;
        self.environment.get_or_insert_with(|| Environment::new(solver.engine()));
        let (observer, mut stopped) = (&mut self.observer, false);
        let solution = solver.solve_with(|progress| {
            let share = progress.iteration as f64 / progress.max_iterations.max(1) as f64;
            stage.done = ((before + work * share) / total).clamp(0.0, 1.0);
            let flow = observer(&Moment { stage: &stage, progress });
            stopped |= flow.is_break();
            flow
        })?;
        self.interrupted |= stopped;
        self.times.push(StageTime { stage: stage.name, seconds: started.elapsed().as_secs_f64() });
        Ok((!stopped).then_some(solution))
    }

    fn base(&self, iterations: usize, precision: Precision) -> Settings {
        Settings::new(Method::gd())
            .step_size(self.settings.step_size)
            .precision(precision)
            .observe(Schedule::Every(1))
            .stop(limited(iterations))
    }

    fn start(&self) -> Init {
        Init::SmallRandom { scale: self.settings.init_scale, seed: self.settings.seed }
    }

    /// Returns f32 unless another precision was requested; the reference backend always uses f64.
    fn single(&self) -> Precision {
        match self.backend {
            Backend::Reference => Precision::F64,
            _ => self.settings.precision.unwrap_or(Precision::F32),
        }
    }

    /// Returns f64 if the backend has it, because the smallest α end below the resolution of f32.
    fn double(&self) -> Precision {
        match self.backend {
            Backend::Gpu(_) => self.single(),
            _ => self.settings.precision.unwrap_or(Precision::F64),
        }
    }

    fn phases(&mut self, case: &Case) -> Result<Option<PhaseRun>> {
        let s = self.settings;
        let iterations = case.facts.stop_time(s.init_scale, s.search_rank);
        let settings =
            self.base(iterations, self.single()).search_rank(s.search_rank).init(self.start()).diagnose(true);
        let Some(solution) = self.solve(Part::Phases, &case.problem, settings)? else { return Ok(None) };
        Ok(Some(PhaseRun {
            facts: case.facts.clone(),
            search_rank: s.search_rank,
            init_scale: s.init_scale,
            precision: solution.engine.precision,
            phases: solution.trials[0].phases.clone().unwrap_or_default(),
            trace: solution.trace,
        }))
    }

    fn starts(&mut self, case: &Case) -> Result<Option<TimesRun>> {
        let s = self.settings;
        let last = case.facts.expected_t_1(Ss21::smallest(&s.time_scales), s.search_rank);
        let iterations = if last.is_finite() { (1.15 * last) as usize + 15 } else { 300 }.min(2000);
        let settings = self
            .base(iterations, self.single())
            .search_rank(s.search_rank)
            .init(self.start())
            .diagnose(true)
            .trials(s.time_scales.iter().map(|&scale| Trial::default().init_scale(scale)));
        let Some(solution) = self.solve(Part::Times, &case.problem, settings)? else { return Ok(None) };
        let starts = (solution.trials.iter().zip(&s.time_scales))
            .map(|(t, &init_scale)| StartTime { init_scale, phases: t.phases.clone().unwrap_or_default() })
            .collect();
        let precision = solution.engine.precision;
        let (facts, search_rank) = (case.facts.clone(), s.search_rank);
        Ok(Some(TimesRun { facts, search_rank, precision, stop_time: iterations, starts }))
    }

    fn scale(&mut self, case: &Case, search_rank: usize, part: Part) -> Result<Option<ScaleRun>> {
        let s = self.settings;
        let stop_time = case.facts.stop_time(Ss21::smallest(&s.scales), search_rank);
        let settings = self
            .base(stop_time, self.double())
            .observe(Schedule::Every(SCALE_EVERY))
            .search_rank(search_rank)
            .init(self.start())
            .diagnose(true)
            .trials(s.scales.iter().map(|&scale| Trial::default().init_scale(scale)));
        let Some(solution) = self.solve(part, &case.problem, settings)? else { return Ok(None) };
        let earlier: HashMap<usize, f64> = (solution.trace.iter())
            .filter(|r| r.iteration + BEFORE == stop_time)
            .filter_map(|r| Some((r.trial, r.relative_error?)))
            .collect();
        let points = (solution.trials.iter().zip(&s.scales).enumerate())
            .map(|(trial, (t, &init_scale))| ScalePoint {
                init_scale,
                test_error: t.relative_error.unwrap_or(f64::NAN),
                train_loss: t.train_loss,
                earlier_error: earlier.get(&trial).copied().unwrap_or(f64::NAN),
                phases: t.phases.clone().unwrap_or_default(),
            })
            .collect();
        let factor = match part {
            Part::Slope(factor) => Some(factor),
            _ => None,
        };
        let precision = solution.engine.precision;
        Ok(Some(ScaleRun { facts: case.facts.clone(), factor, search_rank, precision, stop_time, points }))
    }

    fn width(&mut self, case: &Case) -> Result<Option<WidthRun>> {
        let s = self.settings;
        // The narrowest width may need several times what the others do.
        let expected = case.facts.expected_t_1(s.init_scale, s.widths[0]);
        let limit = if expected.is_finite() { (2.0 * expected).clamp(100.0, 2000.0) as usize + 100 } else { 300 };
        let grid: Vec<(usize, u64)> =
            s.widths.iter().flat_map(|&k| (0..s.starts as u64).map(move |i| (k, s.seed.wrapping_add(i)))).collect();
        let stop = limited(limit).relative_error(s.target);
        let settings = self.base(limit, self.single()).init(self.start()).stop(stop);
        let settings = settings.trials(grid.iter().map(|&(k, seed)| Trial::default().search_rank(k).seed(seed)));
        let Some(solution) = self.solve(Part::Width, &case.problem, settings)? else { return Ok(None) };
        let trials = (solution.trials.iter().zip(&grid))
            .map(|(t, &(search_rank, seed))| WidthTrial {
                search_rank,
                seed,
                iterations: t.relative_error.filter(|e| *e <= s.target).map(|_| t.iterations),
            })
            .collect();
        Ok(Some(WidthRun {
            facts: case.facts.clone(),
            init_scale: s.init_scale,
            target: s.target,
            limit,
            precision: solution.engine.precision,
            trials,
        }))
    }
}

fn title(part: Part) -> String {
    match part {
        Part::Phases => "phases".into(),
        Part::Times => "times against α".into(),
        Part::Scale => "scale".into(),
        Part::Slope(factor) => format!("scale at m = {factor}·n·r*"),
        Part::Width => "width".into(),
    }
}

/// Returns a limit on iterations without a stall rule, because the figures show plateaus.
fn limited(iterations: usize) -> Stop {
    Stop::default().max_iterations(iterations).stall_window(None)
}
