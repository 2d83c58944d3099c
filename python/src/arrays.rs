//! Conversion of NumPy arrays.

use std::sync::Arc;

use lowrank::io::{DType, ElementKind, NpyArray};
use lowrank::memory::Location;
use numpy::{PyArray1, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::errors::{invalid, raised};

/// Numbers in an array owned by NumPy.
struct Kept {
    /// Reference that keeps the array alive.
    _array: Py<PyAny>,
    address: usize,
    bytes: usize,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        if self.bytes == 0 {
            return &[];
        }
        // SAFETY: the array owns, or keeps alive what owns, so many bytes without gaps from this address on, and is kept alive
        // by this value; an array that is referenced cannot be resized in place. That nobody writes to it meanwhile is asked of
        // callers in the documentation, as it is of files; what they write would be numbers all the same.
        unsafe { std::slice::from_raw_parts(self.address as *const u8, self.bytes) }
    }
}

fn kind(letter: &str, size: usize) -> Option<ElementKind> {
    Some(match (letter, size) {
        ("b", 1) => ElementKind::Bool,
        ("i", 1) => ElementKind::I8,
        ("i", 2) => ElementKind::I16,
        ("i", 4) => ElementKind::I32,
        ("i", 8) => ElementKind::I64,
        ("u", 1) => ElementKind::U8,
        ("u", 2) => ElementKind::U16,
        ("u", 4) => ElementKind::U32,
        ("u", 8) => ElementKind::U64,
        ("f", 2) => ElementKind::F16,
        ("f", 4) => ElementKind::F32,
        ("f", 8) => ElementKind::F64,
        _ => return None,
    })
}

/// Borrows a contiguous array (ensured by the package) in place.
pub fn lent(name: &str, array: &Bound<'_, PyUntypedArray>) -> PyResult<NpyArray> {
    let dtype = array.dtype();
    let letter: String = dtype.getattr("kind")?.extract()?;
    let order: String = dtype.getattr("byteorder")?.extract()?;
    let size: usize = dtype.getattr("itemsize")?.extract()?;
    let Some(kind) = kind(&letter, size) else {
        let fix = match letter.as_str() {
            "c" => "Lift complex numbers to real ones, (u; v) and (-v; u) of u + iv; see RankOne",
            _ => "Convert it, for example array.astype('f8')",
        };
        return Err(invalid(name, format!("an array of {}", dtype.str()?), "real numbers of 1 to 8 bytes", fix));
    };
    let (c, fortran) = (array.is_c_contiguous(), array.is_fortran_contiguous());
    if !(c || fortran) {
        return Err(invalid(name, "a non-contiguous array", "a contiguous array", "numpy.ascontiguousarray(array)"));
    }
    let mapped = array.py().import("numpy")?.getattr("memmap")?;
    let place = if array.is_instance(&mapped)? { Location::File } else { Location::Host };
    let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
    let (address, _): (usize, bool) = array.getattr("__array_interface__")?.get_item("data")?.extract()?;
    let kept = Kept { _array: array.clone().unbind().into_any(), address, bytes: array.len() * size };
    let dtype = DType::new(kind, big_endian);
    NpyArray::lent(name, dtype, array.shape(), fortran && !c, Arc::new(kept), place).map_err(raised)
}

/// Returns all numbers as f64, in row-major order.
pub fn numbers(name: &str, array: &Bound<'_, PyUntypedArray>) -> PyResult<Vec<f64>> {
    lent(name, array)?.to_vec().map_err(raised)
}

/// Returns a new row-major array of `shape`.
pub fn made<'py>(py: Python<'py>, values: Vec<f64>, shape: &[usize]) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyArray1::from_vec(py, values).reshape(shape.to_vec())?.into_any())
}
