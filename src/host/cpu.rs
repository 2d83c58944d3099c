//! The production engine: shards in parallel, each with its own accumulators, summed in shard order.

use std::sync::Arc;

use rayon::prelude::*;

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision};
use crate::error::{Error, Result};
use crate::methods::Stage;
use crate::operators::{HostKernel, Loss, Operator, Pair, TrialPass, TwinKernel};
use crate::problem::Factors;
use crate::real::{Real, convert};

/// A type the engine computes in.
pub(crate) trait HostReal: Real {
    const PRECISION: Precision;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>>;
}

impl HostReal for f32 {
    const PRECISION: Precision = Precision::F32;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>> {
        operator.kernel_f32()
    }
}

impl HostReal for f64 {
    const PRECISION: Precision = Precision::F64;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>> {
        operator.kernel_f64()
    }
}

/// One shard's slice of the observations, (batch, length) each, and its accumulators, (batch, accumulator length).
struct Shard<T> {
    range: std::ops::Range<usize>,
    target: Vec<T>,
    weights: Vec<T>,
    residual: Vec<T>,
    accumulator: Vec<T>,
}

struct Cpu<'a, T> {
    operator: Arc<dyn Operator + 'a>,
    recipe: &'static [Stage],
    info: EngineInfo,
    batch: usize,
    search_rank: usize,
    steps: Vec<T>,
    active: Vec<bool>,
    /// (batch, n, k)
    factor: Vec<T>,
    work: Work<T>,
    /// Whether `work` holds the gradient at `factor`.
    fresh: bool,
}

/// Buffers of a gradient.
struct Work<T> {
    shards: Vec<Shard<T>>,
    /// (batch, point length)
    points: Vec<T>,
    /// (batch, accumulator length)
    sums: Vec<T>,
    /// (batch, n1, k)
    left: Vec<T>,
    /// (batch, n2, k), empty for symmetric models
    right: Vec<T>,
}

/// Runs `$body` with `$kernel: &dyn HostKernel<T>` for the operator.
macro_rules! with_kernel {
    ($operator:expr, $kernel:ident => $body:expr) => {{
        let operator: &dyn Operator = $operator;
        let twin;
        let $kernel: &dyn HostKernel<T> = match T::kernel(operator) {
            Some(kernel) => kernel,
            None => {
                twin = TwinKernel::new(operator);
                &twin
            }
        };
        $body
    }};
}

pub(crate) fn load<'a>(load: &Load<'a>, precision: Precision) -> Result<Box<dyn Engine + 'a>> {
    Ok(match precision {
        Precision::F32 => Box::new(Cpu::<f32>::new(load)),
        Precision::F64 => Box::new(Cpu::<f64>::new(load)),
    })
}

/// The processor's name, where the system tells it.
fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split(':').nth(1)?.trim().to_owned())
        })
        .unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH))
}

impl<'a, T: HostReal> Cpu<'a, T> {
    fn new(load: &Load<'a>) -> Self {
        let operator = load.operator.clone();
        let (batch, k, shape) = (load.batch, load.search_rank, operator.shape());
        let (fast, point_len, accumulator_len) = with_kernel!(&*operator, kernel => {
            (T::kernel(&*operator).is_some(), kernel.point_len(k), kernel.accumulator_len(k))
        });
        let cost = operator.cost(batch, k);
        let info = EngineInfo {
            backend: "cpu".into(),
            adapter: processor(),
            driver: String::new(),
            software_adapter: false,
            precision: T::PRECISION,
            storage: operator.stored_in(),
            threads: rayon::current_num_threads(),
            variant: format!("{}/{}", operator.name(), if fast { "fused" } else { "twin" }),
            candidates: Vec::new(),
            operator_bytes_per_iteration: cost.bytes,
            operator_bytes: cost.bytes as u64,
            panels: 1,
        };
        let shards = (0..operator.shards())
            .map(|shard| {
                let range = operator.shard_range(shard);
                let count = batch * range.len();
                Shard {
                    range,
                    target: vec![T::ZERO; count],
                    weights: vec![T::from_f64(1.0); count],
                    residual: vec![T::ZERO; count],
                    accumulator: vec![T::ZERO; batch * accumulator_len],
                }
            })
            .collect();
        let work = Work {
            shards,
            points: vec![T::ZERO; batch * point_len],
            sums: vec![T::ZERO; batch * accumulator_len],
            left: vec![T::ZERO; batch * shape.rows() * k],
            right: vec![T::ZERO; if shape.is_symmetric() { 0 } else { batch * shape.columns() * k }],
        };
        Self {
            recipe: load.recipe,
            info,
            batch,
            search_rank: k,
            steps: vec![T::ZERO; batch],
            active: vec![true; batch],
            factor: vec![T::ZERO; batch * shape.rows() * k],
            work,
            fresh: false,
            operator,
        }
    }

