//! Loading of a problem: placement of its data, and the report about it.

use crate::engine::EngineInfo;
use crate::engine::Options;
use crate::engine::{Engine, Load};
use crate::error::Result;
use crate::gpu::about::{base_info, has_adjoint, over_passes, require_count, require_memory, subject};
use crate::gpu::blueprint::{Blueprint, Form, Work};
use crate::gpu::bound::Machine;
use crate::gpu::buffers::{Panel, UPLOAD_BYTES, largest_binding, largest_panel, panel_ranges, upload_panel};
use crate::gpu::canary::require_work;
use crate::gpu::choice::{THIN, bound, form_of};
use crate::gpu::device::Device;
use crate::gpu::engine::GpuEngine;
use crate::gpu::frame::Frame;
use crate::gpu::groups::require_groups;
use crate::gpu::pass::lists::Lists;
use crate::gpu::pass::nonzeros::Domain;
use crate::gpu::pass::thin_modules::{VectorSizes, stored_in, widest};
use crate::gpu::pass::vectors::VectorRows;
use crate::gpu::patterns::load_patterns;
use crate::gpu::pipelines::Compiler;
use crate::gpu::place::{Placed, place};
use crate::gpu::stream::Stream;
use crate::gpu::strings::load_strings;
use crate::gpu::text::Texts;
use crate::gpu::upload::Uploader;
use crate::memory::{Location, Memory, Part, product};
use crate::operators::{GpuForm, GpuNonzeros, GpuSource, GpuThin, GpuVectors, Operator, Storage};

/// Loads a problem: uploads the operator's data, compiles the kernels of the tape and allocates all buffers of an
/// iteration. Registers are zero until written; all trials are active.
///
/// # Errors
/// [`crate::Error::Unsupported`] for operators without a GPU form, double precision on an adapter without it, centred
/// residuals under a loss other than the square, too many minibatches, and ops without a kernel; [`crate::Error::Invalid`] for
/// an empty batch, register or row; [`crate::Error::Device`] where the adapter's limits or memory do not suffice or a kernel
/// does not compile.
pub fn load<'a>(device: &Device, load: &Load<'a>, options: &Options) -> Result<Box<dyn Engine + 'a>> {
    let operator = load.operator.as_ref();
    let form = form_of(operator)?;
    load.require_loss()?;
    require_groups(&load.program)?;
    device.require(options.precision)?;
    let counts = [("batch", load.batch), ("measurements", operator.measurements())];
    counts.into_iter().try_for_each(|(name, size)| require_count(name, size))?;
    for declaration in load.program.registers() {
        require_count(&declaration.name, declaration.kind.len(operator.measurements()))?;
    }
    let texts = Texts::new(&options.mutations, options.checks.unwrap_or(device.checks()));
    require_work(device, &texts)?;
    let engine = match form {
        GpuForm::Rows(source) => load_rows(device, load, source, options, &texts)?,
        GpuForm::Thin(data) => load_thin(device, load, data, options, &texts)?,
    };
    Ok(Box::new(engine))
}

fn load_rows<'a>(
    device: &Device,
    load: &Load<'a>,
    source: &dyn GpuSource,
    options: &Options,
    texts: &Texts<'_>,
) -> Result<GpuEngine<'a>> {
    let plan = source.plan(widest(options.precision));
    require_count("row_words", plan.row_words())?;
    let Placed { machine, blueprint, sizes, candidates, resident, stream, notices } =
        place(device, load, &plan, options, texts)?;
    // Kernels that own rows read them once, the others twice. Every tile of slots reads them again.
    let stored = sizes.m as f64 * plan.row_bytes() as f64;
    let read = |pass: &crate::tape::Pass| {
        let reads = if sizes.variant.strategy.owns_rows() || !has_adjoint(pass) { 1 } else { 2 };
        let groups = pass.group.map_or(1, |groups| groups.count);
        stored * (reads * sizes.tiles(load.batch * pass.lanes.len())) as f64 / groups as f64
    };
    let streamed = stream.as_ref().map_or(0, |stream| stream.rows() * plan.row_words() * 4) as f64;
    let base = base_info(device, load, options);
    let info = EngineInfo {
        storage: plan.storage(),
        variant: format!("{}/{}", load.operator.name(), sizes.name()),
        candidates,
        operator_bytes_per_iteration: over_passes(&load.program, read),
        operator_bytes: (sizes.m * plan.held_words()) as u64 * 4,
        panels: resident.len() + stream.as_ref().map_or(0, Stream::panels),
        streamed_panels: stream.as_ref().map_or(0, Stream::panels),
        streamed_bytes_per_iteration: (streamed * load.program.passes()) as u64,
        memory: held(&blueprint, &resident, stream.as_ref(), plan.made().is_some(), sizes.m * plan.row_words() * 4),
        notices: base.notices.iter().cloned().chain(notices).collect(),
        ..base
    };
    GpuEngine::new(load, options, blueprint, machine, stream, info)
}

