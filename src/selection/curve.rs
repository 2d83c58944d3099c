//! Held-out errors of all candidates, and the choice among them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::solver::Settings;
use crate::text::readable;

/// Held-out error, relative to y, below which nothing but rounding is left.
const ROUNDING: f64 = 1e-5;

/// Held-out error, relative to y, from which a prediction is no better than that by the zero matrix.
const NOTHING: f64 = 0.95;

/// Held-out errors of one candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FoldScores {
    /// Search rank k.
    pub search_rank: usize,
    /// Ridge, as it acts on all training measurements.
    pub ridge: f64,
    /// Root mean square residual of each fold, in the units of y; null where the trial diverged.
    pub fold_rmse: Vec<Option<f64>>,
    /// Mean over the folds; null where one has none.
    pub rmse: Option<f64>,
    /// Standard error of the mean.
    pub standard_error: Option<f64>,
}

impl FoldScores {
    /// The mean and its standard error from the errors of the folds.
    pub(super) fn new(search_rank: usize, ridge: f64, fold_rmse: Vec<Option<f64>>) -> Self {
        let all: Option<Vec<f64>> = fold_rmse.iter().copied().collect();
        let moments = all.map(|all| {
            let count = all.len() as f64;
            let mean = all.iter().sum::<f64>() / count;
            let squares: f64 = all.iter().map(|rmse| (rmse - mean).powi(2)).sum();
            (mean, (squares / (count * (count - 1.0))).sqrt())
        });
        let (rmse, standard_error) = (moments.map(|of| of.0), moments.map(|of| of.1));
        Self { search_rank, ridge, fold_rmse, rmse, standard_error }
    }
}

/// Result of a cross-validation: the chosen search rank and ridge, and the errors of all candidates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Selection {
    /// Chosen search rank.
    pub search_rank: usize,
    /// Chosen ridge.
    pub ridge: f64,
    /// Number of folds.
    pub folds: usize,
    /// Seed of the division into folds.
    pub fold_seed: u64,
    /// All candidates, by search rank and then by ridge.
    pub candidates: Vec<FoldScores>,
    /// Index of the candidate with the lowest mean.
    pub lowest: usize,
    /// Index of the chosen candidate.
    pub chosen: usize,
    /// Whether some candidate predicts better than the zero matrix. Without, the folds leave too few measurements to
    /// recover anything, and the choice is not taken.
    pub predicts: bool,
}

impl Selection {
    /// The choice by the one-standard-error rule.
    ///
    /// # Errors
    /// [`Error::Invalid`] where every candidate diverged.
    pub(super) fn new(candidates: Vec<FoldScores>, (folds, fold_seed): (usize, u64), y: &[f64]) -> Result<Self> {
        let size = (y.iter().map(|y| y * y).sum::<f64>() / y.len().max(1) as f64).sqrt();
        let Some((lowest, chosen)) = one_standard_error(&candidates, ROUNDING * size) else {
            let found = "candidates that all diverged in some fold";
            let fix = "give a smaller step size, or a search rank and a ridge";
            return Err(Error::invalid("search_rank", found, "a candidate that converges", fix));
        };
        let (search_rank, ridge) = (candidates[chosen].search_rank, candidates[chosen].ridge);
        let predicts = candidates[lowest].rmse.is_some_and(|rmse| rmse < NOTHING * size);
        Ok(Self { search_rank, ridge, folds, fold_seed, candidates, lowest, chosen, predicts })
    }

    /// The settings of the final solve: the chosen search rank and ridge, which no further choice replaces; unchanged
    /// where no candidate predicts anything.
    pub fn settings(&self, settings: Settings) -> Settings {
        if !self.predicts {
            return settings;
        }
        settings.search_rank(self.search_rank).ridge(self.ridge).without_tuning()
    }

    /// Whether candidates differ in the ridge.
    pub fn has_ridges(&self) -> bool {
        self.candidates.iter().any(|of| of.ridge != self.ridge)
    }

