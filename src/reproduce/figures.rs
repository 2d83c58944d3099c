//! Figures of the results: panels, the table behind them, and a caption that says how they were made.

use std::fmt::Write;

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::report::{Axis, Band, BoxAt, Mark, Panel, Quantity, Series, Style, panels_to_svg};
use crate::reproduce::facts::Facts;
use crate::reproduce::fit::Line;
use crate::reproduce::rates::{by_width, test_line, used};
use crate::reproduce::runs::{PhaseRun, Results, ScaleRun, TimesRun, WidthRun};
use crate::reproduce::settings::Ss21;
use crate::solver::TraceRow;

/// The exponent of the paper's theorem.
const GUARANTEED: f64 = 21.0 / 16.0;

/// One figure and what belongs to it.
#[derive(Clone, Debug)]
pub struct FigureData {
    /// Stem of its files.
    pub name: &'static str,
    pub title: &'static str,
    pub caption: String,
    pub svg: String,
    pub csv: String,
}

pub(super) fn figures(settings: &Ss21, results: &Results) -> Result<Vec<FigureData>> {
    let mut figures = Vec::new();
    if let Some(run) = &results.phases {
        if results.wants_phases {
            figures.push(phases(settings, run)?);
        }
        if results.wants_spectral {
            figures.push(spectral(settings, run)?);
        }
    }
    if let Some(run) = &results.times {
        figures.push(times(settings, run)?);
    }
    if let Some(run) = &results.scale {
        figures.push(scale(settings, run)?);
    }
    if !results.slopes.is_empty() {
        figures.push(slopes(settings, &results.slopes)?);
    }
    if let Some(run) = &results.width {
        figures.push(width(settings, run)?);
    }
    Ok(figures)
}

fn drawn(panels: &[Panel]) -> Result<String> {
    panels_to_svg(panels).map_err(|message| Error::Unsupported {
        what: format!("drawing a figure ({message})"),
        fix: "report this with the command line".into(),
    })
}

fn single(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "single precision",
        Precision::F64 => "double precision",
    }
}

/// n, r*, m, κ, μ: what every caption states.
fn setting(facts: &Facts, settings: &Ss21) -> String {
    format!(
        "n = {}, r* = {}, m = {}, κ(X) = {}, μ = {}, seed {} of truth and measurements",
        facts.n, facts.rank, facts.measurements, facts.condition_number, facts.step_size, settings.seed
    )
}

fn curve(label: &str, color: Quantity, style: Style, points: Vec<(f64, f64)>) -> Series {
    Series { label: label.into(), color, style, points }
}

fn over_time(run: &PhaseRun, of: impl Fn(&TraceRow) -> Option<f64>) -> Vec<(f64, f64)> {
    run.trace.iter().filter_map(|r| Some((r.iteration as f64, of(r)?))).collect()
}

/// |σ_{r*}(U_t) − σ_{r*}(X)|/σ_{r*}(X)
fn signal_gap(run: &PhaseRun, row: &TraceRow) -> Option<f64> {
    Some((row.diagnosis?.sigma_rank - run.facts.sigma_min).abs() / run.facts.sigma_min)
}

/// Phases I, II and III as far as their times exist.
fn bands(run: &PhaseRun) -> Vec<Band> {
    let end = run.trace.last().map_or(0, |r| r.iteration) as f64;
    let band = |from: f64, to: f64, shade: usize| Band { from, to, label: ["I", "II", "III"][shade].into(), shade };
    match (run.phases.t_star.map(|t| t as f64), run.phases.t_1.map(|t| t as f64)) {
        (Some(star), Some(one)) => vec![band(0.0, star, 0), band(star, one, 1), band(one, end, 2)],
        (Some(star), None) => vec![band(0.0, star, 0), band(star, end, 1)],
        (None, Some(one)) => vec![band(one, end, 2)],
        (None, None) => Vec::new(),
    }
}

fn number(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map(|v| format!("{v:e}")).unwrap_or_default()
}

