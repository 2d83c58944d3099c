//! What an iteration does with a gradient: the stages behind it, for both engines of the host. Decompositions of k×k
//! matrices are made in f64 whatever the factors are in.

use std::ops::Range;

use faer::linalg::solvers::Solve;
use faer::{Mat, MatMut, Side};
use rayon::prelude::*;

use crate::engine::State;
use crate::error::Result;
use crate::host::work::each;
use crate::methods::{Polyak, Recipe, Stage, Tuning, Turns};
use crate::operators::Loss;
use crate::problem::Shape;
use crate::real::{Real, convert};

/// A step of Polyak over the size of the iterate, at most: near a saddle the gradient is small and the loss is not.
const LONGEST: f64 = 0.5;
/// Rows whose share of a Gram matrix is summed at a time, in order.
const ROWS: usize = 2048;

/// State of a method between iterations.
pub(crate) struct Stages<T> {
    recipe: Recipe,
    shape: Shape,
    tuning: Vec<Tuning>,
    /// μ·s; of [`Polyak::First`] what its first iteration set.
    steps: Vec<f64>,
    shrink: Vec<f64>,
    iteration: usize,
    turns: Turns,
    /// U of [`Stage::Accelerate`], trial by trial: L, then R. Empty before its first iteration.
    previous: Vec<Vec<T>>,
    /// j of it.
    since: Vec<usize>,
    /// Iterations in which λ had to be raised.
    raised: Vec<usize>,
}

/// The factors that move, and the gradient there: (batch, n1, k) and (batch, n2, k), empty for one factor.
pub(crate) struct Moving<'a, T> {
    pub(crate) left: &'a mut [T],
    pub(crate) right: &'a mut [T],
    /// U where `left` is an increment of it.
    pub(crate) whole: Option<&'a [T]>,
    pub(crate) left_gradient: &'a [T],
    pub(crate) right_gradient: &'a [T],
    pub(crate) search_rank: usize,
}

/// One trial's part of it.
struct Trial<'a, T> {
    index: usize,
    left: &'a mut [T],
    right: &'a mut [T],
    whole: Option<&'a [T]>,
    gradients: [&'a [T]; 2],
    previous: &'a mut Vec<T>,
    since: &'a mut usize,
    step: &'a mut f64,
    raised: &'a mut usize,
}

impl<T: Real> Stages<T> {
    pub(crate) fn new(recipe: Recipe, shape: Shape, batch: usize) -> Self {
        Self {
            recipe,
            shape,
            tuning: vec![Tuning::default(); batch],
            steps: vec![0.0; batch],
            shrink: vec![0.0; batch],
            iteration: 0,
            turns: Turns::default(),
            previous: vec![Vec::new(); batch],
            since: vec![0; batch],
            raised: vec![0; batch],
        }
    }

    pub(crate) fn set_steps(&mut self, steps: &[f64]) {
        self.steps.copy_from_slice(steps);
    }

    pub(crate) fn set_ridge(&mut self, shrink: &[f64]) {
        self.shrink.copy_from_slice(shrink);
    }

    /// Begins anew, at iteration 0.
    pub(crate) fn set_tuning(&mut self, tuning: &[Tuning]) {
        self.tuning.copy_from_slice(tuning);
        self.iteration = 0;
        self.raised.fill(0);
        self.forget();
    }

    /// The factors are others from now on.
    pub(crate) fn forget(&mut self) {
        self.previous.iter_mut().for_each(Vec::clear);
        self.since.fill(0);
    }

