//! Figures of the results: panels, their data, and a caption with the settings.

mod grids;
mod time;

use crate::report::{Panel, Quantity, Series, Style, panels_to_svg};
use crate::reproduce::data::Results;
use crate::reproduce::facts::Facts;
use crate::reproduce::settings::Ss21;
use lowrank::{Error, Result};

/// One figure with its data and caption.
#[derive(Clone, Debug)]
pub struct FigureData {
    /// Stem of its files.
    pub name: &'static str,
    pub title: &'static str,
    pub caption: String,
    pub svg: String,
    pub csv: String,
    /// Its own script; without one, that of its name in [`SCRIPTS`](crate::reproduce::SCRIPTS).
    pub script: Option<String>,
}

pub(super) fn figures(settings: &Ss21, results: &Results) -> Result<Vec<FigureData>> {
    let mut figures = Vec::new();
    if let Some(run) = &results.phases {
        if results.wants_phases {
            figures.push(time::phases(settings, run)?);
        }
        if results.wants_spectral {
            figures.push(time::spectral(settings, run)?);
        }
    }
    if let Some(run) = &results.times {
        figures.push(grids::times(settings, run)?);
    }
    if let Some(run) = &results.scale {
        figures.push(grids::scale(settings, run)?);
    }
    if !results.slopes.is_empty() {
        figures.push(grids::slopes(settings, &results.slopes)?);
    }
    if let Some(run) = &results.width {
        figures.push(grids::width(settings, run)?);
    }
    Ok(figures)
}

pub(super) fn drawn(panels: &[Panel]) -> Result<String> {
    panels_to_svg(panels).map_err(|message| Error::Unsupported {
        what: format!("drawing a figure ({message})"),
        fix: "report this bug with the command line".into(),
    })
}

/// Returns n, r*, m, κ and μ, for every caption.
fn setting(facts: &Facts, settings: &Ss21) -> String {
    format!(
        "n = {}, r* = {}, m = {}, κ(X) = {}, μ = {}, seed {} of truth and measurements",
        facts.n, facts.rank, facts.measurements, facts.condition_number, facts.step_size, settings.seed
    )
}

fn curve(label: &str, color: Quantity, style: Style, points: Vec<(f64, f64)>) -> Series {
    Series { label: label.into(), color, style, points }
}

pub(super) fn number(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map(|v| format!("{v:e}")).unwrap_or_default()
}

fn whole(value: Option<usize>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn shown(value: Option<usize>) -> String {
    value.map_or("not reached".into(), |v| v.to_string())
}
