//! Fusion of the ops of a tape into kernels, and their order. Elementwise ops over the same vectors share a kernel, and
//! so do consecutive formulas. No device is needed.
//!
//! Kernels leave sums in parts. The first kernel that needs a sum adds them. A kernel of its own adds them where that
//! consumer is no formula or where no kernel needs the sum.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::gpu::usage::{Usage, reads, writes};
use crate::tape::{BlockSize, Blocks, Bound, Kind, Measured, Minibatches, Op, Program, Role, Step, Values, When};

/// Most operands of a kernel beside the slots: core WebGPU has eight storage buffers.
pub(super) const OPERANDS: usize = 7;
/// Most sums per kernel, bounded by the workgroup memory of adding them.
const SUMS: usize = 6;
/// Most sums added by a kernel of formulas.
const FORMULA_SUMS: usize = 16;

/// A value that a kernel reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Register(usize),
    /// A sum in parts.
    Parts(usize),
    /// The sums behind the mean of a vector.
    Means(usize),
}

/// A task of a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task<'a> {
    Op(&'a Op),
    /// Addition of the parts of a sum.
    Collect,
    /// Mean of a vector, over a group or all measurements.
    Mean(Measured, Option<Minibatches>),
}

/// A task with its dependencies.
#[derive(Clone, Debug)]
pub(super) struct Job<'a> {
    when: When,
    pub(super) task: Task<'a>,
    /// Sums added from their parts.
    pub(super) sums: Vec<usize>,
    pub(super) reads: BTreeSet<Thing>,
    pub(super) writes: BTreeSet<Thing>,
    /// Number of its op in the whole tape.
    op: Option<usize>,
}

/// Class of a job. Jobs of one class can share a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Class {
    Factors(Vec<BlockSize>),
    Measured(Option<Minibatches>),
    Scalars,
    Alone,
}

/// Jobs of one kernel, or one op with kernels of its own.
#[derive(Clone, Debug)]
pub(super) struct Unit<'a> {
    pub(super) when: When,
    pub(super) class: Class,
    pub(super) jobs: Vec<Job<'a>>,
}

impl Unit<'_> {
    pub(super) fn reads(&self) -> impl Iterator<Item = Thing> {
        self.jobs.iter().flat_map(|job| job.reads.iter().copied())
    }

    pub(super) fn writes(&self) -> impl Iterator<Item = Thing> {
        self.jobs.iter().flat_map(|job| job.writes.iter().copied())
    }
}

/// The tape as a list of units.
pub(super) struct Schedule<'a> {
    pub(super) head: Vec<Unit<'a>>,
    pub(super) tail: Vec<Unit<'a>>,
    /// Temporaries within one kernel, without a buffer.
    pub(super) elided: BTreeSet<usize>,
    /// Registers of sums, in the order of their parts.
    pub(super) sums: Vec<usize>,
    pub(super) usage: Usage,
}

/// Conversion of ops into jobs, with additions of sums and preparations of means inserted where needed.
struct Recorder<'p, 'u> {
    program: &'p Program,
    usage: &'u Usage,
    centred: bool,
    /// Sums still in parts, and the iterations in which they are.
    pending: BTreeMap<usize, When>,
    /// Vectors with a prepared mean, with their measurements and iterations.
    means: HashMap<usize, (Option<Minibatches>, When)>,
    jobs: Vec<Job<'p>>,
}

