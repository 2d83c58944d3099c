//! A second copy of the rows, each padded with zeros to whole cache lines, for data that stay in the caches between
//! iterations. There a pass is bound by loads across two lines and by the numbers after the last whole unit, not by
//! memory.

use std::sync::OnceLock;

use crate::operators::rows::ShardRows;
use crate::simd::Bank;

/// Largest size in bytes of rows that are copied.
const CACHED: usize = 1 << 26;

/// A copy made at the first request.
#[derive(Default)]
pub(super) struct Aligned {
    copy: OnceLock<Bank<u8>>,
    /// Whether these rows are part of a set that is too large to copy: the parts together would copy all of it.
    refused: bool,
}

impl Aligned {
    /// A copy for some of these m rows of p numbers.
    pub(super) fn of_some(&self, m: usize, p: usize, number: usize) -> Self {
        let refused = self.refused || m.saturating_mul(Bank::<u8>::stride_of(p * number)) > CACHED;
        Self { copy: OnceLock::new(), refused }
    }

    /// Bytes of the copy of m rows of p numbers. It is 0 where no copy is made: the rows are aligned already, too many,
    /// or would grow too much.
    pub(super) fn bytes(&self, m: usize, p: usize, number: usize) -> usize {
        if self.refused {
            return 0;
        }
        let (length, stride) = (p * number, Bank::<u8>::stride_of(p * number));
        let bytes = m.saturating_mul(stride);
        if stride == length || bytes > CACHED || stride > length + length / 8 { 0 } else { bytes }
    }

    /// Numbers per row in a pass: p, plus the zeros of the copy.
    pub(super) fn row_len(&self, m: usize, p: usize, number: usize) -> usize {
        if self.bytes(m, p, number) == 0 { p } else { Bank::<u8>::stride_of(p * number) / number }
    }

    /// The rows of a shard from the copy, if there is one. `all` are the rows of every shard; `first` is the index of
    /// the first row here.
    pub(super) fn of<'a, S: bytemuck::Pod>(
        &'a self,
        all: &[S],
        rows: ShardRows<'a, S>,
        first: usize,
    ) -> ShardRows<'a, S> {
        let (p, m, number) = (rows.p, all.len() / rows.p, size_of::<S>());
        if self.bytes(m, p, number) == 0 {
            return rows;
        }
        let bank = self.copy.get_or_init(|| {
            let mut bank = Bank::new(m, p * number);
            bank.rows_mut()
                .zip(all.chunks_exact(p))
                .for_each(|(to, from)| to.copy_from_slice(bytemuck::cast_slice(from)));
            bank
        });
        let bytes = bank.stride();
        let numbers = bytemuck::cast_slice(&bank.numbers()[first * bytes..(first + rows.count()) * bytes]);
        ShardRows { p: self.row_len(m, p, number), numbers, ..rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_many_rows_are_not_copied_one_by_one() {
        assert_eq!(Aligned::default().of_some(1 << 14, 1275, 4).bytes(7, 1275, 4), 0);
        assert!(Aligned::default().of_some(1 << 10, 1275, 4).bytes(7, 1275, 4) > 0);
    }

    #[test]
    fn the_copy_holds_the_same_rows_where_one_is_made() {
        for (m, p, copied) in [(7, 1275, true), (7, 16, false), (7, 17, false), (1 << 14, 1275, false)] {
            let all: Vec<f32> = (0..m * p).map(|i| i as f32).collect();
            assert_eq!(Aligned::default().bytes(m, p, 4) > 0, copied, "{m} {p}");
            let aligned = Aligned::default();
            let stored = ShardRows { p, numbers: &all[2 * p..5 * p], scales: None };
            let rows = aligned.of(&all, stored, 2);
            assert_eq!((rows.count(), rows.p > p, rows.p), (3, copied, aligned.row_len(m, p, 4)));
            for i in 0..3 {
                let (row, zeros) = rows.numbers[i * rows.p..(i + 1) * rows.p].split_at(p);
                assert_eq!((row, zeros), (&all[(2 + i) * p..][..p], &[0.0; 16][..rows.p - p]));
            }
        }
    }
}
