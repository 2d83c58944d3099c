//! Files of a comparison.

use std::io::Write;
use std::path::PathBuf;

use lowrank::Result;
use lowrank::internals::io::InputInfo;
use lowrank::internals::memory::readable_bytes;
use lowrank_studies::compare::{Comparison, Metric};
use lowrank_studies::report::{
    ComparisonPage, ComparisonRow, Environment, Over, TrialReport, comparison_figure, comparison_page,
    readable_seconds, write_comparison, write_curves,
};
use serde_json::{Value, json};

use crate::outputs::{Output, argv, command, drawn, json};

/// Every file, in the order in which they are written.
pub const FILES: &[Output<Finished>] = &[
    Output { name: "curves.csv", write: |file, of| write_curves(file, &of.comparison) },
    Output { name: "table.csv", write: |file, of| write_comparison(file, &of.rows, &of.levels) },
    Output { name: "error-iterations.svg", write: |file, of| file.write_all(of.over_iterations.as_bytes()) },
    Output { name: "error-seconds.svg", write: |file, of| file.write_all(of.over_seconds.as_bytes()) },
    Output { name: "report.html", write: |file, of| file.write_all(of.page.as_bytes()) },
    Output { name: "compare.json", write: |file, of| json(file, &of.report) },
];

/// Data of the files besides the comparison.
pub struct Described {
    pub problem: String,
    pub settings: Value,
    pub inputs: Vec<PathBuf>,
    pub notices: Vec<String>,
}

/// A finished comparison with its page, its figures and its report.
pub struct Finished {
    pub comparison: Comparison,
    rows: Vec<ComparisonRow>,
    levels: Vec<f64>,
    page: String,
    over_iterations: String,
    over_seconds: String,
    pub report: Value,
}

impl Finished {
    pub fn new(comparison: Comparison, rows: Vec<ComparisonRow>, levels: Vec<f64>, said: &Described) -> Result<Self> {
        let page = drawn(comparison_page(&ComparisonPage {
            comparison: &comparison,
            levels: &levels,
            problem: &said.problem,
            environment: &environment(&comparison),
            command: &command(),
            notices: &said.notices,
        }))?;
        let over_iterations = drawn(comparison_figure(&comparison, Over::Iterations))?;
        let over_seconds = drawn(comparison_figure(&comparison, Over::Seconds))?;
        let report = report(&comparison, &rows, said)?;
        Ok(Self { comparison, rows, levels, page, over_iterations, over_seconds, report })
    }
}

fn report(comparison: &Comparison, rows: &[ComparisonRow], said: &Described) -> Result<Value> {
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
        "argv": argv(),
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
