//! Choice of the search rank and the ridge by cross-validation.
//!
//! The training measurements are divided at random into K folds. For each candidate (search rank k, ridge) and each
//! fold, one trial trains on the other folds and predicts the fold. All trials share the operator and advance in one
//! batch, so that one reading of the measurements serves every candidate and every fold; where memory does not hold
//! them all, they run in several batches. The score of a candidate is the mean over the folds of
//!
//! ```text
//! rmse = √(Σ wᵢeᵢ²/Σ wᵢ) over the fold,   standard error = √(Σ (rmse − mean)²/(K(K − 1)))
//! ```
//!
//! and the one-standard-error rule (Breiman, Friedman, Olshen & Stone, *Classification and regression trees*, 1984)
//! chooses: the smallest search rank, and for it the largest ridge, whose mean is at most the lowest mean plus its
//! standard error. Means below 10⁻⁵ times the root mean square of y count as equal: they are rounding, and observations
//! without noise of a matrix of rank r choose k = r.
//!
//! Where no candidate predicts better than the zero matrix nothing is chosen: the folds leave too few measurements.
//!
//! A ridge is stated as it acts on all training measurements. A fold has fewer of them and a larger s, so its trial gets
//! the ridge in proportion: the weight of the penalty against Σ eᵢ² is the same.
//!
//! Weights w of measurements are those of the training and of the held-out errors.
//!
//! The standard error is that of few numbers that share most of their training data, so it is rough. It contains the
//! variation from fold to fold that all candidates have in common; a weak component may therefore be left out. A fold
//! trains on fewer measurements than the final solve, which can also choose too small a rank where measurements are few:
//! below about three times the degrees of freedom the automatic method alone is often better. For ratings with strong
//! offsets of rows and columns so is its own choice of a ridge and of biases.

mod candidates;
mod curve;

use std::ops::ControlFlow;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::memory;
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::Fold;
use crate::solver::{Init, Problem, Progress, Settings, Solver, Stop, Trial, largest_ridge, training_measurements};

use candidates::{Candidate, Wanted};
pub use curve::{FoldScores, Selection};

/// Folds by default, and the least measurements of a default fold.
const FOLDS: usize = 5;
const LEAST: usize = 5;
/// Approximate bytes of a trial per number of its factors and per measurement, and most bytes of a batch.
const BYTES: u64 = 64;
const MOST_BYTES: u64 = 8 << 30;

/// Cross-validation that chooses the search rank, the ridge, or both.
///
/// ```
/// use lowrank::selection::CrossValidation;
/// use lowrank::{Backend, Problem, Settings, Solver};
/// use lowrank::operators::Dense;
/// use lowrank::problem::synthetic;
/// use std::ops::ControlFlow;
///
/// let truth = synthetic::psd(10).rank(2).seed(1).build()?;
/// let problem = Problem::measure(Dense::gaussian(truth.domain(), 120, 2)?, truth)?.with_noise(0.05, 3)?;
/// let go_on = |_: &lowrank::Progress<'_>| ControlFlow::Continue(());
/// let choice = CrossValidation::new().search_rank();
/// let found = choice.choose(&problem, &Settings::default(), &Backend::Cpu, go_on)?.expect("nobody interrupted it");
/// assert_eq!(found.search_rank, 2);
/// let solution = Solver::new(problem, found.settings(Settings::default()), Backend::Cpu)?.solve()?;
/// assert_eq!(solution.best().parameters.search_rank, 2);
/// # Ok::<(), lowrank::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a cross-validation does nothing before `choose`"]
pub struct CrossValidation {
    search_ranks: Wanted<usize>,
    ridges: Wanted<f64>,
    folds: Option<usize>,
    seed: u64,
}