/// Memory of an engine with these buffers and panels.
fn held(blueprint: &Blueprint, resident: &[Panel], stream: Option<&Stream<'_>>, made: bool, all: usize) -> Memory {
    let bytes = |panels: &[Panel]| panels.iter().map(Panel::bytes).sum::<u64>();
    let mut parts = vec![Part::new("measurements", Location::Device, bytes(resident))];
    let piece = if made { 0 } else { UPLOAD_BYTES.min(all) as u64 };
    let mut copies = 2 * piece;
    if let Some(stream) = stream {
        let slots = bytes(stream.slots());
        parts.push(Part::new("panels for streamed measurements", Location::Device, slots));
        copies = piece + slots / stream.slots().len() as u64 * (crate::gpu::stream::SLOTS as u64 + 1);
    }
    parts.push(Part::new("registers and scratch buffers", Location::Device, blueprint.plan.bytes()));
    parts.push(Part::new("staging copies for the upload", Location::Host, copies));
    Memory { parts }
}

fn load_thin<'a>(
    device: &Device,
    load: &Load<'a>,
    data: GpuThin<'_>,
    options: &Options,
    texts: &Texts<'_>,
) -> Result<GpuEngine<'a>> {
    let operator = load.operator.name();
    let short = |name: &str| name.strip_prefix(operator).and_then(|rest| rest.strip_prefix('/')) == Some(THIN);
    if let Some(name) = load.variant.as_deref().filter(|name| *name != THIN && !short(name)) {
        return Err(crate::engine::unknown_variant(name, &[THIN]));
    }
    match data {
        GpuThin::Vectors(data) => load_vectors(device, load, data, options, texts),
        GpuThin::Nonzeros(data) => load_nonzeros(device, load, data, options, texts),
        GpuThin::Strings(data) => load_strings(device, load, data, options, texts),
        GpuThin::Patterns(data) => load_patterns(device, load, data, options, texts),
    }
}

fn load_vectors<'a>(
    device: &Device,
    load: &Load<'a>,
    data: &dyn GpuVectors,
    options: &Options,
    texts: &Texts<'_>,
) -> Result<GpuEngine<'a>> {
    require_count("vectors", data.vectors())?;
    let frame = Frame::new(load.operator.as_ref(), 1, load.batch, options.precision);
    let sizes = VectorSizes::new(frame, data.vectors(), stored_in(data, options.precision));
    let rows = VectorRows { data, sizes };
    let plan = rows.plan(sizes.storage);
    let panel = largest_panel(device, &plan, options.panel_bytes)?;
    let ranges = panel_ranges(0..frame.m, plan.row_words() * 4, panel);
    let lengths: Vec<usize> = ranges.iter().map(std::ops::Range::len).collect();
    let blueprint = Blueprint::new(texts, subject(load, options), Form::Vectors(sizes, &lengths))?;
    let held = product(&[frame.m, plan.row_words(), 4]);
    let memory = Memory {
        parts: vec![
            Part::new("vectors", Location::Device, held),
            Part::new("registers and scratch buffers", Location::Device, blueprint.plan.bytes()),
        ],
    };
    require_memory(&memory, options)?;
    let panels: Vec<Panel> =
        ranges.into_iter().map(|range| upload_panel(device, &rows, &plan, range)).collect::<Result<_>>()?;
    let fixed: Vec<wgpu::BindGroup> = panels.iter().map(|panel| bound(device, panel).panel).collect();
    let machine = Machine::new(device, &blueprint, load.batch, (1, &fixed), Vec::new(), options.paranoid, |_| true)?;
    let base = base_info(device, load, options);
    // Every product with the vectors reads them once per block of columns of all slots.
    let products = |stage: &crate::gpu::blueprint::Stage| -> usize {
        let calls = stage.calls().into_iter().filter(|call| matches!(call.entry, "project" | "adjoint_apply"));
        calls.map(|call| call.grid.workgroups(load.batch, 0) as usize / call.grid.fixed.max(1)).sum()
    };
    let passes: Vec<&crate::gpu::blueprint::Stage> =
        blueprint.stages().filter(|stage| matches!(stage.work, Work::Pass(_))).collect();
    let reads: usize = passes.iter().map(|stage| products(stage)).sum::<usize>() / panels.len().max(1);
    let read = (frame.m * plan.row_bytes()) as f64 * reads as f64 / passes.len().max(1) as f64;
    let info = EngineInfo {
        storage: Some(sizes.storage),
        variant: format!("{}/{THIN}", load.operator.name()),
        operator_bytes_per_iteration: read * over_passes(&load.program, |_| 1.0),
        operator_bytes: held,
        panels: panels.len(),
        memory,
        ..base
    };
    GpuEngine::new(load, options, blueprint, machine, None, info)
}

