//! The definition of `rank_one` and its sequential reference implementation: f64, one measurement after the other,
//! sharing nothing with the fast kernel that it judges.

use crate::operators::Operator;
use crate::operators::rank_one::{RankOne, Vectors};
use crate::problem::{Factors, MatrixView};

/// Vector a_iq, or b_iq on the right side.
fn vector(vectors: &Vectors, products: usize, n: usize, i: usize, q: usize) -> Vec<f64> {
    let at = (i * products + q) * n..(i * products + q + 1) * n;
    match vectors {
        Vectors::F32(values) => values[at].iter().map(|&v| f64::from(v)).collect(),
        Vectors::F64(values) => values[at].to_vec(),
    }
}

/// (a_iq, b_iq) for every q.
fn pairs(operator: &RankOne, i: usize) -> Vec<(Vec<f64>, Vec<f64>)> {
    let (n1, n2, products) = (operator.domain.rows(), operator.domain.columns(), operator.products);
    let right = operator.right.as_ref().unwrap_or(&operator.left);
    (0..products).map(|q| (vector(&operator.left, products, n1, i, q), vector(right, products, n2, i, q))).collect()
}

/// Aᵢ, row-major.
pub(super) fn sensing_matrix(operator: &RankOne, i: usize) -> Vec<f64> {
    let (n1, n2) = (operator.domain.rows(), operator.domain.columns());
    let mut full = vec![0.0; n1 * n2];
    for (a, b) in pairs(operator, i) {
        for (at, entry) in full.iter_mut().enumerate() {
            *entry += a[at / n2] * b[at % n2];
        }
    }
    full
}

/// Xᵀa
fn thin(x: MatrixView<'_>, a: &[f64]) -> Vec<f64> {
    let mut t = vec![0.0; x.columns()];
    for (a, row) in a.iter().zip(x.as_slice().chunks(x.columns())) {
        t.iter_mut().zip(row).for_each(|(t, x)| *t += a * x);
    }
    t
}

/// ⟨Aᵢ, L Rᵀ⟩ = Σ_q (Lᵀa)·(Rᵀb)
fn inner(pairs: &[(Vec<f64>, Vec<f64>)], l: MatrixView<'_>, r: MatrixView<'_>) -> f64 {
    pairs.iter().map(|(a, b)| thin(l, a).iter().zip(thin(r, b)).map(|(x, y)| x * y).sum::<f64>()).sum()
}

/// out += r·a·tᵀ
fn add_outer(r: f64, a: &[f64], t: &[f64], out: &mut [f64]) {
    for (a, row) in a.iter().zip(out.chunks_mut(t.len())) {
        let factor = r * a;
        row.iter_mut().zip(t).for_each(|(out, t)| *out += factor * t);
    }
}

pub(super) fn forward(operator: &RankOne, shard: usize, point: &Factors, out: &mut [f64]) {
    let range = operator.shard_range(shard);
    for (trial, out) in out.chunks_mut(range.len()).enumerate() {
        for (out, i) in out.iter_mut().zip(range.clone()) {
            *out = inner(&pairs(operator, i), point.left(trial), point.right(trial));
        }
    }
}

pub(super) fn adjoint_apply(operator: &RankOne, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
    let range = operator.shard_range(shard);
    let size = applied.rows() * applied.search_rank();
    for (trial, r) in residual.chunks(range.len()).enumerate() {
        for (r, i) in r.iter().zip(range.clone()) {
            for (a, b) in pairs(operator, i) {
                add_outer(*r, &a, &thin(applied.right(trial), &b), &mut out[trial * size..(trial + 1) * size]);
            }
        }
    }
}

pub(super) fn adjoint_apply_transposed(
    operator: &RankOne,
    shard: usize,
    residual: &[f64],
    applied: &Factors,
    out: &mut [f64],
) {
    let range = operator.shard_range(shard);
    let size = applied.columns() * applied.search_rank();
    for (trial, r) in residual.chunks(range.len()).enumerate() {
        for (r, i) in r.iter().zip(range.clone()) {
            for (a, b) in pairs(operator, i) {
                add_outer(*r, &b, &thin(applied.left(trial), &a), &mut out[trial * size..(trial + 1) * size]);
            }
        }
    }
}
