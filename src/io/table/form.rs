//! The form of a table, understood from its first lines: separator, header, index column, and the meaning of its columns.

use std::path::Path;

use super::cells::{Cell, cell, has_decimal_comma, is_missing};
use super::columns::{self, Places, Role, Understood};
use super::source::{Separator, Source};
use crate::error::{Error, Result};
use crate::io::labels::Id;

/// Lines of the sample by which a form is judged.
const LINES: usize = 200;
/// Number of columns from which a table without names holds a matrix.
const WIDE: usize = 6;

/// What is asked of a table.
#[derive(Clone, Debug, Default)]
pub(in crate::io) struct Asked<'a> {
    /// Names or numbers (from 1) of the columns of the needed roles, and one of weights after them.
    pub columns: Option<&'a [String]>,
    /// Whether there is a header.
    pub header: Option<bool>,
    /// Whether the table holds a matrix, line by row, instead of a line for each entry.
    pub wide: Option<bool>,
    /// Roles that are needed.
    pub needed: &'a [Role],
}

/// The form of a table.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub separator: Separator,
    /// Lines before the table: `sep=;`.
    pub skipped: usize,
    /// Names of the columns, where there is a header.
    pub names: Option<Vec<String>>,
    /// Number of fields of a line of data.
    pub fields: usize,
    /// Whether the first field of a line is the name or number of the line.
    pub index: bool,
    pub layout: Layout,
    pub notices: Vec<String>,
}

/// Arrangement of the entries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Layout {
    /// A line for each entry.
    Long(Places),
    /// A line for each row of the matrix.
    Wide,
}

/// The first lines, cut into fields.
struct Sample {
    separator: Separator,
    skipped: usize,
    lines: Vec<Vec<String>>,
}

/// Understands a table.
///
/// # Errors
/// [`Error::File`] for a header that does not say which columns are meant, and for tables with too few columns.
pub(super) fn understand(path: &Path, source: &Source, asked: &Asked<'_>) -> Result<Form> {
    let sample = Sample::new(path, source, asked.needed.len())?;
    let Some(first) = sample.lines.first() else {
        let found = if source.sample.is_empty() { "an empty file" } else { "no entries" };
        return Err(Error::file(
            path,
            found,
            "at least one line row,column,value",
            "Write one line row,column,value per entry",
        ));
    };
    let width = sample.width();
    let judge = Judge { path, asked, sample: &sample, width };
    let header = asked.header.unwrap_or_else(|| judge.is_header());
    let names = header.then(|| first.clone());
    let data = &sample.lines[usize::from(header)..];
    // R writes names of lines without a name for their column.
    let shifted = names.as_ref().is_some_and(|names| names.len() + 1 == width);
    let names = names.map(|names| if shifted { std::iter::once(String::new()).chain(names).collect() } else { names });
    let mut notices = Vec::new();
    let index = judge.has_index(names.as_deref(), data);
    let layout = match judge.is_wide(names.as_deref(), index, data) {
        true => Layout::Wide,
        false => Layout::Long(judge.places(names.as_deref(), index, &mut notices)?),
    };
    let fields = names.as_ref().map_or(width, Vec::len);
    if header
        && asked.header.is_none()
        && first.iter().filter(|name| !name.is_empty()).all(|name| name.parse::<u64>().is_ok())
    {
        notices.push(format!(
            "{}: the first line, {}, is read as a header, because it counts the columns; --header no reads it as data",
            path.display(),
            first.iter().take(4).cloned().collect::<Vec<_>>().join(",")
        ));
    }
    Ok(Form { separator: sample.separator, skipped: sample.skipped, names, fields, index, layout, notices })
}

/// The parser of a text with this separator.
pub(super) fn parser<R: std::io::Read>(text: R, separator: Separator) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator.byte())
        .quoting(separator != Separator::Colons)
        .comment(Some(b'#'))
        .buffer_capacity(1 << 16)
        .from_reader(text)
}

impl Sample {
    fn new(path: &Path, source: &Source, needed: usize) -> Result<Self> {
        let text = &source.sample[..];
        // The last line may be cut.
        let end =
            if source.whole { text.len() } else { text.iter().rposition(|&byte| byte == b'\n').unwrap_or(text.len()) };
        let text = &text[..end];
        let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
        let declared = match line.strip_prefix(b"sep=") {
            Some([byte]) => Some(Separator::Byte(*byte)),
            Some(b"") => Some(Separator::Byte(b'\t')),
            _ => None,
        };
        let skipped = usize::from(declared.is_some());
        let cut = |separator| cut(text, separator, skipped);
        if let Some(separator) = declared {
            return Ok(Self { separator, skipped, lines: cut(separator) });
        }
        let of = |separator| Self { separator, skipped, lines: cut(separator) };
        let bytes = [b'\t', b';', b'|', b','].map(Separator::Byte);
        let candidates = [Separator::Colons].into_iter().chain(bytes).chain([Separator::Blanks]);
        let all: Vec<Self> = candidates.map(of).collect();
        // Text without a separator is a list of ids.
        if needed == 1 && all.iter().all(|one| one.separator == Separator::Blanks || one.most() < 2) {
            return Ok(Self { separator: Separator::Byte(b','), skipped, lines: cut(Separator::Byte(b',')) });
        }
        match all.iter().position(|one| one.is_even(needed)) {
            Some(at) => all.into_iter().nth(at),
            None => all.into_iter().reduce(|best, next| {
                if (next.filled(needed), next.most()) > (best.filled(needed), best.most()) { next } else { best }
            }),
        }
        .ok_or_else(|| Error::file(path, "no lines", "a table", "Check how the file was written"))
    }