impl<'p> Recorder<'p, '_> {
    fn push(&mut self, when: When, task: Task<'p>, sums: &[usize], reads: &[Thing], writes: &[Thing]) {
        let (reads, writes) = (reads.iter().copied().collect(), writes.iter().copied().collect());
        self.jobs.push(Job { when, task, sums: sums.to_vec(), reads, writes, op: None });
    }

    fn collect(&mut self, sum: usize, when: When) {
        self.push(when, Task::Collect, &[sum], &[Thing::Parts(sum)], &[Thing::Register(sum)]);
        self.pending.remove(&sum);
    }

    fn mean(&mut self, of: Measured, group: Option<Minibatches>, when: When) {
        let known = self.means.get(&of.index());
        if known.is_some_and(|(of, then)| *of == group && (*then == When::Always || *then == when)) {
            return;
        }
        let reads = [Thing::Register(of.index()), Thing::Register(self.program.weights.index())];
        self.push(when, Task::Mean(of, group), &[], &reads, &[Thing::Means(of.index())]);
        self.means.insert(of.index(), (group, when));
    }

    fn step(&mut self, index: usize, step: &'p Step) {
        let (op, when) = (&step.op, step.when);
        let mut about = Vec::new();
        if self.centred {
            match op {
                Op::MeasuredDot { a, b, .. } => about.extend([(*a, None), (*b, None)]),
                Op::Energy { residual, group, .. } => about.push((*residual, *group)),
                _ => {}
            }
            about.iter().for_each(|(of, group)| self.mean(*of, *group, when));
        }
        let (registers, written) = (reads(op, self.program), writes(op));
        let needed: Vec<usize> =
            registers.iter().copied().filter(|register| self.pending.contains_key(register)).collect();
        let mut sums = Vec::new();
        for sum in needed {
            let then = self.pending[&sum];
            match op {
                Op::Formula { .. } => {
                    sums.push(sum);
                    if when == When::Always || when == then {
                        self.pending.remove(&sum);
                    }
                }
                Op::Precondition(_) if sums.len() < FORMULA_SUMS => sums.push(sum),
                _ => self.collect(sum, then),
            }
        }
        let of = |register: &usize| Thing::Register(*register);
        let mut reads: BTreeSet<Thing> = registers.iter().filter(|register| !sums.contains(register)).map(of).collect();
        let mut writes: BTreeSet<Thing> = written.iter().map(of).collect();
        reads.extend(sums.iter().map(|sum| Thing::Parts(*sum)));
        reads.extend(about.iter().map(|(of, _)| Thing::Means(of.index())));
        if matches!(op, Op::Formula { .. }) {
            writes.extend(sums.iter().map(of));
        }
        let sum = match op {
            Op::Dot { out, .. } | Op::MeasuredDot { out, .. } | Op::Energy { out, .. } => Some(out.index()),
            _ => None,
        };
        if let Some(sum) = sum {
            writes = [Thing::Parts(sum)].into();
        }
        written.iter().for_each(|register| _ = self.means.remove(register));
        if let (Op::Pass(pass), true) = (op, self.centred)
            && let [lane] = &pass.lanes[..]
            && let (Values::Measure { out, .. }, Some(_)) = (&lane.values, &lane.adjoint)
        {
            self.means.insert(out.index(), (pass.group, when));
            writes.insert(Thing::Means(out.index()));
        }
        self.jobs.push(Job { when, task: Task::Op(op), sums, reads, writes, op: Some(index) });
        if let Some(sum) = sum {
            self.pending.insert(sum, when);
            let kept = !matches!(self.program.registers()[sum].role, Role::Temporary);
            if kept || self.usage.writers[sum] > 1 {
                self.collect(sum, when);
            }
        }
    }

    /// Adds the remaining sums where they may be read.
    fn finish(&mut self, readable: bool) {
        for (sum, when) in self.pending.clone() {
            if readable || self.usage.readers[sum] == 0 {
                self.collect(sum, when);
            }
        }
    }
}

