//! A gradient by [`GatherKernel`]: first all residuals, then each block of lines of the result by itself. One task
//! writes each number, so bits depend on neither the threads nor the other trials.

use std::ops::Range;

use rayon::prelude::*;

use crate::host::work::{Few, How, LaneCall, Source, Work, each};
use crate::memory::{Location, Part, product};
use crate::operators::{GatherKernel, InstructionSet, Lines, Operator, Pair, Side};
use crate::real::Real;

/// A block of lines of a factor, with that part of the gradient of each solved trial.
type Task<'a, T> = (Range<usize>, Vec<(usize, &'a mut [T])>);

/// 64 bytes aligned to 64.
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Unit([u64; 8]);

/// Line stride in numbers, with padding.
fn stride<T>(columns: usize) -> usize {
    columns.next_multiple_of(size_of::<Unit>() / size_of::<T>())
}

/// Factors of all trials, each line padded to whole units.
#[derive(Default)]
struct Padded {
    units: Vec<Unit>,
    /// Numbers from one line to the next.
    stride: usize,
}

/// Number of columns up to the last one that is not zero, in lines of k numbers.
fn columns_in_use<T: Real>(factor: &[T], search_rank: usize, parallel: bool) -> usize {
    // Only columns beyond those found so far are looked at.
    let of = |found: usize, line: &[T]| {
        found + line[found..].iter().rposition(|v| v.to_f64() != 0.0).map_or(0, |last| last + 1)
    };
    if parallel {
        let lines = factor.par_chunks(search_rank).with_min_len(4096);
        lines.fold(|| 0, of).reduce(|| 0, usize::max)
    } else {
        factor.chunks(search_rank).fold(0, of)
    }
}

impl Padded {
    /// Copies the first `columns` of lines of k numbers; the others are zero.
    fn fill<T: Real>(&mut self, factors: &[&[T]], search_rank: usize, columns: usize, parallel: bool) {
        let stride = stride::<T>(columns.max(1));
        let columns = stride.min(search_rank);
        let lines: usize = factors.iter().map(|f| f.len() / search_rank).sum();
        self.stride = stride;
        self.units.resize(lines * stride * size_of::<T>() / size_of::<Unit>(), Unit::default());
        let mut rest: &mut [T] = bytemuck::cast_slice_mut(&mut self.units);
        for factor in factors {
            let (own, others) = rest.split_at_mut(factor.len() / search_rank * stride);
            rest = others;
            let copy = |(to, from): (&mut [T], &[T])| {
                to[..columns].copy_from_slice(&from[..columns]);
                to[columns..].fill(T::ZERO);
            };
            if parallel {
                own.par_chunks_mut(stride).zip(factor.par_chunks(search_rank)).with_min_len(4096).for_each(copy);
            } else {
                own.chunks_mut(stride).zip(factor.chunks(search_rank)).for_each(copy);
            }
        }
    }

    fn of<T: Real>(&self, trial: usize, batch: usize) -> Lines<'_, T> {
        let all: &[T] = bytemuck::cast_slice(&self.units);
        let size = all.len() / batch;
        Lines { values: &all[trial * size..(trial + 1) * size], stride: self.stride }
    }
}

/// Buffers of a gathered gradient.
pub(super) struct Gathered<T> {
    /// L, R, W, V; one that equals an earlier one stays empty.
    factors: [Padded; 4],
    /// cᵢ = wᵢ ρ′(eᵢ), (batch, m)
    coefficients: Vec<T>,
}

impl<T: Real> Gathered<T> {
    pub(super) fn new(batch: usize, measurements: usize) -> Self {
        Self { factors: Default::default(), coefficients: vec![T::ZERO; batch * measurements] }
    }
}

/// Memory of [`Gathered`] for a gradient at factors of `lines` lines.
pub(super) fn held<T>(operator: &dyn Operator, batch: usize, search_rank: usize, lines: usize) -> Vec<Part> {
    let part = |name: &str, numbers: &[usize]| {
        Part::new(name, Location::Host, product(numbers).saturating_mul(size_of::<T>() as u64))
    };
    vec![
        part("padded factors", &[batch, lines, stride::<T>(search_rank)]),
        part("coefficients of the gradient", &[batch, operator.measurements()]),
    ]
}

/// Consecutive parts of each trial's numbers: for each part, those of all trials.
fn parts<T>(values: &mut [T], batch: usize, lengths: impl Iterator<Item = usize> + Clone) -> Vec<Vec<&mut [T]>> {
    let size = values.len() / batch;
    let mut parts: Vec<Vec<&mut [T]>> = lengths.clone().map(|_| Vec::with_capacity(batch)).collect();
    for mut rest in values.chunks_mut(size) {
        for (part, length) in parts.iter_mut().zip(lengths.clone()) {
            let (own, others) = rest.split_at_mut(length);
            rest = others;
            part.push(own);
        }
    }
    parts
}

