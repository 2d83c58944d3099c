//! A kernel with a known result, which detects a driver that executes nothing before a run begins.

use crate::error::Result;
use crate::gpu::buffers::read;
use crate::gpu::device::Device;
use crate::gpu::text::{CANARY, Texts};

/// Words that the kernel changes, in four workgroups.
const WORDS: u32 = 256;
/// Factor in `shaders/device/canary.wgsl`.
const FACTOR: u32 = 1_664_525;

/// Runs the kernel once per device and compares its output with the known result.
///
/// # Errors
/// [`crate::Error::Device`] naming the driver, where the output differs; device failures.
pub(super) fn require_work(device: &Device, texts: &Texts<'_>) -> Result<()> {
    let text = texts.compose("canary", String::new(), &[CANARY], str::to_owned)?.text;
    if device.is_proven() && text == CANARY.1 {
        return Ok(());
    }
    let given: Vec<u32> = (0..WORDS).map(|at| at ^ 0x5a5a_5a5a).collect();
    let found = device.checked("running a kernel with a known result", || run(device, &text, &given))?;
    let wanted = given.iter().zip(0..).map(|(word, at)| word.wrapping_mul(FACTOR).wrapping_add(at));
    if found.iter().copied().eq(wanted) {
        device.set_proven();
        return Ok(());
    }
    let what = if found == given { "executed no kernel" } else { "gave wrong numbers" };
    let message = format!("the driver '{}' {what} in a test with a known result", device.driver());
    Err(device.error(message, "update the driver, choose another adapter, or use the backend 'cpu'"))
}

fn run(device: &Device, text: &str, given: &[u32]) -> Result<Vec<u32>> {
    let raw = device.raw();
    let source = wgpu::ShaderSource::Wgsl(text.into());
    let module = raw.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("canary"), source });
    let pipeline = raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("canary"),
        layout: None,
        module: &module,
        entry_point: Some("canary"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let buffer = raw.create_buffer(&wgpu::BufferDescriptor {
        label: Some("canary"),
        size: u64::from(WORDS) * 4,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    device.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(given));
    let bindings = raw.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("canary"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
    });
    let mut encoder = raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups(WORDS / 64, 1, 1);
    }
    device.queue().submit([encoder.finish()]);
    read(device, &buffer, given.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_the_kernels() {
        assert!(CANARY.1.contains(&format!("* {FACTOR}u + at.x")) && CANARY.1.contains("workgroup_size(64)"));
    }
}
