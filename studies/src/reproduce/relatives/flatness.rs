//! Flat products of several factors: Gatmiry, Li, Chuang, Reddi, Ma & Jegelka 2023 (label noise seeks the least trace of the
//! Hessian, which nearly means the least nuclear norm).

use super::contest::{entrant, gaussian, pass};
use super::figure::{Of, Picture, View};
use super::race::{Heat, RaceEntry};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::reproduce::claims::{Claim, Draft, Value};
use lowrank::Result;
use lowrank::diagnostics::Flatness as Measured;
use lowrank::engine::Precision;
use lowrank::methods::Method;
use lowrank::models::Model;
use lowrank::operators::Dense;
use lowrank::problem::{Domain, synthetic};
use lowrank::solver::{Init, Problem, Schedule, Settings, Stop};

const SOURCE: &str = "arXiv 2306.13239";
/// Depths L where the measurements determine M.
const DEPTHS: [usize; 4] = [2, 3, 4, 5];
/// Depths where they do not.
const FEW_DEPTHS: [usize; 2] = [2, 3];
/// α of the moderate start: from a small one descent prefers low rank by itself.
const START: f64 = 0.6;
/// σ where the measurements determine M, and where they do not.
const NOISE: [f64; 2] = [2.0, 1.0];
/// μ in the second part over the study's μ.
const FEW_STEP: f64 = 2.0 / 3.0;
/// Share of the iterations with noise.
const NOISY: f64 = 0.85;
/// ρ of the sharpness-aware run.
const RADIUS: f64 = 0.05;
/// Ridge whose solution nearly has the least nuclear norm.
const RIDGE: f64 = 1e-4;
/// Observations of a run.
const SEEN: usize = 100;

pub(super) struct Flatness;

/// Measurements n² times this determine M.
const MANY: usize = 2;

fn name(part: &str, depth: usize, noisy: bool) -> String {
    format!("{part}-{depth}-{}", if noisy { "noise" } else { "plain" })
}

fn label(depth: usize, noisy: bool) -> String {
    format!("L = {depth}{}", if noisy { ", label noise" } else { "" })
}

/// A rank-one truth with measurements that do not determine it.
fn few(s: &Rerun) -> Result<Problem> {
    let operator = Dense::gaussian(Domain::rectangular(s.n, s.n), s.measurements, s.seed)?;
    Problem::measure(operator, synthetic::asymmetric(s.n, s.n).rank(1).seed(s.seed).build()?)
}

/// Descent on a product of `depth` factors from the moderate start.
fn descent(s: &Rerun, depth: usize, step: f64) -> Settings {
    entrant(s, Method::gd(), s.iterations.div_ceil(SEEN), s.iterations, 0.0)
        .model(Model::deep(depth))
        .init(Init::SmallRandom { scale: START, seed: s.seed })
        .step_size(step)
        .diagnose(true)
}

fn noisy(settings: Settings, s: &Rerun, deviation: f64) -> Settings {
    settings.label_noise(deviation).label_noise_until((NOISY * s.iterations as f64) as usize)
}

