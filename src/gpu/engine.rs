//! The engine: buffers, bind groups and the order of dispatches.

use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision};
use crate::error::{Error, Result};
use crate::gpu::buffers::{Panel, Storage, read, upload_panels};
use crate::gpu::device::Device;
use crate::gpu::paranoia;
use crate::gpu::pipelines::{Kernel, Kernels, fold};
use crate::gpu::resources::{Bindings, Buffers};
use crate::gpu::shaders::{Mutation, Sizes, modules, source_of};
use crate::methods::Stage;
use crate::problem::Factors;

/// Submissions grow while they take less than this; drivers reset a device that is silent for about two seconds.
const SHORT_SUBMISSION: Duration = Duration::from_millis(100);
/// Submissions shrink where they take longer than this.
const LONG_SUBMISSION: Duration = Duration::from_millis(400);
/// Dispatches of one submission at most: every one of them takes host memory until it is done.
const DISPATCHES: usize = 1 << 14;

/// How a problem is loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Forces panels of at most this many bytes, but of a row at least. Default: as large as the adapter binds.
    pub panel_bytes: Option<u64>,
    /// Fills every output with a NaN before each `evaluate`, and fails afterwards where one was not overwritten or
    /// where a kernel wrote past an end. Slow: for tests.
    pub paranoid: bool,
    #[doc(hidden)]
    pub mutations: Vec<Mutation>,
}

/// Where a gradient is evaluated, and what the adjoint is applied to.
#[derive(Clone, Copy)]
enum At {
    /// Both the current factor.
    Current,
    /// The buffers of `evaluate`, with L = R or not.
    Single,
    Pair,
}

struct GpuEngine {
    device: Device,
    info: EngineInfo,
    recipe: &'static [Stage],
    sizes: Sizes,
    kernels: Kernels,
    buffers: Buffers,
    bindings: Bindings,
    panels: Vec<Panel>,
    active: Vec<bool>,
    /// The residual and direction buffers hold the gradient at the current factor.
    fresh: bool,
    /// Iterations of the next submission.
    pace: usize,
    paranoid: bool,
}

/// Uploads the operator's data, compiles the kernels for its sizes and allocates everything an iteration needs.
/// Factors, observations and steps are zero until they are set; all trials are active.
///
/// # Errors
/// [`Error::Unsupported`] for operators without a shader and rectangular models; [`Error::Invalid`] for an empty batch,
/// search rank or row; [`Error::Device`] where the adapter's limits or memory do not suffice or a kernel does not compile.
pub fn load(device: &Device, load: &Load<'_>, options: &Options) -> Result<Box<dyn Engine>> {
    let operator = load.operator.as_ref();
    let source = source_of(operator)?;
    let plan = source.plan();
    let counts = [
        ("batch", load.batch),
        ("search_rank", load.search_rank),
        ("measurements", operator.measurements()),
        ("row_words", plan.row_words),
    ];
    for (name, size) in counts {
        if size == 0 || u32::try_from(size).is_err() {
            return Err(Error::invalid(name, size, "1 to 2³² − 1", "give at least 1"));
        }
    }
    let sizes = Sizes::new(operator, &plan, load.search_rank, load.batch);
    let kernels = Kernels::new(device, &modules(&sizes, operator.name(), &plan, &options.mutations)?)?;
    let buffers = Buffers::new(device, &sizes, options.paranoid)?;
    let panels = upload_panels(device, source, sizes.row_words, sizes.m, options.panel_bytes)?;
    let bindings = Bindings::new(device, &kernels, &buffers, &panels)?;
    let stored = sizes.m as f64 * sizes.p as f64 * 4.0;
    let info = EngineInfo {
        backend: "gpu".into(),
        adapter: device.name().into(),
        driver: device.driver().into(),
        software_adapter: device.is_software(),
        precision: Precision::F32,
        threads: 1,
        variant: format!("{}/two-kernel/tile{}/splits{}", operator.name(), sizes.tile, sizes.splits),
        // forward and adjoint_apply each read every row once per tile of trials.
        operator_bytes_per_iteration: 2.0 * stored * sizes.tiles(sizes.batch) as f64,
        operator_bytes: (sizes.m * sizes.row_words) as u64 * 4,
        panels: panels.len(),
    };
    let mut engine = GpuEngine {
        device: device.clone(),
        info,
        recipe: load.recipe,
        sizes,
        kernels,
        buffers,
        bindings,
        panels,
        active: vec![true; sizes.batch],
        fresh: false,
        pace: 1,
        paranoid: options.paranoid,
    };
    engine.set_active(&vec![true; sizes.batch])?;
    if engine.paranoid {
        engine.device.checked("writing guard words", || {
            paranoia::guard(&engine.device, &engine.buffers.factor);
            Ok(())
        })?;
    }
    Ok(Box::new(engine))
}

