//! Conversion of settings and a problem into concrete trials. Every automatic value is chosen and reported here.

use std::sync::Arc;

use crate::diagnostics::Spectrum;
use crate::error::Result;
use crate::methods::{Method, TrialNumbers};
use crate::models::{Automatic, Model};
use crate::operators::{Entries, Loss};
use crate::problem::Factors;
use crate::solver::choices::{self, Choice};
use crate::solver::doubts;
use crate::solver::init::Init;
use crate::solver::measured::{Measured, Used};
use crate::solver::memory;
use crate::solver::problem::Problem;
use crate::solver::settings::Settings;
use crate::solver::spectra::Spectra;
use crate::solver::starts;
use crate::solver::trial::{Trial, TrialParameters};
use crate::solver::units::Units;
use crate::tape::noise;
use crate::text::readable;

/// Concrete trials and the inputs of an engine.
pub(crate) struct Plan {
    /// Model of the matrix.
    pub model: Model,
    /// Method of the iteration.
    pub method: Method,
    /// Whether the method was chosen automatically.
    pub chosen: bool,
    /// Whether the engine reads single rows, so that a method may need that.
    pub reads_rows: bool,
    pub trials: Vec<TrialParameters>,
    /// Weights, (batch, m): 1 for training measurements, else 0.
    pub weights: Vec<f64>,
    /// Held-out measurements of each trial.
    pub held_out: Vec<Vec<usize>>,
    /// Their weights, with a mean of 1; none where all are 1.
    pub held_weights: Vec<Vec<f64>>,
    /// Spectrum of P of each diagnosed trial.
    pub spectra: Vec<Option<Arc<Spectrum>>>,
    /// Observations, (batch, m).
    pub target: Vec<f64>,
    pub start: Factors,
    /// Units of the engine. Steps, ridges and numbers below are in these units.
    pub units: Units,
    /// μ·s of each trial.
    pub steps: Vec<f64>,
    /// ridge/s of each trial.
    pub ridge: Vec<f64>,
    /// Weight of ½‖Z‖_F² in f/s of each trial.
    pub unobserved: Vec<f64>,
    /// Numbers of each trial for a perturbed descent and a fixed trace, by the names of the tape's parameters.
    pub perturbation: [(&'static str, Vec<f64>); 5],
    /// Numbers of each trial for its method.
    pub numbers: Vec<TrialNumbers>,
    /// Whether the iteration is gradient descent with a constant step and no projection, for which the power iteration and the phase times
    /// are defined.
    pub plain: bool,
    /// Sentences about automatic choices and doubtful input.
    pub notices: Vec<String>,
    /// Those about doubtful input.
    pub doubts: Vec<String>,
}

/// A problem, its settings, and its plan.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub problem: &'a Problem,
    pub settings: &'a Settings,
    pub plan: &'a Plan,
}

impl Task<'_> {
    /// Whether the best matrix of a requested rank is asked: every entry is known, so there is nothing to predict.
    pub fn is_approximation(self) -> bool {
        let Self { problem, settings, plan } = self;
        let asked = settings.asks_for_rank() || plan.model.search_rank().is_some();
        let nothing_held = plan.held_out.iter().all(Vec::is_empty);
        let known = problem.upper_bounds().is_none();
        asked && nothing_held && known && problem.operator().entries().is_some_and(Entries::is_complete)
    }

    /// Degrees of freedom of a matrix of a rank, against which more columns are judged; 0 for an approximation, where
    /// every column counts.
    pub fn freedom(self) -> impl Fn(usize) -> usize {
        let (model, domain) = (self.plan.model.clone(), self.problem.operator().domain());
        let approximation = self.is_approximation();
        move |rank| if approximation { 0 } else { model.degrees_of_freedom(&domain, rank) }
    }
}

