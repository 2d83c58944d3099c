//! Interpreter of tapes on the host, for any implementation of A and its adjoint.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::{EngineInfo, State};
use crate::error::{Error, Result};
use crate::host::ops;
use crate::host::registers::Registers;
use crate::real::Real;
use crate::tape::{
    Held, HostOp, HostWork, Initial, Kind, Left, Measured, Minibatches, Op, Pass, Program, Register, Role, Rows,
    Scalar, Step, Turns,
};

/// Context of a pass, besides its lanes.
pub(crate) struct Request<'a> {
    /// The program, for the loss and the weights.
    pub(crate) program: &'a Program,
    /// Active trials.
    pub(crate) active: &'a [bool],
    /// Measurements that count, if not all.
    pub(crate) group: Option<Range<usize>>,
}

/// Application of A and its adjoint, and sums over all measurements: the part that differs between host engines.
pub(crate) trait Passes<T: Real>: Send {
    /// Ranges of local measurements, in order.
    fn shards(&self) -> &[Range<usize>];

    /// Runs all lanes for the active trials.
    ///
    /// # Errors
    /// Those of devices and connections.
    fn pass(&mut self, pass: &Pass, request: &Request<'_>, registers: &mut Registers<T>) -> Result<()>;

    /// The measurement data of a trial, for functions on the host.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where they are out of reach; those of the connection.
    fn rows<'r>(
        &'r mut self,
        registers: &'r Registers<T>,
        program: &Program,
        trial: usize,
    ) -> Result<Box<dyn Rows + 'r>>;

    /// Adds the values of the shards, in an order independent of their places.
    ///
    /// # Errors
    /// Those of the connection.
    fn total(&mut self, by_shard: Vec<Vec<f64>>) -> Result<Vec<f64>>;

    /// Gathers (batch, m) over all ranks.
    ///
    /// # Errors
    /// Those of the connection.
    fn gather(&mut self, registers: &Registers<T>, iterate: Register, own: &[Vec<T>]) -> Result<Vec<f64>>;

    /// See [`Engine::agree`].
    ///
    /// # Errors
    /// Those of the connection.
    fn agree(&mut self, numbers: &mut [f64]) -> Result<()>;

    /// Thread mode of iterations.
    fn attendance(&self) -> Attendance;

    /// Updates the engine's description.
    fn report(&self, info: &mut EngineInfo);
}

/// An engine that interprets a tape.
pub(crate) struct Machine<T, P> {
    program: Arc<Program>,
    passes: P,
    info: EngineInfo,
    registers: Registers<T>,
    shards: Vec<Range<usize>>,
    measurements: usize,
    centred: bool,
    active: Vec<bool>,
    iteration: usize,
    turns: Turns,
    /// Whether the head of the next iteration has run.
    fresh: bool,
    /// Whether the iterate was written, so that a run begins.
    anew: bool,
}

impl<T: Real, P: Passes<T>> Machine<T, P> {
    /// A machine with all registers zero, weights 1 and all trials active. `centred` means that the operator's
    /// residuals are centred.
    pub(crate) fn new(
        program: Arc<Program>,
        passes: P,
        info: EngineInfo,
        (batch, measurements, centred): (usize, usize, bool),
    ) -> Self {
        let shards = passes.shards().to_vec();
        let registers = Registers::new(&program, batch, &shards);
        let (active, turns) = (vec![true; batch], Turns::default());
        Self {
            program,
            passes,
            info,
            registers,
            shards,
            measurements,
            centred,
            active,
            iteration: 0,
            turns,
            fresh: false,
            anew: true,
        }
    }

    /// Measurements of the current group.
    fn range(&mut self, group: Option<Minibatches>) -> Option<Range<usize>> {
        let groups = group?;
        let turn = self.turns.group(groups, self.iteration);
        Some(groups.range(turn, self.measurements))
    }

