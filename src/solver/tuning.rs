//! Noisy entries: a ridge, and biases of rows and columns, chosen by held-out entries.

use std::ops::ControlFlow;

use crate::backend::Backend;
use crate::diagnostics;
use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::methods::Method;
use crate::operators::entries::Biases;
use crate::operators::{Entries, Operator};
use crate::problem::{Factors, MatrixView, Product, Truth};
use crate::problem::{Holdout, share_of};
use crate::solver::init::{Init, Preprocess};
use crate::solver::measured::training_weights;
use crate::solver::plan::Task;
use crate::solver::problem::Problem;
use crate::solver::schedule::Schedule;
use crate::solver::settings::{Settings, Stop};
use crate::solver::solution::{MISFIT, Solution, Status, TrialSolution};
use crate::solver::spectra::Spectra;
use crate::solver::trial::Trial;
use crate::solver::{Observer, Progress, Solver};
use crate::text::readable;

/// Least entries for a choice.
const FEWEST: usize = 50;
/// Share that is held out for the choice where nothing else is.
const SHARE: f64 = 0.1;
/// Ratio of consecutive ridges. The candidates are the least ridge with the zero solution, divided by powers of this
/// ratio.
const RATIO: f64 = 1.4;
const RIDGES: i32 = 12;
/// Smaller numbers of columns tried next, with the best ridge and smaller ones: where few columns explain all but
/// noise, they need less shrinking.
const COLUMNS: [usize; 6] = [1, 2, 3, 5, 8, 12];
const RIDGE_DIVISORS: [f64; 4] = [1.0, 1.6, 2.5, 4.0];
/// Iterations of each candidate; its best iterate is kept.
const ITERATIONS: usize = 30;
const OBSERVE_EVERY: usize = 3;

/// Held-out error of a candidate, over the training error of the fit, below which the fit is at a local minimum.
const STUCK: f64 = 0.8;

/// Approximate bytes of a trial per number of its factors and per entry, and the limit for all trials; larger tables
/// keep the fit.
const BYTES: f64 = 64.0;
const MOST_BYTES: f64 = 8.0 * (1u64 << 30) as f64;

/// Entries for the choice.
struct Choice<'a> {
    entries: &'a Entries,
    y: &'a [f64],
    held_out: Vec<usize>,
    /// Biases of the training entries.
    biases: Option<Biases>,
    /// Whether the entries were held out only for this choice.
    own: bool,
}

/// A ridge that was tried, with or without biases.
struct Candidate {
    /// Its solution, as if it had run alone.
    solution: Solution,
    ridge: f64,
    with_biases: bool,
    rmse: f64,
}

impl Candidate {
    fn trial(&self) -> &TrialSolution {
        &self.solution.trials[0]
    }
}

/// Instances of a problem, and the ridges and numbers of columns to try on one of them.
struct Grid<'a> {
    problem: &'a Problem,
    instances: Vec<usize>,
    ridges: Vec<f64>,
    search_ranks: Vec<usize>,
}

impl Task<'_> {
    /// Whether the fit is one of noisy entries with an automatic ridge.
    pub(super) fn is_tunable(self, fit: &Solution) -> bool {
        let (settings, plan) = (self.settings, self.plan);
        let [trial] = fit.trials.as_slice() else { return false };
        self.problem.operator().entries().is_some()
            && plan.chosen
            && plan.method.decides()
            && plan.model.factors() == 2
            && !settings.without_tuning
            && !settings.stop.has_target()
            && !self.is_approximation()
            && settings.stop.time.is_none()
            && plan.ridge.iter().all(|ridge| *ridge == 0.0)
            && matches!(trial.status, Status::Finished | Status::Stalled)
            && trial.relative_residual > MISFIT
            && trial.parameters.fold.is_none()
            && trial.parameters.rows == self.problem.operator().measurements()
            && trial.parameters.rows - trial.parameters.holdout_rows >= FEWEST
    }
}

