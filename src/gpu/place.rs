//! Placement of the measurement data: all on the device, or as much as fits.

use crate::engine::Candidate;
use crate::engine::Load;
use crate::engine::Options;
use crate::error::{Error, Result};
use crate::gpu::blueprint::{Blueprint, Work};
use crate::gpu::bound::Machine;
use crate::gpu::buffers::{Panel, largest_panel, upload_panel};
use crate::gpu::choice::{Chooser, bound};
use crate::gpu::device::{Device, is_out_of_memory};
use crate::gpu::dispatch::Bound;
use crate::gpu::groups::cut;
use crate::gpu::sizes::Sizes;
use crate::gpu::stream::{Layout, Stream, source_of};
use crate::gpu::text::Texts;
use crate::gpu::tuning::Tuning;
use crate::memory::readable_bytes;
use crate::operators::GpuPlan;

/// A machine with its data.
pub(super) struct Placed<'a> {
    pub(super) machine: Machine,
    pub(super) blueprint: Blueprint,
    pub(super) sizes: Sizes,
    pub(super) candidates: Vec<Candidate>,
    pub(super) resident: Vec<Panel>,
    pub(super) stream: Option<Stream<'a>>,
    pub(super) notices: Vec<String>,
}

/// Uploads the resident data, prepares the streamed data and chooses the kernels. Where memory runs out without a
/// limit, the last panels are released.
///
/// # Errors
/// [`crate::Error::Invalid`] for an impossible limit or variant; [`crate::Error::Device`].
pub(super) fn place<'a>(
    device: &Device,
    load: &Load<'a>,
    plan: &GpuPlan,
    options: &Options,
    texts: &Texts<'_>,
) -> Result<Placed<'a>> {
    let (m, row_bytes) = (load.operator.measurements(), plan.row_words() * 4);
    let chooser = Chooser { device, load, plan, options, texts };
    let considered = chooser.considered()?;
    let reserve = chooser.reserve(&considered)?;
    let mut tuning = Tuning::open();
    let panel = largest_panel(device, plan, options.panel_bytes)?;
    // Generated rows take no memory, so releasing them gains nothing.
    let made = plan.made().is_some();
    if let Some(memory) = options.memory_bytes.filter(|memory| made && *memory < reserve) {
        return Err(Error::invalid(
            "device_memory",
            readable_bytes(memory),
            format!("at least {} for factors, observations and sums", readable_bytes(reserve)),
            "raise it, run fewer trials at a time, or use the backend 'cpu'",
        ));
    }
    let limit = options.memory_bytes.filter(|_| !made);
    let layout = Layout::new(m, row_bytes, panel, limit, reserve)?;
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
        let mut attempt = || -> Result<_> {
            let stream = (first < m)
                .then(|| Stream::new(device, load.operator.clone(), plan, first..m, layout.slot_rows, resident.len()))
                .transpose()?;
            let mut panels = resident.clone();
            panels.extend_from_slice(stream.as_ref().map_or(&[], Stream::slots));
            let (variant, candidates) = chooser.choose(&considered, &panels, &mut tuning)?;
            let blueprint = chooser.blueprint(variant)?;
            let bounds: Vec<Bound> = panels.iter().map(|panel| bound(device, panel)).collect();
            let data = (u32::from(!made), &[][..]);
            let mut machine = Machine::new(device, &blueprint, load.batch, data, bounds, options.paranoid, |_| true)?;
            for stage in blueprint.stages().filter(|stage| matches!(stage.work, Work::Pass(_))) {
                let Some(groups) = stage.group else { continue };
                if let Some(family) = machine.families.get_mut(&(groups.count, groups.seed)) {
                    family.panels = cut(device, groups, m, plan.row_words(), &panels, resident.len())?;
                }
            }
            Ok((machine, blueprint, chooser.sizes(variant), candidates, stream))
        };
        match attempt() {
            Ok((machine, blueprint, sizes, candidates, stream)) => {
                let notices = stream.as_ref().map(|s| notice(s, m, row_bytes, resident.len(), ran_out, options));
                let notices = notices.into_iter().chain(tuning.notice).collect();
                return Ok(Placed { machine, blueprint, sizes, candidates, resident, stream, notices });
            }
            Err(error) if may_stream(&error, options, &resident) => {
                ran_out = true;
                make_room(device, &mut resident)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether fewer panels on the device might help.
fn may_stream(error: &crate::Error, options: &Options, resident: &[Panel]) -> bool {
    is_out_of_memory(error) && options.memory_bytes.is_none() && !resident.is_empty()
}

/// Releases the last eighth of the panels, for the buffers of the iteration and of the stream.
fn make_room(device: &Device, resident: &mut Vec<Panel>) -> Result<()> {
    let fewer = resident.len() - resident.len().div_ceil(8);
    resident.truncate(fewer);
    // The device frees unused buffers at its next poll.
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
        Some(limit) => format!("device_memory: the limit of {} holds", readable_bytes(limit)),
        None if ran_out => "device_memory: the device ran out of memory during the upload and holds".to_owned(),
        None => "device_memory: the device holds".to_owned(),
    };
    format!(
        "{why} {kept} of {m} measurements ({} in {resident} panels); every iteration streams the other {streamed} \
         ({} in {} panels)",
        bytes(kept),
        bytes(streamed),
        stream.panels(),
    )
}
