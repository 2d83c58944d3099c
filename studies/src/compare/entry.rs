//! Result of one method, with its errors over iterations and time.

use serde::{Deserialize, Serialize};

use crate::compare::Metric;
use crate::sweep::quantile;
use lowrank::methods::{Method, StepRule};
use lowrank::solver::{Init, Settings, Solution, Status};

/// Kind of start of an entry's trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Start {
    /// Small random factors.
    Random,
    /// Leading eigenvectors or singular vectors of s·A*(y).
    Spectral,
    /// Given factors.
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
    /// Seconds since the start of the iteration, including observations.
    pub seconds: f64,
    /// Error in the comparison's [`Metric`]; absent if it is not finite.
    pub error: Option<f64>,
    pub train_loss: f64,
}

/// Result of one contender. Numbers "to a level" refer to the first observation whose error is at most that level, so
/// their resolution is that of the observation schedule.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Index among all contenders.
    pub position: usize,
    pub label: String,
    pub method: Method,
    pub start: Start,
    pub step_rule: StepRule,
    /// Passes over the measurements per iteration, without those for observations.
    pub passes: f64,
    /// Iterations of each trial in which the damping floor applied.
    pub damping_floor_iterations: Vec<usize>,
    pub solution: Solution,
    metric: Metric,
}

/// Data of a contender that ran.
pub(super) struct Ran {
    pub(super) solution: Solution,
    pub(super) passes: f64,
    pub(super) damping_floor_iterations: Vec<usize>,
}

/// Returns the median, with absent values as infinite; `None` if it is not finite.
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
        let Ran { solution, passes, damping_floor_iterations } = ran;
        let start = match settings.chosen_init() {
            Init::Given(_) => Start::Given,
            _ if solution.trials.iter().any(|t| t.parameters.init_scale.is_none()) => Start::Spectral,
            _ => Start::Random,
        };
        let step_rule = method.step_rule();
        Self { position, label, method, start, step_rule, passes, damping_floor_iterations, solution, metric }
    }

    /// Returns the metric of its errors.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Returns the observations of all trials, ordered by iteration, then by trial.
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

    /// Returns the first observation of a trial with an error of at most `level`.
    pub fn reached(&self, trial: usize, level: f64) -> Option<Point> {
        let scale = self.metric.scale(self.solution.trials.get(trial)?);
        let row = (self.solution.trace.iter().filter(|row| row.trial == trial))
            .find(|row| self.metric.at(row, scale).is_some_and(|error| error <= level))?;
        let error = self.metric.at(row, scale);
        Some(Point { trial, iteration: row.iteration, seconds: row.seconds, error, train_loss: row.train_loss })
    }

    /// Returns one curve for all trials: the median of their errors at each observation. A trial that has ended keeps
    /// its last error, and a diverged one counts as infinite. Points are (iteration, seconds, error); points without
    /// a finite median are left out.
    pub fn median_curve(&self) -> Vec<(usize, f64, f64)> {
        let mut latest = vec![None; self.solution.trials.len()];
        let mut curve = Vec::new();
        for observations in self.points().chunk_by(|a, b| a.iteration == b.iteration) {
            for point in observations {
                if let Some(slot) = latest.get_mut(point.trial) {
                    *slot = point.error;
                }
            }
            curve.extend(
                median(latest.iter().copied()).map(|error| (observations[0].iteration, observations[0].seconds, error)),
            );
        }
        curve
    }

    fn over_trials(&self, of: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        median((0..self.solution.trials.len()).map(of))
    }

    /// Returns the iterations of a trial to a level.
    pub fn iterations_to(&self, trial: usize, level: f64) -> Option<usize> {
        self.reached(trial, level).map(|point| point.iteration)
    }

    /// Returns the seconds of a trial to a level. Trials advance together, so these are seconds of the whole batch.
    pub fn seconds_to(&self, trial: usize, level: f64) -> Option<f64> {
        self.reached(trial, level).map(|point| point.seconds)
    }

    /// Returns the median of [`Entry::iterations_to`] over trials. Trials that never reach the level count as
    /// infinite; `None` if the median is infinite.
    pub fn median_iterations_to(&self, level: f64) -> Option<f64> {
        self.over_trials(|trial| self.iterations_to(trial, level).map(|iterations| iterations as f64))
    }

    /// Returns the median of [`Entry::seconds_to`] over trials, in the same way.
    pub fn median_seconds_to(&self, level: f64) -> Option<f64> {
        self.over_trials(|trial| self.seconds_to(trial, level))
    }

    /// Returns the median over trials of the error of the returned factor; `None` if most errors are not finite.
    pub fn final_error(&self) -> Option<f64> {
        self.over_trials(|trial| self.metric.of_result(self.solution.trials.get(trial)?))
    }

    /// Returns the median over trials of the training loss of the returned factor.
    pub fn final_loss(&self) -> Option<f64> {
        self.over_trials(|trial| Some(self.solution.trials.get(trial)?.train_loss))
    }

    /// Returns the median over trials of the number of iterations.
    pub fn iterations(&self) -> Option<f64> {
        self.over_trials(|trial| Some(self.solution.trials.get(trial)?.iterations as f64))
    }

    /// Returns the time from the first observation to the last divided by the iterations between them, including
    /// observations; `None` without iterations. [`Timing::seconds_per_iteration`](lowrank::solver::Timing) also
    /// depends on observations: the first iteration after one reuses its gradient.
    pub fn seconds_per_iteration(&self) -> Option<f64> {
        let (first, last) = (self.solution.trace.first()?, self.solution.trace.last()?);
        (last.iteration > 0).then(|| (last.seconds - first.seconds) / last.iteration as f64)
    }

    /// Returns the statuses of its trials with their counts, in order of first appearance.
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
