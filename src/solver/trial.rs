//! What one trial is to be run with, and what it was run with.

use serde::{Deserialize, Serialize};

/// One trial's deviations from the run's settings.
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
}

impl Trial {
    /// λ of `scaled-gd`.
    pub fn damping(mut self, damping: f64) -> Self {
        self.damping = Some(damping);
        self
    }

    /// In place of [`crate::Settings::ridge`].
    pub fn ridge(mut self, ridge: f64) -> Self {
        self.ridge = Some(ridge);
        self
    }

    /// Which observation vector (and truth) of the problem, counted from 0.
    pub fn instance(mut self, instance: usize) -> Self {
        self.instance = Some(instance);
        self
    }

    /// μ.
    pub fn step_size(mut self, step_size: f64) -> Self {
        self.step_size = Some(step_size);
        self
    }

    /// α.
    pub fn init_scale(mut self, init_scale: f64) -> Self {
        self.init_scale = Some(init_scale);
        self
    }

    /// Seed of the start.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// k.
    pub fn search_rank(mut self, search_rank: usize) -> Self {
        self.search_rank = Some(search_rank);
        self
    }

    /// Use the first so many measurements only.
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }
}

/// What one trial was run with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialParameters {
    /// Number in the batch, from 0.
    pub trial: usize,
    /// Observation vector, from 0.
    pub instance: usize,
    /// k.
    pub search_rank: usize,
    /// μ.
    pub step_size: f64,
    /// λ of `scaled-gd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// α; absent for given factors and spectral starts.
    pub init_scale: Option<f64>,
    /// Scale of R over that of L; absent for one factor and for given ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_scale_ratio: Option<f64>,
    /// Seed of the start; absent for given factors.
    pub seed: Option<u64>,
    /// The first so many measurements are used,
    pub rows: usize,
    /// of which so many are held out.
    pub holdout_rows: usize,
    /// s of this trial's training measurements: s·m/(rows − holdout_rows).
    pub normalization: f64,
}
