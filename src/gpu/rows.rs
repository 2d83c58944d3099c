//! The iteration over rows of numbers: Z and Σ rᵢAᵢ are formed as vectors of a row's length.

use crate::error::Result;
use crate::gpu::buffers::{Panel, Storage, real_words};
use crate::gpu::device::Device;
use crate::gpu::frame::Frame;
use crate::gpu::groups::{Uniforms, section};
use crate::gpu::pipelines::{Compiler, Kernel, Read, Write};
use crate::gpu::program::{At, Program};
use crate::gpu::resources::{Buffers, count, part};
use crate::gpu::shaders::Modules;
use crate::gpu::sizes::Sizes;
use crate::memory::Memory;

/// What this form needs for itself.
struct RowBuffers {
    /// (tiles, stride, tile)
    z: Storage,
    /// (splits, tiles, stride, tile)
    sums: Storage,
    /// (tiles·tile, p)
    packed: Storage,
}

/// Numbers of each.
struct Counts {
    packed: usize,
    z: usize,
    sums: usize,
}

impl Counts {
    fn new(sizes: &Sizes) -> Self {
        let Sizes { p, stride, splits, tile, .. } = *sizes;
        let padded = sizes.tiles(sizes.batch) * tile;
        Self { packed: count(&[padded, p]), z: count(&[padded, stride]), sums: count(&[splits, padded, stride]) }
    }
}

/// What the buffers take, by part.
pub(super) fn memory(sizes: &Sizes) -> Memory {
    let Counts { packed, z, sums } = Counts::new(sizes);
    let mut parts = vec![
        part(sizes, "partial sums of the gradient", &[(1, sums)]),
        part(sizes, "packed iterates and gradients", &[(1, z), (1, packed)]),
    ];
    parts.extend(Buffers::memory(sizes));
    Memory { parts }
}

/// The kernels that read the measurement data.
enum RowKernels {
    /// One pass over a panel each.
    Two { forward: Kernel, adjoint: Kernel },
    /// Residuals and partial sums in one dispatch a panel.
    One(Kernel),
}

struct Kernels {
    compiler: Compiler,
    outer_single: Kernel,
    outer_pair: Kernel,
    rows: RowKernels,
    reduce: Kernel,
    product: Kernel,
}

impl Kernels {
    /// # Errors
    /// [`crate::Error::Device`] with the message of the shader compiler.
    fn new(device: &Device, modules: &Modules, sizes: &Sizes) -> Result<Self> {
        device.checked("compiling the kernels", || {
            let compiler = Compiler::new(device, if sizes.made { 0 } else { 1 });
            let operator = compiler.module(&modules.operator);
            let rows = if sizes.variant.strategy.owns_rows() {
                RowKernels::One(compiler.kernel(&operator, "gradient", 0, &[Read, Read, Read, Write, Write], true))
            } else {
                RowKernels::Two {
                    forward: compiler.kernel(&operator, "forward", 0, &[Read, Read, Write], true),
                    adjoint: compiler.kernel(&operator, "adjoint_apply", 3, &[Read, Read, Write], true),
                }
            };
            Ok(Self {
                rows,
                outer_single: compiler.step(&modules.single, "outer_product", &[Read, Read, Write]),
                outer_pair: compiler.step(&modules.pair, "outer_product", &[Read, Read, Write]),
                reduce: compiler.step(&modules.reduce, "reduce", &[Read, Write]),
                product: compiler.step(&modules.gradient_product, "gradient_product", &[Read, Read, Write]),
                compiler,
            })
        })
    }
}

/// One set of bind groups for each way the kernels are called.
struct Bindings {
    outer_current: wgpu::BindGroup,
    outer_single: wgpu::BindGroup,
    outer_pair: wgpu::BindGroup,
    outer_centred: wgpu::BindGroup,
    /// One for each kernel that reads the measurement data.
    rows: Vec<wgpu::BindGroup>,
    reduce: wgpu::BindGroup,
    product_current: wgpu::BindGroup,
    product_applied: wgpu::BindGroup,
    /// One for each panel, and how many rows it has.
    panels: Vec<(wgpu::BindGroup, usize)>,
}

