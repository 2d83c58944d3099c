//! A gradient on all cores: shards in parallel, each with its own accumulators, summed in shard order.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Instant;

use crate::host::awake::share;
use crate::host::choice::Choice;
use crate::operators::{HostKernel, InstructionSet, Loss, Operator, Pair, TrialPass};
use crate::real::Real;
use crate::simd::{Bank, Stored, Sum, Unit};

/// One shard's slice of the observations, (batch, length) each, and its accumulators, (batch, accumulator length).
pub(super) struct Shard<T> {
    pub(super) range: Range<usize>,
    pub(super) target: Vec<T>,
    pub(super) weights: Vec<T>,
    pub(super) residual: Vec<T>,
    pub(super) accumulator: Bank<T>,
}

impl<T: Real> Shard<T> {
    fn belongs(&self, group: &Option<Range<usize>>) -> bool {
        group.as_ref().is_none_or(|group| self.range.start < group.end && group.start < self.range.end)
    }

    /// Those of a trial, zero outside the group.
    pub(super) fn weights_in(&self, trial: usize, group: &Option<Range<usize>>) -> Cow<'_, [T]> {
        let length = self.range.len();
        let own = &self.weights[trial * length..(trial + 1) * length];
        match group {
            Some(group) if group.start > self.range.start || group.end < self.range.end => {
                let inside = |(i, &w)| if group.contains(&(self.range.start + i)) { w } else { T::ZERO };
                Cow::Owned(own.iter().enumerate().map(inside).collect())
            }
            _ => Cow::Borrowed(own),
        }
    }

    /// (e, w) of a trial, of the measurements of the group.
    pub(super) fn observed(&self, trial: usize, group: &Option<Range<usize>>) -> impl Iterator<Item = (f64, f64)> {
        let (first, length) = (self.range.start, self.range.len());
        let group = group.clone().unwrap_or(0..usize::MAX);
        let own = trial * length..(trial + 1) * length;
        let numbers = self.residual[own.clone()].iter().zip(&self.weights[own]).enumerate();
        let inside = numbers.filter(move |(i, _)| group.contains(&(first + i)));
        inside.map(|(_, (e, w))| (e.to_f64(), w.to_f64()))
    }
}

/// How a gradient is taken.
pub(super) struct How {
    pub(super) set: InstructionSet,
    pub(super) loss: Loss,
    /// Measurements that count, where it is not all of them.
    pub(super) group: Option<Range<usize>>,
}

/// Buffers of a gradient.
pub(super) struct Work<T> {
    pub(super) shards: Vec<Shard<T>>,
    /// (batch, point length)
    pub(super) points: Bank<T>,
    /// (batch, scratch length)
    pub(super) scratch: Bank<T>,
    /// (batch, accumulator length)
    pub(super) sums: Bank<T>,
    /// (batch, n1, k)
    pub(super) left: Vec<T>,
    /// (batch, n2, k), empty for symmetric models
    pub(super) right: Vec<T>,
    pub(super) threads: Threads,
    /// How the kernel goes over a shard.
    pub(super) choice: Choice,
    /// Whether the next pass goes over the shards of a thread from the last one to the first.
    pub(super) backwards: bool,
}

pub(super) fn pairs<'a, T>(batch: usize, search_rank: usize, left: &'a [T], right: &'a [T]) -> Vec<Pair<'a, T>> {
    let (l, r) = (left.len() / batch, right.len() / batch);
    (0..batch)
        .map(|b| Pair { left: &left[b * l..(b + 1) * l], right: &right[b * r..(b + 1) * r], search_rank })
        .collect()
}

impl<T: Unit + Stored<T>> Work<T> {
    /// `prepare` per trial, `pass` per shard, the sum in shard order, `finish` per trial.
    pub(super) fn gradient(
        &mut self,
        kernel: &dyn HostKernel<T>,
        how: &How,
        point: &[Pair<'_, T>],
        applied: &[Pair<'_, T>],
        active: &[bool],
    ) {
        let batch = point.len();
        let (left_len, right_len) = ((self.left.len() / batch).max(1), self.right.len() / batch);
        let threads = self.threads;

        let points = self.points.rows_mut().zip(self.scratch.rows_mut());
        let running = points.enumerate().filter(|(trial, _)| active[*trial]).collect();
        each(threads.trials, running, |(trial, (out, scratch))| kernel.prepare(point[trial], scratch, out));

        let points = &self.points;
        let mut shards: Vec<_> =
            self.shards.iter_mut().enumerate().filter(|(_, shard)| shard.belongs(&how.group)).collect();
        self.backwards = !self.backwards;
        if self.backwards {
            // Each thread has a run of them. What it read last is still in its cache: begin with that.
            let run = shards.len().div_ceil(rayon::current_num_threads()).max(1);
            shards.chunks_mut(run).for_each(<[_]>::reverse);
        }
        let course = self.choice.course();
        let begin = Instant::now();
        each(threads.shards, shards, |(index, shard): (usize, &mut Shard<T>)| {
            let length = shard.range.len();
            let own: Vec<Vec<T>> = match &how.group {
                Some(_) => (0..batch).map(|trial| shard.weights_in(trial, &how.group).into_owned()).collect(),
                None => Vec::new(),
            };
            let mut trials: Vec<TrialPass<'_, T>> = (shard.residual.chunks_mut(length))
                .zip(shard.accumulator.rows_mut())
                .enumerate()
                .filter(|(trial, _)| active[*trial])
                .map(|(trial, (residual, accumulator))| {
                    accumulator.fill(T::ZERO);
                    TrialPass {
                        point: points.row(trial),
                        applied: applied[trial],
                        target: &shard.target[trial * length..(trial + 1) * length],
                        weights: own
                            .get(trial)
                            .map_or(&shard.weights[trial * length..(trial + 1) * length], Vec::as_slice),
                        residual,
                        accumulator,
                    }
                })
                .collect();
            kernel.pass(course, index, how.loss, &mut trials);
        });
        if self.choice.open() && how.group.is_none() && active.iter().all(|&active| active) {
            self.choice.took(begin.elapsed().as_secs_f64());
        }

        let shards: Vec<&Shard<T>> = self.shards.iter().filter(|shard| shard.belongs(&how.group)).collect();
        let sums = self.sums.rows_mut().zip(self.scratch.rows_mut());
        let left = self.left.chunks_mut(left_len);
        let right = pieces(&mut self.right, right_len, batch);
        let outputs = sums.zip(left.zip(right)).enumerate().filter(|(trial, _)| active[*trial]).collect();
        each(threads.trials, outputs, |(trial, ((sum, scratch), (left, right)))| {
            let rows: Vec<&[T]> = shards.iter().map(|shard| shard.accumulator.row(trial)).collect();
            T::run(how.set, Sum { rows: &rows, out: sum });
            kernel.finish(sum, scratch, applied[trial], left, (!right.is_empty()).then_some(right));
        });
    }
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
        let (n, k) = (operator.shape().rows() as f64, search_rank as f64);
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

/// `count` pieces of `len` numbers each, which may be none.
fn pieces<T>(mut values: &mut [T], len: usize, count: usize) -> impl Iterator<Item = &mut [T]> {
    (0..count).map(move |_| {
        let (first, rest) = std::mem::take(&mut values).split_at_mut(len);
        values = rest;
        first
    })
}
