//! A gradient by [`GatherKernel`]: all residuals first, then each block of lines of the result by itself. Every number is
//! written by one task, so bits depend on neither the threads nor the other trials.

use std::ops::Range;

use rayon::prelude::*;

use crate::host::work::{How, Work};
use crate::memory::{Part, Place, product};
use crate::operators::{GatherKernel, InstructionSet, Lines, Operator, Pair, Side};
use crate::real::Real;

/// 64 bytes that begin at a multiple of 64.
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Unit([u64; 8]);

/// Numbers from one padded line to the next.
fn stride<T>(search_rank: usize) -> usize {
    search_rank.next_multiple_of(size_of::<Unit>() / size_of::<T>())
}

/// Factors of all trials, each line padded to whole units.
#[derive(Default)]
struct Padded(Vec<Unit>);

impl Padded {
    /// Lines of k numbers, copied.
    fn fill<T: Real>(&mut self, factors: &[&[T]], search_rank: usize, parallel: bool) {
        let stride = stride::<T>(search_rank);
        let lines: usize = factors.iter().map(|f| f.len() / search_rank).sum();
        self.0.resize(lines * stride * size_of::<T>() / size_of::<Unit>(), Unit::default());
        let mut rest: &mut [T] = bytemuck::cast_slice_mut(&mut self.0);
        for factor in factors {
            let (own, others) = rest.split_at_mut(factor.len() / search_rank * stride);
            rest = others;
            let copy = |(to, from): (&mut [T], &[T])| {
                to[..search_rank].copy_from_slice(from);
                to[search_rank..].fill(T::ZERO);
            };
            if parallel {
                own.par_chunks_mut(stride).zip(factor.par_chunks(search_rank)).with_min_len(4096).for_each(copy);
            } else {
                own.chunks_mut(stride).zip(factor.chunks(search_rank)).for_each(copy);
            }
        }
    }

    fn of<T: Real>(&self, trial: usize, batch: usize, search_rank: usize) -> Lines<'_, T> {
        let all: &[T] = bytemuck::cast_slice(&self.0);
        let size = all.len() / batch;
        Lines { values: &all[trial * size..(trial + 1) * size], stride: stride::<T>(search_rank) }
    }
}

/// Buffers of a gathered gradient.
pub(super) struct Gathered<T> {
    /// L, R, W, V; those that are the same as one before stay empty.
    factors: [Padded; 4],
    /// cᵢ = wᵢ ρ′(eᵢ), (batch, m)
    coefficients: Vec<T>,
}

impl<T: Real> Gathered<T> {
    pub(super) fn new(batch: usize, measurements: usize) -> Self {
        Self { factors: Default::default(), coefficients: vec![T::ZERO; batch * measurements] }
    }
}

