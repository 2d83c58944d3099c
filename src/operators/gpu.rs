//! What an operator hands to the Gpu backend: plain data, no GPU types.

use crate::operators::{GpuSource, Storage};

/// The two kinds of iteration on a GPU, by what an operator's data are.
pub enum GpuForm<'a> {
    /// A row of P numbers a measurement, with kernels that form Z and Σ rᵢAᵢ as vectors of that length.
    Rows(&'a dyn GpuSource),
    /// Data from which forward map and adjoint take thin products alone; nothing of size n1·n2 is ever formed.
    Thin(GpuThin<'a>),
}

/// Data of thin kernels, which the engine has itself: an operator needs no shader.
#[derive(Clone, Copy)]
pub enum GpuThin<'a> {
    Vectors(&'a dyn GpuVectors),
    Nonzeros(&'a dyn GpuNonzeros),
}

/// Aᵢ = Σ_j a_ij b_ijᵀ over j < q, with b = a on symmetric domains.
pub trait GpuVectors: Sync {
    /// q: pairs of vectors a measurement.
    fn vectors(&self) -> usize;

    /// Number type the vectors are held in. Half precision is not read by these kernels: say f32.
    fn storage(&self) -> Storage;

    /// a_i1, …, a_iq (n1 numbers each), then for two factors b_i1, …, b_iq (n2 each). `out` has as many.
    fn write(&self, i: usize, out: &mut [f64]);
}

/// Aᵢ as a list of nonzeros: with v at (a, b), Aᵢ = Σ v·e_a e_bᵀ, or on symmetric domains the symmetric part of that.
pub trait GpuNonzeros: Sync {
    /// Of all measurements together.
    fn count(&self) -> usize;

    /// Whether every v is 1, so that none need be stored.
    fn all_ones(&self) -> bool;

    /// Calls `each` with (i, a, b, v) for every nonzero, i never decreasing; always in the same order.
    fn visit(&self, each: &mut dyn FnMut(usize, usize, usize, f64));
}
