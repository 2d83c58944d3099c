//! The contract of a host kernel whose adjoint is gathered line by line.

use std::ops::Range;

use crate::operators::InstructionSet;
use crate::real::Real;

/// A factor of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// n1 lines.
    Left,
    /// n2 lines.
    Right,
}

/// A factor, row-major, each row padded with zeros to `stride` numbers, whole units of 64 bytes that begin at multiples of 64.
#[derive(Clone, Copy)]
pub struct Lines<'a, T> {
    pub values: &'a [T],
    pub stride: usize,
}

/// A gradient for operators of which every measurement touches few lines of the factors, so that an accumulator a shard
/// as [`crate::operators::HostKernel`] has it would be mostly zeros. The engine first calls `forward` for all shards, forms the
/// coefficients cᵢ = wᵢ ρ′(eᵢ), and then lets each block of lines of the gradient gather what concerns it. Every
/// number is written by one task, in an order that depends on the operator alone; trials are computed one by one. Engines do not
/// use it for operators whose residuals are centred.
pub trait GatherKernel<T: Real>: Send + Sync {
    /// As that of [`crate::operators::HostKernel`], of gradients of one factor or of two.
    fn read_bytes(&self, factors: usize) -> Option<u64> {
        let _ = factors;
        None
    }

    /// ⟨Aᵢ, L Rᵀ⟩ for the measurements of a range, overwriting `out`. For one factor both are the same slice.
    fn forward(&self, set: InstructionSet, range: Range<usize>, left: Lines<'_, T>, right: Lines<'_, T>, out: &mut [T]);

    /// Ranges of lines that cover the side in order, of about equal work. They depend on the operator only.
    fn blocks(&self, side: Side) -> &[Range<usize>];

    /// Lines `lines` of Σ cᵢ Aᵢ V, or on the right side of Σ cᵢ Aᵢᵀ W (on symmetric domains too), overwriting `out`: (lines, k) without padding. `applied`
    /// is V, or W, and `coefficients` are all m of them.
    fn gather(
        &self,
        set: InstructionSet,
        side: Side,
        lines: Range<usize>,
        coefficients: &[T],
        applied: Lines<'_, T>,
        out: &mut [T],
    );
}
