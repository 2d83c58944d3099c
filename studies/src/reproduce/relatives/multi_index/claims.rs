//! Verdicts on transitions and overlaps.

use super::asymptotic::Law;
use super::estimate::Field;
use super::measure::{Grid, NARROW, WIDE, named};
use super::preprocess::Transform;
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_line;
use crate::reproduce::relatives::MeasuredCurve;
use crate::reproduce::relatives::tasks::curve;

pub(super) const MEMORY: &str = "Mondelli & Montanari, arXiv 1708.05932, from memory";
const LIMIT: &str = "Lu & Li, arXiv 1702.06435, from memory";
const PAPER: &str = "arXiv 2502.01583";
/// Band around a limit.
const BAND: f64 = 0.08;

fn largest(grid: &Grid) -> usize {
    grid.sizes.iter().map(|size| size.0).max().unwrap_or(0)
}

fn smallest(grid: &Grid) -> usize {
    grid.sizes.iter().map(|size| size.0).min().unwrap_or(0)
}

fn overlap(curves: &[MeasuredCurve], grid: &Grid, transform: Transform, n: usize, delta: f64) -> Option<f64> {
    let of = curve(curves, grid.name, &named(transform, n))?;
    of.points.iter().find(|point| point.0 == delta).map(|point| point.1)
}

/// Claims that the limit, moved along δ onto the overlaps between 0.3 and 0.8, leaves 0 near ν/2. Finite sizes round the
/// onset itself, so overlaps close to it do not locate it.
pub(super) fn transition(curves: &[MeasuredCurve], grid: &Grid, source: &'static str) -> Claim {
    let (n, expected) = (largest(grid), 0.5 * grid.field.squares() as f64);
    let band = 0.1 * expected;
    let draft = Draft::new(
        &format!("transition-{}", grid.name),
        source,
        Value::text(format!("{expected} ± {band}")),
        format!(
            "with T = 1 − 1/ŷ the overlap of {} leaves 0 at δ = {expected}: the limit curve, moved along δ onto the mean \
             overlaps between 0.3 and 0.8 at n = {n}, leaves 0 within {band} of it",
            words(grid.field)
        ),
    );
    let of = curve(curves, grid.name, &named(Transform::Optimal, n));
    let (Some(of), Some(law)) = (of, Law::new(Transform::Optimal, grid.field.squares())) else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    let between = |low: f64, high: f64| of.points.iter().copied().filter(move |p| (low..=high).contains(&p.1));
    let shifts: Vec<f64> = between(0.3, 0.8).map(|(delta, overlap)| delta - law.ratio_for(overlap)).collect();
    let Some(onset) = law.transition(8.0).filter(|_| !shifts.is_empty()) else {
        return draft.fails(Value::None, "no overlap lies between 0.3 and 0.8");
    };
    let at = onset + shifts.iter().sum::<f64>() / shifts.len() as f64;
    let straight = fit_line(&between(0.1, 0.5).collect::<Vec<_>>()).map(|line| -line.intercept / line.slope);
    let note =
        straight.map(|zero| format!("a straight line through the overlaps from 0.1 to 0.5 meets 0 at {zero:.2}"));
    draft.judge(Value::number(at), (at - expected).abs() <= band, note)
}

/// Claims that at twice the transition the overlap hardly depends on n.
pub(super) fn above(curves: &[MeasuredCurve], grid: &Grid) -> Claim {
    let (large, small, delta) = (largest(grid), smallest(grid), grid.field.squares() as f64);
    let draft = Draft::new(
        &format!("above-{}", grid.name),
        MEMORY,
        Value::text("≥ 0.5"),
        format!(
            "above the transition the overlap of {} stays as n grows: at δ = {delta} with T = 1 − 1/ŷ it is at n = {large} at \
             least half of that at n = {small}",
            words(grid.field)
        ),
    );
    let of = |n| overlap(curves, grid, Transform::Optimal, n, delta);
    match (of(large), of(small)) {
        (Some(large), Some(small)) => {
            let note = format!("{large:.3} against {small:.3}");
            draft.judge(Value::number(large / small), large >= 0.5 * small, Some(note))
        }
        _ => draft.not_applicable(Value::None, "the curve is missing"),
    }
}

