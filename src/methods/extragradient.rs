//! Extragradient steps of the factors against dual variables of the residuals.

use crate::error::Result;
use crate::methods::card::{Context, MethodCard, StartKind, StepSize};
use crate::methods::game::{DUAL_STEP, GameMetric, Players};
use crate::methods::{Algorithm, Method, parameters};
use crate::named::Named;
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Initial, Tape, less, select};

/// Share of the step that the variation of the field may have, squared: below 1, so that the step contracts.
const VARIATION: f64 = 0.81;
/// Growth of an accepted step.
const GROWTH: f64 = 1.2;

pub(super) const CARD: MethodCard = MethodCard {
    word: "extragradient",
    formula: "a step of descent-ascent to (U', v'), and from (U, v) the step of the gradients there",
    parameters: &[
        Parameter::new(&parameters::DUAL_STEP, "0.5"),
        Parameter::new(&parameters::METRIC, "quotient"),
        Parameter::new(&parameters::ADAPTIVE, "false"),
    ],
    step_size: "0.4; 1/(4 ||s A*(y)||) in the metric euclidean",
    cost: "2 passes, nothing read back",
    source: "Korpelevich 1976, in the game of descent-ascent; the adaptive step is our own",
    make: |of| {
        Ok(Method::new(Extragradient { players: Players::named(of)?, adaptive: of.get("adaptive", "true or false")? }))
    },
};

/// The extragradient method in the game of [`DescentAscent`](crate::methods::DescentAscent): a step to (U′, v′), and from (U, v)
/// the step of the gradients there. (Korpelevich 1976)
///
/// An adaptive step μ is halved, and the iterate stays, where μ⟨d − d′, g − g′⟩ + cτ‖q − q′‖² > 0.81(μ⟨d, g⟩ + (c/τ)‖v − v′‖²),
/// with gradients g, directions d, and q = e − v at both points; else it grows by a fifth. It needs no Lipschitz constant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct Extragradient {
    players: Players,
    adaptive: Option<bool>,
}

impl Extragradient {
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

    /// Sets whether the step adapts from the given one. Default: no.
    pub fn adaptive(mut self, adaptive: bool) -> Self {
        self.adaptive = Some(adaptive);
        self
    }
}

impl Algorithm for Extragradient {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        self.players.set(Named::default()).with("adaptive", self.adaptive)
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
        let (players, adaptive) = (self.players, self.adaptive.unwrap_or(false));
        let (u, v, base) = (t.iterate(), t.keep_measured("dual"), t.step());
        let step = if adaptive { t.keep_scalar("pace", Initial::Parameter(base)) } else { base };
        let (e, g) = t.dual_gradient(u, v);
        t.observe(e);
        let d = players.direction(t, g, u)?;
        let (there, dual) = (t.combine([(1.0.into(), u), (-step, d)]), t.measured("dual there"));
        players.ascend(t, dual, v, (e, v));
        let (e_there, g_there) = t.dual_gradient(there, dual);
        let d_there = players.direction(t, g_there, there)?;
        if !adaptive {
            players.ascend(t, v, v, (e_there, dual));
            t.combine_into(u, [(1.0.into(), u), (-step, d_there)]);
            return Ok(());
        }
        let (next, next_dual) = (t.combine([(1.0.into(), u), (-step, d_there)]), t.measured("next dual"));
        players.ascend(t, next_dual, v, (e_there, dual));
        // q − q′ and v − v′
        let (varied, moved) = (t.measured("variation"), t.measured("dual step"));
        t.measured_combine(moved, [(1.0.into(), v), ((-1.0).into(), dual)]);
        t.measured_combine(varied, [(1.0.into(), e), ((-1.0).into(), e_there), ((-1.0).into(), moved)]);
        let g_varied = t.combine([(1.0.into(), g), ((-1.0).into(), g_there)]);
        let d_varied = t.combine([(1.0.into(), d), ((-1.0).into(), d_there)]);
        let (of_u, of_v) = (t.dot(d_varied, g_varied), t.measured_dot(varied, varied));
        let (long_u, long_v) = (t.dot(d, g), t.measured_dot(moved, moved));
        let (c, tau) = (t.share(), players.dual_step.unwrap_or(DUAL_STEP));
        let allowed = (step * long_u + long_v * (c / tau)) * VARIATION;
        let accepted = t.formula(less(step * of_u + of_v * (c * tau), allowed));
        t.assign_if(accepted, u, next);
        t.measured_assign_if(accepted, v, next_dual);
        t.set(step, select(accepted, step * GROWTH, step * 0.5));
        Ok(())
    }
}
