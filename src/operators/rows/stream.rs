//! One trial over the rows of a shard, at the speed of memory.
//!
//! A row is needed twice: its dot product with the point gives its residual, and only then can it be added to the
//! accumulator. Blocks of R rows share every read of the point and every read and write of the accumulator. There are
//! two traversals:
//!
//! * in [`Phases`]: the dot products of a block, streamed from memory, then its sum from cache. Meanwhile the first
//!   rows of the next block are prefetched, and other threads use the rest of the bandwidth;
//! * [`Overlapped`]: the dot products of a block and the sum of the previous one in the same loop, which keeps twice as
//!   many rows in cache. Prefetches run one page ahead.
//!
//! The faster one depends on the sizes of the caches and on one thread's share of the bandwidth. Σ wᵢ ρ′(eᵢ) Aᵢ is
//! added row by row in order, and every dot product in the order of [`crate::simd`]. The bits therefore depend neither
//! on the traversal nor on R nor on [`super::tile`], and the engine may choose by timing.

use std::ops::Range;

use crate::operators::rows::traversal::Traversal;
use crate::operators::{Loss, TrialPass};
use crate::simd::{Arithmetic, InstructionSet, Stored, Task, Unit, Widen, prefetch, sum_of};

/// Distance of prefetches in units of a row: a page of f32. Processors prefetch on their own, but not beyond a page.
const DISTANCE: usize = 64;

/// The rows of a shard, p numbers each, with the scales of half precision.
#[derive(Clone, Copy)]
pub(in crate::operators) struct ShardRows<'a, S> {
    pub(in crate::operators) p: usize,
    pub(in crate::operators) numbers: &'a [S],
    pub(in crate::operators) scales: Option<&'a [f32]>,
}

impl<'a, S> ShardRows<'a, S> {
    pub(in crate::operators) fn count(&self) -> usize {
        self.numbers.len() / self.p
    }

    #[inline(always)]
    fn row(&self, i: usize) -> &'a [S] {
        &self.numbers[i * self.p..(i + 1) * self.p]
    }

    /// Multiplier of sums over the stored numbers of row i.
    #[inline(always)]
    pub(in crate::operators) fn scale<T: Unit>(&self, i: usize) -> T {
        self.scales.map_or(T::from_f64(1.0), |scales| T::from_f64(f64::from(scales[i])))
    }
}

/// eᵢ from a row's dot product; returns the multiplier of the stored row in the accumulator.
#[inline(always)]
pub(in crate::operators) fn settle<T: Unit>(trial: &mut TrialPass<'_, T>, loss: Loss, i: usize, scale: T, dot: T) -> T {
    let e = dot * scale - trial.target[i];
    trial.residual[i] = e;
    trial.weights[i] * loss.derivative(e) * scale
}

/// [`settle`] for the R rows from `first` on. A closure would not be inlined.
#[inline(always)]
fn settle_block<S, T: Unit, const R: usize>(
    trial: &mut TrialPass<'_, T>,
    loss: Loss,
    rows: &ShardRows<'_, S>,
    first: usize,
    dots: [T; R],
    factors: &mut [T; R],
) {
    for (i, (factor, dot)) in factors.iter_mut().zip(dots).enumerate() {
        *factor = settle(trial, loss, first + i, rows.scale(first + i), dot);
    }
}

