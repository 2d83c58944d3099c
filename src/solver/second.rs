//! Second fits, where the first misses: by another method, with fewer columns, and from small random starts.
//!
//! Growing the rank one column after the other can end in a local minimum that all columns at once would pass, or with a
//! fading column in the place of the one that is needed. Fits from random starts are cut where their singular values fall most, and
//! continue from there. A fit of fewer columns counts unless more explain more than noise would.

use crate::error::{Error, Result};
use crate::methods::Method;
use crate::models::significance::{chosen_loss, overwhelming_loss, significant_loss};
use crate::problem::Factors;
use crate::solver::init::Init;
use crate::solver::plan::Task;
use crate::solver::settings::{Settings, Stop};
use crate::solver::solution::{MISFIT, Solution, Status, TrialSolution};
use crate::solver::trial::Trial;
use crate::solver::{Observer, Solver};
use crate::text::readable;

/// Iterations below which a fit was not hard, unless it leaves more than this share of y and a direction that it lacks need not
/// stand out: with more measurements noise explains what is left, because growth of the rank would go on.
const HARD: usize = 100;
const LITTLE: f64 = 0.3;
/// Size of a direction that makes up all of the residual, over that of noise, below which it need not stand out.
const VISIBLE: f64 = 1.25;
/// Measurements per degree of freedom below which growth of the rank on few rows may go astray.
const TIGHT: f64 = 2.2;
/// Starts of the second fit, in one batch.
const STARTS: u64 = 4;
/// Iterations of the second fit per iteration of the first.
const PATIENCE: usize = 2;
/// Share of the first fit's residual that the second, with all columns, is to leave: what is less is mostly noise, or comes about
/// once its result is cut.
const HALF: f64 = 0.5;
/// Number of singular values in which cuts are sought, and number of cuts tried.
const WIDEST: usize = 10;
const CUTS: usize = 3;
/// Share of the relative residual below which singular values of the matrix, over the largest, explain none of it.
const SMALL: f64 = 0.1;
/// The same share for a column that fades.
const FAINT: f64 = 1e-3;
/// Degrees of freedom, as a share of the measurements, from which a fit that leaves a residual explains all of any noise.
const OPEN: f64 = 0.8;
/// Relative residual below which nothing is left to explain.
const FITS: f64 = 1e-5;

