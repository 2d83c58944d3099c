//! Tables `sweep.csv` and `cells.csv`. A value that does not apply is an empty field.

use std::io::{Result, Write};

use super::tables::number;
use crate::sweep::{Cell, CellSummary, Grid, Outcome, Sweep};

const CELL: &str = "n,rank,condition_number,measurements,noise_std,search_rank,init_scale,step_size,degrees_of_freedom";

/// Writes a cell's coordinates. α and μ are separate: a solve has the values it ran with, a cell those of the grid.
fn coordinates(cell: &Cell, init_scale: Option<f64>, step_size: Option<f64>) -> String {
    format!(
        "{},{},{},{},{},{},{},{},{}",
        cell.n,
        cell.rank,
        cell.condition_number,
        cell.measurements,
        cell.noise_std,
        cell.search_rank,
        number(init_scale),
        number(step_size),
        cell.degrees_of_freedom,
    )
}

/// Coordinates that came later, at the end of a line.
const LATER: &str = "n2,ridge";

fn later(cell: &Cell) -> String {
    format!("{},{}", cell.n2, number(cell.ridge))
}

/// What all lines of a sweep share: operator, model and method, so that tables of several sweeps can be joined.
fn shared(grid: &Grid) -> String {
    // Parameters may hold commas, never quotes.
    let quoted = |text: String| if text.contains(',') { format!("\"{text}\"") } else { text };
    let (model, method) = (grid.model.to_string(), grid.method_in_use().to_string());
    format!("{},{},{}", grid.operator.name, quoted(model), quoted(method))
}

/// Writes `sweep.csv`: one line per solve with an outcome, in the order of the plan. `seconds` is the solve's share
/// of its batch's time. Columns are only ever appended.
///
/// # Errors
/// Those of `writer`.
pub fn write_solves(writer: &mut impl Write, sweep: &Sweep, outcomes: &[Option<Outcome>]) -> Result<()> {
    writeln!(
        writer,
        "solve,{CELL},repetition,operator_seed,operator_rows,truth_seed,noise_seed,init_seed,status,iterations,\
         train_loss,relative_error,success,seconds,operator,model,method,{LATER}"
    )?;
    let shared = shared(sweep.grid());
    let rows = sweep.operator_rows();
    for (solve, outcome) in outcomes.iter().enumerate() {
        let Some(o) = outcome else { continue };
        let (cell, repetition, seeds) = sweep.solve(solve);
        writeln!(
            writer,
            "{solve},{},{repetition},{},{},{},{},{},{},{},{},{},{},{:.6},{shared},{}",
            coordinates(cell, o.init_scale, o.step_size),
            seeds.operator,
            rows[solve],
            seeds.truth,
            seeds.noise,
            seeds.init,
            o.status,
            o.iterations,
            number(Some(o.train_loss)),
            number(Some(o.relative_error)),
            u8::from(o.succeeded(sweep.grid().success)),
            o.seconds,
            later(cell),
        )?;
    }
    Ok(())
}

/// Writes `cells.csv`: one line per cell. Columns are only ever appended.
///
/// # Errors
/// Those of `writer`.
pub fn write_cells(writer: &mut impl Write, grid: &Grid, cells: &[CellSummary]) -> Result<()> {
    writeln!(
        writer,
        "{CELL},count,successes,rate,wilson_low,wilson_high,median_relative_error,lower_quartile,upper_quartile,\
         median_iterations,operator,model,method,{LATER}"
    )?;
    let shared = shared(grid);
    for c in cells {
        writeln!(
            writer,
            "{},{},{},{:.6},{:.6},{:.6},{},{},{},{},{shared},{}",
            coordinates(&c.cell, c.cell.init_scale, c.cell.step_size),
            c.count,
            c.successes,
            c.rate,
            c.wilson_low,
            c.wilson_high,
            number(Some(c.median_relative_error)),
            number(Some(c.lower_quartile)),
            number(Some(c.upper_quartile)),
            c.median_iterations,
            later(&c.cell),
        )?;
    }
    Ok(())
}
