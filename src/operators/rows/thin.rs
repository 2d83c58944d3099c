//! Thin rows Bᵢ = AᵢQ of packed symmetric rows, and sums over thin rows that are kept.
//!
//! The entries of row r of the upper triangle are needed twice: Bᵣ += Σ a_rc·Q_c, and B_c += a_rc·Q_r for c > r. Both are
//! done in one loop over the entries, 4q operations for each. A row is first copied with every line of its triangle padded
//! to whole units, so that no loop has a remainder.

use crate::operators::rows::stream::ShardRows;
use crate::operators::rows::{Traversal, pass_over};
use crate::operators::{Loss, Pair, TrialPass};
use crate::simd::{InstructionSet, Stored, Task, Unit, Widen};

/// Columns of Q that share a load of the entries.
const COLUMNS: usize = 4;

/// Writes AᵢQ for the rows of a shard, n·q numbers each, column by column. `basis` is Q, column by column; `weight` is the
/// ω of [`super::Packing`].
pub(in crate::operators) fn thin_rows<S: Stored<T>, T: Unit + Stored<T>>(
    set: InstructionSet,
    n: usize,
    rows: ShardRows<'_, S>,
    weight: T,
    basis: &[T],
    out: &mut [T],
) {
    let q = basis.len() / n;
    let unit = size_of::<<T as Unit>::Chunk>() / size_of::<T>();
    // Lines of Q and of B from any place on have room for a unit behind their end.
    let stride = n.next_multiple_of(unit) + unit;
    let mut scratch = Scratch {
        n,
        stride,
        triangle: vec![T::ZERO; n * (n.next_multiple_of(unit))],
        basis: vec![T::ZERO; q * stride],
        sums: vec![T::ZERO; q * stride],
    };
    for (to, from) in scratch.basis.chunks_mut(stride).zip(basis.chunks(n)) {
        to[..n].copy_from_slice(from);
    }
    for (i, out) in out.chunks_mut((n * q).max(1)).enumerate() {
        let scale = rows.scale::<T>(i);
        scratch.fill(&rows.numbers[i * rows.p..(i + 1) * rows.p], scale, weight * scale, unit);
        <T as Stored<T>>::run(set, Multiply { scratch: &mut scratch, unit });
        for (out, sums) in out.chunks_mut(n).zip(scratch.sums.chunks(stride)) {
            out.copy_from_slice(&sums[..n]);
        }
    }
}

struct Scratch<T> {
    n: usize,
    /// Numbers between columns of the basis and of the sums.
    stride: usize,
    /// Lines of the triangle, each from its diagonal on, padded to whole units; one after the other.
    triangle: Vec<T>,
    basis: Vec<T>,
    sums: Vec<T>,
}

impl<T: Unit> Scratch<T> {
    fn fill<S: Stored<T>>(&mut self, row: &[S], diagonal: T, off_diagonal: T, unit: usize) {
        let (mut from, mut at) = (0, 0);
        for r in 0..self.n {
            let length = self.n - r;
            let line = &mut self.triangle[at..at + length.next_multiple_of(unit)];
            let (entries, padding) = line.split_at_mut(length);
            for (to, from) in entries.iter_mut().zip(&row[from..from + length]) {
                *to = off_diagonal * from.number();
            }
            entries[0] = diagonal * row[from].number();
            padding.fill(T::ZERO);
            from += length;
            at += line.len();
        }
        self.sums.fill(T::ZERO);
    }
}

struct Multiply<'a, T> {
    scratch: &'a mut Scratch<T>,
    unit: usize,
}

impl<T: Unit + Stored<T>> Multiply<'_, T> {
    /// Line r of the triangle for J columns from `first` on.
    #[inline(always)]
    fn line<A: Widen<T, T>, const J: usize>(&mut self, simd: A, (r, at): (usize, usize), first: usize) {
        let Scratch { n, stride, triangle, basis, sums } = &mut *self.scratch;
        let (n, stride) = (*n, *stride);
        let length = (n - r).next_multiple_of(self.unit);
        let (entries, _) = <T as Unit>::chunks(&triangle[at..at + length]);
        let diagonal = triangle[at];
        let q: [&[<T as Unit>::Chunk]; J] = std::array::from_fn(|j| {
            let from = (first + j) * stride + r;
            <T as Unit>::chunks(&basis[from..from + length]).0
        });
        let q = q.map(|q| &q[..entries.len()]);
        let mut rest = &mut sums[first * stride..(first + J) * stride];
        let lines: [&mut [<T as Unit>::Chunk]; J] = std::array::from_fn(|_| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(stride);
            rest = others;
            <T as Unit>::chunks_mut(&mut own[r..r + length]).0
        });
        let factors: [A::V; J] = std::array::from_fn(|j| simd.splat(basis[(first + j) * stride + r]));
        let mut dots = [simd.splat(T::ZERO); J];
        for (at, entry) in entries.iter().enumerate() {
            let a = simd.load(entry);
            for j in 0..J {
                dots[j] = simd.fma(a, simd.load(&q[j][at]), dots[j]);
                let sum = simd.fma(a, factors[j], simd.load(&lines[j][at]));
                lines[j][at] = simd.store(sum);
            }
        }
        for (j, dot) in dots.into_iter().enumerate() {
            let from = (first + j) * stride + r;
            // The diagonal entry is part of both sums.
            sums[from] = sums[from] + simd.sum(dot) - diagonal * basis[from];
        }
    }
}

