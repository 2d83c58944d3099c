mod backend;
pub mod diagnostics;
pub mod engine;
mod error;
pub mod gpu;
mod host;
pub mod io;
pub mod laws;
mod linalg;
pub mod methods;
pub mod operators;
pub mod problem;
mod real;
pub mod report;
pub mod solver;

pub use backend::Backend;
pub use engine::Precision;
pub use error::{Error, Result};
pub use methods::Method;
pub use real::Real;
pub use solver::{
    Init, Problem, Progress, Schedule, Settings, Solution, Solver, Status, Stop, TraceRow, Trial, TrialParameters,
    TrialSolution,
};
