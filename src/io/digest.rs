//! Input files for reports: path, digest, shape, type.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::matrix_market;
use super::npy::{NpyArray, open_regular};
use crate::error::{Error, Result};

/// One input file in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputInfo {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 of the whole file in lower-case hexadecimal, as printed by `sha256sum`.
    pub sha256: String,
    /// Shape of the array; empty for an archive or a text file.
    pub shape: Vec<usize>,
    /// Number type as in NumPy (`float32`), or `npz`, `mtx`, `text`.
    pub dtype: String,
}

impl InputInfo {
    /// Digest of a mapped `.npy` file, or of the bytes of an array in memory.
    pub fn of(array: &NpyArray) -> Self {
        let mut hash = Sha256::new();
        // Hashing in pieces lets the system drop hashed pages.
        for piece in array.file_bytes().chunks(1 << 20) {
            hash.update(piece);
        }
        Self {
            path: array.path().to_owned(),
            sha256: hexadecimal(&hash.finalize()),
            shape: array.own_shape().to_vec(),
            dtype: array.type_name(),
        }
    }

    /// Digest of a `.npy` file, an `.npz` archive, or a text file.
    ///
    /// # Errors
    /// Those of [`NpyArray::open`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut first = Vec::new();
        let begin = open_regular(path)?.take(64).read_to_end(&mut first);
        begin.map_err(|e| Error::io(path, e, "Check the file"))?;
        let dtype = match &first[..] {
            [b'P', b'K', ..] => "npz",
            text if matrix_market::is_one(text) => "mtx",
            // A file with the magic bytes of an array must be one.
            [0x93, ..] => return Ok(Self::of(&NpyArray::open_any(path, true)?)),
            _ => "text",
        };
        let mut file = open_regular(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hash.update(&buffer[..count]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(path, e, "Check the disk")),
            }
        }
        let sha256 = hexadecimal(&hash.finalize());
        Ok(Self { path: path.to_owned(), sha256, shape: Vec::new(), dtype: dtype.into() })
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
