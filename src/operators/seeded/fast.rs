//! The fast host kernel: groups of rows are generated in a buffer that stays in cache, where the matrix products of
//! [`crate::operators::rows`] use them for every trial.
//!
//! A number is needed twice: for the dot product and, once the residual is known, for the accumulator. Where at least
//! four whole rows fit the buffer it is generated once. Longer rows pass through the buffer in blocks of columns,
//! forwards for the dot products and backwards for the accumulators. All but the last block are then generated twice,
//! which costs less than rows that leave the cache.
//!
//! Sums have the order of stored rows ([`crate::simd`]), for any group and blocks.

use std::ops::Range;

use crate::operators::rows::{Adjoint, Forward, Pack, ShardRows, settle, thin_rows, total};
use crate::operators::seeded::hash::{Key, MULTIPLIERS, SPREAD};
use crate::operators::seeded::{Ensemble, Seeded};
use crate::operators::{HostKernel, Loss, Operator, Pair, PassSchedule, TrialPass};
use crate::simd::{Bank, InstructionSet, Stored, Task, Unit, Widen};

/// Numbers in the buffer: half a megabyte in f32, which holds them exactly.
const NUMBERS: usize = 1 << 17;
/// Rows of a group: the least number for which whole rows are kept, the divisor of larger groups, and the most.
const LEAST_ROWS: usize = 4;
const MOST_ROWS: usize = 48;
/// Rows of a group that is cut in blocks, which share every read of the points and the accumulators.
const CUT_ROWS: usize = 16;

/// Rows of a group and columns of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    rows: usize,
    columns: usize,
}

impl Cut {
    fn of(p: usize) -> Self {
        if p * LEAST_ROWS <= NUMBERS {
            Self { rows: (NUMBERS / p).min(MOST_ROWS) / LEAST_ROWS * LEAST_ROWS, columns: p }
        } else {
            // A multiple of a unit and of the 32 signs of a word.
            Self { rows: CUT_ROWS, columns: NUMBERS / CUT_ROWS }
        }
    }

    fn blocks(self, p: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
        (0..p.div_ceil(self.columns)).map(move |block| block * self.columns..p.min((block + 1) * self.columns))
    }
}

impl Seeded {
    /// Times that the Cpu backend generates a number in one gradient: 1, or nearly 2.
    pub(super) fn times_made(&self) -> f64 {
        let p = self.domain.dimension();
        let last = Cut::of(p).blocks(p).next_back().map_or(0, |block| block.len());
        2.0 - last as f64 / p as f64
    }
}

