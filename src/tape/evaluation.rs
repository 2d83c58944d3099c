//! A program that only evaluates: e at given factors, and the adjoint applied to other factors.

use std::sync::Arc;

use crate::operators::Loss;
use crate::problem::Domain;
use crate::tape::Program;
use crate::tape::op::{Adjoint, Lane};
use crate::tape::recorder::{Recorded, Tape};
use crate::tape::registers::{BlockSize, Blocks, Measured, Register};
use crate::tape::turns::Minibatches;

/// Point of an evaluation, and the required sides of the adjoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Point U Uᵀ; G V for one V.
    One,
    /// Pair L Rᵀ; G V alone.
    Left,
    /// Pair L Rᵀ; G V and Gᵀ W.
    Both,
}

impl Recorded for Sides {
    fn blocks(&self, domain: &Domain, search_rank: usize) -> Vec<BlockSize> {
        let left = BlockSize::new(domain.rows(), search_rank);
        match self {
            Self::One => vec![left],
            Self::Left | Self::Both => vec![left, BlockSize::new(domain.columns(), search_rank)],
        }
    }

    fn share(&self) -> f64 {
        1.0
    }

    fn gradient(
        &self,
        t: &mut Tape,
        u: Blocks,
        applied: Option<Blocks>,
        group: Option<Minibatches>,
    ) -> (Measured, Blocks) {
        let last = if *self == Self::One { 0 } else { 1 };
        let applied = applied.unwrap_or(u);
        let (e, g, target) = (t.measured("residual"), t.blocks("gradient"), t.target());
        let mut products = Adjoint::of_loss().left(applied.block(last), g.block(0));
        if *self == Self::Both {
            products = products.right(applied.block(0), g.block(1));
        }
        t.pass(vec![Lane::measure(u.block(0), u.block(last), Some(target), e).adjoint(products)], group);
        (e, g)
    }
}

/// An evaluating program with its registers.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Program for the engine.
    pub program: Arc<Program>,
    /// Point: U, or L above R.
    pub point: Register,
    /// Factors under the adjoint: V, or W above V.
    pub applied: Register,
    /// Observations y.
    pub target: Register,
    /// Weights w.
    pub weights: Register,
    /// Residual e.
    pub residual: Register,
    /// Gradient G V, or G V above Gᵀ W; valid after e was read.
    pub gradient: Register,
}

impl Evaluation {
    /// An evaluation for matrices of a domain, factors of k columns and the loss ρ.
    pub fn new(sides: Sides, domain: Domain, search_rank: usize, loss: Loss) -> Self {
        let mut t = Tape::new(Arc::new(sides), domain, search_rank, loss, false, false);
        let (u, applied) = (t.iterate(), t.given("applied"));
        let (e, g) = t.gradient_applied(u, applied, None);
        t.observe(e);
        let program = t.finish();
        Self {
            point: u.into(),
            applied: applied.into(),
            target: program.target.into(),
            weights: program.weights.into(),
            residual: e.into(),
            gradient: g.into(),
            program: Arc::new(program),
        }
    }
}
