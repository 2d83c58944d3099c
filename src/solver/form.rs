//! What kind of product a trial's factors are.

use crate::error::Result;
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::{Block, Domain, MatrixView, Product};

/// What kind of product a trial's factors are, and how its loss counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    pub domain: Domain,
    pub model: Model,
    /// Of residuals: see [`Operator::is_centred`](crate::operators::Operator::is_centred).
    pub centred: bool,
    /// ρ.
    pub loss: Loss,
}

impl Form {
    /// The ends of a product of these blocks of one trial, where these are not the blocks themselves.
    pub(crate) fn ends(&self, blocks: &[Block]) -> Result<Option<Vec<Block>>> {
        self.model.ends(&views(blocks))
    }

    /// The product of the blocks of one trial, or of its ends where there are some.
    pub(crate) fn product<'b>(&self, blocks: &'b [Block], ends: Option<&'b Vec<Block>>) -> Result<Product<'b>> {
        self.model.product(&views(ends.map_or(blocks, |ends| ends)))
    }

    /// f over s·Σe²: a quarter for U Uᵀ, a half for L Rᵀ.
    pub(crate) fn share(&self) -> f64 {
        0.5 * self.model.share()
    }
}

fn views(blocks: &[Block]) -> Vec<MatrixView<'_>> {
    blocks.iter().map(|block| block.of(0)).collect()
}
