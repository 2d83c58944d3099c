//! The dispatches of an iteration, and how they are cut into submissions.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::gpu::engine::GpuEngine;
use crate::gpu::pipelines::{Kernel, fold};
use crate::gpu::shaders::Sizes;

/// Submissions shrink where they take longer than this: drivers reset a device that is silent for about two seconds.
pub(super) const LONG_SUBMISSION: Duration = Duration::from_millis(400);

/// Where a gradient is evaluated, and what the adjoint is applied to.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// Both the current factor.
    Current,
    /// The buffers of `evaluate`, with L = R or not.
    Single,
    Pair,
}

impl GpuEngine {
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
            pass.set_bind_group(2, &self.bindings.panels[panel], &[]);
        }
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }

    /// z = the packed symmetric part of 2·L Rᵀ.
    fn outer_product(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        let (b, k) = (&self.bindings, &self.kernels);
        let (kernel, operands) = match at {
            At::Current => (&k.outer_single, &b.outer_current),
            At::Single => (&k.outer_single, &b.outer_single),
            At::Pair => (&k.outer_pair, &b.outer_pair),
        };
        let blocks = self.sizes.n.div_ceil(16);
        self.dispatch(pass, kernel, operands, None, &[self.sizes.tiles(count) * self.sizes.tile, blocks, blocks])
    }

    /// e of the panel's rows, and their share of A*(w∘e).
    fn panel(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, index: usize) -> Result<()> {
        let (b, k) = (&self.bindings, &self.kernels);
        let Sizes { p, splits, .. } = self.sizes;
        let tiles = self.sizes.tiles(count);
        self.dispatch(pass, &k.forward, &b.forward, Some(index), &[tiles, self.panels[index].rows])?;
        self.dispatch(pass, &k.adjoint, &b.adjoint, Some(index), &[splits, tiles, p.div_ceil(256)])
    }

    /// D = A*(w∘e)·V.
    fn product(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        let (b, kernels) = (&self.bindings, &self.kernels);
        let Sizes { n, k, p, .. } = self.sizes;
        let operands = match at {
            At::Current => &b.product_current,
            At::Single | At::Pair => &b.product_applied,
        };
        let threads = self.sizes.tiles(count) * p;
        self.dispatch(pass, &kernels.reduce, &b.reduce, None, &[threads.div_ceil(256)])?;
        self.dispatch(pass, &kernels.product, operands, None, &[count, n.div_ceil(16), k.div_ceil(16)])
    }

    /// e = A(L Rᵀ) − y and D = A*(w∘e)·V for the `count` trials in the slots.
    pub(super) fn gradient(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        self.outer_product(pass, count, at)?;
        for index in 0..self.panels.len() {
            self.panel(pass, count, index)?;
        }
        self.product(pass, count, at)
    }

    /// U ← U − step·D for the `count` trials in the slots.
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
            let mut encoder = self.device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            work(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()))?;
            self.device.queue().submit([encoder.finish()]);
            self.device.wait()
        })
    }

    /// One gradient and nothing else: in one submission, or, until that is known to be short enough, in one submission
    /// per panel.
    pub(super) fn run_gradient(&mut self, phase: &str, count: usize, at: At) -> Result<()> {
        if self.pace > 0 {
            return self.submit(phase, |pass| self.gradient(pass, count, at));
        }
        let begin = Instant::now();
        self.submit(phase, |pass| self.outer_product(pass, count, at))?;
        for index in 0..self.panels.len() {
            self.submit(phase, |pass| self.panel(pass, count, index))?;
        }
        self.submit(phase, |pass| self.product(pass, count, at))?;
        if begin.elapsed() < LONG_SUBMISSION {
            self.pace = 1;
        }
        Ok(())
    }
}
