//! `seeded` and `rademacher`: matrix-free ensembles. An integer hash generates their entries from (seed, i, q) on each
//! use. Only the seed is stored; the hash ([`hash`]) is the definition.
//!
//! | word | number of entry q of row i | distribution | variance v | kurtosis |
//! |---|---|---|---|---|
//! | `seeded` | (b₀ + b₁ + b₂ + b₃ − 510)/128, b the bytes of a 32-bit hash | 1021 values in ±3.984375, symmetric, nearly normal in the middle, no tails | 21845/16384 = 1.33331… | 2.69999 (a normal number: 3) |
//! | `rademacher` | ±1, a bit of a hash | two values | 1 | 1 |
//!
//! Entries are multiples of 1/128, so they have the same bits on every device and in every number type. s = 1/(m·v).
//!
//! An asymmetric Aᵢ holds the numbers unchanged, q = i·n2 + j. A symmetric one holds them on the diagonal and 1/√2 of
//! them off it, at (i, j) and (j, i); then E⟨Aᵢ, Z⟩² = v·‖Z‖_F² for every symmetric Z. No entry is multiplied by 1/√2,
//! which would round it: Z is packed with that weight, and the packed gradient is used with it. A Hermitian Aᵢ holds n² numbers, the
//! real parts of its upper triangle and the imaginary parts, with the same weight off the diagonal.

mod fast;
mod gpu;
pub(crate) mod hash;
pub(crate) mod open;

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::operators::rows::{Packing, reference};
use crate::operators::{Acceleration, Cost, GpuForm, Operator};
use crate::problem::{Domain, Factors};

/// Numbers made of the words of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ensemble {
    /// Sums of bytes, shifted right by `shift` bits: 0, or 8 for numbers in −2 … 1.
    Bytes { shift: u32 },
    /// Signs ±1, one bit each.
    Signs,
}

/// Sensing matrices generated from a seed on each use and never stored.
#[derive(Clone, Debug)]
pub struct Seeded {
    domain: Domain,
    /// Number of the first measurement, for a slice.
    first: u64,
    measurements: usize,
    seed: hash::Key,
    ensemble: Ensemble,
    /// Scale of the entries: Aᵢ has `scale` times the number on its diagonal, and `scale·off_diagonal` times it off the
    /// diagonal.
    scale: f64,
    off_diagonal: f64,
    normalization: f64,
    isotropic: bool,
}

impl Seeded {
    /// The ensemble `seeded`: numbers with 1021 values in ±3.984375, mean 0, variance 21845/16384 and kurtosis 2.69999.
    /// s = 1/(m·variance). The same seed gives the same numbers on every machine, for every m.
    ///
    /// # Errors
    /// [`Error::Invalid`] for m = 0, an empty domain, or a domain of 2³² entries or more.
    pub fn new(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        Self::make(domain, measurements, seed, Ensemble::Bytes { shift: 0 })
    }

    /// The ensemble `rademacher`: ±1 (±1/√2 off the diagonal of a symmetric Aᵢ). s = 1/m.
    ///
    /// # Errors
    /// Those of [`Seeded::new`].
    pub fn rademacher(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        Self::make(domain, measurements, seed, Ensemble::Signs)
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or leave it out"));
        }
        Ok(Self { normalization: s, ..self })
    }

    fn make(domain: Domain, measurements: usize, seed: u64, ensemble: Ensemble) -> Result<Self> {
        domain.validate()?;
        if measurements == 0 {
            return Err(Error::invalid("measurements", 0, "at least 1", "pass at least one measurement"));
        }
        if u32::try_from(domain.dimension()).is_err() {
            return Err(Error::invalid(
                "shape",
                format!("{domain}, {} numbers per matrix", domain.dimension()),
                "at most 2³² − 1 numbers per matrix",
                "choose a smaller size",
            ));
        }
        let (scale, variance) = match ensemble {
            Ensemble::Bytes { .. } => (1.0 / 128.0, 21845.0 / 16384.0),
            Ensemble::Signs => (1.0, 1.0),
        };
        Ok(Self {
            domain,
            first: 0,
            measurements,
            seed: hash::seed_words(seed),
            ensemble,
            scale,
            off_diagonal: if domain.is_symmetric() { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 },
            normalization: 1.0 / (measurements as f64 * variance),
            isotropic: true,
        })
    }

    /// The same with small integer entries, on which all arithmetic is exact, for the laws: byte sums in steps of 256
    /// and unscaled, and weight 1 off the diagonal.
    pub(crate) fn small_integers(mut self) -> Self {
        if let Ensemble::Bytes { shift } = &mut self.ensemble {
            *shift = 8;
        }
        Self { scale: 1.0, off_diagonal: 1.0, isotropic: false, ..self }
    }

    /// The integer behind entry q of row i.
    fn number(&self, key: hash::Key, q: u32) -> i32 {
        match self.ensemble {
            Ensemble::Bytes { shift } => hash::byte_sum(key, q) >> shift,
            Ensemble::Signs => hash::sign(key, q),
        }
    }

    /// The key of row i.
    fn key(&self, i: usize) -> hash::Key {
        hash::row_key(self.seed, self.first + i as u64)
    }

    fn packing(&self) -> Packing {
        Packing { domain: self.domain, off_diagonal: self.off_diagonal }
    }
}

