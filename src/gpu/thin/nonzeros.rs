//! Aᵢ as a list of nonzeros: the forward map by measurement, the adjoint by row of the result, nothing shared between sums.

use crate::engine::{EngineInfo, Load};
use crate::error::Result;
use crate::gpu::buffers::{Storage, UPLOAD_BYTES, largest_binding, real_words};
use crate::gpu::device::Device;
use crate::gpu::engine::Options;
use crate::gpu::frame::Frame;
use crate::gpu::load::{base_info, require_count};
use crate::gpu::pipelines::{Access, Compiler, Read, Write};
use crate::gpu::program::{At, Form, Program};
use crate::gpu::resources::{Buffers, count, part};
use crate::gpu::shaders::Module;
use crate::gpu::thin::lists::{ForwardPanel, GatherPanel, Listed, Lists};
use crate::gpu::thin::modules::NonzeroModules;
use crate::gpu::thin::{Dispatch, Per, THIN, Thin, Weigher, by_place, everywhere, require_memory};
use crate::memory::{Memory, Part, Place, product};
use crate::operators::{GpuNonzeros, Storage as Numbers};

/// Bytes of a nonzero's place, the longest thing that is listed.
const PLACE_BYTES: usize = 8;

/// What the kernels are specialised with.
#[derive(Clone, Copy)]
pub(super) struct NonzeroSizes {
    pub(super) frame: Frame,
    /// Whether all values are 1.
    pub(super) ones: bool,
    /// Pieces of rows that have several, and how many such rows there are.
    pub(super) partials: usize,
    pub(super) spans: usize,
}

impl NonzeroSizes {
    /// Threads of a workgroup that take columns side by side: a power of two.
    pub(super) fn lanes(&self) -> usize {
        self.frame.k.next_power_of_two().min(256)
    }

    fn partial(&self) -> usize {
        count(&[self.frame.batch, self.partials.max(1), self.frame.k])
    }

    fn value_bytes(&self) -> usize {
        if self.ones { 0 } else { 4 * real_words(self.frame.precision) }
    }

    fn memory(&self, lists: &Lists) -> Memory {
        let listed = |listed: &Listed| listed.places.len() * (PLACE_BYTES + self.value_bytes());
        let forward: usize = lists.forward.iter().map(|p| p.offsets.len() * 4 + listed(&p.listed)).sum();
        let gather = |p: &GatherPanel| (p.short.len() + p.long.len()) * 16 + listed(&p.listed);
        let gather: usize = lists.gather.iter().map(gather).sum::<usize>() + lists.spans.len() * 16;
        // Places, the order by row, measurements, and both sets of panels; values four times.
        let host = product(&[lists.nonzeros, 44 + if self.ones { 0 } else { 32 }]);
        let mut parts = vec![
            Part::new("nonzeros by measurement", Place::Device, forward as u64),
            Part::new("nonzeros by row and column", Place::Device, gather as u64),
            part(&self.frame, "partial sums of long rows", &[(1, self.partial())]),
            Weigher::memory(&self.frame),
        ];
        parts.extend(Buffers::memory(&self.frame));
        parts.push(Part::new("lists on their way to the device", Place::Host, host));
        Memory { parts }
    }
}

