//! `lowrank reproduce`: published experiments, run again, with figures and a table of claims.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lowrank::reproduce::{Experiment, Moment, Ss21, Study, Verdict, reproduce, write};
use lowrank::{Backend, Error, Precision, Result};

use super::{Ending, grid, interrupt, remark, said};

#[derive(clap::Args)]
pub struct Args {
    /// ss21: Stöger & Soltanolkotabi, arXiv 2106.15013
    study: String,
    /// phases, spectral, scale, width or all
    #[arg(default_value = "all")]
    experiment: String,
    /// Directory for report.html, claims.json, and an SVG, a CSV and a script for each figure
    #[arg(long, value_name = "DIR", default_value = "report")]
    out: PathBuf,
    /// n = 100, r* = 3 and smaller extra runs: about a minute
    #[arg(long)]
    quick: bool,
    /// Size of the unknown n×n matrix [default: 200, or 100 with --quick]
    #[arg(long, value_parser = grid::single::<usize>)]
    n: Option<usize>,
    /// Rank r* of the truth [default: 5, or 3 with --quick]
    #[arg(long, value_parser = grid::single::<usize>)]
    rank: Option<usize>,
    /// Number of measurements m [default: 10·n·r*]
    #[arg(long, value_parser = grid::single::<usize>)]
    measurements: Option<usize>,
    /// κ of X
    #[arg(long, value_parser = grid::single::<f64>, default_value_t = 1.0)]
    condition_number: f64,
    /// Seed of truth, measurements and start; the width experiment starts from this seed and those after it
    #[arg(long, value_parser = grid::single::<u64>, default_value_t = 1)]
    seed: u64,
    /// α of the phases, spectral and width experiments [default: 1/(70 n²)]
    #[arg(long, value_parser = grid::single::<f64>, allow_negative_numbers = true)]
    init_scale: Option<f64>,
    /// k of the phases and spectral experiments [default: 20]
    #[arg(long, value_parser = grid::single::<usize>)]
    search_rank: Option<usize>,
    /// α of the scale experiment: a list or log:1e-1:1e-7:7
    #[arg(long)]
    scales: Option<String>,
    /// k of the width experiment: a list
    #[arg(long)]
    widths: Option<String>,
    /// Starts for each width
    #[arg(long, value_parser = grid::single::<usize>)]
    starts: Option<usize>,
    /// n of the extra scale runs at m = 5, 10 and 40·n·r*
    #[arg(long, value_parser = grid::single::<usize>)]
    slope_size: Option<usize>,
    /// auto, reference, cpu, gpu, or gpu:NAME
    #[arg(long, default_value = "auto")]
    backend: String,
    /// f32, f64 or mixed, for all experiments [default: f64 for scale (f32 on a GPU), f32 for the others]
    #[arg(long)]
    precision: Option<String>,
}

pub fn run(args: &Args) -> Result<Ending> {
    if args.study != "ss21" {
        return Err(invalid("study", &args.study, "ss21"));
    }
    let experiments = Experiment::from_word(&args.experiment)?;
    let settings = settings(args)?;
    settings.check()?;
    let backend = Backend::from_word(&args.backend)?;
    // A directory that cannot be made is found before the work and not after it.
    std::fs::create_dir_all(&args.out).map_err(|source| Error::Io {
        path: args.out.clone(),
        source,
        fix: "Name a directory that can be made with --out".into(),
    })?;
    let (n, rank, m) = (settings.n, settings.rank, settings.measurements);
    remark(&format!("arXiv 2106.15013 as we could reconstruct it: n = {n}, r* = {rank}, m = {m}, seed {}", args.seed));
    let interrupted = interrupt();
    let bar = Bar::new(&interrupted);
    let study = reproduce(&settings, &experiments, &backend, |moment| bar.observe(moment))?;
    bar.0.finish_and_clear();
    write(&study, &args.out, &command())?;
    table(&study, args)?;
    Ok(if study.any_failed() || study.interrupted { Ending::Missed } else { Ending::Done })
}

