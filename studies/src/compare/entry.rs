//! What one contender did, and when it was how far.

use serde::{Deserialize, Serialize};

use crate::compare::Metric;
use crate::sweep::quantile;
use lowrank::methods::{Method, StepRule};
use lowrank::solver::{Init, Settings, Solution, Status};

/// Where an entry's trials began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Start {
    /// At a small random one.
    Random,
    /// At the leading eigenvectors or singular vectors of s·A*(y).
    Spectral,
    /// At factors that were given.
    Given,
}

impl Start {
    pub fn word(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Spectral => "spectral",
            Self::Given => "given",
        }
    }
}

/// One observation of one trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub trial: usize,
    pub iteration: usize,
    /// Since the iteration began, looks included.
    pub seconds: f64,
    /// In the comparison's [`Metric`]; absent where it is not finite.
    pub error: Option<f64>,
    pub train_loss: f64,
}

/// A contender's result. Numbers "to a level" are those of the first observation whose error is at most that level, so that
/// they are as fine as the schedule of observations is.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number among all contenders.
    pub position: usize,
    pub label: String,
    pub method: Method,
    pub start: Start,
    pub step_rule: StepRule,
    /// Passes over the measurements in an iteration, those for looks not counted.
    pub passes: f64,
    /// For each trial, in how many iterations its damping had to be raised.
    pub damping_raised: Vec<usize>,
    pub solution: Solution,
    metric: Metric,
}

/// What is known once a contender has run.
pub(super) struct Ran {
    pub(super) solution: Solution,
    pub(super) passes: f64,
    pub(super) damping_raised: Vec<usize>,
}

/// The middle of some values, those that are absent counting as infinite; `None` where the middle is not finite.
fn median(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = values.map(|v| v.filter(|v| !v.is_nan()).unwrap_or(f64::INFINITY)).collect();
    values.sort_by(f64::total_cmp);
    Some(quantile(&values, 0.5)).filter(|middle| middle.is_finite())
}

impl Entry {
    pub(super) fn new(
        (position, label, method): (usize, String, Method),
        settings: Settings,
        metric: Metric,
        ran: Ran,
    ) -> Self {
        let Ran { solution, passes, damping_raised } = ran;
        let start = match settings.chosen_init() {
            Init::Given(_) => Start::Given,
            _ if solution.trials.iter().any(|t| t.parameters.init_scale.is_none()) => Start::Spectral,
            _ => Start::Random,
        };
        let step_rule = method.step_rule();
        Self { position, label, method, start, step_rule, passes, damping_raised, solution, metric }
    }

    /// What its errors are.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Observations of all trials, by iteration and then by trial.
    pub fn points(&self) -> Vec<Point> {
        let scales: Vec<Option<f64>> = self.solution.trials.iter().map(|t| self.metric.scale(t)).collect();
        let point = |row: &lowrank::TraceRow| Point {
            trial: row.trial,
            iteration: row.iteration,
            seconds: row.seconds,
            error: self.metric.at(row, scales.get(row.trial).copied().flatten()),
            train_loss: row.train_loss,
        };
        self.solution.trace.iter().map(point).collect()
    }

    /// The first observation of a trial with an error of at most `level`.
    pub fn reached(&self, trial: usize, level: f64) -> Option<Point> {
        let scale = self.metric.scale(self.solution.trials.get(trial)?);
        let row = (self.solution.trace.iter().filter(|row| row.trial == trial))
            .find(|row| self.metric.at(row, scale).is_some_and(|error| error <= level))?;
        let error = self.metric.at(row, scale);
        Some(Point { trial, iteration: row.iteration, seconds: row.seconds, error, train_loss: row.train_loss })
    }

    /// One curve for all trials: at each observation the median of their errors, where a trial that has ended keeps its last
    /// error and one that has diverged counts as infinite. Points (iteration, seconds, error); those with no finite median are left out.
    pub fn median_curve(&self) -> Vec<(usize, f64, f64)> {
        let mut latest = vec![None; self.solution.trials.len()];
        let mut curve = Vec::new();
        for looks in self.points().chunk_by(|a, b| a.iteration == b.iteration) {
            for point in looks {
                if let Some(slot) = latest.get_mut(point.trial) {
                    *slot = point.error;
                }
            }
            curve.extend(median(latest.iter().copied()).map(|error| (looks[0].iteration, looks[0].seconds, error)));
        }
        curve
    }

    fn over_trials(&self, of: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        median((0..self.solution.trials.len()).map(of))
    }

    /// Iterations of a trial to a level.
    pub fn iterations_to(&self, trial: usize, level: f64) -> Option<usize> {
        self.reached(trial, level).map(|point| point.iteration)
    }

    /// Seconds of a trial to a level. Trials advance together, so that these are seconds of the whole batch.
    pub fn seconds_to(&self, trial: usize, level: f64) -> Option<f64> {
        self.reached(trial, level).map(|point| point.seconds)
    }

    /// Median of [`Entry::iterations_to`] over trials, those that never get there counting as infinite; `None` where it is.
    pub fn median_iterations_to(&self, level: f64) -> Option<f64> {
        self.over_trials(|trial| self.iterations_to(trial, level).map(|iterations| iterations as f64))
    }

    /// Median of [`Entry::seconds_to`] over trials, in the same way.
    pub fn median_seconds_to(&self, level: f64) -> Option<f64> {
        self.over_trials(|trial| self.seconds_to(trial, level))
    }

    /// Median over trials of the error of the factor that each returned; `None` where most have none that is finite.
    pub fn final_error(&self) -> Option<f64> {
        self.over_trials(|trial| self.metric.of_result(self.solution.trials.get(trial)?))
    }

    /// Median over trials of the training loss of the factor that each returned.
    pub fn final_loss(&self) -> Option<f64> {
        self.over_trials(|trial| Some(self.solution.trials.get(trial)?.train_loss))
    }

    /// Median over trials of the iterations that were carried out.
    pub fn iterations(&self) -> Option<f64> {
        self.over_trials(|trial| Some(self.solution.trials.get(trial)?.iterations as f64))
    }

    /// Time from the first observation to the last over the iterations between them, looks included; `None` without any. Looks
    /// have a share in [`Timing::seconds_per_iteration`](lowrank::solver::Timing) too, which begins where they end: an iteration
    /// goes on from the gradient that a look found.
    pub fn seconds_per_iteration(&self) -> Option<f64> {
        let (first, last) = (self.solution.trace.first()?, self.solution.trace.last()?);
        (last.iteration > 0).then(|| (last.seconds - first.seconds) / last.iteration as f64)
    }

    /// How its trials ended, with their numbers, in the order of the first of each.
    pub fn statuses(&self) -> Vec<(Status, usize)> {
        let mut counts: Vec<(Status, usize)> = Vec::new();
        for trial in &self.solution.trials {
            match counts.iter_mut().find(|(status, _)| *status == trial.status) {
                Some((_, count)) => *count += 1,
                None => counts.push((trial.status, 1)),
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_reached_counts_as_infinite() {
        let of = |values: &[Option<f64>]| median(values.iter().copied());
        assert_eq!(of(&[Some(3.0), None, Some(1.0)]), Some(3.0));
        assert_eq!(of(&[Some(3.0), None]), None);
        assert_eq!(of(&[Some(3.0), Some(1.0)]), Some(2.0));
        assert_eq!(of(&[None, None, Some(1.0)]), None);
        assert_eq!(of(&[]), None);
    }
}
