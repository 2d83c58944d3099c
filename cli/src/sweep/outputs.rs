//! Files of a finished sweep.

use std::io::Write;

use lowrank::Result;
use lowrank_studies::report::{Heatmap, SweepPage, success_map, sweep_page, write_cells, write_solves};
use lowrank_studies::sweep::{CellSummary, Outcome, Seeds, Sweep, summarise};
use serde_json::{Map, Value, json};

use crate::outputs::{Output, argv, command, drawn, json};

/// Every file, in the order in which they are written.
pub const FILES: &[Output<Finished>] = &[
    Output { name: "sweep.csv", write: |file, of| write_solves(file, &of.sweep, &of.results) },
    Output { name: "cells.csv", write: |file, of| write_cells(file, of.sweep.grid(), &of.cells) },
    Output { name: "heatmap.svg", write: |file, of| file.write_all(of.svg.as_bytes()) },
    Output { name: "sweep.html", write: |file, of| file.write_all(of.page.as_bytes()) },
    Output { name: "sweep.json", write: |file, of| json(file, &of.report) },
];

/// A sweep in which every solve has an outcome, with its page, its map and its report.
pub struct Finished {
    pub sweep: Sweep,
    pub map: Heatmap,
    results: Vec<Option<Outcome>>,
    cells: Vec<CellSummary>,
    page: String,
    svg: String,
    pub report: Value,
}

/// How a sweep ran: the size of its batches, solves of earlier runs, seconds of this one.
pub struct Ran {
    pub batch: usize,
    pub resumed: usize,
    pub seconds: f64,
}

impl Finished {
    /// `plan` identifies the sweep, `environments` are those in which its solves ran.
    pub fn new(
        (sweep, results): (Sweep, Vec<Option<Outcome>>),
        ran: Ran,
        plan: &Map<String, Value>,
        environments: &[Value],
        notices: &[String],
    ) -> Result<Self> {
        let grid = sweep.grid();
        let cells = summarise(sweep.cells(), grid.repetitions, grid.success, &results);
        let map = success_map(grid, &cells);
        let solving: f64 = results.iter().flatten().map(|o| o.seconds).sum();
        let page = drawn(sweep_page(&SweepPage {
            grid,
            cells: &cells,
            map: &map,
            environment: &environment(environments, solving, grid.seed),
            command: &command(),
            notices,
        }))?;
        let svg = drawn(map.to_svg())?;
        let report = json!({
            "settings": plan,
            "cells": cells.len(),
            "table": cells,
            "solves": results.len(),
            "successes": cells.iter().map(|c| c.successes).sum::<usize>(),
            "batch": ran.batch,
            "operators_loaded": sweep.groups(),
            "memory_need_bytes": sweep.memory_need(),
            "argv": argv(),
            "seeds": { "seed": grid.seed, "rule": Seeds::RULE },
            // More than one where the sweep went on elsewhere.
            "environments": environments,
            "timing": { "this_run": ran.seconds, "all_solves": solving, "solves_of_earlier_runs": ran.resumed },
            "notices": notices,
        });
        Ok(Self { sweep, map, results, cells, page, svg, report })
    }
}

/// The environments as names and values.
fn environment(environments: &[Value], solving: f64, seed: u64) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    // Operators of other sizes are other environments, and most of what is said of them is the same.
    let mut say = |name: &str, value: String| {
        if !facts.iter().any(|fact| fact.1 == value) {
            facts.push((name.to_owned(), value));
        }
    };
    for environment in environments {
        let word = |key: &str| match &environment[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let driver = word("driver");
        say(
            "computed on",
            format!(
                "{}: {}{} ({}, {} threads)",
                word("backend"),
                word("adapter"),
                if driver.is_empty() { driver } else { format!(", {driver}") },
                word("precision"),
                word("threads"),
            ),
        );
        let built =
            format!("lowrank {} ({}), {} {}", word("version"), word("commit"), word("os"), word("architecture"));
        say("program", built);
    }
    facts.push(("time of all solves".to_owned(), format!("{solving:.1} s")));
    facts.push(("seed".to_owned(), seed.to_string()));
    facts
}
