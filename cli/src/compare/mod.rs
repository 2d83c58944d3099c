//! `lowrank compare`: several methods on one problem, one after the other.

mod contenders;
mod outputs;

use std::io::Write;
use std::path::PathBuf;

use lowrank::internals::io::ensure_not_input;
use lowrank::internals::solver::Axes;
use lowrank::{Error, Problem, Result, Schedule, Settings, Status};
use lowrank_studies::compare::{Comparison, Entry, compare};
use lowrank_studies::report::{comparison_rows, comparison_text, readable_seconds};

use super::progress::Bar;
use super::solve::files::{Measured, Source, with_start, with_truth};
use super::solve::{self, Common};
use super::{Ending, grid, interrupt, remark, said};
use contenders::Asked;
use outputs::{Described, Outputs};

/// Runs methods one after the other on the same measurements, from the same start, and shows which of them reached which
/// error when. Lists of --seed, --init-scale, --search-rank and --rows make trials of every method, whose medians are
/// compared.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Methods with commas between them, each a word of `lowrank list methods`, with parameters of its own if you like:
    /// "gd,scaled-gd:damping=1e-2:step_size=0.3,gd:step_rule=exact" (or ; between parameters) [default: all that fit the model]
    #[arg(long, value_name = "LIST", display_order = 0, help_heading = "Method")]
    pub methods: Option<String>,
    /// When to look at the error and to test the stop rules: every:J iterations, or log [default: every:1, on a gpu every:10,
    /// of methods with minibatches once an epoch]
    #[arg(long, value_name = "WHEN", help_heading = "When to stop")]
    pub observe: Option<String>,
    /// Errors whose times are compared
    #[arg(
        long,
        value_name = "LIST",
        allow_hyphen_values = true,
        default_value = "1e-3,1e-6,1e-10",
        help_heading = "Output"
    )]
    pub levels: String,
    /// Directory for report.html, error-iterations.svg, error-seconds.svg, curves.csv, table.csv and compare.json; made if it
    /// is not there [default: the table on the standard output only]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// No notes and no progress
    #[arg(long, short, help_heading = "Output")]
    pub quiet: bool,
}

pub fn run(args: &Args) -> Result<Ending> {
    // As solve does it: flags, then outputs, then files.
    let common = &args.common;
    let Understood { source, levels, asked, axes, settings, observe } = Understood::new(args)?;
    let backend = solve::backend(common)?;
    let inputs = source.inputs(common);
    for output in outputs::paths(args) {
        ensure_not_input(&output, &inputs)?;
    }
    let interrupted = interrupt();
    let outputs = Outputs::create(args)?;

    let Measured { problem, described, mut notices, held_out, .. } = source.open(common)?;
    let problem = with_truth(common, problem, &settings)?;
    let settings = with_start(common, settings, &problem)?;
    let settings = match held_out {
        Some(measurements) => settings.holdout_measurements(measurements),
        None => settings,
    };
    axes.check(problem.instances())?;
    let trials = axes.trials_from(&settings, problem.instances());
    let (settings, count) = (settings.trials(trials.iter().copied()), trials.len());
    let contenders = asked.contenders(&settings, &settings.model_of(&problem.operator().domain()), observe, &backend);
    if !args.quiet {
        notices.iter().for_each(|notice| remark(notice));
        announce(&problem, &contenders.iter().map(|c| c.label.as_str()).collect::<Vec<_>>(), count);
    }
    let bar = Bar::new(&interrupted, !args.quiet);
    let comparison = compare(&problem, contenders, &backend, |running| {
        let name = format!("{} of {}, {}: ", running.index + 1, running.count, running.label);
        bar.observe_named(&name, running.progress)
    })?;
    bar.finish();

    let found = comparison.notices();
    if !args.quiet {
        found.iter().for_each(|notice| remark(notice));
    }
    notices.extend(found);
    let settings = outputs::settings_of(args, described, &comparison, &levels);
    let rows = comparison_rows(&comparison, &levels);
    outputs.write(&comparison, &rows, &levels, &Described { problem: words(&problem), settings, inputs, notices })?;
    print(args, &comparison, &comparison_text(&rows, &levels))?;
    Ok(ending(&comparison, common))
}

/// What the flags say, with no look at files or devices.
pub struct Understood {
    source: Source,
    levels: Vec<f64>,
    asked: Asked,
    axes: Axes,
    settings: Settings,
    observe: Option<Schedule>,
}

impl Understood {
    pub fn new(args: &Args) -> Result<Self> {
        let common = &args.common;
        let source = Source::new(common)?;
        let levels = levels(&args.levels)?;
        let asked = Asked::new(args)?;
        let axes = solve::shared_axes(common)?;
        let settings = solve::shared_settings(common)?;
        axes.check(1)?;
        settings.clone().trials(axes.trials(1)).check()?;
        let observe = args.observe.as_deref().map(str::parse::<Schedule>).transpose()?;
        settings.clone().observe(observe.unwrap_or_default()).check()?;
        Ok(Self { source, levels, asked, axes, settings, observe })
    }
}

/// Levels of --levels.
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

/// The problem in a few words.
fn words(problem: &Problem) -> String {
    let operator = problem.operator();
    let (domain, m) = (operator.domain(), operator.measurements());
    let vectors = match problem.instances() {
        1 => String::new(),
        count => format!(", {count} vectors of observations"),
    };
    format!("{domain}, {m} measurements ({}){vectors}", operator.name())
}

/// One line before the work, on the standard error.
fn announce(problem: &Problem, labels: &[&str], trials: usize) {
    let each = if trials == 1 { String::new() } else { format!(", {trials} trials of each") };
    remark(&format!("{}; one after the other{each}: {}", words(problem), labels.join(", ")));
}

fn print(args: &Args, comparison: &Comparison, table: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let trials = comparison.entries.iter().map(|e| e.solution.trials.len()).max().unwrap_or(0);
    let medians = if trials > 1 { format!(" Medians over {trials} trials.") } else { String::new() };
    said(writeln!(out, "{table}{}{medians}", comparison.metric.sentence()))?;
    let total: f64 = comparison.entries.iter().map(|e| e.solution.timing.setup + e.solution.timing.solve).sum();
    let files = match &args.out {
        Some(folder) => format!("; in {}: report.html (a page), {}", folder.display(), outputs::FILES[1..].join(", ")),
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

/// Missed where it was interrupted, or where no method reached the targets that were asked for.
fn ending(comparison: &Comparison, common: &Common) -> Ending {
    let converged = |entry: &Entry| entry.statuses().iter().all(|(s, _)| *s == Status::Converged);
    let reached = !common.has_target() || comparison.entries.iter().any(converged);
    if reached && !comparison.interrupted { Ending::Done } else { Ending::Missed }
}
