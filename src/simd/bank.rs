//! Buffers whose rows begin on cache lines: a load of 64 bytes that straddles two lines costs two.

use bytemuck::{Pod, Zeroable};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// `rows` rows of `length` numbers each, zero at first; a length may be 0.
pub(crate) struct Bank<T> {
    lines: Vec<Line>,
    rows: usize,
    length: usize,
    /// Numbers from one row to the next.
    stride: usize,
    numbers: std::marker::PhantomData<T>,
}

impl<T: Pod> Bank<T> {
    pub(crate) fn new(rows: usize, length: usize) -> Self {
        let stride = Self::stride_of(length);
        let lines = rows * stride * size_of::<T>() / 64;
        Self { lines: vec![Line::zeroed(); lines], rows, length, stride, numbers: std::marker::PhantomData }
    }

    /// Numbers from one row of so many to the next.
    pub(crate) fn stride_of(length: usize) -> usize {
        let line = 64 / size_of::<T>();
        length.div_ceil(line).max(1) * line
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// All rows with what is between them.
    pub(crate) fn numbers(&self) -> &[T] {
        bytemuck::cast_slice(&self.lines)
    }

    pub(crate) fn row(&self, i: usize) -> &[T] {
        &self.numbers()[i * self.stride..i * self.stride + self.length]
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let (rows, length) = (self.rows, self.length);
        bytemuck::cast_slice_mut(&mut self.lines).chunks_mut(self.stride).take(rows).map(move |row| &mut row[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
