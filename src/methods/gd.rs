//! Gradient descent: U ← U − μ·∇f(U).

use crate::error::Result;
use crate::methods::card::{Context, GRADIENT_STEP, MethodCard, NOTHING, StepSize, TrialNumbers};
use crate::methods::line::{self, StepRule};
use crate::methods::parameters;
use crate::methods::schedule::Schedule;
use crate::methods::{Algorithm, Method};
use crate::named::Named;
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::Tape;

pub(super) const CARD: MethodCard = MethodCard {
    word: "gd",
    formula: "U <- U - step_size * s * A*(A(UU') - y) U",
    parameters: &[
        Parameter::new(&parameters::STEP_RULE, "constant"),
        Parameter::new(&parameters::STEP_DECAY, "1; l1: 0.95"),
        Parameter::new(&parameters::POLYAK_SCALE, "1; l1: 0.5"),
        Parameter::new(&parameters::OPTIMAL_LOSS, "none"),
    ],
    step_size: GRADIENT_STEP,
    cost: NOTHING,
    source: "Stöger & Soltanolkotabi 2021, arXiv 2106.15013; asymmetric: arXiv 2303.14244, 2310.01769",
    make: |of| {
        let step_rule = of.get("step_rule", "constant, armijo or exact")?;
        Ok(Method::new(GradientDescent { step_rule, schedule: Schedule::named(of)? }))
    },
};

/// Gradient descent: U ← U − μ·s·A*(A(UUᵀ) − y)·U (Stöger & Soltanolkotabi, arXiv 2106.15013).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct GradientDescent {
    step_rule: Option<StepRule>,
    schedule: Schedule,
}

impl GradientDescent {
    /// Sets the step rule. Default: constant.
    pub fn step_rule(mut self, rule: StepRule) -> Self {
        self.step_rule = Some(rule);
        self
    }

    /// Sets the decay q: the step of iteration t is qᵗ times the first. Default: 1, and 0.95 for the loss `l1`.
    pub fn step_decay(mut self, decay: f64) -> Self {
        self.schedule.decay = Some(decay);
        self
    }

    /// Sets the known optimal loss. Every step is then a Polyak step.
    pub fn optimal_loss(mut self, loss: f64) -> Self {
        self.schedule.optimal_loss = Some(loss);
        self
    }

    /// Sets the share of Polyak's step. Default: 1, and ½ for a first step that decays: outliers make it too long.
    pub fn polyak_scale(mut self, scale: f64) -> Self {
        self.schedule.polyak_scale = Some(scale);
        self
    }
}

impl Algorithm for GradientDescent {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        self.schedule.set(Named::default().with("step_rule", self.step_rule))
    }

    fn check(&self, loss: Loss) -> Result<()> {
        line::require_square(self.step_rule, loss)?;
        self.schedule.check()
    }

    fn step_size(&self) -> StepSize {
        StepSize::FromNorm
    }

    fn step_rule(&self) -> StepRule {
        self.step_rule.unwrap_or(StepRule::Constant)
    }

    fn is_plain(&self, loss: Loss) -> bool {
        let constant = self.step_rule.is_none_or(|rule| rule == StepRule::Constant);
        constant && loss == Loss::Square && self.schedule.is_constant(loss)
    }

    /// A line search looks for the end of a straight path, which the projection bends.
    fn projects(&self) -> bool {
        self.step_rule() == StepRule::Constant
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        self.schedule.numbers(trial)
    }

    fn weighs_unobserved(&self) -> bool {
        true
    }

    fn perturbs(&self) -> bool {
        self.step_rule() == StepRule::Constant
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        match self.step_rule() {
            StepRule::Constant => {
                let (e, g) = t.gradient(u);
                t.observe(e);
                self.schedule.descend(t, u, (e, g), g);
            }
            StepRule::Exact => {
                line::exact_iteration(t, context, |t, at| Ok(t.combine([((-1.0).into(), at.gradient)])))?;
            }
            StepRule::Armijo => {
                line::armijo(t, context, |t, at| Ok(t.combine([((-1.0).into(), at.gradient)])), |_, _| {})?
            }
        }
        Ok(())
    }
}