impl Solver {
    /// The fit, or a better predictor of held-out entries. Where entries are noisy and the method was automatic, ridges
    /// and biases of rows and columns are tried in one batch. Where nothing was held out, a tenth is, and the chosen
    /// candidate is fitted to all entries.
    pub(super) fn tuned(&self, fit: Solution, observer: &mut Observer<'_>) -> Result<Solution> {
        let operator = self.problem.operator().clone();
        let entries = operator.entries().filter(|_| self.task().is_tunable(&fit));
        let (Some(entries), Some(backend)) = (entries, self.loaded.backend_alone()) else { return Ok(fit) };
        if self.settings.checkpoint.is_some() || fit.resumed_at.is_some() {
            return Ok(fit.with_notice("lowrank tried no ridge, because the run writes checkpoints"));
        }
        let instance = fit.trials[0].parameters.instance;
        let y = self.problem.observations(instance).unwrap_or_default();
        let own = self.plan.held_out[0].is_empty();
        let held_out = match own {
            true => share_of(Holdout { fraction: SHARE, seed: 0 }, y.len())?,
            false => self.plan.held_out[0].clone(),
        };
        let training = training_weights(&self.problem, y.len(), &held_out)?;
        let biases = match self.settings.without_biases {
            true => None,
            false => Some(Biases::fit(entries, y, |i| training[i])?),
        };
        let choice = Choice { entries, y, held_out, biases, own };
        // Traces and snapshots do not include the candidates; an observer may still end the run.
        let mut stopped = false;
        let mut watch = |progress: &Progress<'_>| {
            let flow = observer(&Progress { is_choice: true, ..*progress });
            stopped |= flow.is_break();
            flow
        };
        let searched = self.searched(&choice, fit.trials[0].holdout_rmse(), &backend, &mut watch);
        if let Err(Error::Memory { needed, .. }) = &searched {
            let why = format!("lowrank tried no ridge, because its trials need {needed} of free memory");
            return Ok(fit.with_notice(why));
        }
        let Some((without_ridge, best)) = searched? else { return Ok(fit) };
        if stopped {
            let mut fit = fit;
            fit.notices
                .push("interrupted during the search for a ridge: the solution is the fit without a ridge".into());
            fit.trials[0].status = Status::Interrupted;
            return Ok(fit);
        }
        let Some(best) = best else {
            return Ok(fit.with_notice("lowrank tried no ridge, because trials would need more than 8 GiB"));
        };
        if let Some(found) = self.unstuck(&fit.trials[0], &best, observer)? {
            let notice = format!(
                "the first fit stalled at a relative residual of {}; a second fit, from the solution with a ridge, is better",
                readable(fit.trials[0].relative_residual)
            );
            return Ok(fit.replaced_by(found, notice));
        }
        let plain = choice.plain_rmse(&self.problem);
        if without_ridge <= best.rmse {
            return Ok(choice.kept(fit, without_ridge, best.rmse));
        }
        let notice = choice.said(&best, without_ridge, plain);
        let biases = match (best.with_biases, own) {
            (false, _) => None,
            (true, false) => choice.biases.clone(),
            (true, true) => {
                let all = training_weights(&self.problem, y.len(), &[])?;
                Some(Biases::fit(entries, y, |i| all[i])?)
            }
        };
        let better = plain.filter(|plain| *plain < best.rmse);
        let found = if own { self.on_all(&choice, &best, biases.as_ref(), &backend)? } else { best.solution };
        let mut solution = joined(fit, found, (biases, better), notice);
        let trial = &mut solution.trials[0];
        trial.relative_error = self.problem.truth(instance).map(|truth| relative_error(trial, truth)).transpose()?;
        Ok(solution)
    }

    /// The held-out error without a ridge, and the best candidate, if their memory is within bounds. `known` is the
    /// error of the fit on entries that were held out from the beginning.
    fn searched(
        &self,
        choice: &Choice<'_>,
        known: Option<f64>,
        backend: &Backend,
        watch: &mut Observer<'_>,
    ) -> Result<Option<(f64, Option<Candidate>)>> {
        let without_ridge = if choice.own { self.without_ridge(choice, backend, watch)? } else { known };
        let Some(without_ridge) = without_ridge else { return Ok(None) };
        Ok(Some((without_ridge, self.best(choice, backend, watch)?)))
    }

    /// Settings of the candidates: those of this solver that concern execution only.
    pub(super) fn settings_alike(&self, k: usize, method: Method) -> Settings {
        let own = &self.settings;
        // The accuracy under a ridge is far above the limit of f32.
        let precision = if own.precision == Precision::Mixed { Precision::F32 } else { own.precision };
        Settings { device_memory: own.device_memory, ..Settings::new(method) }
            .model(self.plan.model.clone())
            .search_rank(k)
            .precision(precision)
    }

    /// Held-out error of the fit without a ridge, trained on the other entries.
    fn without_ridge(&self, choice: &Choice<'_>, backend: &Backend, watch: &mut Observer<'_>) -> Result<Option<f64>> {
        let problem = self.problem.with_observations(vec![choice.y.to_vec()])?;
        let k = self.plan.trials[0].search_rank;
        let settings =
            self.settings_alike(k, self.plan.method.clone()).holdout_measurements(choice.held_out.iter().copied());
        let found = Solver::new(problem, settings, backend.clone())?.run(None, watch)?;
        Ok(found.trials[0].holdout_rmse())
    }

    /// The best predictor: a ridge with k columns, with or without biases, then one with fewer columns.
    fn best(&self, choice: &Choice<'_>, backend: &Backend, watch: &mut Observer<'_>) -> Result<Option<Candidate>> {
        let mut instances = vec![choice.y.to_vec()];
        instances.extend(choice.biases.as_ref().map(|biases| biases.without(choice.entries, choice.y)));
        // The mean of all entries gives the largest singular value; the remainder gives the scale of the ridges.
        let scale = instances.len() - 1;
        let problem = self.problem.with_observations(instances)?;
        let m = choice.y.len();
        let weights = training_weights(&problem, m, &choice.held_out)?;
        let s = problem.operator().normalization() * m as f64 / (m - choice.held_out.len()) as f64;
        let largest = Spectra::new(&problem).norm((scale, m, None), &weights, s, "ridge")?;
        let k = self.plan.trials[0].search_rank;
        let ridges = (1..=RIDGES).map(|power| largest / RATIO.powi(power)).collect();
        let grid = Grid { problem: &problem, instances: (0..=scale).collect(), ridges, search_ranks: vec![k] };
        let Some(first) = self.tried(choice, grid, backend, watch)? else { return Ok(None) };
        let grid = Grid {
            problem: &problem,
            instances: vec![usize::from(first.with_biases)],
            ridges: RIDGE_DIVISORS.iter().map(|divisor| first.ridge / divisor).collect(),
            search_ranks: COLUMNS.into_iter().filter(|columns| *columns < k).collect(),
        };
        if grid.search_ranks.is_empty() {
            return Ok(Some(first));
        }
        let second = self.tried(choice, grid, backend, watch)?;
        Ok([Some(first), second].into_iter().flatten().min_by(|a, b| a.rmse.total_cmp(&b.rmse)))
    }

    /// The best candidate of a grid.
    fn tried(
        &self,
        choice: &Choice<'_>,
        grid: Grid<'_>,
        backend: &Backend,
        watch: &mut Observer<'_>,
    ) -> Result<Option<Candidate>> {
        let mut trials = Vec::new();
        for &instance in &grid.instances {
            for &columns in &grid.search_ranks {
                let of = |ridge: &f64| Trial::default().instance(instance).search_rank(columns).ridge(*ridge);
                trials.extend(grid.ridges.iter().map(of));
            }
        }
        let (domain, m) = (grid.problem.operator().domain(), grid.problem.operator().measurements());
        let columns = grid.search_ranks.iter().copied().max().unwrap_or(1);
        let bytes = BYTES * trials.len() as f64 * (self.plan.model.numbers(&domain, columns) as f64 + m as f64);
        if bytes > MOST_BYTES {
            return Ok(None);
        }
        let settings = self
            .settings_alike(self.plan.trials[0].search_rank, Method::cg().into())
            .holdout_measurements(choice.held_out.iter().copied())
            .init(Init::Spectral { skip: 0, preprocess: Preprocess::None })
            .stop(Stop { max_iterations: ITERATIONS, stall_window: None, ..Stop::default() })
            .observe(Schedule::Every(OBSERVE_EVERY))
            .trials(trials);
        let batch = Solver::new(grid.problem.clone(), settings, backend.clone())?.run(None, watch)?;
        let finite = |trial: &TrialSolution| trial.holdout_rmse().filter(|rmse| rmse.is_finite());
        let of = |trial: &TrialSolution| Some((trial.parameters.trial, finite(trial)?));
        let best = batch.trials.iter().filter_map(of).min_by(|a, b| a.1.total_cmp(&b.1));
        Ok(best.map(|(trial, rmse)| Candidate {
            ridge: grid.ridges[trial % grid.ridges.len()],
            with_biases: batch.trials[trial].parameters.instance == 1,
            solution: batch.only(trial),
            rmse,
        }))
    }

    /// The candidate, continued without a ridge, where it shows that the fit is at a local minimum, and then fits. Noise
    /// would have kept the held-out error above the training error of a fit without a ridge.
    fn unstuck(&self, fit: &TrialSolution, best: &Candidate, observer: &mut Observer<'_>) -> Result<Option<Solution>> {
        if best.with_biases || best.rmse > STUCK * fit.train_rmse() {
            return Ok(None);
        }
        let (k, own) = (fit.parameters.search_rank, best.trial().parameters.search_rank);
        let sizes = self.plan.model.sizes(&self.problem.operator().domain(), k);
        let start = Factors::of_sizes(1, &sizes, best.trial().product().leading(own, k)?)?;
        let settings = self.settings_alike(k, self.plan.method.clone()).init(Init::Given(start));
        let found = self.beside(settings, observer)?;
        Ok(found.filter(|found| found.trials[0].relative_residual <= MISFIT))
    }

    /// The candidate, continued on all entries.
    fn on_all(
        &self,
        choice: &Choice<'_>,
        best: &Candidate,
        biases: Option<&Biases>,
        backend: &Backend,
    ) -> Result<Solution> {
        let y = biases.map_or_else(|| choice.y.to_vec(), |biases| biases.without(choice.entries, choice.y));
        let problem = self.problem.with_observations(vec![y])?;
        let problem = match (self.problem.truth(self.plan.trials[0].instance), best.with_biases) {
            (Some(truth), false) => problem.with_truths(vec![truth.clone()])?,
            _ => problem,
        };
        let blocks = best.trial().blocks().map(|block| block.as_slice().to_vec()).collect();
        let sizes = self.plan.model.sizes(&problem.operator().domain(), best.trial().parameters.search_rank);
        let start = Factors::of_sizes(1, &sizes, blocks)?;
        // The weight of the sum over the entries stays: s falls as their number grows.
        let ridge = best.ridge * problem.operator().normalization() / best.trial().parameters.normalization;
        let settings = self
            .settings_alike(best.trial().parameters.search_rank, Method::cg().into())
            .init(Init::Given(start))
            .ridge(ridge)
            .stop(Stop { max_iterations: ITERATIONS, stall_window: None, ..Stop::default() })
            .observe(Schedule::Every(OBSERVE_EVERY));
        Solver::new(problem, settings, backend.clone())?.run(None, &mut |_| ControlFlow::Continue(()))
    }
}

