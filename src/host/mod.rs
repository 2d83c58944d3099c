//! Engines on the processor: the sequential f64 reference and the production engine, which interpret the same tapes.

pub(crate) mod awake;
mod choice;
mod cpu;
mod gather;
pub(crate) mod machine;
pub(crate) mod measure;
mod ops;
mod precondition;
mod product;
#[cfg(feature = "internals")]
pub(crate) mod read;
mod reference;
pub(crate) mod registers;
mod rows;
mod work;

use crate::memory::{Location, Part, product};
use crate::real::Real;
use crate::tape::{Kind, Matrix, Op, Program, Step, Values};

pub(crate) use cpu::load as load_cpu;
pub(crate) use measure::{adjoint, adjoint_transposed, measure, measure_batch};
pub(crate) use reference::load as load_reference;

/// Columns of the widest pair that a pass measures.
pub(crate) fn width(program: &Program) -> usize {
    let columns = |matrix: &Matrix| match &program.declaration(matrix.register).kind {
        Kind::Blocks(blocks) => blocks.get(matrix.block).map_or(1, |block| block.columns),
        _ => 1,
    };
    let of = |step: &Step| match &step.op {
        Op::Pass(pass) => pass
            .lanes
            .iter()
            .map(|lane| match &lane.values {
                Values::Measure { left, .. } => columns(left),
                Values::Given(_) => {
                    let sides = lane.adjoint.iter().flat_map(|adjoint| [adjoint.left, adjoint.right]);
                    sides.flatten().map(|(applied, _)| columns(&applied)).max().unwrap_or(1)
                }
            })
            .max()
            .unwrap_or(1),
        _ => 1,
    };
    program.steps().map(of).max().unwrap_or(1)
}

/// Sides of gradients in the passes of a program: 2 where some pass needs G V and Gᵀ W.
pub(crate) fn sides(program: &Program) -> usize {
    let both = |step: &Step| match &step.op {
        Op::Pass(pass) => {
            pass.lanes.iter().any(|lane| lane.adjoint.as_ref().is_some_and(|adjoint| adjoint.right.is_some()))
        }
        _ => false,
    };
    if program.steps().any(both) { 2 } else { 1 }
}

/// Memory of the registers of a program, by part.
pub(crate) fn held<T>(program: &Program, batch: usize, measurements: usize) -> Vec<Part> {
    let numbers = |wanted: fn(&Kind) -> bool| -> usize {
        program
            .registers()
            .iter()
            .filter(|r| wanted(&r.kind))
            .map(|r| r.kind.len(measurements))
            .fold(0, usize::saturating_add)
    };
    let part = |name: &str, numbers: usize| Part::new(name, Location::Host, product(&[batch, numbers, size_of::<T>()]));
    vec![
        part("observations, weights and residuals", numbers(|kind| *kind == Kind::Measured)),
        part("factors, gradients and directions", numbers(|kind| matches!(kind, Kind::Blocks(_)))),
    ]
}

/// Sums of the entries of vectors, one vector after the other.
pub(crate) fn in_order(vectors: Vec<Vec<f64>>) -> Vec<f64> {
    let mut vectors = vectors.into_iter();
    let mut sum = vectors.next().unwrap_or_default();
    vectors.for_each(|vector| sum.iter_mut().zip(vector).for_each(|(sum, v)| *sum += v));
    sum
}

/// (batch, m) from (batch, measurements of the shard) of every shard.
pub(crate) fn side_by_side<T: Real>(shards: &[Vec<T>], batch: usize) -> Vec<f64> {
    let of = |trial: usize| {
        shards.iter().flat_map(move |shard| {
            let length = shard.len() / batch;
            shard[trial * length..(trial + 1) * length].iter().map(|v| v.to_f64())
        })
    };
    (0..batch).flat_map(of).collect()
}
