//! The production engine: all cores, f32 or f64.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision, State, unknown_variant};
use crate::error::{Error, Result};
use crate::host::awake::awake;
use crate::host::centre::{Centre, signed};
use crate::host::choice::Choice;
use crate::host::gather::{self, Gathered};
use crate::host::stages::{self, Moving, Stages};
use crate::host::work::{How, Shard, Threads, Work, pairs};
use crate::memory::{Memory, Part, Place, product};
use crate::methods::{Polyak, Recipe, Tuning};
use crate::operators::{GatherKernel, HostKernel, InstructionSet, Operator, Pair, TwinKernel};
use crate::problem::Factors;
use crate::real::convert;
use crate::simd::{Bank, Stored, Unit};

/// A type the engine computes in.
pub(crate) trait HostReal: Unit + Stored<Self> {
    const PRECISION: Precision;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>>;
    fn gather(operator: &dyn Operator) -> Option<&dyn GatherKernel<Self>>;
}

impl HostReal for f32 {
    const PRECISION: Precision = Precision::F32;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>> {
        operator.kernel_f32()
    }
    fn gather(operator: &dyn Operator) -> Option<&dyn GatherKernel<Self>> {
        operator.gather_f32()
    }
}

impl HostReal for f64 {
    const PRECISION: Precision = Precision::F64;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>> {
        operator.kernel_f64()
    }
    fn gather(operator: &dyn Operator) -> Option<&dyn GatherKernel<Self>> {
        operator.gather_f64()
    }
}

struct Cpu<'a, T> {
    operator: Arc<dyn Operator + 'a>,
    recipe: Recipe,
    info: EngineInfo,
    batch: usize,
    search_rank: usize,
    stages: Stages<T>,
    active: Vec<bool>,
    /// (batch, n1, k): L or U
    factor: Vec<T>,
    /// (batch, n2, k): R, empty where there is one factor
    right: Vec<T>,
    signature: Option<(usize, usize)>,
    /// Where `factor` is an increment around it, or has signed columns.
    centre: Option<Centre<T>>,
    work: Work<T>,
    /// Of operators whose adjoint is gathered.
    gathered: Option<Gathered<T>>,
    set: InstructionSet,
    /// Whether `work` holds the gradient at `factor` over all measurements.
    fresh: bool,
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

fn gradient<T: HostReal>(
    operator: &dyn Operator,
    work: &mut Work<T>,
    gathered: &mut Option<Gathered<T>>,
    how: &How,
    point: &[Pair<'_, T>],
    applied: &[Pair<'_, T>],
    active: &[bool],
) {
    match (T::gather(operator), gathered) {
        (Some(kernel), Some(gathered)) => work.gather(gathered, kernel, how, point, applied, active),
        _ => with_kernel!(operator, kernel => work.gradient(kernel, how, point, applied, active)),
    }
}

pub(crate) fn load<'a>(load: &Load<'a>, precision: Precision) -> Result<Box<dyn Engine + 'a>> {
    Ok(match precision {
        Precision::F32 | Precision::Mixed => Box::new(Cpu::<f32>::new(load)?),
        Precision::F64 => Box::new(Cpu::<f64>::new(load)?),
    })
}

/// The processor's name, where the system tells it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| Some(line.split(':').nth(1)?.trim().to_owned()));
    name.unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH))
}

/// The instruction set and its name: the one asked for, or the best there is. Operators without a fast kernel have the
/// twin alone.
fn choose(fast: bool, variant: Option<&str>) -> Result<(InstructionSet, &'static str)> {
    let available = InstructionSet::available();
    let choices: Vec<(InstructionSet, &str)> = match fast {
        true => available.iter().map(|set| (*set, set.word())).collect(),
        false => vec![(available[0], "twin")],
    };
    match variant {
        None => Ok(choices[0]),
        Some(found) => (choices.iter().find(|(_, word)| *word == found).copied())
            .ok_or_else(|| unknown_variant(found, &choices.iter().map(|(_, word)| *word).collect::<Vec<_>>())),
    }
}

