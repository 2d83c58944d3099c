//! Command `lowrank reproduce`: published experiments with figures and a table of claims.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lowrank::{Backend, Error, Precision, Result};
use lowrank_studies::reproduce::{
    Ensemble, Experiment, Moment, Relative, Rerun, Ss21, Stage, Study, StudyObserver, Verdict, reproduce, rerun, write,
};

use super::options::{Flags, OfLibrary, folder};
use super::outputs::{command, make_folder};
use super::{Ending, grid, interrupt, remark, said};

/// The command, for its flags.
pub enum Reproduced {}

impl OfLibrary for Reproduced {
    const NAME: &'static str = "reproduce";
}

#[derive(clap::Args)]
pub struct Args {
    /// ss21 (Stöger & Soltanolkotabi, arXiv 2106.15013), or one of its relatives: scaledgd-2020 (arXiv 2005.08898),
    /// scaledgd-lambda-2023 (2302.01186), agn-2024 (approximate Gauss-Newton, NeurIPS 2024), gdpolyak-2024 (2409.19791),
    /// asymmetric-2023 (2303.14244 and 2310.01769), outliers-2025 (l1 loss against gross outliers, after 2010.13364),
    /// flatness-2023 (label noise and flat products, 2306.13239), saddles-2023 (starts at strict saddles, 2311.02374),
    /// single-index-2020 (2007.08322), multi-index-2025 (spectral estimates, after 2502.01583), zeroth-order-2024 (function
    /// values only, 2406.19617), games-2023 (descent against ascent, after 2306.16617), relu-2024 (entries above a threshold, 2406.05822),
    /// tomography-2021 (2104.07006), phase-retrieval-2014 (1407.1065 and 1310.3240).
    /// `lowrank list studies` has a table of them
    study: String,
    /// Of ss21: phases, spectral, scale, width or all
    #[arg(default_value = "all")]
    experiment: String,
    #[arg(
        long,
        value_name = "DIR",
        help = folder("report.html, claims.json, and an SVG, a CSV and a script for each figure"),
        default_value = "report"
    )]
    out: PathBuf,
    /// Smaller sizes, a minute at most; of ss21 n = 100, r* = 3 and smaller extra runs
    #[arg(long)]
    quick: bool,
    /// Size of the unknown n×n matrix [default: the study's; of ss21 200, or 100 with --quick]
    #[arg(long, value_parser = grid::single::<usize>)]
    n: Option<usize>,
    /// Rank r* of the truth [default: the study's; of ss21 5, or 3 with --quick]
    #[arg(long, value_parser = grid::single::<usize>)]
    rank: Option<usize>,
    /// Number of measurements m [default: the study's; of ss21 10·n·r*]
    #[arg(long, value_parser = grid::single::<usize>)]
    measurements: Option<usize>,
    /// Of ss21: the measurements, dense (Gaussian matrices, the paper's), rank-one or entries [default: dense]
    #[arg(long)]
    operator: Option<String>,
    /// Of ss21: κ of X [default: 1; the other studies run their own]
    #[arg(long, value_parser = grid::single::<f64>)]
    condition_number: Option<f64>,
    /// Seed of truth, measurements and start; the width experiment of ss21 starts from this seed and those after it
    #[arg(long, value_parser = grid::single::<u64>, default_value_t = 1)]
    seed: u64,
    /// Of ss21: α of the phases, spectral and width experiments [default: 1/(70 n²)]
    #[arg(long, value_parser = grid::single::<f64>, allow_negative_numbers = true)]
    init_scale: Option<f64>,
    /// k; of ss21 that of the phases and spectral experiments [default: the study's; of ss21 20]
    #[arg(long, value_parser = grid::single::<usize>)]
    search_rank: Option<usize>,
    /// Of ss21: α of the scale experiment, a list or log:1e-1:1e-7:7
    #[arg(long)]
    scales: Option<String>,
    /// Of ss21: k of the width experiment, a list
    #[arg(long)]
    widths: Option<String>,
    /// Of ss21: starts for each width
    #[arg(long, value_parser = grid::single::<usize>)]
    starts: Option<usize>,
    /// Of ss21: n of the extra scale runs at m = 5, 10 and 40·n·r*
    #[arg(long, value_parser = grid::single::<usize>)]
    slope_size: Option<usize>,
    #[command(flatten)]
    options: Flags<Reproduced>,
}

impl Args {
    fn backend(&self) -> &str {
        self.options.request.text("backend").unwrap_or("auto")
    }

    /// Precision of all runs, where it was given.
    fn precision(&self) -> Result<Option<Precision>> {
        self.options.request.word("precision")
    }
}

pub fn run(args: &Args) -> Result<Ending> {
    if args.study == "ss21" {
        let experiments = Experiment::from_word(&args.experiment)?;
        let settings = settings(args)?;
        let (n, rank, m) = (settings.n, settings.rank, settings.measurements);
        let backend = Backend::from_word(args.backend())?;
        let sizes = format!("n = {n}, r* = {rank}, m = {m}, seed {}", args.seed);
        return finish(args, &format!("arXiv 2106.15013, reconstructed: {sizes}"), |bar| {
            reproduce(&settings, &experiments, &backend, |moment| bar.observe(moment))
        });
    }
    let study = study(args)?;
    let settings = relative(study, args)?;
    let backend = match args.backend() {
        // An adapter without the precision is not what was meant.
        "auto" => Backend::auto_for(settings.precision)?,
        word => Backend::from_word(word)?,
    };
    let (n, rank, k, m) = (settings.n, settings.rank, settings.search_rank, settings.measurements);
    let sizes = format!("n = {n}, r* = {rank}, k = {k}, m = {m}, seed {}", args.seed);
    finish(args, &format!("{}, reconstructed: {sizes}", study.word()), |bar| rerun(&settings, &backend, bar))
}

