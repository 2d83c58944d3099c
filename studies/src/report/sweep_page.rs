//! `sweep.html`, one self-contained file.

use super::heatmap::{Heatmap, tidy};
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

const STYLE: &str = "body{font:16px/1.55 system-ui,sans-serif;color:#262626;background:#fff;max-width:76rem;\
margin:2rem auto;padding:0 1.5rem}h1{font-size:1.7rem}h2{font-size:1.2rem;margin-top:2.2rem}p{max-width:48rem}\
figure{margin:1rem 0;overflow-x:auto}svg{max-width:100%;height:auto}.scroll{max-height:32rem;overflow:auto;\
border:1px solid #ddd}table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}\
th,td{padding:.22rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid #eee}\
th{position:sticky;top:0;background:#f5f5f2}.facts td{text-align:left;white-space:normal}\
pre{background:#f5f5f2;padding:.8rem 1rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}";

/// Returns the page as HTML.
///
/// # Errors
/// The plotting library's message.
pub fn sweep_page(page: &SweepPage<'_>) -> std::result::Result<String, String> {
    let SweepPage { grid, cells, map, environment, command, notices } = page;
    let svg = map.to_svg()?;
    let remarks: String =
        notices.iter().map(|notice| format!("<p><strong>Note.</strong> {}</p>\n", escape(notice))).collect();
    let facts: String =
        environment.iter().map(|(k, v)| format!("<tr><td>{}</td><td>{}</td></tr>\n", escape(k), escape(v))).collect();
    let line = if map.panels.iter().any(|p| p.line.is_some()) {
        " The orange line counts the degrees of freedom of such a matrix. Left of the line, unknowns outnumber measurements \
         and no method can succeed; the distance of the dark region from the line shows how many more measurements the method needs."
    } else {
        ""
    };
    let (method, operator, model) = (grid.method_in_use(), grid.operator.name, escape(&grid.model.to_string()));
    let (start, word) = (start(&method), escape(&method.to_string()));
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>lowrank sweep</title>\n\
         <style>{STYLE}</style></head><body>\n<h1>When does {word} recover the matrix?</h1>\n\
         <p>Each cell of the map stands for one setting. There, {} random n×{} matrices M of rank r* were drawn from the \
         model {model}, each seen only through m random measurements of the operator {operator}. The method {word}{start} \
         tried to find it again, for at most {} iterations. The number in a cell, where there is room, counts the \
         successes: runs that ended within a relative error ‖Z − M‖/‖M‖ of {:e}, where Z is what they found. Dark blue \
         means always, sand means never.{line} Along m and the noise the matrices, starts and noise directions are the same, so that neighbours \
         differ by that parameter only.</p>\n{remarks}<figure>{svg}</figure>\n<h2>Cells</h2>\n\
         <p>The interval is Wilson's, at 95 %. Errors are the median and quartiles of the relative error. \
         <code>cells.csv</code> holds this table, <code>sweep.csv</code> every solve with its seeds.</p>\n\
         <div class=\"scroll\"><table>\n{}</table></div>\n<h2>What was run</h2>\n<table class=\"facts\">\n{}</table>\n<h2>Where it was run</h2>\n<table class=\"facts\">\n{facts}</table>\n\
         <h2>Run it again</h2>\n<pre>{}</pre>\n</body></html>\n",
        grid.repetitions,
        if grid.n2.is_empty() { "n" } else { "n2" },
        grid.max_iterations,
        grid.success,
        table(grid, cells),
        ran(grid, &method),
        escape(command),
    ))
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
fn ran(grid: &Grid, method: &Method) -> String {
    let model = models::card(grid.model.word()).map_or("", |card| card.formula);
    let rows = [
        ("operator", grid.operator.name.to_owned(), grid.operator.formula),
        ("model", grid.model.to_string(), model),
        ("method", method.to_string(), method.card().formula),
    ];
    let row = |(name, word, formula): &(&str, String, &str)| {
        format!("<tr><td>{name} {}</td><td>{}</td></tr>\n", escape(word), escape(formula))
    };
    rows.iter().map(row).collect()
}

fn table(grid: &Grid, cells: &[CellSummary]) -> String {
    // What does not vary is said once, above the map.
    let varying: Vec<_> = grid.axes().into_iter().filter(|(_, v)| v.len() > 1).map(|(axis, _)| axis).collect();
    let mut out = String::from("<thead><tr>");
    varying.iter().for_each(|axis| out.push_str(&format!("<th>{}</th>", axis.label())));
    out.push_str(
        "<th>successes</th><th>rate</th><th>95 % interval</th><th>median error</th><th>quartiles</th>\
         <th>median iterations</th></tr></thead>\n<tbody>\n",
    );
    for c in cells {
        out.push_str("<tr>");
        varying.iter().for_each(|axis| out.push_str(&format!("<td>{}</td>", tidy(axis.of(&c.cell)))));
        out.push_str(&format!(
            "<td>{} of {}</td><td>{:.2}</td><td>{:.2} – {:.2}</td><td>{:.1e}</td><td>{:.1e} – {:.1e}</td><td>{}</td></tr>\n",
            c.successes,
            c.count,
            c.rate,
            c.wilson_low,
            c.wilson_high,
            c.median_relative_error,
            c.lower_quartile,
            c.upper_quartile,
            c.median_iterations,
        ));
    }
    out.push_str("</tbody>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
        assert_eq!(html.matches("<tr><td>").count(), 4 + 3 + 1);
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
