//! Opening sensing matrices from a file.

use std::path::Path;

use crate::error::Result;
use crate::operators::dense::Dense;

#[derive(Default)]
pub struct OpenOptions {}
pub struct DenseFile {
    pub operator: Dense,
}
impl OpenOptions {
    pub fn open(&self, _path: &Path) -> Result<DenseFile> {
        Err(crate::Error::Unsupported { what: "opening files".into(), fix: "use from_rows".into() })
    }
}
