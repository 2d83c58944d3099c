//! Dense arrays with holes: NaN is an entry that was not observed.

use std::io::Read;
use std::path::Path;

use super::npy::open_regular;
use super::triplets::{LARGEST, Triplets};
use super::{NpyArray, npz, shape_text};
use crate::error::{Error, Result};
use crate::memory::{Location, Memory, Part};

const SAVE: &str = "Save a two-dimensional array: numpy.save(path, D) with numpy.nan where D is not known";

/// Names of a matrix among several arrays of an archive.
const NAMES: [&str; 4] = ["D", "X", "M", "arr_0"];

/// Whether a file is a dense array: `.npy`, or an archive that scipy.sparse did not write.
pub(super) fn is_array(path: &Path) -> Result<bool> {
    if npz::is_archive(path)? {
        return Ok(!npz::npz_names(path)?.iter().any(|name| name == "format"));
    }
    let mut first = Vec::with_capacity(6);
    open_regular(path)?.take(6).read_to_end(&mut first).map_err(|e| Error::io(path, e, "Check the file"))?;
    Ok(first == b"\x93NUMPY")
}

/// Reads the entries of an array that are not NaN. An array of three columns without holes, two of them whole numbers, is a
/// list of entries, unless `wide` says otherwise. Returns the shape of the matrix.
pub(super) fn read(
    path: &Path,
    wide: Option<bool>,
    out: &mut Triplets,
    notices: &mut Vec<String>,
) -> Result<(usize, usize)> {
    let array = if npz::is_archive(path)? { npz::read_first(path, &NAMES)? } else { NpyArray::open(path)? };
    let &[n1, n2] = array.shape() else {
        return Err(Error::file(path, format!("an array of shape {}", shape_text(array.shape())), "two axes", SAVE));
    };
    if n1 == 0 || n2 == 0 || n1 as u64 > LARGEST || n2 as u64 > LARGEST {
        return Err(Error::file(path, format!("a matrix of {n1} x {n2}"), "at least one row and column", SAVE));
    }
    let bytes = (array.len() as u64).saturating_mul(8 + 16);
    let part = Part::new("the array and its entries", Location::Host, bytes);
    Memory { parts: vec![part] }
        .require("entries", "Pass the known entries as a sparse matrix (scipy.sparse.save_npz)")?;
    let values = array.to_vec()?;
    if let Some(at) = values.iter().position(|value| value.is_infinite()) {
        let found = format!("{} at [{}, {}]", values[at], at / n2, at % n2);
        return Err(Error::file(path, found, "finite numbers, and NaN for holes", "Correct that entry"));
    }
    let holes = values.iter().filter(|value| value.is_nan()).count();
    let index = |value: f64| value.fract() == 0.0 && (0.0..LARGEST as f64).contains(&value);
    let listed = || n2 == 3 && holes == 0 && values.chunks(3).all(|line| index(line[0]) && index(line[1]));
    if wide == Some(false) || (wide.is_none() && n1 > 3 && listed()) {
        if !listed() {
            let allowed = "three columns: row, column (whole numbers from 0) and value";
            return Err(Error::file(path, format!("an array of {n1} x {n2}"), allowed, "Leave --table long out"));
        }
        for line in values.chunks(3) {
            out.rows.push(line[0] as u32);
            out.columns.push(line[1] as u32);
            out.values.push(line[2]);
        }
        notices.push(format!(
            "{} has three columns of which two are indices: it is read as a list of entries; --table wide reads a matrix",
            path.display()
        ));
        return Ok(out.extent());
    }
    if holes == values.len() {
        return Err(Error::file(path, "holes alone", "at least one entry that is not NaN", SAVE));
    }
    for (at, value) in values.into_iter().enumerate().filter(|(_, value)| !value.is_nan()) {
        out.rows.push((at / n2) as u32);
        out.columns.push((at % n2) as u32);
        out.values.push(value);
    }
    notices.push(format!("{} holds a matrix of {n1} x {n2} with {holes} holes", path.display()));
    Ok((n1, n2))
}
