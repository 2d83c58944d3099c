//! The sizes of a problem that every kernel is specialised with, whatever the operator's data are.

use std::ops::Range;

use crate::engine::{Load, Precision};
use crate::methods::Recipe;
use crate::operators::{Loss, Operator};

/// Sizes of the factors and the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    pub recipe: Recipe,
    /// Residuals count from their weighted mean.
    pub centred: bool,
}

impl Frame {
    pub(super) fn new(operator: &dyn Operator, search_rank: usize, batch: usize, precision: Precision) -> Self {
        let (shape, m) = (operator.shape(), operator.measurements());
        let (n1, n2, symmetric) = (shape.rows(), shape.columns(), shape.is_symmetric());
        let n = if symmetric { n1 } else { n1 + n2 };
        let (k, positive, recipe, centred) = (search_rank, search_rank, Recipe::default(), operator.is_centred());
        Self { precision, n, n1, n2, symmetric, k, positive, m, batch, recipe, centred }
    }

    pub(super) fn of(load: &Load<'_>, precision: Precision) -> Self {
        let frame = Self::new(load.operator.as_ref(), load.search_rank, load.batch, precision);
        let positive = load.signature.map_or(frame.k, |(positive, _)| positive.min(frame.k));
        Self { positive, recipe: load.recipe, ..frame }
    }

    /// Factors of a trial.
    pub(super) fn sides(&self) -> usize {
        if self.symmetric { 1 } else { 2 }
    }

    /// The measurements of a group, or all.
    pub(super) fn measurements_of(&self, group: Option<usize>) -> Range<usize> {
        match (self.recipe.minibatches, group) {
            (Some(minibatches), Some(group)) => minibatches.range(group, self.m),
            _ => 0..self.m,
        }
    }

    /// Constants at the head of every module.
    pub(super) fn prelude(&self, single: bool) -> String {
        let Self { precision, n, n1, n2, symmetric, k, positive, m, batch, recipe, .. } = *self;
        let real = match precision {
            Precision::F32 | Precision::Mixed => "f32",
            Precision::F64 => "f64",
        };
        let mut text =
            format!("alias real = {real};\nconst SINGLE: bool = {single};\nconst SYMMETRIC: bool = {symmetric};\n");
        let sizes = [("N", n), ("N1", n1), ("N2", n2), ("K", k), ("POSITIVE", positive), ("M", m), ("BATCH", batch)];
        sizes.iter().for_each(|(name, value)| text.push_str(&constant(name, *value)));
        text + &loss_functions(recipe.loss, precision)
    }
}

/// ρ′ and ρ.
fn loss_functions(loss: Loss, precision: Precision) -> String {
    let (constants, influence, rho) = match loss {
        Loss::Square => (String::new(), "e", "0.5 * e * e"),
        Loss::L1 => (String::new(), "sign(e)", "abs(e)"),
        Loss::Huber { delta } => (
            real_constant("DELTA", delta, precision),
            "clamp(e, -DELTA, DELTA)",
            "select(DELTA * (abs(e) - 0.5 * DELTA), 0.5 * e * e, abs(e) <= DELTA)",
        ),
    };
    format!(
        "{constants}fn influence(e: real) -> real {{\n    return {influence};\n}}\n\
         fn rho(e: real) -> real {{\n    return {rho};\n}}\n"
    )
}

/// A line of a prelude with a positive number that the arithmetic holds: the nearest one to `value`.
pub(super) fn real_constant(name: &str, value: f64, precision: Precision) -> String {
    let value = match precision {
        Precision::F32 | Precision::Mixed => f64::from((value as f32).clamp(f32::MIN_POSITIVE, f32::MAX)),
        Precision::F64 => value.clamp(f64::MIN_POSITIVE, f64::MAX),
    };
    format!("const {name}: real = {value:?};\n")
}

/// A line of a prelude.
pub(super) fn constant(name: &str, value: usize) -> String {
    format!("const {name}: u32 = {value}u;\n")
}
