//! Application of A where the ranks of a team share the measurements, around engines for this rank's share.
//!
//! The m measurements are cut into P parts. Each rank has a run of parts, with one engine per part. In a pass each
//! engine takes its part's Σ wᵢρ′(eᵢ)AᵢV; the parts are added in a binary tree whose leaves they are. A rank adds the
//! nodes whose parts it owns completely and sends them to the others; every rank adds the rest. The sums therefore do
//! not depend on the number of ranks R. Where R is a power of two that divides P, a rank sends one node, n·k numbers
//! per trial. Every rank then interprets the rest of the tape alike.
//!
//! Residuals centred at their mean ē over all ranks need Σ wᵢ(eᵢ − ē)AᵢV = Σ wᵢeᵢAᵢV − ē·Σ wᵢAᵢV. The second sum comes
//! from a second slot of each engine, at the point 0 with the target −1, where every residual is 1.
//!
//! Ranks on different processors might round a decomposition differently and drift apart. A digest of the factors
//! therefore travels with the residuals, which are gathered at each observation. Different digests are an error.

mod info;
mod rows;
mod slots;
mod tree;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, Load};
use crate::engine::{EngineInfo, Precision, Shared};
use crate::error::{Error, Result};
use crate::host::machine::{Attendance, Machine, Passes, Request};
use crate::host::registers::Registers;
use crate::host::width;
use crate::operators::Operator;
use crate::real::{Real, convert};
use crate::tape::{Evaluation, Op, Pass, Program, Register, Rows, Sides, Values};
use crate::team::Member;
use info::info;
use rows::TeamRows;
use slots::Slots;
use tree::{Cut, Node, sum};

/// One part of this rank.
struct Part<'a> {
    range: Range<usize>,
    engine: Box<dyn Engine + 'a>,
    /// Observations and weights as the engine holds them.
    observed: [Vec<f64>; 2],
}

impl Part<'_> {
    /// Writes observations and weights that the engine does not hold yet.
    fn observe(&mut self, observed: [Vec<f64>; 2], registers: [Register; 2]) -> Result<()> {
        for ((values, known), at) in observed.into_iter().zip(&mut self.observed).zip(registers) {
            if *known != values {
                self.engine.write(at, &values)?;
                *known = values;
            }
        }
        Ok(())
    }
}

struct Distributed<'a> {
    link: Link,
    parts: Vec<Part<'a>>,
    ranges: Vec<Range<usize>>,
    slots: Slots,
    evaluation: Evaluation,
}

/// The connection of this rank, with what it sent.
struct Link {
    member: Member,
    cut: Cut,
    shared: Shared,
}

/// Loader of an engine for a part; the number is the count of engines that this rank loads.
type Loader<'f, 'a> = dyn Fn(&Load<'a>, usize) -> Result<Box<dyn Engine + 'a>> + 'f;

/// Loads the distributed engine. `inner` loads the engines of the parts.
///
/// # Errors
/// [`Error::Unsupported`] for operators that cannot be cut, minibatches, and single rows with centred residuals; errors of the engines.
pub(crate) fn load<'a>(
    load: &Load<'a>,
    member: &Member,
    precision: Precision,
    inner: &Loader<'_, 'a>,
) -> Result<Box<dyn Engine + 'a>> {
    match precision {
        Precision::F64 => of::<f64>(load, member, precision, inner),
        Precision::F32 | Precision::Mixed => of::<f32>(load, member, Precision::F32, inner),
    }
}

