//! Approximate Gauss–Newton descent with more columns than the rank, NeurIPS 2024: the table of times.

use super::contest::{all_reach, at, at_least, counts, entrant, gaussian, listed, of, pass, several};
use super::figure::{Of, Picture, View};
use super::race::{Heat, RaceEntry};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::reproduce::claims::{Claim, Draft, Value};
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::methods::{Method, StepRule};
use lowrank::problem::Truth;
use lowrank::solver::{Init, InitStd, Problem, Trial};

const PAPER: &str = "AGN, NeurIPS 2024, table 2";
/// λ of ScaledGD(λ) over ‖M‖, far below the final residual, because a constant damping limits the excess columns at
/// the end.
const DAMPING: f64 = 1e-12;
/// Standard deviation of the start's entries.
const ENTRIES: f64 = 0.1;
/// Target in seconds for the fastest method.
const SECONDS: f64 = 10.0;

/// Name, label, method, step (if it has one) and passes over the measurements per iteration.
type Contender = (&'static str, &'static str, Method, Option<f64>, f64);

fn contenders(s: &Rerun) -> Vec<Contender> {
    let half = Some(s.step_size);
    let (agn, exact) = (Method::alt_scaled_gd(), Method::alt_scaled_gd().step_rule(StepRule::Exact));
    vec![
        ("prec-gd", "PrecGD", Method::prec_gd().into(), half, 1.0),
        ("scaled-gd", "ScaledGD(λ)", Method::scaled_gd().damping(DAMPING).into(), half, 1.0),
        ("agn", "AGN, μ = 1/2", agn.into(), half, 2.0),
        ("agn-unit", "AGN, μ = 1", agn.into(), Some(1.0), 2.0),
        ("agn-exact", "AGN, exact steps", exact.into(), None, 4.0),
        ("cg", "conjugate gradients", Method::cg().into(), None, 2.0),
    ]
}

pub(super) struct Agn;

