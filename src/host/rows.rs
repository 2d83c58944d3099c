//! The measurement data of one trial for functions on the host, through the kernels of the host engines.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use faer::{Mat, MatRef};
use rayon::prelude::*;

use crate::error::Result;
use crate::memory::{Location, Memory, Part, product};
use crate::operators::{HostKernel, Loss, Operator, Pair, PassSchedule, ReferenceKernel, ThinShard, TrialPass};
use crate::real::Real;
use crate::simd::{Bank, InstructionSet, Stored, Unit};
use crate::tape::{Rows, Seen, ThinRows};

/// A kernel of the operator, or the adaptor to its f64 functions.
pub(super) enum Kernel<'a, T> {
    Fast(&'a dyn HostKernel<T>),
    Reference(ReferenceKernel<'a>),
}

impl<'a, T: Real> Kernel<'a, T> {
    pub(super) fn of(operator: &'a dyn Operator, fast: Option<&'a dyn HostKernel<T>>) -> Self {
        fast.map_or_else(|| Self::Reference(ReferenceKernel::new(operator)), Self::Fast)
    }

    fn get(&self) -> &dyn HostKernel<T> {
        match self {
            Self::Fast(kernel) => *kernel,
            Self::Reference(kernel) => kernel,
        }
    }
}

/// Buffers of thin rows for the next pass: in fresh memory every page would be cleared first.
pub(super) struct Spare<T>(Mutex<Vec<Vec<T>>>);

impl<T: Real> Spare<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn bytes(&self) -> usize {
        let buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.iter().map(|buffer| buffer.capacity() * size_of::<T>()).sum()
    }

    /// A buffer with any numbers in it.
    fn take(&self, length: usize) -> Vec<T> {
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let large = buffers.iter().position(|buffer| buffer.capacity() >= length);
        // A buffer that is too small makes room for a larger one.
        let found = large.map(|at| buffers.swap_remove(at)).or_else(|| buffers.pop().map(|_| Vec::new()));
        drop(buffers);
        let mut found = found.unwrap_or_default();
        if found.capacity() < length {
            return vec![T::ZERO; length];
        }
        found.resize(length, T::ZERO);
        found
    }

    fn give(&self, given: impl Iterator<Item = Vec<T>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(given);
    }
}

/// The rows of one trial. Vectors over the measurements are by shard, (batch, length) each.
pub(super) struct HostRows<'a, T> {
    operator: &'a dyn Operator,
    kernel: Kernel<'a, T>,
    set: InstructionSet,
    shards: &'a [Range<usize>],
    target: Vec<&'a [T]>,
    weights: Vec<&'a [T]>,
    totals: Vec<f64>,
    spare: &'a Spare<T>,
}

impl<'a, T: Real> HostRows<'a, T> {
    pub(super) fn new(
        (operator, kernel, set): (&'a dyn Operator, Kernel<'a, T>, InstructionSet),
        shards: &'a [Range<usize>],
        [target, weights]: [&'a [Vec<T>]; 2],
        trial: usize,
        spare: &'a Spare<T>,
    ) -> Self {
        let own = |vector: &'a [Vec<T>]| -> Vec<&'a [T]> {
            let of = |(range, values): (&Range<usize>, &'a Vec<T>)| &values[trial * range.len()..][..range.len()];
            shards.iter().zip(vector).map(of).collect()
        };
        let (target, weights) = (own(target), own(weights));
        let totals = weights.iter().map(|weights| weights.iter().map(|w| w.to_f64()).sum()).collect();
        Self { operator, kernel, set, shards, target, weights, totals, spare }
    }
}

/// What a shard of a pass needs besides its rows.
struct ShardPass<'a, T> {
    kernel: &'a dyn HostKernel<T>,
    schedule: PassSchedule,
    point: &'a [T],
    applied: Pair<'a, T>,
    accumulator: usize,
    bases: Option<Bases<'a, T>>,
    spare: &'a Spare<T>,
}

/// Bases Q and R, column by column, and the numbers of a thin row.
#[derive(Clone, Copy)]
struct Bases<'a, T> {
    columns: (&'a [T], &'a [T]),
    length: usize,
}

/// The accumulator of a shard, the moments of its residuals, and its thin rows.
type OfShard<T> = (Bank<T>, Moments, Vec<T>);

/// Σ w, the mean ē = Σ w e/Σ w, and Σ w (e − ē)², which an offset of the residuals does not drown.
#[derive(Clone, Copy, Default)]
struct Moments {
    weight: f64,
    mean: f64,
    centred: f64,
}

