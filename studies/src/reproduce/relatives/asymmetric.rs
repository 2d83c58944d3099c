//! Two factors without a balancing term: Soltanolkotabi, Stöger & Xie 2023 (small starts stay balanced), and Xiong,
//! Ding & Du 2023 (unequal starts converge fast if k exceeds the rank).

use super::contest::{all_reach, entrant, gaussian, of, pass};
use super::figure::{Of, Picture, View};
use super::race::{Heat, RaceEntry};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::internals::{Purpose, normals};
use lowrank::methods::Method;
use lowrank::problem::{Domain, Factors};
use lowrank::solver::{Init, Trial};
use std::ops::RangeInclusive;

const BALANCING: &str = "arXiv 2303.14244";
const UNEQUAL: &str = "arXiv 2310.01769";
/// α of the small starts.
const SMALL: [f64; 2] = [1e-3, 1e-5];
/// μ of the runs for the origin of the imbalance, over the study's μ.
const STEPS: [f64; 3] = [1.0, 0.5, 0.25];
/// Iterations of a small start times μ.
const SMALL_TIME: f64 = 100.0;
/// α of the large starts.
const LARGE: f64 = 0.3;
/// Size of R over that of L.
const RATIO: f64 = 1.0 / 3.0;

/// Iterations of wide factors over those of the others: more columns have a smaller least singular value, which is the rate.
const WIDE_TIME: usize = 8;
/// Errors between which iterations are counted, and those for wide factors.
const LEVELS: [f64; 3] = [1e-4, 1e-8, 1e-12];
const WIDE_LEVELS: [f64; 3] = [1e-3, 1e-6, 1e-9];

/// Name of the run from unequal factors with k columns.
fn wide(columns: usize) -> String {
    format!("wide-{columns}")
}

/// Returns the numbers of columns of the unequal starts beside the study's own: twice and eight times the rank, and all that
/// there are.
fn widths(s: &Rerun) -> Vec<usize> {
    let mut widths = vec![2 * s.rank, 8 * s.rank, s.n];
    widths.retain(|k| *k != s.search_rank && *k > s.rank && *k <= s.n);
    widths.dedup();
    widths
}

pub(super) struct Asymmetric;

fn small(scale: f64) -> String {
    format!("small-{scale:e}")
}

fn slowed(step: f64) -> String {
    format!("step-{step}")
}

