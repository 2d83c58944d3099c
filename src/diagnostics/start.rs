//! A start from the spectrum of P = s·A*(y).

use crate::diagnostics::Spectrum;
use crate::diagnostics::spectrum::singular_triplets;
use crate::error::{Error, Result};
use crate::host;
use crate::linalg::{symmetric_eigen, view};
use crate::operators::Operator;
use crate::problem::Factors;

/// U₀ = V √Λ with k eigenpairs of P = s·Σ wᵢyᵢAᵢ, the largest ones after the first `skip`; eigenvalues below zero count as zero.
/// Of asymmetric unknowns L₀ = A √Σ and R₀ = B √Σ with k singular triplets. `weighted` is w∘y.
///
/// Where `plain` is given, Λ is not that of P but VᵀP′V, P′ being made of `plain`: for observations that were transformed, whose
/// P has the right vectors but not their lengths.
///
/// With `skip` = 1 it is the start that entries above a threshold need. Where M_ab is observed if it is positive,
/// P ∝ (M + |M|)/2: half of M, and |M|, which for factors of mean zero is about a matrix of rank one with entries of
/// one sign, larger than any part of M. It is the first eigenvector of P and spans no part of M; the next r do. Gradient
/// descent from a random start follows the first eigenvector, and with r columns ends at a stationary point that is
/// not M (Liu et al., "Symmetric Matrix Completion with ReLU Sampling", arXiv 2406.05822, who show that random starts
/// fail and that there is a start that does not; which eigenvectors to take is our own derivation).
///
/// # Errors
/// [`Error::Invalid`] where there are fewer than `skip` + k eigenpairs, or
/// where P is not finite or zero on them.
pub fn spectral_start(
    operator: &dyn Operator,
    weighted: &[f64],
    plain: Option<&[f64]>,
    s: f64,
    k: usize,
    skip: usize,
) -> Result<Factors> {
    let (shape, wanted) = (operator.shape(), k.saturating_add(skip));
    let n = shape.rows().min(shape.columns());
    if k == 0 || wanted > n {
        let found = format!("{k} columns after {skip}");
        return Err(Error::invalid("init", found, format!("1 to n = {n} together"), "lower search_rank"));
    }
    if !shape.is_symmetric() {
        let triplets = singular_triplets(operator, weighted, s, wanted)?;
        let part = |vectors: &[f64]| -> Vec<f64> {
            let rows = vectors.chunks(triplets.values.len());
            rows.flat_map(|row| (skip..wanted).map(|j| row[j] * triplets.values[j].sqrt())).collect()
        };
        let (left, right) = (part(&triplets.left), part(&triplets.right));
        return Factors::pair(1, shape, k, nonzero(left)?, right);
    }
    let spectrum = Spectrum::new(operator, weighted, s, wanted)?;
    let vectors = spectrum.leading(wanted);
    let vectors: Vec<f64> = vectors.chunks(wanted).flat_map(|row| &row[skip..]).copied().collect();
    let start = match plain {
        None => {
            let scale: Vec<f64> = spectrum.values()[skip..wanted].iter().map(|v| v.max(0.0).sqrt()).collect();
            vectors.chunks(k).flat_map(|row| row.iter().zip(&scale).map(|(v, s)| v * s)).collect()
        }
        Some(plain) => {
            let image = host::adjoint(operator, plain, &Factors::symmetric(1, n, k, vectors.clone())?);
            let small = view(n, k, &vectors).transpose() * view(n, k, &image);
            let small: Vec<f64> = (0..k * k).map(|at| s * small[(at / k, at % k)]).collect();
            let (values, w) = symmetric_eigen(k, &small)?;
            let turned = view(n, k, &vectors) * view(k, k, &w);
            (0..n * k).map(|at| turned[(at / k, at % k)] * values[at % k].max(0.0).sqrt()).collect()
        }
    };
    Factors::symmetric(1, n, k, nonzero(start)?)
}

/// U₀ of U S Uᵀ from the p largest and the q smallest eigenvalues of P, in this order.
///
/// # Errors
/// [`Error::Invalid`] where there are fewer than p + q of them, or where P is not finite or zero.
pub fn signed_start(operator: &dyn Operator, weighted: &[f64], s: f64, (p, q): (usize, usize)) -> Result<Factors> {
    let n = operator.shape().rows();
    if p + q > n {
        return Err(Error::invalid(
            "init",
            format!("{} columns", p + q),
            format!("at most n = {n}"),
            "lower signature",
        ));
    }
    let spectrum = Spectrum::new(operator, weighted, s, p + q)?;
    let (values, count) = (spectrum.values(), spectrum.values().len());
    let columns: Vec<(usize, f64)> = (0..p)
        .map(|j| (j, values[j].max(0.0).sqrt()))
        .chain((0..q).map(|j| (count - 1 - j, (-values[count - 1 - j]).max(0.0).sqrt())))
        .collect();
    let rows = spectrum.vectors().chunks(count);
    let start = rows.flat_map(|row| columns.iter().map(|(j, scale)| row[*j] * scale)).collect();
    Factors::symmetric(1, n, p + q, nonzero(start)?)
}

fn nonzero(start: Vec<f64>) -> Result<Vec<f64>> {
    if start.iter().any(|v| *v != 0.0) {
        return Ok(start);
    }
    let found = "a start of zeros: s·A*(y) has nothing to start from there";
    Err(Error::invalid("init", found, "observations with a positive part", "start from random factors"))
}
