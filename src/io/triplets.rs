//! Lists of (row, column, value) from files of several formats.

use std::io::Read;
use std::path::Path;

use super::labels::{Id, Interner, Labels};
use super::npy::open_regular;
use super::table::{self, Asked, Axes, Axis, Role};
use super::{holes, matrix_market, npz, scipy};
use crate::error::{Error, Result};

/// Lists of (row, column, value), counted from 0, in any order. The lists have the same length.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Triplets {
    /// Row of each entry.
    pub rows: Vec<u32>,
    /// Column of each entry.
    pub columns: Vec<u32>,
    /// Value of each entry.
    pub values: Vec<f64>,
    /// Weight of each entry; none where all weights are 1.
    pub weights: Vec<f64>,
}

impl Triplets {
    /// Entries of weight 1.
    pub fn new(rows: Vec<u32>, columns: Vec<u32>, values: Vec<f64>) -> Self {
        Self { rows, columns, values, weights: Vec::new() }
    }

    /// Sets the weight of each entry.
    #[must_use]
    pub fn weights(mut self, weights: Vec<f64>) -> Self {
        self.weights = weights;
        self
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The smallest shape that holds all entries: one more than the largest row and column.
    pub fn extent(&self) -> (usize, usize) {
        let size = |places: &[u32]| places.iter().max().map_or(0, |&place| place as usize + 1);
        (size(&self.rows), size(&self.columns))
    }

    /// Adds the entry (b, a) for every (a, b) off the diagonal.
    pub fn mirror(&mut self) {
        for q in 0..self.len() {
            let (row, column, value) = (self.rows[q], self.columns[q], self.values[q]);
            if row != column {
                self.rows.push(column);
                self.columns.push(row);
                self.values.push(value);
                if !self.weights.is_empty() {
                    self.weights.push(self.weights[q]);
                }
            }
        }
    }
}

/// Receiver of entries.
pub(super) trait Sink {
    fn reserve(&mut self, entries: usize);
    fn add(&mut self, row: u64, column: u64, value: f64);
}

impl Sink for Triplets {
    fn reserve(&mut self, entries: usize) {
        self.rows.reserve_exact(entries);
        self.columns.reserve_exact(entries);
        self.values.reserve_exact(entries);
    }

    #[inline]
    fn add(&mut self, row: u64, column: u64, value: f64) {
        self.rows.push(row as u32);
        self.columns.push(column as u32);
        self.values.push(value);
    }
}

/// Most rows and columns; indices stay below 2³².
pub(super) const LARGEST: u64 = 1 << 31;

/// What several entries of one position mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// Their mean.
    #[default]
    Mean,
    /// The last of them.
    Last,
    /// Their sum.
    Sum,
    /// A mistake.
    Refuse,
}

words!(Duplicates as "duplicates" { Mean => "mean", Last => "last", Sum => "sum", Refuse => "refuse" });

/// Entries of a matrix from a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TripletFile {
    /// Entries of the file.
    pub triplets: Triplets,
    /// Shape (n1, n2): as requested, from the file, or the number of different ids.
    pub shape: (usize, usize),
    /// Names of rows and columns, where the file is a text table.
    pub labels: Option<(Labels, Labels)>,
    /// Whether the file stores only the lower triangle of a symmetric matrix.
    pub symmetric: bool,
    /// What several entries of one position mean in files of this kind.
    pub duplicates: Duplicates,
    /// Assumptions about the file, as sentences.
    pub notices: Vec<String>,
}

impl TripletFile {
    /// Names of rows and columns: of a table those that it has, otherwise the indices.
    pub fn names(&self) -> (Labels, Labels) {
        let (rows, columns) = self.shape;
        let indices = |count| Labels::Counted { first: 0, count };
        self.labels.clone().unwrap_or_else(|| (indices(rows), indices(columns)))
    }
}

/// Formats of files of entries.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    MatrixMarket,
    /// A matrix of scipy.sparse.
    Archive,
    /// An array in which NaN is a hole.
    Array,
    /// A text table.
    Table,
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        let mut first = Vec::new();
        let begin = open_regular(path)?.take(64).read_to_end(&mut first);
        begin.map_err(|e| Error::io(path, e, "Check the file"))?;
        matrix_market::recognised(path, &first)?;
        if matrix_market::is_one(&first) {
            return Ok(Self::MatrixMarket);
        }
        Ok(match (holes::is_array(path)?, npz::is_archive(path)?) {
            (true, _) => Self::Array,
            (false, true) => Self::Archive,
            (false, false) => Self::Table,
        })
    }
}

/// Options for reading files of entries.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TripletOptions {
    index_base: Option<u8>,
    shape: Option<(usize, usize)>,
    square: bool,
    columns: Option<Vec<String>>,
    header: Option<bool>,
    wide: Option<bool>,
    roles: Roles,
}

/// Columns that a table must have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Roles {
    /// Row, column and value.
    #[default]
    Entries,
    /// Row and column.
    Pairs,
    /// Ids of rows alone.
    Ids,
}

