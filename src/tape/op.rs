//! The operations of a tape. Each runs for every active trial; each is implemented once in the host interpreter and
//! once in the GPU kernels.

use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::Result;
use crate::tape::clip::MeasuredClip;
use crate::tape::expression::Expression;
use crate::tape::host::{Held, Left};
use crate::tape::noise::LabelNoise;
use crate::tape::registers::{Blocks, Matrix, Measured, Register, Scalar};
use crate::tape::rows::{Rows, out_of_reach};
use crate::tape::turns::Minibatches;

/// Iterations in which an operation runs, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// All iterations.
    #[default]
    Always,
    /// Iteration 0 only.
    First,
    /// All iterations but 0.
    Later,
    /// Iterations equal to `phase` modulo `period`.
    Every {
        /// Period, at least 1.
        period: usize,
        /// Phase, below the period.
        phase: usize,
    },
    /// All iterations except those equal to `phase` modulo `period`.
    Except {
        /// Period, at least 1.
        period: usize,
        /// Phase, below the period.
        phase: usize,
    },
}

impl When {
    /// Whether iteration t belongs to them.
    #[doc(hidden)]
    pub fn holds(self, t: usize) -> bool {
        match self {
            Self::Always => true,
            Self::First => t == 0,
            Self::Later => t > 0,
            Self::Every { period, phase } => t % period.max(1) == phase,
            Self::Except { period, phase } => t % period.max(1) != phase,
        }
    }

    /// The other iterations; `None` where there are none.
    pub(crate) fn otherwise(self) -> Option<Self> {
        match self {
            Self::Always => None,
            Self::First => Some(Self::Later),
            Self::Later => Some(Self::First),
            Self::Every { period, phase } => Some(Self::Except { period, phase }),
            Self::Except { period, phase } => Some(Self::Every { period, phase }),
        }
    }
}

/// Source of the numbers vᵢ of a lane.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub enum Values {
    /// Measurement vᵢ = ⟨Aᵢ, L Rᵀ⟩ − minusᵢ.
    Measure {
        /// Factor L, n1×k.
        left: Matrix,
        /// Factor R, n2×k.
        right: Matrix,
        /// Vector to subtract, if any.
        minus: Option<Measured>,
        /// Output of the vᵢ.
        out: Measured,
    },
    /// Numbers vᵢ of a register, which need not come from a measurement. Engines whose passes always measure treat them
    /// as a measurement of zero.
    Given(Measured),
}

/// Products with G = Σ wᵢρ′(vᵢ − v̄)Aᵢ; v̄ is 0 unless the operator's residuals are centred.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Adjoint {
    /// Input V (n2×k) and output G V.
    pub left: Option<(Matrix, Matrix)>,
    /// Input W (n1×k) and output Gᵀ W.
    pub right: Option<(Matrix, Matrix)>,
    /// Whether ρ is the loss of the problem; otherwise ρ′(v) = v.
    pub influence: bool,
}

impl Adjoint {
    /// Products with the adjoint of the gradient: ρ is the loss of the problem.
    pub const fn of_loss() -> Self {
        Self { left: None, right: None, influence: true }
    }

    /// Products with the plain adjoint: ρ′(v) = v.
    pub const fn plain() -> Self {
        Self { left: None, right: None, influence: false }
    }

    /// Asks for G V: input V (n2×k) and its output.
    #[must_use]
    pub const fn left(mut self, input: Matrix, output: Matrix) -> Self {
        self.left = Some((input, output));
        self
    }

    /// Asks for Gᵀ W: input W (n1×k) and its output.
    #[must_use]
    pub const fn right(mut self, input: Matrix, output: Matrix) -> Self {
        self.right = Some((input, output));
        self
    }
}

/// One vector computed by a pass.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Lane {
    /// Source of its numbers.
    pub values: Values,
    /// Products of the adjoint, if needed.
    pub adjoint: Option<Adjoint>,
}

impl Lane {
    /// Measurements vᵢ = ⟨Aᵢ, L Rᵀ⟩ − minusᵢ in `out`, for L (n1×k) and R (n2×k).
    pub const fn measure(left: Matrix, right: Matrix, minus: Option<Measured>, out: Measured) -> Self {
        Self { values: Values::Measure { left, right, minus, out }, adjoint: None }
    }

    /// Numbers vᵢ of a register, which need not come from a measurement.
    pub const fn given(v: Measured) -> Self {
        Self { values: Values::Given(v), adjoint: None }
    }

    /// Asks for products with the adjoint of the vᵢ.
    #[must_use]
    pub const fn adjoint(mut self, products: Adjoint) -> Self {
        self.adjoint = Some(products);
        self
    }
}

/// Several lanes in one read of the measurement data.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// Lanes of each trial.
    pub lanes: Vec<Lane>,
    /// Groups of measurements that take turns, one per iteration: vᵢ and sums are those of the current group.
    pub group: Option<Minibatches>,
}

/// Linear combination out ← (Σ cⱼxⱼ)·S, entry by entry, with S = diag(±1), or out ← max(Σ cⱼxⱼ, 0).
#[derive(Clone, Debug, PartialEq)]
pub struct Combine {
    /// Output, which may be one of the terms.
    pub out: Blocks,
    /// Terms (cⱼ, xⱼ), at least one.
    pub terms: Vec<(Expression, Blocks)>,
    /// First column of negative sign, if signs change.
    pub positive: Option<usize>,
    /// Whether negative numbers become 0.
    pub nonnegative: bool,
    /// Condition: runs where this is not 0.
    pub only: Option<Scalar>,
}

