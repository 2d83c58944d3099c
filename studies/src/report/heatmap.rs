//! Maps of success rates as SVG and as text.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Panels that share their axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    pub title: String,
    /// Constant parameters.
    pub subtitle: String,
    pub x_label: String,
    pub y_label: String,
    /// Ascending values; NaN for a single, automatic value.
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    /// Label of the line in the panels.
    pub line_label: String,
    pub notes: Vec<String>,
    pub panels: Vec<Panel>,
}

/// One map.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub title: String,
    /// Counts (successes, solves) of each cell, row by row from the lowest y.
    pub counts: Vec<(usize, usize)>,
    /// Line through one x per y.
    pub line: Option<Vec<f64>>,
}

/// Formats a number for people.
pub(super) fn tidy(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "automatic".into(),
        0.0 => "0".into(),
        size if (1e-3..1e6).contains(&size) => format!("{value}"),
        _ => format!("{value:e}"),
    }
}

/// Colours from light sand to dark blue, with evenly falling lightness, so that rates are readable without colour.
const STOPS: [(f64, f64, f64); 5] =
    [(243.0, 239.0, 230.0), (196.0, 219.0, 230.0), (120.0, 178.0, 210.0), (42.0, 124.0, 178.0), (8.0, 64.0, 115.0)];

