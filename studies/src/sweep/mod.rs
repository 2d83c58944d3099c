//! Phase transitions: a grid of problems, each solved many times with fresh truths, and how often that succeeds.
//!
//! A [`Grid`] lists values; a [`Cell`] is one combination of them; a *solve* is one repetition of a cell. Solves are
//! numbered cell by cell, repetitions running fastest. What a solve is made of depends on the grid's seed and on the
//! coordinates that matter, never on how the work is cut up (see [`Grid::seeds`]):
//!
//! A grid names the operator, the model and the method that all solves share. Without a method the solver chooses one.
//!
//! | drawn | depends on | hence |
//! |---|---|---|
//! | A | n, n2 (and the repetition, with `vary_operator`) | the first m rows are the operator of m measurements |
//! | X, noise, start | n, n2, rank, κ, repetition | along m, noise, k, α, μ and the ridge only that parameter changes |
//!
//! **How the work is cut.** One read of the measurements advances every trial of a batch, but a trial of few rows pays
//! for all rows of the operator it shares. `schedule` weighs the two and decides which solves share an operator and how
//! many rows that has: a function of the grid and the kind of backend only, so that results do not depend on the batch
//! size, on interruptions or on the machine's load. Groups are then cut into batches of bounded size.

mod axis;
mod grid;
mod journal;
mod options;
mod probes;
mod run;
mod schedule;
mod seeds;
mod statistics;

pub use axis::{Axis, Cell};
pub use grid::Grid;
pub use journal::Journal;
pub use options::{BATCH, OPTIONS, operator};
pub use run::{Outcome, Sweep, SweepProgress};
pub use seeds::Seeds;
pub use statistics::{CellSummary, quantile, summarise, wilson};
