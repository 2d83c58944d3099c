//! Several processes, or threads, that share the measurements of one problem: *ranks*, numbered from 0.
//!
//! The measurements are cut into a fixed number of parts, each rank has a run of neighbouring parts, and
//! [`Backend::Team`](crate::Backend::Team) makes every rank's engine one that sums over all of them: partial gradients are added in a
//! binary tree over the parts, whose shape depends on their number alone, and every rank then performs the same step. So results are
//! the same bits for any number of ranks.
//!
//! Every rank has to build the same problem and settings and call the same functions in the same order.

#[cfg(feature = "mpi")]
mod mpi;
mod threads;

use std::sync::Arc;

use crate::error::{Error, Result};

#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use threads::Threads;

/// Parts of the measurements where nothing else is said: as many for 1, 2, 3, 4, 6 and 12 ranks.
pub const PARTS: usize = 12;

/// A rank's way to the others.
pub trait Team: Send + Sync {
    /// From 0.
    fn rank(&self) -> usize;

    /// Number of ranks, at least 1.
    fn size(&self) -> usize;

    /// The messages of all ranks, one behind the other in their order. Returns when all have called it; `lengths` are their bytes, the
    /// same on every rank.
    ///
    /// # Errors
    /// [`Error::Team`] where a rank is gone.
    fn all_gather(&self, own: &[u8], lengths: &[usize]) -> Result<Vec<u8>>;
}

/// The only rank.
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

/// A rank's place in a team.
#[derive(Clone)]
pub struct Member {
    pub(crate) team: Arc<dyn Team>,
    pub(crate) parts: usize,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}, {} parts", self.team.rank(), self.team.size(), self.parts)
    }
}

impl Member {
    /// `parts` is the number of parts of the measurements, [`PARTS`] or the number of ranks if that is larger where it is not said. Results
    /// depend on it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer parts than ranks.
    pub fn new(team: Arc<dyn Team>, parts: Option<usize>) -> Result<Self> {
        let ranks = team.size();
        let parts = parts.unwrap_or(PARTS.max(ranks));
        if parts < ranks || parts == 0 {
            let fix = "every rank needs a part";
            return Err(Error::invalid("parts", parts, format!("at least the number of ranks, {ranks}"), fix));
        }
        Ok(Self { team, parts })
    }
}

/// Which ranks failed. Every rank calls it at the same place.
///
/// # Errors
/// [`Error::Team`].
pub fn outcomes(team: &dyn Team, failed: bool) -> Result<Vec<bool>> {
    let found = team.all_gather(&[u8::from(failed)], &vec![1; team.size()])?;
    Ok(found.into_iter().map(|failed| failed != 0).collect())
}