fn whole(value: Option<usize>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn shown(value: Option<usize>) -> String {
    value.map_or("not reached".into(), |v| v.to_string())
}

fn phases(settings: &Ss21, run: &PhaseRun) -> Result<FigureData> {
    let line = Style::Line;
    let errors = Panel {
        title: "Errors: a plateau, then a fall".into(),
        x: Axis::linear("iteration t"),
        y: Axis::log("relative error, loss"),
        bands: bands(run),
        series: vec![
            curve("test error\n‖UUᵀ − M‖/‖M‖", Quantity::TestError, line, over_time(run, |r| r.relative_error)),
            curve("training loss\n(s/4)‖A(UUᵀ) − y‖²", Quantity::Loss, line, over_time(run, |r| Some(r.train_loss))),
            curve(
                "weakest direction\n|σ_r*(U) − σ_r*(X)|/σ_r*(X)",
                Quantity::Signal,
                line,
                over_time(run, |r| signal_gap(run, r)),
            ),
        ],
        ..Panel::default()
    };
    let angles = Panel {
        title: "Angles: towards the spectral subspace L first, then to the truth X".into(),
        x: Axis::linear("iteration t"),
        y: Axis::linear("sine of the angle").range(0.0, 1.05),
        bands: bands(run),
        series: vec![
            curve("angle(X, L_t)", Quantity::AngleTruth, line, over_time(run, |r| r.diagnosis?.angle_truth)),
            curve("angle(L, L_t)", Quantity::AngleSpectral, line, over_time(run, |r| r.diagnosis?.angle_spectral)),
            plateau_line(run),
        ],
        ..Panel::default()
    };
    let mut csv = String::from("t,test_error,train_loss,sigma_gap,angle_truth,angle_spectral,phase\n");
    for row in &run.trace {
        let d = row.diagnosis;
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{}",
            row.iteration,
            number(row.relative_error),
            number(Some(row.train_loss)),
            number(signal_gap(run, row)),
            number(d.and_then(|d| d.angle_truth)),
            number(d.and_then(|d| d.angle_spectral)),
            d.map(|d| d.phase.number().to_string()).unwrap_or_default(),
        );
    }
    let caption = format!(
        "The three phases of one run. {}; k = {}, α = {:.3e}, start seed {}, {}; {} iterations. Phase I (alignment) ends at \
         t_* = {}, where angle(L, L_t) ≤ {}; phase II (saddle avoidance) at t_1 = {}, where σ_min(V_XᵀU_t) ≥ σ_min(X)/√10; \
         phase III is local refinement. L is the span of the leading r* eigenvectors of P = s·A*(y), L_t that of the leading \
         left singular vectors of U_t.",
        setting(&run.facts, settings),
        run.search_rank,
        run.init_scale,
        settings.seed,
        single(run.precision),
        run.trace.last().map_or(0, |r| r.iteration),
        shown(run.phases.t_star),
        run.phases.aligned,
        shown(run.phases.t_1),
    );
    let svg = drawn(&[errors, angles])?;
    Ok(FigureData { name: "phases", title: "Three phases", caption, svg, csv })
}

/// angle(X, L) as a dashed line.
fn plateau_line(run: &PhaseRun) -> Series {
    let end = run.trace.last().map_or(0, |r| r.iteration) as f64;
    let angle = run.facts.angle;
    curve(&format!("angle(X, L) = {angle:.3}"), Quantity::Theory, Style::Dashed, vec![(0.0, angle), (end, angle)])
}

