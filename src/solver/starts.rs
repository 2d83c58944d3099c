//! Starts of trials: random, from the leading eigenvectors or singular vectors of P, or given.

use crate::diagnostics::spectral_start;
use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::methods::Method;
use crate::models::{Model, RandomStart};
use crate::operators::Operator;
use crate::problem::{Block, Domain, Factors};
use crate::solver::init::{Init, InitStd, Preprocess};
use crate::solver::problem::Problem;
use crate::solver::settings::Settings;
use crate::solver::spectra::{Key, weighted};
use crate::solver::trial::TrialParameters;

pub(super) fn check_given(
    factors: &Factors,
    (model, domain): (&Model, &Domain),
    batch: usize,
    settings: &Settings,
) -> Result<Factors> {
    let mut asked = settings.search_rank.into_iter().chain(settings.trials.iter().filter_map(|t| t.search_rank));
    if let Some(found) = asked.find(|k| *k != factors.search_rank()) {
        let fix = "leave search_rank out if the start is given";
        return Err(Error::invalid(
            "search_rank",
            found,
            format!("{}, that of the given start", factors.search_rank()),
            fix,
        ));
    }
    let wanted = model.sizes(domain, factors.search_rank());
    if factors.sizes() != wanted || !(factors.batch() == 1 || factors.batch() == batch) {
        let count = if batch == 1 { "1".to_owned() } else { format!("1 or {batch}") };
        let of = |sizes: &[(usize, usize)], count: &str, k: Option<usize>| -> String {
            let column = |own: usize| k.map_or("k".to_owned(), |_| own.to_string());
            let each = sizes.iter().map(|(rows, columns)| format!("({count}, {rows}, {})", column(*columns)));
            each.collect::<Vec<_>>().join(" and ")
        };
        let found = of(&factors.sizes(), &factors.batch().to_string(), Some(factors.search_rank()));
        return Err(Error::invalid(
            "init",
            format!("factors of shape {found}"),
            of(&wanted, &count, None),
            format!("pass one start, or one for each of the {batch} trials"),
        ));
    }
    let mut numbers = factors.blocks().iter().flat_map(Block::data);
    if factors.search_rank() == 0 || numbers.any(|v| !v.is_finite()) {
        return Err(Error::invalid("init", "an empty or non-finite start", "finite numbers", "correct the start"));
    }
    let repeated = |data: &[f64]| if factors.batch() == batch { data.to_vec() } else { data.repeat(batch) };
    Factors::of_sizes(batch, &wanted, factors.blocks().iter().map(|block| repeated(block.data())).collect())
}

/// The start of all trials: given, spectral, or drawn at random.
///
/// # Errors
/// Those of the three, and [`Error::Invalid`] for a start outside the range of the precision.
pub(super) fn start(
    (problem, model): (&Problem, &Model),
    settings: &Settings,
    (init, given): (&Init, Option<Factors>),
    (target, weights): (&[f64], &[f64]),
    trials: &[TrialParameters],
) -> Result<Factors> {
    let operator = &**problem.operator();
    let start = match (given, init) {
        (Some(factors), _) => factors,
        (None, &Init::Spectral { skip, preprocess }) => {
            spectral((model, operator), target, weights, trials, (skip, preprocess))?
        }
        (None, _) => small_random(model, &operator.domain(), trials, settings.init_std)?,
    };
    let start = if settings.nonnegative { absolute(&start)? } else { start };
    require_numbers(&start, trials, settings.precision)?;
    Ok(start)
}

/// |U₀|, entry by entry: a projection would set half of a random start to 0.
fn absolute(start: &Factors) -> Result<Factors> {
    let of = |block: &Block| block.data().iter().map(|v| v.abs()).collect();
    Factors::of_sizes(start.batch(), &start.sizes(), start.blocks().iter().map(of).collect())
}

