//! A kernel variant ready to run: compiled, with its buffers and bind groups; and the dispatches of an iteration.

use crate::error::Result;
use crate::gpu::buffers::Panel;
use crate::gpu::device::Device;
use crate::gpu::pipelines::{Kernel, Kernels, RowKernels, fold};
use crate::gpu::resources::{Bindings, Buffers};
use crate::gpu::shaders::Modules;
use crate::gpu::sizes::Sizes;

/// Where a gradient is evaluated, and what the adjoint is applied to.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// Both the current factor.
    Current,
    /// The pair and the matrix that belong to the current factor as an increment around the centre.
    Centred,
    /// The buffers of `evaluate`, with L = R or not.
    Single,
    Pair,
}

pub(super) struct Program {
    device: Device,
    pub(super) sizes: Sizes,
    kernels: Kernels,
    pub(super) buffers: Buffers,
    bindings: Bindings,
}

impl Program {
    /// # Errors
    /// [`crate::Error::Device`] where a kernel does not compile or memory runs out.
    pub(super) fn new(
        device: &Device,
        sizes: Sizes,
        modules: &Modules,
        panels: &[Panel],
        guarded: bool,
    ) -> Result<Self> {
        let kernels = Kernels::new(device, modules, &sizes)?;
        let buffers = Buffers::new(device, &sizes, guarded)?;
        let bindings = Bindings::new(device, &kernels, &buffers, panels)?;
        Ok(Self { device: device.clone(), sizes, kernels, buffers, bindings })
    }

    /// The same kernels over other panels.
    pub(super) fn over(mut self, panels: &[Panel]) -> Result<Self> {
        self.bindings = Bindings::new(&self.device, &self.kernels, &self.buffers, panels)?;
        Ok(self)
    }

    pub(super) fn panels(&self) -> usize {
        self.bindings.panels.len()
    }

    /// Dispatches of one iteration at most.
    pub(super) fn dispatches(&self) -> usize {
        5 + self.bindings.rows.len() * self.panels()
    }

    /// Tells the kernels which trials there are.
    pub(super) fn write_slots(&self, active: &[bool]) {
        let trials = (0_u32..).zip(active).filter(|&(_, &active)| active).map(|(trial, _)| trial);
        let mut words = vec![0];
        words.extend(trials);
        words[0] = words.len() as u32 - 1;
        self.device.queue().write_buffer(&self.buffers.slots.buffer, 0, bytemuck::cast_slice(&words));
    }

    fn dispatch(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        kernel: &Kernel,
        operands: &wgpu::BindGroup,
        panel: Option<usize>,
        workgroups: &[usize],
    ) -> Result<()> {
        let count = workgroups.iter().fold(1_u64, |all, &count| all.saturating_mul(count as u64));
        let [x, y, z] = fold(&self.device, count)?;
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &self.bindings.slots, &[]);
        pass.set_bind_group(1, operands, &[]);
        if let Some(panel) = panel {
            pass.set_bind_group(2, &self.bindings.panels[panel].0, &[]);
        }
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }

    /// z = the packed symmetric part of 2·L Rᵀ, or L Rᵀ itself.
    pub(super) fn outer_product(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        let (b, k) = (&self.bindings, &self.kernels);
        let (kernel, operands) = match at {
            At::Current => (&k.outer_single, &b.outer_current),
            At::Single => (&k.outer_single, &b.outer_single),
            At::Pair => (&k.outer_pair, &b.outer_pair),
            At::Centred => {
                let blocks = (self.sizes.n * self.sizes.k).div_ceil(256);
                self.dispatch(pass, &k.around_centre, &b.around_centre, None, &[count, blocks])?;
                (&k.outer_pair, &b.outer_centred)
            }
        };
        let (high, wide) = (self.sizes.n1.div_ceil(16), self.sizes.n2.div_ceil(16));
        self.dispatch(pass, kernel, operands, None, &[self.sizes.tiles(count) * self.sizes.tile, high, wide])
    }

    /// e of the panel's rows, and their share of A*(w∘e). `rows` is how many there are in a panel that is not full.
    pub(super) fn panel(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        index: usize,
        rows: Option<usize>,
    ) -> Result<()> {
        let b = &self.bindings;
        let Sizes { p, splits, .. } = self.sizes;
        let (tiles, rows) = (self.sizes.tiles(count), rows.unwrap_or(self.bindings.panels[index].1));
        match &self.kernels.rows {
            RowKernels::One(gradient) => self.dispatch(pass, gradient, &b.rows[0], Some(index), &[splits, count]),
            RowKernels::Two { forward, adjoint } => {
                let (high, wide) = self.sizes.covered();
                self.dispatch(pass, forward, &b.rows[0], Some(index), &[tiles, rows.div_ceil(high)])?;
                self.dispatch(pass, adjoint, &b.rows[1], Some(index), &[splits, tiles, p.div_ceil(wide)])
            }
        }
    }

    /// D = A*(w∘e)·V, and A*(w∘e)ᵀ·W below it.
    pub(super) fn product(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        let (b, kernels) = (&self.bindings, &self.kernels);
        let Sizes { n1, n2, k, symmetric, stride, tile, .. } = self.sizes;
        let blocks = n1.div_ceil(16) + if symmetric { 0 } else { n2.div_ceil(16) };
        let operands = match at {
            At::Current => &b.product_current,
            At::Single | At::Pair | At::Centred => &b.product_applied,
        };
        let numbers = self.sizes.tiles(count) * tile * stride;
        self.dispatch(pass, &kernels.reduce, &b.reduce, None, &[numbers.div_ceil(32)])?;
        self.dispatch(pass, &kernels.product, operands, None, &[count, blocks, k.div_ceil(16)])
    }

    /// e = A(L Rᵀ) − y and D = A*(w∘e)·V for the `count` trials in the slots.
    pub(super) fn gradient(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        self.outer_product(pass, count, at)?;
        for index in 0..self.panels() {
            self.panel(pass, count, index, None)?;
        }
        self.product(pass, count, at)
    }

    /// U ← U − step·D − shrink·U for the `count` trials in the slots.
    pub(super) fn descend(&self, pass: &mut wgpu::ComputePass<'_>, count: usize) -> Result<()> {
        let blocks = (self.sizes.n * self.sizes.k).div_ceil(256);
        self.dispatch(pass, &self.kernels.update, &self.bindings.update, None, &[count, blocks])
    }

    /// Records `work` in one compute pass, submits it and waits.
    pub(super) fn submit(
        &self,
        phase: &str,
        work: impl FnOnce(&mut wgpu::ComputePass<'_>) -> Result<()>,
    ) -> Result<()> {
        self.device.checked(phase, || {
            self.record(work)?;
            self.device.wait()
        })
    }

    /// Records `work` in one compute pass and submits it.
    pub(super) fn enqueue(
        &self,
        phase: &str,
        work: impl FnOnce(&mut wgpu::ComputePass<'_>) -> Result<()>,
    ) -> Result<wgpu::SubmissionIndex> {
        self.device.checked(phase, || self.record(work))
    }

    fn record(&self, work: impl FnOnce(&mut wgpu::ComputePass<'_>) -> Result<()>) -> Result<wgpu::SubmissionIndex> {
        let mut encoder = self.device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        work(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()))?;
        Ok(self.device.queue().submit([encoder.finish()]))
    }
}
