//! Kernels ready to run: compiled, with their buffers and bind groups; and the dispatches of an iteration.

use crate::error::Result;
use crate::gpu::buffers::{Panel, Storage};
use crate::gpu::device::Device;
use crate::gpu::frame::Frame;
use crate::gpu::groups::spans;
use crate::gpu::pipelines::{Compiler, Kernel, Read, Write, fold};
use crate::gpu::resources::Buffers;
use crate::gpu::rows::Rows;
use crate::gpu::shaders::Shared;
use crate::gpu::stages::{Stages, Turn};
use crate::gpu::thin::Thin;
use crate::methods::Stage;

/// Where a gradient is evaluated, and what the adjoint is applied to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Both the current factor.
    Current,
    /// The pair and the matrix that belong to the current factor as an increment around the centre.
    Centred,
    /// The buffers of `evaluate`, with L = R or not.
    Single,
    Pair,
}

/// How the gradient is made.
pub(super) enum Form {
    Rows(Box<Rows>),
    Thin(Box<Thin>),
}

pub(super) struct Program {
    device: Device,
    pub(super) frame: Frame,
    pub(super) buffers: Buffers,
    form: Form,
    slots: wgpu::BindGroup,
    /// Of all measurements, then of each group.
    spans: Vec<wgpu::BindGroup>,
    pub(super) stages: Stages,
    around_centre: (Kernel, wgpu::BindGroup),
}

impl Program {
    /// `form` makes what belongs to the form of iteration, around the buffers that all have.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where a kernel does not compile or memory runs out.
    pub(super) fn new(
        device: &Device,
        frame: Frame,
        modules: &Shared,
        guarded: bool,
        form: impl FnOnce(&Buffers) -> Result<Form>,
    ) -> Result<Self> {
        let buffers = Buffers::new(device, &frame, guarded)?;
        let form = form(&buffers)?;
        device.checked("compiling the kernels", || {
            let compiler = Compiler::new(device, 1);
            let b = &buffers;
            let means = match &form {
                Form::Thin(thin) if frame.centred => Some(thin.means()),
                _ => None,
            };
            let stages = Stages::new(device, &frame, &modules.stages, b, means, guarded)?;
            let around = compiler.step(&modules.around_centre, "around_centre", &[Read, Read, Write, Write]);
            let centred = around.bind(device, &[&b.centre, &b.factor, &b.left, &b.applied]);
            let slots = compiler.bind_slots(&b.slots.buffer);
            let (spans, device, around_centre) = (spans(device, &frame), device.clone(), (around, centred));
            Ok(Self { device, frame, form, slots, spans, stages, around_centre, buffers })
        })
    }

    /// The same kernels over other panels of rows.
    pub(super) fn over(mut self, panels: &[Panel]) -> Result<Self> {
        if let Form::Rows(rows) = self.form {
            self.form = Form::Rows(Box::new(rows.over(&self.device, &self.buffers, panels)?));
        }
        Ok(self)
    }

    /// Prepares the groups of measurements; the first `resident` panels hold their own rows for good.
    pub(super) fn cut(&mut self, panels: &[Panel], resident: usize) -> Result<()> {
        let Self { form, frame, device, .. } = self;
        match form {
            Form::Rows(rows) if frame.recipe.minibatches.is_some() => rows.cut(device, frame, panels, resident),
            _ => Ok(()),
        }
    }

    /// Pieces that the middle of a gradient comes in: panels of rows, or the dispatches of the thin form.
    pub(super) fn parts(&self, group: Option<usize>) -> usize {
        match &self.form {
            Form::Rows(rows) => rows.panels(group),
            Form::Thin(thin) => thin.parts(),
        }
    }

    /// Dispatches of one iteration at most.
    pub(super) fn dispatches(&self) -> usize {
        1 + self.stages.dispatches()
            + match &self.form {
                Form::Rows(rows) => rows.dispatches(),
                Form::Thin(thin) => thin.parts(),
            }
    }

