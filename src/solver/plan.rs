//! Turns settings and a problem into concrete trials: every automatic value is chosen here, and said.

use std::sync::Arc;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::diagnostics::Spectrum;
use crate::error::{Error, Result};
use crate::methods::{
    Algorithm, CG_DAMPING_FACTOR, DAMPING, DAMPING_FACTOR, Method, PRECONDITIONED_STEP, Recipe, Tuning,
};
use crate::problem::random::{Purpose, stream};
use crate::problem::{Factors, Model, Shape};
use crate::solver::init::{Init, Preprocess};
use crate::solver::problem::Problem;
use crate::solver::settings::{Holdout, Settings, Trial};
use crate::solver::solution::TrialSolution;
use crate::solver::spectra::Spectra;
use crate::solver::starts;
use crate::text::readable;

/// What one trial was run with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialParameters {
    /// Number in the batch, from 0.
    pub trial: usize,
    /// Observation vector, from 0.
    pub instance: usize,
    /// k.
    pub search_rank: usize,
    /// μ.
    pub step_size: f64,
    /// λ of `scaled-gd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// α; absent for given factors and spectral starts.
    pub init_scale: Option<f64>,
    /// Scale of R over that of L; absent for one factor and for given ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_scale_ratio: Option<f64>,
    /// Seed of the start; absent for given factors.
    pub seed: Option<u64>,
    /// The first so many measurements are used,
    pub rows: usize,
    /// of which so many are held out.
    pub holdout_rows: usize,
    /// s of this trial's training measurements: s·m/(rows − holdout_rows).
    pub normalization: f64,
}

/// Concrete trials and what an engine is fed with.
pub(crate) struct Plan {
    pub trials: Vec<TrialParameters>,
    /// (batch, m): 1 for training measurements, else 0.
    pub weights: Vec<f64>,
    /// Held-out measurements of each trial.
    pub held_out: Vec<Vec<usize>>,
    /// Spectrum of P of each trial that is diagnosed.
    pub spectra: Vec<Option<Arc<Spectrum>>>,
    /// (batch, m)
    pub target: Vec<f64>,
    pub start: Factors,
    /// μ·s of each trial.
    pub steps: Vec<f64>,
    /// μ·ridge of each trial.
    pub shrink: Vec<f64>,
    /// What else each brings to its method,
    pub tuning: Vec<Tuning>,
    /// which this runs.
    pub algorithm: Algorithm,
    /// Sentences about automatic choices and doubtful input.
    pub notices: Vec<String>,
}

impl Plan {
    /// Of a trial whose loss blew up: what its step should have been below, and where that comes from.
    pub fn stable_step(&self, problem: &Problem, trial: &TrialSolution) -> Option<String> {
        let p = &trial.parameters;
        let recipe = Algorithm::Recipe(Recipe::default());
        let m = problem.operator().measurements();
        if self.algorithm != recipe {
            return None;
        }
        let weights = &self.weights[p.trial * m..(p.trial + 1) * m];
        let mut spectra = Spectra::new(problem);
        let norm = spectra.norm((p.instance, p.rows), weights, p.normalization, "step_size").ok()?;
        // At U Uᵀ = M the Hessian of f is at most 2‖M‖ where the measurements are isometric, at L Rᵀ = M as well for balanced factors;
        // descent is stable below 2 over it.
        let bound = 1.0 / norm;
        let said = readable(p.step_size);
        let text = format!("near a solution steps are stable below about 1/‖s·A*(y)‖ = {}", readable(bound));
        Some(match p.step_size > bound {
            true => format!(
                "The step size {said} is too large: {text}, an estimate from the data; a quarter of it is the default"
            ),
            false => {
                format!("The step size {said} is not beyond the estimate that {text}: the numbers came from elsewhere")
            }
        })
    }

    /// Whether it is gradient descent with a constant step, which power iterations and their times belong to.
    pub fn is_plain(&self) -> bool {
        self.algorithm == Algorithm::Recipe(Recipe::default())
            && self.tuning.iter().all(|tuning| tuning.decay == 1.0 && tuning.damping == 0.0)
    }
}

/// Default of `search_rank` where n is larger.
const DEFAULT_SEARCH_RANK: usize = 20;
/// α over √‖s·A*(y)‖ where α is automatic.
const AUTOMATIC_SCALE: f64 = 1e-6;

