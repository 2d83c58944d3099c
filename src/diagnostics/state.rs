//! Quantities of quantum states: fidelity and purity.

use faer::c64;

use crate::error::{Error, Result};
use crate::field::Field;
use crate::linalg;
use crate::problem::{Product, Truth};

/// Fidelity F = (tr √(√σ ρ √σ))² of two states, ρ = U Uᴴ and σ = X Xᴴ, both over their traces: 1 for equal states, and
/// ⟨ψ|ρ|ψ⟩ for a pure σ = ψψᴴ.
///
/// With factors, √F is the sum of the singular values of XᴴU over ‖X‖_F ‖U‖_F, so no matrix of size n² is formed. It serves
/// real matrices too.
///
/// # Errors
/// [`Error::Invalid`] for matrices of different sizes, for those with columns of negative sign, for a truth that is not given by its
/// factor, and for numbers that are not finite.
pub fn fidelity(found: &Product<'_>, truth: &Truth) -> Result<f64> {
    let allowed = "a factor X of a positive semidefinite matrix of the same size";
    let Some(x) = truth.factor().filter(|x| x.rows() == found.rows() && found.is_single()) else {
        return Err(Error::invalid("truth", format!("a {} truth", truth.domain()), allowed, "pass X of M = X Xᴴ"));
    };
    if found.positive() < found.left().columns() {
        return Err(Error::invalid("found", "columns of negative sign", "a positive semidefinite matrix", "use psd"));
    }
    let u = found.left();
    let norms = size(u.as_slice()) * size(x.as_slice());
    let overlap = match truth.domain().is_complex() {
        true => nuclear::<c64>(x, u),
        false => nuclear::<f64>(x, u),
    }?;
    Ok(if norms > 0.0 { (overlap / norms).powi(2).min(1.0) } else { 0.0 })
}

/// Purity tr ρ² of a state ρ = U Uᴴ over its trace: 1 for a pure state, 1/r for r equal eigenvalues.
///
/// # Errors
/// [`Error::Invalid`] for numbers that are not finite.
pub fn purity(found: &Product<'_>) -> Result<f64> {
    let eigenvalues: Vec<f64> = found.singular_values()?.into_iter().map(|v| v * v).collect();
    let trace: f64 = eigenvalues.iter().sum();
    Ok(if trace > 0.0 { eigenvalues.iter().map(|v| (v / trace).powi(2)).sum() } else { 0.0 })
}

fn size(numbers: &[f64]) -> f64 {
    numbers.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Σ σⱼ(XᴴU)
fn nuclear<E: Field>(x: crate::problem::MatrixView<'_>, u: crate::problem::MatrixView<'_>) -> Result<f64> {
    let of =
        |m: crate::problem::MatrixView<'_>| E::unstacked(linalg::view(m.rows(), m.columns(), m.as_slice()).to_owned());
    let overlap = of(x).adjoint() * of(u);
    if overlap.col_iter().any(|column| column.iter().any(|v| !v.square().is_finite())) {
        return Err(Error::invalid("found", "numbers that are not finite", "finite factors", "the run diverged"));
    }
    let values = overlap.singular_values().map_err(|_| {
        Error::invalid("found", "factors without singular values", "finite factors", "the run diverged")
    })?;
    Ok(values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Domain, MatrixView};

    #[test]
    fn fidelities_of_known_states() {
        let domain = Domain::hermitian(2);
        let truth = |x: &[f64], rank| Truth::from_factor_on(domain, rank, x.to_vec()).unwrap();
        let found = |u: &[f64], k, of: &Truth| {
            let product = Product::psd(MatrixView::new(4, k, u).unwrap()).on(&domain);
            (fidelity(&product, of).unwrap(), purity(&product).unwrap())
        };
        // |0⟩ against (|0⟩ + i|1⟩)/√2, of any length and phase, and against the maximally mixed state.
        let zero = truth(&[1.0, 0.0, 0.0, 0.0], 1);
        approx::assert_relative_eq!(found(&[3.0, 0.0, 0.0, 3.0], 1, &zero).0, 0.5, max_relative = 1e-12);
        approx::assert_relative_eq!(found(&[0.0, 0.0, 2.0, 0.0], 1, &zero).0, 1.0, max_relative = 1e-12);
        let mixed = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        approx::assert_relative_eq!(found(&mixed, 2, &zero).0, 0.5, max_relative = 1e-12);
        approx::assert_relative_eq!(found(&mixed, 2, &zero).1, 0.5, max_relative = 1e-12);
        approx::assert_relative_eq!(found(&mixed, 2, &truth(&mixed, 2)).0, 1.0, max_relative = 1e-12);
        approx::assert_relative_eq!(found(&[3.0, 0.0, 0.0, 3.0], 1, &zero).1, 1.0, max_relative = 1e-12);
    }
}
