//! Compiled kernels, and those that a device keeps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a kernel uses an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Read,
    Write,
}
pub(super) use Access::{Read, Write};

/// A compiled kernel and the layout of its operands.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) operands: wgpu::BindGroupLayout,
    pub(super) first_binding: u32,
}

/// Kernels that a device keeps at most, several engines' worth; a software adapter keeps a megabyte of code for each.
const KEPT: usize = 128;

/// The kernels that a device has compiled. An engine takes from here what one before it compiled, so that many solves on
/// one device (a sweep, a rerun, every call from an interpreter) compile once.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    kernels: Mutex<HashMap<Origin, Kernel>>,
}

impl Compiled {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Kernel>> {
        // Entries are inserted whole.
        self.kernels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// After a fault of the device, which may have left invalid kernels behind.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    pub(super) fn keep(&self, origin: Origin, kernel: &Kernel) {
        let mut kernels = self.lock();
        if kernels.len() >= KEPT {
            kernels.clear();
        }
        kernels.insert(origin, kernel.clone());
    }
}

/// All that a compiled kernel depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) text: Arc<str>,
    pub(super) entry: String,
    pub(super) first_binding: u32,
    pub(super) operands: Vec<Access>,
    /// Data buffers of its panel.
    pub(super) panel: Option<u32>,
}
