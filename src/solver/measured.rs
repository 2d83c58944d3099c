//! Training and held-out measurements of each trial, and the scale of M estimated from them.

use std::sync::Arc;

use crate::diagnostics::Spectrum;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::problem::{Fold, share_of};
use crate::solver::problem::Problem;
use crate::solver::settings::Settings;
use crate::solver::spectra::{Key, Spectra};
use crate::solver::trial::Trial;

/// The measurements of all trials.
pub(super) struct Measured<'a> {
    problem: &'a Problem,
    /// Measurements by trial.
    pub used: Vec<Used>,
    /// Weights, (batch, m): those of the problem, with a mean of 1, for training measurements, else 0.
    pub weights: Vec<f64>,
    spectra: Spectra<'a>,
    fixed_trace: Option<f64>,
}

/// Number of training measurements of the first trial.
///
/// # Errors
/// Those of [`Measured::new`].
pub(crate) fn training_measurements(problem: &Problem, settings: &Settings) -> Result<usize> {
    let first = settings.trials.first().copied().unwrap_or_default();
    Ok(Used::of(problem, settings, &first)?.training)
}

/// The least ridge with which the zero matrix solves the problem of the first trial: ‖s·A*(y)‖.
///
/// # Errors
/// Those of [`Measured::new`]; [`Error::Invalid`] where the data give no scale.
pub(crate) fn largest_ridge(problem: &Problem, settings: &Settings) -> Result<f64> {
    let first = settings.trials.first().copied().unwrap_or_default();
    Measured::new(problem, settings, &[first])?.norm(0, "ridge")
}

/// The measurements of one trial.
pub(super) struct Used {
    pub instance: usize,
    /// Number of leading measurements in use.
    pub rows: usize,
    /// Held-out measurements among them whose loss is followed, ascending.
    pub held_out: Vec<usize>,
    /// Further measurements that are not trained on.
    left_out: Vec<usize>,
    /// Number of training measurements.
    pub training: usize,
    /// The fold that is held out.
    pub fold: Option<Fold>,
    /// Normalisation s of the training measurements.
    pub normalization: f64,
    /// Mean of the training measurements' weights as given, by which weights are divided.
    pub mean_weight: f64,
}

/// The held-out measurements of a trial, and their weights with a mean of 1; none where all are 1.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub at: &'a [usize],
    pub weights: &'a [f64],
}

impl Held<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// Σ w·value.
    pub(super) fn sum(&self, value: impl Fn(usize) -> f64) -> f64 {
        match self.weights {
            [] => self.at.iter().map(|&i| value(i)).sum(),
            weights => {
                // A weight of 0 must hide an infinite residual too.
                let used = self.at.iter().zip(weights).filter(|(_, w)| **w > 0.0);
                used.map(|(&i, w)| w * value(i)).sum()
            }
        }
    }
}

impl<'a> Measured<'a> {
    /// Finds the measurements of every trial.
    ///
    /// # Errors
    /// [`Error::Invalid`] for observations or rows that do not exist, and where none would be left for training.
    pub(super) fn new(problem: &'a Problem, settings: &Settings, wanted: &[Trial]) -> Result<Self> {
        let m = problem.operator().measurements();
        let mut weights = vec![0.0; wanted.len() * m];
        let mut used = Vec::with_capacity(wanted.len());
        for (trial, row) in wanted.iter().zip(weights.chunks_mut(m)) {
            let mut of = Used::of(problem, settings, trial)?;
            let kept_out = [&of.held_out[..], &of.left_out].concat();
            row[..of.rows].copy_from_slice(&training_weights(problem, of.rows, &kept_out)?);
            // Measurements that are kept out have the weight 0.
            let sum: f64 = (0..of.rows).filter(|i| row[*i] > 0.0).map(|i| problem.weight(i)).sum();
            of.mean_weight = sum / of.training as f64;
            used.push(of);
        }
        Ok(Self { problem, used, weights, spectra: Spectra::new(problem), fixed_trace: settings.fixed_trace })
    }

    /// Scale α of a random start with the trace that the settings fix: E‖U₀‖_F² = α²·n.
    pub(super) fn scale_of_trace(&self) -> Option<f64> {
        self.fixed_trace.map(|trace| (trace / self.problem.operator().domain().order() as f64).sqrt())
    }

    /// Norm ‖s·A*(y)‖ of a trial, from which the setting `name` is chosen.
    pub(super) fn norm(&mut self, trial: usize, name: &str) -> Result<f64> {
        let (used, m) = (&self.used[trial], self.problem.operator().measurements());
        let weights = &self.weights[trial * m..(trial + 1) * m];
        self.spectra.norm(used.key(), weights, used.normalization, name)
    }

