//! Figure of a comparison: the error of every contender over iterations or over seconds.

use super::plot::{Panel, PlotAxis, Quantity, Series, Style, panels_to_svg};
use crate::compare::{Comparison, Entry};

/// Horizontal axis of the figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Iterations,
    Seconds,
}

/// Draws the figure as an SVG document; with several trials, curves are medians. Both axes are logarithmic: methods
/// differ by orders of magnitude, and long runs would compress short ones at the left end.
///
/// # Errors
/// The plotting library's message.
pub fn comparison_figure(comparison: &Comparison, over: Over) -> std::result::Result<String, String> {
    let place = |(iteration, seconds, error): (usize, f64, f64)| match over {
        Over::Iterations => (iteration as f64, error),
        Over::Seconds => (seconds, error),
    };
    let curves: Vec<Vec<(f64, f64)>> =
        comparison.entries.iter().map(|entry| entry.median_curve().into_iter().map(place).collect()).collect();
    let label = comparison.metric.label();
    let (unit, title) = match over {
        Over::Iterations => ("iterations", format!("The {label} over iterations")),
        Over::Seconds => ("seconds", format!("The {label} over time")),
    };
    let y = error_axis(label, &curves);
    let series = comparison.entries.iter().zip(curves).map(|(entry, points)| Series {
        label: entry.label.replace([':', ';'], "\n  "),
        color: Quantity::Run((entry.position % Quantity::RUNS) as u8),
        style: style(entry),
        points: thinned(points),
    });
    panels_to_svg(&[Panel { title, x: PlotAxis::log(unit), y, series: series.collect(), ..Panel::default() }])
}

/// Returns an axis for errors up to ten times that of the worst start, so that diverging curves leave the figure and
/// do not flatten the others.
fn error_axis(label: &str, curves: &[Vec<(f64, f64)>]) -> PlotAxis {
    let starts = curves.iter().filter_map(|curve| curve.first()).map(|point| point.1);
    let top = 10.0 * starts.fold(0.0, f64::max);
    let errors = || curves.iter().flatten().map(|point| point.1).filter(|error| *error > 0.0);
    let low = errors().fold(f64::INFINITY, f64::min);
    if errors().fold(0.0, f64::max) <= top || low > top {
        return PlotAxis::log(label);
    }
    let decade = |value: f64, round: fn(f64) -> f64| 10f64.powf(round(value.log10()));
    PlotAxis::log(label).range(decade(low, f64::floor), decade(top, f64::ceil))
}

/// Approximate maximum of drawn points per curve.
const POINTS: usize = 500;

/// Returns the first point in each of [`POINTS`] parts of the drawn range, and the last point; none at 0, which a
/// logarithmic axis lacks.
fn thinned(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.retain(|point| point.0 > 0.0);
    let ends = || points.iter().map(|point| point.0.log10());
    let (low, high) = (ends().fold(f64::INFINITY, f64::min), ends().fold(f64::NEG_INFINITY, f64::max));
    if points.len() <= POINTS || high <= low {
        return points;
    }
    let part = |x: f64| ((x.log10() - low) / (high - low) * POINTS as f64) as usize;
    let last = points.len() - 1;
    let keep = |at: usize| at == 0 || at == last || part(points[at].0) != part(points[at - 1].0);
    (0..=last).filter(|&at| keep(at)).map(|at| points[at]).collect()
}

/// Returns the line style: contenders beyond the number of colours are dashed.
fn style(entry: &Entry) -> Style {
    if (entry.position / Quantity::RUNS).is_multiple_of(2) { Style::Line } else { Style::Dashed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        let curve: Vec<(f64, f64)> = (0..10_000).map(|t| (f64::from(t), 1.0 / (1.0 + f64::from(t)))).collect();
        let thin = thinned(curve.clone());
        assert!(thin.len() <= POINTS + 2 && thin.len() > POINTS / 3, "{}", thin.len());
        assert_eq!((thin[0], thin[thin.len() - 1]), (curve[1], curve[9_999]));
        assert_eq!(thinned(curve[..20].to_vec()), curve[1..20]);
    }

    #[test]
    fn what_diverges_does_not_set_the_axis() {
        let calm = vec![(0.0, 1.0), (1.0, 2e-5)];
        assert_eq!(error_axis("", std::slice::from_ref(&calm)).range, None);
        let wild = vec![(0.0, 1.0), (1.0, 1e9)];
        let range = error_axis("", &[calm, wild]).range.unwrap();
        assert!((range.0 / 1e-5 - 1.0).abs() < 1e-9 && (range.1 / 10.0 - 1.0).abs() < 1e-9, "{range:?}");
    }
}
