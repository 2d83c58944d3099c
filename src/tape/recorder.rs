//! The recorder, with which methods write their iteration.

mod clip;
mod complex;
mod fixed_trace;
mod operations;
mod perturbation;
mod square_norm;

use std::sync::Arc;

use crate::operators::Loss;
use crate::problem::Domain;
use crate::tape::Program;
use crate::tape::expression::Expression;
use crate::tape::op::{Adjoint, Lane, Op, Step, When};
use crate::tape::registers::{BlockSize, Blocks, Declaration, Initial, Kind, Measured, Role, Scalar};
use crate::tape::turns::Minibatches;

/// Residual e and gradient ∇f/s on the ray u + t·d as polynomials in t, all from one pass at u.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ray {
    /// Coefficients eⱼ of e(t) = e₀ + t·e₁ + t²·e₂.
    pub residuals: [Measured; 3],
    /// Products p of the adjoint for each eⱼ with the parts of u and d: ∇f/s = Σ tʲ(pⱼ₀ + t·pⱼ₁), without the ridge.
    pub products: [[Blocks; 2]; 3],
}

impl Ray {
    /// The ray of these coefficients and products.
    pub const fn new(residuals: [Measured; 3], products: [[Blocks; 2]; 3]) -> Self {
        Self { residuals, products }
    }
}

/// Writer of the pass of a ray from u along d.
pub type RayWriter = Box<dyn FnOnce(&mut Tape, Blocks, Blocks) -> Ray>;

/// Tape operations of a model, which express the product of factors.
pub trait Recorded: Send + Sync {
    /// Blocks of the iterate for matrices of that domain.
    fn blocks(&self, domain: &Domain, search_rank: usize) -> Vec<BlockSize>;

    /// Share c in f/s = c·Σ wρ(e).
    fn share(&self) -> f64;

    /// The lane of e at `u`, with G applied to the factors of the gradient or to the blocks `applied` in their place,
    /// and the gradient ∇f/s, a list of blocks like the iterate.
    fn gradient(
        &self,
        t: &mut Tape,
        u: Blocks,
        applied: Option<Blocks>,
        group: Option<Minibatches>,
    ) -> (Measured, Blocks);

    /// Vectors b and a of A(Z(u + t·d)) = A(Z(u)) + t·b + t²·a, in one pass; `None` where the product has a higher
    /// degree.
    fn along(&self, _t: &mut Tape, _u: Blocks, _d: Blocks) -> Option<(Measured, Measured)> {
        None
    }

    /// Writer of the ray from a point along a direction; `None` where one pass does not suffice.
    fn ray(&self) -> Option<RayWriter> {
        None
    }

    /// Whether singular vectors times the square roots of their values are valid factors.
    fn takes_roots(&self) -> bool {
        false
    }

    /// Number of leading columns of positive sign, if columns have signs.
    fn positive(&self) -> Option<usize> {
        None
    }

    /// For each block of the gradient, the block whose Gram matrix preconditions it; `None` where there is none.
    fn partners(&self) -> Option<Vec<usize>> {
        None
    }
}

/// Terms (cⱼ, xⱼ) of a linear combination.
pub type Terms<const N: usize> = [(Expression, Blocks); N];

/// A tape during recording.
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
    /// Weight ω of ½‖L Rᵀ‖_F².
    unobserved: Option<Scalar>,
    raised: Option<Scalar>,
    noisy: Option<perturbation::Noisy>,
    /// Least value of each residual.
    least_residual: Option<Measured>,
    /// Lanes that wait for a common pass, without their adjoints.
    gathered: Option<Vec<Lane>>,
    /// Vector in the place of ρ′(e) in gradients.
    dual: Option<Measured>,
    /// Length ρ of the displacement of gradients.
    sharpness: Option<Scalar>,
    /// Whether moves of the iterate end at max(U, 0).
    nonnegative: bool,
    /// Trace t to which moves of the iterate are scaled.
    fixed_trace: Option<Scalar>,
    loss: Loss,
    /// Lanes to add to the next pass.
    beside: Vec<Lane>,
    /// U₀ + V of registers V, where known.
    wholes: Vec<(Blocks, Blocks, When)>,
}

