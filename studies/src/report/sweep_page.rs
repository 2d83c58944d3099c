//! `sweep.html`, one self-contained file.

use super::heatmap::{Heatmap, tidy};
use super::html::Page;
use crate::sweep::{CellSummary, Grid};
use lowrank::methods::{Method, StartKind};
use lowrank::models;

/// Contents of the page.
#[derive(Clone, Copy, Debug)]
pub struct SweepPage<'a> {
    pub grid: &'a Grid,
    pub cells: &'a [CellSummary],
    pub map: &'a Heatmap,
    /// Environment as names and values: machine, backend, times.
    pub environment: &'a [(String, String)],
    /// Command that reproduces the page.
    pub command: &'a str,
    pub notices: &'a [String],
}

/// Returns the page as HTML.
///
/// # Errors
/// The plotting library's message.
pub fn sweep_page(page: &SweepPage<'_>) -> std::result::Result<String, String> {
    let SweepPage { grid, cells, map, environment, command, notices } = *page;
    let method = grid.method_in_use();
    let mut html = Page::new(&format!("When does {method} recover the matrix?"));
    html.paragraph(&about(grid, map, &method));
    notices.iter().for_each(|notice| html.paragraph(&format!("Note: {notice}.")));
    html.map(&map.to_svg()?, "Success rates: dark blue means always, sand means never.");
    html.heading("Cells");
    html.paragraph(
        "The interval is Wilson's, at 95 %. Errors are the median and quartiles of the relative error. cells.csv holds this \
         table, sweep.csv every solve with its seeds.",
    );
    table(&mut html, grid, cells);
    html.heading("What was run");
    html.table(&["what", "formula"], &ran(grid, &method));
    html.heading("Where it was run");
    let facts: Vec<_> = environment.iter().map(|(name, value)| vec![(name.clone(), ""), (value.clone(), "")]).collect();
    html.table(&["what", "value"], &facts);
    html.heading("Run it again");
    html.verbatim(command);
    Ok(html.finish())
}

/// What a cell of the map means.
fn about(grid: &Grid, map: &Heatmap, method: &Method) -> String {
    let line = if map.panels.iter().any(|p| p.line.is_some()) {
        " The orange line counts the degrees of freedom of such a matrix. Left of the line, unknowns outnumber measurements \
         and no method can succeed; the distance of the dark region from the line shows how many more measurements the method needs."
    } else {
        ""
    };
    format!(
        "Each cell of the map stands for one setting. There, {} random n×{} matrices M of rank r* were drawn from the model \
         {}, each seen only through m random measurements of the operator {}. The method {method}{} tried to find it again, \
         for at most {} iterations. The number in a cell, where there is room, counts the successes: runs that ended within \
         a relative error ‖Z − M‖/‖M‖ of {:e}, where Z is what they found.{line} Along m and the noise the matrices, starts \
         and noise directions are the same, so that neighbours differ by that parameter only.",
        grid.repetitions,
        if grid.n2.is_empty() { "n" } else { "n2" },
        grid.model,
        grid.operator.name,
        start(method),
        grid.max_iterations,
        grid.success,
    )
}

/// Where a method begins, to follow its name.
fn start(method: &Method) -> &'static str {
    match method.start(None) {
        StartKind::SmallRandom => " from a small random start",
        StartKind::Spectral => " from a spectral start",
        _ => "",
    }
}

/// Operator, model and method with their formulas, as rows.
fn ran(grid: &Grid, method: &Method) -> Vec<Vec<(String, &'static str)>> {
    let model = models::card(grid.model.word()).map_or("", |card| card.formula);
    let rows = [
        ("operator", grid.operator.name.to_owned(), grid.operator.formula),
        ("model", grid.model.to_string(), model),
        ("method", method.to_string(), method.card().formula),
    ];
    rows.map(|(name, word, formula)| vec![(format!("{name} {word}"), ""), (formula.to_owned(), "")]).to_vec()
}

fn table(html: &mut Page, grid: &Grid, cells: &[CellSummary]) {
    // What does not vary is said once, above the map.
    let varying: Vec<_> = grid.axes().into_iter().filter(|(_, v)| v.len() > 1).map(|(axis, _)| axis).collect();
    let mut header: Vec<&str> = varying.iter().map(|axis| axis.label()).collect();
    header.extend(["successes", "rate", "95 % interval", "median error", "quartiles", "median iterations"]);
    let row = |c: &CellSummary| {
        let found = [
            format!("{} of {}", c.successes, c.count),
            format!("{:.2}", c.rate),
            format!("{:.2} – {:.2}", c.wilson_low, c.wilson_high),
            format!("{:.1e}", c.median_relative_error),
            format!("{:.1e} – {:.1e}", c.lower_quartile, c.upper_quartile),
            c.median_iterations.to_string(),
        ];
        varying.iter().map(|axis| tidy(axis.of(&c.cell))).chain(found).map(|text| (text, "number")).collect()
    };
    html.table(&header, &cells.iter().map(row).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::success_map;
    use crate::sweep::summarise;
    use lowrank::internals::operators::Registration;
    use lowrank::models::Model;

    #[test]
    fn the_page_is_whole_and_escapes() {
        let grid =
            Grid { n: vec![12], rank: vec![1, 2], measurements: vec![20, 40], repetitions: 1, ..Grid::default() };
        let cells = summarise(&grid.cells(), 1, grid.success, &[None; 4]);
        let page = SweepPage {
            grid: &grid,
            cells: &cells,
            map: &success_map(&grid, &cells),
            environment: &[("processor".into(), "A & B".into())],
            command: "lowrank sweep --out 'a<b'",
            notices: &["doubt".into()],
        };
        let html = sweep_page(&page).unwrap();
        for wanted in ["<svg", "A &amp; B", "'a&lt;b'", "doubt", "Wilson", "orange line", "</html>"] {
            assert!(html.contains(wanted), "{wanted}");
        }
        assert_eq!(html.matches("<tr><td").count(), 4 + 3 + 1);
        // What ran is named, and nothing else.
        for wanted in ["When does pursuit recover", "model psd", "operator dense", "Success rate of pursuit"] {
            assert!(html.contains(wanted), "{wanted}");
        }
        assert!(!html.to_lowercase().contains("gradient descent") && !html.contains("Gaussian"));
        let (operator, method) = (Registration::find("entries").unwrap(), Some(Method::gd().into()));
        let grid = Grid { operator, model: Model::asymmetric(), method, ..grid.clone() };
        let html = sweep_page(&SweepPage { grid: &grid, map: &success_map(&grid, &cells), ..page }).unwrap();
        for wanted in
            ["The method gd from a small random start", "model asymmetric", "operator entries", "r (n1 + n2 − r)"]
        {
            assert!(html.contains(wanted), "{wanted}");
        }
        assert!(!html.contains("http-equiv") && !html.contains("<script") && !html.contains("src="), "self-contained");
    }
}
