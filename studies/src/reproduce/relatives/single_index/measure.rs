//! Curves of the sparse part: means over trials.

use rayon::prelude::*;

use super::vector::{Instance, Noise, Sizes};
use crate::reproduce::relatives::MeasuredCurve;
use crate::reproduce::relatives::tasks::Tick;
use lowrank::internals::{Purpose, stream};

/// Standard deviation of the normal noise, and scale of the heavy one.
pub(super) const NORMAL: f64 = 0.5;
pub(super) const HEAVY: f64 = 1.5;
/// How many times later late errors are read.
const LATER: usize = 10;

/// What a trial gives: errors at the stop time, at the best time, and late, and of the truncated y at its stop time.
#[derive(Clone, Copy)]
struct Trial {
    stopped: f64,
    best: f64,
    late: f64,
    truncated: f64,
}

/// Experiment: sizes by x, the noise, and whether runs go on after their stop time.
pub(super) struct Series<'a> {
    pub at: Vec<(f64, Sizes)>,
    pub noise: Noise,
    pub longer: bool,
    pub trials: usize,
    pub seed: u64,
    pub index: u64,
    pub tick: &'a mut Tick<'a>,
}

impl Series<'_> {
    /// Returns x with the trials there; fewer x where it was stopped.
    fn run(self) -> Vec<(f64, Vec<Trial>)> {
        let Self { at, noise, longer, trials, seed, index, tick } = self;
        let mut all = Vec::new();
        let count = at.len();
        for (step, (x, sizes)) in at.into_iter().enumerate() {
            if tick(step as f64 / count as f64).is_break() {
                break;
            }
            let one = |trial: usize| {
                let at = (index << 40) | ((step as u64) << 20) | trial as u64;
                let instance = Instance::new(sizes, noise, &mut stream(seed, Purpose::Operator, at));
                let plain = instance.descend(false, if longer { LATER } else { 1 });
                Trial {
                    stopped: plain.at_stop(),
                    best: plain.errors.iter().copied().fold(f64::INFINITY, f64::min),
                    late: plain.last(),
                    truncated: instance.descend(true, 1).at_stop(),
                }
            };
            all.push((x, (0..trials).into_par_iter().map(one).collect()));
        }
        all
    }
}

fn mean(trials: &[Trial], of: impl Fn(&Trial) -> f64) -> f64 {
    trials.iter().map(of).sum::<f64>() / trials.len() as f64
}

/// Returns the errors of a group: at the stop time, with and without truncation, at the best time, and late.
pub(super) fn errors(group: &str, series: Series<'_>) -> Vec<MeasuredCurve> {
    let longer = series.longer;
    let all = series.run();
    let curve = |name: &str, label: &str, of: fn(&Trial) -> f64| {
        let points = all.iter().map(|(x, trials)| (*x, mean(trials, of))).collect();
        MeasuredCurve::new(group, name, label, points)
    };
    let mut curves = vec![
        curve("stopped", "at the stop time", |t| t.stopped),
        curve("truncated", "truncated, at the stop time", |t| t.truncated),
    ];
    if longer {
        curves.push(curve("best", "at the best time", |t| t.best));
        curves.push(curve("later", "ten times later", |t| t.late));
    }
    curves
}

/// Returns the errors under heavy tails, and the mean logarithm of truncated over not, with its standard error.
pub(super) fn heavy(series: Series<'_>) -> Vec<MeasuredCurve> {
    let all = series.run();
    let log = |t: &Trial| (t.truncated / t.stopped).ln();
    let ratio = |of: &dyn Fn(&[Trial]) -> f64| all.iter().map(|(x, trials)| (*x, of(trials))).collect::<Vec<_>>();
    let error = |trials: &[Trial]| {
        let (count, center) = (trials.len() as f64, mean(trials, log));
        (mean(trials, |t| (log(t) - center).powi(2)) / (count - 1.0).max(1.0)).sqrt()
    };
    vec![
        MeasuredCurve::new("heavy", "plain", "y as it is", ratio(&|trials| mean(trials, |t| t.stopped))),
        MeasuredCurve::new("heavy", "truncated", "y truncated", ratio(&|trials| mean(trials, |t| t.truncated))),
        MeasuredCurve::new("heavy-ratio", "log", "", ratio(&|trials| mean(trials, log))),
        MeasuredCurve::new("heavy-ratio", "error", "", ratio(&error)),
    ]
}

/// Returns the errors of one run by iteration.
pub(super) fn course(sizes: Sizes, noise: Noise, seed: u64) -> Vec<MeasuredCurve> {
    let instance = Instance::new(sizes, noise, &mut stream(seed, Purpose::Operator, 1 << 50));
    let run = instance.descend(false, LATER);
    let stop = (run.stop as f64, run.at_stop());
    let points = run.errors.iter().enumerate().map(|(t, error)| (t as f64, *error)).collect();
    vec![
        MeasuredCurve::new("course", "error", "error", points),
        MeasuredCurve::new("course", "stop", "stop time", vec![stop]),
    ]
}
