//! Ops of a tape on the host, except the passes over the measurements. Sums and decompositions are in f64 for every
//! type of factors. Parts of long sums are added in an order independent of the threads.

use rayon::prelude::*;

use crate::host::precondition::preconditioned;
use crate::host::product::{Factor, product as multiplied};
use crate::host::registers::Registers;
use crate::operators::Loss;
use crate::real::Real;
use crate::tape::{
    Blocks, Bound, Combine, Expression, LabelNoise, MatrixProduct, Measured, MeasuredClip, MeasuredCombine,
    Precondition, Scalar, noise,
};

/// Least count of numbers worth several threads.
const MANY: usize = 1 << 16;
/// Count of numbers per part of a sum; parts are added in order.
const PART: usize = 1 << 15;

/// Value of a formula for a trial.
pub(super) fn value<T: Real>(registers: &Registers<T>, formula: &Expression, trial: usize) -> f64 {
    formula.value(&|scalar: Scalar| registers.scalars(scalar)[trial])
}

/// Whether an op with the condition `only` applies to a trial.
fn concerned<T: Real>(registers: &Registers<T>, only: Option<Scalar>, trial: usize) -> bool {
    only.is_none_or(|only| registers.scalars(only)[trial] != 0.0)
}

/// out ← c·out + Σ cⱼxⱼ with the terms in order; without c, out is overwritten by the first term.
fn add_up<T: Real>(out: &mut [T], own: Option<T>, terms: &[(T, &[T])]) {
    let one = T::from_f64(1.0);
    let mut rest = terms;
    match own {
        Some(c) if c == one => {}
        Some(c) => out.iter_mut().for_each(|v| *v = c * *v),
        None => {
            let Some(((c, x), others)) = terms.split_first() else { return };
            rest = others;
            if *c == one {
                out.copy_from_slice(x);
            } else {
                out.iter_mut().zip(*x).for_each(|(v, &x)| *v = *c * x);
            }
        }
    }
    for (c, x) in rest {
        out.iter_mut().zip(*x).for_each(|(v, &x)| *v += *c * x);
    }
}

/// The same on several threads for many numbers.
fn add_up_all<T: Real>(out: &mut [T], own: Option<T>, terms: &[(T, &[T])]) {
    if out.len() < MANY {
        return add_up(out, own, terms);
    }
    out.par_chunks_mut(PART).enumerate().for_each(|(index, out)| {
        let range = index * PART..index * PART + out.len();
        let terms: Vec<(T, &[T])> = terms.iter().map(|(c, x)| (*c, &x[range.clone()])).collect();
        add_up(out, own, &terms);
    });
}

/// Coefficients of a trial: that of the output itself, if it is a term, and those of the others.
fn coefficients<T: Real, R: Copy + PartialEq>(
    registers: &Registers<T>,
    terms: &[(Expression, R)],
    out: R,
    trial: usize,
) -> (Option<T>, Vec<(T, R)>) {
    let (mut own, mut others) = (None::<T>, Vec::with_capacity(terms.len()));
    for (formula, register) in terms {
        let c = T::from_f64(value(registers, formula, trial));
        if *register == out {
            own = Some(own.map_or(c, |sum| sum + c));
        } else {
            others.push((c, *register));
        }
    }
    (own, others)
}

/// max(v, 0); not a number stays, so that a divergence shows.
fn above_zero<T: Real>(v: T) -> T {
    if v < T::from_f64(0.0) { T::from_f64(0.0) } else { v }
}

/// Runs [`Combine`].
pub(super) fn combine<T: Real>(registers: &mut Registers<T>, op: &Combine, active: &[bool]) {
    let size = registers.size(op.out);
    let mut out = registers.take_blocks(op.out);
    for (trial, own) in out.chunks_mut(size.max(1)).enumerate() {
        if !active[trial] || !concerned(registers, op.only, trial) {
            continue;
        }
        let (c, others) = coefficients(registers, &op.terms, op.out, trial);
        let terms: Vec<(T, &[T])> =
            others.iter().map(|(c, x)| (*c, &registers.blocks(*x)[trial * size..(trial + 1) * size])).collect();
        add_up_all(own, c, &terms);
        if op.nonnegative {
            own.iter_mut().for_each(|v| *v = above_zero(*v));
        }
        if let Some(positive) = op.positive {
            let mut rest = own;
            for block in registers.sizes(op.out) {
                let (values, others) = rest.split_at_mut(block.len());
                rest = others;
                for row in values.chunks_mut(block.columns.max(1)) {
                    row.iter_mut().skip(positive).for_each(|v| *v = -*v);
                }
            }
        }
    }
    registers.put_blocks(op.out, out);
}

