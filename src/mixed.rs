//! Past the floor of f32 on any hardware: an f32 engine moves increments V around centres U₀ held in f64.
//!
//! At U = U₀ + V the residual is
//!
//! ```text
//! e = A(UUᵀ) − y = A((2U₀ + V)Vᵀ) + c,   c = A(U₀U₀ᵀ) − y
//! ```
//!
//! (the Aᵢ see the symmetric part of the first product only). c is computed in f64 on the host, in one pass over the stored
//! measurement data; the rest is the iteration of the f32 engine, see [`Engine::set_centre`]. Its rounding errors are some
//! 10⁻⁷ of ‖e − c‖, not of ‖y‖, and go to zero with the increment. Recentring, U₀ ← U₀ + V and V ← 0, is worth its pass where
//! e − c has become large beside e. D = A*(w∘e)U needs no more than f32: its error is in proportion to e.
//!
//! While U grows from a small start, e ≈ −y is large and f32 is accurate enough, so that nothing is recentred; later every
//! factor [`FAR`] in ‖e‖ costs one pass. Each trial is recentred by what it does itself, at iterations that do not depend
//! on when somebody looks: a batch gives what single runs give, and watching changes nothing.

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision, State};
use crate::error::Result;
use crate::methods::Tuning;
use crate::problem::Factors;

/// Iterations from one decision to the next. A readback of e each, which is little beside as many passes over the data.
const REVIEW: usize = 20;
/// ‖e − c‖/‖e‖ at which a trial is recentred: errors of e are then some 10⁻⁵ of it.
const FAR: f64 = 100.0;
/// Iterations after which a trial is recentred already where ‖e − c‖ is half of ‖e‖: e may never become small, because of noise
/// or on a plateau, and the entries of V, as large as those of U after the growth, would go on being rounded to f32.
const LONG: usize = 100;

/// How a trial stands to its centre.
#[derive(Clone, Copy)]
struct Place {
    /// c is not that of the centre.
    stale: bool,
    /// V = 0.
    at_centre: bool,
    /// Iteration of the last recentring.
    since: usize,
}

struct Mixed<'a> {
    /// Moves the increments.
    inner: Box<dyn Engine + 'a>,
    /// Computes c.
    exact: Box<dyn Engine + 'a>,
    info: EngineInfo,
    batch: usize,
    rows: usize,
    search_rank: usize,
    measurements: usize,
    /// (batch, m)
    weights: Vec<f64>,
    active: Vec<bool>,
    /// U₀, (batch, n, k).
    centre: Vec<f64>,
    /// c, (batch, m).
    constant: Vec<f64>,
    places: Vec<Place>,
    /// Since the factors were set.
    iteration: usize,
    passes: usize,
}

/// From an engine that iterates in f32 and one that computes in f64, both loaded with `load`.
pub(crate) fn new<'a>(
    load: &Load<'a>,
    inner: Box<dyn Engine + 'a>,
    exact: Box<dyn Engine + 'a>,
) -> Box<dyn Engine + 'a> {
    let (rows, measurements) = (load.operator.shape().rows(), load.operator.measurements());
    let Load { batch, search_rank, .. } = *load;
    Box::new(Mixed {
        info: EngineInfo { precision: Precision::Mixed, ..inner.info().clone() },
        inner,
        exact,
        batch,
        rows,
        search_rank,
        measurements,
        weights: vec![1.0; batch * measurements],
        active: vec![true; batch],
        centre: vec![0.0; batch * rows * search_rank],
        constant: vec![0.0; batch * measurements],
        places: vec![Place { stale: true, at_centre: true, since: 0 }; batch],
        iteration: 0,
        passes: 0,
    })
}

impl Mixed<'_> {
    fn symmetric(&self, data: Vec<f64>) -> Result<Factors> {
        Factors::symmetric(self.batch, self.rows, self.search_rank, data)
    }

    /// U₀ ← U₀ + V, V ← 0, and c for the trials in `which`, in one pass.
    fn recentre(&mut self, which: &[bool]) -> Result<()> {
        if which.iter().all(|due| !due) {
            return Ok(());
        }
        let (size, m) = (self.rows * self.search_rank, self.measurements);
        let mut increment = self.inner.factors()?.left_data().to_vec();
        for trial in (0..self.batch).filter(|&trial| which[trial]) {
            let at = trial * size..(trial + 1) * size;
            for (u, v) in self.centre[at.clone()].iter_mut().zip(&mut increment[at]) {
                *u += *v;
                *v = 0.0;
            }
        }
        let centre = self.symmetric(self.centre.clone())?;
        self.exact.set_active(which)?;
        self.exact.set_factors(&centre)?;
        let constant = self.exact.residuals()?;
        self.passes += 1;
        for trial in (0..self.batch).filter(|&trial| which[trial]) {
            let at = trial * m..(trial + 1) * m;
            self.constant[at.clone()].copy_from_slice(&constant[at]);
            self.places[trial] = Place { stale: false, at_centre: true, since: self.iteration };
        }
        let target: Vec<f64> = self.constant.iter().map(|c| -c).collect();
        self.inner.set_observations(&target, &self.weights)?;
        self.inner.set_centre(&centre)?;
        let increment = self.symmetric(increment)?;
        self.inner.set_factors(&increment)
    }

    /// c where it is not known yet.
    fn settle(&mut self) -> Result<()> {
        let which: Vec<bool> =
            self.places.iter().zip(&self.active).map(|(place, active)| place.stale && *active).collect();
        self.recentre(&which)
    }

    /// Recentres the trials that have gone far.
    fn review(&mut self) -> Result<()> {
        let e = self.inner.residuals()?;
        let m = self.measurements;
        let due = |trial: usize| {
            let at = trial * m..(trial + 1) * m;
            let (mut here, mut way) = (0.0, 0.0);
            for ((e, c), w) in e[at.clone()].iter().zip(&self.constant[at.clone()]).zip(&self.weights[at]) {
                if *w > 0.0 {
                    here += w * e * e;
                    way += w * (e - c) * (e - c);
                }
            }
            // Neither holds for a trial that diverges to infinities: it is left alone.
            let long = self.iteration - self.places[trial].since >= LONG;
            way > FAR * FAR * here || (long && way > 0.25 * here)
        };
        let which: Vec<bool> = (0..self.batch).map(|trial| self.active[trial] && due(trial)).collect();
        self.recentre(&which)
    }
}