impl Tape {
    /// An empty tape. With `centred` the iterate is an increment V around a centre U₀; with `ridge` the loss has a term
    /// (ridge/2)‖U‖².
    #[doc(hidden)]
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
            unobserved: None,
            raised: None,
            noisy: None,
            least_residual: None,
            dual: None,
            gathered: None,
            sharpness: None,
            nonnegative: false,
            fixed_trace: None,
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

    /// Sets whether [`Tape::move_to`] projects the iterate to U ≥ 0. Default: no.
    #[doc(hidden)]
    #[must_use]
    pub fn nonnegative(mut self, nonnegative: bool) -> Self {
        self.nonnegative = nonnegative;
        self
    }

    /// Whether moves of the iterate are projected: to non-negative factors, or to a trace.
    pub fn projects(&self) -> bool {
        self.nonnegative || self.fixed_trace.is_some()
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

    /// Search rank k.
    pub fn search_rank(&self) -> usize {
        self.search_rank
    }

    /// Share c in f/s = c·Σ wρ(e).
    pub fn share(&self) -> f64 {
        self.model.share()
    }

    /// Loss ρ of the problem.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The iterate: the factors that move.
    pub fn iterate(&self) -> Blocks {
        self.iterate
    }

    /// Centre U₀ of an iterate of increments.
    pub fn centre(&self) -> Option<Blocks> {
        self.centre
    }

    /// Observations y as given.
    pub fn observations(&self) -> Measured {
        self.target
    }

    /// Weights w.
    pub fn weights(&self) -> Measured {
        self.weights
    }

    /// Step μ·s of each trial.
    pub fn step(&self) -> Scalar {
        self.step
    }

    /// Ridge/s of each trial, if there is one.
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

    /// Declares a number given by each trial.
    pub fn parameter(&mut self, name: &str) -> Scalar {
        Scalar(self.declare(name, Kind::Scalar, Role::Input))
    }

    /// Declares factors given from outside, of the iterate's sizes.
    pub fn given(&mut self, name: &str) -> Blocks {
        let kind = Kind::Blocks(self.block_sizes());
        Blocks(self.declare(name, kind, Role::Input))
    }

    /// Declares factors that are kept between iterations.
    pub fn keep(&mut self, name: &str, initial: Initial) -> Blocks {
        let kind = Kind::Blocks(self.block_sizes());
        Blocks(self.declare(name, kind, Role::Kept(initial)))
    }

    /// Declares kept factors of any sizes; initially zero.
    pub fn keep_of(&mut self, name: &str, sizes: Vec<BlockSize>) -> Blocks {
        Blocks(self.declare(name, Kind::Blocks(sizes), Role::Kept(Initial::Number(0.0))))
    }

    /// Declares a vector over the measurements given by each trial.
    pub fn given_measured(&mut self, name: &str) -> Measured {
        Measured(self.declare(name, Kind::Measured, Role::Input))
    }

    /// Declares a number that is kept between iterations.
    pub fn keep_scalar(&mut self, name: &str, initial: Initial) -> Scalar {
        Scalar(self.declare(name, Kind::Scalar, Role::Kept(initial)))
    }

    /// Declares a vector over the measurements that is kept between iterations; initially zero.
    pub fn keep_measured(&mut self, name: &str) -> Measured {
        Measured(self.declare(name, Kind::Measured, Role::Kept(Initial::Number(0.0))))
    }

    /// Declares temporary factors of the iterate's sizes.
    pub fn blocks(&mut self, name: &str) -> Blocks {
        let sizes = self.block_sizes();
        self.blocks_of(name, sizes)
    }

    /// Declares temporary factors of any sizes.
    pub fn blocks_of(&mut self, name: &str, sizes: Vec<BlockSize>) -> Blocks {
        Blocks(self.declare(name, Kind::Blocks(sizes), Role::Temporary))
    }

    /// Declares a temporary vector over the measurements.
    pub fn measured(&mut self, name: &str) -> Measured {
        Measured(self.declare(name, Kind::Measured, Role::Temporary))
    }

    /// Declares a temporary number.
    pub fn scalar(&mut self, name: &str) -> Scalar {
        Scalar(self.declare(name, Kind::Scalar, Role::Temporary))
    }

    /// Records `body` for the given iterations only.
    pub fn when<R>(&mut self, when: When, body: impl FnOnce(&mut Self) -> R) -> R {
        let before = std::mem::replace(&mut self.when, when);
        let result = body(self);
        self.when = before;
        result
    }

    fn push(&mut self, op: Op) {
        self.steps.push(Step { when: self.when, op });
    }

    /// Marks e as the residual at the iterate. The operations recorded so far are the head.
    pub fn observe(&mut self, residual: Measured) {
        let residual = self.without_noise(residual);
        self.head = Some((std::mem::take(&mut self.steps), residual));
    }

    // Passes.

    /// Records several lanes in one read of the measurement data.
    pub fn pass(&mut self, mut lanes: Vec<Lane>, group: Option<Minibatches>) {
        lanes.append(&mut self.beside);
        self.push_pass(lanes, group);
    }

    /// Adds a lane to the next pass: A*(w∘v) applied to a list of blocks, G V and, for two blocks, Gᵀ W.
    pub fn adjoint_beside(&mut self, v: Measured, applied: Blocks) -> Blocks {
        let sizes = self.sizes(applied).to_vec();
        let last = sizes.len().saturating_sub(1);
        let out = self.blocks_of("adjoint", sizes);
        let mut products = Adjoint::plain().left(applied.block(last), out.block(0));
        if last > 0 {
            products = products.right(applied.block(0), out.block(last));
        }
        self.beside.push(Lane::given(v).adjoint(products));
        out
    }

    /// Residual e = A(Z(u)) − y and gradient ∇f/s at u, in one pass; in two where gradients are sharpness-aware.
    pub fn gradient(&mut self, u: Blocks) -> (Measured, Blocks) {
        self.gradient_of(u, None)
    }

    /// Residual and gradient over the current group of measurements; sums are those of the group.
    pub fn gradient_of(&mut self, u: Blocks, group: Option<Minibatches>) -> (Measured, Blocks) {
        self.descent_gradient(u, group)
    }

    /// Residual and gradient at u, with the ridge and the weight of unobserved entries.
    fn whole_gradient(&mut self, u: Blocks, group: Option<Minibatches>) -> (Measured, Blocks) {
        let model = self.model.clone();
        let (e, mut g) = model.gradient(self, u, None, group);
        let scale = group.map_or(1.0, |groups| 1.0 / groups.count as f64);
        if let Some(ridge) = self.ridge {
            let whole = self.whole(u);
            g = self.combine([(1.0.into(), g), (ridge * scale, whole)]);
        }
        if let Some(weight) = self.unobserved {
            let of_norm = self.square_norm_gradient(u);
            g = self.combine([(1.0.into(), g), (weight * scale, of_norm)]);
        }
        (e, g)
    }

    /// Residual e at u, and G applied to other blocks than those of u; without the ridge.
    pub fn gradient_applied(&mut self, u: Blocks, applied: Blocks, group: Option<Minibatches>) -> (Measured, Blocks) {
        let model = self.model.clone();
        model.gradient(self, u, Some(applied), group)
    }

    /// Vectors b and a of A(Z(u + t·d)) = A(Z(u)) + t·b + t²·a, in one pass; `None` where the product has a higher
    /// degree.
    pub fn along(&mut self, u: Blocks, d: Blocks) -> Option<(Measured, Measured)> {
        let model = self.model.clone();
        model.along(self, u, d)
    }

    /// Writer of the ray from a point along a direction; `None` where one pass does not suffice, and with a weight of
    /// unobserved entries, which rays leave out.
    pub fn ray(&self) -> Option<RayWriter> {
        self.model.ray().filter(|_| self.unobserved.is_none())
    }

    /// The finished tape. Waiting lanes get a pass of their own. Without a marked residual, the head serves
    /// observations only.
    #[doc(hidden)]
    pub fn finish(mut self) -> Program {
        self.end_noise();
        if !self.beside.is_empty() {
            self.pass(Vec::new(), None);
        }
        let (head, residual, leads) = match self.head.take() {
            Some((head, residual)) => (head, residual, true),
            None => {
                let tail = std::mem::take(&mut self.steps);
                let (model, iterate) = (self.model.clone(), self.iterate);
                // Products of more factors are formed on the way to a gradient.
                let e = match self.sizes(iterate).len() {
                    0..=2 => self.residuals(&[iterate])[0],
                    _ => model.gradient(&mut self, iterate, None, None).0,
                };
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
