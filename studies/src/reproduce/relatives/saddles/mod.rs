//! Starts exactly at strict saddles: Hsieh, Karimi, Krause & Mertikopoulos, "Riemannian stochastic optimization methods
//! avoid strict saddle points", 2023.

mod curvature;
mod descent;
mod judged;
mod landscape;

use std::ops::ControlFlow;

use super::graph::{Graph, GraphPanel};
use super::tasks::{MeasuredCurve, Task, group, require_double};
use super::{RaceCourse, Relative, Rerun, Room};
use crate::report::{PlotAxis, Style};
use crate::reproduce::claims::Claim;
use lowrank::engine::Precision;
use lowrank::internals::{Purpose, stream};
use lowrank::{Backend, Error, Result};

use curvature::least_curvature;
use descent::{Decay, Geometry, Run, Source, descend};
use landscape::Landscape;

/// p of the steps γ_t ~ t^−p.
const POWERS: [f64; 3] = [0.6, 0.8, 1.0];
/// Stochastic runs for each saddle, geometry and p.
const RUNS: usize = 10;
/// Minibatch runs from saddles with an empty column, which is either kept in all of them or in none.
const FEW: usize = 2;
/// Deviations σ of the noise in the runs for the escape time.
const NOISES: [f64; 10] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10];
/// Iterations of the runs for the escape time, over those of the others.
const LONG: usize = 10;
/// Iterations of the drawn runs.
const DRAWN: usize = 600;

pub(super) struct Saddles;