/// U₀·√(t/‖U₀‖_F²) for every trial.
///
/// # Errors
/// [`Error::Invalid`] for a start of zeros.
fn of_trace(start: &Factors, trace: f64) -> Result<Factors> {
    let of = |block: &Block| {
        let own = block.data().chunks(block.data().len() / start.batch());
        let scaled = |own: &[f64]| {
            let size = own.iter().map(|v| v * v).sum::<f64>();
            if !(size > 0.0 && size.is_finite()) {
                let (found, fix) =
                    ("a start of zeros beside a fixed trace", "use a random start, or pass other factors");
                return Err(Error::invalid("init", found, "a start that is not zero", fix));
            }
            let factor = (trace / size).sqrt();
            Ok(own.iter().map(|v| factor * v).collect::<Vec<f64>>())
        };
        Ok(own.map(scaled).collect::<Result<Vec<_>>>()?.concat())
    };
    Factors::of_sizes(start.batch(), &start.sizes(), start.blocks().iter().map(of).collect::<Result<_>>()?)
}

/// # Errors
/// [`Error::Invalid`] for a start outside the range of the precision.
fn require_numbers(start: &Factors, trials: &[TrialParameters], precision: Precision) -> Result<()> {
    let largest = if precision == Precision::F64 { f64::MAX } else { f64::from(f32::MAX) };
    let Some(v) = start.blocks().iter().flat_map(Block::data).find(|v| v.is_nan() || v.abs() > largest) else {
        return Ok(());
    };
    let allowed = format!("start entries up to {largest:.2e}, the range of {}", precision.word());
    let fix = "lower it, or scale matrices and observations down";
    Err(match trials.iter().filter_map(|trial| trial.init_scale).reduce(f64::max) {
        Some(scale) => Error::invalid("init_scale", format!("{scale:e}"), allowed, fix),
        None => Error::invalid("init", format!("{v:e}"), allowed, fix),
    })
}

/// Appends one trial's factor to those of others, padded with zeros to the size of the widest.
pub(super) fn padded(data: &[f64], k: usize, (rows, columns): (usize, usize), out: &mut Vec<f64>) {
    let end = out.len() + rows * columns;
    for row in data.chunks(k) {
        out.extend_from_slice(row);
        out.extend(std::iter::repeat_n(0.0, columns - k));
    }
    out.resize(end, 0.0);
}

/// The start, scaled to a trace that every step keeps, and padded with zero columns for the method's own columns.
///
/// # Errors
/// [`Error::Invalid`] for a start of zeros that has no trace.
pub(super) fn finished(
    start: Factors,
    (model, domain): (&Model, &Domain),
    (method, settings): (&Method, &Settings),
) -> Result<Factors> {
    let start = match settings.kept_trace(method) {
        Some(trace) => of_trace(&start, trace)?,
        None => start,
    };
    let k = start.search_rank();
    let columns = method.columns(k);
    if columns <= k {
        return Ok(start);
    }
    let sizes = model.sizes(domain, columns);
    let of = |(block, size): (&Block, &(usize, usize))| {
        let mut out = Vec::new();
        block.data().chunks(block.data().len() / start.batch()).for_each(|own| padded(own, k, *size, &mut out));
        out
    };
    Factors::of_sizes(start.batch(), &sizes, start.blocks().iter().zip(&sizes).map(of).collect())
}

/// Each trial's start is drawn n×k_b exactly as if it were alone, then padded with zero columns.
fn small_random(model: &Model, domain: &Domain, trials: &[TrialParameters], std: InitStd) -> Result<Factors> {
    let widest = trials.iter().map(|t| t.search_rank).max().unwrap_or(1);
    let sizes = model.sizes(domain, widest);
    let mut all = vec![Vec::new(); sizes.len()];
    for t in trials {
        let of = match std {
            InitStd::SearchRank => t.search_rank,
            InitStd::Size => sizes.iter().map(|(rows, _)| *rows).max().unwrap_or(1),
        };
        let start = RandomStart {
            search_rank: t.search_rank,
            std: t.init_scale.unwrap_or(0.0) / (of as f64).sqrt(),
            ratio: t.init_scale_ratio.unwrap_or(1.0),
            seed: t.seed.unwrap_or(0),
        };
        for ((out, size), drawn) in all.iter_mut().zip(&sizes).zip(model.random_start(domain, &start)) {
            padded(&drawn, t.search_rank, *size, out);
        }
    }
    Factors::of_sizes(trials.len(), &sizes, all)
}