    /// What is remembered, for factors L (or U) and R.
    pub(super) fn save(&self, state: &mut State, left: &[T], right: &[T]) {
        state.put_counts("iteration", [self.iteration]);
        state.put_counts("raised", self.raised.iter().copied());
        if self.recipe.polyak == Polyak::First {
            state.put("steps", self.steps.clone());
        }
        if self.recipe.accelerate {
            let batch = self.since.len();
            let sizes = [left.len() / batch, right.len() / batch];
            let mut previous = [Vec::new(), Vec::new()];
            for (trial, own) in self.previous.iter().enumerate() {
                let now =
                    [left, right].map(|side| side.chunks((side.len() / batch).max(1)).nth(trial).unwrap_or_default());
                // Before the first iteration it is the factor itself.
                let (l, r) = if own.is_empty() { (now[0], now[1]) } else { own.split_at(sizes[0]) };
                previous[0].extend(l.iter().map(|v| v.to_f64()));
                previous[1].extend(r.iter().map(|v| v.to_f64()));
            }
            let [of_left, of_right] = previous;
            state.put("previous.left", of_left);
            state.put("previous.right", of_right);
            state.put_counts("since", self.since.iter().copied());
        }
    }

    /// What was saved; the factors have these lengths.
    pub(super) fn restore(&mut self, state: &State, left: usize, right: usize) -> Result<()> {
        let batch = self.since.len();
        self.iteration = state.count("iteration")?;
        self.raised = state.counts("raised", batch)?;
        if self.recipe.polyak == Polyak::First {
            self.steps.copy_from_slice(state.get("steps", batch)?);
        }
        if self.recipe.accelerate {
            let (of_left, of_right) = (state.get("previous.left", left)?, state.get("previous.right", right)?);
            self.since = state.counts("since", batch)?;
            let part = |side: &[f64], trial: usize| -> Vec<T> {
                let size = side.len() / batch;
                convert(&side[trial * size..(trial + 1) * size])
            };
            self.previous = (0..batch).map(|trial| [part(of_left, trial), part(of_right, trial)].concat()).collect();
        }
        Ok(())
    }

    pub(crate) fn raised(&self) -> &[usize] {
        &self.raised
    }

    /// The measurements whose turn it is, where it is not all of them.
    pub(crate) fn group(&mut self, measurements: usize) -> Option<Range<usize>> {
        let minibatches = self.recipe.minibatches?;
        let group = self.turns.group(minibatches, self.iteration);
        Some(minibatches.range(group, measurements))
    }

    /// Everything after the gradient; `energy` is E of a trial, asked for where a stage needs it.
    pub(crate) fn move_on(&mut self, moving: Moving<'_, T>, active: &[bool], energy: &(dyn Fn(usize) -> f64 + Sync)) {
        let batch = active.len();
        let (k, t) = (moving.search_rank, self.iteration);
        let sizes = [moving.left.len() / batch, moving.right.len() / batch];
        let own = |values: &'_ [T], side: usize, trial: usize| -> Range<usize> {
            if values.is_empty() { 0..0 } else { trial * sizes[side]..(trial + 1) * sizes[side] }
        };
        let mut rest = moving.right;
        let state = (self.previous.iter_mut().zip(&mut self.since)).zip(self.steps.iter_mut().zip(&mut self.raised));
        let mut trials: Vec<Trial<'_, T>> = Vec::with_capacity(batch);
        for (index, (left, ((previous, since), (step, raised)))) in
            moving.left.chunks_mut(sizes[0].max(1)).zip(state).enumerate()
        {
            let (right, others) = std::mem::take(&mut rest).split_at_mut(sizes[1]);
            rest = others;
            let gradients = [
                &moving.left_gradient[own(moving.left_gradient, 0, index)],
                &moving.right_gradient[own(moving.right_gradient, 1, index)],
            ];
            let whole = moving.whole.map(|whole| &whole[own(whole, 0, index)]);
            if active[index] {
                trials.push(Trial { index, left, right, whole, gradients, previous, since, step, raised });
            }
        }
        let (recipe, tuning, shrink, symmetric) = (self.recipe, &self.tuning, &self.shrink, self.shape.is_symmetric());
        let parallel = (sizes[0] + sizes[1]) * batch > 1 << 16;
        each(parallel && batch > 1, trials, |trial: Trial<'_, T>| {
            let index = trial.index;
            trial.run(&recipe, &tuning[index], shrink[index], k, t, symmetric, &|| energy(index));
        });
        self.iteration += 1;
    }
}

