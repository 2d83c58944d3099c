//! `lowrank solve`: files in, factors and reports out.

mod outputs;
mod summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lowrank::io::{InputInfo, ensure_not_input, read_factor, read_observations, read_truth_matrix};
use lowrank::operators::Operator;
use lowrank::operators::dense::{DenseFile, Layout, Normalization, OpenOptions, Storage};
use lowrank::problem::{Factors, Model, Truth};
use lowrank::report::readable;
use lowrank::{
    Backend, Error, Init, Method, Precision, Problem, Result, Schedule, Settings, Solution, Solver, Status, Stop, Trial,
};
use serde_json::{Value, json};

use super::progress::Bar;
use super::{Ending, grid, interrupt, remark};
use outputs::Outputs;
pub use outputs::write_json;

/// Lists and ranges (`1:8`, `a:b:step`, `log:1e-1:1e-7:7`) of --init-scale, --seed, --search-rank and
/// --step-size make one batch, their cartesian product.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Sensing matrices, .npy: (m, n, n), (m, n²), or packed (m, n(n+1)/2) upper triangles row by row
    #[arg(long, value_name = "A.npy", help_heading = "Measurements")]
    matrices: PathBuf,
    /// Observations, .npy: (m,), (m, 1), or (b, m) for several vectors
    #[arg(long, value_name = "y.npy", help_heading = "Measurements")]
    observations: PathBuf,
    /// Known factor X with M = X Xᵀ, to report the test error: X.npy (n, r), or factors.npz holding `left`
    #[arg(long, value_name = "FILE", conflicts_with = "truth_matrix", help_heading = "Measurements")]
    truth: Option<PathBuf>,
    /// Known matrix M (n, n), to report the test error
    #[arg(long, value_name = "M.npy", help_heading = "Measurements")]
    truth_matrix: Option<PathBuf>,
    /// psd: symmetric without negative eigenvalues; other models are refused
    #[arg(long, value_name = "NAME", default_value = "psd", help_heading = "Measurements")]
    model: String,
    /// packed or full, needed only where the width of the matrices can be read both ways [default: from the file]
    #[arg(long, value_name = "NAME", help_heading = "Measurements")]
    layout: Option<String>,
    /// n,n of the unknown matrix, another way to settle the width [default: from the file]
    #[arg(long, value_name = "n1,n2", help_heading = "Measurements")]
    shape: Option<String>,
    /// Scale s that makes s·A*A about the identity: 1/m (entries of variance 1), 1, auto, or a number
    #[arg(long, value_name = "s", allow_hyphen_values = true, default_value = "1/m", help_heading = "Measurements")]
    normalization: String,

    /// Columns k of U, at least the rank you expect [default: min(n, 20)]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    search_rank: Option<String>,
    /// Step size μ of U ← U − μ·s·A*(A(UUᵀ) − y)·U [default: 1/(4 ‖s·A*(y)‖)]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    step_size: Option<String>,
    /// Size α of the random start, entries N(0, α²/k) [default: 1e-6 √‖s·A*(y)‖]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    init_scale: Option<String>,
    /// Seed of the random start [default: 0]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    seed: Option<String>,
    /// Start from these factors instead: U0.npy (n, k) or (batch, n, k), or the factors.npz of another run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["init_scale", "seed"], help_heading = "Method")]
    init: Option<PathBuf>,
    /// gd: gradient descent; see `lowrank list methods`
    #[arg(long, value_name = "NAME", default_value = "gd", help_heading = "Method")]
    method: String,
    /// auto, reference, cpu, gpu, or gpu:NAME; see `lowrank list devices`
    #[arg(long, value_name = "NAME", default_value = "auto", help_heading = "Method")]
    backend: String,
    /// f32 or f64 arithmetic (reference is always f64, gpu always f32)
    #[arg(long, value_name = "TYPE", default_value = "f32", help_heading = "Method")]
    precision: String,

    /// Iterations at most
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        default_value_t = 5000,
        help_heading = "When to stop"
    )]
    max_iterations: usize,
    /// Stop at ‖UUᵀ−M‖/‖M‖ ≤ e; needs a truth
    #[arg(long, value_name = "e", allow_negative_numbers = true, help_heading = "When to stop")]
    stop_relative_error: Option<f64>,
    /// Stop at a training loss ≤ f
    #[arg(long, value_name = "f", allow_negative_numbers = true, help_heading = "When to stop")]
    stop_loss: Option<f64>,
    /// Stop at a relative residual ‖A(UUᵀ)−y‖/‖y‖ ≤ e
    #[arg(long, allow_negative_numbers = true, value_name = "e", help_heading = "When to stop")]
    stop_residual: Option<f64>,
    /// Stop after so many seconds of iterating
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, help_heading = "When to stop")]
    stop_time: Option<f64>,
    /// Iterations over which a flat loss and a still spectrum count as stalled; 0 never does
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "When to stop")]
    stall_window: usize,
    /// Keep this share of the measurements aside, return the iterate that predicts them best, estimate the error
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "When to stop")]
    holdout: Option<f64>,
    /// Seed of the choice of held-out measurements
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = "When to stop")]
    holdout_seed: u64,
    /// When to trace and to test the stop rules: every:J iterations, or log (about twelve times a decade)
    #[arg(long, value_name = "WHEN", default_value = "every:10", help_heading = "When to stop")]
    observe: String,

    /// Factors, .npz with `left` (batch, n, k)
    #[arg(long, value_name = "factors.npz", help_heading = "Output (each optional; - is the standard output)")]
    out: Option<PathBuf>,
    /// Report of the run, JSON
    #[arg(long, value_name = "run.json", help_heading = "Output (each optional; - is the standard output)")]
    report: Option<PathBuf>,
    /// Every observation of every trial, CSV
    #[arg(long, value_name = "trace.csv", help_heading = "Output (each optional; - is the standard output)")]
    trace: Option<PathBuf>,
    /// Parameters and result of every trial, CSV
    #[arg(long, value_name = "trials.csv", help_heading = "Output (each optional; - is the standard output)")]
    trials: Option<PathBuf>,
    /// No notes and no progress
    #[arg(long, short, help_heading = "Output (each optional; - is the standard output)")]
    quiet: bool,
}

