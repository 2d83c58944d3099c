//! `cdp`: coded diffraction patterns, the intensities |F(d_l ∘ x)|² of a signal x behind masks d_l, with F the discrete Fourier
//! transform. No vector of the measurements is formed.
//!
//! With b = f ∘ d for a row f of F, |bᵀx|² = tr(A x xᴴ) for A = b̄ bᵀ. For all pixels of a pattern at once,
//!
//! ```text
//! tr(A_i L Rᴴ) = Re Σ_k conj(F(d∘L_k))_i F(d∘R_k)_i          G V = Σ_l conj(d_l) ∘ Fᴴ(r_l ∘ F(d_l ∘ V))
//! ```
//!
//! so a gradient takes two transforms for each mask and column where those of the point are kept, and three otherwise. Masks whose
//! moments are those of Gaussian numbers make the measurements as good as Gaussian ones (Candès, Li & Soltanolkotabi, arXiv
//! 1310.3240): d = b₁b₂ with b₁ ∈ {1, −1, i, −i} and b₂ = √½ with probability 4/5, else √3.
//!
//! Residuals are centred, as for outer products: the mean of the A_i is a multiple of the identity.

mod columns;
mod fourier;
mod gpu;
pub(crate) mod open;
mod passes;

use std::ops::Range;
use std::sync::Arc;

use faer::{c32, c64};
use rand::RngExt;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::memory::{Location, Memory, Part, product};
use crate::operators::{Acceleration, Cost, GpuForm, GpuThin, Operator};
use crate::problem::random::{Purpose, stream};
use crate::problem::{Domain, Factors, MatrixView};

use columns::{Columns, add_columns, add_in_order};
use fourier::Fourier;
use passes::Work;

/// Parts of a sum over all masks, which are added in order on any number of threads.
const PARTS: usize = 16;
/// Bytes of a number of a mask, in both precisions.
const MASK: usize = size_of::<c64>() + size_of::<c32>();

/// Intensities of the Fourier transforms of a signal behind masks.
pub struct CodedDiffraction {
    /// Masks, (patterns, n).
    masks: Arc<Vec<c64>>,
    /// The same in single precision.
    single_masks: Arc<Vec<c32>>,
    fourier: Arc<Fourier<f64>>,
    single: Arc<Fourier<f32>>,
    /// Measurements, counted over all pixels of all patterns.
    measured: Range<usize>,
    normalization: f64,
    centred: bool,
}

impl CodedDiffraction {
    /// Patterns behind own masks of that shape, real and imaginary parts, one mask after the other, row-major: one axis for signals,
    /// two for pictures. All pixels of all patterns are measured, pattern by pattern.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty shape or no mask, another count of numbers, and numbers that are not finite; [`Error::Memory`].
    pub fn new(shape: &[usize], masks: &[(f64, f64)]) -> Result<Self> {
        Self::of(shape, masks.iter().map(|(real, imaginary)| c64::new(*real, *imaginary)).collect())
    }

