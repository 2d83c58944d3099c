//! `dense`: stored sensing matrices, a Gaussian ensemble or the user's own.
//!
//! Symmetric matrices are stored packed (upper triangle row by row, p = n(n+1)/2 numbers a measurement, never
//! rescaled), so that ⟨Aᵢ, Z⟩ = Σ a_q·z_q over the upper triangle, with z = Z on the diagonal and 2·Z beside it. That halves the bytes
//! an iteration reads, and reading them is what an iteration costs.

mod fused;
mod interpret;
mod load;
mod normalization;
mod twin;

use std::ops::Range;
use std::path::Path;

use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::operators::{Cost, GpuPlan, GpuSource, GradientOutput, GradientRequest, HostKernel, Operator};
use crate::problem::random::{Purpose, normal, stream};
use crate::problem::{Factors, Shape, pack_symmetric_part};
use crate::real::Real;

pub use load::{DenseFile, OpenOptions};
pub use normalization::Normalization;

/// How given sensing matrices are laid out: one row a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// The upper triangle row by row, n(n+1)/2 numbers, entries as they are.
    Packed,
    /// All n1·n2 entries, row-major.
    Full,
}

/// Number type in which the measurements are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Storage {
    #[default]
    F32,
    F64,
}

impl Storage {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Numbers held in memory or in a mapped file.
enum Data<T> {
    Owned(Vec<T>),
    /// Row-major little-endian packed rows, straight from a file.
    Mapped {
        map: memmap2::Mmap,
        offset: usize,
        count: usize,
    },
}

impl<T: Real> Data<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            // `load` only maps what is aligned, little-endian and long enough.
            Self::Mapped { map, offset, count } => {
                bytemuck::cast_slice(&map[*offset..*offset + *count * size_of::<T>()])
            }
        }
    }
}

enum Rows {
    F32(Data<f32>),
    F64(Data<f64>),
}

/// Runs `$body` with `$rows: &[S]`, S the storage type.
macro_rules! with_rows {
    ($dense:expr, $rows:ident => $body:expr) => {
        match &$dense.rows {
            $crate::operators::dense::Rows::F32(data) => {
                let $rows = data.as_slice();
                $body
            }
            $crate::operators::dense::Rows::F64(data) => {
                let $rows = data.as_slice();
                $body
            }
        }
    };
}
use with_rows;

/// Stored sensing matrices.
pub struct Dense {
    shape: Shape,
    measurements: usize,
    rows: Rows,
    normalization: f64,
    isotropic: bool,
}

impl Dense {
    /// The symmetric Gaussian ensemble: Aᵢ with N(0, 1) on the diagonal and N(0, ½) beside it, so that
    /// E⟨Aᵢ, Z⟩² = ‖Z‖_F² for symmetric Z and s = 1/m. Row i comes from its own ChaCha8 stream of `seed`: the numbers
    /// depend on neither the thread count nor m. Stored in f32.
    ///
    /// # Errors
    /// [`Error::Invalid`] for m = 0 or an empty shape; [`Error::Unsupported`] for a rectangular shape.
    pub fn gaussian(shape: Shape, measurements: usize, seed: u64) -> Result<Self> {
        Self::gaussian_stored(shape, measurements, seed, Storage::F32)
    }