pub(crate) fn plan(problem: &Problem, settings: &Settings) -> Result<Plan> {
    settings.check()?;
    let operator = problem.operator();
    let (shape, m) = (operator.shape(), operator.measurements());
    let n = shape.rows().min(shape.columns());
    let signature = check_model(shape, settings)?;
    let given: Vec<Trial> = if settings.trials.is_empty() {
        (0..problem.instances()).map(|j| Trial::default().instance(j)).collect()
    } else {
        settings.trials.clone()
    };
    let batch = given.len();
    let mut notices = Vec::new();
    let given_factors = match &settings.init {
        Init::Given(factors) => Some(starts::check_given(factors, shape, batch, settings)?),
        _ => None,
    };

    let init = match &settings.init {
        // A start near zero is one that these do not get away from, or not within reason.
        Init::Automatic { .. } if starts_spectral(settings) => {
            &Init::Spectral { skip: 0, preprocess: Preprocess::None }
        }
        init => init,
    };
    let mut spectra = Spectra::new(problem);
    let (mut trials, mut weights, mut held_out, mut spectra_of) =
        (Vec::new(), vec![0.0; batch * m], Vec::new(), Vec::new());
    for (trial, wanted) in given.iter().enumerate() {
        let instance = wanted.instance.unwrap_or(0);
        if instance >= problem.instances() {
            let allowed = format!("0 to {}", problem.instances() - 1);
            return Err(Error::invalid("instance", instance, allowed, "the problem has no such observation vector"));
        }
        let rows = wanted.rows.unwrap_or(m);
        if rows == 0 || rows > m {
            return Err(Error::invalid("rows", rows, format!("1 to m = {m}"), "a trial uses the first rows"));
        }
        let search_rank = match (&given_factors, wanted.search_rank.or(settings.search_rank), signature) {
            (Some(factors), ..) => factors.search_rank(),
            (None, Some(k), _) => k,
            (None, None, Some((p, q))) => p + q,
            (None, None, None) => DEFAULT_SEARCH_RANK.min(n),
        };
        if let Some((p, q)) = signature.filter(|(p, q)| p + q != search_rank) {
            let fix = "leave search_rank out: the signature has it";
            return Err(Error::invalid("search_rank", search_rank, format!("p + q = {} of the signature", p + q), fix));
        }
        let held = match &settings.held_out {
            Some(list) => listed(list, rows, m)?,
            None => hold_out(settings, rows)?,
        };
        let training = rows - held.len();
        let row = &mut weights[trial * m..(trial + 1) * m];
        row[..rows].fill(1.0);
        held.iter().for_each(|&i| row[i] = 0.0);
        let normalization = operator.normalization() * m as f64 / training as f64;

        let key = (instance, rows);
        let step_size = match wanted.step_size.or(settings.step_size) {
            Some(step) => step,
            None => match settings.method {
                Method::ScaledGd | Method::PrecGd => PRECONDITIONED_STEP,
                Method::AltScaledGd | Method::Cg | Method::Lbfgs | Method::Riemannian => 1.0,
                _ => 0.25 / spectra.norm(key, row, normalization, "step_size")?,
            },
        };
        let damping = match (settings.method, wanted.damping.or(settings.parameters.damping), init) {
            (Method::ScaledGd, Some(damping), _) => Some(damping),
            (Method::ScaledGd, None, Init::Spectral { .. }) => Some(0.0),
            (Method::ScaledGd, None, _) => Some(DAMPING * spectra.norm(key, row, normalization, "damping")?),
            _ => None,
        };
        let (init_scale, seed) = match (init, wanted.init_scale) {
            (Init::Given(_) | Init::Spectral { .. }, _) => (None, None),
            (Init::SmallRandom { seed, .. }, Some(scale)) | (Init::Automatic { seed }, Some(scale)) => {
                (Some(scale), Some(wanted.seed.unwrap_or(*seed)))
            }
            (Init::SmallRandom { scale, seed }, None) => (Some(*scale), Some(wanted.seed.unwrap_or(*seed))),
            (Init::Automatic { seed }, None) => {
                let scale = AUTOMATIC_SCALE * spectra.norm(key, row, normalization, "init_scale")?.sqrt();
                (Some(scale), Some(wanted.seed.unwrap_or(*seed)))
            }
        };
        trials.push(TrialParameters {
            trial,
            instance,
            search_rank,
            step_size,
            damping,
            init_scale,
            init_scale_ratio: init_scale
                .filter(|_| !shape.is_symmetric())
                .map(|_| settings.init_scale_ratio.unwrap_or(1.0)),
            seed,
            rows,
            holdout_rows: held.len(),
            normalization,
        });
        held_out.push(held);
        let diagnosed = settings.diagnose && shape.model() == Model::Psd && problem.truth(instance).is_some();
        spectra_of.push(if diagnosed { Some(spectra.get(key, row, normalization)?) } else { None });
    }
    say(&given, settings, n, &trials, &mut notices);
    let target: Vec<f64> =
        trials.iter().flat_map(|t| problem.observations(t.instance).unwrap_or_default()).copied().collect();
    let steps = trials.iter().map(|t| t.step_size * t.normalization).collect();
    let shrink = trials.iter().map(|t| t.step_size * settings.ridge).collect();
    let start = match (given_factors, init) {
        (Some(factors), _) => factors,
        (None, &Init::Spectral { skip, preprocess }) => {
            starts::spectral(&**operator, &target, &weights, &trials, settings, (skip, preprocess))?
        }
        (None, _) => starts::small_random(shape, &trials, settings.init_std)?,
    };
    starts::require_numbers(&start, &trials, settings.precision)?;
    notices.extend(starts::deficient(&start, &trials, settings)?);
    let undamped = trials.iter().any(|t| t.damping == Some(0.0));
    let algorithm = settings.method.algorithm(&settings.parameters, shape, undamped)?;
    let tuning = trials.iter().map(|t| tuning(settings, t)).collect();
    Ok(Plan {
        trials,
        weights,
        held_out,
        spectra: spectra_of,
        target,
        start,
        steps,
        shrink,
        tuning,
        algorithm,
        notices,
    })
}

