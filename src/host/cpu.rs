//! The production engine: all cores, f32 or f64.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, Load};
use crate::engine::{EngineInfo, Precision, unknown_variant};
use crate::error::Result;
use crate::host::choice::Choice;
use crate::host::gather::{self, Gathered};
use crate::host::machine::{Attendance, Machine, Passes, Request};
use crate::host::registers::Registers;
use crate::host::rows::{HostRows, Kernel, Spare};
use crate::host::work::{Few, How, LaneCall, Source, StandIns, Threads, Work};
use crate::memory::{Location, Memory, Part, product};
use crate::operators::{GatherKernel, HostKernel, InstructionSet, Loss, Operator, Pair, ReferenceKernel};
use crate::simd::{Bank, Stored, Unit};
use crate::tape::{Blocks, Lane, Matrix, Op, Pass, Program, Register, Rows, Step, Values};

/// A number type of the engine.
pub(crate) trait HostReal: Unit + Stored<Self> {
    const PRECISION: Precision;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>>;
    fn gather(operator: &dyn Operator) -> Option<&dyn GatherKernel<Self>>;
}

impl HostReal for f32 {
    const PRECISION: Precision = Precision::F32;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>> {
        operator.accelerate().kernels.map(|(single, _)| single)
    }
    fn gather(operator: &dyn Operator) -> Option<&dyn GatherKernel<Self>> {
        operator.accelerate().gathers.map(|(single, _)| single)
    }
}

impl HostReal for f64 {
    const PRECISION: Precision = Precision::F64;
    fn kernel(operator: &dyn Operator) -> Option<&dyn HostKernel<Self>> {
        operator.accelerate().kernels.map(|(_, double)| double)
    }
    fn gather(operator: &dyn Operator) -> Option<&dyn GatherKernel<Self>> {
        operator.accelerate().gathers.map(|(_, double)| double)
    }
}

/// A and A* on all cores.
struct Parallel<'a, T> {
    operator: Arc<dyn Operator + 'a>,
    work: Work<T>,
    /// Buffers of operators with a gathered adjoint.
    gathered: Option<Gathered<T>>,
    stand_ins: StandIns<T>,
    set: InstructionSet,
    spare: Spare<T>,
}

/// Runs `$body` with `$kernel: &dyn HostKernel<T>` for the operator.
macro_rules! with_kernel {
    ($operator:expr, $kernel:ident => $body:expr) => {{
        let operator: &dyn Operator = $operator;
        let reference;
        let $kernel: &dyn HostKernel<T> = match T::kernel(operator) {
            Some(kernel) => kernel,
            None => {
                reference = ReferenceKernel::new(operator);
                &reference
            }
        };
        $body
    }};
}

/// An engine that interprets the tape on all cores.
///
/// # Errors
/// [`crate::Error::Invalid`] for an unknown variant; a lack of memory.
pub(crate) fn load<'a>(load: &Load<'a>, precision: Precision) -> Result<Box<dyn Engine + 'a>> {
    match precision {
        Precision::F32 | Precision::Mixed => of::<f32>(load),
        Precision::F64 => of::<f64>(load),
    }
}

/// Name of the processor, where the system reports it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| Some(line.split(':').nth(1)?.trim().to_owned()));
    name.unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH))
}

/// The instruction set and its name: the requested one, or the best available. Operators without a fast kernel have the
/// reference implementation alone.
fn choose(fast: bool, variant: Option<&str>) -> Result<(InstructionSet, &'static str)> {
    let available = InstructionSet::available();
    let choices: Vec<(InstructionSet, &str)> = match fast {
        true => available.iter().map(|set| (*set, set.word())).collect(),
        false => vec![(available[0], "reference")],
    };
    match variant {
        None => Ok(choices[0]),
        Some(found) => (choices.iter().find(|(_, word)| *word == found).copied())
            .ok_or_else(|| unknown_variant(found, &choices.iter().map(|(_, word)| *word).collect::<Vec<_>>())),
    }
}

