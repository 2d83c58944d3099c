//! Figures of a run: errors and losses, angles and singular values over the iterations, and the spectrum of the result.

use lowrank::solver::TraceRow;

use super::json::{RunReport, TrialReport};
use super::plot::{Mark, Panel, PlotAxis, Quantity, Series, Style, panels_to_svg, phase_bands};
use super::readable;

/// Figure with its caption.
pub(super) struct Captioned {
    pub heading: &'static str,
    pub svg: String,
    pub caption: String,
}

/// Most curves of a figure, as many as its legend has room for.
const CURVES: usize = 12;
/// Most points of a curve.
const POINTS: usize = 500;

/// The best trial and its observations.
type Best<'a> = (&'a TrialReport, &'a [&'a TraceRow]);

/// What a run is judged by: the truth, held-out measurements, or the fit.
struct Judge {
    label: &'static str,
    of: fn(&TraceRow) -> Option<f64>,
}

impl Judge {
    fn new(rows: &[&TraceRow]) -> Self {
        if rows.iter().any(|row| row.relative_error.is_some()) {
            Self { label: "relative error", of: |row| row.relative_error }
        } else if rows.iter().any(|row| row.holdout_loss.is_some()) {
            Self { label: "held-out loss", of: |row| row.holdout_loss }
        } else {
            Self { label: "relative residual", of: |row| Some(row.relative_residual) }
        }
    }
}

/// All figures that the data of a run allow.
pub(super) fn figures(report: &RunReport, trace: &[TraceRow]) -> Result<Vec<Captioned>, String> {
    let best = &report.trials[report.best_trial];
    let rows: Vec<&TraceRow> = trace.iter().filter(|row| row.trial == best.parameters.trial).collect();
    let x = iterations(&rows);
    let mut found = vec![errors(report, (best, &rows), &x)?];
    if report.trials.len() > 1 {
        found.push(trials(report, trace, &x)?);
    }
    found.extend(phases((best, &rows), &x)?);
    found.push(spectrum(best)?);
    if let Some(selection) = &report.selection {
        found.push(Captioned {
            heading: "Cross-validation",
            svg: super::selection_figure(selection)?,
            caption:
                "Mean held-out error of the candidates. Dashed curves are one standard error away, and the mark is \
                      the choice."
                    .into(),
        });
    }
    Ok(found)
}

/// A curve over the iterations.
fn curve(
    label: &str,
    color: Quantity,
    style: Style,
    rows: &[&TraceRow],
    of: impl Fn(&TraceRow) -> Option<f64>,
) -> Option<Series> {
    let mut points: Vec<(f64, f64)> = rows.iter().filter_map(|row| Some((row.iteration as f64, of(row)?))).collect();
    let last = points.last().copied()?;
    if points.len() > POINTS {
        points = points.iter().copied().step_by(points.len().div_ceil(POINTS)).chain([last]).collect();
    }
    Some(Series { label: label.to_owned(), color, style, points })
}

/// The axis of iterations, logarithmic where most of the fall happens in the first tenth of a run: there a linear axis would
/// show a vertical line and a long floor.
fn iterations(rows: &[&TraceRow]) -> PlotAxis {
    let judge = Judge::new(rows);
    let points: Vec<(usize, f64)> = rows
        .iter()
        .filter_map(|row| Some((row.iteration, (judge.of)(row)?)))
        .filter(|(_, error)| *error > 0.0 && error.is_finite())
        .map(|(iteration, error)| (iteration, error.log10()))
        .collect();
    let (Some(&(_, first)), Some(&(end, last))) = (points.first(), points.last()) else {
        return PlotAxis::linear("iteration");
    };
    let halfway = points.iter().find(|(_, error)| *error <= (first + last) / 2.0).map_or(end, |point| point.0);
    let begin = points.iter().map(|point| point.0).find(|iteration| *iteration > 0).unwrap_or(end);
    match halfway < end / 10 {
        true => PlotAxis::log("iteration").range(begin as f64, end as f64),
        false => PlotAxis::linear("iteration"),
    }
}

/// A panel over the iterations of the best trial, with its phases and the iteration that was kept.
fn panel(title: &str, (x, y): (PlotAxis, PlotAxis), best: &TrialReport, series: Vec<Series>) -> Panel {
    let times = best.phases.as_ref().map(|of| (of.t_star, of.t_1));
    let times = times.or_else(|| best.phases_proxy.as_ref().map(|of| (of.t_star, of.t_1)));
    let (star, one) = times.unwrap_or_default();
    let kept = (best.kept_iteration < best.iterations)
        .then(|| Mark { at: best.kept_iteration as f64, label: format!("kept, {}", best.kept_iteration) });
    Panel {
        title: title.to_owned(),
        x,
        y,
        bands: phase_bands(star, one, best.iterations as f64),
        marks: kept.into_iter().collect(),
        series,
        ..Panel::default()
    }
}

