//! A second fit, from a small random start with all columns, where the first was slow and still misses.
//!
//! Growing the rank one column after the other can end in a local minimum that all columns at once would pass, or with a
//! fading column in the place of the one that is needed. Their
//! result is cut where its singular values fall most, and continues from there.

use crate::error::{Error, Result};
use crate::methods::Method;
use crate::models::significant_loss;
use crate::problem::Factors;
use crate::solver::init::Init;
use crate::solver::plan::Task;
use crate::solver::settings::{Settings, Stop};
use crate::solver::solution::{MISFIT, Solution, Status, TrialSolution};
use crate::solver::trial::Trial;
use crate::solver::{Observer, Solver};
use crate::text::readable;

/// Iterations below which a fit was not hard, unless it leaves more than this share of y and has fewer measurements per degree of
/// freedom than this: with more of them noise explains what is left, because a fit of another matrix would leave directions that
/// stand out, and growth of the rank would go on.
const HARD: usize = 100;
const LITTLE: f64 = 0.3;
const AMPLE: f64 = 4.0;
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
/// Degrees of freedom, as a share of the measurements, from which a fit that leaves a residual explains much of any noise, and
/// from which it explains all of it; and the share of what noise would leave in between, at which a fit explains more.
const DETERMINED: f64 = 0.4;
const OPEN: f64 = 0.8;
const PLAIN: f64 = 0.15;
/// Relative residual below which nothing is left to explain.
const FITS: f64 = 1e-5;

impl Task<'_> {
    fn deserves_second_fit(self, fit: &Solution) -> Result<bool> {
        let [trial] = fit.trials.as_slice() else { return Ok(false) };
        let plan = self.plan;
        // A time limit belongs to the requested run.
        let limited = self.settings.stop.time.is_some();
        let saved = limited || self.settings.checkpoint.is_some() || fit.resumed_at.is_some();
        // Noisy entries need a ridge instead.
        let free = !self.is_tunable(fit)
            && plan.chosen
            && plan.method.decides()
            && plan.model.search_rank().is_none()
            && !saved
            && !plan.has_ridge()
            && trial.parameters.fold.is_none()
            && matches!(trial.status, Status::Finished | Status::Stalled);
        let freedom = self.freedom()(trial.estimated_rank) as f64;
        let much = trial.relative_residual > LITTLE && self.training(trial) < AMPLE * freedom;
        let hard = trial.iterations >= HARD || much || has_faint_column(trial);
        let misses = trial.relative_residual > MISFIT && hard;
        // A fit of too high a rank is one of many, and another may be of a lower rank. Entries that a row lacks stay unknown.
        let is_open =
            || Ok::<_, Error>(self.problem.operator().entries().is_none() && self.open_dimensions(trial)? > 0);
        Ok(free && (misses || is_open()?))
    }

    /// Number of measurements that are not held out.
    fn training(self, trial: &TrialSolution) -> f64 {
        (trial.parameters.rows - trial.parameters.holdout_rows) as f64
    }

    /// Whether another method is asked about a fit: it misses, and the measurements are few for its rank, or much is left.
    fn deserves_second_opinion(self, fit: &Solution) -> bool {
        let [trial] = fit.trials.as_slice() else { return false };
        let tight = self.training(trial) < TIGHT * self.freedom()(trial.estimated_rank) as f64;
        let limited =
            self.settings.stop.time.is_some() || self.settings.checkpoint.is_some() || fit.resumed_at.is_some();
        let ended = matches!(trial.status, Status::Finished | Status::Stalled);
        let misses = trial.relative_residual > MISFIT && (tight || trial.relative_residual > LITTLE);
        self.plan.chosen && ended && misses && !limited
    }

    /// The fit of the lowest rank that no fit of a higher rank improves on.
    fn simplest(self, found: &[TrialSolution]) -> usize {
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by_key(|at| found[*at].estimated_rank);
        let better = |best: usize, next: usize| {
            let (best_of, next_of) = (&found[best], &found[next]);
            let same = next_of.estimated_rank == best_of.estimated_rank && next_of.train_loss < best_of.train_loss;
            let fits = best_of.relative_residual <= FITS;
            if same || (!fits && self.is_better(next_of, best_of)) { next } else { best }
        };
        order.into_iter().reduce(better).unwrap_or(0)
    }

    /// Whether `found` explains the measurements better than `fit`, beyond the effect of more columns.
    fn is_better(self, found: &TrialSolution, fit: &TrialSolution) -> bool {
        let of = self.freedom();
        let freedom = |trial: &TrialSolution| {
            let values = &trial.singular_values;
            let counts = |v: &&f64| v.powi(2) > SMALL * fit.relative_residual * values[0].powi(2);
            let rank = values.iter().filter(counts).count();
            of(rank) as f64
        };
        let m = (fit.parameters.rows - fit.parameters.holdout_rows) as f64;
        let (before, after) = (freedom(fit), freedom(found));
        let more = (after - before).max(0.0);
        // A fit chooses its columns, so with many degrees of freedom it explains more of noise than their share.
        let open = after < OPEN * m;
        let fits = found.relative_residual <= FITS || open && found.relative_residual <= MISFIT;
        let free = fits || after < DETERMINED * m;
        let plain = open && found.train_loss < PLAIN * (1.0 - after / m) * fit.train_loss;
        after < m && (free || plain) && found.train_loss < significant_loss(fit.train_loss, more, m - before)
    }
}

