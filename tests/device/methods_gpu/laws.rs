//! What an iteration must not depend on.

use libtest_mimic::Trial;
use lowrank::gpu::Device;
use lowrank::internals::gpu::Options;
use lowrank::memory::Location;
use lowrank::methods::Method;
use lowrank::operators::Loss;
use lowrank::problem::Domain;
use lowrank::{Error, Precision};

use crate::methods_gpu::case::{Case, Model, Outcome, near, numbers, raised, recipe, recipes, registered, same};
use crate::methods_gpu::{agrees, agrees_after, meets, sizes};

type Law = fn(&Device) -> Outcome;

const LAWS: &[(&str, Law)] = &[
    ("sizes", sizes),
    ("many rows", many_rows),
    ("momentum restarts", restarts),
    ("long sums", long_sums),
    ("steps of Polyak are capped", caps),
    ("padding stays zero", padding),
    ("panels change nothing", panels),
    ("streams", streams),
    ("more groups than measurements", empty_groups),
    ("lambda is raised and counted", lambda_raised),
    ("zero stays zero", zero),
    ("nothing left to descend", nothing_left),
    ("large and small numbers", magnitudes),
    ("memory is counted", memory),
    ("refusals", refusals),
    ("infinite residuals of weight 0 are hidden", hidden),
];

/// Operators with passes of two lanes.
const TWO_LANES: [&str; 6] =
    ["dense:two-kernel", "dense:one-pass", "dense:tiled", "seeded:one-pass", "vectors-centred", "entries"];

pub fn trials(device: &Device) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut add = |name: &str, law: Box<dyn Fn(&Device) -> Outcome + Send>| {
        let (name, device) = (format!("{name} [{}]", device.name()), device.clone());
        trials.push(Trial::test(name, move || law(&crate::common::own(&device))));
    };
    for &(name, law) in LAWS {
        add(name, Box::new(law));
    }
    for (place, operator) in TWO_LANES.into_iter().enumerate() {
        let name = format!("one pass moves as two do, {operator}");
        add(&name, Box::new(move |device| one_pass_is_two((place, operator), device)));
    }
    trials
}

/// Gram matrices in several shares.
pub fn tall(named: &str) -> Case {
    Case::with(registered("entries", Domain::rectangular(2500, 3), 300), Model::Asymmetric, (2, 2), recipe(named))
}

fn many_rows(device: &Device) -> Outcome {
    for named in ["scaled-gd", "prec-gd", "momentum"] {
        agrees(&tall(named), device, &Options::default())?;
    }
    Ok(())
}

/// Near a solution, where momentum overshoots after some iterations, in each trial after others.
pub fn restarting() -> Case {
    let mut case = Case::new("dense:two-kernel", Model::Psd, [7, 60, 2, 3], "momentum");
    case.target.fill(0.0);
    case.weights.fill(1.0);
    case.target = case.reference().and_then(|mut engine| engine.residual()).expect("A(UUᵀ)");
    for (at, v) in case.factors.iter_mut().enumerate() {
        *v *= if at % 3 == 0 { 1.2 } else { 0.9 };
    }
    case.steps = (0..3).map(|b| case.operator.normalization() * 0.1 / (1.0 + b as f64)).collect();
    case
}

/// Momentum long enough to restart, others as they are.
pub fn compared(case: &Case, device: &Device, options: &Options) -> Outcome {
    if case.recipe.name == "momentum" {
        agrees_after(case, device, options, [1, 39])
    } else {
        agrees(case, device, options)
    }
}

fn restarts(device: &Device) -> Outcome {
    compared(&restarting(), device, &Options::default())
}

/// More measurements and more entries than a round of all threads takes.
fn long_sums(device: &Device) -> Outcome {
    for named in ["gd-polyak-1", "prec-gd", "momentum", "everything"] {
        for (n1, n2, m) in [(160, 140, 20_000), (9000, 2, 60)] {
            let operator = registered("entries", Domain::rectangular(n1, n2), m);
            let case = Case::with(operator, Model::Asymmetric, (2, 2), recipe(named));
            agrees(&case, device, &Options::default())?;
        }
    }
    Ok(())
}

