//! Figures as SVG text.

use plotters::prelude::*;

/// Curves over iterations on a logarithmic axis.
#[derive(Clone, Debug)]
pub struct Figure<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub curves: Vec<Curve<'a>>,
}

/// One curve; points that are not positive and finite are left out.
#[derive(Clone, Debug)]
pub struct Curve<'a> {
    pub label: &'a str,
    pub color: Quantity,
    pub points: Vec<(f64, f64)>,
}

/// What a curve shows; the same quantity has the same colour in every figure. Colours of Okabe and Ito, which readers
/// with colour vision deficiencies can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    TestError,
    Residual,
    Loss,
}

impl Quantity {
    fn color(self) -> RGBColor {
        match self {
            Self::TestError => RGBColor(0, 114, 178),
            Self::Residual => RGBColor(213, 94, 0),
            Self::Loss => RGBColor(0, 158, 115),
        }
    }
}

const SIZE: (u32, u32) = (860, 460);

impl Figure<'_> {
    /// The figure as an SVG document. Empty figures have axes from 1 to 10.
    ///
    /// # Errors
    /// The plotting library's message.
    pub fn to_svg(&self) -> std::result::Result<String, String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|e| e.to_string())?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let usable = |(x, y): &(f64, f64)| x.is_finite() && y.is_finite() && *y > 0.0;
        let points = || self.curves.iter().flat_map(|c| c.points.iter().copied().filter(usable));
        let right = points().map(|p| p.0).fold(1.0, f64::max);
        let low = points().map(|p| p.1).fold(f64::INFINITY, f64::min);
        let high = points().map(|p| p.1).fold(0.0, f64::max);
        let (low, high) = if high > 0.0 { (low, high) } else { (1.0, 10.0) };
        // Whole decades, so that the labels are powers of ten.
        let (bottom, top) = (10f64.powf(low.log10().floor()), 10f64.powf((high * 1.0001).log10().ceil()));
        // A hair more, or the library's rounding leaves out the label at an end.
        let (bottom, top) = (bottom * (1.0 - 1e-9), top * (1.0 + 1e-9));

        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 21))
            .margin(16)
            .x_label_area_size(46)
            .y_label_area_size(74)
            .build_cartesian_2d(0.0..right, (bottom..top).log_scale())?;
        chart
            .configure_mesh()
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .axis_desc_style(("sans-serif", 16))
            .label_style(("sans-serif", 14))
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("1e{:.0}", y.log10()))
            .draw()?;
        for curve in &self.curves {
            let color = curve.color.color();
            let points: Vec<(f64, f64)> = curve.points.iter().copied().filter(usable).collect();
            chart
                .draw_series(LineSeries::new(points, color.stroke_width(2)))?
                .label(curve.label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], color.stroke_width(3)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .legend_area_size(34)
            .margin(14)
            .label_font(("sans-serif", 15))
            .background_style(WHITE.mix(0.9))
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        root.present()?;
        drop(chart);
        drop(root);
        Ok(())
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
