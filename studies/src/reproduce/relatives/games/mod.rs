//! Riemannian descent–ascent: "Last-iterate convergence of adaptive Riemannian gradient descent for equilibrium
//! computation", 2023. The robust PCA game, and robust recovery as a game against the weights of the residuals.

mod judged;
mod pca;
mod recovery;

use std::ops::ControlFlow;

use super::graph::{Graph, GraphPanel};
use super::tasks::{MeasuredCurve, Task, Tick, group, require_double};
use super::{RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use lowrank::engine::Precision;
use lowrank::methods::{GameMetric, Method};
use lowrank::solver::{Progress, Status, TraceRow};
use lowrank::{Backend, Error, Result};

use pca::{PcaGame, Place};
use recovery::{RecoveryGame, distance, norm};

/// Number of matrices of the PCA game.
const MATRICES: usize = 40;
/// α of the PCA game, with the published steps of descent–ascent and of the corrected extragradient method.
const GAMES: [(f64, f64, f64); 2] = [(3.0, 0.2, 0.1), (0.1, 0.05, 0.05)];
/// Iterations between two gradients at the average.
const EVERY: usize = 10;
/// Iterations of the recovery game, over those of the PCA game.
const LONG: usize = 4;
/// Iterations of the recovery game between two looks, each of which waits for an adapter.
const LOOK: usize = 5;
/// The extragradient step over that of descent–ascent.
const EXTRA: f64 = 2.0;
/// Longest step that is tried; the next ones are halves.
const LONGEST: f64 = 0.32;
/// Halvings.
const HALVINGS: usize = 11;
/// First step of the adaptive method over that of descent–ascent: far too long.
const FIRST: f64 = 100.0;
/// Distance to the saddle that a step must reach to count.
const CALM: f64 = 1e-2;
/// Iterations of the trials for the longest step, times the step: short steps need more.
const HORIZON: f64 = 2.0;
/// Number of looks at the distance in such a trial.
const LOOKS: usize = 64;

pub(super) struct Games;

impl Room for Games {
    fn title(&self) -> &'static str {
        "Two games: descent against ascent on manifolds"
    }

    fn source(&self) -> &'static str {
        "arXiv 2306.16617"
    }

    fn claimed(&self) -> &'static str {
        "robust recovery as a game has the Huber solution as its saddle, and one step for every condition number; robust PCA as a game at published settings"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let (n, measurements) = if quick { (10, 400) } else { (50, 600) };
        Rerun {
            study: Relative::Games2023,
            n,
            rank: 2,
            search_rank: 2,
            measurements,
            condition_numbers: vec![1.0, 10.0, 100.0],
            step_size: 0.02,
            target: 1e-10,
            iterations: 500,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        let size = recovered(s);
        vec![
            format!(
                "In the first game a player chooses U and minimises Σ w_i e_i − (δ/2)‖w‖² with e = A(UUᵀ) − y, and another \
                 chooses weights |w_i| ≤ 1 and maximises it. The best weights are clip(e/δ, ±1), and what they leave to \
                 minimise is the Huber loss. So the saddle must be the solution of the solver with the loss huber:δ on the \
                 same data: {m} Gaussian measurements of a {size}×{size} matrix of rank {r}, a tenth of them gross outliers. In \
                 the quotient metric, whose gradient is that of U times (UᵀU)^−1, one step serves every κ(M). The Euclidean step \
                 must shrink as M grows.",
                m = s.measurements,
                r = s.rank
            ),
            format!(
                "The second game is robust PCA: min over x on the sphere, max over positive definite Y of −xᵀYx − \
                 (α/n)·Σ d²(Y, M_i), with d = {d}, {MATRICES} matrices M_i with eigenvalues uniform in [0.2, 4.5], α = 3 and 0.1, \
                 and the steps of the published code. It does not behave as hoped at these settings: the table says where.",
                d = s.n
            ),
            "The games are after arXiv 2306.16617 (of which descent–ascent and its claims were read, not the adaptive \
             algorithm); the settings of the PCA game are those of public code that cites arXiv 2202.06950. The first game and \
             the adaptive steps are our own: they halve η where the variation of the field is large for the step. The \
             first game starts near M, because minimising over U is not convex. δ = 0.1, the smallest eigenvalue of M is 1. \
             The first game is played by the methods `descent-ascent` and `extragradient` of the solver, the second on the host, \
             all in double precision. Of the sizes, n is d, and the recovered matrix has m/(10r) rows."
                .into(),
        ]
    }

    fn tasks<'a>(&self, s: &'a Rerun, backend: &'a Backend) -> Result<Vec<Task<'a>>> {
        require_double(s)?;
        if recovered(s) < s.rank + 1 {
            let least = 10 * s.rank * (s.rank + 1);
            let fix = "the recovered matrix has m/(10r) rows, more than its rank";
            return Err(Error::invalid("measurements", s.measurements, format!("at least {least}"), fix));
        }
        if s.search_rank != s.rank {
            return Err(Error::invalid("search_rank", s.search_rank, format!("the rank {}", s.rank), "leave it out"));
        }
        // Measured shares of the time, roughly: a gradient of the PCA game has 40 eigendecompositions.
        let size = recovered(s) as f64;
        let pass = 1e-3 * size * size * s.measurements as f64 * (LONG * s.iterations) as f64;
        let decompositions = 4e-2 * (s.n as f64).powi(3) * (MATRICES * s.iterations) as f64;
        let mut tasks: Vec<Task<'a>> = (s.condition_numbers.iter())
            .map(|&kappa| {
                Task::new(format!("recovery, κ(M) = {kappa}"), pass, move |tick| recover(s, kappa, backend, tick))
            })
            .collect();
        tasks.extend(GAMES.map(|game| {
            Task::new(format!("robust PCA, α = {}", game.0), decompositions, move |tick| robust_pca(s, game, tick))
        }));
        Ok(tasks)
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let lines = |name: &str| group(curves, name).into_iter().map(|c| (c, Style::Line)).collect::<Vec<_>>();
        let panel = |title: String, x: PlotAxis, y: PlotAxis, curves| GraphPanel { title, x, y, curves };
        let distance = |name: &str, title: &str| {
            let (x, y) = (PlotAxis::linear("iteration t"), PlotAxis::log("‖X_t − X*‖_F"));
            panel(title.into(), x, y, lines(name))
        };
        let game = |(alpha, ..): (f64, f64, f64)| {
            let (x, y) = (PlotAxis::linear("gradients"), PlotAxis::log("‖grad f‖"));
            panel(format!("α = {alpha}"), x, y, lines(&format!("pca-{alpha}")))
        };
        let steps = lines("longest-step");
        let size = recovered(s);
        vec![
            Graph {
                name: "recovery",
                title: "Recovery as a game, in the quotient metric",
                caption: format!(
                    "Distance to the saddle X*, with one step for all κ(M): η = {} for descent–ascent and {} for the \
                     extragradient method, whose adaptive step begins at a far longer one; and the distance of the mean of every fifth X_s, s ≤ t. {size}×{size}, r = {}, m = {}.",
                    s.step_size,
                    EXTRA * s.step_size,
                    s.rank,
                    s.measurements
                ),
                panels: vec![
                    distance("descent-ascent", "Descent–ascent"),
                    distance("extragradient", "Extragradient"),
                    distance("adaptive", "Extragradient with an adaptive step"),
                    distance("average", "Average of descent–ascent"),
                ],
            },
            Graph {
                name: "steps",
                title: "The longest step",
                caption: format!(
                    "Longest η = {LONGEST}/2^j with which descent–ascent comes within {CALM} of the saddle in \
                     {HORIZON}/η iterations. The smallest eigenvalue of M is 1."
                ),
                panels: vec![panel("Longest step".into(), PlotAxis::log("κ(M)"), PlotAxis::log("η"), steps)],
            },
            Graph {
                name: "pca",
                title: "Robust PCA",
                caption: format!(
                    "Gradient norm against the number of gradients; d = {}, {MATRICES} matrices, {} iterations, of which those of \
                     the extragradient methods take two gradients.",
                    s.n, s.iterations
                ),
                panels: GAMES.map(game).into(),
            },
        ]
    }

    fn claims(&self, s: &Rerun, _: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        judged::claims(s, curves)
    }
}

