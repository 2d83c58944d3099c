//! Robust recovery as a game: what its methods share.
//!
//! min over U, max over |vᵢ| ≤ δ of c·Σ wᵢ(vᵢeᵢ − vᵢ²/2) with e = A(Z) − y. The best v is clip(e, ±δ), and what it leaves is
//! c·Σ wᵢρ(eᵢ) for the loss ρ of Huber with δ: the saddle is the solution of `huber:δ`.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::methods::card::StepSize;
use crate::methods::scaled_gd::PRECONDITIONED_STEP;
use crate::named::Named;
use crate::operators::Loss;
use crate::tape::{Blocks, Bound, Expression, Measured, Tape};

/// Default share τ of the way to the best dual variables.
pub(super) const DUAL_STEP: f64 = 0.5;

/// GameMetric of the factors in a game.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GameMetric {
    /// That of the quotient by rotations: the gradient times (VᵀV)⁻¹, so that one step serves every condition number.
    #[default]
    Quotient,
    /// The gradient itself.
    Euclidean,
}

impl std::fmt::Display for GameMetric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Quotient { "quotient" } else { "euclidean" })
    }
}

impl FromStr for GameMetric {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "quotient" => Ok(Self::Quotient),
            "euclidean" => Ok(Self::Euclidean),
            _ => Err(Error::invalid("metric", format!("'{word}'"), "quotient or euclidean", "pick one of them")),
        }
    }
}

/// Parameters of both players.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Players {
    pub dual_step: Option<f64>,
    pub metric: Option<GameMetric>,
}

impl Players {
    pub fn named(of: &Named) -> Result<Self> {
        let dual_step = of.get("dual_step", "a number above 0, at most 1")?;
        Ok(Self { dual_step, metric: of.get("metric", "quotient or euclidean")? })
    }

    pub fn set(self, named: Named) -> Named {
        named.with("dual_step", self.dual_step).with("metric", self.metric)
    }

    pub fn check(self, word: &str, loss: Loss) -> Result<()> {
        if let Some(found) = self.dual_step.filter(|tau| !(*tau > 0.0 && *tau <= 1.0)) {
            return Err(Error::invalid("dual_step", found, "above 0, at most 1", "leave it out for 0.5"));
        }
        match loss {
            Loss::Huber { .. } => Ok(()),
            other => Err(Error::Unsupported {
                what: format!("the method {word} with the loss {}", other.word()),
                fix: "use the loss huber:δ, whose δ bounds the dual variables".into(),
            }),
        }
    }

    pub fn step_size(self) -> StepSize {
        match self.metric() {
            GameMetric::Quotient => StepSize::Number(PRECONDITIONED_STEP),
            GameMetric::Euclidean => StepSize::FromNorm,
        }
    }

    pub fn metric(self) -> GameMetric {
        self.metric.unwrap_or_default()
    }

    /// Direction of U at a point: the gradient, or the gradient times (VᵀV)⁻¹.
    pub fn direction(self, t: &mut Tape, g: Blocks, point: Blocks) -> Result<Blocks> {
        match self.metric() {
            GameMetric::Euclidean => Ok(g),
            GameMetric::Quotient => t.precondition(g, point, 0.0).ok_or_else(|| Error::Unsupported {
                what: "the quotient metric for this model".into(),
                fix: "use the metric euclidean".into(),
            }),
        }
    }

    /// Records out ← clip(v + τ(e − at), ±δ).
    pub fn ascend(self, t: &mut Tape, out: Measured, v: Measured, (e, at): (Measured, Measured)) {
        let Loss::Huber { delta } = t.loss() else { return };
        let tau = self.dual_step.unwrap_or(DUAL_STEP);
        match at == v {
            true => t.measured_combine(out, [((1.0 - tau).into(), v), (tau.into(), e)]),
            false => t.measured_combine(out, [(1.0.into(), v), (tau.into(), e), ((-tau).into(), at)]),
        }
        let bound = |of: f64| Some(Bound::All(Expression::from(of)));
        t.measured_clip(out, out, bound(-delta), bound(delta));
    }
}
