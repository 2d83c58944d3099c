//! Text tables with ids, names and holes: one entry per line, or one row of a matrix per line.
//!
//! The form of a table is understood from its first lines ([`form`]); then it is read line by line, so memory grows with its
//! entries alone.

mod cells;
mod columns;
mod form;
mod lines;
mod source;

use std::path::Path;

use cells::{Cell, cell, names_nothing};
pub(super) use columns::Role;
pub(super) use form::Asked;
use form::{Form, Layout};
use lines::Lines;
use source::Source;

use super::labels::{Id, Interner, Labels};
use super::triplets::Triplets;
use crate::error::{Error, Result};
use crate::memory::{Location, Memory, Part};
use crate::options::flag;

/// Rows or columns of a matrix as files name them.
pub(super) enum Axis {
    /// Indices from `base`, below `size`.
    Indices { base: u64, size: usize },
    /// The ids that occur, in the order of their values or, for matrices, of their occurrence.
    Ids { all: Interner, sorted: bool },
}

impl Axis {
    /// Ends the reading: the names, and the index of each number, where they differ.
    pub(super) fn finish(self) -> (Labels, Option<Vec<u32>>) {
        match self {
            Self::Indices { base, size } => (Labels::Counted { first: base, count: size }, None),
            Self::Ids { all, sorted: true } => {
                let (labels, indices) = all.sorted();
                (labels, Some(indices))
            }
            Self::Ids { all, sorted: false } => (all.in_order(), None),
        }
    }

    /// The number of a name of a matrix.
    fn named(&mut self, name: &[u8]) -> Option<u32> {
        let Self::Ids { all, .. } = self else { return None };
        Some(all.number(Id::of(name).unwrap_or_else(|| Id::Text(String::from_utf8_lossy(name).into_owned()))))
    }

    fn keep_order(&mut self) {
        if let Self::Ids { sorted, .. } = self {
            *sorted = false;
        }
    }
}

/// Both axes; those of a symmetric matrix are one.
pub(super) struct Axes {
    pub rows: Axis,
    pub columns: Option<Axis>,
}

impl Axes {
    fn axis(&mut self, role: Role) -> &mut Axis {
        match (role, &mut self.columns) {
            (Role::Column, Some(columns)) => columns,
            _ => &mut self.rows,
        }
    }

    /// The number of a row or column.
    #[inline]
    fn number(&mut self, lines: &Lines, field: &[u8], role: Role) -> Result<u32> {
        match self.axis(role) {
            Axis::Indices { base, size } => match Id::of(field) {
                Some(Id::Integer(id)) if id >= *base as i64 && ((id - *base as i64) as u64) < *size as u64 => {
                    Ok((id - *base as i64) as u32)
                }
                id => Err(no_index(lines, (field, id), role, *base, *size as u64)),
            },
            Axis::Ids { all, .. } => {
                let Some(id) = Id::of(field) else { return Err(no_id(lines, field, role)) };
                if all.len() >= LARGEST {
                    let allowed = format!("at most {LARGEST} different ids");
                    return Err(lines.refuse("one more id", &allowed, "Split the problem"));
                }
                Ok(all.number(id))
            }
        }
    }
}

/// Most rows and columns; numbers of rows stay below 2³².
const LARGEST: usize = 1 << 31;

#[cold]
fn no_index(lines: &Lines, (field, id): (&[u8], Option<Id>), role: Role, base: u64, size: u64) -> Error {
    let allowed = format!("whole numbers from {base} to {}", size - 1 + base);
    let fix = match id {
        Some(Id::Integer(0)) if base == 1 => "If the file counts from 0, pass --index-base 0",
        Some(Id::Integer(id)) if base == 0 && id >= 0 && id as u64 == size => {
            "If the file counts from 1, pass --index-base 1"
        }
        _ => "Leave --shape out, so that rows and columns are the ids that occur, or correct --shape",
    };
    lines.refuse_field(field, role.name(), &allowed, fix)
}

#[cold]
fn no_id(lines: &Lines, field: &[u8], role: Role) -> Error {
    let fix = "Is it a value? --columns names the columns of row, column and value";
    lines.refuse_field(field, role.name(), "ids: whole numbers or text", fix)
}

/// What was found besides the entries.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub notices: Vec<String>,
    /// Rows and columns of a table that holds a matrix.
    pub matrix: Option<(usize, usize)>,
}

