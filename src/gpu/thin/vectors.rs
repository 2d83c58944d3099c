//! Aᵢ = Σ_j a_ij b_ijᵀ: a matrix of vectors is multiplied with the factors, and its transpose with what is pulled back.

use std::ops::Range;

use rayon::prelude::*;

use crate::engine::{EngineInfo, Load};
use crate::error::Result;
use crate::gpu::buffers::{Panel, Storage as Buffer, largest_panel, panel_ranges, real_words, upload_panel};
use crate::gpu::device::Device;
use crate::gpu::engine::Options;
use crate::gpu::frame::Frame;
use crate::gpu::load::{base_info, require_count};
use crate::gpu::pipelines::{Compiler, Read, Write};
use crate::gpu::program::{At, Form, Program};
use crate::gpu::resources::{Buffers, count, part};
use crate::gpu::thin::modules::{VectorModules, stored_in};
use crate::gpu::thin::{COLUMNS, Dispatch, Per, THIN, Thin, Weigher, by_place, everywhere, require_memory};
use crate::memory::{Memory, Part, Place, product};
use crate::operators::{GpuPlan, GpuSource, GpuVectors, Reader, Storage};

/// What the kernels are specialised with.
#[derive(Clone, Copy)]
pub(super) struct VectorSizes {
    pub(super) frame: Frame,
    /// q: pairs of vectors a measurement.
    pub(super) vectors: usize,
    /// 1 where b is a, else 2.
    pub(super) sides: usize,
    /// Numbers of a row.
    numbers: usize,
    pub(super) row_words: usize,
    /// Partial sums of the adjoint: a function of n and m only, so that a trial's bits do not depend on the batch.
    pub(super) splits: usize,
    pub(super) storage: Storage,
}

impl VectorSizes {
    pub(super) fn new(frame: Frame, vectors: usize, storage: Storage) -> Self {
        let sides = if frame.symmetric { 1 } else { 2 };
        let numbers = vectors * frame.n;
        // About five hundred workgroups, of 32 measurements each or more.
        let splits = 512_usize.div_ceil(frame.n.div_ceil(64)).min(frame.m / 32).clamp(1, 64);
        let row_words = (numbers * storage.bytes() / 4).next_multiple_of(64);
        Self { frame, vectors, sides, numbers, row_words, splits, storage }
    }

    /// Blocks of 64 rows of L and of R.
    fn blocks(&self) -> usize {
        let Frame { n1, n2, .. } = self.frame;
        n1.div_ceil(64) + if self.sides == 2 { n2.div_ceil(64) } else { 0 }
    }

    /// Numbers of the vectors' products with a factor, of all trials.
    fn thin(&self) -> usize {
        let Frame { m, k, batch, .. } = self.frame;
        count(&[batch, self.sides, m, self.vectors, k])
    }

    fn sums(&self) -> usize {
        let Frame { n, k, batch, .. } = self.frame;
        count(&[self.splits, batch, n, k])
    }

    fn plan(&self) -> GpuPlan {
        GpuPlan {
            shader: "",
            row_words: self.row_words,
            row_bytes: self.numbers * self.storage.bytes(),
            reader: Some(Reader::Stored(self.storage)),
            packed_rows: false,
            off_diagonal: 1.0,
            forward_rows: 1,
        }
    }

    fn memory(&self) -> Memory {
        let mut parts = vec![
            Part::new("vectors", Place::Device, product(&[self.frame.m, self.row_words, 4])),
            part(&self.frame, "products of vectors and factors", &[(3, self.thin())]),
            part(&self.frame, "partial sums of the gradient", &[(1, self.sums())]),
            Weigher::memory(&self.frame),
        ];
        parts.extend(Buffers::memory(&self.frame));
        Memory { parts }
    }
}

/// Vectors as rows of words.
struct VectorRows<'a> {
    data: &'a dyn GpuVectors,
    sizes: VectorSizes,
}

impl GpuSource for VectorRows<'_> {
    fn plan(&self, _widest: Storage) -> GpuPlan {
        self.sizes.plan()
    }

    fn write_rows(&self, plan: &GpuPlan, rows: Range<usize>, out: &mut [u32]) {
        let numbers = self.sizes.numbers;
        let double = self.sizes.storage == Storage::F64;
        out.par_chunks_mut(plan.row_words).zip(rows).for_each_init(
            || vec![0.0; numbers],
            |row, (out, i)| {
                self.data.write(i, row);
                out.fill(0);
                if double {
                    for (out, v) in out.chunks_exact_mut(2).zip(row.iter()) {
                        let bits = v.to_bits();
                        out.copy_from_slice(&[bits as u32, (bits >> 32) as u32]);
                    }
                } else {
                    out.iter_mut().zip(row.iter()).for_each(|(out, &v)| *out = (v as f32).to_bits());
                }
            },
        );
    }
}

