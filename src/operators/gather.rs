//! The contract of a host kernel whose adjoint is gathered line by line.

use std::ops::Range;

use crate::operators::InstructionSet;
use crate::real::Real;

/// Side of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Left factor, n1 lines.
    Left,
    /// Right factor, n2 lines.
    Right,
}

/// A row-major factor with rows padded by zeros to `stride` numbers: whole units of 64 bytes, aligned to 64. Columns
/// behind the stride are zero.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Lines<'a, T> {
    /// Numbers of the padded rows.
    pub values: &'a [T],
    /// Numbers from one row to the next.
    pub stride: usize,
}

/// A gradient for operators whose measurements touch few lines of the factors: an accumulator per shard, as in
/// [`crate::operators::HostKernel`], would be mostly zeros. The engine first calls `forward` for all shards, forms the
/// coefficients cᵢ = wᵢ ρ′(eᵢ), and then lets each block of lines of the gradient gather its terms. One task writes
/// each number, in an order that depends on the operator alone; trials are computed one by one. Engines do not use it
/// for operators with centred residuals.
pub trait GatherKernel<T: Real>: Send + Sync {
    /// Bytes read by a gradient of one or two factors, see [`crate::operators::HostKernel::read_bytes`].
    fn read_bytes(&self, factors: usize) -> Option<u64> {
        let _ = factors;
        None
    }

    /// Measures ⟨Aᵢ, L Rᵀ⟩ for a range of measurements and overwrites `out`. For one factor both are the same slice.
    fn forward(&self, set: InstructionSet, range: Range<usize>, left: Lines<'_, T>, right: Lines<'_, T>, out: &mut [T]);

    /// Ranges of lines that cover the side in order, with about equal work. They depend on the operator only.
    fn blocks(&self, side: Side) -> &[Range<usize>];

    /// Computes the lines `lines` of Σ cᵢ Aᵢ V, or on the right side of Σ cᵢ Aᵢᵀ W (on symmetric domains too), and
    /// overwrites `out`: (lines, k) without padding. `applied` is V, or W; `coefficients` has length m.
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
