//! One trial over the rows of a shard, at the speed of memory.
//!
//! A row is needed twice: its dot product with the point gives its residual, and only then can it be added to the
//! accumulator. Rows go in blocks of R. While the dot products of a block are taken, streaming it from memory, the block
//! before it is added up from cache, in the same loop: memory never waits for the second use, and R rows share every
//! read and write of the accumulator.
//!
//! Σ wᵢ ρ′(eᵢ) Aᵢ is added row by row in the order of the rows and every dot product in the order of [`crate::simd`],
//! so the bits depend neither on R nor on whether [`super::tile`] did the work.

use crate::operators::{Loss, TrialPass};
use crate::simd::{Stored, Task, Unit, Widen, sum_of};

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

    /// By what sums over the stored numbers of row i are multiplied.
    #[inline(always)]
    pub(in crate::operators) fn scale<T: Unit>(&self, i: usize) -> T {
        self.scales.map_or(T::from_f64(1.0), |scales| T::from_f64(f64::from(scales[i])))
    }
}

/// eᵢ from a row's dot product; returns what the stored row is multiplied by in the accumulator.
#[inline(always)]
pub(in crate::operators) fn settle<T: Unit>(trial: &mut TrialPass<'_, T>, loss: Loss, i: usize, scale: T, dot: T) -> T {
    let e = dot * scale - trial.target[i];
    trial.residual[i] = e;
    trial.weights[i] * loss.derivative(e) * scale
}

/// [`settle`] for the R rows from `first` on. Not a closure: one cannot be told to be inlined, and is not.
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

