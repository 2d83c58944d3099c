//! Xu, Shen, Chi & Ma, "The power of preconditioning in overparameterized low-rank matrix sensing", ICML 2023: damped
//! preconditioning from a small random start, with more columns than the rank.

use super::contest::{at_least, entrant, gaussian, listed, of, pass, several, span};
use super::figure::{Of, Picture, View};
use super::race::{Heat, RaceEntry};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::methods::Method;
use lowrank::solver::{Init, InitStd, Trial};

const PAPER: &str = "arXiv 2302.01186";
/// λ over σ_min(X)², inside the interval of the theorem, [c/100, c] with a small constant c.
const DAMPING: f64 = 0.1;
/// Scale α of the start, whose entries are N(0, α²/n).
const SCALE: f64 = 1e-9;
/// Maximal number of iterations of ScaledGD(λ).
const SCALED: usize = 400;

pub(super) struct ScaledGdLambda;

/// Returns ‖M‖_F for X with singular values evenly spaced from 1 to 1/κ.
fn norm(s: &Rerun, kappa: f64) -> f64 {
    let step = (1.0 - 1.0 / kappa) / (s.rank.max(2) - 1) as f64;
    (0..s.rank).map(|j| (1.0 - step * j as f64).powi(4)).sum::<f64>().sqrt()
}

/// Returns the relative error at which the weakest direction is correct up to the share `target` of σ_min(M).
fn target(s: &Rerun, kappa: f64) -> f64 {
    s.target / (kappa * kappa * norm(s, kappa))
}

impl Room for ScaledGdLambda {
    fn title(&self) -> &'static str {
        "Damped scaled descent from a small random start"
    }

    fn source(&self) -> &'static str {
        "arXiv 2302.01186"
    }

    fn claimed(&self) -> &'static str {
        "damped scaled descent from a small random start finds all directions at once"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let n = if quick { 60 } else { 150 };
        Rerun {
            study: Relative::ScaledGdLambda2023,
            n,
            rank: 3,
            search_rank: 5,
            measurements: 30 * n,
            condition_numbers: vec![2.0, 5.0, 10.0, 20.0, 40.0, 80.0],
            step_size: 0.3,
            target: 0.1,
            iterations: 3000,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "Two methods recover a {n}×{n} matrix M = XXᵀ of rank {r} from {m} Gaussian measurements with a \
                 factor of {k} columns that starts almost at zero. Gradient descent finds the directions of M one \
                 after another, the weak ones after a number of iterations proportional to κ(M) = κ(X)². With the \
                 gradient multiplied by (UᵀU + λI)⁻¹ all directions grow at once: the number of iterations until \
                 the weakest one has grown is at most of order log κ.",
                n = s.n,
                r = s.rank,
                m = s.measurements,
                k = s.search_rank
            ),
            format!(
                "The setting reconstructs that of Xu, Shen, Chi and Ma, arXiv 2302.01186, from memory: sizes, μ = \
                 {}, κ up to about 80, entries of the start N(0, α²/n) with α = {SCALE:e}, singular values of X \
                 evenly spaced from 1 to 1/κ(X). λ = {DAMPING} σ_min(X)² lies in the interval of their theorem, \
                 whose constant is unknown. κ is that of X unless stated as κ(M). A fixed relative error would not \
                 be a fair target, because the weakest of three directions is 1/6400 of M at κ = 80: the claims \
                 count the iterations until the error is {} σ_min(M).",
                s.step_size, s.target
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let problem = gaussian(s, false)?;
        let entries =
            |name: &str| s.condition_numbers.iter().map(|k| RaceEntry::new(name, *k, format!("κ(X) = {k}"))).collect();
        let start = || Init::SmallRandom { scale: SCALE, seed: s.seed };
        // Each trial has its own target: the race goes on until the last one is there, or for its iterations.
        let trials = |damped: bool| {
            let trial = |(j, kappa): (usize, &f64)| {
                let trial = Trial::default().instance(j);
                if damped { trial.damping(DAMPING / (kappa * kappa)) } else { trial }
            };
            s.condition_numbers.iter().enumerate().map(trial).collect()
        };
        let least = s.condition_numbers.iter().map(|k| target(s, *k)).fold(f64::INFINITY, f64::min);
        let heat = |name: &str, method: Method, trials: Vec<Trial>, every: usize, iterations: usize| Heat {
            name: name.into(),
            problem: problem.clone(),
            settings: entrant(s, method, every, iterations, 0.1 * least)
                .init(start())
                .init_std(InitStd::Size)
                .step_size(s.step_size)
                .trials(trials),
            entries: entries(name),
            work: pass(s) * iterations as f64,
        };
        Ok(vec![
            heat("scaled-gd", Method::scaled_gd().into(), trials(true), 1, SCALED),
            heat("gd", Method::gd().into(), trials(false), 10, s.iterations),
        ])
    }

    fn pictures<'a>(&self, s: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        vec![Picture {
            title: "Errors of damped scaled and of plain gradient descent",
            of: Of::Error,
            powers: true,
            views: vec![
                View { title: format!("ScaledGD(λ), λ = {DAMPING} σ_min(X)²"), courses: of(courses, "scaled-gd") },
                View { title: "Gradient descent".into(), courses: of(courses, "gd") },
            ],
            caption: format!(
                "Relative error against the iteration on logarithmic axes; μ = {}, start N(0, α²/n), α = \
                 {SCALE:e}. With a small λ the first iterations overshoot, by up to μ²/(4λ) in UUᵀ; each later \
                 iteration reduces the overshoot by a factor of (1 − μ)².",
                s.step_size
            ),
        }]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], _: &[MeasuredCurve]) -> Vec<Claim> {
        vec![reaches(s, courses), nearly_flat(s, courses), grows(s, courses), pays(s, courses)]
    }
}

