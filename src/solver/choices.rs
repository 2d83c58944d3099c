//! The choices of a plan, one function each: the requested value, or an automatic one with its reason.

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::methods::{DAMPING, Method, StartKind, StepSize};
use crate::models::{DEFAULT_SEARCH_RANK, Model};
use crate::problem::{Domain, Factors};
use crate::solver::init::{Init, Preprocess};
use crate::solver::measured::Measured;
use crate::solver::problem::Problem;
use crate::solver::settings::Settings;
use crate::solver::starts;
use crate::solver::trial::Trial;
use crate::text::readable;

/// Start of methods that leave a neighbourhood of zero slowly or never.
static SPECTRAL: Init = Init::Spectral { skip: 0, preprocess: Preprocess::None };

/// Largest size of a matrix for a method that reads some of the rows.
const WIDEST: usize = 1000;

/// A value, with a sentence on the reason where it was chosen automatically.
pub(super) struct Choice<T> {
    pub value: T,
    pub reason: Option<String>,
}

/// The requested method, or one that suits the loss, the model and the other settings.
///
/// # Errors
/// [`Error::Unsupported`] for a method that does not suit the loss or the model.
pub(super) fn method(
    (problem, model): (&Problem, &Model),
    settings: &Settings,
    reads_rows: bool,
) -> Result<Choice<Method>> {
    let (bounded, blind) = (problem.upper_bounds().is_some(), !problem.operator().has_adjoint());
    if blind {
        require_values_alone(problem, settings)?;
    }
    if bounded && settings.precision == Precision::Mixed {
        let found = "mixed beside observations that are upper bounds";
        return Err(Error::invalid("precision", found, "f32 or f64 for them", "change the precision"));
    }
    if let Some(method) = &settings.method {
        if bounded && !method.perturbs() {
            let what = format!("the method {method} with observations that are upper bounds, as unseen entries have,");
            let fix = format!("use one of {}, with constant or scheduled steps", Method::perturbing());
            return Err(Error::Unsupported { what, fix });
        }
        if method.starts_alone() && matches!(settings.init, Init::Given(_) | Init::Spectral { .. }) {
            let what = format!("a start with the method {method}, which begins with the measurements,");
            return Err(Error::Unsupported { what, fix: "use pursuit, or leave the start out".into() });
        }
        method.suits(settings.loss, model)?;
        if problem.operator().domain().is_complex() && !method.takes_complex() {
            let what = format!("the method {method} for complex matrices");
            return Err(Error::Unsupported {
                what,
                fix: "leave the method out, or use pursuit, cg, lbfgs or gd".into(),
            });
        }
        return Ok(Choice { value: method.clone(), reason: None });
    }
    let (value, why) = match bounded {
        _ if blind => (Method::zeroth_order().into(), "measurements without an adjoint".into()),
        true => (Method::momentum().into(), "observations that are upper bounds".into()),
        false => settings.automatic_method(model, reads_rows && has_few_rows(problem, settings)),
    };
    let reason = Some(format!("method {}: lowrank chose it for {why}", value.word()));
    Ok(Choice { value, reason })
}

/// Whether the automatic method may be one that reads some of the rows, for every trial on its own: rows of many numbers,
/// whose thin rows are kept, one trial, since several would share the passes of another method, spectra of the whole matrix
/// in little time, and neither a ridge nor a start.
fn has_few_rows(problem: &Problem, settings: &Settings) -> bool {
    let trials = if settings.trials.is_empty() { problem.instances() } else { settings.trials.len() };
    let operator = problem.operator();
    let domain = operator.domain();
    let thin = operator.accelerate().kernels.is_some_and(|(_, kernel)| kernel.has_thin_rows());
    let ridge =
        settings.ridge > 0.0 || settings.trials.iter().any(|trial| trial.ridge.is_some_and(|ridge| ridge > 0.0));
    let small = domain.rows().max(domain.columns()) <= WIDEST && trials == 1;
    let begins = matches!(settings.init, Init::Automatic { .. });
    thin && small && begins && !ridge && !operator.is_centred() && !domain.is_complex()
}

