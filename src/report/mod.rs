//! What a run leaves behind: a JSON report, a trace, a table of trials, the factors; what a sweep leaves behind: tables,
//! a map of success rates, a page.

mod heatmap;
mod html;
mod json;
mod plot;
mod snapshots;
mod sweep_map;
mod sweep_page;
mod sweep_tables;
mod tables;

pub use crate::text::{readable, readable_seconds};
pub use heatmap::{Heatmap, Panel as HeatmapPanel};
pub use html::{Page, escaped};
pub use json::{Environment, MemoryReport, RunReport, TrialReport};
pub(crate) use plot::quantile;
pub use plot::{Axis, Band, BoxAt, Curve, Figure, Mark, Panel, Quantity, Series, Style, panels_to_svg};
pub use snapshots::Snapshots;
pub use sweep_map::success_map;
pub use sweep_page::{SweepPage, sweep_page};
pub use sweep_tables::{write_cells, write_solves};
pub use tables::{write_trace, write_trials};

use std::io::Write;

use crate::io::write_npz;
use crate::solver::Solution;

/// Writes `left` as (batch, n, k), narrower trials padded with zero columns: an archive `numpy.load` reads and a solve
/// can start from.
///
/// # Errors
/// Those of `writer`.
pub fn write_factors(writer: &mut impl Write, solution: &Solution) -> std::io::Result<()> {
    let widest = solution.trials.iter().map(|t| t.parameters.search_rank).max().unwrap_or(0);
    let n = solution.trials.first().map_or(0, |t| t.left().rows());
    let mut left = Vec::with_capacity(solution.trials.len() * n * widest);
    for trial in &solution.trials {
        let u = trial.left();
        for i in 0..n {
            left.extend_from_slice(u.row(i));
            left.extend(std::iter::repeat_n(0.0, widest - u.columns()));
        }
    }
    write_npz(writer, &[("left", &[solution.trials.len(), n, widest], &left)])
}