pub fn run(args: &Args) -> Result<Ending> {
    // What the flags say, then where results go, then what the files hold: nothing is computed before a slip is found.
    let (settings, axes) = settings(args)?;
    let options = open_options(args)?;
    let backend = Backend::from_word(&args.backend)?;
    let inputs = inputs(args);
    for output in [&args.out, &args.report, &args.trace, &args.trials].into_iter().flatten() {
        ensure_not_input(output, &inputs)?;
    }
    // Before there are temporary files, which a signal would leave behind.
    let interrupted = interrupt();
    let outputs = Outputs::create(&args.out, &args.report, &args.trace, &args.trials)?;

    let file = options.open(&args.matrices)?;
    let mut notices = file.notices.clone();
    let (problem, s) = problem(args, file)?;
    let (n, m) = (problem.operator().shape().rows(), problem.operator().measurements());
    notices.push(format!("normalization {}: s as --normalization {} has it", readable(s), args.normalization));
    let settings = start(args, settings, n)?;
    let mut trials = axes.trials(problem.instances());
    if let (Init::Given(starts), [one]) = (settings.chosen_init(), trials.as_slice()) {
        // A batch of starts, as another run leaves it, goes on as a batch.
        trials = vec![*one; starts.batch()];
    }
    // Angles and phases are computed where they are written somewhere.
    let diagnose = args.trace.is_some() || args.report.is_some();
    let settings = settings.trials(trials).diagnose(diagnose);
    let mut solver = Solver::new(problem, settings, backend)?;
    notices.extend(solver.notices().iter().cloned());
    if !args.quiet {
        notices.iter().for_each(|notice| remark(notice));
        summary::announce(solver.engine(), n, m, solver.trials());
    }
    let bar = Bar::new(&interrupted, !args.quiet);
    let solution = solver.solve_with(|progress| bar.observe(progress))?;
    bar.finish();

    let digests = match args.report {
        Some(_) => inputs.iter().map(InputInfo::read).collect::<Result<_>>()?,
        None => Vec::new(),
    };
    outputs.write(&solution, described(args, s), seeds(args, &solution), digests, notices)?;
    if !outputs_use_stdout(args) {
        summary::print(&solution)?;
    }
    Ok(ending(&solution, args))
}

/// Parameter axes of the batch.
struct Axes {
    search_ranks: Vec<Option<usize>>,
    step_sizes: Vec<Option<f64>>,
    init_scales: Vec<Option<f64>>,
    seeds: Vec<Option<u64>>,
}

