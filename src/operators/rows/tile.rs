//! Several trials over the rows of a shard: matrix products, at the speed of arithmetic.
//!
//! A group of rows is brought into cache once and multiplied there with the points of all trials, then with their
//! residuals. Both products keep a tile of partial sums in registers: rows × trials for the dot products, trials ×
//! columns for the accumulators. Bits are those of [`super::stream`]: a dot product keeps its one unit of partial
//! sums from the first column to the last, and an accumulator takes the rows in order.

use crate::operators::rows::stream::{ShardRows, add_tail, settle, total};
use crate::operators::{Loss, TrialPass};
use crate::simd::{InstructionSet, Stored, Task, Unit, Widen};

/// Bytes of rows that go together: they should still be in the second- or third-level cache when they are used again. Larger
/// groups go over the points and the accumulators less often.
const GROUP_BYTES: usize = 4 << 20;
/// Rows of a group at most, and what their number is a multiple of: the rows of the larger tiles.
const GROUP_ROWS: usize = 48;
const TILE_ROWS: usize = 4;
/// Units of a row between two stores of the partial sums: the points of some trials stay in the first-level cache.
const SPAN: usize = 32;
/// Units of an accumulator in registers.
const COLUMNS: usize = 4;

/// A shard for all trials.
pub(in crate::operators) fn tile<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    rows: ShardRows<'_, S>,
    loss: Loss,
    trials: &mut [TrialPass<'_, T>],
) {
    let (p, batch) = (rows.p, trials.len());
    let group = (GROUP_BYTES / (p * size_of::<S>())).clamp(TILE_ROWS, GROUP_ROWS) / TILE_ROWS * TILE_ROWS;
    let mut sums = vec![T::ZEROS; group * batch];
    let mut factors = vec![T::ZERO; group * batch];
    let points: Vec<&[T]> = trials.iter().map(|trial| trial.point).collect();
    for first in (0..rows.count()).step_by(group) {
        let count = group.min(rows.count() - first);
        let numbers = &rows.numbers[first * p..(first + count) * p];
        sums.fill(T::ZEROS);
        S::run(set, Forward { p, numbers, points: &points, sums: &mut sums });
        for i in 0..count {
            let tail = S::chunks(&numbers[i * p..(i + 1) * p]).1;
            for (b, trial) in trials.iter_mut().enumerate() {
                let dot = total::<S, T>(sums[i * batch + b], tail, T::chunks(trial.point).1);
                factors[i * batch + b] = settle(trial, loss, first + i, rows.scale(first + i), dot);
            }
        }
        let factors = &factors[..count * batch];
        let mut sums: Vec<&mut [T]> = trials.iter_mut().map(|trial| &mut *trial.accumulator).collect();
        S::run(set, Adjoint { p, numbers, factors, sums: &mut sums });
    }
}

/// Adds to the units of partial sums of the dot products of rows of p numbers with points, (rows, points); what lies behind
/// the last whole unit is left to [`total`].
pub(in crate::operators) struct Forward<'a, S, T: Unit> {
    pub(in crate::operators) p: usize,
    pub(in crate::operators) numbers: &'a [S],
    pub(in crate::operators) points: &'a [&'a [T]],
    pub(in crate::operators) sums: &'a mut [T::Chunk],
}

impl<S: Stored<T>, T: Unit> Task<S, T> for Forward<'_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(self, simd: A) {
        forward(simd, self.p, self.numbers, self.points, self.sums);
    }
}

/// sums[b] += Σᵢ factors[i, b]·row i, rows in order, factors being (rows, sums).
pub(in crate::operators) struct Adjoint<'a, 'b, S, T> {
    pub(in crate::operators) p: usize,
    pub(in crate::operators) numbers: &'a [S],
    pub(in crate::operators) factors: &'a [T],
    pub(in crate::operators) sums: &'a mut [&'b mut [T]],
}

impl<S: Stored<T>, T: Unit> Task<S, T> for Adjoint<'_, '_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(self, simd: A) {
        let Self { p, numbers, factors, sums } = self;
        adjoint(simd, p, numbers, factors, sums);
        for (row, factors) in numbers.chunks_exact(p).zip(factors.chunks_exact(sums.len())) {
            let tail = S::chunks(row).1;
            for (sum, &factor) in sums.iter_mut().zip(factors) {
                add_tail::<S, T>(factor, tail, T::chunks_mut(sum).1);
            }
        }
    }
}

