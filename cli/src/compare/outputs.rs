//! Files of a comparison, opened before the work and put in place after it.

use std::io::Write;
use std::path::PathBuf;

use lowrank::internals::io::{InputInfo, OutputFile};
use lowrank::internals::memory::readable_bytes;
use lowrank::{Error, Result};
use lowrank_studies::compare::{Comparison, Metric};
use lowrank_studies::report::{
    ComparisonPage, ComparisonRow, Environment, Over, TrialReport, comparison_figure, comparison_page,
    readable_seconds, write_comparison, write_curves,
};
use serde_json::{Map, Value, json};

use super::{Args, Compare};
use crate::options::OfLibrary;
use crate::quoted;
use crate::solve::{described, write_json};

pub const FILES: [&str; 6] =
    ["report.html", "error-iterations.svg", "error-seconds.svg", "curves.csv", "table.csv", "compare.json"];

/// Directory of the files, if any.
pub fn paths(args: &Args) -> Vec<PathBuf> {
    args.out.iter().flat_map(|folder| FILES.map(|name| folder.join(name))).collect()
}

/// Data of the files besides the comparison.
pub struct Described {
    pub problem: String,
    pub settings: Value,
    pub inputs: Vec<PathBuf>,
    pub notices: Vec<String>,
}

/// Parsed flags.
pub fn settings_of(args: &Args, measurements: Map<String, Value>, comparison: &Comparison, levels: &[f64]) -> Value {
    let mut settings = described(Compare::NAME, &args.options.request, measurements);
    let labels = || comparison.entries.iter().map(|e| (e.position, &e.label));
    let mut all: Vec<_> = labels().chain(comparison.absent.iter().map(|a| (a.position, &a.label))).collect();
    all.sort();
    let methods: Vec<&String> = all.into_iter().map(|(_, label)| label).collect();
    settings.insert("methods".into(), json!(methods));
    settings.insert("levels".into(), json!(levels));
    Value::Object(settings)
}

/// Opened files, in the order of [`FILES`]; none without --out.
pub struct Outputs(Option<[OutputFile; 6]>);

impl Outputs {
    pub fn create(args: &Args) -> Result<Self> {
        let Some(folder) = &args.out else { return Ok(Self(None)) };
        std::fs::create_dir_all(folder).map_err(|source| Error::Io {
            path: folder.clone(),
            source,
            fix: "Name a directory that lowrank can create with --out".into(),
        })?;
        let [page, over_iterations, over_seconds, curves, table, report] = FILES.map(|name| folder.join(name));
        let open = |path: PathBuf| OutputFile::create(path);
        let files =
            [open(page)?, open(over_iterations)?, open(over_seconds)?, open(curves)?, open(table)?, open(report)?];
        Ok(Self(Some(files)))
    }

    pub fn write(
        self,
        comparison: &Comparison,
        rows: &[ComparisonRow],
        levels: &[f64],
        said: &Described,
    ) -> Result<()> {
        let Some([page, over_iterations, over_seconds, mut curves, mut table, report]) = self.0 else { return Ok(()) };
        let drawn = |text: std::result::Result<String, String>| {
            text.map_err(|what| Error::Unsupported { what, fix: "The tables hold the numbers; report this bug".into() })
        };
        let argv: Vec<String> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
        let command = format!("lowrank {}", argv.iter().skip(1).map(|a| quoted(a)).collect::<Vec<_>>().join(" "));
        let environment = environment(comparison);
        let html = drawn(comparison_page(&ComparisonPage {
            comparison,
            levels,
            problem: &said.problem,
            environment: &environment,
            command: &command,
            notices: &said.notices,
        }))?;
        let put = |mut file: OutputFile, text: String| -> Result<()> {
            let written = file.write_all(text.as_bytes());
            file.check(written)?;
            file.finish()
        };
        let written = write_curves(&mut curves, comparison);
        curves.check(written)?;
        curves.finish()?;
        let written = write_comparison(&mut table, rows, levels);
        table.check(written)?;
        table.finish()?;
        put(over_iterations, drawn(comparison_figure(comparison, Over::Iterations))?)?;
        put(over_seconds, drawn(comparison_figure(comparison, Over::Seconds))?)?;
        put(page, html)?;
        write_json(report, &self::report(comparison, rows, said, argv)?)
    }
}

fn report(comparison: &Comparison, rows: &[ComparisonRow], said: &Described, argv: Vec<String>) -> Result<Value> {
    let inputs = said.inputs.iter().map(InputInfo::read).collect::<Result<Vec<_>>>()?;
    let runs: Vec<Value> = comparison
        .entries
        .iter()
        .map(|entry| {
            json!({
                "label": entry.label,
                "environment": Environment::new(&entry.solution.engine),
                "timing": entry.solution.timing,
                "damping_floor_iterations": entry.damping_floor_iterations,
                "notices": entry.solution.notices,
                "trials": entry.solution.trials.iter().map(TrialReport::from).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(json!({
        "metric": comparison.metric,
        "interrupted": comparison.interrupted,
        "table": rows,
        "runs": runs,
        "settings": said.settings,
        "argv": argv,
        "inputs": inputs,
        "environment": Environment::new(&comparison.entries[0].solution.engine),
        "notices": said.notices,
    }))
}

/// Returns the environment for the page, as names and values.
fn environment(comparison: &Comparison) -> Vec<(String, String)> {
    let e = Environment::new(&comparison.entries[0].solution.engine);
    let timing = |of: fn(&lowrank::solver::Timing) -> f64| -> f64 {
        comparison.entries.iter().map(|entry| of(&entry.solution.timing)).sum()
    };
    let software = if e.software_adapter { ", a software adapter" } else { "" };
    let storage = e.storage.map_or_else(String::new, |s| format!(" on {} measurements", s.word()));
    let stored = readable_bytes(e.operator_bytes);
    let error = match comparison.metric {
        Metric::RelativeError => "relative error against the truth",
        Metric::HeldOutError => "relative residual of held-out measurements",
        _ => "relative residual of the training measurements",
    };
    [
        ("error", error.to_owned()),
        ("computed on", format!("{}: {}{software} {}", e.backend, e.adapter, e.driver).trim_end().to_owned()),
        ("arithmetic", format!("{}{storage}, {} threads", e.precision.word(), e.threads)),
        ("measurement data", stored),
        ("program", format!("lowrank {} ({}), {} {}", e.version, e.commit, e.os, e.architecture)),
        ("loading, all methods", readable_seconds(timing(|t| t.setup))),
        ("iterating, all methods", readable_seconds(timing(|t| t.solve))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
