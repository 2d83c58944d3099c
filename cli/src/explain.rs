//! Command `lowrank explain`: what happened in a run, what its numbers say, and what to try next, from its report.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use lowrank::solver::Status;
use lowrank::{Error, Precision, Result};
use lowrank_studies::report::{RunReport, TrialReport, readable, readable_seconds};

use super::{Ending, said};

/// Estimated error from which a result predicts nothing.
const NOTHING: f64 = 0.5;
/// Error over the training residual from which the fit follows its own measurements rather than the matrix.
const OVERFIT: f64 = 3.0;
/// Share of a baseline's error below which factors are worth their name.
const BETTER: f64 = 0.98;
/// Relative residual from which a fit of data without noise is incomplete.
const MISFIT: f64 = 1e-2;
/// Words of the remark on the accuracy of single precision.
const FLOOR: &str = "single-precision floor";

#[derive(clap::Args)]
pub struct Args {
    /// Report that `lowrank solve --report` wrote
    #[arg(value_name = "run.json")]
    report: PathBuf,
}

pub fn run(args: &Args) -> Result<Ending> {
    let report = read(&args.report)?;
    said(std::io::stdout().lock().write_all(text(&report).as_bytes()))?;
    Ok(Ending::Done)
}

fn read(path: &Path) -> Result<RunReport> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
        fix: "Check the path".into(),
    })?;
    let refused = |found: String| Error::File {
        path: path.to_owned(),
        found,
        allowed: "a report that `lowrank solve --report` wrote".into(),
        fix: "Name such a file".into(),
    };
    let report: RunReport = serde_json::from_slice(&bytes).map_err(|e| refused(format!("no such report: {e}")))?;
    match report.trials.get(report.best_trial) {
        Some(_) => Ok(report),
        None => Err(refused("a report without its best trial".into())),
    }
}

/// What `lowrank explain` prints.
fn text(report: &RunReport) -> String {
    let part = |(heading, sentences): (&str, Vec<String>)| {
        sentences.iter().fold(format!("{heading}\n"), |text, sentence| format!("{text}- {sentence}\n"))
    };
    sentences(report).map(part).join("\n")
}

/// Sentences about a run, below their headings.
pub fn sentences(report: &RunReport) -> [(&'static str, Vec<String>); 3] {
    let best = &report.trials[report.best_trial];
    let mut next = next(report, best);
    if next.is_empty() {
        next.push("Nothing: no number of this run asks for more.".into());
    }
    [
        ("What happened", happened(report, best)),
        ("What the numbers say", numbers(report, best)),
        ("What to try next", next),
    ]
}

/// A setting as a word.
fn word<'a>(report: &'a RunReport, name: &str) -> &'a str {
    report.settings.get(name).and_then(|value| value.as_str()).unwrap_or_default()
}

fn happened(report: &RunReport, best: &TrialReport) -> Vec<String> {
    let p = &best.parameters;
    let mut said = vec![format!(
        "The method {} ran on {} in {} for the model {}, with {} measurements and {} columns.",
        word(report, "method"),
        report.environment.backend,
        precision(report),
        word(report, "model"),
        p.rows - p.holdout_rows.min(p.rows),
        p.search_rank,
    )];
    if report.trials.len() > 1 {
        let ended = |status| report.trials.iter().filter(|trial| trial.status == status).count();
        said.push(format!(
            "There were {} trials: {} converged, {} diverged. This is about trial {}, the best.",
            report.trials.len(),
            ended(Status::Converged),
            ended(Status::Diverged),
            p.trial
        ));
    }
    if let Some(at) = report.resumed_at {
        said.push(format!("It went on from a checkpoint at iteration {at}."));
    }
    let (status, time) = (best.status, readable_seconds(report.timing.solve));
    said.push(format!("{status} after {} iterations and {time}: {}.", best.iterations, status.sentence()));
    if best.kept_iteration < best.iterations && best.holdout_loss.is_some() {
        let kept = best.kept_iteration;
        said.push(format!(
            "The iterate of iteration {kept} is kept: later ones predict held-out measurements no better."
        ));
    }
    said.extend(report.fault.iter().map(|fault| format!("The device said: {fault}.")));
    said.extend(best.doubt.iter().map(|doubt| format!("Doubt: {doubt}.")));
    said.extend(best.remark.iter().map(|remark| format!("Remark: {remark}.")));
    said
}

fn precision(report: &RunReport) -> &'static str {
    match report.environment.precision {
        Precision::F64 => "double precision",
        Precision::Mixed => "mixed precision",
        _ => "single precision",
    }
}