impl GpuEngine {
    fn count(&self) -> usize {
        self.active.iter().filter(|&&active| active).count()
    }

    /// Tells the kernels which trials there are.
    fn write_slots(&self, active: &[bool]) {
        let trials = (0_u32..).zip(active).filter(|&(_, &active)| active).map(|(trial, _)| trial);
        let mut words = vec![0];
        words.extend(trials);
        words[0] = words.len() as u32 - 1;
        self.device.queue().write_buffer(&self.buffers.slots.buffer, 0, bytemuck::cast_slice(&words));
    }

    fn dispatch(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        kernel: &Kernel,
        operands: &wgpu::BindGroup,
        panel: Option<usize>,
        workgroups: &[usize],
    ) -> Result<()> {
        let count = workgroups.iter().fold(1_u64, |all, &count| all.saturating_mul(count as u64));
        let [x, y, z] = fold(&self.device, count)?;
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &self.bindings.slots, &[]);
        pass.set_bind_group(1, operands, &[]);
        if let Some(panel) = panel {
            pass.set_bind_group(2, &self.bindings.panels[panel], &[]);
        }
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }

    /// r = A(L Rᵀ) − y and D = A*(w∘r)·V for the `count` trials in the slots: one dispatch per operator kernel and
    /// panel, one per step.
    fn gradient(&self, pass: &mut wgpu::ComputePass<'_>, count: usize, at: At) -> Result<()> {
        let (b, k) = (&self.bindings, &self.kernels);
        let Sizes { n, k: columns, p, splits, tile, .. } = self.sizes;
        let tiles = self.sizes.tiles(count);
        let blocks = n.div_ceil(16);
        let (outer, point, product) = match at {
            At::Current => (&k.outer_single, &b.outer_current, &b.product_current),
            At::Single => (&k.outer_single, &b.outer_single, &b.product_applied),
            At::Pair => (&k.outer_pair, &b.outer_pair, &b.product_applied),
        };
        self.dispatch(pass, outer, point, None, &[tiles * tile, blocks, blocks])?;
        for (index, panel) in self.panels.iter().enumerate() {
            self.dispatch(pass, &k.forward, &b.forward, Some(index), &[tiles, panel.rows])?;
            self.dispatch(pass, &k.adjoint, &b.adjoint, Some(index), &[splits, tiles, p.div_ceil(256)])?;
        }
        self.dispatch(pass, &k.reduce, &b.reduce, None, &[(tiles * p).div_ceil(256)])?;
        self.dispatch(pass, &k.product, product, None, &[count, blocks, columns.div_ceil(16)])
    }

    fn descend(&self, pass: &mut wgpu::ComputePass<'_>, count: usize) -> Result<()> {
        let blocks = (self.sizes.n * self.sizes.k).div_ceil(256);
        self.dispatch(pass, &self.kernels.update, &self.bindings.update, None, &[count, blocks])
    }

    /// Records `work` in one compute pass, submits it and waits.
    fn submit(&self, phase: &str, work: impl FnOnce(&mut wgpu::ComputePass<'_>) -> Result<()>) -> Result<()> {
        self.device.checked(phase, || {
            let mut encoder = self.device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            work(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()))?;
            self.device.queue().submit([encoder.finish()]);
            self.device.wait()
        })
    }

    fn read(&self, storage: &Storage) -> Result<Vec<f64>> {
        let values = self.device.checked("reading back", || read(&self.device, &storage.buffer, storage.words))?;
        Ok(values.into_iter().map(f64::from).collect())
    }

    fn write(&self, storage: &Storage, name: &str, values: &[f64]) -> Result<()> {
        if values.len() != storage.words {
            let found = format!("{} numbers", values.len());
            return Err(Error::invalid(name, found, format!("{} numbers", storage.words), "check batch and sizes"));
        }
        self.device.checked("uploading", || {
            storage.write_rounded(&self.device, values);
            Ok(())
        })
    }

    fn require_sizes(&self, name: &str, factors: &Factors) -> Result<()> {
        let Sizes { n, k, batch, .. } = self.sizes;
        let found = (factors.batch(), factors.rows(), factors.columns(), factors.search_rank());
        if found == (batch, n, n, k) {
            return Ok(());
        }
        let (found_batch, rows, columns, rank) = found;
        Err(Error::invalid(
            name,
            format!("batch {found_batch}, {rows}x{columns}, search rank {rank}"),
            format!("batch {batch}, {n}x{n}, search rank {k}"),
            "give factors of the loaded problem's sizes",
        ))
    }

    /// The gradient for all trials with the arguments in the buffers of `evaluate`.
    fn run_evaluation(&self, at: At) -> Result<Evaluation> {
        let buffers = &self.buffers;
        self.submit("evaluating a gradient", |pass| self.gradient(pass, self.sizes.batch, at))?;
        if self.paranoid {
            let inspect = || paranoia::inspect(&self.device, &buffers.outputs(), &[&buffers.factor]);
            self.device.checked("inspecting outputs", inspect)?;
        }
        let (residual, left) = (self.read(&buffers.residual)?, self.read(&buffers.direction)?);
        Ok(Evaluation { residual, left, right: Vec::new() })
    }
}

