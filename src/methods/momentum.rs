//! Accelerated gradient descent: gradients at extrapolated points, with restarts.

use crate::error::Result;
use crate::methods::card::{Context, GRADIENT_STEP, MethodCard, NOTHING, StepSize};
use crate::methods::{Algorithm, Method};
use crate::named::Named;
use crate::operators::Loss;
use crate::tape::{Initial, Tape, less, select};

pub(super) const CARD: MethodCard = MethodCard {
    word: "momentum",
    formula: "U+ = Y - step_size * grad f(Y), Y <- U+ + j/(j+3) (U+ - U), j <- 0 where that went uphill",
    parameters: &[],
    step_size: GRADIENT_STEP,
    cost: NOTHING,
    source: "Nesterov 1983; restarts of O'Donoghue & Candès 2015",
    make: |_| Ok(Method::new(Momentum)),
};

/// Gradient descent from extrapolated points (Nesterov 1983), with restarts (O'Donoghue & Candès, Found. Comput. Math. 2015):
///
/// U⁺ = Y − μ·∇f(Y),   Y ← U⁺ + j/(j+3)·(U⁺ − U),   U ← U⁺,   j ← j + 1
///
/// j is set to 0 first where ⟨∇f(Y), U⁺ − U⟩ > 0. The factors of a run are the Y. With non-negative factors or a fixed trace U⁺ and Y are
/// projected, as in the accelerated proximal gradient method (Beck & Teboulle 2009).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Momentum;

impl Algorithm for Momentum {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default()
    }

    fn check(&self, _loss: Loss) -> Result<()> {
        Ok(())
    }

    fn step_size(&self) -> StepSize {
        StepSize::FromNorm
    }

    fn projects(&self) -> bool {
        true
    }

    fn perturbs(&self) -> bool {
        true
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<()> {
        let y = t.iterate();
        let previous = t.keep("previous", Initial::Iterate);
        let since = t.keep_scalar("since", Initial::Number(0.0));
        let (e, g) = t.gradient(y);
        t.observe(e);
        // U⁺ = Y − μ·∇f(Y)
        let step = t.step();
        let next = t.projected([(1.0.into(), y), (-step, g)]);
        let change = t.combine([(1.0.into(), next), ((-1.0).into(), previous)]);
        // j ← 0 where ⟨∇f(Y), U⁺ − U⟩ > 0. With a projection (Y − U⁺)/μ takes the place of the gradient.
        let direction = if t.projects() { t.combine([(1.0.into(), y), ((-1.0).into(), next)]) } else { g };
        let uphill = t.dot(direction, change);
        t.set(since, select(less(0.0, uphill), 0.0, since));
        let beta = t.formula(since / (since + 3.0));
        t.set(since, since + 1.0);
        // Y ← U⁺ + j/(j+3)·(U⁺ − U), U ← U⁺
        t.move_to([(1.0.into(), next), (beta.into(), change)]);
        t.assign(previous, next);
        Ok(())
    }
}
