//! Compute pipelines under the binding rule of `shaders/README.md`: group 0 has the active slots, group 1 a kernel's
//! operands, group 2 a panel of measurements.

use std::cell::OnceCell;
use std::sync::Arc;
use web_time::Instant;

use crate::engine::options::Checks;
use crate::error::{Error, Result};
use crate::gpu::buffers::Storage;
use crate::gpu::compiled::Origin;
pub(super) use crate::gpu::compiled::{Access, Kernel, Read};
use crate::gpu::device::Device;
use crate::gpu::text::Module;

/// A module, compiled when one of its kernels is first needed.
pub(super) struct Source {
    name: &'static str,
    text: Arc<str>,
    checks: Checks,
    module: OnceCell<wgpu::ShaderModule>,
}

/// Compiler of kernels whose group 2, if present, is `panel`.
pub(super) struct Compiler {
    device: Device,
    /// Number of data buffers per panel.
    data: u32,
    slots: wgpu::BindGroupLayout,
    panel: wgpu::BindGroupLayout,
    /// First binding of a panel's data.
    first: u32,
}

/// A module with these checks of indices and loops.
fn trusted(device: &wgpu::Device, label: &str, text: &str, checks: Checks) -> wgpu::ShaderModule {
    let all = checks == Checks::All;
    let runtime = wgpu::ShaderRuntimeChecks {
        bounds_checks: all,
        force_loop_bounding: all || checks == Checks::Loops,
        ..wgpu::ShaderRuntimeChecks::checked()
    };
    let source = wgpu::ShaderSource::Wgsl(text.into());
    // SAFETY: the text is this library's own. Its indices come from counts that the host has checked against the buffers
    // (lists of users too), its loops count towards an end (tests/library/trusted.rs), and texts with deliberate faults have
    // every check. Divisions keep theirs: compilers remove it where the divisor is a constant.
    unsafe { device.create_shader_module_trusted(wgpu::ShaderModuleDescriptor { label: Some(label), source }, runtime) }
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

impl Compiler {
    /// A compiler for panels of `data` storage buffers followed by a uniform, at binding 1 or later.
    pub(super) fn new(device: &Device, data: u32) -> Self {
        let slots = layout(device, "slots", &[storage(0, Read)]);
        let mut entries: Vec<_> = (0..data).map(|binding| storage(binding, Read)).collect();
        entries.push(entry(data.max(1), wgpu::BufferBindingType::Uniform));
        let panel = layout(device, "panel", &entries);
        Self { device: device.clone(), data, slots, panel, first: if data == 0 { 1 } else { 0 } }
    }

    pub(super) fn module(&self, module: &Module) -> Source {
        let Module { name, ref text, checks, .. } = *module;
        Source { name, text: text.as_str().into(), checks, module: OnceCell::new() }
    }

    pub(super) fn kernel(&self, source: &Source, entry: &str, first: u32, operands: &[Access], panel: bool) -> Kernel {
        let origin = Origin {
            text: Arc::clone(&source.text),
            checks: source.checks,
            entry: entry.to_owned(),
            first_binding: first,
            operands: operands.to_vec(),
            panel: panel.then_some(self.data),
        };
        let compiled = self.device.compiled();
        if let Some(kernel) = compiled.lock().get(&origin) {
            return kernel.clone();
        }
        let begin = Instant::now();
        let kernel = self.compile(source, entry, first, operands, panel);
        compiled.took(source.name, begin.elapsed());
        compiled.keep(origin, &kernel);
        kernel
    }

    fn compile(&self, source: &Source, entry: &str, first: u32, operands: &[Access], panel: bool) -> Kernel {
        let device = &self.device;
        let module = source.module.get_or_init(|| trusted(device.raw(), source.name, &source.text, source.checks));
        let entries: Vec<_> = (first..).zip(operands).map(|(at, &access)| storage(at, access)).collect();
        let operands = layout(device, entry, &entries);
        let groups = [Some(&self.slots), Some(&operands), Some(&self.panel)];
        let layout = device.raw().create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(entry),
            bind_group_layouts: if panel { &groups } else { &groups[..2] },
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
    }

    /// Bind group 0: the active slots.
    pub(super) fn bind_slots(&self, slots: &wgpu::Buffer) -> wgpu::BindGroup {
        bind(&self.device, &self.slots, 0, &[slots])
    }

    /// Bind group 2: the data, then the uniform.
    pub(super) fn bind_panel(&self, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        bind(&self.device, &self.panel, self.first, buffers)
    }

    /// Bind group 2 from parts of buffers.
    pub(super) fn bind_sections(&self, sections: Vec<wgpu::BindingResource<'_>>) -> wgpu::BindGroup {
        bind_resources(&self.device, &self.panel, self.first, sections)
    }
}

impl Kernel {
    /// Bind group 1: the operands in the order of the shader.
    pub(super) fn bind(&self, device: &Device, operands: &[&Storage]) -> wgpu::BindGroup {
        let operands: Vec<&wgpu::Buffer> = operands.iter().map(|storage| &storage.buffer).collect();
        bind(device, &self.operands, self.first_binding, &operands)
    }
}

fn bind(device: &Device, layout: &wgpu::BindGroupLayout, first: u32, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
    bind_resources(device, layout, first, buffers.iter().map(|buffer| buffer.as_entire_binding()).collect())
}

fn bind_resources(
    device: &Device,
    layout: &wgpu::BindGroupLayout,
    first: u32,
    resources: Vec<wgpu::BindingResource<'_>>,
) -> wgpu::BindGroup {
    let entries: Vec<_> =
        (first..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    device.raw().create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}

/// Workgroups x, y, z with x·y·z ≥ count and little excess.
///
/// # Errors
/// [`Error::Device`] where `count` exceeds 32 bits.
pub(super) fn fold(device: &Device, count: u64) -> Result<[u32; 3]> {
    let most = u64::from(device.raw().limits().max_compute_workgroups_per_dimension.max(1));
    fold_at(most, count).ok_or_else(|| -> Error {
        device.error(
            format!("a kernel would need {count} workgroups"),
            "use a smaller batch or a smaller problem, or the backend 'cpu'",
        )
    })
}

/// [`fold`] for a dimension of at most `most`.
pub(super) fn fold_at(most: u64, count: u64) -> Option<[u32; 3]> {
    let z = count.div_ceil(most.saturating_mul(most)).max(1);
    let y = count.div_ceil(z).div_ceil(most).max(1);
    let x = count.div_ceil(z * y);
    // Kernels compute the linear index, which runs to x·y·z, in 32 bits.
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
