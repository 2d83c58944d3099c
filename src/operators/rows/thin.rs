//! Thin rows of stored rows, and sums over thin rows that are kept.
//!
//! The entries of line r of Aᵢ are needed twice: (AᵢR)ᵣ = Σ a_rc·R_c, and AᵢᵀQ += a_rc·Q_r at every c. For the upper
//! triangle of a symmetric Aᵢ both add to AᵢR, the diagonal once. Both are done in one loop over the entries, 4q
//! operations for each. A row is first copied with every line padded to whole units, so that no loop has a remainder.

use crate::operators::rows::stream::ShardRows;
use crate::operators::rows::{Packing, Traversal, pass_over};
use crate::operators::{Loss, Pair, TrialPass};
use crate::real::Real;
use crate::simd::{InstructionSet, Stored, Task, Unit, Widen};

/// Columns of a basis that share a load of the entries.
const COLUMNS: usize = 4;

/// Writes AᵢR above AᵢᵀQ for the rows of a shard, and AᵢR alone where they are symmetric, each row column by column.
/// `bases` are Q and R, column by column.
pub(in crate::operators) fn thin_rows<S: Stored<T>, T: Unit + Stored<T>>(
    set: InstructionSet,
    packing: Packing,
    rows: ShardRows<'_, S>,
    (left, right): (&[T], &[T]),
    out: &mut [T],
) {
    let domain = packing.domain;
    let (n1, n2, symmetric) = (domain.rows(), domain.columns(), domain.is_symmetric());
    let (q, weight) = (left.len() / n1, T::from_f64(packing.off_diagonal));
    let unit = size_of::<<T as Unit>::Chunk>() / size_of::<T>();
    // A line has room for a whole unit from any place on.
    let strides = [n1, n2].map(|n| n.next_multiple_of(unit) + unit);
    let padded = |basis: &[T], n: usize, stride: usize| {
        let mut out = vec![T::ZERO; q * stride];
        out.chunks_mut(stride).zip(basis.chunks(n)).for_each(|(to, from)| to[..n].copy_from_slice(from));
        out
    };
    let mut work = Work {
        shape: (n1, n2),
        symmetric,
        unit,
        strides,
        entries: vec![T::ZERO; n1 * n2.next_multiple_of(unit)],
        bases: [padded(left, n1, strides[0]), padded(right, n2, strides[1])],
        sums: strides.map(|stride| vec![T::ZERO; q * stride]),
    };
    let length = if symmetric { n1 } else { n1 + n2 };
    for (i, out) in out.chunks_mut((length * q).max(1)).enumerate() {
        let scale = rows.scale::<T>(i);
        work.fill(&rows.numbers[i * rows.p..(i + 1) * rows.p], scale, weight * scale);
        <T as Stored<T>>::run(set, Multiply(&mut work));
        let [above, below] = [0, 1].map(|side| work.sums[side].chunks(strides[side]));
        for (out, (above, below)) in out.chunks_mut(length).zip(above.zip(below)) {
            let (out, rest) = out.split_at_mut(n1);
            out.copy_from_slice(&above[..n1]);
            match symmetric {
                true => out.iter_mut().zip(below).for_each(|(out, below)| *out += *below),
                false => rest.copy_from_slice(&below[..n2]),
            }
        }
    }
}

struct Work<T> {
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

impl<T: Real> Work<T> {
    /// First column of line r.
    #[inline(always)]
    fn first(&self, r: usize) -> usize {
        if self.symmetric { r } else { 0 }
    }

    fn fill<S: Stored<T>>(&mut self, row: &[S], diagonal: T, off_diagonal: T)
    where
        T: Unit,
    {
        let (mut from, mut at) = (0, 0);
        let weight = if self.symmetric { off_diagonal } else { diagonal };
        for r in 0..self.shape.0 {
            let length = self.shape.1 - self.first(r);
            let line = &mut self.entries[at..at + length.next_multiple_of(self.unit)];
            let (entries, padding) = line.split_at_mut(length);
            entries.iter_mut().zip(&row[from..from + length]).for_each(|(to, from)| *to = weight * from.number());
            if self.symmetric {
                entries[0] = diagonal * row[from].number();
            }
            padding.fill(T::ZERO);
            from += length;
            at += line.len();
        }
        self.sums.iter_mut().for_each(|sums| sums.fill(T::ZERO));
    }
}

struct Multiply<'a, T>(&'a mut Work<T>);

impl<T: Unit + Stored<T>> Multiply<'_, T> {
    /// Line r for J columns of the bases from `column` on; `at` is its place in the entries.
    #[inline(always)]
    fn line<A: Widen<T, T>, const J: usize>(&mut self, simd: A, (r, at): (usize, usize), column: usize) {
        let from = self.0.first(r);
        let Work { shape, symmetric, unit, strides: [tall, wide], entries, bases, sums } = &mut *self.0;
        let (tall, wide) = (*tall, *wide);
        let length = (shape.1 - from).next_multiple_of(*unit);
        let diagonal = entries[at];
        let (entries, _) = <T as Unit>::chunks(&entries[at..at + length]);
        let [above, below] = sums;
        let right: [&[<T as Unit>::Chunk]; J] = std::array::from_fn(|j| {
            let first = (column + j) * wide + from;
            &<T as Unit>::chunks(&bases[1][first..first + length]).0[..entries.len()]
        });
        let mut rest = &mut below[column * wide..(column + J) * wide];
        let lines: [&mut [<T as Unit>::Chunk]; J] = std::array::from_fn(|_| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(wide);
            rest = others;
            &mut <T as Unit>::chunks_mut(&mut own[from..from + length]).0[..entries.len()]
        });
        let factors: [A::V; J] = std::array::from_fn(|j| simd.splat(bases[0][(column + j) * tall + r]));
        let mut dots = [simd.splat(T::ZERO); J];
        for (at, entry) in entries.iter().enumerate() {
            let a = simd.load(entry);
            for j in 0..J {
                dots[j] = simd.fma(a, simd.load(&right[j][at]), dots[j]);
                lines[j][at] = simd.store(simd.fma(a, factors[j], simd.load(&lines[j][at])));
            }
        }
        for (j, dot) in dots.into_iter().enumerate() {
            let place = (column + j) * tall + r;
            // The diagonal entry of a symmetric matrix is in both sums.
            let twice = if *symmetric { diagonal * bases[0][place] } else { T::ZERO };
            above[place] = simd.sum(dot) - twice;
        }
    }
}

impl<T: Unit + Stored<T>> Task<T, T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<T, T>>(mut self, simd: A) {
        let q = self.0.bases[0].len() / self.0.strides[0];
        let mut at = 0;
        for r in 0..self.0.shape.0 {
            let whole = q / COLUMNS * COLUMNS;
            (0..whole).step_by(COLUMNS).for_each(|first| self.line::<A, COLUMNS>(simd, (r, at), first));
            (whole..q).for_each(|first| self.line::<A, 1>(simd, (r, at), first));
            at += (self.0.shape.1 - self.0.first(r)).next_multiple_of(self.0.unit);
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
}
