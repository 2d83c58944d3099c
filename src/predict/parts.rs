//! Factors for predictions that are not in a file.

use super::Predictor;
use crate::error::{Error, Result};
use crate::io::Labels;
use crate::operators::entries::Biases;
use crate::problem::{MatrixView, Product};

impl Predictor {
    /// Factors of a product, with the indices as names and without biases.
    ///
    /// # Errors
    /// [`Error::Invalid`] for factors that are not finite.
    pub fn of(product: &Product<'_>) -> Result<Self> {
        let (left, right) = (product.left(), product.right());
        let k = left.columns();
        if !product.is_finite() {
            let fix = "pass the factors of a run that has not diverged";
            return Err(Error::invalid("factors", "a NaN or infinite entry", "finite factors", fix));
        }
        let indices = |of: MatrixView<'_>| Labels::Counted { first: 0, count: of.rows() };
        let signed = |(at, v): (usize, &f64)| product.sign(at % k) * v;
        Ok(Self {
            k,
            left: left.as_slice().to_vec(),
            right: right.as_slice().iter().enumerate().map(signed).collect(),
            biases: None,
            scales: None,
            rows: indices(left),
            columns: indices(right),
            symmetric: product.is_single(),
        })
    }

    /// Sets the mean and the offsets of rows and columns.
    ///
    /// # Errors
    /// [`Error::Invalid`] for other sizes, and numbers that are not finite.
    pub fn with_biases(mut self, mean: f64, rows: Vec<f64>, columns: Vec<f64>) -> Result<Self> {
        let biases = Biases { mean, rows, columns };
        let sizes = (biases.rows.len(), biases.columns.len());
        let all = biases.rows.iter().chain(&biases.columns).chain([&biases.mean]);
        if sizes != self.shape() || all.into_iter().any(|value| !value.is_finite()) {
            let (n1, n2) = self.shape();
            let found = format!("{} offsets of rows and {} of columns", sizes.0, sizes.1);
            return Err(Error::invalid("biases", found, format!("{n1} and {n2} finite numbers"), "pass one for each"));
        }
        self.biases = Some(biases);
        Ok(self)
    }

    /// Sets the names of rows and columns.
    ///
    /// # Errors
    /// [`Error::Invalid`] for other numbers of names.
    pub fn with_labels(mut self, rows: Labels, columns: Labels) -> Result<Self> {
        if (rows.len(), columns.len()) != self.shape() {
            let (n1, n2) = self.shape();
            let found = format!("{} names of rows and {} of columns", rows.len(), columns.len());
            return Err(Error::invalid("labels", found, format!("{n1} and {n2}"), "pass a name for each"));
        }
        (self.rows, self.columns) = (rows, columns);
        Ok(self)
    }

    /// Factors L (n1, k) and R (n2, k), row-major, of the matrix L Rᵀ, before biases and scales.
    pub fn factors(&self) -> (&[f64], &[f64]) {
        (&self.left, &self.right)
    }

    /// Mean and offsets of rows and columns, if there are any.
    pub fn biases(&self) -> Option<&Biases> {
        self.biases.as_ref()
    }
}
