//! What a recipe must not depend on.

use std::sync::Arc;

use libtest_mimic::Trial;
use lowrank::engine::Engine;
use lowrank::gpu::{Device, Options};
use lowrank::memory::Place as Where;
use lowrank::methods::{Minibatches, Polyak, Recipe, Tuning};
use lowrank::operators::Loss;
use lowrank::problem::{Factors, Shape};
use lowrank::{Error, Precision};

use crate::case::{Case, Model, Outcome, factors_of, near, numbers, recipes, same};
use crate::common::thin::ThinOperator;
use crate::{agrees, agrees_after, sizes};

type Law = fn(&Device) -> Outcome;

const LAWS: &[(&str, Law)] = &[
    ("sizes", sizes),
    ("many rows", many_rows),
    ("momentum restarts", restarts),
    ("long sums", long_sums),
    ("steps of Polyak are capped", caps),
    ("a batch is its singles", batch_is_singles),
    ("frozen trials keep their bits and wake up", frozen),
    ("padding stays zero", padding),
    ("the same again is the same", repeats),
    ("watching and evaluating change nothing", watching),
    ("pieces of a run are the run", pieces),
    ("panels change nothing", panels),
    ("streams", streams),
    ("more groups than measurements", empty_groups),
    ("lambda is raised and counted", raised),
    ("zero stays zero", zero),
    ("nothing left to descend", nothing_left),
    ("large and small numbers", magnitudes),
    ("memory is counted", memory),
    ("refusals", refusals),
    ("infinite residuals of weight 0 are hidden", hidden),
];

pub fn trials(device: &Device) -> Vec<Trial> {
    let trial = |&(name, law): &(&str, Law)| {
        let device = device.clone();
        Trial::test(format!("{name} [{}]", device.name()), move || law(&device))
    };
    LAWS.iter().map(trial).collect()
}

/// Several recipes at once, on rows and on thin data.
fn each(law: impl Fn(&Case, &str) -> Outcome) -> Outcome {
    for (named, ..) in recipes() {
        for (operator, model) in [("dense:one-pass", Model::Psd), ("entries", Model::Asymmetric)] {
            let case = Case::new(operator, model, [11, 60, 3, 3], named);
            law(&case, named).map_err(|e| format!("{named}, {}: {}", case.label(), e.message().unwrap_or("?")))?;
        }
    }
    Ok(())
}

/// Gram matrices in several shares.
pub fn tall(named: &str) -> Case {
    let operator = Arc::new(ThinOperator::entries(Shape::asymmetric(2500, 3), 300, 3));
    Case::with(operator, Model::Asymmetric, (2, 2), crate::case::recipe(named))
}

fn many_rows(device: &Device) -> Outcome {
    for named in ["scaled-gd", "prec-gd", "momentum"] {
        agrees(&tall(named), device, &Options::default())?;
    }
    Ok(())
}

/// Near a solution, where momentum overshoots after some iterations, in each trial after others.
pub fn restarting() -> Case {
    let mut case = Case::new("dense", Model::Psd, [7, 60, 2, 3], "momentum");
    let mut engine = case.reference().expect("the reference engine");
    case.target.fill(0.0);
    case.weights.fill(1.0);
    case.shrink.fill(0.0);
    engine.set_observations(&case.target, &case.weights).expect("as many");
    case.target = engine.residuals().expect("A(UUᵀ)");
    let nudge = |(at, v): (usize, &f64)| v * if at % 3 == 0 { 1.2 } else { 0.9 };
    let near = case.factors.left_data().iter().enumerate().map(nudge).collect();
    case.factors = Factors::symmetric(3, 7, 2, near).expect("sizes");
    case.steps = (0..3).map(|b| case.operator.normalization() * 0.1 / (1.0 + b as f64)).collect();
    case
}

/// Momentum long enough to restart, others as they are.
pub fn compared(case: &Case, device: &Device, options: &Options) -> Outcome {
    let long = case.recipe.accelerate && !case.recipe.precondition;
    agrees_after(case, device, options, if long { [1, 39] } else { [1, 4] })
}

fn restarts(device: &Device) -> Outcome {
    compared(&restarting(), device, &Options::default())
}

/// More measurements and more entries than a round of all threads takes.
fn long_sums(device: &Device) -> Outcome {
    for named in ["gd-polyak-1", "prec-gd", "momentum", "everything"] {
        for (shape, m) in [(Shape::asymmetric(5, 7), 20_000), (Shape::asymmetric(9000, 2), 60)] {
            let operator = Arc::new(ThinOperator::entries(shape, m, 3));
            let case = Case::with(operator, Model::Asymmetric, (2, 2), crate::case::recipe(named));
            agrees(&case, device, &Options::default())?;
        }
    }
    Ok(())
}