impl Moments {
    fn of<T: Real>(residual: &[T], weights: &[T]) -> Self {
        let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
            residual.iter().zip(weights).map(|(e, w)| w.to_f64() * of(e.to_f64())).sum()
        };
        let weight = sum(&|_| 1.0);
        let mean = if weight > 0.0 { sum(&|e| e) / weight } else { 0.0 };
        Self { weight, mean, centred: sum(&|e| (e - mean) * (e - mean)) }
    }

    /// The moments of both (Chan, Golub & LeVeque 1983).
    fn with(self, other: Self) -> Self {
        let weight = self.weight + other.weight;
        let (share, apart) = (if weight > 0.0 { other.weight / weight } else { 0.0 }, other.mean - self.mean);
        let centred = self.centred + other.centred + self.weight * share * apart * apart;
        Self { weight, mean: self.mean + share * apart, centred }
    }

    /// Σ w e²
    fn square(self) -> f64 {
        self.centred + self.weight * self.mean * self.mean
    }
}

impl<T: Real> ShardPass<'_, T> {
    fn run(&self, shard: usize, target: &[T], weights: &[T]) -> OfShard<T> {
        let mut thin = self.bases.map_or_else(Vec::new, |bases| self.spare.take(target.len() * bases.length));
        let mut bank = Bank::new(1, self.accumulator);
        let mut residual = vec![T::ZERO; target.len()];
        if let Some(accumulator) = bank.rows_mut().next() {
            let (point, applied, residual) = (self.point, self.applied, &mut residual[..]);
            let trial = TrialPass { point, applied, target, weights, residual, accumulator };
            match self.bases {
                Some(bases) => self.kernel.pass_and_thin(self.schedule, shard, trial, bases.columns, &mut thin),
                None => self.kernel.pass(self.schedule, shard, Loss::Square, &mut [trial]),
            }
        }
        (bank, Moments::of(&residual, weights), thin)
    }
}

/// A matrix in row-major order, padded with zero columns to `columns`.
fn row_major<T: Real>(matrix: MatRef<'_, f64>, columns: usize) -> Vec<T> {
    let mut out = vec![T::ZERO; matrix.nrows() * columns];
    for (i, row) in out.chunks_mut(columns.max(1)).enumerate() {
        row.iter_mut().take(matrix.ncols()).enumerate().for_each(|(j, out)| *out = T::from_f64(matrix[(i, j)]));
    }
    out
}

/// Thin rows of some shards, by their numbers.
type ThinOfShards<T> = Vec<(usize, Vec<T>)>;

/// What a sum over shards measures and multiplies: row-major matrices with the same number of columns.
struct Question<'a, T> {
    /// L (n1×c) and R (n2×c).
    ends: (&'a [T], &'a [T]),
    /// W (n1×c) and V (n2×c).
    applied: (&'a [T], &'a [T]),
    columns: usize,
    target: Option<&'a [&'a [T]]>,
    /// Whether GᵀW is wanted too.
    both: bool,
    /// The bases of thin rows that are wanted too.
    bases: Option<Bases<'a, T>>,
}

/// G V and GᵀW, G = Σ w e A, Σ w e², and the thin rows of the shards.
struct Sums<T> {
    left: Vec<T>,
    right: Vec<T>,
    energy: f64,
    thin: ThinOfShards<T>,
}

