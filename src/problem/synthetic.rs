//! Synthetic truths with a prescribed rank and condition number.

use crate::error::{Error, Result};
use crate::linalg::orthonormal_columns;
use crate::problem::Truth;
use crate::problem::random::{Purpose, normals};
use crate::problem::shape::Shape;

/// Starts a positive semidefinite truth M = X Xᵀ on n×n matrices. Defaults: rank 1, condition number 1, seed 0.
pub fn psd(n: usize) -> PsdBuilder {
    PsdBuilder { n, rank: 1, condition_number: 1.0, seed: 0 }
}

/// Builder of a synthetic truth; see [`psd`].
#[derive(Clone, Copy, Debug)]
pub struct PsdBuilder {
    n: usize,
    rank: usize,
    condition_number: f64,
    seed: u64,
}

impl PsdBuilder {
    /// r*, the columns of X.
    pub fn rank(mut self, rank: usize) -> Self {
        self.rank = rank;
        self
    }

    /// κ of X: its singular values are spread evenly from 1 down to 1/κ. κ(M) = κ².
    pub fn condition_number(mut self, condition_number: f64) -> Self {
        self.condition_number = condition_number;
        self
    }

    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// X = Q·diag(σ), Q an orthonormal basis of a random r*-dimensional subspace.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 1 ≤ rank ≤ n and 1 ≤ condition number < ∞; a rank-1 truth has condition number 1.
    pub fn build(self) -> Result<Truth> {
        let Self { n, rank, condition_number, seed } = self;
        Shape::psd(n).validate()?;
        if rank == 0 || rank > n {
            return Err(Error::invalid("rank", rank, format!("1 to n = {n}"), "a rank cannot exceed the size"));
        }
        if !(condition_number.is_finite() && condition_number >= 1.0) {
            return Err(Error::invalid(
                "condition_number",
                condition_number,
                "a finite number of at least 1",
                "give κ of X",
            ));
        }
        if rank == 1 && condition_number != 1.0 {
            return Err(Error::invalid(
                "condition_number",
                condition_number,
                "1 where the rank is 1",
                "a matrix of rank one has one singular value: raise the rank or drop the condition number",
            ));
        }
        let mut x = orthonormal_columns(n, rank, &normals(seed, Purpose::Truth, 1.0, n * rank));
        let step = (1.0 - 1.0 / condition_number) / (rank.max(2) - 1) as f64;
        for row in x.chunks_mut(rank) {
            for (column, value) in row.iter_mut().enumerate() {
                *value *= 1.0 - step * column as f64;
            }
        }
        Truth::from_factor(n, rank, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_values_run_from_one_to_the_inverse_condition_number() {
        let truth = psd(12).rank(3).condition_number(5.0).seed(4).build().unwrap();
        let sigma = truth.singular_values().unwrap();
        for (found, expected) in sigma.iter().zip([1.0, 0.6, 0.2]) {
            approx::assert_abs_diff_eq!(*found, expected, epsilon = 1e-12);
        }
        assert_eq!(truth, psd(12).rank(3).condition_number(5.0).seed(4).build().unwrap());
        assert_ne!(truth, psd(12).rank(3).condition_number(5.0).seed(5).build().unwrap());
    }

    #[test]
    fn impossible_truths_are_refused() {
        for builder in
            [psd(0), psd(3).rank(0), psd(3).rank(4), psd(3).condition_number(0.5), psd(3).condition_number(2.0)]
        {
            let message = builder.build().unwrap_err().to_string();
            assert!(message.contains("allowed"), "{message}");
        }
    }
}
