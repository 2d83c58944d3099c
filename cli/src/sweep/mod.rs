//! `lowrank sweep`: success rates over a grid of problems.

mod outputs;

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lowrank::internals::operators::Registration;
use lowrank::internals::requests::options_of;
use lowrank::{Error, Result};
use lowrank_studies::sweep::{Grid, Journal, Sweep, SweepProgress};
use serde_json::json;

use super::options::{Flags, OfLibrary};
use super::{Ending, grid, interrupt, remark, said};

/// The command, for its flags.
#[derive(Clone, Copy, Debug)]
pub enum Swept {}

impl OfLibrary for Swept {
    const NAME: &'static str = "sweep";
}

/// How often a method recovers a random matrix, over a grid of sizes, ranks, numbers of measurements and noise levels. A LIST is
/// one value, a,b,c, an inclusive range a:b or a:b:step, or log:a:b:count. After Ctrl-C or a crash, the same command continues.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Sizes of the unknown n×n matrix
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Grid")]
    n: String,
    /// Ranks r* of the truth
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Grid")]
    rank: String,
    /// Numbers of measurements m
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Grid")]
    measurements: String,
    /// Standard deviations of the noise on y (the truth has ‖X‖ = 1)
    #[arg(long, value_name = "LIST", default_value = "0", allow_hyphen_values = true, help_heading = "Grid")]
    noise_std: String,
    /// κ of X, κ(M) being κ²; for the models asymmetric and deep that of M
    #[arg(long, value_name = "LIST", default_value = "1", allow_hyphen_values = true, help_heading = "Grid")]
    condition_number: String,
    /// Columns k of the factors [default: that of the model, or min(n, 2 r*)]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Grid")]
    search_rank: Option<String>,
    /// α of the start of gd, entries N(0, α²/k) [default: 1e-6 √‖s·A*(y)‖]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Grid")]
    init_scale: Option<String>,
    /// μ of gd [default: 1/(4 ‖s·A*(y)‖)], or of the method [default: see `lowrank list methods`]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Grid")]
    step_size: Option<String>,
    /// Solves of each cell, with different truths, noise and starts
    #[arg(long, value_parser = grid::single::<usize>, value_name = "N", default_value_t = 20, help_heading = "Grid")]
    repetitions: usize,

    /// Kind of measurements; see `lowrank list operators`
    #[arg(long, value_name = "NAME", default_value = "dense", help_heading = "Solves")]
    operator: String,
    /// A solve succeeds, and stops, at ‖Z−M‖/‖M‖ ≤ e
    #[arg(long, value_parser = grid::single::<f64>, value_name = "e", default_value_t = 1e-3, allow_hyphen_values = true, help_heading = "Solves")]
    success: f64,
    /// A fresh operator for every repetition instead of one for each n
    #[arg(long, help_heading = "Solves")]
    vary_operator: bool,
    /// Seed from which all others are derived
    #[arg(long, value_parser = grid::single::<u64>, default_value_t = 0, help_heading = "Solves")]
    seed: u64,
    /// Trials that advance together at most; results do not depend on it
    #[arg(long, value_parser = grid::single::<usize>, value_name = "N", default_value_t = 64, help_heading = "Solves")]
    batch: usize,

    #[command(flatten)]
    options: Flags<Swept>,

    /// Directory for sweep.csv, cells.csv, heatmap.svg, sweep.html, sweep.json and the journal; made if it is not there
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: PathBuf,
    /// Forget the solves that are in the directory already
    #[arg(long, help_heading = "Output")]
    restart: bool,
    /// No remarks and no progress
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

/// Finished solves; kept after the end, so that the same command only writes the outputs again.
const JOURNAL: &str = "journal.csv";

