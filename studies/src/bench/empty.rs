//! Cost of an iteration without its operator, measured with an operator that does nothing.

use std::ops::Range;
use std::sync::Arc;

use crate::bench::{Case, Effort, Measurement, time_iterations};
use lowrank::Backend;
use lowrank::Real;
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::operators::{Acceleration, Cost, HostKernel, Loss, Operator, Pair, PassSchedule, TrialPass};
use lowrank::problem::{Domain, Factors};

/// Operator with Aᵢ = 0 for every i, with as many shards as a small problem.
struct Empty {
    domain: Domain,
    measurements: usize,
}

const SHARDS: usize = 8;

impl Operator for Empty {
    fn name(&self) -> &str {
        "empty"
    }
    fn domain(&self) -> Domain {
        self.domain
    }
    fn measurements(&self) -> usize {
        self.measurements
    }
    fn normalization(&self) -> f64 {
        1.0 / self.measurements as f64
    }
    fn shards(&self) -> usize {
        SHARDS
    }
    fn shard_range(&self, shard: usize) -> Range<usize> {
        self.measurements * shard / SHARDS..self.measurements * (shard + 1) / SHARDS
    }
    fn sensing_matrix(&self, _i: usize) -> Vec<f64> {
        vec![0.0; self.domain.rows() * self.domain.columns()]
    }
    fn forward(&self, _shard: usize, _point: &Factors, out: &mut [f64]) {
        out.fill(0.0);
    }
    fn adjoint_apply(&self, _shard: usize, _residual: &[f64], _applied: &Factors, _out: &mut [f64]) {}
    /// Reports enough operations to keep all threads busy, so that the timing includes their coordination.
    fn cost(&self, batch: usize, _search_rank: usize) -> Cost {
        Cost::new(0.0, 4.0 * self.measurements as f64 * self.domain.dimension() as f64 * batch as f64)
    }
    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default().kernels(self, self)
    }
}

impl<T: Real> HostKernel<T> for Empty {
    fn point_len(&self, _search_rank: usize) -> usize {
        0
    }
    fn prepare(&self, _point: Pair<'_, T>, _scratch: &mut [T], _out: &mut [T]) {}
    fn accumulator_len(&self, _search_rank: usize, _factors: usize) -> usize {
        0
    }
    fn pass(&self, _schedule: PassSchedule, _shard: usize, _loss: Loss, _trials: &mut [TrialPass<'_, T>]) {}
    fn finish(
        &self,
        _accumulator: &[T],
        _scratch: &mut [T],
        _applied: Pair<'_, T>,
        left: &mut [T],
        _right: Option<&mut [T]>,
    ) {
        left.fill(T::ZERO);
    }
}

/// Times an iteration of the Cpu backend whose operator does nothing: moving threads to the shards and back, and the
/// step U ← U − μ·s·0.
///
/// # Errors
/// Those of [`time_iterations`].
pub fn overhead(
    n: usize,
    measurements: usize,
    search_rank: usize,
    batch: usize,
    effort: Effort,
) -> Result<Measurement> {
    let domain = Domain::symmetric(n);
    domain.validate()?;
    let case = Case {
        operator: Arc::new(Empty { domain, measurements }),
        batch,
        search_rank,
        backend: Backend::Cpu,
        precision: Precision::F32,
        variant: None,
        device_memory: None,
    };
    time_iterations(&case, effort, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_operator_has_all_its_parts_and_takes_time() {
        let empty = Empty { domain: Domain::symmetric(5), measurements: 11 };
        let lengths: usize = (0..empty.shards()).map(|shard| empty.shard_range(shard).len()).sum();
        assert_eq!(lengths, 11);
        let effort = Effort { samples: 1, seconds: 1e-4 };
        let found = overhead(5, 11, 2, 1, effort).unwrap();
        assert_eq!((found.operator.as_str(), found.gigabytes_per_second), ("empty", 0.0));
        assert!(found.milliseconds > 0.0 && overhead(0, 11, 2, 1, effort).is_err());
    }
}
