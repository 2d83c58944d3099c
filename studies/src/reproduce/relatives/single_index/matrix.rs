//! Symmetric signals of low rank: the model signed on Gaussian measurements y = f(⟨A, β*⟩) + ε.

use super::vector::link;
use crate::reproduce::relatives::Rerun;
use crate::reproduce::relatives::contest::{entrant, pass};
use crate::reproduce::relatives::race::{Heat, RaceEntry};
use lowrank::Result;
use lowrank::internals::{Purpose, normal, stream};
use lowrank::methods::Method;
use lowrank::models::Model;
use lowrank::operators::Dense;
use lowrank::problem::{Domain, Truth, synthetic};
use lowrank::solver::{Init, Problem, Trial};

/// Standard deviation of the noise.
pub(super) const NOISE: f64 = 1.0;
/// α of the start.
pub(super) const START: f64 = 1e-4;
/// m over the largest m.
const SHARES: [f64; 4] = [0.125, 0.25, 0.5, 1.0];

/// Returns the numbers of measurements of the runs.
pub(super) fn counts(s: &Rerun) -> [usize; 4] {
    SHARES.map(|share| ((share * s.measurements as f64).round() as usize).max(1))
}

/// Returns the runs: `instances` signals for each m, all with the same Gaussian operator, whose first m rows each reads.
pub(super) fn heat(s: &Rerun, instances: usize) -> Result<Heat> {
    let n = s.n;
    // The largest part comes first: sizes that do not fit are refused before anything is computed.
    let operator = Dense::gaussian(Domain::symmetric(n), s.measurements, s.seed)?;
    let signature = (s.rank.div_ceil(2), s.rank / 2);
    let signal = |j: usize| synthetic::signed(n, signature).seed(s.seed + 1000 * j as u64).build();
    let signals: Vec<Truth> = (0..instances).map(signal).collect::<Result<_>>()?;
    let linear = Problem::measure_all(operator, signals.clone())?;
    let observed = |j: usize| {
        let mut rng = stream(s.seed, Purpose::Noise, j as u64);
        let y = linear.observations(j).unwrap_or_default();
        y.iter().map(|g| link(*g) + NOISE * normal(&mut rng)).collect::<Vec<f64>>()
    };
    let truths = signals.iter().map(|signal| scaled(signal, n)).collect::<Result<Vec<_>>>()?;
    let observations = (0..instances).map(observed).collect();
    let problem = Problem::batch(linear.operator().clone(), observations)?.with_truths(truths)?;
    let (mut trials, mut entries) = (Vec::new(), Vec::new());
    for m in counts(s) {
        for j in 0..instances {
            trials.push(Trial::default().instance(j).rows(m).seed(s.seed + j as u64));
            entries.push(RaceEntry::new(&named(m), 1.0, format!("m = {m}")));
        }
    }
    let settings = entrant(s, Method::gd(), 2, s.iterations, 1e-14)
        .model(Model::signed(s.search_rank.div_ceil(2), s.search_rank / 2))
        .init(Init::SmallRandom { scale: START, seed: s.seed })
        .step_size(s.step_size)
        .trials(trials);
    let work = pass(s) * (s.iterations * entries.len()) as f64;
    Ok(Heat { name: "matrices".into(), problem, settings, entries, work })
}

/// Returns the name of the runs with m measurements.
pub(super) fn named(m: usize) -> String {
    format!("matrix-{m}")
}

/// Returns c·β*, which y sees on average: c = E f′(g) = 1 + e^{−‖β*‖²/2} for g ~ N(0, ‖β*‖_F²), ‖β*‖_F² = r.
fn scaled(signal: &Truth, n: usize) -> Result<Truth> {
    let matrix = signal.to_matrix();
    let square: f64 = matrix.iter().map(|v| v * v).sum();
    let slope = 1.0 + (-0.5 * square).exp();
    Truth::from_matrix(n, matrix.iter().map(|v| slope * v).collect())
}
