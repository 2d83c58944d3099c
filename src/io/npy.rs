//! A NumPy array in a mapped file or in memory, read as `f64`.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::element::{DType, Element, ElementKind, with_element};
use super::{header, npz, shape_text};
use crate::error::{Error, Result};
#[cfg(unix)]
use crate::memory;
use crate::memory::Location;

/// Bytes owned elsewhere: an array of another language, memory shared with another program. They must neither move nor
/// change.
pub trait Lent: AsRef<[u8]> + Send + Sync {}

impl<T: AsRef<[u8]> + Send + Sync> Lent for T {}

/// Read-only bytes with their owner.
#[derive(Clone)]
pub(crate) enum Bytes {
    Mapped(Arc<Mmap>),
    Owned(Arc<Vec<u8>>),
    Lent { owner: Arc<dyn Lent>, place: Location },
}

/// A numeric NumPy array: a mapped `.npy` file, or its bytes (an entry of an `.npz` archive).
///
/// The header has been checked against the bytes: every element is present. Leading-axis slices ("rows") are read in
/// row-major order for any order of the file.
pub struct NpyArray {
    path: PathBuf,
    bytes: Bytes,
    offset: usize,
    shape: Vec<usize>,
    dtype: DType,
    fortran: bool,
    /// Whether the last axis holds real and imaginary parts.
    complex: bool,
}

