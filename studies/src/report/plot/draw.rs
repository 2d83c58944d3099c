//! Drawing of panels. Coordinates are transformed here, so the plotting library sees only linear axes.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ticks::Scale;
use super::{Panel, Style, quantile};

/// Drawing units per pixel: the library rounds coordinates to whole units, which at one unit per pixel shows as
/// jitter.
const UNIT: u32 = 8;
const WIDTH: u32 = 980;
const HEIGHT: u32 = 370;
/// Width of the legend's column, outside the axes so that it hides no curve.
const LEGEND: u32 = 236;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);
const SHADES: [RGBColor; 3] = [RGBColor(238, 238, 238), RGBColor(253, 241, 214), RGBColor(226, 239, 249)];

type Failure = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

pub(super) fn draw(panels: &[Panel]) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let count = panels.len().max(1);
        let root = SVGBackend::with_string(&mut svg, (px(WIDTH), px(HEIGHT * count as u32))).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, panel) in root.split_evenly((count, 1)).iter().zip(panels) {
            one(area, panel)?;
        }
        root.present()?;
    }
    // The view box keeps the fine units; the size is in pixels.
    let height = HEIGHT * panels.len().max(1) as u32;
    let fine = format!("width=\"{}\" height=\"{}\" viewBox", px(WIDTH), px(height));
    Ok(svg.replacen(&fine, &format!("width=\"{WIDTH}\" height=\"{height}\" viewBox"), 1))
}

/// Converts pixels to drawing units.
const fn px(pixels: u32) -> u32 {
    UNIT * pixels
}

fn one(area: &Area<'_>, panel: &Panel) -> Result<(), Failure> {
    let labelled = panel.series.iter().any(|s| !s.label.is_empty());
    let (plot, legend) = area.split_horizontally(px(WIDTH - if labelled { LEGEND } else { 10 }));
    let points = || panel.series.iter().flat_map(|s| s.points.iter().copied());
    let in_boxes = |of: fn(&super::BoxAt) -> Vec<f64>| panel.boxes.iter().flat_map(of).collect::<Vec<_>>();
    let x = Scale::new(&panel.x, points().map(|p| p.0).chain(in_boxes(|b| vec![b.at])));
    let y = Scale::new(&panel.y, points().map(|p| p.1).chain(in_boxes(|b| b.values.clone())));
    let mut chart = ChartBuilder::on(&plot)
        .caption(&panel.title, (FONT, px(19)).into_font().color(&INK))
        .margin(px(10))
        .margin_right(px(18))
        .x_label_area_size(px(48))
        .y_label_area_size(px(78))
        .build_cartesian_2d(x.clone(), y.clone())?;
    bands(&mut chart, panel, &x, &y)?;
    chart
        .configure_mesh()
        .x_desc(&panel.x.label)
        .y_desc(&panel.y.label)
        .axis_desc_style((FONT, px(16)).into_font().color(&INK))
        .label_style((FONT, px(14)).into_font().color(&INK))
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(214, 214, 214).stroke_width(px(1)))
        .axis_style(INK.stroke_width(px(1)))
        .set_all_tick_mark_size(px(5))
        .draw()?;
    marks(&mut chart, panel, &x, &y)?;
    boxes(&mut chart, panel, &x, &y)?;
    series(&mut chart, panel, &x, &y)?;
    if labelled { entries(&legend, panel) } else { Ok(()) }
}

fn bands(chart: &mut Chart<'_, '_>, panel: &Panel, x: &Scale, y: &Scale) -> Result<(), Failure> {
    for band in &panel.bands {
        let (from, to) = (x.clamp(band.from), x.clamp(band.to));
        if to <= from {
            continue;
        }
        let shade = SHADES[band.shade % SHADES.len()];
        chart.draw_series([Rectangle::new([(from, y.low), (to, y.high)], shade.filled())])?;
        let style = (FONT, px(16)).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
        let top = y.high - 0.02 * (y.high - y.low);
        chart.draw_series([Text::new(band.label.clone(), ((from + to) / 2.0, top), style)])?;
    }
    Ok(())
}

fn marks(chart: &mut Chart<'_, '_>, panel: &Panel, x: &Scale, y: &Scale) -> Result<(), Failure> {
    let height = y.high - y.low;
    for (i, mark) in panel.marks.iter().enumerate() {
        let Some(at) = x.place(mark.at) else { continue };
        chart.draw_series(DashedLineSeries::new([(at, y.low), (at, y.high)], px(4), px(4), INK.stroke_width(px(1))))?;
        // Neighbouring marks have their names at different heights.
        let level = y.high - (0.10 + 0.065 * (i % 3) as f64) * height;
        // Near the right end a name stands on the left of its line.
        let right = at > x.low + 0.9 * (x.high - x.low);
        let position = Pos::new(if right { HPos::Right } else { HPos::Left }, VPos::Top);
        let style = (FONT, px(14)).into_font().color(&INK).pos(position);
        let shift = if right { -0.006 } else { 0.006 } * (x.high - x.low);
        chart.draw_series([Text::new(mark.label.clone(), (at + shift, level), style)])?;
    }
    Ok(())
}