    /// The choice as sentences.
    pub fn notices(&self) -> Vec<String> {
        let ridge =
            |ridge: f64| if self.has_ridges() { format!(" and ridge {}", readable(ridge)) } else { String::new() };
        let (chosen, lowest) = (&self.candidates[self.chosen], &self.candidates[self.lowest]);
        let number = |value: Option<f64>| readable(value.unwrap_or(f64::NAN));
        if !self.predicts {
            return vec![format!(
                "the cross-validation chose nothing: no candidate predicts a fold better than the zero matrix (held-out rmse {} \
                 at best), so the measurements outside a fold are too few. The run has its defaults; use more folds or \
                 measurements",
                number(lowest.rmse)
            )];
        }
        let than = match self.chosen == self.lowest {
            true => ", the lowest".to_owned(),
            false => format!(
                "; the lowest is {} ± {} with search_rank {}{}",
                number(lowest.rmse),
                number(lowest.standard_error),
                lowest.search_rank,
                ridge(lowest.ridge)
            ),
        };
        let mut notices = vec![format!(
            "search_rank {}{}: chosen by cross-validation over {} folds and {} candidates; held-out rmse {} ± {}{than}",
            self.search_rank,
            ridge(self.ridge),
            self.folds,
            self.candidates.len(),
            number(chosen.rmse),
            number(chosen.standard_error),
        )];
        let ranks = || self.candidates.iter().map(|of| of.search_rank);
        if ranks().min() != ranks().max() && ranks().max() == Some(self.search_rank) {
            notices.push(format!(
                "search_rank {} is the largest candidate: a larger one may predict better. Name larger ones after auto:, or \
                 add measurements",
                self.search_rank
            ));
        }
        notices
    }
}

/// Indices of the candidate with the lowest mean, and of the simplest one within one standard error of it: the smallest
/// search rank, then the largest ridge. Means up to `rounding` are equal.
fn one_standard_error(candidates: &[FoldScores], rounding: f64) -> Option<(usize, usize)> {
    let mean = |at: &usize| candidates[*at].rmse.unwrap_or(f64::INFINITY);
    let finite = || (0..candidates.len()).filter(|at| candidates[*at].rmse.is_some());
    let lowest = finite().min_by(|a, b| mean(a).total_cmp(&mean(b)))?;
    let most = (mean(&lowest) + candidates[lowest].standard_error.unwrap_or(0.0)).max(rounding);
    let simpler = |a: &usize, b: &usize| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        a.search_rank.cmp(&b.search_rank).then(b.ridge.total_cmp(&a.ridge))
    };
    Some((lowest, finite().filter(|at| mean(at) <= most).min_by(simpler)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(of: &[(usize, f64, [f64; 2])]) -> Vec<FoldScores> {
        of.iter()
            .map(|(k, ridge, errors)| FoldScores::new(*k, *ridge, errors.iter().copied().map(Some).collect()))
            .collect()
    }

    #[test]
    fn means_have_the_standard_error_of_the_folds() {
        let of = FoldScores::new(2, 0.0, vec![Some(1.0), Some(2.0), Some(4.5)]);
        approx::assert_relative_eq!(of.rmse.unwrap(), 2.5);
        // Squares 2.25 + 0.25 + 4 over 3·2.
        approx::assert_relative_eq!(of.standard_error.unwrap(), (6.5f64 / 6.0).sqrt(), max_relative = 1e-12);
        assert_eq!(FoldScores::new(2, 0.0, vec![Some(1.0), None]).rmse, None);
    }

    #[test]
    fn the_simplest_within_one_standard_error_is_chosen() {
        // Means 5, 1.15, 1, 1.05; the standard error of the lowest is 0.1 or 0.2.
        let of = |apart: f64| {
            let lowest = [1.0 - apart, 1.0 + apart];
            curve(&[(1, 0.0, [5.0; 2]), (2, 0.0, [1.15; 2]), (3, 0.0, lowest), (4, 0.0, [1.05; 2])])
        };
        assert_eq!(one_standard_error(&of(0.1), 0.0), Some((2, 2)));
        assert_eq!(one_standard_error(&of(0.2), 0.0), Some((2, 1)));
        // Of one search rank the largest ridge; a smaller search rank comes first.
        let grid = curve(&[(2, 0.0, [1.0, 1.2]), (2, 0.3, [1.1; 2]), (2, 9.0, [4.0; 2]), (3, 7.0, [1.1; 2])]);
        assert_eq!(one_standard_error(&grid, 0.0), Some((0, 1)));
    }

    #[test]
    fn rounding_is_no_reason_for_columns_and_divergence_is_no_choice() {
        let mut falling = curve(&[(1, 0.0, [1.0; 2]), (2, 0.0, [1e-7; 2]), (3, 0.0, [1e-9; 2])]);
        assert_eq!(one_standard_error(&falling, 1e-5), Some((2, 1)));
        assert_eq!(one_standard_error(&falling, 0.0), Some((2, 2)));
        falling[2] = FoldScores::new(3, 0.0, vec![None, Some(1e-9)]);
        assert_eq!(one_standard_error(&falling, 0.0), Some((1, 1)));
        assert_eq!(one_standard_error(&[], 0.0), None);
    }
}
