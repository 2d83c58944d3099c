//! Verdicts on bias, covariance and regret.

use super::measure::Way;
use super::objective::Objective;
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;
use crate::reproduce::relatives::MeasuredCurve;
use crate::reproduce::relatives::tasks::{curve, group};

pub(super) const PAPER: &str = "arXiv 2406.19617";
const DERIVED: &str = "consequence of arXiv 2406.19617, derived here";

/// Slope of a curve on log axes, with the standard error that follows from those of its points.
fn slope(curves: &[MeasuredCurve], what: &str, name: &str, factor: impl Fn(f64) -> f64) -> Option<(f64, f64)> {
    let (means, errors) = (curve(curves, what, name)?, curve(curves, &format!("{what}-error"), name)?);
    let line = fit_power(means.points.iter().map(|(x, y)| (*x, y * factor(*x))))?;
    let logs: Vec<f64> = means.points.iter().map(|(x, _)| x.ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let square: f64 = logs.iter().map(|x| (x - mean).powi(2)).sum();
    let parts = logs.iter().zip(means.points.iter().zip(&errors.points));
    let variance: f64 = parts.map(|(x, (y, error))| ((x - mean) / square * error.1 / y.1).powi(2)).sum();
    Some((line.slope, variance.sqrt()))
}

/// Claims that a measured ratio is at most 1, three standard errors aside.
pub(super) fn within(curves: &[MeasuredCurve], what: &str, statement: &str) -> Claim {
    let draft = Draft::new(&format!("{what}-within"), PAPER, Value::text("≤ 1"), statement);
    let errors = format!("{what}-error");
    let mut worst = (0.0, f64::NEG_INFINITY, String::new());
    for of in group(curves, what) {
        let Some(error) = curve(curves, &errors, &of.name) else { continue };
        for (point, error) in of.points.iter().zip(&error.points) {
            let excess = point.1 - 3.0 * error.1;
            if excess > worst.1 {
                worst = (point.1, excess, format!("{} at λ_Z = {}R, ± {:.3}", of.name, point.0, error.1));
            }
        }
    }
    let holds = worst.1.is_finite() && worst.1 <= 1.0;
    draft.judge(Value::number(worst.0), holds, Some(worst.2))
}

pub(super) fn attained(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "bias-attained",
        PAPER,
        Value::text("0.9 to 1.1"),
        "the bias bound is sharp: for the cubic at its minimiser, with Z a multiple of I and λ_Z = R/2, the bias over \
         the bound is between 0.9 and 1.1 in every dimension",
    );
    let all = group(curves, "bias");
    let cubic = all.iter().filter(|c| c.name.starts_with("cubic") && c.name.ends_with("minimiser"));
    let found: Vec<f64> = cubic.filter_map(|c| c.last()).collect();
    let shown: Vec<String> = found.iter().map(|v| format!("{v:.3}")).collect();
    let holds = !found.is_empty() && found.iter().all(|v| (0.9..=1.1).contains(v));
    draft.judge(Value::text(shown.join(", ")), holds, None)
}

/// Claims a slope in T within three of its standard errors.
pub(super) fn slope_in_t(curves: &[MeasuredCurve], name: &str, exponent: f64, statement: &str) -> Claim {
    let draft = Draft::new(&format!("slope-{name}"), PAPER, Value::number(exponent), statement);
    match slope(curves, "budget", name, |_| 1.0) {
        Some((slope, error)) => {
            let holds = (slope - exponent).abs() <= 3.0 * error;
            draft.judge(Value::number(slope), holds, Some(format!("standard error {error:.3}")))
        }
        None => draft.not_applicable(Value::None, "fewer than two budgets"),
    }
}

/// Claims that the regret over `factor` grows linearly with the dimension.
pub(super) fn linear_in_d(
    curves: &[MeasuredCurve],
    name: &str,
    statement: &str,
    source: &'static str,
    factor: impl Fn(f64) -> f64,
) -> Claim {
    let draft = Draft::new(&format!("dimension-{name}"), source, Value::text("0.75 to 1.25"), statement);
    match slope(curves, "dimension", name, factor) {
        Some((slope, error)) => {
            let plain = self::slope(curves, "dimension", name, |_| 1.0).map_or(f64::NAN, |found| found.0);
            let note = format!(
                "standard error {error:.3}; the regret itself grows as d^{plain:.2}; a bias at its bound adds (d/(d + 2))²"
            );
            draft.judge(Value::number(slope), (0.75..=1.25).contains(&slope), Some(note))
        }
        None => draft.not_applicable(Value::None, "fewer than two dimensions"),
    }
}

pub(super) fn linear_cubic(curves: &[MeasuredCurve]) -> Claim {
    let statement = "at fixed T, ρ and M the regret on the cubic grows linearly with d: on log axes its slope is \
                     between 0.75 and 1.25";
    linear_in_d(curves, "cubic", statement, PAPER, |_| 1.0)
}

pub(super) fn linear_quartic(curves: &[MeasuredCurve], scale: f64) -> Claim {
    let statement = "on the quartic of a fixed factor c the regret grows as dρ^{2/3}/M (as d^{4/3} for large d, where \
                     ρ grows as √d): the regret over ρ^{2/3}/M has a slope in d between 0.75 and 1.25";
    linear_in_d(curves, "quartic", statement, DERIVED, |d| {
        let objective = Objective::quartic(d as usize, scale);
        objective.convexity / objective.rho.powf(2.0 / 3.0)
    })
}

