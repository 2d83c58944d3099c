//! The same tapes on the engines of the host, alone and in parts that ranks would share.

use std::sync::Arc;

use libtest_mimic::Trial;
use lowrank::internals::engine::Load;
use lowrank::internals::laws::Place;
use lowrank::internals::tape::Role;
use lowrank::team::{Member, Threads};
use lowrank::{Backend, Precision};

use crate::gpu_tape::programs::{MODELS, recipe};
use crate::gpu_tape::{Case, Outcome, allowed, near};

/// Recipes whose passes are of kinds that methods do not have.
const RECIPES: &[&str] = &["gd", "exact step", "vectors", "lanes", "given", "given beside", "one side", "host"];
const OPERATORS: &[&str] = &["dense", "seeded", "rank-one", "rank-one-centred", "entries", "centred", "nonzeros"];

fn places() -> Vec<Place> {
    let rank = Threads::team(1).remove(0);
    let parts = Backend::Team(Member::new(Arc::new(rank), Some(4)).expect("a team"), Box::new(Backend::Cpu));
    let mut places = Place::host();
    places.retain(|place| place.variant.is_none());
    places.push(Place::new("four parts", parts, Precision::F64));
    places
}

fn agrees(named: &str, name: &str, place: &Place) -> Outcome {
    for model in MODELS {
        let case = Case::new(named, model, recipe(name), [11, 60, 3, 3]);
        // Operators that are only described cannot be cut.
        if matches!(place.backend, Backend::Team(..)) && case.operator.slice(0..1).is_none() {
            continue;
        }
        let (operator, program) = (case.operator.clone(), case.program.clone());
        let mut engine = place.load(&Load { operator, program, increments: None, batch: 3, variant: None })?;
        case.fill(engine.as_mut())?;
        let mut plain = case.plain(place.precision);
        let tolerance = if place.precision == Precision::F32 { 2e-4 } else { 1e-10 };
        for iterations in [1, 2] {
            engine.run(iterations)?;
            plain.run(iterations);
            for (register, of) in case.program.all() {
                if of.role != Role::Input && of.name != "residual" {
                    let what = format!("{name} on {named} {model:?}, {}, '{}'", place.name, of.name);
                    near(&what, &engine.read(register)?, &plain.values[register.index()], tolerance)?;
                }
            }
        }
    }
    Ok(())
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for name in RECIPES {
        for named in OPERATORS.iter().filter(|named| allowed(named, &recipe(name))) {
            let all = move || places().iter().try_for_each(|place| agrees(named, name, place));
            trials.push(Trial::test(format!("{name} on {named} [host]"), all));
        }
    }
    trials
}
