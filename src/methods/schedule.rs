//! Step schedules: constant, decaying, or Polyak's.

use crate::error::{Error, Result};
use crate::methods::TrialNumbers;
use crate::named::{Named, at_least_zero};
use crate::operators::Loss;
use crate::tape::{Blocks, Initial, Measured, Scalar, Tape, When, greatest, least, less, root, select};

/// Longest Polyak step over the size of the iterate: near a saddle the gradient is small and the loss is not.
const LONGEST: f64 = 0.5;
/// q of the loss `l1`, whose subgradients do not become small.
pub(super) const L1_DECAY: f64 = 0.95;

/// Iterations with a Polyak step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Polyak {
    Never,
    /// Only iteration 0, whose step is the base of later ones.
    First,
    /// The last of every `.0` iterations; the others have their own step.
    Every(usize),
}

/// Parameters of methods with a step schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Schedule {
    /// Decay q: the step of iteration t is qᵗ times the first.
    pub(super) decay: Option<f64>,
    /// Optimal loss of Polyak's step.
    pub(super) optimal_loss: Option<f64>,
    /// Share of Polyak's step.
    pub(super) polyak_scale: Option<f64>,
    /// Period of Polyak steps.
    pub(super) polyak_every: Option<usize>,
}

impl Schedule {
    pub(super) fn named(of: &Named) -> Result<Self> {
        Ok(Self {
            decay: of.get("step_decay", "a number above 0, at most 1")?,
            optimal_loss: of.get("optimal_loss", "a number of at least 0")?,
            polyak_scale: of.get("polyak_scale", "a positive number")?,
            polyak_every: of.get("polyak_every", "a whole number of at least 1")?,
        })
    }

    pub(super) fn set(&self, named: Named) -> Named {
        named
            .with("step_decay", self.decay)
            .with("polyak_scale", self.polyak_scale)
            .with("optimal_loss", self.optimal_loss)
            .with("polyak_every", self.polyak_every)
    }

    pub(super) fn check(&self) -> Result<()> {
        at_least_zero("optimal_loss", self.optimal_loss, "leave it out for 0")?;
        if let Some(v) = self.polyak_scale.filter(|v| !(v.is_finite() && *v > 0.0)) {
            return Err(Error::invalid("polyak_scale", v, "a positive finite number", "leave it out for 1"));
        }
        if let Some(v) = self.decay.filter(|v| !(*v > 0.0 && *v <= 1.0)) {
            return Err(Error::invalid("step_decay", v, "above 0, at most 1", "leave it out for a constant step"));
        }
        Ok(())
    }

    /// Decay q, where it is not 1.
    fn decay(&self, loss: Loss) -> Option<f64> {
        let robust = (loss == Loss::L1 && self.optimal_loss.is_none()).then_some(L1_DECAY);
        self.decay.or(robust).filter(|q| *q < 1.0)
    }

    /// Decaying steps need a first step of the right size, which is Polyak's for robust losses.
    fn polyak(&self, loss: Loss) -> Polyak {
        match (self.polyak_every, self.optimal_loss) {
            (Some(every), _) => Polyak::Every(every),
            // Where the optimal loss is known every step can be Polyak's.
            (None, Some(_)) => Polyak::Every(1),
            (None, None) if loss != Loss::Square && self.decay(loss).is_some() => Polyak::First,
            (None, None) => Polyak::Never,
        }
    }

    /// Whether all steps are the given one.
    pub(super) fn is_constant(&self, loss: Loss) -> bool {
        self.decay(loss).is_none() && self.polyak(loss) == Polyak::Never
    }

    /// Values of the parameters that [`Schedule::descend`] declares.
    pub(super) fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        let scale = self.polyak_scale.unwrap_or(match self.polyak_every.or(self.optimal_loss.map(|_| 1)) {
            // Outliers make a first step too long.
            None if trial.robust => 0.5,
            _ => 1.0,
        });
        vec![("optimal_loss", self.optimal_loss.unwrap_or(0.0) / trial.normalization), ("polyak_scale", scale)]
    }

    /// U ← U − step·D, with D made of the gradient g at U and e the residual there.
    pub(super) fn descend(&self, t: &mut Tape, u: Blocks, (e, g): (Measured, Blocks), d: Blocks) {
        let decay = self.decay(t.loss());
        let step = match decay {
            None => t.step(),
            Some(_) => {
                let initial = Initial::Parameter(t.step());
                t.keep_scalar("pace", initial)
            }
        };
        match self.polyak(t.loss()) {
            Polyak::Never => t.move_to([(1.0.into(), u), (-step, d)]),
            Polyak::First => {
                t.when(When::First, |t| {
                    let found = polyak(t, u, (e, g), d);
                    t.set(step, found);
                });
                t.move_to([(1.0.into(), u), (-step, d)]);
            }
            Polyak::Every(every) => {
                let turn = When::Every { period: every, phase: every - 1 };
                t.when(turn, |t| {
                    let found = polyak(t, u, (e, g), d);
                    t.move_to([(1.0.into(), u), (-found, d)]);
                });
                if let Some(others) = turn.otherwise().filter(|_| every > 1) {
                    t.when(others, |t| t.move_to([(1.0.into(), u), (-step, d)]));
                }
            }
        }
        if let Some(q) = decay {
            t.set(step, step * q);
        }
    }
}

/// Step of Polyak (1969), polyak_scale·(c·E − optimal)/⟨g, D⟩; 0 where no descent is left, and never more than
/// ½‖U‖/‖D‖.
fn polyak(t: &mut Tape, u: Blocks, (e, g): (Measured, Blocks), d: Blocks) -> Scalar {
    let (optimal, scale) = (t.parameter("optimal_loss"), t.parameter("polyak_scale"));
    let whole = t.whole(u);
    let energy = t.energy(e);
    let (descent, length, size) = (t.dot(g, d), t.dot(d, d), t.dot(whole, whole));
    let above = greatest(energy * t.share() - optimal, 0.0);
    let step = select(less(0.0, descent), above * scale / descent, 0.0);
    t.formula(least(step, root(size / length) * LONGEST))
}
