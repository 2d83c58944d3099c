//! Command `lowrank compare`: several methods on one problem, one after the other.

mod contenders;
mod outputs;

use std::io::Write;
use std::path::PathBuf;

use lowrank::internals::io::ensure_not_input;
use lowrank::internals::options::Request;
use lowrank::internals::requests::{Measured, Planned};
use lowrank::{Error, Problem, Result, Schedule, Status};
use lowrank_studies::compare::{Comparison, Entry, compare};
use lowrank_studies::report::{comparison_rows, comparison_text, readable_seconds};
use serde_json::{Map, Value, json};

use super::options::{Flags, Json, OfLibrary, Talk, folder};
use super::outputs::{Opened, names, paths, words};
use super::progress::Bar;
use super::solve::described;
use super::{Ending, grid, interrupt, remark, said};
use contenders::Asked;
use outputs::{Described, FILES, Finished};

/// The command, for its flags.
#[derive(Clone, Copy, Debug)]
pub enum Compare {}

impl OfLibrary for Compare {
    const NAME: &'static str = "compare";
}

/// Runs methods one after the other on the same measurements, from the same start, and shows which of them reached which
/// error when. Lists of --seed, --init-scale, --search-rank, --rows and --ridge make trials of every method, whose medians
/// are compared.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub options: Flags<Compare>,
    /// Methods with commas between them, each a word of `lowrank list methods`, with parameters of its own if you like:
    /// "gd,scaled-gd:damping=1e-2:step_size=0.3,gd:step_rule=exact" (or ; between parameters) [default: all that fit the model]
    #[arg(long, value_name = "LIST", display_order = 0, help_heading = "Method")]
    pub methods: Option<String>,
    /// Errors whose times are compared
    #[arg(
        long,
        value_name = "LIST",
        allow_hyphen_values = true,
        default_value = "1e-3,1e-6,1e-10",
        help_heading = "Output"
    )]
    pub levels: String,
    #[arg(
        long,
        value_name = "DIR",
        help = folder("report.html, error-iterations.svg, error-seconds.svg, curves.csv, table.csv and compare.json")
            + " [default: the table on the standard output only]",
        help_heading = "Output"
    )]
    pub out: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Output")]
    pub talk: Talk,
    #[command(flatten, next_help_heading = "Output")]
    pub json: Json,
}

pub fn run(args: &Args) -> Result<Ending> {
    // As solve does it: flags, then outputs, then files.
    let request = &args.options.request;
    let Understood { planned, levels, asked, observe } = Understood::new(args)?;
    let backend = request.backend()?;
    let inputs = request.inputs(&planned);
    for output in args.out.iter().flat_map(|folder| paths(folder, FILES)) {
        ensure_not_input(&output, &inputs)?;
    }
    let interrupted = interrupt();
    let files = args.out.as_deref().map(|folder| Opened::within(folder, FILES)).transpose()?;

    let Measured { problem, settings, described: measurements, mut notices, .. } = request.measured(planned)?;
    let (backend, said) = request.settled(backend, &**problem.operator())?;
    notices.extend(said);
    let count = settings.chosen_trials().len();
    let contenders = asked.contenders(&settings, &settings.model_of(&problem.operator().domain()), observe, &backend);
    if !args.talk.quiet {
        notices.iter().for_each(|notice| remark(notice));
        announce(&problem, &contenders.iter().map(|c| c.label.as_str()).collect::<Vec<_>>(), count);
    }
    let bar = Bar::new(&interrupted, !args.talk.quiet);
    let comparison = compare(&problem, contenders, &backend, |running| {
        let name = format!("{} of {}, {}: ", running.index + 1, running.count, running.label);
        bar.observe_named(&name, running.progress)
    })?;
    bar.finish();

    let found = comparison.notices();
    if !args.talk.quiet {
        found.iter().for_each(|notice| remark(notice));
    }
    notices.extend(found);
    let rows = comparison_rows(&comparison, &levels);
    let table = comparison_text(&rows, &levels);
    let comparison = match files.is_some() || args.json.json {
        false => comparison,
        true => {
            let settings = settings_of(args, measurements, &comparison, &levels);
            let said = Described { problem: words(&problem), settings, inputs, notices };
            let mut finished = Finished::new(comparison, rows, levels, &said)?;
            files.map_or(Ok(()), |files| files.write(&mut finished))?;
            args.json.print(&finished.report)?;
            finished.comparison
        }
    };
    print(args, &comparison, &table)?;
    Ok(ending(&comparison, request))
}

