//! Shader text of the kernels over vectors, nonzeros and Pauli strings.

use crate::engine::Precision;
use crate::error::Result;
use crate::gpu::frame::Frame;
use crate::gpu::pass::lists::{SEGMENT, SHORT};
use crate::gpu::pass::row_modules::{PANEL, STORAGE_F32, STORAGE_F64};
use crate::gpu::text::{File, GRID, Module, Texts, constant, file, measurements_file};
use crate::operators::{GpuVectors, Storage};

const VECTORS: File = file!("thin/vectors.wgsl");
const NONZEROS: File = file!("lib/nonzeros.wgsl");
const FORWARD: File = file!("thin/nonzeros_forward.wgsl");
const GATHER: File = file!("thin/nonzeros_gather.wgsl");
const COMBINE: File = file!("thin/combine.wgsl");
const INNER: File = file!("thin/inner.wgsl");
const WEIGH: File = file!("ops/weigh.wgsl");
const COLLECT: File = file!("thin/collect.wgsl");
const STRINGS: File = file!("lib/strings.wgsl");
const STRINGS_FORWARD: File = file!("thin/strings_forward.wgsl");
const STRINGS_ADJOINT: File = file!("thin/strings_adjoint.wgsl");

/// Module from residuals to the coefficients of the adjoint.
pub(in crate::gpu) fn weigh_module(texts: &Texts<'_>, frame: &Frame) -> Result<Module> {
    let prelude = format!("{}const CENTRED: bool = {};\n", frame.prelude(true), frame.centred);
    texts.compose("weigh", prelude, &[GRID, measurements_file(frame.grouped), WEIGH], str::to_owned)
}

/// Sizes that specialise the kernels over vectors.
#[derive(Clone, Copy)]
pub(in crate::gpu) struct VectorSizes {
    pub(in crate::gpu) frame: Frame,
    /// Pairs of vectors per measurement, q.
    pub(in crate::gpu) vectors: usize,
    /// Number of sides: 1 where b is a, else 2.
    pub(in crate::gpu) sides: usize,
    pub(in crate::gpu) row_words: usize,
    /// Partial sums of the adjoint. They depend on n and m only, so a trial's bits do not depend on the batch.
    pub(in crate::gpu) splits: usize,
    pub(in crate::gpu) storage: Storage,
}

impl VectorSizes {
    pub(in crate::gpu) fn new(frame: Frame, vectors: usize, storage: Storage) -> Self {
        let sides = if frame.symmetric { 1 } else { 2 };
        // About five hundred workgroups, of at least 32 measurements each.
        let splits = 512_usize.div_ceil(frame.n.div_ceil(64)).min(frame.m / 32).clamp(1, 64);
        let row_words = (vectors * frame.n * storage.bytes() / 4).next_multiple_of(64);
        Self { frame, vectors, sides, row_words, splits, storage }
    }

    /// Numbers per row.
    pub(in crate::gpu) fn numbers(&self) -> usize {
        self.vectors * self.frame.n
    }

    /// Blocks of 64 rows of L and of R.
    pub(in crate::gpu) fn blocks(&self) -> usize {
        let Frame { n1, n2, .. } = self.frame;
        n1.div_ceil(64) + if self.sides == 2 { n2.div_ceil(64) } else { 0 }
    }
}

/// Modules of `rank_one` and similar operators.
pub(in crate::gpu) struct VectorModules<'t> {
    texts: &'t Texts<'t>,
    sizes: VectorSizes,
}

impl<'t> VectorModules<'t> {
    pub(in crate::gpu) fn new(texts: &'t Texts<'t>, sizes: VectorSizes) -> Self {
        Self { texts, sizes }
    }

    fn compose(&self, name: &'static str, columns: usize, files: &[File]) -> Result<Module> {
        let VectorSizes { frame, vectors, sides, row_words, splits, .. } = self.sizes;
        let mut prelude = frame.columns(columns).prelude(true);
        let constants = [("VECTORS", vectors), ("SIDES", sides), ("ROW_WORDS", row_words), ("SPLITS", splits)];
        constants.into_iter().for_each(|(name, value)| prelude.push_str(&constant(name, value)));
        self.texts.compose(name, prelude, files, str::to_owned)
    }

    /// project and adjoint_apply, for factors of `columns` columns
    pub(in crate::gpu) fn vectors(&self, columns: usize) -> Result<Module> {
        let numbers = if self.sizes.storage == Storage::F64 { STORAGE_F64 } else { STORAGE_F32 };
        self.compose("vectors", columns, &[GRID, PANEL, numbers, VECTORS])
    }

    pub(in crate::gpu) fn inner(&self, columns: usize) -> Result<Module> {
        self.compose("inner", columns, &[GRID, INNER])
    }

