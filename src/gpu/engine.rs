//! The GPU engine: registers, and the stages of iterations in submissions of suitable length.

mod stages;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use web_time::Instant;

use crate::engine::Options;
use crate::engine::{Engine, EngineInfo, Load, State};
use crate::error::{Error, Result};
use crate::gpu::blueprint::Blueprint;
use crate::gpu::bound::Machine;
use crate::gpu::paranoia;
use crate::gpu::registers::{Place, Registers};
use crate::gpu::stream::Stream;
use crate::tape::{Initial, Minibatches, Program, Register, Role, Rows, Turns, out_of_reach};

/// Submissions shorter than this grow.
const SHORT_SUBMISSION: Duration = Duration::from_millis(100);
/// Submissions longer than this shrink: drivers reset a device that is silent for about two seconds.
const LONG_SUBMISSION: Duration = Duration::from_millis(400);
/// Most dispatches per submission: each takes host memory until it is done.
const DISPATCHES: usize = 1 << 14;

/// A stage of an iteration, and its group of measurements.
#[derive(Clone, Copy)]
struct Step {
    head: bool,
    index: usize,
    turn: Option<usize>,
}

pub(super) struct GpuEngine<'a> {
    machine: Machine,
    registers: Registers,
    program: Arc<Program>,
    info: EngineInfo,
    batch: usize,
    measurements: usize,
    /// Number of the next iteration.
    iteration: usize,
    turns: HashMap<(usize, u64), Turns>,
    /// The measurement data that are not on the device.
    stream: Option<Stream<'a>>,
    active: Vec<bool>,
    /// Whether the head of the next iteration has run.
    fresh: bool,
    /// Whether the iterate was written, so that a run begins.
    anew: bool,
    /// Iterations of the next submission; 0 until one iteration is known to be short enough for a submission of its
    /// own.
    pace: usize,
    /// Whether the head is known to be short enough.
    short: bool,
    /// Most dispatches of one iteration.
    dispatches: usize,
    paranoid: bool,
    /// Which buffers have guard words.
    guarded: Vec<bool>,
}

impl<'a> GpuEngine<'a> {
    /// An engine around a machine with its data on the device: registers zero, all trials active.
    pub(super) fn new(
        load: &Load<'_>,
        options: &Options,
        blueprint: Blueprint,
        machine: Machine,
        stream: Option<Stream<'a>>,
        info: EngineInfo,
    ) -> Result<Self> {
        let panels = machine.panels.len() + stream.as_ref().map_or(0, Stream::panels);
        let dispatches = blueprint.stages().map(|stage| stage.dispatches(panels)).sum::<usize>().max(1);
        let guarded = blueprint.plan.buffers.iter().map(|planned| planned.written).collect();
        let mut engine = Self {
            machine,
            registers: blueprint.registers,
            program: Arc::clone(&load.program),
            info,
            batch: load.batch,
            measurements: load.operator.measurements(),
            iteration: 0,
            turns: HashMap::new(),
            stream,
            active: vec![true; load.batch],
            fresh: false,
            anew: true,
            pace: 0,
            short: false,
            dispatches,
            paranoid: options.paranoid,
            guarded,
        };
        engine.set_active(&vec![true; load.batch])?;
        if engine.paranoid {
            let Self { machine, guarded, .. } = &engine;
            machine.device.checked("writing guard words", || {
                let buffers = machine.buffers.iter().zip(guarded).filter(|(_, guarded)| **guarded);
                buffers.for_each(|(buffer, _)| paranoia::guard(&machine.device, buffer));
                Ok(())
            })?;
        }
        Ok(engine)
    }

    fn count(&self) -> usize {
        self.active.iter().filter(|&&active| active).count()
    }

    fn place(&self, register: Register) -> Result<Place> {
        self.registers.find(register).ok_or_else(|| {
            let name = &self.program.declaration(register).name;
            Error::invalid(
                "register",
                name,
                "a register shared by several ops",
                "the register exists only inside a kernel",
            )
        })
    }

