//! Curves of the study: ratios to the bounds, and regret against the budget and the dimension.

use rayon::prelude::*;

use super::bounds::Setting;
use super::descent::{Budget, Landing, two_point, two_stage};
use super::objective::{Objective, Oracle};
use crate::reproduce::relatives::MeasuredCurve;
use crate::reproduce::relatives::tasks::Tick;
use lowrank::Result;
use lowrank::internals::{Purpose, stream};

/// Scale of the functions in deviations of the noise.
pub(super) const CUBIC: f64 = 1e3;
pub(super) const QUARTIC: f64 = 1e6;
pub(super) const QUADRATIC: f64 = 10.0;
/// λ_Z over R.
const SHARES: [f64; 3] = [0.125, 0.25, 0.5];
/// Scale for the bounds, where third derivatives and noise have similar parts.
const BOUNDED: f64 = 100.0;

/// Means over runs with their standard errors, by the x of a curve.
#[derive(Default)]
struct Table {
    first: Vec<(f64, f64)>,
    last: Vec<(f64, f64)>,
    errors: Vec<(f64, f64)>,
    /// Most evaluations over T.
    used: Vec<(f64, f64)>,
}

/// Method of a run.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    TwoStage,
    /// With the largest curvature at the minimiser.
    TwoPoint(f64),
}

/// Measures bias and covariance over their bounds, `count` estimates each.
pub(super) fn bounds(dimensions: &[usize], count: usize, seed: u64, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let mut curves = Vec::new();
    for (at, &d) in dimensions.iter().enumerate() {
        for (kind, word) in ["cubic", "quartic"].into_iter().enumerate() {
            let objective = match kind {
                0 => Objective::cubic(d, BOUNDED),
                _ => Objective::quartic(d, BOUNDED * 1e4),
            };
            for aside in [false, true] {
                let index = |step: usize| (((at * 2 + kind) * 2 + usize::from(aside)) * 8 + step) as u64;
                let found: Vec<_> = (SHARES.into_par_iter().enumerate())
                    .map(|(step, share)| (share, Setting { objective, share, aside }.measure(count, seed, index(step))))
                    .collect();
                let place = if aside { "aside" } else { "minimiser" };
                let (name, label) = (format!("{word}-{d}-{place}"), format!("{word}, d = {d}"));
                let mut put = |group: &str, of: fn(&super::bounds::Ratios) -> f64| {
                    let points = found.iter().map(|(share, ratios)| (*share, of(ratios))).collect();
                    curves.push(MeasuredCurve::new(group, &name, &label, points));
                };
                put("bias", |r| r.bias);
                put("bias-error", |r| r.bias_error);
                put("covariance", |r| r.covariance);
                put("covariance-error", |r| r.covariance_error);
                let done = (at * 4 + kind * 2 + usize::from(aside)) as f64 / (4 * dimensions.len()) as f64;
                if tick(done).is_break() {
                    return Ok(curves);
                }
            }
        }
    }
    Ok(curves)
}

/// Contender of the regret figures: its name, legend, method, and the function of each x.
pub(super) struct Entrant {
    pub name: &'static str,
    pub label: String,
    pub way: Way,
    /// Function and T by x.
    pub at: Vec<(f64, Objective, f64)>,
    pub runs: usize,
}

/// Measures the mean regret of an entrant: groups `what`, and `what`-first, `what`-error and `what`-used.
pub(super) fn regret(
    what: &str,
    entrant: &Entrant,
    seed: u64,
    index: u64,
    tick: &mut Tick<'_>,
) -> Result<Vec<MeasuredCurve>> {
    let mut table = Table::default();
    for (step, &(x, objective, t)) in entrant.at.iter().enumerate() {
        if tick(step as f64 / entrant.at.len() as f64).is_break() {
            break;
        }
        // With no value for some estimate the algorithm is not defined.
        if !Budget::new(t, &objective).possible() {
            continue;
        }
        let run = |run: usize| {
            let stream_of = (index << 40) | ((step as u64) << 20) | run as u64;
            one(objective, entrant.way, t, stream(seed, Purpose::Noise, (1 << 50) | stream_of))
        };
        let landings: Vec<Landing> = (0..entrant.runs).into_par_iter().map(run).collect::<Result<_>>()?;
        let mean = |of: fn(&Landing) -> f64| landings.iter().map(of).sum::<f64>() / landings.len() as f64;
        let last = mean(|l| l.last);
        let spread: f64 = landings.iter().map(|l| (l.last - last).powi(2)).sum();
        let count = landings.len() as f64;
        table.first.push((x, mean(|l| l.first)));
        table.last.push((x, last));
        table.errors.push((x, (spread / (count * (count - 1.0).max(1.0))).sqrt()));
        table.used.push((x, landings.iter().map(|l| l.evaluations as f64 / t).fold(0.0, f64::max)));
    }
    let curve = |suffix: &str, label: &str, points| {
        MeasuredCurve::new(&format!("{what}{suffix}"), entrant.name, format!("{}{label}", entrant.label), points)
    };
    Ok(vec![
        curve("", "", table.last),
        curve("-first", ", after the first stage", table.first),
        curve("-error", "", table.errors),
        curve("-used", "", table.used),
    ])
}

fn one(objective: Objective, way: Way, t: f64, rng: rand_chacha::ChaCha8Rng) -> Result<Landing> {
    let mut oracle = Oracle::new(objective, rng);
    let start = objective.start(&mut oracle.rng);
    match way {
        Way::TwoStage => two_stage(&mut oracle, start, t),
        Way::TwoPoint(largest) => Ok(two_point(&mut oracle, start, t, largest)),
    }
}

/// Returns T from 10⁴ up to `most` in half powers of ten.
pub(super) fn budgets(most: f64) -> Vec<f64> {
    (0..).map(|j| 10f64.powf(4.0 + 0.5 * f64::from(j))).take_while(|t| *t <= 1.001 * most).collect()
}