/// Parsed flags.
fn settings_of(args: &Args, measurements: Map<String, Value>, comparison: &Comparison, levels: &[f64]) -> Value {
    let mut settings = described(Compare::NAME, &args.options.request, measurements);
    let labels = || comparison.entries.iter().map(|e| (e.position, &e.label));
    let mut all: Vec<_> = labels().chain(comparison.absent.iter().map(|a| (a.position, &a.label))).collect();
    all.sort();
    let methods: Vec<&String> = all.into_iter().map(|(_, label)| label).collect();
    settings.insert("methods".into(), json!(methods));
    settings.insert("levels".into(), json!(levels));
    Value::Object(settings)
}

/// Checked flags, before any access to files or devices.
pub struct Understood {
    planned: Planned,
    levels: Vec<f64>,
    asked: Asked,
    observe: Option<Schedule>,
}

impl Understood {
    pub fn new(args: &Args) -> Result<Self> {
        let request = &args.options.request;
        let levels = levels(&args.levels)?;
        let asked = Asked::new(args)?;
        let planned = request.planned(Compare::NAME, request.settings()?, request.axes()?)?;
        Ok(Self { planned, levels, asked, observe: request.word("observe")? })
    }
}

/// Parses the levels of --levels.
fn levels(text: &str) -> Result<Vec<f64>> {
    let levels = grid::parse::<f64>("levels", text)?;
    match levels.iter().find(|level| !(level.is_finite() && **level > 0.0)) {
        None => Ok(levels),
        Some(found) => Err(Error::Invalid {
            name: "levels".into(),
            found: found.to_string(),
            allowed: "positive finite errors".into(),
            fix: "for example 1e-3,1e-6".into(),
        }),
    }
}

/// Prints one line before the work, on the standard error.
fn announce(problem: &Problem, labels: &[&str], trials: usize) {
    let each = if trials == 1 { String::new() } else { format!(", {trials} trials of each") };
    remark(&format!("{}; one method after the other{each}: {}", words(problem), labels.join(", ")));
}

fn print(args: &Args, comparison: &Comparison, table: &str) -> Result<()> {
    let mut out = args.json.text(args.talk.quiet);
    let trials = comparison.entries.iter().map(|e| e.solution.trials.len()).max().unwrap_or(0);
    let medians = if trials > 1 { format!(" Medians over {trials} trials.") } else { String::new() };
    said(writeln!(out, "{table}{}{medians}", comparison.metric.sentence()))?;
    let total: f64 = comparison.entries.iter().map(|e| e.solution.timing.setup + e.solution.timing.solve).sum();
    let files = match &args.out {
        Some(folder) => format!("; in {}: report.html (a page), {}", folder.display(), names(FILES)),
        None => String::new(),
    };
    let engine = &comparison.entries[0].solution.engine;
    said(writeln!(
        out,
        "{} on {}: {} ({}, {} thread{}){files}",
        readable_seconds(total),
        engine.backend,
        engine.adapter,
        engine.precision.word(),
        engine.threads,
        if engine.threads == 1 { "" } else { "s" },
    ))?;
    said(out.flush())
}

/// Returns the outcome: missed if interrupted, or if no method reached the requested targets.
fn ending(comparison: &Comparison, request: &Request) -> Ending {
    let converged = |entry: &Entry| entry.statuses().iter().all(|(s, _)| *s == Status::Converged);
    let reached = !request.has_target() || comparison.entries.iter().any(converged);
    if reached && !comparison.interrupted { Ending::Done } else { Ending::Missed }
}
