//! Contenders run one after another on the problems of a study.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::report::Environment;
use crate::reproduce::StageTime;
use crate::reproduce::data::{Moment, Stage};
use lowrank::Backend;
use lowrank::Result;
use lowrank::solver::{Problem, Settings, Solver, Status, TraceRow, TrialParameters};

/// Contender with its names in tables and figures, and its style.
#[derive(Clone, Debug, PartialEq)]
pub struct RaceEntry {
    /// Name in CSV files and claims.
    pub name: String,
    /// Condition number in the convention of the study.
    pub condition_number: f64,
    /// Method and parameters in words.
    pub label: String,
}

impl RaceEntry {
    pub(super) fn new(name: &str, condition_number: f64, label: impl Into<String>) -> Self {
        Self { name: name.into(), condition_number, label: label.into() }
    }
}

/// One run of the solver, with one trial per entry.
pub(super) struct Heat {
    pub name: String,
    pub problem: Problem,
    pub settings: Settings,
    pub entries: Vec<RaceEntry>,
    /// Expected share of the study's work, in any unit.
    pub work: f64,
}

/// Result of one entry.
#[derive(Clone, Debug)]
pub struct RaceCourse {
    pub entry: RaceEntry,
    pub parameters: TrialParameters,
    pub status: Status,
    pub trace: Vec<TraceRow>,
}

impl RaceCourse {
    /// Returns the first observation with a relative error of at most `target`.
    pub fn reached(&self, target: f64) -> Option<&TraceRow> {
        self.trace.iter().find(|row| row.relative_error.is_some_and(|error| error <= target))
    }

    /// Returns the iteration of that observation.
    pub fn iterations_to(&self, target: f64) -> Option<usize> {
        self.reached(target).map(|row| row.iteration)
    }

    /// Returns the relative error of the last observation.
    pub fn last_error(&self) -> Option<f64> {
        self.trace.last()?.relative_error.filter(|error| error.is_finite())
    }

    /// Returns the number of iterations.
    pub fn iterations(&self) -> usize {
        self.trace.last().map_or(0, |row| row.iteration)
    }
}

/// Results of all entries.
pub(super) struct Finish {
    pub courses: Vec<RaceCourse>,
    pub environment: Option<Environment>,
    pub times: Vec<StageTime>,
    pub interrupted: bool,
}

/// Runs all entries; an interrupted entry and later ones are missing.
pub(super) fn race(
    heats: Vec<Heat>,
    backend: &Backend,
    mut observer: impl FnMut(&Moment<'_>) -> ControlFlow<()>,
) -> Result<Finish> {
    let (count, total) = (heats.len(), heats.iter().map(|heat| heat.work).sum::<f64>());
    let mut finish = Finish { courses: Vec::new(), environment: None, times: Vec::new(), interrupted: false };
    let mut before = 0.0;
    for (index, heat) in heats.into_iter().enumerate() {
        let mut stage = Stage { name: heat.name.clone(), index, count, done: before / total };
        let started = Instant::now();
        let mut solver = Solver::new(heat.problem, heat.settings, backend.clone())?;
        finish.environment.get_or_insert_with(|| Environment::new(solver.engine()));
        let mut stopped = false;
        let solution = solver.solve_with(|progress| {
            let share = progress.iteration as f64 / progress.max_iterations.max(1) as f64;
            stage.done = ((before + heat.work * share) / total).clamp(0.0, 1.0);
            let flow = observer(&Moment { stage: &stage, progress });
            stopped |= flow.is_break();
            flow
        })?;
        before += heat.work;
        if stopped {
            finish.interrupted = true;
            break;
        }
        finish.times.push(StageTime { stage: stage.name, seconds: started.elapsed().as_secs_f64() });
        for (trial, entry) in solution.trials.iter().zip(heat.entries) {
            let trace = solution.trace.iter().filter(|row| row.trial == trial.parameters.trial).copied().collect();
            finish.courses.push(RaceCourse {
                entry,
                parameters: trial.parameters.clone(),
                status: trial.status,
                trace,
            });
        }
    }
    Ok(finish)
}
