//! Opening vectors from files.

use std::path::{Path, PathBuf};

use super::{RankOne, Vectors, require_room};
use crate::error::{Error, Result};
use crate::io::{NpyArray, array_text, shape_text};
use crate::operators::dense::Normalization;
use crate::operators::{Operator, Storage};
use crate::problem::Domain;

/// Options for reading files of vectors.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct OpenVectors {
    symmetric: bool,
    storage: Option<Storage>,
    normalization: Normalization,
    centred: bool,
}

impl Default for OpenVectors {
    fn default() -> Self {
        Self { symmetric: true, storage: None, normalization: Normalization::default(), centred: true }
    }
}

/// Vectors from files, with information about the files.
#[non_exhaustive]
pub struct VectorsFile {
    /// Operator of the files.
    pub operator: RankOne,
    /// Path of the file of left vectors.
    pub path: PathBuf,
    /// Shape of the array of left vectors.
    pub shape: Vec<usize>,
    /// Number type of the left file, as in NumPy (`float32`).
    pub dtype: String,
    /// Notices for the user.
    pub notices: Vec<String>,
}

impl VectorsFile {
    /// Description for messages about files that must fit this one: `a.npy, shape (1000, 20), float32`.
    pub fn describe(&self) -> String {
        array_text(&self.path, &self.shape, &self.dtype)
    }
}

/// One side: (m, q, n) numbers.
struct Side {
    path: PathBuf,
    shape: Vec<usize>,
    dtype: String,
    measurements: usize,
    products: usize,
    n: usize,
    vectors: Vectors,
    rounded: bool,
    complex: bool,
}

