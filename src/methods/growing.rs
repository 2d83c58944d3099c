//! What methods with a growing rank share.

use crate::error::{Error, Result};
use crate::methods::card::TrialNumbers;
use crate::models::Model;

/// Share of ‖y‖ below which a residual is zero, in f64.
pub(super) const ZERO: f64 = 1e-13;

/// Refuses models whose columns are not singular vectors times roots of their values.
///
/// # Errors
/// [`Error::Unsupported`].
pub(super) fn check_model(word: &str, model: &Model) -> Result<()> {
    if model.takes_roots() || model.recorded().positive().is_some() {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: format!("the method {word} for the model {}", model.word()),
        fix: "use lbfgs, cg or prec-gd".into(),
    })
}

/// Values of the parameters that their tapes declare.
pub(super) fn numbers(trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
    vec![
        ("measurements", trial.measurements as f64),
        ("most columns", trial.search_rank as f64),
        ("normalization", trial.normalization),
    ]
}

/// A ledger that no iteration writes.
pub(super) fn damaged() -> Error {
    let fix = "the checkpoint is damaged, or another program wrote it: start a new run";
    Error::invalid("state 'ledger'", "numbers that no run produces", "numbers saved by a run", fix)
}