fn color(rate: f64) -> RGBColor {
    let at = rate.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let (a, b) = (STOPS[at.floor() as usize], STOPS[at.ceil() as usize]);
    let mix = |a: f64, b: f64| (a + at.fract() * (b - a)).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

const INK: RGBColor = RGBColor(38, 38, 38);
const SOFT: RGBColor = RGBColor(105, 105, 105);
/// Okabe and Ito's vermilion, which contrasts with both ends of the blue scale.
const LINE: RGBColor = RGBColor(213, 94, 0);

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Layout in pixels.
struct Frame {
    cell: (i32, i32),
    /// Upper left corner of the first panel's cells.
    origin: (i32, i32),
    step: (i32, i32),
    columns: usize,
    grid: (i32, i32),
    size: (i32, i32),
}

const LEFT: i32 = 86;
const LEGEND: i32 = 120;

impl Heatmap {
    fn frame(&self) -> Frame {
        let columns = if self.panels.len() > 1 { 2 } else { 1 };
        let (nx, ny) = (self.x.len().max(1) as i32, self.y.len().max(1) as i32);
        let wide = if columns == 1 { 760 } else { 560 };
        let cell = ((wide / nx).clamp(8, 72), (400 / ny).clamp(14, 46));
        let grid = (cell.0 * nx, cell.1 * ny);
        let titled = if self.panels.iter().any(|p| !p.title.is_empty()) { 30 } else { 8 };
        let step = (grid.0 + LEFT + 14, grid.1 + titled + 72);
        let origin = (LEFT, 78 + titled);
        let rows = self.panels.len().div_ceil(columns).max(1) as i32;
        let used = (step.0 * columns as i32).max(560);
        let foot = 24 * (self.notes.len() as i32 + i32::from(self.has_line())) + 14;
        Frame { cell, origin, step, columns, grid, size: (used + LEGEND, 78 + rows * step.1 + foot) }
    }

    fn has_line(&self) -> bool {
        self.panels.iter().any(|panel| panel.line.is_some())
    }

    /// Draws the map as an SVG document.
    ///
    /// # Errors
    /// The plotting library's message.
    pub fn to_svg(&self) -> std::result::Result<String, String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|e| e.to_string())?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let frame = self.frame();
        let root = SVGBackend::with_string(svg, (frame.size.0 as u32, frame.size.1 as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        text(&root, &self.title, (20, 26), 24, INK, HPos::Left)?;
        text(&root, &self.subtitle, (20, 54), 15, SOFT, HPos::Left)?;
        for (number, panel) in self.panels.iter().enumerate() {
            let (column, row) = ((number % frame.columns) as i32, (number / frame.columns) as i32);
            let at = (frame.origin.0 + column * frame.step.0, frame.origin.1 + row * frame.step.1);
            self.panel(&root, &frame, panel, at)?;
        }
        scale(&root, (frame.size.0 - LEGEND + 22, frame.origin.1), frame.grid.1.clamp(120, 300))?;
        let rows = self.panels.len().div_ceil(frame.columns).max(1) as i32;
        let mut y = 78 + rows * frame.step.1 + 8;
        if self.has_line() {
            root.draw(&PathElement::new([(LEFT, y), (LEFT + 36, y)], LINE.stroke_width(3)))?;
            text(&root, &self.line_label, (LEFT + 46, y), 15, INK, HPos::Left)?;
            y += 24;
        }
        for note in &self.notes {
            text(&root, note, (LEFT, y), 15, SOFT, HPos::Left)?;
            y += 24;
        }
        root.present()?;
        drop(root);
        Ok(())
    }

    fn panel(&self, root: &Area<'_>, frame: &Frame, panel: &Panel, (left, top): (i32, i32)) -> Drawn {
        let ((w, h), (width, height)) = (frame.cell, frame.grid);
        text(root, &panel.title, (left, top - 16), 17, INK, HPos::Left)?;
        let nx = self.x.len();
        for (at, &(successes, count)) in panel.counts.iter().enumerate() {
            let (column, row) = ((at % nx) as i32, (at / nx) as i32);
            let corner = (left + column * w, top + height - (row + 1) * h);
            let rate = successes as f64 / count as f64;
            let fill = if count == 0 { WHITE } else { color(rate) };
            root.draw(&Rectangle::new([corner, (corner.0 + w, corner.1 + h)], fill.filled()))?;
            root.draw(&Rectangle::new([corner, (corner.0 + w, corner.1 + h)], WHITE.stroke_width(1)))?;
        }
        root.draw(&Rectangle::new([(left, top), (left + width, top + height)], SOFT.stroke_width(1)))?;
        if let Some(line) = &panel.line {
            self.line(root, frame, line, (left, top))?;
        }
        // After the line, which must not hide them. Digits need about 8 pixels each.
        for (at, &(successes, count)) in panel.counts.iter().enumerate() {
            let digits = successes.to_string();
            if count > 0 && w >= 8 * digits.len() as i32 + 6 && h >= 16 {
                let ink = if successes as f64 > 0.55 * count as f64 { WHITE } else { INK };
                let (column, row) = ((at % nx) as i32, (at / nx) as i32);
                let middle = (left + column * w + w / 2, top + height - row * h - h / 2);
                text(root, &digits, middle, 13, ink, HPos::Center)?;
            }
        }
        let every = labels_apart(&self.x, w);
        for (column, &value) in self.x.iter().enumerate().step_by(every) {
            let x = left + column as i32 * w + w / 2;
            root.draw(&PathElement::new([(x, top + height), (x, top + height + 5)], SOFT.stroke_width(1)))?;
            text(root, &tidy(value), (x, top + height + 16), 14, INK, HPos::Center)?;
        }
        let every = 18_usize.div_ceil(h as usize);
        for (row, &value) in self.y.iter().enumerate().step_by(every) {
            let y = top + height - row as i32 * h - h / 2;
            text(root, &tidy(value), (left - 8, y), 14, INK, HPos::Right)?;
        }
        text(root, &self.x_label, (left + width / 2, top + height + 40), 16, INK, HPos::Center)?;
        let style = font(16).transform(FontTransform::Rotate270).color(&INK);
        let style = style.pos(Pos::new(HPos::Center, VPos::Center));
        root.draw(&Text::new(self.y_label.clone(), (left - 66, top + height / 2), style))?;
        Ok(())
    }

    /// Draws the line through the middle of each row up to the edges of the map; x is linear between column centres.
    fn line(&self, root: &Area<'_>, frame: &Frame, line: &[f64], (left, top): (i32, i32)) -> Drawn {
        let ((w, h), (width, height)) = (frame.cell, frame.grid);
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (row, &value) in line.iter().enumerate() {
            points
                .push((position(&self.x, value) * f64::from(w), f64::from(height) - (row as f64 + 0.5) * f64::from(h)));
        }
        // Half a row on at both ends, straight on; a single row gets an upright line.
        let half = f64::from(h) / 2.0;
        let slope = |a: (f64, f64), b: (f64, f64)| if a.1 == b.1 { 0.0 } else { (b.0 - a.0) / (b.1 - a.1) };
        let (first, last) = (points[0], points[points.len() - 1]);
        let (low, high) = (points.get(1).copied().unwrap_or(first), points[points.len().saturating_sub(2)]);
        points.insert(0, (first.0 + half * slope(low, first), first.1 + half));
        points.push((last.0 - half * slope(high, last), last.1 - half));
        let inside = |pair: &[(f64, f64)]| clip(pair[0], pair[1], f64::from(width));
        for (color, stroke) in [(WHITE, 6), (LINE, 3)] {
            for (a, b) in points.windows(2).filter_map(inside) {
                let pixel = |p: (f64, f64)| (left + p.0.round() as i32, top + p.1.round() as i32);
                root.draw(&PathElement::new([pixel(a), pixel(b)], color.stroke_width(stroke)))?;
            }
        }
        Ok(())
    }

    /// Returns success rates in per cent for a terminal, the highest y first.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let width = self.x.iter().map(|&v| tidy(v).len()).max().unwrap_or(0).max(3) + 2;
        let side = self.y.iter().map(|&v| tidy(v).len()).max().unwrap_or(0);
        for panel in &self.panels {
            let title = if panel.title.is_empty() { String::new() } else { format!(" ({})", panel.title) };
            out.push_str(&format!("success rate in %{title}: {} down, {} across\n", self.y_label, self.x_label));
            for (row, &y) in self.y.iter().enumerate().rev() {
                out.push_str(&format!("{:>side$} |", tidy(y)));
                for &(successes, count) in &panel.counts[row * self.x.len()..(row + 1) * self.x.len()] {
                    let rate = 100.0 * successes as f64 / count as f64;
                    let shown = if count == 0 { "-".into() } else { format!("{rate:.0}") };
                    out.push_str(&format!("{shown:>width$}"));
                }
                out.push('\n');
            }
            out.push_str(&format!("{:>side$} |", ""));
            self.x.iter().for_each(|&x| out.push_str(&format!("{:>width$}", tidy(x))));
            out.push_str("\n\n");
        }
        out
    }
}