/// Whether the automatic start is a spectral one.
fn starts_spectral(settings: &Settings) -> bool {
    match settings.method {
        Method::AltScaledGd | Method::Riemannian => true,
        Method::ScaledGd => {
            let zero = |damping: Option<f64>| damping.or(settings.parameters.damping) == Some(0.0);
            zero(None) || settings.trials.iter().any(|trial| zero(trial.damping))
        }
        _ => false,
    }
}

fn tuning(settings: &Settings, trial: &TrialParameters) -> Tuning {
    let p = &settings.parameters;
    let factor = match settings.method {
        Method::PrecGd => p.damping_factor.unwrap_or(DAMPING_FACTOR),
        Method::Cg => p.damping_factor.unwrap_or(CG_DAMPING_FACTOR),
        _ => 0.0,
    };
    // The step that others decay from, see `Method::algorithm`.
    let first = p.decays_from_polyak(settings.method);
    Tuning {
        damping: trial.damping.unwrap_or(0.0),
        damping_factor: factor * trial.normalization.sqrt(),
        decay: p.decay(settings.method).unwrap_or(1.0),
        optimal: p.optimal_loss.unwrap_or(0.0) / trial.normalization,
        polyak_scale: p.polyak_scale.unwrap_or(if first { 0.5 } else { 1.0 }),
    }
}

/// The signature of the signed model; settings that belong to another model are refused.
fn check_model(shape: Shape, settings: &Settings) -> Result<Option<(usize, usize)>> {
    let model = format!("{:?}", shape.model()).to_lowercase();
    match (shape.model(), settings.signature) {
        (Model::Signed, Some((p, q))) if p.checked_add(q).is_none_or(|k| k == 0) => {
            return Err(Error::invalid(
                "signature",
                format!("{p},{q}"),
                "p,q with p + q at least 1",
                "for example 3,2",
            ));
        }
        (Model::Signed, None) => {
            let fix = "give p,q, at least the numbers of positive and negative eigenvalues that you expect";
            return Err(Error::invalid("signature", "nothing", "p,q for the model signed", fix));
        }
        (Model::Psd | Model::Asymmetric, Some((p, q))) => {
            let allowed = format!("none for the model {model}");
            return Err(Error::invalid("signature", format!("{p},{q}"), allowed, "say model signed, or leave it out"));
        }
        _ => {}
    }
    if let Some(ratio) = settings.init_scale_ratio.filter(|_| shape.is_symmetric()) {
        let allowed = format!("nothing for the model {model}, which has one factor");
        return Err(Error::invalid("init_scale_ratio", ratio, allowed, "say model asymmetric, or leave it out"));
    }
    Ok(settings.signature)
}

