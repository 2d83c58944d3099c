//! A start from the spectrum of P = s·A*(y).

use crate::diagnostics::Spectrum;
use crate::error::{Error, Result};
use crate::operators::Operator;
use crate::problem::Factors;

/// U₀ = V √Λ with k eigenpairs of P = s·Σ wᵢyᵢAᵢ, the largest ones after the first `skip`; eigenvalues below zero count as zero.
///
/// With `skip` = 1 it is the start that entries above a threshold need. Where M_ab is observed if it is positive,
/// P ∝ (M + |M|)/2: half of M, and |M|, which for factors of mean zero is about a matrix of rank one with entries of
/// one sign, larger than any part of M. It is the first eigenvector of P and spans no part of M; the next r do. Gradient
/// descent from a random start follows the first eigenvector, and with r columns ends at a stationary point that is
/// not M (Liu et al., "Symmetric Matrix Completion with ReLU Sampling", arXiv 2406.05822, who show that random starts
/// fail and that there is a start that does not; which eigenvectors to take is our own derivation).
///
/// # Errors
/// [`Error::Unsupported`] for an asymmetric unknown; [`Error::Invalid`] where there are fewer than `skip` + k eigenpairs, or
/// where P is not finite or zero on them.
pub fn spectral_start(operator: &dyn Operator, weighted: &[f64], s: f64, k: usize, skip: usize) -> Result<Factors> {
    let (shape, wanted) = (operator.shape(), k.saturating_add(skip));
    if !shape.is_symmetric() {
        return Err(Error::Unsupported {
            what: "a spectral start of the asymmetric model".into(),
            fix: "Start from small random factors, or give the start in a file".into(),
        });
    }
    let n = shape.rows();
    if k == 0 || wanted > n {
        let found = format!("{k} columns after {skip}");
        return Err(Error::invalid("init", found, format!("1 to n = {n} together"), "lower search_rank"));
    }
    let spectrum = Spectrum::new(operator, weighted, s, wanted)?;
    let scale: Vec<f64> = spectrum.values()[skip..wanted].iter().map(|v| v.max(0.0).sqrt()).collect();
    let vectors = spectrum.leading(wanted);
    let rows = vectors.chunks(wanted).flat_map(|row| row[skip..].iter().zip(&scale).map(|(v, s)| v * s));
    let start: Vec<f64> = rows.collect();
    if !start.iter().any(|v| *v != 0.0) {
        let found = "a start of zeros: s·A*(y) has no positive eigenvalue there";
        return Err(Error::invalid("init", found, "observations of a positive part", "start from random factors"));
    }
    Factors::symmetric(1, n, k, start)
}
