//! Whether the measurements determine the matrix that was found, or leave some change of it open.

use crate::diagnostics::{Visibility, ZERO_COLUMN, visibility, work_of_visibility};
use crate::error::Result;
use crate::models::significance::is_testable;
use crate::operators::{Entries, Loss, Operator};
use crate::solver::plan::Task;
use crate::solver::solution::{Status, TrialSolution};

/// Operations of the tangent spaces of all trials beyond which they are not examined, and the same where measurements abound.
const MOST_WORK: f64 = 1e9;
const LITTLE_WORK: f64 = 1e7;

impl<'a> Task<'a> {
    /// A sentence where other matrices of the same rank fit the training measurements of a trial as well as its own. `None` where
    /// something else than the measurements decides: a ridge, non-negative factors, upper bounds or unobserved entries.
    ///
    /// A row of a matrix of rank r has r unknowns beside those of the other rows, so that fewer entries leave them open. Other
    /// measurements determine a matrix near it where no direction of the tangent space is in their kernel.
    ///
    /// `seen` is [`Task::visibility`].
    pub(super) fn what_is_open(self, trial: &TrialSolution, seen: Option<Visibility>) -> Option<String> {
        if !self.is_left_to_measurements(trial) {
            return None;
        }
        let (rank, weights) = (rank_of(trial), self.weights(trial));
        if let Some(sentence) = self.problem.operator().entries().and_then(|of| short_lines(of, weights, rank)) {
            return Some(sentence);
        }
        let open = seen.map_or(0, |seen| seen.open);
        let (used, m) = (self.freedom()(rank), trial.parameters.rows - trial.parameters.holdout_rows);
        (open > 0).then(|| {
            format!(
                "the {m} measurements see {} of the {used} degrees of freedom of the result: other matrices of rank {rank} \
                 fit as well. More measurements are needed, or a smaller --search-rank",
                used.saturating_sub(open)
            )
        })
    }

    /// What the training measurements see of the changes of a matrix; `None` where it is not examined.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the factors are not finite.
    pub(super) fn visibility(self, trial: &TrialSolution) -> Result<Option<Visibility>> {
        let (operator, rank) = (&**self.problem.operator(), rank_of(trial));
        if !self.is_left_to_measurements(trial) || !operator.has_adjoint() {
            return Ok(None);
        }
        let freedom = self.freedom();
        let m = trial.parameters.rows - trial.parameters.holdout_rows;
        let (used, fewer) = (freedom(rank), freedom(rank - 1));
        let abound = is_testable((used - fewer) as f64, m.saturating_sub(fewer) as f64);
        let most = if abound { LITTLE_WORK } else { MOST_WORK };
        if self.plan.trials.len() as f64 * work_of_visibility(operator, rank) > most {
            return Ok(None);
        }
        visibility(operator, &trial.product(), self.weights(trial)).map(Some)
    }

    /// Whether the measurements alone choose the matrix of a trial, and are more than its degrees of freedom.
    fn is_left_to_measurements(self, trial: &TrialSolution) -> bool {
        let Self { settings, plan, .. } = self;
        let p = &trial.parameters;
        let otherwise = settings.loss != Loss::Square
            || plan.ridge[p.trial] > 0.0
            || settings.nonnegative
            || trial.tuned
            || trial.form.unobserved
            || trial.form.bounded;
        let rests = matches!(trial.status, Status::Converged | Status::Stalled | Status::Finished);
        let used = self.freedom()(rank_of(trial));
        !otherwise && rests && rank_of(trial) > 0 && used > 0 && p.rows - p.holdout_rows > used
    }

    /// Weights of the training measurements of a trial.
    fn weights(self, trial: &TrialSolution) -> &'a [f64] {
        let m = self.problem.operator().measurements();
        &self.plan.weights[trial.parameters.trial * m..][..m]
    }
}

/// Rank of the matrix, as for its tangent space.
fn rank_of(trial: &TrialSolution) -> usize {
    let values = &trial.singular_values;
    values.iter().filter(|value| **value > ZERO_COLUMN * values[0]).count()
}

/// A sentence on the rows and columns that have fewer entries than the rank.
fn short_lines(entries: &Entries, weights: &[f64], rank: usize) -> Option<String> {
    let domain = entries.domain();
    let (mut rows, mut columns) = (vec![0_usize; domain.rows()], vec![0_usize; domain.columns()]);
    for (i, _) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        let (row, column) = entries.position(i);
        rows[row] += 1;
        match domain.is_symmetric() {
            // Row and column i are the same unknowns.
            true if row != column => rows[column] += 1,
            true => {}
            false => columns[column] += 1,
        }
    }
    let short = |counts: &[usize]| counts.iter().filter(|count| **count < rank).count();
    let (rows, columns) = (short(&rows), if domain.is_symmetric() { 0 } else { short(&columns) });
    (rows + columns > 0).then(|| {
        format!(
            "{rows} rows and {columns} columns have fewer entries than the rank {rank}: the measurements do not determine \
             their other entries. Measure more of them, or add --ridge auto, which keeps such entries small"
        )
    })
}