impl reference::Rows for Seeded {
    fn row(&self, i: usize, out: &mut [f64]) {
        let key = self.key(i);
        for (q, out) in (0_u32..).zip(out.iter_mut()) {
            *out = self.scale * f64::from(self.number(key, q));
        }
        if self.domain.is_complex() && self.domain.is_symmetric() {
            let n = self.domain.order();
            let off = out.iter_mut().enumerate().filter(|(q, _)| q / n != q % n);
            off.for_each(|(_, entry)| *entry *= self.off_diagonal);
        } else if self.domain.is_symmetric() {
            let n = self.domain.rows();
            let mut rest = out;
            for j in 0..n {
                let (row, below) = rest.split_at_mut(n - j);
                row[1..].iter_mut().for_each(|entry| *entry *= self.off_diagonal);
                rest = below;
            }
        }
    }
}

impl Operator for Seeded {
    fn name(&self) -> &str {
        match self.ensemble {
            Ensemble::Bytes { .. } => "seeded",
            Ensemble::Signs => "rademacher",
        }
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn measurements(&self) -> usize {
        self.measurements
    }

    fn normalization(&self) -> f64 {
        self.normalization
    }

    fn shards(&self) -> usize {
        // About 2¹⁸ numbers per shard and at most 16 shards: each shard has an accumulator of p numbers per trial.
        (self.measurements.saturating_mul(self.domain.dimension()) >> 18).clamp(1, 16).min(self.measurements)
    }

    fn shard_range(&self, shard: usize) -> Range<usize> {
        let (m, shards) = (self.measurements as u128, self.shards() as u128);
        let bound = |shard: usize| (m * shard as u128 / shards) as usize;
        bound(shard)..bound(shard + 1)
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        reference::sensing_matrix(self, i)
    }

    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        reference::forward(self, shard, point, out);
    }

    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        reference::adjoint_apply(self, shard, residual, applied, out);
    }

    fn adjoint_apply_transposed(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        reference::adjoint_apply_transposed(self, shard, residual, applied, out);
    }

    /// Bytes: none. Flops: a multiplication and an addition each for the dot product and the accumulation, per number
    /// and trial, and the integer operations that generate a number, as often as the Cpu backend does (for all trials
    /// together).
    fn cost(&self, batch: usize, _search_rank: usize) -> Cost {
        let entries = self.measurements as f64 * self.domain.dimension() as f64;
        // A word takes three multiplications, an addition, three shifts, four exclusive ors, and one operation to count
        // q. A byte sum takes two shifts, three masks, two additions, the centre, the shift of `Bytes` and a
        // conversion. A sign takes two shifts and one operation to set it.
        let making = match self.ensemble {
            Ensemble::Bytes { .. } => 12.0 + 10.0,
            Ensemble::Signs => 12.0 / 32.0 + 3.0,
        };
        Cost { bytes: 0.0, flops: entries * (4.0 * batch as f64 + making * self.times_made()) }
    }

    fn slice(&self, measurements: Range<usize>) -> Option<Arc<dyn Operator>> {
        let (first, measurements) = (self.first + measurements.start as u64, measurements.len());
        Some(Arc::new(Self { first, measurements, isotropic: false, ..self.clone() }))
    }

    fn is_isotropic(&self) -> bool {
        self.isotropic
    }

    // Inlining into another crate would compile all kernels there again.
    #[inline(never)]
    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default().kernels(self, self).gpu(GpuForm::Rows(self))
    }
}