impl Plan {
    /// For a diverged trial, the bound on its step and the source of the bound.
    pub fn stable_step(&self, problem: &Problem, p: &TrialParameters) -> Option<String> {
        let m = problem.operator().measurements();
        if !self.plain {
            return None;
        }
        let weights = &self.weights[p.trial * m..(p.trial + 1) * m];
        let mut spectra = Spectra::new(problem);
        let norm = spectra.norm((p.instance, p.rows, p.fold), weights, p.normalization, "step_size").ok()?;
        let Automatic { value: bound, formula } = self.model.stable_step(norm);
        let said = readable(p.step_size);
        let text = format!("near a solution, steps below about {formula} = {} are stable", readable(bound));
        Some(match p.step_size > bound {
            true => format!(
                "The step size {said} is too large: {text} (an estimate from the data). The default is a quarter \
                 of that"
            ),
            false => {
                format!("The step size {said} is not the cause: {text} (an estimate from the data)")
            }
        })
    }

    /// Search rank k of the widest trial.
    pub fn search_rank(&self) -> usize {
        self.trials.iter().map(|trial| trial.search_rank).max().unwrap_or(1)
    }

    /// Whether some trial has a ridge.
    pub fn has_ridge(&self) -> bool {
        self.ridge.iter().any(|ridge| *ridge > 0.0)
    }

    /// Whether unobserved entries have a weight.
    pub fn weighs_unobserved(&self) -> bool {
        self.unobserved.iter().any(|weight| *weight > 0.0)
    }

    /// Whether some trial has λ = 0.
    pub fn is_undamped(&self) -> bool {
        self.trials.iter().any(|trial| trial.damping == Some(0.0))
    }
}

/// Numbers of trials that are chosen where they are not given.
struct Numbers<'a> {
    search_ranks: &'a [usize],
    step_sizes: &'a [f64],
    dampings: &'a [Option<f64>],
    init_scales: &'a [Option<f64>],
    init_scale_ratio: Option<f64>,
}

impl Numbers<'_> {
    fn trials(&self, settings: &Settings, wanted: &[Trial], init: &Init, used: &[Used]) -> Vec<TrialParameters> {
        let of = |(trial, used): (usize, &Used)| TrialParameters {
            trial,
            instance: used.instance,
            search_rank: self.search_ranks[trial],
            step_size: self.step_sizes[trial],
            damping: self.dampings[trial],
            ridge: Some(wanted[trial].ridge.unwrap_or(settings.ridge)).filter(|ridge| *ridge > 0.0),
            init_scale: self.init_scales[trial],
            init_scale_ratio: self.init_scales[trial].and(self.init_scale_ratio),
            seed: choices::seed(&wanted[trial], init),
            rows: used.rows,
            holdout_rows: used.rows - used.training,
            fold: used.fold,
            normalization: used.normalization,
        };
        used.iter().enumerate().map(of).collect()
    }
}

/// The sentence that errors over held-out measurements are weighted, if they are.
fn weighted(held: &[Vec<f64>]) -> Option<String> {
    let said = "weights: the rmse over held-out measurements is weighted, √(Σ we²/Σ w), as it is over the training measurements";
    held.iter().any(|weights| !weights.is_empty()).then(|| said.into())
}

/// Numbers of a trial for its method.
fn numbers(settings: &Settings, units: &Units, trial: &TrialParameters) -> TrialNumbers {
    TrialNumbers {
        normalization: trial.normalization,
        damping: trial.damping.map(|damping| damping * units.of(trial.trial)),
        robust: settings.loss != Loss::Square,
        search_rank: trial.search_rank,
        measurements: trial.rows - trial.holdout_rows,
    }
}

