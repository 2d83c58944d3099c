//! Rows of a comparison: the numbers of its tables on the terminal, in files and on the page.

use serde::Serialize;

use crate::compare::{Comparison, Entry, Start};
use crate::report::{readable, readable_seconds};
use lowrank::methods::{Method, StepRule};
use lowrank::solver::Status;

/// Iterations and seconds at which a contender reached a level: medians over trials, null if the median trial never
/// reached it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reached {
    pub level: f64,
    pub iterations: Option<f64>,
    pub seconds: Option<f64>,
    /// Trials that reached the level.
    pub trials: usize,
}

/// One contender. Missing values are null; a contender that did not run has only a reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonRow {
    pub label: String,
    pub method: Method,
    pub start: Option<Start>,
    pub step_rule: Option<StepRule>,
    /// Lowest and highest step size of the trials; null for line searches.
    pub step_size: Option<(f64, f64)>,
    /// Statuses of the trials with their counts.
    pub statuses: Vec<(Status, usize)>,
    pub trials: usize,
    pub iterations: Option<f64>,
    pub reached: Vec<Reached>,
    /// Median error over trials of the returned factors; the same holds for the loss.
    pub error: Option<f64>,
    pub train_loss: Option<f64>,
    /// Seconds per iteration, including observations.
    pub seconds_per_iteration: Option<f64>,
    /// Passes over the measurements per iteration.
    pub passes_per_iteration: Option<f64>,
    /// Iterations of all trials in which the damping floor kept a matrix positive definite.
    pub damping_floor_iterations: usize,
    /// Reason for not running.
    pub reason: Option<String>,
}

/// Returns rows in the order of the contenders, including those that did not run.
pub fn comparison_rows(comparison: &Comparison, levels: &[f64]) -> Vec<ComparisonRow> {
    let mut rows: Vec<(usize, ComparisonRow)> =
        comparison.entries.iter().map(|entry| (entry.position, row(entry, levels))).collect();
    rows.extend(comparison.absent.iter().map(|absent| {
        let row = ComparisonRow {
            label: absent.label.clone(),
            method: absent.method.clone(),
            start: None,
            step_rule: None,
            step_size: None,
            statuses: Vec::new(),
            trials: 0,
            iterations: None,
            reached: Vec::new(),
            error: None,
            train_loss: None,
            seconds_per_iteration: None,
            passes_per_iteration: None,
            damping_floor_iterations: 0,
            reason: Some(absent.reason.clone()),
        };
        (absent.position, row)
    }));
    rows.sort_by_key(|(position, _)| *position);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn row(entry: &Entry, levels: &[f64]) -> ComparisonRow {
    let trials = &entry.solution.trials;
    let steps = || trials.iter().map(|t| t.parameters.step_size);
    let reached = |&level: &f64| Reached {
        level,
        iterations: entry.median_iterations_to(level),
        seconds: entry.median_seconds_to(level),
        trials: (0..trials.len()).filter(|&trial| entry.reached(trial, level).is_some()).count(),
    };
    ComparisonRow {
        label: entry.label.clone(),
        method: entry.method.clone(),
        start: Some(entry.start),
        step_rule: Some(entry.step_rule),
        step_size: (entry.step_rule != StepRule::Exact)
            .then(|| (steps().fold(f64::INFINITY, f64::min), steps().fold(f64::NEG_INFINITY, f64::max))),
        statuses: entry.statuses(),
        trials: trials.len(),
        iterations: entry.iterations(),
        reached: levels.iter().map(reached).collect(),
        error: entry.final_error(),
        train_loss: entry.final_loss(),
        seconds_per_iteration: entry.seconds_per_iteration(),
        passes_per_iteration: Some(entry.passes),
        damping_floor_iterations: entry.damping_floor_iterations.iter().sum(),
        reason: None,
    }
}

/// Text for a missing value in tables for people.
pub(super) const NONE: &str = "—";

pub(super) fn shown(value: Option<f64>, how: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| NONE.to_owned(), how)
}

/// Formats a time with three digits.
fn time(seconds: f64) -> String {
    let digits = 2 - seconds.max(f64::MIN_POSITIVE).log10().floor() as i32;
    let unit = 10f64.powi(digits.clamp(-300, 300));
    readable_seconds((seconds * unit).round() / unit)
}

/// Cells of a row as text for people.
impl ComparisonRow {
    pub(super) fn step_words(&self) -> String {
        let size = match self.step_size {
            None => None,
            Some((low, high)) if low == high => Some(readable(low)),
            Some((low, high)) => Some(format!("{} to {}", readable(low), readable(high))),
        };
        match (self.step_rule, size) {
            (Some(StepRule::Exact), _) => "exact".into(),
            (Some(StepRule::Armijo), Some(size)) => format!("armijo, from {size}"),
            (_, Some(size)) => size,
            _ => NONE.into(),
        }
    }

    pub(super) fn status_words(&self) -> String {
        match self.statuses.as_slice() {
            [] => "not run".into(),
            [(status, _)] => status.to_string(),
            several => several.iter().map(|(s, n)| format!("{n} {s}")).collect::<Vec<_>>().join(", "),
        }
    }

    pub(super) fn start_word(&self) -> &'static str {
        self.start.map_or(NONE, Start::word)
    }

    pub(super) fn error_words(&self) -> String {
        shown(self.error, |error| if error < 0.01 { format!("{error:.1e}") } else { format!("{error:.2}") })
    }

    pub(super) fn passes_words(&self) -> String {
        shown(self.passes_per_iteration, readable)
    }

    pub(super) fn pace_words(&self) -> String {
        shown(self.seconds_per_iteration, time)
    }

    /// Returns iterations and seconds to the level of that index.
    pub(super) fn reached_words(&self, level: usize) -> (String, String) {
        let reached = self.reached.get(level);
        let of = |value: Option<f64>, how: fn(f64) -> String| shown(value, how);
        (of(reached.and_then(|r| r.iterations), count), of(reached.and_then(|r| r.seconds), time))
    }
}

/// Formats a number of iterations; a median of two may be half-integral.
pub(super) fn count(iterations: f64) -> String {
    if iterations.fract() == 0.0 { format!("{iterations:.0}") } else { format!("{iterations:.1}") }
}

/// Formats a level for headings and column names: `1e-3`.
pub(super) fn level_word(level: f64) -> String {
    format!("{level:e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (seconds, text) in [(0.0123456, "12.3 ms"), (1.2345, "1.23 s"), (1234.5, "1230 s"), (0.0, "0 s")] {
            assert_eq!(time(seconds), text);
        }
        assert_eq!((count(12.0), count(12.5)), ("12".into(), "12.5".into()));
        assert_eq!(level_word(1e-10), "1e-10");
    }
}
