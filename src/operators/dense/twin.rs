//! The definition of `dense` and its sequential twin: f64, one measurement after the other, nothing shared with the
//! fast paths it judges.

use crate::operators::dense::Dense;
use crate::operators::dense::storage::{Stored, with_rows};
use crate::operators::{GradientOutput, GradientRequest, Operator};
use crate::problem::{Factors, MatrixView, packed_index};

/// Aᵢ, row-major, from its packed row.
pub(super) fn sensing_matrix(dense: &Dense, i: usize) -> Vec<f64> {
    let n = dense.shape.rows();
    let packed = dense.packed_row(i);
    let mut full = vec![0.0; n * n];
    for j in 0..n {
        for l in 0..n {
            full[j * n + l] = packed[packed_index(n, j, l)];
        }
    }
    full
}

/// z[q(i,j)] = (L Rᵀ)_ij + (L Rᵀ)_ji for i < j and (L Rᵀ)_ii on the diagonal: what a packed row is multiplied with.
fn packed_point(left: MatrixView<'_>, right: MatrixView<'_>) -> Vec<f64> {
    let n = left.rows();
    let dot = |i: usize, j: usize| left.row(i).iter().zip(right.row(j)).map(|(a, b)| a * b).sum::<f64>();
    let mut z = Vec::with_capacity(n * (n + 1) / 2);
    for i in 0..n {
        for j in i..n {
            z.push(if i == j { dot(i, i) } else { dot(i, j) + dot(j, i) });
        }
    }
    z
}

/// out += G V for the symmetric G with the given upper triangle.
fn add_product(packed: &[f64], v: MatrixView<'_>, out: &mut [f64]) {
    let (n, k) = (v.rows(), v.columns());
    for i in 0..n {
        for j in 0..n {
            let g = packed[packed_index(n, i, j)];
            for c in 0..k {
                out[i * k + c] += g * v.row(j)[c];
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
        let z = packed_point(point.left(trial), point.right(trial));
        with_rows!(dense, rows, scales => {
            for (out, (scale, row)) in out.iter_mut().zip(shard_rows!(dense, shard, rows, scales)) {
                *out = inner(scale, row, &z);
            }
        });
    }
}

pub(super) fn adjoint_apply(dense: &Dense, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
    let length = dense.shard_range(shard).len();
    for (trial, r) in residual.chunks(length).enumerate() {
        let v = applied.right(trial);
        let mut g = vec![0.0; dense.shape.dimension()];
        with_rows!(dense, rows, scales => {
            for (&r, (scale, row)) in r.iter().zip(shard_rows!(dense, shard, rows, scales)) {
                axpy(r, scale, row, &mut g);
            }
        });
        let size = v.rows() * v.columns();
        add_product(&g, v, &mut out[trial * size..(trial + 1) * size]);
    }
}

/// One pass: row i gives eᵢ and is added to G = Σ wᵢ ρ′(eᵢ) Aᵢ before the next row is touched.
pub(super) fn gradient(dense: &Dense, shard: usize, request: &GradientRequest<'_>, output: &mut GradientOutput<'_>) {
    let length = dense.shard_range(shard).len();
    for trial in 0..request.point.batch() {
        let z = packed_point(request.point.left(trial), request.point.right(trial));
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
        // Aᵢ is symmetric, so AᵢᵀW is the same product.
        let (v, w) = (request.applied.right(trial), request.applied.left(trial));
        let size = v.rows() * v.columns();
        add_product(&g, v, &mut output.left[trial * size..(trial + 1) * size]);
        if let Some(right) = output.right.as_deref_mut() {
            add_product(&g, w, &mut right[trial * size..(trial + 1) * size]);
        }
    }
}
