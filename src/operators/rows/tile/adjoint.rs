//! Rows of a group times the residuals of all trials, added to their accumulators.

use crate::operators::rows::stream::add_tail;
use crate::simd::{Stored, Task, Unit, Widen, prefetch};

/// Units of every row that all trials use before the next ones: 12 KiB of a group of 48 rows.
const COLUMNS: usize = 4;

/// sums[b] += Σᵢ factors[i, b]·row i, rows in order, where factors is (rows, sums).
pub(in crate::operators) struct Adjoint<'a, 'b, S, T> {
    pub(in crate::operators) p: usize,
    pub(in crate::operators) numbers: &'a [S],
    /// Rows that follow and are in no cache yet; the first of them are prefetched.
    pub(in crate::operators) next: &'a [S],
    pub(in crate::operators) factors: &'a [T],
    pub(in crate::operators) sums: &'a mut [&'b mut [T]],
}

impl<S: Stored<T>, T: Unit> Task<S, T> for Adjoint<'_, '_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(mut self, simd: A) {
        let units = T::chunks(self.sums[0]).0.len();
        let mut q = 0;
        while !A::FEW && q + COLUMNS <= units {
            // 6·4 units in 32 registers, 6·1 in 16 of half a unit.
            if A::WHOLE {
                self.columns::<A, 6, COLUMNS>(simd, q, units);
            } else if A::HALF {
                self.columns::<A, 6, 1>(simd, q, units);
            } else if A::ARRAYS {
                self.columns::<A, 3, 2>(simd, q, units);
            }
            q += COLUMNS;
        }
        for q in q..units {
            for b in 0..self.sums.len() {
                self.tile::<A, 1, 1, false>(simd, b, q, units);
            }
        }
        let Self { p, numbers, factors, sums, .. } = self;
        for (row, factors) in numbers.chunks_exact(p).zip(factors.chunks_exact(sums.len())) {
            let tail = S::chunks(row).1;
            for (sum, &factor) in sums.iter_mut().zip(factors) {
                add_tail::<S, T>(factor, tail, T::chunks_mut(sum).1);
            }
        }
    }
}

impl<S, T: Unit> Adjoint<'_, '_, S, T> {
    /// Processes units q to q + COLUMNS for all trials, in tiles of B trials and Q units.
    #[inline(always)]
    fn columns<A: Widen<S, T>, const B: usize, const Q: usize>(&mut self, simd: A, q: usize, units: usize)
    where
        S: Stored<T>,
    {
        let batch = self.sums.len();
        let mut b = 0;
        while b + B <= batch {
            for q in (q..q + COLUMNS).step_by(Q) {
                self.tile_of::<A, B, Q>(simd, b, q, units);
            }
            b += B;
        }
        while b + 2 <= batch {
            for q in (q..q + COLUMNS).step_by(2) {
                self.tile_of::<A, 2, 2>(simd, b, q, units);
            }
            b += 2;
        }
        if b < batch {
            self.tile_of::<A, 1, COLUMNS>(simd, b, q, units);
        }
    }

    /// The first tiles prefetch the columns after these, and these columns of half of the next rows.
    #[inline(always)]
    fn tile_of<A: Widen<S, T>, const B: usize, const Q: usize>(&mut self, simd: A, b: usize, q: usize, units: usize)
    where
        S: Stored<T>,
    {
        if b == 0 {
            self.tile::<A, B, Q, true>(simd, b, q, units);
        } else {
            self.tile::<A, B, Q, false>(simd, b, q, units);
        }
    }

    #[inline(always)]
    fn tile<A: Widen<S, T>, const B: usize, const Q: usize, const FETCH: bool>(
        &mut self,
        simd: A,
        first_trial: usize,
        q: usize,
        units: usize,
    ) where
        S: Stored<T>,
    {
        let batch = self.sums.len();
        let fetch = if FETCH && q + COLUMNS + Q <= units { q + COLUMNS } else { q };
        let mut tile = [[simd.splat(T::ZERO); Q]; B];
        for (b, tile) in tile.iter_mut().enumerate() {
            let g = T::chunks_mut(self.sums[first_trial + b]).0;
            for c in 0..Q {
                tile[c] = simd.load(&g[q + c]);
                if q + COLUMNS + c < units {
                    prefetch(&g[q + COLUMNS + c]);
                }
            }
        }
        // Every second row prefetches one of the next ones; the dot products prefetch the others.
        let mut next = self.next.chunks_exact(self.p);
        let mut odd = false;
        for (row, factors) in self.numbers.chunks_exact(self.p).zip(self.factors.chunks_exact(batch)) {
            let row = S::chunks(row).0;
            if FETCH {
                odd = !odd;
                if odd && let Some(row) = next.next() {
                    let row = S::chunks(row).0;
                    for c in 0..Q {
                        prefetch(&row[q + c]);
                    }
                }
                for c in 0..Q {
                    prefetch(&row[fetch + c]);
                }
            }
            let row = &row[q..q + Q];
            let factors = &factors[first_trial..first_trial + B];
            let mut a = [simd.splat(T::ZERO); Q];
            for c in 0..Q {
                a[c] = simd.widen(&row[c]);
            }
            for b in 0..B {
                let factor = simd.splat(factors[b]);
                for c in 0..Q {
                    tile[b][c] = simd.fma(a[c], factor, tile[b][c]);
                }
            }
        }
        for (b, tile) in tile.into_iter().enumerate() {
            let g = T::chunks_mut(self.sums[first_trial + b]).0;
            for c in 0..Q {
                g[q + c] = simd.store(tile[c]);
            }
        }
    }
}
