//! Laws of an operator on an engine.

use std::sync::Arc;

use crate::engine::{Engine, Evaluation, Load};
use crate::laws::expected::{Expected, Numbers, Probe, different, outside};
use crate::laws::{Held, Outcome, Place};
use crate::methods::Recipe;
use crate::operators::{GpuForm, GpuThin, Operator};
use crate::problem::Factors;

fn words(error: crate::Error) -> String {
    error.to_string()
}

fn load<'a>(
    place: &Place,
    operator: &'a dyn Operator,
    batch: usize,
    search_rank: usize,
) -> Result<Box<dyn Engine + 'a>, String> {
    load_signed(place, operator, batch, search_rank, None)
}

fn load_signed<'a>(
    place: &Place,
    operator: &'a dyn Operator,
    batch: usize,
    search_rank: usize,
    signature: Option<(usize, usize)>,
) -> Result<Box<dyn Engine + 'a>, String> {
    let load = Load {
        operator: Arc::new(operator),
        recipe: Recipe::default(),
        driven: None,
        batch,
        search_rank,
        signature,
        variant: place.variant.clone(),
    };
    place.load(&load).map_err(words)
}

fn run(engine: &mut dyn Engine, probe: &Probe) -> Result<Evaluation, String> {
    engine.set_observations(&probe.target, &probe.weights).map_err(words)?;
    engine.evaluate(&probe.point, &probe.applied).map_err(words)
}

/// (batch, k, single) of the cases: one column, an odd number, more columns than rows.
fn cases(operator: &dyn Operator) -> Vec<(usize, usize, bool)> {
    let n = operator.shape().rows();
    let wide = if n <= 64 { n + 2 } else { 20 };
    vec![(1, 1, true), (3, 3, false), (2, wide, true)]
}

/// Residuals and gradients are those of the definition, within the running error bound of the engine's precision.
pub(crate) fn within_bound(operator: &dyn Operator, place: &Place) -> Outcome {
    for (seed, (batch, k, single)) in cases(operator).into_iter().enumerate() {
        let probe = Probe::new(operator, batch, k, single, Numbers::Real, 10 + seed as u64).map_err(words)?;
        let mut engine = load(place, operator, batch, k)?;
        // The definition is itself evaluated in f64: twice its roundoff covers both where the engine is f64 too.
        let expected =
            Expected::new(operator, &probe, 2.0 * engine.info().precision.unit_roundoff(), operator.is_centred());
        let found = run(&mut *engine, &probe)?;
        outside("residual", &found.residual, &expected.residual, &expected.residual_bound)?;
        outside("gradient", &found.left, &expected.left, &expected.left_bound)?;
        outside("right gradient", &found.right, &expected.right, &expected.right_bound)?;
    }
    Ok(Held::Holds)
}

/// Where all Aᵢ are integers, integer factors and targets give the definition's numbers exactly.
pub(crate) fn exact_on_integers(operator: &dyn Operator, place: &Place) -> Outcome {
    let multiples = |of: f64| {
        (0..operator.measurements()).all(|i| operator.sensing_matrix(i).iter().all(|a| (a / of).fract() == 0.0))
    };
    // With halves, as symmetric parts of integers have them, residuals are multiples of ½ and gradients of ¼.
    let Some(smallest) = [(1.0, 1.0), (0.5, 0.25)].into_iter().find(|(of, _)| multiples(*of)).map(|(_, sums)| sums)
    else {
        return Ok(Held::NotApplicable);
    };
    for (seed, (batch, k, single)) in cases(operator).into_iter().enumerate() {
        let k = k.min(3);
        let probe = Probe::new(operator, batch, k, single, Numbers::Integer, 20 + seed as u64).map_err(words)?;
        let expected = Expected::new(operator, &probe, 0.0, operator.is_centred());
        if expected.largest_sum >= smallest * f64::from(1 << 24) {
            return Err(format!("the case is too large to be exact in f32: sums reach {:e}", expected.largest_sum));
        }
        let mut engine = load(place, operator, batch, k)?;
        let found = run(&mut *engine, &probe)?;
        different("residual", &found.residual, &expected.residual)?;
        different("gradient", &found.left, &expected.left)?;
        different("right gradient", &found.right, &expected.right)?;
    }
    Ok(Held::Holds)
}

/// One iteration moves U to U − step·D − shrink·U (L and R where there are two), starts from the gradient an observation
/// left behind, and leaves frozen trials alone to the bit.
pub(crate) fn one_step(operator: &dyn Operator, place: &Place) -> Outcome {
    let mut probe = Probe::new(operator, 3, 2, true, Numbers::Real, 30).map_err(words)?;
    probe.applied = probe.point.clone();
    let start = probe.point.clone();
    step(operator, place, &Step { probe, start, centre: None, signature: None, ridge: true })
}

/// The same of an increment V around a centre U₀, with D and the residuals at the pair (2U₀ + V, V) and the adjoint
/// applied to U₀ + V.
pub(crate) fn increments(operator: &dyn Operator, place: &Place) -> Outcome {
    around(operator, place, None)
}

