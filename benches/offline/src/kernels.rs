//! The kernels to compile: those of every operator and variant over a grid of sizes.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use lowrank::engine::Precision;
use lowrank::internals::gpu::{Options, TapeKernel, tape_kernels};
use lowrank::internals::operators::{REGISTRY, Registration};
use lowrank::internals::tape::Program;
use lowrank::methods::Context;
use lowrank::operators::{Acceleration, Cost, GpuForm, GpuPlan, GpuSource, Loss, Operator, Reader, Storage};
use lowrank::problem::{Domain, Factors};
use lowrank::tape::Tape;
use lowrank::{Method, Model, Result};

use crate::vulkan::Outcome;

/// Columns of the factors.
const SEARCH_RANK: usize = 20;
/// Entries of all matrices together, 2 GB in single precision, and most measurements.
const ENTRIES: usize = 500_000_000;
const MEASUREMENTS: usize = 20_000;
/// Measurements of operators whose data have to be made.
const MADE: usize = 2_000;

/// Sizes over which kernels are listed.
pub struct Grid {
    pub sizes: Vec<usize>,
    pub batches: Vec<usize>,
    pub storages: Vec<Storage>,
    /// Whether other operators and other methods than gradient descent are listed, at the first size.
    pub everything: bool,
}

/// A kernel with the first sizes that need it.
pub struct Kernel {
    pub operator: String,
    /// n, or n1xn2 of two factors.
    pub n: String,
    pub measurements: usize,
    pub batch: usize,
    pub storage: String,
    /// Variant and entry of a kernel over rows; module and entry of others.
    pub name: String,
    pub text: String,
    pub entry: String,
    pub workgroups: u64,
}

impl Kernel {
    /// The first entry of a file of WGSL.
    ///
    /// # Errors
    /// For a file that is not read or has no entry.
    pub fn of_file(path: &Path) -> Outcome<Self> {
        let wrong = |what: &str| format!("--file {}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| wrong(&e.to_string()))?;
        let after = text.split("@compute").nth(1).and_then(|rest| rest.split("fn ").nth(1));
        let entry = after.and_then(|rest| rest.split('(').next()).ok_or_else(|| wrong("no @compute entry"))?.to_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let none = String::new;
        let (operator, storage, n) = (none(), none(), none());
        let (measurements, batch, workgroups) = (0, 0, 0);
        Ok(Self { operator, n, measurements, batch, storage, name, text, entry, workgroups })
    }
}

/// Stored matrices without their numbers: kernels depend on the sizes alone.
struct Matrices {
    domain: Domain,
    measurements: usize,
    storage: Storage,
}

impl Operator for Matrices {
    fn name(&self) -> &str {
        "dense"
    }
    fn domain(&self) -> Domain {
        self.domain
    }
    fn measurements(&self) -> usize {
        self.measurements
    }
    fn normalization(&self) -> f64 {
        1.0 / self.measurements as f64
    }
    fn shards(&self) -> usize {
        1
    }
    fn shard_range(&self, _shard: usize) -> Range<usize> {
        0..self.measurements
    }
    fn sensing_matrix(&self, _i: usize) -> Vec<f64> {
        vec![0.0; self.domain.rows() * self.domain.columns()]
    }
    fn forward(&self, _shard: usize, _point: &Factors, out: &mut [f64]) {
        out.fill(0.0);
    }
    fn adjoint_apply(&self, _shard: usize, _residual: &[f64], _applied: &Factors, _out: &mut [f64]) {}
    fn cost(&self, batch: usize, _search_rank: usize) -> Cost {
        let entries = (self.measurements * self.domain.dimension()) as f64;
        Cost::new(entries * self.storage.bytes() as f64, 4.0 * entries * batch as f64)
    }
    fn accelerate(&self) -> Acceleration<'_> {
        Acceleration::default().gpu(GpuForm::Rows(self))
    }
}

impl GpuSource for Matrices {
    fn plan(&self, _widest: Storage) -> GpuPlan {
        let bytes = self.domain.dimension() * self.storage.bytes();
        // Rows in half precision end with the word of their scale.
        let scale = usize::from(self.storage == Storage::F16);
        GpuPlan::new(bytes.div_ceil(4) + scale, bytes + 4 * scale, Reader::Stored(self.storage))
    }
    fn write_rows(&self, _plan: &GpuPlan, _rows: Range<usize>, out: &mut [u32]) {
        out.fill(0);
    }
}

