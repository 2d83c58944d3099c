//! Laws of an operator on an engine.

use std::sync::Arc;

use crate::engine::{Engine, Evaluation, Load};
use crate::laws::expected::{Expected, Numbers, Probe, different, outside};
use crate::laws::{Held, Outcome, Place};
use crate::methods::Method;
use crate::operators::Operator;
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
    let recipe = Method::GradientDescent.recipe();
    let load = Load {
        operator: Arc::new(operator),
        recipe,
        batch,
        search_rank,
        signature: None,
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
        let expected = Expected::new(operator, &probe, 2.0 * engine.info().precision.unit_roundoff());
        let found = run(&mut *engine, &probe)?;
        outside("residual", &found.residual, &expected.residual, &expected.residual_bound)?;
        outside("gradient", &found.left, &expected.left, &expected.left_bound)?;
    }
    Ok(Held::Holds)
}

/// Where all Aᵢ are integers, integer factors and targets give the definition's numbers exactly.
pub(crate) fn exact_on_integers(operator: &dyn Operator, place: &Place) -> Outcome {
    let integral = |i: usize| operator.sensing_matrix(i).iter().all(|a| a.fract() == 0.0);
    if !(0..operator.measurements()).all(integral) {
        return Ok(Held::NotApplicable);
    }
    for (seed, (batch, k, single)) in cases(operator).into_iter().enumerate() {
        let k = k.min(3);
        let probe = Probe::new(operator, batch, k, single, Numbers::Integer, 20 + seed as u64).map_err(words)?;
        let expected = Expected::new(operator, &probe, 0.0);
        if expected.largest_sum >= f64::from(1 << 24) {
            return Err(format!("the case is too large to be exact in f32: sums reach {:e}", expected.largest_sum));
        }
        let mut engine = load(place, operator, batch, k)?;
        let found = run(&mut *engine, &probe)?;
        different("residual", &found.residual, &expected.residual)?;
        different("gradient", &found.left, &expected.left)?;
    }
    Ok(Held::Holds)
}

/// One iteration moves U to U − step·D, starts from the gradient an observation left behind, and leaves frozen trials
/// alone to the bit.
pub(crate) fn one_step(operator: &dyn Operator, place: &Place) -> Outcome {
    let probe = Probe::new(operator, 3, 2, true, Numbers::Real, 30).map_err(words)?;
    if !probe.point.is_single() {
        return Ok(Held::NotApplicable);
    }
    step(operator, place, &probe, &probe.point, None)
}

/// The same of an increment V around a centre U₀, with D and the residuals at the pair (2U₀ + V, V) and the adjoint
/// applied to U₀ + V.
pub(crate) fn increments(operator: &dyn Operator, place: &Place) -> Outcome {
    let (batch, k, shape) = (3, 2, operator.shape());
    // Integers, so that neither sum is rounded.
    let draw = |seed| Probe::new(operator, batch, k, true, Numbers::Integer, seed).map_err(words);
    let (centre, Probe { point: increment, target, weights, .. }) = (draw(31)?.point, draw(32)?);
    if !centre.is_single() {
        return Ok(Held::NotApplicable);
    }
    let sum = |times: f64| -> Vec<f64> {
        centre.left_data().iter().zip(increment.left_data()).map(|(u, v)| times * u + v).collect()
    };
    let point = Factors::pair(batch, shape, k, sum(2.0), increment.left_data().to_vec()).map_err(words)?;
    let applied = Factors::symmetric(batch, shape.rows(), k, sum(1.0)).map_err(words)?;
    step(operator, place, &Probe { point, applied, target, weights }, &increment, Some(&centre))
}

