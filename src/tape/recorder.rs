//! The recorder: what a method writes its iteration with.

mod operations;

use std::sync::Arc;

use crate::operators::Loss;
use crate::problem::Domain;
use crate::tape::Program;
use crate::tape::expression::Expression;
use crate::tape::op::{Adjoint, Lane, Op, Pass, Step, Values, When};
use crate::tape::registers::{BlockSize, Blocks, Declaration, Initial, Kind, Measured, Role, Scalar};
use crate::tape::turns::Minibatches;

/// e and ∇f/s on the ray u + t·d as polynomials in t, all from one pass at u.
#[derive(Clone, Copy, Debug)]
pub struct Ray {
    /// eⱼ in e(t) = e₀ + t·e₁ + t²·e₂.
    pub residuals: [Measured; 3],
    /// For each j the products of what eⱼ makes with what goes with u and with d: ∇f/s = Σ tʲ(pⱼ₀ + t·pⱼ₁), without the ridge.
    pub products: [[Blocks; 2]; 3],
}

/// Writes the pass of a ray from u along d.
pub type RayWriter = Box<dyn FnOnce(&mut Tape, Blocks, Blocks) -> Ray>;

/// What a tape needs to know of the model: how factors make a matrix, written in ops.
pub trait Recorded: Send + Sync {
    /// Blocks of the iterate for matrices of that domain.
    fn blocks(&self, domain: &Domain, search_rank: usize) -> Vec<BlockSize>;

    /// c in f/s = c·Σ wρ(e).
    fn share(&self) -> f64;

    /// The lane of e at `u`, with G applied to what the gradient needs, or to the blocks `applied` in place of those of `u`; and
    /// the gradient ∇f/s, a list of blocks as the iterate.
    fn gradient(
        &self,
        t: &mut Tape,
        u: Blocks,
        applied: Option<Blocks>,
        group: Option<Minibatches>,
    ) -> (Measured, Blocks);

    /// b and a in A(Z(u + t·d)) = A(Z(u)) + t·b + t²·a, in one pass; `None` where the product is of higher degree.
    fn along(&self, _t: &mut Tape, _u: Blocks, _d: Blocks) -> Option<(Measured, Measured)> {
        None
    }

    /// What writes the ray from a point along a direction; `None` where one pass does not give it.
    fn ray(&self) -> Option<RayWriter> {
        None
    }

    /// Whether singular vectors times the roots of their values are factors of a matrix again.
    fn takes_roots(&self) -> bool {
        false
    }

    /// The first columns that count positive, where the others count negative.
    fn positive(&self) -> Option<usize> {
        None
    }

    /// For each block of the gradient the block whose Gram matrix preconditions it; `None` where there is no such thing.
    fn partners(&self) -> Option<Vec<usize>> {
        None
    }
}

/// cⱼ and xⱼ of a linear combination.
pub type Terms<const N: usize> = [(Expression, Blocks); N];

/// A tape while it is recorded.
pub struct Tape {
    model: Arc<dyn Recorded>,
    domain: Domain,
    search_rank: usize,
    registers: Vec<Declaration>,
    head: Option<(Vec<Step>, Measured)>,
    steps: Vec<Step>,
    when: When,
    iterate: Blocks,
    centre: Option<Blocks>,
    target: Measured,
    weights: Measured,
    step: Scalar,
    ridge: Option<Scalar>,
    raised: Option<Scalar>,
    loss: Loss,
    /// Lanes that the next pass takes along.
    beside: Vec<Lane>,
    /// U₀ + V of registers V, where it is known.
    wholes: Vec<(Blocks, Blocks, When)>,
}

impl Tape {
    /// An empty one. With `centred` the iterate is an increment V around a centre U₀; with `ridge` there is a term (ridge/2)‖U‖².
    pub fn new(
        model: Arc<dyn Recorded>,
        domain: Domain,
        search_rank: usize,
        loss: Loss,
        centred: bool,
        ridge: bool,
    ) -> Self {
        let mut tape = Self {
            iterate: Blocks(0),
            centre: None,
            target: Measured(0),
            weights: Measured(0),
            step: Scalar(0),
            ridge: None,
            raised: None,
            registers: Vec::new(),
            head: None,
            steps: Vec::new(),
            when: When::Always,
            beside: Vec::new(),
            wholes: Vec::new(),
            model,
            domain,
            search_rank,
            loss,
        };
        tape.iterate = tape.keep("factors", Initial::Iterate);
        tape.target = Measured(tape.declare("observations", Kind::Measured, Role::Input));
        tape.weights = Measured(tape.declare("weights", Kind::Measured, Role::Input));
        tape.step = tape.parameter("step_size");
        if centred {
            let kind = Kind::Blocks(tape.block_sizes());
            tape.centre = Some(Blocks(tape.declare("centre", kind, Role::Input)));
        }
        if ridge {
            tape.ridge = Some(tape.parameter("ridge"));
        }
        tape
    }

