//! Figures over the iteration: the phases, and the run with its power iteration.

use std::fmt::Write;

use super::{FigureData, curve, drawn, number, setting, shown};
use crate::report::{Band, Mark, Panel, PlotAxis, Quantity, Series, Style, phase_bands};
use crate::reproduce::data::PhaseRun;
use crate::reproduce::settings::Ss21;
use lowrank::Result;
use lowrank::solver::TraceRow;

fn over_time(run: &PhaseRun, of: impl Fn(&TraceRow) -> Option<f64>) -> Vec<(f64, f64)> {
    run.trace.iter().filter_map(|r| Some((r.iteration as f64, of(r)?))).collect()
}

/// Returns the stop time T.
fn end(run: &PhaseRun) -> usize {
    run.trace.last().map_or(0, |r| r.iteration)
}

/// Returns |σ_{r*}(U_t) − σ_{r*}(X)|/σ_{r*}(X).
fn signal_gap(run: &PhaseRun, row: &TraceRow) -> Option<f64> {
    Some((row.diagnosis?.sigma_rank - run.facts.sigma_min).abs() / run.facts.sigma_min)
}

/// Returns bands for phases I, II and III, as far as their times exist.
fn bands(run: &PhaseRun) -> Vec<Band> {
    phase_bands(run.phases.t_star, run.phases.t_1, end(run) as f64)
}

pub(super) fn phases(settings: &Ss21, run: &PhaseRun) -> Result<FigureData> {
    let line = Style::Line;
    let errors = Panel {
        title: format!("Errors: a plateau, then a fall (to T = {})", end(run)),
        x: PlotAxis::linear("iteration t"),
        y: PlotAxis::log("relative error, loss"),
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
        title: format!("Angles: towards the spectral subspace L first, then to the truth X (to T = {})", end(run)),
        x: PlotAxis::linear("iteration t"),
        y: PlotAxis::linear("sine of the angle").range(0.0, 1.15),
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
        "The three phases of one run. {}; k = {}, α = {:.3e}, start seed {}, {}; stop time T = {}. Phase I (alignment) ends at \
         t_* = {}, where angle(L, L_t) ≤ {}; phase II (saddle avoidance) at t_1 = {}, where σ_min(V_XᵀU_t) ≥ σ_min(X)/√10; \
         phase III is local refinement. L is the span of the leading r* eigenvectors of P = s·A*(y), L_t that of the leading \
         left singular vectors of U_t.",
        setting(&run.facts, settings),
        run.search_rank,
        run.init_scale,
        settings.seed,
        run.precision.name(),
        end(run),
        shown(run.phases.t_star),
        run.phases.aligned,
        shown(run.phases.t_1),
    );
    let svg = drawn(&[errors, angles])?;
    Ok(FigureData { name: "phases", title: "Three phases", caption, svg, csv, script: None })
}

/// Returns angle(X, L) as a dashed line.
fn plateau_line(run: &PhaseRun) -> Series {
    let end = end(run) as f64;
    let angle = run.facts.angle;
    curve(&format!("angle(X, L) = {angle:.3}"), Quantity::Theory, Style::Dashed, vec![(0.0, angle), (end, angle)])
}

pub(super) fn spectral(settings: &Ss21, run: &PhaseRun) -> Result<FigureData> {
    let mut marks = Vec::new();
    for (time, name) in [(run.phases.t_star, "t_*"), (run.phases.t_power, "t_power"), (run.phases.t_1, "t_1")] {
        marks.extend(time.map(|t| Mark { at: t as f64, label: format!("{name} = {t}") }));
    }
    let at = |of: fn(lowrank::diagnostics::Diagnosis) -> Option<f64>| over_time(run, |r| of(r.diagnosis?));
    let panel = Panel {
        title: format!("Gradient descent and power iteration from the same start (to T = {})", end(run)),
        x: PlotAxis::linear("iteration t"),
        y: PlotAxis::linear("sine of the angle").range(0.0, 1.15),
        bands: bands(run),
        marks,
        series: vec![
            curve("angle(X, L_t)\ngradient descent", Quantity::AngleTruth, Style::Broad, at(|d| d.angle_truth)),
            curve("angle(X, L̃_t)\npower iteration", Quantity::AngleTruth, Style::Dashed, at(|d| d.power_angle_truth)),
            curve("angle(L, L_t)\ngradient descent", Quantity::AngleSpectral, Style::Broad, at(|d| d.angle_spectral)),
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
        "The run of the first figure and the power iteration Ũ_t = (I + μP)ᵗU₀, which gradient descent would \
         follow if the residual stayed at −y. {}; k = {}, α = {:.3e}, start seed {}, {}; stop time T = {}. The \
         curves coincide until t_power = {}, the first t with ‖U_t − Ũ_t‖ > {}‖Ũ_t‖; alignment is complete before, \
         at t_* = {}.",
        setting(&run.facts, settings),
        run.search_rank,
        run.init_scale,
        settings.seed,
        run.precision.name(),
        end(run),
        shown(run.phases.t_power),
        run.phases.power_left,
        shown(run.phases.t_star),
    );
    let svg = drawn(&[panel])?;
    Ok(FigureData { name: "spectral", title: "A spectral method in disguise", caption, svg, csv, script: None })
}
