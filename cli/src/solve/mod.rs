//! `lowrank solve`: files in, factors and reports out.

mod again;
mod choice;
mod outputs;
mod ranks;
mod summary;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lowrank::confidence::StandardErrors;
use lowrank::internals::io::{InputInfo, ensure_not_input};
use lowrank::internals::operators::Predictions;
use lowrank::internals::options::Request;
use lowrank::internals::requests::{Measured, Planned, options_of};
use lowrank::methods::StartKind;
use lowrank::selection::{CrossValidation, Selection};
use lowrank::solver::Checkpoint;
use lowrank::{Backend, Progress, Result, Solution, Solver, Status};
use lowrank_studies::report::{ConfidenceReport, RunReport, readable};
use serde_json::{Map, Value, json};

use super::options::{Flags, Json, OfLibrary, Talk};
use super::outputs::words;
use super::progress::Bar;
use super::{Ending, interrupt, remark};
pub use again::expand;
pub use again::{merged, report};
use outputs::{Finished, HEADING, Outputs, Paths};
use ranks::Ranks;

/// The command, for its flags.
#[derive(Clone, Copy, Debug)]
pub enum Solve {}

impl OfLibrary for Solve {
    const NAME: &'static str = "solve";
}

/// Recovers a matrix from measurement files. Lists and ranges (`1:8`, `a:b:step`, `log:1e-1:1e-7:7`) of --init-scale, --seed,
/// --search-rank, --step-size, --damping and --rows make one batch, their cartesian product.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub options: Flags<Solve>,
    /// Continue from a checkpoint of the same data and settings; limits and outputs may be others
    #[arg(long, value_name = "run.ckpt", help_heading = "Faults and reruns")]
    pub resume: Option<PathBuf>,
    /// Repeat the run of this report and say whether the result is the same; flags on the command line override those of the
    /// report
    #[arg(long, value_name = "run.json", help_heading = "Faults and reruns")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub paths: Paths,
    #[command(flatten, next_help_heading = HEADING)]
    pub talk: Talk,
}

impl Args {
    /// All files that the run writes.
    fn outputs(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path).chain(self.options.request.file("checkpoint"))
    }
}

pub fn run(args: &Args) -> Result<Ending> {
    let ranks = Ranks::start(args)?;
    let args = &ranks.args(args);
    let Some(wanted) = ranks.together(Wanted::new(args, &ranks))? else { return Ok(Ending::Refused) };
    let wanted = Wanted { backend: ranks.known(wanted.backend)?, ..wanted };
    let Some(ready) = ranks.together(Ready::new(args, wanted))? else { return Ok(Ending::Refused) };
    ready.run(args, &ranks)
}

/// What the flags ask for.
struct Wanted {
    choice: Option<CrossValidation>,
    request: Request,
    planned: Planned,
    backend: Backend,
}

impl Wanted {
    fn new(args: &Args, ranks: &Ranks) -> Result<Self> {
        let (choice, request, planned) = understood(args)?;
        choice::check(choice.as_ref(), &args.paths)?;
        let backend = ranks.backend(&request)?;
        Ok(Self { choice, request, planned, backend })
    }
}

/// Everything before the first iteration.
struct Ready {
    /// The problem in a few words.
    words: String,
    solver: Solver,
    outputs: Outputs,
    interrupted: Arc<AtomicBool>,
    inputs: Vec<PathBuf>,
    described: Map<String, Value>,
    notices: Vec<String>,
    predictions: Option<Predictions>,
    selection: Option<Selection>,
    from: Option<Checkpoint>,
    before: Option<again::Before>,
}