impl Room for Saddles {
    fn title(&self) -> &'static str {
        "Noise leaves every strict saddle, full gradients stay"
    }

    fn source(&self) -> &'static str {
        "arXiv 2311.02374"
    }

    fn claimed(&self) -> &'static str {
        "from exact strict saddles full gradients never leave, noise in every direction always does"
    }

    fn settings(&self, quick: bool) -> Rerun {
        let (n, rank) = if quick { (8, 2) } else { (10, 3) };
        Rerun {
            study: Relative::Saddles2023,
            n,
            rank,
            search_rank: rank,
            measurements: 50,
            condition_numbers: vec![4.0],
            step_size: 0.25,
            target: 0.03,
            iterations: 1000,
            seed: 1,
            precision: Precision::F64,
        }
    }

    fn about(&self, s: &Rerun) -> Vec<String> {
        let (n, r, kappa) = (s.n, s.rank, s.condition_numbers[0]);
        vec![
            format!(
                "The loss is ¼‖X − M‖_F² for a {n}×{n} matrix M with {e} positive eigenvalues, evenly spaced in their \
                 square roots, with κ = {kappa} between the largest and the least. X has rank {r} at most. It is UUᵀ \
                 with {r} columns, or a point of the manifold of PSD matrices of rank {r}, where a step ends with a QR, \
                 an SVD or a projection retraction. Every set S of at most {r} eigenvectors except the leading ones is a strict \
                 saddle. Runs start exactly there. Full gradients do not move at all; with noise in every direction each \
                 run leaves, whatever the retraction and the decay of the steps.",
                e = r + 1
            ),
            format!(
                "The steps are γ_t = {}·(1 + t/100)^−p with p in (½, 1]. The noise has deviation σ = {} in every entry. \
                 Minibatches estimate X − M from {} fresh Gaussian measurements. They move X only within its column space \
                 in the factor's geometry: the gradient is SU with some symmetric S, so an empty column of U stays empty. \
                 That noise is not exciting in every direction, as the theorem demands, and such runs never gain rank. \
                 A run has left when the loss has fallen by half of what the nearest better critical point offers.",
                s.step_size, s.target, s.measurements
            ),
            "Rounding errors are noise too. The eigenvectors are therefore coordinate vectors and the eigenvalues rounded \
             squares, for which the gradient at a saddle is exactly zero. With random eigenvectors some full gradients \
             leave, after about the time that noise of 1e-16 needs; others stay forever, because their steps are shorter \
             than half a unit in the last place. The second figure shows those that leave at its right end. The setting is our \
             own, after arXiv 2311.02374, of which only the abstract was read. The study computes on the host in double \
             precision: its measurements m are the minibatch, its target is σ."
                .into(),
        ]
    }

    fn tasks<'a>(&self, s: &'a Rerun, _: &'a Backend) -> Result<Vec<Task<'a>>> {
        require_double(s)?;
        if s.rank >= s.n {
            let allowed = format!("1 to n − 1 = {}, because M has one eigenvalue more", s.n - 1);
            return Err(Error::invalid("rank", s.rank, allowed, "lower the rank"));
        }
        if s.search_rank != s.rank {
            return Err(Error::invalid("search_rank", s.search_rank, format!("the rank {}", s.rank), "leave it out"));
        }
        let share = |geometry: Geometry| if geometry == Geometry::Factor { 2.0 } else { 1.0 };
        let mut tasks: Vec<Task<'a>> = (Geometry::ALL.into_iter())
            .map(|geometry| {
                Task::new(format!("leaving, {}", geometry.word()), share(geometry), move |tick| {
                    shares(s, geometry, tick)
                })
            })
            .collect();
        tasks.push(Task::new("escape times", 4.0, move |tick| escapes(s, tick)));
        tasks.push(Task::new("rounding", 1.0, move |tick| rotated(s, tick)));
        tasks.push(Task::new("curvature and paths", 0.5, move |tick| Ok([curvatures(s)?, paths(s, tick)?].concat())));
        Ok(tasks)
    }

    fn graphs<'a>(&self, s: &Rerun, curves: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        let lines = |name: &str| group(curves, name).into_iter().map(|c| (c, Style::Line)).collect::<Vec<_>>();
        let with = |name: &str, style| group(curves, name).into_iter().map(move |c| (c, style));
        let sizes = format!("n = {}, r = {}, κ = {}.", s.n, s.rank, s.condition_numbers[0]);
        let panel = |title: String, x: PlotAxis, y: PlotAxis, curves| GraphPanel { title, x, y, curves };
        let path = |geometry: Geometry| {
            let (x, y) = (PlotAxis::linear("iteration t"), PlotAxis::log("f(X_t) − least f"));
            panel(format!("Geometry: {}", geometry.word()), x, y, lines(&format!("path-{}", geometry.word())))
        };
        let share = |source: &str, title: &str| {
            let (x, y) = (PlotAxis::linear("saddle"), PlotAxis::linear("share of runs that leave").range(-0.05, 1.05));
            panel(title.into(), x, y, lines(&format!("share-{source}")))
        };
        let escape =
            with("escape", Style::Points).chain(with("line", Style::Dashed)).chain(with("rounding", Style::Hollow));
        vec![
            Graph {
                name: "paths",
                title: "From one saddle in four geometries",
                caption: format!(
                    "Loss from the saddle of the weakest eigenvector in place of the next stronger one. {sizes}"
                ),
                panels: Geometry::ALL.map(path).into(),
            },
            Graph {
                name: "escape",
                title: "The escape time grows with the logarithm of 1/noise",
                caption: format!(
                    "Σγ_t until a run has left, on factors with p = {}, against 1/σ. Dashed: slope 1/|least Hessian \
                     eigenvalue| through the mean of the points with σ ≤ 1e-3. Hollow: full gradients and random \
                     eigenvectors, drawn at 1/ε = 4.5e15. {sizes}",
                    POWERS[0]
                ),
                panels: vec![panel(
                    "Escape times".into(),
                    PlotAxis::log("1/σ"),
                    PlotAxis::linear("Σ γ_t"),
                    escape.collect(),
                )],
            },
            Graph {
                name: "shares",
                title: "Which runs leave",
                caption: format!("Share of the runs that leave each saddle, numbered by the size of S. {sizes}"),
                panels: vec![
                    share("full", "Full gradients"),
                    share("noise", "Noise in every direction"),
                    share("batch", "Minibatches of measurements"),
                ],
            },
            Graph {
                name: "curvature",
                title: "Least eigenvalues of the Hessian",
                caption: format!(
                    "Lanczos on products with the Hessian at every saddle U_S, M with random eigenvectors. {sizes}"
                ),
                panels: vec![panel(
                    "Curvature".into(),
                    PlotAxis::linear("formula"),
                    PlotAxis::linear("found by Lanczos"),
                    with("curvature", Style::Points).collect(),
                )],
            },
        ]
    }

    fn claims(&self, s: &Rerun, _: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim> {
        judged::claims(&coordinates(s), curves)
    }
}

