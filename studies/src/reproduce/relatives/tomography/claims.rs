//! Verdicts on fidelities, times, iterations and phases.

use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;
use crate::reproduce::relatives::tasks::{curve, group};
use crate::reproduce::relatives::{MeasuredCurve, RaceCourse};

const PAPER: &str = "arXiv 2104.07006";
const OURS: &str = "this program";

/// Largest value of a group, with the curve that has it.
fn worst<'a>(curves: &'a [MeasuredCurve], what: &str, qubits: Option<f64>) -> Option<(f64, &'a MeasuredCurve)> {
    let at = |c: &MeasuredCurve| qubits.is_none_or(|q| c.points.first().is_some_and(|point| point.0 == q));
    let all = group(curves, what).into_iter().filter(|c| at(c));
    all.filter_map(|c| Some((c.last()?, c))).max_by(|a, b| a.0.total_cmp(&b.0))
}

/// Claims a fidelity of at least 0.98 for every state.
pub(super) fn fidelity(curves: &[MeasuredCurve]) -> Claim {
    let statement =
        "every state is found to a fidelity of at least 0.98 from a fifth of the Pauli strings with 8192 shots each";
    let draft = Draft::new("fidelity", PAPER, Value::text("≥ 0.98"), statement);
    match worst(curves, "infidelity", None) {
        Some((lost, of)) => {
            let note = format!("the least fidelity is that of the state {} ", of.name);
            draft.judge(Value::number(1.0 - lost), lost <= 0.02, Some(note.trim_end().to_owned()))
        }
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims less than a second for every state of six qubits.
pub(super) fn within_a_second(curves: &[MeasuredCurve]) -> Claim {
    let statement = "at six qubits every solve takes less than a second, set-up included";
    let draft = Draft::new("second", OURS, Value::text("≤ 1 s"), statement);
    match worst(curves, "seconds", Some(6.0)) {
        Some((seconds, of)) => {
            draft.judge(Value::number(seconds), seconds <= 1.0, Some(format!("longest: {}", of.name)))
        }
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims an infidelity like 1/shots.
pub(super) fn slope(curves: &[MeasuredCurve]) -> Claim {
    let statement =
        "the median infidelity of a random pure state falls like 1/shots: the slope on log axes is −1 within 0.15";
    let draft = Draft::new("shots", OURS, Value::number(-1.0), statement);
    let line = curve(curves, "shots-median", "median").and_then(|of| fit_power(of.points.iter().copied()));
    match line {
        Some(line) => draft.judge(Value::number(line.slope), (line.slope + 1.0).abs() <= 0.15, None),
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims that iterations of the default do not grow with the condition number.
pub(super) fn independent(curves: &[MeasuredCurve], conditions: &[f64]) -> Claim {
    let kappa = conditions.last().copied().unwrap_or(1.0);
    let statement = format!(
        "from κ = 1 to κ = {kappa} of the factor the iterations of the default grow by less than a factor of 3, those of gradient \
         descent by more"
    );
    let draft = Draft::new("condition-numbers", OURS, Value::text("< 3, and more"), statement);
    let growth = |name: &str| {
        let points = &curve(curves, "iterations", name)?.points;
        Some(points.last()?.1 / points.first()?.1)
    };
    match (growth("default"), growth("gd")) {
        (Some(own), Some(gd)) => {
            draft.judge(Value::text(format!("{own:.2}, {gd:.2}")), own < 3.0 && gd > own.max(3.0), None)
        }
        _ => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims the three phases of a descent from a small random start.
pub(super) fn phases(courses: &[RaceCourse]) -> Option<Claim> {
    let statement =
        "gradient descent from a small random start aligns before it grows, and recovers the complex state to 1e-4";
    let draft = Draft::new("phases", "arXiv 2106.15013, for complex matrices", Value::text("I, II, III"), statement);
    let course = courses.iter().find(|course| course.entry.name == "gd")?;
    let order: Vec<u8> = course.trace.iter().filter_map(|row| Some(row.diagnosis?.phase.number())).collect();
    let has = |phase: u8| order.contains(&phase);
    let sorted = order.windows(2).all(|pair| pair[0] <= pair[1]);
    let seen: Vec<&str> =
        ["I", "II", "III"].into_iter().zip(1..).filter(|(_, phase)| has(*phase)).map(|(name, _)| name).collect();
    let error = course.last_error().unwrap_or(f64::INFINITY);
    let note = Some(format!("relative error {error:.1e} after {} iterations", course.iterations()));
    Some(draft.judge(Value::text(seen.join(", ")), sorted && has(1) && has(2) && has(3) && error <= 1e-4, note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Verdict;

    fn one(what: &str, name: &str, points: Vec<(f64, f64)>) -> MeasuredCurve {
        MeasuredCurve::new(what, name, "", points)
    }

    #[test]
    fn one_bad_state_fails_the_claim() {
        let of = |lost| {
            fidelity(&[one("infidelity", "ghz-6", vec![(6.0, 1e-3)]), one("infidelity", "rank-4-6", vec![(6.0, lost)])])
        };
        assert_eq!((of(0.019).verdict, of(0.03).verdict), (Verdict::Holds, Verdict::Fails));
        assert!(of(0.03).reason.unwrap().contains("rank-4-6"));
        assert_eq!(fidelity(&[]).verdict, Verdict::Fails);
        let second =
            |q| within_a_second(&[one("seconds", "ghz", vec![(q, 2.0)]), one("seconds", "other", vec![(6.0, 0.1)])]);
        assert_eq!((second(6.0).verdict, second(8.0).verdict), (Verdict::Fails, Verdict::Holds));
    }

    #[test]
    fn slopes_and_growth_are_judged() {
        let mean =
            |power: f64| vec![one("shots-median", "median", [1e2, 1e3, 1e4].map(|x: f64| (x, x.powf(power))).to_vec())];
        assert_eq!((slope(&mean(-1.1)).verdict, slope(&mean(-0.5)).verdict), (Verdict::Holds, Verdict::Fails));
        let growth = |own: f64, gd: f64| {
            let of = |name, last| one("iterations", name, vec![(1.0, 10.0), (10.0, 10.0 * last)]);
            independent(&[of("default", own), of("gd", gd)], &[1.0, 10.0]).verdict
        };
        assert_eq!(
            (growth(1.5, 20.0), growth(4.0, 20.0), growth(1.0, 1.0)),
            (Verdict::Holds, Verdict::Fails, Verdict::Fails)
        );
    }
}
