//! A method of nobody's: all that methods do, in one iteration.

use lowrank::Error;
use lowrank::methods::{Algorithm, Context, Method, MethodCard, Named, StepSize};
use lowrank::operators::Loss;
use lowrank::tape::{Expression, Initial, Minibatches, Tape, When, greatest, least, less, root, select};

const CARD: MethodCard = MethodCard::new(
    "everything",
    "groups, damped preconditioning that follows the residual, a step of Polyak every other time, decay, momentum",
    |_| Ok(Method::new(Everything)),
)
.cost("1/3 of a pass")
.source("this test");

#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Algorithm for Everything {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default()
    }

    fn check(&self, _loss: Loss) -> Result<(), Error> {
        Ok(())
    }

    fn step_size(&self) -> StepSize {
        StepSize::Number(1.0)
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<(), Error> {
        let groups = Minibatches::new(3, 5);
        let y = t.iterate();
        let previous = t.keep("previous", Initial::Iterate);
        let since = t.keep_scalar("since", Initial::Number(0.0));
        let initial = Initial::Parameter(t.step());
        let pace = t.keep_scalar("pace", initial);
        let (e, g) = t.gradient_of(y, Some(groups));
        let energy = t.energy_of(e, Some(groups));
        let factor = t.parameter("damping_factor");
        let d = t.precondition(g, y, factor * root(energy * 6.0)).expect("models of two factors at most");
        let (optimal, scale) = (t.parameter("optimal_loss"), t.parameter("polyak_scale"));
        t.when(When::Every { period: 2, phase: 1 }, |t| {
            let whole = t.whole(y);
            let (descent, length, size) = (t.dot(g, d), t.dot(d, d), t.dot(whole, whole));
            let above = greatest(energy * t.share() - optimal * (1.0 / 3.0), 0.0);
            let found = select(less(0.0, descent), above * scale / descent, 0.0);
            t.set(pace, least(found * (1.0 / 3.0), root(size / length) * (0.5 / 3.0)));
        });
        let next = t.combine([(1.0.into(), y), (-(pace * 3.0), d)]);
        let change = t.combine([(1.0.into(), next), ((-1.0).into(), previous)]);
        let uphill = t.dot(g, change);
        t.set(since, select(less(0.0, uphill), 0.0, since));
        let beta = t.formula(since / (since + 3.0));
        t.set(since, Expression::from(since) + 1.0);
        t.combine_into(y, [(1.0.into(), next), (beta.into(), change)]);
        t.assign(previous, next);
        t.set(pace, pace * 0.95);
        Ok(())
    }
}