/// Claims that at half the transition the overlap vanishes as n grows.
pub(super) fn below(curves: &[MeasuredCurve], grid: &Grid) -> Claim {
    let (large, small, delta) = (largest(grid), smallest(grid), 0.25 * grid.field.squares() as f64);
    let draft = Draft::new(
        &format!("below-{}", grid.name),
        MEMORY,
        Value::text("≤ 0.5"),
        format!(
            "below the transition the overlap of {} vanishes as n grows: at δ = {delta} with T = 1 − 1/ŷ it is at n = \
             {large} at most half of that at n = {small}",
            words(grid.field)
        ),
    );
    let of = |n| overlap(curves, grid, Transform::Optimal, n, delta);
    match (of(large), of(small)) {
        (Some(large), Some(small)) => {
            let note = format!("{large:.3} against {small:.3}");
            draft.judge(Value::number(large / small), large <= 0.5 * small, Some(note))
        }
        _ => draft.not_applicable(Value::None, "the curve is missing"),
    }
}

/// Claims that overlaps lie near their limit from δ = `from` on.
pub(super) fn near_limit(curves: &[MeasuredCurve], grid: &Grid, transform: Transform, from: f64) -> Claim {
    let n = largest(grid);
    let draft = Draft::new(
        &format!("limit-{}-{}", grid.name, transform.name()),
        if grid.field == (Field::Real { rank: 2 }) { "derived from Lu & Li, arXiv 1702.06435" } else { LIMIT },
        Value::text(format!("≤ {BAND}")),
        format!(
            "at n = {n} the mean overlap of {} with {} is within {BAND} of its limit for n → ∞ at every δ from {from} on",
            words(grid.field),
            transform.words()
        ),
    );
    let limit = curve(curves, &format!("{}-limit", grid.name), &transform.name());
    let (Some(of), Some(limit)) = (curve(curves, grid.name, &named(transform, n)), limit) else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    let mut worst = (-1.0, String::new());
    for (delta, found) in of.points.iter().filter(|p| p.0 >= from) {
        let Some(expected) = limit.points.iter().find(|p| p.0 == *delta).map(|p| p.1) else { continue };
        if (found - expected).abs() > worst.0 {
            worst = ((found - expected).abs(), format!("{found:.3} against {expected:.3} at δ = {delta}"));
        }
    }
    draft.judge(Value::number(worst.0), (0.0..=BAND).contains(&worst.0), Some(worst.1))
}

/// Claims that no preprocessing fails where truncation works.
pub(super) fn none_fails(curves: &[MeasuredCurve], grid: &Grid) -> Claim {
    let (n, delta) = (largest(grid), 3.0);
    let draft = Draft::new(
        "none-fails",
        PAPER,
        Value::text("≤ 0.5"),
        format!(
            "without preprocessing the few largest y decide: at δ = {delta} and n = {n} the overlap for T = y is at most \
             half of that for y ≤ 9 means"
        ),
    );
    let of = |transform| overlap(curves, grid, transform, n, delta);
    match (of(Transform::None), of(WIDE)) {
        (Some(none), Some(truncated)) => {
            let note = format!("{none:.3} against {truncated:.3}");
            draft.judge(Value::number(none / truncated), none <= 0.5 * truncated, Some(note))
        }
        _ => draft.not_applicable(Value::None, "the curve is missing"),
    }
}

/// Claims that without preprocessing larger problems are worse at the same δ.
pub(super) fn none_falls(curves: &[MeasuredCurve], grid: &Grid) -> Claim {
    let (large, small, delta) = (largest(grid), smallest(grid), 3.0);
    let draft = Draft::new(
        "none-falls",
        "consequence of the largest of m unbounded y growing like log m",
        Value::text("≤ 0.8"),
        format!(
            "for T = y the overlap has no limit above 0: at δ = {delta} it is at n = {large} at most 0.8 of that at n = \
             {small}"
        ),
    );
    let of = |n| overlap(curves, grid, Transform::None, n, delta);
    match (of(large), of(small)) {
        (Some(large), Some(small)) => {
            let note = format!("{large:.3} against {small:.3}");
            draft.judge(Value::number(large / small), large <= 0.8 * small, Some(note))
        }
        _ => draft.not_applicable(Value::None, "the curve is missing"),
    }
}

