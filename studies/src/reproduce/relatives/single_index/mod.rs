//! Single-index models: y = f(⟨X, β*⟩) + ε with a sparse or low-rank β*, recovered by gradient descent on w∘w − v∘v and
//! W Wᵀ − V Vᵀ from a tiny start that stops early, after Fan, Yang & Yu, "Understanding Implicit Regularization in
//! Over-Parameterized Single Index Model", arXiv 2007.08322.

mod claims;
mod matrix;
mod measure;
mod vector;

use super::figure::{Of, Picture, View};
use super::graph::{Graph, GraphPanel};
use super::race::Heat;
use super::tasks::{Task, Tick, group};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use lowrank::engine::Precision;
use lowrank::{Backend, Result};

use measure::{HEAVY, NORMAL, Series};
use vector::{Noise, Sizes};

pub(super) struct SingleIndex;

/// Sizes of the sparse part.
struct Plan {
    unknowns: usize,
    support: usize,
    measurements: Vec<usize>,
    heavy: Vec<usize>,
    grown: Vec<usize>,
    trials: usize,
    /// Signals of the matrix part.
    instances: usize,
}

impl Plan {
    fn new(s: &Rerun) -> Self {
        let large = s.n >= 20;
        Self {
            unknowns: if large { 1000 } else { 400 },
            support: 4,
            measurements: if large { vec![250, 500, 1000, 2000, 4000] } else { vec![250, 500, 1000, 2000] },
            heavy: if large { vec![500, 1000, 2000] } else { vec![500, 1000] },
            grown: if large { vec![250, 500, 1000, 2000, 4000] } else { vec![100, 200, 400, 800] },
            trials: if large { 40 } else { 30 },
            instances: if large { 8 } else { 4 },
        }
    }

    fn sizes(&self, unknowns: usize, measurements: usize) -> Sizes {
        Sizes { unknowns, support: self.support, measurements }
    }

    /// Returns m of the growth with p and of the single run.
    fn middle(&self) -> usize {
        1000
    }
}

