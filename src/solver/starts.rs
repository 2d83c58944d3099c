//! Where trials start: drawn at random, from the leading eigenvectors or singular vectors of P, or given.

use crate::diagnostics::{signed_start, spectral_start};
use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::operators::Operator;
use crate::problem::random::{Purpose, normals};
use crate::problem::{Factors, Model, Shape};
use crate::solver::init::{Init, InitStd, Preprocess};
use crate::solver::plan::TrialParameters;
use crate::solver::settings::Settings;
use crate::solver::spectra::weighted;

/// Factors of all trials take at most 16 GiB.
const MOST_FACTORS: f64 = (1_u64 << 34) as f64;

pub(super) fn check_given(factors: &Factors, shape: Shape, batch: usize, settings: &Settings) -> Result<Factors> {
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

/// # Errors
/// [`Error::Invalid`] for a start that the precision does not hold.
pub(super) fn require_numbers(start: &Factors, trials: &[TrialParameters], precision: Precision) -> Result<()> {
    let largest = if precision == Precision::F64 { f64::MAX } else { f64::from(f32::MAX) };
    let Some(v) = start.left_data().iter().chain(start.right_data()).find(|v| v.is_nan() || v.abs() > largest) else {
        return Ok(());
    };
    let allowed = format!("entries of the start up to {largest:.2e}, which {} holds", precision.word());
    let fix = "lower it, or scale matrices and observations down";
    Err(match trials.iter().filter_map(|trial| trial.init_scale).reduce(f64::max) {
        Some(scale) => Error::invalid("init_scale", format!("{scale:e}"), allowed, fix),
        None => Error::invalid("init", format!("{v:e}"), allowed, fix),
    })
}

/// Each trial's start is drawn n×k_b exactly as if it were alone, then padded with zero columns. R follows L in the
/// stream of a seed.
pub(super) fn small_random(shape: Shape, trials: &[TrialParameters], std: InitStd) -> Result<Factors> {
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
        let of = match std {
            InitStd::SearchRank => t.search_rank,
            InitStd::Size => n1.max(n2),
        };
        let std = t.init_scale.unwrap_or(0.0) / (of as f64).sqrt();
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

/// T(y), applied to the observations of a trial before P is formed of them.
fn preprocessed(y: &[f64], weights: &[f64], preprocess: Preprocess) -> Result<Vec<f64>> {
    let mut used: Vec<f64> = y.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(y, _)| y.abs()).collect();
    match preprocess {
        Preprocess::None => Ok(y.to_vec()),
        Preprocess::Truncate => {
            let middle = used.len() / 2;
            let median = *used.select_nth_unstable_by(middle, f64::total_cmp).1;
            Ok(y.iter().map(|y| if y.abs() <= TRUNCATION * median { *y } else { 0.0 }).collect())
        }
        Preprocess::Optimal => {
            if let Some(found) = y.iter().zip(weights).find(|(y, w)| **w > 0.0 && **y < 0.0) {
                let fix = "leave it out, or truncate";
                let allowed = "observations of at least 0, as aᵀMa of a psd M are";
                return Err(Error::invalid("init_preprocess", format!("optimal, and y = {}", found.0), allowed, fix));
            }
            let mean = used.iter().sum::<f64>() / used.len() as f64;
            Ok(y.iter()
                .map(|y| if mean > 0.0 { (1.0 - mean / y.max(1e-12 * mean)).max(-LOWEST) } else { 0.0 })
                .collect())
        }
    }
}

/// Observations beyond so many medians of |y| do not count where they are truncated.
const TRUNCATION: f64 = 6.0;
/// 1 − ȳ/y is not let below this: a single y near zero would make an eigenvector of its own.
const LOWEST: f64 = 10.0;

/// U₀ of one trial from P = s·A*(w∘T(y)).
fn spectral_of(
    operator: &dyn Operator,
    y: &[f64],
    weights: &[f64],
    trial: &TrialParameters,
    settings: &Settings,
    (skip, preprocess): (usize, Preprocess),
) -> Result<Factors> {
    let shape = operator.shape();
    let transformed = weighted(operator, &preprocessed(y, weights, preprocess)?, weights);
    // Transformed observations have lost their scale: vectors are theirs, lengths those of P.
    let plain = (preprocess == Preprocess::Optimal).then(|| weighted(operator, y, weights));
    let (k, s) = (trial.search_rank, trial.normalization);
    match (shape.model(), settings.signature) {
        (Model::Signed, Some((p, q))) => signed_start(operator, &transformed, s, (p, q)),
        _ => spectral_start(operator, &transformed, plain.as_deref(), s, k, skip),
    }
}

/// Starts of all trials from their spectra, padded with zero columns to the widest.
pub(super) fn spectral(
    operator: &dyn Operator,
    targets: &[f64],
    weights: &[f64],
    trials: &[TrialParameters],
    settings: &Settings,
    how: (usize, Preprocess),
) -> Result<Factors> {
    let (shape, m) = (operator.shape(), operator.measurements());
    let widest = trials.iter().map(|t| t.search_rank).max().unwrap_or(1);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut known: Vec<((usize, usize, usize), Factors)> = Vec::new();
    for t in trials {
        let key = (t.instance, t.rows, t.search_rank);
        if !known.iter().any(|(other, _)| *other == key) {
            let at = t.trial * m..(t.trial + 1) * m;
            let start = spectral_of(operator, &targets[at.clone()], &weights[at], t, settings, how)?;
            known.push((key, start));
        }
        let start = &known.iter().find(|(other, _)| *other == key).expect("it was just added").1;
        let sides = [(&mut left, start.left_data()), (&mut right, start.right_data())];
        for (out, data) in sides.into_iter().take(if shape.is_symmetric() { 1 } else { 2 }) {
            for row in data.chunks(t.search_rank) {
                out.extend_from_slice(row);
                out.extend(std::iter::repeat_n(0.0, widest - t.search_rank));
            }
        }
    }
    Factors::of(trials.len(), shape, widest, left, right)
}

/// Says where a given start has fewer independent columns than it has columns: methods that multiply the factor from the left stay in
/// the span of its rows, so that its rank never grows.
pub(super) fn deficient(start: &Factors, trials: &[TrialParameters], settings: &Settings) -> Result<Option<String>> {
    if !matches!(settings.init, Init::Given(_)) {
        return Ok(None);
    }
    let k = start.search_rank();
    let mut found: Option<(usize, usize)> = None;
    for trial in trials {
        for side in [start.left(trial.trial), start.right(trial.trial)] {
            let (values, _) = crate::linalg::right_singular(side.rows(), k, side.as_slice())?;
            let floor = values.first().copied().unwrap_or(0.0) * settings.precision.unit_roundoff() * k as f64;
            let rank = values.iter().filter(|v| **v > floor).count();
            if rank < k.min(side.rows()) && found.is_none_or(|(least, _)| rank < least) {
                found = Some((rank, trial.trial));
            }
        }
    }
    Ok(found.map(|(rank, trial)| match rank {
        0 => format!("the start of trial {trial} is zero, where the gradient is zero too: it stays there. Start at random instead"),
        _ => format!(
            "the start of trial {trial} has rank {rank} of {k} columns: the iterates keep to the rows that it spans, so that no more \
             than rank {rank} is recovered. Add small random numbers to it for more"
        ),
    }))
}