/// Bytes of a nonzero's position, the longest listed item.
const PLACE_BYTES: usize = 8;

fn load_nonzeros<'a>(
    device: &Device,
    load: &Load<'a>,
    data: &dyn GpuNonzeros,
    options: &Options,
    texts: &Texts<'_>,
) -> Result<GpuEngine<'a>> {
    let frame = Frame::new(load.operator.as_ref(), 1, load.batch, options.precision);
    require_count("rows", frame.n)?;
    let largest = (largest_binding(device) / PLACE_BYTES as u64) as usize;
    let most = options.panel_bytes.map_or(largest, |bytes| ((bytes / PLACE_BYTES as u64) as usize).clamp(1, largest));
    let lists = Lists::new(&frame, data, most, largest)?;
    let shape = Domain::new(&lists, data.all_ones(), None);
    let blueprint = Blueprint::new(texts, subject(load, options), Form::Nonzeros(&shape))?;
    let words = crate::gpu::buffers::real_words(options.precision);
    let value_bytes = if data.all_ones() { 0 } else { 4 * words };
    let (forward, gather) = lists.bytes(PLACE_BYTES + value_bytes);
    // Positions, the order by row, measurements, and both sets of panels; values four times.
    let host = product(&[lists.nonzeros, 44 + if data.all_ones() { 0 } else { 32 }]);
    let memory = Memory {
        parts: vec![
            Part::new("nonzeros by measurement", Location::Device, forward as u64),
            Part::new("nonzeros by row and column", Location::Device, gather as u64),
            Part::new("registers and scratch buffers", Location::Device, blueprint.plan.bytes()),
            Part::new("staging lists for the upload", Location::Host, host),
        ],
    };
    require_memory(&memory, options)?;
    let fixed = device.checked("uploading the measurements", || {
        let compiler = Compiler::new(device, 3);
        Uploader { device, compiler: &compiler, double: words == 2 }.all(&lists)
    })?;
    let machine = Machine::new(device, &blueprint, load.batch, (3, &fixed), Vec::new(), options.paranoid, |_| true)?;
    if let Some(spans) = blueprint.spans {
        device.checked("uploading the measurements", || {
            let words: &[u32] = bytemuck::cast_slice(&lists.spans);
            device.queue().write_buffer(&machine.buffers[spans].buffer, 0, bytemuck::cast_slice(words));
            Ok(())
        })?;
    }
    let base = base_info(device, load, options);
    let read = |pass: &crate::tape::Pass| {
        let bytes = if has_adjoint(pass) { forward + gather } else { forward };
        bytes as f64 * (load.batch * pass.lanes.len()) as f64
    };
    let info = EngineInfo {
        storage: match value_bytes {
            0 => None,
            4 => Some(Storage::F32),
            _ => Some(Storage::F64),
        },
        variant: format!("{}/{THIN}", load.operator.name()),
        // Every slot reads every list once.
        operator_bytes_per_iteration: over_passes(&load.program, read),
        operator_bytes: (forward + gather) as u64,
        panels: lists.forward.len().max(lists.gather.len()),
        memory,
        ..base
    };
    GpuEngine::new(load, options, blueprint, machine, None, info)
}