fn spectral(settings: &Ss21, run: &PhaseRun) -> Result<FigureData> {
    let mut marks = Vec::new();
    for (time, name) in [(run.phases.t_star, "t_*"), (run.phases.t_twin, "t_twin"), (run.phases.t_1, "t_1")] {
        marks.extend(time.map(|t| Mark { at: t as f64, label: format!("{name} = {t}") }));
    }
    let at = |of: fn(crate::diagnostics::Diagnosis) -> Option<f64>| over_time(run, |r| of(r.diagnosis?));
    let panel = Panel {
        title: "Gradient descent and power iteration from the same start".into(),
        x: Axis::linear("iteration t"),
        y: Axis::linear("sine of the angle").range(0.0, 1.05),
        bands: bands(run),
        marks,
        series: vec![
            curve("angle(X, L_t)\ngradient descent", Quantity::AngleTruth, Style::Line, at(|d| d.angle_truth)),
            curve("angle(X, L̃_t)\npower iteration", Quantity::AngleTruth, Style::Dashed, at(|d| d.power_angle_truth)),
            curve("angle(L, L_t)\ngradient descent", Quantity::AngleSpectral, Style::Line, at(|d| d.angle_spectral)),
            curve(
                "angle(L, L̃_t)\npower iteration",
                Quantity::AngleSpectral,
                Style::Dashed,
                at(|d| d.power_angle_spectral),
            ),
        ],
        ..Panel::default()
    };
    let mut csv = String::from("t,angle_truth,angle_spectral,power_angle_truth,power_angle_spectral,power_distance\n");
    for row in &run.trace {
        let d = row.diagnosis;
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{}",
            row.iteration,
            number(d.and_then(|d| d.angle_truth)),
            number(d.and_then(|d| d.angle_spectral)),
            number(d.and_then(|d| d.power_angle_truth)),
            number(d.and_then(|d| d.power_angle_spectral)),
            number(d.and_then(|d| d.power_distance)),
        );
    }
    let caption = format!(
        "The run of the first figure beside its power-iteration twin Ũ_t = (I + μP)ᵗU₀, which is what gradient descent would \
         do if the residual stayed at −y. {}; k = {}, α = {:.3e}, start seed {}, {}. The curves lie on each other until \
         t_twin = {}, the first t with ‖U_t − Ũ_t‖ > {}‖Ũ_t‖; alignment is complete before, at t_* = {}.",
        setting(&run.facts, settings),
        run.search_rank,
        run.init_scale,
        settings.seed,
        single(run.precision),
        shown(run.phases.t_twin),
        run.phases.twin_left,
        shown(run.phases.t_star),
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "spectral", title: "A spectral method in disguise", caption, svg, csv })
}

fn times(settings: &Ss21, run: &TimesRun) -> Result<FigureData> {
    let points = |of: fn(&crate::diagnostics::Phases) -> Option<usize>| -> Vec<(f64, f64)> {
        run.starts.iter().filter_map(|s| Some((s.init_scale, of(&s.phases)? as f64))).collect()
    };
    let per_decade = run.facts.iterations_per_decade();
    let (stars, ones) = (points(|p| p.t_star), points(|p| p.t_1));
    // Through the middle of the measured times: the slope is predicted, the offset is not.
    let predicted = {
        let count = ones.len().max(1) as f64;
        let offset = ones.iter().map(|p| p.1 + per_decade * p.0.log10()).sum::<f64>() / count;
        ones.iter().map(|p| (p.0, offset - per_decade * p.0.log10())).collect()
    };
    let high = ones.iter().chain(&stars).map(|p| p.1).fold(10.0, f64::max);
    let panel = Panel {
        title: "Alignment takes the same time from every start, growth does not".into(),
        x: Axis::log("scale α of the start"),
        y: Axis::linear("iterations").range(0.0, 1.1 * high),
        series: vec![
            curve("t_1: the signal has\ngrown", Quantity::Signal, Style::Points, ones),
            curve(&format!("predicted slope:\n{per_decade:.1} a decade"), Quantity::Theory, Style::Dashed, predicted),
            curve("t_*: aligned with L", Quantity::AngleSpectral, Style::Points, stars),
        ],
        ..Panel::default()
    };
    let mut csv = String::from("alpha,t_star,t_1,t_twin\n");
    for start in &run.starts {
        let p = &start.phases;
        let _ = writeln!(csv, "{:e},{},{},{}", start.init_scale, whole(p.t_star), whole(p.t_1), whole(p.t_twin));
    }
    let caption = format!(
        "t_* and t_1 against α. {}; k = {}, start seed {}, {}; every run to the first iteration at which all have passed \
         t_1. The dashed line has the slope ln10/ln(1 + μλ_r*(P)).",
        setting(&run.facts, settings),
        run.search_rank,
        settings.seed,
        single(run.precision),
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "times", title: "What the scale of the start changes", caption, svg, csv })
}

