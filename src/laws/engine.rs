//! Laws of an operator on an engine.

use std::sync::Arc;

use crate::engine::{Engine, Load};
use crate::laws::expected::{Expected, Numbers, Probe, different, outside};
use crate::laws::{Held, LawOutcome, Place};
use crate::methods::{Context, Method};
use crate::models::Model;
use crate::operators::{GpuForm, GpuThin, Loss, Operator};
use crate::problem::Factors;
use crate::tape::{Evaluation, Op, Program, Sides, Tape};

fn words(error: crate::Error) -> String {
    error.to_string()
}

/// Residuals e and gradients of all trials from an engine.
struct Found {
    residual: Vec<f64>,
    left: Vec<f64>,
    /// Gradients of the second factor; empty for symmetric domains.
    right: Vec<f64>,
}

/// An engine for evaluations.
struct Evaluator<'a> {
    engine: Box<dyn Engine + 'a>,
    evaluation: Evaluation,
    sizes: [usize; 2],
}

fn load<'a>(
    place: &Place,
    operator: &'a dyn Operator,
    batch: usize,
    search_rank: usize,
    single: bool,
) -> Result<Evaluator<'a>, String> {
    let shape = operator.domain();
    let sides = match (shape.is_symmetric(), single) {
        (true, true) => Sides::One,
        (true, false) => Sides::Left,
        (false, _) => Sides::Both,
    };
    load_sides(place, operator, batch, search_rank, sides)
}

fn load_sides<'a>(
    place: &Place,
    operator: &'a dyn Operator,
    batch: usize,
    search_rank: usize,
    sides: Sides,
) -> Result<Evaluator<'a>, String> {
    let shape = operator.domain();
    let evaluation = Evaluation::new(sides, shape, search_rank, Loss::Square);
    let engine = load_program(place, operator, batch, evaluation.program.clone())?;
    let right = if sides == Sides::One { 0 } else { shape.columns() * search_rank };
    Ok(Evaluator { engine, evaluation, sizes: [shape.rows() * search_rank, right] })
}

fn load_program<'a>(
    place: &Place,
    operator: &'a dyn Operator,
    batch: usize,
    program: Arc<Program>,
) -> Result<Box<dyn Engine + 'a>, String> {
    let load = Load { operator: Arc::new(operator), program, increments: None, batch, variant: place.variant.clone() };
    place.load(&load).map_err(words)
}

/// Concatenates the blocks of each trial.
fn stacked(left: &[f64], right: &[f64], batch: usize) -> Vec<f64> {
    let (l, r) = (left.len() / batch, right.len() / batch);
    let of = |trial: usize| [&left[trial * l..(trial + 1) * l], &right[trial * r..(trial + 1) * r]].concat();
    (0..batch).flat_map(of).collect()
}

impl Evaluator<'_> {
    fn unit_roundoff(&self) -> f64 {
        self.engine.info().precision.unit_roundoff()
    }

    fn run(&mut self, probe: &Probe) -> Result<Found, String> {
        let (engine, at) = (&mut self.engine, &self.evaluation);
        let batch = probe.point.batch();
        let laid = |factors: &Factors| match self.sizes[1] {
            // The adjoint of one factor is applied to V.
            0 => factors.right_data().to_vec(),
            _ => stacked(factors.left_data(), factors.right_data(), batch),
        };
        engine.write(at.target, &probe.target).map_err(words)?;
        engine.write(at.weights, &probe.weights).map_err(words)?;
        engine.write(at.point, &laid(&probe.point)).map_err(words)?;
        engine.write(at.applied, &laid(&probe.applied)).map_err(words)?;
        let residual = engine.read(at.residual).map_err(words)?;
        let gradient = engine.read(at.gradient).map_err(words)?;
        let [l, r] = self.sizes;
        let both = self.evaluation.program.steps().any(|step| match &step.op {
            Op::Pass(pass) => pass.lanes.iter().any(|l| l.adjoint.as_ref().is_some_and(|a| a.right.is_some())),
            _ => false,
        });
        let left = gradient.chunks(l + r).flat_map(|trial| &trial[..l]).copied().collect();
        let right = gradient.chunks(l + r).flat_map(|trial| &trial[l..]).copied().filter(|_| both).collect();
        Ok(Found { residual, left, right })
    }
}