fn settings(args: &Args) -> Result<Ss21> {
    let (n, rank) = if args.quick { (100, 3) } else { (200, 5) };
    let (n, rank) = (args.n.unwrap_or(n), args.rank.unwrap_or(rank));
    let mut settings = if args.quick { Ss21::quick(n, rank) } else { Ss21::new(n, rank) };
    settings.condition_number = args.condition_number;
    settings.seed = args.seed;
    settings.measurements = args.measurements.unwrap_or(settings.measurements);
    settings.init_scale = args.init_scale.unwrap_or(settings.init_scale);
    settings.search_rank = args.search_rank.unwrap_or(settings.search_rank);
    settings.starts = args.starts.unwrap_or(settings.starts);
    settings.slope_size = args.slope_size.unwrap_or(settings.slope_size);
    if let Some(text) = &args.scales {
        settings.scales = grid::parse("scales", text)?;
    }
    if let Some(text) = &args.widths {
        settings.widths = grid::parse("widths", text)?;
    }
    if let Some(text) = &args.precision {
        let known = Precision::from_word(text).ok_or_else(|| invalid("precision", text, "f32, f64 or mixed"))?;
        settings.precision = Some(known);
    }
    Ok(settings)
}

fn invalid(name: &str, found: &str, allowed: &str) -> Error {
    let (found, fix) = (format!("'{found}'"), "pick one of them".into());
    Error::Invalid { name: name.into(), found, allowed: allowed.into(), fix }
}

/// What the reader types to make the report again: the arguments as they were given.
fn command() -> String {
    let quoted = |word: String| if word.contains([' ', '\'', '"', '*']) { format!("'{word}'") } else { word };
    let words = std::env::args_os().skip(1).map(|a| quoted(a.to_string_lossy().into_owned()));
    ["lowrank".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// One bar for the whole study, with the time that is left.
struct Bar<'a>(ProgressBar, &'a AtomicBool);

/// Steps of the bar.
const STEPS: f64 = 1000.0;

impl<'a> Bar<'a> {
    fn new(interrupted: &'a AtomicBool) -> Self {
        let visible = std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(STEPS as u64), target);
        let style = "{bar:28.cyan/blue} {percent:>3} %, {elapsed}, {eta} left  {msg}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar, interrupted)
    }

    fn observe(&self, moment: &Moment<'_>) -> ControlFlow<()> {
        let (stage, progress) = (moment.stage, moment.progress);
        self.0.set_position((stage.done * STEPS) as u64);
        self.0.set_message(format!(
            "{}/{} {}: iteration {}, {} trials running",
            stage.index + 1,
            stage.count,
            stage.name,
            progress.iteration,
            progress.active
        ));
        if self.1.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn table(study: &Study, args: &Args) -> Result<()> {
    let mut out = std::io::stdout().lock();
    said(writeln!(out, "{:<24} {:<15} {:>22}   measured", "claim", "verdict", "expected"))?;
    for claim in &study.claims {
        let (expected, measured) = (claim.expected.to_string(), &claim.measured);
        said(writeln!(out, "{:<24} {:<15} {expected:>22}   {measured}", claim.id, claim.verdict.words()))?;
        if let Some(reason) = claim.reason.as_ref().filter(|_| claim.verdict != Verdict::Holds) {
            said(writeln!(out, "    {reason}"))?;
        }
    }
    let times: Vec<String> = study.times.iter().map(|t| format!("{} {:.1} s", t.stage, t.seconds)).collect();
    let total: f64 = study.times.iter().map(|t| t.seconds).sum();
    said(writeln!(
        out,
        "\n{total:.1} s: {}\n{} figures, claims.json and the page to open: {}",
        times.join(", "),
        study.figures.len(),
        args.out.join("report.html").display()
    ))
}
