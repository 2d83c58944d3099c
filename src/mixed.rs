//! Mixed precision, beyond the accuracy of f32 on any hardware: an f32 engine moves increments V around f64 centres U₀.
//!
//! At U = U₀ + V the residual is
//!
//! ```text
//! e = A(UUᵀ) − y = A((2U₀ + V)Vᵀ) + c,   c = A(U₀U₀ᵀ) − y
//! ```
//!
//! (the Aᵢ see the symmetric part of the first product only). c is computed in f64 on the host, in one pass over the
//! stored measurement data. The rest is the iteration of the f32 engine, recorded around a centre: see `tape`. Its
//! rounding errors are about 10⁻⁷ of ‖e − c‖, not of ‖y‖, and go to zero with the increment. Recentring, U₀ ← U₀ + V
//! and V ← 0, is worth its pass once e − c is large beside e. D = A*(w∘e)U needs only f32: its error is in proportion
//! to e.
//!
//! While U grows from a small start, e ≈ −y is large and f32 suffices, so nothing is recentred. Later, every factor
//! [`FAR`] in ‖e‖ costs one pass. Each trial is recentred by its own state, at iterations independent of the
//! observations: a batch equals single runs, and observing changes nothing.

use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::{EngineInfo, Precision, State};
use crate::error::{Error, Result};
use crate::tape::{Initial, Program, Register, Role, Rows, out_of_reach};

/// Iterations between decisions. Each reads e back, which is little beside that many passes over the data.
const REVIEW: usize = 20;
/// Ratio ‖e − c‖/‖e‖ at which a trial is recentred: relative errors of e are then about 10⁻⁵.
const FAR: f64 = 100.0;
/// Iterations after which a trial is recentred even where ‖e − c‖ is half of ‖e‖. Noise or a plateau may keep e large,
/// and the entries of V, as large as those of U, would stay rounded to f32.
const LONG: usize = 100;

/// State of a trial relative to its centre.
#[derive(Clone, Copy)]
struct Place {
    /// Whether c does not belong to the centre.
    stale: bool,
    /// Whether V = 0.
    at_centre: bool,
    /// Iteration of the last recentring.
    since: usize,
}

struct Mixed<'a> {
    /// Engine of the increments.
    inner: Box<dyn Engine + 'a>,
    /// Engine that computes c.
    exact: Box<dyn Engine + 'a>,
    /// Program of the inner engine.
    program: Arc<Program>,
    /// Iterate, observations and residual of the exact engine.
    handles: [Register; 3],
    info: EngineInfo,
    measurements: usize,
    active: Vec<bool>,
    /// (batch, m)
    weights: Vec<f64>,
    /// U₀, (batch, numbers of a trial).
    centre: Vec<f64>,
    /// c, (batch, m).
    constant: Vec<f64>,
    places: Vec<Place>,
    iteration: usize,
    passes: usize,
}

/// Combines an engine that iterates in f32 around a centre with one that runs the program `exact` in f64.
pub(crate) fn new<'a>(
    (batch, measurements): (usize, usize),
    (program, inner): (Arc<Program>, Box<dyn Engine + 'a>),
    (of_exact, exact): (&Program, Box<dyn Engine + 'a>),
) -> Box<dyn Engine + 'a> {
    let size = program.declaration(program.iterate).kind.len(measurements);
    Box::new(Mixed {
        info: EngineInfo { precision: Precision::Mixed, f64_passes: Some(0), ..inner.info().clone() },
        inner,
        exact,
        handles: [of_exact.iterate.into(), of_exact.target.into(), of_exact.residual.into()],
        program,
        measurements,
        active: vec![true; batch],
        weights: vec![1.0; batch * measurements],
        centre: vec![0.0; batch * size],
        constant: vec![0.0; batch * measurements],
        places: vec![Place { stale: true, at_centre: true, since: 0 }; batch],
        iteration: 0,
        passes: 0,
    })
}