/// Units and remainders of R rows.
struct Block<'a, S: Stored<T>, T: Unit, const R: usize> {
    units: [&'a [S::Chunk]; R],
    tails: [&'a [S]; R],
}

impl<'a, S: Stored<T>, T: Unit, const R: usize> Block<'a, S, T, R> {
    #[inline(always)]
    fn new(rows: &ShardRows<'a, S>, first: usize) -> Self {
        let mut block = Self { units: [&[]; R], tails: [&[]; R] };
        for i in 0..R {
            (block.units[i], block.tails[i]) = S::chunks(rows.row(first + i));
        }
        block
    }

    #[inline(always)]
    fn dots<A: Widen<S, T>>(&self, simd: A, point: &[T]) -> [T; R] {
        let (z, z_tail) = T::chunks(point);
        let units = cut(self.units, 0..z.len());
        let mut sums = [simd.splat(T::ZERO); R];
        for q in 0..z.len() {
            let z = simd.load(&z[q]);
            for i in 0..R {
                sums[i] = simd.fma(simd.widen(&units[i][q]), z, sums[i]);
            }
        }
        self.totals(simd, sums, z_tail)
    }

    /// Adds the rows times their factors; prefetches rows of the next block, as many as in `ahead`.
    #[inline(always)]
    fn add<A: Widen<S, T>, const AHEAD: usize>(
        &self,
        simd: A,
        factors: &[T; R],
        accumulator: &mut [T],
        ahead: [&[S::Chunk]; AHEAD],
    ) {
        let (g, g_tail) = T::chunks_mut(accumulator);
        let (units, ahead) = (cut(self.units, 0..g.len()), cut(ahead, 0..g.len()));
        let factor = splat(simd, factors);
        let each = lines_apart::<S::Chunk>();
        for q in 0..g.len() {
            if q % each == 0 {
                ahead.iter().for_each(|units| prefetch(&units[q]));
            }
            let mut sum = simd.load(&g[q]);
            for i in 0..R {
                sum = simd.fma(simd.widen(&units[i][q]), factor[i], sum);
            }
            g[q] = simd.store(sum);
        }
        self.add_tails(factors, g_tail);
    }

    /// `add` of this block and `dots` of the next one in a single loop; `following` comes after that one.
    #[inline(always)]
    fn add_and_dots<A: Widen<S, T>>(
        &self,
        simd: A,
        factors: &[T; R],
        accumulator: &mut [T],
        [next, following]: [&Self; 2],
        point: &[T],
    ) -> [T; R] {
        let (z, z_tail) = T::chunks(point);
        let (g, g_tail) = T::chunks_mut(accumulator);
        let length = z.len();
        let end = length - length.min(DISTANCE);
        let mut both = Both {
            z,
            g: &mut g[..length],
            units: cut(self.units, 0..length),
            next: cut(next.units, 0..length),
            factor: splat(simd, factors),
            sums: [simd.splat(T::ZERO); R],
        };
        both.over(simd, 0..end, cut(next.units, length - end..length));
        both.over(simd, end..length, following.units);
        let sums = both.sums;
        self.add_tails(factors, g_tail);
        next.totals(simd, sums, z_tail)
    }

    /// The dot products from their units of partial sums.
    #[inline(always)]
    fn totals<A: Widen<S, T>>(&self, simd: A, sums: [A::V; R], z_tail: &[T]) -> [T; R] {
        let mut dots = [T::ZERO; R];
        for i in 0..R {
            dots[i] = total::<S, T>(simd.store(sums[i]), self.tails[i], z_tail);
        }
        dots
    }

    #[inline(always)]
    fn add_tails(&self, factors: &[T; R], g_tail: &mut [T]) {
        for (&factor, tail) in factors.iter().zip(self.tails) {
            add_tail::<S, T>(factor, tail, g_tail);
        }
    }
}

/// Operands of [`Block::add_and_dots`].
struct Both<'a, S: Stored<T>, T: Unit, V, const R: usize> {
    z: &'a [T::Chunk],
    g: &'a mut [T::Chunk],
    units: [&'a [S::Chunk]; R],
    next: [&'a [S::Chunk]; R],
    factor: [V; R],
    sums: [V; R],
}

impl<S: Stored<T>, T: Unit, V: Copy, const R: usize> Both<'_, S, T, V, R> {
    /// Processes the units of a span and prefetches those of `ahead`.
    #[inline(always)]
    fn over<A: Widen<S, T, V = V>>(&mut self, simd: A, span: Range<usize>, ahead: [&[S::Chunk]; R]) {
        let (first, each) = (span.start, lines_apart::<S::Chunk>());
        let ahead = cut(ahead, 0..span.len());
        for q in span {
            if q % each == 0 {
                ahead.iter().for_each(|units| prefetch(&units[q - first]));
            }
            let z = simd.load(&self.z[q]);
            let mut sum = simd.load(&self.g[q]);
            for i in 0..R {
                self.sums[i] = simd.fma(simd.widen(&self.next[i][q]), z, self.sums[i]);
                sum = simd.fma(simd.widen(&self.units[i][q]), self.factor[i], sum);
            }
            self.g[q] = simd.store(sum);
        }
    }
}

/// Part of the units of every row. A loop is less code to compile than a map, for each R and kind of number.
#[inline(always)]
fn cut<C, const R: usize>(mut rows: [&[C]; R], part: Range<usize>) -> [&[C]; R] {
    for row in &mut rows {
        *row = &row[part.clone()];
    }
    rows
}

/// Each factor in all places of a unit.
#[inline(always)]
fn splat<A: Arithmetic<T>, T: Unit, const R: usize>(simd: A, factors: &[T; R]) -> [A::V; R] {
    let mut units = [simd.splat(T::ZERO); R];
    for (unit, factor) in units.iter_mut().zip(factors) {
        *unit = simd.splat(*factor);
    }
    units
}

/// Units per cache line: those of half precision are half a line.
const fn lines_apart<C>() -> usize {
    if size_of::<C>() < 64 { 64 / size_of::<C>() } else { 1 }
}

/// The dot product from its unit of partial sums and the numbers after the last whole unit.
#[inline(always)]
pub(in crate::operators) fn total<S: Stored<T>, T: Unit>(sums: T::Chunk, tail: &[S], z_tail: &[T]) -> T {
    let rest: T = tail.iter().zip(z_tail).map(|(&a, &z)| a.number() * z).sum();
    sum_of::<T>(sums) + rest
}

#[inline(always)]
pub(super) fn add_tail<S: Stored<T>, T: Unit>(factor: T, tail: &[S], g_tail: &mut [T]) {
    for (g, &a) in g_tail.iter_mut().zip(tail) {
        *g += a.number() * factor;
    }
}

/// The whole shard for one trial.
pub(in crate::operators) fn stream<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    traversal: Traversal,
    rows: ShardRows<'_, S>,
    loss: Loss,
    trial: &mut TrialPass<'_, T>,
) {
    let shard = Shard { rows, loss, trial };
    match traversal {
        Traversal::Phases(8..) => S::run(set, Phases::<S, T, 8, 4>(shard)),
        Traversal::Phases(_) | Traversal::Together(_) => S::run(set, Phases::<S, T, 4, 1>(shard)),
        Traversal::Overlapped(4..) => S::run(set, Overlapped::<S, T, 4>(shard)),
        Traversal::Overlapped(3) => S::run(set, Overlapped::<S, T, 3>(shard)),
        Traversal::Overlapped(_) => S::run(set, Overlapped::<S, T, 2>(shard)),
    }
}

