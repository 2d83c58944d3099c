//! What an engine holds on the device: buffers, and the bind groups that hand them to the kernels.

use crate::error::Result;
use crate::gpu::buffers::{Panel, Storage, real_words};
use crate::gpu::device::Device;
use crate::gpu::pipelines::{Kernel, Kernels, RowKernels};
use crate::gpu::sizes::Sizes;
use crate::memory::{Memory, Part, Place, product};

/// Everything on the device that a kernel reads or writes, besides the panels. Trial-major where not said otherwise.
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
    /// (tiles, stride, tile)
    pub(super) z: Storage,
    /// (splits, tiles, stride, tile)
    pub(super) sums: Storage,
    /// (tiles·tile, p)
    pub(super) packed: Storage,
    /// (batch, n, k): D.
    pub(super) direction: Storage,
}

/// Numbers of each kind of buffer.
struct Counts {
    factor: usize,
    rows: usize,
    packed: usize,
    z: usize,
    sums: usize,
}

impl Counts {
    fn new(sizes: &Sizes) -> Self {
        let Sizes { n, k, p, m, batch, stride, splits, tile, .. } = *sizes;
        let count = |factors: &[usize]| factors.iter().fold(1_usize, |all, &f| all.saturating_mul(f));
        let padded = sizes.tiles(batch) * tile;
        Self {
            factor: count(&[batch, n, k]),
            rows: count(&[batch, m]),
            packed: count(&[padded, p]),
            z: count(&[padded, stride]),
            sums: count(&[splits, padded, stride]),
        }
    }
}

impl Buffers {
    /// What [`Buffers::new`] takes, by part.
    pub(super) fn memory(sizes: &Sizes) -> Memory {
        let Counts { factor, rows, packed, z, sums } = Counts::new(sizes);
        let real = 4 * real_words(sizes.precision);
        let part = |name: &str, counts: &[(usize, usize)]| {
            let bytes =
                counts.iter().fold(0_u64, |all, &(many, count)| all.saturating_add(product(&[many, count, real])));
            Part::new(name, Place::Device, bytes)
        };
        Memory {
            parts: vec![
                part("partial sums of the gradient", &[(1, sums)]),
                part("packed iterates and gradients", &[(1, z), (1, packed)]),
                part("factors", &[(5, factor)]),
                part("observations, weights and residuals", &[(3, rows), (3, sizes.batch + 1)]),
            ],
        }
    }

    pub(super) fn new(device: &Device, sizes: &Sizes, guarded: bool) -> Result<Self> {
        let batch = sizes.batch;
        let Counts { factor, rows, packed, z, sums } = Counts::new(sizes);
        device.checked("allocating buffers", || {
            let real = real_words(sizes.precision);
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
                step: input("step", batch)?,
                shrink: input("shrink", batch)?,
                z: output("z", z)?,
                sums: output("partial sums", sums)?,
                packed: output("packed gradient", packed)?,
                direction: output("direction", factor)?,
            })
        })
    }

    /// What only iterations write.
    pub(super) fn written(&self) -> [&Storage; 3] {
        [&self.factor, &self.left, &self.applied]
    }

    /// What `evaluate` writes.
    pub(super) fn outputs(&self) -> [&Storage; 5] {
        [&self.z, &self.residual, &self.sums, &self.packed, &self.direction]
    }
}

/// One set of bind groups for each way the kernels are called.
pub(super) struct Bindings {
    pub(super) slots: wgpu::BindGroup,
    pub(super) outer_current: wgpu::BindGroup,
    pub(super) outer_single: wgpu::BindGroup,
    pub(super) outer_pair: wgpu::BindGroup,
    pub(super) around_centre: wgpu::BindGroup,
    pub(super) outer_centred: wgpu::BindGroup,
    /// One for each kernel that reads the measurement data.
    pub(super) rows: Vec<wgpu::BindGroup>,
    pub(super) reduce: wgpu::BindGroup,
    pub(super) product_current: wgpu::BindGroup,
    pub(super) product_applied: wgpu::BindGroup,
    pub(super) update: wgpu::BindGroup,
    /// One for each panel, and how many rows it has.
    pub(super) panels: Vec<(wgpu::BindGroup, usize)>,
}

impl Bindings {
    pub(super) fn new(device: &Device, kernels: &Kernels, buffers: &Buffers, panels: &[Panel]) -> Result<Self> {
        device.checked("binding buffers", || {
            let bind = |kernel: &Kernel, operands: &[&Storage]| {
                let operands: Vec<&wgpu::Buffer> = operands.iter().map(|storage| &storage.buffer).collect();
                kernel.bind(device, &operands)
            };
            let b = buffers;
            Ok(Self {
                slots: kernels.bind_slots(device, &b.slots.buffer),
                outer_current: bind(&kernels.outer_single, &[&b.factor, &b.factor, &b.z]),
                outer_single: bind(&kernels.outer_single, &[&b.left, &b.left, &b.z]),
                outer_pair: bind(&kernels.outer_pair, &[&b.left, &b.right, &b.z]),
                around_centre: bind(&kernels.around_centre, &[&b.centre, &b.factor, &b.left, &b.applied]),
                outer_centred: bind(&kernels.outer_pair, &[&b.left, &b.factor, &b.z]),
                rows: match &kernels.rows {
                    RowKernels::Two { forward, adjoint } => vec![
                        bind(forward, &[&b.z, &b.target, &b.residual]),
                        bind(adjoint, &[&b.residual, &b.weight, &b.sums]),
                    ],
                    RowKernels::One(gradient) => {
                        vec![bind(gradient, &[&b.z, &b.target, &b.weight, &b.residual, &b.sums])]
                    }
                },
                reduce: bind(&kernels.reduce, &[&b.sums, &b.packed]),
                product_current: bind(&kernels.product, &[&b.packed, &b.factor, &b.direction]),
                product_applied: bind(&kernels.product, &[&b.packed, &b.applied, &b.direction]),
                update: bind(&kernels.update, &[&b.step, &b.shrink, &b.direction, &b.factor]),
                panels: (panels.iter())
                    .map(|panel| (kernels.bind_panel(device, panel.data.as_ref(), &panel.uniform), panel.rows))
                    .collect(),
            })
        })
    }
}
