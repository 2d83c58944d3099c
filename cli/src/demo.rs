//! Command `lowrank demo`: the paper's setting at a size that takes seconds.

use std::io::Write;
use std::path::PathBuf;

use lowrank::io::write_npy_f64;
use lowrank::operators::Dense;
use lowrank::problem::synthetic;
use lowrank::{Init, Method, Problem, Result, Schedule, Settings, Solution, Solver, Stop};
use lowrank_studies::report::{Curve, Figure, Quantity, RunReport, write_factors, write_trace};
use serde_json::json;

use super::options::{Flags, OfLibrary, folder};
use super::outputs::{Opened, Output, argv, drawn, json, page, words};
use super::progress::Bar;
use super::{Ending, interrupt, remark, said};

/// The command, for its flags.
pub enum Demo {}

impl OfLibrary for Demo {
    const NAME: &'static str = "demo";
}

#[derive(clap::Args)]
pub struct Args {
    #[arg(long, value_name = "DIR", help = folder("the results"), default_value = "lowrank-demo")]
    out: PathBuf,
    #[command(flatten)]
    options: Flags<Demo>,
    /// Seed of the truth, the measurements and the start
    #[arg(long, value_parser = crate::grid::single::<u64>, default_value_t = 1)]
    seed: u64,
}

/// A finished run, its truth X, its figure, its report, and the problem in a few words.
struct Finished {
    solution: Solution,
    truth: Vec<f64>,
    svg: String,
    report: RunReport,
    problem: String,
}

const FILES: &[Output<Finished>] = &[
    Output { name: "factors.npz", write: |file, of| write_factors(file, &of.solution) },
    Output { name: "X.npy", write: |file, of| write_npy_f64(file, &[N, RANK], &of.truth) },
    Output { name: "trace.csv", write: |file, of| write_trace(file, &of.solution.trace) },
    Output { name: "error.svg", write: |file, of| file.write_all(of.svg.as_bytes()) },
    Output { name: "run.json", write: |file, of| json(file, &of.report) },
    Output { name: "run.html", write: |file, of| page(file, &of.report, &of.solution.trace, &of.problem) },
];

const N: usize = 100;
const RANK: usize = 3;
/// Number of measurements, m = 10·n·r*.
const MEASUREMENTS: usize = 10 * N * RANK;
const SEARCH_RANK: usize = 20;
const STEP_SIZE: f64 = 0.25;
const ITERATIONS: usize = 200;
/// Target error, far above what the run reaches (about 2e-7) and far below its start (1).
const GOOD: f64 = 1e-5;

pub fn run(args: &Args) -> Result<Ending> {
    let backend = args.options.request.backend()?;
    let interrupted = interrupt();
    let files = Opened::within(&args.out, FILES)?;

    // α = 1/(70 n²)
    let scale = 1.0 / (70.0 * (N * N) as f64);
    remark(&format!(
        "a random {N}x{N} matrix of rank {RANK} from {MEASUREMENTS} random measurements; gradient descent on U \
         ({N}x{SEARCH_RANK}, far more columns than needed) from a random start of size {scale:.1e}"
    ));
    let truth = synthetic::psd(N).rank(RANK).seed(args.seed).build()?;
    let operator = Dense::gaussian(truth.domain(), MEASUREMENTS, args.seed)?;
    let x = truth.factor().map(|x| x.as_slice().to_vec()).unwrap_or_default();
    let settings = Settings::new(Method::gd())
        .search_rank(SEARCH_RANK)
        .step_size(STEP_SIZE)
        .init(Init::SmallRandom { scale, seed: args.seed })
        .observe(Schedule::Every(5))
        .diagnose(true)
        .stop(Stop::default().max_iterations(ITERATIONS).stall_window(None));
    let problem = Problem::measure(operator, truth)?;
    let described = words(&problem);
    let mut solver = Solver::new(problem, settings, backend)?;
    let engine = solver.engine();
    remark(&format!("on {}: {}, seed {}", engine.backend, engine.adapter, args.seed));
    let bar = Bar::new(&interrupted, true);
    let solution = solver.solve_with(|progress| bar.observe(progress))?;
    bar.finish();

    let svg = drawn(figure(&solution))?;
    let settings = json!({
        "n": N, "rank": RANK, "measurements": MEASUREMENTS, "condition_number": 1.0, "search_rank": SEARCH_RANK,
        "step_size": STEP_SIZE, "init_scale": scale, "method": "gd", "model": "psd", "backend": args.options.request.text("backend").unwrap_or("auto"), "max_iterations": ITERATIONS,
    });
    let seeds = json!({ "truth": args.seed, "operator": args.seed, "init": [args.seed] });
    let report = RunReport::new(&solution, settings, argv(), seeds, Vec::new(), solution.notices.clone());
    let mut finished = Finished { solution, truth: x, svg, report, problem: described };
    files.write(&mut finished)?;
    let solution = finished.solution;

    table(&solution, args)?;
    let reached = solution.best().relative_error.is_some_and(|error| error <= GOOD);
    Ok(if reached { Ending::Done } else { Ending::Missed })
}

/// Prints test error and residual every twenty iterations, with one bar per decade.
fn table(solution: &Solution, args: &Args) -> Result<()> {
    let mut out = std::io::stdout().lock();
    said(writeln!(out, "iteration   train loss   test error"))?;
    for row in solution.trace.iter().filter(|row| row.iteration % 20 == 0) {
        let error = row.relative_error.unwrap_or(f64::NAN);
        // Seven decades from 1 down to 1e-7, five marks each.
        let marks = ((7.0 + error.log10()).clamp(0.0, 7.0) * 5.0).round() as usize;
        said(writeln!(
            out,
            "{:>9}   {:>10.3e}   {error:>10.3e}  {}",
            row.iteration,
            row.train_loss,
            "▪".repeat(marks)
        ))?;
    }
    let best = solution.best();
    said(writeln!(
        out,
        "\nThe relative error is {:.1e}, although U has {SEARCH_RANK} columns and no term favours a low \
         rank:\nfrom a small start, gradient descent finds the {} large directions first (estimated rank {}).\n{} \
         iterations in {:.2} s on {}.\n\nin {}: run.html (a page), error.svg, trace.csv, run.json, factors.npz, X.npy",
        best.relative_error.unwrap_or(f64::NAN),
        best.estimated_rank,
        best.estimated_rank,
        best.iterations,
        solution.timing.solve,
        solution.engine.backend,
        args.out.display(),
    ))
}

fn figure(solution: &Solution) -> std::result::Result<String, String> {
    let curve = |label: &'static str, color, value: fn(&lowrank::TraceRow) -> Option<f64>| Curve {
        label,
        color,
        points: solution.trace.iter().filter_map(|r| Some((r.iteration as f64, value(r)?))).collect(),
    };
    Figure {
        title: "Rank 3 recovered with 20 columns: small random start",
        x_label: "iteration",
        y_label: "relative to the truth",
        curves: vec![
            curve("test error ‖UUᵀ − M‖/‖M‖", Quantity::TestError, |r| r.relative_error),
            curve("residual ‖A(UUᵀ) − y‖/‖y‖", Quantity::Residual, |r| Some(r.relative_residual)),
        ],
    }
    .to_svg()
}