impl Room for Asymmetric {
    fn title(&self) -> &'static str {
        "Two factors stay balanced, and unbalanced factors converge faster"
    }

    fn source(&self) -> &'static str {
        "arXiv 2303.14244 and 2310.01769"
    }

    fn claimed(&self) -> &'static str {
        "two factors stay balanced from small starts; unequal starts converge faster"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let (n, rank) = if quick { (40, 2) } else { (80, 3) };
        Rerun {
            study: Relative::Asymmetric2023,
            n,
            rank,
            search_rank: 4 * rank,
            measurements: 20 * n * rank,
            condition_numbers: vec![1.0],
            step_size: 0.25,
            target: 1e-8,
            iterations: 2000,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "Plain gradient descent recovers a {n}×{n} matrix M of rank {r} as LRᵀ with {k} columns from {m} \
                 Gaussian measurements, without a balancing term. From a small random start L and R stay balanced: \
                 the final LᵀL − RᵀR is proportional to the step and does not depend on the start, because \
                 gradient flow would conserve it. From a larger start the excess columns decide: equal factors \
                 converge slowly, unequal ones, with R a third of L, linearly, whatever their number, but more slowly the more \
                 there are.",
                n = s.n,
                r = s.rank,
                k = s.search_rank,
                m = s.measurements
            ),
            format!(
                "The settings reconstruct those of arXiv 2303.14244 and 2310.01769: no balancing term, small \
                 random starts, and factors at the scales α and α/3; the sizes and μ = {} are our own choice. κ(M) \
                 = 1. In the balanced start, R is a row permutation of L, so that LᵀL = RᵀR exactly.",
                s.step_size
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let problem = gaussian(s, true)?;
        let kappa = s.condition_numbers[0];
        let gd = |every: usize, iterations: usize, error: f64| {
            entrant(s, Method::gd(), every, iterations, error).step_size(s.step_size)
        };
        let random = |scale: f64| Init::SmallRandom { scale, seed: s.seed };
        let time = |step: f64| (SMALL_TIME / (step * s.step_size)).ceil() as usize;
        let heat = |name: &str, settings, entries: Vec<RaceEntry>, iterations: usize| Heat {
            name: name.into(),
            problem: problem.clone(),
            settings,
            entries,
            work: pass(s) * iterations as f64,
        };
        let mut heats = vec![heat(
            "small starts",
            gd(2, time(1.0), 1e-15).init(random(SMALL[0])).trials(SMALL.map(|a| Trial::default().init_scale(a))),
            SMALL.map(|a| RaceEntry::new(&small(a), kappa, format!("α = {a:e}, μ = {}", s.step_size))).to_vec(),
            time(1.0),
        )];
        for step in STEPS.into_iter().filter(|step| *step < 1.0) {
            let mu = step * s.step_size;
            let settings = gd(4, time(step), 1e-15).init(random(SMALL[1])).step_size(mu);
            let entry = RaceEntry::new(&slowed(step), kappa, format!("α = {:e}, μ = {mu}", SMALL[1]));
            heats.push(heat(&format!("μ = {mu}"), settings, vec![entry], time(step)));
        }
        let entry = |name: &str, label: &str| vec![RaceEntry::new(name, kappa, label)];
        let starts = [
            (
                gd(5, s.iterations, 1e-13).init(random(LARGE)).init_scale_ratio(RATIO),
                entry("unequal", "R₀ a third of L₀"),
            ),
            (gd(5, s.iterations, 1e-13).init(random(LARGE)), entry("equal", "R₀ of the size of L₀")),
            (gd(5, s.iterations, 1e-13).init(balanced(s)?), entry("balanced", "L₀ᵀL₀ = R₀ᵀR₀")),
        ];
        heats.extend(starts.map(|(settings, entry)| heat(&entry[0].name.clone(), settings, entry, s.iterations)));
        for k in widths(s) {
            let iterations = if k < s.n { WIDE_TIME * s.iterations } else { s.iterations };
            let settings = gd(5, iterations, WIDE_LEVELS[2]).init(random(LARGE)).init_scale_ratio(RATIO).search_rank(k);
            heats.push(heat(&wide(k), settings, entry(&wide(k), &format!("R₀ a third of L₀, k = {k}")), iterations));
        }
        Ok(heats)
    }

    fn pictures<'a>(&self, s: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        let is_large = |c: &&RaceCourse| {
            let name = c.entry.name.as_str();
            ["unequal", "equal", "balanced"].contains(&name) || widths(s).into_iter().any(|k| name == wide(k))
        };
        let (large, small): (Vec<&RaceCourse>, Vec<&RaceCourse>) = courses.iter().partition(is_large);
        let panels = |what: &str| {
            vec![
                View { title: format!("{what} from small starts"), courses: small.clone() },
                View { title: format!("{what} from α = {LARGE}"), courses: large.clone() },
            ]
        };
        let caption = format!("Plain gradient descent on two factors; μ = {} unless stated otherwise.", s.step_size);
        vec![
            Picture {
                title: "Errors",
                of: Of::Error,
                powers: false,
                views: panels("Errors"),
                caption: format!("Relative error against the iteration. {caption}"),
            },
            Picture {
                title: "Imbalance of the factors",
                of: Of::Imbalance,
                powers: false,
                views: panels("Imbalance"),
                caption: format!("‖LᵀL − RᵀR‖_F against the iteration; ‖M‖ = 1. {caption}"),
            },
        ]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], _: &[MeasuredCurve]) -> Vec<Claim> {
        let mut claims = vec![error_falls(courses), stays_small(courses), step_decides(s, courses)];
        claims.extend([
            start_does_not(courses),
            linear(courses),
            at_other_widths(s, courses),
            at_full_width(s, courses),
            slower(s, courses),
        ]);
        claims
    }
}

/// Returns the start L₀ = αG, with R₀ the rows of L₀ in reverse order: RᵀR = LᵀL.
fn balanced(s: &Rerun) -> Result<Init> {
    let (n, k) = (s.n, s.search_rank);
    let left = normals(s.seed, Purpose::Init, LARGE / (k as f64).sqrt(), n * k);
    let right: Vec<f64> = left.chunks(k).rev().flatten().copied().collect();
    Ok(Init::Given(Factors::pair(1, Domain::rectangular(n, n), k, left, right)?))
}

