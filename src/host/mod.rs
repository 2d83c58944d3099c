//! Engines on the processor: the sequential f64 oracle and the production path.

mod awake;
pub(crate) mod centre;
mod choice;
mod cpu;
mod gather;
mod measure;
mod reference;
pub(crate) mod stages;
mod work;

pub(crate) use cpu::load as load_cpu;
pub(crate) use measure::{adjoint, adjoint_transposed, measure};
pub(crate) use reference::load as load_reference;
