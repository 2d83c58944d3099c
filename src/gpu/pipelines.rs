//! Compute pipelines under the binding law of `shaders/README.md`: group 0 the active slots, group 1 a kernel's
//! operands, group 2 a panel of measurements.

use crate::error::{Error, Result};
use crate::gpu::device::Device;
use crate::gpu::shaders::{Module, Modules};
use crate::gpu::sizes::Sizes;

/// How a kernel uses an operand.
#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}
use Access::{Read, Write};

/// A compiled kernel and the layout of its operands.
pub(super) struct Kernel {
    pub(super) pipeline: wgpu::ComputePipeline,
    operands: wgpu::BindGroupLayout,
    first_binding: u32,
}

/// The kernels that read the measurement data.
pub(super) enum RowKernels {
    /// One pass over a panel each.
    Two { forward: Kernel, adjoint: Kernel },
    /// Residuals and partial sums in one dispatch a panel.
    One(Kernel),
}

/// Every kernel of the iteration.
pub(super) struct Kernels {
    slots: wgpu::BindGroupLayout,
    panel: wgpu::BindGroupLayout,
    pub(super) outer_single: Kernel,
    pub(super) outer_pair: Kernel,
    pub(super) rows: RowKernels,
    pub(super) reduce: Kernel,
    pub(super) product: Kernel,
    pub(super) update: Kernel,
    pub(super) around_centre: Kernel,
}

fn entry(binding: u32, ty: wgpu::BufferBindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

fn storage(binding: u32, access: Access) -> wgpu::BindGroupLayoutEntry {
    entry(binding, wgpu::BufferBindingType::Storage { read_only: matches!(access, Read) })
}

fn layout(device: &Device, label: &str, entries: &[wgpu::BindGroupLayoutEntry]) -> wgpu::BindGroupLayout {
    let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some(label), entries };
    device.raw().create_bind_group_layout(&descriptor)
}

impl Kernels {
    /// Compiles the modules.
    ///
    /// # Errors
    /// [`Error::Device`] with the message of the shader compiler.
    pub(super) fn new(device: &Device, modules: &Modules, sizes: &Sizes) -> Result<Self> {
        device.checked("compiling the kernels", || {
            let slots = layout(device, "slots", &[storage(0, Read)]);
            let uniform = entry(1, wgpu::BufferBindingType::Uniform);
            let entries = [storage(0, Read), uniform];
            let panel = layout(device, "panel", if sizes.made { &entries[1..] } else { &entries });
            let compile = |module: &Module| {
                device.raw().create_shader_module(wgpu::ShaderModuleDescriptor {
                    label: Some(module.name),
                    source: wgpu::ShaderSource::Wgsl(module.text.as_str().into()),
                })
            };
            let kernel = |module: &wgpu::ShaderModule, entry: &str, first: u32, operands: &[Access], panel| {
                let entries: Vec<_> = (first..).zip(operands).map(|(at, &access)| storage(at, access)).collect();
                let operands = layout(device, entry, &entries);
                let groups = [Some(&slots), Some(&operands), panel];
                let layout = device.raw().create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some(entry),
                    bind_group_layouts: if panel.is_some() { &groups } else { &groups[..2] },
                    immediate_size: 0,
                });
                let pipeline = device.raw().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(entry),
                    layout: Some(&layout),
                    module,
                    entry_point: Some(entry),
                    // Every kernel writes its workgroup memory before it reads it.
                    compilation_options: wgpu::PipelineCompilationOptions {
                        zero_initialize_workgroup_memory: false,
                        ..Default::default()
                    },
                    cache: None,
                });
                Kernel { pipeline, operands, first_binding: first }
            };
            let operator = compile(&modules.operator);
            let rows = if sizes.variant.strategy.owns_rows() {
                RowKernels::One(kernel(&operator, "gradient", 0, &[Read, Read, Read, Write, Write], Some(&panel)))
            } else {
                RowKernels::Two {
                    forward: kernel(&operator, "forward", 0, &[Read, Read, Write], Some(&panel)),
                    adjoint: kernel(&operator, "adjoint_apply", 3, &[Read, Read, Write], Some(&panel)),
                }
            };
            Ok(Self {
                rows,
                outer_single: kernel(&compile(&modules.single), "outer_product", 0, &[Read, Read, Write], None),
                outer_pair: kernel(&compile(&modules.pair), "outer_product", 0, &[Read, Read, Write], None),
                reduce: kernel(&compile(&modules.reduce), "reduce", 0, &[Read, Write], None),
                product: kernel(&compile(&modules.gradient_product), "gradient_product", 0, &[Read, Read, Write], None),
                update: kernel(&compile(&modules.update), "update", 0, &[Read, Read, Read, Write], None),
                around_centre: {
                    let operands = [Read, Read, Write, Write];
                    kernel(&compile(&modules.around_centre), "around_centre", 0, &operands, None)
                },
                slots,
                panel,
            })
        })
    }

    /// Group 0.
    pub(super) fn bind_slots(&self, device: &Device, slots: &wgpu::Buffer) -> wgpu::BindGroup {
        bind(device, &self.slots, 0, &[slots])
    }

    /// Group 2: the rows, where they are stored, and which ones they are.
    pub(super) fn bind_panel(
        &self,
        device: &Device,
        data: Option<&wgpu::Buffer>,
        uniform: &wgpu::Buffer,
    ) -> wgpu::BindGroup {
        match data {
            Some(data) => bind(device, &self.panel, 0, &[data, uniform]),
            None => bind(device, &self.panel, 1, &[uniform]),
        }
    }
}

