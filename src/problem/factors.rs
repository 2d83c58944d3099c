//! Batched factors, which the iteration moves.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::problem::domain::Domain;

/// A read-only row-major matrix of `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatrixView<'a> {
    rows: usize,
    columns: usize,
    data: &'a [f64],
}

impl<'a> MatrixView<'a> {
    /// A view of `data`, row-major with length `rows·columns`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another length.
    pub fn new(rows: usize, columns: usize, data: &'a [f64]) -> Result<Self> {
        check_length("matrix", data.len(), rows.checked_mul(columns))?;
        Ok(Self { rows, columns, data })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
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
    /// For `i ≥ rows`, as slices do.
    pub fn row(&self, i: usize) -> &'a [f64] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }
}

/// One factor of every trial of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    rows: usize,
    columns: usize,
    /// Entries, (batch, rows, columns).
    data: Vec<f64>,
}

impl Block {
    /// A block from `data`, (batch, rows, columns), row-major, one trial after the other.
    pub fn new(rows: usize, columns: usize, data: Vec<f64>) -> Self {
        Self { rows, columns, data }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the block holds one trial of that size; a block from a file need not.
    pub(crate) fn is_one_of(&self, size: (usize, usize)) -> bool {
        (self.rows, self.columns) == size && self.rows.checked_mul(self.columns) == Some(self.data.len())
    }

    /// The leading rows and columns of one trial, as a block of its own.
    pub(crate) fn corner(&self, trial: usize, (rows, columns): (usize, usize)) -> Self {
        let whole = self.of(trial);
        Self::new(rows, columns, (0..rows).flat_map(|i| &whole.row(i)[..columns]).copied().collect())
    }

    /// The block of one trial with zero columns up to `columns`.
    pub(crate) fn widened(&self, columns: usize) -> Self {
        let zeros = columns - self.columns;
        let row = |i| self.of(0).row(i).iter().copied().chain(std::iter::repeat_n(0.0, zeros)).collect::<Vec<_>>();
        Self::new(self.rows, columns, (0..self.rows).flat_map(row).collect())
    }

    /// Entries of all trials, (batch, rows, columns).
    pub fn data(&self) -> &[f64] {
        &self.data
    }

    /// The matrix of one trial.
    ///
    /// # Panics
    /// For `trial ≥ batch`, as slices do.
    pub fn of(&self, trial: usize) -> MatrixView<'_> {
        let size = self.rows * self.columns;
        MatrixView { rows: self.rows, columns: self.columns, data: &self.data[trial * size..(trial + 1) * size] }
    }
}

/// Factors of a batch of trials: a list of blocks, U alone or L and R, as the model defines them.
///
/// Operators read the thin pair at its ends: ⟨Aᵢ, L Rᵀ⟩ with L the first block and R the last one. With one block both
/// are the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    batch: usize,
    blocks: Vec<Block>,
}

impl Factors {
    /// One block per trial: `data` is (batch, n, k), and operators see the pair (U, U).
    ///
    /// # Errors
    /// [`Error::Invalid`] where the length is not batch·n·k.
    pub fn single(batch: usize, n: usize, search_rank: usize, data: Vec<f64>) -> Result<Self> {
        check_length("factors", data.len(), product3(batch, n, search_rank))?;
        Ok(Self { batch, blocks: vec![Block::new(n, search_rank, data)] })
    }

    /// Two blocks per trial: (batch, n1, k) and (batch, n2, k).
    ///
    /// # Errors
    /// [`Error::Invalid`] where a length is not batch·n·k.
    pub fn pair(batch: usize, domain: Domain, search_rank: usize, left: Vec<f64>, right: Vec<f64>) -> Result<Self> {
        check_length("left", left.len(), product3(batch, domain.rows(), search_rank))?;
        check_length("right", right.len(), product3(batch, domain.columns(), search_rank))?;
        let blocks =
            vec![Block::new(domain.rows(), search_rank, left), Block::new(domain.columns(), search_rank, right)];
        Ok(Self { batch, blocks })
    }

    /// One thin matrix of one trial, which serves as both sides.
    pub(crate) fn thin(rows: usize, columns: usize, data: Vec<f64>) -> Result<Self> {
        Self::single(1, rows, columns, data)
    }

    /// L and R of one trial, given as (rows, numbers), with k columns.
    pub(crate) fn ends(left: (usize, Vec<f64>), right: (usize, Vec<f64>), search_rank: usize) -> Result<Self> {
        check_length("left", left.1.len(), left.0.checked_mul(search_rank))?;
        check_length("right", right.1.len(), right.0.checked_mul(search_rank))?;
        Ok(Self {
            batch: 1,
            blocks: vec![Block::new(left.0, search_rank, left.1), Block::new(right.0, search_rank, right.1)],
        })
    }

    /// Factors of arbitrary blocks, at least one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no block, or for a block whose length is not batch·rows·columns.
    pub fn of_blocks(batch: usize, blocks: Vec<Block>) -> Result<Self> {
        if blocks.is_empty() {
            return Err(Error::invalid("factors", "no blocks", "at least one", "pass the factors of the model"));
        }
        for block in &blocks {
            check_length("factors", block.data.len(), product3(batch, block.rows, block.columns))?;
        }
        Ok(Self { batch, blocks })
    }