/// The measurements of a list that are among the first `rows`, ascending.
fn listed(list: &[usize], rows: usize, m: usize) -> Result<Vec<usize>> {
    if let Some(beyond) = list.iter().find(|i| **i >= m) {
        let allowed = format!("measurements 0 to {}", m - 1);
        return Err(Error::invalid("holdout", format!("measurement {beyond}"), allowed, "they are counted from 0"));
    }
    let mut held: Vec<usize> = list.iter().copied().filter(|i| *i < rows).collect();
    held.sort_unstable();
    held.dedup();
    if held.len() >= rows {
        let fix = "leave some for training";
        return Err(Error::invalid("holdout", format!("all {rows} measurements"), "fewer than all of them", fix));
    }
    Ok(held)
}

/// The held-out measurements among the first `rows`, ascending: a function of the seed, the share and `rows` only.
fn hold_out(settings: &Settings, rows: usize) -> Result<Vec<usize>> {
    let Some(holdout) = settings.holdout else { return Ok(Vec::new()) };
    share_of(holdout, rows)
}

/// A share of 0..rows, drawn with a seed, ascending.
pub(crate) fn share_of(holdout: Holdout, rows: usize) -> Result<Vec<usize>> {
    let count = ((rows as f64 * holdout.fraction).round() as usize).max(1);
    if count >= rows {
        return Err(Error::invalid(
            "holdout",
            format!("{count} of {rows} measurements"),
            "fewer than all of them",
            "lower the share or bring more measurements",
        ));
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(holdout.seed, Purpose::Holdout, rows as u64));
    order.truncate(count);
    order.sort_unstable();
    Ok(order)
}

/// Says the automatic choices aloud.
fn say(given: &[Trial], settings: &Settings, n: usize, trials: &[TrialParameters], notices: &mut Vec<String>) {
    let span = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low == high { readable(low) } else { format!("{} to {}", readable(low), readable(high)) }
    };
    let unset = |of: fn(&Trial) -> bool| -> Vec<usize> { (0..given.len()).filter(|&i| !of(&given[i])).collect() };
    let steps = unset(|t| t.step_size.is_some());
    let from_norm = !settings.method.is_preconditioned() && !settings.method.searches();
    if settings.step_size.is_none() && !steps.is_empty() && from_norm {
        let values = span(steps.iter().map(|&i| trials[i].step_size).collect());
        notices.push(format!("step_size {values}: chosen as 1/(4 ‖s·A*(y)‖)"));
    }
    if settings.step_size.is_none() && !steps.is_empty() && settings.method.is_preconditioned() {
        let values = span(steps.iter().map(|&i| trials[i].step_size).collect());
        notices.push(format!("step_size {values}: chosen for {}, whose steps have no unit", settings.method.word()));
    }
    let scales = unset(|t| t.init_scale.is_some());
    if matches!(settings.init, Init::Automatic { .. }) && starts_spectral(settings) {
        notices.push("init spectral: chosen for the method, from the leading eigenvectors of s·A*(y)".to_owned());
    } else if matches!(settings.init, Init::Automatic { .. }) && !scales.is_empty() {
        let values = span(scales.iter().filter_map(|&i| trials[i].init_scale).collect());
        notices.push(format!("init_scale {values}: chosen as {AUTOMATIC_SCALE:e} √‖s·A*(y)‖"));
    }
    let ranks = unset(|t| t.search_rank.is_some());
    let chosen = settings.search_rank.is_none() && settings.signature.is_none();
    if chosen && !matches!(settings.init, Init::Given(_)) && !ranks.is_empty() {
        notices.push(format!("search_rank {}: chosen as min(n, {DEFAULT_SEARCH_RANK})", DEFAULT_SEARCH_RANK.min(n)));
    }
}
