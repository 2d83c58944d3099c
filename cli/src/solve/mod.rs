//! `lowrank solve`: files in, factors and reports out.

mod again;
mod completion;
pub mod files;
mod flags;
mod made;
pub mod method;
mod outputs;
mod ranks;
mod saving;
mod summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lowrank::internals::io::{InputInfo, ensure_not_input};
use lowrank::internals::memory::parse_size;
use lowrank::internals::solver::{Axes, InitWord};
use lowrank::methods::Named;
use lowrank::models::Model;
use lowrank::solver::Checkpoint;
use lowrank::{Backend, Error, Method, Result, Settings, Solution, Solver, Status, Stop};
use serde_json::{Map, Value, json};

use super::progress::Bar;
use super::{Ending, grid, interrupt, remark};
pub use again::expand;
pub use again::{merged, report};
use completion::{HeldOut, Predictions};
use files::{Measured, Source};
pub use flags::{Args, Common};
pub use outputs::write_json;
use outputs::{Described, Outputs};
use ranks::Ranks;

pub fn run(args: &Args) -> Result<Ending> {
    let ranks = Ranks::start(args)?;
    let args = &ranks.args(args);
    let Some(ready) = ranks.together(Ready::new(args, &ranks))? else { return Ok(Ending::Refused) };
    ready.run(args, &ranks)
}

/// Everything before the first iteration.
struct Ready {
    solver: Solver,
    outputs: Outputs,
    interrupted: Arc<AtomicBool>,
    inputs: Vec<PathBuf>,
    described: Map<String, Value>,
    notices: Vec<String>,
    predictions: Option<Predictions>,
    from: Option<Checkpoint>,
    before: Option<again::Before>,
}

impl Ready {
    fn new(args: &Args, ranks: &Ranks) -> Result<Self> {
        // What the flags say, then where results go, then what the files hold: nothing is computed before a slip is found.
        let common = &args.common;
        let (source, settings, axes) = understood(args)?;
        let backend = ranks.backend(common)?;
        let (from, before) = (saving::resumed(args)?, again::Before::new(args)?);
        let inputs = source.inputs(common);
        for output in args.outputs() {
            ensure_not_input(output, &inputs)?;
            // A run may go on saving to the file that it was resumed from, and to no other file that it reads.
            let resumed = args.resume.iter().filter(|_| Some(output) != args.checkpoint.as_ref());
            ensure_not_input(output, &resumed.chain(&args.config).collect::<Vec<_>>())?;
        }
        // Before there are temporary files, which a signal would leave behind.
        let interrupted = interrupt();
        let mut outputs = Outputs::create(args)?;

        let Measured { problem, described, mut notices, held_out, predictions } = source.open(common)?;
        let (domain, m) = (problem.operator().domain(), problem.operator().measurements());
        let problem = files::with_truth(common, problem, &settings)?;
        let settings = files::with_start(common, settings, &problem)?;
        let settings = match held_out {
            Some(measurements) => settings.holdout_measurements(measurements),
            None => settings,
        };
        axes.check(problem.instances())?;
        let trials = axes.trials_from(&settings, problem.instances());
        // Angles and phases are computed where they are shown or written.
        let diagnose = args.trace.is_some() || args.report.is_some() || trials.len() == 1;
        let settings = settings.trials(trials).diagnose(diagnose);
        let settings = if common.biases { settings.without_biases() } else { settings };
        let solver = Solver::new(problem, settings, backend)?;
        notices.extend(solver.notices().iter().cloned());
        if !args.quiet {
            notices.iter().for_each(|notice| remark(notice));
            summary::announce(solver.engine(), domain, m, solver.trials());
        }
        outputs.prepare(args, &solver)?;
        Ok(Self { solver, outputs, interrupted, inputs, described, notices, predictions, from, before })
    }