/// Claims the number of the leading term, 6·10^{2/3}, at the largest T.
pub(super) fn constant(curves: &[MeasuredCurve], objectives: &[(&str, Objective)]) -> Claim {
    let draft = Draft::new(
        "constant",
        DERIVED,
        Value::text("≤ 27.8"),
        "at the largest T, regret·T^{2/3}·M/(dρ^{2/3}) is at most 6·10^{2/3}, the number that Proposition 4.5 leaves \
         for T → ∞, on the cubic and on the quartic",
    );
    let one = |(name, objective): &(&str, Objective)| {
        let (t, regret) = *curve(curves, "budget", name)?.points.last()?;
        let unit = objective.dimension as f64 * objective.rho.powf(2.0 / 3.0) / objective.convexity;
        Some(regret * t.powf(2.0 / 3.0) / unit)
    };
    let found: Option<Vec<f64>> = objectives.iter().map(one).collect();
    let Some(found) = found else { return draft.not_applicable(Value::None, "a run is missing") };
    let shown: Vec<String> = found.iter().map(|v| format!("{v:.2}")).collect();
    let most = 6.0 * 10f64.powf(2.0 / 3.0);
    draft.judge(Value::text(shown.join(", ")), found.iter().all(|v| *v <= most), None)
}

pub(super) fn evaluations(curves: &[MeasuredCurve], d: usize) -> Claim {
    let most = 0.8 + 0.2 / (d as f64).powi(2);
    let draft = Draft::new(
        "evaluations",
        DERIVED,
        Value::number(most),
        format!("a run uses at most T·(4/5 + 1/(5d²)) = {most:.4}·T values of f"),
    );
    let names = ["cubic", "quartic", "quadratic"];
    let used = || names.iter().filter_map(|name| curve(curves, "budget-used", name)).flat_map(|c| &c.points);
    let worst = used().map(|point| point.1).fold(0.0, f64::max);
    draft.judge(Value::number(worst), worst > 0.0 && worst <= most, None)
}

/// Claims that Algorithm 4 ends below plain descent with the same number of values.
pub(super) fn below_plain(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "below-plain",
        "comparison of rates in arXiv 2406.19617, Table 1",
        Value::text("< 1"),
        "on the quartic at the largest T the regret of Algorithm 4 is below that of plain two-point descent with steps \
         2/(M(t + t₀)) and the radii of the paper's final stage, for the same number of values, by two standard errors",
    );
    let last = |what: &str, name: &str| curve(curves, what, name)?.points.last().copied();
    let of = |name: &str| Some((last("budget", name)?, last("budget-error", name)?.1));
    match (of("quartic"), of("quartic-plain")) {
        (Some((ours, our_error)), Some((plain, plain_error))) if ours.0 == plain.0 => {
            let ratio = ours.1 / plain.1;
            let error = ratio * ((our_error / ours.1).powi(2) + (plain_error / plain.1).powi(2)).sqrt();
            let note = format!("± {error:.2}, {:.1e} against {:.1e}; the paper bounds rates", ours.1, plain.1);
            draft.judge(Value::number(ratio), ratio + 2.0 * error < 1.0, Some(note))
        }
        _ => draft.not_applicable(Value::None, "a run is missing"),
    }
}

/// Returns the legend of a method.
pub(super) fn way_words(way: Way) -> &'static str {
    match way {
        Way::TwoStage => "Algorithm 4",
        Way::TwoPoint(_) => "plain two-point descent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Verdict;

    fn made(name: &str, exponent: f64, error: f64) -> Vec<MeasuredCurve> {
        let points: Vec<(f64, f64)> = [1e4f64, 1e5, 1e6].map(|t| (t, t.powf(exponent))).to_vec();
        let errors = points.iter().map(|(t, y)| (*t, error * y)).collect();
        vec![MeasuredCurve::new("budget", name, "", points), MeasuredCurve::new("budget-error", name, "", errors)]
    }

    #[test]
    fn a_slope_is_judged_by_its_own_error() {
        let verdict =
            |exponent, error| slope_in_t(&made("quartic", exponent, error), "quartic", -2.0 / 3.0, "").verdict;
        assert_eq!(verdict(-2.0 / 3.0, 0.1), Verdict::Holds);
        assert_eq!(verdict(-0.5, 0.1), Verdict::Fails);
        // Three points a decade apart: the error is 0.1·√2/(2·ln 10) = 0.031.
        let (slope, error) = slope(&made("a", -0.5, 0.1), "budget", "a", |_| 1.0).unwrap();
        approx::assert_relative_eq!(slope, -0.5, max_relative = 1e-9);
        approx::assert_relative_eq!(error, 0.1 / (2f64.sqrt() * 10f64.ln()), max_relative = 1e-9);
    }

    #[test]
    fn a_ratio_above_one_fails_only_beyond_its_error() {
        let of = |ratio: f64| {
            let points = |y: f64| vec![(0.5, y)];
            let curves = [
                MeasuredCurve::new("bias", "cubic-2-minimiser", "", points(ratio)),
                MeasuredCurve::new("bias-error", "cubic-2-minimiser", "", points(0.01)),
            ];
            (within(&curves, "bias", "").verdict, attained(&curves).verdict)
        };
        assert_eq!(of(1.02), (Verdict::Holds, Verdict::Holds));
        assert_eq!(of(1.05), (Verdict::Fails, Verdict::Holds));
        assert_eq!(of(0.5), (Verdict::Holds, Verdict::Fails));
    }
}