fn coordinates(s: &Rerun) -> Landscape {
    Landscape::coordinates(s.n, s.rank, s.condition_numbers[0])
}

/// Returns the share of runs that leave each saddle: full gradients, noise and minibatches, for every p.
fn shares(s: &Rerun, geometry: Geometry, tick: &mut super::tasks::Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let land = coordinates(s);
    let sets = land.saddles();
    let mut curves = Vec::new();
    let sources =
        [("full", Source::Full), ("noise", Source::Noise(s.target)), ("batch", Source::Batch(s.measurements))];
    for (kind, (word, source)) in sources.into_iter().enumerate() {
        for (index, power) in POWERS.into_iter().enumerate() {
            let decay = Decay { step_size: s.step_size, power };
            let (mut points, mut kept) = (Vec::new(), Vec::new());
            for (number, set) in sets.iter().enumerate() {
                let full = land.is_full(set);
                if geometry != Geometry::Factor && !full {
                    continue;
                }
                let runs = match source {
                    Source::Full => 1,
                    Source::Batch(_) if !full => FEW,
                    _ => RUNS,
                };
                let mut found: Vec<Run> = Vec::new();
                for run in 0..runs {
                    let mut rng =
                        stream(s.seed, Purpose::Noise, ((kind * 8 + index) * 4096 + number * 64 + run) as u64);
                    found.push(descend((&land, set), geometry, source, decay, (s.iterations, false), &mut rng)?);
                }
                let share = |of: fn(&Run) -> bool| found.iter().filter(|run| of(run)).count() as f64 / runs as f64;
                points.push(((number + 1) as f64, share(|run| run.left.is_some())));
                if !full {
                    kept.push(((number + 1) as f64, share(|run| run.keeps_empty)));
                }
                let done = (kind * POWERS.len() + index) as f64 + number as f64 / sets.len() as f64;
                if tick(done / (sources.len() * POWERS.len()) as f64) == ControlFlow::Break(()) {
                    return Ok(curves);
                }
            }
            let (name, label) = (format!("{}-{power}", geometry.word()), format!("{}, p = {power}", geometry.word()));
            curves.push(MeasuredCurve::new(&format!("share-{word}"), &name, &*label, points));
            if geometry == Geometry::Factor {
                curves.push(MeasuredCurve::new(&format!("kept-{word}"), &name, label, kept));
            }
        }
    }
    Ok(curves)
}

/// Returns the subsets whose escape times are measured: sizes 0, 1 and r − 1, and r with a wrong eigenvector.
fn timed(rank: usize) -> Vec<Vec<usize>> {
    let mut sets = vec![vec![], vec![0], (0..rank - 1).collect(), (0..rank - 1).chain([rank]).collect()];
    sets.dedup();
    sets
}