/// Size of the recovered matrix: m = 10·n·r.
fn recovered(s: &Rerun) -> usize {
    s.measurements / (10 * s.rank)
}

/// Returns distances to the saddle, the solver's agreement and the longest steps, at one condition number.
fn recover(s: &Rerun, kappa: f64, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let game = RecoveryGame::new(recovered(s), s.rank, s.measurements, kappa, s.seed)?;
    let (limit, label) = (LONG * s.iterations, format!("κ(M) = {kappa}"));
    let name = format!("{kappa}");
    let best = game.product(Method::extragradient().into(), EXTRA * s.step_size, limit, backend)?;
    let solver = game.huber(s.iterations, backend)?;
    let agreement = distance(&solver, &best) / norm(&solver);
    let mut curves =
        vec![MeasuredCurve::new("agreement", &name, "‖X − X of the solver‖/‖X‖", vec![(kappa, agreement)])];
    let runs: [(&str, Method, f64); 3] = [
        ("descent-ascent", recovery::descent_ascent(GameMetric::Quotient), s.step_size),
        ("extragradient", Method::extragradient().into(), EXTRA * s.step_size),
        ("adaptive", Method::extragradient().adaptive(true).into(), FIRST * s.step_size),
    ];
    for (at, (group, method, eta)) in runs.into_iter().enumerate() {
        let mut sum = vec![0.0; best.len()];
        let mut means = Vec::new();
        let solution = game.run((method, eta), (&best, 1e-11), (limit, LOOK), backend, &mut |progress| {
            sum.iter_mut().zip(recovery::square(progress.factors)).for_each(|(sum, x)| *sum += x);
            let count = (progress.iteration / LOOK + 1) as f64;
            let mean: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
            means.push((progress.iteration as f64, distance(&mean, &best)));
            tick(0.2 * at as f64 + 0.2 * progress.iteration as f64 / limit as f64)
        })?;
        let size = norm(&best);
        let point = |row: &TraceRow| Some((row.iteration as f64, (row.relative_error? * size).max(1e-16)));
        let points = solution.trace.iter().filter_map(point).collect();
        curves.push(MeasuredCurve::new(group, &name, &*label, points));
        if group == "descent-ascent" {
            curves.push(MeasuredCurve::new("average", &name, &*label, means));
        }
    }
    for (metric, name, done) in [(GameMetric::Euclidean, "euclidean", 0.6), (GameMetric::Quotient, "quotient", 0.9)] {
        if tick(done) == ControlFlow::Break(()) {
            break;
        }
        let step = longest_step(&game, metric, &best, backend)?.map(|eta| (kappa, eta));
        curves.push(MeasuredCurve::new("longest-step", &format!("{name}-{kappa}"), name, step.into_iter().collect()));
    }
    Ok(curves)
}

