//! A blueprint on a device: allocated buffers, compiled and bound kernels, and the recording of its stages.

use std::collections::HashMap;

use crate::error::Result;
use crate::gpu::blueprint::{Blueprint, Stage, Work};
use crate::gpu::buffers::Storage;
use crate::gpu::call::Fill;
use crate::gpu::device::Device;
use crate::gpu::dispatch::{Binder, Bound, Dispatch, Encoder, Slots, allocate};
use crate::gpu::groups::Uniforms;
use crate::gpu::pipelines::Compiler;
use crate::tape::{HostOp, Minibatches, When};

/// The dispatches of a pass.
pub(super) struct PassWork {
    pub(super) begin: Vec<Dispatch>,
    pub(super) panel: Vec<Dispatch>,
    pub(super) pieces: Vec<Dispatch>,
    pub(super) end: Vec<Dispatch>,
}

pub(super) enum Bounds {
    Dispatches(Vec<Dispatch>),
    Pass(PassWork),
    Host(HostOp),
}

/// A stage ready to run.
pub(super) struct Item {
    pub(super) when: When,
    pub(super) group: Option<Minibatches>,
    pub(super) work: Bounds,
    pub(super) fills: Vec<Fill>,
}

/// Measurements of the groups: bind group 2 of kernels over one group, and each group's panels of rows.
pub(super) struct Family {
    pub(super) spans: Vec<wgpu::BindGroup>,
    pub(super) panels: Vec<Vec<Bound>>,
}

/// All stages, buffers and panels of a blueprint on a device.
pub(super) struct Machine {
    pub(super) device: Device,
    pub(super) buffers: Vec<Storage>,
    pub(super) slots: Vec<Slots>,
    pub(super) head: Vec<Item>,
    pub(super) tail: Vec<Item>,
    /// All rows, in panels; those of a stream's buffers last.
    pub(super) panels: Vec<Bound>,
    pub(super) families: HashMap<(usize, u64), Family>,
}

impl Machine {
    /// Builds the `wanted` stages. `data` is the number of data buffers per panel; `fixed` are the groups that calls
    /// name.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory runs out or a kernel does not compile.
    pub(super) fn new(
        device: &Device,
        blueprint: &Blueprint,
        batch: usize,
        (data, fixed): (u32, &[wgpu::BindGroup]),
        panels: Vec<Bound>,
        guarded: bool,
        wanted: impl Fn(&Stage) -> bool,
    ) -> Result<Self> {
        let buffers = allocate(device, &blueprint.plan, guarded)?;
        let slots = device.checked("allocating buffers", || {
            blueprint.lanes.iter().map(|lanes| Slots::new(device, batch, *lanes)).collect::<Result<Vec<_>>>()
        })?;
        let (head, tail, families) = device.checked("compiling the kernels", || {
            let mut binder = Binder::new(device, &buffers, &slots, data, fixed);
            let mut families = HashMap::new();
            let mut items = |stages: &[Stage]| -> Vec<Item> {
                stages
                    .iter()
                    .map(|stage| {
                        let missing = !wanted(stage);
                        let work = match &stage.work {
                            _ if missing => Bounds::Dispatches(Vec::new()),
                            Work::Calls(calls) => Bounds::Dispatches(binder.bind_all(calls)),
                            Work::Pass(calls) => Bounds::Pass(PassWork {
                                begin: binder.bind_all(&calls.begin),
                                panel: binder.bind_all(&calls.panel),
                                pieces: binder.bind_all(&calls.pieces),
                                end: binder.bind_all(&calls.end),
                            }),
                            Work::Host(op) => Bounds::Host(op.clone()),
                        };
                        if let Some(groups) = stage.group {
                            let spans = || spans(device, groups, blueprint.registers.measurements);
                            families
                                .entry((groups.count, groups.seed))
                                .or_insert_with(|| Family { spans: spans(), panels: Vec::new() });
                        }
                        Item { when: stage.when, group: stage.group, work, fills: stage.fills.clone() }
                    })
                    .collect()
            };
            Ok((items(&blueprint.head), items(&blueprint.tail), families))
        })?;
        Ok(Self { device: device.clone(), buffers, slots, head, tail, panels, families })
    }

