//! The fast host kernel of `dense`.
//!
//! A pass reads the m·p stored numbers once, the least possible, for any number of trials. The point and the
//! accumulator, p numbers each, stay in cache. One trial is bound by reading the rows, many by arithmetic; each has
//! several traversals [`Traversal`].

use std::ops::Range;

use crate::operators::dense::Dense;
use crate::operators::dense::storage::Rows;
use crate::operators::rows::{Pack, Packing, ShardRows, Traversal, measure_over, pass_and_thin, pass_over, thin_rows};
use crate::operators::{HostKernel, Loss, Operator, Pair, PassSchedule, TrialPass};
use crate::simd::{InstructionSet, Stored, Unit};

impl Dense {
    /// Entries are stored unchanged.
    fn packing(&self) -> Packing {
        Packing { domain: self.domain, off_diagonal: 1.0 }
    }

    /// Numbers per row in a pass.
    fn row_len(&self) -> usize {
        self.aligned.row_len(self.measurements, self.domain.dimension(), self.storage().bytes())
    }

    /// The rows of a shard, out of `all`.
    fn pass_over<S: Stored<T> + bytemuck::Pod, T: Unit>(
        &self,
        all: &[S],
        scales: Option<&[f32]>,
        range: Range<usize>,
        (schedule, loss): (PassSchedule, Loss),
        trials: &mut [TrialPass<'_, T>],
    ) {
        let rows = self.shard_rows(all, scales, range);
        pass_over(schedule.set, Traversal::number(schedule.traversal), rows, loss, trials);
    }

    fn measure_over<S: Stored<T> + bytemuck::Pod, T: Unit>(
        &self,
        all: &[S],
        scales: Option<&[f32]>,
        range: Range<usize>,
        schedule: PassSchedule,
        trials: &mut [TrialPass<'_, T>],
    ) {
        measure_over(schedule.set, self.shard_rows(all, scales, range), trials);
    }

    fn shard_rows<'a, S: bytemuck::Pod>(
        &'a self,
        all: &'a [S],
        scales: Option<&'a [f32]>,
        range: Range<usize>,
    ) -> ShardRows<'a, S> {
        let first = range.start;
        self.aligned.of(all, self.stored_rows(all, scales, range), first)
    }

    /// Some rows as they are stored, out of `all` rows and scales.
    fn stored_rows<'a, S>(&self, all: &'a [S], scales: Option<&'a [f32]>, range: Range<usize>) -> ShardRows<'a, S> {
        let p = self.domain.dimension();
        let numbers = &all[range.start * p..range.end * p];
        ShardRows { p, numbers, scales: scales.map(|scales| &scales[range]) }
    }
}

