//! The files of a run, opened before the work and put in place after it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches};
use lowrank::confidence::StandardErrors;
use lowrank::internals::io::{OutputFile, same_file};
use lowrank::internals::operators::Predictions;
use lowrank::io::NpzArray;
use lowrank::{Error, Progress, Result, Solution, Solver};
use lowrank_studies::report::{RunReport, Snapshots, selection_figure, write_factors_with, write_trace, write_trials};

use crate::options::JSON;
use crate::outputs::{Opened, Output, json, page};

/// The path of the standard output.
const STANDARD: &str = "-";

pub const HEADING: &str = "Output (each optional; - is the standard output)";

/// An output of a run, and its flag.
struct Flagged {
    /// What the flag is followed by, the name of a file. A flag that nothing follows sends its output to the standard output.
    symbol: Option<&'static str>,
    help: &'static str,
    output: Output<Finished>,
}

/// Every output, in the order in which they are written. Snapshots are last: where the disk is too small for them, the rest
/// is there.
const OUTPUTS: &[Flagged] = &[
    Flagged {
        symbol: Some("factors.npz"),
        help: "Factors, .npz with `left` (batch, n, k), and `right` (batch, n2, k) for models of two factors; with --confidence also \
               `standard_errors` (n1, n2) of the best trial",
        output: Output { name: "out", write: factors },
    },
    Flagged {
        symbol: Some("trace.csv"),
        help: "Every observation of every trial, CSV",
        output: Output { name: "trace", write: |file, finished| write_trace(file, &finished.solution.trace) },
    },
    Flagged {
        symbol: Some("trials.csv"),
        help: "Parameters and result of every trial, CSV",
        output: Output { name: "trials", write: |file, finished| write_trials(file, &finished.solution) },
    },
    Flagged {
        symbol: Some("run.json"),
        help: "Report of the run, JSON",
        output: Output { name: "report", write: |file, finished| json(file, &finished.report) },
    },
    Flagged {
        symbol: None,
        help: JSON,
        output: Output { name: "json", write: |file, finished| json(file, &finished.report) },
    },
    Flagged {
        symbol: Some("run.html"),
        help: "Page of the run to look at or to send, one HTML file: result, curves, spectrum, settings, notes",
        output: Output { name: "html", write: |file, of| page(file, &of.report, &of.solution.trace, &of.problem) },
    },
    Flagged {
        symbol: Some("curve.svg"),
        help: "Held-out error over an automatic search rank or ridge, SVG",
        output: Output { name: "selection", write: curve },
    },
    Flagged {
        symbol: Some("U.npz"),
        help: "Factors at every observation, .npz with `iterations` (T,) and `factors` (T, batch, n, k), or `left` and `right`",
        output: Output {
            name: "snapshots",
            write: |file, finished| finished.snapshots.take().map_or(Ok(()), |kept| kept.write(file)),
        },
    },
];

