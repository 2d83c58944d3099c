//! Options for loading a problem.

use crate::engine::Precision;
use crate::gpu::text::Mutation;

/// Options for loading a problem on a GPU.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Precision of the arithmetic. Double needs an adapter with 64-bit shader numbers, see [`crate::gpu::Device`].
    pub precision: Precision,
    /// Largest panel in bytes; a panel has at least one row. Default: the adapter's binding limit.
    pub panel_bytes: Option<u64>,
    /// Limit on device memory in bytes, for all that an engine holds there. Measurement data beyond it are streamed to
    /// the device in every iteration. Default: all device memory; data that do not fit are streamed.
    pub memory_bytes: Option<u64>,
    /// Paranoid mode for tests: fills every output with a NaN before each `evaluate`, and fails where an output was not
    /// overwritten or a kernel wrote past an end. Slow.
    pub paranoid: bool,
    /// Whether to time the kernel variants again and ignore earlier timings of this machine.
    pub retune: bool,
    /// Whether every register gets a readable buffer, even one that lives within a kernel: for tests.
    #[doc(hidden)]
    pub readable: bool,
    #[doc(hidden)]
    pub mutations: Vec<Mutation>,
    /// Bytes of panels beyond which the device runs out of memory: for tests.
    #[doc(hidden)]
    pub fails_beyond: Option<u64>,
}
