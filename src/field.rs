//! Real and complex numbers of host decompositions, so that one source serves both.
//!
//! Registers hold a complex matrix as its real part above its imaginary part, see [`crate::problem::Domain`].

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use faer::traits::ComplexField;
use faer::{Mat, c64};

/// A number of a matrix: real, or complex.
pub(crate) trait Field:
    ComplexField<Real = f64>
    + Copy
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// Real numbers in one of them, which is also the number of rows of a register for one row.
    const PARTS: usize;

    /// The number of a real and an imaginary part; real numbers ignore the latter.
    fn of(real: f64, imaginary: f64) -> Self;

    /// Real part.
    fn real(self) -> f64;

    /// Imaginary part.
    fn imaginary(self) -> f64;

    /// Complex conjugate.
    fn conjugate(self) -> Self {
        Self::of(self.real(), -self.imaginary())
    }

    /// Square of the modulus.
    fn square(self) -> f64 {
        self.real().powi(2) + self.imaginary().powi(2)
    }

    /// The matrix with the real parts of `whole` above the imaginary parts.
    fn unstacked(whole: Mat<f64>) -> Mat<Self> {
        let rows = whole.nrows() / Self::PARTS;
        let imaginary = |i: usize, j: usize| if Self::PARTS == 2 { whole[(rows + i, j)] } else { 0.0 };
        Mat::from_fn(rows, whole.ncols(), |i, j| Self::of(whole[(i, j)], imaginary(i, j)))
    }

    /// Inverse of [`Field::unstacked`].
    fn stacked(matrix: Mat<Self>) -> Mat<f64> {
        let rows = matrix.nrows();
        let part = |i: usize, j: usize| {
            if i < rows { matrix[(i, j)].real() } else { matrix[(i - rows, j)].imaginary() }
        };
        Mat::from_fn(Self::PARTS * rows, matrix.ncols(), part)
    }
}

impl Field for f64 {
    const PARTS: usize = 1;

    fn of(real: f64, _imaginary: f64) -> Self {
        real
    }

    fn real(self) -> f64 {
        self
    }

    fn imaginary(self) -> f64 {
        0.0
    }

    fn unstacked(whole: Mat<f64>) -> Mat<Self> {
        whole
    }

    fn stacked(matrix: Mat<Self>) -> Mat<f64> {
        matrix
    }
}

impl Field for c64 {
    const PARTS: usize = 2;

    fn of(real: f64, imaginary: f64) -> Self {
        Self::new(real, imaginary)
    }

    fn real(self) -> f64 {
        self.re
    }

    fn imaginary(self) -> f64 {
        self.im
    }
}
