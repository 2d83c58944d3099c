//! Synthetic truths with a prescribed rank, signature and condition number.

use faer::c64;

use crate::error::{Error, Result};
use crate::linalg::orthonormal_columns;
use crate::memory::{Location, Memory, Part, product};
use crate::problem::Truth;
use crate::problem::domain::Domain;
use crate::problem::random::{Purpose, normals};

/// Builder of a positive semidefinite truth M = X Xᵀ on n×n matrices. Defaults: rank 1, condition number 1, seed 0.
pub fn psd(n: usize) -> Builder {
    Builder { domain: Domain::symmetric(n), rank: 1, positive: None, condition_number: 1.0, seed: 0 }
}

/// Builder of a Hermitian positive semidefinite truth M = X Xᴴ on complex n×n matrices, with the defaults of [`psd`].
pub fn hermitian(n: usize) -> Builder {
    Builder { domain: Domain::hermitian(n), ..psd(n) }
}

/// Builder of a symmetric truth M = X S Xᵀ on n×n matrices with `signature.0` positive and `signature.1` negative
/// eigenvalues.
pub fn signed(n: usize, signature: (usize, usize)) -> Builder {
    signed_on(Domain::symmetric(n), signature)
}

/// Builder of a signed truth of a symmetric or complex domain.
pub(crate) fn signed_on(domain: Domain, signature: (usize, usize)) -> Builder {
    let rank = signature.0.saturating_add(signature.1);
    Builder { domain, rank, positive: Some(signature.0), condition_number: 1.0, seed: 0 }
}

/// Builder of a truth M = L Rᵀ on n1×n2 matrices, with the defaults of [`psd`].
pub fn asymmetric(n1: usize, n2: usize) -> Builder {
    Builder { domain: Domain::rectangular(n1, n2), ..psd(n1) }
}

/// Builder of a truth M = L Rᴴ on complex n1×n2 matrices, with the defaults of [`psd`].
pub fn complex(n1: usize, n2: usize) -> Builder {
    Builder { domain: Domain::complex_rectangular(n1, n2), ..psd(n1) }
}

/// Builder of a synthetic truth; see [`psd`], [`hermitian`], [`signed`], [`asymmetric`] and [`complex`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is made before build"]
pub struct Builder {
    domain: Domain,
    rank: usize,
    positive: Option<usize>,
    condition_number: f64,
    seed: u64,
}

impl Builder {
    /// Sets the rank r*, the columns of X, or of L and R. The rank of a signed truth is that of its signature.
    pub fn rank(mut self, rank: usize) -> Self {
        self.rank = rank;
        self
    }

    /// Sets the condition number κ. For symmetric truths it is that of X: the singular values of X are spread evenly
    /// from 1 down to 1/κ, and κ(M) = κ². For asymmetric truths it is that of M, whose singular values are spread in
    /// the same way.
    pub fn condition_number(mut self, condition_number: f64) -> Self {
        self.condition_number = condition_number;
        self
    }

    /// Seed of the random factors. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Builds X = Q·diag(σ), with Q an orthonormal basis of a random r*-dimensional subspace; or L = Q₁·diag(√σ), R =
    /// Q₂·diag(√σ). The singular values of a signed truth go to positive and negative columns in turn.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 1 ≤ rank ≤ min(n1, n2) and 1 ≤ condition number < ∞; a rank-1 truth has condition
    /// number 1.
    pub fn build(self) -> Result<Truth> {
        let Self { domain, rank, positive, condition_number, seed } = self;
        domain.validate()?;
        let (n1, n2) = (domain.rows(), domain.columns());
        let n = domain.order();
        if rank == 0 || rank > n {
            return Err(Error::invalid("rank", rank, format!("1 to n = {n}"), "a rank cannot exceed the size"));
        }
        if positive.is_some_and(|positive| positive > rank) {
            let found = format!("{} positive of {rank}", positive.unwrap_or(0));
            return Err(Error::invalid(
                "signature",
                found,
                "p + q = rank",
                "leave the rank out: the signature \
                                                                           determines it",
            ));
        }
        if !(condition_number.is_finite() && condition_number >= 1.0) {
            return Err(Error::invalid(
                "condition_number",
                condition_number,
                "a finite number of at least 1",
                "pass κ of X",
            ));
        }
        if rank == 1 && condition_number != 1.0 {
            return Err(Error::invalid(
                "condition_number",
                condition_number,
                "1 for rank 1",
                "a matrix of rank 1 has one singular value: raise the rank, or leave the condition number out",
            ));
        }
        // The factors, their random numbers, and the workspace of the orthonormalisation.
        let bytes = product(&[4, size_of::<f64>(), n1 + n2, rank]);
        let memory = Memory { parts: vec![Part::new("the factors and their construction", Location::Host, bytes)] };
        memory.require("rank", "Lower it or the size, or use a machine with more memory")?;
        let step = (1.0 - 1.0 / condition_number) / (rank.max(2) - 1) as f64;
        let sigma: Vec<f64> = (0..rank).map(|column| 1.0 - step * column as f64).collect();
        let random = normals(seed, Purpose::Truth, 1.0, (n1 + if domain.is_symmetric() { 0 } else { n2 }) * rank);
        let scaled = |rows: usize, random: &[f64], sigma: &[f64]| {
            let mut x = match domain.is_complex() {
                true => orthonormal_columns::<c64>(rows, rank, random),
                false => orthonormal_columns::<f64>(rows, rank, random),
            };
            for row in x.chunks_mut(rank) {
                row.iter_mut().zip(sigma).for_each(|(value, sigma)| *value *= sigma);
            }
            x
        };
        match (positive, domain.is_symmetric()) {
            (_, false) => {
                let roots: Vec<f64> = sigma.iter().map(|sigma| sigma.sqrt()).collect();
                let (left, right) = random.split_at(n1 * rank);
                Truth::from_pair_on(domain, rank, scaled(n1, left, &roots), scaled(n2, right, &roots))
            }
            (None, true) => Truth::from_factor_on(domain, rank, scaled(n1, &random, &sigma)),
            (Some(positive), true) => {
                let x = scaled(n1, &random, &in_turn(&sigma, positive));
                Truth::from_signed_factor_on(domain, (positive, rank - positive), x)
            }
        }
    }
}

/// Values for `positive` columns, then for the others, dealt out in turn while both have columns left.
fn in_turn(values: &[f64], positive: usize) -> Vec<f64> {
    let negative = values.len() - positive;
    let (mut plus, mut minus) = (Vec::new(), Vec::new());
    for &value in values {
        if plus.len() < positive && (plus.len() <= minus.len() || minus.len() == negative) {
            plus.push(value);
        } else {
            minus.push(value);
        }
    }
    [plus, minus].concat()
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
