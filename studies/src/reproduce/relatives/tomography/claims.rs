//! Verdicts on fidelities, times, iterations and phases.

use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;
use crate::reproduce::relatives::tasks::{curve, group};
use crate::reproduce::relatives::tomography::measure::SOFTWARE;
use crate::reproduce::relatives::{MeasuredCurve, RaceCourse};

const PAPER: &str = "arXiv 2104.07006";
const OURS: &str = "this program";

/// Largest value of a group among the points that count, with the curve that has it.
fn worst<'a>(
    curves: &'a [MeasuredCurve],
    what: &str,
    counts: &dyn Fn(&MeasuredCurve, f64) -> bool,
) -> Option<(f64, &'a MeasuredCurve)> {
    let points =
        |c: &'a MeasuredCurve| c.points.iter().filter(move |point| counts(c, point.0)).map(move |point| (point.1, c));
    group(curves, what).into_iter().flat_map(points).max_by(|a, b| a.0.total_cmp(&b.0))
}

fn is_pure(of: &MeasuredCurve) -> bool {
    !of.name.starts_with("rank-") || of.name == "rank-1"
}

/// Claims a fidelity for every pure state, or for every mixed one.
fn fidelity(curves: &[MeasuredCurve], pure: bool) -> Claim {
    let (id, source, least, which) = match pure {
        true => ("fidelity-pure", PAPER, 0.98, "every pure state"),
        false => ("fidelity-mixed", OURS, 0.95, "every state of rank 2 to 4"),
    };
    let statement = format!(
        "{which} is found to a fidelity of at least {least} from a fifth of the Pauli strings with 8192 shots each"
    );
    let draft = Draft::new(id, source, Value::text(format!("≥ {least}")), statement);
    match worst(curves, "infidelity", &|of, _| is_pure(of) == pure) {
        Some((lost, of)) => {
            let note = format!("the least fidelity is that of the state {}", of.name);
            draft.judge(Value::number(1.0 - lost), lost <= 1.0 - least, Some(note))
        }
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims about the fidelities of pure and of mixed states.
pub(super) fn fidelities(curves: &[MeasuredCurve]) -> [Claim; 2] {
    [fidelity(curves, true), fidelity(curves, false)]
}

/// Claims less than a second for every pure state of six qubits, or for every mixed one.
fn second(curves: &[MeasuredCurve], pure: bool) -> Claim {
    let (id, which) = if pure { ("second-pure", "a pure state") } else { ("second-mixed", "a state of rank 2 to 4") };
    let statement = format!("at six qubits every solve of {which} takes less than a second, set-up included");
    let draft = Draft::new(id, OURS, Value::text("≤ 1 s"), statement);
    match worst(curves, "seconds", &|of, qubits| qubits == 6.0 && is_pure(of) == pure) {
        Some((seconds, _)) if !group(curves, SOFTWARE).is_empty() => draft.not_applicable(
            Value::number(seconds),
            "a software adapter ran, whose times say nothing of a graphics card",
        ),
        Some((seconds, of)) => {
            draft.judge(Value::number(seconds), seconds <= 1.0, Some(format!("longest: {}", of.name)))
        }
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims about the times of pure and of mixed states.
pub(super) fn within_a_second(curves: &[MeasuredCurve]) -> [Claim; 2] {
    [second(curves, true), second(curves, false)]
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
        let of = |pure, lost| {
            let named = |name, lost| one("infidelity", name, vec![(6.0, lost)]);
            fidelity(&[named("ghz", 1e-3), named("rank-1", lost), named("rank-4", lost)], pure)
        };
        assert_eq!((of(true, 0.019).verdict, of(true, 0.03).verdict), (Verdict::Holds, Verdict::Fails));
        assert_eq!((of(false, 0.03).verdict, of(false, 0.06).verdict), (Verdict::Holds, Verdict::Fails));
        assert!(of(true, 0.03).reason.unwrap().contains("rank-1"));
        assert!(fidelities(&[]).iter().all(|claim| claim.verdict == Verdict::Fails));
        let verdicts = |q, name| {
            let slow = one("seconds", name, vec![(q, 2.0)]);
            let quick = ["ghz", "rank-2"].map(|name| one("seconds", name, vec![(6.0, 0.1)]));
            within_a_second(&[&[slow][..], &quick].concat()).map(|claim| claim.verdict)
        };
        assert_eq!(verdicts(6.0, "rank-1"), [Verdict::Fails, Verdict::Holds]);
        assert_eq!(verdicts(6.0, "rank-4"), [Verdict::Holds, Verdict::Fails]);
        assert_eq!(verdicts(8.0, "rank-1"), [Verdict::Holds; 2]);
        let software = [one("seconds", "ghz", vec![(6.0, 2.0)]), one(SOFTWARE, "states", Vec::new())];
        assert_eq!(within_a_second(&software)[0].verdict, Verdict::NotApplicable);
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