    /// The number of fields that most lines have; of equally frequent ones the larger.
    fn width(&self) -> usize {
        let count = |width: usize| self.lines.iter().filter(|line| line.len() == width).count();
        self.lines.iter().map(Vec::len).max_by_key(|&width| (count(width), width)).unwrap_or(0)
    }

    fn most(&self) -> usize {
        self.lines.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Whether all lines have as many fields, enough of them; the first line may have one fewer.
    fn is_even(&self, needed: usize) -> bool {
        let width = self.width();
        let first = self.lines.first().map_or(0, Vec::len);
        width >= needed.max(2)
            && (first == width || first + 1 == width)
            && self.lines.iter().skip(1).all(|line| line.len() == width)
    }

    /// Number of lines with enough fields.
    fn filled(&self, needed: usize) -> usize {
        self.lines.iter().filter(|line| line.len() >= needed).count()
    }
}

/// The first lines of a text, cut into fields.
fn cut(text: &[u8], separator: Separator, skipped: usize) -> Vec<Vec<String>> {
    let source = Source::of_bytes(text);
    let mut parser = parser(source.text(separator), separator);
    let fields = |record: csv::ByteRecord| -> Vec<String> {
        record.iter().map(|field| String::from_utf8_lossy(field.trim_ascii()).into_owned()).collect()
    };
    let lines = parser.byte_records().map_while(std::result::Result::ok).map(fields);
    lines.filter(|line| line.iter().any(|field| !field.is_empty())).skip(skipped).take(LINES).collect()
}

/// Decisions about a table.
struct Judge<'a> {
    path: &'a Path,
    asked: &'a Asked<'a>,
    sample: &'a Sample,
    width: usize,
}

