//! Upload of lists of nonzeros, of Pauli strings and of the masks of diffraction patterns.

use crate::error::Result;
use crate::gpu::buffers::UPLOAD_BYTES;
use crate::gpu::device::Device;
use crate::gpu::pass::lists::{Listed, Lists};
use crate::gpu::pass::patterns::Patterns;
use crate::gpu::pass::strings::{StringPanel, Strings};
use crate::gpu::pipelines::Compiler;
use crate::memory::product;
use crate::operators::GpuPatterns;

/// Words of a buffer for a list of so many: a binding of an array of pairs or quads holds at least one element.
pub(super) fn uploaded_words(words: usize) -> usize {
    words.max(4)
}

/// A buffer of so many words.
fn empty(device: &Device, label: &str, words: usize) -> wgpu::Buffer {
    let size = product(&[uploaded_words(words), 4]);
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    device.raw().create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
}

/// A buffer with these words.
fn upload(device: &Device, label: &str, words: &[u32]) -> Result<wgpu::Buffer> {
    let buffer = empty(device, label, words.len());
    let step = UPLOAD_BYTES / 4;
    for (at, words) in words.chunks(step).enumerate() {
        device.queue().write_buffer(&buffer, (at * step * 4) as u64, bytemuck::cast_slice(words));
        device.queue().submit([]);
        device.wait()?;
    }
    Ok(buffer)
}

/// Uploads and binds lists.
pub(super) struct Uploader<'a> {
    pub(super) device: &'a Device,
    pub(super) compiler: &'a Compiler,
    pub(super) double: bool,
}

impl Uploader<'_> {
    /// Group 2 of every call, numbered as in [`crate::gpu::pass::nonzeros::Domain`].
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory runs out.
    pub(super) fn all(&self, lists: &Lists) -> Result<Vec<wgpu::BindGroup>> {
        let mut groups = Vec::new();
        for panel in &lists.forward {
            let listed = self.listed(&panel.listed)?;
            let heads = upload(self.device, "where nonzeros of a measurement begin", &panel.offsets)?;
            groups.push(self.panel(&heads, &listed, [panel.first, panel.rows, panel.long]));
        }
        for panel in &lists.gather {
            let listed = self.listed(&panel.listed)?;
            for pieces in [&panel.short, &panel.long] {
                let heads = upload(self.device, "pieces of rows", bytemuck::cast_slice(pieces))?;
                groups.push(self.panel(&heads, &listed, [0, pieces.len(), 0]));
            }
        }
        Ok(groups)
    }

    /// Group 2 of the panels in order.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory runs out.
    pub(super) fn strings(&self, strings: &Strings) -> Result<Vec<wgpu::BindGroup>> {
        let of = |(at, panel): (usize, &StringPanel)| {
            let groups = upload(self.device, "groups of Pauli strings", bytemuck::cast_slice(&panel.groups))?;
            let strings = upload(self.device, "Pauli strings", bytemuck::cast_slice(&panel.strings))?;
            let uniform = self.uniform([panel.first, panel.groups.len(), usize::from(at == 0)]);
            Ok(self.compiler.bind_panel(&[&groups, &strings, &uniform]))
        };
        strings.panels.iter().enumerate().map(of).collect()
    }

    /// Group 2 of the panels in order: masks, roots of unity, and the struct `Panel`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where memory runs out.
    pub(super) fn patterns(&self, patterns: &Patterns, data: &dyn GpuPatterns) -> Result<Vec<wgpu::BindGroup>> {
        let turns = upload(self.device, "roots of unity", &self.words(&patterns.sizes.turns()))?;
        let (first, mut mask) =
            (patterns.panels.first().map_or(0, |panel| panel.start), vec![0.0; 2 << patterns.sizes.bits]);
        let mut groups = Vec::new();
        for panel in &patterns.panels {
            let bytes = mask.len() * if self.double { 8 } else { 4 };
            let masks = empty(self.device, "masks", panel.len() * bytes / 4);
            let mut waiting = 0;
            for (at, l) in panel.clone().enumerate() {
                data.write_mask(l, &mut mask);
                self.device.queue().write_buffer(&masks, (at * bytes) as u64, bytemuck::cast_slice(&self.words(&mask)));
                waiting += bytes;
                if waiting >= UPLOAD_BYTES || l + 1 == panel.end {
                    self.device.queue().submit([]);
                    self.device.wait()?;
                    waiting = 0;
                }
            }
            let uniform = self.uniform([panel.start - first, panel.len(), usize::from(panel.start == first)]);
            groups.push(self.compiler.bind_panel(&[&masks, &turns, &uniform]));
        }
        Ok(groups)
    }

    /// Numbers of the arithmetic as words.
    fn words(&self, numbers: &[f64]) -> Vec<u32> {
        if self.double {
            numbers.iter().map(|v| v.to_bits()).flat_map(|bits| [bits as u32, (bits >> 32) as u32]).collect()
        } else {
            numbers.iter().map(|&v| (v as f32).to_bits()).collect()
        }
    }

    fn listed(&self, listed: &Listed) -> Result<[wgpu::Buffer; 2]> {
        let values = self.words(&listed.values);
        let places = upload(self.device, "places of nonzeros", bytemuck::cast_slice(&listed.places))?;
        Ok([places, upload(self.device, "values of nonzeros", &values)?])
    }

    /// Group 2: the offsets, the lists, and the struct `Panel`.
    fn panel(&self, heads: &wgpu::Buffer, [places, values]: &[wgpu::Buffer; 2], panel: [usize; 3]) -> wgpu::BindGroup {
        self.compiler.bind_panel(&[heads, places, values, &self.uniform(panel)])
    }

    /// The struct `Panel`.
    fn uniform(&self, panel: [usize; 3]) -> wgpu::Buffer {
        let uniform = self.device.raw().create_buffer(&wgpu::BufferDescriptor {
            label: Some("panel"),
            size: 16,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let [first, rows, more] = panel.map(|word| word as u32);
        self.device.queue().write_buffer(&uniform, 0, bytemuck::cast_slice(&[first, rows, more, 0]));
        uniform
    }
}
