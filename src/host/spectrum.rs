//! Measurements of a given matrix and the norm of P = s·A*(y), on the host in f64 whatever backend iterates, so that
//! automatic choices do not depend on it.

use faer::{Mat, MatRef};
use rayon::prelude::*;

use crate::error::Result;
use crate::linalg::symmetric_eigen;
use crate::operators::Operator;
use crate::problem::Factors;
use crate::problem::random::{Purpose, normals};

/// Above this n, P is only touched through products with thin matrices.
const LARGEST_FORMED: usize = 1024;
/// Columns and steps of the subspace iteration used there.
const COLUMNS: usize = 8;
const STEPS: usize = 12;

/// A(L Rᵀ) for one trial, all m.
pub(crate) fn measure(operator: &dyn Operator, point: &Factors) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = (0..operator.shards())
        .into_par_iter()
        .map(|shard| {
            let mut out = vec![0.0; operator.shard_range(shard).len()];
            operator.forward(shard, point, &mut out);
            out
        })
        .collect();
    parts.concat()
}

/// A*(r)·V for one trial, summed in shard order: n×k row-major.
fn adjoint(operator: &dyn Operator, residual: &[f64], applied: &Factors) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = (0..operator.shards())
        .into_par_iter()
        .map(|shard| {
            let mut out = vec![0.0; operator.shape().rows() * applied.search_rank()];
            operator.adjoint_apply(shard, &residual[operator.shard_range(shard)], applied, &mut out);
            out
        })
        .collect();
    let mut sum = vec![0.0; operator.shape().rows() * applied.search_rank()];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    }
    sum
}

/// ‖A*(r)‖ (spectral norm) for a symmetric model: exactly where n is moderate, because one pass with V = I costs what
/// one power step costs; by subspace iteration beyond (from below, to about a per cent).
pub(crate) fn adjoint_norm(operator: &dyn Operator, residual: &[f64]) -> Result<f64> {
    let n = operator.shape().rows();
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    if n <= LARGEST_FORMED {
        let mut identity = vec![0.0; n * n];
        identity.iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
        let p = adjoint(operator, residual, &Factors::symmetric(1, n, n, identity)?);
        return Ok(largest(&symmetric_eigen(n, &p)?.0));
    }
    let columns = COLUMNS.min(n);
    let mut v = normals(0, Purpose::Laws, 1.0, n * columns);
    let mut norm = 0.0;
    for _ in 0..STEPS {
        let q = crate::linalg::orthonormal_columns(n, columns, &v);
        v = adjoint(operator, residual, &Factors::symmetric(1, n, columns, q.clone())?);
        // Rayleigh–Ritz: eigenvalues of QᵀPQ.
        let small: Mat<f64> =
            MatRef::from_row_major_slice(&q, n, columns).transpose() * MatRef::from_row_major_slice(&v, n, columns);
        let small: Vec<f64> = (0..columns * columns).map(|at| small[(at / columns, at % columns)]).collect();
        norm = largest(&symmetric_eigen(columns, &small)?.0);
    }
    Ok(norm)
}
