//! The oracle: f64, one thread, the operators' twins as they are written.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision, State, unknown_variant};
use crate::error::Result;
use crate::host::centre::{Centre, signed};
use crate::host::stages::{self, Moving, Stages};
use crate::memory::{Memory, Part, Place, product};
use crate::methods::{Recipe, Tuning};
use crate::operators::{GradientOutput, GradientRequest, Operator};
use crate::problem::Factors;

struct Reference<'a> {
    operator: Arc<dyn Operator + 'a>,
    recipe: Recipe,
    info: EngineInfo,
    batch: usize,
    search_rank: usize,
    target: Vec<f64>,
    weights: Vec<f64>,
    stages: Stages<f64>,
    active: Vec<bool>,
    /// L or U.
    factor: Vec<f64>,
    /// R, empty where there is one factor.
    right: Vec<f64>,
    signature: Option<(usize, usize)>,
    /// Where `factor` is an increment around it, or has signed columns.
    centre: Option<Centre<f64>>,
    /// At the factors, over all measurements.
    gradient: Option<Evaluation>,
}

pub(crate) fn load<'a>(load: &Load<'a>) -> Result<Box<dyn Engine + 'a>> {
    if let Some(variant) = load.variant.as_deref().filter(|variant| *variant != "twin") {
        return Err(unknown_variant(variant, &["twin"]));
    }
    let operator = load.operator.clone();
    let cost = operator.cost(load.batch, load.search_rank);
    let (shape, n, m) = (operator.shape(), operator.shape().rows(), operator.measurements());
    let n2 = if shape.is_symmetric() { 0 } else { shape.columns() };
    let info = EngineInfo {
        backend: "reference".into(),
        adapter: "processor".into(),
        driver: String::new(),
        software_adapter: false,
        precision: Precision::F64,
        storage: operator.stored_in(),
        threads: 1,
        variant: format!("{}/twin", operator.name()),
        candidates: Vec::new(),
        operator_bytes_per_iteration: cost.bytes,
        operator_bytes: cost.bytes as u64,
        panels: 1,
        streamed_panels: 0,
        streamed_bytes_per_iteration: 0,
        memory: Memory {
            parts: vec![
                Part::new("observations, weights and residuals", Place::Host, product(&[load.batch, m, 3, 8])),
                Part::new("factors and gradients", Place::Host, product(&[load.batch, n + n2, load.search_rank, 2, 8])),
            ],
        },
        notices: Vec::new(),
        team: None,
    };
    Ok(Box::new(Reference {
        operator,
        recipe: load.recipe,
        info,
        batch: load.batch,
        search_rank: load.search_rank,
        target: vec![0.0; load.batch * m],
        weights: vec![1.0; load.batch * m],
        stages: Stages::new(load.recipe, shape, load.batch),
        active: vec![true; load.batch],
        factor: vec![0.0; load.batch * n * load.search_rank],
        right: vec![0.0; load.batch * n2 * load.search_rank],
        signature: load.signature,
        centre: signed(load.signature, load.batch * n, load.search_rank),
        gradient: None,
    }))
}

/// The columns `range` of a (batch, m) array.
fn columns(values: &[f64], m: usize, range: &Range<usize>) -> Vec<f64> {
    values.chunks(m).flat_map(|row| &row[range.clone()]).copied().collect()
}

