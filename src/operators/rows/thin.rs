//! Thin rows of stored rows, and sums over thin rows that are kept.
//!
//! The entries of line r of Aᵢ are needed twice: (AᵢR)ᵣ = Σ a_rc·R_c, and AᵢᵀQ += a_rc·Q_r at every c. For the upper
//! triangle of a symmetric Aᵢ both add to AᵢR, the diagonal once. Both are done in one loop over the entries, 4q
//! operations for each. A row is first copied with every line padded to whole units on both sides, so that no loop has a
//! remainder, and so that lines add to the same units of the sums: a load that straddles two stores would wait for both.
//! A tile of lines and columns of the bases shares the loads of the entries, the bases and the sums.

use crate::operators::rows::stream::ShardRows;
use crate::operators::rows::{Packing, Traversal, pass_over};
use crate::operators::{Loss, Pair, TrialPass};
use crate::real::Real;
use crate::simd::{InstructionSet, Stored, Task, Unit, Widen, prefetch};

/// Bytes of the rows that a pass and their thin rows share in a cache.
const SHARED: usize = 1 << 19;
/// Rows that the traversals of a pass take at once.
const BLOCK: usize = 4;

/// Writes AᵢR above AᵢᵀQ for the rows of a shard, and AᵢR alone where they are symmetric, each row column by column.
/// `bases` are Q and R, column by column.
pub(in crate::operators) fn thin_rows<S: Stored<T>, T: Unit + Stored<T>>(
    set: InstructionSet,
    packing: Packing,
    rows: ShardRows<'_, S>,
    bases: (&[T], &[T]),
    out: &mut [T],
) {
    Work::new(packing, bases).thin(set, rows, &[], out);
}

/// The rows of a shard for one trial, and their thin rows from the cache.
pub(in crate::operators) fn pass_and_thin<S: Stored<T>, T: Unit + Stored<T>>(
    schedule: (InstructionSet, Traversal),
    packing: Packing,
    rows: ShardRows<'_, S>,
    trial: TrialPass<'_, T>,
    bases: (&[T], &[T]),
    out: &mut [T],
) {
    let TrialPass { point, applied, target, weights, residual, accumulator } = trial;
    let mut work = Work::new(packing, bases);
    let (p, length) = (rows.p, out.len() / rows.count().max(1));
    let together = if BLOCK * p * size_of::<S>() <= SHARED { BLOCK } else { 1 };
    for first in (0..rows.count()).step_by(together) {
        let of = first..rows.count().min(first + together);
        let numbers = &rows.numbers[of.start * p..of.end * p];
        let block = ShardRows { p, numbers, scales: rows.scales.map(|scales| &scales[of.clone()]) };
        let residual = &mut residual[of.clone()];
        let (target, weights) = (&target[of.clone()], &weights[of.clone()]);
        let trial = TrialPass { point, applied, target, weights, residual, accumulator: &mut *accumulator };
        pass_over(schedule.0, schedule.1, block, Loss::Square, &mut [trial]);
        work.thin(schedule.0, block, &rows.numbers[of.end * p..], &mut out[of.start * length..of.end * length]);
    }
}

struct Work<T> {
    packing: Packing,
    shape: (usize, usize),
    /// Whether lines begin at the diagonal.
    symmetric: bool,
    /// Numbers of a unit.
    unit: usize,
    /// Numbers between columns of the bases and of the sums.
    strides: [usize; 2],
    /// Lines of Aᵢ, padded to whole units; one after the other.
    entries: Vec<T>,
    /// Q and R.
    bases: [Vec<T>; 2],
    /// AᵢR and AᵢᵀQ.
    sums: [Vec<T>; 2],
}

