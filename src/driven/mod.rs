//! Methods that decide on the host: an engine around another one, which it asks for gradients and for measurements of products.
//!
//! The inner engine is loaded with several lanes a trial. Lane 0 has the trial's observations and gives its gradient; the others have
//! the target 0 and give, all in one pass over the measurement data, what the loss along a direction D is made of:
//!
//! ```text
//! A((U + tD)(U + tD)ᵀ) = A(UUᵀ) + t·A(UDᵀ + DUᵀ) + t²·A(DDᵀ)
//! ```
//!
//! so that f(U + tD) is a quartic in t, known exactly. Decisions are made in f64; products over the data in the precision of the
//! inner engine.

mod alternating;
mod direction;
mod manifold;
mod point;
mod quartic;
mod scale;
mod steps;

use std::sync::Arc;

use crate::engine::{Engine, EngineInfo, Evaluation, Load, State};
use crate::error::{Error, Result};
use crate::methods::{Driven, Rule, StepRule, Tuning, Turns};
use crate::operators::Operator;
use crate::problem::{Factors, Model, Shape};
use direction::Memory;
use point::Point;

/// Trials of the inner engine for each of the outer one.
pub(crate) fn lanes(shape: Shape) -> usize {
    if shape.is_symmetric() { 3 } else { 4 }
}

/// e, and A*(w∘ρ′(e)) applied to something.
type Raw = (Vec<f64>, Point);

/// The gradient at a trial's point.
#[derive(Clone, Debug)]
struct Fresh {
    /// e, as the inner engine has it.
    residual: Vec<f64>,
    /// E = Σ wρ(e).
    energy: f64,
    /// ∇f/s, with the ridge.
    gradient: Point,
}

struct Trial {
    at: Point,
    fresh: Option<Fresh>,
    memory: Memory,
    /// The last step of Armijo's rule.
    accepted: Option<f64>,
    step: f64,
    shrink: f64,
    tuning: Tuning,
    weights: Vec<f64>,
    target: Vec<f64>,
    active: bool,
    /// Iterations in which directions were left out or λ was raised.
    raised: usize,
}

struct Host<'a> {
    inner: Box<dyn Engine + 'a>,
    operator: Arc<dyn Operator + 'a>,
    info: EngineInfo,
    method: Driven,
    signature: Option<(usize, usize)>,
    search_rank: usize,
    lanes: usize,
    iteration: usize,
    turns: Turns,
    trials: Vec<Trial>,
}

/// Around an engine loaded with [`lanes`] times the trials of `load`.
///
/// # Errors
/// [`Error::Unsupported`] for models that a rule is not for.
pub(crate) fn new<'a>(load: &Load<'a>, method: Driven, inner: Box<dyn Engine + 'a>) -> Result<Box<dyn Engine + 'a>> {
    let (shape, m) = (load.operator.shape(), load.operator.measurements());
    if matches!(method.rule, Rule::Manifold { .. }) && shape.model() == Model::Signed {
        return Err(Error::Unsupported {
            what: "the method riemannian for the model signed".into(),
            fix: "use lbfgs, cg or prec-gd".into(),
        });
    }
    let passes = if method.step == StepRule::Exact || method.rule == Rule::Alternating { 2 } else { 1 };
    let mut info = inner.info().clone();
    info.operator_bytes_per_iteration *= passes as f64;
    let sides = shape.rows() + if shape.is_symmetric() { 0 } else { shape.columns() };
    let back = lanes(shape) * (m + sides * load.search_rank);
    info.notices.push(format!(
        "the method decides on the host: {passes} {} over the measurements an iteration, and {back} numbers a trial brought \
         back from the engine in each",
        if passes == 1 { "pass" } else { "passes" }
    ));
    let trial = || Trial {
        at: Point::default(),
        fresh: None,
        memory: Memory::default(),
        accepted: None,
        step: 0.0,
        shrink: 0.0,
        tuning: Tuning::default(),
        weights: vec![1.0; m],
        target: vec![0.0; m],
        active: true,
        raised: 0,
    };
    Ok(Box::new(Host {
        inner,
        operator: load.operator.clone(),
        info,
        method,
        signature: load.signature,
        search_rank: load.search_rank,
        lanes: lanes(shape),
        iteration: 0,
        turns: Turns::default(),
        trials: (0..load.batch).map(|_| trial()).collect(),
    }))
}

