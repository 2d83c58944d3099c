//! Opening sensing matrices from a file.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::data::Data;
use super::interpret::interpret;
use super::storage::{Rows, Stored, first_other, require_room};
use super::{Dense, Layout, Normalization};
use crate::error::{Error, Result};
use crate::io::{ElementKind, NpyArray, array_text};
use crate::memory::{Location, Memory, readable_bytes};
use crate::operators::Operator;
use crate::operators::Storage;
use crate::pages::Pages;
use crate::problem::{Domain, pack_symmetric_part};

/// Options for reading a file of sensing matrices. The default takes everything from the file.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct OpenOptions {
    pub(crate) symmetric: bool,
    pub(crate) layout: Option<Layout>,
    pub(crate) shape: Option<(usize, usize)>,
    pub(crate) storage: Option<Storage>,
    pub(crate) normalization: Normalization,
    pub(crate) both_parts: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let normalization = Normalization::default();
        Self { symmetric: true, layout: None, shape: None, storage: None, normalization, both_parts: false }
    }
}

/// Sensing matrices from a file, with information about the file.
#[non_exhaustive]
pub struct DenseFile {
    /// Operator of the file.
    pub operator: Dense,
    /// Path of the file.
    pub path: PathBuf,
    /// Shape of the array in the file.
    pub shape: Vec<usize>,
    /// Number type of the file, as in NumPy (`float32`).
    pub dtype: String,
    /// Layout of the rows.
    pub layout: Layout,
    /// Implied normalisation dim/Σ‖Aᵢ‖_F², see [`Dense::implied_normalization`].
    pub implied_normalization: f64,
    /// Notices for the user: symmetrised matrices, rounded numbers, a normalisation that does not fit.
    pub notices: Vec<String>,
}

impl DenseFile {
    /// Description for messages about files that must fit this one: `A.npy, shape (1000, 20, 20), float32`.
    pub fn describe(&self) -> String {
        array_text(&self.path, &self.shape, &self.dtype)
    }
}

impl OpenOptions {
    /// Sets whether the matrices are symmetric, as all models but the asymmetric one require. By default they are.
    pub fn symmetric(mut self, symmetric: bool) -> Self {
        self.symmetric = symmetric;
        self
    }

    /// Sets whether observations are the complex numbers ⟨Aᵢ, M⟩ of complex matrices that are not Hermitian. Each matrix is then two
    /// measurements: Aᵢ of the real part, and i·Aᵢ of the imaginary part.
    pub fn both_parts(mut self, both: bool) -> Self {
        self.both_parts = both;
        self
    }

    /// Sets the layout of the rows, required where the width of a two-dimensional array has two readings.
    pub fn layout(mut self, layout: impl Into<Option<Layout>>) -> Self {
        self.layout = layout.into();
        self
    }

    /// Sets the shape (n1, n2) of the unknown matrix.
    pub fn shape(mut self, shape: impl Into<Option<(usize, usize)>>) -> Self {
        self.shape = shape.into();
        self
    }

    /// Sets the number type to hold. `None`, the default, keeps the file's `float32` as `f32` and converts everything
    /// else to `f64`.
    pub fn storage(mut self, storage: impl Into<Option<Storage>>) -> Self {
        self.storage = storage.into();
        self
    }

    /// Sets the normalisation s of the operator.
    pub fn normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// Domain of n1×n2 matrices, which are square if symmetric.
    pub(super) fn domain(&self, n1: usize, n2: usize) -> Domain {
        if self.symmetric { Domain::symmetric(n1) } else { Domain::rectangular(n1, n2) }
    }