/// What [`Gathered`] holds for a gradient at the factors themselves.
pub(super) fn held<T>(operator: &dyn Operator, batch: usize, search_rank: usize) -> Vec<Part> {
    let shape = operator.shape();
    let lines = shape.rows() + if shape.is_symmetric() { 0 } else { shape.columns() };
    let part = |name: &str, numbers: &[usize]| {
        Part::new(name, Place::Host, product(numbers).saturating_mul(size_of::<T>() as u64))
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
    /// e = A(L Rᵀ) − target and c = w ρ′(e) by shards, then Σ cᵢ Aᵢ V and Σ cᵢ Aᵢᵀ W by blocks of lines.
    pub(super) fn gather(
        &mut self,
        gathered: &mut Gathered<T>,
        kernel: &dyn GatherKernel<T>,
        how: &How,
        point: &[Pair<'_, T>],
        applied: &[Pair<'_, T>],
        active: &[bool],
    ) {
        let set = how.set;
        let (batch, k) = (point.len(), point[0].search_rank);
        let parallel = self.threads.shards;
        let [l, r, w, v] = gathered.place(point, applied, parallel);
        let of = |which: usize, trial: usize| gathered.factors[which].of::<T>(trial, batch, k);

        let lengths: Vec<usize> = self.shards.iter().map(|shard| shard.range.len()).collect();
        let coefficients = parts(&mut gathered.coefficients, batch, lengths.iter().copied());
        let tasks: Vec<_> = self.shards.iter_mut().zip(coefficients).collect();
        super::work::each(parallel, tasks, |(shard, coefficients)| {
            let length = shard.range.len();
            for (trial, c) in coefficients.into_iter().enumerate().filter(|(trial, _)| active[*trial]) {
                let own = trial * length..(trial + 1) * length;
                kernel.forward(set, shard.range.clone(), of(l, trial), of(r, trial), &mut shard.residual[own.clone()]);
                shard.residual[own.clone()].iter_mut().zip(&shard.target[own.clone()]).for_each(|(e, &t)| *e -= t);
                let weights = shard.weights_in(trial, &how.group);
                for ((&e, c), &weight) in shard.residual[own].iter().zip(c).zip(weights.iter()) {
                    *c = weight * how.loss.derivative(e);
                }
            }
        });

        let coefficients = &gathered.coefficients;
        let m = coefficients.len() / batch;
        for (side, out, applied) in [(Side::Left, &mut self.left, v), (Side::Right, &mut self.right, w)] {
            if out.is_empty() {
                continue;
            }
            let blocks = kernel.blocks(side);
            let outputs = parts(out, batch, blocks.iter().map(|lines| lines.len() * k));
            let tasks: Vec<(Range<usize>, Vec<&mut [T]>)> = blocks.iter().cloned().zip(outputs).collect();
            super::work::each(parallel, tasks, |(lines, outputs)| {
                for (trial, out) in outputs.into_iter().enumerate().filter(|(trial, _)| active[*trial]) {
                    let coefficients = &coefficients[trial * m..(trial + 1) * m];
                    kernel.gather(set, side, lines.clone(), coefficients, of(applied, trial), out);
                }
            });
        }
    }
}

impl<T: Real> Gathered<T> {
    /// Pads (L, R) and (W, V), and says in which buffer each of them is: what is the same slice is padded once.
    fn place(&mut self, point: &[Pair<'_, T>], applied: &[Pair<'_, T>], parallel: bool) -> [usize; 4] {
        let k = point[0].search_rank;
        let given: [Vec<&[T]>; 4] = [
            point.iter().map(|pair| pair.left).collect(),
            point.iter().map(|pair| pair.right).collect(),
            applied.iter().map(|pair| pair.left).collect(),
            applied.iter().map(|pair| pair.right).collect(),
        ];
        std::array::from_fn(|which| {
            let same = |other: &usize| given[*other].iter().zip(&given[which]).all(|(x, y)| std::ptr::eq(*x, *y));
            let at = (0..which).find(same).unwrap_or(which);
            if at == which {
                self.factors[which].fill(&given[which], k, parallel);
            }
            at
        })
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
    let shape = operator.shape();
    let lines = if side == Side::Left { shape.rows() } else { shape.columns() };
    let mut padded = Padded::default();
    padded.fill(&[applied], search_rank, true);
    let mut out = vec![0.0; lines * search_rank];
    let set = InstructionSet::available()[0];
    let blocks = kernel.blocks(side);
    let outputs = parts(&mut out, 1, blocks.iter().map(|lines| lines.len() * search_rank));
    let tasks: Vec<(Range<usize>, Vec<&mut [f64]>)> = blocks.iter().cloned().zip(outputs).collect();
    super::work::each(true, tasks, |(lines, mut outputs)| {
        kernel.gather(set, side, lines, residual, padded.of(0, 1, search_rank), outputs[0]);
    });
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Engine, Evaluation, Load, Precision};
    use crate::methods::Recipe;
    use crate::operators::{Entries, Sparse};
    use crate::problem::random::{Purpose, normals};
    use crate::problem::{Factors, Shape};

    /// Sizes at which there are many shards, many blocks and lines longer than a block.
    fn operators() -> Vec<Arc<dyn Operator>> {
        let (wide, symmetric) = (Shape::asymmetric(1, 3000), Shape::psd(500));
        vec![
            Arc::new(Entries::uniform(Shape::asymmetric(3000, 40), 150_000, 1).unwrap()),
            Arc::new(Entries::uniform(wide, 70_000, 2).unwrap()),
            Arc::new(Entries::uniform(symmetric, 100_000, 3).unwrap()),
            Arc::new(Sparse::random(symmetric, 20_000, 5, 4).unwrap()),
        ]
    }

    fn factors(operator: &dyn Operator, batch: usize, k: usize) -> Factors {
        let shape = operator.shape();
        let draw = |lines: usize, seed| normals(seed, Purpose::Laws, 1.0, batch * lines * k);
        Factors::of(batch, shape, k, draw(shape.rows(), 1), draw(shape.columns(), 2)).unwrap()
    }

    fn evaluate(mut engine: Box<dyn Engine>, point: &Factors, target: &[f64], weights: &[f64]) -> Evaluation {
        engine.set_observations(target, weights).unwrap();
        engine.evaluate(point, point).unwrap()
    }

    #[test]
    fn many_shards_and_blocks_give_what_the_twin_gives_whatever_the_threads_and_the_batch() {
        for operator in operators() {
            assert!(operator.shards() > 1);
            let m = operator.measurements();
            // One unit, two, and more than the four that a window has.
            for k in [5, 20, 70] {
                let batch = 2;
                let load = |batch| Load {
                    operator: operator.clone(),
                    recipe: Recipe::default(),
                    driven: None,
                    batch,
                    search_rank: k,
                    signature: None,
                    variant: None,
                };
                let point = factors(&*operator, batch, k);
                let target = normals(3, Purpose::Laws, 1.0, batch * m);
                let weights: Vec<f64> = (0..batch * m).map(|i| f64::from(u8::from(i % 7 != 3))).collect();
                let on = |threads: usize, precision| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let engine = crate::host::load_cpu(&load(batch), precision).unwrap();
                    pool.install(|| evaluate(engine, &point, &target, &weights))
                };
                let twin = crate::host::load_reference(&load(batch)).unwrap();
                let twin = evaluate(twin, &point, &target, &weights);
                for (precision, allowed) in [(Precision::F64, 1e-12), (Precision::F32, 1e-4)] {
                    let found = on(2, precision);
                    for (found, twin) in
                        [(&found.residual, &twin.residual), (&found.left, &twin.left), (&found.right, &twin.right)]
                    {
                        let scale = twin.iter().fold(1.0_f64, |a, v| a.max(v.abs()));
                        assert_eq!(found.len(), twin.len());
                        assert!(found.iter().zip(twin).all(|(f, t)| (f - t).abs() <= allowed * scale));
                    }
                    let alone = on(1, precision);
                    assert_eq!(
                        (&alone.residual, &alone.left, &alone.right),
                        (&found.residual, &found.left, &found.right)
                    );
                    let trial = |values: &[f64]| values[values.len() / batch..].to_vec();
                    let second = Factors::of(
                        1,
                        operator.shape(),
                        k,
                        trial(point.left_data()),
                        if point.is_single() { vec![] } else { trial(point.right_data()) },
                    );
                    let engine = crate::host::load_cpu(&load(1), precision).unwrap();
                    let single = evaluate(engine, &second.unwrap(), &trial(&target), &trial(&weights));
                    assert_eq!(single.left, trial(&found.left));
                    assert_eq!(single.right, if found.right.is_empty() { vec![] } else { trial(&found.right) });
                }
            }
        }
    }
}