impl Task<'_> {
    /// The only trial of a fit that another fit may replace: it ended by itself, and a misfit is left. A time limit and
    /// checkpoints belong to the requested run.
    fn replaceable(self, fit: &Solution) -> Option<&TrialSolution> {
        let [trial] = fit.trials.as_slice() else { return None };
        let saved = self.settings.checkpoint.is_some() || fit.resumed_at.is_some();
        let limited = self.settings.stop.time.is_some() || saved;
        let ended = matches!(trial.status, Status::Finished | Status::Stalled);
        (self.plan.chosen && ended && !limited).then_some(trial)
    }

    /// As [`Task::replaceable`], where columns can be left out or added. Noisy entries need a ridge instead.
    fn with_free_columns(self, fit: &Solution) -> Option<&TrialSolution> {
        let trial = self.replaceable(fit)?;
        let plan = self.plan;
        let free = !self.is_tunable(fit)
            && plan.method.decides()
            && plan.model.search_rank().is_none()
            && !plan.has_ridge()
            && trial.parameters.fold.is_none();
        free.then_some(trial)
    }

    fn deserves_second_fit(self, fit: &Solution) -> Result<bool> {
        let Some(trial) = self.with_free_columns(fit) else { return Ok(false) };
        let hard = trial.iterations >= HARD || self.crowded(trial).is_some() || has_faint_column(trial);
        let misses = trial.relative_residual > MISFIT && hard;
        // A fit of too high a rank is one of many, and another may be of a lower rank. Entries that a row lacks stay unknown.
        let is_open = || {
            Ok::<_, Error>(
                self.problem.operator().entries().is_none()
                    && self.visibility(trial)?.is_some_and(|seen| seen.open > 0),
            )
        };
        Ok(misses || is_open()?)
    }

    /// Degrees of freedom and measurements of a fit that leaves much, where so few measurements need not show a direction that the
    /// fit lacks.
    ///
    /// A direction whose measurements are e has s·A\*(e) of the size ‖e‖√s, and noise of the same size about √(2d₁/m) of that, with the
    /// d₁ degrees of freedom of one column. The d of the fit have taken the share d/m of the direction.
    pub(super) fn crowded(self, trial: &TrialSolution) -> Option<(usize, usize)> {
        let (of, m) = (self.freedom(), self.training(trial));
        let used = of(columns(trial, trial));
        let size = (m / (2 * of(1)) as f64).sqrt() * (1.0 - used as f64 / m);
        (used > 0 && trial.relative_residual > LITTLE && size < VISIBLE).then_some((used, m as usize))
    }

    /// Number of measurements that are not held out.
    fn training(self, trial: &TrialSolution) -> f64 {
        (trial.parameters.rows - trial.parameters.holdout_rows) as f64
    }

    /// Whether a rank has less than a share of the measurements of a fit as degrees of freedom.
    fn takes_below(self, share: f64, rank: usize, fit: &TrialSolution) -> bool {
        (self.freedom()(rank) as f64) < share * self.training(fit)
    }

    /// Whether another method is asked about a fit: it misses, and the measurements are few for its rank, or much is left.
    fn deserves_second_opinion(self, fit: &Solution) -> bool {
        self.replaceable(fit).is_some_and(|trial| {
            let tight = self.training(trial) < TIGHT * self.freedom()(columns(trial, trial)) as f64;
            trial.relative_residual > MISFIT && (tight || trial.relative_residual > LITTLE)
        })
    }

    /// The highest rank that the measurements determine beside noise, where a fit that misses is of a higher one.
    fn determined_rank(self, fit: &Solution) -> Option<usize> {
        let trial = self.with_free_columns(fit).filter(|trial| trial.relative_residual > MISFIT)?;
        let determined = |rank: &usize| self.takes_below(OPEN, *rank, trial);
        let rank = columns(trial, trial);
        (1..rank).take_while(determined).last().filter(|_| !determined(&rank))
    }

    /// The fit of the lowest rank that no fit of a higher rank improves on.
    fn simplest(self, found: &[&TrialSolution]) -> usize {
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by_key(|at| found[*at].estimated_rank);
        let better = |best: usize, next: usize| {
            let (best_of, next_of) = (found[best], found[next]);
            let same = next_of.estimated_rank == best_of.estimated_rank && next_of.train_loss < best_of.train_loss;
            let fits = best_of.relative_residual <= FITS;
            if same || (!fits && self.is_better(next_of, best_of)) { next } else { best }
        };
        order.into_iter().reduce(better).unwrap_or(0)
    }

    /// Whether `found` explains the measurements better than `fit`, beyond the effect of more columns.
    fn is_better(self, found: &TrialSolution, fit: &TrialSolution) -> bool {
        let freedom = |trial| self.freedom()(columns(trial, fit)) as f64;
        let (m, before, after) = (self.training(fit), freedom(fit), freedom(found));
        let more = (after - before).max(0.0);
        let (fits, determined) = (found.relative_residual <= FITS, after < OPEN * m);
        let noise = match determined {
            _ if fits || determined && found.relative_residual <= MISFIT => significant_loss,
            true => chosen_loss,
            false => overwhelming_loss,
        };
        after < m && found.train_loss < noise(fit.train_loss, more, m - before)
    }
}

/// A fit that no second one follows.
fn without_room(fit: Solution, needed: &impl std::fmt::Display) -> Solution {
    fit.with_notice(format!("lowrank tried no second fit, which needs {needed} of free memory"))
}

/// Number of columns of a fit that explain some of what `other` leaves.
fn columns(trial: &TrialSolution, other: &TrialSolution) -> usize {
    let values = &trial.singular_values;
    values.iter().filter(|v| v.powi(2) > SMALL * other.relative_residual * values[0].powi(2)).count()
}

/// Whether a column fades without a use: it explains none of the residual, and the residual is none of its making. Its
/// place may hide a direction in which the loss falls, as at the end of all columns.
fn has_faint_column(trial: &TrialSolution) -> bool {
    let values = &trial.singular_values;
    let share = |v: &f64| (v / values[0]).powi(2);
    values.iter().any(|v| *v > 0.0 && share(v) < FAINT * trial.relative_residual)
}

