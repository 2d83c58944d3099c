//! Lanes of a pass on all cores: parallel shards, each with its own accumulators, summed in shard order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use web_time::Instant;

use smallvec::SmallVec;

use crate::host::awake::share;
use crate::host::choice::Choice;
use crate::operators::{HostKernel, InstructionSet, Loss, Operator, Pair, PassSchedule, TrialPass};
use crate::real::Real;
use crate::simd::{Bank, Stored, Sum, Unit};

/// A list that usually has one element, such as trials and lanes: an iteration of a small problem has no time for
/// allocations.
pub(super) type Few<T> = SmallVec<[T; 1]>;

/// Source of the numbers v of a lane. Vectors over the measurements are by shard, (batch, length) each.
pub(super) enum Source<'a, T> {
    Measured {
        /// (L, R) of each trial.
        points: Few<Pair<'a, T>>,
        /// Vector to subtract, if any.
        minus: Option<&'a [Vec<T>]>,
        out: &'a mut [Vec<T>],
    },
    Given(&'a [Vec<T>]),
}

/// One lane of a pass.
pub(super) struct LaneCall<'a, T> {
    pub(super) source: Source<'a, T>,
    /// (W, V) of each trial.
    pub(super) applied: Few<Pair<'a, T>>,
    /// G V of each trial, if needed.
    pub(super) left: Few<Option<&'a mut [T]>>,
    /// Gᵀ W of each trial, if needed.
    pub(super) right: Few<Option<&'a mut [T]>>,
}

/// Conditions of a gradient.
pub(super) struct How<'a, T> {
    pub(super) set: InstructionSet,
    pub(super) loss: Loss,
    /// Measurements that count, if not all.
    pub(super) group: Option<Range<usize>>,
    /// Weights by shard, (batch, length).
    pub(super) weights: &'a [Vec<T>],
    pub(super) active: &'a [bool],
}

impl<T> How<'_, T> {
    /// Whether a shard has measurements that count.
    pub(super) fn concerns(&self, shard: &Range<usize>) -> bool {
        self.group.as_ref().is_none_or(|group| shard.start < group.end && group.start < shard.end)
    }
}

impl<T: Real> How<'_, T> {
    /// Weights of a trial over a shard, zero outside the group.
    pub(super) fn weights_in(&self, index: usize, shard: &Range<usize>, trial: usize) -> Cow<'_, [T]> {
        let own = &self.weights[index][trial * shard.len()..(trial + 1) * shard.len()];
        match &self.group {
            Some(group) if group.start > shard.start || group.end < shard.end => {
                let inside = |(i, &w)| if group.contains(&(shard.start + i)) { w } else { T::ZERO };
                Cow::Owned(own.iter().enumerate().map(inside).collect())
            }
            _ => Cow::Borrowed(own),
        }
    }
}

/// Buffers of a pass, by slot: a slot is a lane of a trial.
pub(super) struct Work<T> {
    pub(super) shards: Vec<Range<usize>>,
    /// By shard, (slots, accumulator length).
    pub(super) accumulators: Vec<Bank<T>>,
    /// (slots, point length)
    pub(super) points: Bank<T>,
    /// (slots, scratch length)
    pub(super) scratch: Bank<T>,
    /// (slots, accumulator length)
    pub(super) sums: Bank<T>,
    /// Zeros, as many as the measurements of the longest shard.
    pub(super) zeros: Vec<T>,
    pub(super) threads: Threads,
    /// The choice of a traversal, for each number of lanes.
    pub(super) choices: BTreeMap<usize, Choice>,
    /// Whether the next pass visits the shards of a thread from last to first.
    pub(super) backwards: bool,
}

/// Buffers that turn given numbers into measurements, for kernels that know nothing else: where L = R = 0 measurements
/// are 0 − minus, and minus is −v.
pub(super) struct StandIns<T> {
    /// Zeros, as many as the numbers of the larger factor.
    zeros: Vec<T>,
    /// minus and the output in place of v, by shard, one pair per lane of this kind in a pass.
    vectors: Vec<[Vec<Vec<T>>; 2]>,
}

impl<T: Real> StandIns<T> {
    pub(super) fn new(shards: &[Range<usize>], (batch, lanes, factor): (usize, usize, usize)) -> Self {
        let zeros = || shards.iter().map(|shard| vec![T::ZERO; batch * shard.len()]).collect();
        let factor = if lanes > 0 { factor } else { 0 };
        Self { zeros: vec![T::ZERO; factor], vectors: (0..lanes).map(|_| [zeros(), zeros()]).collect() }
    }

