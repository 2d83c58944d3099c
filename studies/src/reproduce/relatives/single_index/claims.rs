//! Verdicts on rates, stopping and truncation.

use super::matrix::{counts, named};
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;
use crate::reproduce::relatives::contest::of;
use crate::reproduce::relatives::tasks::curve;
use crate::reproduce::relatives::{MeasuredCurve, RaceCourse, Rerun};

const PAPER: &str = "arXiv 2007.08322";
/// Iterations over the best one, for late errors.
const LATER: usize = 10;

/// Claims a power of the rate.
pub(super) fn rate(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "vector-rate",
        PAPER,
        Value::text("0.8 to 1.2"),
        "for sparse signals the error at the stop time is proportional to √(s log p/m): its slope on log axes is between \
         0.8 and 1.2",
    );
    let Some(of) = curve(curves, "rate", "stopped") else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    let slope = fit_power(of.points.iter().copied()).map(|line| line.slope);
    let shown: Vec<String> = of.points.iter().map(|(x, y)| format!("{y:.3} at {x:.3}")).collect();
    draft.judge(Value::number(slope), slope.is_some_and(|v| (0.8..=1.2).contains(&v)), Some(shown.join(", ")))
}

/// Claims that the number of unknowns enters through its logarithm at most.
pub(super) fn unknowns(curves: &[MeasuredCurve]) -> Claim {
    let all = curve(curves, "unknowns", "stopped").map(|c| c.points.as_slice());
    let (first, last) = match all {
        Some([first, .., last]) => (*first, *last),
        _ => ((f64::NAN, f64::NAN), (f64::NAN, f64::NAN)),
    };
    let most = 1.15 * (last.0.ln() / first.0.ln()).sqrt();
    let draft = Draft::new(
        "vector-unknowns",
        PAPER,
        Value::text(format!("≤ {most:.2}")),
        format!(
            "the error depends on p by √log p at most: from p = {} to {} at the same m it grows by a factor of at most 1.15·√(log \
             ratio) = {most:.2} (as √p it would be {:.1})",
            first.0,
            last.0,
            (last.0 / first.0).sqrt()
        ),
    );
    if !most.is_finite() {
        return draft.not_applicable(Value::None, "fewer than two numbers of unknowns");
    }
    let factor = last.1 / first.1;
    draft.judge(Value::number(factor), factor <= most, Some(format!("{:.3}, then {:.3}", first.1, last.1)))
}

/// Claims that later iterations fit noise.
pub(super) fn stopping(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "vector-stopping",
        PAPER,
        Value::text("≥ 3"),
        format!(
            "early stopping is needed with noise: {LATER} times later the error of a sparse signal is at least three times that \
                 at the stop time, at every m"
        ),
    );
    let (Some(early), Some(late)) = (curve(curves, "rate", "stopped"), curve(curves, "rate", "later")) else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    let ratios: Vec<f64> = early.points.iter().zip(&late.points).map(|(e, l)| l.1 / e.1).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let shown: Vec<String> = ratios.iter().map(|v| format!("{v:.1}")).collect();
    draft.judge(Value::number(least), least.is_finite() && least >= 3.0, Some(shown.join(", ")))
}

/// Claims that the stop time, which knows no truth, loses little to the best one.
pub(super) fn near_best(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "vector-stop-time",
        PAPER,
        Value::text("≤ 1.25"),
        "a stop time of the order log(1/α)·√(m/log p)/η, computed without the truth, has at most 1.25 times the error of \
         the best iterate, at every m",
    );
    let (Some(stopped), Some(best)) = (curve(curves, "rate", "stopped"), curve(curves, "rate", "best")) else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    let ratios = stopped.points.iter().zip(&best.points).map(|(s, b)| s.1 / b.1);
    let worst = ratios.fold(0.0, f64::max);
    draft.judge(Value::number(worst), worst > 0.0 && worst <= 1.25, None)
}

/// Claims that truncation of y lowers the error under heavy tails.
pub(super) fn truncation(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "truncation",
        PAPER,
        Value::text("< 1"),
        "under noise of Student's t with three degrees of freedom truncation of y lowers the error at the stop time: over \
         all m and trials the mean logarithm of (truncated/not) is negative by two standard errors",
    );
    let (Some(ratio), Some(error)) = (curve(curves, "heavy-ratio", "log"), curve(curves, "heavy-ratio", "error"))
    else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    // Each m has the same number of trials.
    let count = ratio.points.len() as f64;
    let mean = ratio.points.iter().map(|p| p.1).sum::<f64>() / count;
    let error = error.points.iter().map(|p| p.1 * p.1).sum::<f64>().sqrt() / count;
    let shown: Vec<String> = ratio.points.iter().map(|(m, log)| format!("{:.3} at m = {m}", log.exp())).collect();
    let note = format!("standard error of the logarithm {error:.3}; {}", shown.join(", "));
    draft.judge(Value::number(mean.exp()), mean + 2.0 * error < 0.0, Some(note))
}