/// FNV-1a hash.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn of<'a, T: Real>(
    load: &Load<'a>,
    member: &Member,
    precision: Precision,
    inner: &Loader<'_, 'a>,
) -> Result<Box<dyn Engine + 'a>> {
    let (operator, program) = (&load.operator, &load.program);
    let (shape, measurements, centred) = (operator.domain(), operator.measurements(), operator.is_centred());
    let (rank, ranks) = (member.team.rank(), member.team.size());
    let grouped = |op: &Op| matches!(op, Op::Pass(Pass { group: Some(_), .. }));
    if program.steps().any(|step| grouped(&step.op)) {
        return Err(Error::Unsupported {
            what: "minibatches of measurements that ranks share".into(),
            fix: "use gd or prec-gd, or leave --minibatches out".into(),
        });
    }
    if program.reads_rows() && centred {
        let what = "a method that reads single rows, for centred residuals across several ranks,";
        return Err(Error::unsupported(what, "use pursuit or cg, or pass --no-center"));
    }
    if measurements < ranks {
        let allowed = format!("at most one per measurement, {measurements}");
        return Err(Error::invalid("ranks", ranks, allowed, "start fewer ranks"));
    }
    let cut = Cut { measurements, parts: member.parts.min(measurements), ranks };
    let own = cut.of_rank(rank);
    let right = |op: &Op| match op {
        Op::Pass(pass) => {
            pass.lanes.iter().any(|lane| lane.adjoint.as_ref().is_some_and(|adjoint| adjoint.right.is_some()))
        }
        _ => false,
    };
    let two_sided = program.steps().any(|step| right(&step.op));
    let slots =
        Slots { shape, search_rank: width(program), batch: load.batch, lanes: program.lanes(), centred, two_sided };
    let sides = if two_sided { Sides::Both } else { Sides::Left };
    let evaluation = Evaluation::new(sides, shape, slots.search_rank, program.loss);
    let mut parts = Vec::new();
    for part in own.clone() {
        let range = cut.measurements_of(part..part + 1);
        let slice = operator.slice(range.clone()).ok_or_else(|| Error::Unsupported {
            what: format!("the operator {} across several ranks", operator.name()),
            fix: "implement Operator::slice".into(),
        })?;
        let operator: Arc<dyn Operator + 'a> = slice;
        let part = Load {
            operator,
            program: evaluation.program.clone(),
            increments: None,
            batch: slots.count(),
            variant: load.variant.clone(),
        };
        let engine = inner(&part, own.len())?;
        parts.push(Part { range, engine, observed: [Vec::new(), Vec::new()] });
    }
    let node = slots.node_bytes::<T>();
    let shared = Shared {
        ranks,
        parts: cut.parts,
        measurements: cut.measurements_of(own.clone()).len(),
        bytes_per_gradient: if ranks > 1 { (cut.nodes(&own).len() * load.batch * node) as u64 } else { 0 },
        bytes_sent: 0,
        messages: 0,
    };
    let info = info(&parts, precision, shared.clone(), program);
    let ranges = parts.iter().map(|part| part.range.clone()).collect();
    let link = Link { member: member.clone(), cut, shared };
    let passes = Distributed { link, parts, ranges, slots, evaluation };
    Ok(Box::new(Machine::<T, _>::new(program.clone(), passes, info, (load.batch, measurements, centred))))
}

impl Link {
    /// The parts of this rank.
    fn own_parts(&self) -> Range<usize> {
        self.cut.of_rank(self.member.team.rank())
    }

    fn all_gather(&mut self, own: &[u8], lengths: &[usize]) -> Result<Vec<u8>> {
        if self.shared.ranks > 1 {
            self.shared.bytes_sent += own.len() as u64;
            self.shared.messages += 1;
        }
        self.member.team.all_gather(own, lengths)
    }

    /// The sum over the parts of all ranks. `numbers` are those of a node.
    fn exchange<T: Real>(&mut self, leaves: Vec<Node<T>>, (moments, sums): (usize, usize)) -> Result<Node<T>> {
        let cut = self.cut;
        let nodes: Vec<Vec<Range<usize>>> = (0..cut.ranks).map(|rank| cut.nodes(&cut.of_rank(rank))).collect();
        let first = self.own_parts().start;
        let mut known: BTreeMap<_, _> =
            leaves.into_iter().enumerate().map(|(index, leaf)| ((first + index, first + index + 1), leaf)).collect();
        let bytes = moments * size_of::<f64>() + sums * size_of::<T>();
        let mut message = Vec::new();
        for node in &nodes[self.member.team.rank()] {
            sum(node.clone(), &mut known).write(&mut message);
        }
        let lengths: Vec<usize> = nodes.iter().map(|nodes| nodes.len() * bytes).collect();
        let all = self.all_gather(&message, &lengths)?;
        let mut known: BTreeMap<(usize, usize), Node<T>> = (nodes.iter().flatten().zip(all.chunks(bytes.max(1))))
            .map(|(node, bytes)| ((node.start, node.end), Node::read(bytes, moments)))
            .collect();
        Ok(sum(0..cut.parts, &mut known))
    }

    /// Replaces numbers by their maximum over the ranks.
    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        let own: Vec<u8> = bytemuck::cast_slice(numbers).to_vec();
        let all = self.all_gather(&own, &vec![own.len(); self.cut.ranks])?;
        let all: Vec<f64> = bytemuck::pod_collect_to_vec(&all);
        for row in all.chunks(numbers.len().max(1)) {
            numbers.iter_mut().zip(row).for_each(|(largest, number)| *largest = largest.max(*number));
        }
        Ok(())
    }
}