/// Numbers of a perturbed descent, and the fixed trace, in the engine's units.
fn perturbation(settings: &Settings, units: &Units, trials: &[TrialParameters]) -> [(&'static str, Vec<f64>); 5] {
    let of = |number: &dyn Fn(&TrialParameters) -> f64| trials.iter().map(number).collect();
    let until = settings.label_noise_until.map_or(noise::MOST, |turns| turns as u64);
    [
        ("label_noise", of(&|t| settings.label_noise * units.of(t.trial))),
        ("label_noise_until", of(&|_| until as f64)),
        ("noise_stream", of(&|t| noise::stream(t.seed.unwrap_or(0)))),
        ("sharpness", of(&|t| settings.sharpness * units.of_factor(t.trial))),
        ("fixed_trace", of(&|t| settings.fixed_trace.unwrap_or(0.0) * units.of(t.trial))),
    ]
}

/// Decides everything that a run depends on. Where the engine reads single rows, the automatic method may need that.
pub(crate) fn plan(problem: &Problem, settings: &Settings, reads_rows: bool) -> Result<Plan> {
    settings.check()?;
    let domain = problem.operator().domain();
    let model = choices::model(&domain, settings)?;
    let method = choices::method((problem, &model), settings, reads_rows)?;
    let wanted = choices::wanted_trials(problem, settings);
    let given = choices::given_start((&model, &domain), settings, wanted.len())?;
    let search_ranks = choices::search_ranks((&model, &domain), settings, &wanted, given.as_ref())?;
    let widest = search_ranks.value.iter().copied().max().unwrap_or(1);
    memory::require((problem, settings), &model, &wanted, method.value.columns(widest).max(widest))?;
    let Choice { value: init, reason: init_reason } = choices::init(&method.value, settings);
    let mut measured = Measured::new(problem, settings, &wanted)?;
    let step_sizes = choices::step_sizes((&method.value, &model), settings, &wanted, &mut measured)?;
    let dampings = choices::dampings(&method.value, &wanted, init, &mut measured)?;
    let init_scales = choices::init_scales((&method.value, &model), &wanted, init, &mut measured)?;
    let spectra = measured.diagnosed(settings, &model)?;
    let chosen = Numbers {
        search_ranks: &search_ranks.value,
        step_sizes: &step_sizes.value,
        dampings: &dampings,
        init_scales: &init_scales.value,
        init_scale_ratio: model.has_init_scale_ratio().then(|| settings.init_scale_ratio.unwrap_or(1.0)),
    };
    let trials = chosen.trials(settings, &wanted, init, &measured.used);
    let target = measured.target();
    let start = starts::start((problem, &model), settings, (init, given), (&target, &measured.weights), &trials)?;
    let deficient = starts::deficient(&start, &trials, settings)?.into_iter();
    let doubts: Vec<_> = deficient.chain(doubts::of_truths(problem)?).collect();
    let start = starts::finished(start, (&model, &domain), (&method.value, settings))?;
    let held_weights = measured.held_weights()?;
    let reasons = [method.reason, step_sizes.reason, init_reason, init_scales.reason, search_ranks.reason];
    let observed = (&target[..], &measured.weights[..], problem.operator().measurements());
    let units = Units::new(observed, (settings, &method.value, &model));
    // With a weight of unobserved entries the ridge belongs to ½Σ w(Z − y)² + (ω/2)‖Z‖² with w as given: f/s times w̄.
    let mean_weight = |t: &TrialParameters| measured.used[t.trial].mean_weight;
    let divisor = |t: &TrialParameters| if settings.unobserved_weight > 0.0 { mean_weight(t) } else { t.normalization };
    let ridge = |t: &TrialParameters| t.ridge.unwrap_or(0.0) * units.of(t.trial) / divisor(t);
    Ok(Plan {
        reads_rows,
        steps: trials.iter().map(|t| units.step(&method.value, t.trial, t.step_size) * t.normalization).collect(),
        ridge: trials.iter().map(ridge).collect(),
        unobserved: trials.iter().map(|t| settings.unobserved_weight / mean_weight(t)).collect(),
        perturbation: perturbation(settings, &units, &trials),
        numbers: trials.iter().map(|t| numbers(settings, &units, t)).collect(),
        plain: method.value.is_plain(settings.loss) && !settings.projects() && !settings.perturbs(),
        trials,
        weights: measured.weights,
        held_out: measured.used.into_iter().map(|used| used.held_out).collect(),
        spectra,
        target,
        start,
        model,
        method: method.value,
        chosen: settings.method.is_none(),
        units,
        notices: reasons.into_iter().flatten().chain(weighted(&held_weights)).chain(doubts.iter().cloned()).collect(),
        held_weights,
        doubts,
    })
}