impl CrossValidation {
    /// A cross-validation that chooses nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the search rank among 1, 2, …, 8, 10, 12, 14, 17, 20, up to the size of the matrix and to the largest
    /// rank with no more degrees of freedom than the measurements outside a fold. With a ridge, among 1, 2, 3, 5, 8, 12,
    /// 20.
    pub fn search_rank(mut self) -> Self {
        self.search_ranks = Wanted::Usual;
        self
    }

    /// Chooses the search rank from a list.
    pub fn search_ranks(mut self, search_ranks: impl IntoIterator<Item = usize>) -> Self {
        self.search_ranks = Wanted::List(search_ranks.into_iter().collect());
        self
    }

    /// Chooses the ridge among 0 and ‖s·A*(y)‖·10^(−j/3), j = 1 to 12; with a search rank ‖s·A*(y)‖·10^(−j/2), j = 1 to
    /// 6. With a ridge of ‖s·A*(y)‖ the zero matrix is the solution.
    pub fn ridge(mut self) -> Self {
        self.ridges = Wanted::Usual;
        self
    }

    /// Chooses the ridge from a list.
    pub fn ridges(mut self, ridges: impl IntoIterator<Item = f64>) -> Self {
        self.ridges = Wanted::List(ridges.into_iter().collect());
        self
    }

    /// Sets the number of folds. Default: 5, and fewer where these would have less than 5 measurements.
    pub fn folds(mut self, folds: usize) -> Self {
        self.folds = Some(folds);
        self
    }