/// A fit that no second one follows.
fn without_room(fit: Solution, needed: &impl std::fmt::Display) -> Solution {
    fit.with_notice(format!("lowrank tried no second fit, which needs {needed} of free memory"))
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
        let Some(found) = found.filter(|found| self.task().is_better(&found.trials[0], &fit.trials[0])) else {
            return Ok(fit);
        };
        let left = readable(fit.trials[0].relative_residual);
        let notice = format!(
            "{} left a relative residual of {left}; a second fit, by {word}, is better",
            self.plan.method.word()
        );
        Ok(fit.replaced_by(found, notice))
    }

    /// The fit from a small random start with all columns, cut and converged.
    fn with_all_columns(&self, fit: &TrialSolution, observer: &mut Observer<'_>) -> Result<Option<Solution>> {
        let (p, domain) = (&fit.parameters, self.problem.operator().domain());
        let iterations = PATIENCE * fit.iterations.max(HARD);
        let wide = self.settings_alike(p.search_rank, Method::lbfgs().into()).stop(Stop {
            stall_window: None,
            ..Stop::default().max_iterations(iterations).residual((HALF * fit.relative_residual).max(MISFIT * MISFIT))
        });
        let wide = wide.trials((0..STARTS).map(|seed| Trial::default().seed(seed)));
        let Some(wide) = self.beside(wide, observer)? else { return Ok(None) };
        let sizes = self.plan.model.sizes(&domain, p.search_rank);
        let (mut starts, mut count) = (vec![Vec::new(); sizes.len()], 0);
        // So many degrees of freedom as measurements explain everything, and are never better.
        let m = self.task().training(fit);
        for trial in &wide.trials {
            for cut in cuts(trial, |rank| (self.task().freedom()(*rank) as f64) < m) {
                let own = trial.product().leading(cut, p.search_rank)?;
                starts.iter_mut().zip(own).for_each(|(all, own)| all.extend(own));
                count += 1;
            }
        }
        if count == 0 {
            return Ok(None);
        }
        let start = Factors::of_sizes(count, &sizes, starts)?;
        let stop = Stop::default().max_iterations(iterations);
        let method = self.plan.method.second_opinion().unwrap_or_else(|| self.plan.method.clone());
        let settings = self.settings_alike(p.search_rank, method).init(Init::Given(start)).stop(stop);
        let found = self.beside(settings.trials(vec![Trial::default(); count]), observer)?;
        Ok(found.map(|found| {
            let best = self.task().simplest(&found.trials);
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