impl<T: Real> Trial<'_, T> {
    #[allow(clippy::too_many_arguments)]
    fn run(
        mut self,
        recipe: &Recipe,
        tuning: &Tuning,
        shrink: f64,
        k: usize,
        t: usize,
        symmetric: bool,
        energy: &dyn Fn() -> f64,
    ) {
        let mut e = 0.0;
        let mut scaled: Option<[Vec<T>; 2]> = None;
        // Where D is preconditioned it has the ridge in it.
        let apart = if recipe.precondition { 0.0 } else { shrink };
        let mut step = *self.step * tuning.decay.powi(t as i32) * recipe.gradient_scale();
        for stage in recipe.stages(t) {
            match stage {
                Stage::Gradient => {}
                Stage::Energy => e = energy(),
                Stage::Precondition => {
                    let damping = tuning.damping + tuning.damping_factor * (2.0 * e).sqrt();
                    let own = self.whole.unwrap_or(self.left);
                    let (v, w): (&[T], &[T]) = if symmetric { (own, &[]) } else { (self.right, self.left) };
                    // The ridge is part of the gradient that is preconditioned.
                    let ridge = if *self.step > 0.0 { shrink / *self.step } else { 0.0 };
                    let with_ridge = |gradient: &[T], factor: &[T]| -> Vec<T> {
                        let ridge = T::from_f64(ridge);
                        gradient.iter().zip(factor).map(|(&g, &u)| g + ridge * u).collect()
                    };
                    let (left, raised) = preconditioned(&with_ridge(self.gradients[0], own), v, k, damping);
                    let (right, also) = preconditioned(&with_ridge(self.gradients[1], self.right), w, k, damping);
                    *self.raised += usize::from(raised || also);
                    scaled = Some([left, right]);
                }
                Stage::Polyak => {
                    let share = if symmetric { 0.5 } else { 1.0 };
                    let descent: f64 =
                        (0..2).map(|side| dot(self.gradients[side], direction(&scaled, self.gradients, side))).sum();
                    let above = (share * e - tuning.optimal).max(0.0);
                    step = if descent > 0.0 { tuning.polyak_scale * above / descent } else { 0.0 };
                    let own = self.whole.unwrap_or(self.left);
                    let size = dot(own, own) + dot(self.right, self.right);
                    let length: f64 = (0..2)
                        .map(|side| direction(&scaled, self.gradients, side))
                        .map(|direction| dot(direction, direction))
                        .sum();
                    step = step.min(LONGEST * (size / length).sqrt());
                    if recipe.polyak == Polyak::First {
                        *self.step = step;
                    }
                }
                Stage::Descend => {
                    let (step, shrink) = (T::from_f64(step), T::from_f64(apart));
                    for (side, factor) in [&mut *self.left, &mut *self.right].into_iter().enumerate() {
                        let numbers = factor.iter_mut().zip(direction(&scaled, self.gradients, side));
                        if shrink == T::ZERO {
                            numbers.for_each(|(u, &d)| *u -= step * d);
                        } else {
                            numbers.for_each(|(u, &d)| *u -= step * d + shrink * *u);
                        }
                    }
                }
                Stage::Accelerate => {
                    self.accelerate(&scaled, step, apart);
                }
            }
        }
    }

    fn accelerate(&mut self, scaled: &Option<[Vec<T>; 2]>, step: f64, shrink: f64) {
        if self.previous.is_empty() {
            self.previous.extend_from_slice(self.left);
            self.previous.extend_from_slice(self.right);
        }
        let (of_left, of_right) = self.previous.split_at_mut(self.left.len());
        let (t_step, t_shrink) = (T::from_f64(step), T::from_f64(shrink));
        // U⁺ in the place of Y.
        let mut uphill = 0.0;
        let sides = [(&mut *self.left, &*of_left), (&mut *self.right, &*of_right)];
        for (side, (factor, previous)) in sides.into_iter().enumerate() {
            let numbers = factor.iter_mut().zip(direction(scaled, self.gradients, side)).zip(previous);
            for ((u, &d), &old) in numbers {
                *u -= t_step * d + t_shrink * *u;
                uphill += d.to_f64() * (*u - old).to_f64();
            }
        }
        if uphill > 0.0 {
            *self.since = 0;
        }
        let beta = T::from_f64(*self.since as f64 / (*self.since as f64 + 3.0));
        *self.since += 1;
        for (factor, previous) in [(&mut *self.left, of_left), (&mut *self.right, of_right)] {
            for (u, old) in factor.iter_mut().zip(previous) {
                let new = *u;
                *u = new + beta * (new - *old);
                *old = new;
            }
        }
    }
}

