//! Runs the solves that are still to be run, batch after batch.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use serde_json::{Map, Value, json};

use crate::sweep::probes::Probes;
use crate::sweep::schedule::{self, Group};
use crate::sweep::{Cell, Grid, Seeds};
use lowrank::Backend;
use lowrank::Result;
use lowrank::engine::EngineInfo;
use lowrank::internals::measure;
use lowrank::internals::solver::Identity;
use lowrank::internals::{Purpose, normals};
use lowrank::methods::{Method, StartKind, StepSize};
use lowrank::operators::{Operator, Storage};
use lowrank::problem::Truth;
use lowrank::solver::{Problem, Progress, Settings, Solution, Solver, Status};

/// What came out of one solve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub status: Status,
    pub iterations: usize,
    pub train_loss: f64,
    /// NaN where the first iterate already overflowed.
    pub relative_error: f64,
    /// μ, also where it was chosen automatically; `None` where the method finds its steps.
    pub step_size: Option<f64>,
    /// α, also where it was chosen automatically; `None` where the method starts otherwise.
    pub init_scale: Option<f64>,
    /// The share of its batch's time, in proportion to its iterations.
    pub seconds: f64,
}

impl Outcome {
    /// Whether the relative error is at most `success`.
    pub fn succeeded(&self, success: f64) -> bool {
        self.relative_error <= success
    }
}

/// Where a sweep stands, at every observation of a batch.
#[derive(Clone, Copy, Debug)]
pub struct SweepProgress {
    /// Solves that have an outcome, those of earlier runs included.
    pub finished: usize,
    pub solves: usize,
    /// Work done and in all: rows of each solve's operator, which is what one of its iterations costs.
    pub work: u64,
    pub all_work: u64,
    /// Iteration of the running batch.
    pub iteration: usize,
    /// Its trials that still run.
    pub active: usize,
}

/// A checked grid on a backend, cut into groups.
pub struct Sweep {
    grid: Grid,
    method: Method,
    cells: Vec<Cell>,
    probes: Probes,
    backend: Backend,
    groups: Vec<Group>,
    batch: usize,
}

impl Sweep {
    /// Plans; `batch` bounds the trials that advance together (results do not depend on it).
    ///
    /// # Errors
    /// [`lowrank::Error::Invalid`] for a grid that [`Grid::check`] refuses, a batch of 0, or more memory than there is.
    pub fn new(grid: Grid, backend: Backend, batch: usize) -> Result<Self> {
        grid.check()?;
        if batch == 0 {
            return Err(lowrank::Error::invalid("batch", 0, "at least 1", "64 suit most machines"));
        }
        let (cells, method, probes) = (grid.cells(), grid.method_in_use(), Probes::new(&grid)?);
        let groups = schedule::groups(&grid, &cells, schedule::read_price(&backend), &probes);
        let need = schedule::memory_need(&grid, &cells, &groups, batch, (&backend, &probes));
        schedule::require_memory(&grid, need)?;
        Ok(Self { grid, method, cells, probes, backend, groups, batch })
    }

    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The method that runs, also where the solver chose it.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// What identifies the sweep: everything that its numbers depend on, the method that runs among them. `backend` is
    /// the word that was asked for.
    pub fn identity(&self, backend: &str) -> Map<String, Value> {
        let mut settings = json!(self.grid);
        settings["method"] = self.method.to_string().into();
        Identity::of_experiment(settings, if backend == "auto" { self.backend_word() } else { backend })
            .entries()
            .clone()
    }

    /// Sentences about choices and doubts.
    pub fn notices(&self) -> Vec<String> {
        let chosen = format!("method {}: the solver's choice for this grid", self.method);
        let chosen = self.grid.method.is_none().then_some(chosen);
        chosen.into_iter().chain(self.probes.doubts(&self.grid, &self.cells)).collect()
    }