impl<T: Pack + Unit + Stored<T>> HostKernel<T> for Seeded
where
    f32: Stored<T>,
{
    fn point_len(&self, _search_rank: usize) -> usize {
        self.domain.dimension()
    }

    fn accumulator_len(&self, _search_rank: usize, _factors: usize) -> usize {
        self.domain.dimension()
    }

    fn scratch_len(&self, _search_rank: usize) -> usize {
        self.packing().scratch_len()
    }

    fn read_bytes(&self) -> Option<u64> {
        Some(0)
    }

    fn prepare(&self, point: Pair<'_, T>, scratch: &mut [T], out: &mut [T]) {
        T::pack(self.packing(), point, scratch, out);
    }

    fn pass(&self, schedule: PassSchedule, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        if !trials.is_empty() {
            let cut = Cut::of(self.domain.dimension());
            Pass { seeded: self, measurements: self.shard_range(shard), cut, loss, trials }.run(schedule.set);
        }
    }

    fn has_thin_rows(&self) -> bool {
        true
    }

    fn thin_rows(&self, set: InstructionSet, shard: usize, bases: (&[T], &[T]), out: &mut [T]) {
        let (measurements, p) = (self.shard_range(shard), self.domain.dimension());
        let (length, scale) = (out.len() / measurements.len().max(1), T::from_f64(self.scale));
        let mut row = vec![0.0_f32; p];
        for (i, out) in measurements.zip(out.chunks_mut(length.max(1))) {
            let keys = [self.key(i)];
            <f32 as Stored<f32>>::run(set, Make { ensemble: self.ensemble, keys: &keys, first: 0, out: &mut row });
            thin_rows(set, self.packing(), ShardRows { p, numbers: &row[..], scales: None }, bases, out);
            out.iter_mut().for_each(|b| *b = scale * *b);
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

struct Pass<'a, 'b, T> {
    seeded: &'a Seeded,
    measurements: Range<usize>,
    cut: Cut,
    loss: Loss,
    trials: &'a mut [TrialPass<'b, T>],
}

impl<T: Unit> Pass<'_, '_, T>
where
    f32: Stored<T>,
{
    fn run(self, set: InstructionSet) {
        let Self { seeded, measurements, cut, loss, trials } = self;
        let (p, batch, scale) = (seeded.domain.dimension(), trials.len(), T::from_f64(seeded.scale));
        let mut buffer = vec![0.0_f32; cut.rows.min(measurements.len()) * cut.columns];
        let mut sums = Bank::<T>::units(cut.rows * batch);
        let mut factors = vec![T::ZERO; cut.rows * batch];
        let make = |keys: &[Key], first: usize, out: &mut [f32]| {
            <f32 as Stored<f32>>::run(set, Make { ensemble: seeded.ensemble, keys, first, out });
        };
        for first in (0..measurements.len()).step_by(cut.rows) {
            let count = cut.rows.min(measurements.len() - first);
            let keys: Vec<Key> = (first..first + count).map(|i| seeded.key(measurements.start + i)).collect();
            let sums = sums.units_mut();
            sums.fill(T::ZEROS);
            for block in cut.blocks(p) {
                let width = block.len();
                let numbers = &mut buffer[..count * width];
                make(&keys, block.start, numbers);
                let points: Vec<&[T]> = trials.iter().map(|trial| &trial.point[block.clone()]).collect();
                let forward = Forward { p: width, numbers, points: &points, sums, from_memory: false };
                <f32 as Stored<T>>::run(set, forward);
                if block.end < p {
                    continue;
                }
                // Row by row: whole sums and residuals.
                for i in 0..count {
                    let tail = <f32 as Stored<T>>::chunks(&numbers[i * width..(i + 1) * width]).1;
                    for (b, trial) in trials.iter_mut().enumerate() {
                        let dot = total::<f32, T>(sums[i * batch + b], tail, T::chunks(points[b]).1);
                        factors[i * batch + b] = settle(trial, loss, first + i, scale, dot);
                    }
                }
            }
            for block in cut.blocks(p).rev() {
                let numbers = &mut buffer[..count * block.len()];
                // The last block is still in the buffer.
                if block.end < p {
                    make(&keys, block.start, numbers);
                }
                let mut sums: Vec<&mut [T]> =
                    trials.iter_mut().map(|trial| &mut trial.accumulator[block.clone()]).collect();
                let factors = &factors[..count * batch];
                <f32 as Stored<T>>::run(set, Adjoint { p: block.len(), numbers, next: &[], factors, sums: &mut sums });
            }
        }
    }
}

/// A block of generated numbers.
struct Make<'a> {
    ensemble: Ensemble,
    keys: &'a [Key],
    first: usize,
    out: &'a mut [f32],
}

impl Task<f32, f32> for Make<'_> {
    type Output = ();

    #[inline(always)]
    fn run<A: Widen<f32, f32>>(self, _simd: A) {
        make(self.ensemble, self.keys, self.first, self.out);
    }
}