impl<T: Real> Passes<T> for Distributed<'_> {
    fn shards(&self) -> &[Range<usize>] {
        &self.ranges
    }

    fn pass(&mut self, pass: &Pass, request: &Request<'_>, registers: &mut Registers<T>) -> Result<()> {
        let slots = self.slots;
        let trials: Vec<usize> = (0..slots.batch).filter(|trial| request.active[*trial]).collect();
        let (point, applied) = slots.arguments(pass, registers);
        let which = slots.active(pass.lanes.len(), request.active);
        let mut leaves: Vec<Node<T>> = Vec::with_capacity(self.parts.len());
        let mut residuals: Vec<Vec<Vec<T>>> = Vec::with_capacity(self.parts.len());
        for (index, part) in self.parts.iter_mut().enumerate() {
            let observed = slots.observed(pass, request.program, registers, index);
            part.observe(observed, [self.evaluation.target, self.evaluation.weights])?;
            part.engine.set_active(&which)?;
            part.engine.write(self.evaluation.point, &point)?;
            part.engine.write(self.evaluation.applied, &applied)?;
            let Evaluation { residual, gradient, .. } = self.evaluation;
            let found = [part.engine.read(residual)?, part.engine.read(gradient)?];
            let (leaf, own) = slots.leaf(pass.lanes.len(), &trials, &found, &part.observed[1], part.range.len());
            leaves.push(leaf);
            residuals.push(own);
        }
        let adjoint = pass.lanes.iter().any(|lane| lane.adjoint.is_some());
        if adjoint {
            let sizes = slots.node_numbers(pass.lanes.len());
            let node = self.link.exchange(leaves, (trials.len() * sizes.0, trials.len() * sizes.1))?;
            slots.put(pass, &trials, &node, registers);
        }
        for (lane, of) in pass.lanes.iter().enumerate() {
            let Values::Measure { out, .. } = of.values else { continue };
            let mut shards = registers.take_measured(out);
            for (shard, own) in shards.iter_mut().zip(&residuals) {
                let length = shard.len() / slots.batch;
                for (row, &trial) in trials.iter().enumerate() {
                    let from = &own[row * pass.lanes.len() + lane];
                    shard[trial * length..(trial + 1) * length].copy_from_slice(from);
                }
            }
            registers.put_measured(out, shards);
        }
        Ok(())
    }

    fn rows<'r>(
        &'r mut self,
        registers: &'r Registers<T>,
        program: &Program,
        trial: usize,
    ) -> Result<Box<dyn Rows + 'r>> {
        let (slots, targets) = (self.slots, [self.evaluation.target, self.evaluation.weights]);
        let mut parts: Vec<Box<dyn Rows + 'r>> = Vec::with_capacity(self.parts.len());
        for (index, part) in self.parts.iter_mut().enumerate() {
            let observed = slots.of_trials([program.target, program.weights], registers, index);
            part.observe(observed, targets)?;
            parts.push(part.engine.rows(slots.slot(trial, 0))?);
        }
        Ok(Box::new(TeamRows::new(&mut self.link, parts)?))
    }

    fn total(&mut self, by_shard: Vec<Vec<f64>>) -> Result<Vec<f64>> {
        let numbers = by_shard.first().map_or(0, Vec::len);
        let leaves = by_shard.into_iter().map(|moments| Node { moments, sums: Vec::<T>::new() }).collect();
        Ok(self.link.exchange::<T>(leaves, (numbers, 0))?.moments)
    }

    fn gather(&mut self, registers: &Registers<T>, iterate: Register, own: &[Vec<T>]) -> Result<Vec<f64>> {
        let (cut, batch, m) = (self.link.cut, self.slots.batch, self.link.cut.measurements);
        let factors: Vec<T> = convert(&registers.read(iterate).unwrap_or_default());
        let digest = digest(bytemuck::cast_slice(&factors));
        let mut message = digest.to_le_bytes().to_vec();
        let numbers: Vec<T> = convert(&crate::host::side_by_side(own, batch));
        message.extend_from_slice(bytemuck::cast_slice(&numbers));
        let ranges: Vec<Range<usize>> = (0..cut.ranks).map(|rank| cut.measurements_of(cut.of_rank(rank))).collect();
        let lengths: Vec<usize> = ranges.iter().map(|range| 8 + batch * range.len() * size_of::<T>()).collect();
        let all = self.link.all_gather(&message, &lengths)?;
        let (mut rest, mut out) = (&all[..], vec![0.0; batch * m]);
        for (rank, (range, length)) in ranges.into_iter().zip(lengths).enumerate() {
            let (of_rank, others) = rest.split_at(length);
            rest = others;
            if of_rank[..8] != digest.to_le_bytes() {
                let message = "its factors differ from those of the other ranks: run all ranks on the same kind of \
                               processor, or force the same --variant on every rank";
                return Err(Error::Team { rank, message: message.into() });
            }
            let numbers: Vec<T> = bytemuck::pod_collect_to_vec(&of_rank[8..]);
            for (trial, numbers) in numbers.chunks(range.len()).enumerate() {
                let out = &mut out[trial * m + range.start..trial * m + range.end];
                out.iter_mut().zip(numbers).for_each(|(out, e)| *out = e.to_f64());
            }
        }
        Ok(out)
    }

    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.link.agree(numbers)
    }

    fn attendance(&self) -> Attendance {
        Attendance::Alone
    }

    fn report(&self, info: &mut EngineInfo) {
        info.team = Some(self.link.shared.clone());
    }
}