struct Shard<'a, 'b, S, T> {
    rows: ShardRows<'a, S>,
    loss: Loss,
    trial: &'a mut TrialPass<'b, T>,
}

impl<S: Stored<T>, T: Unit> Shard<'_, '_, S, T> {
    /// Processes the rows from `first` on one by one.
    #[inline(always)]
    fn remainder<A: Widen<S, T>>(self, simd: A, first: usize) {
        let Self { rows, loss, trial } = self;
        for i in first..rows.count() {
            let row = Block::<S, T, 1>::new(&rows, i);
            let [dot] = row.dots(simd, trial.point);
            let factor = settle(trial, loss, i, rows.scale(i), dot);
            row.add(simd, &[factor], trial.accumulator, []);
        }
    }
}

/// eᵢ of all trials without sums, in blocks of four rows that stay in the first-level cache for all trials. The dot
/// products have the order, and the bits, of every other traversal.
pub(in crate::operators) fn measure_over<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    rows: ShardRows<'_, S>,
    trials: &mut [TrialPass<'_, T>],
) {
    S::run(set, Dots { rows, trials });
}

struct Dots<'a, 'b, 'c, S, T> {
    rows: ShardRows<'a, S>,
    trials: &'c mut [TrialPass<'b, T>],
}

impl<S: Stored<T>, T: Unit> Dots<'_, '_, '_, S, T> {
    #[inline(always)]
    fn block<A: Widen<S, T>, const R: usize>(&mut self, simd: A, first: usize) {
        let block = Block::<S, T, R>::new(&self.rows, first);
        for trial in self.trials.iter_mut() {
            for (i, dot) in block.dots(simd, trial.point).into_iter().enumerate() {
                trial.residual[first + i] = dot * self.rows.scale(first + i) - trial.target[first + i];
            }
        }
    }
}