    fn run(self, args: &Args, ranks: &Ranks) -> Result<Ending> {
        let Self { mut solver, mut outputs, interrupted, inputs, described, mut notices, .. } = self;
        let Self { predictions, from, before, .. } = self;
        let bar = Bar::new(&interrupted, !args.quiet);
        let solution = saving::solve(&mut solver, from.as_ref(), |progress| {
            outputs.record(progress);
            bar.observe(progress)
        });
        bar.finish();
        let solution = ranks.survived(solution)?;
        // What happened on the way.
        for notice in &solution.notices {
            if !notices.contains(notice) {
                if !args.quiet {
                    remark(notice);
                }
                notices.push(notice.clone());
            }
        }

        let digests = match args.report {
            Some(_) => inputs.iter().map(InputInfo::read).collect::<Result<_>>()?,
            None => Vec::new(),
        };
        let described = Described {
            settings: settings_of(args, solver.method().word(), described),
            seeds: seeds(args, &solution),
            digests,
            notices,
        };
        outputs.write(&solution, described, predictions.as_ref())?;
        if ranks.is_first() && !outputs_use_stdout(args) {
            summary::print(&solution, predictions.as_ref())?;
        }
        if let Some(fault) = &solution.fault {
            remark(&format!("what there is was written, from before iteration {}", fault.iteration + 1));
            return Ok(Ending::Broken(fault.error.to_string()));
        }
        if !ranks.is_first() {
            return Ok(Ending::Done);
        }
        if let Some((same, sentence)) = before.map(|before| before.compare(&solution)) {
            remark(&sentence);
            if !same {
                return Ok(Ending::Missed);
            }
        }
        match predictions.and_then(|predictions| predictions.doubt(&solution)) {
            Some(doubt) if solution.best().doubt.is_none() => {
                remark(&doubt);
                Ok(Ending::Missed)
            }
            _ => Ok(ending(&solution, args)),
        }
    }
}

/// The backend of --backend, which has to have the precision.
pub fn backend(args: &Common) -> Result<Backend> {
    backend_of(args, &args.backend)
}

/// The backend of a word.
fn backend_of(args: &Common, word_of: &str) -> Result<Backend> {
    let precision = args.precision.parse()?;
    let backend = match word_of {
        "auto" => Backend::auto_for(precision)?,
        word => Backend::from_word(word)?,
    };
    backend.require(precision)?;
    Ok(backend)
}

fn axis<T: grid::Scalar>(name: &str, text: &Option<String>) -> Result<Vec<Option<T>>> {
    match text {
        None => Ok(vec![None]),
        Some(text) => Ok(grid::parse::<T>(name, text)?.into_iter().map(Some).collect()),
    }
}

/// What the flags say, with no look at files or devices.
pub fn understood(args: &Args) -> Result<(Source, Settings, Axes)> {
    let source = Source::new(&args.common)?;
    let (settings, axes) = settings(args)?;
    Ok((source, settings, axes))
}

/// Settings without the start, and the axes of the batch.
fn settings(args: &Args) -> Result<(Settings, Axes)> {
    let flags = &args.common.method;
    let method = Method::asked(&args.method, &flags.parameters()?)?;
    let mut axes = shared_axes(&args.common)?;
    axes.step_sizes = axis("step_size", &args.common.step_size)?;
    axes.dampings = axis("damping", &flags.damping)?;
    let settings = shared_settings(&args.common)?;
    let settings = match method {
        Some(method) => settings.method(method),
        None => settings,
    };
    let settings = settings.loss(flags.loss()?).observe(args.observe.parse()?);
    let settings = saving::with_saving(args, settings)?;
    axes.check(1)?;
    // What can be refused without the problem is refused before any file is opened.
    settings.clone().trials(axes.trials(1)).check()?;
    Ok((settings, axes))
}

/// The axes that belong to the problem and the start; steps and dampings are left to the methods.
pub fn shared_axes(args: &Common) -> Result<Axes> {
    Ok(Axes {
        rows: axis("rows", &args.rows)?,
        search_ranks: axis("search_rank", &args.search_rank)?,
        step_sizes: vec![None],
        dampings: vec![None],
        init_scales: axis("init_scale", &args.init_scale)?,
        seeds: axis("seed", &args.seed)?,
    })
}