    fn refresh(&mut self) {
        if !self.fresh {
            let pairs = pairs(self.batch, self.search_rank, &self.factor, &self.factor);
            with_kernel!(&*self.operator, kernel => self.work.gradient(kernel, &pairs, &pairs, &self.active));
            self.fresh = true;
        }
    }

    /// U ← U − step·D
    fn descend(&mut self) {
        let size = self.factor.len() / self.batch.max(1);
        for trial in (0..self.batch).filter(|&trial| self.active[trial]) {
            let (step, at) = (self.steps[trial], trial * size..(trial + 1) * size);
            for (u, &d) in self.factor[at.clone()].iter_mut().zip(&self.work.left[at]) {
                *u -= step * d;
            }
        }
        self.fresh = false;
    }

    fn all_residuals(&self) -> Vec<f64> {
        let m = self.operator.measurements();
        let mut out = vec![0.0; self.batch * m];
        for shard in &self.work.shards {
            let length = shard.range.len();
            for trial in 0..self.batch {
                let from = &shard.residual[trial * length..(trial + 1) * length];
                let to = &mut out[trial * m + shard.range.start..trial * m + shard.range.end];
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from.to_f64();
                }
            }
        }
        out
    }
}

fn pairs<'a, T>(batch: usize, search_rank: usize, left: &'a [T], right: &'a [T]) -> Vec<Pair<'a, T>> {
    let (l, r) = (left.len() / batch, right.len() / batch);
    (0..batch)
        .map(|b| Pair { left: &left[b * l..(b + 1) * l], right: &right[b * r..(b + 1) * r], search_rank })
        .collect()
}

