//! A and A* for one matrix, on the host in f64 for every backend, so automatic choices and diagnostics do not depend on
//! the backend.

use rayon::prelude::*;

use crate::host::{gather, side_by_side};
use crate::operators::{HostKernel, Loss, Operator, Pair, PassSchedule, Side, TrialPass};
use crate::problem::Factors;
use crate::simd::InstructionSet;

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
    if let Some((_, kernel)) = operator.accelerate().kernels.filter(|_| !operator.is_centred()) {
        return by_kernel(operator, kernel, residual, applied);
    }
    summed(operator.shards(), operator.domain().rows() * applied.search_rank(), |shard, out| {
        operator.adjoint_apply(shard, &residual[operator.shard_range(shard)], applied, out);
    })
}

/// A*(r)·V through the passes of a fast kernel, at the point 0 with the target −r.
fn by_kernel(operator: &dyn Operator, kernel: &dyn HostKernel<f64>, residual: &[f64], applied: &Factors) -> Vec<f64> {
    let (domain, k) = (operator.domain(), applied.search_rank());
    let zeros = [domain.rows(), domain.columns()].map(|n| vec![0.0; n * k]);
    let pair = |left, right| Pair { left, right, search_rank: k };
    let applied = pair(applied.left(0).as_slice(), applied.right(0).as_slice());
    let (mut point, mut scratch) = (vec![0.0; kernel.point_len(k)], vec![0.0; kernel.scratch_len(k)]);
    kernel.prepare(pair(&zeros[0], &zeros[1]), &mut scratch, &mut point);
    let traversal = kernel.traversals(1).first().map_or(0, |(number, _)| *number);
    let schedule = PassSchedule { set: InstructionSet::available()[0], traversal };
    let target: Vec<f64> = residual.iter().map(|r| -r).collect();
    let length = kernel.accumulator_len(k, 1 + usize::from(!domain.is_symmetric()));
    let sum = summed(operator.shards(), length, |shard, accumulator| {
        let range = operator.shard_range(shard);
        let (weights, mut residual) = (vec![1.0; range.len()], vec![0.0; range.len()]);
        let (target, residual) = (&target[range], &mut residual[..]);
        let trial = TrialPass { point: &point, applied, target, weights: &weights, residual, accumulator };
        kernel.pass(schedule, shard, Loss::Square, &mut [trial]);
    });
    let mut out = vec![0.0; domain.rows() * k];
    kernel.finish(&sum, &mut scratch, applied, &mut out, None);
    out
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