impl Mixed<'_> {
    fn batch(&self) -> usize {
        self.active.len()
    }

    fn iterate(&self) -> Register {
        self.program.iterate.into()
    }

    /// Whether a register is a point: the iterate, or a register with the same initial value. Points are relative to
    /// the centre.
    fn is_point(&self, register: Register) -> bool {
        matches!(self.program.declaration(register).role, Role::Kept(Initial::Iterate))
    }

    /// U₀ ← U₀ + V, V ← 0, and c for the trials in `which`, in one pass. Other points stay where they are.
    fn recentre(&mut self, which: &[bool]) -> Result<()> {
        if which.iter().all(|due| !due) {
            return Ok(());
        }
        let (size, m) = (self.centre.len() / self.batch(), self.measurements);
        let trials: Vec<usize> = (0..self.batch()).filter(|trial| which[*trial]).collect();
        let mut state = self.inner.state()?;
        let program = self.program.clone();
        let points: Vec<&str> =
            program.kept().filter(|(r, _)| self.is_point(*r)).map(|(_, declared)| declared.name.as_str()).collect();
        let increment = state.get(&program.declaration(program.iterate).name, self.centre.len())?.to_vec();
        for &trial in &trials {
            let at = trial * size..(trial + 1) * size;
            self.centre[at.clone()].iter_mut().zip(&increment[at]).for_each(|(u, v)| *u += *v);
        }
        let [iterate, _, residual] = self.handles;
        self.exact.set_active(which)?;
        self.exact.write(iterate, &self.centre)?;
        let constant = self.exact.read(residual)?;
        self.passes += 1;
        for &trial in &trials {
            let at = trial * m..(trial + 1) * m;
            self.constant[at.clone()].copy_from_slice(&constant[at]);
            self.places[trial] = Place { stale: false, at_centre: true, since: self.iteration };
        }
        for name in points {
            let mut values = state.get(name, self.centre.len())?.to_vec();
            for &trial in &trials {
                let at = trial * size..(trial + 1) * size;
                values[at.clone()].iter_mut().zip(&increment[at]).for_each(|(v, moved)| *v -= *moved);
            }
            state.put(name, values);
        }
        self.inner.restore(&state)?;
        self.tell_centre()
    }

    /// Sends the centre and −c to the inner engine.
    fn tell_centre(&mut self) -> Result<()> {
        let target: Vec<f64> = self.constant.iter().map(|c| -c).collect();
        self.inner.write(self.program.target.into(), &target)?;
        match self.program.centre {
            Some(centre) => self.inner.write(centre.into(), &self.centre),
            None => Ok(()),
        }
    }

    /// Computes c where it is not known yet.
    fn settle(&mut self) -> Result<()> {
        let which: Vec<bool> =
            self.places.iter().zip(&self.active).map(|(place, active)| place.stale && *active).collect();
        self.recentre(&which)
    }

    /// Recentres the trials that are far from their centre.
    fn review(&mut self) -> Result<()> {
        let e = self.inner.read(self.program.residual.into())?;
        let m = self.measurements;
        let due = |trial: usize| {
            let at = trial * m..(trial + 1) * m;
            let (mut here, mut moved) = (0.0, 0.0);
            for ((e, c), w) in e[at.clone()].iter().zip(&self.constant[at.clone()]).zip(&self.weights[at]) {
                if *w > 0.0 {
                    here += w * e * e;
                    moved += w * (e - c) * (e - c);
                }
            }
            // A trial that diverges to infinities meets neither condition and is left alone.
            let long = self.iteration - self.places[trial].since >= LONG;
            moved > FAR * FAR * here || (long && moved > 0.25 * here)
        };
        let which: Vec<bool> = (0..self.batch()).map(|trial| self.active[trial] && due(trial)).collect();
        self.recentre(&which)
    }

    /// c itself at a centre; elsewhere c plus the part computed in f32.
    fn residual(&mut self) -> Result<Vec<f64>> {
        self.settle()?;
        if self.places.iter().zip(&self.active).all(|(place, active)| place.at_centre || !active) {
            return Ok(self.constant.clone());
        }
        let mut e = self.inner.read(self.program.residual.into())?;
        let rows = e.chunks_mut(self.measurements).zip(self.constant.chunks(self.measurements));
        for ((e, c), _) in rows.zip(&self.places).filter(|(_, place)| place.at_centre) {
            e.copy_from_slice(c);
        }
        Ok(e)
    }
}

