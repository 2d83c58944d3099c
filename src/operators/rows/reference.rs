//! The definition of operators whose rows are the Aᵢ themselves, and their sequential reference implementation: f64,
//! one measurement after the other, sharing nothing with the fast kernels that it judges.

use crate::operators::Operator;
use crate::problem::{Domain, Factors, MatrixView, packed_index};

/// An operator that can write the entries of each Aᵢ: the upper triangle row by row for symmetric domains, the square of
/// [`Packing`](super::Packing) for Hermitian ones, all entries row by row for asymmetric ones, real parts before imaginary parts.
pub(in crate::operators) trait Rows: Operator {
    fn row(&self, i: usize, out: &mut [f64]);
}

/// Calls `each` on the rows of one shard, which share one buffer.
fn for_each_row(rows: &impl Rows, shard: usize, mut each: impl FnMut(usize, &[f64])) {
    let mut row = vec![0.0; rows.domain().dimension()];
    for (at, i) in rows.shard_range(shard).enumerate() {
        rows.row(i, &mut row);
        each(at, &row);
    }
}

/// Aᵢ, row-major.
pub(in crate::operators) fn sensing_matrix(rows: &impl Rows, i: usize) -> Vec<f64> {
    let (domain, n1, n2) = (rows.domain(), rows.domain().rows(), rows.domain().columns());
    let mut row = vec![0.0; domain.dimension()];
    rows.row(i, &mut row);
    (0..n1 * n2).map(|at| entry(domain, &row, at / n2, at % n2)).collect()
}

/// Multiplier of a row: for a packed one z[q(i,j)] = (L Rᵀ)_ij + (L Rᵀ)_ji for i < j and (L Rᵀ)_ii on the diagonal, for
/// a full one L Rᵀ row by row.
fn point(domain: Domain, left: MatrixView<'_>, right: MatrixView<'_>) -> Vec<f64> {
    let n = left.rows();
    let dot = |i: usize, j: usize| left.row(i).iter().zip(right.row(j)).map(|(a, b)| a * b).sum::<f64>();
    if domain.is_complex() {
        let (h, h2) = domain.shape();
        let both = |i: usize, j: usize| dot(i, j) + dot(h + i, h2 + j);
        let crossed = |i: usize, j: usize| dot(h + i, j) - dot(i, h2 + j);
        if !domain.is_symmetric() {
            let of = |part: &dyn Fn(usize, usize) -> f64| (0..h * h2).map(|at| part(at / h2, at % h2)).collect();
            let (real, imaginary): (Vec<f64>, Vec<f64>) = (of(&both), of(&crossed));
            return [real, imaginary].concat();
        }
        let of = |(i, j): (usize, usize)| match i.cmp(&j) {
            std::cmp::Ordering::Less => both(i, j) + both(j, i),
            std::cmp::Ordering::Equal => both(i, i),
            std::cmp::Ordering::Greater => crossed(j, i) - crossed(i, j),
        };
        return (0..h * h).map(|at| of((at / h, at % h))).collect();
    }
    if !domain.is_symmetric() {
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

/// G_ij, from the upper triangle or from all entries; of the real form of a complex G, from its square.
fn entry(domain: Domain, g: &[f64], i: usize, j: usize) -> f64 {
    if domain.is_complex() && !domain.is_symmetric() {
        let (n1, n2) = domain.shape();
        let at = (i % n1) * n2 + j % n2;
        return match (i < n1, j < n2) {
            (false, true) => g[n1 * n2 + at],
            (true, false) => -g[n1 * n2 + at],
            _ => g[at],
        };
    }
    if domain.is_complex() {
        let n = domain.order();
        let (a, b) = (i % n, j % n);
        let imaginary = match a.cmp(&b) {
            std::cmp::Ordering::Less => g[b * n + a],
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => -g[a * n + b],
        };
        return match (i < n, j < n) {
            (false, true) => imaginary,
            (true, false) => -imaginary,
            _ => g[a.min(b) * n + a.max(b)],
        };
    }
    if domain.is_symmetric() { g[packed_index(domain.rows(), i, j)] } else { g[i * domain.columns() + j] }
}

/// out += G V
fn add_product(domain: Domain, g: &[f64], v: MatrixView<'_>, out: &mut [f64]) {
    let k = v.columns();
    for i in 0..domain.rows() {
        for j in 0..domain.columns() {
            let g = entry(domain, g, i, j);
            for c in 0..k {
                out[i * k + c] += g * v.row(j)[c];
            }
        }
    }
}

/// out += Gᵀ W
fn add_transposed(domain: Domain, g: &[f64], w: MatrixView<'_>, out: &mut [f64]) {
    let k = w.columns();
    for i in 0..domain.rows() {
        for j in 0..domain.columns() {
            let g = entry(domain, g, i, j);
            for c in 0..k {
                out[j * k + c] += g * w.row(i)[c];
            }
        }
    }
}

/// Σ a_q·z_q
fn inner(row: &[f64], z: &[f64]) -> f64 {
    row.iter().zip(z).map(|(a, z)| a * z).sum()
}

/// g += r·a
fn axpy(r: f64, row: &[f64], g: &mut [f64]) {
    for (g, a) in g.iter_mut().zip(row) {
        *g += r * a;
    }
}

pub(in crate::operators) fn forward(rows: &impl Rows, shard: usize, at: &Factors, out: &mut [f64]) {
    let length = rows.shard_range(shard).len();
    for (trial, out) in out.chunks_mut(length).enumerate() {
        let z = point(rows.domain(), at.left(trial), at.right(trial));
        for_each_row(rows, shard, |i, row| out[i] = inner(row, &z));
    }
}

/// Σ rᵢ Aᵢ over a shard, for one trial.
fn weighted_sum(rows: &impl Rows, shard: usize, r: &[f64]) -> Vec<f64> {
    let mut g = vec![0.0; rows.domain().dimension()];
    for_each_row(rows, shard, |i, row| axpy(r[i], row, &mut g));
    g
}

pub(in crate::operators) fn adjoint_apply(
    rows: &impl Rows,
    shard: usize,
    residual: &[f64],
    applied: &Factors,
    out: &mut [f64],
) {
    let length = rows.shard_range(shard).len();
    let size = applied.rows() * applied.search_rank();
    for (trial, r) in residual.chunks(length).enumerate() {
        let out = &mut out[trial * size..(trial + 1) * size];
        add_product(rows.domain(), &weighted_sum(rows, shard, r), applied.right(trial), out);
    }
}

pub(in crate::operators) fn adjoint_apply_transposed(
    rows: &impl Rows,
    shard: usize,
    residual: &[f64],
    applied: &Factors,
    out: &mut [f64],
) {
    let length = rows.shard_range(shard).len();
    let size = applied.columns() * applied.search_rank();
    for (trial, r) in residual.chunks(length).enumerate() {
        let out = &mut out[trial * size..(trial + 1) * size];
        add_transposed(rows.domain(), &weighted_sum(rows, shard, r), applied.left(trial), out);
    }
}
