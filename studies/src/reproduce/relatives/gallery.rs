//! Rows of grey-level pictures as one drawing, with their numbers and a script that draws them again.

use std::fmt::Write;

use crate::report::escaped;
use crate::reproduce::figures::FigureData;

/// Shades that are told apart.
const SHADES: usize = 48;
/// Width of the drawing, of the names on its left, and gaps, in pixels.
const WIDTH: usize = 980;
const NAMES: usize = 62;
const GAP: usize = 8;
/// Heights of a line of text, and of the two lines above the first row.
const LINE: usize = 18;
const HEAD: usize = 2 * LINE + 6;

/// One picture of a column: grey levels from 0, black, to 1, white, row by row.
pub(super) struct Shot {
    /// Lines above the column, at most two.
    pub title: String,
    /// One picture for each row of the gallery.
    pub shades: Vec<Vec<f64>>,
}

/// Pictures of one side in columns, and what their rows show.
pub(super) struct Gallery<'a> {
    pub name: &'static str,
    pub title: &'static str,
    pub caption: String,
    pub side: usize,
    pub rows: &'a [&'a str],
    pub shots: Vec<Shot>,
}

impl Gallery<'_> {
    pub(super) fn draw(&self) -> FigureData {
        let script = include_str!("../scripts/gallery.py").replace("NAME", self.name);
        let (svg, csv, caption) = (self.svg(), self.csv(), self.caption.clone());
        FigureData { name: self.name, title: self.title, caption, svg, csv, script: Some(script) }
    }

    /// Every shade is one path of horizontal strokes, so the drawing needs no file beside it and no pixel of it is blurred.
    fn svg(&self) -> String {
        let count = self.shots.len().max(1);
        let size = (WIDTH - NAMES - GAP * count) / count;
        let height = HEAD + self.rows.len() * (size + GAP);
        let mut svg = format!(
            "<svg width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" xmlns=\"http://www.w3.org/2000/svg\" \
             font-family=\"sans-serif\" font-size=\"14\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#FFFFFF\"/>\n"
        );
        for (row, name) in self.rows.iter().enumerate() {
            let y = HEAD + row * (size + GAP) + size / 2 + LINE / 4;
            let _ = writeln!(svg, "<text x=\"4\" y=\"{y}\" fill=\"#282828\">{}</text>", escaped(name));
        }
        for (at, shot) in self.shots.iter().enumerate() {
            let x = NAMES + at * (size + GAP);
            for (line, text) in shot.title.lines().enumerate() {
                let y = LINE * (line + 1);
                let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"#282828\">{}</text>", escaped(text));
            }
            for (row, shades) in shot.shades.iter().enumerate() {
                let (y, scale) = (HEAD + row * (size + GAP), size as f64 / self.side as f64);
                let _ = writeln!(
                    svg,
                    "<g transform=\"translate({x},{y}) scale({scale:.4})\" fill=\"none\" shape-rendering=\"crispEdges\">{}</g>",
                    strokes(shades, self.side)
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn csv(&self) -> String {
        let mut csv = String::from("column,title,row,name,y,x,shade\n");
        for (at, shot) in self.shots.iter().enumerate() {
            let title = shot.title.replace(['\n', ','], " ");
            for (row, (shades, name)) in shot.shades.iter().zip(self.rows).enumerate() {
                for (i, shade) in shades.iter().enumerate() {
                    let (y, x) = (i / self.side, i % self.side);
                    let _ = writeln!(csv, "{},{title},{},{name},{y},{x},{shade:.4}", at + 1, row + 1);
                }
            }
        }
        csv
    }
}

/// Paths of a picture, one for each shade in it, in units of pixels of the picture.
fn strokes(shades: &[f64], side: usize) -> String {
    let level = |shade: f64| (shade.clamp(0.0, 1.0) * (SHADES - 1) as f64).round() as usize;
    let mut paths = vec![String::new(); SHADES];
    for (y, row) in shades.chunks(side).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| level(*a) == level(*b)) {
            let _ = write!(paths[level(run[0])], "M{x} {y}.5h{}", run.len());
            x += run.len();
        }
    }
    let mut all = String::new();
    for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let grey = (255 * level + (SHADES - 1) / 2) / (SHADES - 1);
        let _ = write!(all, "<path stroke=\"rgb({grey},{grey},{grey})\" d=\"{path}\"/>");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gallery_has_its_pixels_in_both_files() {
        let shot = Shot { title: "iteration 3\nerror < 1".into(), shades: vec![vec![0.0, 0.0, 1.0, 0.5]] };
        let gallery = Gallery {
            name: "scene",
            title: "A scene",
            caption: "c".into(),
            side: 2,
            rows: &["size"],
            shots: vec![shot],
        };
        let figure = gallery.draw();
        for text in ["rgb(0,0,0)\" d=\"M0 0.5h2\"", "rgb(255,255,255)\" d=\"M0 1.5h1\"", "M1 1.5h1", "error &lt; 1"] {
            assert!(figure.svg.contains(text), "{text}: {}", figure.svg);
        }
        let lines: Vec<&str> = figure.csv.lines().collect();
        assert_eq!(lines[3], "1,iteration 3 error < 1,1,size,1,0,1.0000");
        assert_eq!(lines.len(), 5);
        assert!(figure.script.unwrap().contains("read_csv(\"scene.csv\")"));
    }

    #[test]
    fn numbers_that_are_none_are_black() {
        assert_eq!(strokes(&[f64::NAN], 1), "<path stroke=\"rgb(0,0,0)\" d=\"M0 0.5h1\"/>");
    }
}
