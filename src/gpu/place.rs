//! Where the measurement data go: all to the device, or as much as fits.

use crate::engine::{Candidate, Load};
use crate::error::{Error, Result};
use crate::gpu::buffers::{Panel, UPLOAD_BYTES, largest_panel, upload_panel};
use crate::gpu::choice::{choose, considered, reserve};
use crate::gpu::device::{Device, is_out_of_memory};
use crate::gpu::engine::Options;
use crate::gpu::program::Program;
use crate::gpu::rows;
use crate::gpu::shaders::source_of;
use crate::gpu::sizes::Sizes;
use crate::gpu::stream::{Layout, SLOTS, Stream};
use crate::memory::{Memory, Part, Place, readable_bytes};
use crate::operators::GpuPlan;

/// A program with its data.
pub(super) struct Placed<'a> {
    pub(super) program: Program,
    pub(super) sizes: Sizes,
    pub(super) candidates: Vec<Candidate>,
    pub(super) resident: Vec<Panel>,
    pub(super) stream: Option<Stream<'a>>,
    pub(super) notices: Vec<String>,
}

/// Uploads what stays on the device, prepares what does not, and chooses the kernels. Where there is no limit on memory
/// and it runs out, the last panels make room.
///
/// # Errors
/// [`crate::Error::Invalid`] for a limit or a variant that cannot be; [`crate::Error::Device`].
pub(super) fn place<'a>(device: &Device, load: &Load<'a>, plan: &GpuPlan, options: &Options) -> Result<Placed<'a>> {
    let (m, row_bytes) = (load.operator.measurements(), plan.row_words * 4);
    let sizes = considered(device, load, plan, options)?;
    let panel = largest_panel(device, plan, options.panel_bytes)?;
    // Rows that are made take no memory, so that none of them ever makes room.
    let made = plan.made().is_some();
    if let Some(memory) = options.memory_bytes.filter(|memory| made && *memory < reserve(&sizes)) {
        return Err(Error::invalid(
            "device_memory",
            readable_bytes(memory),
            format!("at least {} for factors, observations and sums", readable_bytes(reserve(&sizes))),
            "raise it, run fewer trials at a time, or use the backend 'cpu'",
        ));
    }
    let limit = options.memory_bytes.filter(|_| !made);
    let layout = Layout::new(m, row_bytes, panel, limit, reserve(&sizes))?;
    let source = source_of(load.operator.as_ref())?;
    let mut resident: Vec<Panel> = Vec::new();
    let mut ran_out = false;
    for range in layout.resident {
        let taken = resident.iter().map(Panel::bytes).sum::<u64>() + (range.len() * plan.held_words() * 4) as u64;
        let uploaded = match options.fails_beyond.filter(|limit| taken > *limit) {
            Some(_) => Err(device.out_of_memory("uploading the measurements")),
            None => upload_panel(device, source, plan, range),
        };
        match uploaded {
            Ok(panel) => resident.push(panel),
            Err(error) if may_stream(&error, options, &resident) => {
                ran_out = true;
                make_room(device, &mut resident)?;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    loop {
        let first = resident.iter().map(|panel| panel.rows).sum();
        let attempt = || {
            let stream = (first < m)
                .then(|| Stream::new(device, load.operator.clone(), plan, first..m, layout.slot_rows, resident.len()))
                .transpose()?;
            let mut panels = resident.clone();
            panels.extend_from_slice(stream.as_ref().map_or(&[], Stream::slots));
            let (mut program, chosen, candidates) = choose(device, load, plan, options, &sizes, &panels)?;
            program.cut(&panels, resident.len())?;
            Ok((program, chosen, candidates, stream))
        };
        match attempt() {
            Ok((program, sizes, candidates, stream)) => {
                let notices = stream.as_ref().map(|s| notice(s, m, row_bytes, resident.len(), ran_out, options));
                let notices = notices.into_iter().collect();
                return Ok(Placed { program, sizes, candidates, resident, stream, notices });
            }
            Err(error) if may_stream(&error, options, &resident) => {
                ran_out = true;
                make_room(device, &mut resident)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether fewer panels on the device may help.
fn may_stream(error: &crate::Error, options: &Options, resident: &[Panel]) -> bool {
    is_out_of_memory(error) && options.memory_bytes.is_none() && !resident.is_empty()
}

/// Gives an eighth of the panels back, the last ones, for the buffers of the iteration and of the stream.
fn make_room(device: &Device, resident: &mut Vec<Panel>) -> Result<()> {
    let fewer = resident.len() - resident.len().div_ceil(8);
    resident.truncate(fewer);
    // The device frees what nobody holds when it is next asked.
    device.checked("making room", || device.wait())
}

fn notice(
    stream: &Stream<'_>,
    m: usize,
    row_bytes: usize,
    resident: usize,
    ran_out: bool,
    options: &Options,
) -> String {
    let bytes = |rows: usize| readable_bytes((rows * row_bytes) as u64);
    let (streamed, kept) = (stream.rows(), m - stream.rows());
    let why = match options.memory_bytes {
        Some(limit) => format!("device_memory: {} hold", readable_bytes(limit)),
        None if ran_out => "device_memory: it ran out while the measurements were loaded; it holds".to_owned(),
        None => "device_memory: it holds".to_owned(),
    };
    format!(
        "{why} {kept} of {m} measurements ({} in {resident} panels); the other {streamed} ({} in {} panels) are brought to \
         the device in every iteration",
        bytes(kept),
        bytes(streamed),
        stream.panels(),
    )
}

/// What an engine with these sizes and panels holds.
pub(super) fn held(sizes: &Sizes, resident: &[Panel], stream: Option<&Stream<'_>>) -> Memory {
    let mut memory = rows::memory(sizes);
    let bytes = |panels: &[Panel]| panels.iter().map(Panel::bytes).sum::<u64>();
    memory.parts.insert(0, Part::new("measurements", Place::Device, bytes(resident)));
    let piece = if sizes.made { 0 } else { UPLOAD_BYTES.min(sizes.m * sizes.row_words * 4) as u64 };
    let mut copies = 2 * piece;
    if let Some(stream) = stream {
        let slots = bytes(stream.slots());
        memory.parts.insert(1, Part::new("panels that the other measurements pass through", Place::Device, slots));
        copies = piece + slots / stream.slots().len() as u64 * (SLOTS as u64 + 1);
    }
    memory.parts.push(Part::new("copies on their way to the device", Place::Host, copies));
    memory
}
