//! How a problem is loaded on a device.

use crate::engine::Precision;

/// Replaces `find` by `replace` in one shader file before it is compiled, to show that the tests see a broken kernel.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// Path under `shaders/`, or `generated/` and the name of what is generated.
    pub file: &'static str,
    /// Text that occurs exactly once in the file; of what is generated, in those that have it at all.
    pub find: &'static str,
    pub replace: &'static str,
}

/// How a problem is loaded on a device.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Of the arithmetic. Double needs an adapter with 64-bit shader numbers.
    pub precision: Precision,
    /// Forces panels of at most this many bytes, but of a row at least. Default: as large as the adapter binds.
    pub panel_bytes: Option<u64>,
    /// Device memory to get along with, for everything that an engine holds there. Measurement data beyond it are brought
    /// to the device in every iteration. Default: all there is, and where it runs out while they are loaded, the same.
    pub memory_bytes: Option<u64>,
    /// Fills every output with a NaN before each `evaluate`, and fails afterwards where one was not overwritten or
    /// where a kernel wrote past an end. Slow: for tests.
    pub paranoid: bool,
    /// Times kernel variants anew, whatever was measured on this machine before.
    pub retune: bool,
    /// Gives every register a buffer, also those that live within a kernel, so that all can be read: for tests.
    #[doc(hidden)]
    pub readable: bool,
    #[doc(hidden)]
    pub mutations: Vec<Mutation>,
    /// Makes the device run out of memory where the panels take more than this: for tests.
    #[doc(hidden)]
    pub fails_beyond: Option<u64>,
}
