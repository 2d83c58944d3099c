pub mod engine;
mod error;
pub mod gpu;
pub mod methods;
pub mod operators;
pub mod problem;
mod real;
pub use error::{Error, Result};
pub use real::Real;