    /// Spectrum of P of each diagnosed trial.
    pub(super) fn diagnosed(&mut self, settings: &Settings, model: &Model) -> Result<Vec<Option<Arc<Spectrum>>>> {
        let operator = self.problem.operator();
        let m = operator.measurements();
        let mut all = Vec::with_capacity(self.used.len());
        for (used, weights) in self.used.iter().zip(self.weights.chunks(m)) {
            let diagnosed = settings.diagnose && model.has_phases() && self.problem.truth(used.instance).is_some();
            let mut spectrum = || self.spectra.get(used.key(), weights, used.normalization);
            all.push(if diagnosed { Some(spectrum()?) } else { None });
        }
        Ok(all)
    }

    /// Weights of the held-out measurements of each trial, with a mean of 1; none where all are 1.
    ///
    /// # Errors
    /// [`Error::Invalid`] where all of them are 0.
    pub(super) fn held_weights(&self) -> Result<Vec<Vec<f64>>> {
        let of = |used: &Used| {
            if self.problem.weights().is_none() || used.held_out.is_empty() {
                return Ok(Vec::new());
            }
            let weights: Vec<f64> = used.held_out.iter().map(|&i| self.problem.weight(i)).collect();
            let mean = weights.iter().sum::<f64>() / weights.len() as f64;
            if mean == 0.0 {
                let fix = "hold out other measurements";
                return Err(Error::invalid("weights", "0 for all held-out measurements", "a positive weight", fix));
            }
            Ok(weights.into_iter().map(|weight| weight / mean).collect())
        };
        self.used.iter().map(of).collect()
    }

    /// The observations of all trials, (batch, m).
    pub(super) fn target(&self) -> Vec<f64> {
        let of = |used: &Used| self.problem.observations(used.instance).unwrap_or_default();
        self.used.iter().flat_map(of).copied().collect()
    }
}

/// Weights of the first `rows` measurements: 0 for those held out, and a mean of 1 over the others.
///
/// # Errors
/// [`Error::Invalid`] where every training measurement has the weight 0.
pub(super) fn training_weights(problem: &Problem, rows: usize, held_out: &[usize]) -> Result<Vec<f64>> {
    let mut weights = problem.weights().map_or_else(|| vec![1.0; rows], |weights| weights[..rows].to_vec());
    held_out.iter().for_each(|&i| weights[i] = 0.0);
    if problem.weights().is_some() {
        let sum: f64 = weights.iter().sum();
        if sum == 0.0 {
            let fix = "hold out fewer measurements, or use more rows";
            return Err(Error::invalid("weights", "0 for all training measurements", "a positive weight", fix));
        }
        let scale = (rows - held_out.len()) as f64 / sum;
        weights.iter_mut().for_each(|weight| *weight *= scale);
    }
    Ok(weights)
}

impl Used {
    fn of(problem: &Problem, settings: &Settings, trial: &Trial) -> Result<Self> {
        let (instance, m) = (trial.instance.unwrap_or(0), problem.operator().measurements());
        if instance >= problem.instances() {
            let allowed = format!("0 to {}", problem.instances() - 1);
            return Err(Error::invalid("instance", instance, allowed, "the problem has no such observation vector"));
        }
        let rows = trial.rows.unwrap_or(m);
        if rows == 0 || rows > m {
            return Err(Error::invalid(
                "rows",
                rows,
                format!("1 to m = {m}"),
                "a trial uses the first rows of the \
                                                                              operator",
            ));
        }
        let held_out = match (&settings.held_out, settings.holdout) {
            (Some(list), _) => listed(list, rows, m)?,
            (None, Some(holdout)) => share_of(holdout, rows)?,
            (None, None) => Vec::new(),
        };
        let (held_out, left_out) = match trial.fold {
            None => (held_out, Vec::new()),
            Some(fold) => {
                let mut training = vec![true; rows];
                held_out.iter().for_each(|&i| training[i] = false);
                (fold.part_of((0..rows).filter(|&i| training[i]).collect())?, held_out)
            }
        };
        let training = rows - held_out.len() - left_out.len();
        let normalization = problem.operator().normalization() * m as f64 / training as f64;
        Ok(Self { instance, rows, held_out, left_out, training, fold: trial.fold, normalization, mean_weight: 1.0 })
    }

    fn key(&self) -> Key {
        (self.instance, self.rows, self.fold)
    }
}

/// The measurements of a list that are among the first `rows`, ascending.
fn listed(list: &[usize], rows: usize, m: usize) -> Result<Vec<usize>> {
    if let Some(beyond) = list.iter().find(|i| **i >= m) {
        let allowed = format!("measurements 0 to {}", m - 1);
        return Err(Error::invalid("holdout", format!("measurement {beyond}"), allowed, "measurements count from 0"));
    }
    let mut held: Vec<usize> = list.iter().copied().filter(|i| *i < rows).collect();
    held.sort_unstable();
    held.dedup();
    if held.len() >= rows {
        let fix = "leave some for training";
        return Err(Error::invalid("holdout", format!("all {rows} measurements"), "fewer than all of them", fix));
    }
    Ok(held)
}