impl<T: Unit + Stored<T>> Work<T> {
    fn new(packing: Packing, (left, right): (&[T], &[T])) -> Self {
        let domain = packing.domain;
        let (n1, n2) = (domain.rows(), domain.columns());
        let (q, unit) = (left.len() / n1, size_of::<<T as Unit>::Chunk>() / size_of::<T>());
        let strides = [n1, n2].map(|n| n.next_multiple_of(unit));
        let padded = |basis: &[T], n: usize, stride: usize| {
            let mut out = vec![T::ZERO; q * stride];
            out.chunks_mut(stride).zip(basis.chunks(n)).for_each(|(to, from)| to[..n].copy_from_slice(from));
            out
        };
        Self {
            packing,
            shape: (n1, n2),
            symmetric: domain.is_symmetric(),
            unit,
            strides,
            entries: vec![T::ZERO; n1 * n2.next_multiple_of(unit)],
            bases: [padded(left, n1, strides[0]), padded(right, n2, strides[1])],
            sums: strides.map(|stride| vec![T::ZERO; q * stride]),
        }
    }

    /// Thin rows of some rows. The rows that are read next are prefetched, one for each of these.
    fn thin<S: Stored<T>>(&mut self, set: InstructionSet, rows: ShardRows<'_, S>, next: &[S], out: &mut [T]) {
        let (n1, n2) = self.shape;
        let length = if self.symmetric { n1 } else { n1 + n2 };
        let q = self.bases[0].len() / self.strides[0];
        let mut next = next.chunks(rows.p);
        for (i, out) in out.chunks_mut((length * q).max(1)).enumerate() {
            let (row, scale) = (&rows.numbers[i * rows.p..(i + 1) * rows.p], rows.scale::<T>(i));
            S::run(set, Multiply { work: self, row, scale, next: next.next().unwrap_or_default(), out });
        }
    }
}

impl<T: Real> Work<T> {
    /// First column of the units of line r.
    #[inline(always)]
    fn first(&self, r: usize) -> usize {
        if self.symmetric { r / self.unit * self.unit } else { 0 }
    }
}

/// Writes weight·v for the numbers of a line. Its end is a unit that may overlap others.
#[inline(always)]
fn scaled<S: Stored<T>, T: Unit + Stored<T>, A: Widen<S, T>>(simd: A, line: &[S], weight: T, out: &mut [T]) {
    let unit = size_of::<<T as Unit>::Chunk>() / size_of::<T>();
    if let Some(last) = line.len().checked_sub(unit) {
        scaled_units(simd, line, weight, out);
        scaled_units(simd, &line[last..], weight, &mut out[last..]);
    } else {
        for (to, from) in out.iter_mut().zip(line) {
            *to = weight * from.number();
        }
    }
}

#[inline(always)]
fn scaled_units<S: Stored<T>, T: Unit + Stored<T>, A: Widen<S, T>>(simd: A, line: &[S], weight: T, out: &mut [T]) {
    let (factor, zero) = (simd.splat(weight), simd.splat(T::ZERO));
    for (unit, given) in <T as Unit>::chunks_mut(out).0.iter_mut().zip(S::chunks(line).0) {
        *unit = simd.store(simd.fma(factor, simd.widen(given), zero));
    }
}

/// The thin row of a row and its scale, while another row is prefetched.
struct Multiply<'a, S, T> {
    work: &'a mut Work<T>,
    row: &'a [S],
    scale: T,
    next: &'a [S],
    out: &'a mut [T],
}

