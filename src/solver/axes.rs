//! Lists of parameters, and the trials of their product.

use crate::error::{Error, Result};
use crate::solver::{Init, Settings, Trial};

/// Most trials in one batch; more are a typing error.
const MOST_TRIALS: usize = 1_000_000;

/// Parameter axes of a batch. Every list has at least one value; `None` is the value of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Axes {
    /// Numbers m of measurements per trial.
    pub rows: Vec<Option<usize>>,
    /// Search ranks k.
    pub search_ranks: Vec<Option<usize>>,
    /// Step sizes μ.
    pub step_sizes: Vec<Option<f64>>,
    /// Dampings λ.
    pub dampings: Vec<Option<f64>>,
    /// Weights of the ridge.
    pub ridges: Vec<Option<f64>>,
    /// Scales α of the random start.
    pub init_scales: Vec<Option<f64>>,
    /// Seeds of the random start.
    pub seeds: Vec<Option<u64>>,
}

impl Default for Axes {
    fn default() -> Self {
        Self {
            rows: vec![None],
            search_ranks: vec![None],
            step_sizes: vec![None],
            dampings: vec![None],
            ridges: vec![None],
            init_scales: vec![None],
            seeds: vec![None],
        }
    }
}

impl Axes {
    /// Refuses a product that is too large, before it is formed.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the longest list.
    pub fn check(&self, instances: usize) -> Result<()> {
        let lists = [
            ("rows", self.rows.len()),
            ("search_rank", self.search_ranks.len()),
            ("step_size", self.step_sizes.len()),
            ("damping", self.dampings.len()),
            ("ridge", self.ridges.len()),
            ("init_scale", self.init_scales.len()),
            ("seed", self.seeds.len()),
        ];
        // In floating point, so that the product of lengths cannot overflow.
        let trials = lists.iter().map(|(_, length)| *length as f64).product::<f64>() * instances as f64;
        let (name, length) = lists.into_iter().max_by_key(|(_, length)| *length).unwrap_or_default();
        if trials > MOST_TRIALS as f64 {
            let found = format!("{length} values and {trials:.3e} trials in all");
            let fix = "shorten the lists, or split them over several runs";
            return Err(Error::invalid(name, found, format!("at most {MOST_TRIALS} trials"), fix));
        }
        Ok(())
    }

    /// Trials of the axes, with the start of the settings.
    pub fn trials_from(&self, settings: &Settings, instances: usize) -> Vec<Trial> {
        let trials = self.trials(instances);
        match (settings.chosen_init(), trials.as_slice()) {
            // A batch of starts from another run continues as a batch.
            (Init::Given(starts), [one]) => vec![*one; starts.batch()],
            _ => trials,
        }
    }

    /// Trials of the cartesian product; the seed runs fastest and the observation vector slowest.
    pub fn trials(&self, instances: usize) -> Vec<Trial> {
        let mut trials: Vec<Trial> = (0..instances).map(|instance| Trial::default().instance(instance)).collect();
        extend(&mut trials, &self.rows, Trial::rows);
        extend(&mut trials, &self.search_ranks, Trial::search_rank);
        extend(&mut trials, &self.step_sizes, Trial::step_size);
        extend(&mut trials, &self.dampings, Trial::damping);
        extend(&mut trials, &self.ridges, Trial::ridge);
        extend(&mut trials, &self.init_scales, Trial::init_scale);
        extend(&mut trials, &self.seeds, Trial::seed);
        trials
    }
}

/// Replaces each trial by one for every value of an axis.
fn extend<T: Copy>(trials: &mut Vec<Trial>, axis: &[Option<T>], set: fn(Trial, T) -> Trial) {
    let of =
        |trial: &Trial| axis.iter().map(|value| value.map_or(*trial, |value| set(*trial, value))).collect::<Vec<_>>();
    *trials = trials.iter().flat_map(of).collect();
}