/// Memory of the passes besides the operator. `lengths` are those of a prepared point, an accumulator and the scratch.
fn buffers<T>(
    operator: &dyn Operator,
    slots: usize,
    lengths: [usize; 4],
    (batch, given, factor): (usize, usize, usize),
) -> Vec<Part> {
    let shards = operator.shards();
    let [point, accumulator, scratch, pass] = lengths;
    let part = |name: &str, numbers: &[usize]| {
        Part::new(name, Location::Host, product(numbers).saturating_mul(size_of::<T>() as u64))
    };
    let mut parts = vec![
        part(&format!("accumulators of {shards} shards"), &[slots, shards, accumulator]),
        part("packed iterates and gradients", &[slots, point + accumulator + scratch]),
    ];
    if pass > 0 {
        parts.push(part("working memory of passes", &[slots, pass]));
    }
    if given > 0 {
        parts.push(part("scratch space for given numbers", &[given, 2 * batch * operator.measurements() + factor]));
    }
    parts
}

/// Largest number of lanes of a pass whose numbers are given.
fn given(program: &Program) -> usize {
    let of = |step: &Step| match &step.op {
        Op::Pass(pass) => pass.lanes.iter().filter(|lane| matches!(lane.values, Values::Given(_))).count(),
        _ => 0,
    };
    program.steps().map(of).max().unwrap_or(0)
}

/// Numbers of lanes of the passes with a choice of traversals: those without an adjoint have only one.
fn traversed(program: &Program) -> impl Iterator<Item = usize> {
    program.steps().filter_map(|step| match &step.op {
        Op::Pass(pass) if pass.lanes.iter().any(|lane| lane.adjoint.is_some()) => Some(pass.lanes.len()),
        _ => None,
    })
}

/// The memory of registers and passes, and of a copy of the matrices where there is one.
///
/// # Errors
/// [`crate::Error::Memory`] where this machine has not so much.
fn required(parts: [Vec<Part>; 2], copied: u64) -> Result<Memory> {
    let copy = (copied > 0).then(|| Part::new("a cache-aligned copy of the matrices", Location::Host, copied));
    let memory = Memory { parts: parts.into_iter().flatten().chain(copy).collect() };
    memory.require("batch", "Run fewer trials at a time")?;
    Ok(memory)
}

fn of<'a, T: HostReal>(load: &Load<'a>) -> Result<Box<dyn Engine + 'a>> {
    let (operator, program) = (load.operator.clone(), load.program.clone());
    let (batch, k, m) = (load.batch, super::width(&program), operator.measurements());
    let slots = batch * program.lanes();
    let gathers = T::gather(&*operator).is_some() && !operator.is_centred();
    let fast = gathers || T::kernel(&*operator).is_some();
    let (set, variant) = choose(fast, load.variant.as_deref())?;
    let others = if load.variant.is_none() { set.of_the_same_bits() } else { Vec::new() };
    let sides = super::sides(&program);
    let (lengths, choices, copied, read) = with_kernel!(&*operator, kernel => match gathers {
        true => (
            [0, 0, 0, 0],
            BTreeMap::new(),
            kernel.copied_bytes(),
            T::gather(&*operator).and_then(|kernel| kernel.read_bytes(sides)),
        ),
        false => (
            [
                kernel.point_len(k),
                kernel.accumulator_len(k, sides),
                kernel.scratch_len(k),
                kernel.pass_len(k, sides),
            ],
            traversed(&program)
                .map(|lanes| (lanes, Choice::new(set, others.clone(), kernel.traversals(batch * lanes))))
                .collect(),
            kernel.copied_bytes(),
            kernel.read_bytes(),
        ),
    });
    let domain = operator.domain();
    // Gathered adjoints accept any numbers.
    let stand_ins = (batch, if gathers { 0 } else { given(&program) }, domain.rows().max(domain.columns()) * k);
    let own = match gathers {
        true => gather::held::<T>(&*operator, batch, k, domain.rows() + domain.columns()),
        false => buffers::<T>(&*operator, slots, lengths, stand_ins),
    };
    let memory = required([super::held::<T>(&program, batch, m), own], copied)?;
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
        operator_bytes_per_iteration: read.map_or(cost.bytes, |bytes| bytes as f64) * program.passes(),
        operator_bytes: cost.bytes as u64,
        panels: 1,
        streamed_panels: 0,
        streamed_bytes_per_iteration: 0,
        memory,
        notices: Vec::new(),
        settled: choices.values().all(|choice: &Choice| !choice.open()),
        f64_passes: None,
        team: None,
    };
    let shards: Vec<Range<usize>> = (0..operator.shards()).map(|shard| operator.shard_range(shard)).collect();
    let [point, accumulator, scratch, _] = lengths;
    let work = Work {
        accumulators: shards.iter().map(|_| Bank::new(slots, accumulator)).collect(),
        points: Bank::new(slots, point),
        scratch: Bank::new(slots, scratch),
        sums: Bank::new(slots, accumulator),
        zeros: vec![T::ZERO; shards.iter().map(|shard| shard.len()).max().unwrap_or(0)],
        threads: Threads::new(&*operator, batch, k),
        choices,
        backwards: false,
        shards,
    };
    let centred = operator.is_centred();
    let stand_ins = StandIns::new(&work.shards, stand_ins);
    let gathered = gathers.then(|| Gathered::new(batch, m));
    let passes = Parallel { work, gathered, stand_ins, set, operator, spare: Spare::new() };
    Ok(Box::new(Machine::new(program, passes, info, (batch, m, centred))))
}

