//! The engine: buffers, bind groups and the order of dispatches.

use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision, State};
use crate::error::{Error, Result};
use crate::gpu::buffers::Storage;
use crate::gpu::device::Device;
use crate::gpu::frame::Frame;
use crate::gpu::paranoia;
use crate::gpu::program::{At, Program};
use crate::gpu::shaders::Mutation;
use crate::gpu::stages::Turn;
use crate::gpu::stream::Stream;
use crate::methods::{Polyak, Stage, Tuning, Turns};
use crate::problem::{Factors, Shape};

/// Submissions grow while they take less than this.
const SHORT_SUBMISSION: Duration = Duration::from_millis(100);
/// Submissions shrink where they take longer than this: drivers reset a device that is silent for about two seconds.
const LONG_SUBMISSION: Duration = Duration::from_millis(400);
/// Dispatches of one submission at most: every one of them takes host memory until it is done.
const DISPATCHES: usize = 1 << 14;

/// How a problem is loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Of the arithmetic. Double needs an adapter with 64-bit shader numbers, see [`Device::require`].
    pub precision: Precision,
    /// Forces panels of at most this many bytes, but of a row at least. Default: as large as the adapter binds.
    pub panel_bytes: Option<u64>,
    /// Device memory to get along with, for everything that an engine holds there. Measurement data beyond it are brought
    /// to the device in every iteration. Default: all there is, and where it runs out while they are loaded, the same.
    pub memory_bytes: Option<u64>,
    /// Fills every output with a NaN before each `evaluate`, and fails afterwards where one was not overwritten or
    /// where a kernel wrote past an end. Slow: for tests.
    pub paranoid: bool,
    #[doc(hidden)]
    pub mutations: Vec<Mutation>,
    /// Makes the device run out of memory where the panels take more than this: for tests.
    #[doc(hidden)]
    pub fails_beyond: Option<u64>,
}

pub(super) struct GpuEngine<'a> {
    device: Device,
    info: EngineInfo,
    /// Since the tuning was set.
    iteration: usize,
    turns: Turns,
    program: Program,
    shape: Shape,
    /// What of the measurement data is not on the device.
    stream: Option<Stream<'a>>,
    active: Vec<bool>,
    /// Where the iteration evaluates the gradient: `Current` or `Centred`.
    at: At,
    /// The residual and direction buffers hold the gradient at the current factor.
    fresh: bool,
    /// Iterations of the next submission; 0 until one is known to be short enough for a submission of its own.
    pace: usize,
    /// A gradient of all measurements is known to be that.
    short: bool,
    paranoid: bool,
}

impl<'a> GpuEngine<'a> {
    fn count(&self) -> usize {
        self.active.iter().filter(|&&active| active).count()
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
        let Frame { n1, n2, k, batch, .. } = self.program.frame;
        let found = (factors.batch(), factors.rows(), factors.columns(), factors.search_rank());
        if found == (batch, n1, n2, k) {
            return Ok(());
        }
        let (found_batch, rows, columns, rank) = found;
        Err(Error::invalid(
            name,
            format!("batch {found_batch}, {rows}x{columns}, search rank {rank}"),
            format!("batch {batch}, {n1}x{n2}, search rank {k}"),
            "give factors of the loaded problem's sizes",
        ))
    }

    /// The sizes, and as many factors as the model has.
    fn require_models(&self, name: &str, factors: &Factors) -> Result<()> {
        let Frame { k, batch, .. } = self.program.frame;
        factors.require(name, batch, self.shape, k)
    }

    /// Writes one factor, or L above R trial by trial.
    fn write_factors(&self, storage: &Storage, name: &str, factors: &Factors) -> Result<()> {
        if self.program.frame.symmetric {
            return self.write(storage, name, factors.left_data());
        }
        let trials = 0..factors.batch();
        let stacked: Vec<f64> = trials
            .flat_map(|trial| [factors.left(trial), factors.right(trial)])
            .flat_map(|view| view.as_slice().iter().copied())
            .collect();
        self.write(storage, name, &stacked)
    }