impl Room for SingleIndex {
    fn title(&self) -> &'static str {
        "Single-index models: tiny starts that stop early"
    }

    fn source(&self) -> &'static str {
        "arXiv 2007.08322"
    }

    fn claimed(&self) -> &'static str {
        "differences of squares from tiny starts that stop early recover sparse and low-rank signals from single-index data"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let n = if quick { 16 } else { 20 };
        Rerun {
            study: Relative::SingleIndex2020,
            n,
            rank: 2,
            search_rank: n,
            measurements: 200 * n,
            condition_numbers: vec![1.0],
            step_size: 0.25,
            target: 1.0,
            iterations: if quick { 600 } else { 1000 },
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        let plan = Plan::new(s);
        vec![
            format!(
                "Observations are y = f(⟨x, β*⟩) + ε with a link f that the solver does not know, here f(g) = g + sin g. \
                 Gradient descent on β = w∘w − v∘v with 2p = {} unknowns starts at 1e-6 and has no penalty. Entries of the \
                 support grow first; the run stops before the others have grown. The first figure shows one run: the \
                 error falls, and rises as noise is fitted. The second shows the error at the stop time against √(s log \
                 p/m), against p, and under heavy tails with and without truncation of y. The last figure shows the \
                 model signed, U S Uᵀ with {k} columns for an {n}×{n} signal of rank {r}, with the same rise where a run \
                 goes on.",
                2 * plan.unknowns,
                k = s.search_rank,
                n = s.n,
                r = s.rank
            ),
            format!(
                "The loss of the sparse part is the paper's, ½‖β‖² − ⟨β, (1/m)Σ y_i x_i⟩ for x ~ N(0, I); that of the \
                 matrix part is the library's least squares, with the same expected minimiser c·β*, c = E f′. Sizes, \
                 link, α, η and noise are our own choice: s = {}, entries ±1/√s, η = 0.1, ε ~ N(0, {NORMAL}²), and \
                 {HEAVY} times Student's t with three degrees of freedom, which has no fourth moment. The stop time is \
                 0.7·log(1/α)·√(m/log p)/(√2·η·rms(y)), of the paper's order and computed from y alone. y is truncated at \
                 σ̂·(m/log p)^(1/4), σ̂ from the median of |y|; the paper's factor was not read. Errors of the sparse \
                 part are ‖β/‖β‖ − β*‖, means over {} trials. In the matrix part the best iterate is taken with \
                 knowledge of the truth, noise has the deviation {}, and {} signals are averaged. The sparse part is \
                 computed on the host in double precision, the matrix part on the chosen backend.",
                plan.support,
                plan.trials,
                matrix::NOISE,
                plan.instances
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        Ok(vec![matrix::heat(s, Plan::new(s).instances)?])
    }

    fn tasks<'a>(&self, s: &'a Rerun, _: &'a Backend) -> Result<Vec<Task<'a>>> {
        let work = |plan: &Plan, sizes: &[(f64, Sizes)]| {
            let one = |(_, of): &(f64, Sizes)| (of.unknowns * of.measurements * 20) as f64;
            plan.trials as f64 * sizes.iter().map(one).sum::<f64>()
        };
        let task = |name: &str, at: Vec<(f64, Sizes)>, noise: Noise, index: u64| {
            let plan = Plan::new(s);
            let (work, longer, seed, name) = (work(&plan, &at), index == 0, s.seed, name.to_owned());
            Task::new(name.clone(), work, move |tick: &mut Tick<'_>| {
                let series = Series { at, noise, longer, trials: plan.trials, seed, index, tick };
                Ok(if name == "heavy" { measure::heavy(series) } else { measure::errors(&name, series) })
            })
        };
        let plan = Plan::new(s);
        let by_rate = plan.measurements.iter().map(|m| plan.sizes(plan.unknowns, *m));
        let by_unknowns = plan.grown.iter().map(|p| (*p as f64, plan.sizes(*p, plan.middle())));
        let by_heavy = plan.heavy.iter().map(|m| (*m as f64, plan.sizes(plan.unknowns, *m)));
        let middle = plan.sizes(plan.unknowns, plan.middle());
        Ok(vec![
            Task::new("one run", 1e7, move |_: &mut Tick<'_>| {
                Ok(measure::course(middle, Noise::Normal(NORMAL), s.seed))
            }),
            task("rate", by_rate.map(|sizes| (sizes.rate(), sizes)).collect(), Noise::Normal(NORMAL), 0),
            task("unknowns", by_unknowns.collect(), Noise::Normal(NORMAL), 1),
            task("heavy", by_heavy.collect(), Noise::Heavy(HEAVY), 2),
        ])
    }

    fn pictures<'a>(&self, _: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        let mut shown: Vec<&RaceCourse> = Vec::new();
        for course in courses {
            if shown.last().is_none_or(|last| last.entry.name != course.entry.name) {
                shown.push(course);
            }
        }
        vec![Picture {
            title: "Errors of the matrix part",
            of: Of::Error,
            powers: true,
            views: vec![View { title: "Model signed, one signal for each m".into(), courses: shown }],
            caption: format!("Relative error against the iteration from a start of size {:e}.", matrix::START),
        }]
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let plan = Plan::new(s);
        let panel = |of: &str, title: &str, x: PlotAxis, skip: &str| GraphPanel {
            title: title.into(),
            x,
            y: PlotAxis::log("‖β/‖β‖ − β*‖"),
            curves: (group(curves, of).into_iter().filter(|c| c.name != skip))
                .map(|c| (c, if c.name == "stop" { Style::Points } else { Style::Line }))
                .collect(),
        };
        vec![
            Graph {
                name: "course",
                title: "One run of a sparse signal",
                caption: format!(
                    "p = {}, s = {}, m = {}. The first dip is the direction of β before it has any size.",
                    plan.unknowns,
                    plan.support,
                    plan.middle()
                ),
                panels: vec![panel("course", "Error", PlotAxis::linear("iteration t"), "")],
            },
            Graph {
                name: "rates",
                title: "Errors of sparse signals",
                caption: format!(
                    "Means over {} trials, s = {}. Above and below: p = {}; between: m = {}.",
                    plan.trials,
                    plan.support,
                    plan.unknowns,
                    plan.middle()
                ),
                panels: vec![
                    panel("rate", "Normal noise", PlotAxis::log("√(s log p/m)"), "truncated"),
                    panel("unknowns", "Normal noise", PlotAxis::log("number of unknowns p"), "truncated"),
                    panel("heavy", "Heavy tails", PlotAxis::log("m"), ""),
                ],
            },
        ]
    }

    fn claims(&self, s: &Rerun, courses: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        vec![
            claims::rate(curves),
            claims::unknowns(curves),
            claims::stopping(curves),
            claims::near_best(curves),
            claims::truncation(curves),
            claims::harmless(curves),
            claims::matrix_rate(s, courses),
            claims::matrix_stopping(s, courses),
        ]
    }
}
