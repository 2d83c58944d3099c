//! Nonlinear conjugate gradients, preconditioned, with exact steps.

use crate::error::Result;
use crate::methods::card::{Context, MethodCard, StepSize, TrialNumbers};
use crate::methods::line::{self, Known, StepRule};
use crate::methods::parameters;
use crate::methods::prec_gd::scaled;
use crate::methods::{Algorithm, Method};
use crate::named::{Named, at_least_zero};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Blocks, Initial, Scalar, Tape, greatest, less, select};

/// λ over √s·‖e‖.
const DAMPING_FACTOR: f64 = 0.1;

pub(super) const CARD: MethodCard = MethodCard {
    word: "cg",
    formula: "D <- -G + beta D, beta of Polak & Ribière (at least 0), G = grad f (V'V + lambda I)^-1 as in prec-gd; exact steps",
    parameters: &[Parameter::new(&parameters::DAMPING_FACTOR, "0.1"), Parameter::new(&parameters::STEP_RULE, "exact")],
    step_size: "found",
    cost: line::EXACT_COST,
    source: "Polak & Ribière 1969; along D the loss is a quartic whose coefficients come from A(UD'+DU') and A(DD')",
    make: |of| {
        Ok(Method::new(Cg {
            damping_factor: of.get("damping_factor", "a number of at least 0")?,
            step_rule: of.get("step_rule", "constant, armijo or exact")?,
        }))
    },
};

/// Nonlinear conjugate gradients of Polak & Ribière (1969), preconditioned like [`crate::methods::PrecGd`], with exact
/// steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct Cg {
    damping_factor: Option<f64>,
    step_rule: Option<StepRule>,
}

impl Cg {
    /// Sets c in λ = c·√s·‖e‖. Default: 0.1.
    pub fn damping_factor(mut self, factor: f64) -> Self {
        self.damping_factor = Some(factor);
        self
    }

    /// Sets the step rule. Default: exact.
    pub fn step_rule(mut self, rule: StepRule) -> Self {
        self.step_rule = Some(rule);
        self
    }
}

/// Registers kept between iterations: the direction, z = G of the last iteration, and ⟨∇f, z⟩ there.
struct Memory {
    direction: Blocks,
    z: Blocks,
    slope: Scalar,
}

impl Memory {
    fn new(t: &mut Tape) -> Self {
        Self {
            direction: t.keep("direction", Initial::Number(0.0)),
            z: t.keep("preconditioned gradient", Initial::Number(0.0)),
            slope: t.keep_scalar("slope", Initial::Number(0.0)),
        }
    }

    /// D ← −z + βD with β = ⟨g, z − z′⟩/⟨g′, z′⟩, at least 0, and 0 where D would go uphill; only if `taken`.
    fn turn(&self, t: &mut Tape, g: Blocks, z: Blocks, taken: Option<Scalar>) {
        let (now, cross, along) = (t.dot(g, z), t.dot(g, self.z), t.dot(g, self.direction));
        let beta = t.formula(greatest((now - cross) / self.slope, 0.0));
        let beta = t.formula(select(less(beta * along - now, 0.0), beta, 0.0));
        let next = [(beta.into(), self.direction), ((-1.0).into(), z)];
        match taken {
            None => {
                t.combine_into(self.direction, next);
                t.assign(self.z, z);
                t.set(self.slope, now);
            }
            Some(taken) => {
                let next = t.combine(next);
                t.assign_if(taken, self.direction, next);
                t.assign_if(taken, self.z, z);
                t.set(self.slope, select(taken, now, self.slope));
            }
        }
    }
}

impl Algorithm for Cg {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default().with("damping_factor", self.damping_factor).with("step_rule", self.step_rule)
    }

    fn check(&self, loss: Loss) -> Result<()> {
        at_least_zero("damping_factor", self.damping_factor, "leave it out for the default")?;
        line::require_square(Some(self.step_rule()), loss)
    }

    fn step_size(&self) -> StepSize {
        StepSize::Found
    }

    fn step_rule(&self) -> StepRule {
        self.step_rule.unwrap_or(StepRule::Exact)
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        vec![("damping_factor", self.damping_factor.unwrap_or(DAMPING_FACTOR) * trial.normalization.sqrt())]
    }

    fn weighs_unobserved(&self) -> bool {
        true
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let memory = Memory::new(t);
        let rule = self.step_rule();
        if rule == StepRule::Armijo {
            // A refused point is left in the same direction: β is that of the accepted points.
            let taken = t.keep_scalar("taken", Initial::Number(1.0));
            let direction = |t: &mut Tape, at: Known| -> Result<Blocks> {
                let energy = at.energy(t);
                let z = scaled(t, at.gradient, energy)?;
                memory.turn(t, at.gradient, z, Some(taken));
                Ok(memory.direction)
            };
            return line::armijo(t, context, direction, |t, good| t.set(taken, good));
        }
        let direction = |t: &mut Tape, at: Known| -> Result<Blocks> {
            let energy = at.energy(t);
            let z = scaled(t, at.gradient, energy)?;
            memory.turn(t, at.gradient, z, None);
            Ok(memory.direction)
        };
        match rule {
            StepRule::Exact => line::exact_iteration(t, context, direction),
            _ => {
                let known = Known::at(t, u);
                let d = direction(t, known)?;
                t.combine_into(u, [(1.0.into(), u), (t.step().into(), d)]);
                Ok(())
            }
        }
    }
}
