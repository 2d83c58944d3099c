//! Lines of a text file with their line numbers, and the fields of a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::npy::open_regular;
use crate::error::{Error, Result};

/// Longest line of numbers in bytes; a binary file may have no line breaks.
const LONGEST_LINE: u64 = 1 << 16;

/// Reader of one line at a time, so memory does not grow with the file.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = open_regular(path)?;
        let bytes = file.metadata().map_err(|e| Error::io(path, e, "Check the file"))?.len();
        let reader = BufReader::with_capacity(1 << 20, file);
        Ok(Self { path: path.to_owned(), reader, buffer: Vec::new(), number: 0, bytes })
    }

    /// Reads the next line; false at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool> {
        self.buffer.clear();
        let read = (&mut self.reader).take(LONGEST_LINE).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|e| Error::io(&self.path, e, "Check the file"))?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if read as u64 == LONGEST_LINE {
            return Err(self.refuse("a line of more than 65536 bytes", "short lines of numbers", "Is it a text file?"));
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        if self.number == 1 && self.buffer.starts_with(b"\xEF\xBB\xBF") {
            self.buffer.drain(..3);
        }
        Ok(true)
    }

    /// The last line read, without its line break.
    pub(super) fn line(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Size of the file in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// An error that names the current line.
    pub(super) fn refuse(&self, found: impl AsRef<str>, allowed: impl Into<String>, fix: impl Into<String>) -> Error {
        Error::file(&self.path, format!("{} in line {}", found.as_ref(), self.number), allowed, fix)
    }
}

/// A field as text for messages.
pub(super) fn quoted(field: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(field).chars().take(40).collect();
    if field.len() > shown.len() { format!("'{shown}…'") } else { format!("'{shown}'") }
}

/// Parses a whole number of decimal digits.
#[inline]
pub(super) fn whole(field: &[u8]) -> Option<u64> {
    if field.is_empty() || field.len() > 18 {
        return None;
    }
    let mut value = 0;
    for &byte in field {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Parses a number, which may be infinite or NaN.
#[inline]
pub(super) fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Parses a position counted from `base` and returns it counted from 0, below `size`. `name` says what it counts.
#[inline]
pub(super) fn position(lines: &Lines, field: &[u8], name: &str, base: u64, size: u64) -> Result<u64> {
    match whole(field).and_then(|value| value.checked_sub(base)) {
        Some(value) if value < size => Ok(value),
        _ => Err(wrong_position(lines, field, name, base, size)),
    }
}

#[cold]
fn wrong_position(lines: &Lines, field: &[u8], name: &str, base: u64, size: u64) -> Error {
    let allowed = format!("whole numbers from {base} to {}", size - 1 + base);
    let fix = match whole(field) {
        Some(0) if base == 1 => "If the file counts from 0, pass --index-base 0",
        Some(value) if base == 0 && value == size => "If the file counts from 1, pass --index-base 1",
        Some(_) => "Check the size of the matrix (--shape), or remove the line",
        None if field.starts_with(b"-") => "Positions cannot be negative: remove the line",
        None => "Replace names of rows and columns by numbers",
    };
    lines.refuse(format!("{} as {name}", quoted(field)), allowed, fix)
}

/// Parses a finite value.
#[inline]
pub(super) fn value(lines: &Lines, field: &[u8]) -> Result<f64> {
    match number(field) {
        Some(value) if value.is_finite() => Ok(value),
        _ => Err(lines.refuse(format!("{} as value", quoted(field)), "finite numbers", "Correct or remove the line")),
    }
}