impl Engine for Mixed<'_> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()> {
        self.exact.set_observations(target, weights)?;
        self.weights = weights.to_vec();
        self.places.iter_mut().for_each(|place| place.stale = true);
        Ok(())
    }

    fn set_steps(&mut self, steps: &[f64]) -> Result<()> {
        self.inner.set_steps(steps)
    }

    /// What shrinks U at the increments V alone would not shrink the centre.
    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()> {
        if shrink.iter().all(|shrink| *shrink == 0.0) {
            return Ok(());
        }
        Err(crate::Error::Unsupported {
            what: "a ridge in mixed precision".into(),
            fix: "a ridge ends far above the floor of f32: use precision f32 or f64".into(),
        })
    }

    fn set_tuning(&mut self, tuning: &[Tuning]) -> Result<()> {
        self.inner.set_tuning(tuning)
    }

    fn damping_raised(&mut self) -> Result<Vec<usize>> {
        self.inner.damping_raised()
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        // Refused here where the sizes are wrong.
        self.exact.set_factors(factors)?;
        let zero = self.symmetric(vec![0.0; self.centre.len()])?;
        self.inner.set_factors(&zero)?;
        self.centre = factors.left_data().to_vec();
        self.places.fill(Place { stale: true, at_centre: true, since: 0 });
        (self.iteration, self.passes) = (0, 0);
        Ok(())
    }

    /// The centres are its own.
    fn set_centre(&mut self, _centre: &Factors) -> Result<()> {
        Err(crate::Error::Unsupported {
            what: "a centre on an engine of mixed precision".into(),
            fix: "set the factors: it chooses its centres itself".into(),
        })
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        self.inner.set_active(active)?;
        self.active = active.to_vec();
        Ok(())
    }

    fn advance(&mut self, iterations: usize) -> Result<()> {
        self.settle()?;
        let mut left = iterations;
        while left > 0 {
            let now = left.min(REVIEW - self.iteration % REVIEW);
            self.inner.advance(now)?;
            left -= now;
            self.iteration += now;
            (self.places.iter_mut().zip(&self.active))
                .filter(|(_, active)| **active)
                .for_each(|(p, _)| p.at_centre = false);
            if self.iteration.is_multiple_of(REVIEW) {
                self.review()?;
            }
        }
        Ok(())
    }

    /// c itself at a centre; elsewhere c and the part that is computed in f32.
    fn residuals(&mut self) -> Result<Vec<f64>> {
        self.settle()?;
        if self.places.iter().zip(&self.active).all(|(place, active)| place.at_centre || !active) {
            return Ok(self.constant.clone());
        }
        let mut e = self.inner.residuals()?;
        let rows = e.chunks_mut(self.measurements).zip(self.constant.chunks(self.measurements));
        for ((e, c), _) in rows.zip(&self.places).filter(|(_, place)| place.at_centre) {
            e.copy_from_slice(c);
        }
        Ok(e)
    }

    fn factors(&mut self) -> Result<Factors> {
        let increment = self.inner.factors()?;
        let sum = self.centre.iter().zip(increment.left_data()).map(|(u, v)| u + v).collect();
        self.symmetric(sum)
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

    fn set_state(&mut self, state: &State) -> Result<()> {
        self.centre = state.get("centre", self.centre.len())?.to_vec();
        self.constant = state.get("constant", self.constant.len())?.to_vec();
        let (stale, at_centre) = (state.counts("stale", self.batch)?, state.counts("at_centre", self.batch)?);
        let since = state.counts("recentred", self.batch)?;
        for (trial, place) in self.places.iter_mut().enumerate() {
            *place = Place { stale: stale[trial] != 0, at_centre: at_centre[trial] != 0, since: since[trial] };
        }
        let progress = state.counts("progress", 2)?;
        (self.iteration, self.passes) = (progress[0], progress[1]);
        let target: Vec<f64> = self.constant.iter().map(|c| -c).collect();
        self.inner.set_observations(&target, &self.weights)?;
        let centre = self.symmetric(self.centre.clone())?;
        self.inner.set_centre(&centre)?;
        self.inner.set_state(&state.nested("increment"))
    }

    fn evaluate_some(&mut self, point: &Factors, applied: &Factors, which: &[bool]) -> Result<Evaluation> {
        self.exact.evaluate_some(point, applied, which)
    }

    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.inner.agree(numbers)
    }

    fn f64_passes(&self) -> Option<usize> {
        Some(self.passes)
    }
}