impl Host<'_> {
    fn shape(&self) -> Shape {
        self.operator.shape()
    }

    /// c in f/s = c·E.
    fn share(&self) -> f64 {
        if self.shape().is_symmetric() { 0.5 } else { 1.0 }
    }

    /// U S.
    fn signed(&self, u: &[f64]) -> Vec<f64> {
        let positive = self.signature.map_or(self.search_rank, |(positive, _)| positive);
        u.iter().enumerate().map(|(at, u)| if at % self.search_rank < positive { *u } else { -u }).collect()
    }

    /// Singular values of factors below this share of the largest are noise.
    fn floor(&self) -> f64 {
        let n = self.shape().rows().max(self.shape().columns());
        self.info.precision.unit_roundoff() * (n as f64).sqrt() * 4.0
    }

    /// Runs the inner engine at pairs (L, R), those of lane j of trial t at index t·lanes + j; missing ones are zero.
    fn evaluate_pairs(
        &mut self,
        points: &[Option<Point>],
        applied: &[Option<Point>],
        single: bool,
    ) -> Result<Evaluation> {
        let (shape, k, batch) = (self.shape(), self.search_rank, points.len());
        let sizes = (shape.rows() * k, shape.columns() * k);
        let gather = |all: &[Option<Point>], size: usize, of: fn(&Point) -> &Vec<f64>| -> Vec<f64> {
            let mut out = vec![0.0; all.len() * size];
            for (slot, point) in out.chunks_mut(size.max(1)).zip(all) {
                if let Some(point) = point.as_ref().filter(|point| !of(point).is_empty()) {
                    slot.copy_from_slice(of(point));
                }
            }
            out
        };
        let which: Vec<bool> = points.iter().map(Option::is_some).collect();
        let left = gather(points, sizes.0, |p| &p.left);
        let point = match single {
            true => Factors::symmetric(batch, shape.rows(), k, left)?,
            false => Factors::pair(batch, shape, k, left, gather(points, sizes.1, |p| &p.right))?,
        };
        let left = gather(applied, sizes.0, |p| &p.left);
        let applied = match shape.is_symmetric() {
            true => Factors::symmetric(batch, shape.rows(), k, left)?,
            false => Factors::pair(batch, shape, k, left, gather(applied, sizes.1, |p| &p.right))?,
        };
        self.inner.evaluate_some(&point, &applied, &which)
    }

    /// e and A*(w∘ρ′(e)) applied to `applied`, (W, V), at the points of the trials that have one.
    fn gradients_at(&mut self, points: &[Option<Point>], applied: &[Option<Point>]) -> Result<Vec<Option<Raw>>> {
        let (lanes, batch, m) = (self.lanes, points.len(), self.operator.measurements());
        let signed = self.signature.is_some();
        let spread = |all: Vec<Option<Point>>| -> Vec<Option<Point>> {
            all.into_iter().flat_map(|p| std::iter::once(p).chain((1..lanes).map(|_| None))).collect()
        };
        // Of one factor: (U S, U), and A* applied to U S; of two: the pair as it is.
        let of_sign = |p: &Point| match self.shape().is_symmetric() {
            true if signed => Point { left: self.signed(&p.left), right: p.left.clone() },
            _ => p.clone(),
        };
        let points = spread(points.iter().map(|p| p.as_ref().map(of_sign)).collect());
        let applied = spread(applied.iter().map(|p| p.as_ref().map(of_sign)).collect());
        let single = self.shape().is_symmetric() && !signed;
        let found = self.evaluate_pairs(&points, &applied, single)?;
        let of = |data: &[f64], slot: usize| match data.is_empty() {
            true => Vec::new(),
            false => data[slot * (data.len() / (batch * lanes))..(slot + 1) * (data.len() / (batch * lanes))].to_vec(),
        };
        let asymmetric = !self.shape().is_symmetric();
        Ok((0..batch)
            .map(|trial| {
                let slot = trial * lanes;
                points[slot].as_ref().map(|_| {
                    let right = if asymmetric { of(&found.right, slot) } else { Vec::new() };
                    (found.residual[slot * m..(slot + 1) * m].to_vec(), Point { left: of(&found.left, slot), right })
                })
            })
            .collect())
    }

    /// E of a trial at residuals e.
    fn energy(&self, trial: usize, e: &[f64]) -> f64 {
        let weights = &self.trials[trial].weights;
        let mean = self.mean(trial, e);
        let used = e.iter().zip(weights).filter(|(_, w)| **w != 0.0);
        used.map(|(e, w)| w * self.method.loss.value(e - mean)).sum()
    }

    /// Σwe/Σw where residuals are centred, else 0.
    fn mean(&self, trial: usize, e: &[f64]) -> f64 {
        if !self.operator.is_centred() {
            return 0.0;
        }
        let used = || e.iter().zip(&self.trials[trial].weights).filter(|(_, w)| **w != 0.0);
        used().map(|(e, w)| w * e).sum::<f64>() / used().map(|(_, w)| w).sum::<f64>()
    }

    /// ridge/s of a trial.
    fn ridge(&self, trial: usize) -> f64 {
        let trial = &self.trials[trial];
        if trial.step > 0.0 { trial.shrink / trial.step } else { 0.0 }
    }

    /// The gradients at these points, as they are kept.
    fn fresh_at(&mut self, points: &[Option<Point>]) -> Result<Vec<Option<Fresh>>> {
        let found = self.gradients_at(points, points)?;
        let fresh = |(trial, (found, point)): (usize, (Option<Raw>, &Option<Point>))| {
            let (residual, mut gradient) = found?;
            let point = point.as_ref()?;
            let (energy, ridge) = (self.energy(trial, &residual), self.ridge(trial));
            if ridge > 0.0 {
                gradient.add(ridge, point);
            }
            Some(Fresh { residual, energy, gradient })
        };
        Ok(found.into_iter().zip(points).enumerate().map(fresh).collect())
    }

    /// Gradients of active trials where they are not known.
    fn refresh(&mut self) -> Result<()> {
        let wanted = |t: &Trial| (t.active && t.fresh.is_none()).then(|| t.at.clone());
        let points: Vec<Option<Point>> = self.trials.iter().map(wanted).collect();
        if points.iter().all(Option::is_none) {
            return Ok(());
        }
        for (trial, fresh) in self.fresh_at(&points)?.into_iter().enumerate().filter(|(_, fresh)| fresh.is_some()) {
            self.trials[trial].fresh = fresh;
        }
        Ok(())
    }

    fn iterate(&mut self) -> Result<()> {
        match self.method.rule {
            Rule::Alternating => self.alternate()?,
            Rule::Manifold { minibatches } => self.on_manifold(minibatches)?,
            Rule::Gradient { .. } | Rule::Conjugate | Rule::QuasiNewton { .. } => {
                self.refresh()?;
                let directions = self.directions()?;
                self.move_along(&directions)?;
            }
        }
        self.iteration += 1;
        Ok(())
    }

    fn set_lanes(&mut self) -> Result<()> {
        let m = self.operator.measurements();
        let (mut target, mut weights) = (Vec::new(), Vec::new());
        for trial in &self.trials {
            target.extend_from_slice(&trial.target);
            target.extend(std::iter::repeat_n(0.0, (self.lanes - 1) * m));
            (0..self.lanes).for_each(|_| weights.extend_from_slice(&trial.weights));
        }
        self.inner.set_observations(&target, &weights)
    }
}

