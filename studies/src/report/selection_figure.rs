//! Figure of a cross-validation: the held-out error of every candidate.

use lowrank::selection::{FoldScores, Selection};

use super::plot::{Mark, Panel, PlotAxis, Quantity, Series, Style, panels_to_svg};
use super::readable;

/// Draws the mean held-out error over the search rank, or over the ridge with a curve for each search rank, as an SVG
/// document. Dashed curves are one standard error away, the grey line is the lowest mean plus its standard error, and the
/// mark is the choice. A ridge of 0 stands left of the least other one.
///
/// # Errors
/// The plotting library's message.
pub fn selection_figure(selection: &Selection) -> std::result::Result<String, String> {
    let over_ridges = selection.has_ridges();
    let zero = left_of_all(&selection.candidates);
    let place = |of: &FoldScores| match (over_ridges, of.ridge) {
        (false, _) => of.search_rank as f64,
        (true, 0.0) => zero,
        (true, ridge) => ridge,
    };
    let mut series = Vec::new();
    let curves = selection.candidates.chunk_by(|a, b| !over_ridges || a.search_rank == b.search_rank);
    for (number, curve) in curves.enumerate() {
        let color = Quantity::Run((number % Quantity::RUNS) as u8);
        let label = match over_ridges {
            true => format!("search rank {}", curve[0].search_rank),
            false => format!("mean of {} folds", selection.folds),
        };
        for (style, label, errors) in
            [(Style::Line, label, 0.0), (Style::Dashed, String::new(), -1.0), (Style::Dashed, String::new(), 1.0)]
        {
            let y = |of: &FoldScores| Some(of.rmse? + errors * of.standard_error?);
            let points = curve.iter().filter_map(|of| Some((place(of), y(of)?))).collect();
            series.push(Series { label, color, style, points });
        }
    }
    series.push(rule(selection, place));
    let x = if over_ridges { PlotAxis::log("ridge") } else { PlotAxis::linear("search rank") };
    let chosen = Mark { at: place(&selection.candidates[selection.chosen]), label: chosen(selection) };
    let marks = if selection.predicts { vec![chosen] } else { Vec::new() };
    let y = PlotAxis::log("held-out rmse");
    panels_to_svg(&[Panel { title: "Cross-validation".into(), x, y, marks, series, ..Panel::default() }])
}

/// The lowest mean plus its standard error, over all candidates.
fn rule(selection: &Selection, place: impl Fn(&FoldScores) -> f64) -> Series {
    let lowest = &selection.candidates[selection.lowest];
    let most = lowest.rmse.unwrap_or(f64::NAN) + lowest.standard_error.unwrap_or(0.0);
    let places = || selection.candidates.iter().map(&place);
    let ends = [places().fold(f64::INFINITY, f64::min), places().fold(f64::NEG_INFINITY, f64::max)];
    Series {
        label: "lowest + 1 standard error".into(),
        color: Quantity::Theory,
        style: Style::Dashed,
        points: ends.map(|x| (x, most)).to_vec(),
    }
}

fn chosen(selection: &Selection) -> String {
    match selection.has_ridges() {
        true => format!("k = {}, ridge {}", selection.search_rank, readable(selection.ridge)),
        false => format!("k = {}", selection.search_rank),
    }
}

/// A place for the ridge 0 on a logarithmic axis.
fn left_of_all(candidates: &[FoldScores]) -> f64 {
    let ridges = candidates.iter().map(|of| of.ridge).filter(|ridge| *ridge > 0.0);
    let least = ridges.fold(f64::INFINITY, f64::min);
    if least.is_finite() { least / 3.0 } else { 1.0 }
}