/// T(y), applied to the observations of a trial before P is formed from them.
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
                let allowed = "nonnegative observations, like aᵀMa for a psd M";
                return Err(Error::invalid("init_preprocess", format!("optimal, and y = {}", found.0), allowed, fix));
            }
            let mean = used.iter().sum::<f64>() / used.len() as f64;
            Ok(y.iter()
                .map(|y| if mean > 0.0 { (1.0 - mean / y.max(1e-12 * mean)).max(-LOWEST) } else { 0.0 })
                .collect())
        }
    }
}

/// Multiple of the median of |y| beyond which observations are truncated.
const TRUNCATION: f64 = 6.0;
/// Lower bound of 1 − ȳ/y, as a magnitude: a single y near zero would otherwise dominate an eigenvector.
const LOWEST: f64 = 10.0;

/// U₀ of one trial from P = s·A*(w∘T(y)).
fn spectral_of(
    (model, operator): (&Model, &dyn Operator),
    y: &[f64],
    weights: &[f64],
    trial: &TrialParameters,
    (skip, preprocess): (usize, Preprocess),
) -> Result<Factors> {
    let transformed = weighted(operator, &preprocessed(y, weights, preprocess)?, weights);
    // Transformed observations lose their scale: they give the vectors, and P gives the lengths.
    let plain = (preprocess == Preprocess::Optimal).then(|| weighted(operator, y, weights));
    let (k, s) = (trial.search_rank, trial.normalization);
    spectral_start(model, operator, &transformed, plain.as_deref(), s, (k, skip))
}

/// Starts of all trials from their spectra, padded with zero columns to the widest.
fn spectral(
    (model, operator): (&Model, &dyn Operator),
    targets: &[f64],
    weights: &[f64],
    trials: &[TrialParameters],
    how: (usize, Preprocess),
) -> Result<Factors> {
    let (domain, m) = (operator.domain(), operator.measurements());
    let widest = trials.iter().map(|t| t.search_rank).max().unwrap_or(1);
    let sizes = model.sizes(&domain, widest);
    let mut all = vec![Vec::new(); sizes.len()];
    let mut known: Vec<((Key, usize), Factors)> = Vec::new();
    for t in trials {
        let key = ((t.instance, t.rows, t.fold), t.search_rank);
        if !known.iter().any(|(other, _)| *other == key) {
            let at = t.trial * m..(t.trial + 1) * m;
            let start = spectral_of((model, operator), &targets[at.clone()], &weights[at], t, how)?;
            known.push((key, start));
        }
        let start = &known.iter().find(|(other, _)| *other == key).expect("it was just added").1;
        for ((out, size), block) in all.iter_mut().zip(&sizes).zip(start.blocks()) {
            padded(block.data(), t.search_rank, *size, out);
        }
    }
    Factors::of_sizes(trials.len(), &sizes, all)
}

/// A sentence for a given start whose columns are linearly dependent: methods that multiply the factor from the left
/// stay in the span of its rows, so its rank never grows.
pub(super) fn deficient(start: &Factors, trials: &[TrialParameters], settings: &Settings) -> Result<Option<String>> {
    if !matches!(settings.init, Init::Given(_)) {
        return Ok(None);
    }
    let k = start.search_rank();
    let mut found: Option<(usize, usize)> = None;
    for trial in trials {
        for side in start.blocks().iter().map(|block| block.of(trial.trial)) {
            let (values, _) = crate::linalg::right_singular(side.rows(), k, side.as_slice())?;
            let floor = values.first().copied().unwrap_or(0.0) * settings.precision.unit_roundoff() * k as f64;
            let rank = values.iter().filter(|v| **v > floor).count();
            if rank < k.min(side.rows()) && found.is_none_or(|(least, _)| rank < least) {
                found = Some((rank, trial.trial));
            }
        }
    }
    Ok(found.map(|(rank, trial)| match rank {
        0 => format!(
            "the start of trial {trial} is zero: the gradient is zero there, so the iterates stay. Use a random start"
        ),
        _ => format!(
            "the start of trial {trial} has rank {rank} with {k} columns: the iterates keep its column space, so \
             recovery cannot exceed rank {rank}. Add small random numbers to the start"
        ),
    }))
}