/// D: preconditioned, or the gradient.
fn direction<'a, T>(scaled: &'a Option<[Vec<T>; 2]>, gradients: [&'a [T]; 2], side: usize) -> &'a [T] {
    scaled.as_ref().map_or(gradients[side], |scaled| &scaled[side])
}

fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}

/// VᵀV in f64, k×k.
fn gram<T: Real>(v: &[T], k: usize) -> Mat<f64> {
    let part = |rows: &[T]| {
        let mut sum = vec![0.0; k * k];
        for row in rows.chunks(k) {
            for (i, a) in row.iter().enumerate() {
                let a = a.to_f64();
                for (s, b) in sum[i * k..i * k + i + 1].iter_mut().zip(row) {
                    *s += a * b.to_f64();
                }
            }
        }
        sum
    };
    let parts: Vec<Vec<f64>> = match v.len() * k > 1 << 19 {
        true => v.par_chunks(ROWS * k).map(part).collect(),
        false => v.chunks(ROWS * k).map(part).collect(),
    };
    let sum = |at: usize| parts.iter().map(|part| part[at]).sum::<f64>();
    Mat::from_fn(k, k, |i, j| sum(i.max(j) * k + i.min(j)))
}

/// D (VᵀV + λI)⁻¹, and whether λ had to be raised for it.
fn preconditioned<T: Real>(gradient: &[T], v: &[T], k: usize, damping: f64) -> (Vec<T>, bool) {
    if gradient.is_empty() {
        return (Vec::new(), false);
    }
    let mut matrix = gram(v, k);
    let trace: f64 = (0..k).map(|i| matrix[(i, i)]).sum();
    // Rounding moves eigenvalues of VᵀV by some k·u of its trace: below that none of them means anything.
    let least = 4.0 * k as f64 * (f64::EPSILON / 2.0) * trace;
    let lambda = damping.max(least);
    if !(lambda.is_finite() && lambda > 0.0) {
        // V = 0, or not finite.
        return (gradient.to_vec(), false);
    }
    (0..k).for_each(|i| matrix[(i, i)] += lambda);
    let Ok(factor) = matrix.llt(Side::Lower) else { return (gradient.to_vec(), true) };
    let mut out: Vec<f64> = convert(gradient);
    // Row-major rows of D are the columns of Dᵀ.
    let rows = |rows: &mut [f64]| {
        let n = rows.len() / k;
        factor.solve_in_place(MatMut::from_column_major_slice_mut(rows, k, n));
    };
    match out.len() * k > 1 << 19 {
        true => out.par_chunks_mut(ROWS * k).for_each(rows),
        false => rows(&mut out),
    }
    (convert(&out), damping < least)
}

/// E = Σ wρ(e) over pairs (e, w); about their mean for centred operators.
pub(crate) fn energy<I: Iterator<Item = (f64, f64)>>(centred: bool, loss: Loss, pairs: impl Fn() -> I) -> f64 {
    // A weight of 0 must hide even an infinite residual.
    let used = || pairs().filter(|(_, w)| *w != 0.0);
    let mean = if centred {
        let (sum, weight) = used().fold((0.0, 0.0), |(sum, weight), (e, w)| (sum + w * e, weight + w));
        if weight > 0.0 { sum / weight } else { 0.0 }
    } else {
        0.0
    };
    used().map(|(e, w)| w * loss.value(e - mean)).sum()
}
