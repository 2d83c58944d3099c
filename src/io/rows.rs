//! Sparse matrices whose rows are measurements.

use std::io::Read;
use std::path::Path;

use super::npy::open_regular;
use super::triplets::Sink;
use super::{matrix_market, npz, scipy};
use crate::error::{Error, Result};

/// A sparse matrix in compressed rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SparseRows {
    /// Number of columns.
    pub width: usize,
    /// Offset of each row in `indices` and `values`, of length rows + 1.
    pub indptr: Vec<usize>,
    /// Column of each entry, row by row.
    pub indices: Vec<usize>,
    /// Value of each entry, row by row.
    pub values: Vec<f64>,
}

impl SparseRows {
    /// The matrix of that width with entries `indptr[i]..indptr[i + 1]` in row i.
    pub fn new(width: usize, indptr: Vec<usize>, indices: Vec<usize>, values: Vec<f64>) -> Self {
        Self { width, indptr, indices, values }
    }
}

/// Entries in file order.
#[derive(Default)]
struct Cells {
    rows: Vec<u32>,
    columns: Vec<usize>,
    values: Vec<f64>,
}

impl Sink for Cells {
    fn reserve(&mut self, entries: usize) {
        self.rows.reserve_exact(entries);
        self.columns.reserve_exact(entries);
        self.values.reserve_exact(entries);
    }

    #[inline]
    fn add(&mut self, row: u64, column: u64, value: f64) {
        self.rows.push(row as u32);
        self.columns.push(column as usize);
        self.values.push(value);
    }
}

/// Most rows, because nonzeros are numbered in 32 bits, and most columns, the entries of a matrix of 2³¹ by 2³¹.
const MOST: (u64, u64) = ((1 << 32) - 2, 1 << 62);

/// Most rows beyond the first number, per entry. Stating a large size in a file costs nothing, so the memory here is
/// kept in proportion to the file.
const SPARSEST: (u64, u64) = (1 << 20, 1 << 10);

/// Reads a sparse matrix: a Matrix Market file (coordinate; real, integer or pattern) or an archive of
/// scipy.sparse.save_npz (csr, csc, coo).
///
/// # Errors
/// [`Error::Io`] and [`Error::File`], see [`super::TripletOptions::open`].
pub fn read_sparse_rows(path: impl AsRef<Path>) -> Result<SparseRows> {
    let path = path.as_ref();
    let mut first = Vec::new();
    let begin = open_regular(path)?.take(64).read_to_end(&mut first);
    begin.map_err(|e| Error::io(path, e, "Check the file"))?;
    matrix_market::recognised(path, &first)?;
    let mut cells = Cells::default();
    let (rows, width) = if matrix_market::is_one(&first) {
        let header = matrix_market::read(path, MOST, &mut cells)?;
        if header.symmetric {
            for q in 0..cells.values.len() {
                let (row, column, value) = (cells.rows[q], cells.columns[q], cells.values[q]);
                if row as usize != column {
                    cells.add(column as u64, u64::from(row), value);
                }
            }
        }
        (header.rows, header.columns)
    } else if npz::is_archive(path)? {
        scipy::read(path, MOST, &mut cells)?
    } else {
        let found = if first.is_empty() {
            "an empty file".into()
        } else {
            format!("\"{}…\"", first[..first.len().min(14)].escape_ascii())
        };
        let allowed = "a Matrix Market file or an archive of scipy.sparse.save_npz";
        let fix = "Write it with scipy.sparse.save_npz(path, A), one row per measurement; pass full matrices as \
                   --matrices";
        return Err(Error::file(path, found, allowed, fix));
    };
    let entries = cells.values.len() as u64;
    if rows > SPARSEST.0 + SPARSEST.1 * entries {
        let allowed = format!("at most {} rows for this number of entries", SPARSEST.0 + SPARSEST.1 * entries);
        let fix = "Each row is a measurement: remove rows without entries, or correct the sizes in the file";
        return Err(Error::file(path, format!("{rows} rows and {entries} entries"), allowed, fix));
    }
    Ok(compress(rows as usize, width as usize, cells))
}

/// Counting sort by row; a row keeps the order of its entries.
fn compress(rows: usize, width: usize, cells: Cells) -> SparseRows {
    let mut indptr = vec![0; rows + 1];
    cells.rows.iter().for_each(|&row| indptr[row as usize + 1] += 1);
    for row in 0..rows {
        indptr[row + 1] += indptr[row];
    }
    let mut next = indptr.clone();
    let (mut indices, mut values) = (vec![0; cells.values.len()], vec![0.0; cells.values.len()]);
    for (q, &row) in cells.rows.iter().enumerate() {
        let at = &mut next[row as usize];
        (indices[*at], values[*at]) = (cells.columns[q], cells.values[q]);
        *at += 1;
    }
    SparseRows::new(width, indptr, indices, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_entries_are_in_proportion_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("A.mtx");
        let read = |rows: u64| {
            let text = format!("%%MatrixMarket matrix coordinate real general\n{rows} 4 1\n1 1 1\n");
            std::fs::write(&path, text).unwrap();
            read_sparse_rows(&path)
        };
        let most = SPARSEST.0 + SPARSEST.1;
        assert_eq!(read(most).unwrap().indptr.len() as u64, most + 1);
        for rows in [most + 1, MOST.0] {
            let message = read(rows).unwrap_err().to_string();
            assert!(message.contains(&format!("{rows} rows")) && message.contains("A.mtx"), "{message}");
        }
    }
}