impl<S: Stored<T>, T: Unit + Stored<T>> Multiply<'_, S, T> {
    /// Copies the row with lines of whole units.
    #[inline(always)]
    fn fill<A: Widen<S, T>>(&mut self, simd: A) {
        let (diagonal, work) = (self.scale, &mut *self.work);
        let weight = if work.symmetric { T::from_f64(work.packing.off_diagonal) * diagonal } else { diagonal };
        let (mut from, mut at) = (0, 0);
        for r in 0..work.shape.0 {
            let before = if work.symmetric { r } else { 0 };
            let (first, length) = (work.first(r), work.shape.1 - before);
            let line = &mut work.entries[at..at + work.strides[1] - first];
            let units = <T as Unit>::chunks_mut(line).0;
            for end in [0, units.len() - 1] {
                units[end] = T::ZEROS;
            }
            let numbers = &self.row[from..from + length];
            let entries = &mut line[before - first..][..length];
            scaled(simd, numbers, weight, entries);
            if work.symmetric {
                entries[0] = diagonal * numbers[0].number();
            }
            from += length;
            at += work.strides[1] - first;
        }
        for sums in &mut work.sums {
            sums.fill(T::ZERO);
        }
    }

    /// AᵢR above AᵢᵀQ, or their sum.
    #[inline(always)]
    fn finish(self) {
        let Work { shape: (n1, n2), symmetric, strides: [tall, wide], sums: [above, below], .. } = self.work;
        let length = if *symmetric { *n1 } else { *n1 + *n2 };
        for (j, out) in self.out.chunks_mut(length).enumerate() {
            let (above, below) = (&above[j * *tall..][..*n1], &below[j * *wide..][..*n2]);
            let (upper, lower) = out.split_at_mut(*n1);
            if *symmetric {
                for (out, (above, below)) in upper.iter_mut().zip(above.iter().zip(below)) {
                    *out = *above + *below;
                }
            } else {
                upper.copy_from_slice(above);
                lower.copy_from_slice(below);
            }
        }
    }

    /// R lines from r on, which begin at the same unit, for J columns of the bases from `column` on; `at` is the place of
    /// the first line in the entries. Returns J.
    #[inline(always)]
    fn tile<A: Widen<S, T>, const R: usize, const J: usize>(
        &mut self,
        simd: A,
        (r, at): (usize, usize),
        column: usize,
    ) -> usize {
        let from = self.work.first(r);
        let Work { symmetric, strides: [tall, wide], entries, bases, sums, .. } = &mut *self.work;
        let (tall, wide) = (*tall, *wide);
        let length = wide - from;
        // Loops fill these arrays: closures of array functions are more code to compile.
        let (mut diagonals, mut lines): ([T; R], [&[<T as Unit>::Chunk]; R]) = ([T::ZERO; R], [&[]; R]);
        for i in 0..R {
            if *symmetric {
                diagonals[i] = entries[at + i * length + r + i - from];
            }
            lines[i] = <T as Unit>::chunks(&entries[at + i * length..][..length]).0;
        }
        let units = lines[0].len();
        let [above, below] = sums;
        let mut right: [&[<T as Unit>::Chunk]; J] = [&[]; J];
        for (j, right) in right.iter_mut().enumerate() {
            *right = &<T as Unit>::chunks(&bases[1][(column + j) * wide + from..][..length]).0[..units];
        }
        let mut rest = &mut below[column * wide..(column + J) * wide];
        let sums: [&mut [<T as Unit>::Chunk]; J] = std::array::from_fn(|_| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(wide);
            rest = others;
            &mut <T as Unit>::chunks_mut(&mut own[from..]).0[..units]
        });
        for line in &mut lines {
            *line = &line[..units];
        }
        let mut factors = [[simd.splat(T::ZERO); J]; R];
        let mut dots = [[simd.splat(T::ZERO); R]; J];
        for i in 0..R {
            for j in 0..J {
                factors[i][j] = simd.splat(bases[0][(column + j) * tall + r + i]);
            }
        }
        for at in 0..lines[0].len() {
            let mut a = [simd.splat(T::ZERO); R];
            for i in 0..R {
                a[i] = simd.load(&lines[i][at]);
            }
            for j in 0..J {
                let (b, mut sum) = (simd.load(&right[j][at]), simd.load(&sums[j][at]));
                for i in 0..R {
                    dots[j][i] = simd.fma(a[i], b, dots[j][i]);
                    sum = simd.fma(a[i], factors[i][j], sum);
                }
                sums[j][at] = simd.store(sum);
            }
        }
        for (j, of_column) in dots.into_iter().enumerate() {
            let place = (column + j) * tall + r;
            let (above, basis) = (&mut above[place..place + R], &bases[0][place..place + R]);
            for (i, sum) in simd.sums(of_column).into_iter().enumerate() {
                // The diagonal entry of a symmetric matrix is in both sums.
                above[i] = sum - diagonals[i] * basis[i];
            }
        }
        J
    }

    /// R lines for all columns, J at a time.
    #[inline(always)]
    fn lines<A: Widen<S, T>, const R: usize, const J: usize>(&mut self, simd: A, place: (usize, usize)) {
        let q = self.work.bases[0].len() / self.work.strides[0];
        let mut column = 0;
        while column < q {
            // Three and one are slower than two and two.
            column += match q - column {
                2 | 4 if A::WHOLE => self.tile::<A, R, 2>(simd, place, column),
                rest if rest >= J => self.tile::<A, R, J>(simd, place, column),
                _ => self.tile::<A, R, 1>(simd, place, column),
            };
        }
    }

    /// All lines, R at a time; R divides the unit.
    #[inline(always)]
    fn all<A: Widen<S, T>, const R: usize, const J: usize>(&mut self, simd: A) {
        let (n1, n2) = self.work.shape;
        let (mut at, mut next) = (0, self.next);
        let mut r = 0;
        while r < n1 {
            let together = if r + R <= n1 { R } else { 1 };
            let (line, rest) = next.split_at((together * (n2 - self.work.first(r))).min(next.len()));
            S::chunks(line).0.iter().for_each(prefetch);
            next = rest;
            match together {
                1 => self.lines::<A, 1, J>(simd, (r, at)),
                _ => self.lines::<A, R, J>(simd, (r, at)),
            }
            at += together * (self.work.strides[1] - self.work.first(r));
            r += together;
        }
    }
}

