//! Function values only: the two-stage method of arXiv 2406.19617 ("Stochastic zeroth-order optimization under strongly
//! convexity and Lipschitz Hessian", NeurIPS 2024), with its constants, and plain two-point descent beside it.

mod bounds;
mod claims;
mod descent;
mod estimate;
mod measure;
mod objective;

use super::graph::{Graph, GraphPanel};
use super::tasks::{Task, Tick, curve, group, require_double};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use lowrank::engine::Precision;
use lowrank::{Backend, Result};

use measure::{CUBIC, Entrant, QUADRATIC, QUARTIC, Way, budgets, regret};
use objective::Objective;

pub(super) struct ZerothOrder;

impl Room for ZerothOrder {
    fn title(&self) -> &'static str {
        "Function values alone: regret against their number"
    }

    fn source(&self) -> &'static str {
        "arXiv 2406.19617"
    }

    fn claimed(&self) -> &'static str {
        "two-point estimates within their bounds; regret like T^(−2/3) from function values alone"
    }

    fn settings(&self, quick: bool) -> Rerun {
        Rerun {
            study: Relative::ZerothOrder2024,
            n: 4,
            rank: 1,
            search_rank: 1,
            // T from 10⁴ to 10^5.5 or 10^6.5.
            measurements: if quick { 316_228 } else { 3_162_278 },
            condition_numbers: vec![1.0],
            step_size: 1.0,
            target: 1.0,
            iterations: if quick { 120 } else { 100 },
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "A solver that sees noisy values f(x) + w and no gradient estimates gradients from pairs f(x ± Zu) in \
                 random directions u. The first figure shows bias and covariance of that estimate over the bounds of \
                 Theorem 4.1, which have no free constant: no point may lie above 1. The second shows the regret \
                 f(x) − f* against the number T of values, up to {}. Where the third derivative of f is not zero, \
                 each difference has to be short enough for a small bias and long enough to rise above the noise, \
                 and the best compromise gives T^(−2/3); a quadratic has no such bias and gives T^(−1). The third \
                 figure shows the growth with the dimension at the largest T, where the conditions of Proposition 4.5 \
                 hold. Plain two-point descent is drawn beside it.",
                s.measurements
            ),
            format!(
                "The paper has no experiments; its Algorithm 4 runs here with the constants of its text. The quartic \
                 is (c/4)‖uuᵀ − u*u*ᵀ‖² in d = {n} unknowns, c = {QUARTIC:e}: the loss of a rank-one matrix from \
                 isotropic measurements. Its start lies at half of R = 1/(4√(d + 8)) from u*, and ρ and M are those \
                 of that ball. The cubic, with ρ = M = {CUBIC:e} and R = 1, attains the bias bound. The quadratic \
                 has ρ = 0, from which no radius follows: all radii are 1. Noise is normal of variance ½, of \
                 variance 1 in the first figure. The mean of several values at one point is drawn from its law. \
                 Every point is a mean over {runs} runs, of plain descent over a quarter of them.",
                n = s.n,
                runs = s.iterations
            ),
        ]
    }

    fn tasks<'a>(&self, s: &'a Rerun, _: &'a Backend) -> Result<Vec<Task<'a>>> {
        require_double(s)?;
        let (most, runs, seed) = (s.measurements as f64, s.iterations, s.seed);
        // Of an estimate, a value costs a direction; of plain descent, every value does.
        let work = most * runs as f64;
        let large = most > 1e6;
        let dimensions: &[usize] = if large { &[2, 4, 8, 16] } else { &[2, 4, 8] };
        let samples = if large { 200_000 } else { 40_000 };
        let mut tasks = vec![Task::new("bounds", samples as f64 * 100.0, move |tick: &mut Tick<'_>| {
            measure::bounds(&dimensions[..dimensions.len().min(3)], samples, seed, tick)
        })];
        for (index, entrant) in entrants(s).into_iter().enumerate() {
            let share = if entrant.way == Way::TwoStage { 0.1 } else { 0.2 };
            tasks.push(Task::new(entrant.label.clone(), share * work, move |tick: &mut Tick<'_>| {
                let mut curves = regret("budget", &entrant, seed, index as u64, tick)?;
                curves.extend(guide(&curves, "budget", entrant.name));
                Ok(curves)
            }));
        }
        let of = |name, made: fn(usize) -> Objective| Entrant {
            name,
            label: format!("{name}, {}", claims::way_words(Way::TwoStage)),
            way: Way::TwoStage,
            at: dimensions.iter().map(|d| (*d as f64, made(*d), most)).collect(),
            runs,
        };
        let grown = [of("cubic", |d| Objective::cubic(d, CUBIC)), of("quartic", |d| Objective::quartic(d, QUARTIC))];
        for (index, entrant) in grown.into_iter().enumerate() {
            let name = format!("dimensions, {}", entrant.name);
            tasks.push(Task::new(name, 0.1 * work, move |tick: &mut Tick<'_>| {
                let mut curves = regret("dimension", &entrant, seed, 100 + index as u64, tick)?;
                curves.extend(guide(&curves, "dimension", entrant.name));
                Ok(curves)
            }));
        }
        Ok(tasks)
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let lines = |what: &str, style| group(curves, what).into_iter().map(|c| (c, style)).collect::<Vec<_>>();
        let bounds = |what: &str, place: &str, title: &str| GraphPanel {
            title: title.into(),
            x: PlotAxis::log("λ_Z/R"),
            y: PlotAxis::linear("measured/bound").range(0.0, 1.2),
            curves: lines(what, Style::Line).into_iter().filter(|(c, _)| c.name.ends_with(place)).collect(),
        };
        let regrets = |what: &str, title: &str, label: &str| {
            let mut curves = lines(what, Style::Line);
            curves.extend(lines(&format!("{what}-guide"), Style::Dashed));
            let (x, y) = (PlotAxis::log(label), PlotAxis::log("mean of f(x) − f*"));
            GraphPanel { title: title.into(), x, y, curves }
        };
        vec![
            Graph {
                name: "bounds",
                title: "Bias and covariance of the gradient estimate over their bounds",
                caption: "Bias ‖E ĝ − Z∇f‖ and tr Cov ĝ for n = 1, each over the bound of Theorem 4.1; at the \
                          minimiser with Z = λ_Z·I, and aside of it, at R/2, with singular values from λ_Z to λ_Z/2."
                    .into(),
                panels: vec![
                    bounds("bias", "minimiser", "Bias at the minimiser"),
                    bounds("bias", "aside", "Bias aside of it"),
                    bounds("covariance", "minimiser", "Covariance at the minimiser"),
                    bounds("covariance", "aside", "Covariance aside of it"),
                ],
            },
            Graph {
                name: "regret",
                title: "Regret against the number of function values",
                caption: format!("Mean regret of {} runs, d = {}; dashed: the stated power of T.", s.iterations, s.n),
                panels: vec![regrets("budget", "Regret", "budget T of function values")],
            },
            Graph {
                name: "dimension",
                title: "Regret against the dimension",
                caption: format!("Mean regret of {} runs of Algorithm 4; dashed: growth as d.", s.iterations),
                panels: vec![regrets("dimension", "Regret", "dimension d")],
            },
        ]
    }

    fn claims(&self, s: &Rerun, _: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        let power = -2.0 / 3.0;
        let bias = "‖E ĝ − Z∇f‖ ≤ λ_Z³ρ√d/(2(d+2)), three standard errors aside, on the cubic and the quartic at every \
                    λ_Z and d, at the minimiser and aside of it";
        let covariance = "tr Cov ĝ ≤ 2d‖Z∇f‖² + (d²/18)(ρλ_Z³)² + d²/2 for n = 1 and noise of variance 1, three \
                          standard errors aside, in the same cases";
        vec![
            claims::within(curves, "bias", bias),
            claims::attained(curves),
            claims::within(curves, "covariance", covariance),
            claims::evaluations(curves, s.n),
            claims::slope_in_t(
                curves,
                "quartic",
                power,
                "on the quartic the regret falls as T^(−2/3): the slope on log axes is −2/3 within three of its \
                 standard errors",
            ),
            claims::slope_in_t(
                curves,
                "cubic",
                power,
                "on the cubic it falls as T^(−2/3) too, within three standard errors",
            ),
            claims::slope_in_t(
                curves,
                "quadratic",
                -1.0,
                "on a quadratic, with fixed radii, it falls as T^(−1), within three standard errors",
            ),
            claims::constant(
                curves,
                &[("cubic", Objective::cubic(s.n, CUBIC)), ("quartic", Objective::quartic(s.n, QUARTIC))],
            ),
            claims::linear_cubic(curves),
            claims::linear_quartic(curves, QUARTIC),
            claims::below_plain(curves),
        ]
    }
}

