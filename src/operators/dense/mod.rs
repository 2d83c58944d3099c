//! `dense`: stored sensing matrices, a Gaussian ensemble or the user's own.
//!
//! Matrices of an asymmetric unknown are stored unchanged, n1·n2 numbers row by row. Symmetric ones are stored packed
//! (upper triangle row by row, p = n(n+1)/2 numbers per measurement, never rescaled). Then ⟨Aᵢ, Z⟩ = Σ a_q·z_q over the
//! upper triangle, with z = Z on the diagonal and 2·Z off it. Packing halves the bytes that an iteration reads, and
//! these reads are its cost.
//!
//! [`Storage`] is the number type of the rows, independent of the precision of the arithmetic. The stored numbers *are*
//! the operator: its definition, its reference implementation, every kernel and [`crate::Problem::measure`] read the
//! same numbers. Half precision, a_q = 2^e·h_q with one exponent e per row, halves the bytes again. It costs no
//! accuracy where y is measured with it: it is another random matrix, as good as the unrounded one. Rounding matrices
//! after y was measured leaves a residual of about 2⁻¹² of y, and the user is told.

mod aligned;
mod complex;
mod data;
mod fused;
mod interpret;
mod load;
mod normalization;
pub(crate) mod open;
mod storage;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rand::RngExt;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::memory::{Part, product};
use crate::operators::rows::{Traversal, reference};
use crate::operators::{Acceleration, Cost, GpuForm, GpuPlan, GpuSource, Operator, Reader, Storage};
use crate::pages::Pages;
use crate::problem::random::{Purpose, normal, stream};
use crate::problem::{Domain, Factors, pack_symmetric_part, packed_index};
use crate::real::Real;

use aligned::Aligned;
use data::Data;
pub(crate) use interpret::shape_of_width;
pub use load::{DenseFile, OpenOptions};
pub use normalization::Normalization;
use storage::{Rows, Stored, first_other, require_room, round_rows_to, with_rows};

/// Layout of given sensing matrices: one row per measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub enum Layout {
    /// Upper triangle row by row, n(n+1)/2 numbers, entries unchanged; of a Hermitian A its n×n square, with Re A_ij above and on
    /// the diagonal and Im A_ij at (j, i) below it.
    Packed,
    /// All n1·n2 entries, row-major; of a complex A the real parts and then the imaginary parts.
    Full,
}

words!(Layout as "layout", serde { Packed => "packed", Full => "full" });

/// Stored sensing matrices.
pub struct Dense {
    domain: Domain,
    measurements: usize,
    rows: Rows,
    normalization: f64,
    isotropic: bool,
    aligned: Aligned,
}

impl Dense {
    fn of(domain: Domain, measurements: usize, rows: Rows, isotropic: bool) -> Self {
        let normalization = 1.0 / measurements as f64;
        Self { domain, measurements, rows, normalization, isotropic, aligned: Aligned::default() }
    }

    /// The Gaussian ensemble. Symmetric Aᵢ have N(0, 1) on the diagonal and N(0, ½) off it; rectangular ones have
    /// N(0, 1) everywhere (complex ones in both parts), Hermitian ones N(0, 1) on the diagonal and N(0, ½) in both parts off it. Then E⟨Aᵢ, Z⟩² = ‖Z‖_F² for every Z of the domain and s = 1/m. Row i comes from its own ChaCha8
    /// stream of `seed`, so the numbers depend on neither the thread count nor m. They are stored in f32.
    ///
    /// # Errors
    /// [`Error::Invalid`] for m = 0, an empty domain, or more numbers than fit in memory.
    pub fn gaussian(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        Self::gaussian_stored(domain, measurements, seed, Storage::F32)
    }

