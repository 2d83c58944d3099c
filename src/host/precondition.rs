//! D (VᵀV + λI)⁻¹ on the host: Gram matrices and their factorisations, in f64 for every type of factors.

use faer::linalg::solvers::Solve;
use faer::{Mat, MatMut, Side};
use rayon::prelude::*;

use crate::real::{Real, convert};

/// Rows per part of a Gram matrix; parts are added in order.
const ROWS: usize = 2048;

/// VᵀV in f64, k×k.
fn gram<T: Real>(v: &[T], k: usize) -> Mat<f64> {
    let part = |rows: &[T]| {
        let mut sum = vec![0.0; k * k];
        for row in rows.chunks(k) {
            for (i, a) in row.iter().enumerate() {
                let a = a.to_f64();
                for (s, b) in sum[i * k..i * k + i + 1].iter_mut().zip(row) {
                    *s += a * b.to_f64();
                }
            }
        }
        sum
    };
    let parts: Vec<Vec<f64>> = match v.len() * k > 1 << 19 {
        true => v.par_chunks(ROWS * k).map(part).collect(),
        false => v.chunks(ROWS * k).map(part).collect(),
    };
    let sum = |at: usize| parts.iter().map(|part| part[at]).sum::<f64>();
    Mat::from_fn(k, k, |i, j| sum(i.max(j) * k + i.min(j)))
}

/// out ← D (VᵀV + λI)⁻¹; returns whether λ had to be raised.
pub(super) fn preconditioned<T: Real>(gradient: &[T], v: &[T], k: usize, damping: f64, out: &mut [T]) -> bool {
    let mut matrix = gram(v, k);
    let trace: f64 = (0..k).map(|i| matrix[(i, i)]).sum();
    // Rounding moves eigenvalues of VᵀV by about k·u of its trace. Smaller eigenvalues are meaningless.
    let least = 4.0 * k as f64 * (f64::EPSILON / 2.0) * trace;
    let lambda = damping.max(least);
    if !(lambda.is_finite() && lambda > 0.0) {
        // V is 0 or not finite.
        out.copy_from_slice(gradient);
        return false;
    }
    (0..k).for_each(|i| matrix[(i, i)] += lambda);
    let Ok(factor) = matrix.llt(Side::Lower) else {
        out.copy_from_slice(gradient);
        return true;
    };
    let mut solved: Vec<f64> = convert(gradient);
    // Row-major rows of D are the columns of Dᵀ.
    let rows = |rows: &mut [f64]| {
        let n = rows.len() / k;
        factor.solve_in_place(MatMut::from_column_major_slice_mut(rows, k, n));
    };
    match solved.len() * k > 1 << 19 {
        true => solved.par_chunks_mut(ROWS * k).for_each(rows),
        false => rows(&mut solved),
    }
    out.iter_mut().zip(&solved).for_each(|(out, v)| *out = T::from_f64(*v));
    damping < least
}