/// Generates the numbers `first`, `first` + 1, … of the rows with these keys, row after row; `first` is a multiple of
/// 32.
///
/// Compilers turn these loops into vector instructions of the set under which they are inlined. The steps are those of
/// [`super::hash`], implemented separately.
#[inline(always)]
fn make(ensemble: Ensemble, keys: &[Key], first: usize, out: &mut [f32]) {
    let width = out.len() / keys.len();
    for (&[a, b], row) in keys.iter().zip(out.chunks_exact_mut(width)) {
        let word = |q: u32| {
            let x = q.wrapping_mul(SPREAD).wrapping_add(a);
            let x = (x ^ (x >> 15)).wrapping_mul(MULTIPLIERS[0]) ^ b;
            let x = (x ^ (x >> 13)).wrapping_mul(MULTIPLIERS[1]);
            x ^ (x >> 16)
        };
        match ensemble {
            Ensemble::Bytes { shift } => {
                for (q, out) in (first as u32..).zip(row.iter_mut()) {
                    // Two sums of two bytes each in the halves of a word.
                    let h = word(q);
                    let pairs = (h & 0x00ff_00ff) + ((h >> 8) & 0x00ff_00ff);
                    *out = ((((pairs & 0xffff) + (pairs >> 16)) as i32 - 510) >> shift) as f32;
                }
            }
            Ensemble::Signs => {
                for (w, signs) in (first as u32 / 32..).zip(row.chunks_mut(32)) {
                    let h = word(w);
                    for (bit, out) in signs.iter_mut().enumerate() {
                        *out = f32::from_bits(1.0_f32.to_bits() | (h >> bit) << 31);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::kernel;
    use crate::operators::seeded::hash::row_key;
    use crate::problem::Domain;

    #[test]
    fn what_is_made_is_the_definition() {
        for make_one in [Seeded::new, Seeded::rademacher] {
            let seeded = make_one(Domain::rectangular(7, 53), 9, 3).unwrap();
            for seeded in [seeded.clone(), seeded.small_integers()] {
                for first in [0, 32, 96] {
                    let rows = 3..8_u64;
                    let keys: Vec<Key> = rows.clone().map(|i| row_key(seeded.seed, i)).collect();
                    let mut made = vec![f32::NAN; keys.len() * 101];
                    make(seeded.ensemble, &keys, first, &mut made);
                    for (key, row) in keys.iter().zip(made.chunks(101)) {
                        for (q, &found) in (first as u32..).zip(row) {
                            assert_eq!(found, seeded.number(*key, q) as f32);
                        }
                    }
                }
            }
        }
    }

    /// Results of a pass over a shard with these cuts, for a whole batch or trial by trial.
    fn results(seeded: &Seeded, set: InstructionSet, cut: Cut, points: &[Vec<f32>], together: bool) -> Vec<f32> {
        let (m, loss) = (seeded.measurements, Loss::Square);
        kernel::tests::results(points, m, if together { points.len() } else { 1 }, |trials| {
            Pass { seeded, measurements: 0..m, cut, loss, trials }.run(set);
        })
    }

    #[test]
    fn bits_depend_on_neither_groups_nor_blocks_nor_company() {
        for make_one in [Seeded::new, Seeded::rademacher] {
            for (n, m, batch) in [(1, 3, 2), (9, 21, 7), (31, 13, 3)] {
                let seeded = make_one(Domain::symmetric(n), m, 3).unwrap();
                let p = seeded.domain.dimension();
                let points: Vec<Vec<f32>> =
                    (0..batch).map(|b| (0..p).map(|q| ((q * 7 + b) as f32 * 0.11).cos()).collect()).collect();
                for set in InstructionSet::available() {
                    let whole = Cut { rows: 4, columns: p };
                    let expected = results(&seeded, set, whole, &points, false);
                    for cut in [whole, Cut { rows: 8, columns: 32 }, Cut { rows: 16, columns: 128 }, Cut::of(p)] {
                        for together in [false, true] {
                            let found = results(&seeded, set, cut, &points, together);
                            assert_eq!(expected, found, "{} {n} {m} {cut:?}", set.word());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_cut_where_four_do_not_fit() {
        assert_eq!(Cut::of(1), Cut { rows: 48, columns: 1 });
        assert_eq!(Cut::of(NUMBERS / 4), Cut { rows: 4, columns: NUMBERS / 4 });
        assert_eq!(Cut::of(NUMBERS / 4 + 1), Cut { rows: CUT_ROWS, columns: NUMBERS / CUT_ROWS });
        let times = |n| Seeded::new(Domain::symmetric(n), 1, 0).unwrap().times_made();
        assert_eq!(times(200), 1.0);
        assert!(times(1000) > 1.98 && times(1000) < 2.0);
    }
}
