//! `.npz` archives: zip files with one `.npy` file per array.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use zip::result::ZipError;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::labels::Labels;
use super::npy::{NpyArray, open_regular};
use super::texts::{bytes, write_labels};
use super::write::{write_npy_c128, write_npy_f64};
use crate::error::{Error, Result};
use crate::memory::Memory;

/// Largest entry in bytes. Entries are decompressed into memory. The limit is far beyond observations and factors, and
/// stops an archive that unpacks without end.
pub const LARGEST_ENTRY: u64 = 1 << 33;

/// Whether the file begins like a zip archive.
pub(super) fn is_archive(path: &Path) -> Result<bool> {
    let mut first = Vec::with_capacity(2);
    open_regular(path)?.take(2).read_to_end(&mut first).map_err(|e| Error::io(path, e, "Check the file"))?;
    Ok(first == b"PK")
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>> {
    ZipArchive::new(BufReader::new(open_regular(path)?)).map_err(|e| damaged(path, &e))
}

fn damaged(path: &Path, e: &ZipError) -> Error {
    let found = format!("an archive that cannot be read ({e})");
    Error::file(path, found, "an .npz archive, stored or deflated", "Write it again with numpy.savez(path, name=array)")
}

/// Names of the arrays in an `.npz` archive, in its order and without `.npy`.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`] where the file cannot be read or is not a zip archive.
pub fn npz_names(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let archive = open(path)?;
    let mut names = Vec::new();
    for name in archive.file_names() {
        let name = name.map_err(|e| damaged(path, &e))?;
        if let Some(name) = name.strip_suffix(".npy") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Reads one array of an `.npz` archive (written by `numpy.savez`, `numpy.savez_compressed` or [`write_npz`]).
///
/// Memory grows with the bytes that are present, never with the declared size.
///
/// # Errors
/// [`Error::File`] where the archive has no such array (the message lists the arrays), is damaged, or where the entry
/// is not a `.npy` file of numbers.
pub fn read_npz(path: impl AsRef<Path>, name: &str) -> Result<NpyArray> {
    let path = path.as_ref();
    NpyArray::from_bytes(label(path, name), read_bytes(path, name)?)
}

/// Reads one array of real or complex numbers, like [`read_npz`].
pub(super) fn read_any(path: &Path, name: &str) -> Result<NpyArray> {
    NpyArray::from_any_bytes(label(path, name), read_bytes(path, name)?)
}

/// The bytes of an entry.
pub(super) fn read_bytes(path: &Path, name: &str) -> Result<Vec<u8>> {
    let mut archive = open(path)?;
    let entry = match archive.by_name(&format!("{name}.npy")) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => {
            return Err(Error::file(
                path,
                format!("no array '{name}' (the archive holds: {})", npz_names(path)?.join(", ")),
                format!("an archive with '{name}'"),
                format!("Save it with numpy.savez(path, {name}=array)"),
            ));
        }
        Err(e) => return Err(damaged(path, &e)),
    };
    // The bytes as they are read, and the numbers in f64.
    let unpacked = entry.size().min(LARGEST_ENTRY).saturating_mul(2);
    Memory::of_host([("the array as it is read", unpacked)])
        .require(&label(path, name).display().to_string(), "Use a machine with more memory")?;
    let mut bytes = Vec::new();
    entry.take(LARGEST_ENTRY + 1).read_to_end(&mut bytes).map_err(|e| damaged(path, &ZipError::Io(e)))?;
    if bytes.len() as u64 > LARGEST_ENTRY {
        return Err(Error::file(
            path,
            format!("an array '{name}' of more than {LARGEST_ENTRY} bytes"),
            "arrays that fit in memory when unpacked",
            "Save it alone with numpy.save(path, array): .npy files are memory-mapped",
        ));
    }
    Ok(bytes)
}

/// Reads a short word that NumPy saved as an array of one string: the bytes after the header of the `.npy` entry, in
/// ASCII or in 32 bits per letter.
pub(super) fn read_text(path: &Path, name: &str) -> Result<String> {
    let bytes = read_bytes(path, name)?;
    let header = bytes.iter().take(512).position(|&b| b == b'\n').map_or(bytes.len(), |end| end + 1);
    let letters = bytes[header..].iter().take(64).filter(|&&b| b != 0).map(|&b| char::from(b));
    Ok(letters.collect())
}

/// The first of `names` in the archive, or its only array.
pub(super) fn read_first(path: &Path, names: &[&str]) -> Result<NpyArray> {
    let present = npz_names(path)?;
    if let Some(name) = names.iter().find(|name| present.iter().any(|p| p == *name)) {
        return read_npz(path, name);
    }
    match present.as_slice() {
        [only] => read_npz(path, only),
        _ => Err(Error::file(
            path,
            format!("the arrays [{}]", present.join(", ")),
            format!("an array named {}, or a single one", names.join(" or ")),
            "Rename it: numpy.savez(path, name=array)",
        )),
    }
}

fn label(path: &Path, name: &str) -> PathBuf {
    let mut label = path.as_os_str().to_owned();
    label.push(":");
    label.push(name);
    label.into()
}

/// Writes arrays of `f64`, (name, shape, row-major numbers), as an uncompressed `.npz` archive for `numpy.load`. The
/// bytes depend on the arrays alone: no date is stored.
///
/// # Errors
/// Those of `writer`; `InvalidInput` where a shape and its numbers differ or a name occurs twice.
pub fn write_npz(writer: &mut impl Write, arrays: &[(&str, &[usize], &[f64])]) -> std::io::Result<()> {
    let arrays: Vec<_> = arrays.iter().map(|(name, shape, values)| (*name, NpzArray::Numbers(shape, values))).collect();
    write_npz_arrays(writer, &arrays)
}

/// An array of an archive that is written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum NpzArray<'a> {
    /// Numbers in row-major order, with their shape.
    Numbers(&'a [usize], &'a [f64]),
    /// Complex numbers in row-major order, real and imaginary parts in turn, with their shape.
    Complex(&'a [usize], &'a [f64]),
    /// Names of rows or columns: whole numbers of 64 bits, or texts.
    Labels(&'a Labels),
}

/// Writes named arrays like [`write_npz`].
///
/// # Errors
/// Those of [`write_npz`].
pub fn write_npz_arrays(writer: &mut impl Write, arrays: &[(&str, NpzArray<'_>)]) -> std::io::Result<()> {
    let mut archive = NpzWriter::new(writer);
    for (name, array) in arrays {
        match array {
            NpzArray::Numbers(shape, values) => {
                write_npy_f64(archive.begin(name, size_of_val(*values) as u64)?, shape, values)?;
            }
            NpzArray::Complex(shape, values) => {
                write_npy_c128(archive.begin(name, size_of_val(*values) as u64)?, shape, values)?;
            }
            NpzArray::Labels(labels) => write_labels(archive.begin(name, bytes(labels))?, labels)?,
        }
    }
    archive.finish()
}

/// Writer of an uncompressed `.npz` archive, array by array, so that no array has to be in memory.
pub struct NpzWriter<W: Write>(ZipWriter<StreamWriter<W>>);

impl<W: Write> NpzWriter<W> {
    /// Starts an archive on a writer.
    pub fn new(writer: W) -> Self {
        Self(ZipWriter::new_stream(writer))
    }

    /// Begins an array with about `bytes` bytes of numbers; the caller then writes its `.npy` file.
    pub fn begin(&mut self, name: &str, bytes: u64) -> std::io::Result<&mut impl Write> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(bytes + 1024 >= u64::from(u32::MAX));
        self.0.start_file(format!("{name}.npy"), options).map_err(std::io::Error::from)?;
        Ok(&mut self.0)
    }

    /// Completes the archive and flushes the writer.
    pub fn finish(self) -> std::io::Result<()> {
        self.0.finish().map_err(std::io::Error::from)?.into_inner().flush()
    }
}
