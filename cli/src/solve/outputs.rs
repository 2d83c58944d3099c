//! The files of a run, opened before the work and put in place after it.

use std::io::Write;
use std::path::{Path, PathBuf};

use lowrank::internals::io::{InputInfo, OutputFile, same_file};
use lowrank::{Error, Progress, Result, Solution, Solver};
use lowrank_studies::report::{RunReport, Snapshots, write_factors_with, write_trace, write_trials};
use serde_json::Value;

use super::Args;
use super::completion::Predictions;

/// What a report says beside the solution.
pub struct Described {
    pub settings: Value,
    pub seeds: Value,
    pub digests: Vec<InputInfo>,
    pub notices: Vec<String>,
}

pub struct Outputs {
    factors: Option<OutputFile>,
    report: Option<OutputFile>,
    trace: Option<OutputFile>,
    trials: Option<OutputFile>,
    snapshots: Option<OutputFile>,
    kept: Option<Snapshots>,
}

impl Outputs {
    pub fn create(args: &Args) -> Result<Self> {
        let paths: Vec<&Path> = args.outputs().map(PathBuf::as_path).collect();
        let twice = (1..paths.len()).find(|&i| paths[..i].iter().any(|p| *p == paths[i] || same_file(p, paths[i])));
        if let Some(twice) = twice.map(|i| paths[i]) {
            return Err(Error::File {
                path: twice.to_path_buf(),
                found: "two outputs of that name".into(),
                allowed: "a file for each output".into(),
                fix: "Give --out, --report, --trace, --trials and --snapshots different names".into(),
            });
        }
        let open = |path: &Option<PathBuf>| path.as_ref().map(OutputFile::create).transpose();
        Ok(Self {
            factors: open(&args.out)?,
            report: open(&args.report)?,
            trace: open(&args.trace)?,
            trials: open(&args.trials)?,
            snapshots: open(&args.snapshots)?,
            kept: None,
        })
    }

    /// What has to be there while the solver runs.
    pub fn prepare(&mut self, args: &Args, solver: &Solver) -> Result<()> {
        self.kept = args.snapshots.as_ref().map(|path| Snapshots::create(path, solver)).transpose()?;
        Ok(())
    }

    pub fn record(&mut self, progress: &Progress<'_>) {
        if let Some(kept) = self.kept.as_mut().filter(|_| !progress.is_choice) {
            kept.record(progress);
        }
    }

    pub fn write(self, solution: &Solution, described: Described, predictions: Option<&Predictions>) -> Result<()> {
        if let Some(mut file) = self.factors {
            // Those that were asked for, or those that the run has chosen.
            let asked = predictions.and_then(|p| p.biases.as_ref());
            let biases = asked.or_else(|| solution.best().biases());
            let mean = biases.map(|b| [b.mean]);
            let (rows, columns) = biases.map_or((0, 0), |b| (b.rows.len(), b.columns.len()));
            let sizes = ([rows], [columns]);
            let more: Vec<(&str, &[usize], &[f64])> = match (biases, &mean) {
                (Some(b), Some(mean)) => {
                    vec![("mean", &[1], mean), ("row_bias", &sizes.0, &b.rows), ("column_bias", &sizes.1, &b.columns)]
                }
                _ => Vec::new(),
            };
            let written = write_factors_with(&mut file, solution, &more);
            file.check(written)?;
            file.finish()?;
        }
        if let Some(mut file) = self.trace {
            let written = write_trace(&mut file, &solution.trace);
            file.check(written)?;
            file.finish()?;
        }
        if let Some(mut file) = self.trials {
            let written = write_trials(&mut file, solution);
            file.check(written)?;
            file.finish()?;
        }
        if let Some(file) = self.report {
            let argv = super::expand(std::env::args_os().collect())?;
            let argv = argv.iter().map(|a| a.to_string_lossy().into_owned()).collect();
            let Described { settings, seeds, digests, notices } = described;
            let mut report = RunReport::new(solution, settings, argv, seeds, digests, notices);
            report.baseline_rmse = predictions.map(|p| p.baseline);
            write_json(file, &report)?;
        }
        // Last: where the disk was too small for the snapshots, the rest is there.
        if let (Some(mut file), Some(kept)) = (self.snapshots, self.kept) {
            let written = kept.write(&mut file);
            file.check(written)?;
            file.finish()?;
        }
        Ok(())
    }
}

/// Writes a value as indented JSON and finishes the file.
pub fn write_json(mut file: OutputFile, value: &impl serde::Serialize) -> Result<()> {
    let written = serde_json::to_writer_pretty(&mut file, value).map_err(std::io::Error::from);
    let written = written.and_then(|()| writeln!(file));
    file.check(written)?;
    file.finish()
}