    /// The Gaussian ensemble of [`Dense::gaussian`] in a chosen storage type: the same numbers, rounded to it.
    ///
    /// # Errors
    /// Those of [`Dense::gaussian`].
    pub fn gaussian_stored(domain: Domain, measurements: usize, seed: u64, storage: Storage) -> Result<Self> {
        require_some(domain, measurements)?;
        let (n, p) = (domain.rows(), domain.dimension());
        require_room(measurements, p, storage, "measurements", "lower their number or the size n")?;
        let fill = |i: usize, row: &mut [f64]| {
            let mut rng = stream(seed, Purpose::Operator, i as u64);
            if !domain.is_symmetric() {
                return row.iter_mut().for_each(|entry| *entry = normal(&mut rng));
            }
            if domain.is_complex() {
                let n = domain.order();
                let size = |q: usize| if q / n == q % n { 1.0 } else { std::f64::consts::FRAC_1_SQRT_2 };
                return row.iter_mut().enumerate().for_each(|(q, entry)| *entry = normal(&mut rng) * size(q));
            }
            let mut q = 0;
            for j in 0..n {
                row[q] = normal(&mut rng);
                for entry in &mut row[q + 1..q + n - j] {
                    *entry = normal(&mut rng) * std::f64::consts::FRAC_1_SQRT_2;
                }
                q += n - j;
            }
        };
        let rows = round_rows_to(storage, measurements, p, fill)
            .expect("normal numbers are far from the largest half-precision number");
        Ok(Self::of(domain, measurements, rows, true))
    }

