//! Gross outliers: the sum of absolute residuals, minimised by scaled subgradients with geometrically decaying steps,
//! after Tong, Ma & Chi, "Low-rank matrix recovery with scaled subgradient methods", 2021.

use rand::seq::SliceRandom;

use super::contest::{all_reach, at, at_least, counts, entrant, gaussian, listed, of, pass, several, span};
use super::figure::{Of, Picture, View};
use super::race::{Heat, RaceEntry};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::reproduce::claims::{Claim, Draft, Value};
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::internals::{Purpose, normal, stream};
use lowrank::methods::{Method, ScaledGd};
use lowrank::operators::Loss;
use lowrank::problem::Truth;
use lowrank::solver::{Init, Preprocess, Problem};

const PAPER: &str = "arXiv 2010.13364";
/// Share of the observations that are corrupted.
const SHARE: f64 = 0.1;
/// Standard deviation of the outliers over the root mean square of y.
const SIZE: f64 = 10.0;
/// Decay q: the step of iteration t is q^t times Polyak's first one.
const DECAY: f64 = 0.95;
/// Share of Polyak's first step, which is too long if outliers dominate the loss.
const POLYAK: f64 = 0.5;
/// δ of the Huber loss over the root mean square of y.
const DELTA: f64 = 0.01;

pub(super) struct Outliers;

impl Room for Outliers {
    fn title(&self) -> &'static str {
        "A tenth of the observations are wrong"
    }

    fn source(&self) -> &'static str {
        "after arXiv 2010.13364"
    }

    fn claimed(&self) -> &'static str {
        "scaled subgradients recover M although a tenth of the observations are gross outliers"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let (n, rank) = if quick { (40, 3) } else { (100, 5) };
        Rerun {
            study: Relative::Outliers2025,
            n,
            rank,
            search_rank: rank,
            measurements: 10 * n * rank,
            condition_numbers: vec![1.0, 10.0, 50.0],
            step_size: 0.5,
            target: 1e-10,
            iterations: 600,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "The methods recover a {n}×{n} matrix of rank {r} from {m} Gaussian measurements, a tenth of which \
                 are gross outliers: their errors are {SIZE} times as large as y. The square loss fits the \
                 outliers and does not recover the matrix. The sum of absolute residuals has its minimum at M, and \
                 scaled subgradients with geometrically decaying steps reach it at a rate independent of the \
                 condition number.",
                n = s.n,
                r = s.rank,
                m = s.measurements
            ),
            format!(
                "The setting is our own, after arXiv 2010.13364 and later work on robust recovery: a spectral \
                 start from observations truncated at six medians, λ = 0, a first step of {POLYAK} times Polyak's, \
                 and each next step {DECAY} times the one before. The Huber loss has δ = {DELTA} of the root mean \
                 square of the observations without outliers. κ is κ(M)."
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let clean = gaussian(s, true)?;
        let corrupted = corrupt(&clean, s.seed)?;
        let rms = |j: usize| root_mean_square(clean.observations(j).unwrap_or_default());
        let delta = DELTA * (0..clean.instances()).map(rms).fold(0.0, f64::max);
        let heat = |name: &str, method: Method, loss: Loss| Heat {
            name: name.into(),
            problem: corrupted.clone(),
            settings: entrant(s, method, 1, s.iterations, 1e-14)
                .loss(loss)
                .init(Init::Spectral { skip: 0, preprocess: Preprocess::Truncate })
                .step_size(s.step_size),
            entries: s.condition_numbers.iter().map(|k| RaceEntry::new(name, *k, format!("κ(M) = {k}"))).collect(),
            work: pass(s) * s.iterations as f64,
        };
        Ok(vec![
            heat("l1-scaled", shrinking().into(), Loss::L1),
            heat("l1-plain", Method::gd().step_decay(DECAY).polyak_scale(POLYAK).into(), Loss::L1),
            heat("huber-scaled", shrinking().into(), Loss::Huber { delta }),
            heat("square-scaled", Method::scaled_gd().damping(0.0).into(), Loss::Square),
        ])
    }

    fn pictures<'a>(&self, _: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        let view = |name: &str, title: &str| View { title: title.into(), courses: of(courses, name) };
        vec![Picture {
            title: "Errors under four losses and methods",
            of: Of::Error,
            powers: false,
            views: vec![
                view("l1-scaled", "Absolute residuals, scaled subgradients"),
                view("l1-plain", "Absolute residuals, plain subgradients"),
                view("huber-scaled", "Huber loss, scaled gradients"),
                view("square-scaled", "Square loss, scaled gradients"),
            ],
            caption: format!(
                "Relative error after each iteration with a tenth of the observations corrupted; steps decay by \
                 {DECAY} per iteration, those of the square loss are constant."
            ),
        }]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], _: &[MeasuredCurve]) -> Vec<Claim> {
        let runs = of(courses, "l1-scaled");
        let draft = Draft::new(
            "l1-reaches",
            PAPER,
            Value::text("every κ(M)"),
            format!(
                "with the sum of absolute residuals, scaled subgradients reach a relative error of {:e} at κ(M) = {} although \
                 a tenth of the observations are wrong",
                s.target,
                listed(&s.condition_numbers)
            ),
        );
        vec![
            all_reach(draft, &runs, s.target),
            independent(s, &runs),
            plain(s, courses),
            square(s, courses),
            huber(s, courses),
        ]
    }
}