/// Whether a flag, without its dashes, is that of an output, and whether a value follows it.
pub fn output(flag: &str) -> Option<bool> {
    OUTPUTS.iter().find(|of| of.output.name == flag).map(|of| of.symbol.is_some())
}

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
        let path = |of: &Flagged| {
            let name = of.output.name;
            let path = match of.symbol {
                Some(_) => matches.get_one::<PathBuf>(name)?.clone(),
                None => matches.get_flag(name).then(|| STANDARD.into())?,
            };
            Some((name, path))
        };
        Ok(Self(OUTPUTS.iter().filter_map(path).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Paths {
    fn augment_args(command: clap::Command) -> clap::Command {
        let flag = |of: &Flagged| {
            let name = of.output.name;
            let arg = Arg::new(name).long(name).help(of.help).help_heading(HEADING);
            match of.symbol {
                Some(symbol) => arg.value_name(symbol).value_parser(clap::value_parser!(PathBuf)),
                None => arg.action(ArgAction::SetTrue),
            }
        };
        command.args(OUTPUTS.iter().map(flag))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// A finished run.
pub struct Finished {
    /// The problem in a few words.
    problem: String,
    pub solution: Solution,
    pub report: RunReport,
    errors: Option<StandardErrors>,
    pub predictions: Option<Predictions>,
    snapshots: Option<Snapshots>,
}

impl Finished {
    pub fn new(
        problem: String,
        solution: Solution,
        report: RunReport,
        errors: Option<StandardErrors>,
        predictions: Option<Predictions>,
    ) -> Self {
        Self { problem, solution, report, errors, predictions, snapshots: None }
    }
}

pub struct Outputs {
    files: Opened<Finished>,
    kept: Option<Snapshots>,
}

impl Outputs {
    /// Opens the outputs. `others` are files that the run writes too.
    pub fn create(paths: &Paths, others: Option<&Path>) -> Result<Self> {
        let all: Vec<&Path> = paths.iter().map(PathBuf::as_path).chain(others).collect();
        let twice = (1..all.len()).find(|&i| all[..i].iter().any(|p| *p == all[i] || same_file(p, all[i])));
        if let Some(twice) = twice.map(|i| all[i]) {
            let names: Vec<String> = OUTPUTS.iter().map(|of| format!("--{}", of.output.name)).collect();
            return Err(Error::File {
                path: twice.to_path_buf(),
                found: "two outputs of that name".into(),
                allowed: "a file for each output".into(),
                fix: format!("Give {} different names", names.join(", ")),
            });
        }
        let wanted = OUTPUTS.iter().filter_map(|of| Some((&of.output, paths.get(of.output.name)?.clone())));
        Ok(Self { files: Opened::at(wanted)?, kept: None })
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

    pub fn write(self, finished: &mut Finished) -> Result<()> {
        finished.snapshots = self.kept;
        self.files.write(finished)
    }
}

/// Factors, with the biases that were asked for or that the run has chosen, scales of columns, names of rows and columns, and
/// standard errors.
fn factors(file: &mut OutputFile, finished: &mut Finished) -> std::io::Result<()> {
    let predictions = finished.predictions.as_ref();
    let asked = predictions.and_then(|p| p.biases.as_ref());
    let biases = asked.or_else(|| finished.solution.best().biases());
    let sizes = biases.map(|biases| ([biases.mean], [biases.rows.len()], [biases.columns.len()]));
    let mut more = Vec::new();
    if let (Some(biases), Some((mean, rows, columns))) = (biases, &sizes) {
        more.push(("mean", NpzArray::Numbers(&[1], mean)));
        more.push(("row_bias", NpzArray::Numbers(rows, &biases.rows)));
        more.push(("column_bias", NpzArray::Numbers(columns, &biases.columns)));
    }
    let scales = predictions.and_then(|p| p.column_scales.as_deref());
    let count = [scales.map_or(0, <[f64]>::len)];
    more.extend(scales.map(|scales| ("column_scale", NpzArray::Numbers(&count, scales))));
    if let Some((rows, columns)) = predictions.and_then(|p| p.labels.as_ref()) {
        more.push(("rows", NpzArray::Labels(rows)));
        more.push(("columns", NpzArray::Labels(columns)));
    }
    let product = finished.solution.best().product();
    let shape = [product.rows(), product.columns()];
    let errors = finished.errors.as_ref();
    more.extend(errors.map(|errors| ("standard_errors", NpzArray::Numbers(&shape, &errors.values))));
    write_factors_with(file, &finished.solution, &more)
}

/// The figure of a cross-validation; an interrupted one has none.
fn curve(file: &mut OutputFile, finished: &mut Finished) -> std::io::Result<()> {
    let Some(selection) = &finished.report.selection else { return Ok(()) };
    file.write_all(selection_figure(selection).map_err(std::io::Error::other)?.as_bytes())
}