pub fn run(args: &Args) -> Result<Ending> {
    let grid = understood(args)?;
    let sweep = Sweep::new(grid, args.options.request.backend()?, args.batch)?;
    std::fs::create_dir_all(&args.out).map_err(|source| Error::Io {
        path: args.out.clone(),
        source,
        fix: "Name a directory that can be made with --out".into(),
    })?;
    outputs::check(&args.out)?;
    let plan = sweep.identity(args.options.request.text("backend").unwrap_or("auto"));
    let (mut journal, mut results) = Journal::open(&args.out.join(JOURNAL), &plan, args.restart, sweep.solves())?;
    let resumed = results.iter().flatten().count();
    let notices = sweep.notices();
    if !args.quiet {
        notices.iter().for_each(|notice| remark(notice));
        announce(&sweep, args, resumed);
    }

    let interrupted = interrupt();
    let bar = Bar::new(&interrupted, !args.quiet);
    let started = Instant::now();
    let complete = sweep.run(
        &mut results,
        |engine, outcomes| {
            let mut environment = lowrank_studies::report::Environment::new(engine);
            // Their times differ from load to load, which makes no other environment.
            environment.candidates.clear();
            journal.remark(json!(environment))?;
            journal.record(outcomes)
        },
        |progress| bar.observe(progress),
    )?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish();
    if !complete {
        let finished = results.iter().flatten().count();
        remark(&format!(
            "interrupted: {finished} of {} solves are finished and kept; the same command goes on from there",
            sweep.solves()
        ));
        return Ok(Ending::Missed);
    }
    let finished = outputs::Finished { sweep: &sweep, results: &results, plan: &plan, journal: &journal, notices };
    let map = finished.write(&args.out, args.batch, resumed, seconds)?;
    let mut out = std::io::stdout().lock();
    said(writeln!(
        out,
        "{map}method {}, operator {}, model {}; in {}: sweep.html (a page), heatmap.svg, cells.csv, sweep.csv, sweep.json",
        sweep.method(),
        args.operator,
        sweep.grid().model,
        args.out.display()
    ))?;
    said(out.flush())?;
    Ok(Ending::Done)
}

/// What the flags say of the problems, with no look at files or devices.
pub fn understood(args: &Args) -> Result<Grid> {
    let grid = grid(args)?;
    grid.check()?;
    Ok(grid)
}

fn grid(args: &Args) -> Result<Grid> {
    fn optional<T: grid::Scalar>(name: &str, text: &Option<String>) -> Result<Vec<T>> {
        text.as_ref().map_or_else(|| Ok(Vec::new()), |text| grid::parse(name, text))
    }
    let (request, usual) = (&args.options.request, Grid::default());
    request.check(&options_of(Swept::NAME))?;
    // Limits are those of a sweep where none were asked for.
    let stop = |name: &str| request.one::<usize>(name);
    Ok(Grid {
        operator: Registration::find(&args.operator)?,
        model: request.model(usual.model.word())?,
        method: request.method()?,
        n: grid::parse("n", &args.n)?,
        rank: grid::parse("rank", &args.rank)?,
        condition_number: grid::parse("condition_number", &args.condition_number)?,
        measurements: grid::parse("measurements", &args.measurements)?,
        noise_std: grid::parse("noise_std", &args.noise_std)?,
        search_rank: optional("search_rank", &args.search_rank)?,
        init_scale: optional("init_scale", &args.init_scale)?,
        step_size: optional("step_size", &args.step_size)?,
        repetitions: args.repetitions,
        success: args.success,
        max_iterations: stop("max_iterations")?.unwrap_or(usual.max_iterations),
        stall_window: stop("stall_window")?.map_or(usual.stall_window, |window| Some(window).filter(|w| *w > 0)),
        vary_operator: args.vary_operator,
        precision: request.precision()?,
        seed: args.seed,
    })
}

fn announce(sweep: &Sweep, args: &Args, resumed: usize) {
    let (cells, solves) = (sweep.cells().len(), sweep.solves());
    let before = if resumed > 0 { format!(", {resumed} of them finished already") } else { String::new() };
    remark(&format!(
        "{cells} cells of {} solves: {solves} in all{before}; {} operators to load, at most {:.2} GiB of memory, seed {}",
        sweep.grid().repetitions,
        sweep.groups(),
        sweep.memory_need() / (1_u64 << 30) as f64,
        args.seed,
    ));
}

/// Progress by work, since solves with many measurements take longer.
struct Bar<'a> {
    bar: ProgressBar,
    interrupted: &'a AtomicBool,
}

impl<'a> Bar<'a> {
    fn new(interrupted: &'a AtomicBool, wanted: bool) -> Self {
        let visible = wanted && std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = "{bar:28.cyan/blue} {percent}% {msg}, {elapsed}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, interrupted }
    }

    fn observe(&self, progress: &SweepProgress) -> ControlFlow<()> {
        if self.bar.length().is_none() {
            self.bar.set_length(progress.all_work);
            // What earlier runs did says nothing about the speed of this one.
            self.bar.set_position(progress.work);
            self.bar.reset_eta();
        }
        self.bar.set_position(progress.work);
        self.bar.set_message(format!(
            "{} of {} solves ({} running, iteration {})",
            progress.finished, progress.solves, progress.active, progress.iteration
        ));
        if self.interrupted.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn finish(self) {
        self.bar.finish_and_clear();
    }
}
