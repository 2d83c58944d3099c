//! Changes of a matrix of its rank that no measurement sees.

use crate::diagnostics::{Tangent, information};
use crate::error::Result;
use crate::linalg;
use crate::operators::Operator;
use crate::problem::Product;

/// Share of the mean eigenvalue of JᵀJ below which no measurement sees a change, along orthonormal bases of the factors.
const UNSEEN: f64 = 1e-8;

/// Number of dimensions of the tangent space at a matrix that no measurement of positive weight sees: along them other matrices
/// of its rank fit as well. Those of a complex matrix are counted as real ones.
///
/// # Errors
/// [`Error::Invalid`] for the zero matrix and for non-finite entries.
pub(crate) fn unseen(operator: &dyn Operator, product: &Product<'_>, weights: &[f64]) -> Result<usize> {
    let tangent = Tangent::at(product)?.with_orthonormal_factors();
    let (values, _) = linalg::symmetric_eigen(tangent.parameters(), &information(operator, &tangent, weights)?)?;
    let mean = values.iter().sum::<f64>() / tangent.degrees_of_freedom() as f64;
    let zero = values.iter().filter(|value| **value < UNSEEN * mean).count();
    Ok(zero.saturating_sub(tangent.invariant()))
}

/// Operations of [`unseen`] at a matrix of rank `rank`: d measurements of a change, JᵀJ, and its eigenvalues.
pub(crate) fn work_of_unseen(operator: &dyn Operator, rank: usize) -> f64 {
    let (domain, m) = (operator.domain(), operator.measurements() as f64);
    let sides = if domain.is_symmetric() { domain.rows() } else { domain.rows() + domain.columns() };
    let d = (sides * rank) as f64;
    let jacobian = match operator.entries() {
        Some(_) => m * (2 * rank).pow(2) as f64,
        None => d * operator.cost(1, 1).flops + m * d * d,
    };
    jacobian + 10.0 * d.powi(3)
}