/// Promised more than there is to descend, for an iteration or two.
pub fn capped(named: &str, model: Model) -> Case {
    let mut case = Case::new("dense:two-kernel", model, [11, 60, 3, 3], named);
    case.polyak_scale.fill(1e3);
    case
}

fn caps(device: &Device) -> Outcome {
    for model in crate::methods_gpu::MODELS {
        for named in ["gd-optimal", "gd-polyak-3", "scaled-gd-polyak", "scaled-gd-huber", "huber-geometric"] {
            let mut case = capped(named, model);
            agrees_after(&case, device, &Options::default(), [1, 2])?;
            // A cap far above the step changes nothing.
            case.polyak_scale.fill(0.1);
            agrees_after(&case, device, &Options::default(), [1, 2])?;
        }
    }
    Ok(())
}

/// A narrower trial among wider ones.
fn padding(device: &Device) -> Outcome {
    for named in recipes().into_iter().map(|recipe| recipe.name) {
        let mut case = Case::new("dense:two-kernel", Model::Asymmetric, [11, 60, 3, 3], named);
        let size = case.factors.len() / 3;
        for (at, v) in case.factors.iter_mut().enumerate() {
            *v = if at / size == 1 && at % 3 == 2 { 0.0 } else { *v };
        }
        agrees(&case, device, &Options::default())?;
        let mut engine = case.gpu(device, Options::default())?;
        engine.run(4)?;
        let factors = engine.factors()?;
        if factors[size..2 * size].chunks(3).flat_map(|row| &row[2..]).any(|v| *v != 0.0) {
            return Err(format!("{named}: padding moved").into());
        }
    }
    Ok(())
}

fn panels(device: &Device) -> Outcome {
    let operators = ["dense:two-kernel", "dense:one-pass", "dense:tiled", "seeded:one-pass", "entries", "vectors"];
    for (at, named) in recipes().into_iter().map(|recipe| recipe.name).enumerate() {
        for (_, operator) in operators.iter().enumerate().filter(|(place, _)| meets((at, named), *place)) {
            let case = Case::new(operator, Model::Psd, [11, 60, 3, 3], named);
            let run = |panel_bytes| {
                let mut engine = case.gpu(device, Options { panel_bytes, ..Options::default() })?;
                engine.run(4)?;
                numbers(&mut engine)
            };
            same(&format!("{named} on {operator}"), &run(Some(4096))?, &run(None)?)?;
        }
    }
    Ok(())
}

/// A limit on memory that some of the rows fit, and one that none do.
fn streams(device: &Device) -> Outcome {
    let variants = ["dense:one-pass", "dense:two-kernel", "dense:tiled"];
    for (at, named) in recipes().into_iter().map(|recipe| recipe.name).enumerate() {
        for (_, variant) in variants.iter().enumerate().filter(|(place, _)| meets((at, named), *place)) {
            let case = Case::new(variant, Model::Psd, [11, 60, 3, 3], named);
            let mut whole = case.gpu(device, Options::default())?;
            let info = whole.info();
            let rows = info.memory.parts.iter().find(|part| part.name == "measurements").ok_or("no such part")?.bytes;
            let working = info.memory.bytes(Location::Device) - rows;
            whole.run(4)?;
            for streamed in [rows / 2, rows / 20] {
                let memory_bytes = Some(working + streamed);
                let mut engine = case.gpu(device, Options { memory_bytes, ..Options::default() })?;
                if engine.info().streamed_panels == 0 {
                    return Err("nothing is streamed".into());
                }
                engine.run(2)?;
                engine.residual()?;
                engine.run(2)?;
                let what = format!("{named} on {variant}");
                same(&what, &numbers(&mut engine)?, &numbers(&mut whole)?)?;
            }
        }
    }
    Ok(())
}