impl Roles {
    fn needed(self) -> &'static [Role] {
        match self {
            Self::Entries => &[Role::Row, Role::Column, Role::Value],
            Self::Pairs => &[Role::Row, Role::Column],
            Self::Ids => &[Role::Row],
        }
    }
}

impl TripletOptions {
    /// Index base of text tables with a known shape, 0 or 1. Matrix Market files always count from 1, archives from 0.
    #[must_use]
    pub fn index_base(mut self, base: Option<u8>) -> Self {
        self.index_base = base;
        self
    }

    /// Shape (n1, n2) of the matrix. The rows and columns of a text table are then plain indices.
    #[must_use]
    pub fn shape(mut self, shape: Option<(usize, usize)>) -> Self {
        self.shape = shape;
        self
    }

    /// Says whether the unknown is symmetric: rows and columns then have the same ids.
    #[must_use]
    pub fn square(mut self, square: bool) -> Self {
        self.square = square;
        self
    }

    /// Columns of row, column, value and (optionally) weight in a text table, by name or by number from 1.
    #[must_use]
    pub fn columns(mut self, columns: Option<Vec<String>>) -> Self {
        self.columns = columns;
        self
    }

    /// Says whether a text table has a header; by default its first lines tell.
    #[must_use]
    pub fn header(mut self, header: Option<bool>) -> Self {
        self.header = header;
        self
    }

    /// Says whether a file holds a matrix with holes (true) or a line for each entry (false); by default the file tells.
    #[must_use]
    pub fn wide(mut self, wide: Option<bool>) -> Self {
        self.wide = wide;
        self
    }

    /// Reads pairs of row and column; values are not needed.
    #[must_use]
    pub fn pairs(mut self) -> Self {
        self.roles = Roles::Pairs;
        self
    }

    /// Reads a list of ids of rows.
    #[must_use]
    pub fn ids(mut self) -> Self {
        self.roles = Roles::Ids;
        self
    }