/// Runs [`MeasuredCombine`].
pub(super) fn measured_combine<T: Real>(registers: &mut Registers<T>, op: &MeasuredCombine, active: &[bool]) {
    let mut out = registers.take_measured(op.out);
    for trial in (0..active.len()).filter(|trial| active[*trial]) {
        if !concerned(registers, op.only, trial) {
            continue;
        }
        let (c, others) = coefficients(registers, &op.terms, op.out, trial);
        let many = out.iter().map(Vec::len).sum::<usize>() > MANY && out.len() > 1;
        let of = |(shard, own): (usize, &mut Vec<T>)| {
            let length = own.len() / active.len();
            let range = trial * length..(trial + 1) * length;
            let terms: Vec<(T, &[T])> =
                others.iter().map(|(c, x)| (*c, &registers.measured(*x)[shard][range.clone()])).collect();
            add_up_all(&mut own[range.clone()], c, &terms);
            if let Some(times) = op.times {
                let factors = &registers.measured(times)[shard][range.clone()];
                own[range.clone()].iter_mut().zip(factors).for_each(|(own, factor)| *own = *own * *factor);
            }
        };
        match many {
            true => out.par_iter_mut().enumerate().for_each(of),
            false => out.iter_mut().enumerate().for_each(of),
        }
    }
    registers.put_measured(op.out, out);
}

/// Runs [`MeasuredClip`].
pub(super) fn measured_clip<T: Real>(registers: &mut Registers<T>, op: &MeasuredClip, active: &[bool]) {
    let mut out = registers.take_measured(op.out);
    for trial in (0..active.len()).filter(|trial| active[*trial]) {
        let number = |bound: &Bound| match bound {
            Bound::All(formula) => T::from_f64(value(registers, formula, trial)),
            Bound::Each(_) => T::ZERO,
        };
        let (lower, upper) = (op.lower.as_ref().map(number), op.upper.as_ref().map(number));
        let of = |(shard, own): (usize, &mut Vec<T>)| {
            let length = own.len() / active.len();
            let range = trial * length..(trial + 1) * length;
            let vector = |register: Measured| &registers.measured(register)[shard][range.clone()];
            let each = |bound: &Option<Bound>| bound.as_ref().and_then(Bound::register).map(vector);
            let (lowest, highest) = (each(&op.lower), each(&op.upper));
            // The output was taken out of the registers.
            let x = (op.x != op.out).then(|| vector(op.x));
            for (i, own) in own[range.clone()].iter_mut().enumerate() {
                let mut v = x.map_or(*own, |x| x[i]);
                if let Some(bound) = lowest.map(|of| of[i]).or(lower).filter(|bound| v < *bound) {
                    v = bound;
                }
                if let Some(bound) = highest.map(|of| of[i]).or(upper).filter(|bound| v > *bound) {
                    v = bound;
                }
                *own = v;
            }
        };
        out.par_iter_mut().enumerate().for_each(of);
    }
    registers.put_measured(op.out, out);
}

/// Runs [`LabelNoise`].
pub(super) fn label_noise<T: Real>(
    registers: &mut Registers<T>,
    op: &LabelNoise,
    active: &[bool],
    shards: &[std::ops::Range<usize>],
) {
    let mut out = registers.take_measured(op.out);
    for trial in (0..active.len()).filter(|trial| active[*trial]) {
        let of = |scalar| registers.scalars(scalar)[trial];
        let (stream, turn) = (of(op.stream), of(op.turn));
        let [deviation, normal] = [of(op.deviation), noise::NORMAL].map(T::from_f64);
        let base = registers.measured(op.base);
        let fill = |((own, base), shard): ((&mut Vec<T>, &Vec<T>), &std::ops::Range<usize>)| {
            let range = trial * shard.len()..(trial + 1) * shard.len();
            let sums = noise::sums(stream, turn, shard.start);
            for ((own, base), sum) in own[range.clone()].iter_mut().zip(&base[range]).zip(sums) {
                *own = *base + deviation * (T::from_f64(f64::from(sum)) * normal);
            }
        };
        out.par_iter_mut().zip(base).zip(shards).for_each(fill);
    }
    registers.put_measured(op.out, out);
}

/// ⟨a, b⟩ of a trial.
pub(super) fn dot<T: Real>(registers: &Registers<T>, a: Blocks, b: Blocks, trial: usize) -> f64 {
    let size = registers.size(a);
    let range = trial * size..(trial + 1) * size;
    let (a, b) = (&registers.blocks(a)[range.clone()], &registers.blocks(b)[range]);
    let part = |(a, b): (&[T], &[T])| a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum::<f64>();
    if a.len() < MANY {
        return part((a, b));
    }
    let parts: Vec<f64> = a.par_chunks(PART).zip(b.par_chunks(PART)).map(part).collect();
    parts.iter().sum()
}

/// Terms of a sum over the measurements of a shard and a trial: weights and vectors, without those of weight 0.
struct Weighted<'a, T> {
    weights: &'a [T],
    vectors: [&'a [T]; 2],
    /// Measurements that count, in the numbering of the shard.
    inside: std::ops::Range<usize>,
}

impl<T: Real> Weighted<'_, T> {
    /// (w, a, b)
    fn terms(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let [a, b] = self.vectors;
        let all = self.inside.clone().map(move |i| (self.weights[i].to_f64(), a[i].to_f64(), b[i].to_f64()));
        // A weight of 0 must hide an infinite residual too.
        all.filter(|(w, ..)| *w != 0.0)
    }
}

