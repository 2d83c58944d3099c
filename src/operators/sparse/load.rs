//! Opening sparse sensing matrices from a file.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::{SparseRows, read_sparse_rows};
use crate::operators::dense::{OpenOptions, shape_of_width};
use crate::operators::{Layout, Operator, Sparse};

/// Sparse sensing matrices from a file, with information about the file.
#[non_exhaustive]
pub struct SparseFile {
    /// Operator of the file.
    pub operator: Sparse,
    /// Path of the file.
    pub path: PathBuf,
    /// Number of columns of the matrix in the file.
    pub width: usize,
    /// Layout of the rows.
    pub layout: Layout,
    /// Implied normalisation dim/Σ‖Aᵢ‖_F², see [`Sparse::implied_normalization`].
    pub implied_normalization: f64,
    /// Notices for the user: rows without nonzeros, a normalisation that does not fit.
    pub notices: Vec<String>,
}

impl SparseFile {
    /// Description for messages about files that must fit this one: `A.mtx, 1000 x 400`.
    pub fn describe(&self) -> String {
        format!("{}, {} x {}", self.path.display(), self.operator.measurements(), self.width)
    }
}

impl Sparse {
    /// Opens a Matrix Market or scipy.sparse file with one measurement per row: full rows of n1·n2 or packed ones of
    /// n(n+1)/2 positions. The storage of `options` is not used: numbers keep their type.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for a file that cannot be read or has no or two readings as matrices;
    /// [`Error::Memory`].
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<SparseFile> {
        let path = path.as_ref();
        Self::read(path, read_sparse_rows(path)?, options)
    }

    /// Reads sensing matrices from compressed rows, like [`Sparse::open`]; `label` replaces the path in messages.
    ///
    /// # Errors
    /// Those of [`Sparse::open`].
    pub fn read(label: impl AsRef<Path>, rows: SparseRows, options: &OpenOptions) -> Result<SparseFile> {
        let path = label.as_ref();
        let (domain, layout) = shape_of_width(path, options, rows.width)?;
        let operator = Self::from_csr(domain, layout, &rows.indptr, &rows.indices, &rows.values)
            .map_err(|error| named(path, error))?;
        let (m, implied) = (operator.measurements(), operator.implied_normalization());
        let mut operator = operator.with_normalization(options.normalization.resolve(m, implied)?)?;
        operator.isotropic = options.is_isotropic(m, implied);
        let mut notices = Vec::new();
        let empty = operator.empty_measurements();
        if empty > 0 {
            let noun = if empty == 1 { "measurement has" } else { "measurements have" };
            notices.push(format!("{empty} of {m} {noun} no nonzero in {} and so no information", path.display()));
        }
        notices.extend(options.normalization_notice(m, implied));
        let path = path.to_owned();
        Ok(SparseFile { operator, path, width: rows.width, layout, implied_normalization: implied, notices })
    }
}

/// Adds the file name to an error.
fn named(path: &Path, error: Error) -> Error {
    match error {
        Error::Invalid { found, allowed, fix, .. } => Error::file(path, found, allowed, fix),
        other => other,
    }
}
