//! Engines for a plan: loaded, and brought to where a run begins or goes on.

use crate::backend::Backend;
use crate::engine::faults::{Faults, Faulty};
use crate::engine::{Engine, Load, State};
use crate::error::Result;
use crate::methods::{Algorithm, Recipe};
use crate::solver::plan::Plan;
use crate::solver::problem::Problem;
use crate::solver::settings::Settings;

/// An engine with its observations.
pub(super) fn load(
    problem: &Problem,
    settings: &Settings,
    plan: &Plan,
    backend: &Backend,
    variant: Option<String>,
    faults: Option<&Faults>,
) -> Result<Box<dyn Engine>> {
    let (recipe, driven) = match plan.algorithm {
        Algorithm::Recipe(recipe) => (recipe, None),
        Algorithm::Driven(driven) => (Recipe { loss: driven.loss, ..Recipe::default() }, Some(driven)),
    };
    let load = Load {
        operator: problem.operator().clone(),
        recipe,
        driven,
        batch: plan.trials.len(),
        search_rank: plan.start.search_rank(),
        signature: settings.signature,
        variant,
    };
    let options = crate::gpu::Options { memory_bytes: settings.device_memory, ..Default::default() };
    let mut engine = backend.load(&load, settings.precision, &options)?;
    engine.set_observations(&plan.target, &plan.weights)?;
    Ok(match faults {
        None => engine,
        Some(faults) => Box::new(Faulty { inner: engine, faults: faults.clone() }),
    })
}

/// At the start, or where `state` was taken.
pub(super) fn begin(engine: &mut dyn Engine, plan: &Plan, active: &[bool], state: Option<&State>) -> Result<()> {
    engine.set_steps(&plan.steps)?;
    engine.set_ridge(&plan.shrink)?;
    engine.set_tuning(&plan.tuning)?;
    match state {
        None => engine.set_factors(&plan.start)?,
        Some(state) => engine.set_state(state)?,
    }
    engine.set_active(active)
}
