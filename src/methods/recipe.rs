//! What engines run without asking: an iteration as a list of stages, and the numbers that each trial brings to them.

use std::ops::Range;

use rand::seq::SliceRandom;

use crate::operators::Loss;
use crate::problem::random::{Purpose, stream};

/// One step of an iteration, carried out for every active trial. V is U, or R for the part of L and L for that of R.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// e = A(UUᵀ) − y and D = A*(w∘ρ′(e))·V at the current factor, in one pass over the operator's data, or over the group of
    /// measurements whose turn it is.
    Gradient,
    /// E = Σ wρ(e) over the measurements of that gradient.
    Energy,
    /// D ← (D + (shrink/step)·U)(VᵀV + λI)⁻¹ with λ = damping + damping_factor·√(2E). λ is never less than what keeps VᵀV + λI positive definite
    /// in the arithmetic of the engine. What [`Stage::Polyak`] needs of the gradient is kept.
    Precondition,
    /// step = polyak_scale·(c·E − optimal)/⟨gradient, D⟩ with c = ½ for symmetric models and 1 otherwise, the step
    /// of Polyak; 0 where nothing is left to descend, and never more than ½‖U‖/‖D‖ (of both factors together).
    Polyak,
    /// U ← U − step·D − shrink·U; without the last term where D was preconditioned.
    Descend,
    /// The same from an extrapolated point Y, which is what the engine holds as its factor (Nesterov; restarts after
    /// O'Donoghue & Candès, Found. Comput. Math. 2015):
    ///
    /// U⁺ = Y − step·D − shrink·Y,   Y ← U⁺ + j/(j+3)·(U⁺ − U),   U ← U⁺,   j ← j + 1
    ///
    /// with j ← 0 before it where ⟨D, U⁺ − U⟩ > 0.
    Accelerate,
}

/// When the step is Polyak's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Polyak {
    #[default]
    Never,
    /// In iteration 0, which sets the step that later ones go on from.
    First,
    /// In every so many iterations, the last one of them; the step of the others is their own.
    Every(usize),
}

/// Measurements in groups of neighbours that take turns: a permutation of all groups an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minibatches {
    /// Groups, at least 1.
    pub count: usize,
    pub seed: u64,
}

impl Minibatches {
    /// The measurements of group `group` of m.
    pub fn range(self, group: usize, m: usize) -> Range<usize> {
        let at = |group: usize| (group as u128 * m as u128 / self.count as u128) as usize;
        at(group)..at(group + 1)
    }

    /// Groups in the order of their turns in an epoch.
    fn order(self, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.count).collect();
        order.shuffle(&mut stream(self.seed, Purpose::Minibatch, epoch as u64));
        order
    }
}

/// Whose turn it is, with the order of the current epoch at hand.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    epoch: Option<usize>,
    order: Vec<usize>,
}

impl Turns {
    /// The group of an iteration.
    pub fn group(&mut self, minibatches: Minibatches, iteration: usize) -> usize {
        let epoch = iteration / minibatches.count;
        if self.epoch != Some(epoch) {
            (self.epoch, self.order) = (Some(epoch), minibatches.order(epoch));
        }
        self.order[iteration % minibatches.count]
    }
}

/// An iteration of a method that needs no decisions on the host. The default is gradient descent.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Recipe {
    /// ρ.
    pub loss: Loss,
    /// Whether D is preconditioned,
    pub precondition: bool,
    /// with a damping that follows the residual.
    pub residual_damping: bool,
    pub polyak: Polyak,
    pub accelerate: bool,
    /// Gradients of one group an iteration; their sums are multiplied by the number of groups, so that on average they are those
    /// over everything.
    pub minibatches: Option<Minibatches>,
}

impl Recipe {
    /// Whether iteration t ends with Polyak's step.
    pub fn is_polyak(&self, iteration: usize) -> bool {
        match self.polyak {
            Polyak::Never => false,
            Polyak::First => iteration == 0,
            Polyak::Every(j) => (iteration + 1).is_multiple_of(j.max(1)),
        }
    }

    /// The stages of iteration t.
    pub fn stages(&self, iteration: usize) -> impl Iterator<Item = Stage> + use<> {
        let polyak = self.is_polyak(iteration);
        let listed = [
            (Stage::Gradient, true),
            (Stage::Energy, polyak || self.residual_damping),
            (Stage::Precondition, self.precondition),
            (Stage::Polyak, polyak),
            (Stage::Descend, !self.accelerate),
            (Stage::Accelerate, self.accelerate),
        ];
        listed.into_iter().filter(|(_, wanted)| *wanted).map(|(stage, _)| stage)
    }

    /// What a gradient is multiplied by.
    pub fn gradient_scale(&self) -> f64 {
        self.minibatches.map_or(1.0, |groups| groups.count as f64)
    }
}

/// What a trial brings to the stages besides its step and its ridge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// λ where the residual is zero.
    pub damping: f64,
    /// λ gained per √(2E) = √(Σwe²).
    pub damping_factor: f64,
    /// The step of iteration t is step·decayᵗ, except where it is Polyak's.
    pub decay: f64,
    /// f*/s, the optimal loss in units of E.
    pub optimal: f64,
    /// Share of Polyak's step that is taken.
    pub polyak_scale: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { damping: 0.0, damping_factor: 0.0, decay: 1.0, optimal: 0.0, polyak_scale: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_take_turns_in_an_order_of_their_own_each_epoch() {
        let groups = Minibatches { count: 7, seed: 3 };
        let mut turns = Turns::default();
        let epochs: Vec<Vec<usize>> =
            (0..3).map(|e| (0..7).map(|t| turns.group(groups, 7 * e + t)).collect()).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..7).collect::<Vec<_>>());
        }
        assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
        // Asked again, out of order.
        assert_eq!(turns.group(groups, 2), epochs[0][2]);
        let ranges: Vec<Range<usize>> = (0..7).map(|g| groups.range(g, 24)).collect();
        assert_eq!((ranges[0].start, ranges[6].end), (0, 24));
        assert!(ranges.windows(2).all(|w| w[0].end == w[1].start) && ranges.iter().all(|r| r.len() >= 3));
    }

    #[test]
    fn stages_come_where_they_are_needed() {
        use Stage::*;
        let stages = |recipe: Recipe, t| recipe.stages(t).collect::<Vec<_>>();
        assert_eq!(stages(Recipe::default(), 0), [Gradient, Descend]);
        let polyak = Recipe { polyak: super::Polyak::Every(3), ..Recipe::default() };
        assert_eq!(stages(polyak, 1), [Gradient, Descend]);
        assert_eq!(stages(polyak, 2), [Gradient, Energy, Polyak, Descend]);
        let scaled = Recipe { precondition: true, residual_damping: true, ..Recipe::default() };
        assert_eq!(stages(scaled, 5), [Gradient, Energy, Precondition, Descend]);
        let momentum = Recipe { accelerate: true, ..Recipe::default() };
        assert_eq!(stages(momentum, 0), [Gradient, Accelerate]);
    }
}