impl Bindings {
    fn new(device: &Device, kernels: &Kernels, b: &Buffers, own: &RowBuffers, panels: &[Panel]) -> Result<Self> {
        let RowBuffers { z, sums, packed } = own;
        device.checked("binding buffers", || {
            let bind = |kernel: &Kernel, operands: &[&Storage]| kernel.bind(device, operands);
            Ok(Self {
                outer_current: bind(&kernels.outer_single, &[&b.factor, &b.factor, z]),
                outer_single: bind(&kernels.outer_single, &[&b.left, &b.left, z]),
                outer_pair: bind(&kernels.outer_pair, &[&b.left, &b.right, z]),
                outer_centred: bind(&kernels.outer_pair, &[&b.left, &b.factor, z]),
                rows: match &kernels.rows {
                    RowKernels::Two { forward, adjoint } => vec![
                        bind(forward, &[z, &b.target, &b.residual]),
                        bind(adjoint, &[&b.residual, &b.weight, sums]),
                    ],
                    RowKernels::One(gradient) => {
                        vec![bind(gradient, &[z, &b.target, &b.weight, &b.residual, sums])]
                    }
                },
                reduce: bind(&kernels.reduce, &[sums, packed]),
                product_current: bind(&kernels.product, &[packed, &b.factor, &b.direction]),
                product_applied: bind(&kernels.product, &[packed, &b.applied, &b.direction]),
                panels: (panels.iter())
                    .map(|panel| (kernels.compiler.bind_panel(&panel.buffers()), panel.rows))
                    .collect(),
            })
        })
    }
}

/// The kernels of one variant with their buffers and panels.
pub(super) struct Rows {
    sizes: Sizes,
    kernels: Kernels,
    buffers: RowBuffers,
    bindings: Bindings,
    /// The panels of each group: parts of those of all measurements.
    groups: Vec<Vec<(wgpu::BindGroup, usize)>>,
}

impl Rows {
    /// # Errors
    /// [`crate::Error::Device`] where a kernel does not compile or memory runs out.
    pub(super) fn new(
        device: &Device,
        sizes: Sizes,
        modules: &Modules,
        shared: &Buffers,
        panels: &[Panel],
        guarded: bool,
    ) -> Result<Self> {
        let kernels = Kernels::new(device, modules, &sizes)?;
        let Counts { packed, z, sums } = Counts::new(&sizes);
        let buffers = device.checked("allocating buffers", || {
            let output = |label, count| Storage::new(device, label, count, real_words(sizes.precision), guarded);
            Ok(RowBuffers {
                z: output("z", z)?,
                sums: output("partial sums", sums)?,
                packed: output("packed gradient", packed)?,
            })
        })?;
        let bindings = Bindings::new(device, &kernels, shared, &buffers, panels)?;
        Ok(Self { sizes, kernels, buffers, bindings, groups: Vec::new() })
    }

    /// The same kernels over other panels.
    pub(super) fn over(mut self, device: &Device, shared: &Buffers, panels: &[Panel]) -> Result<Self> {
        self.bindings = Bindings::new(device, &self.kernels, shared, &self.buffers, panels)?;
        Ok(self)
    }

    /// Of each group the rows that are in the first `resident` panels, which hold the first measurements. A group whose first
    /// rows are not there has its sums begun by what is streamed; one without rows has a panel without rows, which sets them
    /// to 0.
    pub(super) fn cut(&mut self, device: &Device, frame: &Frame, panels: &[Panel], resident: usize) -> Result<()> {
        let groups = frame.recipe.minibatches.map_or(0, |groups| groups.count);
        let mut end = 0;
        let placed = panels[..resident].iter().map(|panel| {
            end += panel.rows;
            end - panel.rows..end
        });
        let placed: Vec<_> = placed.collect();
        // (group, panel, rows of the panel before those of the group) with the header.
        let (mut pieces, mut headers) = (Vec::new(), Vec::new());
        for group in 0..groups {
            let range = frame.measurements_of(Some(group));
            if range.is_empty() {
                pieces.push((group, 0, 0));
                headers.push([0, 0, 1, 0]);
            }
            for (index, held) in placed.iter().enumerate() {
                let rows = range.start.max(held.start)..range.end.min(held.end);
                if !rows.is_empty() {
                    let overwrite = u32::from(rows.start == range.start);
                    pieces.push((group, index, rows.start - held.start));
                    headers.push([rows.start as u32, rows.len() as u32, overwrite, 0]);
                }
            }
        }
        self.groups = vec![Vec::new(); groups];
        let row_bytes = self.sizes.row_words as u64 * 4;
        device.checked("binding groups of measurements", || {
            let uniforms = Uniforms::new(device, &headers);
            for (at, (group, panel, before)) in pieces.into_iter().enumerate() {
                let rows = headers[at][1] as usize;
                let data = (panels[panel].data.as_ref())
                    .map(|data| section(data, before as u64 * row_bytes, rows.max(1) as u64 * row_bytes));
                let sections = data.into_iter().chain([uniforms.at(at)]).collect();
                self.groups[group].push((self.kernels.compiler.bind_sections(sections), rows));
            }
            Ok(())
        })
    }

