//! Saving of a run.

use std::path::Path;
use std::time::Duration;
use web_time::Instant;

use serde_json::Value;

use crate::error::Result;
use crate::io::remove_abandoned;
use crate::solver::checkpoint::{Checkpoint, Record};
use crate::solver::run::Run;
use crate::solver::schedule::SaveEvery;
use crate::solver::watch::TrialWatch;

/// File and times of saves.
pub(super) struct Saver<'a> {
    path: &'a Path,
    every: SaveEvery,
    last: Instant,
    identity: Value,
    /// Whether nothing was saved yet. Writing at the start detects an unwritable path before the work.
    first: bool,
}

impl<'a> Saver<'a> {
    pub(super) fn new(path: &'a Path, every: SaveEvery, identity: Value, first: bool) -> Self {
        remove_abandoned(path);
        Self { path, every, last: Instant::now(), identity, first }
    }

    /// Most iterations to run before the next call of [`Saver::due`]. `pace` is the seconds of one iteration, 0 where
    /// unknown.
    pub(super) fn ahead(&self, iteration: usize, pace: f64) -> usize {
        match self.every {
            SaveEvery::Iterations(n) => n.max(1) - iteration % n.max(1),
            SaveEvery::Seconds(_) if pace <= 0.0 => 1,
            SaveEvery::Seconds(s) => {
                let left = Duration::from_secs_f64(s.clamp(0.0, 1e9)).saturating_sub(self.last.elapsed());
                ((left.as_secs_f64() / pace) as usize).max(1)
            }
        }
    }

    fn due(&mut self, iteration: usize) -> bool {
        let due = match self.every {
            SaveEvery::Iterations(n) => iteration.is_multiple_of(n.max(1)),
            SaveEvery::Seconds(s) => self.last.elapsed().as_secs_f64() >= s,
        };
        if due {
            self.last = Instant::now();
        }
        due || self.first
    }
}

impl Run<'_> {
    /// Saves the run at its start, at the requested intervals, and at its end.
    pub(super) fn save_if_due(&mut self) -> Result<()> {
        let ended = !self.is_running();
        let Some(saver) = &mut self.saver else { return Ok(()) };
        if !saver.due(self.iteration) && !ended {
            return Ok(());
        }
        let record = Record {
            seconds: self.clock.seconds(),
            engine_seconds: self.clock.engine,
            trace: self.trace.clone(),
            watches: self.watches.iter().map(TrialWatch::save).collect(),
            notices: self.notices.clone(),
        };
        let (state, diagnose) = (self.loaded.state()?, self.task.settings.diagnose);
        let identity = saver.identity.clone();
        Checkpoint::new(self.loaded.info(), self.iteration, diagnose, identity, record, state).write(saver.path)?;
        saver.first = false;
        Ok(())
    }
}