    /// Opens a `.npy` array of shape (m, n, n), (m, n²) or packed (m, n(n+1)/2), with numbers of any size and byte
    /// order, in C or Fortran order. Full matrices are symmetrised in f64 and rounded once. Packed little-endian rows
    /// in C order and in the storage type are used in place, in the mapped file, which must not change meanwhile. So
    /// are the full matrices of an asymmetric unknown, (m, n1, n2) or (m, n1·n2). Half-precision rows with numbers
    /// below 2⁻¹⁴ but 0, which some devices read as 0, are copied.
    ///
    /// The operator reports itself as isotropic where the implied normalisation is within 10 % of s. This is a
    /// heuristic: it sees the mean size of the matrices and not whether they cover all directions.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for a file that cannot be read, has no or two readings as matrices, is not
    /// finite, or overflows the storage type.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<DenseFile> {
        self.read(NpyArray::open_any(path.as_ref(), true)?)
    }

    /// Reads sensing matrices from an array, like [`OpenOptions::open`]. Data that could be used in place in a mapped
    /// file are used in place.
    ///
    /// # Errors
    /// Those of [`OpenOptions::open`].
    pub fn read(&self, array: NpyArray) -> Result<DenseFile> {
        if array.is_complex() {
            return self.complex(&array);
        }
        let (domain, layout) = interpret(&array, self)?;
        let dtype = array.dtype();
        let (path, file_shape) = (array.path().to_owned(), array.shape().to_vec());
        let measurements = array.rows();
        let storage = self.storage.unwrap_or(Storage::of_file(dtype.kind));
        let (rows, findings) = match storage {
            Storage::F16 => load::<half::f16>(array, domain, layout)?,
            Storage::F32 => load::<f32>(array, domain, layout)?,
            Storage::F64 => load::<f64>(array, domain, layout)?,
        };
        let mut operator = Dense::of(domain, measurements, rows, false);
        let implied = operator.implied_normalization();
        let s = self.normalization.resolve(measurements, implied)?;
        operator.normalization = s;
        operator.isotropic = self.is_isotropic(measurements, implied);
        let mut notices = findings.notices(storage, dtype.fits_f32());
        notices.extend(copy_notice(&operator));
        notices.extend(self.normalization_notice(measurements, implied));
        let dtype = dtype.to_string();
        Ok(DenseFile { operator, path, shape: file_shape, dtype, layout, implied_normalization: implied, notices })
    }

    /// Whether the data look isotropic.
    pub(crate) fn is_isotropic(&self, measurements: usize, implied: f64) -> bool {
        match self.normalization {
            Normalization::One => Normalization::is_usual(1, implied),
            Normalization::Value(s) => Normalization::is_usual(1, implied / s),
            Normalization::InverseCount | Normalization::Auto => Normalization::is_usual(measurements, implied),
        }
    }

    pub(crate) fn normalization_notice(&self, measurements: usize, implied: f64) -> Option<String> {
        let ratio = 1.0 / (implied * measurements as f64);
        let given = matches!(self.normalization, Normalization::One | Normalization::Value(_));
        if given || Normalization::is_usual(measurements, implied) {
            return None;
        }
        if !implied.is_finite() {
            return Some("normalization: every sensing matrix is zero, so recovery is impossible".into());
        }
        Some(match self.normalization {
            Normalization::Auto => format!(
                "normalization: s = {implied:.4e}, because the mean of |A_i|^2 over the dimension is {ratio:.4e}; \
                 entries of variance 1 give 1/m"
            ),
            _ => format!(
                "normalization: the mean of |A_i|^2 over the dimension is {ratio:.4e}, but s = 1/m = {:.4e} \
                 assumes 1; --normalization auto uses s = {implied:.4e}",
                1.0 / measurements as f64
            ),
        })
    }
}

/// Least bytes of a copy that is reported.
const LARGE_COPY: u64 = 1 << 30;

fn copy_notice(operator: &Dense) -> Option<String> {
    let held = Memory { parts: operator.memory() };
    let bytes = held.bytes(Location::Host);
    (bytes >= LARGE_COPY && !operator.is_in_place()).then(|| {
        format!(
            "matrices: lowrank holds them in memory in {}, {}; it reads packed rows from the file if the file has \
             the requested type (float16 without numbers between 0 and 2^-14)",
            operator.storage(),
            readable_bytes(bytes)
        )
    })
}

/// Observations made while the rows were read.
#[derive(Clone, Copy, Default)]
struct Findings {
    /// Largest |A − Aᵀ| of a matrix over its largest |A|, and that matrix.
    asymmetry: (f64, usize),
    /// Largest rounding error, relative to the number or in half precision to the row's largest, and its row.
    rounding: (f64, usize),
}