/// Promised more than there is to descend, for an iteration or two.
pub fn capped(named: &str, model: Model) -> Case {
    let mut case = Case::new("dense", model, [11, 60, 3, 2], named);
    case.tuning.iter_mut().for_each(|tuning| tuning.polyak_scale = 1e3);
    case
}

fn caps(device: &Device) -> Outcome {
    for model in crate::MODELS {
        for named in ["gd-polyak-3", "scaled-gd-polyak", "sgd-first"] {
            let mut case = capped(named, model);
            agrees_after(&case, device, &Options::default(), [1, 2])?;
            // A cap far above the step changes nothing.
            case.tuning.iter_mut().for_each(|tuning| tuning.polyak_scale = 0.1);
            agrees_after(&case, device, &Options::default(), [1, 2])?;
        }
    }
    Ok(())
}

fn batch_is_singles(device: &Device) -> Outcome {
    each(|case, _| {
        let mut batch = case.gpu(device, Options::default())?;
        batch.advance(6)?;
        let together = batch.factors()?;
        for trial in 0..case.batch {
            let mut alone = case.single(trial).gpu(device, Options::default())?;
            alone.advance(6)?;
            let alone = alone.factors()?;
            let what = format!("trial {trial}");
            same(&what, together.left(trial).as_slice(), alone.left(0).as_slice())?;
            if !together.is_single() {
                same(&what, together.right(trial).as_slice(), alone.right(0).as_slice())?;
            }
        }
        Ok(())
    })
}

fn frozen(device: &Device) -> Outcome {
    each(|case, _| {
        let (mut expected, mut found) = (case.reference()?, case.gpu(device, Options::default())?);
        let course = |engine: &mut dyn Engine| -> Result<[Vec<f64>; 3], Error> {
            engine.set_active(&[true, false, true])?;
            engine.advance(3)?;
            let first = engine.factors()?;
            engine.set_active(&[false; 3])?;
            engine.advance(2)?;
            engine.set_active(&[true; 3])?;
            engine.advance(2)?;
            let second = engine.factors()?;
            let all = |factors: &Factors| factors.left_data().to_vec();
            Ok([first.left(1).as_slice().to_vec(), all(&first), all(&second)])
        };
        let (expected, found) = (course(expected.as_mut())?, course(found.as_mut())?);
        same("the frozen one", &found[0], case.factors.left(1).as_slice())?;
        near("before", &found[1], &expected[1], 1e-4)?;
        near("after", &found[2], &expected[2], 1e-4)
    })
}

/// A narrower trial among wider ones.
fn padding(device: &Device) -> Outcome {
    for (named, ..) in recipes() {
        let mut case = Case::new("dense", Model::Asymmetric, [11, 60, 5, 3], named);
        let narrow = |values: &[f64]| -> Vec<f64> {
            let size = values.len() / 3;
            let number = |(at, v): (usize, &f64)| if at / size == 1 && at % 5 >= 3 { 0.0 } else { *v };
            values.iter().enumerate().map(number).collect()
        };
        let (left, right) = (narrow(case.factors.left_data()), narrow(case.factors.right_data()));
        case.factors = factors_of(3, case.operator.shape(), 5, left, right)?;
        agrees(&case, device, &Options::default())?;
        let mut engine = case.gpu(device, Options::default())?;
        engine.advance(4)?;
        let factors = engine.factors()?;
        let rows = factors.left(1).as_slice().chunks(5).chain(factors.right(1).as_slice().chunks(5));
        if rows.flat_map(|row| &row[3..]).any(|v| *v != 0.0) {
            return Err(format!("{named}: padding moved").into());
        }
    }
    Ok(())
}

fn repeats(device: &Device) -> Outcome {
    each(|case, _| {
        let mut engine = case.gpu(device, Options::default())?;
        engine.advance(6)?;
        let first = numbers(engine.as_mut())?;
        case.begin(engine.as_mut())?;
        engine.advance(6)?;
        same("again", &numbers(engine.as_mut())?, &first)?;
        let mut other = case.gpu(device, Options::default())?;
        other.advance(6)?;
        same("another engine", &numbers(other.as_mut())?, &first)
    })
}

/// Evaluations poison what iterations must write before they read it.
fn watching(device: &Device) -> Outcome {
    each(|case, _| {
        let mut plain = case.gpu(device, Options::default())?;
        plain.advance(7)?;
        let mut watched = case.gpu(device, Options::default())?;
        watched.residuals()?;
        for iterations in [2, 1, 4] {
            watched.advance(iterations)?;
            watched.residuals()?;
            watched.evaluate(&case.factors, &case.factors)?;
            watched.damping_raised()?;
        }
        same("watched", &numbers(watched.as_mut())?, &numbers(plain.as_mut())?)
    })
}

