//! Information in the observations before the first iteration: spectra of P = s·A*(w∘y), computed once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostics::{Spectrum, spectral_norm};
use crate::error::{Error, Result};
use crate::operators::Operator;
use crate::problem::{Fold, Truth};
use crate::solver::problem::Problem;

/// Instance, number of rows and fold of a trial, which determine its training measurements in a run.
pub(super) type Key = (usize, usize, Option<Fold>);

/// Spectra of s·A*(w∘y) for the training measurements that need them, computed once.
pub(super) struct Spectra<'a> {
    problem: &'a Problem,
    known: HashMap<Key, Arc<Spectrum>>,
    /// ‖P‖ where P is not symmetric.
    norms: HashMap<Key, f64>,
}

/// w∘y, or w∘(y − ȳ) for centred operators.
pub(super) fn weighted(operator: &dyn Operator, y: &[f64], weights: &[f64]) -> Vec<f64> {
    let centre = if operator.is_centred() { weighted_mean(y, weights) } else { 0.0 };
    y.iter().zip(weights).map(|(y, w)| w * (y - centre)).collect()
}

/// Σwe/Σw, without terms of weight 0, which may hold any value.
pub(crate) fn weighted_mean(e: &[f64], weights: &[f64]) -> f64 {
    let used = || e.iter().zip(weights).filter(|(_, w)| **w > 0.0);
    used().map(|(e, w)| w * e).sum::<f64>() / used().map(|(_, w)| w).sum::<f64>()
}

/// √s·‖w^½∘y‖, which for isotropic measurements is the norm ‖M‖_F of the unknown, without terms of weight 0.
pub(super) fn size(y: &[f64], weights: &[f64], normalization: f64) -> f64 {
    let used = y.iter().zip(weights).filter(|(_, w)| **w > 0.0);
    (normalization * used.map(|(y, w)| w * y * y).sum::<f64>()).sqrt()
}

impl<'a> Spectra<'a> {
    pub(super) fn new(problem: &'a Problem) -> Self {
        Self { problem, known: HashMap::new(), norms: HashMap::new() }
    }

    pub(super) fn get(&mut self, key: Key, weights: &[f64], normalization: f64) -> Result<Arc<Spectrum>> {
        if let Some(spectrum) = self.known.get(&key) {
            return Ok(spectrum.clone());
        }
        let y = self.problem.observations(key.0).unwrap_or_default();
        let weighted = weighted(&**self.problem.operator(), y, weights);
        let rank = self.problem.truth(key.0).and_then(Truth::rank).unwrap_or(1);
        let spectrum = Arc::new(Spectrum::new(&**self.problem.operator(), &weighted, normalization, rank)?);
        self.known.insert(key, spectrum.clone());
        Ok(spectrum)
    }

    /// Norm ‖s·A*(y)‖, from which the setting `name` is chosen; without an adjoint its bound √s·‖w^½∘y‖ for isotropic measurements.
    pub(super) fn norm(&mut self, key: Key, weights: &[f64], normalization: f64, name: &str) -> Result<f64> {
        let operator = &**self.problem.operator();
        let norm = if !operator.has_adjoint() {
            size(self.problem.observations(key.0).unwrap_or_default(), weights, normalization)
        } else if operator.domain().is_symmetric() {
            self.get(key, weights, normalization)?.norm()
        } else if let Some(norm) = self.norms.get(&key) {
            *norm
        } else {
            let y = self.problem.observations(key.0).unwrap_or_default();
            let norm = spectral_norm(operator, &weighted(operator, y, weights), normalization)?;
            self.norms.insert(key, norm);
            norm
        };
        let y = self.problem.observations(key.0).unwrap_or_default();
        if norm == 0.0 && y.iter().zip(weights).all(|(y, w)| *y == 0.0 || *w == 0.0) {
            // The zero matrix, for which no step is taken.
            return Ok(1.0);
        }
        if !(norm.is_finite() && norm > 0.0) {
            return Err(Error::invalid(
                name,
                format!("no value, and observations with ‖s·A*(y)‖ = {norm}"),
                "an explicit value, because the data give no scale",
                "pass a value; if all observations are zero, the matrix is zero",
            ));
        }
        Ok(norm)
    }
}