impl<T: Real> Work<T> {
    /// v = A(L Rᵀ) − minus and c = w ρ′(v) by shards, then Σ cᵢ Aᵢ V and Σ cᵢ Aᵢᵀ W by blocks of lines, lane by lane.
    pub(super) fn gather(
        &self,
        gathered: &mut Gathered<T>,
        kernel: &dyn GatherKernel<T>,
        how: &How<'_, T>,
        lanes: Few<LaneCall<'_, T>>,
    ) {
        lanes.into_iter().for_each(|lane| self.gather_lane(gathered, kernel, how, lane));
    }

    fn gather_lane(
        &self,
        gathered: &mut Gathered<T>,
        kernel: &dyn GatherKernel<T>,
        how: &How<'_, T>,
        lane: LaneCall<'_, T>,
    ) {
        let (set, active) = (how.set, how.active);
        let (batch, k) = (lane.applied.len(), lane.applied[0].search_rank);
        let parallel = self.threads.shards;
        let points: &[Pair<'_, T>] = match &lane.source {
            Source::Measured { points, .. } => points,
            Source::Given(_) => &[],
        };
        let wanted = lane.left.iter().chain(&lane.right).any(Option::is_some);
        let applied: &[Pair<'_, T>] = if wanted { &lane.applied } else { &[] };
        let Placed { buffers: [l, r, w, v], is_zero } = gathered.place(points, applied, k, parallel);
        let Gathered { factors, coefficients } = gathered;
        let of = |which: usize, trial: usize| factors[which].of::<T>(trial, batch);

        let lengths: Vec<usize> = self.shards.iter().map(|shard| shard.len()).collect();
        let by_shard = parts(coefficients, batch, lengths.iter().copied());
        let weigh = |index: usize, shard: &Range<usize>, trial: usize, residual: &[T], c: &mut [T]| {
            let weights = how.weights_in(index, shard, trial);
            for ((&e, c), &weight) in residual.iter().zip(c).zip(weights.iter()) {
                *c = weight * how.loss.derivative(e);
            }
        };
        let running = |coefficients: Vec<_>| coefficients.into_iter().enumerate().filter(|(trial, _)| active[*trial]);
        match lane.source {
            Source::Measured { minus, out, .. } => {
                let tasks: Vec<_> = self.shards.iter().enumerate().zip(out).zip(by_shard).collect();
                each(parallel, tasks, |(((index, shard), out), coefficients)| {
                    let length = shard.len();
                    for (trial, c) in running(coefficients) {
                        let own = trial * length..(trial + 1) * length;
                        let residual = &mut out[own.clone()];
                        if is_zero {
                            residual.fill(T::ZERO);
                        } else {
                            kernel.forward(set, shard.clone(), of(l, trial), of(r, trial), residual);
                        }
                        if let Some(minus) = minus {
                            residual.iter_mut().zip(&minus[index][own]).for_each(|(e, &t)| *e -= t);
                        }
                        weigh(index, shard, trial, residual, c);
                    }
                });
            }
            Source::Given(given) => {
                let tasks: Vec<_> = self.shards.iter().enumerate().zip(by_shard).collect();
                each(parallel, tasks, |((index, shard), coefficients)| {
                    let length = shard.len();
                    for (trial, c) in running(coefficients) {
                        weigh(index, shard, trial, &given[index][trial * length..(trial + 1) * length], c);
                    }
                });
            }
        }

        let sides = [(Side::Left, lane.left, v), (Side::Right, lane.right, w)];
        for (side, outputs, applied) in sides {
            self.gather_side(kernel, how, (side, outputs, k), coefficients, |trial| of(applied, trial));
        }
    }

    /// One side of Σ cᵢ Aᵢ V of each trial by blocks of lines: `applied` is V of a trial, or W.
    fn gather_side<'f>(
        &self,
        kernel: &dyn GatherKernel<T>,
        how: &How<'_, T>,
        (side, outputs, k): (Side, Few<Option<&mut [T]>>, usize),
        coefficients: &[T],
        applied: impl Fn(usize) -> Lines<'f, T> + Send + Sync,
    ) {
        let batch = outputs.len();
        let m = coefficients.len() / batch;
        let mut tasks: Vec<Task<'_, T>> =
            kernel.blocks(side).iter().map(|lines| (lines.clone(), Vec::with_capacity(batch))).collect();
        for (trial, out) in outputs.into_iter().enumerate() {
            let Some(mut rest) = out.filter(|_| how.active[trial]) else { continue };
            for (lines, outputs) in &mut tasks {
                let (own, others) = rest.split_at_mut(lines.len() * k);
                rest = others;
                outputs.push((trial, own));
            }
        }
        tasks.retain(|(_, outputs)| !outputs.is_empty());
        each(self.threads.shards, tasks, |(lines, outputs)| {
            for (trial, out) in outputs {
                let coefficients = &coefficients[trial * m..(trial + 1) * m];
                kernel.gather(how.set, side, lines.clone(), coefficients, applied(trial), out);
            }
        });
    }
}