    /// `reference`, `cpu` or `gpu`.
    pub fn backend_word(&self) -> &'static str {
        self.backend.word()
    }

    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Number of solves: cells times repetitions.
    pub fn solves(&self) -> usize {
        self.cells.len() * self.grid.repetitions
    }

    /// Bytes held at the most demanding moment, about.
    pub fn memory_need(&self) -> f64 {
        schedule::memory_need(&self.grid, &self.cells, &self.groups, self.batch, (&self.backend, &self.probes))
    }

    /// Loads of an operator.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Cell, repetition and seeds of a solve.
    ///
    /// # Panics
    /// Where there is no such solve, as slices do.
    pub fn solve(&self, solve: usize) -> (&Cell, usize, Seeds) {
        let (cell, repetition) = (&self.cells[solve / self.grid.repetitions], solve % self.grid.repetitions);
        (cell, repetition, self.grid.seeds(cell, repetition))
    }

    /// How many rows the operator has on which each solve runs: with it, the seeds and `Trial::rows` a solve can be
    /// repeated alone.
    pub fn operator_rows(&self) -> Vec<usize> {
        let mut rows = vec![0; self.solves()];
        for group in &self.groups {
            group.solves.iter().for_each(|&solve| rows[solve] = group.rows);
        }
        rows
    }

    /// Runs every solve whose entry of `outcomes` is empty. `finished` gets the results of each batch as it ends;
    /// `observe` may break, which keeps those trials of the running batch that had ended. Returns whether every solve
    /// has an outcome now.
    ///
    /// # Errors
    /// Those of the device, and those of `finished`.
    pub fn run(
        &self,
        outcomes: &mut [Option<Outcome>],
        mut finished: impl FnMut(&EngineInfo, &[(usize, Outcome)]) -> Result<()>,
        mut observe: impl FnMut(&SweepProgress) -> ControlFlow<()>,
    ) -> Result<bool> {
        let rows = self.operator_rows();
        let all_work = rows.iter().map(|&rows| rows as u64).sum();
        let done = |outcomes: &[Option<Outcome>]| -> (usize, u64) {
            let of = |(rows, outcome): (&usize, &Option<Outcome>)| outcome.map(|_| *rows as u64);
            let ended: Vec<u64> = rows.iter().zip(outcomes).filter_map(of).collect();
            (ended.len(), ended.iter().sum())
        };
        for group in &self.groups {
            let pending: Vec<usize> = group.solves.iter().copied().filter(|&s| outcomes[s].is_none()).collect();
            if pending.is_empty() {
                continue;
            }
            let domain = self.grid.domain(group.size);
            let operator = (self.grid.operator.generate)(domain, group.rows, group.operator_seed, Storage::F32)?;
            // Batches of equal size keep one loaded solver busy.
            let limit = schedule::batch_limit(&self.grid, &self.cells, group, self.batch, &self.probes);
            let size = pending.len().div_ceil(pending.len().div_ceil(limit));
            let mut loaded: Option<Solver> = None;
            for batch in pending.chunks(size) {
                let started = Instant::now();
                let (problem, settings) = self.batch(&operator, batch)?;
                let fits = match &mut loaded {
                    Some(solver) => solver.reload(&problem, &settings)?,
                    None => false,
                };
                let mut solver = match loaded.take() {
                    Some(solver) if fits => solver,
                    _ => Solver::new(problem, settings, self.backend.clone())?,
                };
                let before = done(outcomes);
                let mut broken = false;
                let solution = solver.solve_with(|progress: &Progress<'_>| {
                    let ended = batch.len() - progress.active;
                    let step = observe(&SweepProgress {
                        finished: before.0 + ended,
                        solves: rows.len(),
                        work: before.1 + (ended * group.rows) as u64,
                        all_work,
                        iteration: progress.iteration,
                        active: progress.active,
                    });
                    broken |= step.is_break();
                    step
                })?;
                let results = self.results(&solution, batch, started.elapsed().as_secs_f64());
                results.iter().for_each(|&(solve, outcome)| outcomes[solve] = Some(outcome));
                finished(solver.engine(), &results)?;
                if broken {
                    return Ok(outcomes.iter().all(Option::is_some));
                }
                loaded = Some(solver);
            }
        }
        Ok(true)
    }

    /// The problem and settings of a batch: an instance and a trial for each solve.
    fn batch(&self, operator: &Arc<dyn Operator>, solves: &[usize]) -> Result<(Problem, Settings)> {
        let drawn: Vec<(Truth, Vec<f64>)> = (solves.par_iter())
            .map(|&solve| {
                let (cell, _, seeds) = self.solve(solve);
                let truth = self.grid.model.truth(&operator.domain(), Some(cell.rank))?;
                let truth = truth.condition_number(cell.condition_number).seed(seeds.truth).build()?;
                let mut y = measure(&**operator, &truth.as_factors()?);
                if cell.noise_std > 0.0 {
                    // What `Problem::with_noise` adds to a first instance.
                    let noise = normals(seeds.noise, Purpose::Noise, cell.noise_std, operator.measurements());
                    y.iter_mut().zip(noise).for_each(|(y, e)| *y += e);
                }
                Ok((truth, y))
            })
            .collect::<Result<_>>()?;
        let (truths, observations) = drawn.into_iter().unzip();
        let problem = Problem::batch(operator.clone(), observations)?.with_truths(truths)?;
        let trials = solves.iter().enumerate().map(|(instance, &solve)| {
            let (cell, _, seeds) = self.solve(solve);
            Grid::trial(cell).instance(instance).seed(seeds.init)
        });
        // Batches of any size run the same method.
        Ok((problem, self.grid.settings().method(self.grid.method_in_use()).trials(trials)))
    }

    /// Outcomes of the trials that ended by themselves.
    fn results(&self, solution: &Solution, solves: &[usize], seconds: f64) -> Vec<(usize, Outcome)> {
        // Iteration 0 costs a pass, too.
        let passes: usize = solution.trials.iter().map(|t| t.iterations + 1).sum();
        let has_step = self.method.step_size() != StepSize::Found;
        let has_scale = self.method.start(None) == StartKind::SmallRandom;
        let ended = solves.iter().zip(&solution.trials).filter(|(_, t)| t.status != Status::Interrupted);
        ended
            .map(|(&solve, t)| {
                let cell = self.solve(solve).0;
                let outcome = Outcome {
                    status: t.status,
                    iterations: t.iterations,
                    train_loss: t.train_loss,
                    relative_error: t.relative_error.unwrap_or(f64::NAN),
                    step_size: cell.step_size.or(Some(t.parameters.step_size).filter(|_| has_step)),
                    init_scale: t.parameters.init_scale.filter(|_| has_scale),
                    seconds: seconds * (t.iterations + 1) as f64 / passes as f64,
                };
                (solve, outcome)
            })
            .collect()
    }
}
