//! Entries that are seen where they reach a threshold, after Liu et al., "Symmetric Matrix Completion with ReLU Sampling"
//! (ICML 2024): random starts fail, one spectral start succeeds, and the unseen entries know more than that they are unseen.

mod claims;
mod measure;

use super::figure::{Of, Picture, View};
use super::graph::{Graph, GraphPanel};
use super::race::{Heat, RaceEntry};
use super::tasks::{Task, Tick, curve};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use lowrank::engine::Precision;
use lowrank::{Backend, Result};

use measure::{Contender, Seen, named, ranks, thresholds, truths};

pub(super) struct Relu;

impl Room for Relu {
    fn title(&self) -> &'static str {
        "Only entries above a threshold are seen"
    }

    fn source(&self) -> &'static str {
        "arXiv 2406.05822"
    }

    fn claimed(&self) -> &'static str {
        "entries above a threshold: random starts fail, one spectral start succeeds, and so does a one-sided loss on the unseen ones"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let n = if quick { 50 } else { 100 };
        Rerun {
            study: Relative::Relu2024,
            n,
            rank: 2,
            search_rank: 2,
            measurements: n * (n + 1) / 2,
            condition_numbers: vec![1.0],
            step_size: 0.25,
            target: 1e-6,
            iterations: if quick { 1500 } else { 3000 },
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "An entry of M = XXᵀ is seen if it reaches a threshold t, in units of the root mean square of the entries; which \
                 entries are seen depends on M itself. Gradient descent on the seen entries from a random start ends far from M: \
                 the seen entries look like a matrix with entries of one sign, and descent follows that one. The spectral start \
                 without this first direction spans X nearly and leads to M. Where it does not, at positive t, a row of M is so \
                 small that hardly any of its entries are seen, fewer than it has unknowns: the fit is perfect, and the row is \
                 wrong. The last figure shows the errors against the least number of seen entries in a row."
            ),
            "An unseen entry lies below t, and a loss on the seen entries alone throws that away. With max(Z − t, 0)²/2 on the \
             unseen entries (`--loss-unseen hinge:t`) random starts find M wherever t ≤ 0. Above a positive threshold the unseen \
             entries say less, and some random starts end at other stationary points; one more column leads around these, slowly."
                .into(),
            format!(
                "The sizes are our own: n = {n}, ranks {ranks:?}, {truths} truths at each threshold, eigenvalues all equal, gradient \
                 descent with μ = {step}/‖M‖ for at most {iterations} iterations. The paper's initialisation was not read; the \
                 spectral start is our derivation, see `lowrank::diagnostics::spectral_start`.",
                n = s.n,
                ranks = ranks(s),
                truths = truths(s),
                step = s.step_size,
                iterations = s.iterations
            ),
        ]
    }

    fn heats(&self, s: &Rerun) -> Result<Vec<Heat>> {
        let rank = s.rank + 1;
        let mut heats = Vec::new();
        for threshold in shown(s) {
            let seen = Seen::new(s.n, rank, threshold, s.seed)?;
            for contender in [Contender::Random, Contender::Spectral, Contender::Hinge] {
                let entry = RaceEntry::new(contender.name(), threshold, contender.label());
                heats.push(Heat {
                    name: format!("{}, t = {threshold}", contender.label()),
                    problem: seen.of(contender)?,
                    settings: measure::settings(s, contender, rank, 5, s.seed),
                    entries: vec![entry],
                    work: 1.0,
                });
            }
        }
        Ok(heats)
    }

    fn tasks<'a>(&self, s: &'a Rerun, backend: &'a Backend) -> Result<Vec<Task<'a>>> {
        let runs = thresholds(s).len() as f64 * truths(s) as f64 * Contender::ALL.len() as f64;
        let task = |rank: usize| {
            let run = move |tick: &mut Tick<'_>| measure::measure(s, backend, rank, tick);
            Task::new(format!("rank {rank}"), runs, run)
        };
        Ok(ranks(s).into_iter().map(task).collect())
    }

    fn pictures<'a>(&self, s: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        let view = |threshold: f64| View {
            title: format!("t = {threshold}"),
            courses: courses.iter().filter(|course| course.entry.condition_number == threshold).collect(),
        };
        vec![Picture {
            title: "Errors during the descent",
            of: Of::Error,
            powers: false,
            views: shown(s).into_iter().map(view).collect(),
            caption: format!("Relative error after each iteration for one matrix of rank {}.", s.rank + 1),
        }]
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let panel = |rank: usize| {
            let group = format!("{}-error", named(rank));
            let of = |contender: Contender| curve(curves, &group, contender.name()).map(|c| (c, Style::Points));
            GraphPanel {
                title: format!("Rank {rank}"),
                x: PlotAxis::linear("threshold t"),
                y: PlotAxis::log("relative error"),
                curves: Contender::ALL.into_iter().filter_map(of).collect(),
            }
        };
        let against_rows = |rank: usize| GraphPanel {
            title: format!("Rank {rank}"),
            x: PlotAxis::linear("least number of seen entries in a row"),
            y: PlotAxis::log("relative error"),
            curves: curves
                .iter()
                .filter(|c| c.group == format!("{}-by-rows", named(rank)))
                .map(|c| (c, Style::Points))
                .collect(),
        };
        let errors = Graph {
            name: "thresholds",
            title: "Final errors at each threshold",
            caption: format!("One point for each of {} matrices, n = {}.", truths(s), s.n),
            panels: ranks(s).into_iter().map(panel).collect(),
        };
        let rows = Graph {
            name: "rows",
            title: "A row with too few entries decides",
            caption: format!(
                "The same runs against the least number of seen entries in a row of the matrix, n = {}.",
                s.n
            ),
            panels: ranks(s).into_iter().map(against_rows).collect(),
        };
        vec![errors, rows]
    }

    fn claims(&self, s: &Rerun, _: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        claims::all(s, curves)
    }
}

/// Returns the thresholds of the runs that are shown in full.
fn shown(s: &Rerun) -> Vec<f64> {
    let all = thresholds(s);
    [all.iter().copied().find(|t| *t == 0.0), all.last().copied()].into_iter().flatten().collect()
}
