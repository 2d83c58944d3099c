//! The fast host kernel: forward by measurement, adjoint by line.
//!
//! A gradient reads every list once, and for each listing a row of a factor, k numbers from anywhere, and a
//! coefficient. Rows are whole units of 64 bytes, so they touch no more cache lines than necessary.

use std::ops::Range;

use crate::operators::compressed::{Compressed, Index, Values};
use crate::operators::{GatherKernel, Lines, Side};
use crate::simd::{Arithmetic, InstructionSet, Stored, Task, Unit, Widen};

/// A row's numbers beside its nonzeros, in the arithmetic type.
trait Weights<T>: Copy + Send + Sync {
    fn of(self, q: usize) -> T;
}

#[derive(Clone, Copy)]
struct Ones;

impl<T: Unit> Weights<T> for Ones {
    #[inline(always)]
    fn of(self, _q: usize) -> T {
        T::from_f64(1.0)
    }
}

impl<T: Unit> Weights<T> for &[f32] {
    #[inline(always)]
    fn of(self, q: usize) -> T {
        T::from_f64(f64::from(self[q]))
    }
}

impl<T: Unit> Weights<T> for &[f64] {
    #[inline(always)]
    fn of(self, q: usize) -> T {
        T::from_f64(self[q])
    }
}

/// Runs `$body` with `$weights` as the values.
macro_rules! with_weights {
    ($values:expr, $weights:ident => $body:expr) => {
        match $values {
            Values::Ones => {
                let $weights = Ones;
                $body
            }
            Values::F32(values) => {
                let $weights = &values[..];
                $body
            }
            Values::F64(values) => {
                let $weights = &values[..];
                $body
            }
        }
    };
}

macro_rules! gather_kernel {
    ($t:ty) => {
        impl GatherKernel<$t> for Compressed {
            fn read_bytes(&self, factors: usize) -> Option<u64> {
                let starts = self.starts.as_ref().map_or(0, |starts| size_of_val(&starts[..]));
                let forward = starts + size_of_val(&self.rows[..]) + size_of_val(&self.columns[..]) + self.values.size();
                let sides = [Side::Left, Side::Right].into_iter().take(factors);
                let back = sides.map(|side| {
                    let index = self.index(side);
                    let lists = [&index.starts, &index.other, &index.measurement];
                    lists.into_iter().map(|list| size_of_val(&list[..])).sum::<usize>() + index.values.size()
                });
                Some((forward + back.sum::<usize>()) as u64)
            }

            fn forward(
                &self,
                set: InstructionSet,
                range: Range<usize>,
                left: Lines<'_, $t>,
                right: Lines<'_, $t>,
                out: &mut [$t],
            ) {
                with_weights!(&self.values, weights => {
                    <$t as Stored<$t>>::run(set, Forward { lists: self, weights, range, left, right, out })
                });
            }

            fn blocks(&self, side: Side) -> &[Range<usize>] {
                &self.index(side).blocks
            }

            fn gather(
                &self,
                set: InstructionSet,
                side: Side,
                lines: Range<usize>,
                coefficients: &[$t],
                applied: Lines<'_, $t>,
                out: &mut [$t],
            ) {
                let index = self.index(side);
                // A symmetric Aᵢ has v/2 at (a, b) and v/2 at (b, a).
                let factor = if self.domain.is_symmetric() { 0.5 } else { 1.0 };
                with_weights!(&index.values, weights => {
                    <$t as Stored<$t>>::run(set, Gather { index, weights, factor, lines, coefficients, applied, out })
                });
            }
        }
    };
}

gather_kernel!(f32);
gather_kernel!(f64);

impl Compressed {
    fn index(&self, side: Side) -> &Index {
        match (side, &self.by_column) {
            (Side::Right, Some(by_column)) => by_column,
            _ => &self.by_row,
        }
    }
}

struct Forward<'a, W, T> {
    lists: &'a Compressed,
    weights: W,
    range: Range<usize>,
    left: Lines<'a, T>,
    right: Lines<'a, T>,
    out: &'a mut [T],
}

impl<W: Weights<T>, T: Unit + Stored<T>> Task<T, T> for Forward<'_, W, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<T, T>>(self, simd: A) {
        let (l, r) = (<T as Unit>::chunks(self.left.values).0, <T as Unit>::chunks(self.right.values).0);
        let units = self.left.stride * size_of::<T>() / 64;
        match units {
            1 => self.each(simd, |a, b| dot::<A, T, 1>(simd, l, r, a, b)),
            2 => self.each(simd, |a, b| dot::<A, T, 2>(simd, l, r, a, b)),
            _ => self.each(simd, |a, b| dot_of(simd, l, r, a, b, units)),
        }
    }
}

