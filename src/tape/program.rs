//! The finished tape.

use crate::operators::Loss;
use crate::tape::op::{HostWork, Op, Step, When};
use crate::tape::registers::{Blocks, Declaration, Measured, Register, Role};

/// A finished tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub(crate) registers: Vec<Declaration>,
    pub(crate) head: Vec<Step>,
    /// Whether iterations begin with the head; otherwise it only serves observations.
    pub(crate) leads: bool,
    pub(crate) tail: Vec<Step>,
    #[doc(hidden)]
    pub iterate: Blocks,
    /// Centre of an iterate of increments.
    pub(crate) centre: Option<Blocks>,
    #[doc(hidden)]
    pub target: Measured,
    pub(crate) weights: Measured,
    /// e at the iterate, after the head.
    pub(crate) residual: Measured,
    pub(crate) loss: Loss,
}

impl Program {
    /// All registers, ordered by [`Register::index`].
    pub fn registers(&self) -> &[Declaration] {
        &self.registers
    }

    /// The register of a name.
    pub fn find(&self, name: &str) -> Option<Register> {
        let index = self.registers.iter().position(|register| register.name == name)?;
        u32::try_from(index).ok().map(Register)
    }

    /// All registers with their handles.
    pub fn all(&self) -> impl Iterator<Item = (Register, &Declaration)> {
        (0..).map(Register).zip(&self.registers)
    }

    /// Registers on which the next iteration depends and which are not given from outside.
    pub fn kept(&self) -> impl Iterator<Item = (Register, &Declaration)> {
        self.all().filter(|(_, register)| matches!(register.role, Role::Kept(_)))
    }

    /// The declaration of a register.
    pub fn declaration(&self, register: impl Into<Register>) -> &Declaration {
        &self.registers[register.into().index()]
    }

    /// The iterate: the factors that move.
    pub fn iterate(&self) -> Blocks {
        self.iterate
    }

    /// Residual e at the iterate; reading it from an engine runs the head.
    pub fn residual(&self) -> Measured {
        self.residual
    }

    /// All operations, head first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.head.iter().chain(&self.tail)
    }

    /// Operations of an iteration.
    pub fn iteration(&self) -> impl Iterator<Item = &Step> {
        self.head.iter().filter(|_| self.leads).chain(&self.tail)
    }

    /// Number of lanes of the widest pass.
    pub fn lanes(&self) -> usize {
        self.steps()
            .map(|step| match &step.op {
                Op::Pass(pass) => pass.lanes.len(),
                _ => 0,
            })
            .max()
            .unwrap_or(1)
            .max(1)
    }

    /// Whether a function on the host reads measurement data.
    pub(crate) fn reads_rows(&self) -> bool {
        let reads = |step: &Step| matches!(&step.op, Op::Host(op) if matches!(op.work, HostWork::WithRows(_)));
        self.steps().any(reads)
    }

    /// Average number of passes over all measurements per iteration.
    pub fn passes(&self) -> f64 {
        let share = |when: When| match when {
            When::Always | When::Later => 1.0,
            When::First => 0.0,
            When::Every { period, .. } => 1.0 / period as f64,
            When::Except { period, .. } => 1.0 - 1.0 / period as f64,
        };
        let of = |step: &Step| match &step.op {
            Op::Pass(pass) => share(step.when) / pass.group.map_or(1.0, |groups| groups.count as f64),
            _ => 0.0,
        };
        self.iteration().map(of).sum()
    }

    /// Numbers of a trial that host operations transfer in an iteration.
    pub fn moved(&self, measurements: usize) -> usize {
        let of = |register: &Register| self.registers[register.index()].kind.len(measurements);
        self.iteration()
            .map(|step| match &step.op {
                Op::Host(op) => op.inputs.iter().chain(&op.outputs).map(of).sum(),
                _ => 0,
            })
            .sum()
    }
}