/// Returns the contenders of the regret against T.
fn entrants(s: &Rerun) -> Vec<Entrant> {
    let made = |name: &'static str, word: &str, objective: Objective, way: Way| Entrant {
        name,
        label: format!("{word}, {}", claims::way_words(way)),
        way,
        at: budgets(s.measurements as f64).into_iter().map(|t| (t, objective, t)).collect(),
        runs: if way == Way::TwoStage { s.iterations } else { s.iterations.div_ceil(4) },
    };
    vec![
        made("quartic", "quartic", Objective::quartic(s.n, QUARTIC), Way::TwoStage),
        made("cubic", "cubic", Objective::cubic(s.n, CUBIC), Way::TwoStage),
        made("quadratic", "quadratic", Objective::quadratic(s.n, QUADRATIC), Way::TwoStage),
        // The Hessian of the quartic at u* is c(I + u*u*ᵀ).
        made("quartic-plain", "quartic", Objective::quartic(s.n, QUARTIC), Way::TwoPoint(2.0 * QUARTIC)),
    ]
}

/// Returns the expected power of x, through the last point of a curve.
fn guide(curves: &[MeasuredCurve], what: &str, name: &'static str) -> Option<MeasuredCurve> {
    let of = curve(curves, what, name)?;
    let (power, words) = match (what, name) {
        ("budget", "quadratic") => (-1.0, "T^(−1)"),
        ("budget", _) => (-2.0 / 3.0, "T^(−2/3)"),
        _ => (1.0, "d"),
    };
    let last = of.points.last()?;
    let points = of.points.iter().map(|(x, _)| (*x, last.1 * (x / last.0).powf(power))).collect();
    (name != "quartic-plain")
        .then(|| MeasuredCurve::new(&format!("{what}-guide"), name, format!("{name}: {words}"), points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_curves() {
        let mut s = Rerun::quick(Relative::ZerothOrder2024);
        (s.measurements, s.iterations) = (31_623, 4);
        let entrant = || entrants(&s).into_iter().next().unwrap();
        let run = |seed| regret("budget", &entrant(), seed, 0, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1)[0], run(2)[0]);
        assert_eq!(run(1)[0].points.len(), 2);
    }
}