impl Axes {
    /// The cartesian product, the seed running fastest and the observation vector slowest.
    fn trials(&self, instances: usize) -> Vec<Trial> {
        let mut trials = Vec::new();
        for instance in 0..instances {
            for k in &self.search_ranks {
                for mu in &self.step_sizes {
                    for alpha in &self.init_scales {
                        for seed in &self.seeds {
                            let mut trial = Trial::default().instance(instance);
                            trial = k.map_or(trial, |k| trial.search_rank(k));
                            trial = mu.map_or(trial, |mu| trial.step_size(mu));
                            trial = alpha.map_or(trial, |alpha| trial.init_scale(alpha));
                            trials.push(seed.map_or(trial, |seed| trial.seed(seed)));
                        }
                    }
                }
            }
        }
        trials
    }
}

fn axis<T: grid::Scalar>(name: &str, text: &Option<String>) -> Result<Vec<Option<T>>> {
    match text {
        None => Ok(vec![None]),
        Some(text) => Ok(grid::parse::<T>(name, text)?.into_iter().map(Some).collect()),
    }
}

fn word<T>(name: &str, text: &str, choices: &[(&str, T)]) -> Result<T>
where
    T: Copy,
{
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| Error::Invalid {
        name: name.into(),
        found: format!("'{text}'"),
        allowed: choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "),
        fix: "pick one of them".into(),
    })
}

/// Settings without the start, and the axes of the batch.
fn settings(args: &Args) -> Result<(Settings, Axes)> {
    let method = Method::from_word(&args.method).ok_or_else(|| Error::Invalid {
        name: "method".into(),
        found: format!("'{}'", args.method),
        allowed: lowrank::methods::METHODS.iter().map(|m| m.word).collect::<Vec<_>>().join(", "),
        fix: "`lowrank list methods` describes them".into(),
    })?;
    let precision = word("precision", &args.precision, &[("f32", Precision::F32), ("f64", Precision::F64)])?;
    let axes = Axes {
        search_ranks: axis("search_rank", &args.search_rank)?,
        step_sizes: axis("step_size", &args.step_size)?,
        init_scales: axis("init_scale", &args.init_scale)?,
        seeds: axis("seed", &args.seed)?,
    };
    let stop = Stop {
        relative_error: args.stop_relative_error,
        loss: args.stop_loss,
        residual: args.stop_residual,
        time: args.stop_time,
        max_iterations: args.max_iterations,
        stall_window: (args.stall_window > 0).then_some(args.stall_window),
    };
    if args.stop_relative_error.is_some() && args.truth.is_none() && args.truth_matrix.is_none() {
        return Err(Error::Invalid {
            name: "stop_relative_error".into(),
            found: "a target but no truth".into(),
            allowed: "a target together with --truth or --truth-matrix".into(),
            fix: "give the truth, or stop by --stop-residual or --holdout".into(),
        });
    }
    let mut settings = Settings::new(method).precision(precision).stop(stop).observe(schedule(&args.observe)?);
    if let Some(share) = args.holdout {
        settings = settings.holdout(share, args.holdout_seed);
    }
    // What can be refused without the problem is refused before any file is opened.
    settings.clone().trials(axes.trials(1)).check()?;
    Ok((settings, axes))
}

fn schedule(text: &str) -> Result<Schedule> {
    match (text, text.strip_prefix("every:").map(str::parse::<usize>)) {
        ("log", _) => Ok(Schedule::Log),
        (_, Some(Ok(j))) => Ok(Schedule::Every(j)),
        _ => Err(Error::Invalid {
            name: "observe".into(),
            found: format!("'{text}'"),
            allowed: "every:J with J at least 1, or log".into(),
            fix: "for example every:10".into(),
        }),
    }
}