    /// What `evaluate` writes.
    pub(super) fn outputs(&self) -> Vec<&Storage> {
        let mut all = match &self.form {
            Form::Rows(rows) => rows.outputs(),
            Form::Thin(thin) => thin.outputs(),
        };
        all.extend(self.buffers.outputs());
        all
    }

    /// What is written elsewhere, or not by every `evaluate`.
    pub(super) fn written(&self) -> Vec<&Storage> {
        let mut all = match &self.form {
            Form::Rows(_) => Vec::new(),
            Form::Thin(thin) => thin.written(),
        };
        all.extend(self.buffers.written());
        all.extend(self.stages.scratch());
        all.extend(self.stages.state());
        all
    }

    /// Group 2 of kernels that go over the measurements of a group, or over all.
    pub(super) fn span(&self, group: Option<usize>) -> Option<&wgpu::BindGroup> {
        self.spans.get(group.map_or(0, |group| 1 + group))
    }

    /// Tells the kernels which trials there are.
    pub(super) fn write_slots(&self, active: &[bool]) {
        let trials = (0_u32..).zip(active).filter(|&(_, &active)| active).map(|(trial, _)| trial);
        let mut words = vec![0];
        words.extend(trials);
        words[0] = words.len() as u32 - 1;
        self.device.queue().write_buffer(&self.buffers.slots.buffer, 0, bytemuck::cast_slice(&words));
    }

    pub(super) fn dispatch(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        kernel: &Kernel,
        operands: &wgpu::BindGroup,
        panel: Option<&wgpu::BindGroup>,
        workgroups: &[usize],
    ) -> Result<()> {
        let count = workgroups.iter().fold(1_u64, |all, &count| all.saturating_mul(count as u64));
        let [x, y, z] = fold(&self.device, count)?;
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &self.slots, &[]);
        pass.set_bind_group(1, operands, &[]);
        if let Some(panel) = panel {
            pass.set_bind_group(2, panel, &[]);
        }
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }

    /// Workgroups of 256 threads over one trial's factor.
    fn blocks(&self) -> usize {
        (self.frame.n * self.frame.k).div_ceil(256)
    }

    /// What comes before the parts.
    pub(super) fn begin(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        if at == At::Centred {
            let (kernel, operands) = &self.around_centre;
            self.dispatch(pass, kernel, operands, None, &[count, self.blocks()])?;
        }
        match &self.form {
            Form::Rows(rows) => rows.outer_product(self, pass, count, at),
            Form::Thin(_) => Ok(()),
        }
    }

    /// Part `index` of a group, or of all measurements. `rows` is how many there are in a panel that is not full.
    pub(super) fn part(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        at: At,
        (group, index): (Option<usize>, usize),
        rows: Option<usize>,
    ) -> Result<()> {
        match &self.form {
            Form::Rows(form) => form.panel(self, pass, count, (group, index), rows),
            Form::Thin(thin) => thin.part(self, pass, count, at, (group, index)),
        }
    }

    /// What comes after the parts.
    pub(super) fn end(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        match &self.form {
            Form::Rows(rows) => rows.product(self, pass, count, at),
            Form::Thin(_) => Ok(()),
        }
    }

    /// e = A(L Rᵀ) − y and D = A*(w∘e)·V for the `count` trials in the slots.
    /// Of a group the sums are over its measurements.
    pub(super) fn gradient(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        at: At,
        group: Option<usize>,
    ) -> Result<()> {
        self.begin(pass, count, at)?;
        for index in 0..self.parts(group) {
            self.part(pass, count, at, (group, index), None)?;
        }
        self.end(pass, count, at)
    }

    /// A stage of an iteration for the `count` trials in the slots.
    pub(super) fn stage(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        at: At,
        (stage, turn): (Stage, Turn),
    ) -> Result<()> {
        match stage {
            Stage::Gradient => self.gradient(pass, count, at, turn.group),
            _ => self.stages.run(self, pass, count, stage, turn),
        }
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