impl Engine for Host<'_> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()> {
        let m = self.operator.measurements();
        for (trial, (target, weights)) in self.trials.iter_mut().zip(target.chunks(m).zip(weights.chunks(m))) {
            (trial.target, trial.weights, trial.fresh) = (target.to_vec(), weights.to_vec(), None);
        }
        self.set_lanes()
    }

    fn set_steps(&mut self, steps: &[f64]) -> Result<()> {
        self.trials.iter_mut().zip(steps).for_each(|(trial, step)| trial.step = *step);
        Ok(())
    }

    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()> {
        self.trials.iter_mut().zip(shrink).for_each(|(trial, shrink)| (trial.shrink, trial.fresh) = (*shrink, None));
        Ok(())
    }

    fn set_tuning(&mut self, tuning: &[Tuning]) -> Result<()> {
        self.iteration = 0;
        for (trial, tuning) in self.trials.iter_mut().zip(tuning) {
            (trial.tuning, trial.memory, trial.accepted, trial.raised) = (*tuning, Memory::default(), None, 0);
        }
        Ok(())
    }

    fn damping_raised(&mut self) -> Result<Vec<usize>> {
        Ok(self.trials.iter().map(|trial| trial.raised).collect())
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        factors.require("factors", self.trials.len(), self.shape(), self.search_rank)?;
        let asymmetric = !self.shape().is_symmetric();
        for (index, trial) in self.trials.iter_mut().enumerate() {
            let right = if asymmetric { factors.right(index).as_slice().to_vec() } else { Vec::new() };
            trial.at = Point { left: factors.left(index).as_slice().to_vec(), right };
            (trial.fresh, trial.memory, trial.accepted) = (None, Memory::default(), None);
        }
        Ok(())
    }

    /// Nothing here needs increments: residuals along a direction are in proportion to it.
    fn set_centre(&mut self, _centre: &Factors) -> Result<()> {
        Err(Error::Unsupported {
            what: "a centre for a method that decides on the host".into(),
            fix: "set the factors".into(),
        })
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        self.trials.iter_mut().zip(active).for_each(|(trial, active)| trial.active = *active);
        Ok(())
    }

    fn advance(&mut self, iterations: usize) -> Result<()> {
        (0..iterations).try_for_each(|_| self.iterate())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        self.refresh()?;
        let m = self.operator.measurements();
        let of = |trial: &Trial| trial.fresh.as_ref().map_or_else(|| vec![0.0; m], |fresh| fresh.residual.clone());
        Ok(self.trials.iter().flat_map(of).collect())
    }

    fn factors(&mut self) -> Result<Factors> {
        let all = |of: fn(&Point) -> &Vec<f64>| self.trials.iter().flat_map(|t| of(&t.at)).copied().collect();
        Factors::of(self.trials.len(), self.shape(), self.search_rank, all(|p| &p.left), all(|p| &p.right))
    }

    fn evaluate_some(&mut self, point: &Factors, applied: &Factors, which: &[bool]) -> Result<Evaluation> {
        let of = |factors: &Factors, trial: usize| Point {
            left: factors.left(trial).as_slice().to_vec(),
            right: factors.right(trial).as_slice().to_vec(),
        };
        let batch = self.trials.len();
        let lane = |factors: &Factors, index: usize| {
            (index.is_multiple_of(self.lanes) && which[index / self.lanes]).then(|| of(factors, index / self.lanes))
        };
        let slots = batch * self.lanes;
        let points: Vec<Option<Point>> = (0..slots).map(|index| lane(point, index)).collect();
        let applied: Vec<Option<Point>> = (0..slots).map(|index| lane(applied, index)).collect();
        let found = self.evaluate_pairs(&points, &applied, point.is_single())?;
        let first = |data: &[f64]| -> Vec<f64> {
            let size = data.len() / slots;
            data.chunks(size.max(1)).step_by(self.lanes).flatten().copied().collect()
        };
        Ok(Evaluation { residual: first(&found.residual), left: first(&found.left), right: first(&found.right) })
    }

    fn agree(&mut self, numbers: &mut [f64]) -> Result<()> {
        self.inner.agree(numbers)
    }

    fn state(&mut self) -> Result<State> {
        let mut state = State::default();
        state.put_counts("iteration", [self.iteration]);
        state.put_counts("raised", self.trials.iter().map(|trial| trial.raised));
        let all = |of: fn(&Point) -> &Vec<f64>| self.trials.iter().flat_map(|t| of(&t.at)).copied().collect();
        state.put("left", all(|p| &p.left));
        state.put("right", all(|p| &p.right));
        for (index, trial) in self.trials.iter().enumerate() {
            let mut own = State::default();
            trial.memory.save(&mut own);
            own.put("accepted", trial.accepted.into_iter().collect());
            state.nest(&format!("trial{index}"), own);
        }
        Ok(state)
    }

    /// The gradient there is computed again, with the same bits.
    fn set_state(&mut self, state: &State) -> Result<()> {
        let (shape, k, batch) = (self.shape(), self.search_rank, self.trials.len());
        let columns = if shape.is_symmetric() { 0 } else { shape.columns() };
        let sizes = [shape.rows() * k, columns * k];
        let (left, right) = (state.get("left", batch * sizes[0])?, state.get("right", batch * sizes[1])?);
        let raised = state.counts("raised", batch)?;
        self.iteration = state.count("iteration")?;
        for (index, trial) in self.trials.iter_mut().enumerate() {
            let of = |side: &[f64], size: usize| side[index * size..(index + 1) * size].to_vec();
            trial.at = Point { left: of(left, sizes[0]), right: of(right, sizes[1]) };
            let own = state.nested(&format!("trial{index}"));
            trial.memory = Memory::restored(&own, sizes)?;
            trial.accepted = own.find("accepted").and_then(|step| step.first().copied());
            (trial.fresh, trial.raised) = (None, raised[index]);
        }
        Ok(())
    }

    fn f64_passes(&self) -> Option<usize> {
        self.inner.f64_passes()
    }
}
