//! The product of factors.

use faer::{Mat, c64};

use crate::error::{Error, Result};
use crate::field::Field;
use crate::linalg::{self, triangular_factor, view};
use crate::problem::complex;
use crate::problem::domain::Domain;
use crate::problem::factors::{Block, Factors, MatrixView};

/// A product of factors: U Uᵀ, U S Uᵀ with S = diag(±1), or L Rᵀ. It is a trial's result, or a truth.
///
/// On a complex domain it is the real form of U Uᴴ, U S Uᴴ or L Rᴴ, see [`Domain`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product<'a> {
    left: MatrixView<'a>,
    /// Factor R, where it is not L.
    right: Option<MatrixView<'a>>,
    /// Number of columns with positive sign; later ones are negative.
    positive: usize,
    /// Whether the factor is complex.
    complex: bool,
}

/// Owned factors of the real form of a complex product.
#[derive(Clone, Debug)]
pub(crate) struct RealForm {
    pub(crate) left: Block,
    pub(crate) right: Option<Block>,
    pub(crate) positive: usize,
}

impl RealForm {
    /// The real product.
    pub(crate) fn product(&self) -> Product<'_> {
        Product {
            left: self.left.of(0),
            right: self.right.as_ref().map(|right| right.of(0)),
            positive: self.positive,
            complex: false,
        }
    }
}

impl<'a> Product<'a> {
    /// The product U Uᵀ.
    pub fn psd(factor: MatrixView<'a>) -> Self {
        Self { left: factor, right: None, positive: factor.columns(), complex: false }
    }

    /// The product U S Uᵀ, where the first `positive` entries of S are 1 and the others −1.
    pub fn signed(factor: MatrixView<'a>, positive: usize) -> Self {
        Self { left: factor, right: None, positive: positive.min(factor.columns()), complex: false }
    }

    /// The product L Rᵀ.
    ///
    /// # Errors
    /// [`Error::Invalid`] for different numbers of columns.
    pub fn pair(left: MatrixView<'a>, right: MatrixView<'a>) -> Result<Self> {
        if left.columns() != right.columns() {
            return Err(Error::invalid(
                "right",
                format!("{} columns", right.columns()),
                format!("{} columns, like left", left.columns()),
                "pass two factors of one product",
            ));
        }
        Ok(Self { left, right: Some(right), positive: left.columns(), complex: false })
    }

    /// The same product for matrices of a domain: the real form of U Uᴴ or L Rᴴ for a complex one.
    #[must_use]
    pub fn on(mut self, domain: &Domain) -> Self {
        self.complex = domain.is_complex();
        self
    }

    /// Whether the factor is complex.
    pub fn is_complex(&self) -> bool {
        self.complex
    }

    /// The factors of a real product that is the real form of this complex one.
    pub(crate) fn real_form(&self) -> RealForm {
        let k = self.left.columns();
        let wide = |of: MatrixView<'_>| Block::new(of.rows(), 2 * k, complex::expanded(k, of.as_slice()));
        RealForm { left: wide(self.left), right: self.right.map(wide), positive: 2 * self.positive }
    }

