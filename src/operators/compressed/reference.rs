//! The definition and the sequential reference implementation: f64, one measurement after the other, from the list by
//! measurement alone.

use crate::operators::compressed::Compressed;
use crate::problem::{Factors, MatrixView};

/// Aᵢ, row-major.
pub(crate) fn sensing_matrix(c: &Compressed, i: usize) -> Vec<f64> {
    let n2 = c.domain.columns();
    let mut full = vec![0.0; c.domain.rows() * n2];
    for q in c.range(i) {
        let (a, b, v) = (c.rows[q] as usize, c.columns[q] as usize, c.values.at(q));
        if c.domain.is_symmetric() {
            full[a * n2 + b] += 0.5 * v;
            full[b * n2 + a] += 0.5 * v;
        } else {
            full[a * n2 + b] += v;
        }
    }
    full
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

pub(crate) fn forward(c: &Compressed, shard: usize, point: &Factors, out: &mut [f64]) {
    let range = c.shard_range(shard);
    for (trial, out) in out.chunks_mut(range.len()).enumerate() {
        let (l, r) = (point.left(trial), point.right(trial));
        for (i, out) in range.clone().zip(out) {
            *out = 0.0;
            for q in c.range(i) {
                let (a, b, v) = (c.rows[q] as usize, c.columns[q] as usize, c.values.at(q));
                *out += if c.domain.is_symmetric() {
                    0.5 * v * (dot(l.row(a), r.row(b)) + dot(l.row(b), r.row(a)))
                } else {
                    v * dot(l.row(a), r.row(b))
                };
            }
        }
    }
}

/// out_to += factor·from
fn add(out: &mut [f64], to: usize, factor: f64, from: &[f64]) {
    let k = from.len();
    for (out, x) in out[to * k..(to + 1) * k].iter_mut().zip(from) {
        *out += factor * x;
    }
}

pub(crate) fn adjoint_apply(c: &Compressed, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
    each_trial(c, shard, residual, out, |trial, out, r, (a, b, v)| {
        let x: MatrixView<'_> = applied.right(trial);
        if c.domain.is_symmetric() {
            add(out, a, 0.5 * v * r, x.row(b));
            add(out, b, 0.5 * v * r, x.row(a));
        } else {
            add(out, a, v * r, x.row(b));
        }
    });
}

pub(crate) fn adjoint_apply_transposed(
    c: &Compressed,
    shard: usize,
    residual: &[f64],
    applied: &Factors,
    out: &mut [f64],
) {
    each_trial(c, shard, residual, out, |trial, out, r, (a, b, v)| {
        let x: MatrixView<'_> = applied.left(trial);
        if c.domain.is_symmetric() {
            add(out, a, 0.5 * v * r, x.row(b));
            add(out, b, 0.5 * v * r, x.row(a));
        } else {
            add(out, b, v * r, x.row(a));
        }
    });
}

/// Calls `each` with a trial, its output, a residual and a nonzero of its measurement, in the order of the list.
fn each_trial(
    c: &Compressed,
    shard: usize,
    residual: &[f64],
    out: &mut [f64],
    each: impl Fn(usize, &mut [f64], f64, (usize, usize, f64)),
) {
    let range = c.shard_range(shard);
    let batch = residual.len() / range.len();
    let size = out.len() / batch;
    for (trial, r) in residual.chunks(range.len()).enumerate() {
        let out = &mut out[trial * size..(trial + 1) * size];
        for (i, &r) in range.clone().zip(r) {
            for q in c.range(i) {
                each(trial, out, r, (c.rows[q] as usize, c.columns[q] as usize, c.values.at(q)));
            }
        }
    }
}
