//! The three estimators: gradients from random directions, gradients and Hessians from coordinate differences.

use faer::{MatRef, Side};

use super::objective::{Oracle, direction, moved};
use lowrank::{Error, Result};

/// Estimates Z∇f(x) as the mean of n numbers (d/2)(y₊ − y₋)u, with u uniform on the unit sphere and y± = f(x ± Zu) with
/// noise. Z is d×d row-major. Algorithm 1 of arXiv 2406.19617.
pub(super) fn gradient(oracle: &mut Oracle, x: &[f64], z: &[f64], n: usize) -> Vec<f64> {
    let mut sum = vec![0.0; x.len()];
    for _ in 0..n {
        let u = direction(x.len(), &mut oracle.rng);
        let y = oracle.difference(x, &times(z, &u));
        sum.iter_mut().zip(&u).for_each(|(sum, u)| *sum += y * u);
    }
    let share = 0.5 * x.len() as f64 / n.max(1) as f64;
    sum.iter().map(|sum| share * sum).collect()
}

/// Estimates ∇f(x) from central differences of means of n values, Algorithm 2.
pub(super) fn bootstrapping(oracle: &mut Oracle, x: &[f64], r: f64, n: usize) -> Vec<f64> {
    let of = |k| {
        let e = unit(x.len(), k);
        (oracle.mean(&moved(x, r, &e), n) - oracle.mean(&moved(x, -r, &e), n)) / (2.0 * r)
    };
    (0..x.len()).map(of).collect()
}

/// Estimates ∇²f(x), d×d row-major, from second differences of means of n values, Algorithm 3 before its last line.
pub(super) fn hessian(oracle: &mut Oracle, x: &[f64], r: f64, n: usize) -> Vec<f64> {
    let d = x.len();
    let center = oracle.mean(x, n);
    let mut h = vec![0.0; d * d];
    for k in 0..d {
        let e = unit(d, k);
        let sum = oracle.mean(&moved(x, r, &e), n) + oracle.mean(&moved(x, -r, &e), n);
        h[k * d + k] = (sum - 2.0 * center) / (r * r);
        for l in 0..k {
            let mut at = |a: f64, b: f64| oracle.mean(&moved(&moved(x, a * r, &e), b * r, &unit(d, l)), n);
            let entry = (at(1.0, 1.0) + at(-1.0, -1.0) - at(1.0, -1.0) - at(-1.0, 1.0)) / (4.0 * r * r);
            (h[k * d + l], h[l * d + k]) = (entry, entry);
        }
    }
    h
}

/// Symmetric d×d matrix by its eigenvalues and eigenvectors.
pub(super) struct Spectral {
    values: Vec<f64>,
    /// Row j·d + i: entry i of eigenvector j.
    vectors: Vec<f64>,
}

impl Spectral {
    /// Decomposes a symmetric matrix, row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] where an entry is not finite.
    pub(super) fn new(d: usize, matrix: &[f64]) -> Result<Self> {
        let bad = || Error::invalid("hessian", "an entry that is not finite", "finite entries", "lower the radius");
        if matrix.iter().any(|v| !v.is_finite()) {
            return Err(bad());
        }
        let view = MatRef::from_row_major_slice(matrix, d, d);
        let eigen = view.self_adjoint_eigen(Side::Lower).map_err(|_| bad())?;
        let vectors = (0..d * d).map(|at| eigen.U()[(at % d, at / d)]).collect();
        Ok(Self { values: (0..d).map(|i| eigen.S()[i]).collect(), vectors })
    }

    /// Returns the matrix with eigenvalues max(λ, c).
    pub(super) fn raised(mut self, c: f64) -> Self {
        self.values.iter_mut().for_each(|value| *value = value.max(c));
        self
    }

