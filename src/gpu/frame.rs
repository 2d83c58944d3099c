//! The sizes that every kernel of a pass is specialised with, whatever the operator's data are.

use crate::engine::Precision;
use crate::gpu::text::{arithmetic, constant, loss_functions};
use crate::operators::{Loss, Operator};

/// Sizes of the factors of one slot, and how many slots there are. A slot is a lane of a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// Arithmetic: what `real` stands for.
    pub precision: Precision,
    /// Rows of a slot's factors: n, or n1 + n2 with L above R.
    pub n: usize,
    /// n1 and n2, or n twice.
    pub n1: usize,
    pub n2: usize,
    /// Of the operator's matrices: a factor has n rows.
    pub symmetric: bool,
    /// Columns of the factors.
    pub k: usize,
    /// Measurements.
    pub m: usize,
    /// Slots at most: trials times lanes.
    pub slots: usize,
    pub loss: Loss,
    /// Measurements come in groups that take turns.
    pub grouped: bool,
    /// Residuals count from their weighted mean.
    pub centred: bool,
}

impl Frame {
    pub(super) fn new(operator: &dyn Operator, k: usize, slots: usize, precision: Precision) -> Self {
        let (shape, m) = (operator.domain(), operator.measurements());
        let (n1, n2, symmetric) = (shape.rows(), shape.columns(), shape.is_symmetric());
        let n = if symmetric { n1 } else { n1 + n2 };
        let centred = operator.is_centred();
        Self { precision, n, n1, n2, symmetric, k, m, slots, loss: Loss::Square, grouped: false, centred }
    }

    /// The same with factors of so many columns.
    pub(super) fn columns(self, k: usize) -> Self {
        Self { k, ..self }
    }

    /// Constants at the head of every module of a pass.
    pub(super) fn prelude(&self, single: bool) -> String {
        let Self { precision, n, n1, n2, symmetric, k, m, loss, .. } = *self;
        let mut text = arithmetic(precision);
        text.push_str(&format!("const SINGLE: bool = {single};\nconst SYMMETRIC: bool = {symmetric};\n"));
        let sizes = [("N", n), ("N1", n1), ("N2", n2), ("K", k), ("M", m)];
        sizes.iter().for_each(|(name, value)| text.push_str(&constant(name, *value)));
        text + &loss_functions(loss, precision)
    }
}

/// a·b·…, or the largest number.
pub(super) fn count(factors: &[usize]) -> usize {
    factors.iter().fold(1, |all, &f| all.saturating_mul(f))
}
