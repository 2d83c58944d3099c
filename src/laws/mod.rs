//! The laws that every operator obeys on every engine. The crate's conformance tests, `lowrank check` and users' own
//! operators run the same code.
//!
//! Tolerances are computed from the data (running error bounds), never constants.

#[cfg(feature = "gpu")]
mod adapters;
mod engine;
mod expected;
mod operator;
pub(crate) mod place;
pub(crate) mod verdicts;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::operators::Operator;

pub(crate) use place::{Held, LawOutcome, Place};

/// Checks every law on the Reference and Cpu backends. Definitions are evaluated entry by entry, so the operator should
/// be small. Returns the number of checks that held.
///
/// # Errors
/// [`Error::Law`] naming every violation.
pub fn check(operator: &dyn Operator) -> Result<usize> {
    check_at(operator, &Place::host())
}

/// Checks every law on one backend, like [`check`]: for operators with data for a graphics adapter.
///
/// # Errors
/// [`Error::Law`] naming every violation.
pub fn check_on(operator: &dyn Operator, backend: &Backend) -> Result<usize> {
    check_at(operator, &Place::on(backend))
}

fn check_at(operator: &dyn Operator, places: &[Place]) -> Result<usize> {
    let verdicts = verdicts::verdicts(operator, places);
    let violations: Vec<String> = (verdicts.iter())
        .filter_map(|v| v.outcome.as_ref().err().map(|why| format!("{} ({}): {why}", v.law, v.place)))
        .collect();
    if violations.is_empty() {
        Ok(verdicts.iter().filter(|v| v.outcome == Ok(Held::Holds)).count())
    } else {
        Err(Error::Law { operator: operator.name().to_owned(), violations: violations.join("; ") })
    }
}