fn one<'a>(courses: &'a [RaceCourse], name: &str) -> Option<&'a RaceCourse> {
    of(courses, name).first().copied()
}

fn last_imbalance(course: &RaceCourse) -> Option<f64> {
    course.trace.last()?.imbalance.filter(|v| v.is_finite() && *v > 0.0)
}

fn error_falls(courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "small-start-error",
        BALANCING,
        Value::text("≥ 10, and ≤ 1e-4"),
        format!(
            "the final error of a small start falls with α: from α = {:e} to {:e} at least tenfold, to at most \
             1e-4 (the theorem has a power of α near 1, which would be a hundredfold)",
            SMALL[0], SMALL[1]
        ),
    );
    let errors: Option<Vec<f64>> = SMALL.iter().map(|a| one(courses, &small(*a))?.last_error()).collect();
    match errors.as_deref() {
        Some(&[large, small]) => {
            let holds = large / small >= 10.0 && small <= 1e-4;
            draft.judge(Value::number(large / small), holds, Some(format!("{large:.1e}, then {small:.1e}")))
        }
        _ => draft.fails(Value::None, "a run ended without a finite error"),
    }
}

fn stays_small(courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "balanced-by-itself",
        BALANCING,
        Value::text("≤ 1e-2"),
        "from small starts ‖LᵀL − RᵀR‖ never exceeds 1e-2 ‖M‖, without a balancing term (‖LᵀL‖ itself ends near ‖M‖)",
    );
    let runs: Vec<&RaceCourse> = SMALL.iter().filter_map(|a| one(courses, &small(*a))).collect();
    let values = || runs.iter().flat_map(|c| c.trace.iter().filter_map(|row| row.imbalance));
    let worst = values().fold(0.0, f64::max);
    let grown = runs.iter().all(|c| c.last_error().is_some_and(|e| e < 0.1));
    let note = (!grown).then(|| "a run did not recover M, so the imbalance of its factors has no meaning".to_owned());
    draft.judge(Value::number(worst), !runs.is_empty() && grown && worst <= 1e-2, note)
}

fn step_decides(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "imbalance-from-step",
        "consequence of gradient flow conserving LᵀL − RᵀR",
        Value::text("0.7 to 1.4"),
        "the step determines the final LᵀL − RᵀR: over μ, μ/2 and μ/4 its final size follows a power of μ between \
         0.7 and 1.4 (each step changes it by order μ², and the number of steps is of order 1/μ)",
    );
    let point = |step: &f64| {
        let name = if *step < 1.0 { slowed(*step) } else { small(SMALL[1]) };
        Some((step * s.step_size, last_imbalance(one(courses, &name)?)?))
    };
    let points: Vec<(f64, f64)> = STEPS.iter().filter_map(point).collect();
    let slope = fit_power(points.iter().copied()).map(|line| line.slope);
    let shown: Vec<String> = points.iter().map(|(mu, size)| format!("{size:.1e} at μ = {mu}")).collect();
    let holds = points.len() == STEPS.len() && slope.is_some_and(|p| (0.7..=1.4).contains(&p));
    draft.judge(Value::number(slope), holds, Some(shown.join(", ")))
}

fn start_does_not(courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "imbalance-not-from-start",
        "consequence of gradient flow conserving LᵀL − RᵀR",
        Value::text("≤ 2"),
        format!(
            "the start does not determine it: at α = {:e} its final size is within a factor of two of that at α = \
             {:e}, although it began ten thousand times as large",
            SMALL[0], SMALL[1]
        ),
    );
    let sizes: Option<Vec<f64>> = SMALL.iter().map(|a| last_imbalance(one(courses, &small(*a))?)).collect();
    match sizes.as_deref() {
        Some(&[a, b]) => draft.judge(Value::number((a / b).max(b / a)), a.max(b) <= 2.0 * a.min(b), None),
        _ => draft.fails(Value::None, "a run ended without a finite imbalance"),
    }
}

fn linear(courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "unequal-linear",
        UNEQUAL,
        Value::text("0.6 to 1.6"),
        format!(
            "with R₀ a third of L₀ = {LARGE}·G the error falls linearly although k > r*: from 1e-8 to 1e-12 it takes as many \
             iterations as from 1e-4 to 1e-8, within a factor of 1.6"
        ),
    );
    let Some(run) = one(courses, "unequal") else { return draft.not_applicable(Value::None, "the run is missing") };
    match evenness(run, LEVELS) {
        Some((factor, times)) => {
            let [first, middle, last] = times;
            let holds = EVEN.contains(&factor);
            draft.judge(Value::number(factor), holds, Some(format!("iterations {first}, {middle}, {last}")))
        }
        None => all_reach(draft, &[run], 1e-12),
    }
}

