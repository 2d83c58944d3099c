//! An iteration as linear algebra: registers, operations on them, and the recorder used by methods.
//!
//! There are three kinds of registers: vectors over the measurements ([`Measured`]), lists of blocks of factors
//! ([`Blocks`]) and numbers of a trial ([`Scalar`]). A method records its iteration once ([`Tape`]); engines run the
//! finished program. Nothing in it depends on data. Decisions are made trial by trial, by conditions that are
//! scalars, so a batch stays a batch and nothing is read back.
//!
//! An iteration has two parts. The *head* computes the residual at the iterate; the *tail* moves the iterate. An
//! observation runs the head early, which costs nothing.

pub(crate) mod clip;
pub(crate) mod evaluation;
mod expression;
mod host;
pub(crate) mod noise;
pub(crate) mod op;
pub(crate) mod program;
pub(crate) mod quartic;
mod recorder;
pub(crate) mod registers;
pub(crate) mod rows;
pub(crate) mod turns;

pub use clip::Bound;
pub(crate) use clip::MeasuredClip;
pub(crate) use evaluation::{Evaluation, Sides};
pub use expression::{Expression, finite, greatest, least, least_of_quartic, less, root, select};
pub use host::{Held, Left};
pub(crate) use noise::LabelNoise;
pub use op::{Adjoint, HostFunction, Lane, Values, When};
pub(crate) use op::{Combine, HostOp, HostWork, MatrixProduct, MeasuredCombine, Op, Pass, Precondition, Step};
pub(crate) use program::Program;
pub use recorder::{Ray, RayWriter, Recorded, Tape, Terms};
pub use registers::{BlockSize, Blocks, Initial, Matrix, Measured, Register, Scalar};
pub(crate) use registers::{Kind, Role};
pub(crate) use rows::{Rows, Seen, ThinRows, out_of_reach};
pub use turns::Minibatches;
pub(crate) use turns::Turns;
