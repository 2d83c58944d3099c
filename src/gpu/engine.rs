//! The engine: buffers, bind groups and the order of dispatches.

use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision, unknown_variant};
use crate::error::{Error, Result};
use crate::gpu::buffers::{Panel, Storage, upload_panels};
use crate::gpu::device::Device;
use crate::gpu::iteration::{At, LONG_SUBMISSION};
use crate::gpu::paranoia;
use crate::gpu::pipelines::Kernels;
use crate::gpu::resources::{Bindings, Buffers};
use crate::gpu::shaders::{Mutation, Sizes, modules, source_of, widest};
use crate::methods::Stage;
use crate::problem::Factors;

/// Submissions grow while they take less than this.
const SHORT_SUBMISSION: Duration = Duration::from_millis(100);
/// Dispatches of one submission at most: every one of them takes host memory until it is done.
const DISPATCHES: usize = 1 << 14;

/// How a problem is loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Of the arithmetic. Double needs an adapter with 64-bit shader numbers, see [`Device::require`].
    pub precision: Precision,
    /// Forces panels of at most this many bytes, but of a row at least. Default: as large as the adapter binds.
    pub panel_bytes: Option<u64>,
    /// Fills every output with a NaN before each `evaluate`, and fails afterwards where one was not overwritten or
    /// where a kernel wrote past an end. Slow: for tests.
    pub paranoid: bool,
    #[doc(hidden)]
    pub mutations: Vec<Mutation>,
}

pub(super) struct GpuEngine {
    pub(super) device: Device,
    info: EngineInfo,
    recipe: &'static [Stage],
    pub(super) sizes: Sizes,
    pub(super) kernels: Kernels,
    pub(super) buffers: Buffers,
    pub(super) bindings: Bindings,
    pub(super) panels: Vec<Panel>,
    active: Vec<bool>,
    /// The residual and direction buffers hold the gradient at the current factor.
    fresh: bool,
    /// Iterations of the next submission; 0 until one is known to be short enough for a submission of its own.
    pub(super) pace: usize,
    paranoid: bool,
}

/// Uploads the operator's data, compiles the kernels for its sizes and allocates everything an iteration needs.
/// Factors, observations and steps are zero until they are set; all trials are active.
///
/// # Errors
/// [`Error::Unsupported`] for operators without a shader, rectangular models, and double precision on an adapter without
/// it; [`Error::Invalid`] for an empty batch,
/// search rank or row; [`Error::Device`] where the adapter's limits or memory do not suffice or a kernel does not compile.
pub fn load(device: &Device, load: &Load<'_>, options: &Options) -> Result<Box<dyn Engine>> {
    let operator = load.operator.as_ref();
    let source = source_of(operator)?;
    if let Some(variant) = load.variant.as_deref().filter(|variant| *variant != "two-kernel") {
        return Err(unknown_variant(variant, &["two-kernel"]));
    }
    device.require(options.precision)?;
    let plan = source.plan(widest(options.precision));
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
    let sizes = Sizes::new(operator, &plan, load.search_rank, load.batch, options.precision);
    let kernels = Kernels::new(device, &modules(&sizes, operator.name(), &plan, &options.mutations)?)?;
    let buffers = Buffers::new(device, &sizes, options.paranoid)?;
    let panels = upload_panels(device, source, &plan, sizes.m, options.panel_bytes)?;
    let bindings = Bindings::new(device, &kernels, &buffers, &panels)?;
    let stored = sizes.m as f64 * plan.row_bytes as f64;
    let info = EngineInfo {
        backend: "gpu".into(),
        adapter: device.name().into(),
        driver: device.driver().into(),
        software_adapter: device.is_software(),
        precision: options.precision,
        storage: plan.storage,
        threads: 1,
        variant: format!("{}/two-kernel/tile{}/splits{}", operator.name(), sizes.tile, sizes.splits),
        candidates: Vec::new(),
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
        pace: 0,
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

    fn read(&self, storage: &Storage) -> Result<Vec<f64>> {
        self.device.checked("reading back", || storage.read_numbers(&self.device))
    }

    fn write(&self, storage: &Storage, name: &str, values: &[f64]) -> Result<()> {
        if values.len() != storage.numbers() {
            let found = format!("{} numbers", values.len());
            return Err(Error::invalid(name, found, format!("{} numbers", storage.numbers()), "check batch and sizes"));
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
    fn run_evaluation(&mut self, at: At) -> Result<Evaluation> {
        self.run_gradient("evaluating a gradient", self.sizes.batch, at)?;
        let buffers = &self.buffers;
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
        // D and the residuals lie by trial: they stay good for those that go on, but one that wakes up has none.
        if active.iter().zip(&self.active).any(|(new, old)| *new && !*old) {
            self.fresh = false;
        }
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
            let now = self.pace.clamp(1, longest).min(left);
            let begin = Instant::now();
            // The gradient at the current factor is used up, whatever becomes of the submission.
            let mut fresh = std::mem::take(&mut self.fresh);
            let skip = |stage: &Stage, fresh: &mut bool| *stage == Stage::Gradient && std::mem::take(fresh);
            if self.pace == 0 {
                for stage in self.recipe.iter().filter(|stage| !skip(stage, &mut fresh)) {
                    match stage {
                        Stage::Gradient => self.run_gradient("iterating", count, At::Current)?,
                        Stage::Descend => self.submit("iterating", |pass| self.descend(pass, count))?,
                    }
                }
            } else {
                self.submit("iterating", |pass| {
                    for stage in (0..now).flat_map(|_| self.recipe).filter(|stage| !skip(stage, &mut fresh)) {
                        match stage {
                            Stage::Gradient => self.gradient(pass, count, At::Current)?,
                            Stage::Descend => self.descend(pass, count)?,
                        }
                    }
                    Ok(())
                })?;
                let took = begin.elapsed();
                if took > LONG_SUBMISSION {
                    self.pace /= 2;
                } else if took < SHORT_SUBMISSION && now == self.pace {
                    self.pace = (2 * self.pace).min(longest);
                }
            }
            left -= now;
        }
        Ok(())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        let count = self.count();
        if !self.fresh && count > 0 {
            self.run_gradient("evaluating residuals", count, At::Current)?;
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