/// Submissions grow and end anywhere.
fn pieces(device: &Device) -> Outcome {
    each(|case, _| {
        let (mut whole, mut cut) = (case.gpu(device, Options::default())?, case.gpu(device, Options::default())?);
        whole.advance(23)?;
        for iterations in [1, 1, 1, 2, 3, 7, 8] {
            cut.advance(iterations)?;
        }
        same("in pieces", &numbers(cut.as_mut())?, &numbers(whole.as_mut())?)
    })
}

fn panels(device: &Device) -> Outcome {
    for (named, ..) in recipes() {
        for operator in ["dense:two-kernel", "dense:one-pass", "dense:tiled", "seeded:one-pass", "entries", "vectors"] {
            let case = Case::new(operator, Model::Psd, [17, 60, 3, 3], named);
            let run = |panel_bytes| {
                let mut engine = case.gpu(device, Options { panel_bytes, ..Options::default() })?;
                engine.advance(6)?;
                numbers(engine.as_mut())
            };
            same(&format!("{named} on {operator}"), &run(Some(4096))?, &run(None)?)?;
        }
    }
    Ok(())
}

/// A limit on memory that some of the rows fit, and one that none do.
fn streams(device: &Device) -> Outcome {
    for (named, ..) in recipes() {
        for variant in ["dense:one-pass", "dense:two-kernel", "dense:tiled"] {
            let case = Case::new(variant, Model::Psd, [17, 60, 3, 3], named);
            let mut whole = case.gpu(device, Options::default())?;
            let info = whole.info();
            let rows = info.memory.parts.iter().find(|part| part.name == "measurements").ok_or("no such part")?.bytes;
            let working = info.memory.bytes(Where::Device) - rows;
            whole.advance(6)?;
            for streamed in [rows / 2, rows / 20] {
                let memory_bytes = Some(working + streamed);
                let mut engine = case.gpu(device, Options { memory_bytes, ..Options::default() })?;
                if engine.info().streamed_panels == 0 {
                    return Err("nothing is streamed".into());
                }
                engine.advance(2)?;
                engine.residuals()?;
                engine.advance(4)?;
                let what = format!("{named} on {variant}");
                same(&what, &numbers(engine.as_mut())?, &numbers(whole.as_mut())?)?;
            }
        }
    }
    Ok(())
}

/// Groups without a measurement move nothing but what the ridge shrinks.
fn empty_groups(device: &Device) -> Outcome {
    for (polyak, precondition) in [(Polyak::Never, false), (Polyak::Every(1), false), (Polyak::Never, true)] {
        let minibatches = Some(Minibatches { count: 9, seed: 1 });
        let recipe = Recipe { minibatches, polyak, precondition, ..Recipe::default() };
        for word in ["dense:one-pass", "dense:two-kernel", "dense:tiled", "seeded:tiled", "vectors", "entries"] {
            let (operator, variant) = crate::case::operator(word, Model::Asymmetric, 7, 5);
            let case = Case::with(operator, Model::Asymmetric, (2, 2), (recipe, 1.0)).forced(variant);
            agrees(&case, device, &Options::default())?;
            agrees(&case, device, &Options { panel_bytes: Some(1), ..Options::default() })?;
        }
    }
    Ok(())
}

/// With λ = 0 and more columns than rows VᵀV is singular.
fn raised(device: &Device) -> Outcome {
    for precision in [Precision::F32, Precision::F64].into_iter().filter(|p| device.require(*p).is_ok()) {
        for model in [Model::Psd, Model::Asymmetric] {
            let mut case = Case::new("dense", model, [5, 40, 11, 3], "scaled-gd");
            case.tuning = vec![Tuning::default(); 3];
            case.tuning[1].damping = 0.5;
            let mut engine = case.gpu(device, Options { precision, ..Options::default() })?;
            engine.advance(4)?;
            let (found, moved) = (engine.damping_raised()?, numbers(engine.as_mut())?);
            if found != [4, 0, 4] || moved.iter().any(|v| !v.is_finite()) {
                return Err(format!("{found:?} times").into());
            }
            case.begin(engine.as_mut())?;
            if engine.damping_raised()? != [0; 3] {
                return Err("the count does not begin anew".into());
            }
        }
    }
    Ok(())
}

fn zero(device: &Device) -> Outcome {
    for (named, ..) in recipes() {
        for model in [Model::Psd, Model::Asymmetric] {
            let mut case = Case::new("dense", model, [7, 30, 3, 2], named);
            let shape = case.operator.shape();
            let right = if shape.is_symmetric() { 0 } else { 2 * shape.columns() * 3 };
            case.factors = factors_of(2, shape, 3, vec![0.0; 2 * shape.rows() * 3], vec![0.0; right])?;
            case.tuning.iter_mut().for_each(|tuning| (tuning.damping, tuning.damping_factor) = (0.0, 0.0));
            let mut engine = case.gpu(device, Options::default())?;
            engine.advance(3)?;
            if numbers(engine.as_mut())?.iter().any(|v| *v != 0.0) || engine.damping_raised()? != [0, 0] {
                return Err(format!("{named}, {model:?}: zero moved").into());
            }
        }
    }
    Ok(())
}

