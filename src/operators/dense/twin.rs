//! The definition of `dense` and its sequential twin: f64, one measurement after the other, nothing shared with the
//! fast paths it judges.

use crate::operators::dense::Dense;
use crate::operators::dense::storage::{Stored, with_rows};
use crate::operators::{GradientOutput, GradientRequest, Operator};
use crate::problem::{Factors, MatrixView, Shape, packed_index};

/// Aᵢ, row-major, from its packed row.
pub(super) fn sensing_matrix(dense: &Dense, i: usize) -> Vec<f64> {
    let n = dense.shape.rows();
    let packed = dense.packed_row(i);
    if !dense.shape.is_symmetric() {
        return packed;
    }
    let mut full = vec![0.0; n * n];
    for j in 0..n {
        for l in 0..n {
            full[j * n + l] = packed[packed_index(n, j, l)];
        }
    }
    full
}

/// What a row is multiplied with: of a packed one z[q(i,j)] = (L Rᵀ)_ij + (L Rᵀ)_ji for i < j and (L Rᵀ)_ii on the
/// diagonal, of a full one L Rᵀ row by row.
fn packed_point(symmetric: bool, left: MatrixView<'_>, right: MatrixView<'_>) -> Vec<f64> {
    let n = left.rows();
    let dot = |i: usize, j: usize| left.row(i).iter().zip(right.row(j)).map(|(a, b)| a * b).sum::<f64>();
    if !symmetric {
        return (0..n).flat_map(|i| (0..right.rows()).map(move |j| dot(i, j))).collect();
    }
    let mut z = Vec::with_capacity(n * (n + 1) / 2);
    for i in 0..n {
        for j in i..n {
            z.push(if i == j { dot(i, i) } else { dot(i, j) + dot(j, i) });
        }
    }
    z
}

/// G_ij, from its upper triangle or from all its entries.
fn entry(shape: Shape, g: &[f64], i: usize, j: usize) -> f64 {
    if shape.is_symmetric() { g[packed_index(shape.rows(), i, j)] } else { g[i * shape.columns() + j] }
}

/// out += G V
fn add_product(shape: Shape, g: &[f64], v: MatrixView<'_>, out: &mut [f64]) {
    let k = v.columns();
    for i in 0..shape.rows() {
        for j in 0..shape.columns() {
            let g = entry(shape, g, i, j);
            for c in 0..k {
                out[i * k + c] += g * v.row(j)[c];
            }
        }
    }
}

/// out += Gᵀ W
fn add_transposed(shape: Shape, g: &[f64], w: MatrixView<'_>, out: &mut [f64]) {
    let k = w.columns();
    for i in 0..shape.rows() {
        for j in 0..shape.columns() {
            let g = entry(shape, g, i, j);
            for c in 0..k {
                out[j * k + c] += g * w.row(i)[c];
            }
        }
    }
}

/// Σ a_q·z_q with a_q = scale·row_q.
fn inner<S: Stored>(scale: f64, row: &[S], z: &[f64]) -> f64 {
    row.iter().zip(z).map(|(a, z)| scale * a.widen() * z).sum()
}

/// g += r·a
fn axpy<S: Stored>(r: f64, scale: f64, row: &[S], g: &mut [f64]) {
    for (g, a) in g.iter_mut().zip(row) {
        *g += r * (scale * a.widen());
    }
}

/// Scales and rows of one shard.
macro_rules! shard_rows {
    ($dense:expr, $shard:expr, $rows:ident, $scales:ident) => {{
        let (p, range) = ($dense.shape.dimension(), $dense.shard_range($shard));
        range.clone().map(move |i| $scales.of(i)).zip($rows[range.start * p..range.end * p].chunks_exact(p))
    }};
}

pub(super) fn forward(dense: &Dense, shard: usize, point: &Factors, out: &mut [f64]) {
    let length = dense.shard_range(shard).len();
    for (trial, out) in out.chunks_mut(length).enumerate() {
        let z = packed_point(dense.shape.is_symmetric(), point.left(trial), point.right(trial));
        with_rows!(dense, rows, scales => {
            for (out, (scale, row)) in out.iter_mut().zip(shard_rows!(dense, shard, rows, scales)) {
                *out = inner(scale, row, &z);
            }
        });
    }
}

/// Σ rᵢ Aᵢ over a shard, for one trial.
fn weighted_sum(dense: &Dense, shard: usize, r: &[f64]) -> Vec<f64> {
    let mut g = vec![0.0; dense.shape.dimension()];
    with_rows!(dense, rows, scales => {
        for (&r, (scale, row)) in r.iter().zip(shard_rows!(dense, shard, rows, scales)) {
            axpy(r, scale, row, &mut g);
        }
    });
    g
}

pub(super) fn adjoint_apply(dense: &Dense, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
    let length = dense.shard_range(shard).len();
    let size = applied.rows() * applied.search_rank();
    for (trial, r) in residual.chunks(length).enumerate() {
        let out = &mut out[trial * size..(trial + 1) * size];
        add_product(dense.shape, &weighted_sum(dense, shard, r), applied.right(trial), out);
    }
}

pub(super) fn adjoint_apply_transposed(
    dense: &Dense,
    shard: usize,
    residual: &[f64],
    applied: &Factors,
    out: &mut [f64],
) {
    let length = dense.shard_range(shard).len();
    let size = applied.columns() * applied.search_rank();
    for (trial, r) in residual.chunks(length).enumerate() {
        let out = &mut out[trial * size..(trial + 1) * size];
        add_transposed(dense.shape, &weighted_sum(dense, shard, r), applied.left(trial), out);
    }
}

/// One pass: row i gives eᵢ and is added to G = Σ wᵢ ρ′(eᵢ) Aᵢ before the next row is touched.
pub(super) fn gradient(dense: &Dense, shard: usize, request: &GradientRequest<'_>, output: &mut GradientOutput<'_>) {
    let length = dense.shard_range(shard).len();
    for trial in 0..request.point.batch() {
        let z = packed_point(dense.shape.is_symmetric(), request.point.left(trial), request.point.right(trial));
        let mut g = vec![0.0; dense.shape.dimension()];
        with_rows!(dense, rows, scales => {
            for (i, (scale, row)) in shard_rows!(dense, shard, rows, scales).enumerate() {
                let at = trial * length + i;
                let weight = request.weights.map_or(1.0, |w| w[at]);
                let e = inner(scale, row, &z) - request.target[at];
                if let Some(residual) = output.residual.as_deref_mut() {
                    residual[at] = e;
                }
                output.loss[trial] += weight * request.loss.value(e);
                axpy(weight * request.loss.derivative(e), scale, row, &mut g);
            }
        });
        let (v, w) = (request.applied.right(trial), request.applied.left(trial));
        let at = |v: MatrixView<'_>| trial * v.as_slice().len()..(trial + 1) * v.as_slice().len();
        add_product(dense.shape, &g, v, &mut output.left[at(w)]);
        if let Some(right) = output.right.as_deref_mut() {
            add_transposed(dense.shape, &g, w, &mut right[at(v)]);
        }
    }
}