impl Room for Agn {
    fn title(&self) -> &'static str {
        "Preconditioned methods with more columns than the rank"
    }

    fn source(&self) -> &'static str {
        "approximate Gauss–Newton, NeurIPS 2024"
    }

    fn claimed(&self) -> &'static str {
        "preconditioned methods keep their linear rate with more columns than the rank"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let (n, rank) = if quick { (40, 3) } else { (100, 5) };
        Rerun {
            study: Relative::Agn2024,
            n,
            rank,
            search_rank: 3 * rank,
            measurements: 50 * n * rank,
            condition_numbers: vec![10.0, 50.0],
            step_size: 0.5,
            target: 1e-10,
            iterations: 1000,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "All methods recover a {n}×{n} matrix of rank {r} from {m} Gaussian measurements with factors of \
                 {k} columns, three times as many as needed, from a random start of moderate size. The excess \
                 columns and the condition number both slow gradient descent. They do not slow methods that scale \
                 the gradient by the inverse, or pseudo-inverse, of the other factor's Gram matrix.",
                n = s.n,
                r = s.rank,
                m = s.measurements,
                k = s.search_rank
            ),
            format!(
                "The setting is a reconstruction of the second table of the paper on approximate Gauss–Newton \
                 descent (AGN) from its published code: singular values evenly spaced from 1 to 1/κ(M), entries of \
                 the start N(0, 1/100), μ = 1/2, and the sizes of the table. κ is κ(M). λ of ScaledGD(λ) is \
                 {DAMPING:e}‖M‖; the published λ is unknown, and with λ = 1e-3‖M‖ the last digits take thousands \
                 of iterations. Seconds count the iterations with an observation after each, without making or \
                 loading the measurements; the published ones, for MATLAB on a laptop, are 500+ (GD), 87 and 95 \
                 (PrecGD), 56 and 69 (ScaledGD(λ)), 27 and 26 (AGN) for κ(M) = 10 and 50."
            ),
            format!(
                "M has {} entries, and there are {} measurements: {}.",
                s.n * s.n,
                s.measurements,
                if s.measurements >= s.n * s.n {
                    "only M fits all of them, so the comparison is about speed alone"
                } else {
                    "other matrices than M fit all of them"
                }
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let problem = gaussian(s, true)?;
        let scale = ENTRIES * (s.search_rank as f64).sqrt();
        let start = || Init::SmallRandom { scale, seed: s.seed };
        let mut heats = Vec::new();
        for (index, &kappa) in s.condition_numbers.iter().enumerate() {
            for (name, label, method, step, passes) in contenders(s) {
                let mut settings = entrant(s, method, 1, s.iterations, s.target)
                    .init(start())
                    .init_std(InitStd::SearchRank)
                    .trials([Trial::default().instance(index)]);
                if let Some(step) = step {
                    settings = settings.step_size(step);
                }
                heats.push(Heat {
                    name: format!("{name}, κ = {kappa}"),
                    // One observation vector: a load that has others would carry them through every observation.
                    problem: alone(&problem, index)?,
                    settings: settings.trials([Trial::default()]),
                    entries: vec![RaceEntry::new(name, kappa, label)],
                    work: 80.0 * passes * pass(s),
                });
            }
        }
        heats.push(Heat {
            name: "gd".into(),
            problem,
            settings: entrant(s, Method::gd(), 5, s.iterations, s.target).init(start()).step_size(s.step_size),
            entries: s.condition_numbers.iter().map(|k| RaceEntry::new("gd", *k, "gradient descent")).collect(),
            work: s.iterations as f64 * pass(s),
        });
        Ok(heats)
    }

    fn pictures<'a>(&self, s: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        let longest = courses.iter().filter(|c| c.entry.name != "gd").map(RaceCourse::iterations).max().unwrap_or(0);
        let view = |kappa: &f64| View {
            title: format!("κ(M) = {kappa}"),
            courses: courses.iter().filter(|c| c.entry.condition_number == *kappa).collect(),
        };
        vec![Picture {
            title: "Errors of the methods",
            of: Of::Error,
            powers: true,
            views: s.condition_numbers.iter().map(view).collect(),
            caption: format!(
                "Relative error after each iteration on logarithmic axes, all methods from one start; μ = {} \
                 unless stated otherwise. Gradient descent was stopped after {} iterations, the other methods \
                 finished after {longest}. An iteration of AGN or of conjugate gradients reads the measurements \
                 twice, one of AGN with exact steps four times.",
                s.step_size, s.iterations
            ),
        }]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], _: &[MeasuredCurve]) -> Vec<Claim> {
        let (kappas, t) = (listed(&s.condition_numbers), s.target);
        let reach = |id: &str, words: &str| {
            let statement = format!("{words} reaches a relative error of {t:e} at κ(M) = {kappas}");
            Draft::new(id, PAPER, Value::text("every κ(M)"), statement)
        };
        let mut claims = vec![
            all_reach(reach("agn-reaches", "AGN with steps of 1/2"), &of(courses, "agn"), t),
            all_reach(reach("agn-exact-reaches", "AGN with exact steps"), &of(courses, "agn-exact"), t),
            all_reach(reach("precgd-reaches", "PrecGD"), &of(courses, "prec-gd"), t),
            all_reach(reach("scaledgd-reaches", "ScaledGD(λ)"), &of(courses, "scaled-gd"), t),
            independent(s, courses),
            order(s, courses),
            behind(s, courses),
        ];
        claims.extend(s.condition_numbers.iter().flat_map(|k| [fastest(s, courses, *k), near(s, courses, *k)]));
        claims
    }
}

/// Returns the problem with one of its instances.
fn alone(problem: &Problem, index: usize) -> Result<Problem> {
    let y = problem.observations(index).unwrap_or_default();
    let truths: Vec<Truth> = problem.truth(index).into_iter().cloned().collect();
    Problem::new(problem.operator().clone(), y)?.with_truths(truths)
}

fn independent(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "agn-independent",
        PAPER,
        Value::text("within 15 %"),
        format!(
            "the iterations of AGN to {:e} do not depend on κ(M), within 15 % (published seconds: 27 and 26)",
            s.target
        ),
    );
    if !several(s) {
        return draft.not_applicable(Value::None, "there is one condition number");
    }
    let runs = of(courses, "agn");
    let needed: Vec<f64> = runs.iter().map(|course| at_least(course, s.target)).collect();
    let (low, high) =
        (needed.iter().copied().fold(f64::INFINITY, f64::min), needed.iter().copied().fold(0.0, f64::max));
    let holds = runs.iter().all(|course| course.reached(s.target).is_some()) && high <= 1.15 * low;
    draft.judge(Value::text(counts(&runs, s.target)), holds, None)
}

