//! A solve that several processes share, started by `mpirun`: rank 0 speaks and writes, all compute.

use std::sync::Arc;

use lowrank::internals::options::Request;
use lowrank::internals::team::outcomes;
use lowrank::team::{Alone, Member, Team};
use lowrank::{Backend, Error, Result};

use super::{Args, outputs::Paths};
use crate::{complain, remark};

/// What `mpirun` and its like tell the processes they start.
const LAUNCHERS: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"];

/// This process among those that share the solve.
pub struct Ranks {
    team: Arc<dyn Team>,
    parts: Option<usize>,
    #[cfg(feature = "mpi")]
    mpi: Option<Arc<lowrank_mpi::Mpi>>,
}

impl Ranks {
    /// Starts MPI where a launcher started this process.
    pub fn start(args: &Args) -> Result<Self> {
        let parts = args.options.request.one("parts")?;
        if !LAUNCHERS.iter().any(|name| std::env::var_os(name).is_some()) {
            return Ok(Self {
                team: Arc::new(Alone),
                parts,
                #[cfg(feature = "mpi")]
                mpi: None,
            });
        }
        Self::launched(parts)
    }

    #[cfg(feature = "mpi")]
    fn launched(parts: Option<usize>) -> Result<Self> {
        let mpi = Arc::new(lowrank_mpi::Mpi::start()?);
        let here = mpi.ranks_here();
        if here > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
            let all = std::thread::available_parallelism().map_or(1, usize::from);
            // Fails only where threads were started before, which is no harm.
            let _ = rayon::ThreadPoolBuilder::new().num_threads((all / here).max(1)).build_global();
        }
        Ok(Self { team: mpi.clone(), parts, mpi: Some(mpi) })
    }

    #[cfg(not(feature = "mpi"))]
    fn launched(_parts: Option<usize>) -> Result<Self> {
        Err(Error::Unsupported {
            what: "mpirun, by this build of lowrank,".into(),
            fix: "build it with `cargo build --release --features mpi`, or run it without mpirun".into(),
        })
    }

    pub fn is_first(&self) -> bool {
        self.team.rank() == 0
    }

    fn is_shared(&self) -> bool {
        #[cfg(feature = "mpi")]
        if self.mpi.is_some() {
            return true;
        }
        self.parts.is_some()
    }

    /// The flags of this rank: only the first one speaks and writes.
    pub fn args(&self, args: &Args) -> Args {
        let mut own = args.clone();
        if !self.is_first() {
            own.talk.quiet = true;
            own.paths = Paths::default();
            own.options.request = own.options.request.without(&["checkpoint"]);
        }
        own
    }

    /// The backend of this rank.
    pub fn backend(&self, request: &Request) -> Result<Backend> {
        if !self.is_shared() {
            return request.backend();
        }
        let words: Vec<&str> = request.text("backend").unwrap_or("auto").split(',').collect();
        let own = request.backend_of(words[self.team.rank() % words.len()])?;
        Ok(Backend::Team(Member::new(self.team.clone(), self.parts)?, Box::new(own)))
    }

    /// The backend, with what this rank has to know of the others' for the automatic method.
    pub fn known(&self, backend: Backend) -> Result<Backend> {
        let Backend::Team(member, own) = backend else { return Ok(backend) };
        let on_host = matches!(*own, Backend::Cpu | Backend::Reference);
        let elsewhere = outcomes(&*self.team, !on_host)?;
        Ok(Backend::Team(member.all_on_host(!elsewhere.contains(&true)), own))
    }

    /// What this rank has, if all ranks have theirs. Where some do not, the first of these says why, and the others have nothing.
    pub fn together<T>(&self, own: Result<T>) -> Result<Option<T>> {
        let failed = outcomes(&*self.team, own.is_err())?;
        let Some(first) = failed.iter().position(|failed| *failed) else { return own.map(Some) };
        if self.team.size() == 1 {
            return own.map(Some);
        }
        if let Err(error) = own
            && first == self.team.rank()
        {
            if failed.contains(&false) {
                remark(&format!("rank {first} of {} ends the job", failed.len()));
            }
            complain("solve", &error);
        }
        // The first process that ends with an error makes mpirun kill the others: not before the sentence is out.
        outcomes(&*self.team, true)?;
        Ok(None)
    }

    /// A rank that fails while the others wait for it ends them too.
    pub fn survived<T>(&self, own: Result<T>) -> Result<T> {
        #[cfg(feature = "mpi")]
        if let (Some(mpi), Err(error)) = (&self.mpi, &own)
            && self.team.size() > 1
        {
            // What all ranks found is said by the first.
            if matches!(error, Error::Team { .. }) && !self.is_first() {
                std::thread::sleep(std::time::Duration::from_secs(2));
            }
            remark(&format!("rank {} of {} ends the job", self.team.rank(), self.team.size()));
            complain("solve", error);
            mpi.abort(2);
        }
        own
    }
}
