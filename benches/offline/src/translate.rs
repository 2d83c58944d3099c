//! WGSL to SPIR-V with the options of wgpu's Vulkan backend.

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

use crate::kernels::Kernel;
use crate::vulkan::{Binary, Bound, Outcome};

/// A kernel as SPIR-V, and the threads of a workgroup.
pub struct Translated {
    pub binary: Binary,
    pub threads: u32,
    /// Bytes of its workgroup memory.
    pub shared: u32,
}

/// Translates a kernel. `checked`: with the checks of indices and loops that wgpu adds; buffers are left to a driver that
/// `bounds_buffers`.
///
/// # Errors
/// What naga refuses.
pub fn translate(kernel: &Kernel, checked: bool, bounds_buffers: bool) -> Outcome<Translated> {
    let module = naga::front::wgsl::parse_str(&kernel.text).map_err(|e| e.emit_to_string(&kernel.text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(&kernel.text))?;
    let at = module.entry_points.iter().position(|entry| entry.name == kernel.entry).ok_or("no such entry")?;
    let entry = &module.entry_points[at];
    let used = info.get_entry_point(at);
    let mut bindings = Vec::new();
    for (handle, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else { continue };
        let kind = match variable.space {
            naga::AddressSpace::Uniform => Bound::Uniform,
            _ => Bound::Storage,
        };
        if !used[handle].is_empty() {
            bindings.push((binding.group, binding.binding, kind));
        }
    }
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
    let shared = module
        .global_variables
        .iter()
        .filter(|(handle, variable)| variable.space == naga::AddressSpace::WorkGroup && !used[*handle].is_empty());
    let shared = shared.map(|(_, variable)| layouter[variable.ty].size).sum();
    let guard = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        bounds_check_policies: BoundsCheckPolicies {
            index: guard,
            buffer: if bounds_buffers { BoundsCheckPolicy::Unchecked } else { guard },
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..spv::Options::default()
    };
    let stage = naga::ShaderStage::Compute;
    let pipeline = spv::PipelineOptions { shader_stage: stage, entry_point: kernel.entry.clone() };
    let spirv = spv::write_vec(&module, &info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
    let binary = Binary { spirv, entry: kernel.entry.clone(), bindings };
    Ok(Translated { binary, threads: entry.workgroup_size.iter().product(), shared })
}
