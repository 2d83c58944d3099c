//! The option of a fixed trace.

use serde_json::json;

use crate::options::OptionKind::Number;
use crate::options::{METHOD, OptionCard};
use crate::solver::apply::put;
use crate::solver::place::{BOTH, Place};
use crate::solver::settings::Settings;

use super::{Row, SOLVE};

/// t of tr(U Uᴴ) = t.
pub(super) const FIXED_TRACE: Row = (
    OptionCard::new(
        "fixed_trace",
        Number,
        "t",
        METHOD,
        "Fix the trace of a psd solution, 1 for a quantum state: U is scaled to ‖U‖² = t after every step; methods without such steps \
         run freely first",
    )
    .of(SOLVE)
    .chosen("free"),
    Place::Entry(BOTH, |t| json!(t.settings.fixed_trace)),
    |settings, of| Ok(put(settings, of.one("fixed_trace")?, Settings::fixed_trace)),
);
