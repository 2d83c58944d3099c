//! Compiled and bound calls, and their recording.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::gpu::buffers::Storage;
use crate::gpu::call::{Call, Grid, Plan, Third};
use crate::gpu::compiled::{Access, Kernel};
use crate::gpu::device::Device;
use crate::gpu::pipelines::{Compiler, Source, fold};

/// Content of bind group 2.
#[derive(Clone)]
enum Group {
    None,
    Given(wgpu::BindGroup),
    Panel,
    Turn,
}

/// One dispatch.
#[derive(Clone)]
pub(super) struct Dispatch {
    kernel: Kernel,
    slots: wgpu::BindGroup,
    operands: wgpu::BindGroup,
    third: Group,
    grid: Grid,
}

/// A bound panel of measurements, and their number.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) panel: wgpu::BindGroup,
    pub(super) rows: usize,
}

/// Records dispatches.
pub(super) struct Encoder<'a, 'e> {
    pub(super) device: &'a Device,
    pub(super) pass: &'a mut wgpu::ComputePass<'e>,
    /// Number of active trials.
    pub(super) trials: usize,
}

impl Encoder<'_, '_> {
    /// Records one dispatch, over a panel and over the measurements of a group where it has them.
    ///
    /// # Errors
    /// [`crate::Error::Device`] for more workgroups than kernels can count.
    pub(super) fn dispatch(
        &mut self,
        dispatch: &Dispatch,
        panel: Option<&Bound>,
        turn: Option<&wgpu::BindGroup>,
    ) -> Result<()> {
        let count = dispatch.grid.workgroups(self.trials, panel.map_or(0, |panel| panel.rows));
        let [x, y, z] = fold(self.device, count)?;
        self.pass.set_pipeline(&dispatch.kernel.pipeline);
        self.pass.set_bind_group(0, &dispatch.slots, &[]);
        self.pass.set_bind_group(1, &dispatch.operands, &[]);
        let third = match &dispatch.third {
            Group::None => None,
            Group::Given(group) => Some(group),
            Group::Panel => panel.map(|panel| &panel.panel),
            Group::Turn => turn,
        };
        if let Some(third) = third {
            self.pass.set_bind_group(2, third, &[]);
        }
        self.pass.dispatch_workgroups(x, y, z);
        Ok(())
    }
}

/// The slots for a number of lanes: those of the active trials, one after the other.
pub(super) struct Slots {
    pub(super) lanes: usize,
    storage: Storage,
    pub(super) group: wgpu::BindGroup,
}

impl Slots {
    /// # Errors
    /// [`crate::Error::Device`] where memory runs out.
    pub(super) fn new(device: &Device, batch: usize, lanes: usize) -> Result<Self> {
        let storage = Storage::new(device, "slots", 1 + batch * lanes, 1, false)?;
        let group = Compiler::new(device, 1).bind_slots(&storage.buffer);
        Ok(Self { lanes, storage, group })
    }

    /// Writes the list of active trials for the kernels.
    pub(super) fn write(&self, device: &Device, active: &[bool]) {
        let words = slot_words(self.lanes, active);
        device.queue().write_buffer(&self.storage.buffer, 0, bytemuck::cast_slice(&words));
    }
}

/// The number of active slots, and their numbers. Kernels take both for indices.
fn slot_words(lanes: usize, active: &[bool]) -> Vec<u32> {
    let lanes = lanes as u32;
    let trials = (0_u32..).zip(active).filter(|&(_, &active)| active).map(|(trial, _)| trial);
    let mut words = vec![0];
    words.extend(trials.flat_map(|trial| trial * lanes..(trial + 1) * lanes));
    words[0] = words.len() as u32 - 1;
    words
}

/// Makes the buffers of a plan.
///
/// # Errors
/// [`crate::Error::Device`] where memory runs out.
pub(super) fn allocate(device: &Device, plan: &Plan, guarded: bool) -> Result<Vec<Storage>> {
    device.checked("allocating buffers", || {
        let make = |planned: &crate::gpu::call::Planned| {
            let numbers = planned.numbers.max(1);
            Storage::new(device, planned.label.clone(), numbers, planned.number_words, guarded && planned.written)
        };
        plan.buffers.iter().map(make).collect()
    })
}

/// Compiles calls and binds them.
pub(super) struct Binder<'a> {
    device: &'a Device,
    buffers: &'a [Storage],
    slots: &'a [Slots],
    /// Number of data buffers per panel, and the groups that calls name by number.
    data: u32,
    fixed: &'a [wgpu::BindGroup],
    sources: HashMap<Arc<str>, Source>,
}

impl<'a> Binder<'a> {
    pub(super) fn new(
        device: &'a Device,
        buffers: &'a [Storage],
        slots: &'a [Slots],
        data: u32,
        fixed: &'a [wgpu::BindGroup],
    ) -> Self {
        Self { device, buffers, slots, data, fixed, sources: HashMap::new() }
    }

    pub(super) fn bind(&mut self, call: &Call) -> Dispatch {
        let compiler = Compiler::new(self.device, if call.third == Third::Turn { 0 } else { self.data });
        let text: Arc<str> = call.module.text.as_str().into();
        let source = self.sources.entry(Arc::clone(&text)).or_insert_with(|| compiler.module(&call.module));
        let access: Vec<Access> = call.operands.iter().map(|(_, access)| *access).collect();
        let kernel = compiler.kernel(source, call.entry, call.first, &access, call.third != Third::None);
        let operands: Vec<&Storage> = call.operands.iter().map(|(buffer, _)| &self.buffers[*buffer]).collect();
        let slots = self.slots.iter().find(|slots| slots.lanes == call.lanes).unwrap_or(&self.slots[0]);
        Dispatch {
            operands: kernel.bind(self.device, &operands),
            kernel,
            slots: slots.group.clone(),
            third: match call.third {
                Third::None => Group::None,
                Third::Fixed(index) => Group::Given(self.fixed[index].clone()),
                Third::Panel => Group::Panel,
                Third::Turn => Group::Turn,
            },
            grid: call.grid,
        }
    }

    pub(super) fn bind_all(&mut self, calls: &[Call]) -> Vec<Dispatch> {
        calls.iter().map(|call| self.bind(call)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::slot_words;

    #[test]
    fn slots_are_below_their_number() {
        assert_eq!(slot_words(2, &[true, false, true]), [4, 0, 1, 4, 5]);
        for lanes in 1..4 {
            for mask in 0..32_u32 {
                let active: Vec<bool> = (0..5).map(|trial| mask >> trial & 1 == 1).collect();
                let (words, most) = (slot_words(lanes, &active), 5 * lanes);
                assert!(words.len() <= 1 + most && words[0] as usize == words.len() - 1);
                assert!(words[1..].iter().all(|slot| (*slot as usize) < most));
            }
        }
    }
}