    /// Sets the seed of the division into folds. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Tries all candidates on a problem of one observation vector, and chooses. `settings` are those of the final
    /// solve, with one trial at most; measurements that they hold out are in no fold. Returns `None` where the observer
    /// ended the search.
    ///
    /// # Errors
    /// [`Error::Invalid`] for candidates, folds or settings that do not go together, and where every candidate
    /// diverged; those of [`Solver::new`] and [`Solver::solve`].
    pub fn choose(
        &self,
        problem: &Problem,
        settings: &Settings,
        backend: &Backend,
        mut observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Selection>> {
        let (model, base) = self.check(problem, settings)?;
        let measurements = training_measurements(problem, settings)?;
        let folds = self.folds.unwrap_or((measurements / LEAST).clamp(2, FOLDS));
        let fold_of = |index| Fold::new(index, folds, self.seed);
        // Refuses too many folds before any work.
        fold_of(0).part_of((0..measurements).collect())?;
        let candidates =
            self.candidates(problem, settings, (&model, base), measurements - measurements.div_ceil(folds))?;
        let wanted: Vec<Trial> = candidates
            .iter()
            .flat_map(|candidate| {
                (0..folds).map(move |index| {
                    let training = measurements - (measurements - index).div_ceil(folds);
                    let ridge = candidate.ridge * measurements as f64 / training as f64;
                    base.search_rank(candidate.search_rank).ridge(ridge).fold(fold_of(index))
                })
            })
            .collect();
        let problem_alone = without_truth(problem)?;
        let settings = of_folds(settings, problem);
        let mut scores = Vec::with_capacity(wanted.len());
        for batch in wanted.chunks(most_trials(problem, &model, &candidates)) {
            let mut solver =
                Solver::new(problem_alone.clone(), settings.clone().trials(batch.to_vec()), backend.clone())?;
            let Some(found) = solver.run_beside(&mut observer)? else { return Ok(None) };
            scores.extend(found.trials.iter().map(|trial| trial.holdout_rmse().filter(|rmse| rmse.is_finite())));
        }
        let candidates = candidates.iter().zip(scores.chunks(folds));
        let candidates =
            candidates.map(|(of, scores)| FoldScores::new(of.search_rank, of.ridge, scores.to_vec())).collect();
        Selection::new(candidates, (folds, self.seed), problem.observations(0).unwrap_or_default()).map(Some)
    }

    /// The model and the trial to try candidates on.
    fn check(&self, problem: &Problem, settings: &Settings) -> Result<(Model, Trial)> {
        let name = if self.search_ranks == Wanted::Given { "ridge" } else { "search_rank" };
        let refused = |found: String, allowed: &str, fix: &str| {
            Err(Error::invalid(name, format!("a choice by cross-validation {found}"), allowed, fix))
        };
        if self.search_ranks == Wanted::Given && self.ridges == Wanted::Given {
            return refused("of nothing".into(), "a search rank, a ridge, or both", "say what is to be chosen");
        }
        let several = problem.instances().max(settings.trials.len());
        if several > 1 {
            let fix = "give one value of each setting, and run once for each";
            return refused(format!("beside {several} trials"), "one trial and one observation vector", fix);
        }
        let base = settings.trials.first().copied().unwrap_or_default();
        let model = settings.model_of(&problem.operator().domain());
        if self.search_ranks != Wanted::Given {
            if matches!(settings.init, Init::Given(_)) {
                return refused("beside a given start".into(), "a start without a fixed k", "leave init out");
            }
            if model.search_rank().is_some() {
                let found = format!("with the model {}", model.word());
                return refused(found, "a model with a free search rank", "the signature determines it: leave it out");
            }
        }
        if settings.loss != Loss::Square {
            let found = format!("with the loss {}", settings.loss.word());
            let fix = "gross outliers would decide about the held-out errors: give a value";
            return refused(found, "the loss square", fix);
        }
        if settings.unobserved_weight > 0.0 {
            let fix =
                "held-out entries say nothing of the others: compare the rankings of a list of values with a holdout";
            return refused("with implicit feedback".into(), "a value, or a list of values", fix);
        }
        Ok((model, base))
    }

    fn candidates(
        &self,
        problem: &Problem,
        settings: &Settings,
        (model, base): (&Model, Trial),
        training: usize,
    ) -> Result<Vec<Candidate>> {
        let domain = problem.operator().domain();
        let both = self.search_ranks != Wanted::Given && self.ridges != Wanted::Given;
        let given = base.search_rank.or(settings.search_rank).unwrap_or_else(|| model.default_search_rank(&domain));
        let ranks = self.search_ranks.values("search_rank", given, || {
            Ok(candidates::search_ranks(both, domain.order(), |rank| {
                model.degrees_of_freedom(&domain, rank) <= training
            }))
        })?;
        let ridges = self.ridges.values("ridge", base.ridge.unwrap_or(settings.ridge), || {
            Ok(candidates::ridges(both, largest_ridge(problem, settings)?))
        })?;
        ridges.iter().try_for_each(|ridge| Settings::default().ridge(*ridge).check())?;
        let of = |rank: &usize| {
            ridges.iter().map(|ridge| Candidate { search_rank: *rank, ridge: *ridge }).collect::<Vec<_>>()
        };
        Ok(ranks.iter().flat_map(of).collect())
    }
}

/// The problem without its truth: errors against a truth must not stop a trial that is compared with others.
fn without_truth(problem: &Problem) -> Result<Problem> {
    problem.with_observations(vec![problem.observations(0).unwrap_or_default().to_vec()])
}

/// Settings of the trials of all folds.
fn of_folds(settings: &Settings, problem: &Problem) -> Settings {
    Settings {
        method: Some(settings.method_of(&problem.operator().domain())),
        stop: Stop { relative_error: None, ..settings.stop },
        checkpoint: None,
        diagnose: false,
        ..settings.clone()
    }
}

/// Trials that a batch holds within its memory.
fn most_trials(problem: &Problem, model: &Model, candidates: &[Candidate]) -> usize {
    let operator = problem.operator();
    let widest = candidates.iter().map(|of| of.search_rank).max().unwrap_or(1);
    let one = model.numbers(&operator.domain(), widest).saturating_add(operator.measurements() as u64);
    let free = memory::available().map_or(MOST_BYTES, |free| (free / 2).min(MOST_BYTES));
    ((free / BYTES / one.max(1)) as usize).max(1)
}