fn font(size: i32) -> FontDesc<'static> {
    ("sans-serif", size).into_font()
}

fn text(root: &Area<'_>, words: &str, at: (i32, i32), size: i32, color: RGBColor, anchor: HPos) -> Drawn {
    if !words.is_empty() {
        let style = font(size).color(&color).pos(Pos::new(anchor, VPos::Center));
        root.draw(&Text::new(words.to_owned(), at, style))?;
    }
    Ok(())
}

/// Draws the colour bar.
fn scale(root: &Area<'_>, (left, top): (i32, i32), height: i32) -> Drawn {
    for step in 0..height {
        let rate = 1.0 - f64::from(step) / f64::from(height - 1);
        let bar = [(left, top + step), (left + 18, top + step + 1)];
        root.draw(&Rectangle::new(bar, color(rate).filled()))?;
    }
    root.draw(&Rectangle::new([(left, top), (left + 18, top + height)], SOFT.stroke_width(1)))?;
    for quarter in 0..=4 {
        let y = top + height - height * quarter / 4;
        root.draw(&PathElement::new([(left + 18, y), (left + 23, y)], SOFT.stroke_width(1)))?;
        text(root, &format!("{} %", 25 * quarter), (left + 28, y), 14, INK, HPos::Left)?;
    }
    Ok(())
}