impl<T: HostReal> Work<T> {
    /// `prepare` per trial, `pass` per shard, the sum in shard order, `finish` per trial.
    fn gradient(
        &mut self,
        kernel: &dyn HostKernel<T>,
        point: &[Pair<'_, T>],
        applied: &[Pair<'_, T>],
        active: &[bool],
    ) {
        let batch = point.len();
        let (point_len, accumulator_len) = (self.points.len() / batch, self.sums.len() / batch);
        (self.points.par_chunks_mut(point_len), point, active).into_par_iter().for_each(|(out, &pair, &active)| {
            if active {
                kernel.prepare(pair, out);
            }
        });
        let points = &self.points;
        self.shards.par_iter_mut().enumerate().for_each(|(index, shard)| {
            let length = shard.range.len();
            let mut trials: Vec<TrialPass<'_, T>> = (shard.residual.chunks_mut(length))
                .zip(shard.accumulator.chunks_mut(accumulator_len))
                .enumerate()
                .filter(|(trial, _)| active[*trial])
                .map(|(trial, (residual, accumulator))| {
                    accumulator.fill(T::ZERO);
                    TrialPass {
                        point: &points[trial * point_len..(trial + 1) * point_len],
                        applied: applied[trial],
                        target: &shard.target[trial * length..(trial + 1) * length],
                        weights: &shard.weights[trial * length..(trial + 1) * length],
                        residual,
                        accumulator,
                    }
                })
                .collect();
            kernel.pass(index, Loss::Square, &mut trials);
        });
        let shards = &self.shards;
        self.sums.par_chunks_mut(accumulator_len).enumerate().filter(|(trial, _)| active[*trial]).for_each(
            |(trial, sum)| {
                let of = trial * accumulator_len..(trial + 1) * accumulator_len;
                for (index, shard) in shards.iter().enumerate() {
                    let part = &shard.accumulator[of.clone()];
                    if index == 0 {
                        sum.copy_from_slice(part);
                    } else {
                        sum.iter_mut().zip(part).for_each(|(sum, &v)| *sum += v);
                    }
                }
            },
        );
        let size = self.left.len() / batch;
        let rights: Vec<Option<&mut [T]>> = if self.right.is_empty() {
            (0..batch).map(|_| None).collect()
        } else {
            let size = self.right.len() / batch;
            self.right.chunks_mut(size).map(Some).collect()
        };
        let sums = &self.sums;
        (self.left.par_chunks_mut(size), rights, applied, active).into_par_iter().enumerate().for_each(
            |(trial, (left, right, &applied, &active))| {
                if active {
                    kernel.finish(&sums[trial * accumulator_len..(trial + 1) * accumulator_len], applied, left, right);
                }
            },
        );
    }
}

impl<T: HostReal> Engine for Cpu<'_, T> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()> {
        let m = self.operator.measurements();
        for shard in &mut self.work.shards {
            let length = shard.range.len();
            for trial in 0..self.batch {
                for (i, at) in (trial * m + shard.range.start..trial * m + shard.range.end).enumerate() {
                    shard.target[trial * length + i] = T::from_f64(target[at]);
                    shard.weights[trial * length + i] = T::from_f64(weights[at]);
                }
            }
        }
        self.fresh = false;
        Ok(())
    }

    fn set_steps(&mut self, steps: &[f64]) -> Result<()> {
        self.steps = convert(steps);
        Ok(())
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        self.factor = convert(factors.left_data());
        self.fresh = false;
        Ok(())
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        // A trial that wakes up has no gradient yet.
        if active.iter().zip(&self.active).any(|(new, old)| *new && !*old) {
            self.fresh = false;
        }
        self.active.copy_from_slice(active);
        Ok(())
    }

    fn advance(&mut self, iterations: usize) -> Result<()> {
        for _ in 0..iterations {
            for stage in self.recipe {
                match stage {
                    Stage::Gradient => self.refresh(),
                    Stage::Descend => self.descend(),
                }
            }
        }
        Ok(())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        self.refresh();
        Ok(self.all_residuals())
    }

    fn factors(&mut self) -> Result<Factors> {
        Factors::symmetric(self.batch, self.operator.shape().rows(), self.search_rank, convert(&self.factor))
    }

    fn evaluate(&mut self, point: &Factors, applied: &Factors) -> Result<Evaluation> {
        if [point, applied].iter().any(|f| f.batch() != self.batch || f.search_rank() != self.search_rank) {
            return Err(Error::invalid(
                "factors",
                format!("batch {}, k {}", point.batch(), point.search_rank()),
                format!("batch {}, k {}", self.batch, self.search_rank),
                "evaluate with the sizes the engine was loaded with",
            ));
        }
        let data: Vec<Vec<T>> =
            [point, applied].iter().flat_map(|f| [convert(f.left_data()), convert(f.right_data())]).collect();
        let (batch, k) = (self.batch, self.search_rank);
        let point = pairs(batch, k, &data[0], if point.is_single() { &data[0] } else { &data[1] });
        let applied = pairs(batch, k, &data[2], &data[3]);
        let all = vec![true; batch];
        with_kernel!(&*self.operator, kernel => self.work.gradient(kernel, &point, &applied, &all));
        self.fresh = false;
        Ok(Evaluation {
            residual: self.all_residuals(),
            left: convert(&self.work.left),
            right: convert(&self.work.right),
        })
    }
}
