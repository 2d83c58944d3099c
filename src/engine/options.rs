//! Options for loading a problem on a device.

use crate::engine::Precision;

/// Replaces `find` by `replace` in one shader file before it is compiled, to show that the tests detect a broken
/// kernel.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// Path under `shaders/`, or `generated/` and the name of a generated text.
    pub file: &'static str,
    /// Text to replace. It occurs exactly once in a file; in generated texts, wherever it occurs.
    pub find: &'static str,
    /// Replacement text.
    pub replace: &'static str,
}

/// Runtime checks that the shader translator adds to kernels. No check changes a result, since kernels stay within their
/// buffers and their loops end: the laws run with and without them and compare bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checks {
    /// Every index and every loop is checked.
    All,
    /// Loops have a bound of 2⁶⁴ rounds, which some compilers need in order to translate loops correctly.
    Loops,
    /// None.
    Off,
}

words!(Checks as "checks" { All => "all", Loops => "loops", Off => "off" });

/// Options for loading a problem on a device.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Precision of the arithmetic. Double needs an adapter with 64-bit shader numbers.
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
    /// Runtime checks of kernels. Default: those of the device.
    pub checks: Option<Checks>,
    /// Whether every register gets a readable buffer, even one that lives within a kernel: for tests.
    #[doc(hidden)]
    pub readable: bool,
    #[doc(hidden)]
    pub mutations: Vec<Mutation>,
    /// Bytes of panels beyond which the device runs out of memory: for tests.
    #[doc(hidden)]
    pub fails_beyond: Option<u64>,
}