/// Where the factors of a lane are.
struct Placed {
    /// Buffers of L, R, W and V.
    buffers: [usize; 4],
    /// Whether L or R is zero.
    is_zero: bool,
}

impl<T: Real> Gathered<T> {
    /// Pads (L, R) and (W, V), if any. Equal slices are padded once. Columns behind the last one in use are left out:
    /// methods that grow the rank have many of them, and search directions at rank 0 have none.
    fn place(&mut self, point: &[Pair<'_, T>], applied: &[Pair<'_, T>], k: usize, parallel: bool) -> Placed {
        let given: [Vec<&[T]>; 4] = [
            point.iter().map(|pair| pair.left).collect(),
            point.iter().map(|pair| pair.right).collect(),
            applied.iter().map(|pair| pair.left).collect(),
            applied.iter().map(|pair| pair.right).collect(),
        ];
        let buffers = std::array::from_fn(|which| {
            let same = |other: &usize| {
                given[*other].len() == given[which].len()
                    && given[*other].iter().zip(&given[which]).all(|(x, y)| std::ptr::eq(*x, *y))
            };
            (0..which).find(same).unwrap_or(which)
        });
        let in_use = |which: usize| given[which].iter().map(|factor| columns_in_use(factor, k, parallel)).max();
        let own = |which: &usize| buffers[*which] == *which && !given[*which].is_empty();
        let mut columns = [0; 4];
        for which in (0..4).filter(own) {
            columns[which] = in_use(which).unwrap_or(0);
        }
        // Rows of L and R are multiplied with each other. Where they are not W or V too, columns that are zero in one
        // of them are left out of both.
        let (left, right) = (columns[buffers[0]], columns[buffers[1]]);
        let alone = buffers[2..].iter().all(|buffer| !buffers[..2].contains(buffer));
        let both = if alone { left.min(right) } else { left.max(right) };
        (columns[buffers[0]], columns[buffers[1]]) = (both, both);
        for which in (0..4).filter(own) {
            self.factors[which].fill(&given[which], k, columns[which], parallel);
        }
        Placed { buffers, is_zero: left.min(right) == 0 }
    }
}

