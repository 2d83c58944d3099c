//! Iterations up to the next observation or save.

use web_time::Instant;

use crate::error::Result;
use crate::solver::run::Run;

impl Run<'_> {
    /// Runs iterations until an observation or a save is due. With a method that reads rows, an observation is due where the run ends,
    /// too: its iterations are few, and take as long as an observation.
    pub(super) fn advance(&mut self) -> Result<()> {
        let settings = self.task.settings;
        let next = settings.observe.next(self.iteration).min(settings.stop.max_iterations);
        let pace = self.clock.seconds_per_iteration(self.iteration);
        let ahead = self.saver.as_ref().map_or(usize::MAX, |saver| saver.ahead(self.iteration, pace));
        let count = (next - self.iteration).min(ahead);
        let before = Instant::now();
        let count = if self.task.plan.method.reads_rows() { count.min(1) } else { count };
        self.loaded.advance(count)?;
        self.clock.engine += before.elapsed().as_secs_f64();
        self.iteration += count;
        self.due = self.iteration == next || self.ends_here()?;
        Ok(())
    }

    /// Whether the time is up, or all running trials have finished or reached the error at which they stop.
    fn ends_here(&mut self) -> Result<bool> {
        if !self.task.plan.method.reads_rows() {
            return Ok(false);
        }
        if let Some(limit) = self.task.settings.stop.time {
            // Ranks that share a problem must stop together.
            if self.loaded.agree(self.clock.seconds())? >= limit {
                return Ok(true);
            }
        }
        let (finished, factors) = (self.loaded.finished(self.active.len())?, self.loaded.factors()?);
        let running = self.watches.iter().zip(&finished).zip(&self.active).filter(|(_, active)| **active);
        for ((watch, finished), _) in running {
            if !finished && !watch.reaches(&factors)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