/// The same where columns are signed, (2U₀ + V)S and (U₀ + V)S, and the same without a centre.
pub(crate) fn signed_columns(operator: &dyn Operator, place: &Place) -> Outcome {
    around(operator, place, Some((2, 1)))?;
    if !operator.shape().is_symmetric() {
        return Ok(Held::NotApplicable);
    }
    let Probe { point: start, target, weights, .. } =
        Probe::new(operator, 3, 3, true, Numbers::Real, 33).map_err(words)?;
    let signed = sign(start.left_data(), 3, 2);
    let point = Factors::pair(3, operator.shape(), 3, signed.clone(), start.left_data().to_vec()).map_err(words)?;
    let applied = Factors::symmetric(3, operator.shape().rows(), 3, signed).map_err(words)?;
    let probe = Probe { point, applied, target, weights };
    step(operator, place, &Step { probe, start, centre: None, signature: Some((2, 1)), ridge: true })
}

/// U S: columns from `positive` on change sign.
fn sign(values: &[f64], k: usize, positive: usize) -> Vec<f64> {
    values.iter().enumerate().map(|(at, v)| if at % k >= positive { -v } else { *v }).collect()
}

fn around(operator: &dyn Operator, place: &Place, signature: Option<(usize, usize)>) -> Outcome {
    let (batch, k, shape) = (3, signature.map_or(2, |(p, q)| p + q), operator.shape());
    if !shape.is_symmetric() {
        return Ok(Held::NotApplicable);
    }
    // Integers, so that neither sum is rounded.
    let draw = |seed| Probe::new(operator, batch, k, true, Numbers::Integer, seed).map_err(words);
    let (centre, Probe { point: start, target, weights, .. }) = (draw(31)?.point, draw(32)?);
    let sum = |times: f64| -> Vec<f64> {
        let sum: Vec<f64> = centre.left_data().iter().zip(start.left_data()).map(|(u, v)| times * u + v).collect();
        sign(&sum, k, signature.map_or(k, |(positive, _)| positive))
    };
    let point = Factors::pair(batch, shape, k, sum(2.0), start.left_data().to_vec()).map_err(words)?;
    let applied = Factors::symmetric(batch, shape.rows(), k, sum(1.0)).map_err(words)?;
    let probe = Probe { point, applied, target, weights };
    step(operator, place, &Step { probe, start, centre: Some(centre), signature, ridge: false })
}

struct Step {
    /// Where the gradient of the iteration at `start` is to be evaluated.
    probe: Probe,
    start: Factors,
    centre: Option<Factors>,
    signature: Option<(usize, usize)>,
    ridge: bool,
}

fn step(operator: &dyn Operator, place: &Place, step: &Step) -> Outcome {
    let Step { probe, start, centre, signature, ridge } = step;
    let (batch, k) = (start.batch(), start.search_rank());
    let mut engine = load_signed(place, operator, batch, k, *signature)?;
    let u = 2.0 * engine.info().precision.unit_roundoff();
    let expected = Expected::new(operator, probe, u, operator.is_centred());
    let scale = expected.left.iter().chain(&expected.right).fold(1.0_f64, |a, v| a.max(v.abs()));
    // Powers of two: the step itself is exact.
    let steps: Vec<f64> = (0..batch).map(|b| 2f64.powi(-(b as i32)) / scale.log2().ceil().exp2()).collect();
    let shrink: Vec<f64> = (0..batch).map(|b| if *ridge && b > 0 { 2f64.powi(-2 - b as i32) } else { 0.0 }).collect();
    let moved = |values: &[f64], direction: &[f64], direction_bound: &[f64]| -> (Vec<f64>, Vec<f64>) {
        let size = values.len() / batch;
        let one = |(at, value): (usize, &f64)| {
            let trial = at / size;
            if trial == 1 {
                return (*value, 0.0);
            }
            let (change, kept) = (steps[trial] * direction[at], shrink[trial] * value);
            let bound = steps[trial] * direction_bound[at] + 3.0 * u * (value.abs() + change.abs() + kept.abs());
            (value - change - kept, bound)
        };
        values.iter().enumerate().map(one).unzip()
    };
    let (mut wanted, mut bound) = moved(start.left_data(), &expected.left, &expected.left_bound);
    if !start.is_single() {
        let (values, bounds) = moved(start.right_data(), &expected.right, &expected.right_bound);
        wanted.extend(values);
        bound.extend(bounds);
    }
    if let Some(centre) = centre {
        // What an iteration elsewhere leaves behind must not matter.
        engine.set_centre(start).map_err(words)?;
        engine.set_factors(centre).map_err(words)?;
        engine.advance(1).map_err(words)?;
        engine.set_centre(centre).map_err(words)?;
    }
    engine.set_observations(&probe.target, &probe.weights).map_err(words)?;
    engine.set_steps(&steps).map_err(words)?;
    if *ridge {
        engine.set_ridge(&shrink).map_err(words)?;
    }
    let mut stepped = |watched: bool| -> Result<Vec<f64>, String> {
        engine.set_active(&[true; 3]).map_err(words)?;
        engine.set_factors(start).map_err(words)?;
        if watched {
            let found = engine.residuals().map_err(words)?;
            outside("watched residual", &found, &expected.residual, &expected.residual_bound)?;
        }
        engine.set_active(&[true, false, true]).map_err(words)?;
        engine.advance(1).map_err(words)?;
        let factors = engine.factors().map_err(words)?;
        let right = if start.is_single() { &[][..] } else { factors.right_data() };
        Ok(factors.left_data().iter().chain(right).copied().collect())
    };
    let found = stepped(false)?;
    outside("factor after one step", &found, &wanted, &bound)?;
    let again = stepped(true)?;
    different("factor after an observed step", &again, &found)?;
    Ok(Held::Holds)
}