fn numbers(report: &RunReport, best: &TrialReport) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(residual) = best.relative_residual {
        said.push(format!("The fit leaves a relative residual of {}.", readable(residual)));
    }
    if let Some(error) = best.relative_error {
        let verdict =
            if error < NOTHING { "the matrix was found to that accuracy" } else { "the matrix was not found" };
        said.push(format!("The relative error against the truth is {}: {verdict}.", readable(error)));
    }
    if let Some(error) = best.estimated_relative_error {
        let verdict = match error < NOTHING {
            true => "an upper bound where the measurements are noisy",
            false => "the result predicts nothing that it was not trained on",
        };
        said.push(format!("Held-out measurements estimate the error at {}: {verdict}.", readable(error)));
    }
    if best.relative_error.is_none() && best.holdout_loss.is_none() {
        said.push("Nothing but the fit itself judges the result, and many matrices can have a small residual.".into());
    }
    if let Some((rmse, base)) = beside(report, best) {
        let than = if rmse < BETTER * base { "better than" } else { "no better than" };
        said.push(format!(
            "The held-out rmse is {}, {than} the {} of mean and biases.",
            readable(rmse),
            readable(base)
        ));
    }
    let (rank, k) = (best.estimated_rank, best.parameters.search_rank);
    said.push(match rank < k {
        true => format!("{rank} of {k} columns carry the matrix; the others are negligible."),
        false => format!("All {k} columns are in use, so the rank may be larger."),
    });
    if let Some(of) = &report.selection {
        said.push(format!(
            "Cross-validation over {} folds chose {} columns and the ridge {}.",
            of.folds,
            of.search_rank,
            readable(of.ridge)
        ));
    }
    said
}

/// The error of held-out entries, and that of the mean or the biases alone, whichever is less.
fn beside(report: &RunReport, best: &TrialReport) -> Option<(f64, f64)> {
    let base = report.baseline_rmse?;
    Some((best.holdout_rmse?, base.global_mean.min(base.row_and_column_biases)))
}

/// What the numbers ask for, the most urgent first.
fn next(report: &RunReport, best: &TrialReport) -> Vec<String> {
    let mut said: Vec<String> = after(report, best).into_iter().collect();
    let error = best.estimated_relative_error.or(best.relative_error);
    let residual = best.relative_residual.unwrap_or(f64::NAN);
    if error.is_some_and(|error| error >= NOTHING) && best.status != Status::Diverged {
        said.push(
            "More measurements, if there are any. `lowrank sweep` shows how many a rank needs. Otherwise fewer columns \
             (--search-rank) or another --model."
                .into(),
        );
    } else if error.is_some_and(|error| error > OVERFIT * residual && error > MISFIT) {
        said.push("--search-rank auto or --ridge auto: the fit follows noise in its own measurements.".into());
    }
    if beside(report, best).is_some_and(|(rmse, base)| rmse >= BETTER * base) {
        said.push("--biases, or more entries: the mean and the biases alone predict as well.".into());
    }
    let full = best.estimated_rank == best.parameters.search_rank;
    if full && residual > MISFIT && best.status != Status::Diverged && report.selection.is_none() {
        said.push(format!("A larger --search-rank than {}: all columns are in use.", best.parameters.search_rank));
    }
    if best.relative_error.is_none() && best.parameters.holdout_rows == 0 {
        said.push("--holdout 0.1: held-out measurements estimate the error of the result.".into());
    }
    if best.remark.as_ref().is_some_and(|remark| remark.contains(FLOOR)) {
        said.push(
            "--precision mixed (models of one factor) or f64, if you need more digits. Otherwise you are done.".into(),
        );
    }
    if report.environment.software_adapter {
        said.push("--backend cpu: the graphics adapter is software, and slower than the processor itself.".into());
    }
    said
}

/// What follows from the status.
fn after(report: &RunReport, best: &TrialReport) -> Option<String> {
    let checkpoint = report.argv.iter().any(|word| word.starts_with("--checkpoint"));
    let on =
        if checkpoint { "--resume with the checkpoint" } else { "--checkpoint next time, so that --resume can go on" };
    let limit = report.settings.get("max_iterations").and_then(|value| value.as_u64()).unwrap_or_default();
    let plain = word(report, "method").starts_with("gd");
    match best.status {
        Status::IterationLimit => {
            let other = if plain { ", or no --method: the automatic one needs fewer iterations" } else { "" };
            Some(format!("A larger --max-iterations than {limit}{other}."))
        }
        Status::TimeLimit => Some(format!("A larger --stop-time, or {on}.")),
        Status::Interrupted => Some(format!("{on}.")),
        Status::Diverged => Some(
            "No --step-size: the default is stable. With --method cg or without --method there is no step to choose."
                .into(),
        ),
        Status::DeviceLost => Some(format!("--on-device-loss cpu to end on the processor, or {on}.")),
        Status::Stalled if best.relative_residual.is_some_and(|residual| residual > MISFIT) && plain => {
            Some("Another method: a preconditioned one (--method prec-gd) leaves plateaus sooner.".into())
        }
        _ => None,
    }
}
