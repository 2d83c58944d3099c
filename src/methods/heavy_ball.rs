//! Gradient descent with momentum from the last step, with restarts.

use crate::error::{Error, Result};
use crate::methods::card::{Context, GRADIENT_STEP, MethodCard, NOTHING, StepSize, TrialNumbers};
use crate::methods::parameters;
use crate::methods::{Algorithm, Method};
use crate::named::Named;
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Initial, Tape, less, select};

/// Default of β.
const MOMENTUM: f64 = 0.9;

pub(super) const CARD: MethodCard = MethodCard {
    word: "heavy-ball",
    formula: "U+ = U + beta (U - U-) - step_size * grad f(U), beta <- 0 where the last step went uphill",
    parameters: &[Parameter::new(&parameters::MOMENTUM, "0.9")],
    step_size: GRADIENT_STEP,
    cost: NOTHING,
    source: "Polyak 1964; restarts of O'Donoghue & Candès 2015",
    make: |of| Ok(Method::new(HeavyBall { momentum: of.get("momentum", "a number from 0 to below 1")? })),
};

/// The heavy ball: U⁺ = U + β(U − U⁻) − μ·∇f(U) (Polyak 1964), with β ← 0 in iterations where ⟨∇f(U), U − U⁻⟩ > 0 (O'Donoghue &
/// Candès, Found. Comput. Math. 2015).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct HeavyBall {
    momentum: Option<f64>,
}

impl HeavyBall {
    /// Sets the momentum β, from 0 to below 1. Default: 0.9.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = Some(momentum);
        self
    }
}

impl Algorithm for HeavyBall {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default().with("momentum", self.momentum)
    }

    fn check(&self, _loss: Loss) -> Result<()> {
        match self.momentum.filter(|beta| !(0.0..1.0).contains(beta)) {
            Some(found) => Err(Error::invalid("momentum", found, "from 0 to below 1", "leave it out for 0.9")),
            None => Ok(()),
        }
    }

    fn step_size(&self) -> StepSize {
        StepSize::FromNorm
    }

    fn numbers(&self, _trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        vec![("momentum", self.momentum.unwrap_or(MOMENTUM))]
    }

    fn keeps_trace(&self) -> bool {
        true
    }

    fn perturbs(&self) -> bool {
        true
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<()> {
        let (u, previous, momentum) = (t.iterate(), t.keep("previous", Initial::Iterate), t.parameter("momentum"));
        let (e, g) = t.gradient(u);
        t.observe(e);
        // β ← 0 where ⟨∇f(U), U − U⁻⟩ > 0
        let change = t.combine([(1.0.into(), u), ((-1.0).into(), previous)]);
        let uphill = t.dot(g, change);
        let beta = t.formula(select(less(0.0, uphill), 0.0, momentum));
        // U⁺ = U + β(U − U⁻) − μ·∇f(U)
        let step = t.step();
        t.assign(previous, u);
        t.move_to([(1.0.into(), u), (beta.into(), change), (-step, g)]);
        Ok(())
    }
}