/// (batch, k, single) of the cases: one column, an odd number, more columns than rows. The other laws have these
/// too: kernels are compiled for their number of columns, and a software driver compiles longer than it computes.
fn cases(operator: &dyn Operator) -> Vec<(usize, usize, bool)> {
    vec![(1, 1, true), (3, 3, false), (2, wide(operator), true)]
}

/// More columns than rows, where these are not many.
fn wide(operator: &dyn Operator) -> usize {
    let n = operator.domain().rows();
    if n <= 64 { n + 2 } else { 20 }
}

/// Residuals and gradients agree with the definition within the running error bound of the engine's precision.
pub(crate) fn within_bound(operator: &dyn Operator, place: &Place) -> LawOutcome {
    for (seed, (batch, k, single)) in cases(operator).into_iter().enumerate() {
        let probe = Probe::new(operator, batch, k, single, Numbers::Real, 10 + seed as u64).map_err(words)?;
        let mut engine = load(place, operator, batch, k, single)?;
        // The definition itself is evaluated in f64: twice its roundoff covers both where the engine is f64 too.
        let expected = Expected::new(operator, &probe, 2.0 * engine.unit_roundoff(), operator.is_centred());
        let found = engine.run(&probe)?;
        outside("residual", &found.residual, &expected.residual, &expected.residual_bound)?;
        outside("gradient", &found.left, &expected.left, &expected.left_bound)?;
        outside("right gradient", &found.right, &expected.right, &expected.right_bound)?;
    }
    Ok(Held::Holds)
}

/// Where all Aᵢ are integers, integer factors and targets give exactly the definition's numbers.
pub(crate) fn exact_on_integers(operator: &dyn Operator, place: &Place) -> LawOutcome {
    let multiples = |of: f64| {
        (0..operator.measurements()).all(|i| operator.sensing_matrix(i).iter().all(|a| (a / of).fract() == 0.0))
    };
    // Symmetric parts of integers have halves: residuals are then multiples of ½ and gradients of ¼.
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
        let mut engine = load(place, operator, batch, k, single)?;
        let found = engine.run(&probe)?;
        different("residual", &found.residual, &expected.residual)?;
        different("gradient", &found.left, &expected.left)?;
        different("right gradient", &found.right, &expected.right)?;
    }
    Ok(Held::Holds)
}

/// One iteration of gradient descent moves U to U − step·(D + ridge·U) (L and R for two factors), starts from the
/// gradient of an earlier observation, and leaves frozen trials unchanged to the bit.
pub(crate) fn one_step(operator: &dyn Operator, place: &Place) -> LawOutcome {
    let mut probe = Probe::new(operator, 3, 3, true, Numbers::Real, 30).map_err(words)?;
    probe.applied = probe.point.clone();
    let start = probe.point.clone();
    let model = if start.is_single() { Model::psd() } else { Model::asymmetric() };
    step(operator, place, &Step { probe, start, centre: None, model, ridge: true, nonnegative: false })
}

/// One iteration of projected gradient descent moves U to max(U − step·(D + ridge·U), 0), from any U.
pub(crate) fn projected_step(operator: &dyn Operator, place: &Place) -> LawOutcome {
    let mut probe = Probe::new(operator, 3, 3, true, Numbers::Real, 34).map_err(words)?;
    probe.applied = probe.point.clone();
    let start = probe.point.clone();
    let model = if start.is_single() { Model::psd() } else { Model::asymmetric() };
    step(operator, place, &Step { probe, start, centre: None, model, ridge: true, nonnegative: true })
}

/// The step law for an increment V around a centre U₀: D and the residuals at the pair (2U₀ + V, V), the adjoint
/// applied to U₀ + V.
pub(crate) fn increments(operator: &dyn Operator, place: &Place) -> LawOutcome {
    around(operator, place, None)
}

/// The step law with signed columns, (2U₀ + V)S and (U₀ + V)S, with and without a centre.
pub(crate) fn signed_columns(operator: &dyn Operator, place: &Place) -> LawOutcome {
    around(operator, place, Some((2, 1)))?;
    if !operator.domain().is_symmetric() {
        return Ok(Held::NotApplicable);
    }
    let Probe { point: start, target, weights, .. } =
        Probe::new(operator, 3, 3, true, Numbers::Real, 33).map_err(words)?;
    let signed = sign(start.left_data(), 3, 2);
    let point = Factors::pair(3, operator.domain(), 3, signed.clone(), start.left_data().to_vec()).map_err(words)?;
    let applied = Factors::single(3, operator.domain().rows(), 3, signed).map_err(words)?;
    let probe = Probe { point, applied, target, weights };
    step(
        operator,
        place,
        &Step { probe, start, centre: None, model: Model::signed(2, 1), ridge: true, nonnegative: false },
    )
}