/// Units and what is left over of R rows.
#[derive(Clone, Copy)]
struct Block<'a, S: Stored<T>, T: Unit, const R: usize> {
    units: [&'a [S::Chunk]; R],
    tails: [&'a [S]; R],
}

impl<'a, S: Stored<T>, T: Unit, const R: usize> Block<'a, S, T, R> {
    #[inline(always)]
    fn new(rows: &ShardRows<'a, S>, first: usize) -> Self {
        let split: [(&[S::Chunk], &[S]); R] = std::array::from_fn(|i| S::chunks(rows.row(first + i)));
        Self { units: split.map(|s| s.0), tails: split.map(|s| s.1) }
    }

    #[inline(always)]
    fn dots<A: Widen<S, T>>(&self, simd: A, point: &[T]) -> [T; R] {
        let (z, z_tail) = T::chunks(point);
        let units = self.units.map(|units| &units[..z.len()]);
        let mut sums = [simd.splat(T::ZERO); R];
        for q in 0..z.len() {
            let z = simd.load(&z[q]);
            for i in 0..R {
                sums[i] = simd.fma(simd.widen(&units[i][q]), z, sums[i]);
            }
        }
        std::array::from_fn(|i| total::<S, T>(simd.store(sums[i]), self.tails[i], z_tail))
    }

    #[inline(always)]
    fn add<A: Widen<S, T>>(&self, simd: A, factors: &[T; R], accumulator: &mut [T]) {
        let (g, g_tail) = T::chunks_mut(accumulator);
        let units = self.units.map(|units| &units[..g.len()]);
        let factor = factors.map(|factor| simd.splat(factor));
        for q in 0..g.len() {
            let mut sum = simd.load(&g[q]);
            for i in 0..R {
                sum = simd.fma(simd.widen(&units[i][q]), factor[i], sum);
            }
            g[q] = simd.store(sum);
        }
        self.add_tails(factors, g_tail);
    }

    /// `add` of this block and `dots` of the next one in a single loop.
    #[inline(always)]
    fn add_and_dots<A: Widen<S, T>>(
        &self,
        simd: A,
        factors: &[T; R],
        accumulator: &mut [T],
        next: &Self,
        point: &[T],
    ) -> [T; R] {
        let (z, z_tail) = T::chunks(point);
        let (g, g_tail) = T::chunks_mut(accumulator);
        let g = &mut g[..z.len()];
        let (units, next_units) = (self.units.map(|u| &u[..z.len()]), next.units.map(|u| &u[..z.len()]));
        let factor = factors.map(|factor| simd.splat(factor));
        let mut sums = [simd.splat(T::ZERO); R];
        for q in 0..z.len() {
            let z = simd.load(&z[q]);
            let mut sum = simd.load(&g[q]);
            for i in 0..R {
                sums[i] = simd.fma(simd.widen(&next_units[i][q]), z, sums[i]);
                sum = simd.fma(simd.widen(&units[i][q]), factor[i], sum);
            }
            g[q] = simd.store(sum);
        }
        self.add_tails(factors, g_tail);
        std::array::from_fn(|i| total::<S, T>(simd.store(sums[i]), next.tails[i], z_tail))
    }

    #[inline(always)]
    fn add_tails(&self, factors: &[T; R], g_tail: &mut [T]) {
        for (&factor, tail) in factors.iter().zip(self.tails) {
            add_tail::<S, T>(factor, tail, g_tail);
        }
    }
}

/// The dot product from its unit of partial sums and the numbers behind the last whole unit.
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

/// The whole shard for one trial, R rows at a time and the remainder one by one.
pub(in crate::operators) struct Stream<'a, 'b, S, T, const R: usize> {
    pub(in crate::operators) rows: ShardRows<'a, S>,
    pub(in crate::operators) loss: Loss,
    pub(in crate::operators) trial: &'a mut TrialPass<'b, T>,
}

impl<S: Stored<T>, T: Unit, const R: usize> Task<S, T> for Stream<'_, '_, S, T, R> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(self, simd: A) {
        let Self { rows, loss, trial } = self;
        let whole = rows.count() / R;
        if whole > 0 {
            let mut block = Block::<S, T, R>::new(&rows, 0);
            let dots = block.dots(simd, trial.point);
            let mut factors = [T::ZERO; R];
            settle_block(trial, loss, &rows, 0, dots, &mut factors);
            for first in (R..whole * R).step_by(R) {
                let next = Block::<S, T, R>::new(&rows, first);
                let dots = block.add_and_dots(simd, &factors, trial.accumulator, &next, trial.point);
                settle_block(trial, loss, &rows, first, dots, &mut factors);
                block = next;
            }
            block.add(simd, &factors, trial.accumulator);
        }
        for i in whole * R..rows.count() {
            let row = Block::<S, T, 1>::new(&rows, i);
            let [dot] = row.dots(simd, trial.point);
            let factor = settle(trial, loss, i, rows.scale(i), dot);
            row.add(simd, &[factor], trial.accumulator);
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::operators::Pair;
    use crate::operators::rows::tile;
    use crate::simd::InstructionSet;

    /// Residuals and accumulators of `batch` trials, with all of them together or one by one in blocks of R.
    fn results<S: Stored<f32>, const R: usize>(
        set: InstructionSet,
        rows: ShardRows<'_, S>,
        points: &[Vec<f32>],
        together: bool,
    ) -> Vec<f32> {
        let (m, target, weights) = (rows.count(), vec![0.25_f32; rows.count()], vec![0.5_f32; rows.count()]);
        let mut residuals = vec![vec![0.0; m]; points.len()];
        let mut accumulators = vec![vec![0.0; rows.p]; points.len()];
        let mut trials: Vec<TrialPass<'_, f32>> = (points.iter().zip(&mut residuals).zip(&mut accumulators))
            .map(|((point, residual), accumulator)| TrialPass {
                point,
                applied: Pair { left: &[], right: &[], search_rank: 0 },
                target: &target,
                weights: &weights,
                residual,
                accumulator,
            })
            .collect();
        if together {
            tile(set, rows, Loss::Square, &mut trials);
        } else {
            for trial in &mut trials {
                S::run(set, Stream::<S, f32, R> { rows, loss: Loss::Square, trial });
            }
        }
        residuals.into_iter().chain(accumulators).flatten().collect()
    }

    #[test]
    fn bits_depend_on_neither_blocks_nor_company() {
        // Tails, remainders of rows and of trials, several groups of a tile.
        for (p, m, batch) in [(1, 3, 2), (16, 4, 7), (53, 9, 9), (403, 61, 13)] {
            let numbers: Vec<f32> = (0..p * m).map(|i| (i as f32 * 0.37).sin()).collect();
            let halves: Vec<f16> = numbers.iter().map(|&v| f16::from_f32(v)).collect();
            let scales = vec![0.25_f32; m];
            let points: Vec<Vec<f32>> =
                (0..batch).map(|b| (0..p).map(|q| ((q * 7 + b) as f32 * 0.11).cos()).collect()).collect();
            for set in InstructionSet::available() {
                let rows = ShardRows { p, numbers: &numbers[..], scales: None };
                let expected = results::<f32, 1>(set, rows, &points, false);
                assert_eq!(expected, results::<f32, 2>(set, rows, &points, false), "{} {p} {m}", set.word());
                assert_eq!(expected, results::<f32, 3>(set, rows, &points, false), "{} {p} {m}", set.word());
                assert_eq!(expected, results::<f32, 4>(set, rows, &points, false), "{} {p} {m}", set.word());
                assert_eq!(expected, results::<f32, 4>(set, rows, &points, true), "{} {p} {m}", set.word());
                let rows = ShardRows { p, numbers: &halves[..], scales: Some(&scales) };
                let expected = results::<f16, 1>(set, rows, &points, false);
                assert_eq!(expected, results::<f16, 8>(set, rows, &points, false), "{} {p} {m}", set.word());
                assert_eq!(expected, results::<f16, 8>(set, rows, &points, true), "{} {p} {m}", set.word());
            }
        }
    }
}