/// Groups without a measurement move nothing but what the ridge shrinks.
fn empty_groups(device: &Device) -> Outcome {
    let nine = |named: &str| {
        let own = recipe(named);
        if named == "sgd" {
            crate::methods_gpu::case::Recipe { method: Method::sgd().minibatches(9).seed(1).into(), ..own }
        } else {
            own
        }
    };
    for named in ["sgd", "everything"] {
        for word in ["dense:one-pass", "dense:two-kernel", "dense:tiled", "seeded:tiled", "vectors", "entries"] {
            // Fewer measurements than there are groups.
            let m = if named == "sgd" { 5 } else { 2 };
            let (operator, variant) = crate::methods_gpu::case::operator(word, Model::Asymmetric, 7, m);
            let case = Case { variant, ..Case::with(operator, Model::Asymmetric, (2, 2), nine(named)) };
            agrees(&case, device, &Options::default())?;
            agrees(&case, device, &Options { panel_bytes: Some(1), ..Options::default() })?;
        }
    }
    Ok(())
}

/// With λ = 0 and more columns than rows VᵀV is singular.
fn lambda_raised(device: &Device) -> Outcome {
    for precision in [Precision::F32, Precision::F64].into_iter().filter(|p| device.require(*p).is_ok()) {
        for model in [Model::Psd, Model::Asymmetric] {
            let mut case = Case::new("dense:two-kernel", model, [5, 40, 11, 3], "scaled-gd");
            case.damping.copy_from_slice(&[0.0, 0.5, 0.0]);
            let mut engine = case.gpu(device, Options { precision, ..Options::default() })?;
            engine.run(4)?;
            let (found, moved) = (raised(&mut engine)?, numbers(&mut engine)?);
            if found != [4.0, 0.0, 4.0] || moved.iter().any(|v| !v.is_finite()) {
                return Err(format!("{found:?} times").into());
            }
            case.begin(&mut engine)?;
            engine.engine.state()?;
            if raised(&mut engine)? != [0.0; 3] {
                return Err("the count does not begin anew".into());
            }
        }
    }
    Ok(())
}

fn zero(device: &Device) -> Outcome {
    for named in recipes().into_iter().map(|recipe| recipe.name) {
        for model in [Model::Psd, Model::Asymmetric] {
            let mut case = Case::new("dense:two-kernel", model, [11, 60, 3, 3], named);
            case.factors.fill(0.0);
            case.damping.fill(0.0);
            case.damping_factor.fill(0.0);
            let mut engine = case.gpu(device, Options::default())?;
            engine.run(3)?;
            if engine.factors()?.iter().any(|v| *v != 0.0) || raised(&mut engine)?.iter().any(|v| *v != 0.0) {
                return Err(format!("{named}, {model:?}: zero moved").into());
            }
        }
    }
    Ok(())
}

/// At the solution, and below the optimal loss that was promised.
fn nothing_left(device: &Device) -> Outcome {
    for named in ["gd-polyak-1", "gd-optimal", "huber-geometric", "l1-geometric", "scaled-gd-polyak"] {
        let mut case = Case::new("dense:two-kernel", Model::Psd, [7, 30, 2, 2], named);
        case.optimal.copy_from_slice(&[1e20, 0.0]);
        let start = case.factors.clone();
        let mut engine = case.gpu(device, Options::default())?;
        engine.run(3)?;
        let (found, half) = (engine.factors()?, start.len() / 2);
        same(named, &found[..half], &start[..half])?;
        if found[half..] == start[half..] || found.iter().any(|v| !v.is_finite()) {
            return Err(format!("{named}: the other one does not move").into());
        }
    }
    Ok(())
}

/// Exact steps from the pass that gives the next gradient, and from a pass of their own.
fn one_pass_is_two((place, operator): (usize, &str), device: &Device) -> Outcome {
    for (at, model) in [Model::Psd, Model::Signed, Model::Centred].into_iter().enumerate() {
        // Every pair of a method, a model and an operator, not every triple.
        let named = ["cg", "prec-gd-exact"][(place + at) % 2];
        let one = Case::new(operator, model, [11, 60, 3, 3], named);
        let two = one.in_two_passes()?;
        if (one.program.passes(), two.program.passes()) != (1.0, 2.0) {
            return Err(format!("{named}: {} passes", one.program.passes()).into());
        }
        let [mut found, mut expected] = [&one, &two].map(|case| case.gpu(device, Options::default()));
        let (found, expected) = (found.as_mut()?, expected.as_mut()?);
        for _ in 0..3 {
            found.run(1)?;
            expected.run(1)?;
            let what = format!("{named} on {}", one.label());
            near(&format!("{what}, factors"), &found.factors()?, &expected.factors()?, 1e-3)?;
            near(&format!("{what}, residuals"), &found.residual()?, &expected.residual()?, 1e-3)?;
        }
    }
    Ok(())
}