/// `probe` says where the gradient of the iteration at `start` is to be evaluated.
fn step(operator: &dyn Operator, place: &Place, probe: &Probe, start: &Factors, centre: Option<&Factors>) -> Outcome {
    let (batch, k) = (start.batch(), start.search_rank());
    let mut engine = load(place, operator, batch, k)?;
    let u = 2.0 * engine.info().precision.unit_roundoff();
    let expected = Expected::new(operator, probe, u);
    let scale = expected.left.iter().fold(1.0_f64, |a, v| a.max(v.abs()));
    // Powers of two: the step itself is exact.
    let steps: Vec<f64> = (0..batch).map(|b| 2f64.powi(-(b as i32)) / scale.log2().ceil().exp2()).collect();
    let size = operator.shape().rows() * k;
    let values = start.left_data();
    let (mut wanted, mut bound) = (values.to_vec(), vec![0.0; values.len()]);
    for at in 0..values.len() {
        let (trial, d) = (at / size, expected.left[at]);
        if trial != 1 {
            wanted[at] -= steps[trial] * d;
            bound[at] =
                steps[trial] * expected.left_bound[at] + 2.0 * u * (values[at].abs() + (steps[trial] * d).abs());
        }
    }
    if let Some(centre) = centre {
        // What an iteration elsewhere leaves behind must not matter.
        engine.set_centre(start).map_err(words)?;
        engine.set_factors(centre).map_err(words)?;
        engine.advance(1).map_err(words)?;
        engine.set_centre(centre).map_err(words)?;
    }
    let mut stepped = |observe_first: bool| -> Result<Vec<f64>, String> {
        engine.set_observations(&probe.target, &probe.weights).map_err(words)?;
        engine.set_steps(&steps).map_err(words)?;
        engine.set_factors(start).map_err(words)?;
        engine.set_active(&[true, true, true]).map_err(words)?;
        if observe_first {
            let residual = engine.residuals().map_err(words)?;
            outside("observed residual", &residual, &expected.residual, &expected.residual_bound)?;
        }
        engine.set_active(&[true, false, true]).map_err(words)?;
        engine.advance(1).map_err(words)?;
        Ok(engine.factors().map_err(words)?.left_data().to_vec())
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
    }
    Ok(Held::Holds)
}

/// A batch of three gives bit for bit what three single evaluations give; a trial padded with zero columns stays
/// within the bound, and its padding stays zero.
pub(crate) fn batch_is_singles(operator: &dyn Operator, place: &Place) -> Outcome {
    let (batch, k, m) = (3, 2, operator.measurements());
    let probe = Probe::new(operator, batch, k, true, Numbers::Real, 50).map_err(words)?;
    let together = run(&mut *load(place, operator, batch, k)?, &probe)?;
    let size = together.left.len() / batch;
    let mut single = load(place, operator, 1, k)?;
    for trial in 0..batch {
        let alone = run(&mut *single, &probe.trial(trial, m).map_err(words)?)?;
        different(
            &format!("trial {trial}: residual"),
            &together.residual[trial * m..(trial + 1) * m],
            &alone.residual,
        )?;
        different(&format!("trial {trial}: gradient"), &together.left[trial * size..(trial + 1) * size], &alone.left)?;
    }
    if !probe.point.is_single() {
        return Ok(Held::Holds);
    }
    let wide = k + 3;
    let padded: Vec<f64> = (probe.point.left_data().chunks(k))
        .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, wide - k)))
        .collect();
    let point = Factors::symmetric(batch, operator.shape().rows(), wide, padded).map_err(words)?;
    let padded = Probe { applied: point.clone(), point, target: probe.target.clone(), weights: probe.weights.clone() };
    let mut engine = load(place, operator, batch, wide)?;
    let expected = Expected::new(operator, &padded, 2.0 * engine.info().precision.unit_roundoff());
    let found = run(&mut *engine, &padded)?;
    outside("padded gradient", &found.left, &expected.left, &expected.left_bound)?;
    if (found.left.chunks(wide)).any(|row| row[k..].iter().any(|v| *v != 0.0)) {
        return Err("the gradient of a zero column is not zero".into());
    }
    Ok(Held::Holds)
}

/// An iteration reads the measurement data once or twice (at the engine's own number size, so half of what an f64
/// operator declares), and the engine holds all of it.
pub(crate) fn declared_bytes(operator: &dyn Operator, place: &Place) -> Outcome {
    let engine = load(place, operator, 1, 1)?;
    let info = engine.info();
    let (read, held) = (info.operator_bytes_per_iteration, info.operator_bytes as f64);
    let declared = operator.cost(1, 1).bytes;
    let passes = read / declared;
    if [0.5, 1.0, 2.0].contains(&passes) && held >= declared.min(read) / 2.0 {
        Ok(Held::Holds)
    } else {
        Err(format!("an iteration reads {read} bytes of {held} held; the operator declares {declared}"))
    }
}