impl Reference<'_> {
    /// Two passes: the mean of the residuals has to be known before the adjoint.
    fn centred_gradient(&self, point: &Factors, applied: &Factors, weights: &[f64]) -> Evaluation {
        let (operator, m) = (&self.operator, self.operator.measurements());
        let mut residual = vec![0.0; self.batch * m];
        for shard in 0..operator.shards() {
            let range = operator.shard_range(shard);
            let mut e = vec![0.0; self.batch * range.len()];
            operator.forward(shard, point, &mut e);
            for (trial, e) in e.chunks(range.len()).enumerate() {
                let at = trial * m + range.start..trial * m + range.end;
                let e = e.iter().zip(&self.target[at.clone()]).map(|(e, target)| e - target);
                residual[at].iter_mut().zip(e).for_each(|(residual, e)| *residual = e);
            }
        }
        let mut centred = Vec::with_capacity(residual.len());
        for (e, w) in residual.chunks(m).zip(weights.chunks(m)) {
            let mean = e.iter().zip(w).map(|(e, w)| e * w).sum::<f64>() / w.iter().sum::<f64>();
            centred.extend(e.iter().zip(w).map(|(e, w)| w * (e - mean)));
        }
        let mut left = vec![0.0; applied.left_data().len()];
        let mut right = vec![0.0; if operator.shape().is_symmetric() { 0 } else { applied.right_data().len() }];
        for shard in 0..operator.shards() {
            let r = columns(&centred, m, &operator.shard_range(shard));
            operator.adjoint_apply(shard, &r, applied, &mut left);
            if !right.is_empty() {
                operator.adjoint_apply_transposed(shard, &r, applied, &mut right);
            }
        }
        Evaluation { residual, left, right }
    }

    fn gradient(&self, point: &Factors, applied: &Factors, weights: &[f64]) -> Evaluation {
        if self.operator.is_centred() {
            return self.centred_gradient(point, applied, weights);
        }
        let (shape, m) = (self.operator.shape(), self.operator.measurements());
        let k = self.search_rank;
        let mut residual = vec![0.0; self.batch * m];
        let mut left = vec![0.0; self.batch * shape.rows() * k];
        let mut right = vec![0.0; if shape.is_symmetric() { 0 } else { self.batch * shape.columns() * k }];
        for shard in 0..self.operator.shards() {
            let range = self.operator.shard_range(shard);
            let target = columns(&self.target, m, &range);
            let weights = columns(weights, m, &range);
            let mut e = vec![0.0; self.batch * range.len()];
            let request =
                GradientRequest { point, applied, target: &target, weights: Some(&weights), loss: self.recipe.loss };
            let mut output = GradientOutput {
                loss: &mut vec![0.0; self.batch],
                left: &mut left,
                right: if right.is_empty() { None } else { Some(&mut right) },
                residual: Some(&mut e),
            };
            self.operator.gradient(shard, &request, &mut output);
            for (trial, e) in e.chunks(range.len()).enumerate() {
                residual[trial * m + range.start..trial * m + range.end].copy_from_slice(e);
            }
        }
        Evaluation { residual, left, right }
    }

    /// The gradient at the factors.
    fn compute(&mut self, weights: &[f64]) -> Result<Evaluation> {
        let factors = self.factors()?;
        let (batch, shape, k) = (self.batch, self.operator.shape(), self.search_rank);
        Ok(match &mut self.centre {
            Some(centre) => {
                let (left, applied) = centre.around(&self.factor);
                let point = Factors::pair(batch, shape, k, left.to_vec(), self.factor.clone())?;
                let applied = Factors::symmetric(batch, shape.rows(), k, applied.to_vec())?;
                self.gradient(&point, &applied, weights)
            }
            None => self.gradient(&factors, &factors, weights),
        })
    }

    fn refresh(&mut self) -> Result<()> {
        if self.gradient.is_none() {
            let weights = self.weights.clone();
            self.gradient = Some(self.compute(&weights)?);
        }
        Ok(())
    }

    fn iterate(&mut self) -> Result<()> {
        let m = self.operator.measurements();
        let mut weights = self.weights.clone();
        let gradient = match self.stages.group(m) {
            Some(group) => {
                weights.iter_mut().enumerate().filter(|(i, _)| !group.contains(&(i % m))).for_each(|(_, w)| *w = 0.0);
                self.gradient = None;
                self.compute(&weights)?
            }
            None => {
                self.refresh()?;
                self.gradient.take().expect("it was just computed")
            }
        };
        let whole = self.centre.as_ref().map(|centre| centre.whole(&self.factor));
        let moving = Moving {
            left: &mut self.factor,
            right: &mut self.right,
            whole: whole.as_deref(),
            left_gradient: &gradient.left,
            right_gradient: &gradient.right,
            search_rank: self.search_rank,
        };
        let (centred, loss) = (self.operator.is_centred(), self.recipe.loss);
        self.stages.move_on(moving, &self.active, &|trial| {
            let at = trial * m..(trial + 1) * m;
            let pairs = || gradient.residual[at.clone()].iter().copied().zip(weights[at.clone()].iter().copied());
            stages::energy(centred, loss, pairs)
        });
        Ok(())
    }
}

impl Engine for Reference<'_> {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()> {
        self.target.copy_from_slice(target);
        self.weights.copy_from_slice(weights);
        self.gradient = None;
        Ok(())
    }

    fn set_steps(&mut self, steps: &[f64]) -> Result<()> {
        self.stages.set_steps(steps);
        Ok(())
    }

    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()> {
        self.stages.set_ridge(shrink);
        Ok(())
    }

    fn set_tuning(&mut self, tuning: &[Tuning]) -> Result<()> {
        self.stages.set_tuning(tuning);
        Ok(())
    }

    fn damping_raised(&mut self) -> Result<Vec<usize>> {
        Ok(self.stages.raised().to_vec())
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        factors.require("factors", self.batch, self.operator.shape(), self.search_rank)?;
        self.factor.copy_from_slice(factors.left_data());
        if !self.right.is_empty() {
            self.right.copy_from_slice(factors.right_data());
        }
        self.stages.forget();
        self.gradient = None;
        Ok(())
    }

    fn set_centre(&mut self, centre: &Factors) -> Result<()> {
        centre.require("centre", self.batch, self.operator.shape(), self.search_rank)?;
        self.centre = Some(Centre::new(centre.left_data(), self.search_rank, self.signature));
        self.gradient = None;
        Ok(())
    }

    fn set_active(&mut self, active: &[bool]) -> Result<()> {
        self.active.copy_from_slice(active);
        Ok(())
    }

    fn advance(&mut self, iterations: usize) -> Result<()> {
        (0..iterations).try_for_each(|_| self.iterate())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        self.refresh()?;
        Ok(self.gradient.as_ref().map(|g| g.residual.clone()).unwrap_or_default())
    }

    fn factors(&mut self) -> Result<Factors> {
        Factors::of(self.batch, self.operator.shape(), self.search_rank, self.factor.clone(), self.right.clone())
    }

    fn evaluate_some(&mut self, point: &Factors, applied: &Factors, _which: &[bool]) -> Result<Evaluation> {
        Ok(self.gradient(point, applied, &self.weights))
    }

    fn state(&mut self) -> Result<State> {
        let mut state = State::default();
        state.put("left", self.factor.clone());
        state.put("right", self.right.clone());
        self.stages.save(&mut state, &self.factor, &self.right);
        Ok(state)
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        let (left, right) = (state.get("left", self.factor.len())?, state.get("right", self.right.len())?);
        self.stages.restore(state, left.len(), right.len())?;
        (self.factor, self.right, self.gradient) = (left.to_vec(), right.to_vec(), None);
        Ok(())
    }
}
