//! Gradient descent with a Polyak step in every K-th iteration.

use crate::error::Result;
use crate::methods::card::{Context, GRADIENT_STEP, MethodCard, NOTHING, StepSize, TrialNumbers};
use crate::methods::parameters;
use crate::methods::schedule::Schedule;
use crate::methods::{Algorithm, Method};
use crate::named::{Named, at_least_one};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::Tape;

/// Default of K.
const EVERY: usize = 10;

pub(super) const CARD: MethodCard = MethodCard {
    word: "gd-polyak",
    formula: "gd, and every polyak_every-th step (f - optimal_loss)/||grad f||^2 long",
    parameters: &[
        Parameter::new(&parameters::POLYAK_EVERY, "10"),
        Parameter::new(&parameters::OPTIMAL_LOSS, "0"),
        Parameter::new(&parameters::POLYAK_SCALE, "1"),
    ],
    step_size: GRADIENT_STEP,
    cost: NOTHING,
    source: "Davis, Drusvyatskiy & Jiang 2024, arXiv 2409.19791",
    make: |of| Ok(Method::new(GdPolyak { schedule: Schedule::named(of)? })),
};

/// Gradient descent with a Polyak step (f − f*)/‖∇f‖² in every K-th iteration (Davis, Drusvyatskiy & Jiang, arXiv
/// 2409.19791).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct GdPolyak {
    schedule: Schedule,
}

impl GdPolyak {
    /// Sets the period K. Default: 10.
    pub fn polyak_every(mut self, iterations: usize) -> Self {
        self.schedule.polyak_every = Some(iterations);
        self
    }

    /// Sets the optimal loss of Polyak's steps. Default: 0.
    pub fn optimal_loss(mut self, loss: f64) -> Self {
        self.schedule.optimal_loss = Some(loss);
        self
    }

    /// Sets the share of Polyak's step. Default: 1.
    pub fn polyak_scale(mut self, scale: f64) -> Self {
        self.schedule.polyak_scale = Some(scale);
        self
    }

    fn full(&self) -> Schedule {
        Schedule { polyak_every: Some(self.schedule.polyak_every.unwrap_or(EVERY)), decay: Some(1.0), ..self.schedule }
    }
}

impl Algorithm for GdPolyak {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        self.schedule.set(Named::default())
    }

    fn check(&self, _loss: Loss) -> Result<()> {
        at_least_one("polyak_every", self.schedule.polyak_every)?;
        self.schedule.check()
    }

    fn step_size(&self) -> StepSize {
        StepSize::FromNorm
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        self.full().numbers(trial)
    }

    fn projects(&self) -> bool {
        true
    }

    fn perturbs(&self) -> bool {
        true
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<()> {
        let u = t.iterate();
        let (e, g) = t.gradient(u);
        t.observe(e);
        self.full().descend(t, u, (e, g), g);
        Ok(())
    }
}