    fn declare(&mut self, name: &str, kind: Kind, role: Role) -> u32 {
        // A tape has tens of registers.
        let index = u32::try_from(self.registers.len()).unwrap_or(u32::MAX);
        self.registers.push(Declaration { name: name.to_owned(), kind, role });
        index
    }

    fn block_sizes(&self) -> Vec<BlockSize> {
        self.model.blocks(&self.domain, self.search_rank)
    }

    /// Domain of the unknown.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// k.
    pub fn search_rank(&self) -> usize {
        self.search_rank
    }

    /// c in f/s = c·Σ wρ(e).
    pub fn share(&self) -> f64 {
        self.model.share()
    }

    /// ρ of the problem.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The factors that move.
    pub fn iterate(&self) -> Blocks {
        self.iterate
    }

    /// U₀, where the iterate counts from a centre.
    pub fn centre(&self) -> Option<Blocks> {
        self.centre
    }

    /// y.
    pub fn target(&self) -> Measured {
        self.target
    }

    /// w.
    pub fn weights(&self) -> Measured {
        self.weights
    }

    /// μ·s of each trial.
    pub fn step(&self) -> Scalar {
        self.step
    }

    /// ridge/s of each trial, where there is one.
    pub fn ridge(&self) -> Option<Scalar> {
        self.ridge
    }

    /// Sizes of the blocks of a register.
    pub fn sizes(&self, of: Blocks) -> &[BlockSize] {
        match &self.registers[of.index()].kind {
            Kind::Blocks(blocks) => blocks,
            _ => &[],
        }
    }

    /// A number that each trial brings.
    pub fn parameter(&mut self, name: &str) -> Scalar {
        Scalar(self.declare(name, Kind::Scalar, Role::Input))
    }

    /// Factors that come from outside, of the iterate's sizes.
    pub fn given(&mut self, name: &str) -> Blocks {
        let kind = Kind::Blocks(self.block_sizes());
        Blocks(self.declare(name, kind, Role::Input))
    }

    /// Factors that iterations hand on to each other.
    pub fn keep(&mut self, name: &str, initial: Initial) -> Blocks {
        let kind = Kind::Blocks(self.block_sizes());
        Blocks(self.declare(name, kind, Role::Kept(initial)))
    }

    /// The same of any sizes; zero at first.
    pub fn keep_of(&mut self, name: &str, sizes: Vec<BlockSize>) -> Blocks {
        Blocks(self.declare(name, Kind::Blocks(sizes), Role::Kept(Initial::Number(0.0))))
    }

    /// A vector over the measurements that each trial brings.
    pub fn given_measured(&mut self, name: &str) -> Measured {
        Measured(self.declare(name, Kind::Measured, Role::Input))
    }

    /// A number that iterations hand on to each other.
    pub fn keep_scalar(&mut self, name: &str, initial: Initial) -> Scalar {
        Scalar(self.declare(name, Kind::Scalar, Role::Kept(initial)))
    }

    /// A vector over the measurements that iterations hand on to each other; zero at first.
    pub fn keep_measured(&mut self, name: &str) -> Measured {
        Measured(self.declare(name, Kind::Measured, Role::Kept(Initial::Number(0.0))))
    }

    /// Factors for the time of an iteration, of the iterate's sizes.
    pub fn blocks(&mut self, name: &str) -> Blocks {
        let sizes = self.block_sizes();
        self.blocks_of(name, sizes)
    }

    /// The same of any sizes.
    pub fn blocks_of(&mut self, name: &str, sizes: Vec<BlockSize>) -> Blocks {
        Blocks(self.declare(name, Kind::Blocks(sizes), Role::Temporary))
    }

