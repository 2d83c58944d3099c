//! What an engine holds on the device whatever the operator's data are.

use crate::error::Result;
use crate::gpu::buffers::{Storage, real_words};
use crate::gpu::device::Device;
use crate::gpu::frame::Frame;
use crate::gpu::stages;
use crate::memory::{Part, Place, product};

/// What kernels read or write besides the measurement data and what one form of iteration needs for itself. Trial-major.
pub(super) struct Buffers {
    /// (1 + batch): the number of active trials, then their indices.
    pub(super) slots: Storage,
    /// (batch, n, k): the current factors; of two, L above R (n = n1 + n2), here and wherever there are n rows.
    pub(super) factor: Storage,
    /// (batch, n, k): where the factor is an increment around it.
    pub(super) centre: Storage,
    /// (batch, n, k) each: the arguments of `evaluate`; around a centre, those of the iteration.
    pub(super) left: Storage,
    pub(super) right: Storage,
    pub(super) applied: Storage,
    /// (batch, m)
    pub(super) target: Storage,
    pub(super) weight: Storage,
    pub(super) residual: Storage,
    /// (batch) each
    pub(super) step: Storage,
    pub(super) shrink: Storage,
    /// The steps of an iteration that does not take those.
    pub(super) taken: Storage,
    /// (batch, n, k): D.
    pub(super) direction: Storage,
}

/// a·b·…, or the largest number.
pub(super) fn count(factors: &[usize]) -> usize {
    factors.iter().fold(1, |all, &f| all.saturating_mul(f))
}

/// So many buffers of so many numbers each.
pub(super) fn part(frame: &Frame, name: &str, counts: &[(usize, usize)]) -> Part {
    let real = 4 * real_words(frame.precision);
    let bytes = counts.iter().fold(0_u64, |all, &(many, count)| all.saturating_add(product(&[many, count, real])));
    Part::new(name, Place::Device, bytes)
}

impl Buffers {
    /// What [`Buffers::new`] takes, by part.
    pub(super) fn memory(frame: &Frame) -> Vec<Part> {
        let Frame { n, k, m, batch, .. } = *frame;
        let mut parts = vec![
            part(frame, "factors", &[(6, count(&[batch, n, k]))]),
            part(frame, "observations, weights and residuals", &[(3, count(&[batch, m])), (4, batch + 1)]),
        ];
        parts.extend(stages::memory(frame));
        parts
    }

    pub(super) fn new(device: &Device, frame: &Frame, guarded: bool) -> Result<Self> {
        let Frame { n, k, m, batch, .. } = *frame;
        let (factor, rows) = (count(&[batch, n, k]), count(&[batch, m]));
        device.checked("allocating buffers", || {
            let real = real_words(frame.precision);
            let input = |label, count| Storage::new(device, label, count, real, false);
            let output = |label, count| Storage::new(device, label, count, real, guarded);
            Ok(Self {
                slots: Storage::new(device, "slots", 1 + batch, 1, false)?,
                factor: output("factor", factor)?,
                centre: input("centre", factor)?,
                left: output("left", factor)?,
                right: input("right", factor)?,
                applied: output("applied", factor)?,
                target: input("target", rows)?,
                weight: input("weight", rows)?,
                residual: output("residual", rows)?,
                step: output("step", batch)?,
                shrink: input("shrink", batch)?,
                taken: output("taken steps", batch)?,
                direction: output("direction", factor)?,
            })
        })
    }

    /// What only iterations write.
    pub(super) fn written(&self) -> [&Storage; 5] {
        [&self.factor, &self.left, &self.applied, &self.step, &self.taken]
    }

    /// What `evaluate` writes.
    pub(super) fn outputs(&self) -> [&Storage; 2] {
        [&self.residual, &self.direction]
    }
}
