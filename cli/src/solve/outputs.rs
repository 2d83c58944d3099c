//! The files of a run, opened before the work and put in place after it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches};
use lowrank::confidence::StandardErrors;
use lowrank::internals::io::{InputInfo, OutputFile, same_file};
use lowrank::internals::operators::Predictions;
use lowrank::io::NpzArray;
use lowrank::selection::Selection;
use lowrank::{Error, Progress, Result, Solution, Solver};
use lowrank_studies::report::{
    ConfidenceReport, RunReport, Snapshots, selection_figure, write_factors_with, write_trace, write_trials,
};
use serde_json::Value;

const HEADING: &str = "Output (each optional; - is the standard output)";

/// An output of a run: its flag and its writer.
struct Output {
    name: &'static str,
    symbol: &'static str,
    help: &'static str,
    write: fn(&mut OutputFile, &mut Finished<'_>) -> std::io::Result<()>,
}

/// Every output, in the order in which they are written. Snapshots are last: where the disk is too small for them, the rest
/// is there.
const OUTPUTS: &[Output] = &[
    Output {
        name: "out",
        symbol: "factors.npz",
        help: "Factors, .npz with `left` (batch, n, k), and `right` (batch, n2, k) for models of two factors; with --confidence also \
               `standard_errors` (n1, n2) of the best trial",
        write: factors,
    },
    Output {
        name: "trace",
        symbol: "trace.csv",
        help: "Every observation of every trial, CSV",
        write: |file, finished| write_trace(file, &finished.solution.trace),
    },
    Output {
        name: "trials",
        symbol: "trials.csv",
        help: "Parameters and result of every trial, CSV",
        write: |file, finished| write_trials(file, finished.solution),
    },
    Output {
        name: "report",
        symbol: "run.json",
        help: "Report of the run, JSON",
        write: |file, finished| json(file, &finished.report),
    },
    Output {
        name: "selection",
        symbol: "curve.svg",
        help: "Held-out error over the search rank or the ridge, SVG; with --search-rank auto or --ridge auto",
        write: curve,
    },
    Output {
        name: "snapshots",
        symbol: "U.npz",
        help: "Factors at every observation, .npz with `iterations` (T,) and `factors` (T, batch, n, k), or `left` and `right`",
        write: |file, finished| finished.snapshots.take().map_or(Ok(()), |kept| kept.write(file)),
    },
];

/// Where outputs go, by their names.
#[derive(Clone, Debug, Default)]
pub struct Paths(Vec<(&'static str, PathBuf)>);

impl Paths {
    pub fn get(&self, name: &str) -> Option<&PathBuf> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, path)| path)
    }

    pub fn iter(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().map(|(_, path)| path)
    }
}

