//! The product and the loss of a trial's factors.

use crate::error::Result;
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::{Block, Domain, MatrixView, Product};

/// Kind of the product of a trial's factors, and its loss.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    pub domain: Domain,
    pub model: Model,
    /// Whether residuals are centred: see [`Operator::is_centred`](crate::operators::Operator::is_centred).
    pub centred: bool,
    /// Loss ρ.
    pub loss: Loss,
    /// Whether entries that are not measured have a weight.
    pub unobserved: bool,
    /// Whether some observations are upper bounds.
    pub bounded: bool,
    /// Whether label noise or sharpness-aware gradients change the descent.
    pub perturbed: bool,
}

impl Form {
    /// Thin ends of the product of these blocks of one trial, where these are not the blocks themselves.
    pub(crate) fn ends(&self, blocks: &[Block]) -> Result<Option<Vec<Block>>> {
        self.model.ends(&views(blocks))
    }

    /// The product of the blocks of one trial, or of its thin ends.
    pub(crate) fn product<'b>(&self, blocks: &'b [Block], ends: Option<&'b Vec<Block>>) -> Result<Product<'b>> {
        Ok(self.model.product(&views(ends.map_or(blocks, |ends| ends)))?.on(&self.domain))
    }

    /// The factor of f over s·Σe²: a quarter for U Uᵀ, a half for L Rᵀ.
    pub(crate) fn share(&self) -> f64 {
        0.5 * self.model.share()
    }
}

fn views(blocks: &[Block]) -> Vec<MatrixView<'_>> {
    blocks.iter().map(|block| block.of(0)).collect()
}
