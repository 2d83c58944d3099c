//! The ops of a tape. Each is carried out for every active trial; each stands once in the interpreter of the host and once in
//! the kernels of the GPU.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::tape::expression::Expression;
use crate::tape::registers::{Blocks, Matrix, Measured, Register, Scalar};
use crate::tape::turns::Minibatches;

/// In which iterations an op is carried out; they are counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// In all of them.
    #[default]
    Always,
    /// In iteration 0.
    First,
    /// In all but iteration 0.
    Later,
    /// Where the iteration is `phase` modulo `period`.
    Every {
        /// At least 1.
        period: usize,
        /// Below the period.
        phase: usize,
    },
    /// In all the others.
    Except {
        /// At least 1.
        period: usize,
        /// Below the period.
        phase: usize,
    },
}

impl When {
    /// Whether iteration t is one of them.
    pub fn holds(self, t: usize) -> bool {
        match self {
            Self::Always => true,
            Self::First => t == 0,
            Self::Later => t > 0,
            Self::Every { period, phase } => t % period.max(1) == phase,
            Self::Except { period, phase } => t % period.max(1) != phase,
        }
    }

    /// The other iterations; none are left of all.
    pub fn otherwise(self) -> Option<Self> {
        match self {
            Self::Always => None,
            Self::First => Some(Self::Later),
            Self::Later => Some(Self::First),
            Self::Every { period, phase } => Some(Self::Except { period, phase }),
            Self::Except { period, phase } => Some(Self::Every { period, phase }),
        }
    }
}

/// Where the numbers vᵢ of a lane come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// vᵢ = ⟨Aᵢ, L Rᵀ⟩ − minusᵢ
    Measure {
        /// L, n1×k.
        left: Matrix,
        /// R, n2×k.
        right: Matrix,
        /// What is subtracted; nothing where there is none.
        minus: Option<Measured>,
        /// Where the vᵢ go.
        out: Measured,
    },
    /// vᵢ of a register, which no measurement need have made. Engines that go over the data for both directions alike take it for a
    /// measurement of zero.
    Given(Measured),
}

/// Products with G = Σ wᵢρ′(vᵢ − v̄)Aᵢ; v̄ is 0 unless residuals of the operator are centred.
#[derive(Clone, Debug, PartialEq)]
pub struct Adjoint {
    /// (V, G V): V is n2×k.
    pub left: Option<(Matrix, Matrix)>,
    /// (W, Gᵀ W): W is n1×k.
    pub right: Option<(Matrix, Matrix)>,
    /// Whether ρ is the loss of the problem; otherwise ρ′(v) = v.
    pub influence: bool,
}

/// One of the vectors that a pass computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Where its numbers come from.
    pub values: Values,
    /// What is made of them.
    pub adjoint: Option<Adjoint>,
}

/// Several lanes in one reading of the measurement data.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// Of each trial.
    pub lanes: Vec<Lane>,
    /// Measurements in groups that take turns, an iteration each: vᵢ and sums are those of the group whose turn it is.
    pub group: Option<Minibatches>,
}

/// out ← (Σ cⱼxⱼ)·S, entry by entry, S = diag(±1).
#[derive(Clone, Debug, PartialEq)]
pub struct Combine {
    /// May be one of the terms.
    pub out: Blocks,
    /// cⱼ and xⱼ, at least one.
    pub terms: Vec<(Expression, Blocks)>,
    /// Columns from here on change their sign.
    pub positive: Option<usize>,
    /// Only where this is not 0.
    pub only: Option<Scalar>,
}

/// out ← q∘Σ cⱼxⱼ for vectors over the measurements, q being 1 where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredCombine {
    /// May be one of the terms.
    pub out: Measured,
    /// cⱼ and xⱼ, at least one.
    pub terms: Vec<(Expression, Measured)>,
    /// q, by which every entry is multiplied.
    pub times: Option<Measured>,
    /// Only where this is not 0.
    pub only: Option<Scalar>,
}

/// For every block b of the list: `out_b = D_b (VᵀV + λI)⁻¹`, V block `partners[b]` of `factor`.
///
/// λ is never less than what rounding can move eigenvalues of VᵀV by; `raised` counts the iterations in which `damping` was.
/// Where λ is no number that one may divide by (V = 0, or overflow) out = D.
#[derive(Clone, Debug, PartialEq)]
pub struct Precondition {
    /// Not one of the others.
    pub out: Blocks,
    /// D.
    pub direction: Blocks,
    /// Where the V are.
    pub factor: Blocks,
    /// Which block is V.
    pub partners: Vec<usize>,
    /// λ, where it is large enough.
    pub damping: Expression,
    /// Counts iterations in which λ was raised.
    pub raised: Scalar,
}

/// out ← op(A)·op(B).
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixProduct {
    /// Not one of the others.
    pub out: Matrix,
    /// A.
    pub a: Matrix,
    /// Whether A is transposed.
    pub transpose_a: bool,
    /// B.
    pub b: Matrix,
    /// Whether B is transposed.
    pub transpose_b: bool,
}

/// What an op on the host does for a trial: the numbers of the inputs, and those of the outputs as they are before.
pub type HostFunction = dyn Fn(&[&[f64]], &mut [Vec<f64>]) -> Result<()> + Send + Sync;

/// A function in f64 on the host, for decompositions that decide about ranks. Its registers are brought there and back.
#[derive(Clone)]
pub struct HostOp {
    /// For messages.
    pub name: &'static str,
    /// What it reads.
    pub inputs: Vec<Register>,
    /// What it writes.
    pub outputs: Vec<Register>,
    /// What it does.
    pub function: Arc<HostFunction>,
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

/// One op.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Reads the measurement data once.
    Pass(Pass),
    /// A linear combination of factors.
    Combine(Combine),
    /// out ← ⟨a, b⟩
    Dot {
        /// The sum.
        out: Scalar,
        /// One side.
        a: Blocks,
        /// The other side.
        b: Blocks,
    },
    /// A linear combination of vectors over the measurements.
    MeasuredCombine(MeasuredCombine),
    /// out ← Σ wᵢ(aᵢ − ā)(bᵢ − b̄); the means are 0 unless residuals of the operator are centred.
    MeasuredDot {
        /// The sum.
        out: Scalar,
        /// One side.
        a: Measured,
        /// The other side.
        b: Measured,
    },
    /// out ← Σ wᵢρ(eᵢ − ē), over a group where there is one.
    Energy {
        /// The sum.
        out: Scalar,
        /// e.
        residual: Measured,
        /// The group of the pass that e comes from.
        group: Option<Minibatches>,
    },
    /// out ← formula
    Formula {
        /// The scalar.
        out: Scalar,
        /// Its new value.
        value: Expression,
    },
    /// Damped preconditioning by Gram matrices.
    Precondition(Precondition),
    /// A product of two blocks.
    Product(MatrixProduct),
    /// A function on the host.
    Host(HostOp),
}

/// An op and its iterations.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// In which iterations.
    pub when: When,
    /// What.
    pub op: Op,
}
