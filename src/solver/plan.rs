//! Turns settings and a problem into concrete trials: every automatic value is chosen here, and said.

use std::collections::HashMap;
use std::sync::Arc;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::diagnostics::{Spectrum, spectral_norm};
use crate::error::{Error, Result};
use crate::operators::Operator;
use crate::problem::random::{Purpose, normals, stream};
use crate::problem::{Factors, Model, Shape, Truth};
use crate::solver::problem::Problem;
use crate::solver::settings::{Holdout, Init, Settings, Trial};
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
    /// α; absent for given factors.
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
    /// Sentences about automatic choices and doubtful input.
    pub notices: Vec<String>,
}

/// Default of `search_rank` where n is larger.
const DEFAULT_SEARCH_RANK: usize = 20;
/// Factors of all trials take at most 16 GiB.
const MOST_FACTORS: f64 = (1_u64 << 34) as f64;
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
        Init::Given(factors) => Some(check_given(factors, shape, batch, settings)?),
        _ => None,
    };

    let mut spectra = Spectra { problem, known: HashMap::new(), norms: HashMap::new() };
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
            None => 0.25 / spectra.norm(key, row, normalization, "step_size")?,
        };
        let (init_scale, seed) = match (&settings.init, wanted.init_scale) {
            (Init::Given(_), _) => (None, None),
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
    let target = trials.iter().flat_map(|t| problem.observations(t.instance).unwrap_or_default()).copied().collect();
    let steps = trials.iter().map(|t| t.step_size * t.normalization).collect();
    let shrink = trials.iter().map(|t| t.step_size * settings.ridge).collect();
    let start = match given_factors {
        Some(factors) => factors,
        None => small_random(shape, &trials)?,
    };
    Ok(Plan { trials, weights, held_out, spectra: spectra_of, target, start, steps, shrink, notices })
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

/// The spectrum of s·A*(w∘y) for each instance and number of rows that needs it, computed once.
struct Spectra<'a> {
    problem: &'a Problem,
    known: HashMap<(usize, usize), Arc<Spectrum>>,
    /// ‖P‖ where P is not symmetric.
    norms: HashMap<(usize, usize), f64>,
}

/// w∘y, or w∘(y − ȳ) for centred operators.
fn weighted(operator: &dyn Operator, y: &[f64], weights: &[f64]) -> Vec<f64> {
    let centre = if operator.is_centred() { weighted_mean(y, weights) } else { 0.0 };
    y.iter().zip(weights).map(|(y, w)| w * (y - centre)).collect()
}

/// Σwe/Σw, without terms of weight 0, which may be anything.
pub(super) fn weighted_mean(e: &[f64], weights: &[f64]) -> f64 {
    let used = || e.iter().zip(weights).filter(|(_, w)| **w > 0.0);
    used().map(|(e, w)| w * e).sum::<f64>() / used().map(|(_, w)| w).sum::<f64>()
}

impl Spectra<'_> {
    fn get(&mut self, key: (usize, usize), weights: &[f64], normalization: f64) -> Result<Arc<Spectrum>> {
        if let Some(spectrum) = self.known.get(&key) {
            return Ok(spectrum.clone());
        }
        let y = self.problem.observations(key.0).unwrap_or_default();
        let weighted = weighted(&**self.problem.operator(), y, weights);
        let rank = self.problem.truth(key.0).and_then(Truth::rank).unwrap_or(1);
        let spectrum = Arc::new(Spectrum::new(&**self.problem.operator(), &weighted, normalization, rank)?);
        self.known.insert(key, spectrum.clone());
        Ok(spectrum)
    }

    /// ‖s·A*(y)‖, from which the setting `name` is chosen.
    fn norm(&mut self, key: (usize, usize), weights: &[f64], normalization: f64, name: &str) -> Result<f64> {
        let operator = &**self.problem.operator();
        let norm = if operator.shape().is_symmetric() {
            self.get(key, weights, normalization)?.norm()
        } else if let Some(norm) = self.norms.get(&key) {
            *norm
        } else {
            let y = self.problem.observations(key.0).unwrap_or_default();
            let norm = spectral_norm(operator, &weighted(operator, y, weights), normalization)?;
            self.norms.insert(key, norm);
            norm
        };
        if !(norm.is_finite() && norm > 0.0) {
            return Err(Error::invalid(
                name,
                format!("nothing, and observations with ‖s·A*(y)‖ = {norm}"),
                "an explicit value where the data give no scale",
                "give it explicitly; if all observations are zero, so is the matrix",
            ));
        }
        Ok(norm)
    }
}