    /// Sums over the measurements of a group, or of all.
    fn sums<'a>(&'a self, vectors: [Measured; 2], group: Option<Range<usize>>) -> ops::Sums<'a, T> {
        let inside = |shard: &Range<usize>| {
            let group = group.clone().unwrap_or(0..self.measurements);
            let (start, end) = (shard.start.max(group.start), shard.end.min(group.end));
            start.saturating_sub(shard.start)..end.saturating_sub(shard.start).max(start.saturating_sub(shard.start))
        };
        let inside = self.shards.iter().map(inside).collect();
        ops::Sums { registers: &self.registers, weights: self.program.weights, vectors, active: &self.active, inside }
    }

    /// Means ā and b̄ by trial; 0 unless residuals are centred.
    fn means(&mut self, vectors: [Measured; 2], group: Option<Range<usize>>) -> Result<Vec<[f64; 2]>> {
        let mut means = vec![[0.0; 2]; self.active.len()];
        if self.centred {
            let found = self.sums(vectors, group).means();
            let found = self.passes.total(found)?;
            let trials = (0..self.active.len()).filter(|trial| self.active[*trial]);
            for (trial, sums) in trials.zip(found.chunks(3)) {
                if sums[0] > 0.0 {
                    means[trial] = [sums[1] / sums[0], sums[2] / sums[0]];
                }
            }
        }
        Ok(means)
    }

    /// Writes a sum of each active trial.
    fn put(&mut self, out: Scalar, by_shard: Vec<Vec<f64>>) -> Result<()> {
        let found = self.passes.total(by_shard)?;
        let trials: Vec<usize> = (0..self.active.len()).filter(|trial| self.active[*trial]).collect();
        trials.into_iter().zip(found).for_each(|(trial, sum)| self.registers.set_scalar(out, trial, sum));
        Ok(())
    }

    fn carry_out(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::Pass(pass) => {
                let group = self.range(pass.group);
                let request = Request { program: &self.program, active: &self.active, group };
                self.passes.pass(pass, &request, &mut self.registers)
            }
            Op::Combine(op) => {
                ops::combine(&mut self.registers, op, &self.active);
                Ok(())
            }
            Op::MeasuredCombine(op) => {
                ops::measured_combine(&mut self.registers, op, &self.active);
                Ok(())
            }
            Op::Dot { out, a, b } => {
                for trial in (0..self.active.len()).filter(|trial| self.active[*trial]) {
                    let sum = ops::dot(&self.registers, *a, *b, trial);
                    self.registers.set_scalar(*out, trial, sum);
                }
                Ok(())
            }
            Op::MeasuredDot { out, a, b } => {
                let means = self.means([*a, *b], None)?;
                let found = self.sums([*a, *b], None).products(&means);
                self.put(*out, found)
            }
            Op::Energy { out, residual, group } => {
                let group = self.range(*group);
                let means = self.means([*residual, *residual], group.clone())?;
                let found = self.sums([*residual, *residual], group).energies(self.program.loss, &means);
                self.put(*out, found)
            }
            Op::Formula { out, value } => {
                for trial in (0..self.active.len()).filter(|trial| self.active[*trial]) {
                    let found = ops::value(&self.registers, value, trial);
                    self.registers.set_scalar(*out, trial, found);
                }
                Ok(())
            }
            Op::Precondition(op) => {
                ops::precondition(&mut self.registers, op, &self.active);
                Ok(())
            }
            Op::Product(op) => {
                ops::product(&mut self.registers, op, &self.active);
                Ok(())
            }
            Op::MeasuredClip(op) => {
                ops::measured_clip(&mut self.registers, op, &self.active);
                Ok(())
            }
            Op::LabelNoise(op) => {
                ops::label_noise(&mut self.registers, op, &self.active, &self.shards);
                Ok(())
            }
            Op::Host(op) => self.on_host(op),
        }
    }

    /// Runs a function on the host for each active trial.
    fn on_host(&mut self, op: &HostOp) -> Result<()> {
        let Self { program, passes, registers, active, .. } = self;
        let trials: Vec<usize> = (0..active.len()).filter(|trial| active[*trial]).collect();
        let leave = |registers: &mut Registers<T>, trial: usize, left: Vec<Left>| -> Result<()> {
            for (at, left) in op.outputs.iter().zip(left) {
                let declaration = program.declaration(*at);
                debug_assert!(declaration.kind != Kind::Measured, "host ops write factors and scalars");
                registers.leave((&declaration.name, *at), trial, &left)?;
            }
            Ok(())
        };
        match &op.work {
            HostWork::Alone(_) => {
                let all: Vec<Vec<Held<'_>>> =
                    trials.iter().map(|trial| registers.all_held(&op.inputs, *trial)).collect();
                let left = op.run_each(&all)?;
                trials.iter().zip(left).try_for_each(|(trial, left)| leave(registers, *trial, left))
            }
            HostWork::WithRows(function) => trials.iter().try_for_each(|trial| {
                let mut left = vec![Left::default(); op.outputs.len()];
                let given = registers.all_held(&op.inputs, *trial);
                function(&*passes.rows(registers, program, *trial)?, &given, &mut left)?;
                leave(registers, *trial, left)
            }),
        }
    }

    fn carry_out_all(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            if step.when.holds(self.iteration) {
                self.carry_out(&step.op)?;
            }
        }
        Ok(())
    }

    /// Sets the kept registers to their initial values where a run begins.
    fn start(&mut self) {
        if !std::mem::take(&mut self.anew) {
            return;
        }
        let program = self.program.clone();
        for (register, declaration) in program.kept().filter(|(register, _)| *register != program.iterate.into()) {
            match declaration.role {
                Role::Kept(Initial::Iterate) => self.registers.copy(program.iterate.into(), register),
                Role::Kept(Initial::Parameter(parameter)) => self.registers.copy(parameter.into(), register),
                Role::Kept(Initial::Number(value)) => self.registers.fill(register, value),
                Role::Input | Role::Temporary => {}
            }
        }
    }

    /// Runs the head unless it has run.
    fn run_head(&mut self) -> Result<()> {
        self.start();
        if !self.fresh {
            let program = self.program.clone();
            self.carry_out_all(&program.head)?;
            self.fresh = true;
        }
        Ok(())
    }

    fn iterate(&mut self) -> Result<()> {
        self.start();
        let program = self.program.clone();
        if program.leads {
            self.run_head()?;
        }
        self.fresh = false;
        self.carry_out_all(&program.tail)?;
        self.iteration += 1;
        Ok(())
    }
}

