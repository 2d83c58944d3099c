//! Verdicts on recovery, pictures, passes and noise.

use super::recovery::{Probes, RECOVERED};
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::{fit_line, fit_power};
use crate::reproduce::relatives::MeasuredCurve;
use crate::reproduce::relatives::tasks::{curve, group};

const FLOW: &str = "arXiv 1407.1065";
const PATTERNS: &str = "arXiv 1310.3240 and 1407.1065";
const OURS: &str = "this program";
/// Error to which passes are counted.
pub(super) const TARGET: f64 = 1e-6;

/// Claims that every signal is found from m = ratio·n measurements to a distance.
pub(super) fn all_recovered(curves: &[MeasuredCurve], probes: Probes, ratio: usize, limit: f64) -> Claim {
    let (id, source, what) = match probes {
        Probes::Gaussian => (format!("gaussian-{ratio}"), FLOW, format!("m = {ratio}n Gaussian vectors")),
        Probes::Coded => (format!("coded-{ratio}"), PATTERNS, format!("{ratio} coded patterns")),
    };
    let statement = format!("every random signal is found from {what} to a relative error of {limit:e}");
    let draft = Draft::new(&id, source, Value::text(format!("≤ {limit:e}")), statement);
    let Some(of) = curve(curves, "errors", probes.name()) else {
        return draft.fails(Value::None, "nothing was measured");
    };
    let found: Vec<f64> = of.points.iter().filter(|point| point.0 == ratio as f64).map(|point| point.1).collect();
    let good = found.iter().filter(|error| **error <= limit).count();
    match found.iter().copied().max_by(f64::total_cmp) {
        Some(worst) => {
            let note = format!("largest error; {good} of {} signals", found.len());
            draft.judge(Value::number(worst), worst <= limit, Some(note))
        }
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims that the picture is found from so many patterns.
pub(super) fn picture(curves: &[MeasuredCurve], patterns: usize) -> Claim {
    let statement = format!("the picture is found from {patterns} coded patterns to a relative error of {RECOVERED:e}");
    let draft =
        Draft::new(&format!("picture-{patterns}"), PATTERNS, Value::text(format!("≤ {RECOVERED:e}")), statement);
    match curve(curves, "picture-error", &format!("patterns-{patterns}")).and_then(MeasuredCurve::last) {
        Some(error) => draft.judge(Value::number(error), error <= RECOVERED, None),
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

/// Claims that the default reaches the target with less of what x counts, in the groups `of`-gaussian and `of`-coded.
fn fewer(draft: Draft, curves: &[MeasuredCurve], of: &str) -> Claim {
    let counts = |probes: Probes| {
        let reached = |group: String, name| curve(curves, &group, name)?.reached(TARGET);
        let own = reached(format!("{of}-{}", probes.name()), "default")?;
        Some((own, reached(format!("course-{}", probes.name()), "flow")?))
    };
    match (counts(Probes::Gaussian), counts(Probes::Coded)) {
        (Some(gaussian), Some(coded)) => {
            let text = format!("{} and {}; {} and {}", gaussian.0, gaussian.1, coded.0, coded.1);
            let note = Some("default and Wirtinger flow; Gaussian vectors, then coded patterns".into());
            draft.judge(Value::text(text), gaussian.0 < gaussian.1 && coded.0 < coded.1, note)
        }
        _ => draft.fails(Value::None, "a method did not reach the target"),
    }
}

/// Claims that the default takes fewer passes than Wirtinger flow.
pub(super) fn passes(curves: &[MeasuredCurve]) -> Claim {
    let statement = format!("the default takes fewer passes than Wirtinger flow to a relative error of {TARGET:e}");
    fewer(Draft::new("fewer-passes", OURS, Value::text("fewer, twice"), statement), curves, "course")
}

/// Claims that the default takes fewer products of the measurements with a vector. One of its passes takes all its columns.
pub(super) fn products(curves: &[MeasuredCurve]) -> Claim {
    let statement = format!(
        "counted for every column that a pass takes, the default takes fewer products too, to a relative error of {TARGET:e}"
    );
    fewer(Draft::new("fewer-products", OURS, Value::text("fewer, twice"), statement), curves, "wide")
}

/// Claims that the error of Wirtinger flow falls by a constant factor a step once it is small.
pub(super) fn linear(curves: &[MeasuredCurve], probes: Probes) -> Claim {
    let statement = format!(
        "with {} the error of Wirtinger flow falls by a constant factor a step: from 1e-2 to 1e-6 and from 1e-6 to 1e-10 the \
         logarithm has slopes within a tenth of each other",
        probes.label()
    );
    let draft = Draft::new(&format!("flow-linear-{}", probes.name()), FLOW, Value::text("1 ± 0.1"), statement);
    let rate = |from: f64, to: f64| {
        let of = curve(curves, &format!("course-{}", probes.name()), "flow")?;
        of.reached(to)?;
        let points = of.points.iter().filter(|point| point.1 <= from && point.1 >= to);
        Some(fit_line(&points.map(|(x, y)| (*x, y.ln())).collect::<Vec<_>>())?.slope)
    };
    match (rate(1e-2, 1e-6), rate(1e-6, 1e-10)) {
        (Some(early), Some(late)) => {
            let ratio = late / early;
            let note = format!("factors {:.4} and {:.4} a step", early.exp(), late.exp());
            draft.judge(Value::number(ratio), (ratio - 1.0).abs() <= 0.1, Some(note))
        }
        _ => draft.fails(Value::None, "Wirtinger flow did not reach 1e-10"),
    }
}

/// Claims an error in proportion to the noise.
pub(super) fn noise(curves: &[MeasuredCurve]) -> Claim {
    let statement =
        "the median error grows like the noise: the slope on log axes is 1 within 0.1, for both kinds of measurements";
    let draft = Draft::new("noise", OURS, Value::text("1 ± 0.1, twice"), statement);
    let slopes: Option<Vec<f64>> =
        group(curves, "noise").into_iter().map(|of| Some(fit_power(of.points.iter().copied())?.slope)).collect();
    match slopes.filter(|slopes| slopes.len() == Probes::ALL.len()) {
        Some(slopes) => {
            let text = slopes.iter().map(|slope| format!("{slope:.3}")).collect::<Vec<_>>().join(", ");
            draft.judge(Value::text(text), slopes.iter().all(|slope| (slope - 1.0).abs() <= 0.1), None)
        }
        None => draft.fails(Value::None, "nothing was measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Verdict::{self, Fails, Holds};

    fn one(group: &str, name: &str, points: &[(f64, f64)]) -> MeasuredCurve {
        MeasuredCurve::new(group, name, "", points.to_vec())
    }

    #[test]
    fn one_signal_that_is_lost_fails_the_claim() {
        let verdict = |last: f64| {
            let curves = [one("errors", "gaussian", &[(2.0, 0.9), (5.0, 1e-9), (5.0, last)])];
            all_recovered(&curves, Probes::Gaussian, 5, 1e-6)
        };
        assert_eq!((verdict(1e-7).verdict, verdict(1e-5).verdict), (Holds, Fails));
        assert!(verdict(1e-5).reason.unwrap().contains("1 of 2"));
        assert_eq!(all_recovered(&[], Probes::Coded, 6, 1e-5).verdict, Fails);
        let of = |error| picture(&[one("picture-error", "patterns-6", &[(6.0, error)])], 6).verdict;
        assert_eq!((of(1e-6), of(1e-4)), (Holds, Fails));
    }

    #[test]
    fn passes_and_products_are_counted_to_the_target() {
        let to = |own: f64, plain: f64| {
            let kinds = Probes::ALL.map(|probes| {
                let group = |of: &str| format!("{of}-{}", probes.name());
                [
                    one(&group("course"), "default", &[(1.0, 1.0), (own, 1e-7)]),
                    one(&group("wide"), "default", &[(16.0, 1.0), (16.0 * own, 1e-7)]),
                    one(&group("course"), "flow", &[(50.0, 0.5), (plain, 1e-6)]),
                ]
            });
            let curves = kinds.concat();
            (passes(&curves).verdict, products(&curves).verdict)
        };
        assert_eq!(
            (to(20.0, 400.0), to(40.0, 400.0), to(500.0, 400.0)),
            ((Holds, Holds), (Holds, Fails), (Fails, Fails))
        );
        assert_eq!(passes(&[]).verdict, Fails);
    }

    #[test]
    fn a_rate_that_changes_is_not_linear_and_a_floor_is_no_slope() {
        let course = |change: f64| -> Verdict {
            let error = |t: i32| if t < 60 { 0.8_f64.powi(t) } else { 0.8_f64.powi(60) * change.powi(t - 60) };
            let points: Vec<(f64, f64)> = (0..400).map(|t| (f64::from(t), error(t))).collect();
            linear(&[one("course-coded", "flow", &points)], Probes::Coded).verdict
        };
        assert_eq!((course(0.8), course(0.95), course(1.0)), (Holds, Fails, Fails));
        let noisy = |power: f64| {
            let points = [1e-3_f64, 1e-2, 1e-1].map(|x| (x, x.powf(power)));
            noise(&Probes::ALL.map(|probes| one("noise", probes.name(), &points))).verdict
        };
        assert_eq!((noisy(1.05), noisy(0.5)), (Holds, Fails));
    }
}