    /// All lanes as measurements.
    fn measured<'a>(&'a mut self, lanes: Few<LaneCall<'a, T>>) -> Few<(Measuring<'a, T>, Applied<'a, T>)> {
        let (zeros, mut vectors) = (&self.zeros[..], self.vectors.iter_mut());
        let of = |lane: LaneCall<'a, T>| {
            let measuring = match lane.source {
                Source::Measured { points, minus, out } => Measuring { points, minus, out },
                Source::Given(given) => {
                    // Their number is that of the largest pass.
                    let [minus, out] = vectors.next()?;
                    for (minus, given) in minus.iter_mut().zip(given) {
                        minus.iter_mut().zip(given).for_each(|(minus, &v)| *minus = T::ZERO - v);
                    }
                    let [left, right] = [lane.applied[0].left, lane.applied[0].right].map(|of| &zeros[..of.len()]);
                    let zero = |pair: &Pair<'a, T>| Pair { left, right, ..*pair };
                    Measuring { points: lane.applied.iter().map(zero).collect(), minus: Some(minus), out }
                }
            };
            Some((measuring, Applied { factors: lane.applied, wanted: (lane.left, lane.right) }))
        };
        lanes.into_iter().filter_map(of).collect()
    }
}

/// Measurement of a lane: points, subtracted vector, and outputs.
struct Measuring<'a, T> {
    points: Few<Pair<'a, T>>,
    minus: Option<&'a [Vec<T>]>,
    out: &'a mut [Vec<T>],
}

/// Inputs and outputs of the adjoint of a lane.
struct Applied<'a, T> {
    factors: Few<Pair<'a, T>>,
    wanted: Wanted<'a, T>,
}

/// One shard with its outputs.
struct Job<'a, T> {
    index: usize,
    accumulator: &'a mut Bank<T>,
    /// v of each lane, (batch, length).
    out: Few<&'a mut Vec<T>>,
}

/// Inputs shared by every shard of a pass.
struct Reading<'a, 'b, T> {
    how: &'a How<'a, T>,
    shards: &'a [Range<usize>],
    points: &'a Bank<T>,
    zeros: &'a [T],
    /// By lane, then by trial.
    applied: &'a [Few<Pair<'b, T>>],
    minus: &'a [Option<&'b [Vec<T>]>],
    /// Whether no lane needs a gradient.
    measures: bool,
}

impl<T: Real> Reading<'_, '_, T> {
    /// Processes a shard for all lanes of all active trials.
    fn over(&self, kernel: &dyn HostKernel<T>, schedule: PassSchedule, job: Job<'_, T>) {
        let (index, range) = (job.index, &self.shards[job.index]);
        let (batch, count, length) = (self.how.active.len(), self.applied.len(), range.len());
        let weights: Few<Cow<'_, [T]>> = (0..batch).map(|trial| self.how.weights_in(index, range, trial)).collect();
        // By slot: trial by trial, lane by lane.
        let mut rows: Few<_> = job.out.into_iter().map(|out| out.chunks_mut(length.max(1))).collect();
        let mut accumulators = job.accumulator.rows_mut();
        let mut trials: Few<TrialPass<'_, T>> = Few::with_capacity(batch * count);
        for trial in 0..batch {
            for (lane, rows) in rows.iter_mut().enumerate() {
                let (Some(residual), Some(accumulator)) = (rows.next(), accumulators.next()) else {
                    continue;
                };
                if !self.how.active[trial] {
                    continue;
                }
                let (point, applied) = (self.points.row(trial * count + lane), self.applied[lane][trial]);
                let target = match self.minus[lane] {
                    Some(minus) => &minus[index][trial * length..(trial + 1) * length],
                    None => &self.zeros[..length],
                };
                if self.measures && point.iter().all(|number| *number == T::ZERO) {
                    // A(0) = 0, as at the start of a method that has none.
                    residual.iter_mut().zip(target).for_each(|(e, target)| *e = T::ZERO - *target);
                    continue;
                }
                if !self.measures {
                    accumulator.fill(T::ZERO);
                }
                let weights = &weights[trial];
                trials.push(TrialPass { point, applied, target, weights, residual, accumulator });
            }
        }
        match self.measures {
            true if trials.is_empty() => {}
            true => kernel.measure(schedule, index, &mut trials),
            false => kernel.pass(schedule, index, self.how.loss, &mut trials),
        }
    }
}

/// Outputs G V and Gᵀ W of a lane, by trial.
type Wanted<'a, T> = (Few<Option<&'a mut [T]>>, Few<Option<&'a mut [T]>>);

