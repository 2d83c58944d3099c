//! The measurement data of one trial, as functions on the host read them.

use std::ops::Range;

use faer::{Mat, MatRef};

use crate::error::{Error, Result};

/// Error for a backend or precision whose rows are not on the host.
pub(crate) fn out_of_reach(place: &str) -> Error {
    Error::unsupported(format!("a method that reads single rows {place}"), "use the backend cpu, or the method pursuit")
}

/// What a pass over some of the rows saw.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// G = Σ wᵢeᵢAᵢ, n1×n2.
    pub gradient: Mat<f64>,
    /// Energy Σ wᵢeᵢ².
    pub energy: f64,
    /// Total weight Σ wᵢ: the number of rows where all weights are 1.
    pub weight: f64,
}

impl Seen {
    /// What a pass saw.
    pub const fn new(gradient: Mat<f64>, energy: f64, weight: f64) -> Self {
        Self { gradient, energy, weight }
    }
}

/// The rows Aᵢ, observations yᵢ and weights wᵢ of one trial. Rows are read in whole shards, which are numbered from 0.
pub trait Rows: Sync {
    /// Total weights Σ wᵢ of the shards.
    fn weights(&self) -> &[f64];

    /// One pass over some shards: e = A(L Rᵀ) − y with L (n1×k) and R (n2×k), k at most min(n1, n2), and G = A*(w∘e).
    ///
    /// # Errors
    /// A lack of memory.
    fn pass(&self, shards: Range<usize>, left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Result<Seen>;

    /// A pass, and the thin rows of two bases from the same reading: Bᵢ = AᵢR (n1×q) above AᵢᵀQ (n2×q), and Bᵢ = AᵢR alone
    /// for symmetric Aᵢ, whose bases are the same. They are kept in memory where there is room, and where that takes less
    /// time than to read the Aᵢ again.
    ///
    /// # Errors
    /// A lack of memory.
    fn pass_and_thin(
        &self,
        shards: Range<usize>,
        ends: (MatRef<'_, f64>, MatRef<'_, f64>),
        bases: (MatRef<'_, f64>, MatRef<'_, f64>),
    ) -> Result<(Seen, Box<dyn ThinRows + '_>)>;
}

/// Thin rows Bᵢ of some shards, with the weights of their measurements.
pub trait ThinRows {
    /// Σ wᵢ⟨Bᵢ, P⟩Bᵢ for a P as large as a row, or with the first of its columns alone.
    ///
    /// # Errors
    /// A lack of memory.
    fn normal(&self, p: MatRef<'_, f64>) -> Result<Mat<f64>>;
}
