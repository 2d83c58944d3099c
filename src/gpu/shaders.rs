//! Shader text as plain data: which files make up a module, and the constants they are specialised with. Nothing here
//! needs a device, so that tests can validate every module without one.

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::gpu::frame::Frame;
use crate::gpu::sizes::Sizes;
use crate::gpu::stages::StageModules;
use crate::gpu::thin;
use crate::gpu::variant::{Abilities, Extent, Strategy, Variant};
use crate::methods::{Minibatches, Polyak, Recipe};
use crate::operators::{GpuForm, GpuPlan, GpuSource, Loss, Operator, Reader, Storage};

/// Replaces `find` by `replace` in one shader file before it is compiled, to show that the tests see a broken kernel.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    /// Path under `shaders/`.
    pub file: &'static str,
    /// Text that occurs exactly once in the file.
    pub find: &'static str,
    pub replace: &'static str,
}

/// A shader file: its path under `shaders/` and its text.
pub(super) type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $path)))
    };
}
pub(super) use file;

pub(super) const GRID: File = file!("lib/grid.wgsl");
const PACKED: File = file!("lib/packed.wgsl");
pub(super) const PANEL: File = file!("lib/panel.wgsl");
const WORKGROUP_SUM: File = file!("lib/workgroup_sum.wgsl");
const LANES: [(usize, File); 4] = [
    (1, file!("lib/lane1.wgsl")),
    (2, file!("lib/lane2.wgsl")),
    (4, file!("lib/lane4.wgsl")),
    (8, file!("lib/lane8.wgsl")),
];
const ADDRESSES: File = file!("storage/addresses.wgsl");
const STAGED_ADDRESSES: File = file!("storage/staged_addresses.wgsl");
const HASH: File = file!("lib/hash.wgsl");
const KEYS: File = file!("storage/keys.wgsl");
const STAGED_KEYS: File = file!("storage/staged_keys.wgsl");
const STORAGE_F16: File = file!("storage/f16.wgsl");
pub(super) const STORAGE_F32: File = file!("storage/f32.wgsl");
pub(super) const STORAGE_F64: File = file!("storage/f64.wgsl");
const QUADS_F16: File = file!("storage/quads_f16.wgsl");
const QUADS_F32: File = file!("storage/quads_f32.wgsl");
const QUADS_F64: File = file!("storage/quads_f64.wgsl");
const SUM_PORTABLE: File = file!("rows/sum_portable.wgsl");
const SUM_SUBGROUP: File = file!("rows/sum_subgroup.wgsl");
const ONE_PASS: File = file!("rows/one_pass.wgsl");
const ROW_RESIDENT: File = file!("rows/row_resident.wgsl");
const TILED: File = file!("rows/tiled.wgsl");
const OUTER_PRODUCT: File = file!("step/outer_product.wgsl");
const RECTANGULAR_OUTER: File = file!("step/rectangular_outer_product.wgsl");
const REDUCE: File = file!("step/reduce.wgsl");
const GRADIENT_PRODUCT: File = file!("step/gradient_product.wgsl");
const RECTANGULAR_GRADIENT: File = file!("step/rectangular_gradient_product.wgsl");
const AROUND_CENTRE: File = file!("step/around_centre.wgsl");

/// One WGSL module, ready to compile.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Module {
    pub name: &'static str,
    /// Paths under `shaders/` of the files it is made of.
    pub files: Vec<String>,
    pub text: String,
}

/// The modules of the steps that do not depend on what the operator's data are.
pub(super) struct Shared {
    pub stages: StageModules,
    pub around_centre: Module,
}

impl Shared {
    pub(super) fn new(frame: &Frame, mutations: &[Mutation]) -> Result<Self> {
        let around = &[GRID, AROUND_CENTRE];
        let around_centre = compose("around_centre", frame.prelude(true), around, str::to_owned, mutations)?;
        Ok(Self { stages: StageModules::new(frame, mutations)?, around_centre })
    }

    pub(super) fn all(&self) -> Vec<&Module> {
        let mut all = self.stages.all();
        all.push(&self.around_centre);
        all
    }
}

/// The modules of one specialisation to rows.
pub(super) struct Modules {
    pub shared: Shared,
    /// outer_product with L = R.
    pub single: Module,
    /// outer_product with L ≠ R.
    pub pair: Module,
    /// forward and adjoint_apply, or gradient: what reads the measurement data.
    pub operator: Module,
    pub reduce: Module,
    pub gradient_product: Module,
}