/// Claims that a low threshold fails at a δ where the optimal T has nearly found the truth.
pub(super) fn narrow_fails(curves: &[MeasuredCurve], grid: &Grid) -> Claim {
    let (n, delta) = (largest(grid), 4.0);
    let draft = Draft::new(
        "low-threshold-fails",
        LIMIT,
        Value::text("≤ 0.15, and ≥ 0.8"),
        format!(
            "a threshold of 3 means removes the signal with the tails, its transition lies near δ = 7: at δ = {delta} and \
             n = {n} its overlap is at most 0.15, where that of T = 1 − 1/ŷ is at least 0.8"
        ),
    );
    let of = |transform| overlap(curves, grid, transform, n, delta);
    match (of(NARROW), of(Transform::Optimal)) {
        (Some(narrow), Some(best)) => {
            let shown = Value::text(format!("{narrow:.3}, and {best:.3}"));
            draft.judge(shown, narrow <= 0.15 && best >= 0.8, None)
        }
        _ => draft.not_applicable(Value::None, "the curve is missing"),
    }
}

/// Claims that the optimal T has the largest overlap at every common δ above the transition.
pub(super) fn best(curves: &[MeasuredCurve], grid: &Grid) -> Claim {
    let n = largest(grid);
    let draft = Draft::new(
        "optimal-best",
        PAPER,
        Value::text("> 0"),
        format!("at n = {n} and every δ ≥ 1 measured for all, T = 1 − 1/ŷ has the largest overlap of the four T"),
    );
    let Some(of) = curve(curves, grid.name, &named(Transform::Optimal, n)) else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    let mut least = (f64::INFINITY, String::new());
    for (delta, overlap_of_best) in of.points.iter().filter(|p| p.0 >= 1.0) {
        for other in [Transform::None, WIDE, NARROW] {
            let Some(found) = overlap(curves, grid, other, n, *delta) else { continue };
            if overlap_of_best - found < least.0 {
                least = (overlap_of_best - found, format!("least lead at δ = {delta}, over {}", other.words()));
            }
        }
    }
    draft.judge(Value::number(least.0), least.0.is_finite() && least.0 > 0.0, Some(least.1))
}

pub(super) fn words(field: Field) -> &'static str {
    match field {
        Field::Real { rank: 1 } => "real data",
        Field::Real { .. } => "real data of rank two",
        Field::Complex => "complex data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Verdict;

    fn grid() -> Grid {
        let transforms = vec![(Transform::Optimal, vec![0.25, 0.75, 1.0])];
        Grid { name: "real", field: Field::Real { rank: 1 }, sizes: vec![(50, 4), (100, 2)], transforms, index: 0 }
    }

    fn curves(points: &[(f64, f64)]) -> Vec<MeasuredCurve> {
        vec![
            MeasuredCurve::new("real", "optimal-100", "", points.to_vec()),
            MeasuredCurve::new("real", "optimal-50", "", vec![(0.25, 0.1)]),
            MeasuredCurve::new("real-limit", "optimal", "", vec![(0.25, 0.0), (0.75, 0.11), (1.0, 0.23)]),
        ]
    }

    #[test]
    fn a_transition_elsewhere_and_an_overlap_off_its_limit_fail() {
        let verdicts = |points: &[(f64, f64)]| {
            let all = curves(points);
            [transition(&all, &grid(), ""), below(&all, &grid()), near_limit(&all, &grid(), Transform::Optimal, 0.5)]
                .map(|claim| claim.verdict)
        };
        let at = Law::new(Transform::Optimal, 1).unwrap().ratio_for(0.4);
        use Verdict::{Fails, Holds};
        assert_eq!(verdicts(&[(0.25, 0.01), (0.75, 0.12), (at, 0.4)]), [Holds, Holds, Holds]);
        assert_eq!(verdicts(&[(0.25, 0.09), (0.75, 0.20), (at + 0.06, 0.4)]), [Fails, Fails, Fails]);
        assert_eq!(verdicts(&[(0.25, 0.01), (0.75, 0.05), (1.0, 0.20)]), [Fails, Holds, Holds]);
    }
}