    /// Reads one file, see [`TripletOptions::open_all`].
    ///
    /// # Errors
    /// Those of [`TripletOptions::open_all`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<TripletFile> {
        let mut files = self.open_all(&[path.as_ref()])?;
        files.pop().ok_or_else(|| Error::invalid("entries", "no file", "at least one", "name a file"))
    }

    /// Reads files of entries of one matrix.
    ///
    /// A file is one of these:
    /// - a text table with one line for each entry: ids of row and column, a value and optionally a weight. Names in a header
    ///   decide which column is which. Separators are commas, tabs, blanks, semicolons, bars or double colons.
    /// - a text table with a line for each row of the matrix, in which missing values are holes.
    /// - a two-dimensional NumPy array (`.npy`, or alone in an `.npz`) in which NaN is a hole.
    /// - a Matrix Market file (coordinate; real, integer or pattern; general or symmetric).
    /// - an archive of scipy.sparse.save_npz (csr, csc, coo).
    ///
    /// Text may be packed by gzip. Without a shape, the rows and columns of text tables are the ids that occur in any of the
    /// files; with a shape they are indices.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] naming line and column: values that are not finite, indices outside the shape, missing
    /// fields, a header that does not say what is what, no entries, a damaged file; [`Error::Invalid`] for options that
    /// contradict a file; [`Error::Memory`].
    pub fn open_all(&self, paths: &[&Path]) -> Result<Vec<TripletFile>> {
        self.check()?;
        let mut axes = self.axes();
        let mut files = paths.iter().map(|path| self.read(path, &mut axes)).collect::<Result<Vec<_>>>()?;
        let (rows, row_indices) = axes.rows.finish();
        let (columns, column_indices) = match axes.columns {
            Some(columns) => columns.finish(),
            None => (rows.clone(), row_indices.clone()),
        };
        for file in files.iter_mut().filter(|file| file.labels.is_some()) {
            let renumbered = [(&mut file.triplets.rows, &row_indices), (&mut file.triplets.columns, &column_indices)];
            for (numbers, indices) in renumbered {
                if let Some(indices) = indices {
                    numbers.iter_mut().for_each(|number| *number = indices[*number as usize]);
                }
            }
            file.shape = self.shape.unwrap_or((rows.len(), columns.len()));
            file.labels = Some((rows.clone(), columns.clone()));
        }
        let tables = files.iter().filter(|file| file.labels.is_some()).count();
        if self.shape.is_none() && tables > 0 && tables < files.len() {
            let fix = "Pass --shape, so that all files have indices, or write both as tables";
            return Err(Error::file(paths[0], "ids in one file and indices in another", "files of one kind", fix));
        }
        Ok(files)
    }

    /// Hands over the ids of row and column of every line of a table, one after the other; other files have indices.
    /// Returns assumptions about the file, as sentences.
    ///
    /// # Errors
    /// Those of [`TripletOptions::open`] for pairs or ids, and of `visit`, which ends the reading.
    pub(crate) fn for_each_pair(
        &self,
        path: &Path,
        mut visit: impl FnMut(Id, Id) -> Result<()>,
    ) -> Result<Vec<String>> {
        if self.shape.is_none() && self.index_base.is_none() && Kind::of(path)? == Kind::Table {
            return table::read_pairs(path, &self.asked(), &mut visit);
        }
        let file = self.open(path)?;
        let (rows, columns) = file.names();
        for (&row, &column) in file.triplets.rows.iter().zip(&file.triplets.columns) {
            visit(rows.id(row as usize), columns.id(column as usize))?;
        }
        Ok(file.notices)
    }

    fn asked(&self) -> Asked<'_> {
        Asked { columns: self.columns.as_deref(), header: self.header, wide: self.wide, needed: self.roles.needed() }
    }

    fn check(&self) -> Result<()> {
        if let Some((n1, n2)) =
            self.shape.filter(|(n1, n2)| ![n1, n2].iter().all(|n| (1..=LARGEST).contains(&(**n as u64))))
        {
            let allowed = format!("1 to {LARGEST} rows and columns");
            return Err(Error::invalid("shape", format!("{n1},{n2}"), allowed, "pass the size of the unknown matrix"));
        }
        Ok(())
    }

    fn axes(&self) -> Axes {
        let base = u64::from(self.index_base.unwrap_or(0));
        let axis = |size: Option<usize>| match size {
            Some(size) => Axis::Indices { base, size },
            None => Axis::Ids { all: Interner::default(), sorted: true },
        };
        let columns = (!self.square).then(|| axis(self.shape.map(|shape| shape.1)));
        Axes { rows: axis(self.shape.map(|shape| shape.0)), columns }
    }

    /// Reads a file; ids of tables are numbered in the order of their occurrence.
    fn read(&self, path: &Path, axes: &mut Axes) -> Result<TripletFile> {
        let kind = Kind::of(path)?;
        let (mut triplets, asked) = (Triplets::default(), self.asked());
        let mut notices = Vec::new();
        let (claimed, symmetric, duplicates) = if kind == Kind::MatrixMarket {
            self.require_base(path, 1, "Matrix Market files")?;
            table::refuse_options(path, "a Matrix Market file has rows, columns and values", &asked)?;
            let header = matrix_market::read(path, (LARGEST, LARGEST), &mut triplets)?;
            ((header.rows as usize, header.columns as usize), header.symmetric, Duplicates::Sum)
        } else if kind == Kind::Archive {
            self.require_base(path, 0, "scipy archives")?;
            table::refuse_options(path, "an archive has rows, columns and values", &asked)?;
            let (rows, columns) = scipy::read(path, (LARGEST, LARGEST), &mut triplets)?;
            ((rows as usize, columns as usize), false, Duplicates::Sum)
        } else if kind == Kind::Array {
            self.require_base(path, 0, "arrays")?;
            table::refuse_options(path, "an array has rows and columns", &asked)?;
            let shape = holes::read(path, self.wide, &mut triplets, &mut notices)?;
            (shape, false, Duplicates::Mean)
        } else {
            if let (Some(base), None) = (self.index_base, self.shape) {
                let allowed = "an index base together with --shape: without it rows and columns are the ids that occur";
                return Err(Error::invalid("index_base", base, allowed, "leave it out, or pass --shape"));
            }
            let found = table::read(path, &asked, axes, &mut triplets)?;
            notices.extend(found.notices);
            self.remark(path, &triplets, &mut notices);
            let none = Labels::Counted { first: 0, count: 0 };
            let labels = Some((none.clone(), none));
            let duplicates = Duplicates::Mean;
            return Ok(TripletFile { triplets, shape: (0, 0), labels, symmetric: false, duplicates, notices });
        };
        if let Some(asked) = self.shape.filter(|asked| *asked != claimed) {
            return Err(Error::file(
                path,
                format!("a matrix of {} x {}", claimed.0, claimed.1),
                format!("{} x {}, as given by --shape", asked.0, asked.1),
                "Leave --shape out, or pass another file",
            ));
        }
        Ok(TripletFile { triplets, shape: claimed, labels: None, symmetric, duplicates, notices })
    }

    fn require_base(&self, path: &Path, base: u8, files: &str) -> Result<()> {
        match self.index_base {
            Some(found) if found != base => Err(Error::invalid(
                "index_base",
                format!("{found} for {}", path.display()),
                format!("{base}: {files} always count from {base}"),
                "leave it out",
            )),
            _ => Ok(()),
        }
    }

    /// Notes the assumptions about indices in a table.
    fn remark(&self, path: &Path, triplets: &Triplets, notices: &mut Vec<String>) {
        if self.index_base.is_some() || self.shape.is_none() {
            return;
        }
        let least = |places: &[u32]| places.iter().min().copied().unwrap_or(0);
        let (row, column) = (least(&triplets.rows), least(&triplets.columns));
        let doubt = if row > 0 && column > 0 {
            format!("; the smallest are row {row} and column {column}: if the file counts from 1, pass --index-base 1")
        } else {
            String::new()
        };
        notices.push(format!(
            "index base 0: {} is read as counting rows and columns from 0; --index-base 1 counts from 1{doubt}",
            path.display()
        ));
    }
}