    fn of(shape: &[usize], masks: Vec<c64>) -> Result<Self> {
        let n = shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n)).unwrap_or(0);
        if n == 0 || masks.is_empty() || !masks.len().is_multiple_of(n) {
            let allowed = format!("a positive multiple of {n}, the pixels of the shape {shape:?}");
            let found = format!("{} numbers", masks.len());
            return Err(Error::invalid("masks", found, allowed, "pass a number for each pixel of each mask"));
        }
        Domain::hermitian(n).validate()?;
        if let Some(at) = masks.iter().position(|d| !(d.re.is_finite() && d.im.is_finite())) {
            let found = format!("{} at position {at}", masks[at]);
            return Err(Error::invalid("masks", found, "finite numbers", "correct that mask"));
        }
        let bytes = product(&[n, rayon::current_num_threads() + PARTS, size_of::<c64>()]);
        Memory::of_host([("the transforms of patterns", bytes)]).require("masks", "Use a machine with more memory")?;
        let m = masks.len();
        // The mean square of the entries of b; s = 1/m where it is 1.
        let mean = masks.iter().map(|d| d.norm_sqr()).sum::<f64>() / m as f64;
        let normalization = if mean > 0.0 { 1.0 / (m as f64 * mean * mean) } else { 1.0 / m as f64 };
        let (fourier, single) = (Arc::new(Fourier::new(shape)), Arc::new(Fourier::new(shape)));
        let single_masks = Arc::new(masks.iter().map(|d| c32::new(d.re as f32, d.im as f32)).collect());
        let masks = Arc::new(masks);
        Ok(Self { masks, single_masks, fourier, single, measured: 0..m, normalization, centred: true })
    }

    /// The first m intensities behind random masks with the moments of Gaussian numbers, each from its own stream of `seed`.
    ///
    /// # Errors
    /// Those of [`CodedDiffraction::new`]; [`Error::Invalid`] for m = 0.
    pub fn random(shape: &[usize], measurements: usize, seed: u64) -> Result<Self> {
        let made = Self::drawn(shape, measurements, seed, |rng| {
            let turn = [c64::new(1.0, 0.0), c64::new(-1.0, 0.0), c64::new(0.0, 1.0), c64::new(0.0, -1.0)];
            let size = if rng.random_range(0..5) < 4 { 0.5_f64.sqrt() } else { 3.0_f64.sqrt() };
            turn[rng.random_range(0..4)] * size
        })?;
        // The mean of |d|² is 1.
        Ok(Self { normalization: 1.0 / measurements as f64, ..made })
    }

    /// Masks of −1, 0 and 1 on a grid of pairs, whose transforms are exact, and plain residuals, for the laws.
    pub(crate) fn small_integers(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        let shape = vec![2; domain.order().ilog2() as usize];
        let shape = if shape.is_empty() { vec![1] } else { shape };
        let mut made =
            Self::drawn(&shape, measurements, seed, |rng| c64::new(f64::from(rng.random_range(-1_i8..=1)), 0.0))?;
        made.centred = false;
        Ok(made)
    }

    fn drawn(
        shape: &[usize],
        measurements: usize,
        seed: u64,
        draw: impl Fn(&mut rand_chacha::ChaCha8Rng) -> c64 + Sync,
    ) -> Result<Self> {
        let n = shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n)).unwrap_or(0);
        if n == 0 || measurements == 0 {
            let found = format!("{measurements} measurements of the shape {shape:?}");
            return Err(Error::invalid("measurements", found, "at least 1 of each", "pass positive sizes"));
        }
        let patterns = measurements.div_ceil(n);
        let bytes = product(&[patterns, n, MASK]);
        Memory::of_host([("the masks", bytes)]).require("measurements", "Lower their number or the size n")?;
        let mut masks = vec![c64::new(0.0, 0.0); patterns * n];
        masks.par_chunks_mut(n).enumerate().for_each(|(l, mask)| {
            let mut rng = stream(seed, Purpose::Operator, l as u64);
            mask.iter_mut().for_each(|d| *d = draw(&mut rng));
        });
        let mut made = Self::of(shape, masks)?;
        made.normalization *= made.masks.len() as f64 / measurements as f64;
        made.measured = 0..measurements;
        Ok(made)
    }

    /// Chooses centred residuals, the default, or plain ones.
    #[must_use]
    pub fn centred(mut self, centred: bool) -> Self {
        self.centred = centred;
        self
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or leave it out"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// Number of patterns, the last of which may be measured in part.
    pub fn patterns(&self) -> usize {
        self.masks.len() / self.size()
    }

    /// Shape of the signal.
    pub fn shape(&self) -> &[usize] {
        self.fourier.shape()
    }

    /// Real and imaginary parts of the masks, (patterns, n).
    pub fn masks(&self) -> impl Iterator<Item = (f64, f64)> {
        self.masks.iter().map(|d| (d.re, d.im))
    }

    fn size(&self) -> usize {
        self.fourier.len()
    }

    /// Patterns with a measurement, with their pixels that are measured.
    fn parts(&self) -> impl Iterator<Item = (usize, Range<usize>)> + Clone + use<> {
        let (n, measured) = (self.size(), self.measured.clone());
        (measured.start / n..measured.end.div_ceil(n)).map(move |l| {
            let first = l * n;
            (l, measured.start.max(first) - first..measured.end.min(first + n) - first)
        })
    }
}

fn columns(factor: MatrixView<'_>) -> Columns<f64> {
    Columns::of(factor.as_slice(), factor.columns())
}

/// The domain of a case of that size: the Hermitian matrices of the largest power of two up to it.
pub(crate) fn domain(of: Domain) -> Option<Domain> {
    of.is_symmetric().then(|| Domain::hermitian(1 << of.order().max(1).ilog2()))
}

/// Random patterns of signals with one axis.
///
/// # Errors
/// Those of [`CodedDiffraction::random`]; [`Error::Invalid`] for real matrices.
pub(crate) fn on(domain: Domain, measurements: usize, seed: u64) -> Result<CodedDiffraction> {
    if !domain.is_complex() {
        return Err(Error::invalid("n", domain, "complex matrices", "diffraction patterns see complex signals"));
    }
    CodedDiffraction::random(&[domain.order()], measurements, seed)
}

