//! The spectral start, from the spectrum of P = s·A*(y).

use faer::c64;

use crate::diagnostics::Spectrum;
use crate::diagnostics::spectrum::singular_triplets;
use crate::error::Result;
use crate::field::Field;
use crate::host;
use crate::linalg::{complex, row_major, view};
use crate::models::{Backprojection, Eigenpairs, Model, SingularTriplets};
use crate::operators::Operator;
use crate::problem::complex::every_second;
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
        let (values, vectors) = (spectrum.values(), spectrum.vectors());
        if !self.domain().is_complex() {
            return Ok(Eigenpairs { values: values.to_vec(), vectors: vectors.to_vec() });
        }
        let vectors = every_second(values.len(), vectors);
        Ok(Eigenpairs { values: values.iter().step_by(2).copied().collect(), vectors })
    }

    fn triplets(&self, wanted: usize) -> Result<SingularTriplets> {
        singular_triplets(self.operator, self.weighted, self.s, wanted)
    }

    fn lengths(&self, vectors: &[f64], k: usize) -> Result<Option<Vec<f64>>> {
        let Some(plain) = self.plain else { return Ok(None) };
        let n = self.domain().rows();
        let image = host::adjoint(self.operator, plain, &Factors::single(1, n, k, vectors.to_vec())?);
        let small = match self.domain().is_complex() {
            false => view(n, k, vectors).transpose() * view(n, k, &image),
            true => c64::stacked(complex(n, k, vectors).adjoint() * complex(n, k, &image)),
        };
        Ok(Some(row_major((small * faer::Scale(self.s)).as_ref())))
    }
}

/// Spectral start from the leading vectors of P = s·Σ wᵢyᵢAᵢ, scaled by the square roots of their values.
///
/// For psd, U₀ = V √Λ with the k largest eigenpairs after the first `skip`; negative eigenvalues count as zero. For
/// signed, the p largest and the q smallest eigenpairs. For asymmetric, L₀ = A √Σ and R₀ = B √Σ with k singular
/// triplets. `weighted` is w∘y.
///
/// Where `plain` is given, Λ is that of VᵀP′V with P′ made of `plain`. This serves transformed observations, whose P
/// has the right vectors and the wrong values.
///
/// `skip` = 1 is the start for entries observed above a threshold. Where M_ab is observed only if positive, P ∝ (M +
/// |M|)/2. For factors of mean zero, |M| is close to a matrix of rank one with entries of one sign, larger than any
/// part of M. It gives the first eigenvector of P and spans no part of M; the next r eigenvectors do. Gradient descent
/// from a random start follows the first eigenvector and with r columns ends at a stationary point other than M. Liu et
/// al., "Symmetric Matrix Completion with ReLU Sampling", arXiv 2406.05822, show that random starts fail and that a
/// suitable start exists. The choice of eigenvectors is our own derivation.
///
/// # Errors
/// [`crate::Error::Invalid`] where there are fewer than `skip` + k vectors, or where P is not finite or is zero on
/// them.
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