/// Refuses methods, starts and diagnoses that apply the adjoint, for measurements that have none.
fn require_values_alone(problem: &Problem, settings: &Settings) -> Result<()> {
    let name = problem.operator().name();
    let refused = |what: String, fix: &str| {
        let what = format!("{what} for the measurements '{name}', which have no adjoint,");
        Err(Error::Unsupported { what, fix: fix.into() })
    };
    match &settings.method {
        Some(method) if method.needs_adjoint() => {
            refused(format!("the method {method}"), "use the method zeroth-order, or leave the method out")
        }
        _ if matches!(settings.init, Init::Spectral { .. }) => {
            refused("a spectral start".into(), "use a random start, or pass factors")
        }
        _ if settings.diagnose => refused("a diagnosis".into(), "leave it out"),
        _ => Ok(()),
    }
}

/// The model. Settings of other models are refused.
pub(super) fn model(domain: &Domain, settings: &Settings) -> Result<Model> {
    let model = settings.model_of(domain);
    model.check(domain)?;
    if domain.is_complex() && settings.nonnegative {
        let allowed = "factors of either sign for complex matrices";
        return Err(Error::invalid("nonnegative", "complex factors", allowed, "leave it out"));
    }
    if let Some(trace) = settings.fixed_trace.filter(|_| !model.has_trace_of_factor()) {
        let found = format!("{trace} with the model {}", model.word());
        let allowed = "the model psd, whose trace is ‖U‖_F²";
        return Err(Error::invalid("fixed_trace", found, allowed, "pass --model psd, or leave the trace out"));
    }
    settings.check_unobserved_model(&model)?;
    if let Some(ratio) = settings.init_scale_ratio.filter(|_| !model.has_init_scale_ratio()) {
        let allowed = format!("no value with the model {}, whose factors all start at one size", model.word());
        return Err(Error::invalid("init_scale_ratio", ratio, allowed, "use the model asymmetric, or leave it out"));
    }
    Ok(model)
}

/// The requested trials, or one per observation vector.
pub(super) fn wanted_trials(problem: &Problem, settings: &Settings) -> Vec<Trial> {
    match settings.trials.is_empty() {
        true => (0..problem.instances()).map(|j| Trial::default().instance(j)).collect(),
        false => settings.trials.clone(),
    }
}

/// The given start of every trial, if any.
pub(super) fn given_start(of: (&Model, &Domain), settings: &Settings, batch: usize) -> Result<Option<Factors>> {
    match &settings.init {
        Init::Given(factors) => Ok(Some(starts::check_given(factors, of, batch, settings)?)),
        _ => Ok(None),
    }
}

/// Search rank k of every trial: that of the given start, as requested, of the model, or min(n, 20).
pub(super) fn search_ranks(
    (model, domain): (&Model, &Domain),
    settings: &Settings,
    wanted: &[Trial],
    given: Option<&Factors>,
) -> Result<Choice<Vec<usize>>> {
    let (automatic, prescribed) = (model.default_search_rank(domain), model.search_rank());
    let of = |trial: &Trial| match given {
        Some(factors) => factors.search_rank(),
        None => trial.search_rank.or(settings.search_rank).unwrap_or(automatic),
    };
    let value: Vec<usize> = wanted.iter().map(of).collect();
    if let Some((k, found)) = prescribed.and_then(|k| Some((k, value.iter().find(|found| **found != k)?))) {
        let (allowed, fix) = (
            format!("p + q = {k} of the signature"),
            "leave search_rank out: the signature \
                                                                        determines it",
        );
        return Err(Error::invalid("search_rank", found, allowed, fix));
    }
    let asked = given.is_some() || settings.search_rank.is_some() || prescribed.is_some();
    let chosen = !asked && wanted.iter().any(|trial| trial.search_rank.is_none());
    let reason = chosen.then(|| format!("search_rank {automatic}: chosen as min(n, {DEFAULT_SEARCH_RANK})"));
    Ok(Choice { value, reason })
}

/// The requested start, or one that suits the method.
pub(super) fn init<'a>(method: &Method, settings: &'a Settings) -> Choice<&'a Init> {
    let automatic = matches!(settings.init, Init::Automatic { .. });
    if !(automatic && prefers_spectral(method, settings)) {
        return Choice { value: &settings.init, reason: None };
    }
    let reason = "init spectral: chosen for the method, from the leading eigenvectors of s·A*(y)".to_owned();
    Choice { value: &SPECTRAL, reason: Some(reason) }
}

/// Whether the method starts from a spectrum by default.
fn prefers_spectral(method: &Method, settings: &Settings) -> bool {
    let of = |damping: Option<f64>| method.start(damping) == StartKind::Spectral;
    of(None) || settings.trials.iter().any(|trial| of(trial.damping))
}