impl NpyArray {
    /// Maps a `.npy` file. Bytes after the array are ignored, as in NumPy.
    ///
    /// A mapped file must not shrink while it is read: the operating system ends a process that reads past the end.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened; [`Error::File`] where it is not a `.npy` file of numbers, is
    /// truncated, or has a header that claims more than the file holds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_any(path.as_ref(), false)
    }

    /// Maps a `.npy` file of real or, where they are allowed, complex numbers, which get a last axis of 2.
    pub(crate) fn open_any(path: &Path, allows_complex: bool) -> Result<Self> {
        let file = open_regular(path)?;
        // SAFETY: the map is private to this value and read-only, and all access goes through slices of its length.
        // Another process may still change or cut the file, as documented. Every number stays a valid bit pattern of
        // its type.
        let map = unsafe { Mmap::map(&file) }
            .map_err(|e| Error::io(path, e, "Copy the file to a local disk, from where it can be memory-mapped"))?;
        Self::with_bytes(path, Bytes::Mapped(Arc::new(map)), allows_complex)
    }

    /// Reads the bytes of a `.npy` file. `label` replaces the path in messages.
    ///
    /// # Errors
    /// [`Error::File`], see [`NpyArray::open`].
    pub fn from_bytes(label: impl Into<PathBuf>, bytes: Vec<u8>) -> Result<Self> {
        Self::with_bytes(&label.into(), Bytes::Owned(Arc::new(bytes)), false)
    }

    /// The same for real or complex numbers, see [`NpyArray::open_any`].
    pub(crate) fn from_any_bytes(label: PathBuf, bytes: Vec<u8>) -> Result<Self> {
        Self::with_bytes(&label, Bytes::Owned(Arc::new(bytes)), true)
    }

    /// An array in memory that `owner` keeps, with NumPy's `shape` and order, without gaps. `label` replaces the path
    /// in messages. `place` is the location of the bytes (an array may itself be a mapped file).
    ///
    /// The bytes must not change while the array, or an operator made from it, exists.
    ///
    /// # Errors
    /// [`Error::File`] where the bytes do not form such an array.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn lent(
        label: impl Into<PathBuf>,
        dtype: DType,
        shape: &[usize],
        fortran: bool,
        owner: Arc<dyn Lent>,
        place: Location,
    ) -> Result<Self> {
        let (path, found) = (label.into(), (*owner).as_ref().len());
        let count = shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n));
        if count.and_then(|count| count.checked_mul(dtype.bytes())) != Some(found) {
            let allowed = format!("the bytes of an array of shape {} and type {dtype}", shape_text(shape));
            return Err(Error::file(&path, format!("{found} bytes"), allowed, "Pass a contiguous array"));
        }
        let fortran = fortran && shape.len() > 1 && found > 0;
        let shape = shape.to_vec();
        Ok(Self { path, bytes: Bytes::Lent { owner, place }, offset: 0, shape, dtype, fortran, complex: false })
    }

    fn with_bytes(path: &Path, bytes: Bytes, allows_complex: bool) -> Result<Self> {
        let header = header::parse(path, bytes.as_slice(), allows_complex)?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            offset: header.offset,
            fortran: header.fortran && header.shape.len() > 1 && header.count > 0,
            shape: header.shape,
            dtype: header.dtype,
            complex: header.complex,
        })
    }

    /// The array whose last axis holds real and imaginary parts, as complex numbers.
    ///
    /// # Errors
    /// [`Error::File`] where the last axis has another length or the first one varies fastest.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn as_complex(mut self) -> Result<Self> {
        if self.fortran || self.shape.last() != Some(&2) {
            let found = format!("an array of shape {}", shape_text(&self.shape));
            return Err(Error::file(&self.path, found, "a last axis of two parts", "Pass the parts in C order"));
        }
        self.complex = true;
        Ok(self)
    }

    /// Path of the file, or `archive.npz:name` for an entry.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lengths of the axes; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether the numbers are complex: the last axis then holds their real and imaginary parts.
    pub(crate) fn is_complex(&self) -> bool {
        self.complex
    }

    /// Lengths of the axes in the file, without that of the parts of complex numbers.
    pub(crate) fn own_shape(&self) -> &[usize] {
        &self.shape[..self.shape.len() - usize::from(self.complex)]
    }

    /// Number type in the file, as in NumPy.
    pub(crate) fn type_name(&self) -> String {
        match self.complex {
            true => format!("complex{}", 16 * self.dtype.bytes()),
            false => self.dtype.to_string(),
        }
    }

    /// Whether the first axis varies fastest in the file.
    pub fn is_fortran(&self) -> bool {
        self.fortran
    }

    /// Bytes of the whole file or entry, header included.
    pub fn file_bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        // `header::parse` has checked the product.
        self.shape.iter().product()
    }

    /// Whether the array has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of the leading axis; 1 for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Elements of one leading-axis slice; 0 for an empty array.
    pub fn row_len(&self) -> usize {
        self.len().checked_div(self.rows()).unwrap_or(0)
    }

    /// One element; `None` outside the array. Integers beyond 2⁵³ are rounded here, and [`NpyArray::block`] refuses
    /// them.
    pub fn get(&self, index: &[usize]) -> Option<f64> {
        if index.len() != self.shape.len() || index.iter().zip(&self.shape).any(|(i, n)| i >= n) {
            return None;
        }
        let horner = |flat: usize, (&i, &n): (&usize, &usize)| flat * n + i;
        let flat = if self.fortran {
            index.iter().zip(&self.shape).rev().fold(0, horner)
        } else {
            index.iter().zip(&self.shape).fold(0, horner)
        };
        let size = self.dtype.bytes();
        let bytes = self.data().get(flat * size..(flat + 1) * size)?;
        with_element!(self.dtype, E => decode::<E>(bytes, self.dtype.big_endian)).or_else(|| self.rounded(bytes))
    }

    fn rounded(&self, bytes: &[u8]) -> Option<f64> {
        let mut bytes: [u8; 8] = bytes.try_into().ok()?;
        if self.dtype.big_endian {
            bytes.reverse();
        }
        match self.dtype.kind {
            ElementKind::I64 => Some(i64::from_le_bytes(bytes) as f64),
            ElementKind::U64 => Some(u64::from_le_bytes(bytes) as f64),
            _ => None,
        }
    }

    /// Fills `out` with the leading-axis slices `rows`, each in row-major order.
    ///
    /// # Errors
    /// [`Error::Invalid`] for missing rows or a wrong length of `out`; [`Error::File`] for an integer beyond ±2⁵³,
    /// which `f64` would round, with its index.
    pub fn block(&self, rows: Range<usize>, out: &mut [f64]) -> Result<()> {
        let width = self.row_len();
        let wanted = rows.len().checked_mul(width);
        if rows.end > self.rows() || rows.start > rows.end || wanted != Some(out.len()) {
            return Err(Error::invalid(
                "rows",
                format!("rows {rows:?} into a buffer of {} numbers", out.len()),
                format!("a range within 0..{} and {width} numbers per row", self.rows()),
                "request rows of the array",
            ));
        }
        if out.is_empty() {
            return Ok(());
        }
        let big = self.dtype.big_endian;
        let inexact = with_element!(self.dtype, E => {
            if self.fortran {
                self.fortran_block::<E>(rows.clone(), out)
            } else {
                let bytes = &self.data()[rows.start * width * E::BYTES..rows.end * width * E::BYTES];
                first_failure(bytes.chunks_exact(E::BYTES).zip(out.iter_mut()).map(|(bytes, out)| {
                    decode::<E>(bytes, big).map(|value| *out = value)
                }))
            }
        });
        match inexact {
            None => Ok(()),
            Some(at) => Err(Error::file(
                &self.path,
                format!("an integer beyond 2^53 at index {}", self.index_text(rows.start * width + at)),
                "integers that a double holds exactly (up to 9007199254740992)",
                "Scale the data, or round explicitly: array.astype('f8')",
            )),
        }
    }

    /// Reads the file column by column; each column's part for these rows is contiguous. Returns the first position in
    /// `out` of an integer that does not fit.
    fn fortran_block<E: Element>(&self, rows: Range<usize>, out: &mut [f64]) -> Option<usize> {
        let (height, width) = (self.rows(), self.row_len());
        let inner = &self.shape[1..];
        let mut strides = vec![1; inner.len()];
        for axis in (1..inner.len()).rev() {
            strides[axis - 1] = strides[axis] * inner[axis];
        }
        let mut index = vec![0; inner.len()];
        let mut position = 0;
        let mut inexact = None;
        for column in 0..width {
            let start = column * height;
            let bytes = &self.data()[(start + rows.start) * E::BYTES..(start + rows.end) * E::BYTES];
            for (row, bytes) in bytes.chunks_exact(E::BYTES).enumerate() {
                let at = row * width + position;
                match decode::<E>(bytes, self.dtype.big_endian) {
                    Some(value) => out[at] = value,
                    None => inexact = Some(inexact.map_or(at, |first: usize| first.min(at))),
                }
            }
            for axis in 0..inner.len() {
                index[axis] += 1;
                position += strides[axis];
                if index[axis] < inner[axis] {
                    break;
                }
                position -= strides[axis] * inner[axis];
                index[axis] = 0;
            }
        }
        inexact
    }

    /// All elements in row-major order.
    ///
    /// # Errors
    /// Those of [`NpyArray::block`]; [`Error::File`] where the elements do not fit in memory.
    pub fn to_vec(&self) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        values.try_reserve_exact(self.len()).map_err(|_| {
            let found = format!("{} numbers", self.len());
            Error::file(&self.path, found, "an array that fits in memory as float64", "Use a smaller array")
        })?;
        values.resize(self.len(), 0.0);
        if !values.is_empty() {
            self.block(0..self.rows(), &mut values)?;
        }
        Ok(values)
    }

    /// The array in place, where the file holds aligned little-endian `float32` in C order.
    pub fn as_f32_slice(&self) -> Option<&[f32]> {
        self.in_place(ElementKind::F32)
    }

    /// The array in place, where the file holds aligned little-endian `float64` in C order.
    pub fn as_f64_slice(&self) -> Option<&[f64]> {
        self.in_place(ElementKind::F64)
    }

    /// The array in place as `T`, the type of `kind`.
    pub(crate) fn in_place<T: bytemuck::Pod>(&self, kind: ElementKind) -> Option<&[T]> {
        let readable = self.dtype.kind == kind && !self.dtype.big_endian && !self.fortran;
        if readable && cfg!(target_endian = "little") { bytemuck::try_cast_slice(self.data()).ok() } else { None }
    }

    /// Announces sequential scans of the whole array, perhaps repeated. The operating system then reads ahead what fits
    /// in memory and drops the pages behind first. This is a hint; a system that ignores it loses nothing.
    pub(crate) fn expect_scans(&self) {
        #[cfg(unix)]
        if let Bytes::Mapped(map) = &self.bytes {
            let fits = memory::available().is_none_or(|available| map.len() as u64 <= available);
            let _ = map.advise(if fits { memmap2::Advice::WillNeed } else { memmap2::Advice::Sequential });
        }
    }

    /// The owner of the numbers, and the offset of the first one.
    pub(crate) fn into_bytes(self) -> (Bytes, usize) {
        (self.bytes, self.offset)
    }

    /// Position in row-major order as an index: `[3, 0, 2]`.
    pub(crate) fn index_text(&self, flat: usize) -> String {
        let mut rest = flat;
        let mut index: Vec<String> = Vec::new();
        for &n in self.shape.iter().rev() {
            index.push((rest % n.max(1)).to_string());
            rest /= n.max(1);
        }
        index.reverse();
        format!("[{}]", index.join(", "))
    }

    /// Short description for messages: `A.npy, shape (3, 2), float64`.
    pub fn describe(&self) -> String {
        format!("{}, shape {}, {}", self.path.display(), shape_text(&self.shape), self.dtype)
    }

    /// Refuses the first NaN or infinity of `values`, all elements in row-major order.
    pub(crate) fn require_finite(&self, values: &[f64]) -> Result<()> {
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::file(
                &self.path,
                format!("{} at index {}", values[at], self.index_text(at)),
                "finite numbers",
                "Correct or remove that entry",
            )),
        }
    }

    fn data(&self) -> &[u8] {
        &self.bytes.as_slice()[self.offset..self.offset + self.len() * self.dtype.bytes()]
    }
}

