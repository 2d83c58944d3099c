//! Davis, Drusvyatskiy & Jiang, "Gradient descent with adaptive stepsize converges (nearly) linearly under
//! fourth-order growth", 2024: occasional long steps for k above the rank.

use super::contest::{entrant, gaussian, of, pass};
use super::figure::{Of, Picture, View};
use super::race::{Heat, RaceEntry};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::reproduce::claims::{Claim, Draft, Value};
use crate::reproduce::fit::fit_power;
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::methods::Method;
use lowrank::solver::{Init, Preprocess};

const PAPER: &str = "arXiv 2409.19791";
/// Short steps before each long one, K.
const SHORT: usize = 300;
/// Error that gradient descent still reaches.
const COMMON: f64 = 1e-3;

pub(super) struct GdPolyak;

impl Room for GdPolyak {
    fn title(&self) -> &'static str {
        "Occasional long steps"
    }

    fn source(&self) -> &'static str {
        "arXiv 2409.19791"
    }

    fn claimed(&self) -> &'static str {
        "gradient descent with an occasional long step is nearly linear with more columns than the rank"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let n = if quick { 40 } else { 100 };
        Rerun {
            study: Relative::GdPolyak2024,
            n,
            rank: 2,
            search_rank: 4,
            measurements: 10 * n,
            condition_numbers: vec![1.0],
            step_size: 0.25,
            target: 1e-8,
            iterations: 15_000,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "The methods recover a {n}×{n} matrix M = XXᵀ of rank {r} from {m} Gaussian measurements. With {r} \
                 columns gradient descent converges linearly. With {k} the excess columns fall like t^(−1/2), and \
                 the error like 1/t: a straight line on logarithmic axes. GDPolyak takes a step of length f/‖∇f‖² \
                 after every {SHORT} short steps: the short steps bring the iterate to a ravine, the long step \
                 moves far along it, and the error falls (nearly) linearly.",
                n = s.n,
                r = s.rank,
                m = s.measurements,
                k = s.search_rank
            ),
            format!(
                "The setting reconstructs that of Davis, Drusvyatskiy and Jiang, arXiv 2409.19791: sizes and K = \
                 {SHORT} are theirs; the spectral start, μ = {} for the short steps and κ = 1 are our own choice.",
                s.step_size
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let problem = gaussian(s, false)?;
        let kappa = s.condition_numbers[0];
        let heat = |name: &str, label: String, method: Method, k: usize| Heat {
            name: name.into(),
            problem: problem.clone(),
            settings: entrant(s, method, 10, s.iterations, s.target)
                .init(Init::Spectral { skip: 0, preprocess: Preprocess::None })
                .step_size(s.step_size)
                .search_rank(k),
            entries: vec![RaceEntry::new(name, kappa, label)],
            work: pass(s) * s.iterations as f64,
        };
        let (k, r) = (s.search_rank, s.rank);
        let polyak = Method::gd_polyak().polyak_every(SHORT + 1).into();
        Ok(vec![
            heat("gd-polyak", format!("GDPolyak, k = {k}"), polyak, k),
            heat("gd", format!("gradient descent, k = {k}"), Method::gd().into(), k),
            heat("gd-exact-rank", format!("gradient descent,\nk = r* = {r}"), Method::gd().into(), r),
        ])
    }

    fn pictures<'a>(&self, s: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        let all = || View { title: "Errors over the iteration".into(), courses: courses.iter().collect() };
        vec![Picture {
            title: "Short steps alone, and with occasional long steps",
            of: Of::Error,
            powers: false,
            views: vec![all()],
            caption: format!(
                "Relative error every 10 iterations; μ = {}, K = {SHORT} short steps before each step of Polyak.",
                s.step_size
            ),
        }]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], _: &[MeasuredCurve]) -> Vec<Claim> {
        vec![sublinear(s, courses), linear(s, courses), fewer(courses), reaches(s, courses), exact_rank(s, courses)]
    }
}

fn one<'a>(courses: &'a [RaceCourse], name: &str) -> Option<&'a RaceCourse> {
    of(courses, name).first().copied()
}