/// Runs a study and writes its files.
fn finish(args: &Args, what: &str, study: impl FnOnce(&Bar<'_>) -> Result<Study>) -> Result<Ending> {
    // A directory that cannot be made is found before the work and not after it.
    make_folder(&args.out)?;
    remark(what);
    let interrupted = interrupt();
    let bar = Bar::new(&interrupted);
    let study = study(&bar)?;
    bar.0.finish_and_clear();
    write(&study, &args.out, &command())?;
    table(&study, args)?;
    Ok(if study.any_failed() || study.interrupted { Ending::Missed } else { Ending::Done })
}

/// Runs a study other than ss21.
fn study(args: &Args) -> Result<Relative> {
    Relative::from_word(&args.study).ok_or_else(|| {
        let words: Vec<&str> = std::iter::once("ss21").chain(Relative::ALL.map(Relative::word)).collect();
        invalid("study", &args.study, &words.join(", "))
    })
}

/// Checked flags, before any access to files or devices.
pub fn understood(args: &Args) -> Result<()> {
    if args.study == "ss21" {
        Experiment::from_word(&args.experiment)?;
        return settings(args).map(|_| ());
    }
    relative(study(args)?, args).map(|_| ())
}

/// Returns sizes, seed and precision of a related study; refuses other flags.
fn relative(study: Relative, args: &Args) -> Result<Rerun> {
    let given: [(&str, Option<String>); 8] = [
        ("experiment", Some(args.experiment.clone()).filter(|word| word != "all")),
        ("operator", args.operator.clone()),
        ("condition_number", args.condition_number.map(|v| v.to_string())),
        ("init_scale", args.init_scale.map(|v| v.to_string())),
        ("scales", args.scales.clone()),
        ("widths", args.widths.clone()),
        ("starts", args.starts.map(|v| v.to_string())),
        ("slope_size", args.slope_size.map(|v| v.to_string())),
    ];
    if let Some((name, found)) = given.into_iter().find_map(|(name, value)| Some((name, value?))) {
        return Err(Error::Invalid {
            name: name.into(),
            found: format!("'{found}'"),
            allowed: format!("no value for {}: only the experiment ss21 has it", study.word()),
            fix: "leave it out; you can set n, rank, search-rank, measurements, seed and precision".into(),
        });
    }
    let mut settings = if args.quick { Rerun::quick(study) } else { Rerun::new(study) };
    (settings.n, settings.rank) = (args.n.unwrap_or(settings.n), args.rank.unwrap_or(settings.rank));
    settings.search_rank = args.search_rank.unwrap_or(settings.search_rank);
    settings.measurements = args.measurements.unwrap_or(settings.measurements);
    settings.seed = args.seed;
    settings.precision = args.precision()?.unwrap_or(settings.precision);
    settings.check()?;
    Ok(settings)
}

fn settings(args: &Args) -> Result<Ss21> {
    let (n, rank) = if args.quick { (100, 3) } else { (200, 5) };
    let (n, rank) = (args.n.unwrap_or(n), args.rank.unwrap_or(rank));
    let mut settings = if args.quick { Ss21::quick(n, rank) } else { Ss21::new(n, rank) };
    settings.condition_number = args.condition_number.unwrap_or(1.0);
    settings.seed = args.seed;
    if let Some(word) = &args.operator {
        settings.operator = Ensemble::from_word(word)?;
    }
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
    settings.precision = args.precision()?;
    settings.check()?;
    Ok(settings)
}

fn invalid(name: &str, found: &str, allowed: &str) -> Error {
    let (found, fix) = (format!("'{found}'"), "pick one of them".into());
    Error::Invalid { name: name.into(), found, allowed: allowed.into(), fix }
}

/// Progress bar for the whole study, with the remaining time.
struct Bar<'a>(ProgressBar, &'a AtomicBool);

/// Number of steps of the bar.
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
        let progress = moment.progress;
        self.show(moment.stage, &format!(": iteration {}, {} trials running", progress.iteration, progress.active))
    }

    fn show(&self, stage: &Stage, more: &str) -> ControlFlow<()> {
        self.0.set_position((stage.done * STEPS) as u64);
        self.0.set_message(format!("{}/{} {}{more}", stage.index + 1, stage.count, stage.name));
        if self.1.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl StudyObserver for &Bar<'_> {
    fn run(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        self.observe(moment)
    }

    fn stage(&mut self, stage: &Stage) -> ControlFlow<()> {
        self.show(stage, "")
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
        "\n{total:.1} s: {}\n{} figures, claims.json and the report: {}",
        times.join(", "),
        study.figures.len(),
        args.out.join("report.html").display()
    ))
}
