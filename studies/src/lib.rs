//! Studies with [`lowrank`]: whole experiments and their reports.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mod@bench`] | the time of an iteration, beside what the memory gives |
//! | [`soak`] | random problems without end: laws, runs against Reference, faults |
//! | [`sweep`] | phase transitions: grids of problems, their success rates, journals |
//! | [`mod@compare`] | several methods on one problem, one after the other |
//! | [`report`] | report.json, trace.csv, trials.csv, figures, pieces of a page; those of sweeps and comparisons |
//! | [`reproduce`] | published experiments: settings → runs → claims and figures |
//!
//! Modules import only from those above them, which `tests/architecture` checks. Nothing here prints.

pub mod bench;
pub mod compare;
pub mod report;
pub mod reproduce;
pub mod soak;
pub mod sweep;
