//! Several trials over the rows of a shard: matrix products, at the speed of arithmetic.
//!
//! A group of rows is brought into cache once and multiplied there with the points of all trials, then with their
//! residuals. Both products keep a tile of partial sums in registers: rows × trials for the dot products, trials ×
//! columns for the accumulators. The bits are those of [`super::stream`]: a dot product keeps its one unit of partial
//! sums from the first column to the last, and an accumulator takes the rows in order.
//!
//! With p = 20 100 and 32 trials a tile of the dot products multiplies every number loaded from the first-level cache
//! by 3 to 6 others. The loads were prefetched a span earlier; otherwise every row would wait for memory.

mod adjoint;
mod forward;

pub(in crate::operators) use adjoint::Adjoint;
pub(in crate::operators) use forward::Forward;

use crate::operators::rows::stream::{ShardRows, settle, total};
use crate::operators::{Loss, TrialPass};
use crate::simd::{Bank, InstructionSet, Stored, Unit};

/// Largest group of rows in bytes: the rows should still be in the last-level cache on reuse.
const GROUP_BYTES: usize = 4 << 20;
/// Divisor of the number of rows: the rows of the larger tiles.
const TILE_ROWS: usize = 4;

/// Processes a shard for all trials, `together` rows at a time. More rows visit the points and the accumulators less
/// often; fewer rows stay in a nearer cache.
pub(in crate::operators) fn tile<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    together: usize,
    rows: ShardRows<'_, S>,
    loss: Loss,
    trials: &mut [TrialPass<'_, T>],
) {
    let (p, batch) = (rows.p, trials.len());
    let group = together.min(GROUP_BYTES / (p * size_of::<S>())).max(TILE_ROWS) / TILE_ROWS * TILE_ROWS;
    let mut sums = Bank::<T>::units(group * batch);
    let mut factors = vec![T::ZERO; group * batch];
    let points: Vec<&[T]> = trials.iter().map(|trial| trial.point).collect();
    for first in (0..rows.count()).step_by(group) {
        let count = group.min(rows.count() - first);
        let numbers = &rows.numbers[first * p..(first + count) * p];
        let sums = sums.units_mut();
        sums.fill(T::ZEROS);
        S::run(set, Forward { p, numbers, points: &points, sums, from_memory: true });
        for i in 0..count {
            let tail = S::chunks(&numbers[i * p..(i + 1) * p]).1;
            for (b, trial) in trials.iter_mut().enumerate() {
                let dot = total::<S, T>(sums[i * batch + b], tail, T::chunks(trial.point).1);
                factors[i * batch + b] = settle(trial, loss, first + i, rows.scale(first + i), dot);
            }
        }
        let factors = &factors[..count * batch];
        let mut sums: Vec<&mut [T]> = trials.iter_mut().map(|trial| &mut *trial.accumulator).collect();
        S::run(set, Adjoint { p, numbers, next: &rows.numbers[(first + count) * p..], factors, sums: &mut sums });
    }
}
