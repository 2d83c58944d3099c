//! Claims about the runs from saddles.

use super::super::tasks::{MeasuredCurve, curve, group};
use super::landscape::Landscape;
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_line;

const PAPER: &str = "arXiv 2311.02374";
const DERIVED: &str = "consequence of the formula of the gradient, derived here";
/// Largest σ of the points to which a slope is fitted: larger noise leaves before it has grown.
const SMALL_NOISE: f64 = 2e-3;

/// Returns the points (ln 1/σ, Σγ_t) of small noise.
fn logs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().filter(|p| 1.0 / p.0 <= SMALL_NOISE).map(|p| (p.0.ln(), p.1)).collect()
}

/// Returns the line of slope 1/|curvature| through the mean of the points of small noise, at its ends and at 1/ε.
pub(super) fn line(points: &[(f64, f64)], curvature: f64) -> Vec<(f64, f64)> {
    let logs = logs(points);
    let count = logs.len() as f64;
    let (x, y) = (logs.iter().map(|p| p.0).sum::<f64>() / count, logs.iter().map(|p| p.1).sum::<f64>() / count);
    let ends = logs.first().map(|p| p.0).into_iter().chain([-f64::EPSILON.ln()]);
    ends.map(|at| (at.exp(), y + (at - x) / curvature.abs())).collect()
}

pub(super) fn claims(land: &Landscape, curves: &[MeasuredCurve]) -> Vec<Claim> {
    let sets = land.saddles();
    let is_full = |number: f64| sets.get(number as usize - 1).is_some_and(|set| land.is_full(set));
    let batch: Vec<f64> = values(curves, "share-batch").into_iter().filter(|p| is_full(p.0)).map(|p| p.1).collect();
    let of = |name: &str| values(curves, name).into_iter().map(|p| p.1).collect::<Vec<f64>>();
    let stays = Draft::new(
        "full-stays",
        PAPER,
        Value::text("0 of all"),
        "runs with full gradients never leave: from every saddle, with every retraction and p (coordinate eigenvectors, \
         so that the gradient there is exactly zero)",
    );
    let leaves = Draft::new(
        "noise-leaves",
        PAPER,
        Value::text("all of all"),
        "runs with noise in every direction all leave: from every saddle, with every retraction and p",
    );
    let exciting = Draft::new(
        "minibatches-leave",
        PAPER,
        Value::text("all of all"),
        "minibatches of measurements leave every saddle without an empty column: on factors and on the manifold, with every \
         retraction and p",
    );
    vec![
        all(stays, &of("share-full"), 0.0),
        all(leaves, &of("share-noise"), 1.0),
        all(exciting, &batch, 1.0),
        keeps(curves),
        slopes(land, curves),
        rounding(land, curves),
        hessians(curves),
    ]
}

fn values(curves: &[MeasuredCurve], name: &str) -> Vec<(f64, f64)> {
    group(curves, name).into_iter().flat_map(|curve| curve.points.iter().copied()).collect()
}

/// Claims that the same share of the runs leaves in all cells of saddle, geometry and p.
fn all(draft: Draft, shares: &[f64], expected: f64) -> Claim {
    let right = shares.iter().filter(|share| **share == expected).count();
    let note = format!("{right} of {} pairs of a saddle with a geometry and p are as claimed", shares.len());
    let left: f64 = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    let measured = Value::text(format!("{:.0} % leave", 100.0 * left));
    draft.judge(measured, !shares.is_empty() && right == shares.len(), Some(note))
}

fn keeps(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "minibatches-keep-rank",
        DERIVED,
        Value::text("all"),
        "an empty column of U stays exactly zero under minibatches, so none of these runs gains rank (they leave one \
         saddle for another of the same rank at most): the noise SU is not exciting there, and the theorem does not apply",
    );
    let kept: Vec<f64> = values(curves, "kept-batch").into_iter().map(|p| p.1).collect();
    let right = kept.iter().filter(|share| **share == 1.0).count();
    draft.judge(Value::text(format!("{right} of {}", kept.len())), !kept.is_empty() && right == kept.len(), None)
}

fn slopes(land: &Landscape, curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "escape-logarithmic",
        DERIVED,
        Value::text("0.85 to 1.15"),
        "the escape time grows with ln(1/σ): Σγ_t until a run has left rises by ln(1/σ)/|least Hessian eigenvalue|, within \
         15 %, for 1e-10 ≤ σ ≤ 1e-3",
    );
    let sets = super::timed(land.rank);
    let found: Vec<f64> = (sets.iter())
        .map(|set| {
            let points = curve(curves, "escape", &Landscape::name(set)).map(|c| logs(&c.points)).unwrap_or_default();
            fit_line(&points).filter(|_| points.len() >= 8).map_or(f64::NAN, |l| l.slope * land.curvature(set).abs())
        })
        .collect();
    let shown: Vec<String> = found.iter().map(|v| format!("{v:.3}")).collect();
    draft.judge(Value::text(shown.join(", ")), found.iter().all(|v| (0.85..=1.15).contains(v)), None)
}

/// Reports what full gradients do where the gradient is not exactly zero.
fn rounding(land: &Landscape, curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "rotated-full-stays",
        PAPER,
        Value::text("0 of all"),
        "runs with full gradients on factors never leave, with random eigenvectors",
    );
    let left = |set: &Vec<usize>| curve(curves, "rounding", &Landscape::name(set)).and_then(MeasuredCurve::last);
    let count = |full: bool| {
        let sets: Vec<_> = land.saddles().into_iter().filter(|set| land.is_full(set) == full).collect();
        format!("{} of {}", sets.iter().filter(|set| left(set).is_some()).count(), sets.len())
    };
    let set: Vec<usize> = (0..land.rank - 1).chain([land.rank]).collect();
    let expected = curve(curves, "line", &Landscape::name(&set)).and_then(MeasuredCurve::last);
    let ratio = left(&set).zip(expected).map(|(found, expected)| {
        format!(
            "; that of S = {} takes {:.2} of the time that noise of 2.2e-16 needs",
            Landscape::name(&set),
            found / expected
        )
    });
    let reason = format!(
        "the claim concerns exact arithmetic. Here the gradient at a saddle is rounding error, which some runs follow{}; where \
         a step is shorter than half a unit in the last place of U, U stays as it is and the run never leaves",
        ratio.unwrap_or_default()
    );
    let measured = format!("{} without and {} with an empty column leave", count(true), count(false));
    draft.not_applicable(Value::text(measured), reason)
}

fn hessians(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "least-curvature",
        DERIVED,
        Value::text("≤ 1e-8"),
        "the least Hessian eigenvalue at U_S is −λ_j of the largest missing eigenvalue if U_S has an empty column, and λ_i − \
         λ_j with the least kept λ_i if not: Lanczos agrees to 1e-8 at every saddle",
    );
    let points = values(curves, "curvature");
    let worst = points.iter().map(|p| (p.0 - p.1).abs()).fold(0.0, f64::max);
    draft.judge(Value::number(worst), !points.is_empty() && worst <= 1e-8, Some(format!("{} saddles", points.len())))
}
