//! Execution of stages: in one submission, in one per piece, with streamed panels, with paranoid checks, or on the
//! host.

use crate::error::{Error, Result};
use crate::gpu::bound::{Bounds, Item, PassWork};
use crate::gpu::paranoia;
use crate::gpu::registers::Place;
use crate::tape::Held;

use super::{GpuEngine, Step};

impl GpuEngine<'_> {
    fn item(&self, step: Step) -> &Item {
        if step.head { &self.machine.head[step.index] } else { &self.machine.tail[step.index] }
    }

    /// Measurements covered by a stage.
    fn wanted(&self, step: Step) -> std::ops::Range<usize> {
        match (self.item(step).group, step.turn) {
            (Some(groups), Some(turn)) => groups.range(turn, self.measurements),
            _ => 0..self.measurements,
        }
    }

    /// Runs stages and waits. `slowly` uses one submission per piece.
    pub(super) fn carry_out(&mut self, phase: &str, steps: &[Step], slowly: bool) -> Result<()> {
        if self.paranoid {
            return steps.iter().try_for_each(|step| self.carefully(phase, *step));
        }
        if self.stream.is_some() {
            for step in steps {
                self.streamed(phase, *step)?;
            }
            return self.stream.as_mut().map_or(Ok(()), |stream| stream.finish(phase));
        }
        if slowly {
            return steps.iter().try_for_each(|step| self.slowly(phase, *step));
        }
        let trials = self.count();
        for steps in steps.chunk_by(|a, b| self.is_host(*a) == self.is_host(*b)) {
            if self.is_host(steps[0]) {
                for step in steps {
                    self.on_host(*step)?;
                }
                continue;
            }
            self.machine.submit(phase, trials, |encoder| {
                steps.iter().try_for_each(|step| self.machine.stage(encoder, self.item(*step), step.turn))
            })?;
        }
        Ok(())
    }

    fn is_host(&self, step: Step) -> bool {
        matches!(self.item(step).work, Bounds::Host(_))
    }

    /// Runs a stage with one submission per piece.
    fn slowly(&self, phase: &str, step: Step) -> Result<()> {
        let (machine, item, trials) = (&self.machine, self.item(step), self.count());
        let Bounds::Pass(PassWork { begin, panel, pieces, end }) = &item.work else {
            if self.is_host(step) {
                return self.on_host(step);
            }
            return machine.submit(phase, trials, |encoder| machine.stage(encoder, item, step.turn));
        };
        if !begin.is_empty() {
            machine.submit(phase, trials, |encoder| machine.record(encoder, item, step.turn, begin, None))?;
        }
        if !panel.is_empty() {
            for bound in machine.panels_of(item, step.turn) {
                machine
                    .submit(phase, trials, |encoder| machine.record(encoder, item, step.turn, panel, Some(bound)))?;
            }
        }
        for piece in pieces.chunks(1) {
            machine.submit(phase, trials, |encoder| machine.record(encoder, item, step.turn, piece, None))?;
        }
        if end.is_empty() {
            return Ok(());
        }
        machine.submit(phase, trials, |encoder| machine.record(encoder, item, step.turn, end, None))
    }

    /// Queues a stage over streamed panels of rows.
    fn streamed(&mut self, phase: &str, step: Step) -> Result<()> {
        let (wanted, trials) = (self.wanted(step), self.count());
        let item = if step.head { &self.machine.head[step.index] } else { &self.machine.tail[step.index] };
        match (&item.work, &mut self.stream) {
            (Bounds::Pass(pass), Some(stream)) => {
                stream.pass(&self.machine, phase, trials, (item, pass, step.turn), wanted)
            }
            (Bounds::Host(_), Some(stream)) => {
                stream.finish(phase)?;
                self.on_host(step)
            }
            _ => self.machine.enqueue(phase, trials, |encoder| self.machine.stage(encoder, item, step.turn)).map(drop),
        }
    }

    /// Runs a stage with its outputs poisoned before and checked afterwards.
    fn carefully(&mut self, phase: &str, step: Step) -> Result<()> {
        // Frozen trials keep their values.
        let fills = if self.count() == self.batch { self.item(step).fills.clone() } else { Vec::new() };
        let device = self.machine.device.clone();
        device.checked("poisoning outputs", || {
            paranoia::poison(&device, &self.machine.buffers, &fills);
            Ok(())
        })?;
        match &mut self.stream {
            Some(_) => {
                self.streamed(phase, step)?;
                self.stream.as_mut().map_or(Ok(()), |stream| stream.finish(phase))?;
            }
            None => self.slowly(phase, step)?,
        }
        device
            .checked("inspecting outputs", || paranoia::inspect(&device, &self.machine.buffers, &self.guarded, &fills))
    }

    fn on_host(&self, step: Step) -> Result<()> {
        let Bounds::Host(op) = &self.item(step).work else { return Ok(()) };
        let (inputs, outputs) = (&op.inputs, &op.outputs);
        let given: Vec<(Place, Vec<f64>)> = inputs
            .iter()
            .map(|register| self.place(*register).and_then(|place| Ok((place, self.fetch(place)?))))
            .collect::<Result<_>>()?;
        let places: Vec<Place> = outputs.iter().map(|register| self.place(*register)).collect::<Result<_>>()?;
        let trials: Vec<usize> = (0..self.batch).filter(|trial| self.active[*trial]).collect();
        let arguments = |trial: &usize| -> Vec<Held<'_>> {
            let own = |(place, values): &(Place, Vec<f64>)| {
                let from = trial * place.len;
                from..from + values.len() / self.batch
            };
            given.iter().map(|input| Held::F64(&input.1[own(input)])).collect()
        };
        let all: Vec<Vec<Held<'_>>> = trials.iter().map(arguments).collect();
        for (trial, left) in trials.iter().zip(op.run_each(&all)?) {
            for (place, left) in places.iter().zip(&left) {
                let Some(numbers) = left.numbers() else { continue };
                if numbers.len() != place.len {
                    let (found, allowed) = (format!("{} numbers", numbers.len()), format!("{} numbers", place.len));
                    return Err(Error::invalid("output of a function on the host", found, allowed, "keep its length"));
                }
                self.store_trial(*place, *trial, &numbers)?;
            }
        }
        Ok(())
    }
}
