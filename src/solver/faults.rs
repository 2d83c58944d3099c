//! Handling of a device failure during a run.

use std::sync::Arc;

use crate::error::Error;

/// Reaction to a device failure during a run: lost, out of memory, no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeviceLoss {
    /// Ends the run with [`crate::Status::DeviceLost`] and the last good iterate.
    #[default]
    Stop,
    /// Opens the device again, loads the problem, and continues from the last observation; up to three times without a
    /// new one.
    Retry,
    /// Continues from the last observation on the Cpu backend.
    Cpu,
}

words!(OnDeviceLoss as "on_device_loss", serde { Stop => "stop", Retry => "retry", Cpu => "cpu" });

/// Device failure that ended a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// Iteration of the last observation before the failure.
    pub iteration: usize,
    /// Error of the device.
    pub error: Arc<Error>,
}

impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        (self.iteration, self.error.to_string()) == (other.iteration, other.error.to_string())
    }
}
