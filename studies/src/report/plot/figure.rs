//! Simple figures: curves over iterations on a logarithmic axis.

use super::{Panel, PlotAxis, Quantity, Series, Style, panels_to_svg};

/// Curves over iterations on a logarithmic axis.
#[derive(Clone, Debug)]
pub struct Figure<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub curves: Vec<Curve<'a>>,
}

/// Curve; points that are not positive and finite are left out.
#[derive(Clone, Debug)]
pub struct Curve<'a> {
    pub label: &'a str,
    pub color: Quantity,
    pub points: Vec<(f64, f64)>,
}

impl Figure<'_> {
    /// Draws the figure as an SVG document. Empty figures have axes from 1 to 10.
    ///
    /// # Errors
    /// The plotting library's message.
    pub fn to_svg(&self) -> std::result::Result<String, String> {
        let series = |curve: &Curve<'_>| Series {
            label: curve.label.to_owned(),
            color: curve.color,
            style: Style::Line,
            points: curve.points.clone(),
        };
        panels_to_svg(&[Panel {
            title: self.title.to_owned(),
            x: PlotAxis::linear(self.x_label),
            y: PlotAxis::log(self.y_label),
            series: self.curves.iter().map(series).collect(),
            ..Panel::default()
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_and_labels_are_drawn_and_hostile_points_are_not() {
        let points = vec![(0.0, 1.0), (1.0, 0.0), (2.0, f64::NAN), (3.0, 1e-6)];
        let curve = Curve { label: "test error", color: Quantity::TestError, points };
        let figure = Figure { title: "a title", x_label: "iteration", y_label: "error", curves: vec![curve] };
        let svg = figure.to_svg().unwrap();
        for text in ["a title", "iteration", "test error", "1e-", "#0072B2"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("NaN"));
        let empty = Figure { curves: Vec::new(), ..figure };
        assert!(empty.to_svg().is_ok());
    }
}
