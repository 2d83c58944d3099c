//! Buffers whose rows are aligned to cache lines: a load of 64 bytes across two lines costs two loads.

use bytemuck::{Pod, Zeroable};

use crate::pages::Pages;
use crate::simd::{Stored, Task, Unit, Widen};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// `rows` rows of `length` numbers each, initially zero; a length may be 0.
pub(crate) struct Bank<T> {
    lines: Pages<Line>,
    rows: usize,
    length: usize,
    /// Row stride in numbers.
    stride: usize,
    numbers: std::marker::PhantomData<T>,
}

impl<T: Pod> Bank<T> {
    pub(crate) fn new(rows: usize, length: usize) -> Self {
        let stride = Self::stride_of(length);
        let lines = rows * stride * size_of::<T>() / 64;
        Self { lines: Pages::zeroed(lines), rows, length, stride, numbers: std::marker::PhantomData }
    }

    /// Row stride for rows of `length` numbers.
    pub(crate) fn stride_of(length: usize) -> usize {
        let line = 64 / size_of::<T>();
        length.div_ceil(line).max(1) * line
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// All rows with their padding.
    pub(crate) fn numbers(&self) -> &[T] {
        bytemuck::cast_slice(self.lines.as_slice())
    }

    pub(crate) fn row(&self, i: usize) -> &[T] {
        &self.numbers()[i * self.stride..i * self.stride + self.length]
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let (rows, length) = (self.rows, self.length);
        bytemuck::cast_slice_mut(self.lines.as_mut_slice())
            .chunks_mut(self.stride)
            .take(rows)
            .map(move |row| &mut row[..length])
    }
}

impl<T: Unit> Bank<T> {
    /// A bank of one row of `count` units, initially zero.
    pub(crate) fn units(count: usize) -> Self {
        Self::new(1, count * size_of::<T::Chunk>() / size_of::<T>())
    }

    /// All units of the single row.
    pub(crate) fn units_mut(&mut self) -> &mut [T::Chunk] {
        let length = self.length;
        T::chunks_mut(&mut bytemuck::cast_slice_mut(self.lines.as_mut_slice())[..length]).0
    }
}

/// Row 0 + row 1 + … in order.
pub(crate) struct Sum<'a, T> {
    pub(crate) rows: &'a [&'a [T]],
    pub(crate) out: &'a mut [T],
}

impl<T: Unit + Stored<T>> Task<T, T> for Sum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<T, T>>(self, simd: A) {
        let Self { rows, out } = self;
        let [first, others @ ..] = rows else { return out.fill(T::ZERO) };
        let (units, tail) = <T as Unit>::chunks_mut(out);
        let one = simd.splat(T::from_f64(1.0));
        for (q, unit) in units.iter_mut().enumerate() {
            let sum = simd.load(&<T as Unit>::chunks(first).0[q]);
            // 1·x + s is x + s, rounded once.
            let add = |sum, row: &&[T]| simd.fma(one, simd.load(&<T as Unit>::chunks(row).0[q]), sum);
            *unit = simd.store(others.iter().fold(sum, add));
        }
        for (i, sum) in tail.iter_mut().enumerate() {
            let of = |row: &[T]| <T as Unit>::chunks(row).1[i];
            *sum = others.iter().fold(of(first), |sum, row| sum + of(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::InstructionSet;

    #[test]
    fn rows_are_added_in_their_order() {
        for (rows, length) in [(0, 3), (1, 17), (5, 32), (7, 41)] {
            let all: Vec<Vec<f32>> =
                (0..rows).map(|i| (0..length).map(|q| ((i * 31 + q) as f32).sin() / 3.0).collect()).collect();
            let views: Vec<&[f32]> = all.iter().map(Vec::as_slice).collect();
            let expected: Vec<f32> =
                (0..length).map(|q| views.iter().map(|row| row[q]).fold(0.0, |a, b| a + b)).collect();
            for set in InstructionSet::available() {
                let mut out = vec![9.0; length];
                <f32 as Stored<f32>>::run(set, Sum { rows: &views, out: &mut out });
                assert_eq!(out, expected, "{} {rows} {length}", set.word());
            }
        }
    }

    #[test]
    fn rows_begin_on_lines_and_do_not_overlap() {
        for (rows, length) in [(1, 1), (3, 17), (2, 16), (4, 0)] {
            let mut bank = Bank::<f32>::new(rows, length);
            for (i, row) in bank.rows_mut().enumerate() {
                assert_eq!((row.len(), row.as_ptr().align_offset(64)), (length, 0));
                row.fill(i as f32);
            }
            assert_eq!(bank.rows_mut().count(), rows);
            for i in 0..rows {
                assert!(bank.row(i).iter().all(|&v| v == i as f32));
            }
        }
    }
}
