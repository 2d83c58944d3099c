//! Kernel calls as plain data: module, entry, bindings, and workgroups as a function of the active trials. Also the
//! buffers bound by them, as a list of sizes.

use std::rc::Rc;

use crate::engine::Precision;
use crate::gpu::buffers::real_words;
use crate::gpu::compiled::Access;
use crate::gpu::text::Module;

/// Columns of all slots per workgroup of a matrix product over vectors.
const COLUMNS: usize = 16;

/// Quantity that a number of workgroups is proportional to. Every trial has `lanes` slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Many {
    /// Active slots.
    Slots { lanes: usize },
    /// Tiles of slots.
    Tiles { lanes: usize, tile: usize },
    /// Slots, rounded up to whole tiles.
    Padded { lanes: usize, tile: usize },
    /// Blocks of 32 of the numbers in whole tiles, `each` per slot.
    Numbers { lanes: usize, tile: usize, each: usize },
    /// Blocks of [`COLUMNS`] columns of all slots.
    Columns { lanes: usize, k: usize },
}

/// Workgroups of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) many: Many,
    pub(super) fixed: usize,
    /// Rows of the panel per repetition; None for one dispatch.
    pub(super) rows: Option<usize>,
}

impl Grid {
    pub(super) fn new(many: Many, fixed: usize) -> Self {
        Self { many, fixed, rows: None }
    }

    /// Number of workgroups for `trials` active trials and a panel of `rows`.
    pub(super) fn workgroups(&self, trials: usize, rows: usize) -> u64 {
        let many = match self.many {
            Many::Slots { lanes } => trials * lanes,
            Many::Tiles { lanes, tile } => (trials * lanes).div_ceil(tile),
            Many::Padded { lanes, tile } => (trials * lanes).next_multiple_of(tile),
            Many::Numbers { lanes, tile, each } => {
                (trials * lanes).next_multiple_of(tile).saturating_mul(each).div_ceil(32)
            }
            Many::Columns { lanes, k } => (trials * lanes * k).div_ceil(COLUMNS),
        };
        let high = self.rows.map_or(1, |each| rows.div_ceil(each));
        [many, self.fixed, high].iter().fold(1, |all: u64, &count| all.saturating_mul(count as u64))
    }
}

/// Content of bind group 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Third {
    None,
    /// A constant group of the data, by number.
    Fixed(usize),
    /// The current panel of the pass.
    Panel,
    /// The measurements of the current group.
    Turn,
}

/// One call of a kernel.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) module: Rc<Module>,
    pub(super) entry: &'static str,
    /// Binding number of the first operand.
    pub(super) first: u32,
    /// Buffers by number.
    pub(super) operands: Vec<(usize, Access)>,
    /// Slots per trial.
    pub(super) lanes: usize,
    pub(super) third: Third,
    pub(super) grid: Grid,
}

impl Call {
    /// A call of a kernel without a panel.
    pub(super) fn step(module: &Rc<Module>, entry: &'static str, operands: &[(usize, Access)], grid: Grid) -> Self {
        let lanes = match grid.many {
            Many::Slots { lanes }
            | Many::Tiles { lanes, .. }
            | Many::Padded { lanes, .. }
            | Many::Numbers { lanes, .. }
            | Many::Columns { lanes, .. } => lanes,
        };
        let (module, operands) = (Rc::clone(module), operands.to_vec());
        Self { module, entry, first: 0, operands, lanes, third: Third::None, grid }
    }

    /// The same call with a group 2.
    pub(super) fn with(self, third: Third) -> Self {
        Self { third, ..self }
    }

    /// The same call with operands from a later binding on.
    pub(super) fn from(self, first: u32) -> Self {
        Self { first, ..self }
    }
}

/// A planned buffer.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) label: String,
    pub(super) numbers: usize,
    pub(super) number_words: usize,
    /// Whether kernels write it.
    pub(super) written: bool,
}

/// The planned buffers, by number.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    real: usize,
    pub(super) buffers: Vec<Planned>,
    shared: Vec<(&'static str, usize)>,
}

impl Plan {
    pub(super) fn new(precision: Precision) -> Self {
        Self { real: real_words(precision), buffers: Vec::new(), shared: Vec::new() }
    }

    fn add(&mut self, label: String, numbers: usize, number_words: usize, written: bool) -> usize {
        self.buffers.push(Planned { label, numbers, number_words, written });
        self.buffers.len() - 1
    }

    /// A buffer of numbers that kernels write.
    pub(super) fn output(&mut self, label: impl Into<String>, numbers: usize) -> usize {
        self.add(label.into(), numbers, self.real, true)
    }

    /// A buffer of numbers that kernels only read.
    pub(super) fn input(&mut self, label: impl Into<String>, numbers: usize) -> usize {
        self.add(label.into(), numbers, self.real, false)
    }

    /// A buffer of words that kernels only read.
    pub(super) fn words(&mut self, label: impl Into<String>, words: usize) -> usize {
        self.add(label.into(), words, 1, false)
    }

    fn shared(&mut self, label: &'static str, numbers: usize, written: bool) -> usize {
        if let Some((_, at)) = self.shared.iter().find(|(name, _)| *name == label) {
            let planned = &mut self.buffers[*at];
            planned.numbers = planned.numbers.max(numbers);
            return *at;
        }
        let at = self.add(label.to_owned(), numbers, self.real, written);
        self.shared.push((label, at));
        at
    }

    /// A buffer for numbers that live within one op; ops with equal needs share it.
    pub(super) fn scratch(&mut self, label: &'static str, numbers: usize) -> usize {
        self.shared(label, numbers, true)
    }

    /// A buffer of zeros.
    pub(super) fn zeros(&mut self, numbers: usize) -> usize {
        self.shared("zeros", numbers, false)
    }

    /// Bytes of all buffers.
    pub(super) fn bytes(&self) -> u64 {
        let of = |planned: &Planned| (planned.numbers as u64).saturating_mul(planned.number_words as u64 * 4);
        self.buffers.iter().fold(0, |all, planned| all.saturating_add(of(planned)))
    }
}

/// Numbers of a buffer that a unit overwrites where all trials are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fill {
    pub(super) buffer: usize,
    pub(super) first: usize,
    pub(super) numbers: usize,
}
