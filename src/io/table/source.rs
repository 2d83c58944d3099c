//! The bytes of a text file: gzip is unpacked, encodings are recognised, and separators of several bytes become one.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::io::npy::open_regular;

/// Bytes at the beginning by which a file is understood.
const SAMPLE: usize = 1 << 16;
/// Longest line or quoted field in bytes. A file without line breaks is no table.
const LONGEST: usize = 1 << 26;

/// A text file that was opened, and its first bytes.
pub(super) struct Source {
    reader: Box<dyn Read>,
    /// The first bytes of the text, at most 2¹⁶.
    pub sample: Vec<u8>,
    /// Whether the sample is the whole text.
    pub whole: bool,
}

impl Source {
    /// Opens a file, unpacks gzip and removes the mark of UTF-8.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] for files of other kinds: UTF-16, parquet, binary.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 18, open_regular(path)?);
        let first = reader.fill_buf().map_err(|e| Error::io(path, e, "Check the file"))?;
        let packed = first.starts_with(&[0x1f, 0x8b]);
        recognised(path, first)?;
        let mut reader: Box<dyn Read> = if packed { unpacked(path, reader)? } else { Box::new(reader) };
        let mut sample = Vec::new();
        (&mut reader).take(SAMPLE as u64).read_to_end(&mut sample).map_err(|e| failed(path, &e))?;
        recognised(path, &sample)?;
        if sample.starts_with(b"\xEF\xBB\xBF") {
            sample.drain(..3);
        }
        let whole = sample.len() < SAMPLE - 3;
        Ok(Self { reader, sample, whole })
    }

    /// A text in memory.
    pub(super) fn of_bytes(text: &[u8]) -> Self {
        Self { reader: Box::new(std::io::empty()), sample: text.to_vec(), whole: true }
    }

    /// The whole text, with separators that the parser understands.
    pub(super) fn text(self, separator: Separator) -> Text {
        Text::new(Box::new(Cursor::new(self.sample).chain(self.reader)), separator)
    }
}

#[cfg(feature = "io")]
fn unpacked(_path: &Path, reader: BufReader<File>) -> Result<Box<dyn Read>> {
    Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader)))
}

#[cfg(not(feature = "io"))]
fn unpacked(path: &Path, _reader: BufReader<File>) -> Result<Box<dyn Read>> {
    let what = format!("{}: reading gzip in a build without the feature io", path.display());
    Err(Error::unsupported(what, "Unpack the file with gunzip, or build with the feature io"))
}

/// An error of reading, with the cause that the bytes have.
pub(super) fn failed(path: &Path, e: &std::io::Error) -> Error {
    match e.kind() {
        ErrorKind::UnexpectedEof => {
            Error::file(path, "a packed file that ends too early", "a complete file", "Copy it again")
        }
        ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            Error::file(path, e.to_string(), "a text table, plain or packed by gzip", "Is it a text file?")
        }
        _ => Error::io(path, std::io::Error::new(e.kind(), e.to_string()), "Check the file"),
    }
}

/// Refuses files that are no text in UTF-8.
fn recognised(path: &Path, first: &[u8]) -> Result<()> {
    let (found, fix) = if first.starts_with(b"PAR1") {
        ("a parquet file", "Write it as CSV: pandas.read_parquet(path).to_csv(other, index=False)")
    } else if first.starts_with(&[0xFF, 0xFE]) || first.starts_with(&[0xFE, 0xFF]) {
        ("text in UTF-16", "Save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`, or \"CSV UTF-8\" in a spreadsheet)")
    } else if first.starts_with(b"BZh")
        || first.starts_with(&[0x28, 0xB5, 0x2F, 0xFD])
        || first.starts_with(&[0xFD, 0x37, 0x7A])
    {
        ("a file packed by bzip2, zstd or xz", "Unpack it, or pack it with gzip")
    } else if !first.starts_with(&[0x1f, 0x8b]) && first.iter().take(4096).any(|&byte| byte == 0) {
        (
            "bytes that are no text",
            "Write a table as CSV, an array as .npy, or a sparse matrix with scipy.sparse.save_npz",
        )
    } else {
        return Ok(());
    };
    Err(Error::file(path, found, "a text table in UTF-8, plain or packed by gzip", fix))
}

