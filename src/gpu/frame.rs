//! The sizes of a problem that every kernel is specialised with, whatever the operator's data are.

use crate::engine::{Load, Precision};
use crate::operators::Operator;

/// Sizes of the factors and the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Arithmetic: what `real` stands for.
    pub precision: Precision,
    /// Rows of a trial's factors: n, or n1 + n2 with L above R.
    pub n: usize,
    /// n1 and n2, or n twice.
    pub n1: usize,
    pub n2: usize,
    /// One factor a trial.
    pub symmetric: bool,
    /// Columns of the factors.
    pub k: usize,
    /// Columns from here on count negative in a signed iterate; k where there are none.
    pub positive: usize,
    /// Measurements.
    pub m: usize,
    pub batch: usize,
}

impl Frame {
    pub(super) fn new(operator: &dyn Operator, search_rank: usize, batch: usize, precision: Precision) -> Self {
        let (shape, m) = (operator.shape(), operator.measurements());
        let (n1, n2, symmetric) = (shape.rows(), shape.columns(), shape.is_symmetric());
        let n = if symmetric { n1 } else { n1 + n2 };
        Self { precision, n, n1, n2, symmetric, k: search_rank, positive: search_rank, m, batch }
    }

    pub(super) fn of(load: &Load<'_>, precision: Precision) -> Self {
        let frame = Self::new(load.operator.as_ref(), load.search_rank, load.batch, precision);
        Self { positive: load.signature.map_or(frame.k, |(positive, _)| positive.min(frame.k)), ..frame }
    }

    /// Constants at the head of every module.
    pub(super) fn prelude(&self, single: bool) -> String {
        let Self { precision, n, n1, n2, symmetric, k, positive, m, batch } = *self;
        let real = match precision {
            Precision::F32 | Precision::Mixed => "f32",
            Precision::F64 => "f64",
        };
        let mut text =
            format!("alias real = {real};\nconst SINGLE: bool = {single};\nconst SYMMETRIC: bool = {symmetric};\n");
        let sizes = [("N", n), ("N1", n1), ("N2", n2), ("K", k), ("POSITIVE", positive), ("M", m), ("BATCH", batch)];
        sizes.iter().for_each(|(name, value)| text.push_str(&constant(name, *value)));
        text
    }
}

/// A line of a prelude.
pub(super) fn constant(name: &str, value: usize) -> String {
    format!("const {name}: u32 = {value}u;\n")
}
