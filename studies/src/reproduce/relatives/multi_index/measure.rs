//! Mean overlaps against δ = m/n, and their limits.

use rayon::prelude::*;

use super::asymptotic::Law;
use super::estimate::{Field, Sample};
use super::preprocess::Transform;
use crate::reproduce::relatives::MeasuredCurve;
use crate::reproduce::relatives::tasks::Tick;
use lowrank::Result;
use lowrank::internals::{Purpose, stream};

/// Threshold of truncated spectral starts (Chen & Candès, arXiv 1505.05114, from memory: 3², in means).
pub(super) const WIDE: Transform = Transform::Truncated(9.0);
/// A threshold near six medians of real data, 2.73 means.
pub(super) const NARROW: Transform = Transform::Truncated(3.0);

/// Sizes and numbers of trials of one kind of data, with the transforms and their δ.
pub(super) struct Grid {
    /// Group of its curves.
    pub name: &'static str,
    pub field: Field,
    /// Sizes n and numbers of trials.
    pub sizes: Vec<(usize, usize)>,
    pub transforms: Vec<(Transform, Vec<f64>)>,
    pub index: u64,
}

impl Grid {
    fn most(&self) -> f64 {
        self.transforms.iter().flat_map(|(_, deltas)| deltas).copied().fold(0.0, f64::max)
    }

    /// Returns the bytes of the rows of one trial of the largest size, and of its matrix in f32 and f64.
    pub(super) fn bytes(&self) -> f64 {
        let n = self.sizes.iter().map(|size| size.0).max().unwrap_or(0) as f64;
        let squares = if self.field == Field::Complex { 4.0 } else { 1.0 };
        squares * n * n * (self.most() * size_of::<f32>() as f64 + 12.0)
    }

    /// Returns the work of one size, in rows times columns times trials.
    pub(super) fn work(&self, n: usize, trials: usize) -> f64 {
        let squares = if self.field == Field::Complex { 4.0 } else { 1.0 };
        squares * (n * n * trials) as f64 * self.transforms.iter().flat_map(|(_, deltas)| deltas).sum::<f64>()
    }

    /// Measures one size: groups `name` and `name`-error, one curve for each transform.
    pub(super) fn measure(
        &self,
        n: usize,
        trials: usize,
        seed: u64,
        tick: &mut Tick<'_>,
    ) -> Result<Vec<MeasuredCurve>> {
        // Overlaps by trial, in the order of the transforms and their δ.
        let mut all: Vec<Vec<f64>> = Vec::new();
        let together = rayon::current_num_threads().max(1);
        while all.len() < trials {
            if tick(all.len() as f64 / trials as f64).is_break() {
                return Ok(Vec::new());
            }
            let next = all.len()..(all.len() + together).min(trials);
            let found: Vec<Vec<f64>> = next.into_par_iter().map(|trial| self.trial(n, trial, seed)).collect();
            all.extend(found);
        }
        let (mut curves, mut at, count) = (Vec::new(), 0, all.len() as f64);
        for (transform, deltas) in &self.transforms {
            let (mut means, mut errors) = (Vec::new(), Vec::new());
            for delta in deltas {
                let mean = all.iter().map(|trial| trial[at]).sum::<f64>() / count;
                let square: f64 = all.iter().map(|trial| (trial[at] - mean).powi(2)).sum();
                means.push((*delta, mean));
                errors.push((*delta, (square / (count * (count - 1.0).max(1.0))).sqrt()));
                at += 1;
            }
            let (name, label) = (named(*transform, n), format!("{}, n = {n}", transform.words()));
            curves.push(MeasuredCurve::new(self.name, &name, label.clone(), means));
            curves.push(MeasuredCurve::new(&format!("{}-error", self.name), &name, label, errors));
        }
        Ok(curves)
    }

    fn trial(&self, n: usize, trial: usize, seed: u64) -> Vec<f64> {
        let index = (self.index << 40) | ((n as u64) << 16) | trial as u64;
        let sample = Sample::new(self.field, n, (self.most() * n as f64).round() as usize, seed, index);
        let mut rng = stream(seed, Purpose::Init, index);
        let each = self.transforms.iter().flat_map(|(transform, deltas)| deltas.iter().map(|d| (*transform, *d)));
        each.map(|(transform, delta)| sample.overlap(transform, (delta * n as f64).round() as usize, &mut rng))
            .collect()
    }

    /// Returns the limits for n → ∞, group `name`-limit.
    pub(super) fn limits(&self) -> Vec<MeasuredCurve> {
        let group = format!("{}-limit", self.name);
        let of = |(transform, deltas): &(Transform, Vec<f64>)| {
            deltas.first()?;
            let law = Law::new(*transform, self.field.squares())?;
            // The δ of the measurements, and others between them.
            let mut all = deltas.clone();
            let onset = law.transition(self.most()).into_iter().flat_map(|at| [at, 1.1 * at, 1.25 * at]);
            all.extend(onset.filter(|at| *at < self.most()));
            all.sort_by(f64::total_cmp);
            let points = all.into_iter().map(|delta| (delta, law.overlap(delta))).collect();
            let label = format!("{}, limit", transform.words());
            Some(MeasuredCurve::new(&group, &transform.name(), label, points))
        };
        self.transforms.par_iter().filter_map(of).collect()
    }
}

/// Returns the name of a curve.
pub(super) fn named(transform: Transform, n: usize) -> String {
    format!("{}-{n}", transform.name())
}
