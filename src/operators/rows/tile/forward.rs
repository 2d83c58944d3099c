//! Dot products of a group of rows with the points of all trials.

use std::ops::Range;

use crate::simd::{Registers, Stored, Task, Unit, Widen, prefetch};

/// Units of a row between two stores of the partial sums, and trials per pass: their points of a span, 24 KiB, stay in
/// the first-level cache for all rows of a group.
const fn cut(registers: Registers) -> (usize, usize) {
    match registers {
        Registers::Whole => (64, 6),
        Registers::Half | Registers::Arrays | Registers::Few => (32, 12),
    }
}

/// Adds to the units of partial sums of the dot products of rows of p numbers with points, (rows, points). Numbers
/// after the last whole unit are left to [`super::total`].
pub(in crate::operators) struct Forward<'a, S, T: Unit> {
    pub(in crate::operators) p: usize,
    pub(in crate::operators) numbers: &'a [S],
    pub(in crate::operators) points: &'a [&'a [T]],
    pub(in crate::operators) sums: &'a mut [T::Chunk],
    /// Whether the rows are not yet in a cache, so that later ones are prefetched.
    pub(in crate::operators) from_memory: bool,
}

impl<S: Stored<T>, T: Unit> Task<S, T> for Forward<'_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(self, simd: A) {
        let Self { p, numbers, points, sums, from_memory } = self;
        let (count, batch) = (numbers.len() / p, points.len());
        let units = T::chunks(points[0]).0.len();
        let (length, company) = cut(A::REGISTERS);
        for first in (0..units).step_by(length) {
            let span = first..units.min(first + length);
            for first in (0..batch).step_by(company) {
                let trials = first..batch.min(first + company);
                let mut tiles = Tiles {
                    simd,
                    p,
                    numbers,
                    points,
                    sums: &mut *sums,
                    ahead: span.end..if from_memory { units.min(span.end + length) } else { span.end },
                    span: span.clone(),
                };
                let mut i = 0;
                // 4·6 units in 32 registers, 4·3 halves of them in 16.
                if A::WHOLE {
                    while_rows::<A, S, T, 4, 6>(&mut tiles, &mut i, count, &trials);
                } else if A::HALF {
                    while_rows::<A, S, T, 4, 3>(&mut tiles, &mut i, count, &trials);
                } else if A::ARRAYS {
                    while_rows::<A, S, T, 2, 3>(&mut tiles, &mut i, count, &trials);
                }
                for i in i..count {
                    for b in trials.clone() {
                        tiles.tile::<1, 1>(i, b);
                    }
                }
            }
        }
    }
}

/// Common data of the tiles of a span.
struct Tiles<'a, A, S, T: Unit> {
    simd: A,
    p: usize,
    numbers: &'a [S],
    points: &'a [&'a [T]],
    sums: &'a mut [T::Chunk],
    span: Range<usize>,
    /// Units to prefetch: none, or those of the next span.
    ahead: Range<usize>,
}

/// Tiles of R rows and B trials from row i on, while R rows are left, with narrower tiles for the last trials.
#[inline(always)]
fn while_rows<A: Widen<S, T>, S: Stored<T>, T: Unit, const R: usize, const B: usize>(
    tiles: &mut Tiles<'_, A, S, T>,
    i: &mut usize,
    count: usize,
    trials: &Range<usize>,
) {
    while *i + R <= count {
        let mut b = trials.start;
        while b + B <= trials.end {
            tiles.tile::<R, B>(*i, b);
            b += B;
        }
        while b + 2 <= trials.end {
            tiles.tile::<R, 2>(*i, b);
            b += 2;
        }
        if b < trials.end {
            tiles.tile::<R, 1>(*i, b);
        }
        *i += R;
    }
}

impl<'a, A: Widen<S, T>, S: Stored<T>, T: Unit> Tiles<'a, A, S, T> {
    #[inline(always)]
    fn row(&self, i: usize) -> &'a [S::Chunk] {
        S::chunks(&self.numbers[i * self.p..(i + 1) * self.p]).0
    }

    #[inline(always)]
    fn tile<const R: usize, const B: usize>(&mut self, first_row: usize, first_trial: usize) {
        // The next span of the R rows is prefetched evenly over the trials.
        let batch = self.points.len();
        let share = |trial: usize| first_row + (trial * R).div_ceil(batch);
        let mut fetched = (share(first_trial)..share(first_trial + B)).map(|row| &self.row(row)[self.ahead.clone()]);
        match fetched.next() {
            Some(ahead) if ahead.len() == self.span.len() => {
                fetched.flatten().for_each(prefetch);
                self.half::<R, B, 0, true>(first_row, first_trial, ahead);
            }
            _ => self.half::<R, B, 0, false>(first_row, first_trial, &[]),
        }
        if A::HALF {
            self.half::<R, B, 1, false>(first_row, first_trial, &[]);
        }
    }

    /// Part H of every unit of a tile.
    #[inline(always)]
    fn half<const R: usize, const B: usize, const H: usize, const FETCH: bool>(
        &mut self,
        first_row: usize,
        first_trial: usize,
        ahead: &[S::Chunk],
    ) {
        let (simd, batch) = (self.simd, self.points.len());
        let length = self.span.len();
        // Loops only: closures inside array functions are not always inlined.
        let mut rows: [&[S::Chunk]; R] = [&[]; R];
        let mut points: [&[T::Chunk]; B] = [&[]; B];
        let mut tile = [[simd.part::<H>(simd.splat(T::ZERO)); B]; R];
        for (b, point) in points.iter_mut().enumerate() {
            *point = &T::chunks(self.points[first_trial + b]).0[self.span.clone()][..length];
        }
        for i in 0..R {
            rows[i] = &self.row(first_row + i)[self.span.clone()][..length];
            let sums = &self.sums[(first_row + i) * batch + first_trial..][..B];
            for b in 0..B {
                tile[i][b] = simd.part::<H>(simd.load(&sums[b]));
            }
        }
        for q in 0..length {
            if FETCH {
                prefetch(&ahead[q]);
            }
            let mut z = [simd.part::<H>(simd.splat(T::ZERO)); B];
            for b in 0..B {
                z[b] = simd.part::<H>(simd.load(&points[b][q]));
            }
            for i in 0..R {
                let a = simd.part::<H>(simd.widen(&rows[i][q]));
                for b in 0..B {
                    tile[i][b] = simd.fma_part(a, z[b], tile[i][b]);
                }
            }
        }
        for (i, tile) in tile.into_iter().enumerate() {
            let sums = &mut self.sums[(first_row + i) * batch + first_trial..][..B];
            for (sum, part) in sums.iter_mut().zip(tile) {
                simd.store_part::<H>(part, sum);
            }
        }
    }
}
