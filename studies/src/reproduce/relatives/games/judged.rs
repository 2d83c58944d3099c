//! Claims about the games.

use super::super::Rerun;
use super::super::contest::listed;
use super::super::tasks::{MeasuredCurve, curve, group};
use super::{CALM, GAMES};
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;

const PAPER: &str = "arXiv 2306.16617";
const CODE: &str = "settings of public code that cites arXiv 2202.06950";
const DERIVED: &str = "consequence of the inner maximum being the Huber loss, derived here";
/// Distances between which iterations are counted.
const LEVELS: [f64; 3] = [1e-3, 1e-6, 1e-9];

pub(super) fn claims(s: &Rerun, curves: &[MeasuredCurve]) -> Vec<Claim> {
    let mut claims =
        vec![huber(curves), one_step(s, curves), shrinks(curves), linear(curves), average(curves), adapts(curves)];
    for (alpha, eta, eta_extra) in GAMES {
        claims.push(reaches(s, curves, alpha, ("gda", "descent–ascent", eta, 1.0)));
        claims.push(reaches(s, curves, alpha, ("rceg", "the corrected extragradient method", eta_extra, 2.0)));
    }
    claims.extend([saddle(curves), pca_average(curves), adaptive(curves)]);
    claims
}

fn last(curves: &[MeasuredCurve], name: &str) -> Vec<f64> {
    group(curves, name).into_iter().map(|curve| curve.last().unwrap_or(f64::NAN)).collect()
}

/// Formats numbers, as in "1.2e-9, 3.0e-8".
fn brief(values: &[f64]) -> String {
    values.iter().map(|v| format!("{v:.1e}")).collect::<Vec<_>>().join(", ")
}

fn huber(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "saddle-is-huber",
        DERIVED,
        Value::text("≤ 1e-6"),
        "the saddle is the solution of the solver with the loss huber:δ on the same data: ‖X − X_solver‖/‖X_solver‖ ≤ 1e-6 at \
         every κ(M)",
    );
    let products = last(curves, "agreement");
    let holds = !products.is_empty() && products.iter().all(|v| *v <= 1e-6);
    draft.judge(Value::text(brief(&products)), holds, None)
}

/// Returns the iterations from the first to the last level, or infinity, of a group of runs.
fn times(curves: &[MeasuredCurve], name: &str) -> Vec<f64> {
    let of = |curve: &MeasuredCurve| Some(curve.reached(LEVELS[2])? - curve.reached(LEVELS[0])?);
    group(curves, name).into_iter().map(|curve| of(curve).unwrap_or(f64::INFINITY)).collect()
}

fn one_step(s: &Rerun, curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "one-step",
        PAPER,
        Value::text("≤ 1.5, and ≤ 1.5"),
        format!(
            "in the quotient metric one step serves κ(M) = {}: the iterations from ‖X − X*‖ = {:e} to {:e} of \
             descent–ascent, and those of the extragradient method, differ by a factor of 1.5 at most (the starts are at \
             distances that grow with κ)",
            listed(&s.condition_numbers),
            LEVELS[0],
            LEVELS[2]
        ),
    );
    let (plain, extra) = (times(curves, "descent-ascent"), times(curves, "extragradient"));
    let spread = |t: &[f64]| t.iter().fold(0.0, |a: f64, b| a.max(*b)) / t.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    let (a, b) = (spread(&plain), spread(&extra));
    let note = format!("{}; {} iterations", listed(&plain), listed(&extra));
    draft.judge(Value::text(format!("{a:.2}, and {b:.2}")), a <= 1.5 && b <= 1.5, Some(note))
}

/// Returns the points (κ, longest step) of a metric.
fn steps(curves: &[MeasuredCurve], metric: &str) -> Vec<(f64, f64)> {
    let of = group(curves, "longest-step").into_iter().filter(|curve| curve.name.starts_with(metric));
    of.flat_map(|curve| curve.points.iter().copied()).collect()
}

fn shrinks(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "euclidean-shrinks",
        PAPER,
        Value::text("-1.25 to -0.75, and ≤ 2"),
        format!(
            "the Euclidean step must shrink as 1/‖M‖ (exponent of κ(M) in the longest step with which descent–ascent \
             comes within {CALM:e} of the saddle), while that in the quotient metric changes by a factor of 2 at most"
        ),
    );
    let (euclidean, quotient) = (steps(curves, "euclidean"), steps(curves, "quotient"));
    let count = group(curves, "agreement").len();
    let slope = fit_power(euclidean.iter().copied()).map(|line| line.slope);
    let largest = quotient.iter().map(|p| p.1).fold(0.0, f64::max);
    let factor = largest / quotient.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let complete = euclidean.len() == count && quotient.len() == count;
    let holds = complete && slope.is_some_and(|p| (-1.25..=-0.75).contains(&p)) && factor <= 2.0;
    let shown = |points: &[(f64, f64)]| points.iter().map(|p| p.1.to_string()).collect::<Vec<_>>().join(", ");
    let note = format!("Euclidean: {}; quotient: {}", shown(&euclidean), shown(&quotient));
    let slope = slope.map_or("none".into(), |p| format!("{p:.2}"));
    draft.judge(Value::text(format!("{slope}, and {factor}")), holds, Some(note))
}