/// At the solution, and below the optimal loss that was promised.
fn nothing_left(device: &Device) -> Outcome {
    for named in ["gd-polyak-1", "l1-geometric", "scaled-gd-polyak"] {
        let mut case = Case::new("dense", Model::Psd, [7, 30, 2, 2], named);
        case.shrink.fill(0.0);
        case.tuning[0].optimal = 1e20;
        case.tuning[1].optimal = 0.0;
        let start = case.factors.left_data().to_vec();
        let mut engine = case.gpu(device, Options::default())?;
        engine.advance(3)?;
        let (found, half) = (numbers(engine.as_mut())?, start.len() / 2);
        same(named, &found[..half], &start[..half])?;
        if found[half..] == start[half..] || found.iter().any(|v| !v.is_finite()) {
            return Err(format!("{named}: the other one does not move").into());
        }
    }
    Ok(())
}

/// Factors of all sizes give finite numbers.
fn magnitudes(device: &Device) -> Outcome {
    for named in ["scaled-gd", "prec-gd", "scaled-gd-polyak", "gd-polyak-1"] {
        for scale in [1e-30, 1e-18, 1e-9, 1e-4, 1e3] {
            let mut case = Case::new("dense", Model::Psd, [7, 30, 3, 2], named);
            case.tuning[1].damping = 0.0;
            case.shrink.fill(0.0);
            let scaled = case.factors.left_data().iter().map(|v| scale * v).collect();
            case.factors = Factors::symmetric(2, 7, 3, scaled)?;
            case.steps.iter_mut().for_each(|step| *step *= 1e-3);
            let mut engine = case.gpu(device, Options::default())?;
            engine.advance(1)?;
            if numbers(engine.as_mut())?.iter().any(|v| !v.is_finite()) {
                return Err(format!("{named} at {scale:e} is not finite").into());
            }
        }
    }
    Ok(())
}

/// What a method needs is counted, and gradient descent needs nothing.
fn memory(device: &Device) -> Outcome {
    for (named, recipe, _) in recipes() {
        let case = Case::new("dense", Model::Psd, [7, 30, 3, 2], named);
        let engine = case.gpu(device, Options::default())?;
        let part = engine.info().memory.parts.iter().find(|part| part.name == "state of the method");
        if part.is_some() != (recipe != Recipe::default()) {
            return Err(format!("{named}: {part:?}").into());
        }
    }
    Ok(())
}

fn refusals(device: &Device) -> Outcome {
    let mut case = Case::new("vectors-centred", Model::Psd, [7, 30, 3, 2], "gd");
    case.recipe.loss = Loss::L1;
    let outcomes = [case.reference(), case.cpu(Precision::F32), case.gpu(device, Options::default())];
    for outcome in outcomes {
        match outcome {
            Err(error @ Error::Unsupported { .. }) if error.to_string().contains("--no-center") => {}
            other => return Err(format!("centred residuals under l1: {:?}", other.err()).into()),
        }
    }
    let mut case = Case::new("dense", Model::Psd, [7, 30, 3, 2], "gd");
    case.recipe.minibatches = Some(Minibatches { count: 1 << 17, seed: 0 });
    match case.gpu(device, Options::default()) {
        Err(error @ Error::Unsupported { .. }) if error.to_string().contains("minibatches") => {}
        other => return Err(format!("many groups: {:?}", other.err()).into()),
    }
    let case = Case::new("dense", Model::Psd, [7, 30, 3, 2], "gd");
    match case.gpu(device, Options::default())?.set_tuning(&[Tuning::default()]) {
        Err(Error::Invalid { .. }) => Ok(()),
        other => Err(format!("a tuning for one of two: {other:?}").into()),
    }
}

/// E leaves out what has no weight.
fn hidden(device: &Device) -> Outcome {
    let mut case = Case::new("dense:two-kernel", Model::Psd, [7, 30, 3, 2], "gd-polyak-1");
    let mut plain = case.gpu(device, Options::default())?;
    (case.weights[3], case.weights[33]) = (0.0, 0.0);
    (case.target[3], case.target[33]) = (1e30, -1e30);
    plain.set_observations(&vec![0.0; 60], &case.weights)?;
    let (mut expected, mut found) = (case.reference()?, case.gpu(device, Options::default())?);
    expected.advance(2)?;
    found.advance(2)?;
    near("factors", &numbers(found.as_mut())?, &numbers(expected.as_mut())?, 1e-4)
}