/// Pairs on symmetric domains: Z = L Rᵀ. Measurements see its symmetric part, and the gradients are G R and G L.
pub(crate) fn pairs(operator: &dyn Operator, place: &Place) -> LawOutcome {
    if !operator.domain().is_symmetric() {
        return Ok(Held::NotApplicable);
    }
    for (seed, (batch, k)) in [(1, 1), (3, 3)].into_iter().enumerate() {
        let probe = Probe::new(operator, batch, k, false, Numbers::Real, 60 + seed as u64).map_err(words)?;
        let mut engine = load_sides(place, operator, batch, k, Sides::Both)?;
        let expected = Expected::of_pairs(operator, &probe, 2.0 * engine.unit_roundoff(), operator.is_centred());
        let found = engine.run(&probe)?;
        outside("residual", &found.residual, &expected.residual, &expected.residual_bound)?;
        outside("gradient", &found.left, &expected.left, &expected.left_bound)?;
        outside("right gradient", &found.right, &expected.right, &expected.right_bound)?;
    }
    let mut probe = Probe::new(operator, 3, 3, false, Numbers::Real, 62).map_err(words)?;
    probe.applied = probe.point.clone();
    let start = probe.point.clone();
    step(
        operator,
        place,
        &Step { probe, start, centre: None, model: Model::asymmetric(), ridge: true, nonnegative: false },
    )
}

/// U S: columns from `positive` on change their sign.
fn sign(values: &[f64], k: usize, positive: usize) -> Vec<f64> {
    values.iter().enumerate().map(|(at, v)| if at % k >= positive { -v } else { *v }).collect()
}

fn around(operator: &dyn Operator, place: &Place, signature: Option<(usize, usize)>) -> LawOutcome {
    let (batch, k, shape) = (3, signature.map_or(3, |(p, q)| p + q), operator.domain());
    if !shape.is_symmetric() {
        return Ok(Held::NotApplicable);
    }
    // Integers, so that no sum is rounded.
    let draw = |seed| Probe::new(operator, batch, k, true, Numbers::Integer, seed).map_err(words);
    let (centre, Probe { point: start, target, weights, .. }) = (draw(31)?.point, draw(32)?);
    let sum = |times: f64| -> Vec<f64> {
        let sum: Vec<f64> = centre.left_data().iter().zip(start.left_data()).map(|(u, v)| times * u + v).collect();
        sign(&sum, k, signature.map_or(k, |(positive, _)| positive))
    };
    let point = Factors::pair(batch, shape, k, sum(2.0), start.left_data().to_vec()).map_err(words)?;
    let applied = Factors::single(batch, shape.rows(), k, sum(1.0)).map_err(words)?;
    let probe = Probe { point, applied, target, weights };
    let model = signature.map_or_else(Model::psd, |(p, q)| Model::signed(p, q));
    step(operator, place, &Step { probe, start, centre: Some(centre), model, ridge: false, nonnegative: false })
}

struct Step {
    /// Point of the gradient of the iteration at `start`.
    probe: Probe,
    start: Factors,
    centre: Option<Factors>,
    model: Model,
    ridge: bool,
    nonnegative: bool,
}

