//! An iteration written as linear algebra: registers, ops on them, and the recorder that methods write with.
//!
//! There are registers of three kinds: vectors over the measurements ([`Measured`]), lists of blocks of factors ([`Blocks`]) and
//! numbers of a trial ([`Scalar`]). A method records its iteration once ([`Tape`]); engines carry out the finished [`Program`].
//! Nothing in it depends on data: what has to be decided is decided trial by trial, by conditions that are scalars, so that a batch
//! stays a batch and nothing has to be read back.
//!
//! An iteration has two parts. The *head* brings the residual at the iterate; the *tail* moves on from there. Looking at a run
//! means carrying out the head ahead of its time, which costs nothing.

mod evaluation;
mod expression;
mod op;
pub(crate) mod quartic;
mod recorder;
mod registers;
mod turns;

pub use evaluation::{Evaluation, Sides};
pub use expression::{Expression, finite, greatest, least, least_of_quartic, less, root, select};
pub use op::{
    Adjoint, Combine, HostFunction, HostOp, Lane, MatrixProduct, MeasuredCombine, Op, Pass, Precondition, Step, Values,
    When,
};
pub use recorder::{Ray, RayWriter, Recorded, Tape, Terms};
pub use registers::{BlockSize, Blocks, Declaration, Initial, Kind, Matrix, Measured, Register, Role, Scalar};
pub use turns::{Minibatches, Turns};

use crate::operators::Loss;

/// A finished tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub(crate) registers: Vec<Declaration>,
    pub(crate) head: Vec<Step>,
    /// Whether iterations begin with the head; otherwise it only serves to look at the run.
    pub(crate) leads: bool,
    pub(crate) tail: Vec<Step>,
    #[doc(hidden)]
    pub iterate: Blocks,
    /// Of an iterate that counts from a centre.
    pub(crate) centre: Option<Blocks>,
    #[doc(hidden)]
    pub target: Measured,
    pub(crate) weights: Measured,
    /// e at the iterate, once the head is through.
    pub(crate) residual: Measured,
    pub(crate) loss: Loss,
}

impl Program {
    /// All registers, by [`Register::index`].
    pub fn registers(&self) -> &[Declaration] {
        &self.registers
    }

    /// The register of that name.
    pub fn find(&self, name: &str) -> Option<Register> {
        let index = self.registers.iter().position(|register| register.name == name)?;
        u32::try_from(index).ok().map(Register)
    }

    /// All registers with their handles.
    pub fn all(&self) -> impl Iterator<Item = (Register, &Declaration)> {
        (0..).map(Register).zip(&self.registers)
    }

    /// What the next iteration depends on and was not given from outside.
    pub fn kept(&self) -> impl Iterator<Item = (Register, &Declaration)> {
        self.all().filter(|(_, register)| matches!(register.role, Role::Kept(_)))
    }

    /// The declaration of a register.
    pub fn declaration(&self, register: impl Into<Register>) -> &Declaration {
        &self.registers[register.into().index()]
    }

    /// The factors that move.
    pub fn iterate(&self) -> Blocks {
        self.iterate
    }

    /// e at the iterate; reading it from an engine carries out the head.
    pub fn residual(&self) -> Measured {
        self.residual
    }

    /// All ops, head first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.head.iter().chain(&self.tail)
    }

    /// Ops of an iteration.
    pub fn iteration(&self) -> impl Iterator<Item = &Step> {
        self.head.iter().filter(|_| self.leads).chain(&self.tail)
    }

    /// Lanes of the widest pass.
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

    /// Passes over all measurements that an iteration makes on average.
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

    /// Numbers of a trial that ops on the host bring there and back in an iteration.
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