/// Reads the entries of a table.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] naming line and column; [`Error::Invalid`] for options that do not fit the file.
pub(super) fn read(path: &Path, asked: &Asked<'_>, axes: &mut Axes, out: &mut Triplets) -> Result<Found> {
    let source = Source::open(path)?;
    let form = form::understand(path, &source, asked)?;
    let mut found = Found { notices: form.notices.clone(), matrix: None };
    let before = out.len();
    require_room(path, &source)?;
    let mut reader =
        Reader { lines: Lines::new(path, source, &form), form: &form, asked, axes, out, comma: None, skipped: 0 };
    match form.layout {
        Layout::Long(places) => reader.entries(places)?,
        Layout::Wide => found.matrix = Some(reader.matrix()?),
    }
    let (entries, skipped) = (reader.out.len() - before, reader.skipped);
    found.notices.extend(ended(path, &form, entries, skipped)?);
    if let Some((n1, n2)) = found.matrix {
        let holes = n1 as u64 * n2 as u64 - entries as u64;
        found.notices.push(format!("{} holds a matrix of {n1} x {n2} with {holes} holes", path.display()));
    }
    Ok(found)
}

/// Reads the ids of row and column of a table line by line, and hands them over.
///
/// # Errors
/// Those of [`read`], and of `visit`, which ends the reading.
pub(super) fn read_pairs(
    path: &Path,
    asked: &Asked<'_>,
    visit: &mut dyn FnMut(Id, Id) -> Result<()>,
) -> Result<Vec<String>> {
    let source = Source::open(path)?;
    let form = form::understand(path, &source, asked)?;
    let Layout::Long(places) = form.layout else {
        return Err(Error::file(path, "a line for each row of a matrix", "a line for each pair", "Write pairs"));
    };
    let mut lines = Lines::new(path, source, &form);
    require_fields(&mut lines, &form, asked)?;
    let row = places.row.unwrap_or(0);
    let column = places.column.unwrap_or(row);
    let (mut pairs, mut skipped) = (0, 0);
    while lines.advance()? {
        if lines.is_blank() {
            continue;
        }
        lines.require(form.fields)?;
        if names_nothing(lines.field(row)) || names_nothing(lines.field(column)) {
            skipped += 1;
            continue;
        }
        let id = |at, role| Id::of(lines.field(at)).ok_or_else(|| no_id(&lines, lines.field(at), role));
        visit(id(row, Role::Row)?, id(column, Role::Column)?)?;
        pairs += 1;
    }
    Ok(form.notices.iter().cloned().chain(ended(path, &form, pairs, skipped)?).collect())
}

/// Refuses a table whose lines have fewer fields than are needed.
fn require_fields(lines: &mut Lines<'_>, form: &Form, asked: &Asked<'_>) -> Result<()> {
    if form.fields >= asked.needed.len() {
        return Ok(());
    }
    lines.advance()?;
    let names = asked.needed.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    let fix = format!("Write one line for each: {names}, separated by commas, tabs or blanks");
    Err(lines.refuse(&lines::fields(form.fields), &names, &fix))
}

/// A sentence on lines that were left out, if any.
///
/// # Errors
/// [`Error::File`] for a table without entries.
fn ended(path: &Path, form: &Form, entries: usize, skipped: usize) -> Result<Option<String>> {
    if entries == 0 {
        let seen = match (form.names.is_some(), skipped) {
            (_, 1..) => "no entries, only missing values",
            (true, _) => "a header and no entries",
            (false, _) => "no entries",
        };
        let fix = "Write one line row,column,value per entry";
        return Err(Error::file(path, seen, "at least one line row,column,value", fix));
    }
    let left_out = || format!("{}: {skipped} lines without a value or an id are left out", path.display());
    Ok((skipped > 0).then(left_out))
}

/// Asks for the memory of the entries, from the length of the first lines.
fn require_room(path: &Path, source: &Source) -> Result<()> {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    let lines = source.sample.iter().filter(|&&byte| byte == b'\n').count().max(1) as u64;
    let entries = bytes.saturating_mul(lines) / source.sample.len().max(1) as u64;
    let part = Part::new("entries as they are read", Location::Host, entries.saturating_mul(16));
    Memory { parts: vec![part] }.require("entries", "Split the file, or use a machine with more memory")
}

struct Reader<'a> {
    lines: Lines<'a>,
    form: &'a Form,
    asked: &'a Asked<'a>,
    axes: &'a mut Axes,
    out: &'a mut Triplets,
    /// Whether commas or points are decimal, as far as values have shown.
    comma: Option<bool>,
    skipped: usize,
}