impl Room for Flatness {
    fn title(&self) -> &'static str {
        "Label noise makes deep products flat"
    }

    fn source(&self) -> &'static str {
        "arXiv 2306.13239"
    }

    fn claimed(&self) -> &'static str {
        "label noise leads deep products to flat factors, and these to a low nuclear norm"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let (n, iterations) = if quick { (7, 20_000) } else { (10, 240_000) };
        Rerun {
            study: Relative::Flatness2023,
            n,
            rank: 2,
            search_rank: n,
            measurements: 6 * n * n / 10,
            condition_numbers: vec![4.0],
            step_size: 0.06,
            target: 1e-2,
            iterations,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "A product W_L ⋯ W_1 of square factors is fitted to Gaussian measurements of a {n}×{n} matrix by plain gradient \
                 descent from a moderate start, with and without fresh noise on the labels in every iteration. The figure shows \
                 T/T*: the trace of the Hessian over its least value for any factors of the same matrix. With m = {many} \
                 measurements M is determined, and only the factors can become flatter: label noise leads T/T* to 1, and the \
                 middle factors to flat spectra. With m = {m} many matrices fit, and the flat ones have a low nuclear norm: it \
                 falls, and with it the error.",
                n = s.n,
                many = MANY * s.n * s.n,
                m = s.measurements
            ),
            format!(
                "Only the abstract of arXiv 2306.13239 was read; sizes, σ = {} and {}, μ = {} and {:.3} are our own choice, and the \
                 formula T* = L·n^(2/L)·‖M‖_*^(2(L−1)/L) is derived in the documentation of Flatness. κ(M) = {} and rank {} in the \
                 first part, rank 1 in the second. The noise ends after {} of {} iterations. A study of {} × {} matrices, seconds \
                 each: larger ones take longer because the drift along the fits has the time scale 1/(μσ²).",
                NOISE[0],
                NOISE[1],
                s.step_size,
                s.step_size * FEW_STEP,
                s.condition_numbers[0],
                s.rank,
                (NOISY * s.iterations as f64) as usize,
                s.iterations,
                s.n,
                s.n
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let many = Rerun { measurements: MANY * s.n * s.n, ..s.clone() };
        let (determined, few) = (gaussian(&many, true)?, few(s)?);
        let kappa = s.condition_numbers[0];
        let heat = |problem: &Problem, name: String, label: String, settings: Settings, work: f64| Heat {
            name: label.clone(),
            problem: problem.clone(),
            settings,
            entries: vec![RaceEntry::new(&name, kappa, label)],
            work,
        };
        let mut heats = Vec::new();
        for (depth, noise) in DEPTHS.into_iter().flat_map(|depth| [(depth, false), (depth, true)]) {
            let plain = descent(s, depth, s.step_size);
            let settings = if noise { noisy(plain, s, NOISE[0]) } else { plain };
            heats.push(heat(&determined, name("many", depth, noise), label(depth, noise), settings, pass(&many)));
        }
        let sharp = descent(s, 3, s.step_size).sharpness(RADIUS);
        heats.push(heat(&determined, "many-3-sharp".into(), "L = 3 sharpness-aware".into(), sharp, 2.0 * pass(&many)));
        for (depth, noise) in FEW_DEPTHS.into_iter().flat_map(|depth| [(depth, false), (depth, true)]) {
            let plain = descent(s, depth, FEW_STEP * s.step_size);
            let settings = if noise { noisy(plain, s, NOISE[1]) } else { plain };
            heats.push(heat(&few, name("few", depth, noise), label(depth, noise), settings, pass(s)));
        }
        let least = Settings::new(Method::lbfgs())
            .model(Model::asymmetric())
            .search_rank(s.n)
            .precision(s.precision)
            .ridge(RIDGE)
            .diagnose(true)
            .observe(Schedule::Every(50))
            .stop(Stop::default().max_iterations(3000).stall_window(None));
        heats.push(heat(&few, "few-least".into(), "least nuclear norm".into(), least, 0.1 * pass(s)));
        Ok(heats)
    }

    fn pictures<'a>(&self, s: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        let starting = |with: &str| courses.iter().filter(|c| c.entry.name.starts_with(with)).collect::<Vec<_>>();
        let panels = |what: &str| {
            vec![
                View { title: format!("{what}, m = {}", MANY * s.n * s.n), courses: starting("many") },
                View { title: format!("{what}, m = {}", s.measurements), courses: starting("few") },
            ]
        };
        let caption = "Gradient descent on W_L ⋯ W_1 with square factors.";
        vec![
            Picture {
                title: "Trace of the Hessian over the least",
                of: Of::Flatness,
                powers: false,
                views: panels("T/T*"),
                caption: format!(
                    "T/T* for isotropic measurements against the iteration; 1 is the least for the matrix reached. {caption}"
                ),
            },
            Picture {
                title: "Nuclear norm",
                of: Of::Nuclear,
                powers: false,
                views: panels("Nuclear norm"),
                caption: format!("‖M‖_* of the product against the iteration. {caption}"),
            },
        ]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], _: &[MeasuredCurve]) -> Vec<Claim> {
        let mut claims =
            vec![flat(s, courses), steep(courses), recovered(s, courses), middle(s, courses), sharp(courses)];
        claims.extend(FEW_DEPTHS.map(|depth| nuclear(courses, depth)));
        claims.extend(FEW_DEPTHS.map(|depth| error(s, courses, depth)));
        claims
    }
}

fn course<'a>(courses: &'a [RaceCourse], name: &str) -> Option<&'a RaceCourse> {
    courses.iter().find(|course| course.entry.name == name)
}

fn last(courses: &[RaceCourse], name: &str) -> Option<Measured> {
    course(courses, name)?.trace.last()?.flatness
}

/// T/T* at the end.
fn ratio(courses: &[RaceCourse], name: &str) -> Option<f64> {
    last(courses, name).map(|found| found.isotropic / found.least)
}

fn shown(values: &[f64]) -> String {
    values.iter().map(|v| format!("{v:.3}")).collect::<Vec<_>>().join(", ")
}

