//! The page of a run, one self-contained file.

use lowrank::internals::memory::readable_bytes;
use lowrank::solver::{Status, TraceRow};
use serde_json::Value;

use super::html::Page;
use super::json::{RunReport, TrialReport};
use super::run_figures::figures;
use super::{readable, readable_seconds};

/// Contents of the page.
#[derive(Clone, Copy, Debug)]
pub struct RunPage<'a> {
    pub report: &'a RunReport,
    pub trace: &'a [TraceRow],
    /// Problem in a few words: `60×60, 1800 measurements`.
    pub problem: &'a str,
    /// Sentences about the run below their headings.
    pub sentences: &'a [(&'static str, Vec<String>)],
    /// Command that repeats the run.
    pub command: &'a str,
}

/// Cells of a table, each with its class.
type Row = Vec<(String, &'static str)>;

/// Returns the page as HTML.
///
/// # Errors
/// The plotting library's message.
pub fn run_page(page: &RunPage<'_>) -> Result<String, String> {
    let RunPage { report, trace, problem, sentences, command } = *page;
    let best = &report.trials[report.best_trial];
    let method = report.settings.get("method").and_then(Value::as_str).unwrap_or_default();
    let mut html = Page::new(&format!("A run of {method}: {problem}"));
    html.table(&["result", "value"], &result(report, best));
    for (heading, said) in sentences {
        html.heading(heading);
        html.list(said);
    }
    for figure in figures(report, trace)? {
        html.heading(figure.heading);
        html.figure(&figure.svg, &figure.caption);
    }
    if report.trials.len() > 1 {
        html.heading("All trials");
        trials(&mut html, report);
    }
    if !report.notices.is_empty() {
        html.heading("Notes");
        html.list(&report.notices);
    }
    html.heading("Settings");
    html.table(&["option", "value"], &rows(known(&report.settings)));
    html.heading("Data, program and machine");
    html.table(&["what", "value"], &facts(report));
    html.heading("Run it again");
    html.verbatim(command);
    Ok(html.finish())
}

fn class(status: Status) -> &'static str {
    match status {
        Status::Converged | Status::Finished => "good",
        Status::Diverged | Status::Interrupted | Status::DeviceLost => "bad",
        _ => "none",
    }
}

/// What is known of the best trial.
fn result(report: &RunReport, best: &TrialReport) -> Vec<Row> {
    let mut rows = vec![
        vec![("status".into(), ""), (best.status.to_string(), class(best.status))],
        vec![("iterations".into(), ""), (best.iterations.to_string(), "number")],
        vec![("time".into(), ""), (readable_seconds(report.timing.solve), "number")],
        vec![
            ("estimated rank".into(), ""),
            (format!("{} of {} columns", best.estimated_rank, best.parameters.search_rank), "number"),
        ],
    ];
    let numbers = [
        ("relative error against the truth", best.relative_error),
        ("error estimated from held-out measurements", best.estimated_relative_error),
        ("relative residual", best.relative_residual),
        ("training rmse", best.train_rmse),
        ("held-out rmse", best.holdout_rmse),
        (
            "rmse of the mean or of biases alone",
            report.baseline_rmse.map(|of| of.row_and_column_biases.min(of.global_mean)),
        ),
    ];
    let known = numbers.into_iter().filter_map(|(name, value)| Some((name, value?)));
    rows.extend(known.map(|(name, value)| vec![(name.into(), ""), (readable(value), "number")]));
    rows
}

fn trials(html: &mut Page, report: &RunReport) {
    let optional = |value: Option<f64>| (value.map_or_else(|| "-".into(), readable), "number");
    let row = |trial: &TrialReport| {
        let p = &trial.parameters;
        vec![
            (format!("{}{}", p.trial, if p.trial == report.best_trial { ", best" } else { "" }), "number"),
            (p.search_rank.to_string(), ""),
            (readable(p.step_size), "number"),
            optional(p.init_scale),
            (p.seed.map_or_else(|| "-".into(), |seed| seed.to_string()), ""),
            (trial.status.to_string(), class(trial.status)),
            (trial.iterations.to_string(), ""),
            optional(trial.relative_residual),
            optional(trial.relative_error),
            optional(trial.estimated_relative_error),
            (trial.estimated_rank.to_string(), ""),
        ]
    };
    let header =
        ["trial", "k", "step", "start", "seed", "status", "iterations", "residual", "error", "held-out error", "rank"];
    html.table(&header, &report.trials.iter().map(row).collect::<Vec<_>>());
}

/// Names that have a value, and their values without the quotes of JSON.
fn known(values: &Value) -> impl Iterator<Item = (String, String)> {
    let known = values.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

fn rows(of: impl Iterator<Item = (String, String)>) -> Vec<Row> {
    of.map(|(name, value)| vec![(name, ""), (value, "")]).collect()
}

fn facts(report: &RunReport) -> Vec<Row> {
    let e = &report.environment;
    let mut facts: Vec<(String, String)> = report
        .inputs
        .iter()
        .map(|input| {
            let shape: Vec<String> = input.shape.iter().map(usize::to_string).collect();
            let shape = if shape.is_empty() { String::new() } else { format!(" ({})", shape.join(", ")) };
            (input.path.display().to_string(), format!("{}{shape}, SHA-256 {}", input.dtype, input.sha256))
        })
        .collect();
    let software = if e.software_adapter { ", a software adapter" } else { "" };
    let storage = e.storage.map_or_else(String::new, |storage| format!(" on {} measurements", storage.word()));
    let (timing, memory) = (&report.timing, &report.memory);
    facts.extend(
        [
            (
                "seeds",
                known(&report.seeds).map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", "),
            ),
            ("computed on", format!("{}: {}{software} {}", e.backend, e.adapter, e.driver).trim_end().to_owned()),
            ("arithmetic", format!("{}{storage}, {} threads, {}", e.precision.word(), e.threads, e.variant)),
            ("program", format!("lowrank {} ({}), {} {}", e.version, e.commit, e.os, e.architecture)),
            ("loading", readable_seconds(timing.setup)),
            ("iterating", readable_seconds(timing.solve)),
            ("passes over the measurements", readable(timing.passes)),
            (
                "memory",
                format!(
                    "{} held, {} of files, {} of the device",
                    readable_bytes(memory.host_bytes),
                    readable_bytes(memory.file_bytes),
                    readable_bytes(memory.device_bytes)
                ),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    rows(facts.into_iter())
}
