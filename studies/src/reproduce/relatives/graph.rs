//! Figures of measured curves: SVG, CSV and a script that draws the CSV.

use std::collections::HashMap;
use std::fmt::Write;

use super::figure::thinned;
use super::{MeasuredCurve, Rerun};
use crate::report::{Panel, PlotAxis, Quantity, Series, Style};
use crate::reproduce::figures::{FigureData, drawn, number};
use lowrank::Result;

/// Curves with at most so many points show them.
const FEW: usize = 30;

/// Panel with its axes and curves; the label of a curve is its legend.
pub(super) struct GraphPanel<'a> {
    pub title: String,
    pub x: PlotAxis,
    pub y: PlotAxis,
    pub curves: Vec<(&'a MeasuredCurve, Style)>,
}

/// Description of a figure.
pub(super) struct Graph<'a> {
    /// Stem of its files.
    pub name: &'static str,
    pub title: &'static str,
    /// Caption with the sizes; the seed is added.
    pub caption: String,
    pub panels: Vec<GraphPanel<'a>>,
}

impl Graph<'_> {
    pub(super) fn draw(&self, settings: &Rerun) -> Result<FigureData> {
        let mut colors = HashMap::new();
        let panels: Vec<Panel> = self.panels.iter().map(|panel| panel.draw(&mut colors)).collect();
        let caption = format!("{} Seed {}, {}.", self.caption, settings.seed, settings.precision.name());
        let (svg, csv, script) = (drawn(&panels)?, self.csv(), Some(self.script()));
        Ok(FigureData { name: self.name, title: self.title, caption, svg, csv, script })
    }

    fn csv(&self) -> String {
        let mut csv = String::from("panel,group,curve,x,y\n");
        for (index, panel) in self.panels.iter().enumerate() {
            for (curve, _) in &panel.curves {
                for (x, y) in &curve.points {
                    let (x, y) = (number(Some(*x)), number(Some(*y)));
                    let _ = writeln!(csv, "{},{},{},{x},{y}", index + 1, curve.group, curve.name);
                }
            }
        }
        csv
    }

    fn script(&self) -> String {
        let mut axes = String::new();
        for panel in &self.panels {
            let scale = |axis: &PlotAxis| if axis.log { "log" } else { "linear" };
            let (x, y) = (&panel.x, &panel.y);
            let (title, marker) = (&panel.title, if panel.few() { "o-" } else { "-" });
            let row = (title, marker, &x.label, scale(x), &y.label, scale(y));
            // Debug quotes texts as Python does, escapes included.
            let _ = writeln!(axes, "    {row:?},");
        }
        include_str!("../scripts/graph.py").replace("NAME", self.name).replace("    AXES\n", &axes)
    }
}

impl GraphPanel<'_> {
    fn few(&self) -> bool {
        self.curves.iter().all(|(curve, _)| curve.points.len() <= FEW)
    }

    /// The same label has the same colour in every panel.
    fn draw(&self, colors: &mut HashMap<String, u8>) -> Panel {
        let mut series = Vec::new();
        for (curve, style) in &self.curves {
            let next = colors.len() as u8;
            let color = Quantity::Run(*colors.entry(curve.label.clone()).or_insert(next));
            let points = thinned(&curve.points, self.x.log);
            if *style == Style::Line && self.few() {
                series.push(Series { label: String::new(), color, style: Style::Points, points: points.clone() });
            }
            series.push(Series { label: curve.label.clone(), color, style: *style, points });
        }
        Panel { title: self.title.clone(), x: self.x.clone(), y: self.y.clone(), series, ..Panel::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Relative;

    #[test]
    fn a_graph_has_its_curves_in_three_files() {
        let curve = MeasuredCurve::new("decay", "slow", "a \"slow\" one", vec![(1.0, 1e-3), (10.0, 1e-5)]);
        let theory = MeasuredCurve::new("decay", "theory", "1/t", vec![(1.0, f64::NAN)]);
        let panel = GraphPanel {
            title: "Decay".into(),
            x: PlotAxis::log("t"),
            y: PlotAxis::linear("‖e‖"),
            curves: vec![(&curve, Style::Line), (&theory, Style::Dashed)],
        };
        let graph = Graph { name: "decay", title: "Decay", caption: "n = 3.".into(), panels: vec![panel] };
        let figure = graph.draw(&Rerun::quick(Relative::Agn2024)).unwrap();
        assert_eq!(
            figure.csv,
            "panel,group,curve,x,y\n1,decay,slow,1e0,1e-3\n1,decay,slow,1e1,1e-5\n1,decay,theory,1e0,\n"
        );
        assert_eq!(figure.caption, "n = 3. Seed 1, double precision.");
        // A line, and a circle for each of its few points.
        assert_eq!(figure.svg.matches("<circle").count(), 2);
        assert!(figure.svg.contains("slow") && !figure.svg.contains("NaN"));
        let script = figure.script.unwrap();
        let row = "    (\"Decay\", \"o-\", \"t\", \"log\", \"‖e‖\", \"linear\"),\n";
        assert!(script.contains(row) && script.contains("read_csv(\"decay.csv\")"), "{script}");
        assert!(!script.contains("NAME") && !script.contains("AXES"), "{script}");
    }
}