/// # Errors
/// As [`load`](crate::gpu::load).
pub(super) fn load(
    device: &Device,
    load: &Load<'_>,
    data: &dyn GpuNonzeros,
    options: &Options,
) -> Result<(Program, EngineInfo)> {
    let frame = Frame::of(load, options.precision);
    require_count("rows", frame.n)?;
    let bound = (largest_binding(device) / PLACE_BYTES as u64) as usize;
    let most = options.panel_bytes.map_or(bound, |bytes| ((bytes / PLACE_BYTES as u64) as usize).clamp(1, bound));
    let lists = Lists::new(&frame, data, most, bound)?;
    let sizes = NonzeroSizes { frame, ones: data.all_ones(), partials: lists.partials, spans: lists.spans.len() };
    let memory = sizes.memory(&lists);
    require_memory(&memory, options)?;
    let modules = NonzeroModules::new(&sizes, load.operator.is_centred(), &options.mutations)?;
    let panels = lists.forward.len().max(lists.gather.len());
    // Every list is read once by every trial.
    let bytes = memory.parts[0].bytes + memory.parts[1].bytes;
    let program = Program::new(device, frame, &modules.shared, options.paranoid, |shared| {
        Ok(Form::Thin(Box::new(thin(device, &sizes, &modules, shared, lists, options.paranoid)?)))
    })?;
    let info = EngineInfo {
        storage: match sizes.value_bytes() {
            0 => None,
            4 => Some(Numbers::F32),
            _ => Some(Numbers::F64),
        },
        variant: format!("{}/{THIN}", load.operator.name()),
        operator_bytes_per_iteration: bytes as f64 * frame.batch as f64,
        operator_bytes: bytes,
        panels,
        memory,
        ..base_info(device, options)
    };
    Ok((program, info))
}

/// A buffer with these words, one at least.
fn upload(device: &Device, label: &str, words: &[u32]) -> Result<wgpu::Buffer> {
    // A binding of an array of pairs or fours holds one at least.
    let size = product(&[words.len().max(4), 4]);
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
    let buffer = device.raw().create_buffer(&descriptor);
    let step = UPLOAD_BYTES / 4;
    for (at, words) in words.chunks(step).enumerate() {
        device.queue().write_buffer(&buffer, (at * step * 4) as u64, bytemuck::cast_slice(words));
        device.queue().submit([]);
        device.wait()?;
    }
    Ok(buffer)
}

struct Uploader<'a> {
    device: &'a Device,
    compiler: &'a Compiler,
    double: bool,
}

