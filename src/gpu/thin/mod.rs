//! The iteration over data that give thin products alone: vectors whose outer products are the Aᵢ, or nonzeros of the Aᵢ.
//! Nothing of size n1·n2 is formed. A gradient is a list of dispatches:
//!
//! ```text
//! forward maps of the panels → e;  the mean of e, where residuals are centred;  r = w∘(e − ē);  adjoints of the panels → D
//! ```

mod lists;
mod modules;
mod nonzeros;
mod vectors;

use crate::engine::{EngineInfo, Load};
use crate::error::{Error, Result};
use crate::gpu::buffers::{Storage, real_words};
use crate::gpu::device::Device;
use crate::gpu::engine::Options;
use crate::gpu::frame::Frame;
use crate::gpu::pipelines::{Access, Compiler, Kernel, Read, Write};
use crate::gpu::program::{At, Program};
use crate::gpu::resources::{Buffers, part};
use crate::gpu::shaders::Module;
use crate::memory::{Memory, Part, Place, readable_bytes};
use crate::operators::GpuThin;

use modules::Weighing;

/// The name of the only kernel variant.
pub(super) const THIN: &str = "thin";
/// Stretches of the measurements whose sums make the mean.
const STRETCHES: usize = 64;
/// Columns of all trials that a workgroup of matrix products takes.
const COLUMNS: usize = 16;

/// What a number of workgroups is proportional to.
#[derive(Clone, Copy)]
enum Per {
    Slot,
    /// Blocks of [`COLUMNS`] columns of all trials.
    Columns,
}

/// One dispatch of a gradient.
struct Dispatch {
    kernel: Kernel,
    /// For each [`At`]; none where it does not need this dispatch.
    operands: [Option<wgpu::BindGroup>; 4],
    panel: Option<wgpu::BindGroup>,
    workgroups: usize,
    per: Per,
    /// Goes over the measurements of a group; its panel says which.
    grouped: bool,
}

const PLACES: [At; 4] = [At::Current, At::Centred, At::Single, At::Pair];

/// Operands by place.
fn by_place<'b>(
    device: &Device,
    kernel: &Kernel,
    operands: impl Fn(At) -> Option<Vec<&'b Storage>>,
) -> [Option<wgpu::BindGroup>; 4] {
    PLACES.map(|at| operands(at).map(|operands| kernel.bind(device, &operands)))
}

/// The same operands everywhere.
fn everywhere(device: &Device, kernel: &Kernel, operands: &[&Storage]) -> [Option<wgpu::BindGroup>; 4] {
    let group = kernel.bind(device, operands);
    PLACES.map(|_| Some(group.clone()))
}

/// Kernels of a thin form with their buffers.
pub(super) struct Thin {
    k: usize,
    dispatches: Vec<Dispatch>,
    /// Sums for the mean of residuals.
    means: Storage,
    outputs: Vec<Storage>,
    written: Vec<Storage>,
}

impl Thin {
    pub(super) fn parts(&self) -> usize {
        self.dispatches.len()
    }

    /// What `evaluate` writes.
    pub(super) fn outputs(&self) -> Vec<&Storage> {
        self.outputs.iter().collect()
    }

    /// What not every `evaluate` writes.
    pub(super) fn written(&self) -> Vec<&Storage> {
        self.written.iter().chain([&self.means]).collect()
    }

    pub(super) fn means(&self) -> &Storage {
        &self.means
    }

    pub(super) fn part(
        &self,
        program: &Program,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        at: At,
        (group, index): (Option<usize>, usize),
    ) -> Result<()> {
        let Dispatch { kernel, operands, panel, workgroups, per, grouped } = &self.dispatches[index];
        let Some(operands) = PLACES.iter().position(|place| *place == at).and_then(|at| operands[at].as_ref()) else {
            return Ok(());
        };
        let many = match per {
            Per::Slot => count,
            Per::Columns => (count * self.k).div_ceil(COLUMNS),
        };
        let panel = if *grouped { program.span(group) } else { panel.as_ref() };
        program.dispatch(pass, kernel, operands, panel, &[*workgroups, many])
    }
}

/// From residuals to what the adjoint pulls back.
struct Weigher {
    /// (slots, [`STRETCHES`], 2)
    parts: Storage,
    /// (batch, m)
    pulled: Storage,
}

impl Weigher {
    fn memory(frame: &Frame) -> Part {
        let counts = [(1, frame.batch * STRETCHES * 2), (1, frame.batch.saturating_mul(frame.m))];
        part(frame, "residuals as the adjoint takes them", &counts)
    }

    fn new(device: &Device, frame: &Frame, guarded: bool) -> Result<Self> {
        let real = real_words(frame.precision);
        Ok(Self {
            parts: Storage::new(device, "sums of residuals", frame.batch * STRETCHES * 2, real, guarded)?,
            pulled: Storage::new(device, "pulled residuals", frame.batch.saturating_mul(frame.m), real, guarded)?,
        })
    }

    /// The mean, where residuals are centred, and r = w∘(e − ē).
    fn dispatches(&self, device: &Device, modules: &Weighing, frame: &Frame, shared: &Buffers) -> Vec<Dispatch> {
        // A group comes in place of a panel.
        let (compiler, grouped) = (Compiler::new(device, 0), frame.recipe.minibatches.is_some());
        let step = |module: &Module, access: &[Access], operands: &[&Storage], workgroups| {
            let kernel = compiler.kernel(&compiler.module(module), module.name, 0, access, grouped);
            let operands = everywhere(device, &kernel, operands);
            Dispatch { operands, kernel, panel: None, workgroups, per: Per::Slot, grouped }
        };
        let (e, w, parts) = (&shared.residual, &shared.weight, &self.parts);
        let mean = modules.mean.iter().map(|module| step(module, &[Read, Read, Write], &[e, w, parts], STRETCHES));
        let access = [Read, Read, Read, Write];
        let weigh = step(&modules.weigh, &access, &[e, w, parts, &self.pulled], frame.m.div_ceil(256));
        mean.chain([weigh]).collect()
    }
}

/// Refuses what does not fit a limit on device memory: these data stay on the device.
fn require_memory(memory: &Memory, options: &Options) -> Result<()> {
    let needed = memory.bytes(Place::Device);
    match options.memory_bytes {
        Some(limit) if needed > limit => Err(Error::invalid(
            "device_memory",
            readable_bytes(limit),
            format!("at least {needed} bytes: this operator's data are not streamed"),
            "raise it, run fewer trials at a time, or use the backend 'cpu'",
        )),
        _ => Ok(()),
    }
}

/// Uploads the data and compiles the kernels.
///
/// # Errors
/// As [`load`](super::load).
pub(super) fn load(
    device: &Device,
    load: &Load<'_>,
    data: GpuThin<'_>,
    options: &Options,
) -> Result<(Program, EngineInfo)> {
    let operator = load.operator.name();
    let short = |name: &str| name.strip_prefix(operator).and_then(|rest| rest.strip_prefix('/')) == Some(THIN);
    if let Some(name) = load.variant.as_deref().filter(|name| *name != THIN && !short(name)) {
        return Err(crate::engine::unknown_variant(name, &[THIN]));
    }
    match data {
        GpuThin::Vectors(data) => vectors::load(device, load, data, options),
        GpuThin::Nonzeros(data) => nonzeros::load(device, load, data, options),
    }
}

/// Every module, for tests that validate them without a device.
pub(super) fn composed_modules(frame: &Frame, data: GpuThin<'_>) -> Result<Vec<Module>> {
    modules::composed(frame, data)
}