impl Ready {
    fn new(args: &Args, wanted: Wanted) -> Result<Self> {
        // Where results go, then what the files hold: nothing is computed before a slip is found.
        let Wanted { choice, request, planned, backend } = wanted;
        let from = args.resume.as_ref().map(Checkpoint::read).transpose()?;
        let before = again::Before::new(args)?;
        let inputs = request.inputs(&planned);
        for output in args.outputs() {
            ensure_not_input(output, &inputs)?;
            // A run may continue to save to the file that it was resumed from, and to no other file that it reads.
            let resumed = args.resume.iter().filter(|_| Some(output) != request.file("checkpoint"));
            ensure_not_input(output, &resumed.chain(&args.config).collect::<Vec<_>>())?;
        }
        // Before there are temporary files, which a signal would leave behind.
        let interrupted = interrupt();
        let mut outputs = Outputs::create(&args.paths, request.file("checkpoint"))?;

        let Measured { problem, mut settings, described, mut notices, predictions, .. } = request.measured(planned)?;
        let (backend, said) = request.settled(backend, &**problem.operator())?;
        notices.extend(said);
        let (domain, m) = (problem.operator().domain(), problem.operator().measurements());
        let words = words(&problem);
        // Phases belong to descents, which come from a start; the spectrum for them costs passes in double precision.
        // Curves show angles for every method.
        let descends = settings.method_of(&domain).start(None) != StartKind::Directions;
        let is_written = |names: &[&str]| names.iter().any(|name| args.paths.get(name).is_some());
        let told = settings.chosen_trials().len() == 1 || is_written(&["report", "json"]);
        let diagnose = is_written(&["trace", "html"]) || descends && told;
        let mut selection = None;
        if let Some(choice) = choice {
            let (found, said);
            let how = (&*interrupted, args.talk.quiet);
            (settings, found, said) = choice::chosen(&choice, (&problem, settings), &backend, how)?;
            selection = found;
            notices.extend(said);
        }
        let solver = Solver::new(problem, settings.diagnose(diagnose), backend)?;
        notices.extend(solver.notices().iter().cloned());
        if !args.talk.quiet {
            notices.iter().for_each(|notice| remark(notice));
            summary::announce(solver.engine(), domain, m, solver.trials());
        }
        outputs.prepare(&args.paths, &solver)?;
        Ok(Self {
            words,
            solver,
            outputs,
            interrupted,
            inputs,
            described,
            notices,
            predictions,
            selection,
            from,
            before,
        })
    }