fn boxes(chart: &mut Chart<'_, '_>, panel: &Panel, x: &Scale, y: &Scale) -> Result<(), Failure> {
    // Narrow enough for the closest pair of boxes.
    let mut places: Vec<f64> = panel.boxes.iter().filter_map(|b| x.place(b.at)).collect();
    places.sort_by(f64::total_cmp);
    let gap = places.windows(2).map(|p| p[1] - p[0]).filter(|g| *g > 0.0).fold(0.2 * (x.high - x.low), f64::min);
    let half = 0.3 * gap;
    for one in &panel.boxes {
        let (Some(at), color) = (x.place(one.at), one.color.color()) else { continue };
        let quartiles: Vec<f64> = [0.25, 0.5, 0.75].iter().filter_map(|q| quantile(&one.values, *q)).collect();
        let [low, middle, high] = quartiles[..] else { continue };
        let (low, middle, high) = (y.clamp(low), y.clamp(middle), y.clamp(high));
        chart.draw_series([Rectangle::new([(at - half, low), (at + half, high)], color.mix(0.18).filled())])?;
        // The library gives rectangles no width of line.
        let corners = [(-half, low), (half, low), (half, high), (-half, high), (-half, low)];
        let outline: Vec<_> = corners.iter().map(|(dx, v)| (at + dx, *v)).collect();
        chart.draw_series([PathElement::new(outline, color.stroke_width(px(1)))])?;
        chart.draw_series([PathElement::new([(at - half, middle), (at + half, middle)], color.stroke_width(px(3)))])?;
        let count = one.values.len();
        for (i, &value) in one.values.iter().enumerate() {
            let Some(v) = y.place(value) else { continue };
            let share = if count > 1 { i as f64 / (count - 1) as f64 - 0.5 } else { 0.0 };
            chart.draw_series([Circle::new((at + 1.4 * half * share, v), px(3), INK.mix(0.75).filled())])?;
        }
    }
    Ok(())
}

fn series(chart: &mut Chart<'_, '_>, panel: &Panel, x: &Scale, y: &Scale) -> Result<(), Failure> {
    for series in &panel.series {
        let color = series.color.color();
        let points: Vec<(f64, f64)> =
            series.points.iter().filter_map(|&(a, b)| Some((x.place(a)?, y.place(b)?))).collect();
        match series.style {
            Style::Line => {
                chart.draw_series(LineSeries::new(points, color.stroke_width(px(2))))?;
            }
            Style::Broad => {
                chart.draw_series(LineSeries::new(points, color.mix(0.4).stroke_width(px(6))))?;
            }
            Style::Dashed => {
                chart.draw_series(DashedLineSeries::new(points, px(7), px(5), color.stroke_width(px(2))))?;
            }
            Style::Points => {
                chart.draw_series(points.into_iter().map(|p| Circle::new(p, px(5), color.filled())))?;
            }
            Style::Hollow => {
                chart.draw_series(points.into_iter().map(|p| Circle::new(p, px(5), color.stroke_width(px(2)))))?;
            }
        }
    }
    Ok(())
}

/// Draws the legend; a label may have several lines.
fn entries(area: &Area<'_>, panel: &Panel) -> Result<(), Failure> {
    let style = (FONT, px(14)).into_font().color(&INK);
    let mut row = px(48) as i32;
    for series in panel.series.iter().filter(|s| !s.label.is_empty()) {
        let (color, middle) = (series.color.color(), row + px(8) as i32);
        let line = vec![(0, middle), (px(26) as i32, middle)];
        match series.style {
            Style::Line => area.draw(&PathElement::new(line, color.stroke_width(px(3))))?,
            Style::Broad => area.draw(&PathElement::new(line, color.mix(0.4).stroke_width(px(6))))?,
            Style::Dashed => {
                area.draw(&PathElement::new(vec![(0, middle), (px(10) as i32, middle)], color.stroke_width(px(3))))?;
                area.draw(&PathElement::new(
                    vec![(px(16) as i32, middle), (px(26) as i32, middle)],
                    color.stroke_width(px(3)),
                ))?;
            }
            Style::Points => area.draw(&Circle::new((px(13) as i32, middle), px(5), color.filled()))?,
            Style::Hollow => area.draw(&Circle::new((px(13) as i32, middle), px(5), color.stroke_width(px(2))))?,
        }
        for text in series.label.lines() {
            area.draw(&Text::new(text.to_owned(), (px(34) as i32, row), style.clone()))?;
            row += px(17) as i32;
        }
        row += px(9) as i32;
    }
    Ok(())
}
