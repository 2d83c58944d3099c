//! Shader text as plain data: which files make up a module, and the constants they are specialised with. Nothing here
//! needs a device, so that tests can validate every module without one.

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::operators::{GpuPlan, GpuSource, Operator, Storage};
use crate::problem::packed_len;

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
type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../shaders/", $path)))
    };
}

const LIBRARY: [File; 2] = [file!("lib/grid.wgsl"), file!("lib/packed.wgsl")];
const WORKGROUP_SUM: File = file!("lib/workgroup_sum.wgsl");
const LANES: [(usize, File); 4] = [
    (1, file!("lib/lane1.wgsl")),
    (2, file!("lib/lane2.wgsl")),
    (4, file!("lib/lane4.wgsl")),
    (8, file!("lib/lane8.wgsl")),
];
const STORAGE_F16: File = file!("storage/f16.wgsl");
const STORAGE_F32: File = file!("storage/f32.wgsl");
const STORAGE_F64: File = file!("storage/f64.wgsl");
const OUTER_PRODUCT: File = file!("step/outer_product.wgsl");
const REDUCE: File = file!("step/reduce.wgsl");
const GRADIENT_PRODUCT: File = file!("step/gradient_product.wgsl");
const UPDATE: File = file!("step/update.wgsl");

/// Everything the kernels are specialised with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Arithmetic: what `real` stands for.
    pub precision: Precision,
    /// Rows of the factor.
    pub n: usize,
    /// Columns of the factor.
    pub k: usize,
    /// p = n(n+1)/2.
    pub p: usize,
    /// Words from one stored row to the next.
    pub row_words: usize,
    /// Measurements.
    pub m: usize,
    pub batch: usize,
    /// Partial sums of the adjoint; a function of n and m only, so that a trial's bits do not depend on the batch.
    pub splits: usize,
    /// Trials served by one read of the measurement data.
    pub tile: usize,
}

impl Sizes {
    pub(super) fn new(
        operator: &dyn Operator,
        plan: &GpuPlan,
        search_rank: usize,
        batch: usize,
        precision: Precision,
    ) -> Self {
        let (n, m) = (operator.shape().rows(), operator.measurements());
        let p = packed_len(n);
        // About a thousand workgroups fill any GPU. At least 32 rows a split keep the traffic of the partial sums
        // (written, then read) below a sixteenth of that of the rows.
        let splits = 1024_usize.div_ceil(p.div_ceil(256)).min(m / 32).clamp(1, 64);
        let tile = LANES.iter().map(|&(tile, _)| tile).find(|&tile| tile >= batch).unwrap_or(8);
        Self { precision, n, k: search_rank, p, row_words: plan.row_words, m, batch, splits, tile }
    }

    /// Tiles that hold `count` trials.
    pub(super) fn tiles(&self, count: usize) -> usize {
        count.div_ceil(self.tile)
    }

    fn prelude(&self, single: bool) -> String {
        let Self { precision, n, k, p, row_words, m, batch, splits, tile: _ } = self;
        let real = match precision {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        };
        format!(
            "alias real = {real};\nconst N: u32 = {n}u;\nconst K: u32 = {k}u;\nconst P: u32 = {p}u;\nconst ROW_WORDS: u32 = {row_words}u;\n\
             const M: u32 = {m}u;\nconst BATCH: u32 = {batch}u;\nconst SPLITS: u32 = {splits}u;\n\
             const SINGLE: bool = {single};\n"
        )
    }
}

/// One WGSL module, ready to compile.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Module {
    pub name: &'static str,
    /// Paths under `shaders/` of the files it is made of.
    pub files: Vec<String>,
    pub text: String,
}

/// The modules of one specialisation.
pub(super) struct Modules {
    /// outer_product with L = R.
    pub single: Module,
    /// outer_product with L ≠ R.
    pub pair: Module,
    /// The operator's forward and adjoint_apply.
    pub operator: Module,
    pub reduce: Module,
    pub gradient_product: Module,
    pub update: Module,
}

/// Prelude and files, one after the other, with the mutations of those files applied.
pub(super) fn modules(sizes: &Sizes, operator: &str, plan: &GpuPlan, mutations: &[Mutation]) -> Result<Modules> {
    let operator_path = format!("operators/{operator}.wgsl");
    let lane = LANES.iter().find(|&&(tile, _)| tile == sizes.tile).map_or(LANES[0].1, |&(_, file)| file);
    let storage = match plan.storage {
        None => None,
        Some(Storage::F16) => Some(STORAGE_F16),
        Some(Storage::F32) => Some(STORAGE_F32),
        Some(Storage::F64) => Some(STORAGE_F64),
    };
    let compose = |name, single, extra: &[File], last: (&str, &str)| -> Result<Module> {
        let mut module = Module { name, files: Vec::new(), text: sizes.prelude(single) };
        for (path, text) in LIBRARY.into_iter().chain([lane]).chain(extra.iter().copied()).chain([last]) {
            module.text.push_str(&mutate(path, text, mutations)?);
            module.files.push(path.to_owned());
        }
        Ok(module)
    };
    let operator_files: Vec<File> = [WORKGROUP_SUM].into_iter().chain(storage).collect();
    let modules = Modules {
        single: compose("outer_product (single)", true, &[], OUTER_PRODUCT)?,
        pair: compose("outer_product (pair)", false, &[], OUTER_PRODUCT)?,
        operator: compose("operator", true, &operator_files, (&operator_path, plan.shader))?,
        reduce: compose("reduce", true, &[], REDUCE)?,
        gradient_product: compose("gradient_product", true, &[], GRADIENT_PRODUCT)?,
        update: compose("update", true, &[], UPDATE)?,
    };
    // A mutation of a file that no module contains would leave the test that uses it green for nothing.
    let all = modules.all();
    for mutation in mutations {
        if !all.iter().any(|module| module.files.iter().any(|file| file == mutation.file)) {
            return Err(mutation_error(mutation, "the file is part of no module"));
        }
    }
    Ok(modules)
}

impl Modules {
    fn all(&self) -> [&Module; 6] {
        [&self.single, &self.pair, &self.operator, &self.reduce, &self.gradient_product, &self.update]
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

/// Every module that [`load`](super::load) would compile for `operator`, for tests that validate them without a device.
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
    let plan = source_of(operator)?.plan(widest(precision));
    let sizes = Sizes::new(operator, &plan, search_rank, batch, precision);
    let Modules { single, pair, operator: kernels, reduce, gradient_product, update } =
        modules(&sizes, operator.name(), &plan, &[])?;
    Ok(vec![single, pair, kernels, reduce, gradient_product, update])
}

/// The widest number type that is worth reading.
pub(super) fn widest(precision: Precision) -> Storage {
    match precision {
        Precision::F32 => Storage::F32,
        Precision::F64 => Storage::F64,
    }
}

pub(super) fn source_of(operator: &dyn Operator) -> Result<&dyn GpuSource> {
    match operator.gpu() {
        Some(source) if operator.shape().is_symmetric() => Ok(source),
        _ => Err(Error::Unsupported {
            what: format!("operator '{}' ({:?} model) on the backend 'gpu'", operator.name(), operator.shape().model()),
            fix: "it has no shader: use the backend 'cpu'".into(),
        }),
    }
}