/// A power law through the middle of some points, drawn over their range.
fn law(points: &[(f64, f64)], exponent: f64) -> Vec<(f64, f64)> {
    let count = points.len() as f64;
    let offset = points.iter().map(|p| p.1.log10() - exponent * p.0.log10()).sum::<f64>() / count;
    points.iter().map(|p| (p.0, 10f64.powf(offset + exponent * p.0.log10()))).collect()
}

fn errors(run: &ScaleRun, wanted: bool) -> Vec<(f64, f64)> {
    run.points.iter().filter(|p| used(run, p) == wanted).map(|p| (p.init_scale, p.test_error)).collect()
}

fn slope_text(line: Option<Line>) -> String {
    line.map_or("no slope".into(), |l| format!("slope {:.2}", l.slope))
}

fn scale_rows(csv: &mut String, run: &ScaleRun) {
    for p in &run.points {
        let _ = writeln!(
            csv,
            "{},{:e},{},{},{},{},{},{}",
            run.facts.measurements,
            p.init_scale,
            number(Some(p.test_error)),
            number(Some(p.train_loss)),
            u8::from(used(run, p)),
            run.stop_time,
            whole(p.phases.t_star),
            whole(p.phases.t_1),
        );
    }
}

const SCALE_HEADER: &str = "m,alpha,test_error,train_loss,used,stop_time,t_star,t_1\n";
const USED: &str = "Filled points are fitted: aligned before t_1, settled (the error fell by less than a fifth over the \
                    last 20 iterations), and above the floor of the arithmetic.";

/// t_1 of the smallest α, and how long after it the runs were stopped.
fn stop_text(run: &ScaleRun) -> String {
    let smallest = run.points.iter().min_by(|a, b| a.init_scale.total_cmp(&b.init_scale));
    match smallest.and_then(|p| p.phases.t_1) {
        Some(t) => format!("stop time T = {} = t_1(α_min) + {}", run.stop_time, run.stop_time.saturating_sub(t)),
        None => format!("stop time T = {} (t_1 was not reached for the smallest α)", run.stop_time),
    }
}

fn scale(settings: &Ss21, run: &ScaleRun) -> Result<FigureData> {
    let train = |wanted: bool| -> Vec<(f64, f64)> {
        run.points.iter().filter(|p| used(run, p) == wanted).map(|p| (p.init_scale, p.train_loss)).collect()
    };
    let fitted = errors(run, true);
    let panel = Panel {
        title: format!("Final error against the scale of the start, at T = {}", run.stop_time),
        x: Axis::log("scale α of the start"),
        y: Axis::log("test error, training loss"),
        series: vec![
            curve(
                &format!("test error\n{}", slope_text(test_line(run))),
                Quantity::TestError,
                Style::Points,
                fitted.clone(),
            ),
            curve("", Quantity::TestError, Style::Hollow, errors(run, false)),
            curve("training loss", Quantity::Loss, Style::Points, train(true)),
            curve("(hollow: not fitted)", Quantity::Loss, Style::Hollow, train(false)),
            curve(
                &format!("predicted exponent\n{:.2}", run.facts.exponent().unwrap_or(f64::NAN)),
                Quantity::TestError,
                Style::Dashed,
                run.facts.exponent().map(|e| law(&fitted, e)).unwrap_or_default(),
            ),
            curve("exponent 21/16 of\nthe theorem", Quantity::Theory, Style::Dashed, law(&fitted, GUARANTEED)),
        ],
        ..Panel::default()
    };
    let mut csv = String::from(SCALE_HEADER);
    scale_rows(&mut csv, run);
    let caption = format!(
        "Test error and training loss at one stop time for several α. {}; k = {}, start seed {}, {}; {}. The error that the \
         surplus columns leave keeps drifting slowly, so it belongs to this T. {USED} 21/16 is the exponent that the \
         theorem guarantees under its own assumptions.",
        setting(&run.facts, settings),
        run.search_rank,
        settings.seed,
        single(run.precision),
        stop_text(run),
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "scale", title: "Smaller starts end closer", caption, svg, csv })
}

