//! Requested and actual parameters of one trial.

use serde::{Deserialize, Serialize};

use crate::problem::Fold;

/// Deviations of one trial from the run's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use = "a trial does nothing by itself"]
pub struct Trial {
    pub(crate) instance: Option<usize>,
    pub(crate) step_size: Option<f64>,
    pub(crate) init_scale: Option<f64>,
    pub(crate) seed: Option<u64>,
    pub(crate) search_rank: Option<usize>,
    pub(crate) rows: Option<usize>,
    pub(crate) ridge: Option<f64>,
    pub(crate) damping: Option<f64>,
    pub(crate) fold: Option<Fold>,
}

impl Trial {
    /// Sets the damping λ of `scaled-gd`.
    pub fn damping(mut self, damping: f64) -> Self {
        self.damping = Some(damping);
        self
    }

    /// Sets the ridge in place of [`crate::Settings::ridge`].
    pub fn ridge(mut self, ridge: f64) -> Self {
        self.ridge = Some(ridge);
        self
    }

    /// Holds out one fold of the trial's measurements, in addition to those that [`crate::Settings::holdout`] keeps out.
    /// The held-out loss is that of the fold. Unlike a holdout, a fold chooses no iterate: the trial returns what it
    /// would return without the fold, so that the loss estimates the error of the whole procedure.
    pub fn fold(mut self, fold: Fold) -> Self {
        self.fold = Some(fold);
        self
    }

    /// Sets the observation vector (and truth) of the problem, counted from 0.
    pub fn instance(mut self, instance: usize) -> Self {
        self.instance = Some(instance);
        self
    }

    /// Sets the step size μ.
    pub fn step_size(mut self, step_size: f64) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// Sets the scale α of the random start.
    pub fn init_scale(mut self, init_scale: f64) -> Self {
        self.init_scale = Some(init_scale);
        self
    }

    /// Sets the seed of the start.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the search rank k.
    pub fn search_rank(mut self, search_rank: usize) -> Self {
        self.search_rank = Some(search_rank);
        self
    }

    /// Uses only the first `rows` measurements.
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }
}

/// Parameters with which one trial was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrialParameters {
    /// Number of the trial in the batch, from 0.
    pub trial: usize,
    /// Number of the observation vector, from 0.
    pub instance: usize,
    /// Search rank k.
    pub search_rank: usize,
    /// Step size μ.
    pub step_size: f64,
    /// Damping λ of `scaled-gd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// Weight of the ridge; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ridge: Option<f64>,
    /// Scale α of the random start; absent for given factors and spectral starts.
    pub init_scale: Option<f64>,
    /// Scale of R over that of L; absent for one factor and for given factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_scale_ratio: Option<f64>,
    /// Seed of the start; absent for given factors.
    pub seed: Option<u64>,
    /// Number of leading measurements in use.
    pub rows: usize,
    /// Number of measurements among them that are kept out of training: held out, or in the fold.
    pub holdout_rows: usize,
    /// The fold that is held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// Normalisation s of this trial's training measurements: s·m/(rows − holdout_rows).
    pub normalization: f64,
}