    pub(super) fn write_slots(&self, active: &[bool]) {
        self.slots.iter().for_each(|slots| slots.write(&self.device, active));
    }

    fn family(&self, item: &Item, turn: Option<usize>) -> Option<(&Family, usize)> {
        let groups = item.group?;
        Some((self.families.get(&(groups.count, groups.seed))?, turn?))
    }

    /// Panels that a stage covers.
    pub(super) fn panels_of(&self, item: &Item, turn: Option<usize>) -> &[Bound] {
        match self.family(item, turn) {
            Some((family, turn)) if !family.panels.is_empty() => &family.panels[turn],
            _ => &self.panels,
        }
    }

    fn span(&self, item: &Item, turn: Option<usize>) -> Option<&wgpu::BindGroup> {
        self.family(item, turn).map(|(family, turn)| &family.spans[turn])
    }

    /// Records dispatches of a stage.
    pub(super) fn record(
        &self,
        encoder: &mut Encoder<'_, '_>,
        item: &Item,
        turn: Option<usize>,
        dispatches: &[Dispatch],
        panel: Option<&Bound>,
    ) -> Result<()> {
        let span = self.span(item, turn);
        dispatches.iter().try_for_each(|dispatch| encoder.dispatch(dispatch, panel, span))
    }

    /// Records a stage without its host functions.
    pub(super) fn stage(&self, encoder: &mut Encoder<'_, '_>, item: &Item, turn: Option<usize>) -> Result<()> {
        match &item.work {
            Bounds::Dispatches(dispatches) => self.record(encoder, item, turn, dispatches, None),
            Bounds::Pass(pass) => {
                self.record(encoder, item, turn, &pass.begin, None)?;
                if !pass.panel.is_empty() {
                    for panel in self.panels_of(item, turn) {
                        self.record(encoder, item, turn, &pass.panel, Some(panel))?;
                    }
                }
                self.record(encoder, item, turn, &pass.pieces, None)?;
                self.record(encoder, item, turn, &pass.end, None)
            }
            Bounds::Host(_) => Ok(()),
        }
    }

    /// Records `work` in one compute pass and submits it.
    pub(super) fn enqueue(
        &self,
        phase: &str,
        trials: usize,
        work: impl FnOnce(&mut Encoder<'_, '_>) -> Result<()>,
    ) -> Result<wgpu::SubmissionIndex> {
        self.device.checked(phase, || self.submitted(trials, work))
    }

    /// Like `enqueue`, and waits.
    pub(super) fn submit(
        &self,
        phase: &str,
        trials: usize,
        work: impl FnOnce(&mut Encoder<'_, '_>) -> Result<()>,
    ) -> Result<()> {
        self.device.checked(phase, || {
            self.submitted(trials, work)?;
            self.device.wait()
        })
    }

    fn submitted(
        &self,
        trials: usize,
        work: impl FnOnce(&mut Encoder<'_, '_>) -> Result<()>,
    ) -> Result<wgpu::SubmissionIndex> {
        let mut encoder = self.device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            work(&mut Encoder { device: &self.device, pass: &mut pass, trials })?;
        }
        Ok(self.device.queue().submit([encoder.finish()]))
    }
}

/// Bind group 2 of kernels over the measurements of a group, for each group.
fn spans(device: &Device, groups: Minibatches, measurements: usize) -> Vec<wgpu::BindGroup> {
    let words = |group: usize| {
        let range = groups.range(group, measurements);
        // Measurement numbers have 32 bits.
        [range.start as u32, range.end as u32, 0, 0]
    };
    let structs: Vec<[u32; 4]> = (0..groups.count).map(words).collect();
    let (uniforms, compiler) = (Uniforms::new(device, &structs), Compiler::new(device, 0));
    (0..structs.len()).map(|index| compiler.bind_sections(vec![uniforms.at(index)])).collect()
}
