//! Ground truths: what tests and demonstrations compare with.

use crate::error::{Error, Result};
use crate::linalg::symmetric_eigen;
use crate::problem::{Factors, MatrixView, Shape};

/// The matrix to be recovered, where it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    shape: Shape,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// M = X Xᵀ, X n×rank row-major.
    Factor { rank: usize, x: Vec<f64> },
    /// M itself, n×n row-major.
    Matrix(Vec<f64>),
}

impl Truth {
    /// M = X Xᵀ for an n×rank factor, row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length or non-finite entries.
    pub fn from_factor(n: usize, rank: usize, x: Vec<f64>) -> Result<Self> {
        let shape = Shape::psd(n);
        shape.validate()?;
        MatrixView::new(n, rank, &x)?;
        require_finite("truth", &x)?;
        Ok(Self { shape, form: Form::Factor { rank, x } })
    }

    /// A symmetric positive semidefinite M, n×n row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length, non-finite entries, or a matrix that is not symmetric to 1e-6.
    pub fn from_matrix(n: usize, matrix: Vec<f64>) -> Result<Self> {
        let shape = Shape::psd(n);
        shape.validate()?;
        MatrixView::new(n, n, &matrix)?;
        require_finite("truth_matrix", &matrix)?;
        let scale = matrix.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        for i in 0..n {
            for j in 0..i {
                let gap = (matrix[i * n + j] - matrix[j * n + i]).abs();
                if gap > 1e-6 * scale {
                    return Err(Error::invalid(
                        "truth_matrix",
                        format!("entries ({i},{j}) and ({j},{i}) that differ by {gap:e}"),
                        "a symmetric matrix",
                        "symmetrise it, or check that it is the right file",
                    ));
                }
            }
        }
        Ok(Self { shape, form: Form::Matrix(matrix) })
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of columns of the factor, where the truth is one.
    pub fn rank(&self) -> Option<usize> {
        match self.form {
            Form::Factor { rank, .. } => Some(rank),
            Form::Matrix(_) => None,
        }
    }

    /// X, where the truth is a factor.
    pub fn factor(&self) -> Option<MatrixView<'_>> {
        match &self.form {
            Form::Factor { rank, x } => MatrixView::new(self.shape.rows(), *rank, x).ok(),
            Form::Matrix(_) => None,
        }
    }

    /// M, row-major.
    pub fn to_matrix(&self) -> Vec<f64> {
        let n = self.shape.rows();
        match &self.form {
            Form::Matrix(m) => m.clone(),
            Form::Factor { rank, x } => {
                let row = |i: usize| &x[i * rank..(i + 1) * rank];
                (0..n * n).map(|at| row(at / n).iter().zip(row(at % n)).map(|(a, b)| a * b).sum()).collect()
            }
        }
    }

    /// σ of X (square roots of M's eigenvalues), largest first.
    ///
    /// # Errors
    /// Those of the eigenvalue decomposition.
    pub fn singular_values(&self) -> Result<Vec<f64>> {
        let n = self.shape.rows();
        match &self.form {
            Form::Factor { rank, x } => crate::linalg::singular_values(n, *rank, x),
            Form::Matrix(m) => {
                let (values, _) = symmetric_eigen(n, m)?;
                Ok(values.iter().rev().map(|v| v.max(0.0).sqrt()).collect())
            }
        }
    }

    /// Factors whose product is M, for measuring it.
    pub(crate) fn as_factors(&self) -> Result<Factors> {
        let n = self.shape.rows();
        match &self.form {
            Form::Factor { rank, x } => Factors::symmetric(1, n, *rank, x.clone()),
            Form::Matrix(m) => {
                let mut identity = vec![0.0; n * n];
                identity.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
                Factors::pair(1, self.shape, n, m.clone(), identity)
            }
        }
    }
}

fn require_finite(name: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::invalid(
            name,
            format!("{} at position {at}", values[at]),
            "finite numbers",
            "repair or replace the input",
        )),
    }
}
