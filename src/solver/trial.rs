//! What one trial is run with.

use serde::{Deserialize, Serialize};

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