impl Uploader<'_> {
    fn listed(&self, listed: &Listed) -> Result<[wgpu::Buffer; 2]> {
        let values: Vec<u32> = if self.double {
            listed.values.iter().map(|v| v.to_bits()).flat_map(|bits| [bits as u32, (bits >> 32) as u32]).collect()
        } else {
            listed.values.iter().map(|&v| (v as f32).to_bits()).collect()
        };
        let places = upload(self.device, "places of nonzeros", bytemuck::cast_slice(&listed.places))?;
        Ok([places, upload(self.device, "values of nonzeros", &values)?])
    }

    /// Group 2: what says where lists begin, the lists, and the struct `Panel`.
    fn panel(&self, heads: &wgpu::Buffer, [places, values]: &[wgpu::Buffer; 2], panel: [usize; 3]) -> wgpu::BindGroup {
        let uniform = self.device.raw().create_buffer(&wgpu::BufferDescriptor {
            label: Some("panel"),
            size: 16,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let [first, rows, long] = panel.map(|word| word as u32);
        self.device.queue().write_buffer(&uniform, 0, bytemuck::cast_slice(&[first, rows, long, 0]));
        self.compiler.bind_panel(&[heads, places, values, &uniform])
    }

    fn forward(&self, panel: &ForwardPanel) -> Result<wgpu::BindGroup> {
        let heads = upload(self.device, "offsets of nonzeros", &panel.offsets)?;
        Ok(self.panel(&heads, &self.listed(&panel.listed)?, [panel.first, panel.rows, panel.long]))
    }

    /// Of the short pieces and of the long ones.
    fn gather(&self, panel: &GatherPanel) -> Result<[wgpu::BindGroup; 2]> {
        let listed = self.listed(&panel.listed)?;
        let bind = |pieces: &[[u32; 4]]| -> Result<wgpu::BindGroup> {
            let heads = upload(self.device, "pieces of rows", bytemuck::cast_slice(pieces))?;
            Ok(self.panel(&heads, &listed, [0, pieces.len(), 0]))
        };
        Ok([bind(&panel.short)?, bind(&panel.long)?])
    }
}

/// Kernels, buffers and the order of dispatches. What has no work is left out.
fn thin(
    device: &Device,
    sizes: &NonzeroSizes,
    modules: &NonzeroModules,
    shared: &Buffers,
    lists: Lists,
    guarded: bool,
) -> Result<Thin> {
    let frame = &sizes.frame;
    device.checked("uploading the measurements", || {
        let output = |label, count| Storage::new(device, label, count, real_words(frame.precision), guarded);
        let partial = output("partial sums", sizes.partial())?;
        let weigher = Weigher::new(device, frame, guarded)?;
        let compiler = Compiler::new(device, 3);
        let double = real_words(frame.precision) == 2;
        let uploader = Uploader { device, compiler: &compiler, double };
        let compile = |module: &Module, entries: [&str; 2], operands: &[Access]| {
            let module = compiler.module(module);
            entries.map(|entry| compiler.kernel(&module, entry, 0, operands, true))
        };
        let forward = ["forward", "forward_long"];
        let single = compile(&modules.single, forward, &[Read, Read, Read, Write]);
        let pair = compile(&modules.pair, forward, &[Read, Read, Read, Write]);
        let gather = compile(&modules.gather, ["adjoint_apply", "adjoint_long"], &[Read, Read, Write, Write]);
        let mut dispatches = Vec::new();
        for panel in &lists.forward {
            let group = uploader.forward(panel)?;
            let kinds = [(0, panel.rows.div_ceil(256)), (1, panel.long)];
            for (kind, workgroups) in kinds.into_iter().filter(|(_, workgroups)| *workgroups > 0) {
                let (target, residual) = (&shared.target, &shared.residual);
                // Each place uses one of the two: with L = R, or with two buffers.
                for (kernel, two) in [(&single[kind], false), (&pair[kind], true)] {
                    let operands = by_place(device, kernel, |at| {
                        let (left, right) = match at {
                            At::Current => (&shared.factor, &shared.factor),
                            At::Single => (&shared.left, &shared.left),
                            At::Pair => (&shared.left, &shared.right),
                            At::Centred => (&shared.left, &shared.factor),
                        };
                        (two == matches!(at, At::Pair | At::Centred)).then(|| vec![left, right, target, residual])
                    });
                    let (kernel, panel) = (kernel.clone(), Some(group.clone()));
                    dispatches.push(Dispatch { kernel, operands, panel, workgroups, per: Per::Slot, grouped: false });
                }
            }
        }
        dispatches.extend(weigher.dispatches(device, &modules.weighing, frame, shared));
        for panel in &lists.gather {
            let [short, long] = uploader.gather(panel)?;
            let kinds = [
                (&gather[0], (panel.short.len() * frame.k).div_ceil(256), short),
                (&gather[1], panel.long.len(), long),
            ];
            for (kernel, workgroups, group) in kinds.into_iter().filter(|(_, workgroups, _)| *workgroups > 0) {
                let operands = by_place(device, kernel, |at| {
                    let applied = if at == At::Current { &shared.factor } else { &shared.applied };
                    Some(vec![&weigher.pulled, applied, &partial, &shared.direction])
                });
                let (kernel, panel) = (kernel.clone(), Some(group));
                dispatches.push(Dispatch { kernel, operands, panel, workgroups, per: Per::Slot, grouped: false });
            }
        }
        if !lists.spans.is_empty() {
            let kernel = compiler.step(&modules.combine, "combine", &[Read, Read, Write]);
            let spans = Storage::new(device, "rows of several pieces", lists.spans.len() * 4, 1, false)?;
            device.queue().write_buffer(&spans.buffer, 0, bytemuck::cast_slice(&lists.spans));
            dispatches.push(Dispatch {
                operands: everywhere(device, &kernel, &[&partial, &spans, &shared.direction]),
                kernel,
                panel: None,
                workgroups: (lists.spans.len() * frame.k).div_ceil(256),
                per: Per::Slot,
                grouped: false,
            });
        }
        let Weigher { parts, pulled } = weigher;
        let (mut outputs, mut written) = (vec![pulled], Vec::new());
        if lists.spans.is_empty() {
            written.push(partial)
        } else {
            outputs.push(partial)
        }
        Ok(Thin { k: frame.k, dispatches, outputs, written, means: parts })
    })
}
