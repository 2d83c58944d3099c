//! Claims of a reproduction, selected by its results.

use crate::reproduce::claims::Claim;
use crate::reproduce::data::Results;
use crate::reproduce::facts::Facts;
use crate::reproduce::{rates, shapes};

/// Returns every claim that the results allow to judge.
pub(super) fn claims(results: &Results) -> Vec<Claim> {
    let facts: Option<&Facts> = (results.phases.as_ref().map(|r| &r.facts))
        .or(results.scale.as_ref().map(|r| &r.facts))
        .or(results.width.as_ref().map(|r| &r.facts));
    let mut claims = Vec::new();
    claims.extend(facts.map(shapes::distance));
    if let Some(run) = &results.phases {
        if results.wants_phases {
            claims.extend([shapes::angle_shape(run), shapes::error_shape(run), shapes::plateau(run)]);
        }
        claims.extend([shapes::power_iteration_agrees(run), shapes::power_iteration_outlives(run)]);
    }
    if let Some(run) = &results.times {
        claims.extend([rates::alignment_time(run), rates::growth_time(run)]);
    }
    if let Some(run) = &results.scale {
        claims.extend([rates::test_slope(run), rates::train_slope(run)]);
    }
    claims.extend(results.slopes.iter().map(rates::test_slope));
    claims.extend(results.skipped.iter().map(|(factor, reason)| rates::skipped(*factor, reason)));
    if let Some(run) = &results.width {
        claims.extend([rates::width_median(run), rates::width_spread(run)]);
    }
    claims
}
