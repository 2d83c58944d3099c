//! What a person sees of a run.

use std::io::Write;

use lowrank::confidence::StandardErrors;
use lowrank::engine::EngineInfo;
use lowrank::internals::operators::Predictions;
use lowrank::problem::Domain;
use lowrank::selection::Selection;
use lowrank::solver::PreferenceFit;
use lowrank::{Result, Solution, TrialParameters, TrialSolution};
use lowrank_studies::report::{readable, readable_seconds};

use super::choice;
use crate::{remark, said};

/// One line before the work, on the standard error: what runs where.
pub fn announce(engine: &EngineInfo, domain: Domain, m: usize, trials: &[TrialParameters]) {
    // Each once, in the order of the trials.
    let mut seeds: Vec<u64> = Vec::new();
    for seed in trials.iter().filter_map(|t| t.seed) {
        if !seeds.contains(&seed) {
            seeds.push(seed);
        }
    }
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let seeds = match seeds.len() {
        0 => "given start".to_owned(),
        1 => format!("seed {}", seeds[0]),
        2..=8 => format!("seeds {}", seeds.join(", ")),
        count => format!("{count} seeds from {} to {}", seeds[0], seeds[count - 1]),
    };
    remark(&format!(
        "{domain}, {m} measurements, {} trial{}, {seeds}; on {}: {}{} ({}, {} thread{})",
        trials.len(),
        if trials.len() == 1 { "" } else { "s" },
        engine.backend,
        engine.adapter,
        if engine.software_adapter { ", a software adapter" } else { "" },
        numbers(engine),
        engine.threads,
        if engine.threads == 1 { "" } else { "s" },
    ));
}

/// `f32`, or `f64 on f16 matrices` where they are held in another type.
fn numbers(engine: &EngineInfo) -> String {
    let precision = format!("{:?}", engine.precision).to_lowercase();
    match engine.storage.map(|storage| storage.word()).filter(|storage| *storage != precision) {
        Some(storage) => format!("{precision} on {storage} matrices"),
        None => precision,
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), readable)
}

/// Sentences about standard errors, or the reason why there are none.
pub fn about(errors: &Result<StandardErrors>, predictions: Option<&Predictions>) -> Vec<String> {
    let errors = match errors {
        Ok(errors) => errors,
        Err(error) => return vec![format!("no standard errors: {error}")],
    };
    let mut said = errors.notices.clone();
    if predictions.is_some_and(|of| of.biases.is_some() || of.column_scales.is_some()) {
        said.push("the standard errors are those of the product of the factors, without biases and scales".into());
    }
    said
}

/// What the standard output has beside the result: the table of a cross-validation, which comes first, and a line about
/// standard errors.
pub struct Beside {
    pub choice: Option<String>,
    pub errors: Option<String>,
}

impl Beside {
    pub fn new(selection: Option<&Selection>, errors: Option<&StandardErrors>) -> Self {
        let line = |of: &StandardErrors| {
            format!(
                "noise std         {} estimated from {} measurements and {} degrees of freedom; median standard error of an entry {}",
                readable(of.noise_std),
                of.measurements,
                of.degrees_of_freedom,
                readable(of.median())
            )
        };
        Self { choice: selection.map(choice::table), errors: errors.map(line) }
    }
}

/// The result: a list for one trial, a table for several.
pub fn print(
    mut out: impl Write,
    solution: &Solution,
    predictions: Option<&Predictions>,
    beside: &Beside,
) -> Result<()> {
    if let Some(table) = &beside.choice {
        said(writeln!(out, "{table}"))?;
    }
    let text = match solution.trials.as_slice() {
        [one] => single(one),
        many => table(many, solution.best().parameters.trial),
    };
    said(write!(out, "{text}"))?;
    if let Some(predictions) = predictions {
        let best = solution.best();
        let held_out = best.holdout_rmse();
        said(writeln!(out, "train rmse        {}", readable(best.train_rmse())))?;
        if let Some(rmse) = held_out {
            said(writeln!(out, "held-out rmse     {}", readable(rmse)))?;
        }
        if let Some(baseline) = predictions.baseline {
            said(writeln!(
                out,
                "baseline rmse     {} for the mean, {} with row and column biases ({})",
                readable(baseline.global_mean),
                readable(baseline.row_and_column_biases),
                if held_out.is_some() { "held out" } else { "training" },
            ))?;
        }
        said(write!(out, "{}", best.preference.map_or_else(String::new, |of| preference(&of))))?;
    }
    if let Some(line) = &beside.errors {
        said(writeln!(out, "{line}"))?;
    }
    let timing = solution.timing;
    let per = timing.seconds_per_iteration;
    let gigabytes = if per > 0.0 { timing.operator_bytes_per_iteration / per / 1e9 } else { 0.0 };
    said(writeln!(
        out,
        "time              {} setup, {} solve, {} per iteration (reading {gigabytes:.1} GB/s of measurements)",
        readable_seconds(timing.setup),
        readable_seconds(timing.solve),
        readable_seconds(per),
    ))?;
    if let Some(passes) = timing.f64_passes {
        said(writeln!(out, "f64 passes        {passes} over the measurements, beside those of the iterations"))?;
    }
    said(out.flush())
}