fn linear(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "last-linear",
        PAPER,
        Value::text("0.6 to 1.6"),
        "the last iterate of descent–ascent converges linearly: from ‖X − X*‖ = 1e-6 to 1e-9 it takes as many iterations as \
         from 1e-3 to 1e-6, within a factor of 1.6, at every κ(M)",
    );
    let factor = |curve: &&MeasuredCurve| {
        let t = LEVELS.map(|level| curve.reached(level).unwrap_or(f64::NAN));
        (t[2] - t[1]) / (t[1] - t[0]).max(1.0)
    };
    let factors: Vec<f64> = group(curves, "descent-ascent").iter().map(factor).collect();
    let shown = factors.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join(", ");
    draft.judge(Value::text(shown), factors.iter().all(|v| (0.6..=1.6).contains(v)), None)
}

fn average(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "average-behind",
        PAPER,
        Value::text("≥ 1000"),
        "the average converges slowly: when the last iterate has reached 1e-9, the mean of all iterates is at least 1000 \
         times as far from the saddle, at every κ(M)",
    );
    let ratio = |run: &&MeasuredCurve| {
        let t = run.reached(LEVELS[2])?;
        let mean = curve(curves, "average", &run.name)?.points.iter().find(|p| p.0 >= t)?.1;
        Some(mean / LEVELS[2])
    };
    let ratios: Vec<f64> = group(curves, "descent-ascent").iter().map(|r| ratio(r).unwrap_or(f64::NAN)).collect();
    draft.judge(Value::text(brief(&ratios)), ratios.iter().all(|r| *r >= 1000.0), None)
}

fn adapts(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "recovery-adapts",
        PAPER,
        Value::text("≤ 2"),
        format!(
            "the adaptive step, from a far too long one, takes at most twice the iterations of the given one to come within {:e} of \
             the saddle, at every κ(M)",
            LEVELS[2]
        ),
    );
    let reached = |name: &str| -> Vec<f64> {
        group(curves, name).iter().map(|curve| curve.reached(LEVELS[2]).unwrap_or(f64::INFINITY)).collect()
    };
    let (fixed, adaptive) = (reached("extragradient"), reached("adaptive"));
    let ratio = fixed.iter().zip(&adaptive).map(|(fixed, adaptive)| adaptive / fixed).fold(0.0, f64::max);
    let note = format!("{} against {} iterations", listed(&adaptive), listed(&fixed));
    draft.judge(Value::number(ratio), !fixed.is_empty() && ratio <= 2.0, Some(note))
}

fn reaches(s: &Rerun, curves: &[MeasuredCurve], alpha: f64, method: (&str, &str, f64, f64)) -> Claim {
    let (name, words, eta, gradients) = method;
    let draft = Draft::new(
        &format!("pca-{name}-{alpha}"),
        CODE,
        Value::text(format!("≤ {}", s.iterations)),
        format!(
            "with α = {alpha} and η = {eta} {words} brings ‖grad f‖ to {:e} within {} iterations",
            s.target, s.iterations
        ),
    );
    let Some(run) = curve(curves, &format!("pca-{alpha}"), name) else {
        return draft.not_applicable(Value::None, "the run is missing");
    };
    match run.reached(s.target) {
        Some(t) => draft.judge(Value::number(t / gradients), true, None),
        None => {
            let (end, half) = (run.last().unwrap_or(f64::NAN), run.points[run.points.len() / 2].1);
            draft.fails(Value::text(format!("not reached, ends at {end:.1e}")), format!("halfway it is {half:.1e}"))
        }
    }
}

fn saddle(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "pca-saddle",
        CODE,
        Value::text("≥ 0.999999"),
        "where descent–ascent ends, x minimises −xᵀYx: xᵀYx over the largest eigenvalue of Y is 1, for α = 3 and 0.1",
    );
    let found = last(curves, "leading");
    let shown = found.iter().map(|v| format!("{v:.3}")).collect::<Vec<_>>().join(", ");
    let holds = !found.is_empty() && found.iter().all(|v| *v >= 0.999_999);
    let reason = "the best Y for a given x shrinks along x below its other eigenvalues. A point without gradient is then no \
                  saddle, because x is not the minimiser: the objective is not geodesically convex in x, and the theory does \
                  not cover it";
    draft.judge(Value::text(shown), holds, (!holds).then(|| reason.into()))
}

fn pca_average(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "pca-average-behind",
        PAPER,
        Value::text("≥ 10"),
        "with α = 3 the gradient at the average of descent–ascent is at least 10 times as large as at its last iterate",
    );
    let end = |name: &str| curve(curves, "pca-3", name).and_then(MeasuredCurve::last);
    let ratio = end("average").zip(end("gda")).map(|(average, last)| average / last);
    draft.judge(Value::number(ratio), ratio.is_some_and(|r| r >= 10.0), None)
}

fn adaptive(curves: &[MeasuredCurve]) -> Claim {
    let draft = Draft::new(
        "adaptive-step",
        PAPER,
        Value::text("≤ 1.5"),
        "with α = 3 the adaptive step, which knows neither κ nor a Lipschitz constant, takes at most 1.5 times the gradients \
         that the published step of the extragradient method takes to ten times the gradient norm at which the latter ends",
    );
    let of = |name: &str| curve(curves, "pca-3", name);
    let target = of("rceg").and_then(MeasuredCurve::last).map(|end| 10.0 * end);
    let to = |name: &str| of(name)?.reached(target?);
    let ratio = to("adaptive").zip(to("rceg")).map(|(a, b)| a / b);
    draft.judge(Value::number(ratio), ratio.is_some_and(|r| r <= 1.5), target.map(|t| format!("to {t:.1e}")))
}
