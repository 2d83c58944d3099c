//! Descent by values of the loss alone.

use crate::error::{Error, Result};
use crate::methods::card::{Context, MethodCard, StepSize};
use crate::methods::{Algorithm, Method, parameters};
use crate::named::{Named, at_least_one};
use crate::operators::Loss;
use crate::options::Parameter;
use crate::tape::{Blocks, Held, Initial, Left, Register, Tape, noise, root};

/// Default number of directions.
const DIRECTIONS: usize = 4;
/// Default distance of the points over the size of the iterate.
const RADIUS: f64 = 1e-3;

pub(super) const CARD: MethodCard = MethodCard {
    word: "zeroth-order",
    formula: "U+ = U - step_size q/(q + d + 1) mean of [(f(U + rho D) - f(U - rho D))/(2 rho)] D over q random directions D",
    parameters: &[Parameter::new(&parameters::DIRECTIONS, "4"), Parameter::new(&parameters::RADIUS, "0.001")],
    step_size: "1/(4 ||s A*(y)||); 1/(4 sqrt(s) ||y||) without an adjoint",
    cost: "1 pass without the adjoint for 2q + 1 points; random directions from the host",
    source: "two-point estimates, as in arXiv 2406.19617",
    make: |of| {
        Ok(Method::new(ZerothOrder {
            directions: of.get("directions", "a whole number of at least 1")?,
            radius: of.get("radius", "a number above 0, below 1")?,
        }))
    },
};

/// Two-point descent by values of the loss alone: U⁺ = U − μ·q/(q + d + 1)·(1/q)Σⱼ[(f(U + ρDⱼ) − f(U − ρDⱼ))/(2ρ)]Dⱼ over q random
/// directions with entries N(0, 1), d the count of numbers in U. The factor keeps the step of gradient descent stable for the variance
/// of the estimate, so that an iteration makes about q/d of its progress. It never applies A*, so it solves problems of
/// [`BlackBox`](crate::operators::BlackBox). (arXiv 2406.19617)
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a method does something in settings"]
pub struct ZerothOrder {
    directions: Option<usize>,
    radius: Option<f64>,
}

impl ZerothOrder {
    /// Sets the number q of directions in an iteration. Default: 4.
    pub fn directions(mut self, directions: usize) -> Self {
        self.directions = Some(directions);
        self
    }

    /// Sets ‖ρD‖ over ‖U‖. Default: 0.001.
    pub fn radius(mut self, radius: f64) -> Self {
        self.radius = Some(radius);
        self
    }
}

/// Random directions for a trial, in the columns in which the iterate is not zero: the others are padding.
fn draw(columns: usize, inputs: &[Held<'_>], outputs: &mut [Left]) -> Result<()> {
    let (u, stream, turn) = (inputs[0].numbers(), inputs[1].number(0), inputs[2].number(0));
    let mut used = vec![false; columns];
    u.iter().enumerate().filter(|(_, v)| **v != 0.0).for_each(|(at, _)| used[at % columns] = true);
    let mut drawn = noise::sums(stream, turn, 0).map(|sum| f64::from(sum) * noise::NORMAL);
    for out in outputs.iter_mut() {
        let number = |at: usize| drawn.next().filter(|_| used[at % columns]).unwrap_or(0.0);
        *out = (0..u.len()).map(number).collect::<Vec<f64>>().into();
    }
    Ok(())
}

impl Algorithm for ZerothOrder {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default().with("directions", self.directions).with("radius", self.radius)
    }

    fn check(&self, _loss: Loss) -> Result<()> {
        at_least_one("directions", self.directions)?;
        match self.radius.filter(|radius| !(*radius > 0.0 && *radius < 1.0)) {
            Some(found) => Err(Error::invalid("radius", found, "above 0, below 1", "leave it out for 0.001")),
            None => Ok(()),
        }
    }

    fn step_size(&self) -> StepSize {
        StepSize::FromNorm
    }

    fn keeps_trace(&self) -> bool {
        true
    }

    fn needs_adjoint(&self) -> bool {
        false
    }

    fn record(&self, t: &mut Tape, _context: &Context) -> Result<()> {
        let (u, columns) = (t.iterate(), t.search_rank());
        if t.sizes(u).len() > 2 {
            let what = format!("the method {} for products of more than two factors", CARD.word);
            return Err(Error::Unsupported { what, fix: "use the model psd, signed or asymmetric".into() });
        }
        let (count, radius) = (self.directions.unwrap_or(DIRECTIONS), self.radius.unwrap_or(RADIUS));
        let (stream, turn) =
            (t.parameter("noise_stream"), t.keep_scalar("turn of the directions", Initial::Number(0.0)));
        let directions: Vec<Blocks> = (0..count).map(|_| t.blocks("direction")).collect();
        let inputs = [Register::from(u), stream.into(), turn.into()];
        let outputs: Vec<Register> = directions.iter().map(|d| Register::from(*d)).collect();
        t.on_host("random directions", inputs, outputs, move |inputs, outputs| draw(columns, inputs, outputs));
        // U, and U ± ρD for every D
        let whole = t.whole(u);
        let size = t.dot(whole, whole);
        let (mut points, mut lengths) = (vec![u], Vec::new());
        for d in &directions {
            let own = t.dot(*d, *d);
            let length = t.formula(root(size / own) * radius);
            points.push(t.combine([(1.0.into(), u), (length.into(), *d)]));
            points.push(t.combine([(1.0.into(), u), (-length, *d)]));
            lengths.push(length);
        }
        let e = t.residuals(&points);
        t.observe(e[0]);
        let numbers: usize = t.sizes(u).iter().map(|block| block.len()).sum();
        let (step, share) = (t.step(), t.share());
        let shrink = t.ridge().map(|ridge| t.formula(step * ridge));
        if let Some(shrink) = shrink {
            t.combine_into(u, [(1.0.into(), u), (-shrink, whole)]);
        }
        for ((d, length), values) in directions.iter().zip(&lengths).zip(e[1..].chunks(2)) {
            let change = match t.loss() {
                // Σ w(a² − b²)/2 without the rounding errors of two sums.
                Loss::Square => {
                    let (less, more) = (t.measured("difference"), t.measured("sum"));
                    t.measured_combine(less, [(1.0.into(), values[0]), ((-1.0).into(), values[1])]);
                    t.measured_combine(more, [(1.0.into(), values[0]), (1.0.into(), values[1])]);
                    t.measured_dot(less, more) * 0.5
                }
                _ => t.energy(values[0]) - t.energy(values[1]),
            };
            let factor = share / (count + numbers + 1) as f64;
            let along = t.formula(step * (change * factor) / (*length * 2.0));
            t.combine_into(u, [(1.0.into(), u), (-along, *d)]);
        }
        t.keep_trace(u);
        t.set(turn, turn + 1.0);
        Ok(())
    }
}