fn errors(report: &RunReport, (best, rows): Best<'_>, x: &PlotAxis) -> Result<Captioned, String> {
    let line = Style::Line;
    let relative: Vec<Series> = [
        curve("relative error\n‖Z − M‖/‖M‖", Quantity::TestError, line, rows, |row| row.relative_error),
        curve("relative residual\n‖A(Z) − y‖/‖y‖", Quantity::Residual, line, rows, |row| {
            Some(row.relative_residual)
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    let losses: Vec<Series> = [
        curve("training loss", Quantity::Loss, line, rows, |row| Some(row.train_loss)),
        curve("held-out loss", Quantity::AngleTruth, Style::Dashed, rows, |row| row.holdout_loss),
    ]
    .into_iter()
    .flatten()
    .collect();
    let of =
        if report.trials.len() > 1 { format!(" of the best trial, {}", best.parameters.trial) } else { String::new() };
    let phases = match (&best.phases, best.phases_proxy.as_ref().and_then(|proxy| proxy.t_1)) {
        (Some(_), _) => " Shades are the phases: alignment (I), growth (II), refinement (III).",
        (None, Some(_)) => " Shades are the phases as the singular values suggest them, without a truth.",
        (None, None) => "",
    };
    let panels = [
        panel("Errors", (x.clone(), PlotAxis::log("relative")), best, relative),
        panel("Losses", (x.clone(), PlotAxis::log("loss")), best, losses),
    ];
    Ok(Captioned {
        heading: "Error and loss",
        svg: panels_to_svg(&panels)?,
        caption: format!("Errors and losses{of} over the iterations.{phases}"),
    })
}

/// The error of every trial, the best first.
fn trials(report: &RunReport, trace: &[TraceRow], x: &PlotAxis) -> Result<Captioned, String> {
    let all: Vec<&TraceRow> = trace.iter().collect();
    let judge = Judge::new(&all);
    let first = report.trials.get(report.best_trial).into_iter();
    let others = report.trials.iter().filter(|trial| trial.parameters.trial != report.best_trial);
    let shown: Vec<&TrialReport> = first.chain(others).take(CURVES).collect();
    let series = shown.iter().enumerate().filter_map(|(at, trial)| {
        let p = &trial.parameters;
        let rows: Vec<&TraceRow> = trace.iter().filter(|row| row.trial == p.trial).collect();
        let seed = p.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
        let style = if at < Quantity::RUNS { Style::Line } else { Style::Dashed };
        let label = format!("{}: k {}{seed}", p.trial, p.search_rank);
        curve(&label, Quantity::Run((at % Quantity::RUNS) as u8), style, &rows, judge.of)
    });
    let panel = Panel {
        title: "All trials".into(),
        x: x.clone(),
        y: PlotAxis::log(judge.label),
        series: series.collect(),
        ..Panel::default()
    };
    let count = report.trials.len();
    let which = if count > CURVES {
        format!("{CURVES} of {count} trials, the best first")
    } else {
        "Every trial, the best first".into()
    };
    Ok(Captioned {
        heading: "Trials",
        svg: panels_to_svg(&[panel])?,
        caption: format!("{which}: the {} over the iterations.", judge.label),
    })
}

/// Angles and singular values, where there was a truth to compare with.
fn phases((best, rows): Best<'_>, x: &PlotAxis) -> Result<Option<Captioned>, String> {
    let line = Style::Line;
    let of =
        |of: fn(&lowrank::diagnostics::Diagnosis) -> Option<f64>| move |row: &TraceRow| of(row.diagnosis.as_ref()?);
    let values: Vec<Series> = [
        curve("σ_r, the weakest\nof the signal", Quantity::Signal, line, rows, of(|d| Some(d.sigma_rank))),
        curve("σ_r+1, the largest\nof the surplus", Quantity::Theory, line, rows, of(|d| d.sigma_next)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if values.is_empty() {
        return Ok(None);
    }
    let angles: Vec<Series> = [
        curve("to the truth X", Quantity::AngleTruth, line, rows, of(|d| d.angle_truth)),
        curve("to the spectral\nsubspace L", Quantity::AngleSpectral, line, rows, of(|d| d.angle_spectral)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut panels = vec![panel("Singular values of U", (x.clone(), PlotAxis::log("singular value")), best, values)];
    if !angles.is_empty() {
        let sine = PlotAxis::linear("sine of the angle").range(0.0, 1.15);
        panels.push(panel("Angles", (x.clone(), sine), best, angles));
    }
    Ok(Some(Captioned {
        heading: "Phases",
        svg: panels_to_svg(&panels)?,
        caption:
            "The signal grows out of the small start while the surplus stays small; the column space turns towards \
                  that of the truth. Angles are sines of the largest principal angle."
                .into(),
    }))
}

/// Singular values of the result.
fn spectrum(best: &TrialReport) -> Result<Captioned, String> {
    let points = best.singular_values.iter().enumerate().map(|(at, value)| ((at + 1) as f64, *value)).collect();
    let series = Series { label: "of U".into(), color: Quantity::Signal, style: Style::Points, points };
    let (rank, columns) = (best.estimated_rank, best.parameters.search_rank);
    let mark = (rank < columns).then(|| Mark { at: rank as f64 + 0.5, label: format!("rank {rank}") });
    let panel = Panel {
        title: "Singular values of the result".into(),
        x: PlotAxis::linear("number").range(0.0, columns as f64 + 1.0),
        y: PlotAxis::log("singular value"),
        marks: mark.into_iter().collect(),
        series: vec![series],
        ..Panel::default()
    };
    let largest = best.singular_values.first().copied().unwrap_or(0.0);
    Ok(Captioned {
        heading: "Spectrum",
        svg: panels_to_svg(&[panel])?,
        caption: format!(
            "{columns} columns, the largest singular value {}; {rank} of them carry the matrix. Zeros are not drawn.",
            readable(largest)
        ),
    })
}
