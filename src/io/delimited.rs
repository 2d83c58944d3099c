//! Text with one entry per line: row, column, value.

use std::path::Path;

use super::lines::{Lines, number, position, value};
use super::triplets::Sink;
use crate::error::{Error, Result};

/// Separator of the fields of a line.
#[derive(Clone, Copy, PartialEq)]
enum Separator {
    Byte(u8),
    /// Any number of spaces and tabs.
    Blanks,
}

impl Separator {
    /// The first of tab, comma, semicolon in the line; blanks otherwise.
    fn of(line: &[u8]) -> Self {
        [b'\t', b',', b';'].into_iter().find(|byte| line.contains(byte)).map_or(Self::Blanks, Self::Byte)
    }

    /// The first three fields and the number of fields.
    fn fields<'a>(self, line: &'a [u8]) -> ([&'a [u8]; 3], usize) {
        let (mut fields, mut count) = ([&line[..0]; 3], 0);
        let mut take = |field: &'a [u8]| {
            if count < 3 {
                fields[count] = trimmed(field);
            }
            count += 1;
        };
        match self {
            Self::Byte(byte) => line.split(|b| *b == byte).for_each(&mut take),
            Self::Blanks => {
                line.split(|b| *b == b' ' || *b == b'\t').filter(|field| !field.is_empty()).for_each(&mut take);
            }
        }
        (fields, count)
    }
}

/// The field without surrounding blanks and quotation marks.
fn trimmed(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

/// Reads lines `row,column,value`, separated by commas, semicolons, tabs or blanks, with or without a header line.
/// Skips empty lines and lines that begin with #. Ignores fields after the third; all lines must have the same number
/// of fields. Returns that number.
pub(super) fn read(path: &Path, base: u64, sizes: (u64, u64), sink: &mut impl Sink) -> Result<usize> {
    let mut lines = Lines::open(path)?;
    let mut form: Option<(Separator, usize)> = None;
    let (mut header, mut entries) = (false, 0_u64);
    while lines.advance()? {
        let line = lines.line();
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (separator, wanted) = match form {
            Some(form) => form,
            None => {
                let separator = Separator::of(line);
                (separator, separator.fields(line).1)
            }
        };
        let (fields, found) = separator.fields(line);
        if found < 3 || found != wanted {
            let allowed = if wanted < 3 {
                "row, column and value".into()
            } else {
                format!(
                    "{wanted}, as in the \
                                                                                           lines before"
                )
            };
            let noun = if found == 1 { "field" } else { "fields" };
            let fix = "Write one entry per line: row, column and value, separated by commas, tabs or blanks";
            return Err(lines.refuse(format!("{found} {noun}"), allowed, fix));
        }
        if form.is_none() {
            form = Some((separator, wanted));
            // A header has words in place of numbers.
            header = fields.iter().all(|field| number(field).is_none());
            if header {
                continue;
            }
        }
        let row = position(&lines, fields[0], "row", base, sizes.0)?;
        let column = position(&lines, fields[1], "column", base, sizes.1)?;
        let value = value(&lines, fields[2])?;
        sink.add(row, column, value);
        entries += 1;
    }
    if entries == 0 {
        let found = match (lines.bytes(), header) {
            (0, _) => "an empty file",
            (_, true) => "a header and no entries",
            (_, false) => "no entries",
        };
        let fix = "Write one line row,column,value per entry";
        return Err(Error::file(path, found, "at least one line row,column,value", fix));
    }
    Ok(form.map_or(3, |(_, fields)| fields))
}
