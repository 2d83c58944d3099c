//! The container of a checkpoint: a header for people and programs, a body of bytes, and a digest over both.
//!
//! | bytes | what |
//! |---|---|
//! | 0 – 7 | `LOWRANK` and a line feed |
//! | 8 – 11 | version of the format, u32 little-endian |
//! | 12 – 19 | bytes of the header, u64 little-endian |
//! | 20 – 27 | bytes of the body, u64 little-endian |
//! | 28 – 59 | SHA-256 of everything else, in this order |
//! | 60 – | the header, JSON; the body |

use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::npy::open_regular;
use super::output::OutputFile;
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"LOWRANK\n";
/// Format version. Version 1 stored the arrays of methods under other names.
const VERSION: u32 = 2;
const FIXED: usize = 60;

fn digest(fixed: &[u8], header: &[u8], body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    [fixed, header, body].iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// Writes a file that appears whole or not at all and is on the disk on return.
///
/// # Errors
/// [`Error::Io`]; the old file then remains.
pub(crate) fn write_sealed(path: &Path, header: &[u8], body: &[u8]) -> Result<()> {
    let mut fixed = MAGIC.to_vec();
    fixed.extend(VERSION.to_le_bytes());
    fixed.extend((header.len() as u64).to_le_bytes());
    fixed.extend((body.len() as u64).to_le_bytes());
    let digest = digest(&fixed, header, body);
    let mut file = OutputFile::create(path)?;
    let written = [&fixed[..], &digest, header, body].iter().try_for_each(|part| file.write_all(part));
    file.check(written)?;
    file.finish()
}

/// Header and body of a file, verified. The allocation is the size of the file.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] for a file of another kind or version, or a torn or changed file.
pub(crate) fn read_sealed(path: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let read = open_regular(path)?.read_to_end(&mut bytes);
    read.map_err(|e| Error::io(path, e, "Check the file"))?;
    unseal(path, &bytes)
}

/// Header and body from bytes; `path` is for messages.
pub(crate) fn unseal(path: &Path, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let refused = |found: String, fix: &str| Error::file(path, found, "a complete checkpoint of this program", fix);
    if bytes.len() < MAGIC.len() || &bytes[..8] != MAGIC {
        return Err(refused("a file of another kind".into(), "Name a file that --checkpoint wrote"));
    }
    let torn = "The copy is incomplete: copy it again, or start a new run";
    if bytes.len() < FIXED {
        return Err(refused(format!("{} bytes, fewer than the file header", bytes.len()), torn));
    }
    let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    if version != VERSION {
        let found = format!("version {version} of the format; this program reads version {VERSION}");
        return Err(refused(
            found,
            "Resume with the version of the program that wrote it, or start a new run without --resume",
        ));
    }
    let length = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let (header, body) = (length(12), length(20));
    let whole = (FIXED as u64).checked_add(header).and_then(|sum| sum.checked_add(body));
    if whole != Some(bytes.len() as u64) {
        let claimed = whole.map_or_else(|| "more than any file can hold".to_owned(), |whole| whole.to_string());
        return Err(refused(format!("{} bytes, but its header states {claimed}", bytes.len()), torn));
    }
    let (header, body) = bytes[FIXED..].split_at(header as usize);
    if digest(&bytes[..28], header, body)[..] != bytes[28..FIXED] {
        return Err(refused("a wrong checksum".into(), "The file was changed or damaged: start a new run"));
    }
    Ok((header.to_vec(), body.to_vec()))
}