/// Units of partial sums of all dot products of a group, (rows, batch).
#[inline(always)]
fn forward<A: Widen<S, T>, S: Stored<T>, T: Unit>(
    simd: A,
    p: usize,
    numbers: &[S],
    points: &[&[T]],
    sums: &mut [T::Chunk],
) {
    let (count, batch) = (numbers.len() / p, points.len());
    let units = T::chunks(points[0]).0.len();
    for span in (0..units).step_by(SPAN).map(|q| q..units.min(q + SPAN)) {
        let mut i = 0;
        // 4·6 units in 32 registers, 2·3 in 16 registers of half a unit.
        if A::WIDE {
            while i + 4 <= count {
                let mut b = 0;
                while b + 6 <= batch {
                    forward_tile::<A, S, T, 4, 6>(simd, p, numbers, points, sums, i, b, &span);
                    b += 6;
                }
                while b + 2 <= batch {
                    forward_tile::<A, S, T, 4, 2>(simd, p, numbers, points, sums, i, b, &span);
                    b += 2;
                }
                if b < batch {
                    forward_tile::<A, S, T, 4, 1>(simd, p, numbers, points, sums, i, b, &span);
                }
                i += 4;
            }
        }
        while i + 2 <= count {
            let mut b = 0;
            while b + 3 <= batch {
                forward_tile::<A, S, T, 2, 3>(simd, p, numbers, points, sums, i, b, &span);
                b += 3;
            }
            for b in b..batch {
                forward_tile::<A, S, T, 2, 1>(simd, p, numbers, points, sums, i, b, &span);
            }
            i += 2;
        }
        if i < count {
            for b in 0..batch {
                forward_tile::<A, S, T, 1, 1>(simd, p, numbers, points, sums, i, b, &span);
            }
        }
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a loop body with a name")]
fn forward_tile<A: Widen<S, T>, S: Stored<T>, T: Unit, const R: usize, const B: usize>(
    simd: A,
    p: usize,
    numbers: &[S],
    points: &[&[T]],
    sums: &mut [T::Chunk],
    first_row: usize,
    first_trial: usize,
    span: &std::ops::Range<usize>,
) {
    let batch = points.len();
    let at = |i: usize, b: usize| (first_row + i) * batch + first_trial + b;
    let rows: [&[S::Chunk]; R] =
        std::array::from_fn(|i| &S::chunks(&numbers[(first_row + i) * p..(first_row + i + 1) * p]).0[span.clone()]);
    let points: [&[T::Chunk]; B] = std::array::from_fn(|b| &T::chunks(points[first_trial + b]).0[span.clone()]);
    let mut tile: [[A::V; B]; R] = std::array::from_fn(|i| std::array::from_fn(|b| simd.load(&sums[at(i, b)])));
    let rows = rows.map(|row| &row[..span.len()]);
    let points = points.map(|point| &point[..span.len()]);
    for q in 0..span.len() {
        let z: [A::V; B] = std::array::from_fn(|b| simd.load(&points[b][q]));
        for i in 0..R {
            let a = simd.widen(&rows[i][q]);
            for b in 0..B {
                tile[i][b] = simd.fma(a, z[b], tile[i][b]);
            }
        }
    }
    for i in 0..R {
        for b in 0..B {
            sums[at(i, b)] = simd.store(tile[i][b]);
        }
    }
}

/// Adds Σᵢ factorᵢ·rowᵢ over a group to the whole units of every trial's accumulator.
#[inline(always)]
fn adjoint<A: Widen<S, T>, S: Stored<T>, T: Unit>(
    simd: A,
    p: usize,
    numbers: &[S],
    factors: &[T],
    sums: &mut [&mut [T]],
) {
    let batch = sums.len();
    let units = T::chunks(sums[0]).0.len();
    let mut q = 0;
    while q + COLUMNS <= units {
        let mut b = 0;
        // 6·4 units in 32 registers; 1·4 in 16 registers of half a unit leaves room for the row.
        if A::WIDE {
            while b + 6 <= batch {
                adjoint_tile::<A, S, T, 6, COLUMNS>(simd, p, numbers, factors, sums, b, q);
                b += 6;
            }
            while b + 2 <= batch {
                adjoint_tile::<A, S, T, 2, COLUMNS>(simd, p, numbers, factors, sums, b, q);
                b += 2;
            }
        } else {
            while b + 3 <= batch {
                adjoint_tile::<A, S, T, 3, 2>(simd, p, numbers, factors, sums, b, q);
                adjoint_tile::<A, S, T, 3, 2>(simd, p, numbers, factors, sums, b, q + 2);
                b += 3;
            }
        }
        for b in b..batch {
            adjoint_tile::<A, S, T, 1, COLUMNS>(simd, p, numbers, factors, sums, b, q);
        }
        q += COLUMNS;
    }
    for q in q..units {
        for b in 0..batch {
            adjoint_tile::<A, S, T, 1, 1>(simd, p, numbers, factors, sums, b, q);
        }
    }
}

#[inline(always)]
fn adjoint_tile<A: Widen<S, T>, S: Stored<T>, T: Unit, const B: usize, const Q: usize>(
    simd: A,
    p: usize,
    numbers: &[S],
    factors: &[T],
    sums: &mut [&mut [T]],
    first_trial: usize,
    q: usize,
) {
    let batch = sums.len();
    let mut tile = [[simd.splat(T::ZERO); Q]; B];
    for b in 0..B {
        let g = T::chunks_mut(sums[first_trial + b]).0;
        for c in 0..Q {
            tile[b][c] = simd.load(&g[q + c]);
        }
    }
    for (row, factors) in numbers.chunks_exact(p).zip(factors.chunks_exact(batch)) {
        let row = &S::chunks(row).0[q..q + Q];
        let factors = &factors[first_trial..first_trial + B];
        let a: [A::V; Q] = std::array::from_fn(|c| simd.widen(&row[c]));
        for b in 0..B {
            let factor = simd.splat(factors[b]);
            for c in 0..Q {
                tile[b][c] = simd.fma(a[c], factor, tile[b][c]);
            }
        }
    }
    for b in 0..B {
        let g = T::chunks_mut(sums[first_trial + b]).0;
        for c in 0..Q {
            g[q + c] = simd.store(tile[b][c]);
        }
    }
}