/// Sums over the measurements by shard, then by trial. `of` makes numbers from the terms of a shard and a trial.
pub(super) struct Sums<'a, T> {
    pub(super) registers: &'a Registers<T>,
    pub(super) weights: Measured,
    pub(super) vectors: [Measured; 2],
    pub(super) active: &'a [bool],
    /// Measurements of each shard that count, in its numbering.
    pub(super) inside: Vec<std::ops::Range<usize>>,
}

impl<T: Real> Sums<'_, T> {
    /// (active trials, N) of each shard.
    fn by_shard<const N: usize>(&self, of: impl Fn(usize, Weighted<'_, T>) -> [f64; N] + Sync) -> Vec<Vec<f64>> {
        let (weights, batch) = (self.registers.measured(self.weights), self.active.len());
        let vectors = self.vectors.map(|at| self.registers.measured(at));
        let shard = |shard: usize| {
            let length = weights[shard].len() / batch;
            let mut out = Vec::new();
            for trial in (0..batch).filter(|trial| self.active[*trial]) {
                let own = trial * length..(trial + 1) * length;
                let terms = Weighted {
                    weights: &weights[shard][own.clone()],
                    vectors: vectors.map(|v| &v[shard][own.clone()]),
                    inside: self.inside[shard].clone(),
                };
                out.extend(of(trial, terms));
            }
            out
        };
        let many = weights.iter().map(Vec::len).sum::<usize>() > MANY;
        match many && weights.len() > 1 {
            true => (0..weights.len()).into_par_iter().map(shard).collect(),
            false => (0..weights.len()).map(shard).collect(),
        }
    }

    /// Σw, Σwa, Σwb.
    pub(super) fn means(&self) -> Vec<Vec<f64>> {
        let add = |[s, p, q]: [f64; 3], (w, a, b)| [s + w, p + w * a, q + w * b];
        self.by_shard(|_, of| of.terms().fold([0.0; 3], add))
    }

    /// Σ w(a − ā)(b − b̄), with the means by trial.
    pub(super) fn products(&self, means: &[[f64; 2]]) -> Vec<Vec<f64>> {
        self.by_shard(|trial, of| {
            let [p, q] = means[trial];
            [of.terms().map(|(w, a, b)| w * (a - p) * (b - q)).sum::<f64>()]
        })
    }

    /// Σ wρ(a − ā).
    pub(super) fn energies(&self, loss: Loss, means: &[[f64; 2]]) -> Vec<Vec<f64>> {
        self.by_shard(|trial, of| {
            let mean = means[trial][0];
            [of.terms().map(|(w, e, _)| w * loss.value(e - mean)).sum::<f64>()]
        })
    }
}

/// Runs [`Precondition`].
pub(super) fn precondition<T: Real>(registers: &mut Registers<T>, op: &Precondition, active: &[bool]) {
    let mut out = registers.take_blocks(op.out);
    let size = registers.size(op.direction);
    let one = |(trial, own): (usize, &mut [T])| -> bool {
        let damping = value(registers, &op.damping, trial);
        let (mut rest, mut raised) = (own, false);
        for (index, partner) in op.partners.iter().enumerate() {
            let block = registers.sizes(op.direction)[index];
            let (own, others) = rest.split_at_mut(block.len());
            rest = others;
            let direction = registers.matrix(op.direction.block(index), trial);
            let factor = registers.matrix(op.factor.block(*partner), trial);
            raised |= preconditioned(direction, factor, block.columns, damping, own);
        }
        raised
    };
    let trials: Vec<(usize, &mut [T])> =
        out.chunks_mut(size.max(1)).enumerate().filter(|(trial, _)| active[*trial]).collect();
    let numbers: Vec<usize> = trials.iter().map(|(trial, _)| *trial).collect();
    let raised: Vec<bool> = match size * trials.len() > MANY && trials.len() > 1 {
        true => trials.into_par_iter().map(one).collect(),
        false => trials.into_iter().map(one).collect(),
    };
    for (trial, _) in numbers.into_iter().zip(raised).filter(|(_, raised)| *raised) {
        let count = registers.scalars(op.raised)[trial];
        registers.set_scalar(op.raised, trial, count + 1.0);
    }
    registers.put_blocks(op.out, out);
}

/// Runs [`MatrixProduct`].
pub(super) fn product<T: Real>(registers: &mut Registers<T>, op: &MatrixProduct, active: &[bool]) {
    let (size, range) = (registers.size(op.out.register), registers.range(op.out));
    let mut out = registers.take_blocks(op.out.register);
    for (trial, own) in out.chunks_mut(size.max(1)).enumerate().filter(|(trial, _)| active[*trial]) {
        let factor =
            |of, transposed| Factor { values: registers.matrix(of, trial), size: registers.block(of), transposed };
        multiplied(factor(op.a, op.transpose_a), factor(op.b, op.transpose_b), &mut own[range.clone()]);
    }
    registers.put_blocks(op.out.register, out);
}