impl<T: Unit + Stored<T>> HostRows<'_, T> {
    /// The sums over some shards, added in their order.
    fn sums(&self, shards: Range<usize>, question: &Question<'_, T>) -> Sums<T> {
        let (domain, kernel, columns) = (self.operator.domain(), self.kernel.get(), question.columns);
        let pair = |(left, right)| Pair { left, right, search_rank: columns };
        let accumulator = kernel.accumulator_len(columns, 1 + usize::from(!domain.is_symmetric()));
        let mut point = Bank::new(1, kernel.point_len(columns));
        let mut scratch = Bank::new(1, kernel.scratch_len(columns));
        let mut sum = Bank::new(1, accumulator);
        let zeros = vec![T::ZERO; self.shards.iter().map(Range::len).max().unwrap_or(0)];
        let mut out =
            Sums { left: vec![T::ZERO; domain.rows() * columns], right: Vec::new(), energy: 0.0, thin: Vec::new() };
        if question.both {
            out.right.resize(domain.columns() * columns, T::ZERO);
        }
        let (Some(point), Some(scratch), Some(sum)) =
            (point.rows_mut().next(), scratch.rows_mut().next(), sum.rows_mut().next())
        else {
            return out;
        };
        kernel.prepare(pair(question.ends), scratch, point);
        let schedule = PassSchedule { set: self.set, traversal: kernel.traversals(1).first().map_or(0, |(t, _)| *t) };
        let applied = pair(question.applied);
        let pass =
            ShardPass { kernel, schedule, point, applied, accumulator, bases: question.bases, spare: self.spare };
        let of = |shard: usize| {
            let target = question.target.map_or(&zeros[..self.shards[shard].len()], |target| target[shard]);
            pass.run(shard, target, self.weights[shard])
        };
        let found: Vec<OfShard<T>> = shards.clone().into_par_iter().map(of).collect();
        let mut moments = Moments::default();
        for (shard, (bank, own, thin)) in shards.zip(found) {
            sum.iter_mut().zip(bank.row(0)).for_each(|(sum, own)| *sum += *own);
            moments = moments.with(own);
            out.thin.push((shard, thin));
        }
        out.energy = if self.operator.is_centred() { moments.centred } else { moments.square() };
        let right = question.both.then_some(&mut out.right[..]);
        kernel.finish(sum, scratch, pair(question.applied), &mut out.left, right);
        out
    }
}

impl<T: Unit + Stored<T>> HostRows<'_, T> {
    /// A pass, with thin rows of some bases.
    fn look(
        &self,
        shards: Range<usize>,
        (left, right): (MatRef<'_, f64>, MatRef<'_, f64>),
        bases: Option<Bases<'_, T>>,
    ) -> Result<(Seen, ThinOfShards<T>)> {
        let domain = self.operator.domain();
        let (n1, n2) = (domain.rows(), domain.columns());
        let accumulators = product(&[shards.len() + 2, self.kernel.get().accumulator_len(n2, 2), size_of::<T>()]);
        let parts = vec![Part::new("gradients of shards", Location::Host, accumulators)];
        Memory { parts }.require("method", "Use pursuit, whose gradients are thin")?;
        // G itself is G applied to the identity.
        let mut identity = vec![T::ZERO; n2 * n2];
        identity.iter_mut().step_by(n2 + 1).for_each(|one| *one = T::from_f64(1.0));
        let nothing = vec![T::ZERO; n1 * n2];
        let applied = (if domain.is_symmetric() { &identity[..] } else { &nothing[..] }, &identity[..]);
        let (l, r) = (row_major(left, n2), row_major(right, n2));
        let target = Some(&self.target[..]);
        let question = Question { ends: (&l, &r), applied, columns: n2, target, both: false, bases };
        let weight = self.totals[shards.clone()].iter().sum();
        let Sums { left: gradient, energy, thin, .. } = self.sums(shards, &question);
        let gradient = Mat::from_fn(n1, n2, |i, j| gradient[i * n2 + j].to_f64());
        Ok((Seen::new(gradient, energy, weight), thin))
    }
}

impl<T: Unit + Stored<T>> Rows for HostRows<'_, T> {
    fn weights(&self) -> &[f64] {
        &self.totals
    }

    fn pass(&self, shards: Range<usize>, left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Result<Seen> {
        Ok(self.look(shards, (left, right), None)?.0)
    }

    fn pass_and_thin(
        &self,
        shards: Range<usize>,
        ends: (MatRef<'_, f64>, MatRef<'_, f64>),
        (left, right): (MatRef<'_, f64>, MatRef<'_, f64>),
    ) -> Result<(Seen, Box<dyn ThinRows + '_>)> {
        let (q, symmetric, kernel) = (left.ncols(), self.operator.domain().is_symmetric(), self.kernel.get());
        let by_columns = |basis: MatRef<'_, f64>| -> Vec<T> {
            (0..q).flat_map(|j| (0..basis.nrows()).map(move |i| T::from_f64(basis[(i, j)]))).collect()
        };
        let numbers = self.shards[shards.clone()].iter().map(Range::len).sum::<usize>();
        let n = left.nrows() + if symmetric { 0 } else { right.nrows() };
        let bytes = product(&[numbers, n * q, size_of::<T>()]).saturating_sub(self.spare.bytes() as u64);
        let parts = vec![Part::new("thin rows", Location::Host, bytes)];
        if !kernel.has_thin_rows() || (Memory { parts }).require("method", "").is_err() {
            let columns = if symmetric { q } else { 2 * q };
            let applied = (row_major(left, columns), row_major(right, columns));
            let bases = (left.to_owned(), right.to_owned());
            let seen = self.pass(shards.clone(), ends.0, ends.1)?;
            return Ok((seen, Box::new(Implicit { rows: self, shards, bases, applied, columns, symmetric })));
        }
        let (left, right) = (by_columns(left), by_columns(right));
        let bases = Bases { columns: (&left, &right), length: n * q };
        let (seen, thin) = self.look(shards, ends, Some(bases))?;
        Ok((seen, Box::new(Kept { set: self.set, thin, weights: &self.weights, shape: (n, q), spare: self.spare })))
    }
}