/// The same evaluation twice gives the same bits.
pub(crate) fn repeats(operator: &dyn Operator, place: &Place) -> Outcome {
    let probe = Probe::new(operator, 2, 3, true, Numbers::Real, 40).map_err(words)?;
    let first = run(&mut *load(place, operator, 2, 3)?, &probe)?;
    let mut engine = load(place, operator, 2, 3)?;
    for _ in 0..2 {
        let again = run(&mut *engine, &probe)?;
        different("residual", &again.residual, &first.residual)?;
        different("gradient", &again.left, &first.left)?;
        different("right gradient", &again.right, &first.right)?;
    }
    Ok(Held::Holds)
}

/// A batch of three gives bit for bit what three single evaluations give; a trial padded with zero columns stays
/// within the bound, and its padding stays zero.
pub(crate) fn batch_is_singles(operator: &dyn Operator, place: &Place) -> Outcome {
    let (batch, k, m) = (3, 2, operator.measurements());
    let probe = Probe::new(operator, batch, k, true, Numbers::Real, 50).map_err(words)?;
    let together = run(&mut *load(place, operator, batch, k)?, &probe)?;
    let (size, right) = (together.left.len() / batch, together.right.len() / batch);
    let mut single = load(place, operator, 1, k)?;
    for trial in 0..batch {
        let alone = run(&mut *single, &probe.trial(trial, m).map_err(words)?)?;
        different(
            &format!("trial {trial}: residual"),
            &together.residual[trial * m..(trial + 1) * m],
            &alone.residual,
        )?;
        different(&format!("trial {trial}: gradient"), &together.left[trial * size..(trial + 1) * size], &alone.left)?;
        let part = &together.right[trial * right..(trial + 1) * right];
        different(&format!("trial {trial}: right gradient"), part, &alone.right)?;
    }
    let wide = k + 3;
    let padded = |data: &[f64]| -> Vec<f64> {
        let rows = data.chunks(k);
        rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, wide - k))).collect()
    };
    let (l, r) = (padded(probe.point.left_data()), padded(probe.point.right_data()));
    let point = Factors::of(batch, operator.shape(), wide, l, r).map_err(words)?;
    let padded = Probe { applied: point.clone(), point, target: probe.target.clone(), weights: probe.weights.clone() };
    let mut engine = load(place, operator, batch, wide)?;
    let expected =
        Expected::new(operator, &padded, 2.0 * engine.info().precision.unit_roundoff(), operator.is_centred());
    let found = run(&mut *engine, &padded)?;
    outside("padded gradient", &found.left, &expected.left, &expected.left_bound)?;
    outside("padded right gradient", &found.right, &expected.right, &expected.right_bound)?;
    if (found.left.chunks(wide).chain(found.right.chunks(wide))).any(|row| row[k..].iter().any(|v| *v != 0.0)) {
        return Err("the gradient of a zero column is not zero".into());
    }
    Ok(Held::Holds)
}

/// An iteration reads the measurement data once or twice (at the engine's own number size, so half of what an f64
/// operator declares), and the engine holds all of it. What says where lists of nonzeros begin is an engine's own, and of
/// short lists a good part: of those the bytes agree within a factor of two or so.
pub(crate) fn declared_bytes(operator: &dyn Operator, place: &Place) -> Outcome {
    let engine = load(place, operator, 1, 1)?;
    let info = engine.info();
    let (read, held) = (info.operator_bytes_per_iteration, info.operator_bytes as f64);
    let declared = operator.cost(1, 1).bytes;
    // What is made on the way is neither read nor held.
    if declared == 0.0 && read == 0.0 && held == 0.0 {
        return Ok(Held::Holds);
    }
    let passes = read / declared;
    let lists = matches!(operator.gpu(), Some(GpuForm::Thin(GpuThin::Nonzeros(_))));
    // A list names its lines and, in every panel, those that are cut: with few nonzeros that is most of it.
    let shape = operator.shape();
    let names = 16.0 * (shape.rows() + shape.columns() + info.panels) as f64;
    let agree = if lists { passes >= 0.4 && read <= 2.1 * declared + names } else { [0.5, 1.0, 2.0].contains(&passes) };
    if agree && held >= declared.min(read) / 2.0 {
        Ok(Held::Holds)
    } else {
        Err(format!("an iteration reads {read} bytes of {held} held; the operator declares {declared}"))
    }
}