fn order(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "order",
        PAPER,
        Value::text("AGN < ScaledGD(λ) ≤ PrecGD"),
        format!(
            "at every κ(M), AGN with exact steps needs fewer iterations to {:e} than ScaledGD(λ), and that no more than 1.1 \
             times those of PrecGD (the order of the published seconds: 27, 56, 87)",
            s.target
        ),
    );
    let mut measured = Vec::new();
    let mut holds = true;
    for &kappa in &s.condition_numbers {
        let found: Vec<&RaceCourse> =
            ["agn-exact", "scaled-gd", "prec-gd"].iter().filter_map(|name| at(courses, name, kappa)).collect();
        let needed: Vec<Option<usize>> = found.iter().map(|course| course.iterations_to(s.target)).collect();
        holds &= matches!(needed[..], [Some(agn), Some(scaled), Some(prec)] if agn < scaled && scaled as f64 <= 1.1 * prec as f64);
        measured.push(format!("κ(M) = {kappa}: {}", counts(&found, s.target)));
    }
    draft.judge(Value::text(measured.join("; ")), holds, None)
}

fn behind(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "gd-behind",
        PAPER,
        Value::text("≥ 5"),
        format!(
            "at every κ(M), gradient descent needs at least 5 times the passes over the measurements that AGN with steps of 1/2 \
             does to {:e} (published seconds: more than 500 against 27; counted to the last iteration where the error is \
             not reached)",
            s.target
        ),
    );
    let factors: Vec<f64> = (s.condition_numbers.iter())
        .filter_map(|kappa| {
            let (gd, agn) = (at(courses, "gd", *kappa)?, at(courses, "agn", *kappa)?);
            Some(at_least(gd, s.target) / (2.0 * agn.iterations_to(s.target)? as f64))
        })
        .collect();
    let least = factors.iter().copied().fold(f64::INFINITY, f64::min);
    let holds = factors.len() == s.condition_numbers.len() && least >= 5.0;
    draft.judge(Value::number(least), holds, Some(counts(&of(courses, "gd"), s.target)))
}

/// Returns the seconds to the target of each contender that reached it, in ascending order.
fn seconds(s: &Rerun, courses: &[RaceCourse], kappa: f64) -> Vec<(String, f64)> {
    let mut found: Vec<(String, f64)> = (courses.iter())
        // Gradient descent runs in a batch, whose seconds are not those of one trial.
        .filter(|course| course.entry.condition_number == kappa && course.entry.name != "gd")
        .filter_map(|course| Some((course.entry.name.clone(), course.reached(s.target)?.seconds)))
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    found
}

/// Reason why seconds are not judged.
const OTHER_SIZES: &str =
    "the times apply to the published sizes; smaller problems spend little time on the measurements";

fn published(s: &Rerun) -> bool {
    let theirs = Rerun::new(s.study);
    (s.n, s.rank, s.search_rank, s.measurements) == (theirs.n, theirs.rank, theirs.search_rank, theirs.measurements)
}

/// Formats the fastest time, as in "1.23 s (agn)".
fn first(found: &[(String, f64)]) -> Value {
    found.first().map_or(Value::None, |(name, t)| Value::text(format!("{t:.2} s ({name})")))
}

fn fastest(s: &Rerun, courses: &[RaceCourse], kappa: f64) -> Claim {
    let draft = Draft::new(
        &format!("seconds-{kappa}"),
        "a target of this program, not of the paper",
        Value::text(format!("≤ {SECONDS} s")),
        format!(
            "at κ(M) = {kappa} the fastest method reaches {:e} in at most {SECONDS} s of iterating (two cores; \
             best published: 27 s)",
            s.target
        ),
    );
    let found = seconds(s, courses, kappa);
    if !published(s) {
        return draft.not_applicable(first(&found), OTHER_SIZES);
    }
    let all = found.iter().map(|(name, t)| format!("{name} {t:.2} s")).collect::<Vec<_>>().join(", ");
    match found.first() {
        Some((_, t)) => draft.judge(first(&found), *t <= SECONDS, Some(all)),
        None => draft.fails(Value::None, "no method reached it"),
    }
}

fn near(s: &Rerun, courses: &[RaceCourse], kappa: f64) -> Claim {
    let draft = Draft::new(
        &format!("precgd-near-{kappa}"),
        "a target of this program, not of the paper",
        Value::text("≤ 3"),
        format!(
            "at κ(M) = {kappa} PrecGD, which makes no decision on the host, takes at most 3 times as long as the \
             fastest method to {:e} (published: 3.2 and 3.7)",
            s.target
        ),
    );
    let found = seconds(s, courses, kappa);
    if !published(s) {
        return draft.not_applicable(first(&found), OTHER_SIZES);
    }
    let of = |name: &str| found.iter().find(|(other, _)| other == name).map(|found| found.1);
    match (of("prec-gd"), found.first()) {
        (Some(own), Some((_, best))) => draft.judge(Value::number(own / best), own <= 3.0 * best, None),
        _ => draft.fails(Value::None, "PrecGD did not reach it"),
    }
}