impl OpenVectors {
    /// Sets whether the matrices are a aᵀ, as by default; otherwise they are a bᵀ.
    pub fn symmetric(mut self, symmetric: bool) -> Self {
        self.symmetric = symmetric;
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

    /// Sets whether residuals are centred, for a aᵀ, as by default; see [`RankOne::centred`].
    pub fn centred(mut self, centred: bool) -> Self {
        self.centred = centred;
        self
    }

    /// Opens `.npy` arrays of shape (m, n), or (m, n, q) for sums of q outer products: a of a aᵀ, or with `right` the a
    /// and b of a bᵀ, of lengths n1 and n2. Complex a are those of a aᴴ, with a complex unknown.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for a file that cannot be read, has another shape or numbers that are not finite,
    /// or where the two files do not match; [`Error::Invalid`] where the number of files does not match the model.
    pub fn open(&self, left: impl AsRef<Path>, right: Option<&Path>) -> Result<VectorsFile> {
        self.require_sides(right.is_some())?;
        self.read(vectors(left.as_ref())?, right.map(vectors).transpose()?)
    }

    fn require_sides(&self, right: bool) -> Result<()> {
        if right != self.symmetric {
            return Ok(());
        }
        let (found, allowed, fix) = match right {
            true => {
                ("a second file", "no second file for a symmetric model", "pass --model asymmetric, or leave it out")
            }
            false => ("nothing", "b.npy for --model asymmetric", "pass b of the products a·bᵀ, or leave --model out"),
        };
        Err(Error::invalid("vectors_right", found, allowed, fix))
    }

    /// Reads vectors from arrays, like [`OpenVectors::open`].
    ///
    /// # Errors
    /// Those of [`OpenVectors::open`].
    pub fn read(&self, left: NpyArray, right: Option<NpyArray>) -> Result<VectorsFile> {
        self.require_sides(right.is_some())?;
        let left = self.side(left)?;
        let right = right.map(|array| self.side(array)).transpose()?;
        if let Some(right) = &right
            && (right.measurements, right.products) != (left.measurements, left.products)
        {
            return Err(Error::file(
                &right.path,
                format!("vectors of shape {}", shape_text(&right.shape)),
                format!(
                    "an array of shape {} x n2 x {}, to match {}",
                    left.measurements,
                    left.products,
                    left.path.display()
                ),
                "Pass equally many vectors on both sides",
            ));
        }
        let domain = match &right {
            None if left.complex => Domain::hermitian(left.n / 2),
            None => Domain::symmetric(left.n),
            Some(right) if left.complex && right.complex => Domain::complex_rectangular(left.n / 2, right.n / 2),
            Some(right) if left.complex || right.complex => {
                let found =
                    if left.complex { "real vectors b beside complex a" } else { "complex vectors b beside real a" };
                let fix = "Save both as complex numbers: b.astype(complex)";
                return Err(Error::file(&right.path, found, "complex vectors on both sides, or real ones", fix));
            }
            Some(right) => Domain::rectangular(left.n, right.n),
        };
        let mut notices = Vec::new();
        if left.rounded || right.as_ref().is_some_and(|right| right.rounded) {
            notices.push("storage: the vectors were rounded to float32 (--precision f64 avoids it)".to_owned());
        }
        let Side { path, shape: file_shape, dtype, products, vectors, .. } = left;
        let (a, b) = one_type(vectors, right.map(|right| right.vectors));
        let mut operator = RankOne::checked(domain, products, a, b)?;
        operator.centred &= self.centred;
        let (assumed, implied) = (operator.usual_normalization(), operator.implied_normalization());
        let m = operator.measurements() as f64;
        // The words are those for matrices: 1/m is the ensemble's own s, for entries of variance 1.
        let usual = Normalization::is_usual(1, implied / assumed) || !implied.is_finite();
        operator.normalization = match self.normalization {
            Normalization::InverseCount => assumed,
            Normalization::Auto => operator.normalization(),
            other => other.resolve(operator.measurements(), implied)?,
        };
        if self.normalization == Normalization::Auto && !usual {
            notices.push(format!(
                "normalization: s = {implied:.4e}, from the variance of the vectors; entries of variance 1 give \
                 {assumed:.4e}"
            ));
        }
        if self.normalization == Normalization::InverseCount && !usual {
            notices.push(format!(
                "normalization: s = {assumed:.4e} assumes entries of variance 1, but the vectors imply s = \
                 {implied:.4e} (s·m = {:.4e}), which --normalization auto uses",
                implied * m
            ));
        }
        Ok(VectorsFile { operator, path, shape: file_shape, dtype, notices })
    }

    fn side(&self, array: NpyArray) -> Result<Side> {
        let path = array.path();
        let shape = array.shape().to_vec();
        let complex = array.is_complex();
        // Complex numbers have a last axis of two parts, and two real vectors of twice the length.
        let (measurements, n, products) = match (complex, &*shape) {
            (false, &[m, n]) => (m, n, 1),
            (false, &[m, n, q]) => (m, n, q),
            (true, &[m, n, 2]) => (m, 2 * n, 2),
            (true, &[m, n, q, 2]) => (m, 2 * n, q.saturating_mul(2)),
            _ => (0, 0, 0),
        };
        if measurements == 0 || n == 0 || products == 0 {
            return Err(Error::file(
                path,
                format!("an array of shape {}", shape_text(&shape)),
                "shape (m, n), one vector per measurement, or (m, n, q), the sum of q outer products",
                "Stack the vectors as rows",
            ));
        }
        let storage = match self.storage.unwrap_or(Storage::of_file(array.dtype().kind)) {
            Storage::F16 => {
                let fix = "use f32: vectors need little memory";
                return Err(Error::invalid("storage", "f16", "f32 or f64 for vectors", fix));
            }
            storage => storage,
        };
        require_room(Domain::symmetric(n), measurements, products, storage)?;
        let values = array.to_vec()?;
        array.require_finite(&values)?;
        let values = if complex { lifted(&values, (n / 2, products / 2)) } else { values };
        // q runs fastest in the file, and slowest of the two here.
        let at = |to: usize| {
            let (i, rest) = (to / (n * products), to % (n * products));
            values[i * n * products + rest % n * products + rest / n]
        };
        let numbers = (0..values.len()).map(at);
        let mut rounded = false;
        let vectors = match storage {
            Storage::F64 => Vectors::F64(numbers.collect()),
            _ => Vectors::F32(
                numbers
                    .map(|v| {
                        let narrow = v as f32;
                        rounded |= f64::from(narrow) != v;
                        narrow
                    })
                    .collect(),
            ),
        };
        if let Vectors::F32(narrow) = &vectors
            && let Some(index) = narrow.iter().position(|v| !v.is_finite())
        {
            return Err(Error::file(
                path,
                format!("{:e} in measurement {} (counted from 0)", at(index), index / (n * products)),
                "numbers that float32 holds",
                "Pass --precision f64, or scale vectors and observations down together",
            ));
        }
        let dtype = array.type_name();
        let path = path.to_owned();
        Ok(Side { path, shape, dtype, measurements, products, n, vectors, rounded, complex })
    }
}

/// Opens a file of vectors.
fn vectors(path: &Path) -> Result<NpyArray> {
    NpyArray::open_any(path, true)
}

/// The vectors c₁ = (u; v) and c₂ = (−v; u) of complex vectors u + iv, (m, n, q, 2) as (m, 2n, 2q).
fn lifted(parts: &[f64], (n, q): (usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; 2 * parts.len()];
    for (own, of) in out.chunks_mut(4 * n * q).zip(parts.chunks(2 * n * q)) {
        for (at, part) in of.chunks(2).enumerate() {
            let (row, column) = (at / q, 2 * (at % q));
            own[row * 2 * q + column] = part[0];
            own[(n + row) * 2 * q + column] = part[1];
            own[row * 2 * q + column + 1] = -part[1];
            own[(n + row) * 2 * q + column + 1] = part[0];
        }
    }
    out
}

/// Converts both sides to the wider of their types.
fn one_type(left: Vectors, right: Option<Vectors>) -> (Vectors, Option<Vectors>) {
    let widened = |vectors: Vectors| match vectors {
        Vectors::F32(values) => Vectors::F64(values.into_iter().map(f64::from).collect()),
        wide => wide,
    };
    match (&left, &right) {
        (Vectors::F32(_), Some(Vectors::F64(_))) | (Vectors::F64(_), Some(Vectors::F32(_))) => {
            (widened(left), right.map(widened))
        }
        _ => (left, right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_two_types_become_the_wider_one() {
        let make = |wide| if wide { Vectors::F64(vec![0.1, -3.0]) } else { Vectors::F32(vec![0.1, -3.0]) };
        for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
            let (a, b) = one_type(make(left), Some(make(right)));
            let wanted = if left || right { Storage::F64 } else { Storage::F32 };
            let b = b.expect("the right side is still there");
            assert_eq!((a.storage(), b.storage()), (wanted, wanted), "{left} {right}");
            assert_eq!((a.len(), b.len()), (2, 2));
        }
    }
}