/// The fit of implicit feedback over the whole matrix.
fn preference(of: &PreferenceFit) -> String {
    let mut text = format!("implicit loss     {} over all entries\n", readable(of.loss));
    if let (Some(found), Some(plain)) = (of.ranking, of.popularity) {
        let line = |name: &str, found: f64, plain: f64| {
            format!("{name}{} (by popularity {})\n", readable(found), readable(plain))
        };
        text += &line("held-out AUC      ", found.auc, plain.auc);
        text += &line("recall at 20      ", found.recall_at_20, plain.recall_at_20);
    }
    text
}

fn single(t: &TrialSolution) -> String {
    let leading: Vec<String> = t.singular_values.iter().take(8).map(|v| readable(*v)).collect();
    let more = if t.singular_values.len() > 8 { " …" } else { "" };
    let mut lines = vec![
        format!("status            {}: {}", t.status, t.status.sentence()),
        format!("iterations        {}", t.iterations),
        format!("train loss        {}", readable(t.train_loss)),
        format!("relative residual {}", readable(t.relative_residual)),
    ];
    if let Some(remark) = &t.remark {
        lines.insert(1, format!("remark            {remark}"));
    }
    if let Some(doubt) = &t.doubt {
        lines.insert(1, format!("doubt             {doubt}"));
    }
    if let Some(error) = t.relative_error {
        lines.push(format!("relative error    {}", readable(error)));
    }
    if let (Some(loss), Some(estimate)) = (t.holdout_loss, t.estimated_relative_error) {
        let which = if t.preference.is_some() { "" } else { "lowest, " };
        lines.push(format!("held-out loss     {} ({which}at iteration {})", readable(loss), t.kept_iteration));
        lines.push(format!("estimated error   {} (from held-out residuals)", readable(estimate)));
    }
    if let Some(phases) = &t.phases {
        let time = |t: Option<usize>| t.map_or_else(|| "-".into(), |t| t.to_string());
        lines.push(format!(
            "phases            aligned from {} (t_*), grown at {} (t_1), left the power iteration at {} (t_power)",
            time(phases.t_star),
            time(phases.t_1),
            time(phases.t_power)
        ));
        lines.extend(phases.reasons.iter().map(|reason| format!("                  {reason}")));
    }
    if let Some(proxy) = &t.phases_proxy {
        match (proxy.t_1, proxy.group) {
            (Some(one), Some(group)) => {
                let star = proxy.t_star.map_or_else(String::new, |star| format!("aligned from {star}, "));
                lines.push(format!(
                    "phases (proxy)    {star}grown at {one}: {group} singular values of U, without a truth to compare with"
                ));
            }
            _ => lines.push("phases (proxy)    not told: local refinement was not recognised in this run".into()),
        }
    }
    lines.push(format!("estimated rank    {} of {} columns", t.estimated_rank, t.parameters.search_rank));
    lines.push(format!("singular values   {}{more}", leading.join(" ")));
    lines.join("\n") + "\n"
}

/// A parameter that the table shows where trials differ in it.
type Varying = (&'static str, fn(&TrialParameters) -> Option<f64>);

const VARYING: [Varying; 2] = [("damping", |p| p.damping), ("ridge", |p| p.ridge)];

fn table(trials: &[TrialSolution], best: usize) -> String {
    let differs = |of: fn(&TrialParameters) -> Option<f64>| {
        trials.iter().any(|trial| of(&trial.parameters) != of(&trials[0].parameters))
    };
    let varying: Vec<Varying> = VARYING.into_iter().filter(|(_, of)| differs(*of)).collect();
    let cells =
        |of: &dyn Fn(&Varying) -> String| varying.iter().map(|one| format!(" {:>10}", of(one))).collect::<String>();
    let mut text = format!(
        "{:>5} {:>4} {:>10}{} {:>10} {:>6} {:>14} {:>10} {:>10} {:>10} {:>10} {:>5}\n",
        "trial",
        "k",
        "step_size",
        cells(&|(name, _)| (*name).to_owned()),
        "init_scale",
        "seed",
        "status",
        "iterations",
        "train_loss",
        "rel_error",
        "held_out",
        "rank"
    );
    for t in trials {
        let p = &t.parameters;
        text.push_str(&format!(
            "{:>5} {:>4} {:>10}{} {:>10} {:>6} {:>14} {:>10} {:>10} {:>10} {:>10} {:>5}{}\n",
            p.trial,
            p.search_rank,
            readable(p.step_size),
            cells(&|(_, of)| optional(of(p))),
            optional(p.init_scale),
            p.seed.map_or_else(|| "-".into(), |s| s.to_string()),
            t.status,
            t.iterations,
            readable(t.train_loss),
            optional(t.relative_error),
            optional(t.holdout_loss),
            t.estimated_rank,
            if p.trial == best { "  best" } else { "" },
        ));
    }
    for t in trials {
        for sentence in t.doubt.iter().chain(&t.remark) {
            text.push_str(&format!("trial {}: {sentence}\n", t.parameters.trial));
        }
    }
    text
}