    /// Of a group, or of all measurements.
    pub(super) fn panels(&self, group: Option<usize>) -> usize {
        group.map_or(self.bindings.panels.len(), |group| self.groups[group].len())
    }

    /// Dispatches of one gradient at most.
    pub(super) fn dispatches(&self) -> usize {
        4 + self.bindings.rows.len() * self.panels(None).max(self.groups.iter().map(Vec::len).max().unwrap_or(0))
    }

    /// What `evaluate` writes.
    pub(super) fn outputs(&self) -> Vec<&Storage> {
        vec![&self.buffers.z, &self.buffers.sums, &self.buffers.packed]
    }

    /// z = the packed symmetric part of 2·L Rᵀ, or L Rᵀ itself.
    pub(super) fn outer_product(
        &self,
        program: &Program,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        at: At,
    ) -> Result<()> {
        let (b, k) = (&self.bindings, &self.kernels);
        let (kernel, operands) = match at {
            At::Current => (&k.outer_single, &b.outer_current),
            At::Single => (&k.outer_single, &b.outer_single),
            At::Pair => (&k.outer_pair, &b.outer_pair),
            At::Centred => (&k.outer_pair, &b.outer_centred),
        };
        let (high, wide) = (self.sizes.n1.div_ceil(16), self.sizes.n2.div_ceil(16));
        program.dispatch(pass, kernel, operands, None, &[self.sizes.tiles(count) * self.sizes.tile, high, wide])
    }

    /// e of the panel's rows, and their share of A*(w∘e). `rows` is how many there are in a panel that is not full.
    pub(super) fn panel(
        &self,
        program: &Program,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        (group, index): (Option<usize>, usize),
        rows: Option<usize>,
    ) -> Result<()> {
        let b = &self.bindings;
        let Sizes { p, splits, .. } = self.sizes;
        let panels = group.map_or(&b.panels, |group| &self.groups[group]);
        let (panel, full) = &panels[index];
        let (tiles, rows) = (self.sizes.tiles(count), rows.unwrap_or(*full));
        match &self.kernels.rows {
            RowKernels::One(gradient) => program.dispatch(pass, gradient, &b.rows[0], Some(panel), &[splits, count]),
            RowKernels::Two { forward, adjoint } => {
                let (high, wide) = self.sizes.covered();
                program.dispatch(pass, forward, &b.rows[0], Some(panel), &[tiles, rows.div_ceil(high)])?;
                program.dispatch(pass, adjoint, &b.rows[1], Some(panel), &[splits, tiles, p.div_ceil(wide)])
            }
        }
    }

    /// D = A*(w∘e)·V, and A*(w∘e)ᵀ·W below it.
    pub(super) fn product(
        &self,
        program: &Program,
        pass: &mut wgpu::ComputePass<'_>,
        count: usize,
        at: At,
    ) -> Result<()> {
        let (b, kernels) = (&self.bindings, &self.kernels);
        let Sizes { stride, tile, .. } = self.sizes;
        let blocks = self.sizes.n1.div_ceil(16) + if self.sizes.symmetric { 0 } else { self.sizes.n2.div_ceil(16) };
        let operands = match at {
            At::Current => &b.product_current,
            At::Single | At::Pair | At::Centred => &b.product_applied,
        };
        let numbers = self.sizes.tiles(count) * tile * stride;
        program.dispatch(pass, &kernels.reduce, &b.reduce, None, &[numbers.div_ceil(32)])?;
        program.dispatch(pass, &kernels.product, operands, None, &[count, blocks, self.sizes.k.div_ceil(16)])
    }
}
