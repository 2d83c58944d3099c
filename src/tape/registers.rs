//! Registers of a tape: kinds, roles, and typed handles.

/// Size of one block of factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockSize {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl BlockSize {
    /// A block of that size.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns }
    }

    /// Number of entries.
    pub fn len(self) -> usize {
        self.rows * self.columns
    }

    /// Whether the block has no entries.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A register of any kind, for reads and writes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(pub(super) u32);

impl Register {
    /// Index in the tape's list of registers.
    #[doc(hidden)]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub(super) u32);

        impl $name {
            /// Index in the tape's list of registers.
            #[doc(hidden)]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<$name> for Register {
            fn from(handle: $name) -> Self {
                Self(handle.0)
            }
        }
    };
}

handle! {
    /// A vector over the measurements: observations, weights, residuals.
    Measured
}
handle! {
    /// A list of blocks of factors: the iterate, gradients, directions.
    Blocks
}
handle! {
    /// One number per trial.
    Scalar
}

impl Blocks {
    /// The block `index` of the list, as a matrix.
    pub fn block(self, index: usize) -> Matrix {
        Matrix { register: self, block: index }
    }
}

/// One block of a list of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Matrix {
    /// List of blocks.
    pub register: Blocks,
    /// Number of the block in the list.
    pub block: usize,
}

/// Kind of a register.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Vector over the measurements, m numbers.
    Measured,
    /// Blocks of factors: the numbers of every block, row by row, one block after the other.
    Blocks(Vec<BlockSize>),
    /// Single number.
    Scalar,
}

impl Kind {
    /// Numbers per trial, with m measurements.
    pub fn len(&self, measurements: usize) -> usize {
        match self {
            Self::Measured => measurements,
            Self::Blocks(blocks) => blocks.iter().map(|block| block.len()).sum(),
            Self::Scalar => 1,
        }
    }
}

/// Value of a kept register before the first iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub enum Initial {
    /// Start of the run. Such a register is a point like the iterate, and relative to the centre if there is one.
    Iterate,
    /// This number in every entry.
    Number(f64),
    /// Number of a parameter.
    Parameter(Scalar),
}

/// Role of a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Input, written from outside and never by an operation.
    Input,
    /// State, kept from one iteration to the next.
    Kept(Initial),
    /// Temporary within an iteration.
    Temporary,
}

/// Declaration of a register of a tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// Name in checkpoints and messages; unique for kept registers and inputs.
    pub name: String,
    /// Kind of the register.
    pub kind: Kind,
    /// Role of the register.
    pub role: Role,
}
