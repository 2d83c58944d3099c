//! The built-in operators. One entry here makes an operator appear in `--operator`, the conformance tests, the
//! benches, `lowrank check` and `lowrank list operators`.

use crate::error::Result;
use crate::operators::{Dense, Operator};
use crate::problem::Shape;

/// (n, m) of the conformance cases: single numbers, primes, one below and above a workgroup, several workgroups.
pub const CASES: &[(usize, usize)] = &[(1, 1), (2, 3), (3, 257), (16, 64), (17, 131), (31, 40), (61, 255)];

/// What the crate knows of an operator without having an instance of it.
pub struct Registration {
    /// The word of `--operator` and the stem of its source and shader files.
    pub name: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    pub formula: &'static str,
    pub normalization: &'static str,
    pub bytes_per_iteration: &'static str,
    pub flops_per_iteration: &'static str,
    /// Backends that run it.
    pub backends: &'static str,
    /// A random instance, as its ensemble defines it.
    pub random: fn(Shape, usize, u64) -> Result<Box<dyn Operator>>,
    /// An instance whose entries are small integers, on which every backend must be exact.
    pub integers: fn(Shape, usize, u64) -> Result<Box<dyn Operator>>,
}

/// Every built-in operator.
pub const REGISTRY: &[Registration] = &[Registration {
    name: "dense",
    summary: "stored sensing matrices: Gaussian from a seed, or your own from a .npy file",
    formula: "<A_i, Z>, A_i symmetric, upper triangle stored",
    normalization: "1/m (Gaussian; own matrices: --normalization)",
    bytes_per_iteration: "4 m n(n+1)/2 (f32)",
    flops_per_iteration: "4 m n(n+1)/2 per trial",
    backends: "reference, cpu, gpu",
    random: |shape, measurements, seed| Ok(Box::new(Dense::gaussian(shape, measurements, seed)?)),
    integers: |shape, measurements, seed| Ok(Box::new(Dense::small_integers(shape, measurements, seed)?)),
}];
