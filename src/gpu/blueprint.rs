//! A tape as kernel calls and buffer sizes, for one problem: the part of loading that needs no device.

use std::collections::HashMap;

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::gpu::call::{Call, Fill, Plan};
use crate::gpu::formulas::formulas;
use crate::gpu::frame::Frame;
use crate::gpu::fuse::{Class, Task, Thing, Unit, schedule};
use crate::gpu::generate::{Context, elementwise};
use crate::gpu::ops;
use crate::gpu::pass::nonzeros::Domain;
use crate::gpu::pass::pattern_modules::PatternSizes;
use crate::gpu::pass::thin_modules::{StringSizes, VectorSizes};
use crate::gpu::pass::{Calls, Maker};
use crate::gpu::registers::{Registers, passes};
use crate::gpu::text::Texts;
use crate::gpu::variant::Variant;
use crate::operators::{GpuPlan, Operator};
use crate::tape::{HostOp, Minibatches, Op, Program, When};

/// Form of the measurement data.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Rows(&'a GpuPlan, Variant),
    /// Vectors, with the rows of each panel.
    Vectors(VectorSizes, &'a [usize]),
    Nonzeros(&'a Domain),
    /// Pauli strings, with the groups of each panel.
    Strings(StringSizes, &'a [usize]),
    /// Diffraction patterns, with their number in each panel.
    Patterns(PatternSizes, &'a [usize]),
}

/// Content of a stage.
pub(super) enum Work {
    Calls(Vec<Call>),
    Pass(Calls),
    Host(HostOp),
}

/// A unit in the order of execution.
pub(super) struct Stage {
    pub(super) when: When,
    pub(super) group: Option<Minibatches>,
    pub(super) work: Work,
    /// Fills of its outputs, complete where all trials are active.
    pub(super) fills: Vec<Fill>,
}

pub(super) struct Blueprint {
    pub(super) plan: Plan,
    pub(super) registers: Registers,
    pub(super) head: Vec<Stage>,
    pub(super) tail: Vec<Stage>,
    /// Lane counts that have slots.
    pub(super) lanes: Vec<usize>,
    /// The buffer for nonzeros' rows of several pieces.
    pub(super) spans: Option<usize>,
}

/// Inputs of a blueprint.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) program: &'a Program,
    pub(super) operator: &'a dyn Operator,
    pub(super) batch: usize,
    pub(super) precision: Precision,
    pub(super) readable: bool,
}

impl Blueprint {
    /// # Errors
    /// [`Error::Unsupported`] for operations without a kernel; [`Error::Invalid`] for a mutation that does not apply.
    pub(super) fn new(texts: &Texts<'_>, subject: Subject<'_>, form: Form<'_>) -> Result<Self> {
        let Subject { program, operator, batch, precision, readable } = subject;
        let centred = operator.is_centred();
        if let (true, Form::Rows(..)) = (centred, form) {
            return Err(Error::Unsupported {
                what: format!("centred residuals of the dense operator '{}' on the backend 'gpu'", operator.name()),
                fix: "use the backend 'cpu'".into(),
            });
        }
        let m = operator.measurements();
        let schedule = schedule(program, centred, readable);
        let mut plan = Plan::new(precision);
        let mut registers = Registers::new(&mut plan, program, &schedule, batch, m);
        let context = Context { texts, precision, loss: program.loss, centred, weights: program.weights.index() };
        let shape = match form {
            Form::Nonzeros(shape) => {
                let spans =
                    (shape.sizes.spans > 0).then(|| plan.words("rows of several pieces", 4 * shape.sizes.spans));
                Some(Domain { spans, ..shape.clone() })
            }
            _ => None,
        };
        let mut maker = Maker { context: &context, plan: &mut plan, registers: &mut registers, program, operator };
        let mut stages = |units: &[Unit<'_>]| -> Result<Vec<Stage>> {
            units.iter().map(|unit| stage(&mut maker, unit, form, shape.as_ref())).collect()
        };
        let (head, tail) = (stages(&schedule.head)?, stages(&schedule.tail)?);
        let mut lanes = vec![1];
        lanes.extend(passes(program).map(|(_, pass)| pass.lanes.len()));
        lanes.sort_unstable();
        lanes.dedup();
        let spans = shape.and_then(|shape| shape.spans);
        texts.require_applied()?;
        Ok(Self { plan, registers, head, tail, lanes, spans })
    }

    pub(super) fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.head.iter().chain(&self.tail)
    }

    /// Number of dispatches of iteration t with `panels` panels of rows.
    pub(super) fn dispatches(&self, program: &Program, t: usize, panels: usize) -> usize {
        let head = self.head.iter().filter(|_| program.leads);
        let stages = head.chain(&self.tail).filter(|stage| stage.when.holds(t));
        stages.map(|stage| stage.dispatches(panels)).sum()
    }
}

impl Stage {
    pub(super) fn calls(&self) -> Vec<&Call> {
        match &self.work {
            Work::Calls(calls) => calls.iter().collect(),
            Work::Pass(Calls { begin, panel, pieces, end, .. }) => {
                begin.iter().chain(panel).chain(pieces).chain(end).collect()
            }
            Work::Host(_) => Vec::new(),
        }
    }

    pub(super) fn dispatches(&self, panels: usize) -> usize {
        match &self.work {
            Work::Pass(calls) => self.calls().len() + calls.panel.len() * panels - calls.panel.len(),
            _ => self.calls().len(),
        }
    }
}

fn stage(maker: &mut Maker<'_>, unit: &Unit<'_>, form: Form<'_>, shape: Option<&Domain>) -> Result<Stage> {
    let when = unit.when;
    let stage = |work, group, fills| Ok(Stage { when, group, work, fills });
    match &unit.class {
        Class::Scalars => {
            let (call, fills) = formulas(maker.context, maker.registers, unit)?;
            return stage(Work::Calls(vec![call]), None, fills);
        }
        Class::Factors(_) | Class::Measured(_) => {
            let mut means = HashMap::new();
            for thing in unit.reads() {
                if let Thing::Means(of) = thing {
                    means.insert(of, maker.registers.means(maker.plan, of));
                }
            }
            let group = if let Class::Measured(group) = unit.class { group } else { None };
            let (call, fills) = elementwise(maker.context, maker.registers, unit, &means)?;
            return stage(Work::Calls(vec![call]), group, fills);
        }
        Class::Alone => {}
    }
    let job = &unit.jobs[0];
    let op = match job.task {
        Task::Op(op) => op,
        Task::Mean(of, group) => {
            let means = maker.registers.means(maker.plan, of.index());
            let (values, weights) =
                (maker.registers.find(of), maker.registers.at(maker.context.weights).map_or(0, |place| place.buffer));
            let Some(values) = values else { return stage(Work::Calls(Vec::new()), None, Vec::new()) };
            let mut frame = Frame::new(maker.operator, 1, maker.registers.batch, maker.context.precision);
            frame.grouped = group.is_some();
            let (call, fill) = ops::mean(maker.context, &frame, 1, &values, weights, means)?;
            return stage(Work::Calls(vec![call]), group, vec![fill]);
        }
        Task::Collect => return stage(Work::Calls(Vec::new()), None, Vec::new()),
    };
    match op {
        Op::Pass(pass) => {
            // The number of an op identifies its pass.
            let index =
                passes(maker.program).find(|(_, other)| std::ptr::eq(*other, pass)).map_or(0, |(index, _)| index);
            let mut calls = match (form, shape) {
                (Form::Rows(plan, variant), _) => maker.rows(index, pass, plan, variant)?,
                (Form::Vectors(sizes, panels), _) => maker.vectors(index, pass, sizes, panels)?,
                (Form::Strings(sizes, panels), _) => maker.strings(index, pass, sizes, panels)?,
                (Form::Patterns(sizes, panels), _) => maker.patterns(index, pass, sizes, panels)?,
                (Form::Nonzeros(shape), other) => maker.nonzeros(index, pass, other.unwrap_or(shape))?,
            };
            let fills = std::mem::take(&mut calls.fills);
            stage(Work::Pass(calls), pass.group, fills)
        }
        Op::Precondition(op) => {
            let (calls, fills) = ops::precondition(maker.context, maker.plan, maker.registers, maker.program, job, op)?;
            stage(Work::Calls(calls), None, fills)
        }
        Op::Product(op) => {
            stage(Work::Calls(ops::product(maker.context, maker.registers, maker.program, op)?), None, Vec::new())
        }
        Op::Host(op) => stage(Work::Host(op.clone()), None, Vec::new()),
        _ => stage(Work::Calls(Vec::new()), None, Vec::new()),
    }
}