/// Claims that it costs nothing without heavy tails.
pub(super) fn harmless(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "truncation-harmless",
        PAPER,
        Value::text("≤ 1.05"),
        "under normal noise truncation raises the mean error at the stop time by five percent at most, at every m",
    );
    let (Some(plain), Some(clipped)) = (curve(curves, "rate", "stopped"), curve(curves, "rate", "truncated")) else {
        return draft.not_applicable(Value::None, "the curve is missing");
    };
    let worst = plain.points.iter().zip(&clipped.points).map(|(p, c)| c.1 / p.1).fold(0.0, f64::max);
    draft.judge(Value::number(worst), worst > 0.0 && worst <= 1.05, None)
}

/// Least error of a run, the first iteration within one percent of it, and the error at `LATER` times that.
fn best(course: &RaceCourse) -> Option<(f64, usize, f64)> {
    let rows = || course.trace.iter().filter_map(|row| Some((row.iteration, row.relative_error?)));
    let error = rows().map(|row| row.1).min_by(f64::total_cmp)?;
    // Errors stay near the least one for long: its first moment counts.
    let iteration = rows().find(|row| row.1 <= 1.01 * error)?.0;
    let late = rows().find(|row| row.0 >= LATER * iteration).or_else(|| rows().next_back())?;
    Some((error, iteration, late.1))
}

fn means(s: &Rerun, courses: &[RaceCourse], of_best: impl Fn((f64, usize, f64)) -> f64) -> Vec<(f64, f64)> {
    let one = |m: usize| {
        let all: Vec<f64> = of(courses, &named(m)).into_iter().filter_map(best).map(&of_best).collect();
        (m as f64, all.iter().sum::<f64>() / all.len() as f64)
    };
    counts(s).into_iter().map(one).filter(|point| point.1.is_finite()).collect()
}

/// Claims the rate in m for matrices.
pub(super) fn matrix_rate(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "matrix-rate",
        PAPER,
        Value::text("0.8 to 1.2"),
        "for matrices of low rank the least error of a run is proportional to √(nr log n/m): its slope against that on log axes \
         is between 0.8 and 1.2",
    );
    let points = means(s, courses, |found| found.0);
    let size = s.n as f64 * s.rank as f64 * (s.n as f64).ln();
    let slope = fit_power(points.iter().map(|(m, error)| ((size / m).sqrt(), *error))).map(|line| line.slope);
    let shown: Vec<String> = points.iter().map(|(m, error)| format!("{error:.3} at m = {m}")).collect();
    let holds = points.len() == counts(s).len() && slope.is_some_and(|v| (0.8..=1.2).contains(&v));
    draft.judge(Value::number(slope), holds, Some(shown.join(", ")))
}

/// Claims that later iterations fit noise, for matrices.
pub(super) fn matrix_stopping(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "matrix-stopping",
        PAPER,
        Value::text("≥ 1.5"),
        format!(
            "early stopping is needed with noise: after {LATER} times as many iterations the error of a matrix is at least 1.5 \
                 times its least one, at every m"
        ),
    );
    let points = means(s, courses, |(error, _, late)| late / error);
    let least = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let shown: Vec<String> = points.iter().map(|(m, factor)| format!("{factor:.2} at m = {m}")).collect();
    let holds = points.len() == counts(s).len() && least >= 1.5;
    draft.judge(Value::number(least), holds, Some(shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Verdict;

    fn named_curve(group: &str, name: &str, y: [f64; 3]) -> MeasuredCurve {
        MeasuredCurve::new(group, name, "", [0.1, 0.2, 0.4].into_iter().zip(y).collect())
    }

    #[test]
    fn rates_and_ratios_decide() {
        let with = |stopped: [f64; 3], late: [f64; 3]| {
            let curves = [named_curve("rate", "stopped", stopped), named_curve("rate", "later", late)];
            (rate(&curves).verdict, stopping(&curves).verdict)
        };
        assert_eq!(with([0.1, 0.2, 0.4], [0.4, 0.7, 1.3]), (Verdict::Holds, Verdict::Holds));
        assert_eq!(with([0.1, 0.14, 0.2], [0.4, 0.7, 0.5]), (Verdict::Fails, Verdict::Fails));
    }

    #[test]
    fn a_gain_within_its_error_is_no_gain() {
        let with = |log: f64, error: f64| {
            let curves = [named_curve("heavy-ratio", "log", [log; 3]), named_curve("heavy-ratio", "error", [error; 3])];
            truncation(&curves).verdict
        };
        assert_eq!(with(-0.1, 0.05), Verdict::Holds);
        assert_eq!(with(-0.1, 0.1), Verdict::Fails);
        assert_eq!(with(0.1, 0.01), Verdict::Fails);
    }
}