impl<S: Stored<T>, T: Unit + Stored<T>> Task<S, T> for Multiply<'_, S, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<S, T>>(mut self, simd: A) {
        self.fill(simd);
        // 4·3 sums and factors in 32 registers, 2·1 of two halves in 16.
        if A::WHOLE {
            self.all::<A, 4, 3>(simd);
        } else {
            self.all::<A, 2, 1>(simd);
        }
        self.finish();
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
    use crate::operators::kernel::tests::results;
    use crate::problem::{Domain, packed_index};

    fn wave(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|i| ((i as f64 + seed) * 0.731).sin()).collect()
    }

    /// Entry (r, c) of a stored row.
    fn entry(packing: Packing, row: &[f64], r: usize, c: usize) -> f64 {
        let domain = packing.domain;
        match domain.is_symmetric() {
            true if r == c => row[packed_index(domain.rows(), r, r)],
            true => packing.off_diagonal * row[packed_index(domain.rows(), r.min(c), r.max(c))],
            false => row[r * domain.columns() + c],
        }
    }

    /// The thin row by the definition.
    fn expected(packing: Packing, row: &[f64], (left, right): (&[f64], &[f64])) -> Vec<f64> {
        let (n1, n2) = (packing.domain.rows(), packing.domain.columns());
        let column = |j: usize| {
            let above =
                (0..n1).map(move |r| (0..n2).map(|c| entry(packing, row, r, c) * right[j * n2 + c]).sum::<f64>());
            let below =
                (0..n2).map(move |c| (0..n1).map(|r| entry(packing, row, r, c) * left[j * n1 + r]).sum::<f64>());
            above.chain(below.take(if packing.domain.is_symmetric() { 0 } else { n2 }))
        };
        (0..left.len() / n1).flat_map(column).collect()
    }

    #[test]
    fn thin_rows_are_the_rows_times_the_bases() {
        let symmetric = |n: usize| Domain::symmetric(n);
        let domains =
            [(symmetric(1), 1), (symmetric(7), 2), (symmetric(16), 4), (symmetric(17), 5), (symmetric(40), 9)];
        let others = [(Domain::rectangular(1, 3), 1), (Domain::rectangular(17, 5), 5), (Domain::rectangular(6, 33), 4)];
        for (domain, q) in domains.into_iter().chain(others) {
            let packing = Packing { domain, off_diagonal: 0.7 };
            let (p, m, scales) = (domain.dimension(), 3, [0.5_f32, 2.0, 4.0]);
            let numbers = wave(m * p, 0.3);
            let right = wave(domain.columns() * q, 5.0);
            let left = if domain.is_symmetric() { right.clone() } else { wave(domain.rows() * q, 9.0) };
            let halves: Vec<half::f16> = numbers.iter().map(|v| half::f16::from_f64(*v)).collect();
            let rounded: Vec<f64> = halves.iter().map(|v| v.to_f64()).collect();
            let [left_single, right_single] =
                [&left, &right].map(|of| of.iter().map(|v| *v as f32).collect::<Vec<_>>());
            let wanted: Vec<f64> = numbers.chunks(p).flat_map(|row| expected(packing, row, (&left, &right))).collect();
            let scaled = rounded.chunks(p).zip(scales).flat_map(|(row, scale)| {
                expected(packing, row, (&left, &right)).into_iter().map(move |v| v * f64::from(scale))
            });
            let scaled: Vec<f64> = scaled.collect();
            for set in InstructionSet::available() {
                let mut out = vec![f64::NAN; wanted.len()];
                let rows = ShardRows { p, numbers: &numbers[..], scales: None };
                thin_rows(set, packing, rows, (&left, &right), &mut out);
                for (found, wanted) in out.iter().zip(&wanted) {
                    assert!((found - wanted).abs() < 1e-12 * p as f64, "{domain} {q} {found} {wanted}");
                }
                let mut out = vec![f32::NAN; wanted.len()];
                let rows = ShardRows { p, numbers: &halves[..], scales: Some(&scales) };
                thin_rows(set, packing, rows, (&left_single, &right_single), &mut out);
                for (found, wanted) in out.iter().zip(&scaled) {
                    assert!((f64::from(*found) - wanted).abs() < 2e-5 * p as f64, "{domain} {q} {found} {wanted}");
                }
            }
        }
    }

    #[test]
    fn one_reading_has_the_bits_of_two() {
        // Blocks of four rows, single rows that are too large for a cache, and remainders.
        for (domain, m, q) in [
            (Domain::symmetric(17), 10, 5),
            (Domain::symmetric(300), 6, 1),
            (Domain::rectangular(9, 20), 7, 4),
            (Domain::rectangular(420, 330), 3, 2),
        ] {
            let packing = Packing { domain, off_diagonal: 1.0 };
            let p = domain.dimension();
            let single = |values: Vec<f64>| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
            let numbers: Vec<half::f16> = wave(m * p, 0.3).iter().map(|v| half::f16::from_f64(*v)).collect();
            let scales: Vec<f32> = (0..m).map(|i| 1.0 + i as f32).collect();
            let (point, right) = (single(wave(p, 2.0)), single(wave(domain.columns() * q, 5.0)));
            let left = if domain.is_symmetric() { right.clone() } else { single(wave(domain.rows() * q, 9.0)) };
            let rows = ShardRows { p, numbers: &numbers[..], scales: Some(&scales) };
            let length = q * if domain.is_symmetric() { domain.rows() } else { domain.rows() + domain.columns() };
            for (set, traversal) in InstructionSet::available()
                .into_iter()
                .flat_map(|set| [4, 3].map(|rows| (set, Traversal::Overlapped(rows))))
            {
                let mut thin = [vec![0.0_f32; m * length], vec![0.0; m * length]];
                thin_rows(set, packing, rows, (&left, &right), &mut thin[0]);
                let points = [point.clone()];
                let apart = results(&points, m, 1, |trials| pass_over(set, traversal, rows, Loss::Square, trials));
                let together = results(&points, m, 1, |trials| {
                    let TrialPass { point, applied, target, weights, residual, accumulator } = &mut trials[0];
                    let trial = TrialPass { point, applied: *applied, target, weights, residual, accumulator };
                    pass_and_thin((set, traversal), packing, rows, trial, (&left, &right), &mut thin[1]);
                });
                assert!(apart == together && thin[0] == thin[1] && thin[0].iter().any(|v| *v != 0.0), "{domain}");
            }
        }
    }
}
