//! Recovery of a run after a device failure.

use std::sync::Arc;

use crate::backend::Backend;
use crate::engine::State;
use crate::error::{Error, Result};
use crate::solver::checkpoint::Checkpoint;
use crate::solver::faults::{Fault, OnDeviceLoss};
use crate::solver::run::Run;
use crate::solver::solution::Status;
use crate::solver::watch::TrialWatch;

/// Most attempts to continue after a fault without a new observation.
const ATTEMPTS: usize = 3;

/// Result of handling an error.
pub(super) enum Next {
    /// The run continues from the last observation, or will try again.
    WentOn,
    /// The trials ended with their last good iterates.
    Ended,
    /// No state to continue from, and no iterate to return.
    GaveUp(Error),
}

/// State that a run keeps for recovery from a device failure.
pub(super) struct Recovery {
    what: OnDeviceLoss,
    /// State of the engine at the last observation, where it may be needed.
    good: Option<(usize, State)>,
    /// Number of faults since the last observation.
    attempts: usize,
    /// The fault that ended the run.
    pub fault: Option<Fault>,
}

impl Recovery {
    pub(super) fn new(what: OnDeviceLoss) -> Self {
        Self { what, good: None, attempts: 0, fault: None }
    }

    /// Whether the engine's state is needed at every observation.
    pub(super) fn keeps_states(&self) -> bool {
        self.what != OnDeviceLoss::Stop
    }

    /// Records an observation, with the engine's state where it is needed.
    pub(super) fn observed(&mut self, iteration: usize, state: Option<State>) {
        self.attempts = 0;
        self.good = state.map(|state| (iteration, state));
    }

    /// Whether another attempt follows a failed one.
    fn tries_again(&self, error: &Error) -> bool {
        error.is_device_fault() && self.attempts <= ATTEMPTS && self.what == OnDeviceLoss::Retry
    }
}

impl Run<'_> {
    /// Continues elsewhere after a device fault, or ends.
    pub(super) fn recover(&mut self, error: Error) -> Next {
        if !error.is_device_fault() {
            return Next::GaveUp(error);
        }
        self.recovery.attempts += 1;
        let seen = self.trace.last().map_or(0, |row| row.iteration);
        let moved = self.place().transpose().and_then(|place| place.map(|place| self.go_back(place)).transpose());
        match moved {
            Ok(Some(())) => {
                let (iteration, backend) = (self.iteration, &self.loaded.info().backend);
                self.notices.push(format!(
                    "the device failed after iteration {seen} ({error}): the run continued from iteration \
                     {iteration} on {backend}"
                ));
                Next::WentOn
            }
            Ok(None) | Err(_) if !self.watches.iter().all(TrialWatch::has_kept) => Next::GaveUp(error),
            Err(second) if self.recovery.tries_again(&second) => Next::WentOn,
            Ok(None) | Err(_) => {
                self.end_all(Status::DeviceLost);
                self.active.fill(false);
                self.notices.push(format!("the device failed after iteration {seen}: {error}"));
                self.recovery.fault = Some(Fault { iteration: seen, error: Arc::new(error) });
                Next::Ended
            }
        }
    }

    /// The backend to continue on, if any.
    fn place(&self) -> Option<Result<Backend>> {
        match (self.recovery.what, self.recovery.attempts) {
            (OnDeviceLoss::Stop, _) => None,
            (OnDeviceLoss::Retry, attempts) => (attempts <= ATTEMPTS).then(|| self.loaded.reopened()),
            // The Cpu backend cannot be lost.
            (OnDeviceLoss::Cpu, attempts) => (attempts <= 1).then(|| Ok(Backend::Cpu)),
        }
    }

    /// Loads the problem on `place` and returns to the last observation.
    fn go_back(&mut self, place: Backend) -> Result<()> {
        let (iteration, state) = match (&self.recovery.good, self.from) {
            (Some((iteration, state)), _) => (*iteration, Some(state)),
            (None, from) => (from.map_or(0, Checkpoint::iteration), from.map(|from| &from.state)),
        };
        self.loaded.move_to(self.task, place, &self.active, state)?;
        (self.iteration, self.due) = (iteration, state.is_none());
        Ok(())
    }
}
