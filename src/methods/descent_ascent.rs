//! Descent of the factors against ascent of dual variables of the residuals.

use crate::error::Result;
use crate::methods::card::{Context, MethodCard, StartKind, StepSize};
use crate::methods::game::{GameMetric, Players};
use crate::methods::{Algorithm, Method, parameters};
use crate::named::Named;
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::Tape;

pub(super) const CARD: MethodCard = MethodCard {
    word: "descent-ascent",
    formula: "U+ = U - step_size * A*(v) U (U^T U)^-1, v+ = clip(v + dual_step (e - v), +-delta), with the loss huber:delta",
    parameters: &[Parameter::new(&parameters::DUAL_STEP, "0.5"), Parameter::new(&parameters::METRIC, "quotient")],
    step_size: "0.4; 1/(4 ||s A*(y)||) in the metric euclidean",
    cost: "1 pass, nothing read back",
    source: "robust recovery as a game; descent-ascent of arXiv 2306.16617",
    make: |of| Ok(Method::new(DescentAscent { players: Players::named(of)? })),
};

/// Descent against ascent in the game min over U, max over |vᵢ| ≤ δ of Σ(vᵢeᵢ − vᵢ²/2), whose saddle is the solution of the loss
/// `huber:δ`: U⁺ = U − μ·s·A*(v)U(UᵀU)⁻¹ and v⁺ = clip(v + τ(e − v), ±δ), both from the same point. (arXiv 2306.16617)
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct DescentAscent {
    players: Players,
}

impl DescentAscent {
    /// Sets the share τ of the way from v to its best response. Default: 0.5.
    pub fn dual_step(mut self, share: f64) -> Self {
        self.players.dual_step = Some(share);
        self
    }

    /// Sets the metric of the factors. Default: quotient.
    pub fn metric(mut self, metric: GameMetric) -> Self {
        self.players.metric = Some(metric);
        self
    }
}

impl Algorithm for DescentAscent {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        self.players.set(Named::default())
    }

    fn check(&self, loss: Loss) -> Result<()> {
        self.players.check(CARD.word, loss)
    }

    fn step_size(&self) -> StepSize {
        self.players.step_size()
    }

    fn start(&self, _damping: Option<f64>) -> StartKind {
        StartKind::Spectral
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<()> {
        let (u, v) = (t.iterate(), t.keep_measured("dual"));
        let (e, g) = t.dual_gradient(u, v);
        t.observe(e);
        let d = self.players.direction(t, g, u)?;
        self.players.ascend(t, v, v, (e, v));
        let step = t.step();
        t.combine_into(u, [(1.0.into(), u), (-step, d)]);
        Ok(())
    }
}