/// Factors of all sizes give finite numbers.
fn magnitudes(device: &Device) -> Outcome {
    for named in ["scaled-gd", "prec-gd", "scaled-gd-polyak", "gd-polyak-1", "gd-exact", "prec-gd-exact", "cg"] {
        for scale in [1e-30, 1e-18, 1e-9, 1e-4, 1e3] {
            let mut case = Case::new("dense:two-kernel", Model::Psd, [11, 60, 3, 3], named);
            case.damping[1] = 0.0;
            case.factors.iter_mut().for_each(|v| *v *= scale);
            case.steps.iter_mut().for_each(|step| *step *= 1e-3);
            let mut engine = case.gpu(device, Options::default())?;
            engine.run(1)?;
            if engine.factors()?.iter().any(|v| !v.is_finite()) {
                return Err(format!("{named} at {scale:e} is not finite").into());
            }
        }
    }
    Ok(())
}

/// What a method needs is counted: more than gradient descent does, where there is anything to remember or to compute.
fn memory(device: &Device) -> Outcome {
    let bytes = |named: &str| -> Result<u64, Error> {
        let engine =
            Case::new("dense:two-kernel", Model::Psd, [11, 60, 3, 3], named).gpu(device, Options::default())?;
        let parts = &engine.info().memory.parts;
        let found = parts.iter().find(|part| part.name == "registers and scratch buffers").expect("a part");
        Ok(found.bytes)
    };
    let plain = bytes("gd")?;
    // A projection has nothing to remember.
    let same = ["gd", "gd-nonnegative"];
    for named in recipes().into_iter().map(|recipe| recipe.name).filter(|named| !same.contains(named)) {
        if bytes(named)? <= plain {
            return Err(format!("{named} takes no more than gd").into());
        }
    }
    Ok(())
}

fn refusals(device: &Device) -> Outcome {
    let l1 = crate::methods_gpu::case::Recipe { loss: Loss::L1, ..recipe("gd") };
    let (operator, _) = crate::methods_gpu::case::operator("vectors-centred", Model::Psd, 7, 30);
    let case = Case::with(operator, Model::Psd, (3, 2), l1);
    for outcome in [case.reference(), case.cpu(Precision::F32), case.gpu(device, Options::default())] {
        match outcome {
            Err(error @ Error::Unsupported { .. }) if error.to_string().contains("--no-center") => {}
            other => return Err(format!("centred residuals under l1: {:?}", other.err()).into()),
        }
    }
    let many = crate::methods_gpu::case::Recipe { method: Method::sgd().minibatches(1 << 17).into(), ..recipe("sgd") };
    let (operator, _) = crate::methods_gpu::case::operator("dense", Model::Psd, 7, 30);
    match Case::with(operator, Model::Psd, (3, 2), many).gpu(device, Options::default()) {
        Err(error @ Error::Unsupported { .. }) if error.to_string().contains("minibatches") => {}
        other => return Err(format!("many groups: {:?}", other.err()).into()),
    }
    let case = Case::new("dense:two-kernel", Model::Psd, [11, 60, 3, 3], "prec-gd");
    match case.gpu(device, Options::default())?.put("damping_factor", &[1.0]) {
        Err(Error::Invalid { .. }) => Ok(()),
        other => Err(format!("a number for one of two: {other:?}").into()),
    }
}

/// E leaves out what has no weight.
fn hidden(device: &Device) -> Outcome {
    for named in ["gd-polyak-1", "gd-exact", "gd-armijo"] {
        let mut case = Case::new("dense:two-kernel", Model::Psd, [11, 60, 3, 3], named);
        (case.weights[3], case.weights[33]) = (0.0, 0.0);
        (case.target[3], case.target[33]) = (1e30, -1e30);
        let (mut expected, mut found) = (case.reference()?, case.gpu(device, Options::default())?);
        expected.run(2)?;
        found.run(2)?;
        near(named, &found.factors()?, &expected.factors()?, 1e-4)?;
    }
    Ok(())
}