impl<T: Unit + Stored<T>> Work<T> {
    /// `prepare` per slot, `pass` per shard, the sum in shard order, `finish` per slot. Kernels know measurements
    /// alone.
    pub(super) fn pass<'a>(
        &mut self,
        kernel: &dyn HostKernel<T>,
        how: &How<'_, T>,
        lanes: Few<LaneCall<'a, T>>,
        stand_ins: &'a mut StandIns<T>,
    ) {
        let count = lanes.len();
        let measures = lanes.iter().all(|lane| lane.left.iter().chain(&lane.right).all(Option::is_none));
        let (mut points, mut outs, mut applied) = (Few::new(), Few::new(), Few::new());
        let (mut minus, mut wanted) = (Few::new(), Few::new());
        for (measuring, of) in stand_ins.measured(lanes) {
            points.push(measuring.points);
            outs.push(measuring.out);
            minus.push(measuring.minus);
            applied.push(of.factors);
            wanted.push(of.wanted);
        }
        self.prepare(kernel, how, &points);
        self.backwards = !self.backwards;
        let jobs = jobs(&mut self.accumulators, outs, how, &self.shards, self.backwards);
        let mut choice = self.choices.get_mut(&count);
        let schedule = choice.as_ref().map_or(PassSchedule { set: how.set, traversal: 0 }, |choice| choice.schedule());
        let (points, shards, zeros) = (&self.points, &self.shards[..], &self.zeros[..]);
        let reading = Reading { how, shards, points, zeros, applied: &applied, minus: &minus, measures };
        let timed = choice
            .as_mut()
            .filter(|choice| choice.open() && how.group.is_none() && how.active.iter().all(|&active| active))
            .map(|choice| (choice, Instant::now()));
        each(self.threads.shards, jobs, |job| reading.over(kernel, schedule, job));
        if let Some((choice, begin)) = timed {
            choice.took(begin.elapsed().as_secs_f64());
        }
        if !measures {
            self.finish(kernel, how, &applied, wanted);
        }
    }

    /// Prepares L and R for the kernels, by slot.
    fn prepare(&mut self, kernel: &dyn HostKernel<T>, how: &How<'_, T>, lanes: &[Few<Pair<'_, T>>]) {
        let (count, batch) = (lanes.len(), how.active.len());
        let slots = self.points.rows_mut().zip(self.scratch.rows_mut()).take(batch * count).enumerate();
        let running = slots.filter(|(slot, _)| how.active[slot / count]).collect();
        each(self.threads.trials, running, |(slot, (out, scratch))| {
            kernel.prepare(lanes[slot % count][slot / count], scratch, out);
        });
    }

    /// Sums of the shards in their order, and the gradients from them.
    fn finish(
        &mut self,
        kernel: &dyn HostKernel<T>,
        how: &How<'_, T>,
        applied: &[Few<Pair<'_, T>>],
        wanted: Few<Wanted<'_, T>>,
    ) {
        let (count, batch) = (wanted.len(), how.active.len());
        let mut wanted: Few<_> = wanted.into_iter().map(|(left, right)| left.into_iter().zip(right)).collect();
        let mut outputs = Vec::with_capacity(batch * count);
        for (slot, buffers) in self.sums.rows_mut().zip(self.scratch.rows_mut()).take(batch * count).enumerate() {
            if let Some((left, right)) = wanted[slot % count].next()
                && how.active[slot / count]
                && (left.is_some() || right.is_some())
            {
                outputs.push((slot, buffers, left, right));
            }
        }
        let shards = self.accumulators.iter().zip(&self.shards);
        let accumulators: Vec<&Bank<T>> =
            shards.filter(|(_, shard)| how.concerns(shard)).map(|(bank, _)| bank).collect();
        each(self.threads.trials, outputs, |(slot, (sum, scratch), left, right)| {
            let rows: Vec<&[T]> = accumulators.iter().map(|bank| bank.row(slot)).collect();
            T::run(how.set, Sum { rows: &rows, out: sum });
            let applied = applied[slot % count][slot / count];
            // Kernels always write the left output. It has the size of W.
            let mut unwanted = Vec::new();
            let left = left.unwrap_or_else(|| {
                unwanted.resize(applied.left.len(), T::ZERO);
                &mut unwanted
            });
            kernel.finish(sum, scratch, applied, left, right);
        });
    }
}

/// The shards with measurements that count, in the order in which threads take them.
fn jobs<'a, T: Real>(
    accumulators: &'a mut [Bank<T>],
    outs: Few<&'a mut [Vec<T>]>,
    how: &How<'_, T>,
    shards: &[Range<usize>],
    backwards: bool,
) -> Vec<Job<'a, T>> {
    let count = outs.len();
    let of_shard = |(index, accumulator)| Job { index, accumulator, out: Few::with_capacity(count) };
    let mut jobs: Vec<Job<'_, T>> = accumulators.iter_mut().enumerate().map(of_shard).collect();
    for out in outs {
        jobs.iter_mut().zip(out).for_each(|(job, out)| job.out.push(out));
    }
    jobs.retain(|job| how.concerns(&shards[job.index]));
    if backwards {
        // Each thread has a run of shards. It begins with the last one it read, which is still in its cache.
        let run = jobs.len().div_ceil(rayon::current_num_threads()).max(1);
        jobs.chunks_mut(run).for_each(<[_]>::reverse);
    }
    jobs
}

/// Decides whether work is worth several threads: waking them takes longer than a few thousand operations.
#[derive(Clone, Copy)]
pub(super) struct Threads {
    pub(super) shards: bool,
    trials: bool,
}

impl Threads {
    const WORTHWHILE: f64 = 4e5;

    pub(super) fn new(operator: &dyn Operator, batch: usize, search_rank: usize) -> Self {
        let (n, k) = (operator.domain().rows() as f64, search_rank as f64);
        Self {
            shards: operator.cost(batch, search_rank).flops > Self::WORTHWHILE,
            trials: batch as f64 * n * n * k > Self::WORTHWHILE,
        }
    }
}

pub(super) fn each<I: Send>(parallel: bool, items: Vec<I>, f: impl Fn(I) + Send + Sync) {
    if parallel && items.len() > 1 {
        share(items, f);
    } else {
        items.into_iter().for_each(f);
    }
}