    pub(in crate::gpu) fn collect(&self, columns: usize) -> Result<Module> {
        self.compose("collect", columns, &[GRID, COLLECT])
    }
}

/// Sizes that specialise the kernels over nonzeros.
#[derive(Clone, Copy)]
pub(in crate::gpu) struct NonzeroSizes {
    /// Whether all values are 1.
    pub(in crate::gpu) ones: bool,
    /// Number of pieces of rows with several pieces, and number of such rows.
    pub(in crate::gpu) partials: usize,
    pub(in crate::gpu) spans: usize,
}

/// Modules of `entries`, `sparse` and similar operators.
pub(in crate::gpu) struct NonzeroModules<'t> {
    texts: &'t Texts<'t>,
    frame: Frame,
    sizes: NonzeroSizes,
}

impl<'t> NonzeroModules<'t> {
    pub(in crate::gpu) fn new(texts: &'t Texts<'t>, frame: Frame, sizes: NonzeroSizes) -> Self {
        Self { texts, frame, sizes }
    }

    fn compose(&self, name: &'static str, single: bool, columns: usize, files: &[File]) -> Result<Module> {
        let NonzeroSizes { ones, partials, spans } = self.sizes;
        // Threads of a workgroup that take neighbouring columns: a power of two.
        let lanes = columns.next_power_of_two().min(256);
        let constants =
            [("SHORT", SHORT), ("SEGMENT", SEGMENT), ("LANES", lanes), ("PARTIALS", partials), ("SPANS", spans)];
        let constants: String = constants.into_iter().map(|(name, value)| constant(name, value)).collect();
        let prelude =
            self.frame.columns(columns).prelude(single) + &constants + &format!("const ONES: bool = {ones};\n");
        self.texts.compose(name, prelude, files, str::to_owned)
    }

    /// forward and forward_long, with L = R or not
    pub(in crate::gpu) fn forward(&self, single: bool, columns: usize) -> Result<Module> {
        self.compose("nonzeros forward", single, columns, &[GRID, NONZEROS, FORWARD])
    }

    /// adjoint_apply and adjoint_long
    pub(in crate::gpu) fn gather(&self, columns: usize) -> Result<Module> {
        self.compose("nonzeros gather", true, columns, &[GRID, NONZEROS, GATHER])
    }

    pub(in crate::gpu) fn combine(&self, columns: usize) -> Result<Module> {
        self.compose("combine", true, columns, &[GRID, COMBINE])
    }
}

/// Sizes that specialise the kernels over Pauli strings.
#[derive(Clone, Copy)]
pub(in crate::gpu) struct StringSizes {
    /// Number of states, 2^q.
    pub(in crate::gpu) states: usize,
    /// Partial sums of the adjoint. They depend on the strings only, so a trial's bits do not depend on the batch.
    pub(in crate::gpu) splits: usize,
}

/// Modules of `pauli`.
pub(in crate::gpu) struct StringModules<'t> {
    texts: &'t Texts<'t>,
    frame: Frame,
    sizes: StringSizes,
}

impl<'t> StringModules<'t> {
    pub(in crate::gpu) fn new(texts: &'t Texts<'t>, frame: Frame, sizes: StringSizes) -> Self {
        Self { texts, frame, sizes }
    }

    fn compose(&self, name: &'static str, columns: usize, files: &[File]) -> Result<Module> {
        let StringSizes { states, splits } = self.sizes;
        let mut prelude = self.frame.columns(columns).prelude(true);
        let sizes = [("STATES", states), ("QUBITS", states.ilog2() as usize), ("SPLITS", splits)];
        sizes.iter().for_each(|(name, v)| prelude.push_str(&constant(name, *v)));
        self.texts.compose(name, prelude, files, str::to_owned)
    }

    pub(in crate::gpu) fn forward(&self, columns: usize) -> Result<Module> {
        self.compose("strings forward", columns, &[GRID, STRINGS, STRINGS_FORWARD])
    }

    pub(in crate::gpu) fn adjoint(&self, columns: usize) -> Result<Module> {
        self.compose("strings adjoint", columns, &[GRID, STRINGS, STRINGS_ADJOINT])
    }

    pub(in crate::gpu) fn collect(&self, columns: usize) -> Result<Module> {
        self.compose("collect", columns, &[GRID, COLLECT])
    }
}

/// Number type in which vectors are read: the narrower of theirs and the arithmetic's.
pub(in crate::gpu) fn stored_in(data: &dyn GpuVectors, precision: Precision) -> Storage {
    data.storage().min(widest(precision)).max(Storage::F32)
}

/// Widest number type that is useful to read.
pub(in crate::gpu) fn widest(precision: Precision) -> Storage {
    match precision {
        Precision::F32 | Precision::Mixed => Storage::F32,
        Precision::F64 => Storage::F64,
    }
}