/// # Errors
/// As [`load`](crate::gpu::load).
pub(super) fn load(
    device: &Device,
    load: &Load<'_>,
    data: &dyn GpuVectors,
    options: &Options,
) -> Result<(Program, EngineInfo)> {
    require_count("vectors", data.vectors())?;
    let frame = Frame::of(load, options.precision);
    let sizes = VectorSizes::new(frame, data.vectors(), stored_in(data, options.precision));
    let memory = sizes.memory();
    require_memory(&memory, options)?;
    let modules = VectorModules::new(&sizes, load.operator.is_centred(), &options.mutations)?;
    let (rows, plan) = (VectorRows { data, sizes }, sizes.plan());
    let panel = largest_panel(device, &plan, options.panel_bytes)?;
    let panels: Vec<Panel> = panel_ranges(0..frame.m, plan.row_words * 4, panel)
        .into_iter()
        .map(|range| upload_panel(device, &rows, &plan, range))
        .collect::<Result<_>>()?;
    let program = Program::new(device, frame, &modules.shared, options.paranoid, |shared| {
        Ok(Form::Thin(Box::new(thin(device, &sizes, &modules, shared, &panels, options.paranoid)?)))
    })?;
    // Forward and adjoint; around a centre, and with signed columns, three products forward.
    let passes = if load.signature.is_some() { 4 } else { 2 } * (frame.batch * frame.k).div_ceil(COLUMNS);
    let info = EngineInfo {
        storage: Some(sizes.storage),
        variant: format!("{}/{THIN}", load.operator.name()),
        operator_bytes_per_iteration: (frame.m * plan.row_bytes) as f64 * passes as f64,
        operator_bytes: product(&[frame.m, plan.row_words, 4]),
        panels: panels.len(),
        memory,
        ..base_info(device, options)
    };
    Ok((program, info))
}

/// Kernels, buffers and the order of dispatches.
fn thin(
    device: &Device,
    sizes: &VectorSizes,
    modules: &VectorModules,
    shared: &Buffers,
    panels: &[Panel],
    guarded: bool,
) -> Result<Thin> {
    let frame = &sizes.frame;
    device.checked("preparing thin products", || {
        let output = |label, count| Buffer::new(device, label, count, real_words(frame.precision), guarded);
        let (left, right) = (output("products (left)", sizes.thin())?, output("products (right)", sizes.thin())?);
        let applied = output("products (applied)", sizes.thin())?;
        let sums = output("partial sums", sizes.sums())?;
        let weigher = Weigher::new(device, frame, guarded)?;
        let compiler = Compiler::new(device, 1);
        let text = compiler.module(&modules.vectors);
        let project = compiler.kernel(&text, "project", 0, &[Read, Write], true);
        let adjoint = compiler.kernel(&text, "adjoint_apply", 2, &[Read, Read, Write], true);
        let inner = compiler.step(&modules.inner, "forward", &[Read, Read, Read, Write]);
        let collect = compiler.step(&modules.collect, "collect", &[Read, Write]);
        let own_right = |at| matches!(at, At::Pair | At::Centred);
        // What is multiplied with the vectors, and where the product goes.
        let products = |at: At| -> [Option<[&Buffer; 2]>; 3] {
            let of_left = if at == At::Current { &shared.factor } else { &shared.left };
            let of_right = if at == At::Pair { &shared.right } else { &shared.factor };
            [
                Some([of_left, &left]),
                own_right(at).then_some([of_right, &right]),
                (at != At::Current).then_some([&shared.applied, &applied]),
            ]
        };
        let mut dispatches = Vec::new();
        let bind_panel = |panel: &Panel| Some(compiler.bind_panel(&panel.buffers()));
        for panel in panels {
            for which in 0..3 {
                dispatches.push(Dispatch {
                    operands: by_place(device, &project, |at| products(at)[which].map(|pair| pair.to_vec())),
                    kernel: project.clone(),
                    panel: bind_panel(panel),
                    workgroups: (panel.rows * sizes.vectors).div_ceil(64) * sizes.sides,
                    per: Per::Columns,
                    grouped: false,
                });
            }
        }
        dispatches.push(Dispatch {
            operands: by_place(device, &inner, |at| {
                let right = if own_right(at) { &right } else { &left };
                Some(vec![&left, right, &shared.target, &shared.residual])
            }),
            kernel: inner,
            panel: None,
            workgroups: frame.m.div_ceil(256),
            per: Per::Slot,
            grouped: false,
        });
        dispatches.extend(weigher.dispatches(device, &modules.weighing, frame, shared));
        for panel in panels {
            dispatches.push(Dispatch {
                operands: by_place(device, &adjoint, |at| {
                    let thin = if at == At::Current { &left } else { &applied };
                    Some(vec![&weigher.pulled, thin, &sums])
                }),
                kernel: adjoint.clone(),
                panel: bind_panel(panel),
                workgroups: sizes.splits * sizes.blocks(),
                per: Per::Columns,
                grouped: false,
            });
        }
        dispatches.push(Dispatch {
            operands: everywhere(device, &collect, &[&sums, &shared.direction]),
            kernel: collect,
            panel: None,
            workgroups: (frame.n * frame.k).div_ceil(256),
            per: Per::Slot,
            grouped: false,
        });
        let Weigher { parts, pulled } = weigher;
        Ok(Thin {
            k: frame.k,
            dispatches,
            outputs: vec![left, applied, sums, pulled],
            written: vec![right],
            means: parts,
        })
    })
}
