//! Groups of measurements that take turns: the uniforms of their bounds, and the rows of each.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::gpu::buffers::Panel;
use crate::gpu::device::Device;
use crate::gpu::dispatch::Bound;
use crate::gpu::pipelines::Compiler;
use crate::tape::{Minibatches, Op, Program};

/// Largest number of groups: each has its own bind groups.
const MOST: usize = 1 << 16;

/// # Errors
/// [`Error::Unsupported`] for more groups.
pub(super) fn require_groups(program: &Program) -> Result<()> {
    let of = |op: &Op| match op {
        Op::Pass(pass) => pass.group,
        Op::Energy { group, .. } => *group,
        _ => None,
    };
    match program.steps().filter_map(|step| of(&step.op)).find(|groups| groups.count > MOST) {
        Some(groups) => Err(Error::Unsupported {
            what: format!("{} minibatches on the backend 'gpu' (at most {MOST})", groups.count),
            fix: "use fewer, or the backend 'cpu'".into(),
        }),
        None => Ok(()),
    }
}

/// Structs of four words in one buffer, each at a valid binding offset.
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

/// A range of bytes of a buffer.
fn section(buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> wgpu::BindingResource<'_> {
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(bytes) })
}

/// Rows of each group in the first `resident` panels, which hold the first measurements. Streamed panels begin the sums
/// of a group whose first rows are not resident. A group without rows has a panel without rows, which sets its sums to
/// 0.
///
/// # Errors
/// [`Error::Device`].
pub(super) fn cut(
    device: &Device,
    groups: Minibatches,
    measurements: usize,
    row_words: usize,
    panels: &[Panel],
    resident: usize,
) -> Result<Vec<Vec<Bound>>> {
    let mut end = 0;
    let placed = panels[..resident].iter().map(|panel| {
        end += panel.rows;
        end - panel.rows..end
    });
    let placed: Vec<Range<usize>> = placed.collect();
    // (group, panel, rows of the panel before those of the group), with the header.
    let (mut pieces, mut headers) = (Vec::new(), Vec::new());
    for group in 0..groups.count {
        let range = groups.range(group, measurements);
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
    let mut bound = vec![Vec::new(); groups.count];
    let row_bytes = row_words as u64 * 4;
    let made = panels.first().is_none_or(|panel| panel.data.is_none());
    device.checked("binding groups of measurements", || {
        let (uniforms, compiler) = (Uniforms::new(device, &headers), Compiler::new(device, u32::from(!made)));
        for (at, (group, panel, before)) in pieces.into_iter().enumerate() {
            let rows = headers[at][1] as usize;
            let data = (panels[panel].data.as_ref())
                .map(|data| section(data, before as u64 * row_bytes, rows.max(1) as u64 * row_bytes));
            let sections = data.into_iter().chain([uniforms.at(at)]).collect();
            bound[group].push(Bound { panel: compiler.bind_sections(sections), rows });
        }
        Ok(bound)
    })
}