fn sizes(program: &Program, of: Blocks) -> Vec<BlockSize> {
    match &program.declaration(of).kind {
        Kind::Blocks(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

fn class(task: Task<'_>, program: &Program) -> Class {
    match task {
        Task::Collect | Task::Op(Op::Formula { .. }) => Class::Scalars,
        Task::Op(Op::Combine(op)) => Class::Factors(sizes(program, op.out)),
        Task::Op(Op::Dot { a, .. }) => Class::Factors(sizes(program, *a)),
        Task::Op(Op::MeasuredCombine(_) | Op::MeasuredDot { .. } | Op::MeasuredClip(_) | Op::LabelNoise(_)) => {
            Class::Measured(None)
        }
        Task::Op(Op::Energy { group, .. }) => Class::Measured(*group),
        Task::Mean(..) | Task::Op(_) => Class::Alone,
    }
}

/// Grouping of jobs into units. A job joins an earlier unit of its class if nothing in between depends on the unit.
struct Grouper<'p, 'u> {
    program: &'p Program,
    usage: &'u Usage,
    readable: bool,
    units: Vec<Unit<'p>>,
}

fn meets(a: &BTreeSet<Thing>, mut b: impl Iterator<Item = Thing>) -> bool {
    b.any(|thing| a.contains(&thing))
}

impl<'p> Grouper<'p, '_> {
    fn is_vector(&self, register: usize) -> bool {
        !matches!(self.program.registers()[register].kind, Kind::Scalar)
    }

    /// Whether no other unit touches the register.
    fn inside(&self, register: usize, unit: &Unit<'_>, job: &Job<'_>) -> bool {
        let ops: Vec<usize> = unit.jobs.iter().chain([job]).filter_map(|job| job.op).collect();
        !self.readable
            && matches!(self.program.registers()[register].role, Role::Temporary)
            && self.usage.touched[register].iter().all(|op| ops.contains(op))
            && self.usage.readers[register] > 0
    }

    fn takes(&self, unit: &Unit<'_>, job: &Job<'_>) -> bool {
        let things: BTreeSet<Thing> =
            unit.reads().chain(unit.writes()).chain(job.reads.iter().chain(&job.writes).copied()).collect();
        let sums = things.iter().filter(|thing| matches!(thing, Thing::Parts(_))).count();
        if unit.class == Class::Scalars {
            return sums <= FORMULA_SUMS;
        }
        // A sum is made once, and a kernel cannot take the mean of its own output.
        if job.writes.iter().any(|thing| matches!(thing, Thing::Parts(_)) && unit.writes().any(|w| w == *thing)) {
            return false;
        }
        let stale =
            |thing: &Thing| matches!(thing, Thing::Means(of) if unit.writes().any(|w| w == Thing::Register(*of)));
        if job.reads.iter().any(stale) {
            return false;
        }
        let vectors = things.iter().filter(|thing| match thing {
            Thing::Register(register) => self.is_vector(*register) && !self.inside(*register, unit, job),
            Thing::Means(_) => true,
            Thing::Parts(_) => false,
        });
        let scalars = things.iter().any(|thing| matches!(thing, Thing::Register(of) if !self.is_vector(*of)));
        sums <= SUMS && vectors.count() + usize::from(scalars) + usize::from(sums > 0) <= OPERANDS
    }

    fn place(&mut self, job: Job<'p>) {
        let class = class(job.task, self.program);
        if class != Class::Alone {
            for at in (0..self.units.len()).rev() {
                let unit = &self.units[at];
                if unit.class == class && unit.when == job.when && self.takes(unit, &job) {
                    self.units[at].jobs.push(job);
                    return;
                }
                let blocked = meets(&job.reads, unit.writes())
                    || meets(&job.writes, unit.reads())
                    || meets(&job.writes, unit.writes());
                if blocked {
                    break;
                }
            }
        }
        self.units.push(Unit { when: job.when, class, jobs: vec![job] });
    }
}

/// Whether the output of an elementwise op depends on the old value.
fn keeps(task: Task<'_>, register: usize) -> bool {
    match task {
        Task::Op(Op::Combine(op)) => op.only.is_some() || op.terms.iter().any(|(_, x)| x.index() == register),
        Task::Op(Op::MeasuredCombine(op)) => {
            let read = |x: &crate::tape::Measured| x.index() == register;
            op.only.is_some() || op.terms.iter().any(|(_, x)| read(x)) || op.times.as_ref().is_some_and(read)
        }
        Task::Op(Op::MeasuredClip(op)) => {
            let read = |bound: &Bound| bound.register().is_some_and(|of| of.index() == register);
            op.x.index() == register || op.bounds().any(read)
        }
        Task::Op(Op::LabelNoise(op)) => op.base.index() == register,
        _ => true,
    }
}

fn grouped<'p>(program: &'p Program, usage: &Usage, readable: bool, jobs: Vec<Job<'p>>) -> Vec<Unit<'p>> {
    let mut grouper = Grouper { program, usage, readable, units: Vec::new() };
    jobs.into_iter().for_each(|job| grouper.place(job));
    grouper.units
}

/// Schedules a tape. With `centred` residuals, sums are about means; with `readable`, every register keeps its buffer.
pub(super) fn schedule(program: &Program, centred: bool, readable: bool) -> Schedule<'_> {
    let usage = Usage::new(program);
    let residual = program.residual.index();
    // Ops of the head after the residual are not needed to read it, so they belong to the next part.
    let observed = program.head.iter().rposition(|step| writes(&step.op).contains(&residual)).map_or(0, |at| at + 1);
    let mut recorder =
        Recorder { program, usage: &usage, centred, pending: BTreeMap::new(), means: HashMap::new(), jobs: Vec::new() };
    let numbered: Vec<(usize, &Step)> = program.steps().enumerate().collect();
    let (head, rest) = numbered.split_at(observed);
    let rest = if program.leads { rest } else { &rest[program.head.len() - observed..] };
    head.iter().for_each(|(index, step)| recorder.step(*index, step));
    if !program.leads {
        recorder.finish(readable);
        recorder.pending.clear();
        recorder.means.clear();
    }
    let first = std::mem::take(&mut recorder.jobs);
    rest.iter().for_each(|(index, step)| recorder.step(*index, step));
    recorder.finish(readable);
    let jobs = recorder.jobs;
    let (head, tail) = (grouped(program, &usage, readable, first), grouped(program, &usage, readable, jobs));
    let mut elided = BTreeSet::new();
    for unit in head.iter().chain(&tail).filter(|unit| !matches!(unit.class, Class::Alone | Class::Scalars)) {
        let ops: Vec<usize> = unit.jobs.iter().filter_map(|job| job.op).collect();
        for (register, declaration) in program.registers().iter().enumerate() {
            let touches = &usage.touched[register];
            let inside =
                !touches.is_empty() && touches.iter().all(|op| ops.contains(op)) && usage.readers[register] > 0;
            let first = unit.jobs.iter().find(|job| job.op.is_some_and(|op| touches.contains(&op)));
            let made = first.is_some_and(|job| !keeps(job.task, register));
            let temporary = matches!(declaration.role, Role::Temporary) && declaration.kind != Kind::Scalar;
            if inside && made && temporary && !readable && register != residual {
                elided.insert(register);
            }
        }
    }
    let mut sums: Vec<usize> = Vec::new();
    for thing in head.iter().chain(&tail).flat_map(Unit::writes) {
        match thing {
            Thing::Parts(sum) if !sums.contains(&sum) => sums.push(sum),
            _ => {}
        }
    }
    Schedule { head, tail, elided, sums, usage }
}