impl Reader<'_> {
    /// A value of the current line; `None` for a missing one.
    #[inline]
    fn value(&mut self, at: usize, name: &str) -> Result<Option<f64>> {
        let field = self.lines.field(at);
        let separated = self.form.separator != source::Separator::Byte(b',');
        match cell(field, separated) {
            Cell::Value(value) => {
                if separated && (form::decimal_comma(field, self.form.separator) || field.contains(&b'.')) {
                    let comma = field.contains(&b',');
                    if *self.comma.get_or_insert(comma) != comma {
                        let allowed = "either decimal points or decimal commas";
                        return Err(self.lines.refuse_field(field, name, allowed, "Write all values in one way"));
                    }
                }
                Ok(Some(value))
            }
            Cell::Missing => Ok(None),
            Cell::Other => {
                let fix = "Correct or remove the line; --columns names the columns of row, column and value";
                Err(self.lines.refuse_field(field, name, "finite numbers, or NA for a missing one", fix))
            }
        }
    }

    /// Reads a line for each entry.
    fn entries(&mut self, places: columns::Places) -> Result<()> {
        let row = places.row.unwrap_or(0);
        let column = places.column.unwrap_or(row);
        let width = self.form.fields;
        require_fields(&mut self.lines, self.form, self.asked)?;
        while self.lines.advance()? {
            if self.lines.is_blank() {
                continue;
            }
            self.lines.require(width)?;
            if names_nothing(self.lines.field(row)) || names_nothing(self.lines.field(column)) {
                self.skipped += 1;
                continue;
            }
            let value = match places.value {
                Some(at) => self.value(at, "value")?,
                None => Some(1.0),
            };
            let weight = match places.weight {
                Some(at) => self.value(at, "weight")?,
                None => Some(1.0),
            };
            let (Some(value), Some(weight)) = (value, weight) else {
                self.skipped += 1;
                continue;
            };
            if places.weight.is_some() {
                if weight < 0.0 {
                    let field = self.lines.field(places.weight.unwrap_or(0));
                    return Err(self.lines.refuse_field(field, "weight", "numbers of at least 0", "Correct the line"));
                }
                self.out.weights.resize(self.out.values.len(), 1.0);
                self.out.weights.push(weight);
            }
            let numbers = [(row, Role::Row), (column, Role::Column)]
                .map(|(at, role)| self.axes.number(&self.lines, self.lines.field(at), role));
            let [row, column] = numbers;
            self.out.rows.push(row?);
            self.out.columns.push(column?);
            self.out.values.push(value);
        }
        if !self.out.weights.is_empty() {
            self.out.weights.resize(self.out.values.len(), 1.0);
        }
        Ok(())
    }

    /// Reads a line for each row of a matrix; holes are missing values. Returns its size.
    fn matrix(&mut self) -> Result<(usize, usize)> {
        let first = usize::from(self.form.index);
        let width = self.form.fields;
        let size = width - first;
        self.axes.rows.keep_order();
        if let Some(columns) = &mut self.axes.columns {
            columns.keep_order();
        }
        let names = self.form.names.as_ref();
        let mut columns = Vec::with_capacity(size);
        for at in 0..size {
            let name = names.map_or_else(|| at.to_string(), |names| names[first + at].clone());
            let number = self.axes.axis(Role::Column).named(name.as_bytes());
            columns.push(number.unwrap_or(at as u32));
        }
        let mut rows = 0;
        while self.lines.advance()? {
            // A blank line is no row, but for a table of one column whose value may be missing.
            if self.lines.is_blank() && width > 1 && self.lines.count() == 1 {
                continue;
            }
            self.lines.require(width)?;
            let counted = rows.to_string();
            let name = if self.form.index { self.lines.field(0) } else { counted.as_bytes() };
            let row = self.axes.rows.named(name).unwrap_or(rows as u32);
            rows += 1;
            for (at, &column) in columns.iter().enumerate() {
                if let Some(value) = self.value(first + at, "value")? {
                    self.out.rows.push(row);
                    self.out.columns.push(column);
                    self.out.values.push(value);
                }
            }
        }
        if let (Axis::Indices { size: n1, .. }, n2) = (&self.axes.rows, size)
            && let Axis::Indices { size: wanted, .. } = self.axes.columns.as_ref().unwrap_or(&self.axes.rows)
            && (rows, n2) != (*n1, *wanted)
        {
            let allowed = format!("{n1} x {wanted}, as given by --shape");
            return Err(Error::file(
                self.lines.path(),
                format!("a matrix of {rows} x {n2}"),
                allowed,
                "Leave --shape out",
            ));
        }
        Ok((rows, size))
    }
}

/// Message for an option that a file of another kind does not have.
pub(super) fn refuse_options(path: &Path, kind: &str, asked: &Asked<'_>) -> Result<()> {
    let given = [("columns", asked.columns.is_some()), ("header", asked.header.is_some())];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => Err(Error::invalid(
            *name,
            format!("{} for {}", flag(name), path.display()),
            format!("nothing: {kind}"),
            "leave it out",
        )),
    }
}