/// Numbers of columns after which the singular values of the matrix fall most, and all columns, as far as they are `determined`.
fn cuts(trial: &TrialSolution, determined: impl Fn(&usize) -> bool) -> Vec<usize> {
    let values: Vec<f64> = trial.singular_values.iter().take(WIDEST + 1).map(|v| v * v).collect();
    let fall = |j: &usize| values[j - 1] / values[*j];
    let mut cuts: Vec<usize> = (1..values.len()).filter(|j| values[*j] > 0.0 && determined(j)).collect();
    cuts.sort_by(|a, b| fall(b).total_cmp(&fall(a)));
    cuts.truncate(CUTS);
    cuts.extend(Some(values.len()).filter(determined));
    cuts
}

impl Solver {
    /// The fit, or a better one from another start, where the method was automatic and the fit is doubtful.
    pub(super) fn second_fit(&self, fit: Solution, observer: &mut Observer<'_>) -> Result<Solution> {
        let fit = self.with_second_opinion(fit, observer)?;
        let fit = self.with_determined_rank(fit, observer)?;
        if !self.task().deserves_second_fit(&fit)? || self.loaded.backend_alone().is_none() {
            return Ok(fit);
        }
        let found = match self.with_all_columns(&fit.trials[0], observer) {
            Err(Error::Memory { needed, .. }) => return Ok(without_room(fit, &needed)),
            found => found?,
        };
        let Some(found) = found else { return Ok(fit) };
        if !self.task().is_better(&found.trials[0], &fit.trials[0]) {
            return Ok(fit);
        }
        let notice = format!(
            "the first fit stalled at a relative residual of {}; a second fit, from a small random start with all \
             columns, is better",
            readable(fit.trials[0].relative_residual)
        );
        Ok(fit.replaced_by(found, notice))
    }

    /// The fit, or a better one by the method that is asked for a second opinion.
    fn with_second_opinion(&self, fit: Solution, observer: &mut Observer<'_>) -> Result<Solution> {
        let other = self.plan.method.second_opinion().filter(|_| self.task().deserves_second_opinion(&fit));
        let Some(other) = other else { return Ok(fit) };
        let (word, rank) = (other.word(), fit.trials[0].parameters.search_rank);
        let found = match self.beside(self.settings_alike(rank, other), observer) {
            Err(Error::Memory { needed, .. }) => return Ok(without_room(fit, &needed)),
            found => found?,
        };
        // Of equal ranks the lower loss counts, and a higher rank has to explain more than noise.
        let other_is_best = |found: &Solution| self.task().simplest(&[&fit.trials[0], &found.trials[0]]) == 1;
        let Some(found) = found.filter(other_is_best) else { return Ok(fit) };
        let left = readable(fit.trials[0].relative_residual);
        let notice = format!(
            "{} left a relative residual of {left}; a second fit, by {word}, is better",
            self.plan.method.word()
        );
        Ok(fit.replaced_by(found, notice))
    }

    /// The fit, or one of fewer columns, where the measurements cannot tell its last columns from noise.
    fn with_determined_rank(&self, fit: Solution, observer: &mut Observer<'_>) -> Result<Solution> {
        let Some(rank) = self.task().determined_rank(&fit) else { return Ok(fit) };
        let found = match self.continued(&[(&fit.trials[0], rank)], rank, Stop::default(), observer) {
            Err(Error::Memory { needed, .. }) => return Ok(without_room(fit, &needed)),
            found => found?,
        };
        let fewer_are_best = |found: &Solution| self.task().simplest(&[&fit.trials[0], &found.trials[0]]) == 1;
        let Some(found) = found.filter(fewer_are_best) else { return Ok(fit) };
        let notice = format!(
            "the first fit has {} columns, too many to tell the last from noise; a second fit, with {rank}, is as good",
            columns(&fit.trials[0], &fit.trials[0])
        );
        let wide = fit.trials[0].parameters.search_rank;
        Ok(fit.replaced_by(found.with_columns(wide), notice))
    }

    /// The method of second fits, which begin at given factors.
    fn method_from_a_start(&self) -> Method {
        self.plan.method.second_opinion().unwrap_or_else(|| self.plan.method.clone())
    }

