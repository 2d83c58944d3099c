//! Scaled gradient descent: U ← U − μ·∇f(U)(UᵀU + λI)⁻¹.

use crate::error::Result;
use crate::methods::card::{Context, MethodCard, StartKind, StepSize, TrialNumbers};
use crate::methods::line::{self, StepRule};
use crate::methods::parameters;
use crate::methods::pseudo_inverse::{no_gram, pseudo_inverse};
use crate::methods::schedule::Schedule;
use crate::methods::{Algorithm, Method};
use crate::named::{Named, at_least_zero};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Blocks, Tape};

/// λ over ‖s·A*(y)‖ for starts that are not spectral.
pub(crate) const DAMPING: f64 = 1e-3;
/// Step of preconditioned methods. Near the solution the error is multiplied by 1 − 2μ for isometric measurements. For
/// an isometry to within δ, steps below 1/(1 + δ) are stable.
pub(super) const PRECONDITIONED_STEP: f64 = 0.4;

pub(super) const CARD: MethodCard = MethodCard {
    word: "scaled-gd",
    formula: "U <- U - step_size * grad f(U) (U'U + damping I)^-1; L with R'R, R with L'L",
    parameters: &[
        Parameter::new(&parameters::DAMPING, "0 from a spectral start, else 1e-3 ||s A*(y)||"),
        Parameter::new(&parameters::STEP_RULE, "constant"),
        Parameter::new(&parameters::STEP_DECAY, "1; l1: 0.95"),
        Parameter::new(&parameters::POLYAK_SCALE, "1; l1: 0.5"),
        Parameter::new(&parameters::OPTIMAL_LOSS, "none"),
    ],
    step_size: "0.4",
    cost: "1 pass; damping > 0: nothing read back, damping 0: two factors and a gradient",
    source: "Tong, Ma & Chi 2021, arXiv 2005.08898; damping > 0: Xu et al. 2023, arXiv 2302.01186",
    make: |of| {
        Ok(Method::new(ScaledGd {
            damping: of.get("damping", "a number of at least 0")?,
            step_rule: of.get("step_rule", "constant, armijo or exact")?,
            schedule: Schedule::named(of)?,
        }))
    },
};

/// Scaled gradient descent: U ← U − μ·∇f(U)(UᵀU + λI)⁻¹, L with RᵀR and R with LᵀL (Tong, Ma & Chi, arXiv 2005.08898; λ > 0: Xu et
/// al., arXiv 2302.01186).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct ScaledGd {
    damping: Option<f64>,
    step_rule: Option<StepRule>,
    schedule: Schedule,
}

impl ScaledGd {
    /// Sets λ, in units of ‖M‖. Default: 0 from a spectral start, else 1e-3·‖s·A*(y)‖. With 0, pseudo-inverses are
    /// taken on the host.
    pub fn damping(mut self, damping: f64) -> Self {
        self.damping = Some(damping);
        self
    }

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

    /// Sets the share of Polyak's step. Default: 1, and ½ for a first step that decays.
    pub fn polyak_scale(mut self, scale: f64) -> Self {
        self.schedule.polyak_scale = Some(scale);
        self
    }

    /// ∇f (VᵀV + λI)⁻¹
    fn scaled(t: &mut Tape, g: Blocks, context: &Context) -> Result<Blocks> {
        let u = t.iterate();
        match context.undamped {
            true => pseudo_inverse(t, g, u, context.floor, true),
            false => {
                let damping = t.parameter("damping");
                t.precondition(g, u, damping).ok_or_else(no_gram)
            }
        }
    }
}

impl Algorithm for ScaledGd {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        self.schedule.set(Named::default().with("damping", self.damping).with("step_rule", self.step_rule))
    }

    fn check(&self, loss: Loss) -> Result<()> {
        at_least_zero("damping", self.damping, "0 gives plain ScaledGD; leave it out for an automatic value")?;
        line::require_square(self.step_rule, loss)?;
        self.schedule.check()
    }

    fn step_size(&self) -> StepSize {
        StepSize::Number(PRECONDITIONED_STEP)
    }

    fn step_rule(&self) -> StepRule {
        self.step_rule.unwrap_or(StepRule::Constant)
    }

    fn start(&self, damping: Option<f64>) -> StartKind {
        match damping.or(self.damping) {
            Some(0.0) => StartKind::Spectral,
            _ => StartKind::SmallRandom,
        }
    }

    fn damping(&self) -> Option<Option<f64>> {
        Some(self.damping)
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        let mut all = self.schedule.numbers(trial);
        all.push(("damping", trial.damping.unwrap_or(0.0)));
        all
    }

    fn perturbs(&self) -> bool {
        self.step_rule() == StepRule::Constant
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let direction = |t: &mut Tape, at: line::Known| {
            let z = Self::scaled(t, at.gradient, context)?;
            Ok(t.combine([((-1.0).into(), z)]))
        };
        match self.step_rule() {
            StepRule::Constant => {
                let (e, g) = t.gradient(u);
                t.observe(e);
                let d = Self::scaled(t, g, context)?;
                self.schedule.descend(t, u, (e, g), d);
            }
            StepRule::Exact => line::exact_iteration(t, context, direction)?,
            StepRule::Armijo => line::armijo(t, context, direction, |_, _| {})?,
        }
        Ok(())
    }
}
