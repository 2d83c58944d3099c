//! Loading of Pauli strings: their lists on the device, and the report about them.

use crate::engine::{EngineInfo, Load, Options};
use crate::error::Result;
use crate::gpu::about::{base_info, has_adjoint, over_passes, require_memory, subject};
use crate::gpu::blueprint::{Blueprint, Form};
use crate::gpu::bound::Machine;
use crate::gpu::buffers::largest_binding;
use crate::gpu::choice::THIN;
use crate::gpu::device::Device;
use crate::gpu::engine::GpuEngine;
use crate::gpu::frame::Frame;
use crate::gpu::pass::strings::Strings;
use crate::gpu::pipelines::Compiler;
use crate::gpu::text::Texts;
use crate::gpu::upload::Uploader;
use crate::memory::{Location, Memory, Part, product};
use crate::operators::GpuStrings;

/// Bytes of a string.
const STRING_BYTES: usize = 8;

pub(super) fn load_strings<'a>(
    device: &Device,
    load: &Load<'a>,
    data: &dyn GpuStrings,
    options: &Options,
    texts: &Texts<'_>,
) -> Result<GpuEngine<'a>> {
    let frame = Frame::new(load.operator.as_ref(), 1, load.batch, options.precision);
    let largest = (largest_binding(device) / STRING_BYTES as u64) as usize;
    let most = options.panel_bytes.map_or(largest, |bytes| ((bytes / STRING_BYTES as u64) as usize).clamp(1, largest));
    let strings = Strings::new(&frame, data, most, largest)?;
    let groups = strings.groups();
    let blueprint = Blueprint::new(texts, subject(load, options), Form::Strings(strings.sizes, &groups))?;
    let memory = Memory {
        parts: vec![
            Part::new("Pauli strings", Location::Device, strings.bytes()),
            Part::new("registers and scratch buffers", Location::Device, blueprint.plan.bytes()),
            Part::new("staging lists for the upload", Location::Host, product(&[frame.m, 12 + STRING_BYTES])),
        ],
    };
    require_memory(&memory, options)?;
    let fixed = device.checked("uploading the measurements", || {
        let compiler = Compiler::new(device, 2);
        Uploader { device, compiler: &compiler, double: false }.strings(&strings)
    })?;
    let machine = Machine::new(device, &blueprint, load.batch, (2, &fixed), Vec::new(), options.paranoid, |_| true)?;
    let base = base_info(device, load, options);
    // Every slot reads every string once for the values and once for the adjoint.
    let read = |pass: &crate::tape::Pass| {
        let reads = if has_adjoint(pass) { 2 } else { 1 };
        (reads * STRING_BYTES * frame.m * load.batch * pass.lanes.len()) as f64
    };
    let info = EngineInfo {
        variant: format!("{}/{THIN}", load.operator.name()),
        operator_bytes_per_iteration: over_passes(&load.program, read),
        operator_bytes: strings.bytes(),
        panels: groups.len(),
        memory,
        ..base
    };
    GpuEngine::new(load, options, blueprint, machine, None, info)
}
