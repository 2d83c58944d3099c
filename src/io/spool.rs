//! Bytes whose number is not known yet, kept on the disk and not in memory.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::output::create_beside;
use crate::error::{Error, Result};

/// A file without a lasting name, on the disk of the output that it is for: what fits there once fits there now, or the
/// failure comes early. It goes away with the value.
#[derive(Debug)]
pub struct Spool {
    writer: BufWriter<File>,
    /// Where the system does not let an open file lose its name.
    name: Option<PathBuf>,
}

impl Spool {
    /// Beside `output`; for the standard output or a device in the directory of temporary files.
    pub fn create(output: &Path) -> Result<Self> {
        let elsewhere = output == Path::new("-") || std::fs::metadata(output).is_ok_and(|meta| !meta.is_file());
        let beside = match output.canonicalize() {
            _ if elsewhere => std::env::temp_dir().join("lowrank"),
            // The disk that a symbolic link points to.
            Ok(target) => target,
            Err(_) => output.to_owned(),
        };
        let fix = "Check that there can be a temporary file in that directory";
        let (name, file) = create_beside(&beside).map_err(|e| Error::io(&beside, e, fix))?;
        let name = if cfg!(unix) && std::fs::remove_file(&name).is_ok() { None } else { Some(name) };
        Ok(Self { writer: BufWriter::new(file), name })
    }

    /// Copies everything that was written to `writer`.
    pub fn copy_to(&mut self, writer: &mut impl Write) -> std::io::Result<()> {
        self.writer.flush()?;
        let file = self.writer.get_mut();
        file.rewind()?;
        std::io::copy(file, writer).map(|_| ())
    }
}

impl Write for Spool {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.writer.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Nothing can be done, and nothing is lost, where this fails.
            let _ = std::fs::remove_file(name);
        }
    }
}
