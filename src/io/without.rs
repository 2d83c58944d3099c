//! Replacements for NumPy files and archives in a build without the feature `io`: all calls are refused.

use std::path::Path;

use crate::error::{Error, Result};

fn refused<T>(path: &Path, what: &str) -> Result<T> {
    let fix = "Build with the feature io, or pass the numbers from memory".to_owned();
    Err(Error::Unsupported {
        what: format!("{}: reading {what} in a build without the feature io", path.display()),
        fix,
    })
}

pub(super) mod header {
    use super::{Path, Result, refused};
    use crate::io::element::DType;

    pub(in crate::io) struct Header {
        pub shape: Vec<usize>,
        pub complex: bool,
        pub dtype: DType,
        pub fortran: bool,
        pub offset: usize,
        pub count: usize,
    }

    pub(in crate::io) fn parse(path: &Path, _bytes: &[u8], _allows_complex: bool) -> Result<Header> {
        refused(path, "NumPy arrays")
    }
}

pub(super) mod npz {
    use super::{Path, Result, refused};
    use crate::io::npy::NpyArray;

    /// Always false, so text files and Matrix Market files are still recognised.
    pub(in crate::io) fn is_archive(_path: &Path) -> Result<bool> {
        Ok(false)
    }

    pub(in crate::io) fn npz_names(path: &Path) -> Result<Vec<String>> {
        refused(path, "archives of arrays")
    }

    pub(in crate::io) fn read_npz(path: &Path, _name: &str) -> Result<NpyArray> {
        refused(path, "archives of arrays")
    }

    pub(in crate::io) fn read_any(path: &Path, _name: &str) -> Result<NpyArray> {
        refused(path, "archives of arrays")
    }

    pub(in crate::io) fn read_text(path: &Path, _name: &str) -> Result<String> {
        refused(path, "archives of arrays")
    }

    pub(in crate::io) fn read_first(path: &Path, _names: &[&str]) -> Result<NpyArray> {
        refused(path, "archives of arrays")
    }
}
