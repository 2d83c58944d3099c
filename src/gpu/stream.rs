//! Measurement data that exceed the device: the resident rows, and the rows streamed for every gradient.
//!
//! Streamed panels pass through two buffers on the device. Their copies are queued before the kernels that read them,
//! so the device works in order while the host writes ahead: panel j + 1 is written while panel j is copied and
//! computed. A panel's place and size change no sum (shaders/README.md), so a streamed run equals a resident one bit
//! for bit.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::gpu::bound::{Item, Machine, PassWork};
use crate::gpu::buffers::{Panel, UPLOAD_BYTES, panel_ranges, write_header, write_panel};
use crate::gpu::device::Device;
use crate::gpu::dispatch::Bound;
use crate::memory::readable_bytes;
use crate::operators::{GpuForm, GpuPlan, GpuSource, Operator};

/// Device buffers that streamed panels use in turn.
pub(super) const SLOTS: usize = 2;
/// Bytes of a streamed panel. A copy and its kernels are long enough to hide the cost of a submission, and two panels
/// are little memory on either side.
const STREAM_BYTES: u64 = 64 << 20;

/// Split of the rows into resident and streamed ones, with the rows of a streamed panel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) resident: Vec<Range<usize>>,
    pub(super) slot_rows: usize,
}

impl Layout {
    /// A layout of `measurements` rows in panels of at most `panel` bytes. A limit `memory` holds as many rows as fit
    /// beside `reserve` bytes for everything else and, if some are streamed, the two buffers.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit that does not hold one row in each of those two.
    pub(super) fn new(
        measurements: usize,
        row_bytes: usize,
        panel: u64,
        memory: Option<u64>,
        reserve: u64,
    ) -> Result<Self> {
        let row = row_bytes as u64;
        let slot = |bytes: u64| usize::try_from(bytes.min(panel).min(STREAM_BYTES) / row).unwrap_or(1).max(1);
        let all = Self { resident: panel_ranges(0..measurements, row_bytes, panel), slot_rows: slot(STREAM_BYTES) };
        let Some(memory) = memory else { return Ok(all) };
        let room = memory.saturating_sub(reserve);
        if (measurements as u64).saturating_mul(row) <= room {
            return Ok(all);
        }
        let least = SLOTS as u64 * row;
        if room < least {
            return Err(Error::invalid(
                "device_memory",
                readable_bytes(memory),
                format!(
                    "at least {} bytes: {} for factors, observations and sums, and {least} for {SLOTS} measurements",
                    reserve + least,
                    readable_bytes(reserve)
                ),
                "raise it, run fewer trials at a time, or use the backend 'cpu'",
            ));
        }
        let slot_rows = slot(room / 4);
        // The result is below `measurements`, so it fits.
        let rows = (room / row) as usize - SLOTS * slot_rows;
        Ok(Self { resident: panel_ranges(0..rows, row_bytes, panel), slot_rows })
    }
}

/// The streamed rows.
pub(super) struct Stream<'a> {
    device: Device,
    operator: Arc<dyn Operator + 'a>,
    plan: GpuPlan,
    rows: Range<usize>,
    slot_rows: usize,
    slots: Vec<Panel>,
    /// Panels of the program before those of the slots.
    resident: usize,
    /// Rows in transfer, in the device's format.
    words: Vec<u32>,
    /// Submissions that may still need their panel's copy on the host.
    pending: VecDeque<wgpu::SubmissionIndex>,
}

impl<'a> Stream<'a> {
    /// A stream for `rows` in panels of `slot_rows`. The first panel is already on the device, and `resident` panels of
    /// other rows come before.
    ///
    /// # Errors
    /// [`Error::Device`] where memory runs out.
    pub(super) fn new(
        device: &Device,
        operator: Arc<dyn Operator + 'a>,
        plan: &GpuPlan,
        rows: Range<usize>,
        slot_rows: usize,
        resident: usize,
    ) -> Result<Self> {
        let row_bytes = plan.row_words() * 4;
        let first = rows.start..rows.end.min(rows.start + slot_rows);
        let panels = rows.len().div_ceil(slot_rows);
        let slots = device.checked("allocating panels", || {
            (0..SLOTS.min(panels)).map(|_| Panel::empty(device, plan, first.clone())).collect::<Result<_>>()
        })?;
        let words = vec![0; (UPLOAD_BYTES / row_bytes).clamp(1, first.len()) * plan.row_words()];
        let (device, plan, pending) = (device.clone(), plan.clone(), VecDeque::new());
        let mut stream = Self { device, operator, plan, rows, slot_rows, slots, resident, words, pending };
        let device = stream.device.clone();
        device.checked("uploading the measurements", || stream.write(0, first.clone(), first.start == 0))?;
        Ok(stream)
    }

