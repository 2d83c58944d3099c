//! Compiled kernels, and a device's cache of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::options::Checks;

/// Access of a kernel to an operand.
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

/// Most kernels that a device keeps, enough for several engines. A software adapter keeps a megabyte of code for each.
const KEPT: usize = 128;

/// The cache of kernels compiled on a device. Later engines reuse them, so many solves on one device (a sweep, a rerun,
/// every call from an interpreter) compile once.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    kernels: Mutex<HashMap<Origin, Kernel>>,
    times: Mutex<BTreeMap<&'static str, CompileTime>>,
}

/// Time that the kernels of one module took to compile: translation of the module and creation of its pipelines. Some
/// drivers compile later, at the first dispatch, which is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileTime {
    /// Name of the module.
    pub module: &'static str,
    /// Number of kernels compiled, once for each problem size.
    pub kernels: usize,
    /// Time of all of them.
    pub total: Duration,
    /// Time of the slowest.
    pub longest: Duration,
}

impl Compiled {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Kernel>> {
        // An entry is inserted as a whole, so the map stays valid.
        self.kernels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Empties the cache after a device fault, which may have left invalid kernels.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// Counts a compilation.
    pub(super) fn took(&self, module: &'static str, time: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = times.entry(module).or_insert_with(|| CompileTime { module, ..CompileTime::default() });
        entry.kernels += 1;
        entry.total += time;
        entry.longest = entry.longest.max(time);
    }

    /// Times of all modules, the longest total first.
    pub(super) fn times(&self) -> Vec<CompileTime> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<CompileTime> = times.values().cloned().collect();
        all.sort_by_key(|time| std::cmp::Reverse(time.total));
        all
    }

    pub(super) fn keep(&self, origin: Origin, kernel: &Kernel) {
        let mut kernels = self.lock();
        if kernels.len() >= KEPT {
            kernels.clear();
        }
        kernels.insert(origin, kernel.clone());
    }
}

/// Everything that a compiled kernel depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) text: Arc<str>,
    pub(super) checks: Checks,
    pub(super) entry: String,
    pub(super) first_binding: u32,
    pub(super) operands: Vec<Access>,
    /// Number of data buffers of its panel.
    pub(super) panel: Option<u32>,
}