fn step(operator: &dyn Operator, place: &Place, step: &Step) -> LawOutcome {
    let Step { probe, start, centre, model, ridge, nonnegative } = step;
    let (batch, k) = (start.batch(), start.search_rank());
    let mut tape = Tape::new(model.recorded(), operator.domain(), k, Loss::Square, centre.is_some(), *ridge)
        .nonnegative(*nonnegative);
    Method::from(Method::gd()).record(&mut tape, &Context::default()).map_err(words)?;
    let program = Arc::new(tape.finish());
    let mut engine = load_program(place, operator, batch, program.clone())?;
    let u = 2.0 * engine.info().precision.unit_roundoff();
    let expected = match start.is_single() || !operator.domain().is_symmetric() {
        true => Expected::new(operator, probe, u, operator.is_centred()),
        false => Expected::of_pairs(operator, probe, u, operator.is_centred()),
    };
    let scale = expected.left.iter().chain(&expected.right).fold(1.0_f64, |a, v| a.max(v.abs()));
    // Powers of two, so that the steps are exact.
    let steps: Vec<f64> = (0..batch).map(|b| 2f64.powi(-(b as i32)) / scale.log2().ceil().exp2()).collect();
    let decay: Vec<f64> =
        (0..batch).map(|b| if *ridge && b > 0 { 2f64.powi(-2 - 2 * b as i32) } else { 0.0 }).collect();
    let moved = |values: &[f64], direction: &[f64], direction_bound: &[f64]| -> (Vec<f64>, Vec<f64>) {
        let size = values.len() / batch;
        let one = |(at, value): (usize, &f64)| {
            let trial = at / size;
            if trial == 1 {
                return (*value, 0.0);
            }
            let (change, kept) = (steps[trial] * direction[at], decay[trial] * value);
            let bound = steps[trial] * direction_bound[at] + 4.0 * u * (value.abs() + change.abs() + kept.abs());
            let next = value - change - kept;
            (if *nonnegative { next.max(0.0) } else { next }, bound)
        };
        values.iter().enumerate().map(one).unzip()
    };
    let (left, left_bound) = moved(start.left_data(), &expected.left, &expected.left_bound);
    let (right, right_bound) = match start.is_single() {
        true => (Vec::new(), Vec::new()),
        false => moved(start.right_data(), &expected.right, &expected.right_bound),
    };
    let (wanted, bound) = (stacked(&left, &right, batch), stacked(&left_bound, &right_bound, batch));
    let laid = |factors: &Factors| match factors.is_single() {
        true => factors.left_data().to_vec(),
        false => stacked(factors.left_data(), factors.right_data(), batch),
    };
    let put = |engine: &mut dyn Engine, name: &str, values: &[f64]| match program.find(name) {
        Some(register) => engine.write(register, values).map_err(words),
        None => Err(format!("the program has no register '{name}'")),
    };
    if let Some(centre) = centre {
        // Registers left by an iteration elsewhere must not matter.
        put(&mut *engine, "centre", &laid(start))?;
        put(&mut *engine, "factors", &laid(centre))?;
        engine.run(1).map_err(words)?;
        put(&mut *engine, "centre", &laid(centre))?;
    }
    put(&mut *engine, "observations", &probe.target)?;
    put(&mut *engine, "weights", &probe.weights)?;
    put(&mut *engine, "step_size", &steps)?;
    if *ridge {
        let ridge: Vec<f64> = decay.iter().zip(&steps).map(|(decay, step)| decay / step).collect();
        put(&mut *engine, "ridge", &ridge)?;
    }
    let mut stepped = |watched: bool| -> Result<Vec<f64>, String> {
        engine.set_active(&[true; 3]).map_err(words)?;
        put(&mut *engine, "factors", &laid(start))?;
        if watched {
            let found = engine.read(program.residual.into()).map_err(words)?;
            outside("watched residual", &found, &expected.residual, &expected.residual_bound)?;
        }
        engine.set_active(&[true, false, true]).map_err(words)?;
        engine.run(1).map_err(words)?;
        engine.read(program.iterate.into()).map_err(words)
    };
    let found = stepped(false)?;
    outside("factor after one step", &found, &wanted, &bound)?;
    let again = stepped(true)?;
    different("factor after an observed step", &again, &found)?;
    Ok(Held::Holds)
}

/// Two equal evaluations give the same bits.
pub(crate) fn repeats(operator: &dyn Operator, place: &Place) -> LawOutcome {
    let probe = Probe::new(operator, 2, 3, true, Numbers::Real, 40).map_err(words)?;
    let first = load(place, operator, 2, 3, true)?.run(&probe)?;
    let mut engine = load(place, operator, 2, 3, true)?;
    for _ in 0..2 {
        let again = engine.run(&probe)?;
        different("residual", &again.residual, &first.residual)?;
        different("gradient", &again.left, &first.left)?;
        different("right gradient", &again.right, &first.right)?;
    }
    Ok(Held::Holds)
}