fn sublinear(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "gd-sublinear",
        PAPER,
        Value::text("-1.5 to -0.6"),
        "with k > r* gradient descent alone is sublinear: over the last tenfold of its iterations the error follows a power of \
         t between −1.5 and −0.6 (the analysis of the excess columns has −1; a linear rate would have a large negative one)",
    );
    let Some(gd) = one(courses, "gd").filter(|_| s.search_rank > s.rank) else {
        return draft.not_applicable(Value::None, "k = r*: there are no excess columns");
    };
    let last = gd.iterations();
    let late = gd.trace.iter().filter(|row| row.iteration * 10 >= last && row.iteration > 0);
    let slope =
        fit_power(late.filter_map(|row| Some((row.iteration as f64, row.relative_error?)))).map(|line| line.slope);
    let holds = slope.is_some_and(|p| (-1.5..=-0.6).contains(&p));
    draft.judge(
        Value::number(slope),
        holds,
        gd.last_error().map(|e| format!("ends at {e:.1e} after {last} iterations")),
    )
}

fn linear(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "polyak-linear",
        PAPER,
        Value::text("≤ 2"),
        "with occasional Polyak steps the error falls nearly linearly: from 1e-5 to 1e-8 it takes at most twice \
         the iterations that it takes from 1e-2 to 1e-5 (1/t would take a thousand times as many)",
    );
    let Some(run) = one(courses, "gd-polyak").filter(|_| s.search_rank > s.rank) else {
        return draft.not_applicable(Value::None, "k = r*: there are no excess columns");
    };
    let times: Option<Vec<usize>> = [1e-2, 1e-5, 1e-8].iter().map(|error| run.iterations_to(*error)).collect();
    match times.as_deref() {
        Some(&[first, middle, last]) => {
            let factor = (last - middle) as f64 / (middle - first).max(1) as f64;
            draft.judge(Value::number(factor), factor <= 2.0, Some(format!("iterations {first}, {middle}, {last}")))
        }
        _ => draft.fails(Value::number(run.last_error()), format!("it ends before 1e-8: {}", run.status)),
    }
}

fn fewer(courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "polyak-fewer",
        PAPER,
        Value::text("≥ 2"),
        format!(
            "gradient descent alone needs at least twice the iterations to {COMMON:e} (counted to its last \
             iteration if it does not reach that)"
        ),
    );
    let (Some(polyak), Some(gd)) = (one(courses, "gd-polyak"), one(courses, "gd")) else {
        return draft.not_applicable(Value::None, "the run is missing");
    };
    match polyak.iterations_to(COMMON) {
        Some(t) => {
            let needed = gd.iterations_to(COMMON).unwrap_or(gd.iterations());
            let factor = needed as f64 / t.max(1) as f64;
            draft.judge(Value::number(factor), factor >= 2.0, Some(format!("{t} against {needed}")))
        }
        None => draft.fails(Value::None, "GDPolyak did not reach it"),
    }
}

fn reaches(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let draft = Draft::new(
        "polyak-reaches",
        PAPER,
        Value::text(format!("≤ {}", s.iterations)),
        format!(
            "GDPolyak reaches {:e} within {} iterations, and gradient descent alone does not",
            s.target, s.iterations
        ),
    );
    let (Some(polyak), Some(gd)) = (one(courses, "gd-polyak"), one(courses, "gd")) else {
        return draft.not_applicable(Value::None, "the run is missing");
    };
    if s.search_rank == s.rank {
        return draft.not_applicable(Value::None, "k = r*: there are no excess columns");
    }
    let own = polyak.iterations_to(s.target);
    let holds = own.is_some() && gd.reached(s.target).is_none();
    draft.judge(Value::number(own.map(|t| t as f64)), holds, None)
}

fn exact_rank(s: &Rerun, courses: &[RaceCourse]) -> Claim {
    let limit = s.iterations / 10;
    let draft = Draft::new(
        "exact-rank-linear",
        PAPER,
        Value::text(format!("≤ {limit}")),
        format!(
            "with k = r* gradient descent alone reaches {:e} within {limit} iterations: the excess columns cause \
             the slow convergence",
            s.target
        ),
    );
    let Some(run) = one(courses, "gd-exact-rank") else {
        return draft.not_applicable(Value::None, "the run is missing");
    };
    let t = run.iterations_to(s.target);
    draft.judge(Value::number(t.map(|t| t as f64)), t.is_some_and(|t| t <= limit), None)
}
