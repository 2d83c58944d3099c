//! `report.html` of a comparison, one self-contained file.

use super::compare_figure::{Over, comparison_figure};
use super::compare_rows::{ComparisonRow, NONE, comparison_rows, level_word};
use super::html::Page;
use crate::compare::{Comparison, Start};

/// Contents of the page.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonPage<'a> {
    pub comparison: &'a Comparison,
    pub levels: &'a [f64],
    /// Problem in a few words: `60×60, 1800 measurements`.
    pub problem: &'a str,
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
pub fn comparison_page(page: &ComparisonPage<'_>) -> std::result::Result<String, String> {
    let ComparisonPage { comparison, levels, problem, environment, command, notices } = *page;
    let rows = comparison_rows(comparison, levels);
    let trials = comparison.entries.iter().map(|entry| entry.solution.trials.len()).max().unwrap_or(0);
    let mut html = Page::new("Which method recovers this matrix, and how fast?");
    html.paragraph(&format!("The problem: {problem}. {}", comparison.metric.sentence()));
    html.paragraph(&format!(
        "{} The methods ran one after the other on the same machine, so their times do not affect each other. \
         Seconds count from the start of the iteration and include observations. {}",
        starts(comparison),
        match trials {
            1 => String::new(),
            _ => format!(
                "Each method ran {trials} trials in one batch: curves and numbers are medians over the trials; \
                 seconds are those of the batch."
            ),
        }
    ));
    if comparison.interrupted {
        html.paragraph("The comparison was interrupted: the last method is incomplete, and later methods are missing.");
    }
    for (over, heading, caption) in [
        (
            Over::Iterations,
            "Error over iterations",
            "An iteration reads the measurements once, twice or in part, depending on the method: the table below \
             counts the passes.",
        ),
        (
            Over::Seconds,
            "Error over seconds",
            "The same runs over wall-clock time, without loading and compiling. Errors far above that of the start \
             lie outside both figures.",
        ),
    ] {
        html.heading(heading);
        html.figure(&comparison_figure(comparison, over)?, caption);
    }
    html.heading("When each error was reached");
    let raised = match rows.iter().any(|row| row.damping_floor_iterations > 0) {
        true => "; raised counts the iterations of all trials in which the damping floor kept a matrix invertible",
        false => "",
    };
    html.paragraph(&format!(
        "Iterations and time to the first observation whose error is at most that of the column; the shortest time \
         of a column is green. Passes count how often an iteration reads the measurements{raised}."
    ));
    table(&mut html, &rows, levels);
    let absent: Vec<_> = rows.iter().filter_map(|row| Some((row, row.reason.as_ref()?))).collect();
    if !absent.is_empty() {
        html.heading("Not run");
        let cells = absent.iter().map(|(row, reason)| vec![(row.label.clone(), ""), ((*reason).clone(), "")]);
        html.table(&["method", "reason"], &cells.collect::<Vec<_>>());
    }
    html.heading("The methods");
    let mut cards: Vec<_> = comparison.entries.iter().map(|entry| entry.method.card()).collect();
    let words: Vec<&str> = cards.iter().map(|card| card.word).collect();
    let mut at = 0..;
    // Each method once, however many of its settings are compared.
    cards.retain(|card| at.next().is_some_and(|at: usize| !words[..at].contains(&card.word)));
    let cells = cards.iter().map(|c| vec![(c.word.into(), ""), (c.formula.into(), ""), (c.source.into(), "")]);
    html.table(&["method", "iteration", "source"], &cells.collect::<Vec<_>>());
    html.heading("Environment, and the command to repeat the comparison");
    let cells = environment.iter().map(|(name, value)| vec![(name.clone(), ""), (value.clone(), "")]);
    html.table(&["what", "value"], &cells.collect::<Vec<_>>());
    notices.iter().for_each(|notice| html.paragraph(&format!("Note: {notice}.")));
    html.verbatim(command);
    html.paragraph(
        "Data: curves.csv (every observation), table.csv, compare.json; figures: error-iterations.svg, \
                    error-seconds.svg.",
    );
    Ok(html.finish())
}

/// Returns a sentence about the starts.
fn starts(comparison: &Comparison) -> String {
    let of = |start: Start| -> Vec<&str> {
        comparison.entries.iter().filter(|e| e.start == start).map(|e| e.label.as_str()).collect()
    };
    let all = |labels: &[&str]| labels.len() == comparison.entries.len();
    let (random, spectral, given) = (of(Start::Random), of(Start::Spectral), of(Start::Given));
    if all(&random) {
        "All methods began at the same small random start.".into()
    } else if all(&given) {
        "All methods began at the given factors.".into()
    } else if all(&spectral) {
        "All methods began at the spectral start, the leading eigenvectors of s·A*(y).".into()
    } else {
        format!(
            "{} began at the spectral start, the leading eigenvectors of s·A*(y); the others began at the same \
             small random start.",
            spectral.join(" and ")
        )
    }
}

/// Returns `IterationLimit` as `iteration limit`, which a narrow column can break.
fn spaced(words: &str) -> String {
    let mut out = String::new();
    for letter in words.chars() {
        if letter.is_uppercase() && out.ends_with(char::is_lowercase) {
            out.push(' ');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn table(html: &mut Page, rows: &[ComparisonRow], levels: &[f64]) {
    let raised = rows.iter().any(|row| row.damping_floor_iterations > 0);
    let headings: Vec<String> = levels.iter().map(|level| format!("to {}", level_word(*level))).collect();
    let mut header = vec!["method", "start", "step", "status"];
    header.extend(headings.iter().map(String::as_str));
    header.extend(["final error", "per iteration", "passes"]);
    header.extend(raised.then_some("raised"));
    let fewest = |level: usize| {
        let seconds = rows.iter().filter_map(|row| row.reached.get(level)?.seconds);
        seconds.fold(f64::INFINITY, f64::min)
    };
    let ran = rows.iter().filter(|row| row.reason.is_none()).map(|row| {
        let mut cells = vec![
            (row.label.replace([':', ';'], " "), ""),
            (row.start_word().to_owned(), ""),
            (row.step_words(), "number"),
            (spaced(&row.status_words()), ""),
        ];
        for level in 0..levels.len() {
            let (iterations, seconds) = row.reached_words(level);
            let best = row.reached.get(level).and_then(|r| r.seconds) == Some(fewest(level));
            let text = if iterations == NONE { NONE.to_owned() } else { format!("{iterations}, {seconds}") };
            cells.push((text, if best { "good" } else { "number" }));
        }
        cells.extend([(row.error_words(), "number"), (row.pace_words(), "number"), (row.passes_words(), "number")]);
        cells.extend(raised.then(|| (row.damping_floor_iterations.to_string(), "")));
        cells
    });
    html.table(&header, &ran.collect::<Vec<_>>());
}