impl Judge<'_> {
    fn comma(&self) -> bool {
        self.sample.separator != Separator::Byte(b',')
    }

    fn is_number(&self, field: &str) -> bool {
        matches!(cell(field.as_bytes(), self.comma()), Cell::Value(_))
    }

    /// Whether the first line names the columns: words in place of numbers, known names, or the numbers 0, 1, 2 … of pandas.
    fn is_header(&self) -> bool {
        let first = &self.sample.lines[0];
        let names = &first[usize::from(first[0].is_empty())..];
        if names.is_empty() {
            return false;
        }
        let counted = names.len() >= self.asked.needed.len()
            && names.iter().enumerate().all(|(at, name)| *name == at.to_string());
        if counted || columns::look_like_names(first) {
            return true;
        }
        if self
            .asked
            .columns
            .is_some_and(|asked| asked.iter().all(|name| first.iter().any(|other| columns::is_same(other, name))))
        {
            return true;
        }
        // Ids may be words themselves: only a place of numbers tells.
        let of_values = self.asked.needed.contains(&Role::Value);
        let missing = |name: &String| is_missing(name.as_bytes());
        of_values && !names.iter().any(|name| self.is_number(name) || missing(name)) && first.len() + 1 >= self.width
    }

    /// Whether the first column counts or names the lines.
    fn has_index(&self, names: Option<&[String]>, data: &[Vec<String>]) -> bool {
        let counts = || {
            data.len() >= 3
                && data.iter().enumerate().all(|(at, line)| line.first().is_some_and(|first| *first == at.to_string()))
        };
        let spare = self.width > self.asked.needed.len();
        match names {
            Some(names) => {
                let name = names[0].to_lowercase();
                name.is_empty() || name.starts_with("unnamed: 0") || (name == "index" && spare)
            }
            None => self.asked.wide != Some(true) && spare && self.width < WIDE && data.len() >= 20 && counts(),
        }
    }

    /// Whether the table holds a matrix.
    fn is_wide(&self, names: Option<&[String]>, index: bool, data: &[Vec<String>]) -> bool {
        let needed = self.asked.needed;
        if let Some(wide) = self.asked.wide {
            return wide;
        }
        let columns = self.width - usize::from(index);
        if self.asked.columns.is_some() || !needed.contains(&Role::Value) || data.is_empty() {
            return false;
        }
        let is_id = |field: &String| matches!(Id::of(field.as_bytes()), Some(Id::Integer(_)));
        let has_ids = || data.iter().all(|line| line.iter().skip(usize::from(index)).take(2).all(is_id));
        if columns <= needed.len() {
            // Too few columns to tell, but for a frame with names of its lines whose columns hold no ids.
            let filled = |line: &Vec<String>| {
                line.iter().skip(1).all(|field| self.is_number(field) || is_missing(field.as_bytes()))
            };
            return names.is_some() && index && !has_ids() && data.iter().all(filled);
        }
        if let Some(names) = names
            && matches!(
                columns::understand(names, needed, usize::from(index)),
                Understood::Places(_) | Understood::Twice(..)
            )
        {
            return false;
        }
        let cells = || data.iter().flat_map(|line| line.iter().skip(usize::from(index)));
        let filled = |field: &String| self.is_number(field) || is_missing(field.as_bytes());
        if !cells().all(filled) {
            return false;
        }
        let holes = cells().any(|field| is_missing(field.as_bytes()));
        match names {
            Some(_) => index || holes || columns >= WIDE,
            None => columns >= WIDE || holes || !has_ids(),
        }
    }

    /// Columns of the needed roles.
    fn places(&self, names: Option<&[String]>, index: bool, notices: &mut Vec<String>) -> Result<Places> {
        let (needed, first) = (self.asked.needed, usize::from(index));
        let roles: Vec<&str> = needed.iter().map(|role| role.name()).collect();
        if let Some(asked) = self.asked.columns {
            return self.named(asked, names);
        }
        let file = self.path.display();
        let Some(names) = names else {
            if self.width < needed.len() + first {
                return Ok(Places::in_order(needed, 0));
            }
            if index {
                notices
                    .push(format!("{file}: the first column counts the lines and is left out; --columns names others"));
            }
            if self.width > needed.len() + first {
                notices.push(format!(
                    "{file} has {} columns and no header: columns {} are {}; --columns 1,2,3 names others",
                    self.width,
                    (first + 1..=first + needed.len()).map(|at| at.to_string()).collect::<Vec<_>>().join(", "),
                    roles.join(", ")
                ));
            }
            return Ok(Places::in_order(needed, first));
        };
        let counted = names[first..].iter().enumerate().all(|(at, name)| *name == at.to_string());
        let tight = names.len() - first == needed.len();
        if counted && tight {
            return Ok(Places::in_order(needed, first));
        }
        match columns::understand(names, needed, first) {
            Understood::Places(places) => {
                let said = |role: &Role| Some(format!("{} = {}", role.name(), names[places.get(*role)?]));
                let all: Vec<String> = needed.iter().chain(&[Role::Weight]).filter_map(said).collect();
                notices.push(format!("{file}: {}", all.join(", ")));
                Ok(places)
            }
            Understood::Twice(role, one, other) => Err(self.unclear(
                format!("the columns '{}' and '{}', which may both be the {}", names[one], names[other], role.name()),
                names,
            )),
            Understood::Missing { .. } if tight => {
                notices.push(format!(
                    "{file}: the columns {} are read as {}",
                    names[first..].join(", "),
                    roles.join(", ")
                ));
                Ok(Places::in_order(needed, first))
            }
            Understood::Missing { known } => {
                let missing: Vec<&str> =
                    needed.iter().filter(|role| known.get(**role).is_none()).map(|role| role.name()).collect();
                Err(self.unclear(
                    format!("no column for the {} among {}", missing.join(" and the "), names.join(", ")),
                    names,
                ))
            }
        }
    }

    fn unclear(&self, found: String, names: &[String]) -> Error {
        let list = names.iter().filter(|name| !name.is_empty()).take(3).cloned().collect::<Vec<_>>().join(",");
        let allowed = "names like user, item, rating or row, column, value";
        let fix = format!("Name the columns, as in --columns {list}; --table wide reads a matrix, a line for each row");
        Error::file(self.path, found, allowed, fix)
    }

    /// Places of columns that were asked for by name or number.
    fn named(&self, asked: &[String], names: Option<&[String]>) -> Result<Places> {
        let needed = self.asked.needed;
        let roles: Vec<Role> = needed.iter().copied().chain([Role::Weight]).collect();
        if asked.len() < needed.len() || asked.len() > roles.len() {
            let list: Vec<&str> = needed.iter().map(|role| role.name()).collect();
            let allowed = format!("{} columns ({}), and one of weights after them", needed.len(), list.join(", "));
            return Err(Error::invalid(
                "columns",
                format!("'{}'", asked.join(",")),
                allowed,
                "name them in this order",
            ));
        }
        let mut places = Places::default();
        for (name, role) in asked.iter().zip(roles) {
            let by_name = names.and_then(|names| names.iter().position(|other| columns::is_same(other, name)));
            let by_number = || name.parse::<usize>().ok().filter(|at| (1..=self.width).contains(at)).map(|at| at - 1);
            let Some(at) = by_name.or_else(by_number) else {
                let has = match names {
                    Some(names) => format!("its columns {}", names.join(", ")),
                    None => format!("numbers 1 to {}: {} has no header", self.width, self.path.display()),
                };
                return Err(Error::invalid("columns", format!("'{name}'"), has, "name columns of the file"));
            };
            places.set(role, at);
        }
        Ok(places)
    }
}

/// Whether decimal commas occur in the columns of values.
pub(super) fn decimal_comma(field: &[u8], separator: Separator) -> bool {
    separator != Separator::Byte(b',') && has_decimal_comma(field)
}
