//! Outputs of runs and studies: a JSON report, a page, a trace, a table of trials and the factors of a run; tables, a map of
//! success rates and a page of a sweep; tables, two figures and a page of a comparison.

mod compare_figure;
mod compare_page;
mod compare_rows;
mod compare_tables;
mod heatmap;
mod html;
mod json;
mod plot;
mod run_figures;
mod run_page;
mod selection_figure;
mod snapshots;
mod sweep_map;
mod sweep_page;
mod sweep_tables;
mod tables;

pub use compare_figure::{Over, comparison_figure};
pub use compare_page::{ComparisonPage, comparison_page};
pub use compare_rows::{ComparisonRow, Reached, comparison_rows};
pub use compare_tables::{comparison_text, write_comparison, write_curves};
pub use heatmap::{Heatmap, Panel as HeatmapPanel};
pub use html::{Page, escaped};
pub use json::{ConfidenceReport, Environment, MemoryReport, RunReport, TrialReport};
pub use lowrank::internals::{readable, readable_seconds};
pub(crate) use plot::quantile;
pub use plot::{
    Band, BoxAt, Curve, Figure, Mark, Panel, PlotAxis, Quantity, Series, Style, panels_to_svg, phase_bands,
};
pub use run_page::{RunPage, run_page};
pub use selection_figure::selection_figure;
pub use snapshots::Snapshots;
pub use sweep_map::success_map;
pub use sweep_page::{SweepPage, sweep_page};
pub use sweep_tables::{write_cells, write_solves};
pub use tables::{write_trace, write_trials};

use std::io::Write;

use lowrank::io::{NpzArray, in_turn, write_npz_arrays};
use lowrank::solver::{Solution, TrialSolution};

/// Writes the factors as an archive for `numpy.load`, which can also start a solve.
///
/// The archive has `left`, (batch, n, k), with narrower trials padded with zeros; it is complex for complex matrices. With two factors or more it has
/// `right`, (batch, n2, k), and between them `middle_1`, `middle_2`, …, (batch, k, k): the matrix is
/// left·middle_1·middle_2⋯rightᵀ. The signed model adds `signature`, (2,).
///
/// # Errors
/// Those of `writer`.
pub fn write_factors(writer: &mut impl Write, solution: &Solution) -> std::io::Result<()> {
    write_factors_with(writer, solution, &[])
}

/// Writes factors like [`write_factors`], with further arrays in the same archive.
///
/// # Errors
/// As [`write_factors`].
pub fn write_factors_with(
    writer: &mut impl Write,
    solution: &Solution,
    more: &[(&str, NpzArray<'_>)],
) -> std::io::Result<()> {
    let trials = &solution.trials;
    let widest = trials.iter().map(|t| t.parameters.search_rank).max().unwrap_or(0);
    let padded = |at: usize| -> (Vec<usize>, Vec<f64>) {
        let (mut data, of) = (Vec::new(), |t| TrialSolution::blocks(t).nth(at));
        // Blocks with a row for each column grow with the widest trial.
        let rows = trials.iter().filter_map(of).map(|block| block.rows()).max().unwrap_or(0);
        for factor in trials.iter().filter_map(of) {
            for i in 0..factor.rows() {
                data.extend_from_slice(factor.row(i));
                data.extend(std::iter::repeat_n(0.0, widest - factor.columns()));
            }
            data.extend(std::iter::repeat_n(0.0, (rows - factor.rows()) * widest));
        }
        (vec![trials.len(), rows, widest], data)
    };
    let names = trials.first().map(TrialSolution::names).unwrap_or_default();
    let first = trials.first().map(TrialSolution::product);
    // Complex factors are held as real parts above imaginary parts.
    let complex = first.is_some_and(|product| product.is_complex());
    let as_complex = |(shape, data): (Vec<usize>, Vec<f64>)| {
        let size = shape[1] * shape[2];
        (vec![shape[0], shape[1] / 2, shape[2]], data.chunks(size.max(1)).flat_map(in_turn).collect())
    };
    let block = |at: usize| if complex { as_complex(padded(at)) } else { padded(at) };
    let blocks: Vec<(Vec<usize>, Vec<f64>)> = (0..names.len()).map(block).collect();
    let signature = first.filter(|product| product.positive() < product.left().columns()).map(|product| {
        let positive = product.positive() as f64;
        [positive, product.left().columns() as f64 - positive]
    });
    let named = names.iter().zip(&blocks);
    let named = named.map(|(name, (shape, data))| match complex {
        true => (name.as_str(), NpzArray::Complex(shape, data)),
        false => (name.as_str(), NpzArray::Numbers(shape, data)),
    });
    let mut arrays: Vec<(&str, NpzArray<'_>)> = named.collect();
    arrays.extend(signature.iter().map(|signature| ("signature", NpzArray::Numbers(&[2], signature))));
    arrays.extend(more);
    write_npz_arrays(writer, &arrays)
}
