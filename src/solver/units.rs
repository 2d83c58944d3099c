//! Units of the observations: engines use others where squares in the user's units would leave the range of single
//! precision.

use crate::methods::{Method, StepSize};
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::{Block, Factors};
use crate::solver::settings::Settings;

/// Exponent range of the mean square, 2^±60, within which observations keep their units. Sums of their squares and
/// fourth powers of factors then stay within the range of f32.
const USUAL: f64 = 30.0;
/// Divisor of the exponent, so that its share for each factor of a product of 2, 3, 4, 6 or 12 is whole. Every factor
/// is then a power of two, and nothing is rounded.
const STEP: f64 = 12.0;

/// Multipliers of each trial's observations for the engine.
#[derive(Clone, Debug)]
pub(crate) struct Units {
    of_y: Vec<f64>,
    /// Number of factors in the product.
    degree: usize,
}

impl Units {
    /// Units for the observations (batch, m) with their weights, where no setting is in units of the loss.
    pub(super) fn new(
        (target, weights, m): (&[f64], &[f64], usize),
        (settings, method, model): (&Settings, &Method, &Model),
    ) -> Self {
        let degree = model.factors().max(2);
        let asked = method.set().pairs().any(|(name, _)| name == "optimal_loss");
        let possible = settings.loss == Loss::Square && !asked && (STEP as usize).is_multiple_of(degree);
        let of = |(y, w): (&[f64], &[f64])| if possible { unit(y, w) } else { 1.0 };
        Self { of_y: target.chunks(m).zip(weights.chunks(m)).map(of).collect(), degree }
    }

    pub(super) fn of(&self, trial: usize) -> f64 {
        self.of_y[trial]
    }

    /// Multiplier of a factor.
    pub(super) fn of_factor(&self, trial: usize) -> f64 {
        self.of_y[trial].powf(1.0 / self.degree as f64)
    }

    /// A step of this method in the engine's units: 1/‖M‖ has a unit, a share has none.
    pub(super) fn step(&self, method: &Method, trial: usize, step: f64) -> f64 {
        match method.step_size() {
            StepSize::FromNorm => step / self.of_y[trial],
            StepSize::Number(_) | StepSize::Found => step,
        }
    }

    /// Converts (batch, m) from the user's units to the engine's, or back.
    pub(super) fn scaled(&self, values: &[f64], back: bool) -> Vec<f64> {
        let m = values.len() / self.of_y.len().max(1);
        let by = |trial: usize| if back { 1.0 / self.of_y[trial] } else { self.of_y[trial] };
        values.iter().enumerate().map(|(at, v)| v * by(at / m.max(1))).collect()
    }

    /// Converts factors from the user's units to the engine's, or back.
    pub(super) fn factors(&self, factors: &Factors, back: bool) -> Vec<Block> {
        let share = |trial: usize| self.of_factor(trial).powf(if back { -1.0 } else { 1.0 });
        let of = |block: &Block| {
            let size = block.data().len() / factors.batch();
            let data = block.data().iter().enumerate().map(|(at, v)| v * share(at / size.max(1))).collect();
            Block::new(block.rows(), block.columns(), data)
        };
        factors.blocks().iter().map(of).collect()
    }

    pub(super) fn are_usual(&self) -> bool {
        self.of_y.iter().all(|unit| *unit == 1.0)
    }
}

/// Power of two that scales the mean square of the weighted y to about 1.
fn unit(y: &[f64], weights: &[f64]) -> f64 {
    let used = || y.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(y, _)| y.abs());
    // Scaling by the largest value first: squares in the user's units may leave the range of f64 too.
    let largest = used().fold(0.0, f64::max);
    if largest == 0.0 || !largest.is_finite() {
        return 1.0;
    }
    let mean = used().map(|y| (y / largest).powi(2)).sum::<f64>() / used().count() as f64;
    let exponent = largest.log2() + 0.5 * mean.log2();
    if exponent.abs() < USUAL { 1.0 } else { (-(exponent / STEP).round() * STEP).exp2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_extreme_observations_are_scaled_and_by_powers_of_two() {
        let ones = [1.0; 4];
        assert_eq!(unit(&[1e5, -3e5, 2e4, 1e6], &ones), 1.0);
        assert_eq!(unit(&[0.0; 4], &ones), 1.0);
        assert_eq!(unit(&[1e-12, 1e30, 1e-12, 1e-12], &[1.0, 0.0, 1.0, 1.0]), 36_f64.exp2());
        for size in [1e-200, 1e-12, 1e12, 1e24, 1e200] {
            let unit = unit(&[size, -size], &ones);
            assert!((0.01..100.0).contains(&(unit * size)) && unit.log2() % STEP == 0.0, "{size:e}: {unit:e}");
        }
    }
}
