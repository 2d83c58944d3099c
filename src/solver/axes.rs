//! Lists of parameters, and the trials that are their product.

use crate::solver::{Init, Settings, Trial};

/// Parameter axes of a batch: every list has at least one value, `None` being that of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Axes {
    pub rows: Vec<Option<usize>>,
    pub search_ranks: Vec<Option<usize>>,
    pub step_sizes: Vec<Option<f64>>,
    pub dampings: Vec<Option<f64>>,
    pub init_scales: Vec<Option<f64>>,
    pub seeds: Vec<Option<u64>>,
}

impl Default for Axes {
    fn default() -> Self {
        Self {
            rows: vec![None],
            search_ranks: vec![None],
            step_sizes: vec![None],
            dampings: vec![None],
            init_scales: vec![None],
            seeds: vec![None],
        }
    }
}

impl Axes {
    /// Trials of settings that have their start.
    pub fn trials_from(&self, settings: &Settings, instances: usize) -> Vec<Trial> {
        let trials = self.trials(instances);
        match (settings.chosen_init(), trials.as_slice()) {
            // A batch of starts, as another run leaves it, goes on as a batch.
            (Init::Given(starts), [one]) => vec![*one; starts.batch()],
            _ => trials,
        }
    }

    /// The cartesian product, the seed running fastest and the observation vector slowest.
    pub fn trials(&self, instances: usize) -> Vec<Trial> {
        let mut trials = Vec::new();
        for (instance, rows) in (0..instances).flat_map(|i| self.rows.iter().map(move |rows| (i, rows))) {
            for k in &self.search_ranks {
                for (mu, lambda) in self.step_sizes.iter().flat_map(|mu| self.dampings.iter().map(move |l| (mu, l))) {
                    for alpha in &self.init_scales {
                        for seed in &self.seeds {
                            let mut trial = Trial::default().instance(instance);
                            trial = rows.map_or(trial, |rows| trial.rows(rows));
                            trial = k.map_or(trial, |k| trial.search_rank(k));
                            trial = mu.map_or(trial, |mu| trial.step_size(mu));
                            trial = lambda.map_or(trial, |lambda| trial.damping(lambda));
                            trial = alpha.map_or(trial, |alpha| trial.init_scale(alpha));
                            trials.push(seed.map_or(trial, |seed| trial.seed(seed)));
                        }
                    }
                }
            }
        }
        trials
    }
}