impl Choice<'_> {
    /// Held-out error of the biases alone, if any.
    fn plain_rmse(&self, problem: &Problem) -> Option<f64> {
        let mut held = vec![0.0; self.y.len()];
        self.held_out.iter().for_each(|&i| held[i] = problem.weight(i));
        self.biases.as_ref().map(|biases| biases.rmse(self.entries, self.y, |i| held[i]))
    }

    /// Description of the entries that chose.
    fn which(&self) -> String {
        match self.own {
            true => format!("{} entries held out for this choice", self.held_out.len()),
            false => "the held-out entries".into(),
        }
    }

    fn said(&self, best: &Candidate, without_ridge: f64, plain: Option<f64>) -> String {
        let (with, then) = (
            if best.with_biases { " with biases of rows and columns" } else { "" },
            if self.own { "; the final fit uses all entries" } else { "" },
        );
        let alone = plain.map_or_else(String::new, |plain| format!(", biases alone {}", readable(plain)));
        format!(
            "ridge {} and {} columns{with}: chosen by {}; their rmse is {} (without a ridge {}{alone}){then}",
            readable(best.ridge),
            best.trial().parameters.search_rank,
            self.which(),
            readable(best.rmse),
            readable(without_ridge),
        )
    }

    /// The fit, which is the best predictor.
    fn kept(&self, mut fit: Solution, without_ridge: f64, best: f64) -> Solution {
        fit.notices.push(format!(
            "no ridge: chosen by {}; their rmse is {} without a ridge and {} with the best one",
            self.which(),
            readable(without_ridge),
            readable(best)
        ));
        fit
    }
}