/// Thin rows in memory, n·q numbers each, column by column.
struct Kept<'a, T: Real> {
    set: InstructionSet,
    thin: ThinOfShards<T>,
    weights: &'a [&'a [T]],
    shape: (usize, usize),
    spare: &'a Spare<T>,
}

impl<T: Real> Drop for Kept<'_, T> {
    fn drop(&mut self) {
        self.spare.give(self.thin.drain(..).map(|(_, rows)| rows));
    }
}

impl<T: Unit + Stored<T>> ThinRows for Kept<'_, T> {
    fn normal(&self, p: MatRef<'_, f64>) -> Result<Mat<f64>> {
        let (n, q) = self.shape;
        let mut point = Bank::<T>::new(1, n * q);
        if let Some(point) = point.rows_mut().next() {
            for j in 0..p.ncols() {
                (0..n).for_each(|i| point[j * n + i] = T::from_f64(p[(i, j)]));
            }
        }
        let of = |(shard, rows): &(usize, Vec<T>)| {
            let mut sum = Bank::new(1, n * q);
            let weights = self.weights[*shard];
            if let Some(accumulator) = sum.rows_mut().next() {
                ThinShard { rows, weights, point: point.row(0), accumulator }.run(self.set);
            }
            sum
        };
        let sums: Vec<Bank<T>> = self.thin.par_iter().map(of).collect();
        let sum = |i: usize, j: usize| sums.iter().map(|sum| sum.row(0)[j * n + i].to_f64()).sum();
        Ok(Mat::from_fn(n, p.ncols(), sum))
    }
}

/// Thin rows that are not kept: another pass over the operator measures ⟨Bᵢ, P⟩ = ⟨Aᵢ, P Rᵀ⟩ for symmetric Aᵢ, and
/// ⟨Bᵢ, P⟩ = ⟨Aᵢ, Q P₁ᵀ + P₂Rᵀ⟩ for P₂ above P₁.
struct Implicit<'a, T> {
    rows: &'a HostRows<'a, T>,
    shards: Range<usize>,
    bases: (Mat<f64>, Mat<f64>),
    applied: (Vec<T>, Vec<T>),
    columns: usize,
    symmetric: bool,
}

impl<T: Unit + Stored<T>> ThinRows for Implicit<'_, T> {
    fn normal(&self, p: MatRef<'_, f64>) -> Result<Mat<f64>> {
        let ((q, r), columns) = (&self.bases, self.columns);
        let (n1, width) = (q.nrows(), p.ncols());
        let beside = |a: MatRef<'_, f64>, b: MatRef<'_, f64>| {
            let cut = a.ncols();
            let entry = |i: usize, j: usize| if j < cut { a[(i, j)] } else { b[(i, j - cut)] };
            row_major(Mat::from_fn(a.nrows(), cut + b.ncols(), entry).as_ref(), columns)
        };
        let ends: (Vec<T>, Vec<T>) = match self.symmetric {
            true => (row_major(p, columns), row_major(r.as_ref(), columns)),
            false => {
                let (p2, p1) = (p.subrows(0, n1), p.subrows(n1, r.nrows()));
                (beside(q.subcols(0, width), p2), beside(p1, r.subcols(0, width)))
            }
        };
        let applied = (&self.applied.0[..], &self.applied.1[..]);
        let ends = (&ends.0[..], &ends.1[..]);
        let question = Question { ends, applied, columns, target: None, both: !self.symmetric, bases: None };
        let sums = self.rows.sums(self.shards.clone(), &question);
        let entry = |i: usize, j: usize| match i < n1 {
            true => sums.left[i * columns + j].to_f64(),
            false => sums.right[(i - n1) * columns + j].to_f64(),
        };
        Ok(Mat::from_fn(p.nrows(), width, entry))
    }
}
