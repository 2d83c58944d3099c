//! A second look at a fit that was hard to come by and still misses: from a small random start, with all columns.
//!
//! Growing the rank one column after the other can come to rest in a local minimum, where all columns at once go past it. What they
//! find is cut where its singular values fall most, and goes on from there.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::methods::Method;
use crate::problem::Factors;
use crate::solver::init::Init;
use crate::solver::plan::Task;
use crate::solver::settings::{Settings, Stop};
use crate::solver::solution::{MISFIT, Solution, Status, TrialSolution};
use crate::solver::trial::Trial;
use crate::solver::{Progress, Solver};
use crate::text::readable;

/// A fit that took fewer iterations than this was not hard.
const HARD: usize = 100;
/// Iterations of the second look for each of the fit.
const PATIENCE: usize = 2;
/// Singular values among which cuts are looked for, and how many are tried.
const WIDEST: usize = 10;
const CUTS: usize = 3;
/// Singular values of the matrix, over the largest, below this share of the relative residual of the fit explain nothing of it.
const SMALL: f64 = 0.1;
/// More columns have to lower the loss by so many times their share of the degrees of freedom.
const GAIN: f64 = 3.0;

impl Task<'_> {
    fn is_worth_another_look(self, fit: &Solution) -> bool {
        let [trial] = fit.trials.as_slice() else { return false };
        let plan = self.plan;
        let saved = self.settings.checkpoint.is_some() || fit.resumed_at.is_some();
        plan.chosen
            && plan.method.decides()
            && !saved
            && !plan.has_ridge()
            && matches!(trial.status, Status::Finished | Status::Stalled)
            && trial.relative_residual > MISFIT
            && trial.iterations >= HARD
    }

    /// Whether `found` explains the measurements better than `fit` does, more than more columns do by themselves.
    fn is_better(self, found: &TrialSolution, fit: &TrialSolution) -> bool {
        let freedom = |trial: &TrialSolution| {
            let values = &trial.singular_values;
            let counts = |v: &&f64| v.powi(2) > SMALL * fit.relative_residual * values[0].powi(2);
            let rank = values.iter().filter(counts).count();
            self.plan.model.degrees_of_freedom(&self.problem.operator().domain(), rank) as f64
        };
        let m = (fit.parameters.rows - fit.parameters.holdout_rows) as f64;
        let (before, after) = (freedom(fit), freedom(found));
        let share = (GAIN * (after - before) / (m - before).max(1.0)).max(0.0);
        found.train_loss < (1.0 - share) * fit.train_loss
    }
}

impl Solver {
    /// The fit, or a better one from another start, where nobody chose a method and the fit is doubtful.
    pub(super) fn looked_again(
        &self,
        fit: Solution,
        observer: &mut impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Solution> {
        if !self.task().is_worth_another_look(&fit) || self.loaded.backend_alone().is_none() {
            return Ok(fit);
        }
        let Some(found) = self.from_all_columns(&fit.trials[0], observer)? else { return Ok(fit) };
        if !self.task().is_better(&found.trials[0], &fit.trials[0]) {
            return Ok(fit);
        }
        let notice = format!(
            "the fit came to rest at a relative residual of {}: a second look, from a small random start with all columns, found a better \
             one",
            readable(fit.trials[0].relative_residual)
        );
        Ok(fit.replaced_by(found, notice))
    }

    /// What all columns find from a small random start, cut, and brought to rest.
    fn from_all_columns(
        &self,
        fit: &TrialSolution,
        observer: &mut impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Solution>> {
        let (p, domain) = (&fit.parameters, self.problem.operator().domain());
        let iterations = PATIENCE * fit.iterations;
        let wide = self.settings_alike(p.search_rank, Method::lbfgs().into()).stop(Stop {
            stall_window: None,
            time: self.settings.stop.time,
            ..Stop::default().max_iterations(iterations).residual(MISFIT * MISFIT)
        });
        let Some(wide) = self.beside(wide, observer)? else { return Ok(None) };
        let product = wide.trials[0].product();
        let values: Vec<f64> = wide.trials[0].singular_values.iter().take(WIDEST + 1).map(|v| v * v).collect();
        let fall = |j: &usize| values[j - 1] / values[*j];
        let mut cuts: Vec<usize> = (1..values.len()).filter(|j| values[*j] > 0.0).collect();
        cuts.sort_by(|a, b| fall(b).total_cmp(&fall(a)));
        cuts.truncate(CUTS);
        if cuts.is_empty() {
            return Ok(None);
        }
        let sizes = self.plan.model.sizes(&domain, p.search_rank);
        let mut starts = vec![Vec::new(); sizes.len()];
        for cut in &cuts {
            let own = product.leading(*cut, p.search_rank)?;
            starts.iter_mut().zip(own).for_each(|(all, own)| all.extend(own));
        }
        let start = Factors::of_sizes(cuts.len(), &sizes, starts)?;
        let stop = Stop { time: self.settings.stop.time, ..Stop::default().max_iterations(iterations) };
        let settings = self.settings_alike(p.search_rank, self.plan.method.clone()).init(Init::Given(start)).stop(stop);
        let Some(found) = self.beside(settings.trials(vec![Trial::default(); cuts.len()]), observer)? else {
            return Ok(None);
        };
        let best = (0..cuts.len()).min_by(|a, b| found.trials[*a].train_loss.total_cmp(&found.trials[*b].train_loss));
        Ok(best.map(|best| found.only(best)))
    }

    /// The problem of the first trial with other settings, beside the run that was asked for; nothing where the observer ended it.
    fn beside(
        &self,
        settings: Settings,
        observer: &mut impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Solution>> {
        let Some(backend) = self.loaded.backend_alone() else { return Ok(None) };
        let p = &self.plan.trials[0];
        let problem = self.problem.only(p.instance)?;
        let held_out = &self.plan.held_out[0];
        let wanted = settings.trials.len().max(1);
        let settings = settings.trials(vec![Trial::default().rows(p.rows); wanted]);
        let settings = if held_out.is_empty() { settings } else { settings.holdout_measurements(held_out.clone()) };
        let mut stopped = false;
        let found = Solver::new(problem, settings, backend)?.run(None, |progress: &Progress<'_>| {
            let flow = observer(&Progress { is_choice: true, ..*progress });
            stopped |= flow.is_break();
            flow
        })?;
        Ok((!stopped).then_some(found))
    }
}