/// ‖Z − M‖_F/‖M‖_F with biases as two further columns: Z = L Rᵀ + (μ + b)1ᵀ + 1cᵀ.
fn relative_error(trial: &TrialSolution, truth: &Truth) -> Result<f64> {
    let product = trial.product();
    let Some(biases) = trial.biases() else { return diagnostics::relative_error(&product, truth) };
    let k = product.left().columns();
    let widened = |of: MatrixView<'_>, more: &dyn Fn(usize) -> [f64; 2]| -> Vec<f64> {
        (0..of.rows()).flat_map(|row| of.row(row).iter().copied().chain(more(row)).collect::<Vec<f64>>()).collect()
    };
    let left = widened(product.left(), &|row| [biases.mean + biases.rows[row], 1.0]);
    let right = widened(product.right(), &|row| [1.0, biases.columns[row]]);
    let (left, right) = (view(&left, k + 2)?, view(&right, k + 2)?);
    diagnostics::relative_error(&Product::pair(left, right)?, truth)
}

fn view(values: &[f64], columns: usize) -> Result<MatrixView<'_>> {
    MatrixView::new(values.len() / columns, columns, values)
}

/// The chosen candidate in place of the fit, with the sentences on both.
fn joined(
    fit: Solution,
    mut found: Solution,
    (biases, plain): (Option<Biases>, Option<f64>),
    notice: String,
) -> Solution {
    let trial = &mut found.trials[0];
    (trial.biases, trial.tuned) = (biases, true);
    trial.status = Status::Finished;
    trial.doubt = plain.map(|plain| {
        format!(
            "biases of rows and columns alone predict the held-out entries better, with an rmse of {}",
            readable(plain)
        )
    });
    fit.replaced_by(found, notice)
}