/// Mutable blocks of a register for each trial.
fn split<'v, T>(values: &'v mut [T], sizes: &[crate::tape::BlockSize]) -> Few<Few<Option<&'v mut [T]>>> {
    let size: usize = sizes.iter().map(|block| block.len()).sum();
    let of = |mut rest: &'v mut [T]| {
        let block = |block: &crate::tape::BlockSize| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(block.len());
            rest = others;
            Some(own)
        };
        sizes.iter().map(block).collect()
    };
    values.chunks_mut(size.max(1)).map(of).collect()
}

/// Inputs and outputs of a lane's adjoint: G V and Gᵀ W.
fn sides(lane: &Lane) -> [Option<(Matrix, Matrix)>; 2] {
    lane.adjoint.as_ref().map_or([None, None], |adjoint| [adjoint.left, adjoint.right])
}

/// Registers of the blocks that a pass writes.
fn targets(pass: &Pass) -> Few<Blocks> {
    let mut targets = Few::new();
    for (_, out) in pass.lanes.iter().flat_map(sides).flatten() {
        if !targets.contains(&out.register) {
            targets.push(out.register);
        }
    }
    targets
}

/// Two matrices for each trial.
fn pair<T: HostReal>(registers: &Registers<T>, left: Matrix, right: Matrix) -> Few<Pair<'_, T>> {
    let search_rank = registers.block(left).columns;
    let of = |trial| Pair { left: registers.matrix(left, trial), right: registers.matrix(right, trial), search_rank };
    (0..registers.batch()).map(of).collect()
}

/// The pair (W, V) that a lane's adjoint is applied to; `None` for given numbers without any output. An unused side is
/// replaced by the other one, because kernels of one factor read either.
fn applied(lane: &Lane) -> Option<(Matrix, Matrix)> {
    let [v, w] = sides(lane).map(|side| side.map(|(input, _)| input));
    let ends = match lane.values {
        Values::Measure { left, right, .. } => Some((left, right)),
        Values::Given(_) => None,
    };
    match (w, v) {
        (Some(w), Some(v)) => Some((w, v)),
        (None, Some(v)) => Some((v, v)),
        (Some(w), None) => Some((w, ends.map_or(w, |(_, right)| right))),
        (None, None) => ends,
    }
}

impl<T: HostReal> Parallel<'_, T> {
    fn carry_out<'l>(&'l mut self, how: &How<'_, T>, lanes: Few<LaneCall<'l, T>>) {
        let Self { operator, work, gathered, stand_ins, .. } = self;
        match (T::gather(&**operator), gathered) {
            (Some(kernel), Some(gathered)) => work.gather(gathered, kernel, how, lanes),
            _ => with_kernel!(&**operator, kernel => work.pass(kernel, how, lanes, stand_ins)),
        }
    }
}

