//! What an iteration of any method must not depend on: one trial for each law and method, so that no thread is left with a
//! long one.

use libtest_mimic::Trial;
use lowrank::gpu::Device;
use lowrank::internals::gpu::Options;

use crate::methods_gpu::case::{Case, Model, Outcome, all_near, numbers, recipes, same};

type Law = fn(&Case, &Device) -> Outcome;

const LAWS: &[(&str, Law)] = &[
    ("a batch is its singles", batch_is_singles),
    ("frozen trials keep their bits and wake up", frozen),
    ("the same again is the same", repeats),
    ("watching and saving change nothing", watching),
    ("pieces of a run are the run", pieces),
];

pub fn trials(device: &Device) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, law) in LAWS {
        for named in recipes().into_iter().map(|recipe| recipe.name) {
            let (device, name) = (device.clone(), format!("{name}, {named} [{}]", device.name()));
            trials.push(Trial::test(name, move || of_method(named, &crate::common::own(&device), law)));
        }
    }
    trials
}

/// A law of one method, on rows and on thin data.
fn of_method(named: &'static str, device: &Device, law: Law) -> Outcome {
    for (operator, model) in [("dense:one-pass", Model::Psd), ("entries", Model::Asymmetric)] {
        let case = Case::new(operator, model, [11, 60, 3, 3], named);
        law(&case, device).map_err(|e| format!("{named}, {}: {}", case.label(), e.message().unwrap_or("?")))?;
    }
    Ok(())
}

fn batch_is_singles(case: &Case, device: &Device) -> Outcome {
    let mut batch = case.gpu(device, Options::default())?;
    batch.run(4)?;
    let together = batch.kept()?;
    for trial in 0..case.batch {
        let mut alone = case.single(trial).quick(device)?;
        alone.run(4)?;
        for ((name, all), (_, alone)) in together.iter().zip(alone.kept()?) {
            let own = trial * alone.len()..(trial + 1) * alone.len();
            same(&format!("'{name}' of trial {trial}"), &all[own], &alone)?;
        }
    }
    Ok(())
}

fn frozen(case: &Case, device: &Device) -> Outcome {
    let (mut expected, mut found) = (case.reference()?, case.gpu(device, Options::default())?);
    for engine in [&mut expected, &mut found] {
        engine.run(1)?;
    }
    let before = found.kept()?;
    for engine in [&mut expected, &mut found] {
        engine.set_active(&[true, false, true])?;
        engine.run(2)?;
        engine.set_active(&[false; 3])?;
        engine.run(2)?;
    }
    all_near(case, "before", &mut found, &mut expected, 1e-4)?;
    for ((name, before), (_, after)) in before.iter().zip(found.kept()?) {
        let own = after.len() / 3..2 * after.len() / 3;
        same(&format!("the frozen one's '{name}'"), &after[own.clone()], &before[own])?;
    }
    for engine in [&mut expected, &mut found] {
        engine.set_active(&[true; 3])?;
        engine.run(1)?;
    }
    all_near(case, "after", &mut found, &mut expected, 1e-4)
}

fn repeats(case: &Case, device: &Device) -> Outcome {
    let mut engine = case.gpu(device, Options::default())?;
    engine.run(4)?;
    let first = numbers(&mut engine)?;
    case.begin(&mut engine)?;
    engine.run(4)?;
    same("again", &numbers(&mut engine)?, &first)?;
    let mut other = case.quick(device)?;
    other.run(4)?;
    same("another engine", &numbers(&mut other)?, &first)
}

/// Reading poisons what iterations must write before they read it.
fn watching(case: &Case, device: &Device) -> Outcome {
    let mut plain = case.quick(device)?;
    plain.run(7)?;
    let mut watched = case.gpu(device, Options::default())?;
    watched.residual()?;
    for iterations in [2, 1, 4] {
        watched.run(iterations)?;
        watched.residual()?;
        watched.kept()?;
        // As checkpoints do.
        let state = watched.engine.state()?;
        watched.engine.restore(&state)?;
    }
    same("watched", &numbers(&mut watched)?, &numbers(&mut plain)?)
}

/// Submissions grow and end anywhere, so there is no paranoia, which submits every op alone.
fn pieces(case: &Case, device: &Device) -> Outcome {
    let (mut whole, mut cut) = (case.quick(device)?, case.quick(device)?);
    whole.run(23)?;
    for iterations in [1, 1, 1, 2, 3, 7, 8] {
        cut.run(iterations)?;
    }
    same("in pieces", &numbers(&mut cut)?, &numbers(&mut whole)?)
}