    /// Buffers, in the order in which the program binds them after the resident panels.
    pub(super) fn slots(&self) -> &[Panel] {
        &self.slots
    }

    pub(super) fn panels(&self) -> usize {
        self.rows.len().div_ceil(self.slot_rows)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Writes rows into a slot, after all earlier submissions. `begins` marks the first rows of a gradient.
    fn write(&mut self, slot: usize, range: Range<usize>, begins: bool) -> Result<()> {
        let panel = &self.slots[slot];
        write_header(&self.device, &panel.uniform, range.clone(), begins)?;
        let source = source_of(&*self.operator)?;
        write_panel(&self.device, source, &self.plan, range, panel, &mut self.words, false)
    }

    /// Queues one pass over the measurements `wanted`, those of a group or all, and returns before it is done.
    pub(super) fn pass(
        &mut self,
        machine: &Machine,
        phase: &str,
        trials: usize,
        (item, pass, turn): (&Item, &PassWork, Option<usize>),
        wanted: Range<usize>,
    ) -> Result<()> {
        machine.enqueue(phase, trials, |encoder| machine.record(encoder, item, turn, &pass.begin, None))?;
        let own = machine.panels_of(item, turn);
        let resident = if turn.is_some() { own } else { &own[..self.resident] };
        for panel in resident {
            machine.enqueue(phase, trials, |encoder| machine.record(encoder, item, turn, &pass.panel, Some(panel)))?;
        }
        let device = self.device.clone();
        let end = wanted.end.min(self.rows.end);
        let begin = wanted.start.max(self.rows.start).min(end);
        for (index, first) in (begin..end).step_by(self.slot_rows).enumerate() {
            let (slot, rows) = (index % SLOTS, first..end.min(first + self.slot_rows));
            // At most one panel more than the slots is kept in host memory.
            while self.pending.len() >= SLOTS {
                let oldest = self.pending.pop_front();
                device.checked(phase, || device.wait_for(oldest))?;
            }
            let panel = Bound { rows: rows.len(), ..machine.panels[self.resident + slot].clone() };
            device.checked(phase, || self.write(slot, rows, first == wanted.start))?;
            let submission = machine
                .enqueue(phase, trials, |encoder| machine.record(encoder, item, turn, &pass.panel, Some(&panel)))?;
            self.pending.push_back(submission);
        }
        machine.enqueue(phase, trials, |encoder| machine.record(encoder, item, turn, &pass.end, None))?;
        Ok(())
    }

    /// Waits for all queued work.
    pub(super) fn finish(&mut self, phase: &str) -> Result<()> {
        self.pending.clear();
        self.device.checked(phase, || self.device.wait())
    }
}

/// The stored or generated rows of an operator.
///
/// # Errors
/// [`Error::Unsupported`] for an operator without rows.
pub(super) fn source_of(operator: &dyn Operator) -> Result<&dyn GpuSource> {
    match operator.accelerate().gpu {
        Some(GpuForm::Rows(source)) => Ok(source),
        _ => Err(Error::Unsupported {
            what: format!("rows of the operator '{}'", operator.name()),
            fix: "its data on the backend 'gpu' are factored, not rows: report this bug of lowrank".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_keeps_what_fits() {
        let layout = |memory, reserve| Layout::new(100, 256, 10 * 256, memory, reserve);
        let rows = |layout: &Layout| layout.resident.iter().map(Range::len).sum::<usize>();
        assert_eq!(rows(&layout(None, 1 << 40).unwrap()), 100);
        assert_eq!(rows(&layout(Some(100 * 256 + 7), 7).unwrap()), 100);
        // Room for 99 rows: two slots of 10, as large as a panel, and the rest.
        let most = layout(Some(100 * 256 + 6), 7).unwrap();
        assert_eq!((rows(&most), most.slot_rows, most.resident.len()), (79, 10, 8));
        let few = layout(Some(8 * 256 + 7), 7).unwrap();
        assert_eq!((rows(&few), few.slot_rows), (4, 2));
        let least = layout(Some(2 * 256 + 7), 7).unwrap();
        assert_eq!((rows(&least), least.slot_rows), (0, 1));
        let error = layout(Some(2 * 256 + 6), 7).unwrap_err();
        let crate::Error::Invalid { name, found, allowed, .. } = &error else { panic!("{error}") };
        assert_eq!(name, "device_memory");
        assert!(found.contains("518 bytes") && allowed.contains("519 bytes"), "{error}");
    }
}