fn counted(s: &Rerun, runs: &[&RaceCourse]) -> String {
    let one = |course: &&RaceCourse| match course.iterations_to(target(s, course.entry.condition_number)) {
        Some(t) => t.to_string(),
        None => format!(">{}", course.iterations()),
    };
    runs.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn reaches(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let runs = of(courses, "scaled-gd");
    let draft = Draft::new(
        "lambda-reaches",
        PAPER,
        Value::text(format!("all within {SCALED}")),
        format!(
            "ScaledGD(λ) finds the weakest direction (error ≤ {} σ_min(M)) at κ(X) = {} within {SCALED} iterations",
            s.target,
            listed(&s.condition_numbers)
        ),
    );
    let missed = |c: &&&RaceCourse| c.reached(target(s, c.entry.condition_number)).is_none();
    let late: Vec<String> =
        runs.iter().filter(missed).map(|c| format!("κ = {}: {}", c.entry.condition_number, c.status)).collect();
    let holds = !runs.is_empty() && late.is_empty();
    draft.judge(Value::text(counted(s, &runs)), holds, (!holds).then(|| late.join("; ")))
}

/// Returns the exponent p of iterations ~ κ(X)^p.
fn exponent(s: &Rerun, runs: &[&RaceCourse]) -> Option<f64> {
    let points = runs.iter().map(|c| {
        let kappa = c.entry.condition_number;
        (kappa, at_least(c, target(s, kappa)))
    });
    Some(fit_power(points)?.slope)
}

fn nearly_flat(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let runs = of(courses, "scaled-gd");
    let draft = Draft::new(
        "lambda-log-kappa",
        PAPER,
        Value::text("≤ 0.5"),
        "the iterations of ScaledGD(λ) to that error grow like a power of κ(X) of at most 0.5 (the theorem has log κ, which \
         over this range fits a power of about 0.3; gradient descent has 2)",
    );
    if !several(s) {
        return draft.not_applicable(Value::None, "there is one condition number");
    }
    let p = exponent(s, &runs);
    let all = runs.iter().all(|c| c.reached(target(s, c.entry.condition_number)).is_some());
    draft.judge(Value::number(p), all && p.is_some_and(|p| p <= 0.5), Some(counted(s, &runs)))
}

fn grows(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let runs = of(courses, "gd");
    let draft = Draft::new(
        "gd-grows",
        PAPER,
        Value::text("≥ 1"),
        "those of gradient descent grow like a power of κ(X) of at least 1 (the analysis has 2; fitted to those that reached the \
         error, and the first that did not with the iterations it had)",
    );
    let done = runs.iter().take_while(|c| c.reached(target(s, c.entry.condition_number)).is_some()).count();
    if !several(s) || runs.len() < 2 || done == 0 {
        return draft.not_applicable(Value::text(counted(s, &runs)), "fewer than two condition numbers to compare");
    }
    let used = &runs[..(done + 1).min(runs.len())];
    let p = exponent(s, used);
    draft.judge(Value::number(p), p.is_some_and(|p| p >= 1.0), Some(counted(s, &runs)))
}

fn pays(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let (_, kappa) = span(s);
    let draft = Draft::new(
        "lambda-pays",
        PAPER,
        Value::text("≥ 10"),
        format!(
            "at κ(X) = {kappa} gradient descent needs at least 10 times the iterations of ScaledGD(λ) (counted to its last \
             iteration where the error is not reached)"
        ),
    );
    let find = |name: &str| courses.iter().find(|c| c.entry.name == name && c.entry.condition_number == kappa);
    let (Some(scaled), Some(gd)) = (find("scaled-gd"), find("gd")) else {
        return draft.not_applicable(Value::None, "the run is missing");
    };
    match scaled.iterations_to(target(s, kappa)) {
        Some(t) => {
            let factor = at_least(gd, target(s, kappa)) / t.max(1) as f64;
            draft.judge(Value::number(factor), factor >= 10.0, None)
        }
        None => draft.fails(Value::None, "ScaledGD(λ) did not reach it"),
    }
}
