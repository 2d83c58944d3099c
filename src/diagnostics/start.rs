//! The spectrum of P = s·A*(y), as models start from it.

use crate::diagnostics::Spectrum;
use crate::diagnostics::spectrum::singular_triplets;
use crate::error::Result;
use crate::host;
use crate::linalg::view;
use crate::models::{Backprojection, Eigenpairs, Model, SingularTriplets};
use crate::operators::Operator;
use crate::problem::{Domain, Factors};

/// P = s·Σ wᵢyᵢAᵢ of an operator.
struct Observed<'a> {
    operator: &'a dyn Operator,
    weighted: &'a [f64],
    plain: Option<&'a [f64]>,
    s: f64,
}

impl Backprojection for Observed<'_> {
    fn domain(&self) -> Domain {
        self.operator.domain()
    }

    fn eigenpairs(&self, wanted: usize) -> Result<Eigenpairs> {
        let spectrum = Spectrum::new(self.operator, self.weighted, self.s, wanted)?;
        Ok(Eigenpairs { values: spectrum.values().to_vec(), vectors: spectrum.vectors().to_vec() })
    }

    fn triplets(&self, wanted: usize) -> Result<SingularTriplets> {
        singular_triplets(self.operator, self.weighted, self.s, wanted)
    }

    fn lengths(&self, vectors: &[f64], k: usize) -> Result<Option<Vec<f64>>> {
        let Some(plain) = self.plain else { return Ok(None) };
        let n = self.domain().rows();
        let image = host::adjoint(self.operator, plain, &Factors::single(1, n, k, vectors.to_vec())?);
        let small = view(n, k, vectors).transpose() * view(n, k, &image);
        Ok(Some((0..k * k).map(|at| self.s * small[(at / k, at % k)]).collect()))
    }
}

/// A start from the leading vectors of P = s·Σ wᵢyᵢAᵢ, scaled by the roots of their values, as the model has it.
///
/// For psd U₀ = V √Λ with k eigenpairs, the largest ones after the first `skip`, eigenvalues below zero counting as zero; for signed
/// the p largest and the q smallest; for asymmetric L₀ = A √Σ and R₀ = B √Σ with k singular triplets. `weighted` is w∘y.
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
/// [`crate::Error::Invalid`] where there are fewer than `skip` + k of them, or where P is not finite or zero on them.
pub fn spectral_start(
    model: &Model,
    operator: &dyn Operator,
    weighted: &[f64],
    plain: Option<&[f64]>,
    s: f64,
    (k, skip): (usize, usize),
) -> Result<Factors> {
    model.check(&operator.domain())?;
    model.spectral_start(&Observed { operator, weighted, plain, s }, k, skip)
}