    /// What is stored as factors are: one of them, or a pair.
    fn read_factors(&self, storage: &Storage) -> Result<(Vec<f64>, Vec<f64>)> {
        let Frame { n, n1, k, symmetric, .. } = self.program.frame;
        let values = self.read(storage)?;
        if symmetric {
            return Ok((values, Vec::new()));
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for trial in values.chunks(n * k) {
            left.extend_from_slice(&trial[..n1 * k]);
            right.extend_from_slice(&trial[n1 * k..]);
        }
        Ok((left, right))
    }

    /// One gradient of all measurements or of a group, and nothing else: in one submission, or, until that is known to be short enough, in one submission
    /// per panel.
    fn run_gradient(&mut self, phase: &str, count: usize, at: At, group: Option<usize>) -> Result<()> {
        let program = &self.program;
        if let Some(stream) = &mut self.stream {
            return stream.run_gradient(program, phase, count, at);
        }
        let known = if group.is_none() { self.short } else { self.pace > 0 };
        if known {
            return program.submit(phase, |pass| program.gradient(pass, count, at, group));
        }
        let begin = Instant::now();
        program.submit(phase, |pass| program.begin(pass, count, at))?;
        for index in 0..program.parts(group) {
            program.submit(phase, |pass| program.part(pass, count, at, (group, index), None))?;
        }
        program.submit(phase, |pass| program.end(pass, count, at))?;
        if begin.elapsed() < LONG_SUBMISSION {
            (self.pace, self.short) = (self.pace.max(1), self.short || group.is_none());
        }
        Ok(())
    }

    /// The stages of the next iterations. The first one needs no gradient where there is one at the current factor, unless it
    /// is of all measurements and the iteration's of a group.
    fn schedule(&mut self, iterations: usize) -> Vec<(Stage, Turn)> {
        let recipe = self.program.frame.recipe;
        let skipped = usize::from(std::mem::take(&mut self.fresh) && recipe.minibatches.is_none());
        let mut schedule = Vec::new();
        for t in self.iteration..self.iteration + iterations {
            let group = recipe.minibatches.map(|minibatches| self.turns.group(minibatches, t));
            let turn = Turn { group, polyak: recipe.is_polyak(t) };
            schedule.extend(recipe.stages(t).map(|stage| (stage, turn)));
        }
        schedule.drain(..skipped);
        schedule
    }

    /// Runs the stages of `now` iterations and waits for them.
    fn iterate(&mut self, schedule: &[(Stage, Turn)], count: usize, now: usize) -> Result<()> {
        let (phase, at) = ("iterating", self.at);
        if let Some(stream) = &mut self.stream {
            return stream.advance(&self.program, schedule, count, at);
        }
        if self.pace == 0 {
            for &(stage, turn) in schedule {
                match stage {
                    Stage::Gradient => self.run_gradient(phase, count, at, turn.group)?,
                    _ => self.program.submit(phase, |pass| self.program.stage(pass, count, at, (stage, turn)))?,
                }
            }
            return Ok(());
        }
        let begin = Instant::now();
        self.program
            .submit(phase, |pass| schedule.iter().try_for_each(|step| self.program.stage(pass, count, at, *step)))?;
        let took = begin.elapsed();
        if took > LONG_SUBMISSION {
            self.pace /= 2;
            self.short &= self.pace > 0;
        } else if took < SHORT_SUBMISSION && now == self.pace {
            self.pace = (2 * self.pace).min(DISPATCHES);
        }
        Ok(())
    }

    /// Around a program with its data on the device: factors, observations and steps are zero, all trials active.
    pub(super) fn new(
        device: &Device,
        load: &Load<'_>,
        options: &Options,
        program: Program,
        stream: Option<Stream<'a>>,
        info: EngineInfo,
    ) -> Result<Self> {
        let active = vec![true; load.batch];
        let mut engine = Self {
            device: device.clone(),
            info,
            iteration: 0,
            turns: Turns::default(),
            program,
            shape: load.operator.shape(),
            stream,
            active: active.clone(),
            // Signed columns are increments around a centre of zeros, which the buffer holds until another one is set.
            at: if load.signature.is_some() { At::Centred } else { At::Current },
            fresh: false,
            pace: 0,
            short: false,
            paranoid: options.paranoid,
        };
        engine.set_active(&active)?;
        if engine.paranoid {
            device.checked("writing guard words", || {
                engine.program.written().iter().for_each(|output| paranoia::guard(device, output));
                Ok(())
            })?;
        }
        Ok(engine)
    }

    /// The gradient for the trials in the slots with the arguments in the buffers of `evaluate`.
    fn run_evaluation(&mut self, at: At, count: usize) -> Result<Evaluation> {
        self.run_gradient("evaluating a gradient", count, at, None)?;
        let buffers = &self.program.buffers;
        if self.paranoid {
            let inspect = || paranoia::inspect(&self.device, &self.program.outputs(), &self.program.written());
            self.device.checked("inspecting outputs", inspect)?;
        }
        let (residual, (left, right)) = (self.read(&buffers.residual)?, self.read_factors(&buffers.direction)?);
        Ok(Evaluation { residual, left, right })
    }
}

impl Engine for GpuEngine<'_> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()> {
        self.fresh = false;
        self.write(&self.program.buffers.target, "observations", target)?;
        self.write(&self.program.buffers.weight, "weights", weights)
    }

    fn set_steps(&mut self, steps: &[f64]) -> Result<()> {
        let scale = self.program.frame.recipe.gradient_scale();
        let scaled: Vec<f64> = steps.iter().map(|step| scale * step).collect();
        self.write(&self.program.buffers.step, "step_size", &scaled)
    }

    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()> {
        self.write(&self.program.buffers.shrink, "ridge", shrink)
    }

    fn set_tuning(&mut self, tuning: &[Tuning]) -> Result<()> {
        if tuning.len() != self.active.len() {
            let (found, allowed) = (format!("{} of them", tuning.len()), format!("{} of them", self.active.len()));
            return Err(Error::invalid("tuning", found, allowed, "one per trial"));
        }
        self.iteration = 0;
        let Program { stages, buffers, .. } = &mut self.program;
        self.device.checked("bringing the tuning", || stages.set_tuning(&self.device, buffers, tuning))
    }

    fn damping_raised(&mut self) -> Result<Vec<usize>> {
        self.device.checked("reading back", || self.program.stages.raised(&self.device))
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        self.require_models("factors", factors)?;
        self.fresh = false;
        self.write_factors(&self.program.buffers.factor, "factors", factors)?;
        let Program { stages, buffers, .. } = &self.program;
        self.device.checked("uploading", || stages.forget(&self.device, buffers))
    }

    fn set_centre(&mut self, centre: &Factors) -> Result<()> {
        if !self.program.frame.symmetric {
            return Err(Error::Unsupported {
                what: "increments around a centre for a pair of factors".into(),
                fix: "use precision f32 or f64".into(),
            });
        }
        self.require_models("centre", centre)?;
        (self.fresh, self.at) = (false, At::Centred);
        self.write(&self.program.buffers.centre, "centre", centre.left_data())
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        if active.len() != self.program.frame.batch {
            let allowed = format!("{} flags", self.program.frame.batch);
            return Err(Error::invalid("active", format!("{} flags", active.len()), allowed, "one flag per trial"));
        }
        // D and the residuals lie by trial: they stay good for those that go on, but one that wakes up has none.
        if active.iter().zip(&self.active).any(|(new, old)| *new && !*old) {
            self.fresh = false;
        }
        self.active = active.to_vec();
        self.device.checked("choosing trials", || {
            self.program.write_slots(&self.active);
            Ok(())
        })
    }

    fn advance(&mut self, iterations: usize) -> Result<()> {
        let count = self.count();
        if count == 0 {
            self.iteration += iterations;
            return Ok(());
        }
        let longest = (DISPATCHES / self.program.dispatches()).clamp(1, self.program.stages.ahead());
        let mut left = iterations;
        while left > 0 {
            let pace = if self.stream.is_some() { longest } else { self.pace.clamp(1, longest) };
            let now = pace.min(left);
            // The gradient at the current factor is used up, whatever becomes of the submission.
            let schedule = self.schedule(now);
            let (first, stages) = (self.iteration, &self.program.stages);
            if stages.decays() {
                self.device.checked("preparing steps", || {
                    stages.prepare(&self.device, first, now);
                    Ok(())
                })?;
            }
            self.iterate(&schedule, count, now)?;
            left -= now;
            self.iteration += now;
        }
        Ok(())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        let count = self.count();
        if !self.fresh && count > 0 {
            self.run_gradient("evaluating residuals", count, self.at, None)?;
            self.fresh = true;
        }
        self.read(&self.program.buffers.residual)
    }

    fn factors(&mut self) -> Result<Factors> {
        let (left, right) = self.read_factors(&self.program.buffers.factor)?;
        Factors::of(self.program.frame.batch, self.shape, self.program.frame.k, left, right)
    }

    fn state(&mut self) -> Result<State> {
        let mut state = State::default();
        state.put_counts("iteration", [self.iteration]);
        state.put_counts("raised", self.damping_raised()?);
        let (left, right) = self.read_factors(&self.program.buffers.factor)?;
        state.put("left", left);
        state.put("right", right);
        if self.program.frame.recipe.polyak == Polyak::First {
            state.put("steps", self.read(&self.program.buffers.step)?);
        }
        if let Some(previous) = self.program.stages.previous() {
            let (left, right) = self.read_factors(previous)?;
            state.put("previous.left", left);
            state.put("previous.right", right);
        }
        let since = self.device.checked("reading back", || self.program.stages.since(&self.device))?;
        if let Some(since) = since {
            state.put_counts("since", since);
        }
        Ok(state)
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        let Frame { n1, n2, k, batch, symmetric, .. } = self.program.frame;
        let sizes = [batch * n1 * k, if symmetric { 0 } else { batch * n2 * k }];
        let pair = |of: [&str; 2]| -> Result<Factors> {
            let (left, right) = (state.get(of[0], sizes[0])?.to_vec(), state.get(of[1], sizes[1])?.to_vec());
            Factors::of(batch, self.shape, k, left, right)
        };
        let (factors, raised) = (pair(["left", "right"])?, state.counts("raised", batch)?);
        let iteration = state.count("iteration")?;
        self.fresh = false;
        self.write_factors(&self.program.buffers.factor, "factors", &factors)?;
        if self.program.frame.recipe.polyak == Polyak::First {
            self.write(&self.program.buffers.step, "step_size", state.get("steps", batch)?)?;
        }
        let mut since = Vec::new();
        if let Some(previous) = self.program.stages.previous() {
            self.write_factors(previous, "previous factors", &pair(["previous.left", "previous.right"])?)?;
            since = state.counts("since", batch)?;
        }
        self.iteration = iteration;
        self.device.checked("uploading", || {
            self.program.stages.restore(&self.device, &since, &raised);
            Ok(())
        })
    }

    fn evaluate_some(&mut self, point: &Factors, applied: &Factors, which: &[bool]) -> Result<Evaluation> {
        self.require_sizes("point", point)?;
        self.require_sizes("applied", applied)?;
        self.fresh = false;
        let (buffers, symmetric) = (&self.program.buffers, self.program.frame.symmetric);
        // Two factors lie in one buffer.
        let at = if point.is_single() || !symmetric { At::Single } else { At::Pair };
        self.write_factors(&buffers.left, "point", point)?;
        if symmetric {
            if !point.is_single() {
                self.write(&buffers.right, "point", point.right_data())?;
            }
            // A pair (W, V) for a model of one factor asks for what V alone makes.
            self.write(&buffers.applied, "applied", applied.right_data())?;
        } else {
            self.write_factors(&buffers.applied, "applied", applied)?;
        }
        self.device.checked("preparing an evaluation", || {
            self.program.write_slots(which);
            if self.paranoid {
                paranoia::poison(&self.device, &self.program.outputs());
            }
            Ok(())
        })?;
        let evaluation = self.run_evaluation(at, which.iter().filter(|which| **which).count());
        self.device.checked("choosing trials", || {
            self.program.write_slots(&self.active);
            Ok(())
        })?;
        evaluation
    }
}