    /// [`Dense::gaussian`] in a chosen storage type; the same numbers, rounded to it.
    ///
    /// # Errors
    /// As [`Dense::gaussian`].
    pub fn gaussian_stored(shape: Shape, measurements: usize, seed: u64, storage: Storage) -> Result<Self> {
        require_packed(shape, measurements)?;
        fn fill<T: Real>(shape: Shape, measurements: usize, seed: u64) -> Result<Data<T>> {
            let (n, p) = (shape.rows(), shape.dimension());
            let mut values = Vec::new();
            let reserved = measurements.checked_mul(p).and_then(|count| values.try_reserve_exact(count).ok());
            reserved.ok_or_else(|| {
                let found = format!("{measurements} matrices of {p} numbers, {} bytes each", size_of::<T>());
                Error::invalid("measurements", found, "what fits in memory", "lower the number or the size n")
            })?;
            values.resize(measurements * p, T::ZERO);
            values.par_chunks_mut(p).enumerate().for_each(|(i, row)| {
                let mut rng = stream(seed, Purpose::Operator, i as u64);
                let mut q = 0;
                for j in 0..n {
                    row[q] = T::from_f64(normal(&mut rng));
                    for entry in &mut row[q + 1..q + n - j] {
                        *entry = T::from_f64(normal(&mut rng) * std::f64::consts::FRAC_1_SQRT_2);
                    }
                    q += n - j;
                }
            });
            Ok(Data::Owned(values))
        }
        let rows = match storage {
            Storage::F32 => Rows::F32(fill(shape, measurements, seed)?),
            Storage::F64 => Rows::F64(fill(shape, measurements, seed)?),
        };
        Ok(Self { shape, measurements, rows, normalization: 1.0 / measurements as f64, isotropic: true })
    }