/// Factors between the iterations for four digits and for the four before that count as linear convergence.
const EVEN: RangeInclusive<f64> = 0.6..=1.6;

/// Returns the iterations from the second to the third error over those from the first to the second, and the iterations to
/// each.
fn evenness(run: &RaceCourse, errors: [f64; 3]) -> Option<(f64, [usize; 3])> {
    let at = |error: f64| run.iterations_to(error);
    let [first, middle, last] = [at(errors[0])?, at(errors[1])?, at(errors[2])?];
    Some(((last - middle) as f64 / (middle - first).max(1) as f64, [first, middle, last]))
}

fn at_other_widths(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let others: Vec<usize> = widths(s).into_iter().filter(|k| *k < s.n).collect();
    let shown: Vec<String> = others.iter().map(ToString::to_string).collect();
    let draft = Draft::new(
        "unequal-wide",
        UNEQUAL,
        Value::text("0.6 to 1.6 at each"),
        format!("the same from 1e-3 to 1e-6 to 1e-9 with k = {} columns", shown.join(" and ")),
    );
    at_widths(draft, &others, courses)
}

fn at_full_width(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let unknown = s.n * s.n;
    let draft = Draft::new(
        "unequal-full-width",
        UNEQUAL,
        Value::text("0.6 to 1.6"),
        format!(
            "the same with k = n = {} columns. The least singular value of a square Gaussian start is nearly 0, and so is the \
             rate; {} measurements of {unknown} numbers have no isometry for matrices of that rank",
            s.n, s.measurements
        ),
    );
    at_widths(draft, &[s.n], courses)
}

fn at_widths(draft: Draft, widths: &[usize], courses: &[RaceCourse]) -> Claim {
    let runs: Vec<&RaceCourse> = widths.iter().filter_map(|k| one(courses, &wide(*k))).collect();
    if runs.is_empty() || runs.len() < widths.len() {
        return draft.not_applicable(Value::None, "a run is missing, or no such number of columns is possible");
    }
    let found: Option<Vec<(f64, [usize; 3])>> = runs.iter().map(|run| evenness(run, WIDE_LEVELS)).collect();
    let Some(found) = found else { return all_reach(draft, &runs, WIDE_LEVELS[2]) };
    let factors: Vec<String> = found.iter().map(|(factor, _)| format!("{factor:.2}")).collect();
    let ends: Vec<String> = found.iter().map(|(_, times)| times[2].to_string()).collect();
    let holds = found.iter().all(|(factor, _)| EVEN.contains(factor));
    draft.judge(Value::text(factors.join(", ")), holds, Some(format!("{} iterations to 1e-9", ends.join(" and "))))
}

fn slower(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "balanced-slower",
        UNEQUAL,
        Value::text("≥ 2, and ≥ 1000"),
        format!(
            "if R₀ has the size of L₀, it takes at least twice the iterations to {:e}; if L₀ᵀL₀ = R₀ᵀR₀, the error \
             is at least 1000 times as large when the unequal start has reached {:e} (balanced factors with k > r* \
             converge like 1/t)",
            s.target, s.target
        ),
    );
    let found = ["unequal", "equal", "balanced"].map(|name| one(courses, name));
    let [Some(unequal), Some(equal), Some(balanced)] = found else {
        return draft.not_applicable(Value::None, "the run is missing");
    };
    let Some(t) = unequal.iterations_to(s.target) else {
        return draft.fails(Value::None, "the unequal start did not reach it");
    };
    let factor = equal.iterations_to(s.target).unwrap_or(equal.iterations()) as f64 / t.max(1) as f64;
    let error = balanced.trace.iter().find(|row| row.iteration >= t).and_then(|row| row.relative_error);
    let holds = factor >= 2.0 && error.is_some_and(|e| e >= 1000.0 * s.target);
    let error = error.map_or("none".into(), |e| format!("{e:.1e}"));
    draft.judge(Value::text(format!("{factor:.1}, and {error} against {:.0e}", s.target)), holds, None)
}
