//! Least eigenvalue of the Hessian of f(U) = ¼‖UUᵀ − M‖_F², from products with it alone.

use faer::Mat;
use rand_chacha::ChaCha8Rng;

use super::super::small::{add, eigen, inner, normal_matrix};
use lowrank::Result;

/// Returns ∇²f(U)[Z] = (ZUᵀ + UZᵀ)U + (UUᵀ − M)Z.
fn hessian(u: &Mat<f64>, m: &Mat<f64>, z: &Mat<f64>) -> Mat<f64> {
    let gram = u.transpose() * u;
    let cross = z.transpose() * u;
    z * gram + u * &cross + u * (u.transpose() * z) - m * z
}

/// Returns the least Ritz value of `steps` Lanczos steps, or of as many as there are dimensions; the vectors are
/// orthogonalised against all earlier ones.
pub(super) fn least_curvature(u: &Mat<f64>, m: &Mat<f64>, steps: usize, rng: &mut ChaCha8Rng) -> Result<f64> {
    let steps = steps.min(u.nrows() * u.ncols());
    let mut z = normal_matrix(u.nrows(), u.ncols(), rng);
    let mut basis: Vec<Mat<f64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        let size = z.norm_l2();
        // The Krylov space is exhausted.
        if !basis.is_empty() && size < 1e-12 {
            break;
        }
        beside.push(size);
        basis.push(z * faer::Scale(1.0 / size));
        let last = &basis[basis.len() - 1];
        z = hessian(u, m, last);
        diagonal.push(inner(z.as_ref(), last.as_ref()));
        // Twice, because once leaves an error of order ε/‖z‖.
        for _ in 0..2 {
            for q in &basis {
                let c = inner(z.as_ref(), q.as_ref());
                add(&mut z, -c, q.as_ref());
            }
        }
    }
    let count = diagonal.len();
    let tridiagonal = Mat::from_fn(count, count, |i, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => beside[i.max(j)],
        _ => 0.0,
    });
    Ok(eigen(tridiagonal.as_ref())?.0.first().copied().unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::super::landscape::Landscape;
    use super::*;
    use lowrank::internals::{Purpose, stream};

    fn loss(u: &Mat<f64>, m: &Mat<f64>) -> f64 {
        0.25 * (u * u.transpose() - m).squared_norm_l2()
    }

    #[test]
    fn the_product_is_the_second_difference_of_the_loss() {
        let mut rng = stream(2, Purpose::Noise, 0);
        let land = Landscape::rotated(6, 2, 4.0, 2);
        let (u, z) = (normal_matrix(6, 2, &mut rng), normal_matrix(6, 2, &mut rng));
        let h = 1e-4;
        let at = |t: f64| loss(&(&u + faer::Scale(t) * &z), &land.matrix);
        let difference = (at(h) + at(-h) - 2.0 * at(0.0)) / (h * h);
        let found = inner(hessian(&u, &land.matrix, &z).as_ref(), z.as_ref());
        approx::assert_relative_eq!(found, difference, max_relative = 1e-5);
    }

    #[test]
    fn lanczos_finds_the_least_eigenvalue_of_every_saddle() {
        let land = Landscape::rotated(6, 2, 4.0, 3);
        for set in land.saddles() {
            let mut rng = stream(3, Purpose::Init, 0);
            let found = least_curvature(&land.start(&set), &land.matrix, 30, &mut rng).unwrap();
            approx::assert_relative_eq!(found, land.curvature(&set), epsilon = 1e-10);
        }
    }
}
