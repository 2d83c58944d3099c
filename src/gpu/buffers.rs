//! Buffers, panels and transfers.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::gpu::device::Device;
use crate::gpu::wait;
use crate::operators::{GpuPlan, GpuSource};

/// Guard words behind an output in paranoid mode.
pub(super) const GUARD_WORDS: usize = 64;
/// Approximate bytes per piece of an upload; this bounds the host memory taken.
pub(super) const UPLOAD_BYTES: usize = 16 << 20;
/// Largest binding used, even where the adapter offers more: some drivers count bytes in signed 32-bit numbers.
const LARGEST_BINDING: u64 = i32::MAX as u64;

/// Nominal bytes of a panel whose rows are generated, as if they were stored. 2²⁵ numbers take less than a tenth of a
/// second on a slow adapter and are enough to fill a fast one.
const MADE_BYTES: u64 = 128 << 20;

/// Words per number of the kernels' arithmetic.
pub(super) fn real_words(precision: Precision) -> usize {
    match precision {
        Precision::F32 | Precision::Mixed => 1,
        Precision::F64 => 2,
    }
}

/// A storage buffer of `words` 4-byte words, with guard words behind them on request.
pub(super) struct Storage {
    pub(super) label: Cow<'static, str>,
    pub(super) words: usize,
    /// Words per number.
    pub(super) number_words: usize,
    pub(super) buffer: wgpu::Buffer,
    /// Staging buffer for reads, made by the first read and kept.
    staging: RefCell<Option<wgpu::Buffer>>,
}

impl Storage {
    /// # Errors
    /// [`Error::Device`] where the adapter cannot bind that much or has no memory left.
    pub(super) fn new(
        device: &Device,
        label: impl Into<Cow<'static, str>>,
        numbers: usize,
        number_words: usize,
        guarded: bool,
    ) -> Result<Self> {
        let (label, words) = (label.into(), numbers.saturating_mul(number_words));
        let guard = if guarded { GUARD_WORDS } else { 0 };
        let size = (words as u64).saturating_add(guard as u64).saturating_mul(4);
        let limit = largest_binding(device);
        if size > limit {
            return Err(device.error(
                format!("{label} needs {size} bytes in one buffer and the adapter binds at most {limit}"),
                "use a smaller batch or a smaller problem, or the backend 'cpu'",
            ));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let descriptor = wgpu::BufferDescriptor { label: Some(&*label), size, usage, mapped_at_creation: false };
        let buffer = device.raw().create_buffer(&descriptor);
        Ok(Self { label, words, number_words, buffer, staging: RefCell::new(None) })
    }

    /// Count of numbers in the buffer.
    pub(super) fn numbers(&self) -> usize {
        self.words / self.number_words
    }

    /// Overwrites numbers from `first` on, rounded to f32 where the buffer holds f32.
    pub(super) fn write_at(&self, device: &Device, first: usize, values: &[f64]) {
        let offset = (first * self.number_words * 4) as u64;
        if self.number_words == 2 {
            device.queue().write_buffer(&self.buffer, offset, bytemuck::cast_slice(values));
        } else {
            let rounded: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            device.queue().write_buffer(&self.buffer, offset, bytemuck::cast_slice(&rounded));
        }
    }

    /// Reads the whole content.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub(super) fn read_numbers(&self, device: &Device) -> Result<Vec<f64>> {
        // The staging buffer is not put back after a failure: it may still be mapped.
        let staging = self.staging.take().unwrap_or_else(|| staging(device, self.words));
        let words = read_through(device, &self.buffer, 0, &staging)?;
        self.staging.replace(Some(staging));
        Ok(self.numbers_of(&words))
    }

    /// Reads `numbers` numbers from `first` on.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub(super) fn read_at(&self, device: &Device, first: usize, numbers: usize) -> Result<Vec<f64>> {
        if (first, numbers) == (0, self.numbers()) {
            return self.read_numbers(device);
        }
        let staging = staging(device, numbers * self.number_words);
        let words = read_through(device, &self.buffer, (first * self.number_words * 4) as u64, &staging)?;
        Ok(self.numbers_of(&words))
    }

    fn numbers_of(&self, words: &[u32]) -> Vec<f64> {
        if self.number_words == 2 {
            words.chunks_exact(2).map(|w| f64::from_bits(u64::from(w[1]) << 32 | u64::from(w[0]))).collect()
        } else {
            words.iter().map(|&w| f64::from(f32::from_bits(w))).collect()
        }
    }
}