/// A prelude and files, one after the other, with the mutations of those files applied and then `unroll`.
pub(super) fn compose(
    name: &'static str,
    prelude: String,
    files: &[(&str, &str)],
    unroll: impl Fn(&str) -> String,
    mutations: &[Mutation],
) -> Result<Module> {
    let mut module = Module { name, files: Vec::new(), text: prelude };
    for (path, text) in files {
        module.text.push_str(&unroll(&mutate(path, text, mutations)?));
        module.files.push((*path).to_owned());
    }
    Ok(module)
}

/// A mutation of a file that no module contains would leave the test that uses it green for nothing.
pub(super) fn require_mutated(mutations: &[Mutation], modules: &[&Module]) -> Result<()> {
    let unused = |mutation: &&Mutation| !modules.iter().any(|m| m.files.iter().any(|file| file == mutation.file));
    match mutations.iter().find(unused) {
        Some(mutation) => Err(mutation_error(mutation, "the file is part of no module")),
        None => Ok(()),
    }
}

/// The modules of an operator of rows.
pub(super) fn modules(sizes: &Sizes, operator: &str, plan: &GpuPlan, mutations: &[Mutation]) -> Result<Modules> {
    let made = plan.made().map_or("", |made| &made.constants);
    let constants = format!("const OFF_DIAGONAL: real = {:?};\n{made}", plan.off_diagonal);
    let compose = |name, single, files: &[(&str, &str)]| {
        compose(name, sizes.prelude(single) + &constants, files, |text| repeat(text, sizes), mutations)
    };
    let step = |name, single, last: File| compose(name, single, &[GRID, PACKED, last]);
    let (outer, product) =
        if sizes.symmetric { (OUTER_PRODUCT, GRADIENT_PRODUCT) } else { (RECTANGULAR_OUTER, RECTANGULAR_GRADIENT) };
    let operator_path =
        if plan.packed_rows { "rows/two_kernel.wgsl".into() } else { format!("operators/{operator}.wgsl") };
    let modules = Modules {
        single: step("outer_product (single)", true, outer)?,
        pair: step("outer_product (pair)", false, outer)?,
        operator: compose("operator", true, &operator_files(sizes, &operator_path, plan))?,
        reduce: step("reduce", true, REDUCE)?,
        gradient_product: step("gradient_product", true, product)?,
        shared: Shared::new(&sizes.frame, mutations)?,
    };
    require_mutated(mutations, &modules.all())?;
    Ok(modules)
}

/// The files of the kernels that read the measurement data.
fn operator_files<'a>(sizes: &Sizes, path: &'a str, plan: &'a GpuPlan) -> Vec<(&'a str, &'a str)> {
    let lane = LANES.iter().find(|&&(tile, _)| tile == sizes.tile).map_or(LANES[0].1, |&(_, file)| file);
    let sum = if sizes.variant.subgroup { SUM_SUBGROUP } else { SUM_PORTABLE };
    let by_quads = sizes.variant.strategy.owns_rows();
    let mut files = vec![GRID, PANEL];
    let staged = match &plan.reader {
        None => None,
        Some(Reader::Stored(storage)) => {
            files.push(ADDRESSES);
            files.push(match (storage, by_quads) {
                (Storage::F16, false) => STORAGE_F16,
                (Storage::F32, false) => STORAGE_F32,
                (Storage::F64, false) => STORAGE_F64,
                (Storage::F16, true) => QUADS_F16,
                (Storage::F32, true) => QUADS_F32,
                (Storage::F64, true) => QUADS_F64,
            });
            Some(STAGED_ADDRESSES)
        }
        Some(Reader::Made(made)) => {
            files.extend([HASH, KEYS, made.numbers]);
            files.extend(by_quads.then_some(made.quads));
            Some(STAGED_KEYS)
        }
    };
    // What is common to all strategies that take rows together; other operators stage nothing.
    let staged = staged.filter(|_| plan.packed_rows && !by_quads);
    files.extend(staged);
    match sizes.variant.strategy {
        Strategy::TwoKernel => files.extend([PACKED, lane, WORKGROUP_SUM, (path, plan.shader)]),
        Strategy::OnePass => files.extend([sum, ONE_PASS]),
        Strategy::RowResident => files.extend([sum, ROW_RESIDENT]),
        Strategy::Tiled => files.push(TILED),
    }
    files
}

