//! Gradient descent with gradients of groups of the measurements.

use crate::error::Result;
use crate::methods::card::{Context, GRADIENT_STEP, MethodCard, StepSize};
use crate::methods::parameters;
use crate::methods::schedule::Schedule;
use crate::methods::{Algorithm, Method};
use crate::named::{Named, at_least_one};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Initial, Minibatches, Tape};

/// Default number of groups.
const GROUPS: usize = 10;

pub(super) const CARD: MethodCard = MethodCard {
    word: "sgd",
    formula: "gd with the gradient of one of `minibatches` groups of measurements, times their number",
    parameters: &[
        Parameter::new(&parameters::MINIBATCHES, "10"),
        Parameter::new(&parameters::METHOD_SEED, "0"),
        Parameter::new(&parameters::STEP_DECAY, "1"),
    ],
    step_size: GRADIENT_STEP,
    cost: "1/minibatches of a pass, nothing read back",
    source: "groups of neighbouring measurements, a new order every epoch",
    make: |of| {
        Ok(Method::new(Sgd {
            minibatches: of.get("minibatches", "a whole number of at least 1")?,
            seed: of.get("method_seed", "a whole number")?,
            decay: of.get("step_decay", "a number above 0, at most 1")?,
        }))
    },
};

/// Gradient descent with the gradient of one group of neighbouring measurements, times the number of groups. The groups
/// take turns in a new order every epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct Sgd {
    minibatches: Option<usize>,
    seed: Option<u64>,
    decay: Option<f64>,
}

impl Sgd {
    /// Sets the number of groups of measurements. Default: 10.
    pub fn minibatches(mut self, groups: usize) -> Self {
        self.minibatches = Some(groups);
        self
    }

    /// Sets the seed of the order of groups. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the decay q: the step of iteration t is qᵗ times the first. Default: 1.
    pub fn step_decay(mut self, decay: f64) -> Self {
        self.decay = Some(decay);
        self
    }
}

impl Algorithm for Sgd {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default()
            .with("minibatches", self.minibatches)
            .with("method_seed", self.seed)
            .with("step_decay", self.decay)
    }

    fn check(&self, _loss: Loss) -> Result<()> {
        at_least_one("minibatches", self.minibatches)?;
        Schedule { decay: self.decay, ..Schedule::default() }.check()
    }

    fn step_size(&self) -> StepSize {
        StepSize::FromNorm
    }

    fn minibatches(&self) -> Option<usize> {
        Some(self.minibatches.unwrap_or(GROUPS))
    }

    fn projects(&self) -> bool {
        true
    }

    fn perturbs(&self) -> bool {
        true
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<()> {
        let groups = Minibatches::new(self.minibatches.unwrap_or(GROUPS), self.seed.unwrap_or(0));
        let (u, base) = (t.iterate(), t.step());
        let decay = self.decay.filter(|q| *q < 1.0);
        let step = if decay.is_some() { t.keep_scalar("pace", Initial::Parameter(base)) } else { base };
        let (_, g) = t.gradient_of(u, Some(groups));
        // On average the sums of a group times the number of groups are those over all measurements.
        t.move_to([(1.0.into(), u), (-(step * groups.count as f64), g)]);
        if let Some(q) = decay {
            t.set(step, step * q);
        }
        Ok(())
    }
}