    /// Factors with blocks of the given sizes (rows, columns) from their numbers, `batch` trials one after the other in
    /// each.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a block of the wrong length.
    pub fn of_sizes(batch: usize, sizes: &[(usize, usize)], data: Vec<Vec<f64>>) -> Result<Self> {
        let blocks = sizes.iter().zip(data).map(|(&(rows, columns), data)| Block::new(rows, columns, data));
        Self::of_blocks(batch, blocks.collect())
    }

    /// A pair, or one block where `right` is empty.
    pub(crate) fn of(
        batch: usize,
        domain: Domain,
        search_rank: usize,
        left: Vec<f64>,
        right: Vec<f64>,
    ) -> Result<Self> {
        if right.is_empty() {
            Self::single(batch, domain.rows(), search_rank, left)
        } else {
            Self::pair(batch, domain, search_rank, left, right)
        }
    }

    /// The blocks of each trial one after the other, (batch, numbers of a trial), in the layout of registers.
    pub(crate) fn by_trial(&self) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.blocks.iter().map(|block| block.data().len()).sum());
        for trial in 0..self.batch {
            for block in &self.blocks {
                let size = block.data().len() / self.batch;
                all.extend_from_slice(&block.data()[trial * size..(trial + 1) * size]);
            }
        }
        all
    }

    /// Inverse of [`Factors::by_trial`].
    pub(crate) fn from_trials(sizes: &[(usize, usize)], values: &[f64]) -> Result<Self> {
        let size: usize = sizes.iter().map(|(rows, columns)| rows * columns).sum();
        let mut start = 0;
        let mut blocks = Vec::with_capacity(sizes.len());
        for &(rows, columns) in sizes {
            let range = start..start + rows * columns;
            let parts: Vec<&[f64]> = values.chunks(size.max(1)).map(|trial| &trial[range.clone()]).collect();
            let data = parts.concat();
            blocks.push(Block::new(rows, columns, data));
            start = range.end;
        }
        Self::of_blocks(values.len() / size.max(1), blocks)
    }

    /// Number of trials in the batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// All blocks, first to last.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// One block, counted from 0.
    ///
    /// # Panics
    /// For an index beyond the blocks.
    pub fn block(&self, index: usize) -> &Block {
        &self.blocks[index]
    }

    /// Size (rows, columns) of each block.
    pub fn sizes(&self) -> Vec<(usize, usize)> {
        self.blocks.iter().map(|block| (block.rows, block.columns)).collect()
    }

    fn first(&self) -> &Block {
        &self.blocks[0]
    }

    fn last(&self) -> &Block {
        &self.blocks[self.blocks.len() - 1]
    }

    /// Rows of the first block: n1, or n.
    pub fn rows(&self) -> usize {
        self.first().rows
    }

    /// Rows of the last block: n2, or n.
    #[expect(clippy::misnamed_getters, reason = "the columns of the matrix are the rows of its last factor")]
    pub fn columns(&self) -> usize {
        self.last().rows
    }

    /// Columns k of the first block (the largest of the batch; narrower trials are padded with zeros).
    pub fn search_rank(&self) -> usize {
        self.first().columns
    }

    /// Left factor L (or U) of one trial, its first block.
    ///
    /// # Panics
    /// For `trial ≥ batch`, as slices do.
    pub fn left(&self, trial: usize) -> MatrixView<'_> {
        self.first().of(trial)
    }

    /// Right factor R of one trial, its last block; U for a single block.
    ///
    /// # Panics
    /// For `trial ≥ batch`, as slices do.
    pub fn right(&self, trial: usize) -> MatrixView<'_> {
        self.last().of(trial)
    }

    /// Factors with the first block alone.
    #[must_use]
    pub fn only_left(&self) -> Self {
        Self { batch: self.batch, blocks: vec![self.first().clone()] }
    }

    /// Whether there is only one block.
    pub fn is_single(&self) -> bool {
        self.blocks.len() == 1
    }

    /// Left factors of all trials, (batch, rows, k).
    pub fn left_data(&self) -> &[f64] {
        self.first().data()
    }

    /// Right factors of all trials, (batch, columns, k).
    pub fn right_data(&self) -> &[f64] {
        self.last().data()
    }
}

fn product3(a: usize, b: usize, c: usize) -> Option<usize> {
    a.checked_mul(b)?.checked_mul(c)
}

fn check_length(name: &str, found: usize, wanted: Option<usize>) -> Result<()> {
    match wanted {
        Some(wanted) if wanted == found => Ok(()),
        Some(wanted) => {
            Err(Error::invalid(name, format!("{found} numbers"), format!("{wanted} numbers"), "check the sizes"))
        }
        None => Err(Error::invalid(name, "a size beyond the address space", "smaller sizes", "check the sizes")),
    }
}