    /// A vector over the measurements for the time of an iteration.
    pub fn measured(&mut self, name: &str) -> Measured {
        Measured(self.declare(name, Kind::Measured, Role::Temporary))
    }

    /// A number for the time of an iteration.
    pub fn scalar(&mut self, name: &str) -> Scalar {
        Scalar(self.declare(name, Kind::Scalar, Role::Temporary))
    }

    /// Records `body` for these iterations alone.
    pub fn when<R>(&mut self, when: When, body: impl FnOnce(&mut Self) -> R) -> R {
        let before = std::mem::replace(&mut self.when, when);
        let result = body(self);
        self.when = before;
        result
    }

    fn push(&mut self, op: Op) {
        self.steps.push(Step { when: self.when, op });
    }

    /// Says that e is the residual at the iterate from here on: what was recorded so far is the head.
    pub fn observe(&mut self, residual: Measured) {
        self.head = Some((std::mem::take(&mut self.steps), residual));
    }

    // Passes.

    /// Several lanes in one reading of the measurement data.
    pub fn pass(&mut self, mut lanes: Vec<Lane>, group: Option<Minibatches>) {
        lanes.append(&mut self.beside);
        self.push(Op::Pass(Pass { lanes, group }));
    }

    /// A*(w∘v) applied to a list of blocks, G V and, where there are two, Gᵀ W: a lane of the next pass that is recorded.
    pub fn adjoint_beside(&mut self, v: Measured, applied: Blocks) -> Blocks {
        let sizes = self.sizes(applied).to_vec();
        let last = sizes.len().saturating_sub(1);
        let out = self.blocks_of("adjoint", sizes);
        let left = Some((applied.block(last), out.block(0)));
        let right = (last > 0).then(|| (applied.block(0), out.block(last)));
        let adjoint = Some(Adjoint { left, right, influence: false });
        self.beside.push(Lane { values: Values::Given(v), adjoint });
        out
    }

    /// e = A(Z(u)) − y and ∇f/s at u, in one pass.
    pub fn gradient(&mut self, u: Blocks) -> (Measured, Blocks) {
        self.gradient_of(u, None)
    }

    /// The same over the group of measurements whose turn it is; sums are those of the group.
    pub fn gradient_of(&mut self, u: Blocks, group: Option<Minibatches>) -> (Measured, Blocks) {
        let model = self.model.clone();
        let (e, g) = model.gradient(self, u, None, group);
        match self.ridge {
            None => (e, g),
            Some(ridge) => {
                let whole = self.whole(u);
                let scale = group.map_or(1.0, |groups| 1.0 / groups.count as f64);
                let with_ridge = self.combine([(1.0.into(), g), (ridge * scale, whole)]);
                (e, with_ridge)
            }
        }
    }

    /// e at u, and G applied to other blocks than those of u; without the ridge.
    pub fn gradient_applied(&mut self, u: Blocks, applied: Blocks, group: Option<Minibatches>) -> (Measured, Blocks) {
        let model = self.model.clone();
        model.gradient(self, u, Some(applied), group)
    }

    /// b and a in A(Z(u + t·d)) = A(Z(u)) + t·b + t²·a, in one pass; `None` where the product is of higher degree.
    pub fn along(&mut self, u: Blocks, d: Blocks) -> Option<(Measured, Measured)> {
        let model = self.model.clone();
        model.along(self, u, d)
    }

    /// What writes the ray from a point along a direction; `None` where one pass does not give it.
    pub fn ray(&self) -> Option<RayWriter> {
        self.model.ray()
    }

    /// The finished tape. Lanes that waited for a pass get one of their own. The head of one that never said where the residual is serves to look at the run and no iteration.
    pub fn finish(mut self) -> Program {
        if !self.beside.is_empty() {
            self.pass(Vec::new(), None);
        }
        let (head, residual, leads) = match self.head.take() {
            Some((head, residual)) => (head, residual, true),
            None => {
                let tail = std::mem::take(&mut self.steps);
                let (model, iterate) = (self.model.clone(), self.iterate);
                let (e, _) = model.gradient(&mut self, iterate, None, None);
                (std::mem::replace(&mut self.steps, tail), e, false)
            }
        };
        Program {
            registers: self.registers,
            head,
            leads,
            tail: self.steps,
            iterate: self.iterate,
            centre: self.centre,
            target: self.target,
            weights: self.weights,
            residual,
            loss: self.loss,
        }
    }
}
