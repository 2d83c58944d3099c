//! Registers of a tape: what kinds there are, what they are for, and the typed handles to them.

/// Size of one block of factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSize {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

impl BlockSize {
    /// A block of that size.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns }
    }

    /// Numbers in it.
    pub fn len(self) -> usize {
        self.rows * self.columns
    }

    /// Whether it has no numbers.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A register of any kind, as it is read and written from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(pub(super) u32);

impl Register {
    /// Place in the tape's list of registers.
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
            /// Place in the tape's list of registers.
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
    /// One number a trial.
    Scalar
}

impl Blocks {
    /// BlockSize `index` of the list, as a matrix.
    pub fn block(self, index: usize) -> Matrix {
        Matrix { register: self, block: index }
    }
}

/// One block of a list of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Matrix {
    /// The list.
    pub register: Blocks,
    /// Which block of it.
    pub block: usize,
}

/// What a register holds, for one trial.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// m numbers.
    Measured,
    /// The numbers of every block, row by row, one block after the other.
    Blocks(Vec<BlockSize>),
    /// One number.
    Scalar,
}

impl Kind {
    /// Numbers of one trial, with m measurements.
    pub fn len(&self, measurements: usize) -> usize {
        match self {
            Self::Measured => measurements,
            Self::Blocks(blocks) => blocks.iter().map(|block| block.len()).sum(),
            Self::Scalar => 1,
        }
    }
}

/// What a kept register holds before the first iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// The start of the run. Such a register is a point like the iterate: around a centre it counts from there.
    Iterate,
    /// This number everywhere.
    Number(f64),
    /// The number of a parameter.
    Parameter(Scalar),
}

/// What a register is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Written from outside and never by an op.
    Input,
    /// State: an iteration finds in it what the one before left there.
    Kept(Initial),
    /// Written and read within an iteration.
    Temporary,
}

/// A register of a tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// Name in checkpoints and messages; kept registers and inputs have names of their own.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// What it is for.
    pub role: Role,
}