/// Unrolls: lines between `//@ repeat NAME` and `//@ end` are repeated with 0, 1, … for `$j`, as often as the size NAME
/// says, and a line with `$r` with 0, 1, … below the size ROWS for `$r`. Compilers unroll loops or not, and what a loop
/// indexes then lies in memory instead of registers.
fn repeat(text: &str, sizes: &Sizes) -> String {
    let mut out = String::with_capacity(2 * text.len());
    let mut push = |line: &str, j: usize| {
        let line = line.replace("$j", &j.to_string());
        let rows = if line.contains("$r") { sizes.rows() } else { 1 };
        for r in 0..rows {
            out.push_str(&line.replace("$r", &r.to_string()));
            out.push('\n');
        }
    };
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match line.trim_start().strip_prefix("//@ repeat ") {
            Some(name) => {
                let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "//@ end").collect();
                for j in 0..sizes.repetitions(name) {
                    block.iter().for_each(|line| push(line, j));
                }
            }
            None if line.trim_start().starts_with("//") => {}
            None => push(line, 0),
        }
    }
    out
}

impl Modules {
    fn all(&self) -> Vec<&Module> {
        let Self { single, pair, operator, reduce, gradient_product, shared } = self;
        shared.all().into_iter().chain([single, pair, operator, reduce, gradient_product]).collect()
    }
}

fn mutate(path: &str, text: &str, mutations: &[Mutation]) -> Result<String> {
    let mut text = text.to_owned();
    for mutation in mutations.iter().filter(|mutation| mutation.file == path) {
        let count = text.matches(mutation.find).count();
        if count != 1 {
            return Err(mutation_error(mutation, &format!("the text occurs {count} times")));
        }
        text = text.replace(mutation.find, mutation.replace);
    }
    Ok(text)
}

fn mutation_error(mutation: &Mutation, found: &str) -> Error {
    Error::invalid(
        "mutations",
        format!("{found}: '{}' in {}", mutation.find, mutation.file),
        "a text that occurs exactly once in a file in use",
        "update the mutation to the shader",
    )
}

/// Every module that [`load`](super::load) could compile for `operator` with all stages and with none on an adapter with everything that kernels ask
/// for, for tests that validate them without a device.
///
/// # Errors
/// [`Error::Unsupported`] for operators without a shader.
#[doc(hidden)]
pub fn composed_modules(
    operator: &dyn Operator,
    search_rank: usize,
    batch: usize,
    precision: Precision,
) -> Result<Vec<Module>> {
    let everything = Recipe {
        loss: Loss::Huber { delta: 0.5 },
        precondition: true,
        residual_damping: true,
        polyak: Polyak::First,
        accelerate: true,
        minibatches: Some(Minibatches { count: 3, seed: 0 }),
    };
    let mut all = Vec::new();
    for recipe in [Recipe::default(), everything] {
        let frame = Frame { recipe, ..Frame::new(operator, search_rank, batch, precision) };
        all.extend(composed_for(operator, frame)?);
    }
    Ok(all)
}

fn composed_for(operator: &dyn Operator, frame: Frame) -> Result<Vec<Module>> {
    let (mut all, Frame { batch, precision, .. }) = (Vec::new(), frame);
    let plan = match form_of(operator)? {
        GpuForm::Rows(source) => source.plan(widest(precision)),
        GpuForm::Thin(data) => return thin::composed_modules(&frame, data),
    };
    let extent = Extent::new(operator.shape().dimension(), operator.measurements(), batch, precision, &plan);
    for variant in Variant::allowed(&extent, &Abilities { threads: 1024, subgroup: true, software: false }) {
        let sizes = Sizes::new(operator, &plan, frame, variant);
        all.extend(modules(&sizes, operator.name(), &plan, &[])?.all().into_iter().cloned());
    }
    Ok(all)
}

/// The widest number type that is worth reading.
pub(super) fn widest(precision: Precision) -> Storage {
    match precision {
        Precision::F32 | Precision::Mixed => Storage::F32,
        Precision::F64 => Storage::F64,
    }
}

/// # Errors
/// [`Error::Unsupported`] for operators that bring nothing for a GPU.
pub(super) fn form_of(operator: &dyn Operator) -> Result<GpuForm<'_>> {
    operator.gpu().ok_or_else(|| Error::Unsupported {
        what: format!("operator '{}' on the backend 'gpu'", operator.name()),
        fix: "it has no shader: use the backend 'cpu'".into(),
    })
}

/// The rows of an operator that has some.
pub(super) fn source_of(operator: &dyn Operator) -> Result<&dyn GpuSource> {
    match form_of(operator)? {
        GpuForm::Rows(source) => Ok(source),
        GpuForm::Thin(_) => Err(Error::Unsupported {
            what: format!("rows of the operator '{}'", operator.name()),
            fix: "its data on the backend 'gpu' are thin: this is a bug of lowrank".into(),
        }),
    }
}
