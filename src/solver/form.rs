//! What kind of product a trial's factors are.

use crate::error::Result;
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::{Domain, MatrixView, Product};

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
    /// The product of two factors of k columns; the second may be empty for models of one.
    pub(crate) fn product<'b>(&self, k: usize, left: &'b [f64], right: &'b [f64]) -> Result<Product<'b>> {
        let sizes = self.model.sizes(&self.domain, k).into_iter().zip([left, right]);
        let blocks = sizes.map(|((rows, columns), data)| MatrixView::new(rows, columns, data));
        self.model.product(&blocks.collect::<Result<Vec<_>>>()?)
    }

    /// f over s·Σe²: a quarter for U Uᵀ, a half for L Rᵀ.
    pub(crate) fn share(&self) -> f64 {
        0.5 * self.model.share()
    }
}
