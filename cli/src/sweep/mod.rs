//! `lowrank sweep`: success rates over a grid of problems.

mod outputs;

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lowrank::Result;
use lowrank::options::OptionCard;
use lowrank_studies::sweep::{BATCH, Grid, Journal, OPTIONS, Sweep, SweepProgress};
use serde_json::json;

use super::options::{Flags, Json, OfLibrary, Talk, folder};
use super::outputs::{Opened, names};
use super::{Ending, interrupt, remark, said};
use outputs::{FILES, Finished, Ran};

/// The command, for its flags.
#[derive(Clone, Copy, Debug)]
pub enum Swept {}

impl OfLibrary for Swept {
    const NAME: &'static str = "sweep";

    fn own() -> Vec<&'static OptionCard> {
        OPTIONS.iter().collect()
    }
}

/// How often a method recovers a random matrix, over a grid of sizes, ranks, numbers of measurements and noise levels. A LIST is
/// one value, a,b,c, an inclusive range a:b or a:b:step, or log:a:b:count. After Ctrl-C or a crash, the same command continues.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    options: Flags<Swept>,

    #[arg(
        long,
        value_name = "DIR",
        help = folder("sweep.csv, cells.csv, heatmap.svg, sweep.html, sweep.json and the journal"),
        help_heading = "Output"
    )]
    out: PathBuf,
    /// Forget the solves that are in the directory already
    #[arg(long, help_heading = "Output")]
    restart: bool,
    #[command(flatten, next_help_heading = "Output")]
    talk: Talk,
    #[command(flatten, next_help_heading = "Output")]
    json: Json,
}

/// Finished solves; kept after the end, so that the same command only writes the outputs again.
const JOURNAL: &str = "journal.csv";

pub fn run(args: &Args) -> Result<Ending> {
    let (grid, request) = (understood(args)?, &args.options.request);
    let batch = request.one("batch")?.unwrap_or(BATCH);
    let sweep = Sweep::new(grid, request.backend()?, batch)?;
    // What cannot be written is found before the work. Dropped unfinished, an output leaves nothing behind.
    drop(Opened::within(&args.out, FILES)?);
    let plan = sweep.identity(request.text("backend").unwrap_or("auto"));
    let (mut journal, mut results) = Journal::open(&args.out.join(JOURNAL), &plan, args.restart, sweep.solves())?;
    let resumed = results.iter().flatten().count();
    let notices = sweep.notices();
    if !args.talk.quiet {
        notices.iter().for_each(|notice| remark(notice));
        announce(&sweep, resumed);
    }

    let interrupted = interrupt();
    let bar = Bar::new(&interrupted, !args.talk.quiet);
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
    let ran = Ran { batch, resumed, seconds };
    let mut finished = Finished::new((sweep, results), ran, &plan, journal.remarks(), &notices)?;
    Opened::within(&args.out, FILES)?.write(&mut finished)?;
    args.json.print(&finished.report)?;
    let mut out = args.json.text(args.talk.quiet);
    let sweep = &finished.sweep;
    said(writeln!(
        out,
        "{}method {}, operator {}, model {}; in {}: sweep.html (a page), {}",
        finished.map.to_text(),
        sweep.method(),
        sweep.grid().operator.name,
        sweep.grid().model,
        args.out.display(),
        names(FILES)
    ))?;
    said(out.flush())?;
    Ok(Ending::Done)
}

/// What the flags say of the problems, with no look at files or devices.
pub fn understood(args: &Args) -> Result<Grid> {
    let grid = Grid::asked(&args.options.request)?;
    grid.check()?;
    Ok(grid)
}

fn announce(sweep: &Sweep, resumed: usize) {
    let (cells, solves) = (sweep.cells().len(), sweep.solves());
    let before = if resumed > 0 { format!(", {resumed} of them finished already") } else { String::new() };
    remark(&format!(
        "{cells} cells of {} solves: {solves} in all{before}; {} operators to load, at most {:.2} GiB of memory, seed {}",
        sweep.grid().repetitions,
        sweep.groups(),
        sweep.memory_need() / (1_u64 << 30) as f64,
        sweep.grid().seed,
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