impl Engine for GpuEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()> {
        self.fresh = false;
        self.write(&self.buffers.target, "observations", target)?;
        self.write(&self.buffers.weight, "weights", weights)
    }

    fn set_steps(&mut self, steps: &[f64]) -> Result<()> {
        self.write(&self.buffers.step, "step_size", steps)
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        self.require_sizes("factors", factors)?;
        if !factors.is_single() {
            return Err(Error::invalid("factors", "a pair (L, R)", "one factor U", "this model iterates U Uᵀ"));
        }
        self.fresh = false;
        self.write(&self.buffers.factor, "factors", factors.left_data())
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        if active.len() != self.sizes.batch {
            let allowed = format!("{} flags", self.sizes.batch);
            return Err(Error::invalid("active", format!("{} flags", active.len()), allowed, "one flag per trial"));
        }
        self.fresh = false;
        self.active = active.to_vec();
        self.device.checked("choosing trials", || {
            self.write_slots(&self.active);
            Ok(())
        })
    }

    fn advance(&mut self, iterations: usize) -> Result<()> {
        let count = self.count();
        if count == 0 {
            return Ok(());
        }
        let longest = (DISPATCHES / (2 * self.panels.len() + 4)).max(1);
        let mut left = iterations;
        while left > 0 {
            let now = self.pace.min(longest).min(left);
            let begin = Instant::now();
            // The gradient at the current factor is used up, whatever becomes of the submission.
            let mut fresh = std::mem::take(&mut self.fresh);
            self.submit("iterating", |pass| {
                for stage in (0..now).flat_map(|_| self.recipe) {
                    match stage {
                        Stage::Gradient if std::mem::take(&mut fresh) => {}
                        Stage::Gradient => self.gradient(pass, count, At::Current)?,
                        Stage::Descend => self.descend(pass, count)?,
                    }
                }
                Ok(())
            })?;
            let took = begin.elapsed();
            if took > LONG_SUBMISSION {
                self.pace = (self.pace / 2).max(1);
            } else if took < SHORT_SUBMISSION && now == self.pace {
                self.pace = (2 * self.pace).min(longest);
            }
            left -= now;
        }
        Ok(())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        let count = self.count();
        if !self.fresh && count > 0 {
            self.submit("evaluating residuals", |pass| self.gradient(pass, count, At::Current))?;
            self.fresh = true;
        }
        self.read(&self.buffers.residual)
    }

    fn factors(&mut self) -> Result<Factors> {
        let Sizes { n, k, batch, .. } = self.sizes;
        Factors::symmetric(batch, n, k, self.read(&self.buffers.factor)?)
    }

    fn evaluate(&mut self, point: &Factors, applied: &Factors) -> Result<Evaluation> {
        self.require_sizes("point", point)?;
        self.require_sizes("applied", applied)?;
        self.fresh = false;
        let at = if point.is_single() { At::Single } else { At::Pair };
        self.write(&self.buffers.left, "point", point.left_data())?;
        if !point.is_single() {
            self.write(&self.buffers.right, "point", point.right_data())?;
        }
        self.write(&self.buffers.applied, "applied", applied.right_data())?;
        self.device.checked("preparing an evaluation", || {
            self.write_slots(&vec![true; self.sizes.batch]);
            if self.paranoid {
                paranoia::poison(&self.device, &self.buffers.outputs());
            }
            Ok(())
        })?;
        let evaluation = self.run_evaluation(at);
        self.device.checked("choosing trials", || {
            self.write_slots(&self.active);
            Ok(())
        })?;
        evaluation
    }
}
