//! Lists of (row, column, value) from files of several formats.

use std::io::Read;
use std::path::Path;

use super::npy::open_regular;
use super::{delimited, matrix_market, npz, scipy};
use crate::error::{Error, Result};

/// Lists of (row, column, value), counted from 0, in any order. The three lists have the same length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Triplets {
    /// Row of each entry.
    pub rows: Vec<u32>,
    /// Column of each entry.
    pub columns: Vec<u32>,
    /// Value of each entry.
    pub values: Vec<f64>,
}

impl Triplets {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The smallest shape that holds all entries: one more than the largest row and column.
    pub fn extent(&self) -> (usize, usize) {
        let size = |places: &[u32]| places.iter().max().map_or(0, |&place| place as usize + 1);
        (size(&self.rows), size(&self.columns))
    }

    /// Adds the entry (b, a) for every (a, b) off the diagonal.
    pub fn mirror(&mut self) {
        for q in 0..self.len() {
            let (row, column, value) = (self.rows[q], self.columns[q], self.values[q]);
            if row != column {
                self.rows.push(column);
                self.columns.push(row);
                self.values.push(value);
            }
        }
    }
}

/// Receiver of entries.
pub(super) trait Sink {
    fn reserve(&mut self, entries: usize);
    fn add(&mut self, row: u64, column: u64, value: f64);
}

impl Sink for Triplets {
    fn reserve(&mut self, entries: usize) {
        self.rows.reserve_exact(entries);
        self.columns.reserve_exact(entries);
        self.values.reserve_exact(entries);
    }

    #[inline]
    fn add(&mut self, row: u64, column: u64, value: f64) {
        self.rows.push(row as u32);
        self.columns.push(column as u32);
        self.values.push(value);
    }
}

/// Most rows and columns; indices stay below 2³².
const LARGEST: u64 = 1 << 31;

/// Entries of a matrix from a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TripletFile {
    /// Entries of the file.
    pub triplets: Triplets,
    /// Shape (n1, n2): as requested, from the file's header, or one more than the largest row and column.
    pub shape: (usize, usize),
    /// Whether the file stores only the lower triangle of a symmetric matrix.
    pub symmetric: bool,
    /// Assumptions about the file, as sentences.
    pub notices: Vec<String>,
}

/// Options for reading a file of entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct TripletOptions {
    /// Index base of text files, 0 or 1; `None` is 0. Matrix Market files always count from 1, scipy archives from 0.
    pub index_base: Option<u8>,
    /// Shape (n1, n2) of the matrix.
    pub shape: Option<(usize, usize)>,
    /// Whether the unknown is symmetric. The shape of a text file is then the larger of both extents.
    pub square: bool,
}

impl TripletOptions {
    /// Reads a Matrix Market file (coordinate; real, integer or pattern; general or symmetric), an archive of
    /// scipy.sparse.save_npz (csr, csc, coo), or text with one line `row,column,value` per entry. Text may be CSV, TSV
    /// or blanks, with or without a header.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] naming the line: positions that are negative, fractional or outside the
    /// matrix, values that are not finite, missing fields, no entries, a Matrix Market file that is truncated or has a
    /// wrong count of entries; [`Error::Invalid`] for flags that contradict the file.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<TripletFile> {
        let path = path.as_ref();
        if let Some((n1, n2)) =
            self.shape.filter(|(n1, n2)| ![n1, n2].iter().all(|n| (1..=LARGEST).contains(&(**n as u64))))
        {
            let allowed = format!("1 to {LARGEST} rows and columns");
            return Err(Error::invalid("shape", format!("{n1},{n2}"), allowed, "pass the size of the unknown matrix"));
        }
        let mut triplets = Triplets::default();
        let mut notices = Vec::new();
        let mut first = Vec::new();
        let begin = open_regular(path)?.take(matrix_market::MAGIC.len() as u64).read_to_end(&mut first);
        begin.map_err(|e| Error::io(path, e, "Check the file"))?;
        let (claimed, symmetric) = if first.eq_ignore_ascii_case(matrix_market::MAGIC) {
            self.require_base(path, 1, "Matrix Market files")?;
            let header = matrix_market::read(path, (LARGEST, LARGEST), &mut triplets)?;
            (Some((header.rows as usize, header.columns as usize)), header.symmetric)
        } else if npz::is_archive(path)? {
            self.require_base(path, 0, "scipy archives")?;
            let (rows, columns) = scipy::read(path, (LARGEST, LARGEST), &mut triplets)?;
            (Some((rows as usize, columns as usize)), false)
        } else {
            let base = u64::from(self.index_base.unwrap_or(0));
            let sizes = self.shape.map_or((LARGEST, LARGEST), |(n1, n2)| (n1 as u64, n2 as u64));
            let fields = delimited::read(path, base, sizes, &mut triplets)?;
            self.remark(path, &triplets, fields, &mut notices);
            (None, false)
        };
        let shape = match (self.shape, claimed) {
            (Some(asked), Some(claimed)) if asked != claimed => {
                return Err(Error::file(
                    path,
                    format!("a matrix of {} x {}", claimed.0, claimed.1),
                    format!("{} x {}, as given by --shape", asked.0, asked.1),
                    "Leave --shape out, or pass another file",
                ));
            }
            (Some(shape), _) | (None, Some(shape)) => shape,
            (None, None) => {
                let (n1, n2) = triplets.extent();
                if self.square { (n1.max(n2), n1.max(n2)) } else { (n1, n2) }
            }
        };
        Ok(TripletFile { triplets, shape, symmetric, notices })
    }

    fn require_base(&self, path: &Path, base: u8, files: &str) -> Result<()> {
        match self.index_base {
            Some(found) if found != base => Err(Error::invalid(
                "index_base",
                format!("{found} for {}", path.display()),
                format!("{base}: {files} always count from {base}"),
                "leave it out",
            )),
            _ => Ok(()),
        }
    }

    /// Notes the assumptions about a text file.
    fn remark(&self, path: &Path, triplets: &Triplets, fields: usize, notices: &mut Vec<String>) {
        let name = path.display();
        let least = |places: &[u32]| places.iter().min().copied().unwrap_or(0);
        let (row, column) = (least(&triplets.rows), least(&triplets.columns));
        if self.index_base.is_none() {
            let doubt = if row > 0 && column > 0 {
                format!(
                    "; the smallest are row {row} and column {column}: if the file counts from 1, pass \
                         --index-base 1"
                )
            } else {
                String::new()
            };
            notices.push(format!(
                "index base 0: {name} is read as counting rows and columns from 0; --index-base 1 \
                                  counts from 1{doubt}"
            ));
        }
        if fields > 3 {
            notices.push(format!("{name} has {fields} columns; the first three are row, column and value"));
        }
    }
}
