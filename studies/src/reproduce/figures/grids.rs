//! Figures over α and k: times, final errors, iterations to a target.

use std::fmt::Write;

use super::{FigureData, curve, drawn, number, setting, whole};
use crate::report::{BoxAt, Panel, PlotAxis, Quantity, Style};
use crate::reproduce::data::{ScaleRun, TimesRun, WidthRun};
use crate::reproduce::facts::Facts;
use crate::reproduce::fit::Line;
use crate::reproduce::rates::{by_width, test_line, used};
use crate::reproduce::settings::Ss21;
use lowrank::Result;

/// The exponent of the paper's theorem.
const GUARANTEED: f64 = 21.0 / 16.0;

/// Returns the axis of α, with room for the points at its ends.
fn scale_axis(scales: impl Iterator<Item = f64>) -> PlotAxis {
    let (low, high) = scales.fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
    PlotAxis::log("scale α of the start").range(low / 1.6, 1.6 * high)
}

pub(super) fn times(settings: &Ss21, run: &TimesRun) -> Result<FigureData> {
    let points = |of: fn(&lowrank::diagnostics::Phases) -> Option<usize>| -> Vec<(f64, f64)> {
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
        title: format!("Alignment takes the same time from every start, growth does not (to T = {})", run.stop_time),
        x: scale_axis(run.starts.iter().map(|s| s.init_scale)),
        y: PlotAxis::linear("iterations").range(0.0, 1.1 * high),
        series: vec![
            curve("t_1: the signal has\ngrown", Quantity::Signal, Style::Points, ones),
            curve(&format!("predicted slope:\n{per_decade:.1} a decade"), Quantity::Theory, Style::Dashed, predicted),
            curve("t_*: aligned with L", Quantity::AngleSpectral, Style::Points, stars),
        ],
        ..Panel::default()
    };
    let mut csv = String::from("alpha,t_star,t_1,t_power\n");
    for start in &run.starts {
        let p = &start.phases;
        let _ = writeln!(csv, "{:e},{},{},{}", start.init_scale, whole(p.t_star), whole(p.t_1), whole(p.t_power));
    }
    let caption = format!(
        "t_* and t_1 against α. {}; k = {}, start seed {}, {}; stop time T = {} for every run. The dashed line has the slope ln10/ln(1 + μλ_r*(P)).",
        setting(&run.facts, settings),
        run.search_rank,
        settings.seed,
        run.precision.name(),
        run.stop_time,
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "times", title: "The effect of the scale of the start", caption, svg, csv, script: None })
}

/// Returns a power law through the centre of some points, over their range.
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

fn predicted_text(facts: &Facts) -> String {
    facts.exponent().filter(|e| e.is_finite()).map_or("none".into(), |e| format!("{e:.2}"))
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

/// Describes the stop time relative to t_1 of the smallest α.
fn stop_text(run: &ScaleRun) -> String {
    let smallest = run.points.iter().min_by(|a, b| a.init_scale.total_cmp(&b.init_scale));
    match smallest.and_then(|p| p.phases.t_1) {
        Some(t) => format!("stop time T = {} = t_1(α_min) + {}", run.stop_time, run.stop_time.saturating_sub(t)),
        None => format!("stop time T = {} (t_1 was not reached for the smallest α)", run.stop_time),
    }
}

pub(super) fn scale(settings: &Ss21, run: &ScaleRun) -> Result<FigureData> {
    let train = |wanted: bool| -> Vec<(f64, f64)> {
        run.points.iter().filter(|p| used(run, p) == wanted).map(|p| (p.init_scale, p.train_loss)).collect()
    };
    let fitted = errors(run, true);
    let panel = Panel {
        title: format!("Final error against the scale of the start, at T = {}", run.stop_time),
        x: scale_axis(run.points.iter().map(|p| p.init_scale)),
        y: PlotAxis::log("test error, training loss"),
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
                &format!("predicted exponent\n{}", predicted_text(&run.facts)),
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
        "Test error and training loss at one stop time for several α. {}; k = {}, start seed {}, {}; {}. The error \
         of the surplus columns keeps drifting slowly, so it depends on T. {USED} The theorem guarantees the \
         exponent 21/16 under its own assumptions.",
        setting(&run.facts, settings),
        run.search_rank,
        settings.seed,
        run.precision.name(),
        stop_text(run),
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "scale", title: "Smaller starts end closer", caption, svg, csv, script: None })
}

pub(super) fn slopes(settings: &Ss21, runs: &[ScaleRun]) -> Result<FigureData> {
    let mut panel = Panel {
        title: "More measurements, steeper: final errors at the stop times T (dashed: predicted slopes)".into(),
        x: scale_axis(runs.iter().flat_map(|r| r.points.iter().map(|p| p.init_scale))),
        y: PlotAxis::log("test error"),
        ..Panel::default()
    };
    let mut csv = String::from(SCALE_HEADER);
    let mut stops = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let (color, factor) = (Quantity::TestErrorIn(i.min(2) as u8), run.factor.unwrap_or(0));
        let fitted = errors(run, true);
        let predicted = run.facts.exponent().filter(|e| e.is_finite());
        let label = format!(
            "m = {factor}·n·r*, T = {}\n{} (dashed: {})",
            run.stop_time,
            slope_text(test_line(run)),
            predicted_text(&run.facts)
        );
        panel.series.push(curve(&label, color, Style::Points, fitted.clone()));
        panel.series.push(curve("", color, Style::Dashed, predicted.map(|e| law(&fitted, e)).unwrap_or_default()));
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
        first.precision.name(),
        stops.join("; "),
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData {
        name: "slopes",
        title: "The exponent and the number of measurements",
        caption,
        svg,
        csv,
        script: None,
    })
}

pub(super) fn width(settings: &Ss21, run: &WidthRun) -> Result<FigureData> {
    let groups = by_width(run);
    let reached: Vec<f64> = groups.iter().flat_map(|g| g.1.iter().copied()).filter(|v| v.is_finite()).collect();
    let (low, high) = reached.iter().fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), v| (a.min(*v), b.max(*v)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, run.limit as f64) };
    let rank = run.facts.rank;
    let ticks =
        groups.iter().map(|g| (g.0 as f64, if g.0 == rank { format!("{} = r*", g.0) } else { g.0.to_string() }));
    let (narrow, wide) = (groups.first().map_or(1, |g| g.0) as f64, groups.last().map_or(10, |g| g.0) as f64);
    let panel = Panel {
        title: format!("Iterations to a test error of {:e} (stopped there, or at T = {})", run.target, run.limit),
        x: PlotAxis::log("columns k of U").range(0.75 * narrow, 1.33 * wide).ticks(ticks.collect()),
        y: PlotAxis::linear("iterations").range((low - 4.0).max(0.0).floor(), high + 4.0),
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
        run.precision.name(),
        run.limit,
        if missed > 0 { format!("; {missed} runs did not reach that error and have no point") } else { String::new() },
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "width", title: "Overparameterisation costs nothing", caption, svg, csv, script: None })
}
