//! Spectral estimates from rank-one measurements: how many are needed before the leading eigenvector of Σ T(y_i) a_i a_iᵀ
//! sees the truth, after arXiv 2502.01583 and work on phase retrieval before it.

mod asymptotic;
mod claims;
mod estimate;
mod measure;
mod preprocess;

use std::sync::Arc;

use super::graph::{Graph, GraphPanel};
use super::tasks::{Task, Tick, require_double};
use super::{MeasuredCurve, RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use lowrank::engine::Precision;
use lowrank::internals::memory;
use lowrank::{Backend, Error, Result};

use estimate::Field;
use measure::{Grid, NARROW, WIDE};
use preprocess::{LOWEST, Transform};

pub(super) struct MultiIndex;

impl Room for MultiIndex {
    fn title(&self) -> &'static str {
        "When does the spectral estimate see the truth?"
    }

    fn source(&self) -> &'static str {
        "after arXiv 2502.01583"
    }

    fn claimed(&self) -> &'static str {
        "spectral estimates from quadratic data see the truth above a number of measurements that the preprocessing decides"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let n = if quick { 240 } else { 1000 };
        Rerun {
            study: Relative::MultiIndex2025,
            n,
            rank: 1,
            search_rank: 1,
            measurements: 8 * n,
            condition_numbers: vec![1.0],
            step_size: 1.0,
            target: 1.0,
            iterations: if quick { 24 } else { 20 },
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        vec![
            format!(
                "From m = δn observations y = ⟨a, u*⟩² of random a the leading eigenvector û of Σ T(y_i) a_i a_iᵀ \
                 estimates u*. The figure shows the overlap ⟨û, u*⟩² against δ at n up to {n}. Below a transition it \
                 vanishes as n grows, above it it follows the dashed limit. T decides where the transition lies: \
                 without preprocessing the few largest y take over and there is no limit; truncation at 9 means of y \
                 works from δ ≈ 1.8 on, at 3 means only from δ ≈ 7 on; T = 1 − 1/ŷ with ŷ = y/mean(y) works from δ = \
                 1/2 on. Complex data and real data of rank two need twice as many.",
                n = s.n
            ),
            format!(
                "arXiv 2502.01583 treats models of several directions; its formula for T was not read. The transitions \
                 1/2 (real) and 1 (complex) and T = 1 − 1/ŷ are from memory of Mondelli & Montanari (arXiv 1708.05932) \
                 and Luo, Alghamdi & Lu (arXiv 1811.04420). T is bounded below by −{LOWEST}; this moves the transition \
                 by two percent at most. The dashed limits are from memory of Lu & Li (arXiv 1702.06435), computed by \
                 numerical integration, with an extension to rank two of our own. Eigenvectors come from Lanczos \
                 iterations. Each point is a mean over at least {trials} trials; smaller \
                 sizes have more. One sample serves every δ and T of a trial.",
                trials = s.iterations
            ),
        ]
    }

    fn tasks<'a>(&self, s: &'a Rerun, _: &'a Backend) -> Result<Vec<Task<'a>>> {
        require_double(s)?;
        let all = grids(s);
        // Each thread holds the rows and the matrix of one trial.
        let bytes = all.iter().map(Grid::bytes).fold(0.0, f64::max) * rayon::current_num_threads() as f64;
        if memory::available().is_some_and(|available| bytes > available as f64) {
            let allowed = "a size whose measurements fit in memory";
            return Err(Error::invalid("n", s.n, allowed, "lower it, or lower the number of measurements"));
        }
        let mut tasks = Vec::new();
        for grid in all {
            let grid = Arc::new(grid);
            let (name, of) = (format!("limits, {}", claims::words(grid.field)), grid.clone());
            tasks.push(Task::new(name, 1e7, move |_: &mut Tick<'_>| Ok(of.limits())));
            for &(n, trials) in &grid.sizes {
                let (name, work) = (format!("{}, n = {n}", claims::words(grid.field)), grid.work(n, trials));
                let grid = grid.clone();
                tasks.push(Task::new(name, work, move |tick: &mut Tick<'_>| grid.measure(n, trials, s.seed, tick)));
            }
        }
        Ok(tasks)
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let panel = |title: &str, grid: &Grid, keep: &dyn Fn(&MeasuredCurve) -> bool| {
            let limit = format!("{}-limit", grid.name);
            let measured = curves.iter().filter(|c| c.group == grid.name && keep(c)).map(|c| (c, Style::Line));
            let kept = |c: &&MeasuredCurve| c.group == limit && keep(c);
            GraphPanel {
                title: title.into(),
                x: PlotAxis::log("δ = m/n"),
                y: PlotAxis::linear("overlap").range(0.0, 1.0),
                curves: measured.chain(curves.iter().filter(kept).map(|c| (c, Style::Dashed))).collect(),
            }
        };
        let all = grids(s);
        let is_limit = |c: &MeasuredCurve| c.group.ends_with("-limit");
        let optimal = |c: &MeasuredCurve| c.name.starts_with("optimal");
        let at_largest = |c: &MeasuredCurve| is_limit(c) || c.name.ends_with(&format!("-{}", s.n));
        let mut panels = Vec::new();
        for (index, grid) in all.iter().enumerate() {
            if index == 0 {
                panels.push(panel(&format!("Real data, n = {}", s.n), grid, &at_largest));
                panels.push(panel("Real data, T = 1 − 1/ŷ", grid, &optimal));
            } else {
                let words = if grid.field == Field::Complex { "Complex data" } else { "Real data, rank two" };
                panels.push(panel(&format!("{words}, T = 1 − 1/ŷ"), grid, &optimal));
            }
        }
        vec![Graph {
            name: "overlap",
            title: "Overlap of the spectral estimate with the truth",
            caption: "Mean |⟨û, u*⟩|², for rank two the mean squared cosine of the principal angles, against δ = m/n; \
                      dashed: the limit for n → ∞."
                .into(),
            panels,
        }]
    }

    fn claims(&self, s: &Rerun, _: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        let all = grids(s);
        let [real, complex, two] = all.as_slice() else { return Vec::new() };
        vec![
            claims::transition(curves, real, claims::MEMORY),
            claims::transition(curves, complex, claims::MEMORY),
            claims::transition(curves, two, "own derivation after arXiv 2502.01583"),
            claims::below(curves, real),
            claims::below(curves, complex),
            claims::above(curves, real),
            claims::above(curves, complex),
            claims::near_limit(curves, real, Transform::Optimal, 0.75),
            claims::near_limit(curves, real, WIDE, 3.0),
            claims::near_limit(curves, complex, Transform::Optimal, 1.5),
            claims::near_limit(curves, two, Transform::Optimal, 1.5),
            claims::best(curves, real),
            claims::none_fails(curves, real),
            claims::none_falls(curves, real),
            claims::narrow_fails(curves, real),
        ]
    }
}

/// Returns the three kinds of data with their sizes.
fn grids(s: &Rerun) -> Vec<Grid> {
    let sizes = |n: usize, shares: &[usize]| {
        let size = |share: &usize| ((n / share).max(8), s.iterations * share.min(&4));
        shares.iter().map(size).collect::<Vec<_>>()
    };
    // Measurements beyond m do not exist.
    let up_to_m = |deltas: &[f64]| {
        let most = s.measurements as f64 / s.n as f64;
        deltas.iter().copied().filter(|delta| *delta <= most).collect::<Vec<_>>()
    };
    let common = || up_to_m(&[1.0, 2.0, 3.0, 4.0, 6.0, 8.0]);
    let optimal = || up_to_m(&[0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0]);
    let wide = || up_to_m(&[0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0]);
    vec![
        Grid {
            name: "real",
            field: Field::Real { rank: 1 },
            sizes: sizes(s.n, &[8, 4, 2, 1]),
            transforms: vec![
                (Transform::None, common()),
                (NARROW, up_to_m(&[4.0, 6.0, 8.0])),
                (WIDE, common()),
                (Transform::Optimal, optimal()),
            ],
            index: 0,
        },
        Grid {
            name: "complex",
            field: Field::Complex,
            sizes: sizes(s.n.min(500), &[4, 2, 1]),
            transforms: vec![(Transform::Optimal, wide())],
            index: 1,
        },
        Grid {
            name: "rank-2",
            field: Field::Real { rank: 2 },
            sizes: sizes(s.n.min(500), &[4, 2, 1]),
            transforms: vec![(Transform::Optimal, wide())],
            index: 2,
        },
    ]
}