impl std::fmt::Debug for NpyArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NpyArray({})", self.describe())
    }
}

impl Bytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
            Self::Lent { owner, .. } => (**owner).as_ref(),
        }
    }

    pub(crate) fn place(&self) -> Location {
        match self {
            Self::Mapped(_) => Location::File,
            Self::Owned(_) => Location::Host,
            Self::Lent { place, .. } => *place,
        }
    }
}

#[inline(always)]
fn decode<E: Element>(bytes: &[u8], big_endian: bool) -> Option<f64> {
    if big_endian { E::big(bytes) } else { E::little(bytes) }
}

fn first_failure(mut results: impl Iterator<Item = Option<()>>) -> Option<usize> {
    results.position(|result| result.is_none())
}

/// Opens a `.npy` file, or one array of an `.npz` archive: the first of `names` in it, or its only array.
///
/// # Errors
/// Those of [`NpyArray::open`] and [`super::read_npz`].
pub fn open_array(path: impl AsRef<Path>, names: &[&str]) -> Result<NpyArray> {
    let path = path.as_ref();
    if npz::is_archive(path)? { npz::read_first(path, names) } else { NpyArray::open(path) }
}

/// Opens an existing regular file: a directory cannot be mapped, and a pipe has no end against which to check a header.
pub(super) fn open_regular(path: &Path) -> Result<File> {
    let fix = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => "Check its permissions",
        Ok(meta) => {
            let found = if meta.is_dir() { "a directory" } else { "a pipe or device" };
            return Err(Error::file(path, found, "a regular file", "Name a file on disk"));
        }
        Err(_) => "Check the path",
    };
    File::open(path).map_err(|e| Error::io(path, e, fix))
}