impl clap::FromArgMatches for Paths {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let path = |output: &Output| Some((output.name, matches.get_one::<PathBuf>(output.name)?.clone()));
        Ok(Self(OUTPUTS.iter().filter_map(path).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Paths {
    fn augment_args(command: clap::Command) -> clap::Command {
        let flag = |output: &Output| {
            let arg = Arg::new(output.name).long(output.name).value_name(output.symbol).help(output.help);
            arg.value_parser(clap::value_parser!(PathBuf)).help_heading(HEADING)
        };
        command.args(OUTPUTS.iter().map(flag))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// What a report says beside the solution.
pub struct Described {
    pub settings: Value,
    pub seeds: Value,
    pub digests: Vec<InputInfo>,
    pub notices: Vec<String>,
    pub selection: Option<Selection>,
    pub errors: Option<StandardErrors>,
}

/// A finished run, for the writers.
struct Finished<'a> {
    solution: &'a Solution,
    report: RunReport,
    errors: Option<StandardErrors>,
    predictions: Option<&'a Predictions>,
    snapshots: Option<Snapshots>,
}

pub struct Outputs {
    files: Vec<(&'static Output, OutputFile)>,
    kept: Option<Snapshots>,
}

impl Outputs {
    /// Opens the outputs. `others` are files that the run writes too.
    pub fn create(paths: &Paths, others: Option<&Path>) -> Result<Self> {
        let all: Vec<&Path> = paths.iter().map(PathBuf::as_path).chain(others).collect();
        let twice = (1..all.len()).find(|&i| all[..i].iter().any(|p| *p == all[i] || same_file(p, all[i])));
        if let Some(twice) = twice.map(|i| all[i]) {
            let names: Vec<String> = OUTPUTS.iter().map(|output| format!("--{}", output.name)).collect();
            return Err(Error::File {
                path: twice.to_path_buf(),
                found: "two outputs of that name".into(),
                allowed: "a file for each output".into(),
                fix: format!("Give {} different names", names.join(", ")),
            });
        }
        let wanted = OUTPUTS.iter().filter_map(|output| Some((output, paths.get(output.name)?)));
        let files = wanted.map(|(output, path)| Ok((output, OutputFile::create(path)?))).collect::<Result<_>>()?;
        Ok(Self { files, kept: None })
    }

    /// Makes room for what the run collects.
    pub fn prepare(&mut self, paths: &Paths, solver: &Solver) -> Result<()> {
        self.kept = paths.get("snapshots").map(|path| Snapshots::create(path, solver)).transpose()?;
        Ok(())
    }

    pub fn record(&mut self, progress: &Progress<'_>) {
        if let Some(kept) = self.kept.as_mut().filter(|_| !progress.is_choice) {
            kept.record(progress);
        }
    }

    pub fn write(self, solution: &Solution, described: Described, predictions: Option<&Predictions>) -> Result<()> {
        let argv = super::expand(std::env::args_os().collect())?;
        let argv = argv.iter().map(|a| a.to_string_lossy().into_owned()).collect();
        let Described { settings, seeds, digests, notices, selection, errors } = described;
        let mut report = RunReport::new(solution, settings, argv, seeds, digests, notices);
        report.baseline_rmse = predictions.map(|p| p.baseline);
        report.selection = selection;
        report.confidence = errors.as_ref().map(ConfidenceReport::from);
        let mut finished = Finished { solution, report, errors, predictions, snapshots: self.kept };
        for (output, mut file) in self.files {
            let written = (output.write)(&mut file, &mut finished);
            file.check(written)?;
            file.finish()?;
        }
        Ok(())
    }
}

/// Factors, with the biases that were asked for or that the run has chosen, scales of columns, names of rows and columns, and
/// standard errors.
fn factors(file: &mut OutputFile, finished: &mut Finished<'_>) -> std::io::Result<()> {
    let asked = finished.predictions.and_then(|p| p.biases.as_ref());
    let biases = asked.or_else(|| finished.solution.best().biases());
    let sizes = biases.map(|biases| ([biases.mean], [biases.rows.len()], [biases.columns.len()]));
    let mut more = Vec::new();
    if let (Some(biases), Some((mean, rows, columns))) = (biases, &sizes) {
        more.push(("mean", NpzArray::Numbers(&[1], mean)));
        more.push(("row_bias", NpzArray::Numbers(rows, &biases.rows)));
        more.push(("column_bias", NpzArray::Numbers(columns, &biases.columns)));
    }
    let scales = finished.predictions.and_then(|p| p.column_scales.as_deref());
    let count = [scales.map_or(0, <[f64]>::len)];
    more.extend(scales.map(|scales| ("column_scale", NpzArray::Numbers(&count, scales))));
    if let Some((rows, columns)) = finished.predictions.and_then(|p| p.labels.as_ref()) {
        more.push(("rows", NpzArray::Labels(rows)));
        more.push(("columns", NpzArray::Labels(columns)));
    }
    let product = finished.solution.best().product();
    let shape = [product.rows(), product.columns()];
    let errors = finished.errors.as_ref();
    more.extend(errors.map(|errors| ("standard_errors", NpzArray::Numbers(&shape, &errors.values))));
    write_factors_with(file, finished.solution, &more)
}

/// The figure of a cross-validation; an interrupted one has none.
fn curve(file: &mut OutputFile, finished: &mut Finished<'_>) -> std::io::Result<()> {
    let Some(selection) = &finished.report.selection else { return Ok(()) };
    file.write_all(selection_figure(selection).map_err(std::io::Error::other)?.as_bytes())
}

/// A value as indented JSON.
fn json(file: &mut impl Write, value: &impl serde::Serialize) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *file, value).map_err(std::io::Error::from)?;
    writeln!(file)
}

/// Writes a value as indented JSON and finishes the file.
pub fn write_json(mut file: OutputFile, value: &impl serde::Serialize) -> Result<()> {
    let written = json(&mut file, value);
    file.check(written)?;
    file.finish()
}
