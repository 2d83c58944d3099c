//! Bytes of unknown number, kept on the disk instead of in memory.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::output::create_beside;
use crate::error::{Error, Result};

/// A temporary file without a lasting name, on the disk of its output: bytes that fit there once fit there now, or the
/// failure comes early. It is removed on drop.
#[derive(Debug)]
pub struct Spool {
    writer: BufWriter<File>,
    /// Name of the file, where the system cannot unlink an open file.
    name: Option<PathBuf>,
}

impl Spool {
    /// Creates the file beside `output`, or in the temporary directory for the standard output or a device.
    pub fn create(output: &Path) -> Result<Self> {
        let elsewhere = output == Path::new("-") || std::fs::metadata(output).is_ok_and(|meta| !meta.is_file());
        let beside = match output.canonicalize() {
            _ if elsewhere => std::env::temp_dir().join("lowrank"),
            // The disk of the target of a symbolic link.
            Ok(target) => target,
            Err(_) => output.to_owned(),
        };
        let fix = "Check that the directory accepts temporary files";
        let (name, file) = create_beside(&beside).map_err(|e| Error::io(&beside, e, fix))?;
        let name = if cfg!(unix) && std::fs::remove_file(&name).is_ok() { None } else { Some(name) };
        Ok(Self { writer: BufWriter::new(file), name })
    }

    /// Copies all bytes written so far to `writer`.
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
            // A failure here loses nothing and cannot be repaired.
            let _ = std::fs::remove_file(name);
        }
    }
}
