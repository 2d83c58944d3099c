//! Memory held by a run.

use crate::engine::EngineInfo;
use crate::memory::{Location, Memory, Part, product};
use crate::solver::plan::Task;

/// Memory of the operator, the engine and the solver, predicted from the sizes.
pub(super) fn memory(task: Task<'_>, engine: &EngineInfo) -> Memory {
    let Task { problem, plan, .. } = task;
    let operator = problem.operator();
    let (batch, m) = (plan.start.batch(), operator.measurements());
    let one = plan.model.numbers(&operator.domain(), plan.start.search_rank());
    let mut parts = operator.memory();
    parts.extend(engine.memory.parts.iter().cloned());
    // Targets, weights and residuals of the last observation; the given observations.
    let measured = product(&[m, 3 * batch + problem.instances(), 8]);
    parts.push(Part::new("observations and residuals in f64", Location::Host, measured));
    // The start, the factors of the last observation, and those kept of each trial. During an observation, the trial's
    // factors again and the workspace of their decomposition.
    let observed = one.saturating_mul(4);
    let factors = one.saturating_mul(batch as u64).saturating_mul(3).saturating_add(observed).saturating_mul(8);
    parts.push(Part::new("factors in f64", Location::Host, factors));
    Memory { parts }
}