/// Settings without a start, whatever the method.
pub fn shared_settings(args: &Common) -> Result<Settings> {
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
    let random = files::init_word(args)?.is_some_and(InitWord::is_random);
    if let Some(init) = args.init.as_ref().filter(|_| !random) {
        for (name, value) in [("init_scale", &args.init_scale), ("seed", &args.seed)] {
            if let Some(value) = value {
                return Err(Error::Invalid {
                    name: name.into(),
                    found: format!("'{value}' beside --init {}", init.display()),
                    allowed: "nothing beside a start that is not random".into(),
                    fix: "leave one of the two out".into(),
                });
            }
        }
    }
    let mut settings = Settings::default().precision(args.precision.parse()?).stop(stop);
    match HeldOut::new(args) {
        HeldOut::File(path) if args.entries.is_none() => {
            return Err(Error::Invalid {
                name: "holdout".into(),
                found: format!("'{}'", path.display()),
                allowed: "one value, a share between 0 and 1, or with --entries a file".into(),
                fix: "0.1 keeps a tenth of the measurements aside".into(),
            });
        }
        // Of entries the choice is made when they are read.
        HeldOut::Share(share) if args.entries.is_none() => settings = settings.holdout(share.fraction, share.seed),
        _ => {}
    }
    let signature = Named::default().with("signature", args.signature.as_ref());
    settings = settings.model(Model::named(files::model(args), &signature)?);
    if let Some(ratio) = args.init_scale_ratio {
        settings = settings.init_scale_ratio(ratio);
    }
    settings = settings.ridge(args.ridge);
    if let Some(std) = &args.init_std {
        settings = settings.init_std(std.parse()?);
    }
    if let Some(variant) = &args.variant {
        settings = settings.variant(variant.as_str());
    }
    if args.retune {
        settings = settings.retune();
    }
    if let Some(text) = &args.device_memory {
        settings = settings.device_memory(parse_size("device_memory", text)?);
    }
    Ok(settings)
}

/// Two whole numbers with a comma between them.
pub fn pair_of(name: &str, text: &str, allowed: &str, fix: &str) -> Result<(usize, usize)> {
    let numbers: Vec<usize> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match (numbers.as_slice(), text.split(',').count()) {
        (&[a, b], 2) => Ok((a, b)),
        _ => Err(Error::Invalid {
            name: name.into(),
            found: format!("'{text}'"),
            allowed: allowed.into(),
            fix: fix.into(),
        }),
    }
}

/// The flags as they were understood, with the method that ran.
fn settings_of(args: &Args, method: &str, measurements: Map<String, Value>) -> Value {
    let mut settings = described(&args.common, measurements);
    settings.insert("method".into(), method.into());
    settings.insert("observe".into(), args.observe.as_str().into());
    Value::Object(settings)
}

/// The flags that commands share as they were understood.
pub fn described(args: &Common, measurements: Map<String, Value>) -> Map<String, Value> {
    let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.display().to_string());
    let mut settings = files::object(json!({
        "truth": path(&args.truth), "truth_matrix": path(&args.truth_matrix), "init": path(&args.init),
        "signature": args.signature, "init_scale_ratio": args.init_scale_ratio, "ridge": args.ridge,
        "rows": args.rows, "search_rank": args.search_rank, "step_size": args.step_size,
        "init_scale": args.init_scale, "seed": args.seed,
        "init_preprocess": args.init_preprocess, "init_std": args.init_std, "backend": args.backend, "precision": args.precision, "storage": args.storage,
        "variant": args.variant, "parts": args.parts, "device_memory": args.device_memory,
        "max_iterations": args.max_iterations,
        "stop_relative_error": args.stop_relative_error, "stop_loss": args.stop_loss,
        "stop_residual": args.stop_residual, "stop_time": args.stop_time, "stall_window": args.stall_window,
        "holdout": args.holdout, "holdout_seed": args.holdout_seed,
    }));
    settings.extend(files::object(args.method.described()));
    settings.extend(measurements);
    settings
}

fn seeds(args: &Args, solution: &Solution) -> Value {
    let init: Vec<Option<u64>> = solution.trials.iter().map(|t| t.parameters.seed).collect();
    json!({ "init": init, "holdout": args.common.holdout.as_ref().map(|_| args.common.holdout_seed) })
}

fn outputs_use_stdout(args: &Args) -> bool {
    args.outputs().any(|p| p == Path::new("-"))
}

fn ending(solution: &Solution, args: &Args) -> Ending {
    let target = args.common.has_target();
    let good = |status: Status| match status {
        Status::Converged => true,
        Status::Diverged | Status::Interrupted | Status::DeviceLost => false,
        _ => !target,
    };
    if solution.trials.iter().all(|t| good(t.status) && t.doubt.is_none()) { Ending::Done } else { Ending::Missed }
}