    fn fetch(&self, place: Place) -> Result<Vec<f64>> {
        let (device, storage) = (&self.machine.device, &self.machine.buffers[place.buffer]);
        device.checked("reading back", || {
            if place.stride == place.len {
                return storage.read_at(device, place.offset, self.batch * place.len);
            }
            let all = storage.read_numbers(device)?;
            let trial = |trial: usize| {
                let first = place.offset + trial * place.stride;
                all[first..first + place.len].iter().copied()
            };
            Ok((0..self.batch).flat_map(trial).collect())
        })
    }

    /// Writes the numbers of all trials.
    fn store(&self, place: Place, values: &[f64]) -> Result<()> {
        if place.stride != place.len {
            let mut trials = values.chunks(place.len).enumerate();
            return trials.try_for_each(|(trial, values)| self.store_trial(place, trial, values));
        }
        let (device, storage) = (&self.machine.device, &self.machine.buffers[place.buffer]);
        device.checked("uploading", || {
            storage.write_at(device, place.offset, values);
            Ok(())
        })
    }

    /// Writes the numbers of one trial.
    fn store_trial(&self, place: Place, trial: usize, values: &[f64]) -> Result<()> {
        let (device, storage) = (&self.machine.device, &self.machine.buffers[place.buffer]);
        device.checked("uploading", || {
            storage.write_at(device, place.offset + trial * place.stride, values);
            Ok(())
        })
    }

    /// Stages of iteration t, or of its head alone.
    fn steps(&mut self, t: usize, head: bool, tail: bool) -> Vec<Step> {
        let mut turn = |groups: Option<Minibatches>| {
            let groups = groups?;
            Some(self.turns.entry((groups.count, groups.seed)).or_default().group(groups, t))
        };
        let mut steps = Vec::new();
        for (is_head, items) in [(true, &self.machine.head), (false, &self.machine.tail)] {
            if !(if is_head { head } else { tail }) {
                continue;
            }
            for (index, item) in items.iter().enumerate().filter(|(_, item)| item.when.holds(t)) {
                steps.push(Step { head: is_head, index, turn: turn(item.group) });
            }
        }
        steps
    }

    /// Runs `now` iterations and waits for them.
    fn iterate(&mut self, steps: &[Step], now: usize) -> Result<()> {
        let (begin, slowly) = (Instant::now(), self.pace == 0);
        self.carry_out("iterating", steps, slowly)?;
        let took = begin.elapsed();
        if slowly {
            self.pace = usize::from(took < LONG_SUBMISSION);
        } else if took > LONG_SUBMISSION {
            self.pace /= 2;
            self.short &= self.pace > 0;
        } else if took < SHORT_SUBMISSION && now == self.pace {
            self.pace = (2 * self.pace).min(DISPATCHES);
        }
        Ok(())
    }

    /// Sets the kept registers to their initial values where a run begins.
    fn start(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.anew) {
            return Ok(());
        }
        let program = Arc::clone(&self.program);
        for (register, declaration) in program.kept().filter(|(register, _)| *register != program.iterate().into()) {
            if let Role::Kept(initial) = declaration.role {
                self.initialise(register, initial)?;
            }
        }
        Ok(())
    }

    /// Sets a kept register to its value before the first iteration.
    fn initialise(&self, register: Register, initial: Initial) -> Result<()> {
        let Some(place) = self.registers.find(register) else { return Ok(()) };
        match initial {
            Initial::Iterate => {
                let Some(from) = self.registers.find(self.program.iterate()) else { return Ok(()) };
                if from.buffer == place.buffer {
                    return Ok(());
                }
                let machine = &self.machine;
                machine.device.checked("preparing the first iteration", || {
                    let [source, target] = [from, place].map(|place| &machine.buffers[place.buffer]);
                    let descriptor = wgpu::CommandEncoderDescriptor::default();
                    let mut encoder = machine.device.raw().create_command_encoder(&descriptor);
                    encoder.copy_buffer_to_buffer(&source.buffer, 0, &target.buffer, 0, source.words as u64 * 4);
                    machine.device.queue().submit([encoder.finish()]);
                    Ok(())
                })
            }
            Initial::Number(value) => self.store(place, &vec![value; self.batch * place.len]),
            Initial::Parameter(scalar) => {
                let numbers = self.fetch(self.place(Register::from(scalar))?)?;
                let all: Vec<f64> = numbers.into_iter().flat_map(|number| vec![number; place.len]).collect();
                self.store(place, &all)
            }
        }
    }
}

