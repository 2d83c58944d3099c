//! Groups of measurements: the uniforms that say where they begin and end.

use std::ops::Range;

use crate::engine::Load;
use crate::error::{Error, Result};
use crate::gpu::device::Device;
use crate::gpu::frame::Frame;
use crate::gpu::pipelines::Compiler;

/// Groups at most: each has bind groups of its own.
const MOST: usize = 1 << 16;

/// # Errors
/// [`Error::Unsupported`] for more groups than that.
pub(super) fn require_groups(load: &Load<'_>) -> Result<()> {
    match load.recipe.minibatches {
        Some(groups) if groups.count > MOST => Err(Error::Unsupported {
            what: format!("{} minibatches on the backend 'gpu', which has at most {MOST}", groups.count),
            fix: "use fewer, or the backend 'cpu'".into(),
        }),
        _ => Ok(()),
    }
}

/// Structs of four words in one buffer, each where a binding may begin.
pub(super) struct Uniforms {
    buffer: wgpu::Buffer,
    stride: u64,
}

impl Uniforms {
    pub(super) fn new(device: &Device, structs: &[[u32; 4]]) -> Self {
        let stride = device.raw().limits().min_uniform_buffer_offset_alignment.max(16);
        let words = stride as usize / 4;
        let mut content = vec![0_u32; structs.len().max(1) * words];
        content.chunks_mut(words).zip(structs).for_each(|(chunk, words)| chunk[..4].copy_from_slice(words));
        let buffer = device.raw().create_buffer(&wgpu::BufferDescriptor {
            label: Some("groups"),
            size: content.len() as u64 * 4,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        device.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&content));
        Self { buffer, stride: u64::from(stride) }
    }

    pub(super) fn at(&self, index: usize) -> wgpu::BindingResource<'_> {
        section(&self.buffer, index as u64 * self.stride, 16)
    }
}

/// So many bytes of a buffer.
pub(super) fn section(buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(bytes) })
}

fn words(range: &Range<usize>) -> [u32; 4] {
    // Measurements have 32 bits.
    [range.start as u32, range.end as u32, 0, 0]
}

/// Group 2 of kernels that go over the measurements of a group: of all of them, then of each group. None where there are no groups.
pub(super) fn spans(device: &Device, frame: &Frame) -> Vec<wgpu::BindGroup> {
    let Some(groups) = frame.recipe.minibatches else { return Vec::new() };
    let ranges = (0..groups.count).map(|group| frame.measurements_of(Some(group)));
    let structs: Vec<[u32; 4]> =
        [frame.measurements_of(None)].into_iter().chain(ranges).map(|range| words(&range)).collect();
    let (uniforms, compiler) = (Uniforms::new(device, &structs), Compiler::new(device, 0));
    (0..structs.len()).map(|index| compiler.bind_sections(vec![uniforms.at(index)])).collect()
}
