//! Faults on purpose, at the seam between the loop and the hardware: for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::{Engine, EngineInfo, State};
use crate::error::{Error, Result};
use crate::tape::Register;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The device is gone.
    Lost,
    /// Its memory ran out.
    OutOfMemory,
    /// It refuses for another reason: a pipeline, a timeout.
    Refused,
    /// A number of the factor becomes NaN.
    NotANumber,
    /// It carries out nothing and says that all is well: what is read is zero.
    Idle,
}

/// Which calls fail: the j-th of all calls of `run` and `read` of a run, counted from 0 over all engines that
/// take part in it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    at: Vec<(usize, FaultKind)>,
    calls: Arc<AtomicUsize>,
}

impl Faults {
    pub fn new(at: impl IntoIterator<Item = (usize, FaultKind)>) -> Self {
        Self { at: at.into_iter().collect(), calls: Arc::default() }
    }

    fn next(&self) -> Option<FaultKind> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.at.iter().find(|(at, _)| *at == call).map(|(_, kind)| *kind)
    }
}

/// An engine that fails where it is told to.
pub(crate) struct Faulty<'a> {
    pub(crate) inner: Box<dyn Engine + 'a>,
    pub(crate) faults: Faults,
}

impl Faulty<'_> {
    /// Fails where a fault is due; whether the device carries the call out.
    fn pass(&mut self) -> Result<bool> {
        let adapter = self.inner.info().adapter.clone();
        let (message, fix) = ("a fault that a test asked for".to_owned(), "leave it out".to_owned());
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
    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.inner.agree(numbers)
    }
}