impl<T: Unit + Stored<T>> Task<T, T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<T, T>>(mut self, simd: A) {
        let n = self.scratch.n;
        let q = self.scratch.basis.len() / self.scratch.stride;
        let mut at = 0;
        for r in 0..n {
            let whole = q / COLUMNS * COLUMNS;
            (0..whole).step_by(COLUMNS).for_each(|first| self.line::<A, COLUMNS>(simd, (r, at), first));
            (whole..q).for_each(|first| self.line::<A, 1>(simd, (r, at), first));
            at += (n - r).next_multiple_of(self.unit);
        }
    }
}

/// Thin rows of a shard that are kept, one after the other.
pub(crate) struct ThinShard<'a, T> {
    pub(crate) rows: &'a [T],
    pub(crate) weights: &'a [T],
    /// P, as long as a row.
    pub(crate) point: &'a [T],
    /// Output, zero before.
    pub(crate) accumulator: &'a mut [T],
}

impl<T: Unit + Stored<T>> ThinShard<'_, T> {
    /// Adds Σ wᵢ⟨Bᵢ, P⟩Bᵢ.
    pub(crate) fn run(self, set: InstructionSet) {
        let Self { rows, weights, point, accumulator } = self;
        let (zeros, mut residual) = (vec![T::ZERO; weights.len()], vec![T::ZERO; weights.len()]);
        let rows = ShardRows { p: point.len(), numbers: rows, scales: None };
        let applied = Pair { left: &[], right: &[], search_rank: 0 };
        let trial = TrialPass { point, applied, target: &zeros, weights, residual: &mut residual, accumulator };
        pass_over(set, Traversal::Phases(4), rows, Loss::Square, &mut [trial]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|i| ((i as f64 + seed) * 0.731).sin()).collect()
    }

    #[test]
    fn thin_rows_are_the_rows_times_the_basis() {
        for (n, q, weight) in [(1, 1, 1.0), (7, 2, 1.0), (16, 4, 0.5), (17, 5, 1.0), (40, 9, 0.7)] {
            let (p, m) = (n * (n + 1) / 2, 3);
            let (numbers, basis) = (wave(m * p, 0.3), wave(n * q, 5.0));
            let rows = ShardRows { p, numbers: &numbers[..], scales: None };
            let scales = [0.5_f32, 2.0, 4.0];
            let halves: Vec<half::f16> = numbers.iter().map(|v| half::f16::from_f64(*v)).collect();
            for set in InstructionSet::available() {
                let mut out = vec![f64::NAN; m * n * q];
                thin_rows(set, n, rows, weight, &basis, &mut out);
                let mut scaled = vec![f32::NAN; m * n * q];
                let single: Vec<f32> = basis.iter().map(|v| *v as f32).collect();
                let half = ShardRows { p, numbers: &halves[..], scales: Some(&scales) };
                thin_rows(set, n, half, weight as f32, &single, &mut scaled);
                for i in 0..m {
                    for j in 0..q {
                        for r in 0..n {
                            let entry = |c: usize| {
                                let (a, b) = (r.min(c), r.max(c));
                                i * p + crate::problem::packed_index(n, a, b)
                            };
                            let omega = |c: usize| if c == r { 1.0 } else { weight };
                            let expected: f64 =
                                (0..n).map(|c| omega(c) * numbers[entry(c)] * basis[j * n + c]).sum();
                            let found = out[i * n * q + j * n + r];
                            assert!((found - expected).abs() < 1e-12 * n as f64, "{n} {q} {found} {expected}");
                            let of_half: f64 = (0..n)
                                .map(|c| omega(c) * halves[entry(c)].to_f64() * basis[j * n + c])
                                .sum::<f64>()
                                * f64::from(scales[i]);
                            let found = f64::from(scaled[i * n * q + j * n + r]);
                            assert!((found - of_half).abs() < 2e-5 * n as f64, "{n} {q} {found} {of_half}");
                        }
                    }
                }
            }
        }
    }
}