fn slopes(settings: &Ss21, runs: &[ScaleRun]) -> Result<FigureData> {
    let colors = [Quantity::Residual, Quantity::TestError, Quantity::Loss, Quantity::Signal];
    let mut panel = Panel {
        title: "More measurements, steeper".into(),
        x: Axis::log("scale α of the start"),
        y: Axis::log("test error"),
        ..Panel::default()
    };
    let mut csv = String::from(SCALE_HEADER);
    let mut stops = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let (color, factor) = (colors[i % colors.len()], run.factor.unwrap_or(0));
        let fitted = errors(run, true);
        let predicted = run.facts.exponent().unwrap_or(f64::NAN);
        let label = format!("m = {factor}·n·r*: {}\n(dashed: {predicted:.2} predicted)", slope_text(test_line(run)));
        panel.series.push(curve(&label, color, Style::Points, fitted.clone()));
        panel.series.push(curve("", color, Style::Dashed, law(&fitted, predicted)));
        panel.series.push(curve("", color, Style::Hollow, errors(run, false)));
        scale_rows(&mut csv, run);
        stops.push(format!("{} at m = {}", stop_text(run), run.facts.measurements));
    }
    let first = &runs[0];
    let caption = format!(
        "The exponent depends on the number of measurements: 2·(1 − ln(1+μλ_r*+1(P))/ln(1+μλ_r*(P))). n = {}, r* = {}, \
         κ(X) = {}, μ = {}, k = {}, seed {} of truth, measurements and start, {}; {}. {USED}",
        first.facts.n,
        first.facts.rank,
        first.facts.condition_number,
        first.facts.step_size,
        first.search_rank,
        settings.seed,
        single(first.precision),
        stops.join("; "),
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "slopes", title: "The exponent and the number of measurements", caption, svg, csv })
}

fn width(settings: &Ss21, run: &WidthRun) -> Result<FigureData> {
    let groups = by_width(run);
    let reached: Vec<f64> = groups.iter().flat_map(|g| g.1.iter().copied()).filter(|v| v.is_finite()).collect();
    let (low, high) = reached.iter().fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), v| (a.min(*v), b.max(*v)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, run.limit as f64) };
    let rank = run.facts.rank;
    let ticks =
        groups.iter().map(|g| (g.0 as f64, if g.0 == rank { format!("{} = r*", g.0) } else { g.0.to_string() }));
    let (narrow, wide) = (groups.first().map_or(1, |g| g.0) as f64, groups.last().map_or(10, |g| g.0) as f64);
    let panel = Panel {
        title: format!("Iterations to a test error of {:e}: only k = r* is slow", run.target),
        x: Axis::log("columns k of U").range(0.75 * narrow, 1.33 * wide).ticks(ticks.collect()),
        y: Axis::linear("iterations").range((low - 4.0).max(0.0).floor(), high + 4.0),
        boxes: (groups.iter())
            .map(|(k, values)| BoxAt { at: *k as f64, values: values.clone(), color: Quantity::TestError })
            .collect(),
        ..Panel::default()
    };
    let mut csv = String::from("k,seed,iterations\n");
    for t in &run.trials {
        let _ = writeln!(csv, "{},{},{}", t.search_rank, t.seed, whole(t.iterations));
    }
    let missed = run.trials.iter().filter(|t| t.iterations.is_none()).count();
    let caption = format!(
        "Iterations until the test error is at most {:e}, observed at every iteration: median, quartiles and every start. \
         {}; α = {:.3e}, start seeds {} to {}, {}; at most {} iterations{}.",
        run.target,
        setting(&run.facts, settings),
        run.init_scale,
        settings.seed,
        settings.seed.wrapping_add(settings.starts as u64 - 1),
        single(run.precision),
        run.limit,
        if missed > 0 { format!("; {missed} runs did not get there and have no point") } else { String::new() },
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "width", title: "Overparameterisation costs nothing", caption, svg, csv })
}
