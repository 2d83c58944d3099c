//! Deliberate faults at the interface between the loop and the hardware, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::{Engine, EngineInfo, State};
use crate::error::{Error, Result};
use crate::tape::{Register, Rows};

/// Kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Loss of the device.
    Lost,
    /// Exhaustion of the device memory.
    OutOfMemory,
    /// Another refusal: a pipeline, a timeout.
    Refused,
    /// A NaN in the factor.
    NotANumber,
    /// A device that does nothing and reports success: all reads give zero.
    Idle,
}

/// Failing calls: the j-th of all calls of `run` and `read` in a run, counted from 0 over all engines of the run.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    at: Vec<(usize, FaultKind)>,
    calls: Arc<AtomicUsize>,
}

impl Faults {
    /// Faults at these calls.
    pub fn new(at: impl IntoIterator<Item = (usize, FaultKind)>) -> Self {
        Self { at: at.into_iter().collect(), calls: Arc::default() }
    }

    fn next(&self) -> Option<FaultKind> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.at.iter().find(|(at, _)| *at == call).map(|(_, kind)| *kind)
    }
}

/// An engine that fails on demand.
pub(crate) struct Faulty<'a> {
    pub(crate) inner: Box<dyn Engine + 'a>,
    pub(crate) faults: Faults,
}

impl Faulty<'_> {
    /// Fails where a fault is due; returns whether the device runs the call.
    fn pass(&mut self) -> Result<bool> {
        let adapter = self.inner.info().adapter.clone();
        let (message, fix) = ("a fault injected by a test".to_owned(), "leave it out".to_owned());
        match self.faults.next() {
            None => Ok(true),
            Some(FaultKind::Idle) => Ok(false),
            Some(FaultKind::Lost) => Err(Error::DeviceLost { adapter, message, fix }),
            Some(FaultKind::OutOfMemory) => Err(Error::OutOfMemory { adapter, message, fix }),
            Some(FaultKind::Refused) => Err(Error::Device { adapter, message, fix }),
            Some(FaultKind::NotANumber) => {
                let mut state = self.inner.state()?;
                let broken = |state: &mut State, name: &str| {
                    if let Some(values) = state.find(name) {
                        let mut values = values.to_vec();
                        values.iter_mut().take(1).for_each(|u| *u = f64::NAN);
                        state.put(name, values);
                    }
                };
                broken(&mut state, "factors");
                self.inner.restore(&state).map(|()| true)
            }
        }
    }
}

impl Engine for Faulty<'_> {
    fn info(&self) -> &EngineInfo {
        self.inner.info()
    }
    fn write(&mut self, register: Register, values: &[f64]) -> Result<()> {
        self.inner.write(register, values)
    }
    fn read(&mut self, register: Register) -> Result<Vec<f64>> {
        let carried_out = self.pass()?;
        let values = self.inner.read(register)?;
        Ok(if carried_out { values } else { vec![0.0; values.len()] })
    }
    fn state(&mut self) -> Result<State> {
        self.inner.state()
    }
    fn restore(&mut self, state: &State) -> Result<()> {
        self.inner.restore(state)
    }
    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        self.inner.set_active(active)
    }
    fn run(&mut self, iterations: usize) -> Result<()> {
        if self.pass()? { self.inner.run(iterations) } else { Ok(()) }
    }
    fn rows(&mut self, trial: usize) -> Result<Box<dyn Rows + '_>> {
        self.inner.rows(trial)
    }
    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.inner.agree(numbers)
    }
}