/// Returns scaled subgradients with decaying steps.
fn shrinking() -> ScaledGd {
    Method::scaled_gd().damping(0.0).step_decay(DECAY).polyak_scale(POLYAK)
}

fn root_mean_square(y: &[f64]) -> f64 {
    (y.iter().map(|y| y * y).sum::<f64>() / y.len().max(1) as f64).sqrt()
}

/// Returns the problem with noise N(0, (10·rms)²) on a tenth of each instance's observations.
fn corrupt(problem: &Problem, seed: u64) -> Result<Problem> {
    let (mut observations, mut truths): (Vec<Vec<f64>>, Vec<Truth>) = (Vec::new(), Vec::new());
    for j in 0..problem.instances() {
        let mut y = problem.observations(j).unwrap_or_default().to_vec();
        let (mut rng, size) = (stream(seed, Purpose::Outliers, j as u64), SIZE * root_mean_square(&y));
        let mut order: Vec<usize> = (0..y.len()).collect();
        order.shuffle(&mut rng);
        order.truncate((y.len() as f64 * SHARE).round() as usize);
        order.into_iter().for_each(|at| y[at] += size * normal(&mut rng));
        observations.push(y);
        truths.extend(problem.truth(j).cloned());
    }
    Problem::batch(problem.operator().clone(), observations)?.with_truths(truths)
}

fn independent(s: &Rerun, runs: &[&RaceCourse]) -> Claim {
    let draft = Draft::new(
        "l1-independent",
        PAPER,
        Value::text("≤ 1.15"),
        format!(
            "the iterations to {:e} do not depend on κ(M): the largest count is at most 1.15 times the smallest (the steps set \
             the rate, {DECAY}, and the start costs a few)",
            s.target
        ),
    );
    if !several(s) {
        return draft.not_applicable(Value::None, "there is one condition number");
    }
    let needed = || runs.iter().map(|course| at_least(course, s.target));
    let factor = needed().fold(0.0, f64::max) / needed().fold(f64::INFINITY, f64::min);
    let holds = runs.iter().all(|c| c.reached(s.target).is_some()) && factor <= 1.15;
    draft.judge(Value::number(factor), holds, Some(counts(runs, s.target)))
}

fn plain(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let (_, kappa) = span(s);
    let draft = Draft::new(
        "plain-fails",
        PAPER,
        Value::text("≥ 1e-3"),
        format!(
            "at κ(M) = {kappa} plain subgradients with the same steps end with a relative error of at least 1e-3: \
             their steps vanish before the weak directions have grown"
        ),
    );
    if kappa < 10.0 {
        return draft.not_applicable(Value::None, "the condition number is small");
    }
    match at(courses, "l1-plain", kappa) {
        Some(run) => draft.judge(Value::number(run.last_error()), run.last_error().is_none_or(|e| e >= 1e-3), None),
        None => draft.not_applicable(Value::None, "the run is missing"),
    }
}

fn square(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "square-fails",
        PAPER,
        Value::text("≥ 1e-1"),
        format!(
            "the square loss never gets below a relative error of 1e-1 at κ(M) = {} (it fits the outliers, whose size is {SIZE} \
             times that of y)",
            listed(&s.condition_numbers)
        ),
    );
    let runs = of(courses, "square-scaled");
    let errors = runs.iter().flat_map(|course| course.trace.iter().filter_map(|row| row.relative_error));
    let best = errors.fold(f64::INFINITY, f64::min);
    draft.judge(Value::number(best), !runs.is_empty() && best >= 0.1, None)
}

fn huber(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "huber-floor",
        "consequence of the Huber loss being quadratic below δ",
        Value::text(format!("{:e} to 1e-1", s.target)),
        format!(
            "the Huber loss ends in between, below 1e-1 and above {:e}: outliers pull with the force δ = {DELTA} rms(y), and no \
             residual of that size or less pulls harder",
            s.target
        ),
    );
    let runs = of(courses, "huber-scaled");
    let ends: Vec<f64> = runs.iter().map(|course| course.last_error().unwrap_or(f64::INFINITY)).collect();
    let holds = !ends.is_empty() && ends.iter().all(|e| *e < 0.1 && *e > s.target);
    let shown: Vec<String> = ends.iter().map(|e| format!("{e:.1e}")).collect();
    draft.judge(Value::text(shown.join(", ")), holds, None)
}
