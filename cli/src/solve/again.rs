//! `--config run.json`: a finished run again, from its own report.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lowrank::internals::solver::Identity;
use lowrank::{Error, Result, Solution};
use lowrank_studies::report::{RunReport, TrialReport, readable};

use super::Args;
use super::outputs::output;

fn read(path: &Path) -> Result<RunReport> {
    let failed = |source| Error::Io { path: path.to_owned(), source, fix: "Check the path".into() };
    // A pipe or a device may have no end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::File {
            path: path.to_owned(),
            found: "a directory, a pipe or a device".into(),
            allowed: "a report that `lowrank solve --report` wrote".into(),
            fix: "Name a file on disk".into(),
        });
    }
    report(path, &std::fs::read(path).map_err(failed)?)
}

/// A report from its bytes; `path` is for messages.
pub fn report(path: &Path, text: &[u8]) -> Result<RunReport> {
    let refused = |found: String| Error::File {
        path: path.to_owned(),
        found,
        allowed: "a report that `lowrank solve --report` wrote".into(),
        fix: "Name such a file".into(),
    };
    let report: RunReport = serde_json::from_slice(text).map_err(|e| refused(format!("no such report: {e}")))?;
    match report.argv.get(1).map(String::as_str) {
        Some("solve") if !report.trials.is_empty() => Ok(report),
        other => Err(refused(format!("a report of `lowrank {}`", other.unwrap_or_default()))),
    }
}

/// The value of `--config` among the arguments of `solve`.
fn config(arguments: &[OsString]) -> Option<PathBuf> {
    if arguments.get(1)?.to_str() != Some("solve") {
        return None;
    }
    arguments.iter().enumerate().find_map(|(at, argument)| match argument.to_str()? {
        "--config" => arguments.get(at + 1).map(PathBuf::from),
        text => text.strip_prefix("--config=").map(PathBuf::from),
    })
}

/// The arguments with those of the report's run before them, where `--config` names one.
pub fn expand(arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let Some(path) = config(&arguments) else { return Ok(arguments) };
    Ok(merged(arguments, &read(&path)?))
}

/// Program, `solve`, the arguments of the report, those given: the last one counts.
pub fn merged(arguments: Vec<OsString>, report: &RunReport) -> Vec<OsString> {
    let mut merged = arguments[..2].to_vec();
    let mut stored = report.argv.iter().skip(2);
    while let Some(argument) = stored.next() {
        let name = argument.split_once('=').map_or(argument.as_str(), |(name, _)| name);
        let flag = name.strip_prefix("--");
        if flag.is_none_or(belongs) {
            merged.push(argument.into());
        } else if name == argument && flag.and_then(output) != Some(false) {
            stored.next();
        }
    }
    // Which kernels a GPU ran was decided by the clock.
    let given = &arguments[2..];
    let says = |flag: &str| given.iter().any(|a| a.to_string_lossy().split('=').next() == Some(flag));
    if report.environment.backend == "gpu" && !says("--backend") && !says("--variant") {
        let variant = report.environment.variant.split_once('/').map_or("", |(_, name)| name);
        merged.push(format!("--variant={variant}").into());
    }
    merged.extend_from_slice(given);
    merged
}

/// Whether a flag, without its dashes, belongs to the experiment, and not to where results go or where a run resumes.
fn belongs(flag: &str) -> bool {
    !(output(flag).is_some() || Identity::is_destination(flag) || ["resume", "config"].contains(&flag))
}

/// What a run is compared with.
pub struct Before {
    path: PathBuf,
    report: RunReport,
}

impl Before {
    pub fn new(args: &Args) -> Result<Option<Self>> {
        let Some(path) = &args.config else { return Ok(None) };
        Ok(Some(Self { path: path.clone(), report: read(path)? }))
    }

    /// Whether the result is the same, and a sentence about it.
    pub fn compare(&self, solution: &Solution) -> (bool, String) {
        let (now, then): (Vec<TrialReport>, _) =
            (solution.trials.iter().map(TrialReport::from).collect(), &self.report.trials);
        let of = self.path.display();
        let Some(difference) = identity(then).difference(&identity(&now)) else {
            return (true, format!("the same result as {of}: factors bit for bit"));
        };
        let Some(at) = difference.at() else {
            return (false, format!("not the result of {of}: {} trials, and {} there", now.len(), then.len()));
        };
        let (a, b) = (&now[at], &then[at]);
        let relative = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => readable((a - b).abs() / b.abs().max(f64::MIN_POSITIVE)),
            _ => "unknown".to_owned(),
        };
        let error = match b.relative_error {
            Some(_) => format!(", relative error by {} of itself", relative(a.relative_error, b.relative_error)),
            None => String::new(),
        };
        let text = format!(
            "not the result of {of}: trial {} ended {} after {} iterations, and {} after {} there; its training loss differs by {} of \
             itself{error}; run on {} ({}), and on {} ({}) there",
            a.parameters.trial,
            a.status,
            a.iterations,
            b.status,
            b.iterations,
            relative(a.train_loss, b.train_loss),
            solution.engine.backend,
            solution.engine.variant,
            self.report.environment.backend,
            self.report.environment.variant,
        );
        (false, text)
    }
}

/// What a rerun has to come to.
fn identity(trials: &[TrialReport]) -> Identity {
    Identity::of_results(trials.iter().map(|trial| (trial.status, trial.factors_sha256.as_str())))
}
