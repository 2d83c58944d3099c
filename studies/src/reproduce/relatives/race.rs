//! Contenders run one after another on the problems of a study; then it measures its own curves.

use std::time::Instant;

use super::tasks::{MeasuredCurve, Task};
use crate::report::Environment;
use crate::reproduce::StageTime;
use crate::reproduce::data::{Moment, Stage, StudyObserver};
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

/// Results of all entries and tasks.
#[derive(Default)]
pub(super) struct Finish {
    pub courses: Vec<RaceCourse>,
    pub curves: Vec<MeasuredCurve>,
    pub environment: Option<Environment>,
    pub times: Vec<StageTime>,
    pub interrupted: bool,
}

/// Runs all entries, then all tasks; an interrupted one and later ones are missing.
pub(super) fn race(
    heats: Vec<Heat>,
    tasks: Vec<Task<'_>>,
    backend: &Backend,
    observer: &mut impl StudyObserver,
) -> Result<Finish> {
    let works: Vec<f64> = heats.iter().map(|heat| heat.work).chain(tasks.iter().map(|task| task.work)).collect();
    let (count, total) = (works.len(), works.iter().sum::<f64>());
    // The stage of an index at a share of its work.
    let stage = |name: &str, index: usize, share: f64| {
        let before: f64 = works[..index].iter().sum();
        let done = ((before + works[index] * share) / total).clamp(0.0, 1.0);
        Stage { name: name.into(), index, count, done }
    };
    let (mut finish, first_task) = (Finish::default(), heats.len());
    for (index, heat) in heats.into_iter().enumerate() {
        let started = Instant::now();
        let mut solver = Solver::new(heat.problem, heat.settings, backend.clone())?;
        finish.environment.get_or_insert_with(|| Environment::new(solver.engine()));
        let solution = solver.solve_with(|progress| {
            let share = progress.iteration as f64 / progress.max_iterations.max(1) as f64;
            let flow = observer.run(&Moment { stage: &stage(&heat.name, index, share), progress });
            finish.interrupted |= flow.is_break();
            flow
        })?;
        if finish.interrupted {
            return Ok(finish);
        }
        finish.times.push(StageTime { stage: heat.name, seconds: started.elapsed().as_secs_f64() });
        for (trial, entry) in solution.trials.iter().zip(heat.entries) {
            let trace = solution.trace.iter().filter(|row| row.trial == trial.parameters.trial).copied().collect();
            let (parameters, status) = (trial.parameters.clone(), trial.status);
            finish.courses.push(RaceCourse { entry, parameters, status, trace });
        }
    }
    for (index, task) in tasks.into_iter().enumerate() {
        let started = Instant::now();
        finish.environment.get_or_insert_with(Environment::host);
        let curves = (task.measure)(&mut |share| {
            let flow = observer.stage(&stage(&task.name, first_task + index, share));
            finish.interrupted |= flow.is_break();
            flow
        })?;
        if finish.interrupted {
            return Ok(finish);
        }
        finish.times.push(StageTime { stage: task.name, seconds: started.elapsed().as_secs_f64() });
        finish.curves.extend(curves);
    }
    Ok(finish)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    /// Notes the stages that it sees, and stops after so many.
    struct Patience(Vec<Stage>, usize);

    impl StudyObserver for Patience {
        fn run(&mut self, _: &Moment<'_>) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }

        fn stage(&mut self, stage: &Stage) -> ControlFlow<()> {
            self.0.push(stage.clone());
            if self.0.len() < self.1 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }

    fn tasks<'a>() -> Vec<Task<'a>> {
        let task = |name: &'static str, work: f64| {
            Task::new(name, work, move |tick| {
                let points =
                    (0..4).map_while(|t| tick(f64::from(t) / 4.0).is_continue().then_some((f64::from(t), 1.0)));
                Ok(vec![MeasuredCurve::new("all", name, name, points.collect())])
            })
        };
        vec![task("first", 1.0), task("second", 3.0)]
    }

    #[test]
    fn tasks_report_their_share_of_the_work_and_stop_where_they_are_told() {
        let mut watch = Patience(Vec::new(), usize::MAX);
        let whole = race(Vec::new(), tasks(), &Backend::Cpu, &mut watch).unwrap();
        let names: Vec<&str> = whole.curves.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
        assert!(!whole.interrupted && whole.environment.is_some() && whole.times.len() == 2);
        let done: Vec<f64> = watch.0.iter().map(|stage| stage.done).collect();
        assert_eq!(done, [0.0, 0.0625, 0.125, 0.1875, 0.25, 0.4375, 0.625, 0.8125]);
        assert!(watch.0.iter().all(|stage| stage.count == 2) && watch.0[4].index == 1);

        let stopped = race(Vec::new(), tasks(), &Backend::Cpu, &mut Patience(Vec::new(), 6)).unwrap();
        assert!(stopped.interrupted && stopped.times.len() == 1);
        assert_eq!(stopped.curves, whole.curves[..1]);
    }
}
