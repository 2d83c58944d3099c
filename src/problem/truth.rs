//! Ground truths, for comparison in tests and demonstrations.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::memory::{Memory, product};
use crate::problem::product::RealForm;
use crate::problem::{Domain, Factors, MatrixView, Product};

/// The matrix to recover, if known.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    domain: Domain,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// M = X S Xᵀ, X n×rank row-major, S = diag(1 `positive` times, then −1).
    Factor { rank: usize, positive: usize, x: Vec<f64> },
    /// M = L Rᵀ, row-major.
    Pair { rank: usize, left: Vec<f64>, right: Vec<f64> },
    /// M itself, row-major.
    Matrix(Vec<f64>),
}

impl Truth {
    /// A truth M = X Xᵀ from an n×rank factor, row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length or non-finite entries.
    pub fn from_factor(n: usize, rank: usize, x: Vec<f64>) -> Result<Self> {
        Self::single(Domain::symmetric(n), rank, rank, x)
    }

    /// A truth M = X Xᴴ from the factor of a domain, row-major: the real form of a complex one has 2n rows, real parts
    /// above imaginary parts.
    ///
    /// # Errors
    /// Those of [`Truth::from_factor`].
    pub fn from_factor_on(domain: Domain, rank: usize, x: Vec<f64>) -> Result<Self> {
        if !domain.is_symmetric() {
            let fix = "pass two factors to `Truth::from_pair`";
            return Err(Error::invalid("truth", "one factor", "two factors of a matrix that is not symmetric", fix));
        }
        Self::single(domain, rank, rank, x)
    }

    /// A truth M = X S Xᵀ from an n×(p+q) factor, row-major, and S = diag(1 p times, −1 q times).
    ///
    /// # Errors
    /// Those of [`Truth::from_factor`].
    pub fn from_signed_factor(n: usize, signature: (usize, usize), x: Vec<f64>) -> Result<Self> {
        Self::from_signed_factor_on(Domain::symmetric(n), signature, x)
    }

    /// The same for the factor of a symmetric or complex domain.
    pub(crate) fn from_signed_factor_on(domain: Domain, signature: (usize, usize), x: Vec<f64>) -> Result<Self> {
        let (positive, negative) = signature;
        Self::single(domain, positive.saturating_add(negative), positive, x)
    }

    fn single(domain: Domain, rank: usize, positive: usize, x: Vec<f64>) -> Result<Self> {
        domain.validate()?;
        MatrixView::new(domain.rows(), rank, &x)?;
        require_finite("truth", &x)?;
        Ok(Self { domain, form: Form::Factor { rank, positive, x } })
    }

    /// A truth M = L Rᵀ from an n1×rank and an n2×rank factor, row-major.
    ///
    /// # Errors
    /// Those of [`Truth::from_factor`].
    pub fn from_pair(n1: usize, n2: usize, rank: usize, left: Vec<f64>, right: Vec<f64>) -> Result<Self> {
        Self::from_pair_on(Domain::rectangular(n1, n2), rank, left, right)
    }

    /// A truth M = L Rᵀ from the two factors of a domain that is not symmetric, row-major; of a complex one M = L Rᴴ from their real
    /// forms, real parts above imaginary parts.
    ///
    /// # Errors
    /// Those of [`Truth::from_factor`].
    pub fn from_pair_on(domain: Domain, rank: usize, left: Vec<f64>, right: Vec<f64>) -> Result<Self> {
        domain.validate()?;
        if domain.is_symmetric() {
            let fix = "pass one factor to `Truth::from_factor_on`";
            return Err(Error::invalid("truth", "two factors", "one factor of a symmetric matrix", fix));
        }
        MatrixView::new(domain.rows(), rank, &left)?;
        MatrixView::new(domain.columns(), rank, &right)?;
        require_finite("truth", &left)?;
        require_finite("truth", &right)?;
        Ok(Self { domain, form: Form::Pair { rank, left, right } })
    }

    /// A truth from a symmetric positive semidefinite matrix M, n×n row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length, non-finite entries, or asymmetry beyond 1e-6.
    pub fn from_matrix(n: usize, matrix: Vec<f64>) -> Result<Self> {
        Self::from_matrix_of(Domain::symmetric(n), matrix)
    }

    /// A truth from a matrix M of any domain, row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length or non-finite entries, and on a symmetric domain for asymmetry beyond
    /// 1e-6.
    pub fn from_matrix_of(domain: Domain, matrix: Vec<f64>) -> Result<Self> {
        domain.validate()?;
        let n = domain.columns();
        MatrixView::new(domain.rows(), n, &matrix)?;
        require_finite("truth_matrix", &matrix)?;
        if !domain.is_symmetric() {
            return Ok(Self { domain, form: Form::Matrix(matrix) });
        }
        let scale = matrix.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        for i in 0..n {
            for j in 0..i {
                let gap = (matrix[i * n + j] - matrix[j * n + i]).abs();
                if gap > 1e-6 * scale {
                    return Err(Error::invalid(
                        "truth_matrix",
                        format!("entries ({i},{j}) and ({j},{i}) that differ by {gap:e}"),
                        "a symmetric matrix",
                        "symmetrise it, or check the file",
                    ));
                }
            }
        }
        Ok(Self { domain, form: Form::Matrix(matrix) })
    }

