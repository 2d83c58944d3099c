//! Sizes that specialise every kernel of a pass, for any form of the operator's data.

use crate::engine::Precision;
use crate::gpu::text::{arithmetic, constant, loss_functions};
use crate::operators::{Loss, Operator};

/// Sizes of the factors of one slot, and the number of slots. A slot is a lane of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// Arithmetic: the meaning of `real`.
    pub precision: Precision,
    /// Rows of a slot's factors: n, or n1 + n2 with L above R.
    pub n: usize,
    /// Size n1, or n where there is one factor.
    pub n1: usize,
    pub n2: usize,
    /// Whether the operator's matrices are symmetric: a factor then has n rows.
    pub symmetric: bool,
    /// Whether they are real forms of complex matrices, of half as many rows and columns.
    pub complex: bool,
    /// Columns of the factors.
    pub k: usize,
    /// Number of measurements.
    pub m: usize,
    /// Largest number of slots: trials times lanes.
    pub slots: usize,
    pub loss: Loss,
    /// Whether measurements are taken in turns of groups.
    pub grouped: bool,
    /// Whether residuals are centred at their weighted mean.
    pub centred: bool,
}

impl Frame {
    pub(super) fn new(operator: &dyn Operator, k: usize, slots: usize, precision: Precision) -> Self {
        let (shape, m) = (operator.domain(), operator.measurements());
        let (n1, n2, symmetric) = (shape.rows(), shape.columns(), shape.is_symmetric());
        let n = if symmetric { n1 } else { n1 + n2 };
        let centred = operator.is_centred();
        let complex = shape.is_complex();
        Self { precision, n, n1, n2, symmetric, complex, k, m, slots, loss: Loss::Square, grouped: false, centred }
    }

    /// The same frame with factors of k columns.
    pub(super) fn columns(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Size of the matrices: half of the rows and columns of a real form.
    pub(super) fn shape(&self) -> (usize, usize) {
        let parts = if self.complex { 2 } else { 1 };
        (self.n1 / parts, self.n2 / parts)
    }

    /// Constants at the head of every module of a pass.
    pub(super) fn prelude(&self, single: bool) -> String {
        let Self { precision, n, n1, n2, symmetric, k, m, loss, .. } = *self;
        let mut text = arithmetic(precision);
        text.push_str(&format!("const SINGLE: bool = {single};\nconst SYMMETRIC: bool = {symmetric};\n"));
        let sizes = [("N", n), ("N1", n1), ("N2", n2), ("K", k), ("M", m)];
        let (h1, h2) = self.shape();
        let halves = [("H1", h1), ("H2", h2)];
        let all = sizes.iter().chain(if self.complex { &halves[..] } else { &[] });
        all.for_each(|(name, value)| text.push_str(&constant(name, *value)));
        text + &loss_functions(loss, precision)
    }
}

/// The product a·b·…, or the largest number on overflow.
pub(super) fn count(factors: &[usize]) -> usize {
    factors.iter().fold(1, |all, &f| all.saturating_mul(f))
}
