//! The contract of a fast host kernel, and the adaptor that gives every operator one from its f64 reference
//! implementation.

use rayon::prelude::*;

use crate::operators::{Loss, Operator};
use crate::problem::Factors;
use crate::real::{Real, convert};
use crate::simd::InstructionSet;

/// A pair (L, R) of one trial, row-major; for one factor both are the same slice.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Pair<'a, T> {
    /// Factor L, n1×k.
    pub left: &'a [T],
    /// Factor R, n2×k.
    pub right: &'a [T],
    /// Search rank k.
    pub search_rank: usize,
}

/// Inputs and outputs of one trial in a pass over a shard. Slices over measurements have the shard's length.
#[non_exhaustive]
pub struct TrialPass<'a, T> {
    /// Output of [`HostKernel::prepare`] for this trial.
    pub point: &'a [T],
    /// Factors (W, V), for kernels whose accumulator is the gradient; those that apply Σ rᵢ Aᵢ in `finish` ignore it.
    pub applied: Pair<'a, T>,
    /// Numbers tᵢ subtracted from A(L Rᵀ).
    pub target: &'a [T],
    /// Weights wᵢ of the measurements.
    pub weights: &'a [T],
    /// Residuals eᵢ, overwritten.
    pub residual: &'a mut [T],
    /// This shard's accumulator for this trial, zeroed before the pass.
    pub accumulator: &'a mut [T],
}

/// Choice of the traversal of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassSchedule {
    /// Instruction set of the kernel.
    pub set: InstructionSet,
    /// Number of the traversal, from [`HostKernel::traversals`].
    pub traversal: usize,
}

/// A gradient in three steps: `prepare` (per trial), `pass` (per shard, all trials), and, after the engine has added
/// the accumulators in shard order, `finish` (per trial). Work that depends on the point alone is done once per
/// iteration, the measurement data are read once, and shards may run in parallel.
pub trait HostKernel<T: Real>: Send + Sync {
    /// Length of a prepared point.
    fn point_len(&self, search_rank: usize) -> usize;

    /// Size of the working memory of `prepare` and `finish`, whose old content does not matter.
    fn scratch_len(&self, _search_rank: usize) -> usize {
        0
    }

    /// Numbers of the working memory that one trial takes in a pass, for kernels that take any.
    fn pass_len(&self, _search_rank: usize, _factors: usize) -> usize {
        0
    }

    /// Largest size in bytes of a second copy of the data made by passes.
    fn copied_bytes(&self) -> u64 {
        0
    }

    /// Bytes of the slices that a pass over all shards visits; `None` where they are not counted. The engine reports
    /// them, and the law of declared bytes compares them with [`Operator::cost`].
    fn read_bytes(&self) -> Option<u64> {
        None
    }

    /// Converts L Rᵀ into the input of `pass` (for dense: packed, weighted).
    fn prepare(&self, point: Pair<'_, T>, scratch: &mut [T], out: &mut [T]);

    /// Length of an accumulator for gradients of one or two factors; rectangular domains always have two. A pass knows
    /// the number of factors from the length of its accumulators.
    fn accumulator_len(&self, search_rank: usize, factors: usize) -> usize;

    /// Computes for each trial eᵢ = ⟨Aᵢ, L Rᵀ⟩ − targetᵢ over the shard, and the accumulator of Σ wᵢ ρ′(eᵢ) Aᵢ. The
    /// order of every sum must depend neither on the other trials nor on the traversal.
    fn pass(&self, schedule: PassSchedule, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]);

