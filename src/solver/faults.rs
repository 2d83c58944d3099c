//! Handling of a device failure during a run.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Reaction to a device failure during a run: lost, out of memory, no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

impl OnDeviceLoss {
    /// Parses `stop`, `retry` or `cpu`.
    pub fn from_word(word: &str) -> Option<Self> {
        [("stop", Self::Stop), ("retry", Self::Retry), ("cpu", Self::Cpu)]
            .into_iter()
            .find(|(name, _)| *name == word)
            .map(|(_, value)| value)
    }
}

/// Device failure that ended a run.
#[derive(Clone, Debug)]
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
