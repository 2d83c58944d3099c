//! The choice of the search rank and the ridge before a run.

use std::sync::atomic::AtomicBool;

use lowrank::selection::{CrossValidation, Selection};
use lowrank::{Backend, Error, Problem, Result, Settings};
use lowrank_studies::report::readable;

use super::outputs::Paths;
use crate::progress::Bar;

/// Refuses an output of a choice that nobody asked for.
pub fn check(choice: Option<&CrossValidation>, paths: &Paths) -> Result<()> {
    match (choice, paths.get("selection")) {
        (None, Some(path)) => Err(Error::invalid(
            "selection",
            format!("'{}'", path.display()),
            "nothing without --search-rank auto or --ridge auto",
            "leave it out, or say what is to be chosen",
        )),
        _ => Ok(()),
    }
}

/// Chooses, and returns the settings of the run with what it says about them. Where it was interrupted nothing is chosen,
/// and the run after it ends at once.
pub fn chosen(
    choice: &CrossValidation,
    (problem, settings): (&Problem, Settings),
    backend: &Backend,
    (interrupted, quiet): (&AtomicBool, bool),
) -> Result<(Settings, Option<Selection>, Vec<String>)> {
    let bar = Bar::new(interrupted, !quiet);
    let found =
        choice.choose(problem, &settings, backend, |progress| bar.observe_named("cross-validation, ", progress))?;
    bar.finish();
    Ok(match found {
        Some(found) => (found.settings(settings), Some(found.clone()), found.notices()),
        None => (settings, None, vec!["interrupted during the cross-validation: nothing was chosen".into()]),
    })
}

/// The table of all candidates.
pub fn table(selection: &Selection) -> String {
    let ridges = selection.has_ridges();
    let column = |text: &str| if ridges { format!("{text:>10} ") } else { String::new() };
    let mut text = format!("{:>11} {}{:>13} {:>10}\n", "search_rank", column("ridge"), "held_out_rmse", "std_error");
    let number = |value: Option<f64>| value.map_or_else(|| "-".into(), readable);
    for (at, of) in selection.candidates.iter().enumerate() {
        let said = match (selection.predicts && at == selection.chosen, at == selection.lowest) {
            (true, true) => "  chosen, lowest",
            (true, false) => "  chosen",
            (false, true) => "  lowest",
            (false, false) => "",
        };
        let (rank, ridge) = (of.search_rank, column(&readable(of.ridge)));
        text.push_str(&format!("{rank:>11} {ridge}{:>13} {:>10}{said}\n", number(of.rmse), number(of.standard_error)));
    }
    text
}
