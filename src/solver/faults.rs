//! What becomes of a run whose device fails.

use std::sync::Arc;

use crate::error::Error;

/// What to do where the device fails in the middle of a run: lost, out of memory, no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeviceLoss {
    /// End the run with [`crate::Status::DeviceLost`] and the last good iterate.
    #[default]
    Stop,
    /// Open the device again, load the problem, and go on from the last observation; up to three times in a row without a new one.
    Retry,
    /// Go on from the last observation on the Cpu backend.
    Cpu,
}

words!(OnDeviceLoss as "on_device_loss", serde { Stop => "stop", Retry => "retry", Cpu => "cpu" });

/// A fault that ended a run.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Of the last observation before it.
    pub iteration: usize,
    /// What the device said.
    pub error: Arc<Error>,
}

impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        (self.iteration, self.error.to_string()) == (other.iteration, other.error.to_string())
    }
}
