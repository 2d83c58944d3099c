//! Lines of a table, cut into fields, with their numbers for messages.

use std::path::Path;

use super::form::{Form, parser};
use super::source::{Source, Text, failed};
use crate::error::{Error, Result};

/// Reader of one line at a time.
pub(super) struct Lines<'a> {
    path: &'a Path,
    parser: csv::Reader<Text>,
    record: csv::ByteRecord,
    /// Lines that do not belong to the data.
    skip: usize,
    names: Option<&'a [String]>,
}

/// "1 field", "2 fields".
pub(super) fn fields(count: usize) -> String {
    format!("{count} {}", if count == 1 { "field" } else { "fields" })
}

impl<'a> Lines<'a> {
    pub(super) fn new(path: &'a Path, source: Source, form: &'a Form) -> Self {
        let skip = form.skipped + usize::from(form.names.is_some());
        let parser = parser(source.text(form.separator), form.separator);
        Self { path, parser, record: csv::ByteRecord::new(), skip, names: form.names.as_deref() }
    }

    /// Reads the next line; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool> {
        loop {
            let more = self.parser.read_byte_record(&mut self.record).map_err(|e| match e.kind() {
                csv::ErrorKind::Io(e) => failed(self.path, e),
                _ => Error::file(self.path, e.to_string(), "a text table", "Check how the file was written"),
            })?;
            if !more || self.skip == 0 {
                return Ok(more);
            }
            if !self.is_blank() {
                self.skip -= 1;
            }
        }
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// A field without surrounding blanks; empty beyond the last.
    #[inline]
    pub(super) fn field(&self, at: usize) -> &[u8] {
        self.record.get(at).unwrap_or_default().trim_ascii()
    }

    /// Number of fields of the line.
    pub(super) fn count(&self) -> usize {
        self.record.len()
    }

    /// Whether every field is empty.
    #[inline]
    pub(super) fn is_blank(&self) -> bool {
        self.record.iter().all(|field| field.trim_ascii().is_empty())
    }

    /// Refuses a line of another number of fields.
    #[inline]
    pub(super) fn require(&self, wanted: usize) -> Result<()> {
        if self.count() == wanted {
            return Ok(());
        }
        let allowed = format!("{wanted}, as in the lines before");
        Err(self.refuse(
            &fields(self.count()),
            &allowed,
            "Correct the line: its fields and separators, or a quotation mark",
        ))
    }

    /// An error that names the current line.
    #[cold]
    pub(super) fn refuse(&self, found: &str, allowed: &str, fix: &str) -> Error {
        let line = self.record.position().map_or(1, csv::Position::line);
        Error::file(self.path, format!("{found} in line {line}"), allowed, fix)
    }

    /// An error that names a field of the current line, its meaning and its column.
    #[cold]
    pub(super) fn refuse_field(&self, field: &[u8], role: &str, allowed: &str, fix: &str) -> Error {
        let shown: String = String::from_utf8_lossy(field).chars().take(40).collect();
        let more = if field.len() > shown.len() { "…" } else { "" };
        let at = self.record.iter().position(|other| other.trim_ascii() == field);
        let name = at.and_then(|at| self.names?.get(at)).filter(|name| !name.is_empty());
        let column = match (name, at) {
            (Some(name), _) => format!(", column '{name}'"),
            (None, Some(at)) => format!(", field {}", at + 1),
            (None, None) => String::new(),
        };
        let line = self.record.position().map_or(1, csv::Position::line);
        Error::file(self.path, format!("'{shown}{more}' as {role} in line {line}{column}"), allowed, fix)
    }
}
