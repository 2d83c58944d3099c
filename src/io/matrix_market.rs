//! Matrix Market files: <https://math.nist.gov/MatrixMarket/formats.html>, coordinate format.

use std::path::Path;

use super::lines::{Lines, position, quoted, value, whole};
use super::triplets::Sink;
use crate::error::{Error, Result};

/// First bytes of the format.
const MAGIC: &[u8] = b"%%MatrixMarket";

/// Whether a file begins like one of the format, perhaps after the mark of UTF-8.
pub(super) fn is_one(first: &[u8]) -> bool {
    let first = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first);
    first.len() >= MAGIC.len() && first[..MAGIC.len()].eq_ignore_ascii_case(MAGIC)
}

/// Refuses files that are nearly of the format.
pub(super) fn recognised(path: &Path, first: &[u8]) -> Result<()> {
    let text = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first);
    let bare = text.trim_ascii_start();
    let fix = match bare.strip_prefix(b"%%") {
        Some(rest) if rest.len() >= 12 && rest[..12].eq_ignore_ascii_case(&MAGIC[2..]) => {
            if bare.len() == text.len() {
                return Ok(());
            }
            "Remove the blanks and empty lines before %%MatrixMarket"
        }
        _ => match bare.strip_prefix(b"%") {
            Some(rest)
                if rest.trim_ascii_start().len() >= 12
                    && rest.trim_ascii_start()[..12].eq_ignore_ascii_case(&MAGIC[2..]) =>
            {
                "Begin the file with two percent signs and no blank: %%MatrixMarket"
            }
            _ => return Ok(()),
        },
    };
    let line = String::from_utf8_lossy(
        text.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(text),
    );
    let found = format!("a file that begins with '{}'", line.trim_end());
    Err(Error::file(path, found, "a Matrix Market file, whose first line begins with %%MatrixMarket", fix))
}

/// Content of the header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    pub rows: u64,
    pub columns: u64,
    pub entries: u64,
    /// Whether only the lower triangle is stored.
    pub symmetric: bool,
    pattern: bool,
}

const EXAMPLE: &str = "Write it with scipy.io.mmwrite(path, scipy.sparse.coo_matrix(A))";

/// Reads the first two lines that are not comments.
fn header(lines: &mut Lines, most: (u64, u64)) -> Result<Header> {
    lines.advance()?;
    let words: Vec<String> =
        String::from_utf8_lossy(lines.line()).split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [_, "matrix", format, field, symmetry] = words[..] else {
        let allowed = "%%MatrixMarket matrix coordinate real|integer|pattern general|symmetric";
        return Err(lines.refuse(quoted(lines.line()), allowed, EXAMPLE));
    };
    if format != "coordinate" {
        let fix = "The file holds a full matrix: write it in coordinate format, or as .npy for --matrices";
        return Err(lines.refuse(format!("format '{format}'"), "coordinate", fix));
    }
    let pattern = match field {
        "real" | "integer" => false,
        "pattern" => true,
        "complex" => {
            let fix = "Split it into real and imaginary parts: the lift of a complex problem is real and twice as \
                       large";
            return Err(lines.refuse("complex values", "real, integer or pattern", fix));
        }
        other => return Err(lines.refuse(format!("field '{other}'"), "real, integer or pattern", EXAMPLE)),
    };
    let symmetric = match symmetry {
        "general" => false,
        "symmetric" => true,
        other => {
            let fix = "Write all entries and declare the file general";
            return Err(lines.refuse(format!("symmetry '{other}'"), "general or symmetric", fix));
        }
    };
    loop {
        if !lines.advance()? {
            let found = format!("no line with the sizes in {} lines", lines.number());
            let fix = "The file is truncated: copy or write it again";
            return Err(Error::file(lines.path(), found, "a line with rows, columns and entries", fix));
        }
        if !lines.line().starts_with(b"%") && !lines.line().trim_ascii().is_empty() {
            break;
        }
    }
    let sizes: Vec<Option<u64>> = fields(lines.line()).map(whole).collect();
    let &[Some(rows), Some(columns), Some(entries)] = sizes.as_slice() else {
        let allowed = "three whole numbers: rows, columns, entries";
        return Err(lines.refuse(quoted(lines.line()), allowed, EXAMPLE));
    };
    if rows == 0 || columns == 0 || rows > most.0 || columns > most.1 || (symmetric && rows != columns) {
        let square = if symmetric { ", square if it is symmetric" } else { "" };
        let allowed = format!("1 to {} rows and 1 to {} columns{square}", most.0, most.1);
        return Err(lines.refuse(format!("a matrix of {rows} x {columns}"), allowed, "Check the line with the sizes"));
    }
    // The shortest entry is `1 1` and a line break, which the last entry may lack.
    let shortest = if pattern { 4 } else { 6 };
    if entries > (lines.bytes() + 1) / shortest {
        let found = format!("{entries} declared entries in a file of {} bytes", lines.bytes());
        let fix = "The file is truncated, or its line with the sizes is wrong: write it again";
        return Err(lines.refuse(found, "as many declared entries as lines", fix));
    }
    Ok(Header { rows, columns, entries, symmetric, pattern })
}

#[inline]
fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// Reads a file of at most `most` rows and columns. Entries of a symmetric matrix are passed on as stored.
pub(super) fn read(path: &Path, most: (u64, u64), sink: &mut impl Sink) -> Result<Header> {
    let mut lines = Lines::open(path)?;
    let header = header(&mut lines, most)?;
    sink.reserve(header.entries as usize);
    let mut entries = 0;
    let wanted = if header.pattern { 2 } else { 3 };
    while lines.advance()? {
        let mut all = fields(lines.line());
        let Some(row) = all.next().filter(|field| !field.starts_with(b"%")) else { continue };
        let (column, number) = (all.next(), if header.pattern { None } else { all.next() });
        let found = 1 + usize::from(column.is_some()) + usize::from(number.is_some()) + all.count();
        if found != wanted {
            let allowed = if header.pattern {
                "row and column, because the header says pattern"
            } else {
                "row, column and value"
            };
            return Err(lines.refuse(format!("{found} fields"), allowed, EXAMPLE));
        }
        if entries == header.entries {
            let fix = "Correct the line with the sizes, or remove the surplus entries";
            return Err(lines.refuse("one more entry", format!("{entries}, as the line with the sizes states"), fix));
        }
        entries += 1;
        if whole(row) == Some(0) || column.and_then(whole) == Some(0) {
            let fix = "The file counts from 0. Write it with scipy.io.mmwrite, or pass its lines as CSV";
            return Err(lines.refuse("an index 0", "indices from 1, as Matrix Market has them", fix));
        }
        let row = position(&lines, row, "row", 1, header.rows)?;
        let column = position(&lines, column.unwrap_or_default(), "column", 1, header.columns)?;
        let value = number.map_or(Ok(1.0), |number| value(&lines, number))?;
        if header.symmetric && column > row {
            let fix = "A symmetric file stores the lower triangle; declare it general to store all entries";
            return Err(lines.refuse("an entry above the diagonal", "row indices not below column indices", fix));
        }
        sink.add(row, column, value);
    }
    if entries < header.entries {
        let allowed = format!("{}, as the line with the sizes states", header.entries);
        let fix = "The file is truncated: copy or write it again";
        return Err(Error::file(path, format!("{entries} entries in {} lines", lines.number()), allowed, fix));
    }
    if entries == 0 {
        return Err(Error::file(path, "no entries", "at least one", "Check how the file was written"));
    }
    Ok(header)
}