impl Findings {
    fn merge(self, other: Self) -> Self {
        let larger = |a: (f64, usize), b: (f64, usize)| if b.0 > a.0 { b } else { a };
        Self { asymmetry: larger(self.asymmetry, other.asymmetry), rounding: larger(self.rounding, other.rounding) }
    }

    fn notices(&self, storage: Storage, file_fits_f32: bool) -> Vec<String> {
        let mut notices = Vec::new();
        if self.asymmetry.0 > 0.0 {
            notices.push(format!(
                "matrices: not symmetric; lowrank uses their symmetric parts, which measure a symmetric unknown \
                 equally. The largest relative asymmetry is {:.3e}, in matrix {}",
                self.asymmetry.0, self.asymmetry.1
            ));
        }
        if self.rounding.0 > 0.0 && storage == Storage::F16 {
            notices.push(format!(
                "storage: the matrices were rounded to half precision; the largest error is {:.3e} of the largest \
                 entry of its matrix, in matrix {}. The relative residual cannot fall far below that size \
                 (--storage f32 keeps 24 bits)",
                self.rounding.0, self.rounding.1
            ));
        }
        // Symmetric parts of f32 numbers round too, but no measured number of the file is lost.
        if self.rounding.0 > 0.0 && storage == Storage::F32 && !file_fits_f32 {
            notices.push(format!(
                "storage: the matrices were rounded to float32; the largest relative error is {:.3e}, in matrix {} \
                 (--precision f64 avoids it)",
                self.rounding.0, self.rounding.1
            ));
        }
        notices
    }
}

/// Rows as the operator holds them.
fn load<T: Stored>(array: NpyArray, domain: Domain, layout: Layout) -> Result<(Rows, Findings)> {
    let kind = match T::STORAGE {
        Storage::F16 => ElementKind::F16,
        Storage::F32 => ElementKind::F32,
        Storage::F64 => ElementKind::F64,
    };
    array.expect_scans();
    let as_it_is = layout == Layout::Packed || !domain.is_symmetric();
    if as_it_is && let Some(values) = array.in_place::<T>(kind) {
        let Some(at) = first_other(values, T::is_plain) else {
            let (m, count) = (array.rows(), values.len());
            let (bytes, offset) = array.into_bytes();
            let rows = match T::STORAGE {
                Storage::F16 => Rows::F16 { data: Data::Kept { bytes, offset, count }, scales: vec![1.0; m] },
                Storage::F32 => Rows::F32(Data::Kept { bytes, offset, count }),
                Storage::F64 => Rows::F64(Data::Kept { bytes, offset, count }),
            };
            return Ok((rows, Findings::default()));
        };
        if !values[at].widen().is_finite() {
            return Err(not_finite(&array, at, values[at].widen()));
        }
        // A number that not every device reads as it is: the rows are copied and get scales.
    }
    let (values, scales, findings) = convert::<T>(&array, domain, layout)?;
    Ok((T::rows(values, scales), findings))
}

