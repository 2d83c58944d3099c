//! Data of an operator for the Gpu backend: plain data, no GPU types.

use crate::operators::{GpuSource, Storage};

/// Kind of iteration on a GPU, by the form of an operator's data.
#[non_exhaustive]
pub enum GpuForm<'a> {
    /// One row of P numbers per measurement, with kernels that form Z and Σ rᵢAᵢ as vectors of that length.
    Rows(&'a dyn GpuSource),
    /// Data whose forward map and adjoint are thin products only; nothing of size n1·n2 is ever formed.
    Thin(GpuThin<'a>),
}

/// Data of thin kernels. These belong to the engine, so an operator needs no shader.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum GpuThin<'a> {
    /// Matrices Aᵢ given by pairs of vectors.
    Vectors(&'a dyn GpuVectors),
    /// Matrices Aᵢ given by their nonzeros.
    Nonzeros(&'a dyn GpuNonzeros),
}

/// Vectors of the matrices Aᵢ = Σ_j a_ij b_ijᵀ over j < q, with b = a on symmetric domains.
pub trait GpuVectors: Sync {
    /// Number q of pairs of vectors per measurement.
    fn vectors(&self) -> usize;

    /// Number type of the vectors. These kernels do not read half precision; return f32 instead.
    fn storage(&self) -> Storage;

    /// Writes a_i1, …, a_iq (n1 numbers each), then for two factors b_i1, …, b_iq (n2 each), which fill `out`.
    fn write(&self, i: usize, out: &mut [f64]);
}

/// Nonzeros of the matrices Aᵢ: with v at (a, b), Aᵢ = Σ v·e_a e_bᵀ, or its symmetric part on symmetric domains.
pub trait GpuNonzeros: Sync {
    /// Number of nonzeros of all measurements.
    fn count(&self) -> usize;

    /// Whether every v is 1, so that no value is stored.
    fn all_ones(&self) -> bool;

    /// Calls `each` with (i, a, b, v) for every nonzero, with i in ascending order, and always in the same order.
    fn visit(&self, each: &mut dyn FnMut(usize, usize, usize, f64));
}
