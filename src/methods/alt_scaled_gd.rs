//! Updates of L, then of R at the new L, each by its gradient times the pseudo-inverse of the other's Gram matrix.

use crate::error::{Error, Result};
use crate::methods::card::{Context, MethodCard, StartKind, StepSize};
use crate::methods::line::{self, Known, StepRule};
use crate::methods::parameters;
use crate::methods::pseudo_inverse::{no_gram, scaled_blocks};
use crate::methods::{Algorithm, Method};
use crate::models::Model;
use crate::named::Named;
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Blocks, Expression, Initial, Register, Scalar, Tape, select};

pub(super) const CARD: MethodCard = MethodCard {
    word: "alt-scaled-gd",
    formula: "L <- L - step_size * s A*(e) R (R'R)^+, then R <- R - step_size * s A*(e)' L (L'L)^+ at the new e",
    parameters: &[Parameter::new(&parameters::STEP_RULE, "constant")],
    step_size: "1",
    cost: "2 passes; both factors and their gradient to the host and back, twice",
    source: "AGN, NeurIPS 2024; AltScaledGD 2023",
    make: |of| Ok(Method::new(AltScaledGd { step_rule: of.get("step_rule", "constant, armijo or exact")? })),
};

/// Alternating scaled gradient descent: L ← L − μ·∇_L f(L, R)(RᵀR)⁺, then R ← R − μ·∇_R f(L, R)(LᵀL)⁺ at the new L.
/// With μ = 1 it is alternating Gauss–Newton.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct AltScaledGd {
    step_rule: Option<StepRule>,
}

impl AltScaledGd {
    /// Sets the step rule. Default: constant.
    pub fn step_rule(mut self, rule: StepRule) -> Self {
        self.step_rule = Some(rule);
        self
    }
}

/// Minus the scaled gradient of the block `side`, 0 or 1; the other block is zero.
fn half(t: &mut Tape, g: Blocks, side: Expression, floor: f64) -> Result<Blocks> {
    let partners = t.partners().filter(|partners| partners.len() == 2).ok_or_else(no_gram)?;
    let iterate = t.iterate();
    let factor = t.whole(iterate);
    let side = t.formula(side);
    let (sizes, out, raised) = (t.sizes(g).to_vec(), t.blocks("half direction"), t.raised());
    let inputs = [Register::from(g), factor.into(), side.into(), raised.into()];
    t.on_host("pseudo-inverse of one side", inputs, [Register::from(out), raised.into()], move |given, made| {
        let wanted = usize::from(given[2].number(0) != 0.0);
        let (g, factor) = (given[0].numbers(), given[1].numbers());
        let (values, lost) = scaled_blocks((&g, &factor), (&sizes, &partners), |block| block == wanted, floor);
        made[0] = values.into_iter().map(|v| -v).collect::<Vec<f64>>().into();
        made[1] = vec![given[3].number(0) + f64::from(u8::from(lost > 0))].into();
        Ok(())
    });
    Ok(out)
}

impl Algorithm for AltScaledGd {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default().with("step_rule", self.step_rule)
    }

    fn check(&self, loss: Loss) -> Result<()> {
        line::require_square(self.step_rule, loss)?;
        crate::methods::prec_gd::require_square(CARD.word, loss)
    }

    fn check_model(&self, model: &Model) -> Result<()> {
        if model.factors() == 2 {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("alt-scaled-gd for the model {}, which has no pair of factors to alternate,", model.word()),
            fix: "pass --model asymmetric, or use gd or momentum, which suit every model".into(),
        })
    }

    fn step_size(&self) -> StepSize {
        StepSize::Number(1.0)
    }

    fn step_rule(&self) -> StepRule {
        self.step_rule.unwrap_or(StepRule::Constant)
    }

    fn start(&self, _damping: Option<f64>) -> StartKind {
        StartKind::Spectral
    }

    fn weighs_unobserved(&self) -> bool {
        true
    }

    fn perturbs(&self) -> bool {
        self.step_rule() == StepRule::Constant
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let rule = self.step_rule();
        if rule == StepRule::Armijo {
            // An iteration tries a step of one side. The other side is next after an accepted step.
            let side = t.keep_scalar("side", Initial::Number(0.0));
            let direction = |t: &mut Tape, at: Known| half(t, at.gradient, side.into(), context.floor);
            let taken = |t: &mut Tape, good: Scalar| t.set(side, select(good, Expression::from(1.0) - side, side));
            return line::armijo(t, context, direction, taken);
        }
        let (e, g) = t.gradient(u);
        t.observe(e);
        let mut at = (e, g);
        for side in [0.0, 1.0] {
            if side > 0.0 {
                at = t.gradient(u);
            }
            let d = half(t, at.1, side.into(), context.floor)?;
            let step = match rule {
                StepRule::Exact => line::exact(t, u, at.0, d)?,
                _ => t.step(),
            };
            t.combine_into(u, [(1.0.into(), u), (step.into(), d)]);
        }
        Ok(())
    }
}