/// Returns the longest of the tried steps that calms descent–ascent.
fn longest_step(game: &RecoveryGame, metric: GameMetric, best: &[f64], backend: &Backend) -> Result<Option<f64>> {
    for eta in (0..=HALVINGS).map(|j| LONGEST / f64::from(1u32 << j)) {
        let (method, iterations) = (recovery::descent_ascent(metric), (HORIZON / eta) as usize);
        let go = &mut |_: &Progress<'_>| ControlFlow::Continue(());
        let solution = game.run((method, eta), (best, CALM), (iterations, iterations / LOOKS), backend, go)?;
        if solution.trials[0].status == Status::Converged {
            return Ok(Some(eta));
        }
    }
    Ok(None)
}

/// Returns the gradient norms of descent–ascent, its average, the corrected extragradient method and the adaptive one.
fn robust_pca(s: &Rerun, (alpha, eta, eta_extra): (f64, f64, f64), tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let game = PcaGame::new(s.n, MATRICES, alpha, s.seed);
    let start = Place::start(s.n, s.seed)?;
    let (mut at, mut mean) = (start.clone(), start.clone());
    let (mut points, mut means) = (Vec::new(), Vec::new());
    for t in 0..=s.iterations {
        let field = game.field(&at)?;
        points.push((t as f64, field.norm()));
        if t.is_multiple_of(EVERY) {
            means.push((t as f64, game.field(&mean)?.norm()));
        }
        let ends = field.norm() <= s.target || t == s.iterations;
        if ends || tick(0.3 * t as f64 / s.iterations as f64) == ControlFlow::Break(()) {
            break;
        }
        at = game.descended(&at, eta, &field)?;
        mean = mean.exp(&mean.log(&at)?.times(1.0 / (t + 2) as f64))?;
    }
    let name = format!("pca-{alpha}");
    let fixed = extragradient(s, &game, &start, Some(eta_extra), &mut |share| tick(0.3 + 0.3 * share))?;
    let mut curves = vec![
        MeasuredCurve::new(&name, "gda", format!("descent–ascent, η = {eta}"), points),
        MeasuredCurve::new(&name, "average", "its average", means),
        MeasuredCurve::new(
            "leading",
            &name,
            "xᵀYx over the largest eigenvalue of Y",
            vec![(alpha, at.leading_share()?)],
        ),
        MeasuredCurve::new(&name, "rceg", format!("corrected extragradient, η = {eta_extra}"), fixed),
    ];
    // No fixed step calms the other game, so there is none to compare with.
    if alpha == GAMES[0].0 {
        let adaptive = extragradient(s, &game, &start, None, &mut |share| tick(0.6 + 0.4 * share))?;
        curves.push(MeasuredCurve::new(&name, "adaptive", "corrected extragradient, adaptive", adaptive));
    }
    Ok(curves)
}

/// Returns (gradients, ‖F‖) of the corrected extragradient method with a given step, or with steps that adapt: η begins
/// at 1, is halved while ‖F(z) − ΓF(z̃)‖ exceeds ½‖F(z)‖, and grows by a fifth with each iteration.
fn extragradient(
    s: &Rerun,
    game: &PcaGame,
    start: &Place,
    fixed: Option<f64>,
    tick: &mut Tick<'_>,
) -> Result<Vec<(f64, f64)>> {
    let (mut at, mut eta, mut gradients) = (start.clone(), fixed.unwrap_or(1.0), 0);
    let (mut points, limit) = (Vec::new(), 2 * s.iterations);
    loop {
        let field = game.field(&at)?;
        points.push((f64::from(gradients), field.norm()));
        let ends = field.norm() <= s.target || gradients as usize >= limit;
        if ends || tick(f64::from(gradients) / limit as f64) == ControlFlow::Break(()) {
            return Ok(points);
        }
        gradients += 1;
        let (half, there) = loop {
            let half = game.descended(&at, eta, &field)?;
            let there = game.field(&half)?;
            gradients += 1;
            let varies = fixed.is_none() && game.variation(&at, eta, &field, &half, &there)? > 0.5;
            if !varies || gradients as usize >= limit {
                break (half, there);
            }
            eta *= 0.5;
        };
        at = game.corrected(&at, &half, eta, &there)?;
        eta = fixed.unwrap_or(1.2 * eta);
    }
}
