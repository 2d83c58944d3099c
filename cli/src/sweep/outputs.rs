//! The files of a finished sweep.

use std::io::Write;
use std::path::Path;

use lowrank::internals::io::OutputFile;
use lowrank::{Error, Result};
use lowrank_studies::report::{SweepPage, success_map, sweep_page, write_cells, write_solves};
use lowrank_studies::sweep::{Journal, Outcome, Seeds, Sweep, summarise};
use serde_json::{Map, Value, json};

use crate::quoted;
use crate::solve::write_json;

const FILES: [&str; 5] = ["sweep.csv", "cells.csv", "heatmap.svg", "sweep.html", "sweep.json"];

/// Finds out before the work whether the files can be written.
pub fn check(folder: &Path) -> Result<()> {
    // Dropped unfinished, an output leaves nothing behind.
    FILES.iter().try_for_each(|name| OutputFile::create(folder.join(name)).map(drop))
}

/// A sweep in which every solve has an outcome.
pub struct Finished<'a> {
    pub sweep: &'a Sweep,
    pub results: &'a [Option<Outcome>],
    pub plan: &'a Map<String, Value>,
    pub journal: &'a Journal,
    pub notices: Vec<String>,
}

impl Finished<'_> {
    /// Writes all files and returns the map as text. `resumed` solves are from earlier runs, `seconds` are of this one.
    pub fn write(&self, folder: &Path, batch: usize, resumed: usize, seconds: f64) -> Result<String> {
        let grid = self.sweep.grid();
        let cells = summarise(self.sweep.cells(), grid.repetitions, grid.success, self.results);
        let map = success_map(grid, &cells);
        let drawn = |text: std::result::Result<String, String>| {
            text.map_err(|what| Error::Unsupported { what, fix: "The tables hold the numbers; report this".into() })
        };
        let solving: f64 = self.results.iter().flatten().map(|o| o.seconds).sum();
        let argv: Vec<String> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
        let arguments = argv.iter().skip(1).map(|a| quoted(a)).collect::<Vec<_>>();
        let command = format!("lowrank {}", arguments.join(" "));
        let environment = self.environment(solving);
        let page = SweepPage {
            grid,
            cells: &cells,
            map: &map,
            environment: &environment,
            command: &command,
            notices: &self.notices,
        };
        let (html, svg) = (drawn(sweep_page(&page))?, drawn(map.to_svg())?);
        let put = |name: &str, write: &dyn Fn(&mut OutputFile) -> std::io::Result<()>| {
            let mut file = OutputFile::create(folder.join(name))?;
            let written = write(&mut file);
            file.check(written)?;
            file.finish()
        };
        put("sweep.csv", &|file| write_solves(file, self.sweep, self.results))?;
        put("cells.csv", &|file| write_cells(file, grid, &cells))?;
        put("heatmap.svg", &|file| file.write_all(svg.as_bytes()))?;
        put("sweep.html", &|file| file.write_all(html.as_bytes()))?;
        let report = json!({
            "settings": self.plan,
            "cells": cells.len(),
            "solves": self.results.len(),
            "successes": cells.iter().map(|c| c.successes).sum::<usize>(),
            "batch": batch,
            "operators_loaded": self.sweep.groups(),
            "memory_need_bytes": self.sweep.memory_need(),
            "argv": argv,
            "seeds": { "seed": grid.seed, "rule": Seeds::RULE },
            // More than one where the sweep went on elsewhere.
            "environments": self.journal.remarks(),
            "timing": { "this_run": seconds, "all_solves": solving, "solves_of_earlier_runs": resumed },
            "notices": self.notices,
        });
        write_json(OutputFile::create(folder.join("sweep.json"))?, &report)?;
        Ok(map.to_text())
    }

    fn environment(&self, solving: f64) -> Vec<(String, String)> {
        let mut facts = Vec::new();
        for environment in self.journal.remarks() {
            let word = |key: &str| match &environment[key] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let driver = word("driver");
            facts.push((
                "computed on".to_owned(),
                format!(
                    "{}: {}{} ({}, {} threads)",
                    word("backend"),
                    word("adapter"),
                    if driver.is_empty() { driver } else { format!(", {driver}") },
                    word("precision"),
                    word("threads"),
                ),
            ));
            let built =
                format!("lowrank {} ({}), {} {}", word("version"), word("commit"), word("os"), word("architecture"));
            facts.push(("program".to_owned(), built));
        }
        facts.push(("time of all solves".to_owned(), format!("{solving:.1} s")));
        facts.push(("seed".to_owned(), self.sweep.grid().seed.to_string()));
        facts
    }
}
