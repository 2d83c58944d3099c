//! The model of the unknown matrix and its size.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What kind of matrix is recovered, and through which factorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Model {
    /// `M = X Xᵀ`, n×n positive semidefinite; iterate `U Uᵀ`.
    Psd,
    /// `M = X S Xᵀ` with `S = diag(±1)`, symmetric indefinite; iterate `U S Uᵀ` for a given signature.
    Signed,
    /// `M = L Rᵀ`, n1×n2, square or not; iterate a pair (L, R).
    Asymmetric,
}

/// Model and size of the unknown matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    model: Model,
    rows: usize,
    columns: usize,
}

impl Shape {
    /// A symmetric positive semidefinite n×n unknown.
    pub fn psd(n: usize) -> Self {
        Self { model: Model::Psd, rows: n, columns: n }
    }

    /// Any model; for readers, which validate afterwards.
    pub(crate) fn new(model: Model, rows: usize, columns: usize) -> Self {
        Self { model, rows, columns }
    }

    /// A symmetric n×n unknown with eigenvalues of both signs.
    pub fn signed(n: usize) -> Self {
        Self { model: Model::Signed, rows: n, columns: n }
    }

    /// An n1×n2 unknown, square or not.
    pub fn asymmetric(n1: usize, n2: usize) -> Self {
        Self { model: Model::Asymmetric, rows: n1, columns: n2 }
    }

    pub fn model(&self) -> Model {
        self.model
    }

    /// n1, or n for a symmetric model.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// n2, or n for a symmetric model.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the sensing matrices may be taken symmetric (psd and signed models).
    pub fn is_symmetric(&self) -> bool {
        self.model != Model::Asymmetric
    }

    /// Dimension of the space of such matrices: n(n+1)/2 or n1·n2. Also the length of a stored row of a dense operator.
    pub fn dimension(&self) -> usize {
        if self.is_symmetric() { self.rows * (self.rows + 1) / 2 } else { self.rows * self.columns }
    }

    /// Degrees of freedom of a rank-r matrix of this shape: n·r − r(r−1)/2 or r(n1+n2−r).
    pub fn degrees_of_freedom(&self, rank: usize) -> usize {
        let r = rank.min(self.rows).min(self.columns);
        if self.is_symmetric() {
            self.rows * r - r * r.saturating_sub(1) / 2
        } else {
            r * (self.rows + self.columns - r)
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        // 2³¹ keeps every packed index and byte count far inside 64 bits, and rows·columns inside usize.
        const LARGEST: usize = 1 << 31;
        for (name, size) in [("rows", self.rows), ("columns", self.columns)] {
            if size == 0 || size > LARGEST {
                return Err(Error::invalid(name, size, "1 to 2³¹", "give the size of the unknown matrix"));
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}
