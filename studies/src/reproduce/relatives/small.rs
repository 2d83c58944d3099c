//! Dense linear algebra on the small matrices of studies without the solver.

use faer::{Mat, MatRef, Side};
use rand_chacha::ChaCha8Rng;

use lowrank::internals::normal;
use lowrank::{Error, Result};

/// Returns the eigenvalues, ascending, and the eigenvectors of a symmetric matrix.
pub(super) fn eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let found = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| Error::Unsupported {
        what: "an eigendecomposition of a matrix with infinite or undefined entries".into(),
        fix: "choose a smaller step or a smaller condition number".into(),
    })?;
    Ok(((0..matrix.nrows()).map(|i| found.S()[i]).collect(), found.U().to_owned()))
}

/// Returns V·diag(f(λ))·Vᵀ for a symmetric matrix V·diag(λ)·Vᵀ.
pub(super) fn spectral_map(matrix: MatRef<'_, f64>, f: impl Fn(f64) -> f64) -> Result<Mat<f64>> {
    let (values, vectors) = eigen(matrix)?;
    let scaled = Mat::from_fn(matrix.nrows(), matrix.nrows(), |i, j| vectors[(i, j)] * f(values[j]));
    Ok(scaled * vectors.transpose())
}

/// Returns (A + Aᵀ)/2.
pub(super) fn symmetric(matrix: MatRef<'_, f64>) -> Mat<f64> {
    Mat::from_fn(matrix.nrows(), matrix.nrows(), |i, j| 0.5 * (matrix[(i, j)] + matrix[(j, i)]))
}

/// Returns entries N(0, 1).
pub(super) fn normal_matrix(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Mat<f64> {
    Mat::from_fn(rows, columns, |_, _| normal(rng))
}

/// Returns a symmetric Gaussian matrix A with E⟨A, Z⟩² = ‖Z‖_F² for symmetric Z: variance 1 on the diagonal and 1/2
/// beside it.
pub(super) fn normal_symmetric(n: usize, rng: &mut ChaCha8Rng) -> Mat<f64> {
    let mut a = Mat::zeros(n, n);
    for i in 0..n {
        a[(i, i)] = normal(rng);
        for j in 0..i {
            let value = normal(rng) * std::f64::consts::FRAC_1_SQRT_2;
            (a[(i, j)], a[(j, i)]) = (value, value);
        }
    }
    a
}

/// Returns an orthogonal basis of a random subspace, rows×columns.
pub(super) fn random_basis(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Mat<f64> {
    normal_matrix(rows, columns, rng).qr().compute_thin_Q()
}

/// Returns ⟨A, B⟩.
pub(super) fn inner(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> f64 {
    (0..a.ncols()).map(|j| (0..a.nrows()).map(|i| a[(i, j)] * b[(i, j)]).sum::<f64>()).sum()
}

/// Adds c·B to A.
pub(super) fn add(a: &mut Mat<f64>, c: f64, b: MatRef<'_, f64>) {
    for j in 0..b.ncols() {
        for i in 0..b.nrows() {
            a[(i, j)] += c * b[(i, j)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::{Purpose, stream};

    #[test]
    fn spectral_maps_and_isotropic_matrices() {
        let mut rng = stream(1, Purpose::Noise, 0);
        let a = normal_symmetric(6, &mut rng);
        let square = spectral_map(a.as_ref(), |v| v * v).unwrap();
        assert!((square - &a * &a).norm_l2() < 1e-12);
        assert_eq!(symmetric(a.as_ref()), a);
        let q = random_basis(6, 3, &mut rng);
        assert!((q.transpose() * &q - Mat::<f64>::identity(3, 3)).norm_l2() < 1e-14);
        // E⟨A, Z⟩A = Z.
        let z = normal_symmetric(3, &mut rng);
        let mut mean = Mat::zeros(3, 3);
        for _ in 0..40_000 {
            let a = normal_symmetric(3, &mut rng);
            add(&mut mean, inner(a.as_ref(), z.as_ref()) / 40_000.0, a.as_ref());
        }
        assert!((mean - &z).norm_l2() < 0.05 * z.norm_l2());
    }
}
