//! A and A* for one matrix, on the host in f64 for every backend, so automatic choices and diagnostics do not depend on
//! the backend.

use rayon::prelude::*;

use crate::host::{gather, side_by_side};
use crate::operators::{Operator, Side};
use crate::problem::Factors;

/// A(L Rᵀ) for one trial, length m.
pub fn measure(operator: &dyn Operator, point: &Factors) -> Vec<f64> {
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

/// A(L Rᵀ) for every trial, (batch, m).
pub(crate) fn measure_batch(operator: &dyn Operator, points: &Factors) -> Vec<f64> {
    let batch = points.batch();
    let parts: Vec<Vec<f64>> = (0..operator.shards())
        .into_par_iter()
        .map(|shard| {
            let mut out = vec![0.0; batch * operator.shard_range(shard).len()];
            operator.forward(shard, points, &mut out);
            out
        })
        .collect();
    side_by_side(&parts, batch)
}

/// A*(r)·V for one trial, summed in shard order: n×k row-major.
pub(crate) fn adjoint(operator: &dyn Operator, residual: &[f64], applied: &Factors) -> Vec<f64> {
    if let Some((_, kernel)) = operator.accelerate().gathers {
        let (v, k) = (applied.right(0), applied.search_rank());
        return gather::adjoint(operator, kernel, Side::Left, residual, v.as_slice(), k);
    }
    summed(operator.shards(), operator.domain().rows() * applied.search_rank(), |shard, out| {
        operator.adjoint_apply(shard, &residual[operator.shard_range(shard)], applied, out);
    })
}

/// A*(r)ᵀ·W for one trial, summed in shard order: n2×k row-major.
pub(crate) fn adjoint_transposed(operator: &dyn Operator, residual: &[f64], applied: &Factors) -> Vec<f64> {
    if let Some((_, kernel)) = operator.accelerate().gathers {
        let (w, k) = (applied.left(0), applied.search_rank());
        return gather::adjoint(operator, kernel, Side::Right, residual, w.as_slice(), k);
    }
    summed(operator.shards(), operator.domain().columns() * applied.search_rank(), |shard, out| {
        operator.adjoint_apply_transposed(shard, &residual[operator.shard_range(shard)], applied, out);
    })
}

/// Sum over the shards of `size` numbers each, in the order of the shards. One part is held for each thread.
fn summed(shards: usize, size: usize, part: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
    let mut sum = vec![0.0; size];
    let together = rayon::current_num_threads();
    for first in (0..shards).step_by(together) {
        let parts: Vec<Vec<f64>> = (first..shards.min(first + together))
            .into_par_iter()
            .map(|shard| {
                let mut out = vec![0.0; size];
                part(shard, &mut out);
                out
            })
            .collect();
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
        }
    }
    sum
}