impl Kernel {
    /// Group 1: the operands in the order of the shader.
    pub(super) fn bind(&self, device: &Device, operands: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        bind(device, &self.operands, self.first_binding, operands)
    }
}

fn bind(device: &Device, layout: &wgpu::BindGroupLayout, first: u32, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
    let entries: Vec<_> = (first..)
        .zip(buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    device.raw().create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}

/// Workgroups x, y, z with x·y·z ≥ count and as few too many as possible.
///
/// # Errors
/// [`Error::Device`] where `count` has more than 32 bits.
pub(super) fn fold(device: &Device, count: u64) -> Result<[u32; 3]> {
    let most = u64::from(device.raw().limits().max_compute_workgroups_per_dimension.max(1));
    fold_at(most, count).ok_or_else(|| -> Error {
        device.error(
            format!("a kernel would need {count} workgroups"),
            "use a smaller batch or a smaller problem, or the backend 'cpu'",
        )
    })
}

fn fold_at(most: u64, count: u64) -> Option<[u32; 3]> {
    let z = count.div_ceil(most.saturating_mul(most)).max(1);
    let y = count.div_ceil(z).div_ceil(most).max(1);
    let x = count.div_ceil(z * y);
    // The kernels compute the linear index, which runs to x·y·z, in 32 bits.
    if z > most || x * y * z > u64::from(u32::MAX) {
        return None;
    }
    Some([u32::try_from(x).ok()?, u32::try_from(y).ok()?, u32::try_from(z).ok()?])
}

#[cfg(test)]
mod tests {
    use super::fold_at;

    #[test]
    fn grids_cover_the_count_within_the_limit() {
        for most in [1_u64, 2, 7, 65_535] {
            for count in [1, 2, 3, 7, 8, 48, 49, 50, 65_535, 65_536, 70_000, 4_294_000_000] {
                let Some(grid) = fold_at(most, count) else {
                    assert!(count > most.pow(3) || most < 65_535);
                    continue;
                };
                assert!(grid.iter().all(|&extent| extent >= 1 && u64::from(extent) <= most));
                assert!(grid.iter().map(|&extent| u64::from(extent)).product::<u64>() >= count);
            }
        }
        assert_eq!(fold_at(65_535, 65_536), Some([32_768, 2, 1]));
        assert_eq!(fold_at(65_535, 1 << 33), None);
    }
}