/// Returns the mean Σγ_t until a run has left, against 1/σ, and the line of the slope that the curvature predicts.
fn escapes(s: &Rerun, tick: &mut super::tasks::Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let (land, sets) = (coordinates(s), timed(s.rank));
    let decay = Decay { step_size: s.step_size, power: POWERS[0] };
    let mut curves = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let mut points = Vec::new();
        for (index, &sigma) in NOISES.iter().enumerate() {
            let mut clocks = Vec::new();
            for run in 0..RUNS {
                let mut rng = stream(s.seed, Purpose::Noise, (1 << 20 | number << 12 | index << 6 | run) as u64);
                let limit = (LONG * s.iterations, false);
                let run = descend((&land, set), Geometry::Factor, Source::Noise(sigma), decay, limit, &mut rng)?;
                clocks.extend(run.left.map(|(_, clock)| clock));
            }
            // The mean of some of the runs would be too small.
            if clocks.len() == RUNS {
                points.push((1.0 / sigma, clocks.iter().sum::<f64>() / RUNS as f64));
            }
            let done = number as f64 + index as f64 / NOISES.len() as f64;
            if tick(done / sets.len() as f64) == ControlFlow::Break(()) {
                return Ok(curves);
            }
        }
        let (name, label) = (Landscape::name(set), format!("S = {}", Landscape::name(set)));
        curves.push(MeasuredCurve::new("line", &name, &*label, judged::line(&points, land.curvature(set))));
        curves.push(MeasuredCurve::new("escape", &name, label, points));
    }
    Ok(curves)
}

/// Returns Σγ_t until full gradients have left, with random eigenvectors; no point for a run that stays.
fn rotated(s: &Rerun, tick: &mut super::tasks::Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let land = Landscape::rotated(s.n, s.rank, s.condition_numbers[0], s.seed);
    let decay = Decay { step_size: s.step_size, power: POWERS[0] };
    let (sets, mut curves) = (land.saddles(), Vec::new());
    for (number, set) in sets.iter().enumerate() {
        let limit = (LONG * s.iterations, false);
        let mut rng = stream(s.seed, Purpose::Noise, 0);
        let run = descend((&land, set), Geometry::Factor, Source::Full, decay, limit, &mut rng)?;
        let points = run.left.map(|(_, clock)| (1.0 / f64::EPSILON, clock)).into_iter().collect();
        let name = Landscape::name(set);
        curves.push(MeasuredCurve::new("rounding", &name, format!("S = {name}"), points));
        if tick(number as f64 / sets.len() as f64) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(curves)
}

/// Returns the least eigenvalue of the Hessian at every saddle against its formula.
fn curvatures(s: &Rerun) -> Result<Vec<MeasuredCurve>> {
    let land = Landscape::rotated(s.n, s.rank, s.condition_numbers[0], s.seed);
    let of = |set: &Vec<usize>| {
        let mut rng = stream(s.seed, Purpose::Init, 0);
        Ok((land.curvature(set), least_curvature(&land.start(set), &land.matrix, 60, &mut rng)?))
    };
    let points = land.saddles().iter().map(of).collect::<Result<_>>()?;
    Ok(vec![MeasuredCurve::new("curvature", "lanczos", "saddles", points)])
}

/// Returns the losses of four runs in every geometry.
fn paths(s: &Rerun, tick: &mut super::tasks::Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let land = coordinates(s);
    let set: Vec<usize> = (0..s.rank - 1).chain([s.rank]).collect();
    let least = 0.25 * land.eigenvalue(s.rank).powi(2);
    let mut curves = Vec::new();
    for (number, geometry) in Geometry::ALL.into_iter().enumerate() {
        for (name, label, source, power) in [
            ("full", "full gradient", Source::Full, POWERS[0]),
            ("noise-slow", "noise, p = 0.6", Source::Noise(s.target), POWERS[0]),
            ("noise-fast", "noise, p = 1", Source::Noise(s.target), POWERS[2]),
            ("batch", "minibatches, p = 0.6", Source::Batch(s.measurements), POWERS[0]),
        ] {
            let decay = Decay { step_size: s.step_size, power };
            let mut rng = stream(s.seed, Purpose::Minibatch, number as u64);
            let run = descend((&land, &set), geometry, source, decay, (DRAWN, true), &mut rng)?;
            let points = run.losses.into_iter().map(|(t, loss)| (t, (loss - least).max(1e-16))).collect();
            curves.push(MeasuredCurve::new(&format!("path-{}", geometry.word()), name, label, points));
        }
        if tick((number + 1) as f64 / 4.0) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(curves)
}