    /// The fit from small random starts, with all columns and with one more than the fit has, cut and converged.
    fn with_all_columns(&self, fit: &TrialSolution, observer: &mut Observer<'_>) -> Result<Option<Solution>> {
        let (p, task) = (&fit.parameters, self.task());
        let (narrow, iterations) = (columns(fit, fit) + 1, PATIENCE * fit.iterations.max(HARD));
        let stop = Stop { stall_window: None, ..Stop::default().max_iterations(iterations) };
        let stop = stop.residual((HALF * fit.relative_residual).max(MISFIT * MISFIT));
        let ranks = [p.search_rank, narrow].into_iter().take(1 + usize::from(narrow < p.search_rank));
        let own = |(rank, seed)| Trial::default().search_rank(rank).seed(seed);
        let trials = ranks.flat_map(|rank| (0..STARTS).map(move |seed| (rank, seed))).map(own);
        let settings = self.settings_alike(p.search_rank, Method::lbfgs().into()).stop(stop).trials(trials);
        let Some(wide) = self.beside(settings, observer)? else { return Ok(None) };
        // So many degrees of freedom as measurements explain everything, and are never better.
        let below = |share: f64| move |rank: &usize| task.takes_below(share, *rank, fit);
        let cuts_of = |trial: &TrialSolution| match trial.parameters.search_rank == p.search_rank {
            true => cuts(trial, below(1.0)),
            false => Some(narrow).into_iter().filter(below(1.0)).collect(),
        };
        let starts: Vec<_> = wide.trials.iter().flat_map(|t| cuts_of(t).into_iter().map(move |cut| (t, cut))).collect();
        // Starts whose rank is determined beside noise are not to grow columns that are not.
        let (determined, others): (Vec<_>, Vec<_>) = starts.into_iter().partition(|(_, cut)| below(OPEN)(cut));
        let most = (1..=p.search_rank).take_while(below(OPEN)).last().unwrap_or(1);
        let stop = Stop::default().max_iterations(iterations);
        let mut best: Option<Solution> = None;
        for (starts, width) in [(determined, most), (others, p.search_rank)] {
            let Some(next) = self.continued(&starts, width, stop, observer)? else { continue };
            best = match best {
                Some(best) if task.simplest(&[&best.trials[0], &next.trials[0]]) == 0 => Some(best),
                _ => Some(next),
            };
        }
        Ok(best.map(|best| best.with_columns(p.search_rank)))
    }

    /// The simplest of the fits that begin with the leading columns of others; `None` without any.
    fn continued(
        &self,
        starts: &[(&TrialSolution, usize)],
        width: usize,
        stop: Stop,
        observer: &mut Observer<'_>,
    ) -> Result<Option<Solution>> {
        if starts.is_empty() {
            return Ok(None);
        }
        let sizes = self.plan.model.sizes(&self.problem.operator().domain(), width);
        let mut blocks = vec![Vec::new(); sizes.len()];
        for (trial, cut) in starts {
            let own = trial.product().leading(*cut, width)?;
            blocks.iter_mut().zip(own).for_each(|(all, own)| all.extend(own));
        }
        let start = Factors::of_sizes(starts.len(), &sizes, blocks)?;
        let settings = self.settings_alike(width, self.method_from_a_start()).init(Init::Given(start));
        let settings = settings.stop(stop).trials(vec![Trial::default(); starts.len()]);
        Ok(self.beside(settings, observer)?.map(|found| {
            let best = self.task().simplest(&found.trials.iter().collect::<Vec<_>>());
            found.only(best)
        }))
    }

    /// Solves the problem of the first trial with other settings, beside the requested run; `None` where the observer
    /// ended it.
    pub(super) fn beside(&self, settings: Settings, observer: &mut Observer<'_>) -> Result<Option<Solution>> {
        let Some(backend) = self.loaded.backend_alone() else { return Ok(None) };
        let p = &self.plan.trials[0];
        let problem = self.problem.only(p.instance)?;
        let held_out = &self.plan.held_out[0];
        let wanted = if settings.trials.is_empty() { vec![Trial::default()] } else { settings.trials.clone() };
        let settings = settings.trials(wanted.into_iter().map(|trial| trial.rows(p.rows)));
        let settings = if held_out.is_empty() { settings } else { settings.holdout_measurements(held_out.clone()) };
        Solver::new(problem, settings, backend)?.run_beside(observer)
    }
}