/// One side of Σ rᵢ Aᵢ or its transpose for one trial, (lines, k): `applied` is V, or W.
pub(super) fn adjoint(
    operator: &dyn Operator,
    kernel: &dyn GatherKernel<f64>,
    side: Side,
    residual: &[f64],
    applied: &[f64],
    search_rank: usize,
) -> Vec<f64> {
    let shape = operator.domain();
    let lines = if side == Side::Left { shape.rows() } else { shape.columns() };
    let mut padded = Padded::default();
    padded.fill(&[applied], search_rank, search_rank, true);
    let mut out = vec![0.0; lines * search_rank];
    let set = InstructionSet::available()[0];
    let blocks = kernel.blocks(side);
    let outputs = parts(&mut out, 1, blocks.iter().map(|lines| lines.len() * search_rank));
    let tasks: Vec<(Range<usize>, Vec<&mut [f64]>)> = blocks.iter().cloned().zip(outputs).collect();
    each(true, tasks, |(lines, mut outputs)| {
        kernel.gather(set, side, lines, residual, padded.of(0, 1), outputs[0]);
    });
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Engine, Load, Precision};
    use crate::operators::{Entries, Loss, Sparse};
    use crate::problem::Domain;
    use crate::problem::random::{Purpose, normals};
    use crate::tape::{Evaluation, Sides};

    /// Sizes with many shards, many blocks, and lines longer than a block.
    fn operators() -> Vec<Arc<dyn Operator>> {
        let (wide, symmetric) = (Domain::rectangular(1, 3000), Domain::symmetric(500));
        vec![
            Arc::new(Entries::uniform(Domain::rectangular(3000, 40), 150_000, 1).unwrap()),
            Arc::new(Entries::uniform(wide, 70_000, 2).unwrap()),
            Arc::new(Entries::uniform(symmetric, 100_000, 3).unwrap()),
            Arc::new(Sparse::random(symmetric, 20_000, 5, 4).unwrap()),
        ]
    }

    /// Inputs of the trials: factors in register layout, observations and weights.
    struct Given {
        evaluation: Evaluation,
        batch: usize,
        point: Vec<f64>,
        applied: Vec<f64>,
        target: Vec<f64>,
        weights: Vec<f64>,
    }

    impl Given {
        /// Of the k columns those from `in_use` on are zero in each trial's point, or in what the adjoint is applied to.
        /// The second factor of a pair has twice as many.
        fn new(operator: &dyn Operator, k: usize, in_use: [[usize; 2]; 2]) -> Self {
            let batch = 2;
            let (domain, m) = (operator.domain(), operator.measurements());
            let sides = if domain.is_symmetric() { Sides::One } else { Sides::Both };
            let lines = domain.rows() + if domain.is_symmetric() { 0 } else { domain.columns() };
            let drawn = |seed, in_use: [usize; 2]| -> Vec<f64> {
                let all = normals(seed, Purpose::Laws, 1.0, batch * lines * k).into_iter().enumerate();
                let used = |at: usize| in_use[at / (lines * k)] << usize::from(at / k % lines >= domain.rows());
                all.map(|(at, v)| if at % k < used(at) { v } else { 0.0 }).collect()
            };
            Self {
                evaluation: Evaluation::new(sides, domain, k, Loss::Square),
                batch,
                point: drawn(1, in_use[0]),
                applied: drawn(2, in_use[1]),
                target: normals(3, Purpose::Laws, 1.0, batch * m),
                weights: (0..batch * m).map(|i| f64::from(u8::from(i % 7 != 3))).collect(),
            }
        }

        /// The last trial alone.
        fn last(&self) -> Self {
            let own = |all: &[f64]| all[all.len() - all.len() / self.batch..].to_vec();
            let (point, applied) = (own(&self.point), own(&self.applied));
            let (target, weights) = (own(&self.target), own(&self.weights));
            Self { evaluation: self.evaluation.clone(), batch: 1, point, applied, target, weights }
        }

        fn load<'a>(&self, operator: &Arc<dyn Operator>) -> Load<'a> {
            let (operator, program) = (operator.clone(), self.evaluation.program.clone());
            Load { operator, program, increments: None, batch: self.batch, variant: None }
        }

        /// Residuals, then gradients.
        fn evaluate(&self, mut engine: Box<dyn Engine>) -> Vec<f64> {
            let at = &self.evaluation;
            for (register, values) in [
                (at.target, &self.target),
                (at.weights, &self.weights),
                (at.point, &self.point),
                (at.applied, &self.applied),
            ] {
                engine.write(register, values).unwrap();
            }
            // Numbers of an earlier gradient, in all columns, must not stay.
            engine.write(at.applied, &vec![1.0; self.applied.len()]).unwrap();
            engine.read(at.residual).unwrap();
            engine.write(at.applied, &self.applied).unwrap();
            [engine.read(at.residual).unwrap(), engine.read(at.gradient).unwrap()].concat()
        }
    }

    #[test]
    fn many_shards_and_blocks_give_what_the_reference_gives_whatever_the_threads_and_the_batch() {
        for operator in operators() {
            assert!(operator.shards() > 1);
            let m = operator.measurements();
            // One unit, two units, more than the four units of a window, and of these a part in use, or nothing.
            for (k, in_use) in [
                (5, [[5, 5]; 2]),
                (20, [[20, 20]; 2]),
                (70, [[70, 70]; 2]),
                (70, [[3, 9], [40, 20]]),
                (70, [[0, 30], [0, 0]]),
                (70, [[0, 0], [40, 20]]),
            ] {
                let given = Given::new(&*operator, k, in_use);
                let on = |threads: usize, precision, given: &Given| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let engine = crate::host::load_cpu(&given.load(&operator), precision).unwrap();
                    pool.install(|| given.evaluate(engine))
                };
                let reference = given.evaluate(crate::host::load_reference(&given.load(&operator)).unwrap());
                for (precision, allowed) in [(Precision::F64, 1e-12), (Precision::F32, 1e-4)] {
                    let found = on(2, precision, &given);
                    for (found, reference) in
                        [(&found[..2 * m], &reference[..2 * m]), (&found[2 * m..], &reference[2 * m..])]
                    {
                        let scale = reference.iter().fold(1.0_f64, |a, v| a.max(v.abs()));
                        assert!(found.iter().zip(reference).all(|(f, t)| (f - t).abs() <= allowed * scale));
                    }
                    assert_eq!(found.len(), reference.len());
                    assert!(on(1, precision, &given) == found, "other threads, other bits");
                    let alone = on(2, precision, &given.last());
                    let gradients = &found[2 * m..];
                    let last = [&found[m..2 * m], &gradients[gradients.len() / 2..]].concat();
                    assert!(alone == last, "alone other bits");
                }
            }
        }
    }
}
