//! Sparse matrices of scipy.sparse.save_npz: archives with `format`, `shape`, `data` and the positions.

use std::path::Path;

use super::npz::{read_npz, read_text};
use super::triplets::Sink;
use crate::error::{Error, Result};

const SAVE: &str = "Write it with scipy.sparse.save_npz(path, scipy.sparse.csr_matrix(A))";

/// Whole numbers of an array.
fn whole(path: &Path, name: &str) -> Result<Vec<u64>> {
    let array = read_npz(path, name)?;
    let values = array.to_vec()?;
    match values.iter().position(|v| v.fract() != 0.0 || *v < 0.0) {
        None => Ok(values.iter().map(|&v| v as u64).collect()),
        Some(at) => Err(Error::file(
            array.path(),
            format!("{} at index {at}", values[at]),
            "whole numbers of at least 0",
            "The matrix is damaged: write it again",
        )),
    }
}

/// Reads a matrix of at most `most` rows and columns in csr, csc or coo format. Returns its rows and columns.
pub(super) fn read(path: &Path, most: (u64, u64), sink: &mut impl Sink) -> Result<(u64, u64)> {
    let format = read_text(path, "format")?;
    let shape = whole(path, "shape")?;
    let &[rows, columns] = shape.as_slice() else {
        return Err(Error::file(path, format!("a shape of {} numbers", shape.len()), "2", SAVE));
    };
    if rows == 0 || columns == 0 || rows > most.0 || columns > most.1 {
        let allowed = format!("1 to {} rows and 1 to {} columns", most.0, most.1);
        return Err(Error::file(path, format!("a matrix of {rows} x {columns}"), allowed, SAVE));
    }
    let array = read_npz(path, "data")?;
    let data = array.to_vec()?;
    array.require_finite(&data)?;
    let (lines, others) = match format.as_str() {
        "csr" => (rows, columns),
        "csc" => (columns, rows),
        "coo" => (rows, columns),
        other => return Err(Error::file(path, format!("format '{other}'"), "csr, csc or coo", SAVE)),
    };
    let names = if format == "coo" { ["row", "col"] } else { ["indptr", "indices"] };
    let [first, second] = [whole(path, names[0])?, whole(path, names[1])?];
    let line: Vec<u64> = if format == "coo" { first } else { expanded(path, &first, lines, data.len())? };
    if line.len() != data.len() || second.len() != data.len() {
        let found = format!("{} values at {} positions", data.len(), second.len());
        return Err(Error::file(path, found, "as many of each", "The matrix is damaged: write it again"));
    }
    if data.is_empty() {
        return Err(Error::file(path, "no entries", "at least one", "Check how the file was written"));
    }
    if let Some(at) = (0..data.len()).find(|&at| line[at] >= lines || second[at] >= others) {
        let found = format!("position ({}, {}) at entry {at} of the {format} lists", line[at], second[at]);
        let allowed = format!("positions inside the {rows} x {columns} matrix");
        return Err(Error::file(path, found, allowed, "The matrix is damaged: write it again"));
    }
    sink.reserve(data.len());
    for ((line, other), value) in line.into_iter().zip(second).zip(data) {
        match format.as_str() {
            "csc" => sink.add(other, line, value),
            _ => sink.add(line, other, value),
        }
    }
    Ok((rows, columns))
}

/// The line of each entry, from the offsets of the lines.
fn expanded(path: &Path, starts: &[u64], lines: u64, count: usize) -> Result<Vec<u64>> {
    let rising = starts.windows(2).all(|pair| pair[0] <= pair[1]);
    if starts.len() as u64 != lines + 1 || starts[0] != 0 || !rising || starts[lines as usize] != count as u64 {
        let found = format!("{} pointers to {count} values", starts.len());
        let allowed = format!("{} that rise from 0 to the number of values", lines + 1);
        return Err(Error::file(path, found, allowed, "The matrix is damaged: write it again"));
    }
    let mut out = Vec::with_capacity(count);
    for (line, pair) in starts.windows(2).enumerate() {
        out.resize(pair[1] as usize, line as u64);
    }
    Ok(out)
}