fn check_given(factors: &Factors, shape: Shape, batch: usize, settings: &Settings) -> Result<Factors> {
    let mut asked = settings.search_rank.into_iter().chain(settings.trials.iter().filter_map(|t| t.search_rank));
    if let Some(found) = asked.find(|k| *k != factors.search_rank()) {
        let fix = "leave search_rank out where the start is given";
        return Err(Error::invalid("search_rank", found, format!("{}, as given", factors.search_rank()), fix));
    }
    let sizes = (factors.rows(), factors.columns(), factors.is_single());
    let wanted = (shape.rows(), shape.columns(), shape.is_symmetric());
    if sizes != wanted || !(factors.batch() == 1 || factors.batch() == batch) {
        let count = if batch == 1 { "1".to_owned() } else { format!("1 or {batch}") };
        let of = |single: bool, count: &str, n1: usize, n2: usize, k: &str| match single {
            true => format!("({count}, {n1}, {k})"),
            false => format!("({count}, {n1}, {k}) and ({count}, {n2}, {k})"),
        };
        let (b, k) = (factors.batch().to_string(), factors.search_rank().to_string());
        return Err(Error::invalid(
            "init",
            format!("factors of shape {}", of(factors.is_single(), &b, factors.rows(), factors.columns(), &k)),
            of(shape.is_symmetric(), &count, shape.rows(), shape.columns(), "k"),
            format!("give one start, or one for each of the {batch} trials"),
        ));
    }
    let mut numbers = factors.left_data().iter().chain(factors.right_data());
    if factors.search_rank() == 0 || numbers.any(|v| !v.is_finite()) {
        return Err(Error::invalid("init", "an empty or non-finite start", "finite numbers", "repair the start"));
    }
    let repeated = |data: &[f64]| if factors.batch() == batch { data.to_vec() } else { data.repeat(batch) };
    let (left, right) = (repeated(factors.left_data()), repeated(factors.right_data()));
    Factors::of(batch, shape, factors.search_rank(), left, right)
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

/// Each trial's start is drawn n×k_b exactly as if it were alone, then padded with zero columns. R follows L in the
/// stream of a seed.
fn small_random(shape: Shape, trials: &[TrialParameters]) -> Result<Factors> {
    let (n1, n2) = (shape.rows(), if shape.is_symmetric() { 0 } else { shape.columns() });
    let widest = trials.iter().map(|t| t.search_rank).max().unwrap_or(1);
    let bytes = 8.0 * trials.len() as f64 * (n1 + n2) as f64 * widest as f64;
    if bytes > MOST_FACTORS {
        return Err(Error::invalid(
            "search_rank",
            format!(
                "{widest} for {} trials of n = {}, {:.0} GiB of factors",
                trials.len(),
                n1 + n2,
                bytes / MOST_FACTORS * 16.0
            ),
            "at most 16 GiB",
            "lower it (n columns already hold any solution), or run fewer trials at a time",
        ));
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for t in trials {
        let std = t.init_scale.unwrap_or(0.0) / (t.search_rank as f64).sqrt();
        let mut drawn = normals(t.seed.unwrap_or(0), Purpose::Init, std, (n1 + n2) * t.search_rank);
        let (l, r) = drawn.split_at_mut(n1 * t.search_rank);
        r.iter_mut().for_each(|v| *v *= t.init_scale_ratio.unwrap_or(1.0));
        for (factor, drawn) in [(&mut left, l), (&mut right, r)] {
            for row in drawn.chunks(t.search_rank) {
                factor.extend_from_slice(row);
                factor.extend(std::iter::repeat_n(0.0, widest - t.search_rank));
            }
        }
    }
    Factors::of(trials.len(), shape, widest, left, right)
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
    if settings.step_size.is_none() && !steps.is_empty() {
        let values = span(steps.iter().map(|&i| trials[i].step_size).collect());
        notices.push(format!("step_size {values}: chosen as 1/(4 ‖s·A*(y)‖)"));
    }
    let scales = unset(|t| t.init_scale.is_some());
    if matches!(settings.init, Init::Automatic { .. }) && !scales.is_empty() {
        let values = span(scales.iter().filter_map(|&i| trials[i].init_scale).collect());
        notices.push(format!("init_scale {values}: chosen as {AUTOMATIC_SCALE:e} √‖s·A*(y)‖"));
    }
    let ranks = unset(|t| t.search_rank.is_some());
    let chosen = settings.search_rank.is_none() && settings.signature.is_none();
    if chosen && !matches!(settings.init, Init::Given(_)) && !ranks.is_empty() {
        notices.push(format!("search_rank {}: chosen as min(n, {DEFAULT_SEARCH_RANK})", DEFAULT_SEARCH_RANK.min(n)));
    }
}