/// What separates the fields of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Separator {
    Byte(u8),
    /// Two colons.
    Colons,
    /// Any number of blanks and tabs.
    Blanks,
}

impl Separator {
    /// The byte that separates fields in [`Text`].
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Byte(byte) => byte,
            Self::Colons => 0x1f,
            Self::Blanks => b' ',
        }
    }

    /// The separator as users write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Byte(b'\t') => "tabs",
            Self::Byte(b';') => "semicolons",
            Self::Byte(b'|') => "bars",
            Self::Byte(_) => "commas",
            Self::Colons => "double colons",
            Self::Blanks => "blanks",
        }
    }
}

/// A text whose separators are single bytes, with a limit on lines and on quoted fields.
pub(super) struct Text {
    inner: Box<dyn Read>,
    separator: Separator,
    taken: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
    state: State,
}

/// Position in the text.
#[derive(Default)]
struct State {
    /// A colon, or blanks after a field, that are not passed on yet.
    pending: bool,
    /// Whether a line, and a field, has begun.
    in_line: bool,
    in_field: bool,
    quoted: bool,
    /// Bytes since the last line break outside of quotes.
    length: usize,
}

impl Text {
    fn new(inner: Box<dyn Read>, separator: Separator) -> Self {
        Self { inner, separator, taken: vec![0; 1 << 16], ready: Vec::new(), at: 0, state: State::default() }
    }

    /// Takes the next bytes; false at the end.
    fn advance(&mut self) -> std::io::Result<bool> {
        let taken = self.inner.read(&mut self.taken)?;
        self.ready.clear();
        self.at = 0;
        for at in 0..taken {
            let byte = self.taken[at];
            self.state.pass(byte, self.separator, &mut self.ready);
        }
        if self.state.length > LONGEST {
            let found = "a line or a quoted field of more than 64 MiB (an opening quotation mark without its end?)";
            return Err(std::io::Error::new(ErrorKind::InvalidData, found));
        }
        if taken == 0 && std::mem::take(&mut self.state.pending) && self.separator == Separator::Colons {
            self.ready.push(b':');
        }
        Ok(taken > 0 || !self.ready.is_empty())
    }
}

impl State {
    #[inline]
    fn pass(&mut self, byte: u8, separator: Separator, out: &mut Vec<u8>) {
        self.length += 1;
        if self.quoted {
            self.quoted = byte != b'"';
            out.push(byte);
            return;
        }
        match (byte, separator) {
            (b'\n' | b'\r', _) => {
                if std::mem::take(&mut self.pending) && separator == Separator::Colons {
                    out.push(b':');
                }
                (self.in_line, self.in_field, self.length) = (false, false, 0);
                out.push(byte);
            }
            (b' ' | b'\t', Separator::Blanks) => (self.pending, self.in_field) = (self.in_line, false),
            (b':', Separator::Colons) => {
                if std::mem::take(&mut self.pending) {
                    self.in_field = false;
                    out.push(0x1f);
                } else {
                    self.pending = true;
                }
            }
            (byte, Separator::Byte(own)) if byte == own => {
                self.in_field = false;
                out.push(byte);
            }
            (byte, separator) => {
                if std::mem::take(&mut self.pending) {
                    out.push(if separator == Separator::Blanks { b' ' } else { b':' });
                }
                self.quoted = byte == b'"' && !self.in_field && separator != Separator::Colons;
                (self.in_line, self.in_field) = (true, true);
                out.push(byte);
            }
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.ready.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.ready.len() - self.at);
        buffer[..count].copy_from_slice(&self.ready[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &str, separator: Separator) -> String {
        let mut out = String::new();
        Text::new(Box::new(Cursor::new(text.as_bytes().to_vec())), separator).read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn separators_of_several_bytes_become_one() {
        assert_eq!(passed("1::2:3::4\n:5::\n6:", Separator::Colons), "1\x1f2:3\x1f4\n:5\x1f\n6:");
        assert_eq!(passed("  1 \t 2  \n\"a  b\"  3\r\n", Separator::Blanks), "1 2\n\"a  b\" 3\r\n");
        assert_eq!(passed("1, 2\n", Separator::Byte(b',')), "1, 2\n");
    }
}