    pub(super) fn least(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns g(H)·v for a function g of the eigenvalues.
    pub(super) fn apply(&self, g: impl Fn(f64) -> f64, v: &[f64]) -> Vec<f64> {
        let d = v.len();
        let mut product = vec![0.0; d];
        for (value, vector) in self.values.iter().zip(self.vectors.chunks(d)) {
            let inner: f64 = vector.iter().zip(v).map(|(a, b)| a * b).sum();
            product.iter_mut().zip(vector).for_each(|(p, a)| *p += g(*value) * inner * a);
        }
        product
    }

    /// Returns g(H), row-major.
    pub(super) fn matrix(&self, g: impl Fn(f64) -> f64) -> Vec<f64> {
        let d = self.values.len();
        (0..d).flat_map(|k| self.apply(&g, &unit(d, k))).collect()
    }
}

fn unit(d: usize, k: usize) -> Vec<f64> {
    (0..d).map(|j| f64::from(u8::from(j == k))).collect()
}

/// Returns Zv for Z d×d row-major.
pub(super) fn times(z: &[f64], v: &[f64]) -> Vec<f64> {
    z.chunks(v.len()).map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::relatives::zeroth::objective::{Objective, length};
    use lowrank::internals::{Purpose, stream};

    fn quiet(objective: Objective) -> Oracle {
        let mut oracle = Oracle::new(objective, stream(5, Purpose::Laws, 0));
        oracle.deviation = 0.0;
        oracle
    }

    #[test]
    fn without_noise_differences_of_a_quadratic_are_exact() {
        let mut oracle = quiet(Objective::quadratic(4, 3.0));
        let x = [0.1, -0.2, 0.3, 0.4];
        let m = bootstrapping(&mut oracle, &x, 0.5, 7);
        assert_eq!(oracle.evaluations, 2 * 4 * 7);
        assert!(length(&moved(&m, -3.0, &x)) < 1e-12);
        oracle.evaluations = 0;
        let h = hessian(&mut oracle, &x, 0.5, 7);
        assert_eq!(oracle.evaluations, (2 * 16 + 1) * 7);
        let expected = Spectral { values: vec![3.0; 4], vectors: (0..4).flat_map(|k| unit(4, k)).collect() };
        assert!(length(&moved(&h, -1.0, &expected.matrix(|v| v))) < 1e-12);
        // A mean over directions: E uuᵀ = I/d.
        let mut z = [0.0; 16];
        (0..4).for_each(|k| z[5 * k] = [0.5, 0.4, 0.3, 0.2][k]);
        let g = gradient(&mut oracle, &x, &z, 40_000);
        let exact = times(&z, &oracle.objective.shape.gradient(&x));
        assert!(length(&moved(&g, -1.0, &exact)) < 0.02 * length(&exact));
    }

    #[test]
    fn a_second_difference_finds_the_hessian_of_the_quartic() {
        let mut oracle = quiet(Objective::quartic(5, 2.0));
        let h = hessian(&mut oracle, &[0.0; 5], 1e-3, 1);
        // At u* = e₁: c(I + u*u*ᵀ).
        for (at, entry) in h.iter().enumerate() {
            let expected = if at == 0 {
                4.0
            } else if at % 6 == 0 {
                2.0
            } else {
                0.0
            };
            approx::assert_abs_diff_eq!(*entry, expected, epsilon = 1e-4);
        }
    }

    #[test]
    fn functions_of_a_matrix_act_on_its_eigenvalues() {
        let h = [2.0, 1.0, 1.0, 2.0];
        let spectral = Spectral::new(2, &h).unwrap();
        approx::assert_abs_diff_eq!(spectral.least(), 1.0, epsilon = 1e-12);
        assert!(length(&moved(&spectral.matrix(|v| v), -1.0, &h)) < 1e-12);
        let product = spectral.apply(|v| 1.0 / v, &times(&h, &[0.3, -0.7]));
        assert!(length(&moved(&product, -1.0, &[0.3, -0.7])) < 1e-12);
        assert_eq!(spectral.raised(2.0).least(), 2.0);
        assert!(Spectral::new(1, &[f64::NAN]).is_err());
    }
}
