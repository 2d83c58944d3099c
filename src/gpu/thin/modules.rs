//! Shader text of the thin forms.

use crate::engine::Precision;
use crate::error::Result;
use crate::gpu::frame::{Frame, constant};
use crate::gpu::shaders::{File, GRID, Module, Mutation, PANEL, STORAGE_F32, STORAGE_F64, Shared, compose, file};
use crate::gpu::shaders::{require_mutated, widest};
use crate::gpu::stages::measurements_file;
use crate::gpu::thin::lists::{SEGMENT, SHORT};
use crate::gpu::thin::nonzeros::NonzeroSizes;
use crate::gpu::thin::vectors::VectorSizes;
use crate::operators::{GpuThin, GpuVectors, Storage};

const VECTORS: File = file!("thin/vectors.wgsl");
const NONZEROS: File = file!("lib/nonzeros.wgsl");
const FORWARD: File = file!("thin/nonzeros_forward.wgsl");
const GATHER: File = file!("thin/nonzeros_gather.wgsl");
const COMBINE: File = file!("thin/combine.wgsl");
const INNER: File = file!("thin/inner.wgsl");
const MEAN: File = file!("thin/mean.wgsl");
const WEIGH: File = file!("thin/weigh.wgsl");
const COLLECT: File = file!("thin/collect.wgsl");

/// From residuals to what the adjoint takes.
pub(super) struct Weighing {
    /// Where residuals are centred.
    pub mean: Option<Module>,
    pub weigh: Module,
}

impl Weighing {
    fn new(frame: &Frame, centred: bool, mutations: &[Mutation]) -> Result<Self> {
        let prelude = || format!("{}const CENTRED: bool = {centred};\n", frame.prelude(true));
        let step =
            |name, file| compose(name, prelude(), &[GRID, measurements_file(frame), file], str::to_owned, mutations);
        let mean = centred.then(|| step("mean", MEAN)).transpose()?;
        Ok(Self { mean, weigh: step("weigh", WEIGH)? })
    }

    fn all(&self) -> impl Iterator<Item = &Module> {
        self.mean.iter().chain([&self.weigh])
    }
}

/// Of `rank_one` and its like.
pub(super) struct VectorModules {
    pub shared: Shared,
    pub weighing: Weighing,
    /// project and adjoint_apply
    pub vectors: Module,
    pub inner: Module,
    pub collect: Module,
}

impl VectorModules {
    pub(super) fn new(sizes: &VectorSizes, centred: bool, mutations: &[Mutation]) -> Result<Self> {
        let frame = &sizes.frame;
        let VectorSizes { vectors, sides, row_words, splits, storage, .. } = *sizes;
        let mut prelude = frame.prelude(true);
        let constants = [("VECTORS", vectors), ("SIDES", sides), ("ROW_WORDS", row_words), ("SPLITS", splits)];
        constants.into_iter().for_each(|(name, value)| prelude.push_str(&constant(name, value)));
        let numbers = if storage == Storage::F64 { STORAGE_F64 } else { STORAGE_F32 };
        let compose = |name, files: &[File]| compose(name, prelude.clone(), files, str::to_owned, mutations);
        let modules = Self {
            shared: Shared::new(frame, mutations)?,
            weighing: Weighing::new(frame, centred, mutations)?,
            vectors: compose("vectors", &[GRID, PANEL, numbers, VECTORS])?,
            inner: compose("inner", &[GRID, INNER])?,
            collect: compose("collect", &[GRID, COLLECT])?,
        };
        require_mutated(mutations, &modules.all())?;
        Ok(modules)
    }

    fn all(&self) -> Vec<&Module> {
        let Self { shared, weighing, vectors, inner, collect } = self;
        shared.all().into_iter().chain(weighing.all()).chain([vectors, inner, collect]).collect()
    }
}

/// Of `entries`, `sparse` and their like.
pub(super) struct NonzeroModules {
    pub shared: Shared,
    pub weighing: Weighing,
    /// forward and forward_long with L = R.
    pub single: Module,
    /// The same with L ≠ R.
    pub pair: Module,
    /// adjoint_apply and adjoint_long
    pub gather: Module,
    pub combine: Module,
}

impl NonzeroModules {
    pub(super) fn new(sizes: &NonzeroSizes, centred: bool, mutations: &[Mutation]) -> Result<Self> {
        let frame = &sizes.frame;
        let constants = [
            ("SHORT", SHORT),
            ("SEGMENT", SEGMENT),
            ("LANES", sizes.lanes()),
            ("PARTIALS", sizes.partials),
            ("SPANS", sizes.spans),
        ];
        let constants: String = constants.into_iter().map(|(name, value)| constant(name, value)).collect();
        let ones = format!("const ONES: bool = {};\n", sizes.ones);
        let prelude = |single| frame.prelude(single) + &constants + &ones;
        let compose = |name, single, files: &[File]| compose(name, prelude(single), files, str::to_owned, mutations);
        let modules = Self {
            shared: Shared::new(frame, mutations)?,
            weighing: Weighing::new(frame, centred, mutations)?,
            single: compose("nonzeros forward (single)", true, &[GRID, NONZEROS, FORWARD])?,
            pair: compose("nonzeros forward (pair)", false, &[GRID, NONZEROS, FORWARD])?,
            gather: compose("nonzeros gather", true, &[GRID, NONZEROS, GATHER])?,
            combine: compose("combine", true, &[GRID, COMBINE])?,
        };
        require_mutated(mutations, &modules.all())?;
        Ok(modules)
    }

    fn all(&self) -> Vec<&Module> {
        let Self { shared, weighing, single, pair, gather, combine } = self;
        shared.all().into_iter().chain(weighing.all()).chain([single, pair, gather, combine]).collect()
    }
}

/// The type that vectors are read in: the narrower of theirs and the arithmetic's.
pub(super) fn stored_in(data: &dyn GpuVectors, precision: Precision) -> Storage {
    data.storage().min(widest(precision)).max(Storage::F32)
}

/// Every module with and without centred residuals.
pub(super) fn composed(frame: &Frame, data: GpuThin<'_>) -> Result<Vec<Module>> {
    let mut all = Vec::new();
    for centred in [false, true] {
        match data {
            GpuThin::Vectors(data) => {
                let sizes = VectorSizes::new(*frame, data.vectors(), stored_in(data, frame.precision));
                all.extend(VectorModules::new(&sizes, centred, &[])?.all().into_iter().cloned());
            }
            GpuThin::Nonzeros(data) => {
                for ones in [data.all_ones(), true] {
                    let sizes = NonzeroSizes { frame: *frame, ones, partials: 3, spans: 1 };
                    all.extend(NonzeroModules::new(&sizes, centred, &[])?.all().into_iter().cloned());
                }
            }
        }
    }
    Ok(all)
}
