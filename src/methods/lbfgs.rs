//! Limited-memory quasi-Newton, with exact steps.

use crate::error::{Error, Result};
use crate::methods::card::{Context, MethodCard, StepSize};
use crate::methods::line::{self, Known, StepRule};
use crate::methods::parameters;
use crate::methods::{Algorithm, Method};
use crate::named::{Named, at_least_one};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Blocks, Expression, Initial, Scalar, Tape, less, root, select};

/// Default number of pairs.
const MEMORY: usize = 10;
/// Most pairs: each takes two registers of the factors' size, and a few ops.
const MOST: usize = 100;

pub(super) const CARD: MethodCard = MethodCard {
    word: "lbfgs",
    formula: "D = -H grad f, H from the last `memory` steps (two-loop recursion); exact steps",
    parameters: &[Parameter::new(&parameters::MEMORY, "10"), Parameter::new(&parameters::STEP_RULE, "exact")],
    step_size: "found",
    cost: "2 passes, nothing read back",
    source: "Liu & Nocedal 1989",
    make: |of| {
        Ok(Method::new(Lbfgs {
            memory: of.get("memory", "a whole number of at least 1")?,
            step_rule: of.get("step_rule", "constant, armijo or exact")?,
        }))
    },
};

/// Limited-memory quasi-Newton method: D = −H∇f, with H from the last steps by the two-loop recursion (Liu & Nocedal
/// 1989).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct Lbfgs {
    memory: Option<usize>,
    step_rule: Option<StepRule>,
}

impl Lbfgs {
    /// Sets the number of stored pairs. Default: 10.
    pub fn memory(mut self, pairs: usize) -> Self {
        self.memory = Some(pairs);
        self
    }

    /// Sets the step rule. Default: exact.
    pub fn step_rule(mut self, rule: StepRule) -> Self {
        self.step_rule = Some(rule);
        self
    }
}

/// A pair of differences s of points and y of gradients, with 1/⟨s, y⟩, which is 0 while there is no pair.
#[derive(Clone, Copy)]
struct Pair {
    s: Blocks,
    y: Blocks,
    rho: Scalar,
}

struct Memory {
    point: Blocks,
    gradient: Blocks,
    /// Pairs, oldest first.
    pairs: Vec<Pair>,
    /// γ of the start γI of the recursion.
    gamma: Scalar,
    direction: Blocks,
}

impl Memory {
    fn new(t: &mut Tape, pairs: usize) -> Self {
        let zero = Initial::Number(0.0);
        let pair = |t: &mut Tape, index: usize| Pair {
            s: t.keep(&format!("pair{index}.points"), zero),
            y: t.keep(&format!("pair{index}.gradients"), zero),
            rho: t.keep_scalar(&format!("pair{index}.rho"), zero),
        };
        Self {
            point: t.keep("last point", Initial::Iterate),
            gradient: t.keep("last gradient", zero),
            pairs: (0..pairs).map(|index| pair(t, index)).collect(),
            gamma: t.keep_scalar("gamma", Initial::Number(1.0)),
            direction: t.keep("direction", zero),
        }
    }

    /// Records the step from the last point to u; pairs without positive curvature are dropped.
    fn learn(&self, t: &mut Tape, u: Blocks, g: Blocks) {
        let s = t.combine([(1.0.into(), u), ((-1.0).into(), self.point)]);
        let y = t.combine([(1.0.into(), g), ((-1.0).into(), self.gradient)]);
        let (sy, ss, yy) = (t.dot(s, y), t.dot(s, s), t.dot(y, y));
        let good = t.formula(less(root(ss) * root(yy) * 1e-12, sy));
        for pair in self.pairs.windows(2) {
            t.assign_if(good, pair[0].s, pair[1].s);
            t.assign_if(good, pair[0].y, pair[1].y);
            t.set(pair[0].rho, select(good, pair[1].rho, pair[0].rho));
        }
        if let Some(last) = self.pairs.last() {
            t.assign_if(good, last.s, s);
            t.assign_if(good, last.y, y);
            t.set(last.rho, select(good, Expression::from(1.0) / sy, last.rho));
        }
        t.set(self.gamma, select(good, sy / yy, self.gamma));
        t.assign(self.point, u);
        t.assign(self.gradient, g);
    }

    /// D ← −H g by the two-loop recursion; where that goes uphill, −g, and all pairs are dropped.
    fn turn(&self, t: &mut Tape, g: Blocks) {
        let q = t.combine([(1.0.into(), g)]);
        let mut alphas = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let along = t.dot(pair.s, q);
            let alpha = t.formula(pair.rho * along);
            t.combine_into(q, [(1.0.into(), q), (-alpha, pair.y)]);
            alphas.push(alpha);
        }
        t.combine_into(q, [(self.gamma.into(), q)]);
        for (pair, alpha) in self.pairs.iter().zip(alphas.into_iter().rev()) {
            let along = t.dot(pair.y, q);
            let change = t.formula(alpha - pair.rho * along);
            t.combine_into(q, [(1.0.into(), q), (change.into(), pair.s)]);
        }
        let along = t.dot(q, g);
        let downhill = t.formula(less(0.0, along));
        t.combine_into(self.direction, [((-1.0).into(), g)]);
        let found = t.combine([((-1.0).into(), q)]);
        t.assign_if(downhill, self.direction, found);
        for pair in &self.pairs {
            t.set(pair.rho, select(downhill, pair.rho, 0.0));
        }
        t.set(self.gamma, select(downhill, self.gamma, 1.0));
    }
}

impl Algorithm for Lbfgs {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default().with("memory", self.memory).with("step_rule", self.step_rule)
    }

    fn check(&self, loss: Loss) -> Result<()> {
        at_least_one("memory", self.memory)?;
        if let Some(found) = self.memory.filter(|pairs| *pairs > MOST) {
            return Err(Error::invalid("memory", found, format!("at most {MOST}"), "a common value is 10"));
        }
        line::require_square(Some(self.step_rule()), loss)
    }

    fn step_size(&self) -> StepSize {
        StepSize::Found
    }

    fn step_rule(&self) -> StepRule {
        self.step_rule.unwrap_or(StepRule::Exact)
    }

    fn weighs_unobserved(&self) -> bool {
        true
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let memory = Memory::new(t, self.memory.unwrap_or(MEMORY));
        let direction = |t: &mut Tape, at: Known| -> Result<Blocks> {
            memory.learn(t, u, at.gradient);
            memory.turn(t, at.gradient);
            Ok(memory.direction)
        };
        match self.step_rule() {
            // Differences of gradients need gradients that are exact to the last digit. Those from polynomials in t are
            // not.
            StepRule::Exact => line::in_two_passes(t, direction),
            // While points are refused, u and its gradient stay: the difference is zero, and no pair is recorded.
            StepRule::Armijo => line::armijo(t, context, direction, |_, _| {}),
            StepRule::Constant => {
                let known = Known::at(t, u);
                let d = direction(t, known)?;
                t.combine_into(u, [(1.0.into(), u), (t.step().into(), d)]);
                Ok(())
            }
        }
    }
}