fn flat(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "noise-flattens",
        SOURCE,
        Value::text("≤ 1.1"),
        format!(
            "with m = {} label noise leads T/T* at every depth L = 2 to 5 to at most 1.1: the trace of the Hessian is nearly the \
             least for the same matrix",
            MANY * s.n * s.n
        ),
    );
    let found: Option<Vec<f64>> = DEPTHS.iter().map(|depth| ratio(courses, &name("many", *depth, true))).collect();
    match found {
        Some(all) => draft.judge(Value::text(shown(&all)), all.iter().all(|v| *v <= 1.1), None),
        None => draft.fails(Value::None, "a run ended without finite factors"),
    }
}

fn steep(courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "plain-descent-does-not",
        SOURCE,
        Value::text("≥ 1.3"),
        "without noise T/T* stays at 1.3 or more for L = 3 to 5 (balanced factors alone have 1.3 to 1.44, computed independently)",
    );
    let found: Option<Vec<f64>> =
        DEPTHS[1..].iter().map(|depth| ratio(courses, &name("many", *depth, false))).collect();
    match found {
        Some(all) => draft.judge(Value::text(shown(&all)), all.iter().all(|v| *v >= 1.3), None),
        None => draft.fails(Value::None, "a run ended without finite factors"),
    }
}

fn recovered(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "same-matrix",
        SOURCE,
        Value::number(s.target),
        format!("all of these runs end at the same matrix: relative error at most {}", s.target),
    );
    let runs: Vec<&RaceCourse> =
        courses.iter().filter(|c| c.entry.name.starts_with("many") && !c.entry.name.ends_with("sharp")).collect();
    let worst = runs.iter().map(|run| run.last_error().unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
    draft.judge(Value::number(worst), !runs.is_empty() && worst <= s.target, None)
}

fn middle(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let balanced = s.condition_numbers[0].cbrt();
    let bound = 0.5 * (1.0 + balanced);
    let draft = Draft::new(
        "flat-middle",
        SOURCE,
        Value::text(format!("≤ {bound:.2}")),
        format!(
            "with label noise the middle factor of depth 3 has a flatter spectrum than balanced factors, whose σ₁/σᵣ is κ^⅓ = \
             {balanced:.2}: at least half of the way to 1"
        ),
    );
    let spread = |noisy| last(courses, &name("many", 3, noisy))?.spread;
    match (spread(true), spread(false)) {
        (Some(noise), Some(plain)) => {
            draft.judge(Value::number(noise), noise <= bound, Some(format!("{plain:.2} without noise")))
        }
        _ => draft.fails(Value::None, "a run ended without finite factors"),
    }
}

fn sharp(courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "sharpness-aware",
        "arXiv 2010.01412, whose steps seek flat minima",
        Value::text("< 1"),
        format!("sharpness-aware steps with ρ = {RADIUS} lower T/T* of depth 3 too: less than without them"),
    );
    match (ratio(courses, "many-3-sharp"), ratio(courses, &name("many", 3, false))) {
        (Some(sharp), Some(plain)) => {
            draft.judge(Value::number(sharp / plain), sharp < plain, Some(format!("{sharp:.3} against {plain:.3}")))
        }
        _ => draft.fails(Value::None, "a run ended without finite factors"),
    }
}

fn nuclear(courses: &[RaceCourse], depth: usize) -> Claim {
    let draft = Draft::new(
        &format!("nuclear-norm-{depth}"),
        SOURCE,
        Value::text("≤ 0.5"),
        format!(
            "with too few measurements label noise at depth {depth} closes at least half of the gap between the nuclear norm of \
             plain descent and the least one of all fits"
        ),
    );
    let norm = |name: &str| last(courses, name).map(|found| found.nuclear_norm);
    match (norm(&name("few", depth, true)), norm(&name("few", depth, false)), norm("few-least")) {
        (Some(noise), Some(plain), Some(least)) => {
            let share = (noise - least) / (plain - least);
            let note = format!("{plain:.3} without, {noise:.3} with noise, {least:.3} the least");
            draft.judge(Value::number(share), plain > least && share <= 0.5, Some(note))
        }
        _ => draft.fails(Value::None, "a run ended without finite factors"),
    }
}

fn error(s: &Rerun, courses: &[RaceCourse], depth: usize) -> Claim {
    let draft = Draft::new(
        &format!("error-{depth}"),
        SOURCE,
        Value::text("≤ 0.7"),
        format!(
            "with m = {} of {} label noise at depth {depth} lowers the error to at most 0.7 of that without",
            s.measurements,
            s.n * s.n
        ),
    );
    let of = |noisy| course(courses, &name("few", depth, noisy))?.last_error();
    match (of(true), of(false)) {
        (Some(noise), Some(plain)) => draft.judge(
            Value::number(noise / plain),
            noise <= 0.7 * plain,
            Some(format!("{noise:.3} against {plain:.3}")),
        ),
        _ => draft.fails(Value::None, "a run ended without a finite error"),
    }
}
