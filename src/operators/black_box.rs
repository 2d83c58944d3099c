//! Measurements by a function of the matrix, without an adjoint.

use crate::error::{Error, Result};
use crate::operators::{Cost, Operator};
use crate::problem::{Domain, Factors, MatrixView, Product};

/// Measurements by a function Z ↦ y that is linear in Z, such as a simulator: there is no adjoint, so only methods that evaluate
/// the loss alone solve its problems, as [`ZerothOrder`](crate::methods::ZerothOrder) does. The function sees Z as n1·n2 numbers, row
/// by row.
pub struct BlackBox<F> {
    domain: Domain,
    measurements: usize,
    normalization: f64,
    function: F,
}

impl<F: Fn(&[f64]) -> Vec<f64> + Send + Sync> BlackBox<F> {
    /// The measurements of a function with m values, with the normalisation s = 1/m.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty domain, no measurements, or a function that returns another number of values for Z = 0 or
    /// values other than 0.
    pub fn new(domain: Domain, measurements: usize, function: F) -> Result<Self> {
        domain.validate()?;
        if measurements == 0 {
            return Err(Error::invalid("measurements", 0, "at least 1", "pass at least one measurement"));
        }
        let at_zero = function(&vec![0.0; domain.rows() * domain.columns()]);
        if at_zero.len() != measurements {
            let (found, allowed) = (format!("{} values of the function", at_zero.len()), measurements.to_string());
            return Err(Error::invalid("measurements", found, allowed, "return one value for each measurement"));
        }
        if let Some(at) = at_zero.iter().position(|v| *v != 0.0) {
            let found = format!("{} for Z = 0 at value {at}", at_zero[at]);
            let fix = "subtract the values at 0: they belong to the observations";
            return Err(Error::invalid("function", found, "values that are linear in Z", fix));
        }
        Ok(Self { domain, measurements, normalization: 1.0 / measurements as f64, function })
    }

    /// Replaces the normalisation s.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < s < ∞.
    pub fn with_normalization(mut self, s: f64) -> Result<Self> {
        if !(s.is_finite() && s > 0.0) {
            return Err(Error::invalid("normalization", s, "a positive finite number", "pass s, or leave it out"));
        }
        self.normalization = s;
        Ok(self)
    }

    /// A(Z), with Z + Zᵀ over 2 in the place of Z on a symmetric domain.
    fn measured(&self, mut z: Vec<f64>) -> Vec<f64> {
        let n = self.domain.columns();
        if self.domain.is_symmetric() {
            for i in 0..n {
                for j in 0..i {
                    let mean = 0.5 * (z[i * n + j] + z[j * n + i]);
                    (z[i * n + j], z[j * n + i]) = (mean, mean);
                }
            }
        }
        let mut values = (self.function)(&z);
        values.resize(self.measurements, f64::NAN);
        values
    }
}

impl<F: Fn(&[f64]) -> Vec<f64> + Send + Sync> Operator for BlackBox<F> {
    fn name(&self) -> &str {
        "black-box"
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn measurements(&self) -> usize {
        self.measurements
    }

    fn normalization(&self) -> f64 {
        self.normalization
    }

    /// Aᵢ from the values at all n1·n2 matrices with a single entry.
    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        let count = self.domain.rows() * self.domain.columns();
        let of = |at: usize| self.measured((0..count).map(|other| f64::from(u8::from(other == at))).collect())[i];
        (0..count).map(of).collect()
    }

    fn forward(&self, _shard: usize, point: &Factors, out: &mut [f64]) {
        for (trial, out) in out.chunks_mut(self.measurements).enumerate() {
            let (left, right): (MatrixView<'_>, MatrixView<'_>) = (point.left(trial), point.right(trial));
            match Product::pair(left, right) {
                Ok(product) => out.copy_from_slice(&self.measured(product.to_dense())),
                Err(_) => out.fill(f64::NAN),
            }
        }
    }

    /// There is none: the sum is not a number, so that a mistake shows.
    fn adjoint_apply(&self, _shard: usize, _residual: &[f64], _applied: &Factors, out: &mut [f64]) {
        out.fill(f64::NAN);
    }

    fn adjoint_apply_transposed(&self, _shard: usize, _residual: &[f64], _applied: &Factors, out: &mut [f64]) {
        out.fill(f64::NAN);
    }

    fn has_adjoint(&self) -> bool {
        false
    }

    fn cost(&self, batch: usize, _search_rank: usize) -> Cost {
        // Unknown; the matrix itself is a lower bound.
        let numbers = (self.domain.rows() * self.domain.columns()) as f64 * batch as f64;
        Cost { bytes: 8.0 * numbers, flops: numbers }
    }
}
