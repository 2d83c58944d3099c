//! Batched factors: what the iteration moves.

use crate::error::{Error, Result};
use crate::problem::shape::Shape;

/// A read-only row-major matrix of `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixView<'a> {
    rows: usize,
    columns: usize,
    data: &'a [f64],
}

impl<'a> MatrixView<'a> {
    /// `data` has length `rows·columns`, row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the length is another.
    pub fn new(rows: usize, columns: usize, data: &'a [f64]) -> Result<Self> {
        check_length("matrix", data.len(), rows.checked_mul(columns))?;
        Ok(Self { rows, columns, data })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All entries, row by row.
    pub fn as_slice(&self) -> &'a [f64] {
        self.data
    }

    /// Row `i`, a slice of length `columns`.
    ///
    /// # Panics
    /// Where `i ≥ rows`, as slices do.
    pub fn row(&self, i: usize) -> &'a [f64] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }
}

/// `batch` pairs (L, R), each rows×k and columns×k, row-major, one trial after the other. For a symmetric model with
/// one factor, R is L and is not stored twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    batch: usize,
    rows: usize,
    columns: usize,
    search_rank: usize,
    left: Vec<f64>,
    right: Option<Vec<f64>>,
}

impl Factors {
    /// One factor a trial: `data` is (batch, n, k), and the iterate is `U Uᵀ`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the length is not batch·n·k.
    pub fn symmetric(batch: usize, n: usize, search_rank: usize, data: Vec<f64>) -> Result<Self> {
        check_length("factors", data.len(), product3(batch, n, search_rank))?;
        Ok(Self { batch, rows: n, columns: n, search_rank, left: data, right: None })
    }

    /// Two factors a trial: (batch, n1, k) and (batch, n2, k).
    ///
    /// # Errors
    /// [`Error::Invalid`] where a length is not batch·n·k.
    pub fn pair(batch: usize, shape: Shape, search_rank: usize, left: Vec<f64>, right: Vec<f64>) -> Result<Self> {
        check_length("left", left.len(), product3(batch, shape.rows(), search_rank))?;
        check_length("right", right.len(), product3(batch, shape.columns(), search_rank))?;
        Ok(Self { batch, rows: shape.rows(), columns: shape.columns(), search_rank, left, right: Some(right) })
    }

    /// What the shape has: `right` is for two factors and ignored for one.
    pub(crate) fn of(batch: usize, shape: Shape, search_rank: usize, left: Vec<f64>, right: Vec<f64>) -> Result<Self> {
        if shape.is_symmetric() {
            Self::symmetric(batch, shape.rows(), search_rank, left)
        } else {
            Self::pair(batch, shape, search_rank, left, right)
        }
    }

    /// Refuses factors of another size, or one factor where the shape has two, or two where it has one.
    pub(crate) fn require(&self, name: &str, batch: usize, shape: Shape, search_rank: usize) -> Result<()> {
        let found = (self.batch, self.rows, self.columns, self.search_rank, self.is_single());
        if found == (batch, shape.rows(), shape.columns(), search_rank, shape.is_symmetric()) {
            return Ok(());
        }
        let kind = |single: bool| if single { "one factor" } else { "a pair" };
        let Self { batch: b, rows, columns, search_rank: k, .. } = self;
        Err(Error::invalid(
            name,
            format!("{} of batch {b}, {rows}x{columns}, search rank {k}", kind(self.is_single())),
            format!("{} of batch {batch}, {shape}, search rank {search_rank}", kind(shape.is_symmetric())),
            "give factors of the loaded problem's sizes",
        ))
    }

    pub fn batch(&self) -> usize {
        self.batch
    }

    /// n1, or n.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// n2, or n.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// k, the columns of each factor (the largest of the batch; narrower trials are padded with zeros).
    pub fn search_rank(&self) -> usize {
        self.search_rank
    }

    /// L (or U) of one trial.
    ///
    /// # Panics
    /// Where `trial ≥ batch`, as slices do.
    pub fn left(&self, trial: usize) -> MatrixView<'_> {
        let size = self.rows * self.search_rank;
        let data = &self.left[trial * size..(trial + 1) * size];
        MatrixView { rows: self.rows, columns: self.search_rank, data }
    }

    /// R of one trial; U again where there is one factor.
    ///
    /// # Panics
    /// Where `trial ≥ batch`, as slices do.
    pub fn right(&self, trial: usize) -> MatrixView<'_> {
        let size = self.columns * self.search_rank;
        let all = self.right.as_ref().unwrap_or(&self.left);
        MatrixView { rows: self.columns, columns: self.search_rank, data: &all[trial * size..(trial + 1) * size] }
    }

    /// Whether R is L.
    pub fn is_single(&self) -> bool {
        self.right.is_none()
    }

    /// All left factors, (batch, rows, k).
    pub fn left_data(&self) -> &[f64] {
        &self.left
    }

    /// All right factors, (batch, columns, k).
    pub fn right_data(&self) -> &[f64] {
        self.right.as_ref().unwrap_or(&self.left)
    }
}

fn product3(a: usize, b: usize, c: usize) -> Option<usize> {
    a.checked_mul(b)?.checked_mul(c)
}

fn check_length(name: &str, found: usize, wanted: Option<usize>) -> Result<()> {
    match wanted {
        Some(wanted) if wanted == found => Ok(()),
        Some(wanted) => {
            Err(Error::invalid(name, format!("{found} numbers"), format!("{wanted} numbers"), "check the shape"))
        }
        None => Err(Error::invalid(name, "a size beyond the address space", "smaller sizes", "check the shape")),
    }
}
