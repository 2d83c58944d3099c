//! Loading of coded diffraction patterns: masks on the device, and the report about them.

use crate::engine::{EngineInfo, Load, Options, Precision};
use crate::error::Result;
use crate::gpu::about::{base_info, over_passes, require_memory, subject};
use crate::gpu::blueprint::{Blueprint, Form, Stage, Work};
use crate::gpu::bound::Machine;
use crate::gpu::buffers::{UPLOAD_BYTES, largest_binding, real_words};
use crate::gpu::choice::THIN;
use crate::gpu::device::Device;
use crate::gpu::engine::GpuEngine;
use crate::gpu::frame::Frame;
use crate::gpu::pass::patterns::Patterns;
use crate::gpu::pipelines::Compiler;
use crate::gpu::registers::passes;
use crate::gpu::text::Texts;
use crate::gpu::upload::Uploader;
use crate::memory::{Location, Memory, Part, product};
use crate::operators::{GpuPatterns, Storage};
use crate::tape::{Kind, Program};

/// Most bytes of the transforms of a panel, unless those of one pattern are more. With all patterns in one panel a gradient
/// transforms the factors once, and twice otherwise.
const WAVES_BYTES: u64 = 1 << 30;

/// Bytes of a forced panel for each line of a call.
const STAGE_BYTES: u64 = 512;

/// Columns of all slots of a trial whose transforms live at a time.
fn columns(program: &Program, rows: usize) -> usize {
    let lanes = passes(program).map(|(_, pass)| pass.lanes.len()).max().unwrap_or(1);
    let of = |kind: &Kind| match kind {
        Kind::Blocks(blocks) => blocks.iter().filter(|block| block.rows == rows).map(|block| block.columns).max(),
        _ => None,
    };
    lanes * program.registers().iter().filter_map(|register| of(&register.kind)).max().unwrap_or(1)
}

/// Most patterns of a panel.
///
/// # Errors
/// [`crate::Error::Device`] where the adapter does not bind a mask.
fn most(device: &Device, load: &Load<'_>, options: &Options, n: usize) -> Result<usize> {
    let (largest, number) = (largest_binding(device), 8 * real_words(options.precision));
    let mask = product(&[n, number]);
    if mask > largest {
        let message = format!("one mask needs {mask} bytes and the adapter binds at most {largest}");
        return Err(device.error(message, "use another adapter or the backend 'cpu'"));
    }
    let waves = product(&[load.batch, columns(&load.program, 2 * n), n, number]);
    let quarter = options.memory_bytes.map_or(u64::MAX, |limit| limit / 4);
    let panel = options.panel_bytes.unwrap_or(largest).min(largest);
    Ok((panel / mask).min(WAVES_BYTES.min(panel).min(quarter) / waves).clamp(1, u32::MAX.into()) as usize)
}

/// How often a pass reads all masks, on average over passes: once per slot to transform, and once in the sum over patterns.
fn reads(blueprint: &Blueprint, panels: usize, batch: usize) -> f64 {
    let passes: Vec<&Stage> = blueprint.stages().filter(|stage| matches!(stage.work, Work::Pass(_))).collect();
    let calls = passes.iter().flat_map(|stage| stage.calls());
    let slots = calls.filter(|call| matches!(call.entry, "mask_and_transform" | "adjoint_apply"));
    let slots: usize = slots.map(|call| batch * call.lanes).sum();
    slots as f64 / (panels * passes.len().max(1)) as f64
}

pub(super) fn load_patterns<'a>(
    device: &Device,
    load: &Load<'a>,
    data: &dyn GpuPatterns,
    options: &Options,
    texts: &Texts<'_>,
) -> Result<GpuEngine<'a>> {
    let frame = Frame::new(load.operator.as_ref(), 1, load.batch, options.precision);
    let (n, number) = (frame.n / 2, 8 * real_words(options.precision));
    // Small panels of the laws make calls short too, so that small signals take several.
    let stages = options.panel_bytes.map_or(usize::MAX, |bytes| (bytes / STAGE_BYTES).max(1).ilog2() as usize);
    let patterns = Patterns::new(&frame, data, most(device, load, options, n)?, stages)?;
    let counts = patterns.counts();
    let blueprint = Blueprint::new(texts, subject(load, options), Form::Patterns(patterns.sizes, &counts))?;
    let (masks, turns) =
        (product(&[counts.iter().sum(), n, number]), product(&[1 << patterns.sizes.turn_bits, number]));
    let memory = Memory {
        parts: vec![
            Part::new("masks", Location::Device, masks),
            Part::new("roots of unity", Location::Device, turns),
            Part::new("registers and scratch buffers", Location::Device, blueprint.plan.bytes()),
            Part::new("staging copies for the upload", Location::Host, 2 * masks.min(UPLOAD_BYTES as u64) + turns),
        ],
    };
    require_memory(&memory, options)?;
    let double = options.precision == Precision::F64;
    let fixed = device.checked("uploading the measurements", || {
        let compiler = Compiler::new(device, 2);
        Uploader { device, compiler: &compiler, double }.patterns(&patterns, data)
    })?;
    let machine = Machine::new(device, &blueprint, load.batch, (2, &fixed), Vec::new(), options.paranoid, |_| true)?;
    let base = base_info(device, load, options);
    let read = (frame.m * number) as f64 * reads(&blueprint, counts.len(), load.batch);
    let info = EngineInfo {
        storage: Some(if double { Storage::F64 } else { Storage::F32 }),
        variant: format!("{}/{THIN}", load.operator.name()),
        operator_bytes_per_iteration: read * over_passes(&load.program, |_| 1.0),
        operator_bytes: masks,
        panels: counts.len(),
        memory,
        ..base
    };
    GpuEngine::new(load, options, blueprint, machine, None, info)
}
