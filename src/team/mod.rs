//! Several processes, or threads, that share the measurements of one problem: *ranks*, numbered from 0.
//!
//! The measurements are cut into a fixed number of parts, and each rank has a run of neighbouring parts.
//! [`Backend::Team`](crate::Backend::Team) makes every rank's engine sum over all of them: partial gradients are added
//! in a binary tree over the parts, whose shape depends on their number alone. Every rank then takes the same step.
//! Results therefore have the same bits for any number of ranks.
//!
//! Every rank must build the same problem and settings and call the same functions in the same order.

pub(crate) mod outcomes;
mod threads;

use std::sync::Arc;

use crate::error::{Error, Result};

pub use threads::Threads;

/// Default number of parts of the measurements, which splits evenly over 1, 2, 3, 4, 6 and 12 ranks.
pub const PARTS: usize = 12;

/// Connection of a rank to the others.
pub trait Team: Send + Sync {
    /// Rank of this member, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks, at least 1.
    fn size(&self) -> usize;

    /// Concatenates the messages of all ranks in their order. Returns when all ranks have called it. `lengths` are the
    /// bytes of the messages, the same on every rank.
    ///
    /// # Errors
    /// [`Error::Team`] where a rank is lost.
    fn all_gather(&self, own: &[u8], lengths: &[usize]) -> Result<Vec<u8>>;
}

/// Team of a single rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Team for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_gather(&self, own: &[u8], _lengths: &[usize]) -> Result<Vec<u8>> {
        Ok(own.to_vec())
    }
}

/// Member of a team.
#[derive(Clone)]
pub struct Member {
    pub(crate) team: Arc<dyn Team>,
    pub(crate) parts: usize,
    /// Whether the engines of all ranks are known to read single rows.
    pub(crate) reads_rows: bool,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}, {} shards", self.team.rank(), self.team.size(), self.parts)
    }
}

impl Member {
    /// A member of a team. `parts` is the number of parts of the measurements, on which results depend. Default:
    /// [`PARTS`], or the number of ranks if that is larger.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer parts than ranks.
    pub fn new(team: Arc<dyn Team>, parts: Option<usize>) -> Result<Self> {
        let ranks = team.size();
        let parts = parts.unwrap_or(PARTS.max(ranks));
        if parts < ranks || parts == 0 {
            let fix = "every rank needs a shard";
            return Err(Error::invalid("parts", parts, format!("at least the number of ranks, {ranks}"), fix));
        }
        Ok(Self { team, parts, reads_rows: false })
    }

    /// Says whether all ranks have the backends `cpu` or `reference`, so that the automatic method may be one that reads
    /// single rows. It must be the same on every rank. Default: false, since a rank does not know the others' backends.
    #[must_use]
    pub fn all_on_host(mut self, all: bool) -> Self {
        self.reads_rows = all;
        self
    }
}