impl<S: Stored<T>, T: Unit> Task<S, T> for Dots<'_, '_, '_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(mut self, simd: A) {
        let whole = self.rows.count() / 4 * 4;
        (0..whole).step_by(4).for_each(|first| self.block::<A, 4>(simd, first));
        (whole..self.rows.count()).for_each(|first| self.block::<A, 1>(simd, first));
    }
}

/// Blocks of R rows, with a prefetch of the first AHEAD of the next block.
struct Phases<'a, 'b, S, T, const R: usize, const AHEAD: usize>(Shard<'a, 'b, S, T>);

impl<S: Stored<T>, T: Unit, const R: usize, const AHEAD: usize> Task<S, T> for Phases<'_, '_, S, T, R, AHEAD> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(self, simd: A) {
        let Self(mut shard) = self;
        // One kind of block suffices without wide registers.
        if A::FEW && R != 4 {
            return shard.remainder(simd, 0);
        }
        let Shard { rows, loss, trial } = &mut shard;
        let whole = rows.count() / R * R;
        for first in (0..whole).step_by(R) {
            let block = Block::<S, T, R>::new(rows, first);
            let dots = block.dots(simd, trial.point);
            let mut factors = [T::ZERO; R];
            settle_block(trial, *loss, rows, first, dots, &mut factors);
            if first + R + AHEAD <= rows.count() {
                let next = Block::<S, T, AHEAD>::new(rows, first + R);
                block.add(simd, &factors, trial.accumulator, next.units);
            } else {
                block.add(simd, &factors, trial.accumulator, []);
            }
        }
        shard.remainder(simd, whole);
    }
}

/// Blocks of R rows, each together with the previous one.
struct Overlapped<'a, 'b, S, T, const R: usize>(Shard<'a, 'b, S, T>);

impl<S: Stored<T>, T: Unit, const R: usize> Task<S, T> for Overlapped<'_, '_, S, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(self, simd: A) {
        let Self(mut shard) = self;
        if A::FEW {
            return shard.remainder(simd, 0);
        }
        let Shard { rows, loss, trial } = &mut shard;
        let whole = rows.count() / R;
        if whole > 0 {
            let mut block = Block::<S, T, R>::new(rows, 0);
            let dots = block.dots(simd, trial.point);
            let mut factors = [T::ZERO; R];
            settle_block(trial, *loss, rows, 0, dots, &mut factors);
            for first in (R..whole * R).step_by(R) {
                let next = Block::<S, T, R>::new(rows, first);
                let following = Block::new(rows, if first + R < whole * R { first + R } else { first });
                let dots = block.add_and_dots(simd, &factors, trial.accumulator, [&next, &following], trial.point);
                settle_block(trial, *loss, rows, first, dots, &mut factors);
                block = next;
            }
            block.add(simd, &factors, trial.accumulator, []);
        }
        shard.remainder(simd, whole * R);
    }
}