impl<T: Pack + Unit + Stored<T>> HostKernel<T> for Dense
where
    half::f16: Stored<T>,
    f32: Stored<T>,
    f64: Stored<T>,
{
    fn point_len(&self, _search_rank: usize) -> usize {
        self.row_len()
    }

    fn accumulator_len(&self, _search_rank: usize, _factors: usize) -> usize {
        self.row_len()
    }

    fn scratch_len(&self, _search_rank: usize) -> usize {
        self.packing().scratch_len()
    }

    fn copied_bytes(&self) -> u64 {
        self.aligned.bytes(self.measurements, self.domain.dimension(), self.storage().bytes()) as u64
    }

    /// The bytes do not include the padding of aligned copies.
    fn read_bytes(&self) -> Option<u64> {
        let bytes = match &self.rows {
            Rows::F16 { data, scales } => size_of_val(data.as_slice()) + size_of_val(&scales[..]),
            Rows::F32(data) => size_of_val(data.as_slice()),
            Rows::F64(data) => size_of_val(data.as_slice()),
        };
        Some(bytes as u64)
    }

    fn prepare(&self, point: Pair<'_, T>, scratch: &mut [T], out: &mut [T]) {
        T::pack(self.packing(), point, scratch, &mut out[..self.domain.dimension()]);
    }

    fn pass(&self, schedule: PassSchedule, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        let range = self.shard_range(shard);
        match &self.rows {
            Rows::F16 { data, scales } => {
                self.pass_over(data.as_slice(), Some(scales), range, (schedule, loss), trials);
            }
            Rows::F32(data) => {
                self.pass_over(data.as_slice(), None, range, (schedule, loss), trials);
            }
            Rows::F64(data) => {
                self.pass_over(data.as_slice(), None, range, (schedule, loss), trials);
            }
        }
    }

    fn measure(&self, schedule: PassSchedule, shard: usize, trials: &mut [TrialPass<'_, T>]) {
        let range = self.shard_range(shard);
        match &self.rows {
            Rows::F16 { data, scales } => {
                self.measure_over(data.as_slice(), Some(scales), range, schedule, trials);
            }
            Rows::F32(data) => self.measure_over(data.as_slice(), None, range, schedule, trials),
            Rows::F64(data) => self.measure_over(data.as_slice(), None, range, schedule, trials),
        }
    }

    fn has_thin_rows(&self) -> bool {
        true
    }

    fn thin_rows(&self, set: InstructionSet, shard: usize, bases: (&[T], &[T]), out: &mut [T]) {
        let (range, packing) = (self.shard_range(shard), self.packing());
        match &self.rows {
            Rows::F16 { data, scales } => {
                thin_rows(set, packing, self.stored_rows(data.as_slice(), Some(scales), range), bases, out);
            }
            Rows::F32(data) => {
                thin_rows(set, packing, self.stored_rows(data.as_slice(), None, range), bases, out);
            }
            Rows::F64(data) => {
                thin_rows(set, packing, self.stored_rows(data.as_slice(), None, range), bases, out);
            }
        }
    }

    fn pass_and_thin(
        &self,
        schedule: PassSchedule,
        shard: usize,
        trial: TrialPass<'_, T>,
        bases: (&[T], &[T]),
        thin: &mut [T],
    ) {
        if self.row_len() != self.domain.dimension() {
            // Two copies of rows that stay in the caches.
            self.pass(schedule, shard, Loss::Square, &mut [trial]);
            return self.thin_rows(schedule.set, shard, bases, thin);
        }
        let (range, packing) = (self.shard_range(shard), self.packing());
        let by = (schedule.set, Traversal::number(schedule.traversal));
        match &self.rows {
            Rows::F16 { data, scales } => {
                let rows = self.stored_rows(data.as_slice(), Some(scales), range);
                pass_and_thin(by, packing, rows, trial, bases, thin);
            }
            Rows::F32(data) => {
                pass_and_thin(by, packing, self.stored_rows(data.as_slice(), None, range), trial, bases, thin);
            }
            Rows::F64(data) => {
                pass_and_thin(by, packing, self.stored_rows(data.as_slice(), None, range), trial, bases, thin);
            }
        }
    }

    fn traversals(&self, batch: usize) -> Vec<(usize, &'static str)> {
        Traversal::of(batch)
    }

    fn finish(
        &self,
        accumulator: &[T],
        scratch: &mut [T],
        applied: Pair<'_, T>,
        left: &mut [T],
        right: Option<&mut [T]>,
    ) {
        T::apply(self.packing(), &accumulator[..self.domain.dimension()], scratch, applied, left, right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Storage;
    use crate::problem::Domain;

    #[test]
    fn shards_cover_every_row_in_whole_blocks() {
        for (m, storage) in [(1000, Storage::F32), (1001, Storage::F64), (4013, Storage::F16), (210, Storage::F32)] {
            let dense = Dense::noise_stored(Domain::symmetric(50), m, 1, storage).unwrap();
            let ranges: Vec<_> = (0..dense.shards()).map(|shard| dense.shard_range(shard)).collect();
            let [.., last] = &ranges[..] else { panic!("no shard") };
            assert!(m == 210 || ranges.len() > 1, "{ranges:?}");
            assert!(ranges[0].start == 0 && last.end == m, "{ranges:?}");
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{ranges:?}");
            assert!(m == 210 || ranges.iter().all(|range| range.start % Traversal::ROWS == 0), "{ranges:?}");
        }
    }
}
