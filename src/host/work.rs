//! Lanes of a pass on all cores: shards in parallel, each with its own accumulators, summed in shard order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use smallvec::SmallVec;

use crate::host::awake::share;
use crate::host::choice::Choice;
use crate::operators::{Course, HostKernel, InstructionSet, Loss, Operator, Pair, TrialPass};
use crate::real::Real;
use crate::simd::{Bank, Stored, Sum, Unit};

/// A list of one thing most of the time, as trials and lanes are: an iteration of a small problem has no time for allocations.
pub(super) type Few<T> = SmallVec<[T; 1]>;

/// Where the numbers v of a lane come from. Vectors over the measurements are by shard, (batch, length) each.
pub(super) enum Source<'a, T> {
    Measured {
        /// (L, R) of each trial.
        points: Few<Pair<'a, T>>,
        /// Where something is subtracted.
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
    /// G V of each trial, where it is wanted.
    pub(super) left: Few<Option<&'a mut [T]>>,
    /// Gᵀ W of each trial, where it is wanted.
    pub(super) right: Few<Option<&'a mut [T]>>,
}

/// How a gradient is taken.
pub(super) struct How<'a, T> {
    pub(super) set: InstructionSet,
    pub(super) loss: Loss,
    /// Measurements that count, where it is not all of them.
    pub(super) group: Option<Range<usize>>,
    /// By shard, (batch, length).
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

/// Buffers of a pass with so many slots: a slot is a lane of a trial.
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
    /// As many zeros as the longest shard has measurements.
    pub(super) zeros: Vec<T>,
    pub(super) threads: Threads,
    /// How the kernel goes over a shard, for each number of lanes that passes have.
    pub(super) choices: BTreeMap<usize, Choice>,
    /// Whether the next pass goes over the shards of a thread from the last one to the first.
    pub(super) backwards: bool,
}

/// What makes measurements of numbers that are given, for kernels that know nothing else: where L = R = 0 they are 0 − minus, and
/// minus is −v.
pub(super) struct StandIns<T> {
    /// As many as the larger factor has numbers.
    zeros: Vec<T>,
    /// minus and what is written in place of v, by shard; as many as a pass has lanes of this kind.
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
                    // There are as many as any pass of the program has.
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

/// The measurement of a lane: points, what is subtracted, and where the results go.
struct Measuring<'a, T> {
    points: Few<Pair<'a, T>>,
    minus: Option<&'a [Vec<T>]>,
    out: &'a mut [Vec<T>],
}

/// What the adjoint of a lane is applied to, and where the products go.
struct Applied<'a, T> {
    factors: Few<Pair<'a, T>>,
    wanted: Wanted<'a, T>,
}

/// One shard with what it writes.
struct Job<'a, T> {
    index: usize,
    accumulator: &'a mut Bank<T>,
    /// v of each lane, (batch, length).
    out: Few<&'a mut Vec<T>>,
}

/// What every shard of a pass reads.
struct Reading<'a, 'b, T> {
    how: &'a How<'a, T>,
    shards: &'a [Range<usize>],
    points: &'a Bank<T>,
    zeros: &'a [T],
    /// By lane, then by trial.
    applied: &'a [Few<Pair<'b, T>>],
    minus: &'a [Option<&'b [Vec<T>]>],
    /// Whether no lane wants a gradient.
    measures: bool,
}

impl<T: Real> Reading<'_, '_, T> {
    /// Goes over a shard for all lanes of all trials that are active.
    fn over(&self, kernel: &dyn HostKernel<T>, course: Course, job: Job<'_, T>) {
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
                if !self.measures {
                    accumulator.fill(T::ZERO);
                }
                trials.push(TrialPass {
                    point: self.points.row(trial * count + lane),
                    applied: self.applied[lane][trial],
                    target: match self.minus[lane] {
                        Some(minus) => &minus[index][trial * length..(trial + 1) * length],
                        None => &self.zeros[..length],
                    },
                    weights: &weights[trial],
                    residual,
                    accumulator,
                });
            }
        }
        match self.measures {
            true => kernel.measure(course, index, &mut trials),
            false => kernel.pass(course, index, self.how.loss, &mut trials),
        }
    }
}

/// Where G V and Gᵀ W of a lane go, by trial.
type Wanted<'a, T> = (Few<Option<&'a mut [T]>>, Few<Option<&'a mut [T]>>);

impl<T: Unit + Stored<T>> Work<T> {
    /// `prepare` per slot, `pass` per shard, the sum in shard order, `finish` per slot. Kernels know measurements alone.
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
        let course = choice.as_ref().map_or(Course { set: how.set, way: 0 }, |choice| choice.course());
        let (points, shards, zeros) = (&self.points, &self.shards[..], &self.zeros[..]);
        let reading = Reading { how, shards, points, zeros, applied: &applied, minus: &minus, measures };
        let timed = choice
            .as_mut()
            .filter(|choice| choice.open() && how.group.is_none() && how.active.iter().all(|&active| active))
            .map(|choice| (choice, Instant::now()));
        each(self.threads.shards, jobs, |job| reading.over(kernel, course, job));
        if let Some((choice, begin)) = timed {
            choice.took(begin.elapsed().as_secs_f64());
        }
        if !measures {
            self.finish(kernel, how, &applied, wanted);
        }
    }

    /// What kernels make of L and R, by slot.
    fn prepare(&mut self, kernel: &dyn HostKernel<T>, how: &How<'_, T>, lanes: &[Few<Pair<'_, T>>]) {
        let (count, batch) = (lanes.len(), how.active.len());
        let slots = self.points.rows_mut().zip(self.scratch.rows_mut()).take(batch * count).enumerate();
        let running = slots.filter(|(slot, _)| how.active[slot / count]).collect();
        each(self.threads.trials, running, |(slot, (out, scratch))| {
            kernel.prepare(lanes[slot % count][slot / count], scratch, out);
        });
    }

    /// The sums of the shards, in their order, and the gradients that are made of them.
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
            // Kernels write the left one always. It is of W's size.
            let mut unwanted = Vec::new();
            let left = left.unwrap_or_else(|| {
                unwanted.resize(applied.left.len(), T::ZERO);
                &mut unwanted
            });
            kernel.finish(sum, scratch, applied, left, right);
        });
    }
}

/// The shards that have measurements that count, in the order in which threads take them.
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
        // Each thread has a run of them. What it read last is still in its cache: begin with that.
        let run = jobs.len().div_ceil(rayon::current_num_threads()).max(1);
        jobs.chunks_mut(run).for_each(<[_]>::reverse);
    }
    jobs
}

/// What is worth handing to several threads: waking them takes longer than a few thousand operations do.
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