/// Step size μ of every trial: as requested, 1 for methods that search from there, 0.4 for preconditioned ones, else a
/// quarter of the model's stable step.
pub(super) fn step_sizes(
    (method, model): (&Method, &Model),
    settings: &Settings,
    wanted: &[Trial],
    measured: &mut Measured<'_>,
) -> Result<Choice<Vec<f64>>> {
    let (mut chosen, mut formula) = (Vec::new(), String::new());
    let mut of = |(t, trial): (usize, &Trial)| {
        if let Some(step) = trial.step_size.or(settings.step_size) {
            return Ok(step);
        }
        let step = match method.step_size() {
            StepSize::Number(step) => step,
            StepSize::Found => 1.0,
            StepSize::FromNorm => {
                let stable = model.stable_step(measured.norm(t, "step_size")?);
                formula = stable.formula;
                0.25 * stable.value
            }
        };
        chosen.push(step);
        Ok(step)
    };
    let value = wanted.iter().enumerate().map(&mut of).collect::<Result<_>>()?;
    let reason = span(&chosen).and_then(|steps| match method.step_size() {
        StepSize::Number(_) => {
            Some(format!("step_size {steps}: chosen for {}, whose steps are scale-free", method.word()))
        }
        StepSize::Found => None,
        StepSize::FromNorm => Some(format!("step_size {steps}: chosen as a quarter of {formula}")),
    });
    Ok(Choice { value, reason })
}

/// Damping λ of every trial of `scaled-gd`: as requested, 0 from a spectral start, else 1e-3 ‖s·A*(y)‖.
pub(super) fn dampings(
    method: &Method,
    wanted: &[Trial],
    init: &Init,
    measured: &mut Measured<'_>,
) -> Result<Vec<Option<f64>>> {
    let mut of = |(t, trial): (usize, &Trial)| {
        let Some(of_method) = method.damping() else { return Ok(None) };
        match (trial.damping.or(of_method), init) {
            (Some(damping), _) => Ok(Some(damping)),
            (None, Init::Spectral { .. }) => Ok(Some(0.0)),
            (None, _) => Ok(Some(DAMPING * measured.norm(t, "damping")?)),
        }
    };
    wanted.iter().enumerate().map(&mut of).collect()
}

/// Scale α of every trial with a random start: as requested, that of a trace that every step keeps, or the model's own.
pub(super) fn init_scales(
    (method, model): (&Method, &Model),
    wanted: &[Trial],
    init: &Init,
    measured: &mut Measured<'_>,
) -> Result<Choice<Vec<Option<f64>>>> {
    let (mut chosen, mut formula) = (Vec::new(), String::new());
    let of_trace = measured.scale_of_trace().filter(|_| method.keeps_trace());
    let mut of = |(t, trial): (usize, &Trial)| match (init, trial.init_scale) {
        (Init::Given(_) | Init::Spectral { .. }, _) => Ok(None),
        _ if of_trace.is_some() => Ok(of_trace),
        (_, Some(scale)) => Ok(Some(scale)),
        (Init::SmallRandom { scale, .. }, None) => Ok(Some(*scale)),
        // The method starts at 0.
        (Init::Automatic { .. }, None) if method.starts_alone() => Ok(Some(0.0)),
        (Init::Automatic { .. }, None) => {
            let scale = model.automatic_scale(measured.norm(t, "init_scale")?);
            formula = scale.formula;
            chosen.push(scale.value);
            Ok(Some(scale.value))
        }
    };
    let value = wanted.iter().enumerate().map(&mut of).collect::<Result<_>>()?;
    let said = span(&chosen).filter(|_| method.start(None) != StartKind::Directions);
    let reason = said.map(|scales| format!("init_scale {scales}: chosen as {formula}"));
    Ok(Choice { value, reason })
}

/// Seed of a trial with a random start.
pub(super) fn seed(trial: &Trial, init: &Init) -> Option<u64> {
    match init {
        Init::Given(_) | Init::Spectral { .. } => None,
        Init::SmallRandom { seed, .. } | Init::Automatic { seed } => Some(trial.seed.unwrap_or(*seed)),
    }
}

/// The chosen values as text: one number, or a range from least to largest; `None` without any.
fn span(chosen: &[f64]) -> Option<String> {
    let low = chosen.iter().copied().fold(f64::INFINITY, f64::min);
    let high = chosen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let text = if low == high { readable(low) } else { format!("{} to {}", readable(low), readable(high)) };
    (!chosen.is_empty()).then_some(text)
}