impl Operator for CodedDiffraction {
    fn name(&self) -> &str {
        "cdp"
    }

    fn domain(&self) -> Domain {
        Domain::hermitian(self.size())
    }

    fn measurements(&self) -> usize {
        self.measured.len()
    }

    fn normalization(&self) -> f64 {
        self.normalization
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        let n = self.size();
        let (l, pixel) = ((self.measured.start + i) / n, (self.measured.start + i) % n);
        let b: Vec<c64> = (0..n).map(|j| self.fourier.entry(pixel, j) * self.masks[l * n + j]).collect();
        let mut out = vec![0.0; 4 * n * n];
        for (i, bi) in b.iter().enumerate() {
            for (j, bj) in b.iter().enumerate() {
                let entry = bi.conj() * *bj;
                out[i * 2 * n + j] = entry.re;
                out[(n + i) * 2 * n + n + j] = entry.re;
                out[(n + i) * 2 * n + j] = entry.im;
                out[i * 2 * n + n + j] = -entry.im;
            }
        }
        out
    }

    /// Patterns run in parallel inside: all pixels of one share their transforms.
    fn forward(&self, _shard: usize, point: &Factors, out: &mut [f64]) {
        for (trial, out) in out.chunks_mut(self.measured.len()).enumerate() {
            let left = columns(point.left(trial));
            let right = (!point.is_single()).then(|| columns(point.right(trial)));
            let (mut rest, mut parts) = (out, Vec::new());
            for part in self.parts() {
                let (own, others) = rest.split_at_mut(part.1.len());
                parts.push((part, own));
                rest = others;
            }
            parts.into_par_iter().for_each_init(Work::default, |work, (part, own)| {
                self.pattern(&part, (&left, right.as_ref()), work, own);
            });
        }
    }

    fn adjoint_apply(&self, _shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let n = self.size();
        let parts: Vec<(usize, Range<usize>)> = self.parts().collect();
        let size = out.len() / applied.batch().max(1);
        let trials = out.chunks_mut(size.max(1)).zip(residual.chunks(self.measured.len()));
        for (trial, (out, residual)) in trials.enumerate() {
            let v = columns(applied.right(trial));
            let part = |parts: &[(usize, Range<usize>)]| {
                let (mut sum, mut work) = (vec![c64::default(); v.len()], Work::default());
                for part in parts {
                    let first = part.0 * n + part.1.start - self.measured.start;
                    self.add_pattern(part, &residual[first..first + part.1.len()], &v, &mut work, &mut sum);
                }
                sum
            };
            let sums: Vec<Vec<c64>> = parts.par_chunks(parts.len().div_ceil(PARTS)).map(part).collect();
            let mut total = vec![c64::default(); v.len()];
            add_in_order(&mut total, &sums.iter().map(Vec::as_slice).collect::<Vec<_>>());
            add_columns(&total, n, out);
        }
    }

    fn cost(&self, batch: usize, search_rank: usize) -> Cost {
        let (m, n) = (self.measured.len() as f64, self.size() as f64);
        // Two transforms of 5 n log₂ n operations, and about 30 a number besides.
        let flops = m * search_rank as f64 * (10.0 * n.log2().max(1.0) + 30.0);
        Cost { bytes: m * size_of::<c64>() as f64, flops: flops * batch as f64 }
    }

    fn memory(&self) -> Vec<Part> {
        let bytes = product(&[self.masks.len(), MASK]);
        vec![Part::new("masks", Location::Host, bytes)]
    }

    fn slice(&self, measurements: Range<usize>) -> Option<Arc<dyn Operator>> {
        let (start, end) = (self.measured.start + measurements.start, self.measured.start + measurements.end);
        (start < end && end <= self.measured.end).then(|| {
            Arc::new(Self {
                masks: self.masks.clone(),
                single_masks: self.single_masks.clone(),
                fourier: self.fourier.clone(),
                single: self.single.clone(),
                measured: start..end,
                normalization: self.normalization,
                centred: false,
            }) as Arc<dyn Operator>
        })
    }

    fn is_centred(&self) -> bool {
        self.centred
    }

    // Inlining into another crate would compile all kernels there again.
    #[inline(never)]
    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default().kernels(self, self).gpu(GpuForm::Thin(GpuThin::Patterns(self)))
    }
}