    fn run(self, args: &Args, ranks: &Ranks) -> Result<Ending> {
        let Self { mut solver, mut outputs, interrupted, inputs, described, mut notices, .. } = self;
        let Self { words, predictions, selection, from, before, .. } = self;
        let bar = Bar::new(&interrupted, !args.talk.quiet);
        let solution = solve(&mut solver, from.as_ref(), |progress| {
            outputs.record(progress);
            bar.observe(progress)
        });
        bar.finish();
        let solution = ranks.survived(solution)?;
        // What happened on the way.
        for notice in &solution.notices {
            if !notices.contains(notice) {
                if !args.talk.quiet {
                    remark(notice);
                }
                notices.push(notice.clone());
            }
        }

        let wanted = args.options.request.is_on("confidence") && ranks.is_first();
        let errors = wanted.then(|| StandardErrors::of(&solver, solution.best()));
        let said = errors.as_ref().map(|errors| summary::about(errors, predictions.as_ref())).unwrap_or_default();
        said.iter().for_each(|sentence| remark(sentence));
        notices.extend(said);
        let without_errors = errors.as_ref().is_some_and(Result::is_err);

        let reported = ["report", "json", "html"].iter().any(|name| args.paths.get(name).is_some());
        let digests = match reported {
            true => inputs.iter().map(InputInfo::read).collect::<Result<_>>()?,
            false => Vec::new(),
        };
        let mut settings = self::described(Solve::NAME, &args.options.request, described);
        settings.insert("method".into(), solver.method().word().into());
        let seeds = seeds(&args.options.request, &solution)?;
        let errors = errors.and_then(Result::ok);
        let beside = summary::Beside::new(selection.as_ref(), errors.as_ref());
        // The words of a report that is repeated are in its place.
        let argv = expand(std::env::args_os().collect())?;
        let argv = argv.iter().map(|a| a.to_string_lossy().into_owned()).collect();
        let mut report = RunReport::new(&solution, Value::Object(settings), argv, seeds, digests, notices);
        report.baseline_rmse = predictions.as_ref().and_then(|p| p.baseline);
        report.selection = selection;
        report.confidence = errors.as_ref().map(ConfidenceReport::from);
        let mut finished = Finished::new(words, solution, report, errors, predictions);
        outputs.write(&mut finished)?;
        let Finished { solution, predictions, .. } = finished;
        if let Some(out) = ranks.is_first().then(|| text_to(args)).flatten() {
            summary::print(out, &solution, predictions.as_ref(), &beside)?;
        }
        if let Some(fault) = &solution.fault {
            remark(&format!("the results from before iteration {} were written", fault.iteration + 1));
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
        match predictions.and_then(|predictions| doubt(&predictions, &solution)) {
            Some(doubt) if solution.best().doubt.is_none() => {
                remark(&doubt);
                Ok(Ending::Missed)
            }
            _ if without_errors => Ok(Ending::Missed),
            _ => Ok(ending(&solution, args)),
        }
    }
}

/// Where the text of the result goes; nowhere if the standard output is taken by a file.
fn text_to(args: &Args) -> Option<Box<dyn Write>> {
    let json = args.paths.get("json").is_some();
    let taken = args.outputs().any(|path| path == Path::new("-"));
    (json || !taken).then(|| Json { json }.text(args.talk.quiet))
}

/// Solves, or continues from a checkpoint.
fn solve(
    solver: &mut Solver,
    from: Option<&Checkpoint>,
    observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<Solution> {
    match from {
        Some(from) => solver.resume_with(from, observer),
        None => solver.solve_with(observer),
    }
}

/// What the flags say, with no look at files or devices: what is to be chosen, and the rest.
pub fn understood(args: &Args) -> Result<(Option<CrossValidation>, Request, Planned)> {
    let (choice, request) = args.options.request.cross_validation()?;
    let settings = request.settings()?;
    let settings = match request.method()? {
        Some(method) => settings.method(method),
        None => settings,
    };
    let planned = request.planned(Solve::NAME, settings, request.axes_with_method()?)?;
    Ok((choice, request, planned))
}

/// The options of a command as they were understood, without files that were not given.
pub fn described(command: &str, request: &Request, measurements: Map<String, Value>) -> Map<String, Value> {
    let options = options_of(command);
    let mut settings = request.described(command, &options);
    for option in options.iter().filter(|option| !option.in_python) {
        if settings.get(option.name).is_some_and(|value| value.is_null() || value == &json!(false)) {
            settings.remove(option.name);
        }
    }
    settings.extend(measurements);
    settings
}

fn seeds(request: &Request, solution: &Solution) -> Result<Value> {
    let init: Vec<Option<u64>> = solution.trials.iter().map(|t| t.parameters.seed).collect();
    let holdout = request.has("holdout").then(|| request.one::<u64>("holdout_seed")).transpose()?;
    Ok(json!({ "init": init, "holdout": holdout.map(Option::unwrap_or_default) }))
}

/// Says where held-out entries are predicted worse than without any factors.
fn doubt(predictions: &Predictions, solution: &Solution) -> Option<String> {
    let (found, plain) = (solution.best().holdout_rmse()?, predictions.baseline?.row_and_column_biases);
    let all = "row and column biases alone predict the held-out entries better";
    (found > plain).then(|| format!("{all}: rmse {} against {}", readable(plain), readable(found)))
}

fn ending(solution: &Solution, args: &Args) -> Ending {
    let target = args.options.request.has_target();
    let good = |status: Status| match status {
        Status::Converged => true,
        Status::Diverged | Status::Interrupted | Status::DeviceLost => false,
        _ => !target,
    };
    if solution.trials.iter().all(|t| good(t.status) && t.doubt.is_none()) { Ending::Done } else { Ending::Missed }
}
