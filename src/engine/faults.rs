//! Faults on purpose, at the seam between the loop and the hardware: for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::{Engine, EngineInfo, Evaluation, State};
use crate::error::{Error, Result};
use crate::methods::Tuning;
use crate::problem::Factors;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The device is gone.
    Lost,
    /// Its memory ran out.
    OutOfMemory,
    /// It refuses for another reason: a pipeline, a timeout.
    Refused,
    /// A number of the factor becomes NaN.
    NotANumber,
}

/// Which calls fail: the j-th of all calls of `advance`, `residuals` and `factors` of a run, counted from 0 over all engines that
/// take part in it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    at: Vec<(usize, Kind)>,
    calls: Arc<AtomicUsize>,
}

impl Faults {
    pub fn new(at: impl IntoIterator<Item = (usize, Kind)>) -> Self {
        Self { at: at.into_iter().collect(), calls: Arc::default() }
    }

    fn next(&self) -> Option<Kind> {
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
    fn pass(&mut self) -> Result<()> {
        let adapter = self.inner.info().adapter.clone();
        let (message, fix) = ("a fault that a test asked for".to_owned(), "leave it out".to_owned());
        match self.faults.next() {
            None => Ok(()),
            Some(Kind::Lost) => Err(Error::DeviceLost { adapter, message, fix }),
            Some(Kind::OutOfMemory) => Err(Error::OutOfMemory { adapter, message, fix }),
            Some(Kind::Refused) => Err(Error::Device { adapter, message, fix }),
            Some(Kind::NotANumber) => {
                let mut state = self.inner.state()?;
                let mut left = state.find("left").unwrap_or_default().to_vec();
                left.iter_mut().take(1).for_each(|u| *u = f64::NAN);
                state.put("left", left);
                self.inner.set_state(&state)
            }
        }
    }
}

impl Engine for Faulty<'_> {
    fn info(&self) -> &EngineInfo {
        self.inner.info()
    }
    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()> {
        self.inner.set_observations(target, weights)
    }
    fn set_steps(&mut self, steps: &[f64]) -> Result<()> {
        self.inner.set_steps(steps)
    }
    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()> {
        self.inner.set_ridge(shrink)
    }
    fn set_tuning(&mut self, tuning: &[Tuning]) -> Result<()> {
        self.inner.set_tuning(tuning)
    }
    fn damping_raised(&mut self) -> Result<Vec<usize>> {
        self.inner.damping_raised()
    }
    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        self.inner.set_factors(factors)
    }
    fn set_centre(&mut self, centre: &Factors) -> Result<()> {
        self.inner.set_centre(centre)
    }
    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        self.inner.set_active(active)
    }
    fn advance(&mut self, iterations: usize) -> Result<()> {
        self.pass()?;
        self.inner.advance(iterations)
    }
    fn residuals(&mut self) -> Result<Vec<f64>> {
        self.pass()?;
        self.inner.residuals()
    }
    fn factors(&mut self) -> Result<Factors> {
        self.pass()?;
        self.inner.factors()
    }
    fn evaluate_some(&mut self, point: &Factors, applied: &Factors, which: &[bool]) -> Result<Evaluation> {
        self.inner.evaluate_some(point, applied, which)
    }
    fn state(&mut self) -> Result<State> {
        self.inner.state()
    }
    fn set_state(&mut self, state: &State) -> Result<()> {
        self.inner.set_state(state)
    }
    fn f64_passes(&self) -> Option<usize> {
        self.inner.f64_passes()
    }
}