    /// Own matrices, one row each, kept in their own type: packed, or full and then symmetrised in f64 and rounded
    /// once. s = 1/m; see [`Dense::with_normalization`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where the length is not a multiple of the row length, where there are no rows, or for NaN
    /// or infinite entries (the first one is named); [`Error::Unsupported`] for a rectangular shape.
    pub fn from_rows<T: Real>(shape: Shape, layout: Layout, values: &[T]) -> Result<Self> {
        shape.validate()?;
        let width = match layout {
            Layout::Packed => shape.dimension(),
            Layout::Full => shape.rows() * shape.columns(),
        };
        if values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(Error::invalid(
                "matrices",
                format!("{} numbers", values.len()),
                format!("a positive multiple of {width} ({layout:?} rows of a {shape} matrix)"),
                "give one row per measurement",
            ));
        }
        let measurements = values.len() / width;
        require_packed(shape, measurements)?;
        if let Some(at) = values.iter().position(|v| !v.to_f64().is_finite()) {
            return Err(Error::invalid(
                "matrices",
                format!("{:?} at row {}, position {}", values[at], at / width, at % width),
                "finite numbers",
                "repair or drop that measurement",
            ));
        }
        let n = shape.rows();
        let packed = match layout {
            Layout::Packed => values.to_vec(),
            Layout::Full => {
                let p = shape.dimension();
                let mut packed = vec![T::ZERO; measurements * p];
                packed.par_chunks_mut(p).zip(values.par_chunks(width)).for_each_init(
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
        Ok(Self { shape, measurements, rows, normalization: 1.0 / measurements as f64, isotropic: false })
    }

    /// Sensing matrices with entries in {−1, 0, 1}: sums of their products stay exact in f32, so every backend must
    /// agree bit for bit. For the laws.
    pub(crate) fn small_integers(shape: Shape, measurements: usize, seed: u64) -> Result<Self> {
        require_packed(shape, measurements)?;
        let p = shape.dimension();
        let values: Vec<f32> = (0..measurements)
            .flat_map(|i| {
                let mut rng = stream(seed, Purpose::Laws, i as u64);
                (0..p).map(move |_| rng.random_range(-1_i8..=1).into()).collect::<Vec<f32>>()
            })
            .collect();
        Self::from_rows(shape, Layout::Packed, &values)
    }

    /// Opens a `.npy` file of sensing matrices with default options; see [`OpenOptions`].
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`], naming what was found and what is allowed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(OpenOptions::default().open(path.as_ref())?.operator)
    }

    /// Replaces s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "give s, or 'auto'"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// dim/Σ‖Aᵢ‖_F², the s that the data themselves imply if they are isotropic (dim = n(n+1)/2).
    pub fn implied_normalization(&self) -> f64 {
        let p = self.shape.dimension();
        let n = self.shape.rows();
        let per_row = |row: &mut dyn Iterator<Item = f64>| {
            let mut sum = 0.0;
            for i in 0..n {
                for j in i..n {
                    let a = row.next().unwrap_or(0.0);
                    sum += if i == j { a * a } else { 2.0 * a * a };
                }
            }
            sum
        };
        let total: f64 = with_rows!(self, rows => {
            let sums: Vec<f64> =
                rows.par_chunks(p).map(|row| per_row(&mut row.iter().map(|v| v.to_f64()))).collect();
            sums.iter().sum()
        });
        if total > 0.0 { p as f64 / total } else { f64::INFINITY }
    }

    /// Number type of the stored matrices.
    pub fn storage(&self) -> Storage {
        match self.rows {
            Rows::F32(_) => Storage::F32,
            Rows::F64(_) => Storage::F64,
        }
    }

    /// Packed row `i` in f64.
    ///
    /// # Panics
    /// Where `i ≥ m`, as slices do.
    pub fn packed_row(&self, i: usize) -> Vec<f64> {
        let p = self.shape.dimension();
        with_rows!(self, rows => rows[i * p..(i + 1) * p].iter().map(|v| v.to_f64()).collect())
    }
}

/// Keeps numbers in their own type.
fn store<T: Real>(values: Vec<T>) -> Rows {
    // T is f32 or f64 (the trait is sealed); the cast of the same type reuses the allocation.
    match size_of::<T>() {
        4 => Rows::F32(Data::Owned(bytemuck::allocation::cast_vec(values))),
        _ => Rows::F64(Data::Owned(bytemuck::allocation::cast_vec(values))),
    }
}

fn require_packed(shape: Shape, measurements: usize) -> Result<()> {
    shape.validate()?;
    shape.require_solvable()?;
    if measurements == 0 {
        return Err(Error::invalid("measurements", 0, "at least 1", "give at least one measurement"));
    }
    Ok(())
}

impl Operator for Dense {
    fn name(&self) -> &str {
        "dense"
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn measurements(&self) -> usize {
        self.measurements
    }

    fn normalization(&self) -> f64 {
        self.normalization
    }

    fn shards(&self) -> usize {
        // About 2¹⁸ numbers a shard, at most 16: each shard owns an accumulator of p numbers a trial.
        (self.measurements.saturating_mul(self.shape.dimension()) >> 18).clamp(1, 16).min(self.measurements)
    }

    fn shard_range(&self, shard: usize) -> Range<usize> {
        let shards = self.shards();
        self.measurements * shard / shards..self.measurements * (shard + 1) / shards
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        twin::sensing_matrix(self, i)
    }

    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        twin::forward(self, shard, point, out);
    }

    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        twin::adjoint_apply(self, shard, residual, applied, out);
    }

    fn gradient(&self, shard: usize, request: &GradientRequest<'_>, output: &mut GradientOutput<'_>) {
        twin::gradient(self, shard, request, output);
    }

    fn cost(&self, batch: usize, _search_rank: usize) -> Cost {
        let entries = self.measurements as f64 * self.shape.dimension() as f64;
        // Forward and adjoint: a multiplication and an addition each per stored number and trial.
        Cost { bytes: entries * self.storage().bytes() as f64, flops: 4.0 * entries * batch as f64 }
    }

    fn is_isotropic(&self) -> bool {
        self.isotropic
    }

    fn kernel_f32(&self) -> Option<&dyn HostKernel<f32>> {
        Some(self)
    }

    fn kernel_f64(&self) -> Option<&dyn HostKernel<f64>> {
        Some(self)
    }

    fn gpu(&self) -> Option<&dyn GpuSource> {
        Some(self)
    }
}

impl GpuSource for Dense {
    fn plan(&self) -> GpuPlan {
        GpuPlan {
            shader: include_str!("../../../shaders/operators/dense.wgsl"),
            row_words: self.shape.dimension().next_multiple_of(64),
        }
    }

    fn write_rows(&self, rows: Range<usize>, out: &mut [u32]) {
        let p = self.shape.dimension();
        let stride = p.next_multiple_of(64);
        with_rows!(self, values => {
            out.par_chunks_mut(stride).zip(values[rows.start * p..rows.end * p].par_chunks(p)).for_each(|(out, row)| {
                out[p..].fill(0);
                for (out, v) in out.iter_mut().zip(row) {
                    *out = (v.to_f64() as f32).to_bits();
                }
            });
        });
    }
}