/// What an engine holds besides the operator; `lengths` are those of a prepared point, an accumulator and the scratch.
fn held<T>(operator: &dyn Operator, batch: usize, k: usize, lengths: [usize; 3]) -> Memory {
    let (shape, m, shards) = (operator.shape(), operator.measurements(), operator.shards());
    let [point, accumulator, scratch] = lengths;
    let sides = 2 * (shape.rows() + if shape.is_symmetric() { 0 } else { shape.columns() });
    let part = |name: &str, numbers: &[usize]| {
        Part::new(name, Place::Host, product(numbers).saturating_mul(size_of::<T>() as u64))
    };
    Memory {
        parts: vec![
            part(&format!("accumulators of {shards} shards"), &[batch, shards, accumulator]),
            part("packed iterates and gradients", &[batch, point + accumulator + scratch]),
            part("observations, weights and residuals", &[batch, m, 3]),
            part("factors and gradients", &[batch, sides, k]),
        ],
    }
}

impl<'a, T: HostReal> Cpu<'a, T> {
    fn new(load: &Load<'a>) -> Result<Self> {
        let operator = load.operator.clone();
        let (batch, k, shape) = (load.batch, load.search_rank, operator.shape());
        let n2 = if shape.is_symmetric() { 0 } else { shape.columns() };
        let gathers = T::gather(&*operator).is_some() && !operator.is_centred();
        let fast = gathers || T::kernel(&*operator).is_some();
        let (point_len, accumulator_len, scratch_len) = with_kernel!(&*operator, kernel => match gathers {
            true => (0, 0, 0),
            false => (kernel.point_len(k), kernel.accumulator_len(k), kernel.scratch_len(k)),
        });
        let ways = with_kernel!(&*operator, kernel => if gathers { Vec::new() } else { kernel.ways(batch) });
        let (set, variant) = choose(fast, load.variant.as_deref())?;
        let others = if load.variant.is_none() { set.of_the_same_bits() } else { Vec::new() };
        let mut memory = held::<T>(&*operator, batch, k, [point_len, accumulator_len, scratch_len]);
        let copied = with_kernel!(&*operator, kernel => kernel.copied_bytes());
        if copied > 0 {
            memory.parts.push(Part::new("the matrices again, each on whole cache lines", Place::Host, copied));
        }
        if gathers {
            memory.parts.retain(|part| part.bytes > 0);
            memory.parts.extend(gather::held::<T>(&*operator, batch, k));
        }
        memory.require("batch", "Run fewer trials at a time")?;
        let cost = operator.cost(batch, k);
        let info = EngineInfo {
            backend: "cpu".into(),
            adapter: processor(),
            driver: String::new(),
            software_adapter: false,
            precision: T::PRECISION,
            storage: operator.stored_in(),
            threads: rayon::current_num_threads(),
            variant: format!("{}/{variant}", operator.name()),
            candidates: Vec::new(),
            operator_bytes_per_iteration: cost.bytes,
            operator_bytes: cost.bytes as u64,
            panels: 1,
            streamed_panels: 0,
            streamed_bytes_per_iteration: 0,
            memory,
            notices: Vec::new(),
            team: None,
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
                    accumulator: Bank::new(batch, accumulator_len),
                }
            })
            .collect();
        let work = Work {
            shards,
            points: Bank::new(batch, point_len),
            scratch: Bank::new(batch, scratch_len),
            sums: Bank::new(batch, accumulator_len),
            left: vec![T::ZERO; batch * shape.rows() * k],
            right: vec![T::ZERO; batch * n2 * k],
            threads: Threads::new(&*operator, batch, k),
            choice: Choice::new(set, others, ways),
            backwards: false,
        };
        Ok(Self {
            recipe: load.recipe,
            info,
            batch,
            search_rank: k,
            stages: Stages::new(load.recipe, shape, batch),
            active: vec![true; batch],
            factor: vec![T::ZERO; batch * shape.rows() * k],
            right: vec![T::ZERO; batch * n2 * k],
            signature: load.signature,
            centre: signed(load.signature, batch * shape.rows(), k),
            work,
            gathered: gathers.then(|| Gathered::new(batch, operator.measurements())),
            set,
            fresh: false,
            operator,
        })
    }

    fn how(&self, group: Option<Range<usize>>) -> How {
        How { set: self.set, loss: self.recipe.loss, group }
    }

    /// The gradient at `factor`.
    fn compute(&mut self, group: Option<Range<usize>>) {
        let how = self.how(group);
        // (L, R) twice, or U for both; around a centre (2U₀ + V, V) and U₀ + V.
        let right = if self.right.is_empty() { &self.factor[..] } else { &self.right[..] };
        let (point, applied) = match &mut self.centre {
            Some(centre) => {
                let (left, applied) = centre.around(&self.factor);
                ((left, right), (applied, applied))
            }
            None => ((&self.factor[..], right), (&self.factor[..], right)),
        };
        let point = pairs(self.batch, self.search_rank, point.0, point.1);
        let applied = pairs(self.batch, self.search_rank, applied.0, applied.1);
        let (work, gathered) = (&mut self.work, &mut self.gathered);
        gradient(&*self.operator, work, gathered, &how, &point, &applied, &self.active);
    }

    fn refresh(&mut self) {
        if !self.fresh {
            self.compute(None);
            self.fresh = true;
        }
    }

    fn iterate(&mut self) {
        let group = self.stages.group(self.operator.measurements());
        match &group {
            Some(_) => self.compute(group.clone()),
            None => self.refresh(),
        }
        self.fresh = false;
        let whole = match &self.centre {
            Some(centre) if self.recipe.precondition || self.recipe.polyak != Polyak::Never => {
                Some(centre.whole(&self.factor))
            }
            _ => None,
        };
        let moving = Moving {
            left: &mut self.factor,
            right: &mut self.right,
            whole: whole.as_deref(),
            left_gradient: &self.work.left,
            right_gradient: &self.work.right,
            search_rank: self.search_rank,
        };
        let (shards, centred, loss) = (&self.work.shards, self.operator.is_centred(), self.recipe.loss);
        self.stages.move_on(moving, &self.active, &|trial| {
            stages::energy(centred, loss, || shards.iter().flat_map(|shard| shard.observed(trial, &group)))
        });
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

impl<T: HostReal> Engine for Cpu<'_, T> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn settled(&self) -> bool {
        !self.work.choice.open()
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
        self.stages.set_steps(steps);
        Ok(())
    }

    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()> {
        self.stages.set_ridge(shrink);
        Ok(())
    }

    fn set_tuning(&mut self, tuning: &[Tuning]) -> Result<()> {
        self.stages.set_tuning(tuning);
        Ok(())
    }

    fn damping_raised(&mut self) -> Result<Vec<usize>> {
        Ok(self.stages.raised().to_vec())
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        factors.require("factors", self.batch, self.operator.shape(), self.search_rank)?;
        self.factor = convert(factors.left_data());
        if !self.right.is_empty() {
            self.right = convert(factors.right_data());
        }
        self.stages.forget();
        self.fresh = false;
        Ok(())
    }

    fn set_centre(&mut self, centre: &Factors) -> Result<()> {
        centre.require("centre", self.batch, self.operator.shape(), self.search_rank)?;
        self.centre = Some(Centre::new(centre.left_data(), self.search_rank, self.signature));
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
        if self.work.threads.shards {
            awake(iterations, || self.iterate());
        } else {
            (0..iterations).for_each(|_| self.iterate());
        }
        if self.info.candidates.is_empty() {
            self.info.candidates = self.work.choice.candidates();
        }
        Ok(())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        self.refresh();
        Ok(self.all_residuals())
    }

    fn factors(&mut self) -> Result<Factors> {
        let (left, right) = (convert(&self.factor), convert(&self.right));
        Factors::of(self.batch, self.operator.shape(), self.search_rank, left, right)
    }

    fn evaluate_some(&mut self, point: &Factors, applied: &Factors, which: &[bool]) -> Result<Evaluation> {
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
        let how = self.how(None);
        let (work, gathered) = (&mut self.work, &mut self.gathered);
        gradient(&*self.operator, work, gathered, &how, &point, &applied, which);
        self.fresh = false;
        Ok(Evaluation {
            residual: self.all_residuals(),
            left: convert(&self.work.left),
            right: convert(&self.work.right),
        })
    }

    fn state(&mut self) -> Result<State> {
        let mut state = State::default();
        state.put("left", convert(&self.factor));
        state.put("right", convert(&self.right));
        self.stages.save(&mut state, &self.factor, &self.right);
        Ok(state)
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        let (left, right) = (state.get("left", self.factor.len())?, state.get("right", self.right.len())?);
        self.stages.restore(state, left.len(), right.len())?;
        (self.factor, self.right, self.fresh) = (convert(left), convert(right), false);
        Ok(())
    }
}