/// Reads block by block, in parallel; only a block of rows is ever held in f64.
fn convert<T: Stored>(array: &NpyArray, domain: Domain, layout: Layout) -> Result<(Pages<T>, Vec<f32>, Findings)> {
    let (m, width, p) = (array.rows(), array.row_len(), domain.dimension());
    let in_place = "store packed rows (upper triangles, C order, little-endian) as float32, or as float64 with \
                    --precision f64: lowrank reads those from the file";
    require_room(m, p, T::STORAGE, "matrices", in_place)?;
    let mut values = m.checked_mul(p).and_then(Pages::try_zeroed).ok_or_else(|| {
        Error::file(
            array.path(),
            format!("{m} matrices of {p} numbers"),
            format!("matrices that fit in memory at {} bytes per number", size_of::<T>()),
            "Use fewer measurements or --precision f32, or store packed rows in that type, which lowrank reads in \
             place",
        )
    })?;
    let mut scales = vec![1.0; m];
    // In Fortran order the rows of a block are adjacent in the file, so a block has many rows. 2^21 numbers of scratch
    // per thread, and 8 rows where rows are long, are a compromise.
    let block = if array.is_fortran() { ((1 << 21) / width).clamp(8, 4096) } else { ((1 << 16) / width).max(1) };
    let blocks: Vec<Result<Findings>> = values
        .as_mut_slice()
        .par_chunks_mut(block * p)
        .zip(scales.par_chunks_mut(block))
        .enumerate()
        .map_init(Vec::new, |scratch, (index, (out, scales))| {
            let first = index * block;
            let rows = out.len() / p;
            scratch.resize(rows * width, 0.0);
            array.block(first..first + rows, scratch)?;
            let mut findings = Findings::default();
            let mut packed = vec![0.0; p];
            for (i, (full, out)) in scratch.chunks(width).zip(out.chunks_mut(p)).enumerate() {
                let (scale, found) = convert_row(array, domain, layout, first + i, full, &mut packed, out)?;
                scales[i] = scale;
                findings = findings.merge(found);
            }
            Ok(findings)
        })
        .collect();
    // In the order of the rows, so that the error names the first one in the file for every thread count.
    let mut findings = Findings::default();
    for block in blocks {
        findings = findings.merge(block?);
    }
    Ok((values, scales, findings))
}

/// Converts a row; returns its scale and its findings.
fn convert_row<T: Stored>(
    array: &NpyArray,
    domain: Domain,
    layout: Layout,
    row: usize,
    full: &[f64],
    packed: &mut [f64],
    out: &mut [T],
) -> Result<(f32, Findings)> {
    if let Some(at) = full.iter().position(|v| !v.is_finite()) {
        return Err(not_finite(array, row * full.len() + at, full[at]));
    }
    let mut findings = Findings::default();
    match layout {
        Layout::Packed => packed.copy_from_slice(full),
        Layout::Full if !domain.is_symmetric() => packed.copy_from_slice(full),
        Layout::Full => {
            let n = domain.rows();
            pack_symmetric_part(n, |i, j| full[i * n + j], packed);
            findings.asymmetry = (relative_asymmetry(n, full), row);
        }
    }
    let scale = T::round_row(packed, out).map_err(|at| {
        let place = match layout {
            Layout::Packed => format!("position {at}"),
            Layout::Full if !domain.is_symmetric() => {
                format!("entry {:?}", (at / domain.columns(), at % domain.columns()))
            }
            Layout::Full => format!("entry {:?}", packed_position(domain.rows(), at)),
        };
        Error::file(
            array.path(),
            format!("{:e} in measurement {row} (counted from 0), {place}", packed[at]),
            format!("numbers that float{} holds", 8 * size_of::<T>()),
            "Pass --precision f64 --storage f64, or scale matrices and observations down together",
        )
    })?;
    let largest = packed.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    for (&value, out) in packed.iter().zip(out.iter()) {
        let stored = f64::from(scale) * out.widen();
        if stored != value {
            let error = (stored - value).abs() / if T::STORAGE == Storage::F16 { largest } else { value.abs() };
            if error > findings.rounding.0 {
                findings.rounding = (error, row);
            }
        }
    }
    Ok((scale, findings))
}

fn relative_asymmetry(n: usize, full: &[f64]) -> f64 {
    let (mut difference, mut largest) = (0.0_f64, 0.0_f64);
    for i in 0..n {
        for j in i..n {
            let (a, b) = (full[i * n + j], full[j * n + i]);
            difference = difference.max((a - b).abs());
            largest = largest.max(a.abs()).max(b.abs());
        }
    }
    if difference > 0.0 { difference / largest } else { 0.0 }
}

/// (i, j) of a packed position, only for messages.
fn packed_position(n: usize, mut at: usize) -> (usize, usize) {
    for i in 0..n {
        if at < n - i {
            return (i, i + at);
        }
        at -= n - i;
    }
    (n, n)
}

fn not_finite(array: &NpyArray, flat: usize, value: f64) -> Error {
    let row = flat / array.row_len().max(1);
    Error::file(
        array.path(),
        format!("{value} in measurement {row} (counted from 0), at index {} of the array", array.index_text(flat)),
        "finite numbers",
        "Correct that measurement, or remove it and its observation",
    )
}
