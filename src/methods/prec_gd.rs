//! Preconditioned gradient descent with damping in proportion to the residual.

use crate::error::{Error, Result};
use crate::methods::card::{Context, MethodCard, NOTHING, StepSize, TrialNumbers};
use crate::methods::line::{self, StepRule};
use crate::methods::parameters;
use crate::methods::pseudo_inverse::no_gram;
use crate::methods::scaled_gd::PRECONDITIONED_STEP;
use crate::methods::{Algorithm, Method};
use crate::named::{Named, at_least_zero};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Blocks, Scalar, Tape, root};

/// λ over √s·‖e‖, which estimates ‖UUᵀ − M‖_F.
const DAMPING_FACTOR: f64 = 1.0;

pub(super) const CARD: MethodCard = MethodCard {
    word: "prec-gd",
    formula: "scaled-gd with damping = damping_factor * sqrt(s) ||A(UU') - y|| = 2 damping_factor sqrt(f)",
    parameters: &[Parameter::new(&parameters::DAMPING_FACTOR, "1"), Parameter::new(&parameters::STEP_RULE, "constant")],
    step_size: "0.4",
    cost: NOTHING,
    source: "Zhang, Fattahi & Zhang 2021 (there damping = sqrt of their f = ||residual||^2 s: damping_factor 1)",
    make: |of| {
        Ok(Method::new(PrecGd {
            damping_factor: of.get("damping_factor", "a number of at least 0")?,
            step_rule: of.get("step_rule", "constant, armijo or exact")?,
        }))
    },
};

/// Scaled gradient descent with λ = c·√s·‖A(UUᵀ) − y‖ (Zhang, Fattahi & Zhang 2021).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct PrecGd {
    damping_factor: Option<f64>,
    step_rule: Option<StepRule>,
}

impl PrecGd {
    /// Sets c in λ = c·√s·‖e‖ = 2c√f. Default: 1.
    pub fn damping_factor(mut self, factor: f64) -> Self {
        self.damping_factor = Some(factor);
        self
    }

    /// Sets the step rule. Default: constant.
    pub fn step_rule(mut self, rule: StepRule) -> Self {
        self.step_rule = Some(rule);
        self
    }
}

/// ∇f (VᵀV + λI)⁻¹ with λ = damping_factor·√(2E), where the parameter is in units of √s.
pub(super) fn scaled(t: &mut Tape, g: Blocks, energy: Scalar) -> Result<Blocks> {
    let (u, factor) = (t.iterate(), t.parameter("damping_factor"));
    t.precondition(g, u, factor * root(energy * 2.0)).ok_or_else(no_gram)
}

/// Error for dampings in proportion to a residual whose size has no meaning.
pub(super) fn require_square(word: &str, loss: Loss) -> Result<()> {
    if loss == Loss::Square {
        return Ok(());
    }
    let fix = "use the method gd, whose defaults tolerate gross outliers";
    Err(Error::invalid("loss", loss.word(), format!("square for {word}"), fix))
}

impl Algorithm for PrecGd {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default().with("damping_factor", self.damping_factor).with("step_rule", self.step_rule)
    }

    fn check(&self, loss: Loss) -> Result<()> {
        at_least_zero("damping_factor", self.damping_factor, "leave it out for the default")?;
        line::require_square(self.step_rule, loss)?;
        require_square(CARD.word, loss)
    }

    fn step_size(&self) -> StepSize {
        StepSize::Number(PRECONDITIONED_STEP)
    }

    fn step_rule(&self) -> StepRule {
        self.step_rule.unwrap_or(StepRule::Constant)
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        vec![("damping_factor", self.damping_factor.unwrap_or(DAMPING_FACTOR) * trial.normalization.sqrt())]
    }

    fn weighs_unobserved(&self) -> bool {
        true
    }

    fn perturbs(&self) -> bool {
        self.step_rule() == StepRule::Constant
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let direction = |t: &mut Tape, at: line::Known| {
            let energy = at.energy(t);
            let z = scaled(t, at.gradient, energy)?;
            Ok(t.combine([((-1.0).into(), z)]))
        };
        match self.step_rule() {
            StepRule::Constant => {
                let (e, g) = t.gradient(u);
                t.observe(e);
                let energy = t.energy(e);
                let d = scaled(t, g, energy)?;
                let step = t.step();
                t.combine_into(u, [(1.0.into(), u), (-step, d)]);
            }
            StepRule::Exact => line::exact_iteration(t, context, direction)?,
            StepRule::Armijo => line::armijo(t, context, direction, |_, _| {})?,
        }
        Ok(())
    }
}
