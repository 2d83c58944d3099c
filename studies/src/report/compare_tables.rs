//! Tables of a comparison: `table.csv`, `curves.csv`, and one for the terminal. A value that does not apply is an
//! empty field.

use std::io::{Result, Write};

use super::compare_rows::{ComparisonRow, NONE, level_word};
use super::tables::number;
use crate::compare::Comparison;

/// Quotes a field that may hold commas and quotes.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Writes `table.csv`: one line per contender with medians over trials; see [`ComparisonRow`].
///
/// # Errors
/// Those of `writer`.
pub fn write_comparison(writer: &mut impl Write, rows: &[ComparisonRow], levels: &[f64]) -> Result<()> {
    let of = |what: &str| -> String { levels.iter().map(|l| format!(",{what}_to_{}", level_word(*l))).collect() };
    writeln!(
        writer,
        "label,method,start,step_rule,step_size_min,step_size_max,status,trials,iterations{}{}{},error,train_loss,\
         seconds_per_iteration,passes_per_iteration,damping_floor_iterations,reason",
        of("iterations"),
        of("seconds"),
        of("trials"),
    )?;
    for row in rows {
        let ran = row.reason.is_none();
        let status: Vec<String> = row.statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let mut fields = vec![
            field(&row.label),
            row.method.word().to_owned(),
            row.start.map(|start| start.word().to_owned()).unwrap_or_default(),
            row.step_rule.map(|rule| rule.to_string()).unwrap_or_default(),
            number(row.step_size.map(|s| s.0)),
            number(row.step_size.map(|s| s.1)),
            if ran { status.join(" ") } else { "not run".into() },
            row.trials.to_string(),
            row.iterations.map(|v| v.to_string()).unwrap_or_default(),
        ];
        let at = |of: &dyn Fn(usize) -> String| -> Vec<String> { (0..levels.len()).map(of).collect() };
        let reached = |level: usize| row.reached.get(level);
        fields.extend(at(&|l| reached(l).and_then(|r| r.iterations).map(|v| v.to_string()).unwrap_or_default()));
        fields.extend(at(&|l| number(reached(l).and_then(|r| r.seconds))));
        fields.extend(at(&|l| reached(l).map(|r| r.trials.to_string()).unwrap_or_default()));
        fields.extend([
            number(row.error),
            number(row.train_loss),
            number(row.seconds_per_iteration),
            number(row.passes_per_iteration),
            if ran { row.damping_floor_iterations.to_string() } else { String::new() },
            field(row.reason.as_deref().unwrap_or_default()),
        ]);
        writeln!(writer, "{}", fields.join(","))?;
    }
    Ok(())
}

/// Writes `curves.csv`: one line per contender, trial and observation.
///
/// # Errors
/// Those of `writer`.
pub fn write_curves(writer: &mut impl Write, comparison: &Comparison) -> Result<()> {
    writeln!(writer, "label,method,trial,iteration,seconds,{},train_loss", comparison.metric.word())?;
    for entry in &comparison.entries {
        let name = format!("{},{}", field(&entry.label), entry.method.word());
        for p in entry.points() {
            let (error, loss) = (number(p.error), number(Some(p.train_loss)));
            writeln!(writer, "{name},{},{},{:.6},{error},{loss}", p.trial, p.iteration, p.seconds)?;
        }
    }
    Ok(())
}

/// Returns the table for a terminal, with a separate line for each contender that did not run.
pub fn comparison_text(rows: &[ComparisonRow], levels: &[f64]) -> String {
    let raised = rows.iter().any(|row| row.damping_floor_iterations > 0);
    let mut header = vec!["method".to_owned(), "start".into(), "step".into(), "status".into()];
    for level in levels {
        header.extend([format!("to {}", level_word(*level)), String::new()]);
    }
    header.extend(["error".to_owned(), "per iter.".into(), "passes".into()]);
    header.extend(raised.then(|| "raised".to_owned()));
    let ran = rows.iter().filter(|row| row.reason.is_none());
    let mut lines = vec![header];
    lines.extend(ran.map(|row| {
        let mut cells = vec![row.label.clone(), row.start_word().into(), row.step_words(), row.status_words()];
        (0..levels.len()).for_each(|level| {
            let (iterations, seconds) = row.reached_words(level);
            // One dash for both.
            let seconds = if seconds == NONE { String::new() } else { seconds };
            cells.extend([iterations, seconds]);
        });
        cells.extend([row.error_words(), row.pace_words(), row.passes_words()]);
        cells.extend(raised.then(|| row.damping_floor_iterations.to_string()));
        cells
    }));
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            // Words stand on the left, numbers on the right.
            .map(|(column, (cell, &width))| match column < 4 {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for (row, reason) in rows.iter().filter_map(|row| Some((row, row.reason.as_ref()?))) {
        text.push_str(&format!("{}: not run: {reason}\n", row.label));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_are_quoted() {
        assert_eq!(field("gd"), "gd");
        assert_eq!(field("say \"a, b\""), "\"say \"\"a, b\"\"\"");
    }
}
