//! Places of the registers of a tape. A vector has its own buffer, or a part of one that a pass of several lanes
//! writes. All scalars share one buffer, and so do the parts of sums.

use std::collections::HashMap;

use crate::gpu::call::Plan;
use crate::gpu::frame::count;
use crate::gpu::fuse::Schedule;
use crate::gpu::usage::Usage;
use crate::tape::{Kind, Measured, Op, Pass, Program, Register, Role, Values};

/// Parts of a sum over measurements or entries.
pub(super) const PARTS: usize = 64;

/// Place of a trial's numbers: `len` of them from `offset` + trial·`stride` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) buffer: usize,
    pub(super) offset: usize,
    pub(super) stride: usize,
    pub(super) len: usize,
}

impl Place {
    /// WGSL for the offset of the numbers of `trial`.
    pub(super) fn base(&self) -> String {
        match (self.offset, self.stride) {
            (0, stride) => format!("trial * {stride}u"),
            (offset, 1) => format!("{offset}u + trial"),
            (offset, stride) => format!("{offset}u + trial * {stride}u"),
        }
    }
}

/// Places of all registers.
pub(super) struct Registers {
    pub(super) batch: usize,
    pub(super) measurements: usize,
    places: Vec<Option<Place>>,
    /// Buffer of all scalars, column by column.
    pub(super) scalars: usize,
    /// Buffer of all sums in parts: (sums, batch, [`PARTS`]).
    pub(super) parts: usize,
    sums: Vec<usize>,
    /// Sums for means by register: (batch, [`PARTS`], 2).
    means: HashMap<usize, usize>,
    /// Residuals of the lanes by pass.
    lanes: HashMap<usize, usize>,
}

/// The pass that writes the register as one of several lanes, and the lane, where the register can lie there.
fn lane_of(program: &Program, usage: &Usage, register: usize) -> Option<(usize, usize)> {
    let (mut found, mut alone) = (None, false);
    for (index, pass) in passes(program) {
        for (at, lane) in pass.lanes.iter().enumerate() {
            let mut measured: Vec<Measured> = Vec::new();
            match &lane.values {
                Values::Measure { minus, out, .. } => {
                    measured.extend(minus);
                    if out.index() == register && pass.lanes.len() > 1 {
                        found = Some((index, at));
                    }
                    measured.push(*out);
                }
                Values::Given(values) => measured.push(*values),
            }
            // Kernels of a pass of one lane read and write vectors stored trial after trial.
            alone |= pass.lanes.len() == 1 && measured.iter().any(|of| of.index() == register);
        }
    }
    let role = program.registers()[register].role;
    found.filter(|_| !alone && matches!(role, Role::Temporary) && usage.passes_write_once(register, program))
}

/// Passes of a tape, by the number of the op.
pub(super) fn passes(program: &Program) -> impl Iterator<Item = (usize, &Pass)> {
    program.steps().enumerate().filter_map(|(index, step)| match &step.op {
        Op::Pass(pass) => Some((index, pass)),
        _ => None,
    })
}

impl Registers {
    pub(super) fn new(
        plan: &mut Plan,
        program: &Program,
        schedule: &Schedule<'_>,
        batch: usize,
        measurements: usize,
    ) -> Self {
        let mut lanes = HashMap::new();
        for (index, pass) in passes(program).filter(|(_, pass)| pass.lanes.len() > 1) {
            lanes.insert(index, plan.output("residuals of lanes", count(&[batch, pass.lanes.len(), measurements])));
        }
        let columns = program.registers().iter().filter(|register| register.kind == Kind::Scalar).count();
        let scalars = plan.output("scalars", count(&[columns.max(1), batch]));
        let parts = plan.output("sums in parts", count(&[schedule.sums.len().max(1), batch, PARTS]));
        let (mut places, mut column) = (Vec::new(), 0);
        for (index, register) in program.registers().iter().enumerate() {
            let len = register.kind.len(measurements);
            if register.kind == Kind::Scalar {
                places.push(Some(Place { buffer: scalars, offset: column * batch, stride: 1, len: 1 }));
                column += 1;
                continue;
            }
            if schedule.elided.contains(&index) {
                places.push(None);
                continue;
            }
            let within = if register.kind == Kind::Measured { lane_of(program, &schedule.usage, index) } else { None };
            places.push(Some(match within {
                Some((pass, lane)) => {
                    let stride = program.steps().nth(pass).map_or(1, |step| match &step.op {
                        Op::Pass(pass) => pass.lanes.len(),
                        _ => 1,
                    }) * measurements;
                    Place { buffer: lanes[&pass], offset: lane * measurements, stride, len }
                }
                None => {
                    let numbers = count(&[batch, len]);
                    let read_only = matches!(register.role, Role::Input);
                    let name = register.name.as_str();
                    let buffer = if read_only { plan.input(name, numbers) } else { plan.output(name, numbers) };
                    Place { buffer, offset: 0, stride: len, len }
                }
            }));
        }
        let sums = schedule.sums.clone();
        Self { batch, measurements, places, scalars, parts, sums, means: HashMap::new(), lanes }
    }

    /// Place of a register; `None` for one that lives within a kernel.
    pub(super) fn find(&self, register: impl Into<Register>) -> Option<Place> {
        self.places[register.into().index()]
    }

    pub(super) fn at(&self, register: usize) -> Option<Place> {
        self.places[register]
    }

    /// Number of a sum in the buffer of parts.
    pub(super) fn part(&self, sum: usize) -> usize {
        self.sums.iter().position(|of| *of == sum).unwrap_or(0)
    }

    /// Buffer of the sums for the mean of a vector.
    pub(super) fn means(&mut self, plan: &mut Plan, register: usize) -> usize {
        let numbers = count(&[self.batch, PARTS, 2]);
        *self.means.entry(register).or_insert_with(|| plan.output("sums for a mean", numbers))
    }

    /// Buffer of the residuals of the lanes of a pass.
    pub(super) fn lanes(&self, pass: usize) -> Option<usize> {
        self.lanes.get(&pass).copied()
    }
}
