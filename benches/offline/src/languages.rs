//! Kernels in the languages of other graphics interfaces: HLSL for DirectX 12, MSL for Metal, GLSL for OpenGL ES.

use naga::back::{glsl, hlsl, msl};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ValidationFlags, Validator};

use crate::kernels::Kernel;
use crate::vulkan::Outcome;

const COMPUTE: naga::ShaderStage = naga::ShaderStage::Compute;

/// Translates a kernel; pairs of a file's extension and its text. There is no GLSL for kernels with subgroup operations, which wgpu
/// does not have on OpenGL ES.
///
/// # Errors
/// What naga refuses.
pub fn languages(kernel: &Kernel) -> Outcome<Vec<(&'static str, String)>> {
    let module = naga::front::wgsl::parse_str(&kernel.text).map_err(|e| e.emit_to_string(&kernel.text))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(&kernel.text))?;
    let entry = Some((COMPUTE, kernel.entry.clone()));
    let mut all = Vec::new();

    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        // wgpu brings the number of workgroups in a constant.
        special_constants_binding: Some(hlsl::BindTarget { space: 8, ..hlsl::BindTarget::default() }),
        zero_initialize_workgroup_memory: false,
        ..hlsl::Options::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions { entry_point: entry.clone() })
        .write(&module, &info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    all.push(("hlsl", text));

    let options =
        msl::Options { lang_version: (2, 4), zero_initialize_workgroup_memory: false, ..msl::Options::default() };
    let pipeline = msl::PipelineOptions { entry_point: entry, ..msl::PipelineOptions::default() };
    let (text, _) = msl::write_string(&module, &info, &options, &pipeline).map_err(|e| format!("MSL: {e}"))?;
    all.push(("metal", text));

    if !kernel.text.contains("subgroupAdd") {
        let options = glsl::Options { zero_initialize_workgroup_memory: false, ..glsl::Options::default() };
        let pipeline =
            glsl::PipelineOptions { shader_stage: COMPUTE, entry_point: kernel.entry.clone(), multiview: None };
        let mut text = String::new();
        glsl::Writer::new(&mut text, &module, &info, &options, &pipeline, BoundsCheckPolicies::default())
            .and_then(|mut writer| writer.write())
            .map_err(|e| format!("GLSL: {e}"))?;
        all.push(("comp", text));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use lowrank::operators::Storage;

    use super::*;
    use crate::kernels::{Grid, kernels};

    #[test]
    fn every_kernel_is_translated_for_directx_metal_and_opengl() {
        let storages = vec![Storage::F32, Storage::F16];
        let grid = Grid { sizes: vec![50], batches: vec![1, 64], storages, everything: true };
        let kernels = kernels(&grid).unwrap();
        assert!(kernels.len() > 300, "{}", kernels.len());
        for kernel in &kernels {
            let found = languages(kernel).unwrap_or_else(|e| panic!("{} {}: {e}", kernel.operator, kernel.name));
            for (language, text) in found {
                assert!(text.len() > 300, "{} as {language}: {text}", kernel.name);
            }
        }
    }
}