impl<T: HostReal> Passes<T> for Parallel<'_, T> {
    fn shards(&self) -> &[Range<usize>] {
        &self.work.shards
    }

    fn pass(&mut self, pass: &Pass, request: &Request<'_>, registers: &mut Registers<T>) -> Result<()> {
        let batch = registers.batch();
        // Written registers are taken out, so that the rest can be read.
        let outs: Few<_> = pass
            .lanes
            .iter()
            .filter_map(|lane| match lane.values {
                Values::Measure { out, .. } => Some(out),
                Values::Given(_) => None,
            })
            .collect();
        let mut vectors: Few<Vec<Vec<T>>> = outs.iter().map(|out| registers.take_measured(*out)).collect();
        let targets = targets(pass);
        let mut factors: Few<Vec<T>> = targets.iter().map(|at| registers.take_blocks(*at)).collect();
        {
            let registers = &*registers;
            let mut slices: Few<Few<Few<Option<&mut [T]>>>> =
                (factors.iter_mut().zip(&targets)).map(|(values, at)| split(values, registers.sizes(*at))).collect();
            let mut taken = |out: Option<(Matrix, Matrix)>| -> Few<Option<&mut [T]>> {
                let Some((_, out)) = out else { return (0..batch).map(|_| None).collect() };
                let at = targets.iter().position(|target| *target == out.register).unwrap_or(0);
                slices[at].iter_mut().map(|blocks| blocks[out.block].take()).collect()
            };
            let mut lanes = Few::with_capacity(pass.lanes.len());
            let mut loss = Loss::Square;
            let mut vectors = vectors.iter_mut();
            for lane in &pass.lanes {
                let source = match lane.values {
                    Values::Measure { left, right, minus, .. } => {
                        let Some(out) = vectors.next() else { continue };
                        let minus = minus.map(|at| registers.measured(at));
                        Source::Measured { points: pair(registers, left, right), minus, out }
                    }
                    Values::Given(at) => Source::Given(registers.measured(at)),
                };
                let Some((w, v)) = applied(lane) else { continue };
                let (applied, [of_left, of_right]) = (pair(registers, w, v), sides(lane));
                if lane.adjoint.as_ref().is_some_and(|adjoint| adjoint.influence) {
                    loss = request.program.loss;
                }
                lanes.push(LaneCall { source, applied, left: taken(of_left), right: taken(of_right) });
            }
            if lanes.is_empty() {
                return Ok(());
            }
            let weights = registers.measured(request.program.weights);
            let how = How { set: self.set, loss, group: request.group.clone(), weights, active: request.active };
            self.carry_out(&how, lanes);
        }
        outs.into_iter().zip(vectors).for_each(|(at, values)| registers.put_measured(at, values));
        targets.into_iter().zip(factors).for_each(|(at, values)| registers.put_blocks(at, values));
        Ok(())
    }

    fn rows<'r>(
        &'r mut self,
        registers: &'r Registers<T>,
        program: &Program,
        trial: usize,
    ) -> Result<Box<dyn Rows + 'r>> {
        let operator: &dyn Operator = &*self.operator;
        let vectors = [program.target, program.weights].map(|at| registers.measured(at));
        let how = (operator, Kernel::of(operator, T::kernel(operator)), self.set);
        Ok(Box::new(HostRows::new(how, &self.work.shards, vectors, trial, &self.spare)))
    }

    fn total(&mut self, by_shard: Vec<Vec<f64>>) -> Result<Vec<f64>> {
        Ok(super::in_order(by_shard))
    }

    fn gather(&mut self, registers: &Registers<T>, _iterate: Register, own: &[Vec<T>]) -> Result<Vec<f64>> {
        Ok(super::side_by_side(own, registers.batch()))
    }

    fn agree(&mut self, _numbers: &mut [f64]) -> Result<()> {
        Ok(())
    }

    fn attendance(&self) -> Attendance {
        if self.work.threads.shards { Attendance::Awake } else { Attendance::Alone }
    }

    fn report(&self, info: &mut EngineInfo) {
        info.settled = self.work.choices.values().all(|choice| !choice.open());
        if info.candidates.is_empty()
            && info.settled
            && let Some(choice) = self.work.choices.values().next()
        {
            info.candidates = choice.candidates();
        }
    }
}
