//! Ranks as processes started by `mpirun`, on one machine or several: a [`lowrank::team::Team`]. All of it is behind the
//! feature `mpi`, which needs an MPI library.
#![cfg(feature = "mpi")]
#![warn(missing_docs)]

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

use lowrank::team::Team;
use lowrank::{Error, Result};

/// This process in MPI_COMM_WORLD. Dropping it ends MPI. Until then one thread at a time calls its functions.
pub struct Mpi {
    _universe: Universe,
    rank: usize,
    size: usize,
}

impl Mpi {
    /// Starts MPI.
    ///
    /// # Errors
    /// [`Error::Team`] where MPI was started before or lets no second thread call it.
    pub fn start() -> Result<Self> {
        let failed = |message: &str| Error::Team { rank: 0, message: message.into() };
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| failed("MPI is already initialised in this process"))?;
        if threading < Threading::Serialized {
            return Err(failed("this MPI allows calls only from the first thread of a process"));
        }
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        Ok(Self { _universe: universe, rank, size })
    }

    /// Number of ranks on this machine, which share its processors.
    pub fn ranks_here(&self) -> usize {
        SimpleCommunicator::world().split_shared(self.rank as i32).size() as usize
    }

    /// Ends the processes of all ranks at once with an exit code, for a rank that fails while others wait for it.
    pub fn abort(&self, code: i32) -> ! {
        SimpleCommunicator::world().abort(code)
    }

    /// Sum over all ranks.
    pub fn sum(&self, own: u64) -> u64 {
        let mut sum = 0;
        SimpleCommunicator::world().all_reduce_into(&own, &mut sum, SystemOperation::sum());
        sum
    }
}

impl Team for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], lengths: &[usize]) -> Result<Vec<u8>> {
        let total: usize = lengths.iter().sum();
        if i32::try_from(total).is_err() {
            let message = format!("a message of {total} bytes exceeds the 2³¹ − 1 of MPI: use fewer trials at a time");
            return Err(Error::Team { rank: self.rank, message });
        }
        let counts: Vec<i32> = lengths.iter().map(|&length| length as i32).collect();
        let begin = |rank: usize| counts[..rank].iter().sum();
        let begins: Vec<i32> = (0..counts.len()).map(begin).collect();
        let mut all = vec![0_u8; total];
        let mut partition = PartitionMut::new(&mut all[..], counts, begins);
        SimpleCommunicator::world().all_gather_varcount_into(own, &mut partition);
        Ok(all)
    }
}
