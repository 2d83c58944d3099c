//! Iterations up to the next observation or save.

use web_time::Instant;

use crate::error::Result;
use crate::solver::run::Run;

impl Run<'_> {
    /// Runs iterations until an observation or a save is due.
    pub(super) fn advance(&mut self) -> Result<()> {
        let settings = self.task.settings;
        let next = settings.observe.next(self.iteration).min(settings.stop.max_iterations);
        let pace = self.clock.seconds_per_iteration(self.iteration);
        let ahead = self.saver.as_ref().map_or(usize::MAX, |saver| saver.ahead(self.iteration, pace));
        let count = (next - self.iteration).min(ahead);
        let before = Instant::now();
        self.loaded.advance(count)?;
        self.clock.engine += before.elapsed().as_secs_f64();
        self.iteration += count;
        self.due = self.iteration == next;
        Ok(())
    }
}
