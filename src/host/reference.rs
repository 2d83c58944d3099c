//! The oracle: f64, one thread, the operators' twins as they are written.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::{Engine, EngineInfo, Evaluation, Load, Precision, unknown_variant};
use crate::error::Result;
use crate::host::centre::{Centre, signed};
use crate::memory::{Memory, Part, Place, product};
use crate::methods::Stage;
use crate::operators::{GradientOutput, GradientRequest, Loss, Operator};
use crate::problem::Factors;

struct Reference<'a> {
    operator: Arc<dyn Operator + 'a>,
    recipe: &'static [Stage],
    info: EngineInfo,
    batch: usize,
    search_rank: usize,
    target: Vec<f64>,
    weights: Vec<f64>,
    steps: Vec<f64>,
    active: Vec<bool>,
    shrink: Vec<f64>,
    /// L or U.
    factor: Vec<f64>,
    /// R, empty where there is one factor.
    right: Vec<f64>,
    signature: Option<(usize, usize)>,
    /// Where `factor` is an increment around it, or has signed columns.
    centre: Option<Centre<f64>>,
    gradient: Option<Evaluation>,
}

pub(crate) fn load<'a>(load: &Load<'a>) -> Result<Box<dyn Engine + 'a>> {
    if let Some(variant) = load.variant.as_deref().filter(|variant| *variant != "twin") {
        return Err(unknown_variant(variant, &["twin"]));
    }
    let operator = load.operator.clone();
    let cost = operator.cost(load.batch, load.search_rank);
    let (n, m) = (operator.shape().rows(), operator.measurements());
    let n2 = if operator.shape().is_symmetric() { 0 } else { operator.shape().columns() };
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
    };
    Ok(Box::new(Reference {
        operator,
        recipe: load.recipe,
        info,
        batch: load.batch,
        search_rank: load.search_rank,
        target: vec![0.0; load.batch * m],
        weights: vec![1.0; load.batch * m],
        steps: vec![0.0; load.batch],
        active: vec![true; load.batch],
        shrink: vec![0.0; load.batch],
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
    fn centred_gradient(&self, point: &Factors, applied: &Factors) -> Evaluation {
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
        for (e, w) in residual.chunks(m).zip(self.weights.chunks(m)) {
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

    fn gradient(&self, point: &Factors, applied: &Factors) -> Evaluation {
        if self.operator.is_centred() {
            return self.centred_gradient(point, applied);
        }
        let (shape, m) = (self.operator.shape(), self.operator.measurements());
        let k = self.search_rank;
        let mut residual = vec![0.0; self.batch * m];
        let mut left = vec![0.0; self.batch * shape.rows() * k];
        let mut right = vec![0.0; if shape.is_symmetric() { 0 } else { self.batch * shape.columns() * k }];
        for shard in 0..self.operator.shards() {
            let range = self.operator.shard_range(shard);
            let target = columns(&self.target, m, &range);
            let weights = columns(&self.weights, m, &range);
            let mut e = vec![0.0; self.batch * range.len()];
            let request =
                GradientRequest { point, applied, target: &target, weights: Some(&weights), loss: Loss::Square };
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

    fn refresh(&mut self) -> Result<()> {
        if self.gradient.is_none() {
            let factors = self.factors()?;
            let (batch, shape, k) = (self.batch, self.operator.shape(), self.search_rank);
            self.gradient = Some(match &mut self.centre {
                Some(centre) => {
                    let (left, applied) = centre.around(&self.factor);
                    let point = Factors::pair(batch, shape, k, left.to_vec(), self.factor.clone())?;
                    let applied = Factors::symmetric(batch, shape.rows(), k, applied.to_vec())?;
                    self.gradient(&point, &applied)
                }
                None => self.gradient(&factors, &factors),
            });
        }
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
        self.steps.copy_from_slice(steps);
        Ok(())
    }

    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()> {
        self.shrink.copy_from_slice(shrink);
        Ok(())
    }

    fn set_factors(&mut self, factors: &Factors) -> Result<()> {
        factors.require("factors", self.batch, self.operator.shape(), self.search_rank)?;
        self.factor.copy_from_slice(factors.left_data());
        if !self.right.is_empty() {
            self.right.copy_from_slice(factors.right_data());
        }
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
        for _ in 0..iterations {
            for stage in self.recipe {
                match stage {
                    Stage::Gradient => self.refresh()?,
                    // L ← L − μ s A*(w∘e) R, R ← R − μ s A*(w∘e)ᵀ L, and what the ridge takes
                    Stage::Descend => {
                        let Some(gradient) = self.gradient.take() else { continue };
                        for (factor, direction) in
                            [(&mut self.factor, &gradient.left), (&mut self.right, &gradient.right)]
                        {
                            let size = factor.len() / self.batch;
                            for trial in (0..self.batch).filter(|&trial| self.active[trial]) {
                                let at = trial * size..(trial + 1) * size;
                                for (u, d) in factor[at.clone()].iter_mut().zip(&direction[at]) {
                                    *u -= self.steps[trial] * d + self.shrink[trial] * *u;
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn residuals(&mut self) -> Result<Vec<f64>> {
        self.refresh()?;
        Ok(self.gradient.as_ref().map(|g| g.residual.clone()).unwrap_or_default())
    }

    fn factors(&mut self) -> Result<Factors> {
        Factors::of(self.batch, self.operator.shape(), self.search_rank, self.factor.clone(), self.right.clone())
    }

    fn evaluate(&mut self, point: &Factors, applied: &Factors) -> Result<Evaluation> {
        Ok(self.gradient(point, applied))
    }
}
