//! Curves of methods over the iteration, with their CSV.

use std::collections::HashMap;
use std::fmt::Write;

use super::{RaceCourse, Rerun};
use crate::report::{Panel, PlotAxis, Quantity, Series, Style};
use crate::reproduce::figures::{FigureData, drawn, number};
use lowrank::Result;
use lowrank::solver::TraceRow;

/// Maximum of drawn points per curve; the CSV has all points.
const POINTS: usize = 500;
/// Smallest drawn error.
const LOWEST: f64 = 1e-16;

/// Panel: a title and its contenders.
pub(super) struct View<'a> {
    pub title: String,
    pub courses: Vec<&'a RaceCourse>,
}

/// Drawn quantity of an observation.
#[derive(Clone, Copy)]
pub(super) enum Of {
    Error,
    Imbalance,
    /// T/T*.
    Flatness,
    /// ‖M‖_*.
    Nuclear,
}

impl Of {
    fn value(self, row: &TraceRow) -> Option<f64> {
        match self {
            Self::Error => row.relative_error,
            Self::Imbalance => row.imbalance,
            Self::Flatness => row.flatness.map(|flat| flat.isotropic / flat.least),
            Self::Nuclear => row.flatness.map(|flat| flat.nuclear_norm),
        }
        .filter(|v| v.is_finite())
    }

    fn label(self) -> &'static str {
        match self {
            Self::Error => "relative error ‖Z − M‖/‖M‖",
            Self::Imbalance => "‖LᵀL − RᵀR‖",
            Self::Flatness => "T/T*",
            Self::Nuclear => "nuclear norm ‖M‖_*",
        }
    }

    /// The part of a label that decides the colour, and whether the run is a variant of the one with that name.
    fn parts(self, label: &str) -> (&str, bool) {
        match (self, label.split_once(", ")) {
            (Self::Flatness | Self::Nuclear, Some((name, _))) => (name, true),
            _ => (label, false),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Error => "errors",
            Self::Imbalance => "imbalance",
            Self::Flatness => "flatness",
            Self::Nuclear => "nuclear",
        }
    }
}

/// Description of a figure.
pub(super) struct Picture<'a> {
    pub title: &'static str,
    pub of: Of,
    pub views: Vec<View<'a>>,
    /// Whether both axes are logarithmic, so that powers of t are straight lines.
    pub powers: bool,
    /// Caption beyond the setting.
    pub caption: String,
}

impl Picture<'_> {
    pub(super) fn draw(&self, settings: &Rerun) -> Result<FigureData> {
        let mut colors: HashMap<&str, u8> = HashMap::new();
        let panels: Vec<Panel> = self.views.iter().map(|view| self.panel(view, &mut colors)).collect();
        let caption = format!(
            "{} n = {}, r* = {}, k = {}, m = {}, seed {} of truth, measurements and start, {}.",
            self.caption,
            settings.n,
            settings.rank,
            settings.search_rank,
            settings.measurements,
            settings.seed,
            settings.precision.name()
        );
        let name = self.of.name();
        Ok(FigureData { name, title: self.title, caption, svg: drawn(&panels)?, csv: self.csv(), script: None })
    }

    fn panel<'a>(&'a self, view: &View<'a>, colors: &mut HashMap<&'a str, u8>) -> Panel {
        let series = view.courses.iter().map(|course| {
            let next = colors.len() as u8;
            // The same contender has the same colour in every panel.
            let (name, variant) = self.of.parts(&course.entry.label);
            let color = *colors.entry(name).or_insert(next);
            let first = usize::from(self.powers);
            let all: Vec<(f64, f64)> = (course.trace.iter().skip(first))
                .filter_map(|row| Some((row.iteration as f64, self.of.value(row)?.max(LOWEST))))
                .collect();
            Series {
                label: course.entry.label.clone(),
                color: Quantity::Run(color),
                style: if variant { Style::Dashed } else { Style::Line },
                points: thinned(&all, self.powers),
            }
        });
        Panel {
            title: view.title.clone(),
            x: if self.powers { PlotAxis::log("iteration t") } else { PlotAxis::linear("iteration t") },
            y: PlotAxis::log(self.of.label()),
            series: series.collect(),
            ..Panel::default()
        }
    }

    fn csv(&self) -> String {
        let mut csv = String::from(
            "panel,contender,condition_number,iteration,relative_error,train_loss,imbalance,isotropic_trace,least_trace,nuclear_norm\n",
        );
        for (panel, view) in self.views.iter().enumerate() {
            for course in &view.courses {
                for row in &course.trace {
                    let _ = writeln!(
                        csv,
                        "{},{},{},{},{},{},{},{},{},{}",
                        panel + 1,
                        course.entry.name,
                        course.entry.condition_number,
                        row.iteration,
                        number(row.relative_error),
                        number(Some(row.train_loss)),
                        number(row.imbalance),
                        number(row.flatness.map(|flat| flat.isotropic)),
                        number(row.flatness.map(|flat| flat.least)),
                        number(row.flatness.map(|flat| flat.nuclear_norm)),
                    );
                }
            }
        }
        csv
    }
}

/// Returns at most [`POINTS`] points, evenly spaced on the drawn axis, including the last one.
pub(super) fn thinned(points: &[(f64, f64)], powers: bool) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let last = (points.len() - 1) as f64;
    let at = |j: usize| {
        let share = j as f64 / (POINTS - 1) as f64;
        if powers { (last + 1.0).powf(share) - 1.0 } else { share * last }
    };
    let mut chosen: Vec<usize> = (0..POINTS).map(|j| (at(j).round() as usize).min(points.len() - 1)).collect();
    chosen.dedup();
    chosen.into_iter().map(|at| points[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_keep_their_ends() {
        let points: Vec<(f64, f64)> = (0..12_345).map(|t| (f64::from(t), 1.0)).collect();
        for powers in [false, true] {
            let few = thinned(&points, powers);
            assert!(few.len() <= POINTS && few[0] == points[0] && few.last() == points.last());
            assert!(few.windows(2).all(|w| w[0].0 < w[1].0));
        }
        assert_eq!(thinned(&points[..7], false), points[..7]);
    }
}