    /// The same matrix as a real one: the real form of a complex truth.
    pub(crate) fn real_form(&self) -> Cow<'_, Self> {
        if !self.domain.is_complex() {
            return Cow::Borrowed(self);
        }
        let (rows, columns) = (self.domain.rows(), self.domain.columns());
        let domain =
            if self.domain.is_symmetric() { Domain::symmetric(rows) } else { Domain::rectangular(rows, columns) };
        let form = match (self.rank(), self.product()) {
            (Some(rank), Some(product)) => {
                let RealForm { left, right, positive } = product.real_form();
                let (rank, left) = (2 * rank, left.data().to_vec());
                match right {
                    None => Form::Factor { rank, positive, x: left },
                    Some(right) => Form::Pair { rank, left, right: right.data().to_vec() },
                }
            }
            _ => self.form.clone(),
        };
        Cow::Owned(Self { domain, form })
    }

    /// Domain of the matrix.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// Number of columns of the factors, if the truth is a product.
    pub fn rank(&self) -> Option<usize> {
        match self.form {
            Form::Factor { rank, .. } | Form::Pair { rank, .. } => Some(rank),
            Form::Matrix(_) => None,
        }
    }

    /// Factor X, if the truth is X Xᵀ.
    pub fn factor(&self) -> Option<MatrixView<'_>> {
        match &self.form {
            Form::Factor { rank, positive, x } if rank == positive => {
                MatrixView::new(self.domain.rows(), *rank, x).ok()
            }
            _ => None,
        }
    }

    /// Product X S Xᵀ or L Rᵀ, if the truth is one.
    pub fn product(&self) -> Option<Product<'_>> {
        let (n1, n2) = (self.domain.rows(), self.domain.columns());
        match &self.form {
            Form::Factor { rank, positive, x } => {
                Some(Product::signed(MatrixView::new(n1, *rank, x).ok()?, *positive).on(&self.domain))
            }
            Form::Pair { rank, left, right } => {
                let (left, right) = (MatrixView::new(n1, *rank, left).ok()?, MatrixView::new(n2, *rank, right).ok()?);
                Some(Product::pair(left, right).ok()?.on(&self.domain))
            }
            Form::Matrix(_) => None,
        }
    }

    /// Row i of M.
    pub(crate) fn row(&self, i: usize) -> Cow<'_, [f64]> {
        let n2 = self.domain.columns();
        match (&self.form, self.product()) {
            (Form::Matrix(m), _) => Cow::Borrowed(&m[i * n2..(i + 1) * n2]),
            (_, Some(product)) => (0..n2).map(|j| product.entry(i, j)).collect(),
            // The sizes of a product were checked on construction.
            (_, None) => Cow::Borrowed(&[]),
        }
    }

    /// Matrix M, row-major.
    pub fn to_matrix(&self) -> Vec<f64> {
        match (&self.form, self.product()) {
            (Form::Matrix(m), _) => m.clone(),
            (_, Some(product)) => product.to_dense(),
            // The sizes of a product were checked on construction.
            (_, None) => Vec::new(),
        }
    }

    /// Singular values of X: square roots of the singular values of M, largest first.
    ///
    /// # Errors
    /// Those of the decomposition.
    pub fn singular_values(&self) -> Result<Vec<f64>> {
        let (n1, n2) = (self.domain.rows(), self.domain.columns());
        match (&self.form, self.product()) {
            (Form::Matrix(m), _) => {
                let values = crate::linalg::singular_values(n1, n2, m)?;
                // The real form has every singular value twice.
                let step = if self.domain.is_complex() { 2 } else { 1 };
                Ok(values.into_iter().step_by(step).map(|v| v.max(0.0).sqrt()).collect())
            }
            (_, Some(product)) => product.singular_values(),
            (_, None) => Ok(Vec::new()),
        }
    }

    /// Factors with the product M, for measuring it.
    ///
    /// # Errors
    /// Those of [`Factors::of_sizes`]; [`Error::Memory`].
    pub fn as_factors(&self) -> Result<Factors> {
        let (n1, n2) = (self.domain.rows(), self.domain.columns());
        match (&self.form, self.product()) {
            (_, Some(product)) => product.as_factors(),
            (Form::Matrix(m), None) => {
                let bytes = product(&[n1.saturating_add(n2), n2, size_of::<f64>()]);
                let fix = "Pass the truth as factors, which need less";
                Memory::of_host([("the truth matrix as factors", bytes)]).require("truth_matrix", fix)?;
                let mut identity = vec![0.0; n2 * n2];
                identity.iter_mut().step_by(n2 + 1).for_each(|v| *v = 1.0);
                // The real form of A + iB has every entry twice.
                let share = if self.domain.is_complex() { 0.5 } else { 1.0 };
                Factors::pair(1, self.domain, n2, m.iter().map(|v| share * v).collect(), identity)
            }
            (_, None) => Factors::of_blocks(1, Vec::new()),
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
            "correct or replace the input",
        )),
    }
}