impl<W: Weights<T>, T: Unit> Forward<'_, W, T> {
    /// Σ v l_a·r_b, or Σ ½v (l_a·r_b + l_b·r_a), which for one factor is Σ v l_a·l_b; units are summed at the end.
    #[inline(always)]
    fn each<A: Arithmetic<T>>(self, simd: A, product: impl Fn(usize, usize) -> A::V) {
        let Self { lists, weights, range, left, right, out } = self;
        let both = lists.domain.is_symmetric() && !std::ptr::eq(left.values, right.values);
        let (rows, columns) = (&lists.rows[..], &lists.columns[..]);
        for (i, out) in range.zip(out) {
            let mut sum = simd.splat(T::ZERO);
            for q in lists.range(i) {
                let (a, b, v) = (rows[q] as usize, columns[q] as usize, weights.of(q));
                if both {
                    let half = simd.splat(T::from_f64(0.5) * v);
                    sum = simd.fma(half, product(a, b), sum);
                    sum = simd.fma(half, product(b, a), sum);
                } else {
                    sum = simd.fma(simd.splat(v), product(a, b), sum);
                }
            }
            *out = simd.sum(sum);
        }
    }
}

/// Unit of l_a∘r_b, for rows of U units.
#[inline(always)]
fn dot<A: Arithmetic<T>, T: Unit, const U: usize>(simd: A, l: &[T::Chunk], r: &[T::Chunk], a: usize, b: usize) -> A::V {
    let (l, r) = (&l[a * U..a * U + U], &r[b * U..b * U + U]);
    let mut sum = simd.splat(T::ZERO);
    for u in 0..U {
        sum = simd.fma(simd.load(&l[u]), simd.load(&r[u]), sum);
    }
    sum
}

/// The same for any number of units.
#[inline(always)]
fn dot_of<A: Arithmetic<T>, T: Unit>(
    simd: A,
    l: &[T::Chunk],
    r: &[T::Chunk],
    a: usize,
    b: usize,
    units: usize,
) -> A::V {
    let mut sum = simd.splat(T::ZERO);
    for (l, r) in l[a * units..(a + 1) * units].iter().zip(&r[b * units..(b + 1) * units]) {
        sum = simd.fma(simd.load(l), simd.load(r), sum);
    }
    sum
}

struct Gather<'a, W, T> {
    index: &'a Index,
    weights: W,
    factor: T,
    lines: Range<usize>,
    coefficients: &'a [T],
    applied: Lines<'a, T>,
    out: &'a mut [T],
}

impl<W: Weights<T>, T: Unit + Stored<T>> Task<T, T> for Gather<'_, W, T> {
    type Output = ();

    /// Processes up to four units of a line at a time, in registers.
    #[inline(always)]
    fn run<A: Widen<T, T>>(mut self, simd: A) {
        let units = self.applied.stride * size_of::<T>() / 64;
        for first in (0..units).step_by(4) {
            match units - first {
                1 => self.window::<A, 1>(simd, units, first),
                2 => self.window::<A, 2>(simd, units, first),
                3 => self.window::<A, 3>(simd, units, first),
                _ => self.window::<A, 4>(simd, units, first),
            }
        }
        let k = self.out.len() / self.lines.len();
        if self.applied.stride < k {
            self.out.chunks_mut(k).for_each(|out| out[self.applied.stride..].fill(T::ZERO));
        }
    }
}

impl<W: Weights<T>, T: Unit> Gather<'_, W, T> {
    /// Units `first..first + U` of each line.
    #[inline(always)]
    fn window<A: Arithmetic<T>, const U: usize>(&mut self, simd: A, units: usize, first: usize) {
        let rows = T::chunks(self.applied.values).0;
        let (other, measurement) = (&self.index.other[..], &self.index.measurement[..]);
        let k = self.out.len() / self.lines.len();
        let width = 64 / size_of::<T>();
        let columns = first * width..((first + U) * width).min(k);
        for (line, out) in self.lines.clone().zip(self.out.chunks_mut(k)) {
            let mut sums = [simd.splat(T::ZERO); U];
            for q in self.index.range(line) {
                let c = self.factor * self.weights.of(q) * self.coefficients[measurement[q] as usize];
                let (c, at) = (simd.splat(c), other[q] as usize * units + first);
                let row = &rows[at..at + U];
                for u in 0..U {
                    sums[u] = simd.fma(simd.load(&row[u]), c, sums[u]);
                }
            }
            let mut unit = [T::ZEROS; U];
            for u in 0..U {
                unit[u] = simd.store(sums[u]);
            }
            let numbers = unit.iter_mut().flat_map(|unit| unit.as_mut().iter().copied());
            out[columns.clone()].iter_mut().zip(numbers).for_each(|(out, v)| *out = v);
        }
    }
}