fn size(domain: Domain) -> String {
    match domain.is_symmetric() {
        true => domain.rows().to_string(),
        false => format!("{}x{}", domain.rows(), domain.columns()),
    }
}

/// The iteration of a method, or `None` for a method that the model does not suit.
fn program(method: &Method, operator: &dyn Operator) -> Option<Program> {
    let domain = operator.domain();
    let model = Model::natural(&domain);
    method.suits(Loss::Square, &model).ok()?;
    let rank = SEARCH_RANK.min(domain.rows()).min(domain.columns());
    let centred = operator.is_centred();
    let mut tape = Tape::new(model.recorded(), domain, rank, Loss::Square, centred, false);
    method.record(&mut tape, &Context::default()).ok()?;
    Some(tape.finish())
}

/// Collector of kernels, each text once.
#[derive(Default)]
struct Listed {
    seen: HashSet<(String, String)>,
    kernels: Vec<Kernel>,
}

impl Listed {
    fn add(&mut self, operator: &dyn Operator, method: &Method, batch: usize, storage: &str) -> Result<()> {
        let Some(program) = program(method, operator) else { return Ok(()) };
        let options = Options { precision: Precision::F32, ..Options::default() };
        for TapeKernel { variant, module, entry, workgroups, .. } in tape_kernels(operator, &program, batch, &options)?
        {
            let own = module.name == "operator";
            let name = if own { format!("{variant} {entry}") } else { format!("{} {entry}", module.name) };
            if self.seen.insert((name.clone(), module.text.clone())) {
                self.kernels.push(Kernel {
                    operator: operator.name().into(),
                    n: size(operator.domain()),
                    measurements: operator.measurements(),
                    batch,
                    storage: if own { storage.into() } else { String::new() },
                    name,
                    text: module.text,
                    entry: entry.into(),
                    workgroups,
                });
            }
        }
        Ok(())
    }
}

/// Number of measurements of stored matrices, as `benches/gpu.sh` has it.
fn measurements(domain: Domain) -> usize {
    (ENTRIES / domain.dimension()).clamp(1, MEASUREMENTS)
}

/// All kernels of the grid.
///
/// # Errors
/// Those of [`tape_kernels`].
pub fn kernels(grid: &Grid) -> Result<Vec<Kernel>> {
    let mut listed = Listed::default();
    let descent = Method::from(Method::gd());
    for &n in &grid.sizes {
        for &storage in &grid.storages {
            for &batch in &grid.batches {
                let domain = Domain::symmetric(n);
                let operator = Matrices { domain, measurements: measurements(domain), storage };
                listed.add(&operator, &descent, batch, storage.word())?;
            }
        }
    }
    if let (true, Some(&n)) = (grid.everything, grid.sizes.first()) {
        others(&mut listed, n, &grid.batches, &descent)?;
    }
    Ok(listed.kernels)
}

/// Other methods over stored matrices, other operators, and two factors.
fn others(listed: &mut Listed, n: usize, batches: &[usize], descent: &Method) -> Result<()> {
    for domain in [Domain::symmetric(n), Domain::rectangular(n, n / 2)] {
        let operator = Matrices { domain, measurements: measurements(domain), storage: Storage::F32 };
        for method in Method::fitting(Loss::Square, &Model::natural(&domain)) {
            listed.add(&operator, &method, batches[0], Storage::F32.word())?;
        }
        let made = |registration: &&Registration| {
            registration.backends.contains("gpu") && registration.name != operator.name()
        };
        for registration in REGISTRY.iter().filter(made) {
            let variants = registration.variants.iter().filter(|variant| variant.gpu).map(|variant| variant.random);
            for make in variants.chain([registration.random]) {
                let Some(domain) = (registration.domain)(domain) else { continue };
                let operator = make(domain, MADE, 1)?;
                for &batch in batches {
                    listed.add(operator.as_ref(), descent, batch, "")?;
                }
            }
        }
    }
    Ok(())
}