impl<T: Real, P: Passes<T>> Engine for Machine<T, P> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn write(&mut self, register: Register, values: &[f64]) -> Result<()> {
        let name = self.program.declaration(register).name.clone();
        self.registers.write((&name, register), values, self.measurements, &self.shards)?;
        self.fresh = false;
        if register == self.program.iterate.into() {
            (self.iteration, self.anew) = (0, true);
        }
        Ok(())
    }

    fn read(&mut self, register: Register) -> Result<Vec<f64>> {
        if register == self.program.residual.into() {
            self.run_head()?;
        }
        match self.registers.read(register) {
            Some(values) => Ok(values),
            None => {
                let own = self.registers.read_measured(register);
                self.passes.gather(&self.registers, self.program.iterate.into(), own)
            }
        }
    }

    fn state(&mut self) -> Result<State> {
        self.start();
        let mut state = State::default();
        for (register, declaration) in self.program.clone().kept() {
            let values = match self.registers.read(register) {
                Some(values) => values,
                None => {
                    let own = self.registers.read_measured(register);
                    self.passes.gather(&self.registers, self.program.iterate.into(), own)?
                }
            };
            state.put(&declaration.name, values);
        }
        state.put_counts("iteration", [self.iteration]);
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let (batch, m) = (self.registers.batch(), self.measurements);
        let iteration = state.count("iteration")?;
        for (register, declaration) in self.program.clone().kept() {
            let values = state.get(&declaration.name, batch * declaration.kind.len(m))?;
            self.registers.write((&declaration.name, register), values, m, &self.shards)?;
        }
        (self.iteration, self.fresh, self.anew) = (iteration, false, false);
        Ok(())
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        if active.len() != self.active.len() {
            let (found, allowed) = (format!("{} flags", active.len()), format!("{} flags", self.active.len()));
            return Err(Error::invalid("active", found, allowed, "one flag per trial"));
        }
        // A trial that wakes up has no gradient yet.
        if active.iter().zip(&self.active).any(|(new, old)| *new && !*old) {
            self.fresh = false;
        }
        self.active.copy_from_slice(active);
        Ok(())
    }

    fn run(&mut self, iterations: usize) -> Result<()> {
        let hosted = self.program.steps().any(|step| matches!(step.op, Op::Host(_)));
        // Host work between passes would only keep threads busy.
        if hosted || iterations == 0 {
            (0..iterations).try_for_each(|_| self.iterate())?;
        } else {
            // The closure borrows the machine, so the thread mode is copied out before.
            let attended = self.passes.attendance();
            attended.run(iterations, &mut || self.iterate())?;
        }
        self.passes.report(&mut self.info);
        Ok(())
    }

    fn rows(&mut self, trial: usize) -> Result<Box<dyn Rows + '_>> {
        self.passes.rows(&self.registers, &self.program, trial)
    }

    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.passes.agree(numbers)
    }
}

/// Thread mode of iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attendance {
    /// Only the thread that runs them.
    Alone,
    /// The other threads of the pool stay awake: see [`crate::host::awake`].
    Awake,
}

impl Attendance {
    fn run(self, iterations: usize, step: &mut (dyn FnMut() -> Result<()> + Send)) -> Result<()> {
        match self {
            Self::Alone => (0..iterations).try_for_each(|_| step()),
            Self::Awake => {
                let mut outcome = Ok(());
                crate::host::awake::awake(iterations, || {
                    if outcome.is_ok() {
                        outcome = step();
                    }
                });
                outcome
            }
        }
    }
}