    /// Computes for each trial eᵢ alone, with the bits of `pass`; accumulators may be written.
    fn measure(&self, schedule: PassSchedule, shard: usize, trials: &mut [TrialPass<'_, T>]) {
        trials.iter_mut().for_each(|trial| trial.accumulator.fill(T::ZERO));
        self.pass(schedule, shard, Loss::Square, trials);
    }

    /// Whether [`HostKernel::thin_rows`] writes thin rows.
    fn has_thin_rows(&self) -> bool {
        false
    }

    /// Writes the thin rows of a shard for bases Q (n1×q) and R (n2×q), given column by column: AᵢR above AᵢᵀQ, and AᵢR
    /// alone for symmetric Aᵢ, each column by column. A method that solves least squares along the bases reads them in
    /// place of the Aᵢ.
    fn thin_rows(&self, _set: InstructionSet, _shard: usize, _bases: (&[T], &[T]), _out: &mut [T]) {}

    /// Does what [`HostKernel::pass`] of the square loss and [`HostKernel::thin_rows`] do, for one trial, with the same
    /// bits. Kernels of stored rows read them once for both.
    fn pass_and_thin(
        &self,
        schedule: PassSchedule,
        shard: usize,
        mut trial: TrialPass<'_, T>,
        bases: (&[T], &[T]),
        thin: &mut [T],
    ) {
        self.pass(schedule, shard, Loss::Square, std::slice::from_mut(&mut trial));
        self.thin_rows(schedule.set, shard, bases, thin);
    }

    /// Traversals of the rows for `batch` trials, with numbers and names. They differ only in time, and the engine
    /// finds the fastest. An empty list means no choice, that is traversal 0.
    fn traversals(&self, _batch: usize) -> Vec<(usize, &'static str)> {
        Vec::new()
    }

    /// Converts a summed accumulator into Σ wᵢ ρ′(eᵢ) Aᵢ V (and Σ wᵢ ρ′(eᵢ) Aᵢᵀ W) and overwrites the outputs. For
    /// centred operators the sums are over eᵢ − ē. `applied` is (W, V) as (left, right). An accumulator of two factors
    /// may serve the first output alone.
    fn finish(
        &self,
        accumulator: &[T],
        scratch: &mut [T],
        applied: Pair<'_, T>,
        left: &mut [T],
        right: Option<&mut [T]>,
    );
}

/// Adaptor of an operator's f64 functions to the kernel contract; the accumulator is the gradient itself.
pub(crate) struct ReferenceKernel<'a> {
    operator: &'a dyn Operator,
}

impl<'a> ReferenceKernel<'a> {
    pub(crate) fn new(operator: &'a dyn Operator) -> Self {
        Self { operator }
    }

    /// Σ rᵢAᵢV, and Σ rᵢAᵢᵀW where there are two factors.
    fn sums_len(&self, search_rank: usize, factors: usize) -> usize {
        let domain = self.operator.domain();
        let right = if factors == 1 { 0 } else { domain.columns() };
        (domain.rows() + right) * search_rank
    }

    /// Number of factors of an accumulator's gradients, one or two.
    fn factors_of<T: Real>(&self, accumulator: &[T], search_rank: usize) -> usize {
        if accumulator.len() == HostKernel::<T>::accumulator_len(self, search_rank, 1) { 1 } else { 2 }
    }

    /// Σ wᵢAᵢV (and the other side), then Σwe and Σw, with which `finish` subtracts the mean of the residuals.
    fn centring(&self, shard: usize, weights: &[f64], residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let (sums, means) = out.split_at_mut(out.len() - 2);
        let (left, right) = sums.split_at_mut(applied.left_data().len());
        self.operator.adjoint_apply(shard, weights, applied, left);
        if !right.is_empty() {
            self.operator.adjoint_apply_transposed(shard, weights, applied, right);
        }
        means[0] = weights.iter().zip(residual).map(|(w, e)| w * e).sum();
        means[1] = weights.iter().sum();
    }

    /// e over a shard.
    fn residual(&self, shard: usize, point: &Factors, target: &[f64]) -> Vec<f64> {
        let mut residual = vec![0.0; target.len()];
        self.operator.forward(shard, point, &mut residual);
        residual.iter_mut().zip(target).for_each(|(e, target)| *e -= target);
        residual
    }

    /// A pair in f64; one factor where both sides are the same, which halves what every shard copies.
    fn factors<T: Real>(&self, pair: Pair<'_, T>, single: bool) -> Factors {
        let (domain, k) = (self.operator.domain(), pair.search_rank);
        let factors = match single {
            true => Factors::single(1, domain.rows(), k, convert(pair.left)),
            false => Factors::pair(1, domain, k, convert(pair.left), convert(pair.right)),
        };
        factors.expect("the engine passes factors of the operator's shape")
    }

    /// The point that `prepare` wrote.
    fn point<T: Real>(&self, trial: &TrialPass<'_, T>) -> Factors {
        let (single, pair) = trial.point.split_last().expect("a point ends with its number of factors");
        let search_rank = trial.applied.search_rank;
        let (left, right) = pair.split_at(self.operator.domain().rows() * search_rank);
        self.factors(Pair { left, right, search_rank }, *single != T::ZERO)
    }

    /// Calls `f` on every trial. Shards have a thread each; the trials of the only shard share them all.
    fn each<'t, T: Real>(&self, trials: &mut [TrialPass<'t, T>], f: impl Fn(&mut TrialPass<'t, T>) + Send + Sync) {
        if self.operator.shards() == 1 && trials.len() > 1 {
            trials.par_iter_mut().for_each(f);
        } else {
            trials.iter_mut().for_each(f);
        }
    }
}

/// Whether both sides of a pair are one factor.
fn same<T>(pair: Pair<'_, T>) -> bool {
    std::ptr::eq(pair.left, pair.right)
}

