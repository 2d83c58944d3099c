//! The contract of a fast host kernel, and the adaptor that gives every operator one through its f64 twin.

use crate::operators::{GradientOutput, GradientRequest, Loss, Operator};
use crate::problem::Factors;
use crate::real::{Real, convert};
use crate::simd::InstructionSet;

/// One trial's pair (L, R), row-major; for one factor both are the same slice.
#[derive(Clone, Copy)]
pub struct Pair<'a, T> {
    pub left: &'a [T],
    pub right: &'a [T],
    /// k.
    pub search_rank: usize,
}

/// What one trial brings to a pass over a shard. Slices over measurements have the shard's length.
pub struct TrialPass<'a, T> {
    /// What [`HostKernel::prepare`] wrote for this trial.
    pub point: &'a [T],
    /// (W, V), for kernels whose accumulator is the gradient; those that apply Σ rᵢ Aᵢ in `finish` ignore it.
    pub applied: Pair<'a, T>,
    pub target: &'a [T],
    pub weights: &'a [T],
    /// eᵢ, overwritten.
    pub residual: &'a mut [T],
    /// This shard's accumulator for this trial, zeroed before the pass.
    pub accumulator: &'a mut [T],
}

/// A gradient in three steps, so that what depends on the point alone is done once an iteration, the measurement data
/// is read once, and shards may run at the same time: `prepare` (per trial), `pass` (per shard, all trials), then the
/// engine adds the accumulators in shard order, then `finish` (per trial).
pub trait HostKernel<T: Real>: Send + Sync {
    /// Length of a prepared point.
    fn point_len(&self, search_rank: usize) -> usize;

    /// Numbers of working memory that `prepare` and `finish` are given; what it holds before does not matter.
    fn scratch_len(&self, _search_rank: usize) -> usize {
        0
    }

    /// Brings L Rᵀ into the form `pass` reads (for dense: packed, weighted).
    fn prepare(&self, point: Pair<'_, T>, scratch: &mut [T], out: &mut [T]);

    /// Length of an accumulator.
    fn accumulator_len(&self, search_rank: usize) -> usize;

    /// For each trial: eᵢ = ⟨Aᵢ, L Rᵀ⟩ − targetᵢ over the shard, and the accumulator of Σ wᵢ ρ′(eᵢ) Aᵢ.
    /// `set` is the instruction set to use; the order of every sum must not depend on the other trials.
    fn pass(&self, set: InstructionSet, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]);

    /// Turns a summed accumulator into Σ wᵢ ρ′(eᵢ) Aᵢ V (and Σ wᵢ ρ′(eᵢ) Aᵢᵀ W), overwriting the outputs. `applied`
    /// is (W, V) as (left, right).
    fn finish(
        &self,
        accumulator: &[T],
        scratch: &mut [T],
        applied: Pair<'_, T>,
        left: &mut [T],
        right: Option<&mut [T]>,
    );
}

/// Runs an operator's f64 functions behind the kernel contract; the accumulator is the gradient itself.
pub(crate) struct TwinKernel<'a> {
    operator: &'a dyn Operator,
}

impl<'a> TwinKernel<'a> {
    pub(crate) fn new(operator: &'a dyn Operator) -> Self {
        Self { operator }
    }

    fn factors<T: Real>(&self, pair: Pair<'_, T>) -> Factors {
        Factors::pair(1, self.operator.shape(), pair.search_rank, convert(pair.left), convert(pair.right))
            .expect("the engine passes factors of the operator's shape")
    }
}

impl<T: Real> HostKernel<T> for TwinKernel<'_> {
    fn point_len(&self, search_rank: usize) -> usize {
        let shape = self.operator.shape();
        (shape.rows() + shape.columns()) * search_rank
    }

    fn prepare(&self, point: Pair<'_, T>, _scratch: &mut [T], out: &mut [T]) {
        let (left, right) = out.split_at_mut(point.left.len());
        left.copy_from_slice(point.left);
        right.copy_from_slice(point.right);
    }

    fn accumulator_len(&self, search_rank: usize) -> usize {
        let shape = self.operator.shape();
        let right = if shape.is_symmetric() { 0 } else { shape.columns() };
        (shape.rows() + right) * search_rank
    }

    fn pass(&self, _set: InstructionSet, shard: usize, loss: Loss, trials: &mut [TrialPass<'_, T>]) {
        for trial in trials {
            let search_rank = trial.applied.search_rank;
            let (left, right) = trial.point.split_at(trial.applied.left.len());
            let point = self.factors(Pair { left, right, search_rank });
            let applied = self.factors(trial.applied);
            let (target, weights) = (convert::<T, f64>(trial.target), convert::<T, f64>(trial.weights));
            let mut residual = vec![0.0; target.len()];
            let mut accumulator = vec![0.0; trial.accumulator.len()];
            let (left, right) = accumulator.split_at_mut(trial.applied.left.len());
            let request =
                GradientRequest { point: &point, applied: &applied, target: &target, weights: Some(&weights), loss };
            let right = if right.is_empty() { None } else { Some(right) };
            let mut output = GradientOutput { loss: &mut [0.0], left, right, residual: Some(&mut residual) };
            self.operator.gradient(shard, &request, &mut output);
            trial.residual.copy_from_slice(&convert::<f64, T>(&residual));
            trial.accumulator.copy_from_slice(&convert::<f64, T>(&accumulator));
        }
    }

    fn finish(
        &self,
        accumulator: &[T],
        _scratch: &mut [T],
        _applied: Pair<'_, T>,
        left: &mut [T],
        right: Option<&mut [T]>,
    ) {
        let (a, b) = accumulator.split_at(left.len());
        left.copy_from_slice(a);
        if let Some(right) = right {
            right.copy_from_slice(b);
        }
    }
}
