//! The fast host path of `dense`.
//!
//! Memory movement a pass: m·p stored numbers once, which is the floor, for any number of trials; the point and the
//! accumulator, p numbers each, stay in cache. One trial is bound by reading the rows ([`Stream`]), many by
//! arithmetic ([`tile`]).

use crate::operators::dense::Dense;
use crate::operators::dense::storage::Rows;
use crate::operators::rows::{Pack, Packing, ShardRows, Stream, tile};
use crate::operators::{HostKernel, Loss, Operator, Pair, TrialPass};
use crate::simd::{InstructionSet, Stored, Unit};

impl Dense {
    /// Entries are stored as they are.
    fn packing(&self) -> Packing {
        Packing { shape: self.shape, off_diagonal: 1.0 }
    }
}

impl<T: Pack + Unit> HostKernel<T> for Dense
where
    half::f16: Stored<T>,
    f32: Stored<T>,
    f64: Stored<T>,
{
    fn point_len(&self, _search_rank: usize) -> usize {
        self.shape.dimension()
    }

    fn accumulator_len(&self, _search_rank: usize) -> usize {
        self.shape.dimension()
    }

    fn scratch_len(&self, _search_rank: usize) -> usize {
        self.packing().scratch_len()
    }

    fn prepare(&self, point: Pair<'_, T>, scratch: &mut [T], out: &mut [T]) {
        T::pack(self.packing(), point, scratch, out);
    }

    fn pass(&self, set: InstructionSet, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        let (p, range) = (self.shape.dimension(), self.shard_range(shard));
        let numbers = range.start * p..range.end * p;
        match &self.rows {
            Rows::F16 { data, scales } => {
                let rows = ShardRows { p, numbers: &data[numbers], scales: Some(&scales[range]) };
                pass(set, rows, loss, trials);
            }
            Rows::F32(data) => {
                pass(set, ShardRows { p, numbers: &data.as_slice()[numbers], scales: None }, loss, trials);
            }
            Rows::F64(data) => {
                pass(set, ShardRows { p, numbers: &data.as_slice()[numbers], scales: None }, loss, trials);
            }
        }
    }

    fn finish(
        &self,
        accumulator: &[T],
        scratch: &mut [T],
        applied: Pair<'_, T>,
        left: &mut [T],
        right: Option<&mut [T]>,
    ) {
        T::apply(self.packing(), accumulator, scratch, applied, left, right);
    }
}

fn pass<S: Stored<T>, T: Unit>(
    set: InstructionSet,
    rows: ShardRows<'_, S>,
    loss: Loss,
    trials: &mut [TrialPass<'_, T>],
) {
    match trials {
        [] => {}
        [trial] => {
            // Blocks of equal bytes. Fewer rows a block cost more passes over the accumulator, more do not gain.
            if size_of::<S>() == 2 {
                S::run(set, Stream::<S, T, 8> { rows, loss, trial });
            } else {
                S::run(set, Stream::<S, T, 4> { rows, loss, trial });
            }
        }
        trials => tile(set, rows, loss, trials),
    }
}