fn open_options(args: &Args) -> Result<OpenOptions> {
    let models = [("psd", Model::Psd), ("asymmetric", Model::Asymmetric), ("signed", Model::Signed)];
    let layouts = [("packed", Layout::Packed), ("full", Layout::Full)];
    let shape = match &args.shape {
        None => None,
        Some(text) => {
            let sizes: Vec<usize> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
            match (sizes.as_slice(), text.split(',').count()) {
                (&[n1, n2], 2) if n1 > 0 && n2 > 0 => Some((n1, n2)),
                _ => {
                    return Err(Error::Invalid {
                        name: "shape".into(),
                        found: format!("'{text}'"),
                        allowed: "two positive whole numbers n1,n2".into(),
                        fix: "for example --shape 60,60".into(),
                    });
                }
            }
        }
    };
    let model = word("model", &args.model, &models)?;
    if model != Model::Psd {
        return Err(Error::Unsupported {
            what: format!("--model {}", args.model),
            fix: "This version recovers positive semidefinite matrices: say --model psd, or leave it out".into(),
        });
    }
    // Reference keeps the file's own type, as does double precision; single precision rounds once, here.
    let single = args.precision == "f32" && args.backend != "reference";
    Ok(OpenOptions {
        model,
        layout: args.layout.as_ref().map(|text| word("layout", text, &layouts)).transpose()?,
        shape,
        storage: single.then_some(Storage::F32),
        normalization: args.normalization.parse::<Normalization>()?,
    })
}

fn inputs(args: &Args) -> Vec<PathBuf> {
    let optional = [&args.truth, &args.truth_matrix, &args.init];
    [&args.matrices, &args.observations].into_iter().chain(optional.into_iter().flatten()).cloned().collect()
}

fn problem(args: &Args, file: DenseFile) -> Result<(Problem, f64)> {
    let n = file.operator.shape().rows();
    let observations = read_observations(&args.observations, file.operator.measurements(), &file.describe())?;
    let s = file.operator.normalization();
    let mut problem = Problem::batch(Arc::new(file.operator), observations)?;
    if let Some(path) = &args.truth {
        let array = read_factor(path, n, "truth")?;
        let size = n * array.columns;
        let truths = array.values.chunks(size).map(|x| Truth::from_factor(n, array.columns, x.to_vec()));
        problem = problem.with_truths(truths.collect::<Result<_>>()?)?;
    }
    if let Some(path) = &args.truth_matrix {
        problem = problem.with_truth(Truth::from_matrix(n, read_truth_matrix(path, n)?)?)?;
    }
    Ok((problem, s))
}

/// Adds the start. Scales and seeds are on the trials.
fn start(args: &Args, settings: Settings, n: usize) -> Result<Settings> {
    let Some(path) = &args.init else { return Ok(settings.init(Init::Automatic { seed: 0 })) };
    let array = read_factor(path, n, "init")?;
    Ok(settings.init(Init::Given(Factors::symmetric(array.batch, n, array.columns, array.values)?)))
}

/// The flags as they were understood.
fn described(args: &Args, s: f64) -> Value {
    let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.display().to_string());
    json!({
        "operator": "dense",
        "matrices": args.matrices, "observations": args.observations,
        "truth": path(&args.truth), "truth_matrix": path(&args.truth_matrix), "init": path(&args.init),
        "model": args.model, "layout": args.layout, "shape": args.shape,
        "normalization": args.normalization, "normalization_value": s,
        "search_rank": args.search_rank, "step_size": args.step_size,
        "init_scale": args.init_scale, "seed": args.seed,
        "method": args.method, "backend": args.backend, "precision": args.precision,
        "max_iterations": args.max_iterations,
        "stop_relative_error": args.stop_relative_error, "stop_loss": args.stop_loss,
        "stop_residual": args.stop_residual, "stop_time": args.stop_time, "stall_window": args.stall_window,
        "holdout": args.holdout, "holdout_seed": args.holdout_seed, "observe": args.observe,
    })
}

fn seeds(args: &Args, solution: &Solution) -> Value {
    let init: Vec<Option<u64>> = solution.trials.iter().map(|t| t.parameters.seed).collect();
    json!({ "init": init, "holdout": args.holdout.map(|_| args.holdout_seed) })
}

fn outputs_use_stdout(args: &Args) -> bool {
    [&args.out, &args.report, &args.trace, &args.trials].into_iter().flatten().any(|p| p == Path::new("-"))
}

fn ending(solution: &Solution, args: &Args) -> Ending {
    let target = args.stop_relative_error.is_some() || args.stop_loss.is_some() || args.stop_residual.is_some();
    let good = |status: Status| match status {
        Status::Converged => true,
        Status::Diverged | Status::Interrupted => false,
        _ => !target,
    };
    if solution.trials.iter().all(|t| good(t.status)) { Ending::Done } else { Ending::Missed }
}
