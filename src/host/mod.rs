//! Engines on the processor: the sequential f64 oracle and the production path.

mod cpu;
mod reference;
mod spectrum;

pub(crate) use cpu::load as load_cpu;
pub(crate) use reference::load as load_reference;
pub(crate) use spectrum::{adjoint_norm, measure};
