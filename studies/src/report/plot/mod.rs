//! Figures as SVG text: panels with linear or logarithmic axes, curves, points, boxes, shaded bands and marks.

mod draw;
mod figure;
mod ticks;

pub use figure::{Curve, Figure};

use plotters::style::RGBColor;

/// Quantity of a curve; each quantity has one colour in all figures. The colours are those of Okabe and Ito, which
/// readers with colour vision deficiencies can distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    TestError,
    Residual,
    Loss,
    /// A singular value, or its distance from the true one.
    Signal,
    /// The angle to the truth's column space.
    AngleTruth,
    /// The angle to the leading eigenvectors of P.
    AngleSpectral,
    /// A prediction or a bound.
    Theory,
    /// The test error in the first, second, … of several settings: shades of its colour.
    TestErrorIn(u8),
    /// The compared quantity in the first, second, … of several runs; colours repeat after [`Quantity::RUNS`].
    Run(u8),
}

/// Colours of runs, without the palette's yellow, which is too pale for a line on white.
const RUN_COLORS: [(u8, u8, u8); 7] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (40, 40, 40)];

impl Quantity {
    pub(crate) fn color(self) -> RGBColor {
        match self {
            Self::TestError => RGBColor(0, 114, 178),
            Self::Residual => RGBColor(213, 94, 0),
            Self::Loss => RGBColor(0, 158, 115),
            Self::Signal => RGBColor(204, 121, 167),
            Self::AngleTruth => RGBColor(158, 72, 16),
            Self::AngleSpectral => RGBColor(94, 84, 196),
            Self::Theory => RGBColor(110, 110, 110),
            Self::TestErrorIn(0) => RGBColor(110, 186, 232),
            Self::TestErrorIn(1) => RGBColor(0, 114, 178),
            Self::TestErrorIn(_) => RGBColor(0, 48, 92),
            Self::Run(number) => {
                let (r, g, b) = RUN_COLORS[number as usize % RUN_COLORS.len()];
                RGBColor(r, g, b)
            }
        }
    }

    /// Number of colours of runs.
    pub const RUNS: usize = RUN_COLORS.len();
}

/// Axis of a panel. A logarithmic axis leaves out values that are not positive.
#[derive(Clone, Debug, Default)]
pub struct PlotAxis {
    pub label: String,
    pub log: bool,
    /// Lowest and highest value; derived from the data if absent.
    pub range: Option<(f64, f64)>,
    /// Labelled positions; chosen automatically if empty.
    pub ticks: Vec<(f64, String)>,
}

impl PlotAxis {
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: true, ..Self::default() }
    }

    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    pub fn ticks(mut self, ticks: Vec<(f64, String)>) -> Self {
        self.ticks = ticks;
        self
    }
}

/// Drawing style of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Line,
    /// Broad and pale, for a line below another.
    Broad,
    Dashed,
    Points,
    /// Hollow circles, for points that are shown but not used.
    Hollow,
}

/// Points (x, y) of one quantity; non-finite points are left out.
#[derive(Clone, Debug)]
pub struct Series {
    /// Label in the legend; none if empty.
    pub label: String,
    pub color: Quantity,
    pub style: Style,
    pub points: Vec<(f64, f64)>,
}

/// Shaded range of x with a short name.
#[derive(Clone, Debug)]
pub struct Band {
    pub from: f64,
    pub to: f64,
    pub label: String,
    /// Index of the shade: 0, 1, 2, …, different for neighbours.
    pub shade: usize,
}

/// Bands of the phases I, II and III up to the iteration `end`, as far as their times t_* and t_1 are known.
pub fn phase_bands(t_star: Option<usize>, t_1: Option<usize>, end: f64) -> Vec<Band> {
    let band = |from: f64, to: f64, shade: usize| Band { from, to, label: ["I", "II", "III"][shade].into(), shade };
    match (t_star.map(|t| t as f64), t_1.map(|t| t as f64)) {
        (Some(star), Some(one)) => vec![band(0.0, star, 0), band(star, one, 1), band(one, end, 2)],
        (Some(star), None) => vec![band(0.0, star, 0), band(star, end, 1)],
        (None, Some(one)) => vec![band(one, end, 2)],
        (None, None) => Vec::new(),
    }
}

/// Vertical line with a short name.
#[derive(Clone, Debug)]
pub struct Mark {
    pub at: f64,
    pub label: String,
}

/// Box at one x: median, quartiles, and every value as a point.
#[derive(Clone, Debug)]
pub struct BoxAt {
    pub at: f64,
    pub values: Vec<f64>,
    pub color: Quantity,
}

/// Pair of axes with its series, bands, marks and boxes.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    pub title: String,
    pub x: PlotAxis,
    pub y: PlotAxis,
    pub bands: Vec<Band>,
    pub marks: Vec<Mark>,
    pub series: Vec<Series>,
    pub boxes: Vec<BoxAt>,
}

/// Draws panels below each other as one SVG document.
///
/// # Errors
/// The plotting library's message.
pub fn panels_to_svg(panels: &[Panel]) -> std::result::Result<String, String> {
    draw::draw(panels).map_err(|e| e.to_string())
}

/// Returns a quantile, with linear interpolation between order statistics.
pub(crate) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    // Equal neighbours may be infinite: their difference would be NaN.
    Some(if low == high { low } else { low + (at - at.floor()) * (high - low) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        Panel {
            title: "a title".into(),
            x: PlotAxis::log("start"),
            y: PlotAxis::log("error"),
            bands: vec![Band { from: 1e-3, to: 1e-2, label: "II".into(), shade: 1 }],
            marks: vec![Mark { at: 1e-2, label: "t_power".into() }],
            series: vec![Series {
                label: "measured".into(),
                color: Quantity::TestError,
                style: Style::Points,
                points: vec![(1e-3, 1e-5), (1e-1, 1e-2), (0.0, 1.0), (1.0, f64::NAN)],
            }],
            boxes: vec![],
        }
    }

    #[test]
    fn a_panel_shows_its_parts_and_leaves_out_what_an_axis_cannot_show() {
        let svg = panels_to_svg(&[panel(), panel()]).unwrap();
        for text in ["a title", "start", "error", "\nII\n", "t_power", "measured", "1e-3"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        // Two panels of two usable points each, and a legend entry each.
        assert_eq!(svg.matches("<circle").count(), 2 * (2 + 1));
    }

    #[test]
    fn empty_and_degenerate_panels_are_drawn() {
        let mut one = panel();
        one.series[0].points = vec![(1e-3, 1e-5)];
        for panel in [Panel::default(), one] {
            let svg = panels_to_svg(&[panel]).unwrap();
            assert!(svg.contains("<svg") && !svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    fn a_box_has_its_quartiles() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, f64::INFINITY, f64::INFINITY], 0.75), Some(f64::INFINITY));
        assert_eq!(quantile(&[], 0.5), None);
        let boxes = vec![BoxAt { at: 2.0, values: vec![1.0, 2.0, 3.0], color: Quantity::TestError }];
        let svg = panels_to_svg(&[Panel { boxes, ..Panel::default() }]).unwrap();
        assert_eq!(svg.matches("<circle").count(), 3);
    }
}