/// Returns the spacing of drawn labels that keeps neighbours apart.
fn labels_apart(values: &[f64], width: i32) -> usize {
    let longest = values.iter().map(|&v| tidy(v).len()).max().unwrap_or(1);
    (longest * 8 + 10).div_ceil(width.max(1) as usize).max(1)
}

/// Returns the position of a value among ascending values with cells of width 1: the centre of cell i is at i + ½.
/// Beyond the ends the outermost distance continues.
fn position(values: &[f64], value: f64) -> f64 {
    match values {
        [] => 0.0,
        // One column says on which side the value lies, not how far.
        [one] => 0.5 + f64::from(value.partial_cmp(one).map_or(0, |side| side as i8)),
        _ => {
            let at = values.partition_point(|v| *v < value).clamp(1, values.len() - 1);
            let (a, b) = (values[at - 1], values[at]);
            at as f64 - 0.5 + (value - a) / (b - a)
        }
    }
}

/// Returns the part of a segment with 0 ≤ x ≤ width.
fn clip(a: (f64, f64), b: (f64, f64), width: f64) -> Option<((f64, f64), (f64, f64))> {
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    let dx = b.0 - a.0;
    for (edge, sign) in [(0.0, 1.0), (width, -1.0)] {
        let (start, grow) = (sign * (a.0 - edge), sign * dx);
        if grow == 0.0 {
            if start < 0.0 {
                return None;
            }
        } else if grow > 0.0 {
            from = from.max(-start / grow);
        } else {
            to = to.min(-start / grow);
        }
    }
    let point = |t: f64| (a.0 + t * dx, a.1 + t * (b.1 - a.1));
    (from < to).then(|| (point(from), point(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(panels: usize) -> Heatmap {
        let counts = vec![(0, 7), (3, 7), (7, 7), (0, 7), (0, 0), (5, 7)];
        let panel = Panel { title: "noise std = 0.1".into(), counts, line: Some(vec![12.0, 23.0]) };
        Heatmap {
            title: "Success rate".into(),
            subtitle: "n = 12".into(),
            x_label: "measurements m".into(),
            y_label: "rank r*".into(),
            x: vec![10.0, 20.0, 40.0],
            y: vec![1.0, 2.0],
            line_label: "degrees of freedom".into(),
            notes: vec!["7 solves a cell".into()],
            panels: vec![panel; panels],
        }
    }

    #[test]
    fn maps_show_counts_labels_line_and_scale() {
        let svg = map(3).to_svg().unwrap();
        for wanted in
            ["Success rate", "noise std = 0.1", "measurements m", "100 %", "degrees of freedom", ">\n40\n<", "#D55E00"]
        {
            assert!(svg.contains(wanted), "{wanted}");
        }
        assert_eq!(svg.matches(">\n3\n<").count(), 3, "the count of a cell, in each panel");
        assert_eq!(svg.matches(&format!("fill=\"{}\"", "#084073")).count() - 1, 3, "full cells are dark");
        let bare = Heatmap { panels: Vec::new(), x: Vec::new(), y: Vec::new(), ..map(0) };
        assert!(bare.to_svg().is_ok());
    }

    #[test]
    fn positions_and_clipping() {
        let values = [10.0, 20.0, 40.0];
        for (value, at) in [(10.0, 0.5), (15.0, 1.0), (30.0, 2.0), (40.0, 2.5), (0.0, -0.5), (60.0, 3.5)] {
            assert_eq!(position(&values, value), at, "{value}");
        }
        assert_eq!(clip((-1.0, 0.0), (1.0, 2.0), 10.0), Some(((0.0, 1.0), (1.0, 2.0))));
        assert_eq!(clip((12.0, 0.0), (11.0, 2.0), 10.0), None);
        assert_eq!(clip((3.0, 0.0), (3.0, 2.0), 10.0), Some(((3.0, 0.0), (3.0, 2.0))));
    }

    #[test]
    fn text_has_the_highest_row_first() {
        let text = map(1).to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["2", "|", "0", "-", "71"]);
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["|", "10", "20", "40"]);
    }
}
