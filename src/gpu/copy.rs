//! Bandwidth of a device's own memory copies: the limit for kernels over stored matrices.

use web_time::Instant;

use crate::error::Result;
use crate::gpu::buffers::largest_binding;
use crate::gpu::device::Device;

/// Seconds of one buffer copy, for each of `samples`, and the bytes of the buffer: `bytes`, or the adapter's binding
/// limit. A sample is a submission of several copies around one wait. A copy reads and writes every byte.
///
/// # Errors
/// [`crate::Error::Device`] where memory runs out or the device fails.
pub fn copy_times(device: &Device, bytes: usize, samples: usize) -> Result<(Vec<f64>, usize)> {
    let size = (bytes as u64).min(largest_binding(device)).max(256) / 256 * 256;
    device.checked("measuring copies", || {
        let create = |label| {
            let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            device.raw().create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let buffers = [create(Some("from")), create(Some("to"))];
        let run = |copies: usize| -> Result<f64> {
            let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for copy in 0..copies {
                encoder.copy_buffer_to_buffer(&buffers[copy % 2], 0, &buffers[(copy + 1) % 2], 0, size);
            }
            let begin = Instant::now();
            device.queue().submit([encoder.finish()]);
            device.wait()?;
            Ok(begin.elapsed().as_secs_f64() / copies as f64)
        };
        // The first copies also allocate the pages. Then the number of copies is set to about 50 ms, so that waiting
        // does not count.
        run(2)?;
        let copies = ((0.05 / run(2)?.max(1e-7)) as usize).clamp(1, 200);
        let times = (0..samples.max(1)).map(|_| run(copies)).collect::<Result<_>>()?;
        Ok((times, size as usize))
    })
}