impl Engine for GpuEngine<'_> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn write(&mut self, register: Register, values: &[f64]) -> Result<()> {
        let place = self.place(register)?;
        if values.len() != self.batch * place.len {
            let (found, allowed) = (format!("{} numbers", values.len()), format!("{} numbers", self.batch * place.len));
            let name = &self.program.declaration(register).name;
            return Err(Error::invalid(name, found, allowed, "check batch and sizes"));
        }
        self.fresh = false;
        if register == self.program.iterate().into() {
            (self.iteration, self.anew) = (0, true);
        }
        self.store(place, values)
    }

    fn read(&mut self, register: Register) -> Result<Vec<f64>> {
        let place = self.place(register)?;
        if register.index() == self.program.residual.index() && !self.fresh && self.count() > 0 {
            self.start()?;
            let steps = self.steps(self.iteration, true, false);
            let (begin, slowly) = (Instant::now(), !self.short);
            self.carry_out("evaluating residuals", &steps, slowly)?;
            if slowly && begin.elapsed() < LONG_SUBMISSION {
                (self.pace, self.short) = (self.pace.max(1), true);
            }
            self.fresh = true;
        }
        self.fetch(place)
    }

    fn state(&mut self) -> Result<State> {
        self.start()?;
        let mut state = State::default();
        for (register, declaration) in Arc::clone(&self.program).kept() {
            state.put(&declaration.name, self.fetch(self.place(register)?)?);
        }
        state.put_counts("iteration", [self.iteration]);
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let iteration = state.count("iteration")?;
        for (register, declaration) in Arc::clone(&self.program).kept() {
            let place = self.place(register)?;
            let values = state.get(&declaration.name, self.batch * place.len)?;
            self.store(place, values)?;
        }
        (self.iteration, self.fresh, self.anew) = (iteration, false, false);
        Ok(())
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        if active.len() != self.batch {
            let allowed = format!("{} flags", self.batch);
            return Err(Error::invalid("active", format!("{} flags", active.len()), allowed, "one flag per trial"));
        }
        // Registers lie by trial. They stay valid for trials that continue; a trial that wakes up has none.
        if active.iter().zip(&self.active).any(|(new, old)| *new && !*old) {
            self.fresh = false;
        }
        self.active = active.to_vec();
        self.machine.device.checked("choosing trials", || {
            self.machine.write_slots(&self.active);
            Ok(())
        })
    }

    fn run(&mut self, iterations: usize) -> Result<()> {
        if self.count() == 0 {
            self.iteration += iterations;
            self.fresh = false;
            return Ok(());
        }
        self.start()?;
        let longest = (DISPATCHES / self.dispatches).max(1);
        let mut left = iterations;
        while left > 0 {
            let now = if self.stream.is_some() { longest } else { self.pace.clamp(1, longest) }.min(left);
            // The head is used up even if the submission fails.
            let fresh = std::mem::take(&mut self.fresh);
            let mut steps = Vec::new();
            for t in self.iteration..self.iteration + now {
                let head = self.program.leads && !(fresh && t == self.iteration);
                steps.extend(self.steps(t, head, true));
            }
            self.iterate(&steps, now)?;
            left -= now;
            self.iteration += now;
        }
        Ok(())
    }

    fn rows(&mut self, _trial: usize) -> Result<Box<dyn Rows + '_>> {
        Err(out_of_reach("on the backend gpu"))
    }

    fn agree(&mut self, _numbers: &mut [f64]) -> Result<()> {
        Ok(())
    }
}