/// Largest binding in bytes, a multiple of 256.
pub(super) fn largest_binding(device: &Device) -> u64 {
    let limits = device.raw().limits();
    limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(LARGEST_BINDING) / 256 * 256
}

/// The first `words` words of a buffer.
///
/// # Errors
/// [`Error::Device`].
pub(super) fn read(device: &Device, source: &wgpu::Buffer, words: usize) -> Result<Vec<u32>> {
    read_through(device, source, 0, &staging(device, words))
}

fn staging(device: &Device, words: usize) -> wgpu::Buffer {
    device.raw().create_buffer(&wgpu::BufferDescriptor {
        label: Some("readback"),
        size: words as u64 * 4,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// Reads a buffer from byte `offset` on, as much as `staging` holds. `staging` is unmapped before and after.
fn read_through(device: &Device, source: &wgpu::Buffer, offset: u64, staging: &wgpu::Buffer) -> Result<Vec<u32>> {
    let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(source, offset, staging, 0, staging.size());
    device.queue().submit([encoder.finish()]);
    let (sender, receiver) = std::sync::mpsc::channel();
    staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
        // The receiver lives until this function returns, and this function waits for the callback.
        let _ = sender.send(mapped);
    });
    device.wait()?;
    let fix = "start again, or use the backend 'cpu'";
    // Where threads share the device, another thread's wait may run the callback a moment later.
    match wait::answer(&receiver, Duration::from_secs(10)) {
        Some(Ok(())) => {}
        Some(Err(e)) => return Err(device.error(format!("reading back failed: {e}"), fix)),
        None => return Err(device.error("reading back failed: the driver did not answer", fix)),
    }
    let view = staging.get_mapped_range(..).map_err(|e| device.error(format!("reading back failed: {e}"), fix))?;
    let values = bytemuck::pod_collect_to_vec(&view);
    drop(view);
    staging.unmap();
    Ok(values)
}

/// Some rows of the measurement data, in one binding.
#[derive(Clone)]
pub(super) struct Panel {
    pub(super) rows: usize,
    /// Stored rows; None where rows are generated.
    pub(super) data: Option<wgpu::Buffer>,
    /// The struct `Panel` of the operator's shader.
    pub(super) uniform: wgpu::Buffer,
}

impl Panel {
    /// A panel with room for the rows `range`, not yet written.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more rows than shaders can count.
    pub(super) fn empty(device: &Device, plan: &GpuPlan, range: Range<usize>) -> Result<Self> {
        let data = plan.made().is_none().then(|| {
            device.raw().create_buffer(&wgpu::BufferDescriptor {
                label: Some("measurements"),
                size: (range.len() * plan.row_words() * 4) as u64,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        Ok(Self { rows: range.len(), data, uniform: header(device, range)? })
    }

    /// Buffers bound in group 2.
    pub(super) fn buffers(&self) -> Vec<&wgpu::Buffer> {
        self.data.iter().chain([&self.uniform]).collect()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.data.as_ref().map_or(0, wgpu::Buffer::size)
    }
}

/// Panels over `rows`, in order, of at most `bytes` each and at least one row.
pub(super) fn panel_ranges(rows: Range<usize>, row_bytes: usize, bytes: u64) -> Vec<Range<usize>> {
    let each = usize::try_from(bytes / row_bytes.max(1) as u64).unwrap_or(usize::MAX).clamp(1, rows.len().max(1));
    rows.clone().step_by(each).map(|first| first..rows.end.min(first + each)).collect()
}

/// Largest panel in bytes: the adapter's binding limit, or less where `panel_bytes` forces that.
///
/// # Errors
/// [`Error::Device`] where a row does not fit in a binding.
pub(super) fn largest_panel(device: &Device, plan: &GpuPlan, panel_bytes: Option<u64>) -> Result<u64> {
    if plan.made().is_some() {
        return Ok(panel_bytes.unwrap_or(MADE_BYTES));
    }
    let limit = largest_binding(device);
    let row_bytes = plan.row_words() * 4;
    if row_bytes as u64 > limit {
        return Err(device.error(
            format!("one measurement needs {row_bytes} bytes and the adapter binds at most {limit}"),
            "use another adapter or the backend 'cpu'",
        ));
    }
    Ok(panel_bytes.unwrap_or(limit).min(limit))
}

/// A panel with the rows `range`.
///
/// # Errors
/// [`Error::Device`] where memory runs out.
pub(super) fn upload_panel(
    device: &Device,
    source: &dyn GpuSource,
    plan: &GpuPlan,
    range: Range<usize>,
) -> Result<Panel> {
    device.checked("uploading the measurements", || {
        let panel = Panel::empty(device, plan, range.clone())?;
        let mut words = vec![0; (UPLOAD_BYTES / (plan.row_words() * 4)).clamp(1, range.len()) * plan.row_words()];
        write_panel(device, source, plan, range, &panel, &mut words, true)?;
        Ok(panel)
    })
}

/// Writes the rows `range` through `words`, in pieces that fit it. Without `at_once` the copies wait on the host for
/// the next submission.
pub(super) fn write_panel(
    device: &Device,
    source: &dyn GpuSource,
    plan: &GpuPlan,
    range: Range<usize>,
    panel: &Panel,
    words: &mut [u32],
    at_once: bool,
) -> Result<()> {
    // Generated rows need no write.
    let Some(data) = &panel.data else { return Ok(()) };
    let step = words.len() / plan.row_words();
    for first in range.clone().step_by(step) {
        let rows = first..range.end.min(first + step);
        let words = &mut words[..rows.len() * plan.row_words()];
        source.write_rows(plan, rows, words);
        let offset = (first - range.start) * plan.row_words() * 4;
        device.queue().write_buffer(data, offset as u64, bytemuck::cast_slice(words));
        if at_once {
            // A submission releases the copy; without one, the copies of a whole panel would accumulate on the host.
            device.queue().submit([]);
            device.wait()?;
        }
    }
    Ok(())
}

/// The struct `Panel` of the shaders for these rows.
fn header(device: &Device, rows: Range<usize>) -> Result<wgpu::Buffer> {
    let uniform = device.raw().create_buffer(&wgpu::BufferDescriptor {
        label: Some("panel"),
        size: 16,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let begins = rows.start == 0;
    write_header(device, &uniform, rows, begins)?;
    Ok(uniform)
}

/// Sets the rows of a panel and whether it is the first of a gradient.
pub(super) fn write_header(device: &Device, uniform: &wgpu::Buffer, rows: Range<usize>, begins: bool) -> Result<()> {
    let word = |value: usize| u32::try_from(value).map_err(|_| too_many(value));
    let words = [word(rows.start)?, word(rows.len())?, u32::from(begins), 0];
    device.queue().write_buffer(uniform, 0, bytemuck::cast_slice(&words));
    Ok(())
}

/// The first `rows` rows of the first panel, or all of them, without a copy.
pub(super) fn short_panel(device: &Device, panel: &Panel, rows: usize) -> Result<Panel> {
    device.checked("preparing the choice of kernels", || {
        let rows = rows.min(panel.rows);
        Ok(Panel { rows, data: panel.data.clone(), uniform: header(device, 0..rows)? })
    })
}

fn too_many(found: usize) -> Error {
    Error::invalid("measurements", found, "at most 2³² − 1 on the backend 'gpu'", "use the backend 'cpu'")
}

#[cfg(test)]
mod tests {
    use super::panel_ranges;

    #[test]
    fn panels_cover_all_rows_in_order() {
        assert_eq!(panel_ranges(0..5, 256, 512), [0..2, 2..4, 4..5]);
        assert_eq!(panel_ranges(0..5, 256, 1), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(panel_ranges(0..5, 256, u64::MAX).first(), Some(&(0..5)));
        assert_eq!(panel_ranges(3..6, 256, 512), [3..5, 5..6]);
        assert!(panel_ranges(3..3, 256, 512).is_empty());
    }
}
