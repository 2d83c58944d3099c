//! Random signals from Gaussian vectors and from coded patterns: errors of the default method.

use rayon::prelude::*;

use super::signal::{distance, leading, of_truth};
use crate::reproduce::fit::median;
use crate::reproduce::relatives::tasks::Tick;
use crate::reproduce::relatives::{MeasuredCurve, Rerun};
use lowrank::operators::{CodedDiffraction, RankOne};
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Problem, Result, Settings, Solver};

/// Distance to the signal that counts as recovered, as in arXiv 1407.1065.
pub(super) const RECOVERED: f64 = 1e-5;

/// Kind of the measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Probes {
    /// |aᴴx|² with independent complex Gaussian vectors.
    Gaussian,
    /// |F(d ∘ x)|² with random masks.
    Coded,
}

impl Probes {
    pub(super) const ALL: [Self; 2] = [Self::Gaussian, Self::Coded];

    /// Returns the name in files and claims.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::Coded => "coded",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Gaussian => "Gaussian vectors",
            Self::Coded => "coded patterns",
        }
    }

    /// Returns the ratios m/n of the study; those of patterns are numbers of patterns.
    pub(super) fn ratios(self) -> &'static [usize] {
        match self {
            Self::Gaussian => &[2, 3, 4, 5, 6, 8],
            Self::Coded => &[2, 3, 4, 5, 6, 8, 12],
        }
    }

    /// Returns the exact intensities of a random signal of n numbers, m = ratio·n of them.
    pub(super) fn problem(self, n: usize, ratio: usize, seed: u64) -> Result<Problem> {
        let truth = synthetic::hermitian(n).rank(1).seed(seed).build()?;
        match self {
            Self::Gaussian => Problem::measure(RankOne::gaussian(Domain::hermitian(n), ratio * n, seed)?, truth),
            Self::Coded => Problem::measure(CodedDiffraction::random(&[n], ratio * n, seed)?, truth),
        }
    }
}

/// Signals at each ratio.
pub(super) const SIGNALS: u64 = 4;

/// The defaults of the program in the precision of the study.
pub(super) fn defaults(s: &Rerun) -> Settings {
    Settings::default().search_rank(s.search_rank).precision(s.precision)
}

/// Returns the backend that runs these measurements: patterns have a fast Fourier transform on the host only.
pub(super) fn backend_of(probes: Probes, backend: &Backend) -> Backend {
    match (probes, backend) {
        (Probes::Gaussian, backend) | (Probes::Coded, backend @ Backend::Reference) => backend.clone(),
        (Probes::Coded, _) => Backend::Cpu,
    }
}

/// Returns the distance of the default's signal from the truth.
fn error(s: &Rerun, problem: Problem, backend: Backend) -> Result<f64> {
    let x = problem.truth(0).map(of_truth).unwrap_or_default();
    let solution = Solver::new(problem, defaults(s), backend)?.solve()?;
    Ok(distance(&leading(solution.best().left()), &x).max(f64::EPSILON))
}

/// Measures errors, their medians and the share of recovered signals against m/n.
pub(super) fn errors(s: &Rerun, probes: Probes, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let (mut runs, mut medians, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let ratios = probes.ratios();
    for (at, &ratio) in ratios.iter().enumerate() {
        let found: Vec<f64> = (s.seed..s.seed + SIGNALS)
            .into_par_iter()
            .map(|seed| error(s, probes.problem(s.n, ratio, seed)?, backend_of(probes, backend)))
            .collect::<Result<_>>()?;
        let x = ratio as f64;
        let recovered = found.iter().filter(|error| **error <= RECOVERED).count();
        rates.push((x, recovered as f64 / found.len() as f64));
        medians.extend(median(&found).map(|error| (x, error)));
        runs.extend(found.into_iter().map(|error| (x, error)));
        if tick((at + 1) as f64 / ratios.len() as f64).is_break() {
            return Ok(Vec::new());
        }
    }
    let (name, label) = (probes.name(), probes.label());
    Ok(vec![
        MeasuredCurve::new("errors", name, label, runs),
        MeasuredCurve::new("medians", name, format!("{label}, median"), medians),
        MeasuredCurve::new("recovered", name, label, rates),
    ])
}

/// Levels of noise, relative to the root mean square of the intensities.
const NOISES: [f64; 3] = [1e-3, 1e-2, 1e-1];
/// Ratio m/n of the runs that compare methods.
pub(super) const COMPARED_RATIO: usize = 8;
/// Ratio m/n of the noisy runs.
pub(super) const NOISY_RATIO: usize = 8;

/// Measures the error against the level of noise, medians over trials.
pub(super) fn noise(s: &Rerun, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let mut curves = Vec::new();
    for (at, probes) in Probes::ALL.into_iter().enumerate() {
        let mut medians = Vec::new();
        for level in NOISES {
            let found: Vec<f64> = (s.seed..s.seed + SIGNALS)
                .into_par_iter()
                .map(|seed| {
                    let problem = probes.problem(s.n, NOISY_RATIO, seed)?;
                    let y = problem.observations(0).unwrap_or_default();
                    let mean = (y.iter().map(|v| v * v).sum::<f64>() / y.len() as f64).sqrt();
                    error(s, problem.with_noise(level * mean, seed + 1000)?, backend_of(probes, backend))
                })
                .collect::<Result<_>>()?;
            medians.extend(median(&found).map(|error| (level, error)));
        }
        curves.push(MeasuredCurve::new("noise", probes.name(), probes.label(), medians));
        if tick((at + 1) as f64 / Probes::ALL.len() as f64).is_break() {
            return Ok(Vec::new());
        }
    }
    Ok(curves)
}