    /// An operator from own matrices, one row each, kept in their own type: packed, or full. Full rows of a complex domain that is not
    /// symmetric are the real parts and then the imaginary parts. Full rows of a symmetric
    /// domain are symmetrised in f64 and rounded once. s is [`Normalization::Auto`]; see [`Dense::with_normalization`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a length that is not a multiple of the row length, for no rows, for NaN or infinite
    /// entries (with the first one), or for packed rows of a rectangular domain.
    pub fn from_rows<T: Real>(domain: Domain, layout: Layout, values: &[T]) -> Result<Self> {
        domain.validate()?;
        if layout == Layout::Packed && !domain.is_symmetric() {
            let fix = "packed rows hold the upper triangle of symmetric matrices";
            return Err(Error::invalid("layout", "packed", "full for an asymmetric shape", fix));
        }
        if layout == Layout::Full && domain.is_complex() && domain.is_symmetric() {
            let fix = "pass squares: real parts above and on the diagonal, imaginary parts below it";
            return Err(Error::invalid("layout", "full", "packed for Hermitian matrices", fix));
        }
        let width = match layout {
            Layout::Full if domain.is_symmetric() => domain.rows() * domain.columns(),
            _ => domain.dimension(),
        };
        if values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(Error::invalid(
                "matrices",
                format!("{} numbers", values.len()),
                format!("a positive multiple of {width} ({layout:?} rows of a {domain} matrix)"),
                "pass one row per measurement",
            ));
        }
        let measurements = values.len() / width;
        require_some(domain, measurements)?;
        if let Some(at) = first_other(values, |v| v.to_f64().is_finite()) {
            return Err(Error::invalid(
                "matrices",
                format!("{:?} at row {}, position {}", values[at], at / width, at % width),
                "finite numbers",
                "correct or remove that measurement",
            ));
        }
        let n = domain.rows();
        let packed = match layout {
            Layout::Packed => Pages::copied(values),
            Layout::Full if !domain.is_symmetric() => Pages::copied(values),
            Layout::Full => {
                let p = domain.dimension();
                let mut packed = Pages::zeroed(measurements * p);
                packed.as_mut_slice().par_chunks_mut(p).zip(values.par_chunks(width)).for_each_init(
                    || vec![0.0; p],
                    |row, (out, full)| {
                        pack_symmetric_part(n, |i, j| full[i * n + j].to_f64(), row);
                        for (out, &v) in out.iter_mut().zip(row.iter()) {
                            *out = T::from_f64(v);
                        }
                    },
                );
                packed
            }
        };
        let rows = store(packed);
        let mut operator = Self::of(domain, measurements, rows, false);
        operator.normalization = Normalization::Auto.resolve(measurements, operator.implied_normalization())?;
        Ok(operator)
    }

    /// Cheap uniform numbers in [−1, 1), for timings where the values do not matter.
    ///
    /// # Errors
    /// Those of [`Dense::gaussian`].
    #[doc(hidden)]
    pub fn noise(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        Self::noise_stored(domain, measurements, seed, Storage::F32)
    }

    /// The numbers of [`Dense::noise`] in a chosen storage type.
    ///
    /// # Errors
    /// Those of [`Dense::gaussian`].
    #[doc(hidden)]
    pub fn noise_stored(domain: Domain, measurements: usize, seed: u64, storage: Storage) -> Result<Self> {
        require_some(domain, measurements)?;
        require_room(measurements, domain.dimension(), storage, "measurements", "lower their number or the size n")?;
        let fill = |i: usize, row: &mut [f64]| {
            let mut state = seed.wrapping_add(i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            for entry in row {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                *entry = (state >> 40) as f64 / f64::from(1 << 23) - 1.0;
            }
        };
        let rows = round_rows_to(storage, measurements, domain.dimension(), fill)
            .expect("numbers below 1 are far from the largest half-precision number");
        Ok(Self::of(domain, measurements, rows, false))
    }

    /// Sensing matrices with entries in {−1, 0, 1}, for the laws. Sums of their products stay exact in f32, so all
    /// backends must agree bit for bit.
    pub(crate) fn small_integers(domain: Domain, measurements: usize, seed: u64) -> Result<Self> {
        require_some(domain, measurements)?;
        let p = domain.dimension();
        let values: Vec<f32> = (0..measurements)
            .flat_map(|i| {
                let mut rng = stream(seed, Purpose::Laws, i as u64);
                (0..p).map(move |_| rng.random_range(-1_i8..=1).into()).collect::<Vec<f32>>()
            })
            .collect();
        Self::from_rows(domain, if domain.is_symmetric() { Layout::Packed } else { Layout::Full }, &values)
    }

    /// Opens a `.npy` file of sensing matrices with default options; see [`OpenOptions`].
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`], with what was found and what is allowed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(OpenOptions::default().open(path.as_ref())?.operator)
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or 'auto'"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// The s implied by the data if they are isotropic, dim/Σ‖Aᵢ‖_F² (dim = n(n+1)/2 or n1·n2).
    pub fn implied_normalization(&self) -> f64 {
        let p = self.domain.dimension();
        let (n, symmetric) = (self.domain.rows(), self.domain.is_symmetric());
        let complex = (self.domain.is_complex() && symmetric).then(|| self.domain.order());
        // Entries beside the diagonal count twice.
        let diagonal: Vec<usize> = match complex {
            Some(n) => (0..n).map(|i| i * (n + 1)).collect(),
            None if symmetric => (0..n).map(|i| packed_index(n, i, i)).collect(),
            None => Vec::new(),
        };
        let total: f64 = with_rows!(self, rows, scales => {
            let sums: Vec<f64> = (rows.par_chunks(p).enumerate())
                .map(|(i, row)| {
                    let (all, once) = (squares(row), diagonal.iter().map(|at| row[*at].widen().powi(2)).sum::<f64>());
                    scales.of(i).powi(2) * if symmetric { 2.0 * all - once } else { all }
                })
                .collect();
            sums.iter().sum()
        });
        if total > 0.0 { p as f64 / total } else { f64::INFINITY }
    }
}

/// Σ v², in sums side by side, as vector instructions add.
fn squares<T: Stored>(row: &[T]) -> f64 {
    let (blocks, rest) = row.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, v)| *sum += v.widen() * v.widen());
    }
    sums.iter().sum::<f64>() + rest.iter().map(|v| v.widen() * v.widen()).sum::<f64>()
}

/// Stores numbers in their own type.
fn store<T: Real>(values: Pages<T>) -> Rows {
    // T is f32 or f64 (the trait is sealed), so the cast is to the same type.
    match size_of::<T>() {
        4 => Rows::F32(Data::new(values.cast())),
        _ => Rows::F64(Data::new(values.cast())),
    }
}

fn require_some(domain: Domain, measurements: usize) -> Result<()> {
    domain.validate()?;
    if measurements == 0 {
        return Err(Error::invalid("measurements", 0, "at least 1", "pass at least one measurement"));
    }
    Ok(())
}

impl reference::Rows for Dense {
    fn row(&self, i: usize, out: &mut [f64]) {
        let p = self.domain.dimension();
        with_rows!(self, rows, scales => {
            let scale = scales.of(i);
            out.iter_mut().zip(&rows[i * p..(i + 1) * p]).for_each(|(out, v)| *out = scale * v.widen());
        });
    }
}

impl Operator for Dense {
    fn name(&self) -> &str {
        "dense"
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
        // At least 2¹⁷ numbers per shard and at most 16 shards: each shard has an accumulator of p numbers per trial. A
        // power of two gives two or four threads equal numbers of shards.
        let wanted = self.measurements.saturating_mul(self.domain.dimension()) >> 17;
        (1 << wanted.clamp(1, 16).ilog2()).min(self.measurements)
    }

    fn shard_range(&self, shard: usize) -> Range<usize> {
        let (m, shards) = (self.measurements, self.shards());
        // Many rows are cut at whole blocks.
        let block = if m / shards >= 5 * Traversal::ROWS { Traversal::ROWS } else { 1 };
        let begin = |shard: usize| if shard < shards { (m * shard / shards + block / 2) / block * block } else { m };
        begin(shard)..begin(shard + 1)
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

    fn cost(&self, batch: usize, _search_rank: usize) -> Cost {
        let entries = self.measurements as f64 * self.domain.dimension() as f64;
        // Forward and adjoint: a multiplication and an addition each per stored number and trial.
        let overhead = self.measurements as f64 * self.storage().row_overhead() as f64;
        Cost { bytes: entries * self.storage().bytes() as f64 + overhead, flops: 4.0 * entries * batch as f64 }
    }

    fn stored_in(&self) -> Option<Storage> {
        Some(self.storage())
    }

    fn memory(&self) -> Vec<Part> {
        let bytes = product(&[self.measurements, self.domain.dimension() * self.storage().bytes()])
            + (self.measurements * self.storage().row_overhead()) as u64;
        vec![Part::new(format!("matrices in {}", self.storage()), self.place(), bytes)]
    }

    /// Shares the numbers, or the mapped file.
    fn slice(&self, measurements: Range<usize>) -> Option<Arc<dyn Operator>> {
        let p = self.domain.dimension();
        let rows = self.rows.slice(&measurements, p);
        let aligned = self.aligned.of_some(self.measurements, p, self.storage().bytes());
        Some(Arc::new(Self { aligned, ..Self::of(self.domain, measurements.len(), rows, false) }))
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

impl GpuSource for Dense {
    /// Rows in the narrower of the two types: f64 numbers that f32 arithmetic rounds anyway need not be read.
    fn plan(&self, widest: Storage) -> GpuPlan {
        let (p, storage) = (self.domain.dimension(), self.storage().min(widest));
        let row_bytes = p * storage.bytes() + storage.row_overhead();
        // The scale has its own word after the words of the numbers.
        let words = (p * storage.bytes()).div_ceil(4) + storage.row_overhead() / 4;
        GpuPlan::new(words, row_bytes, Reader::Stored(storage))
    }

    fn write_rows(&self, plan: &GpuPlan, rows: Range<usize>, out: &mut [u32]) {
        let p = self.domain.dimension();
        let single = plan.storage() != Some(Storage::F64);
        let each = |out: &mut [u32], i: usize| {
            out.fill(0);
            match &self.rows {
                Rows::F16 { data, scales } => {
                    let (words, rest) = out.split_at_mut(p.div_ceil(2));
                    for (word, pair) in words.iter_mut().zip(data.as_slice()[i * p..(i + 1) * p].chunks(2)) {
                        // The first of two is in the low half, as unpack2x16float expects.
                        *word = pair.iter().rev().fold(0, |word, h| word << 16 | u32::from(h.to_bits()));
                    }
                    rest[0] = scales[i].to_bits();
                }
                Rows::F32(data) => {
                    let row = &data.as_slice()[i * p..(i + 1) * p];
                    out.iter_mut().zip(row).for_each(|(out, v)| *out = v.to_bits());
                }
                Rows::F64(data) if single => {
                    let row = &data.as_slice()[i * p..(i + 1) * p];
                    out.iter_mut().zip(row).for_each(|(out, &v)| *out = (v as f32).to_bits());
                }
                Rows::F64(data) => {
                    let row = &data.as_slice()[i * p..(i + 1) * p];
                    for (out, v) in out.chunks_exact_mut(2).zip(row) {
                        let bits = v.to_bits();
                        out.copy_from_slice(&[bits as u32, (bits >> 32) as u32]);
                    }
                }
            }
        };
        out.par_chunks_mut(plan.row_words()).zip(rows).for_each(|(out, i)| each(out, i));
    }
}