/// Linear combination out ← q∘Σ cⱼxⱼ of vectors over the measurements; without q it is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredCombine {
    /// Output, which may be one of the terms.
    pub out: Measured,
    /// Terms (cⱼ, xⱼ), at least one.
    pub terms: Vec<(Expression, Measured)>,
    /// Vector q that multiplies every entry.
    pub times: Option<Measured>,
    /// Condition: runs where this is not 0.
    pub only: Option<Scalar>,
}

/// Damped preconditioning `out_b = D_b (VᵀV + λI)⁻¹` for every block b of the list, with V block `partners[b]` of
/// `factor`.
///
/// λ is at least the rounding error of the eigenvalues of VᵀV; `raised` counts the iterations in which `damping` was
/// raised. Where λ is not a valid divisor (V = 0, or overflow), out = D.
#[derive(Clone, Debug, PartialEq)]
pub struct Precondition {
    /// Output, distinct from the inputs.
    pub out: Blocks,
    /// Direction D.
    pub direction: Blocks,
    /// Factors with the blocks V.
    pub factor: Blocks,
    /// Number of the block V for each block.
    pub partners: Vec<usize>,
    /// Damping λ, where it is large enough.
    pub damping: Expression,
    /// Counter of iterations in which λ was raised.
    pub raised: Scalar,
}

/// Matrix product out ← op(A)·op(B).
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixProduct {
    /// Output, distinct from the inputs.
    pub out: Matrix,
    /// Factor A.
    pub a: Matrix,
    /// Whether A is transposed.
    pub transpose_a: bool,
    /// Factor B.
    pub b: Matrix,
    /// Whether B is transposed.
    pub transpose_b: bool,
}

/// Function of a host operation for one trial, from the numbers of the inputs to those that it leaves in the outputs. A
/// register for which it leaves none keeps its own.
pub type HostFunction = dyn Fn(&[Held<'_>], &mut [Left]) -> Result<()> + Send + Sync;

/// Function of a host operation that also reads measurement data, see [`Rows`].
pub type RowsFunction = dyn Fn(&dyn Rows, &[Held<'_>], &mut [Left]) -> Result<()> + Send + Sync;

/// The two kinds of functions on the host.
#[derive(Clone)]
pub enum HostWork {
    /// Reads registers alone.
    Alone(Arc<HostFunction>),
    /// Reads measurement data too.
    WithRows(Arc<RowsFunction>),
}

/// A function in f64 on the host, for decompositions that decide ranks. Its registers are transferred both ways.
#[derive(Clone)]
pub struct HostOp {
    /// Name for messages.
    pub name: &'static str,
    /// Registers that it reads.
    pub inputs: Vec<Register>,
    /// Registers that it writes.
    pub outputs: Vec<Register>,
    /// Function to run.
    pub work: HostWork,
}

impl HostOp {
    /// Runs a function that reads registers alone for several trials, side by side, and returns what it left for each.
    ///
    /// # Errors
    /// That of the first trial whose function fails; [`Error::Unsupported`] for a function that reads measurement data.
    pub fn run_each(&self, trials: &[Vec<Held<'_>>]) -> Result<Vec<Vec<Left>>> {
        let HostWork::Alone(function) = &self.work else { return Err(out_of_reach("on this backend")) };
        let run = |inputs: &Vec<Held<'_>>| -> Result<Vec<Left>> {
            let mut left = vec![Left::default(); self.outputs.len()];
            function(inputs, &mut left)?;
            Ok(left)
        };
        match trials {
            [one] => Ok(vec![run(one)?]),
            several => several.par_iter().map(run).collect::<Vec<_>>().into_iter().collect(),
        }
    }
}

impl fmt::Debug for HostOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostOp").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for HostOp {
    fn eq(&self, other: &Self) -> bool {
        (self.name, &self.inputs, &self.outputs) == (other.name, &other.inputs, &other.outputs)
    }
}

/// An operation of a tape.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A pass, which reads the measurement data once.
    Pass(Pass),
    /// Linear combination of factors.
    Combine(Combine),
    /// Inner product out ← ⟨a, b⟩.
    Dot {
        /// Output.
        out: Scalar,
        /// Left factor.
        a: Blocks,
        /// Right factor.
        b: Blocks,
    },
    /// Linear combination of vectors over the measurements.
    MeasuredCombine(MeasuredCombine),
    /// Inner product out ← Σ wᵢ(aᵢ − ā)(bᵢ − b̄); the means are 0 unless the operator's residuals are centred.
    MeasuredDot {
        /// Output.
        out: Scalar,
        /// Left vector.
        a: Measured,
        /// Right vector.
        b: Measured,
    },
    /// Energy out ← Σ wᵢρ(eᵢ − ē), over a group if there is one.
    Energy {
        /// Output.
        out: Scalar,
        /// Residual e.
        residual: Measured,
        /// Group of the pass that computed e.
        group: Option<Minibatches>,
    },
    /// Formula out ← value.
    Formula {
        /// Scalar to set.
        out: Scalar,
        /// New value.
        value: Expression,
    },
    /// Damped preconditioning by Gram matrices.
    Precondition(Precondition),
    /// Product of two blocks.
    Product(MatrixProduct),
    /// Clipped vector over the measurements.
    MeasuredClip(MeasuredClip),
    /// Noisy labels.
    LabelNoise(LabelNoise),
    /// Function on the host.
    Host(HostOp),
}

/// An operation with its iterations.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Iterations in which it runs.
    pub when: When,
    /// Operation to run.
    pub op: Op,
}
