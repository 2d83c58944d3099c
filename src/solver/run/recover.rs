//! What becomes of a run where its device fails.

use std::sync::Arc;

use crate::backend::Backend;
use crate::engine::State;
use crate::error::{Error, Result};
use crate::solver::checkpoint::Checkpoint;
use crate::solver::faults::{Fault, OnDeviceLoss};
use crate::solver::run::Run;
use crate::solver::solution::Status;
use crate::solver::watch::TrialWatch;

/// Attempts to go on after a fault without a new observation between them.
const ATTEMPTS: usize = 3;

/// What a run did about an error.
pub(super) enum Next {
    /// It went on from the last observation, or is about to try again.
    WentOn,
    /// Its trials ended with their last good iterates.
    Ended,
    /// There is nothing to go on with and nothing to return.
    GaveUp(Error),
}

/// What a run keeps in case that its device fails.
pub(super) struct Recovery {
    what: OnDeviceLoss,
    /// The engine at the last observation, where it may have to be loaded again.
    good: Option<(usize, State)>,
    /// Faults since the last observation.
    attempts: usize,
    /// The fault that ended the run.
    pub fault: Option<Fault>,
}

impl Recovery {
    pub(super) fn new(what: OnDeviceLoss) -> Self {
        Self { what, good: None, attempts: 0, fault: None }
    }

    /// Whether the engine's state is wanted at every observation.
    pub(super) fn keeps_states(&self) -> bool {
        self.what != OnDeviceLoss::Stop
    }

    /// Notes an observation, with the engine's state where it is wanted.
    pub(super) fn observed(&mut self, iteration: usize, state: Option<State>) {
        self.attempts = 0;
        self.good = state.map(|state| (iteration, state));
    }

    /// Whether an attempt to go on that failed in its turn is followed by another one.
    fn tries_again(&self, error: &Error) -> bool {
        error.is_device_fault() && self.attempts <= ATTEMPTS && self.what == OnDeviceLoss::Retry
    }
}

impl Run<'_> {
    /// Goes on elsewhere after a device fault, or ends.
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
                    "the device failed after iteration {seen} ({error}): went on from iteration {iteration} on {backend}"
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

    /// Where to go on, if anywhere.
    fn place(&self) -> Option<Result<Backend>> {
        match (self.recovery.what, self.recovery.attempts) {
            (OnDeviceLoss::Stop, _) => None,
            (OnDeviceLoss::Retry, attempts) => (attempts <= ATTEMPTS).then(|| self.loaded.reopened()),
            // The Cpu backend does not lose itself.
            (OnDeviceLoss::Cpu, attempts) => (attempts <= 1).then(|| Ok(Backend::Cpu)),
        }
    }

    /// Loads the problem on `place`, and goes back to the last observation.
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
