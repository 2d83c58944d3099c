//! The loop: observe, save, advance, and recover from device failures.
//!
//! Each of the four has a file of its own, and so do the start and the finish. All of them work on one [`Run`].

mod advance;
mod finish;
mod first;
mod observe;
mod recover;
mod save;
mod start;

use web_time::Instant;

use crate::error::Result;
use crate::solver::checkpoint::Checkpoint;
use crate::solver::loaded::Loaded;
use crate::solver::plan::Task;
use crate::solver::solution::{Solution, Status, TraceRow};
use crate::solver::watch::TrialWatch;
use crate::solver::{Observer, Solver};
use recover::{Next, Recovery};
use save::Saver;

/// A run between its start and its solution.
struct Run<'a> {
    task: Task<'a>,
    loaded: &'a mut Loaded,
    setup_seconds: f64,
    /// The checkpoint from which it was resumed.
    from: Option<&'a Checkpoint>,
    watches: Vec<TrialWatch<'a>>,
    /// Trials that still run.
    active: Vec<bool>,
    iteration: usize,
    /// Whether an observation of this iteration is due and not yet made.
    due: bool,
    trace: Vec<TraceRow>,
    /// Sentences for the solution.
    notices: Vec<String>,
    clock: Clock,
    saver: Option<Saver<'a>>,
    recovery: Recovery,
}

/// The seconds of a run.
struct Clock {
    /// Seconds before this process resumed the run.
    before: f64,
    started: Instant,
    /// Seconds in the engine.
    engine: f64,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn seconds_per_iteration(&self, iteration: usize) -> f64 {
        self.engine / iteration.max(1) as f64
    }
}

impl Run<'_> {
    fn is_running(&self) -> bool {
        self.active.contains(&true)
    }

    /// Sets the status of every trial that has none.
    fn end_all(&mut self, status: Status) {
        let running = self.watches.iter_mut().filter(|watch| watch.status.is_none());
        running.for_each(|watch| watch.status = Some(status));
    }

    /// The part that may fail with the device, up to the next observation or save.
    fn round(&mut self, observer: &mut Observer<'_>) -> Result<()> {
        if self.due {
            self.observe(observer)?;
        }
        self.save_if_due()?;
        if self.is_running() { self.advance() } else { Ok(()) }
    }
}

impl Solver {
    /// Runs until every trial has ended.
    pub(super) fn run(&mut self, from: Option<&Checkpoint>, observer: &mut Observer<'_>) -> Result<Solution> {
        let mut run = Run::start(self, from)?;
        while run.is_running() {
            let Err(error) = run.round(observer) else { continue };
            match run.recover(error) {
                Next::WentOn | Next::Ended => {}
                Next::GaveUp(error) => return Err(error),
            }
        }
        run.finish()
    }
}
