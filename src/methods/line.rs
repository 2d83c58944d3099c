//! How far to go along a direction: a constant, Armijo's rule, or to the least of the loss.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::operators::Loss;
use crate::tape::{Blocks, Expression, Initial, Measured, Scalar, Tape, When, finite, least_of_quartic, less, select};

/// Armijo: the share of the decrease that the slope promises which has to come.
const SUFFICIENT: f64 = 1e-4;

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepRule {
    /// step_size.
    Constant,
    /// A step that descends enough is taken and the next one is twice as long; one that does not is halved, and the point stays. An
    /// iteration tries one step.
    Armijo,
    /// The least of the quartic that the loss is along the direction.
    Exact,
}

impl StepRule {
    /// The rule of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "constant" => Some(Self::Constant),
            "armijo" => Some(Self::Armijo),
            "exact" => Some(Self::Exact),
            _ => None,
        }
    }

    /// The word of `--step-rule` and of reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Armijo => "armijo",
            Self::Exact => "exact",
        }
    }
}

impl std::fmt::Display for StepRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for StepRule {
    type Err = ();
    fn from_str(word: &str) -> std::result::Result<Self, ()> {
        Self::from_word(word).ok_or(())
    }
}

/// The refusal of what needs a loss that is a polynomial along lines, for models that have none.
pub(super) fn no_lines() -> Error {
    Error::Unsupported {
        what: "exact steps for a model whose product is of more than two factors".into(),
        fix: "use gd, momentum or heavy-ball with constant steps, which are for every model, or --step-rule armijo"
            .into(),
    }
}

/// Refuses exact steps of other losses than the square, which are no quartics.
pub(super) fn require_square(rule: Option<StepRule>, loss: Loss) -> Result<()> {
    if rule == Some(StepRule::Exact) && loss != Loss::Square {
        let fix = "use gd, scaled-gd, gd-polyak or sgd for it";
        return Err(Error::invalid("loss", loss.word(), "square where steps are exact", fix));
    }
    Ok(())
}

/// The step t ≥ 0 at which f(U + t·D) is least, e being the residual at U: along D the loss is the quartic
/// c·Σ w(e + t·b + t²·a)²/2 with A(Z(U + tD)) = A(Z(U)) + t·b + t²·a.
///
/// # Errors
/// [`Error::Unsupported`] for models of higher degree.
pub(super) fn exact(t: &mut Tape, u: Blocks, e: Measured, d: Blocks) -> Result<Scalar> {
    let (b, a) = t.along(u, d).ok_or_else(no_lines)?;
    Ok(least(t, (u, d), [e, b, a]))
}

/// The same from e, b and a.
fn least(t: &mut Tape, (u, d): (Blocks, Blocks), [e, b, a]: [Measured; 3]) -> Scalar {
    let (eb, bb, ea, ab, aa) =
        (t.measured_dot(e, b), t.measured_dot(b, b), t.measured_dot(e, a), t.measured_dot(a, b), t.measured_dot(a, a));
    let c = t.share();
    let mut linear = eb * c;
    let mut square = (bb * 0.5 + ea) * c;
    if let Some(ridge) = t.ridge() {
        let whole = t.whole(u);
        let (ud, dd) = (t.dot(whole, d), t.dot(d, d));
        linear = linear + ridge * ud;
        square = square + ridge * dd * 0.5;
    }
    t.formula(least_of_quartic([linear, square, ab * c, aa * (0.5 * c)]))
}

/// What a search along lines keeps: the gradient and the residual at the iterate.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub(super) residual: Measured,
    pub(super) gradient: Blocks,
    pub(super) energy: Scalar,
}

/// An iteration of Armijo's rule: one pass, at U + t·D. Where the loss there is at most f(U) + σ·t·⟨∇f, D⟩ the point is taken and t
/// doubled; otherwise U, its gradient and its residual stay and t is halved. (Armijo 1966)
///
/// `direction` makes D of what is kept at U; `taken` is told whether the point was taken.
pub(super) fn armijo(
    t: &mut Tape,
    direction: impl FnOnce(&mut Tape, Kept) -> Result<Blocks>,
    taken: impl FnOnce(&mut Tape, Scalar),
) -> Result<()> {
    let u = t.iterate();
    let kept = Kept {
        residual: t.keep_measured("residual at the factors"),
        gradient: t.keep("gradient at the factors", Initial::Number(0.0)),
        energy: t.keep_scalar("energy at the factors", Initial::Number(0.0)),
    };
    let initial = Initial::Parameter(t.step());
    let step = t.keep_scalar("step to try", initial);
    t.when(When::First, |t| {
        let (e, g) = t.gradient(u);
        let energy = t.energy(e);
        t.measured_combine(kept.residual, [(1.0.into(), e)]);
        t.assign(kept.gradient, g);
        t.set(kept.energy, energy);
    });
    t.observe(kept.residual);
    let d = direction(t, kept)?;
    let slope = t.dot(kept.gradient, d);
    let trial = t.combine([(1.0.into(), u), (step.into(), d)]);
    let (e, g) = t.gradient(trial);
    let energy = t.energy(e);
    // f/s at both points.
    let mut before = kept.energy * t.share();
    let mut after = energy * t.share();
    if let Some(ridge) = t.ridge() {
        let (here, there) = (t.whole(u), t.whole(trial));
        let (here, there) = (t.dot(here, here), t.dot(there, there));
        before = before + ridge * here * 0.5;
        after = after + ridge * there * 0.5;
    }
    let enough: Expression = before + step * slope * SUFFICIENT;
    // Not a < b turned around: what is not a number is not enough.
    let good = t.formula(select(less(enough, after.clone()), 0.0, finite(after)));
    t.assign_if(good, u, trial);
    t.assign_if(good, kept.gradient, g);
    t.measured_assign_if(good, kept.residual, e);
    t.set(kept.energy, select(good, energy, kept.energy));
    t.set(step, select(good, step * 2.0, step * 0.5));
    taken(t, good);
    Ok(())
}
