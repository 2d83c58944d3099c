//! The place of an option in the identity of a run.

use serde_json::Value;

use crate::solver::plan::Task;

/// Level of the comparison of two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The loaded engine; both runs have the same operator.
    Engine,
    /// Data, settings and start: everything that the numbers of a run depend on.
    Run,
}

pub(crate) const ENGINE: &[Level] = &[Level::Engine];
pub(crate) const RUN: &[Level] = &[Level::Run];
pub(crate) const BOTH: &[Level] = &[Level::Engine, Level::Run];

/// Place of an option in the identity of a run.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// An entry of the option's name, at these levels, with this value.
    Entry(&'static [Level], fn(Task<'_>) -> Value),
    /// Shows in this entry, whose value it decides together with others: the trials, the start, or data.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test looks up the entry"))]
    Within(&'static str),
    /// In no identity: a limit, what is watched, or where and how the run is computed.
    Apart,
    /// In no identity, and no part of an experiment: where the run is saved.
    Destination,
}