/// A batch of three equals three single evaluations bit for bit. A trial padded with zero columns stays within the
/// bound, and its padding stays zero.
pub(crate) fn batch_is_singles(operator: &dyn Operator, place: &Place) -> LawOutcome {
    let (batch, wide, m) = (3, wide(operator), operator.measurements());
    let k = if wide > 3 { 3 } else { 1 };
    let probe = Probe::new(operator, batch, k, true, Numbers::Real, 50).map_err(words)?;
    let together = load(place, operator, batch, k, true)?.run(&probe)?;
    let (size, right) = (together.left.len() / batch, together.right.len() / batch);
    let mut single = load(place, operator, 1, k, true)?;
    for trial in 0..batch {
        let alone = single.run(&probe.trial(trial, m).map_err(words)?)?;
        different(
            &format!("trial {trial}: residual"),
            &together.residual[trial * m..(trial + 1) * m],
            &alone.residual,
        )?;
        different(&format!("trial {trial}: gradient"), &together.left[trial * size..(trial + 1) * size], &alone.left)?;
        let part = &together.right[trial * right..(trial + 1) * right];
        different(&format!("trial {trial}: right gradient"), part, &alone.right)?;
    }
    let padded = |data: &[f64]| -> Vec<f64> {
        let rows = data.chunks(k);
        rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, wide - k))).collect()
    };
    let (l, r) = (padded(probe.point.left_data()), padded(probe.point.right_data()));
    let point = Factors::of(batch, operator.domain(), wide, l, r).map_err(words)?;
    let padded = Probe { applied: point.clone(), point, target: probe.target.clone(), weights: probe.weights.clone() };
    let mut engine = load(place, operator, batch, wide, true)?;
    let expected = Expected::new(operator, &padded, 2.0 * engine.unit_roundoff(), operator.is_centred());
    let found = engine.run(&padded)?;
    outside("padded gradient", &found.left, &expected.left, &expected.left_bound)?;
    outside("padded right gradient", &found.right, &expected.right, &expected.right_bound)?;
    if (found.left.chunks(wide).chain(found.right.chunks(wide))).any(|row| row[k..].iter().any(|v| *v != 0.0)) {
        return Err("the gradient of a zero column is not zero".into());
    }
    Ok(Held::Holds)
}

/// An iteration reads the measurement data once or twice, in the engine's own number size (half of what an f64 operator
/// declares), and the engine holds all of it. On the host the kernel counts the reads, from the slices that it visits.
/// The offsets of lists of nonzeros belong to the engine and are a good part of short lists: for these the bytes agree
/// within about a factor of two.
pub(crate) fn declared_bytes(operator: &dyn Operator, place: &Place) -> LawOutcome {
    // As in iterations, the adjoint is applied to the measured factors.
    let mut tape =
        Tape::new(Model::natural(&operator.domain()).recorded(), operator.domain(), 1, Loss::Square, false, false);
    Method::from(Method::gd()).record(&mut tape, &Context::default()).map_err(words)?;
    let engine = load_program(place, operator, 1, Arc::new(tape.finish()))?;
    let info = engine.info();
    let (read, held) = (info.operator_bytes_per_iteration, info.operator_bytes as f64);
    let lists = match operator.accelerate().gpu {
        Some(GpuForm::Thin(GpuThin::Nonzeros(of))) => Some(of.count()),
        _ => None,
    };
    // Lists of nonzeros may stand for data that the operator itself does not hold: two indices and a value of each, thrice.
    let listed = if place.backend.word() == "gpu" { lists.map_or(0.0, |count| 24.0 * count as f64) } else { 0.0 };
    let declared = operator.cost(1, 1).bytes.max(listed);
    // Generated data are neither read nor held.
    if declared == 0.0 && read == 0.0 && held == 0.0 {
        return Ok(Held::Holds);
    }
    let passes = read / declared;
    // A list names its lines and, in every panel, the cut lines: with few nonzeros this is most of the list.
    let shape = operator.domain();
    let names = 16.0 * (shape.rows() + shape.columns() + info.panels) as f64;
    let agree = if lists.is_some() {
        passes >= 0.4 && read <= 2.1 * declared + names
    } else {
        [0.5, 1.0, 2.0].contains(&passes)
    };
    if agree && held >= declared.min(read) / 2.0 {
        Ok(Held::Holds)
    } else {
        Err(format!("an iteration reads {read} bytes of {held} held; the operator declares {declared}"))
    }
}