impl Engine for Mixed<'_> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn write(&mut self, register: Register, values: &[f64]) -> Result<()> {
        let [_, target, _] = self.handles;
        if register == self.program.target.into() {
            self.places.iter_mut().for_each(|place| place.stale = true);
            return self.exact.write(target, values);
        }
        if register == self.program.weights.into() {
            self.weights = values.to_vec();
        }
        if register == self.iterate() {
            if values.len() != self.centre.len() {
                let found = format!("{} numbers", values.len());
                let allowed = format!("{} numbers", self.centre.len());
                return Err(Error::invalid("factors", found, allowed, "check batch and sizes"));
            }
            self.inner.write(register, &vec![0.0; values.len()])?;
            self.centre = values.to_vec();
            self.places.fill(Place { stale: true, at_centre: true, since: 0 });
            (self.iteration, self.passes, self.info.f64_passes) = (0, 0, Some(0));
            return Ok(());
        }
        if self.is_point(register) {
            let increment: Vec<f64> = values.iter().zip(&self.centre).map(|(u, centre)| u - centre).collect();
            return self.inner.write(register, &increment);
        }
        self.inner.write(register, values)
    }

    fn read(&mut self, register: Register) -> Result<Vec<f64>> {
        if register == self.program.residual.into() {
            return self.residual();
        }
        let mut values = self.inner.read(register)?;
        if self.is_point(register) {
            values.iter_mut().zip(&self.centre).for_each(|(v, u)| *v += *u);
        }
        Ok(values)
    }

    fn state(&mut self) -> Result<State> {
        let mut state = State::default();
        state.put("centre", self.centre.clone());
        state.put("constant", self.constant.clone());
        state.put_counts("stale", self.places.iter().map(|place| usize::from(place.stale)));
        state.put_counts("at_centre", self.places.iter().map(|place| usize::from(place.at_centre)));
        state.put_counts("recentred", self.places.iter().map(|place| place.since));
        state.put_counts("progress", [self.iteration, self.passes]);
        state.nest("increment", self.inner.state()?);
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let batch = self.batch();
        self.centre = state.get("centre", self.centre.len())?.to_vec();
        self.constant = state.get("constant", self.constant.len())?.to_vec();
        let (stale, at_centre) = (state.counts("stale", batch)?, state.counts("at_centre", batch)?);
        let since = state.counts("recentred", batch)?;
        for (trial, place) in self.places.iter_mut().enumerate() {
            *place = Place { stale: stale[trial] != 0, at_centre: at_centre[trial] != 0, since: since[trial] };
        }
        let progress = state.counts("progress", 2)?;
        (self.iteration, self.passes) = (progress[0], progress[1]);
        self.inner.restore(&state.nested("increment"))?;
        self.tell_centre()
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        self.inner.set_active(active)?;
        self.active = active.to_vec();
        Ok(())
    }

    fn run(&mut self, iterations: usize) -> Result<()> {
        self.settle()?;
        let mut left = iterations;
        while left > 0 {
            let now = left.min(REVIEW - self.iteration % REVIEW);
            self.inner.run(now)?;
            left -= now;
            self.iteration += now;
            (self.places.iter_mut().zip(&self.active))
                .filter(|(_, active)| **active)
                .for_each(|(p, _)| p.at_centre = false);
            if self.iteration.is_multiple_of(REVIEW) {
                self.review()?;
            }
        }
        self.info.f64_passes = Some(self.passes);
        Ok(())
    }

    fn rows(&mut self, _trial: usize) -> Result<Box<dyn Rows + '_>> {
        Err(out_of_reach("in mixed precision"))
    }

    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.inner.agree(numbers)
    }
}