    /// Left factor, U or L.
    pub fn left(&self) -> MatrixView<'a> {
        self.left
    }

    /// Right factor R, or U for one factor.
    pub fn right(&self) -> MatrixView<'a> {
        self.right.unwrap_or(self.left)
    }

    /// Whether the product is U S Uᵀ.
    pub fn is_single(&self) -> bool {
        self.right.is_none()
    }

    /// Number of columns with the sign 1.
    pub fn positive(&self) -> usize {
        self.positive
    }

    /// Number of rows n1 of the product.
    pub fn rows(&self) -> usize {
        self.left.rows()
    }

    /// Number of columns n2 of the product.
    pub fn columns(&self) -> usize {
        self.right().rows()
    }

    /// Sign ±1 of a column.
    pub(crate) fn sign(&self, column: usize) -> f64 {
        if column < self.positive { 1.0 } else { -1.0 }
    }

    /// Entry (i, j) of the product.
    ///
    /// # Panics
    /// For an index outside the matrix, as slices do.
    pub fn entry(&self, i: usize, j: usize) -> f64 {
        let own = self.real_entry(i, j);
        if !self.complex {
            return own;
        }
        // The rows of i·U are those of U from the other half, the upper ones with the opposite sign.
        let halves = (self.rows() / 2, self.columns() / 2);
        let other = |i: usize, half: usize| if i < half { i + half } else { i - half };
        let turned = self.real_entry(other(i, halves.0), other(j, halves.1));
        if (i < halves.0) == (j < halves.1) { own + turned } else { own - turned }
    }

    /// Entry (i, j) of U Uᵀ, U S Uᵀ or L Rᵀ.
    fn real_entry(&self, i: usize, j: usize) -> f64 {
        let (l, r) = (self.left.row(i), self.right().row(j));
        if self.positive == l.len() {
            return l.iter().zip(r).map(|(a, b)| a * b).sum();
        }
        l.iter().zip(r).enumerate().map(|(c, (a, b))| self.sign(c) * a * b).sum()
    }

    /// Entry (i, j) of a complex product, as its real and its imaginary part.
    ///
    /// # Panics
    /// For an index outside the n1×n2 matrix, as slices do.
    pub fn complex_entry(&self, i: usize, j: usize) -> (f64, f64) {
        (self.entry(i, j), self.entry(self.rows() / 2 + i, j))
    }

    /// Factors of one trial with this product, for measuring it.
    ///
    /// # Errors
    /// Those of [`Factors::of_sizes`].
    pub fn as_factors(&self) -> Result<Factors> {
        let (k, left) = (self.left.columns(), self.left.as_slice());
        if self.right.is_none() && self.positive == k {
            return Factors::thin(self.rows(), k, left.to_vec());
        }
        let signed = left.iter().enumerate().map(|(at, v)| self.sign(at % k) * v).collect();
        Factors::ends((self.rows(), signed), (self.columns(), self.right().as_slice().to_vec()), k)
    }

    /// The product as a dense matrix, row-major.
    pub fn to_dense(&self) -> Vec<f64> {
        let columns = self.columns();
        (0..self.rows() * columns).map(|at| self.entry(at / columns, at % columns)).collect()
    }

    pub(crate) fn is_finite(&self) -> bool {
        let finite = |m: MatrixView<'_>| m.as_slice().iter().all(|v| v.is_finite());
        finite(self.left) && self.right.is_none_or(finite)
    }

    /// Balanced factors of the best approximation of rank `count`, padded with zeros to `columns` columns: U, or L and
    /// R. For products without negative columns.
    ///
    /// # Errors
    /// [`Error::Invalid`] for non-finite entries.
    pub(crate) fn leading(&self, count: usize, columns: usize) -> Result<Vec<Vec<f64>>> {
        match self.complex {
            false => self.leading_of::<f64>(count, columns),
            true => self.leading_of::<c64>(count, columns),
        }
    }

    fn leading_of<E: Field>(&self, count: usize, columns: usize) -> Result<Vec<Vec<f64>>> {
        let of = |m: MatrixView<'_>| E::unstacked(view(m.rows(), m.columns(), m.as_slice()).to_owned());
        let spread = |vectors: &Mat<E>, sizes: &[f64]| {
            let used = count.min(sizes.len());
            let entry = |i: usize, j: usize| if j < used { vectors[(i, j)] * sizes[j] } else { E::of(0.0, 0.0) };
            linalg::row_major(E::stacked(Mat::from_fn(vectors.nrows(), columns, entry)).as_ref())
        };
        let Some(right) = self.right else {
            let (vectors, values, _) = linalg::singular(&of(self.left))?;
            return Ok(vec![spread(&vectors, &values)]);
        };
        let (vectors, values) = linalg::svd_of_product(&of(self.left), &of(right))?;
        let roots: Vec<f64> = values.iter().map(|value| value.sqrt()).collect();
        Ok(vectors.iter().map(|vectors| spread(vectors, &roots)).collect())
    }

    /// Square roots of the singular values of the product, largest first: those of U for U Uᵀ. Their number is that of
    /// the columns of the factors, or of their rows if smaller.
    ///
    /// # Errors
    /// [`Error::Invalid`] for non-finite entries.
    pub fn singular_values(&self) -> Result<Vec<f64>> {
        let k = self.left.columns();
        if self.complex {
            return Ok(self.real_form().product().singular_values()?.into_iter().step_by(2).collect());
        }
        if self.right.is_none() && self.positive == k {
            return linalg::singular_values(self.rows(), k, self.left.as_slice());
        }
        // L = Q_L A, R = Q_R B with orthonormal Q: L S Rᵀ has the singular values of A S Bᵀ.
        let triangle = |m: MatrixView<'_>| triangular_factor(&view(m.rows(), k, m.as_slice()).to_owned());
        let a = triangle(self.left);
        let b = self.right.map_or_else(|| a.clone(), triangle);
        let signed = Mat::from_fn(a.nrows(), k, |i, c| self.sign(c) * a[(i, c)]);
        let core = &signed * b.transpose();
        let numbers: Vec<f64> =
            (0..core.nrows() * core.ncols()).map(|at| core[(at / core.ncols(), at % core.ncols())]).collect();
        let values = linalg::singular_values(core.nrows(), core.ncols(), &numbers)?;
        Ok(values.into_iter().map(|v| v.max(0.0).sqrt()).collect())
    }

    /// Imbalance ‖LᵀL − RᵀR‖_F of two factors, ‖LᴴL − RᴴR‖_F of complex ones; absent for one factor. Gradient descent keeps it about
    /// as small as at the start.
    pub fn imbalance(&self) -> Option<f64> {
        if self.complex {
            // The real form of a matrix has √2 times its norm.
            return self.real_form().product().imbalance().map(|wide| wide / std::f64::consts::SQRT_2);
        }
        let gram = |m: MatrixView<'_>| {
            let m = view(m.rows(), m.columns(), m.as_slice());
            m.transpose() * m
        };
        self.right.map(|right| (gram(self.left) - gram(right)).norm_l2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spectra_of_every_form_are_those_of_the_matrix() {
        let numbers: Vec<f64> = (0..24).map(|i| ((i * 7919 + 13) % 101) as f64 / 50.0 - 1.0).collect();
        let (u, r) = (MatrixView::new(6, 2, &numbers[..12]).unwrap(), MatrixView::new(5, 2, &numbers[12..22]).unwrap());
        for product in [Product::psd(u), Product::signed(u, 1), Product::pair(u, r).unwrap()] {
            let dense = product.to_dense();
            let direct = linalg::singular_values(product.rows(), product.columns(), &dense).unwrap();
            let found = product.singular_values().unwrap();
            for (found, direct) in found.iter().zip(&direct) {
                approx::assert_relative_eq!(found * found, *direct, max_relative = 1e-12);
            }
        }
        assert!(Product::psd(u).imbalance().is_none());
        assert_eq!(Product::pair(u, u).unwrap().imbalance(), Some(0.0));
        assert!(Product::pair(u, MatrixView::new(4, 3, &numbers[..12]).unwrap()).is_err());
    }
}