impl<T: Real> HostKernel<T> for ReferenceKernel<'_> {
    fn point_len(&self, search_rank: usize) -> usize {
        let domain = self.operator.domain();
        (domain.rows() + domain.columns()) * search_rank + 1
    }

    /// L and R one above the other, and 1 where they are the same slice, else 0.
    fn prepare(&self, point: Pair<'_, T>, _scratch: &mut [T], out: &mut [T]) {
        let (left, rest) = out.split_at_mut(point.left.len());
        let (right, rest) = rest.split_at_mut(point.right.len());
        left.copy_from_slice(point.left);
        right.copy_from_slice(point.right);
        rest[0] = if same(point) { T::from_f64(1.0) } else { T::ZERO };
    }

    fn accumulator_len(&self, search_rank: usize, factors: usize) -> usize {
        let sums = self.sums_len(search_rank, factors);
        if self.operator.is_centred() { 2 * sums + 2 } else { sums }
    }

    fn pass(&self, _schedule: PassSchedule, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        self.each(trials, |trial| {
            let applied = self.factors(trial.applied, same(trial.applied));
            let (target, weights) = (convert::<T, f64>(trial.target), convert::<T, f64>(trial.weights));
            let residual = self.residual(shard, &self.point(trial), &target);
            let r: Vec<f64> = residual.iter().zip(&weights).map(|(e, w)| w * loss.derivative(*e)).collect();
            let factors = self.factors_of::<T>(trial.accumulator, trial.applied.search_rank);
            let mut accumulator = vec![0.0; trial.accumulator.len()];
            let (sums, centring) = accumulator.split_at_mut(self.sums_len(trial.applied.search_rank, factors));
            let (left, right) = sums.split_at_mut(trial.applied.left.len());
            self.operator.adjoint_apply(shard, &r, &applied, left);
            if !right.is_empty() {
                self.operator.adjoint_apply_transposed(shard, &r, &applied, right);
            }
            if !centring.is_empty() {
                self.centring(shard, &weights, &residual, &applied, centring);
            }
            trial.residual.copy_from_slice(&convert::<f64, T>(&residual));
            trial.accumulator.copy_from_slice(&convert::<f64, T>(&accumulator));
        });
    }

    fn measure(&self, _schedule: PassSchedule, shard: usize, trials: &mut [TrialPass<'_, T>]) {
        self.each(trials, |trial| {
            let residual = self.residual(shard, &self.point(trial), &convert::<T, f64>(trial.target));
            trial.residual.copy_from_slice(&convert::<f64, T>(&residual));
        });
    }

    fn finish(
        &self,
        accumulator: &[T],
        _scratch: &mut [T],
        applied: Pair<'_, T>,
        left: &mut [T],
        right: Option<&mut [T]>,
    ) {
        let factors = self.factors_of::<T>(accumulator, applied.search_rank);
        let (sums, centring) = accumulator.split_at(self.sums_len(applied.search_rank, factors));
        let (means, mean) = match centring {
            [means @ .., sum, count] => (means, T::from_f64(sum.to_f64() / count.to_f64())),
            _ => (centring, T::ZERO),
        };
        // Σ wᵢ(eᵢ − ē)Aᵢ = Σ wᵢeᵢAᵢ − ē·Σ wᵢAᵢ
        let sum = |at: usize| means.get(at).map_or(sums[at], |&of_ones| sums[at] - mean * of_ones);
        let first = left.len();
        left.iter_mut().enumerate().for_each(|(at, left)| *left = sum(at));
        right.into_iter().flatten().enumerate().for_each(|(at, right)| *right = sum(first + at));
    }
}

/// Helpers for tests of kernels.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Residuals, then accumulators, of trials at these points over m measurements, `together` at a time.
    pub(crate) fn results(
        points: &[Vec<f32>],
        m: usize,
        together: usize,
        mut pass: impl FnMut(&mut [TrialPass<'_, f32>]),
    ) -> Vec<f32> {
        let (target, weights) = (vec![0.25_f32; m], vec![0.5_f32; m]);
        let mut residuals = vec![vec![0.0; m]; points.len()];
        let mut accumulators: Vec<Vec<f32>> = points.iter().map(|point| vec![0.0; point.len()]).collect();
        let mut trials: Vec<TrialPass<'_, f32>> = (points.iter().zip(&mut residuals).zip(&mut accumulators))
            .map(|((point, residual), accumulator)| TrialPass {
                point,
                applied: Pair { left: &[], right: &[], search_rank: 0 },
                target: &target,
                weights: &weights,
                residual,
                accumulator,
            })
            .collect();
        trials.chunks_mut(together).for_each(&mut pass);
        residuals.into_iter().chain(accumulators).flatten().collect()
    }
}
