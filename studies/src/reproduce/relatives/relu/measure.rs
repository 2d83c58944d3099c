//! Problems of threshold sampling, and the runs on them.

use super::super::tasks::Tick;
use super::super::{MeasuredCurve, Rerun};
use lowrank::methods::Method;
use lowrank::operators::Entries;
use lowrank::problem::{Domain, synthetic};
use lowrank::solver::{Init, Preprocess, Problem, Schedule, Settings, Solver, Stop, Trial, TrialSolution};
use lowrank::{Backend, Result};

/// Size α of the random starts.
const START: f64 = 1e-3;

/// Start and loss of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// Loss on the seen entries, random start.
    Random,
    /// Loss on the seen entries, spectral start without the first direction.
    Spectral,
    /// Upper bounds on the unseen entries as well, random start.
    Hinge,
    /// The same with one column more than the rank.
    Wide,
}

impl Contender {
    pub(super) const ALL: [Self; 4] = [Self::Random, Self::Spectral, Self::Hinge, Self::Wide];

    /// Returns the name of its curves.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Random => "seen-random",
            Self::Spectral => "seen-spectral",
            Self::Hinge => "hinge-random",
            Self::Wide => "hinge-wide",
        }
    }

    /// Returns its legend.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Random => "seen entries, random start",
            Self::Spectral => "seen entries, spectral start without the first direction",
            Self::Hinge => "one-sided loss on unseen entries too, random start",
            Self::Wide => "the same with one more column",
        }
    }

    pub(super) fn is_bounded(self) -> bool {
        matches!(self, Self::Hinge | Self::Wide)
    }
}

/// Entries of a psd matrix that reach a threshold.
pub(super) struct Seen {
    pub problem: Problem,
    /// Threshold in the units of the matrix.
    pub threshold: f64,
    /// Least number of seen entries in a row.
    pub fewest: usize,
}

impl Seen {
    /// Draws a truth of a rank and keeps the entries of at least `threshold` times their root mean square.
    pub(super) fn new(n: usize, rank: usize, threshold: f64, seed: u64) -> Result<Self> {
        let truth = synthetic::psd(n).rank(rank).seed(seed).build()?;
        // All nonzero eigenvalues are 1.
        let threshold = threshold * (rank as f64).sqrt() / n as f64;
        let matrix = truth.to_matrix();
        let (mut rows, mut columns, mut y, mut counts) = (Vec::new(), Vec::new(), Vec::new(), vec![0; n]);
        for a in 0..n {
            for b in a..n {
                let value = matrix[a * n + b];
                if value < threshold {
                    continue;
                }
                rows.push(a);
                columns.push(b);
                y.push(value);
                counts[a] += 1;
                counts[b] += usize::from(a != b);
            }
        }
        let problem = Problem::new(Entries::new(Domain::symmetric(n), &rows, &columns)?, y)?.with_truth(truth)?;
        Ok(Self { problem, threshold, fewest: counts.into_iter().min().unwrap_or(0) })
    }

    /// Returns the problem that a contender sees.
    pub(super) fn of(&self, contender: Contender) -> Result<Problem> {
        match contender.is_bounded() {
            true => self.problem.clone().with_unseen_below(self.threshold),
            false => Ok(self.problem.clone()),
        }
    }
}

/// Returns the settings of a contender, observed every `every` iterations.
pub(super) fn settings(s: &Rerun, contender: Contender, rank: usize, every: usize, seed: u64) -> Settings {
    let init = match contender {
        Contender::Spectral => Init::Spectral { skip: 1, preprocess: Preprocess::None },
        _ => Init::SmallRandom { scale: START, seed },
    };
    let columns = rank + usize::from(contender == Contender::Wide);
    Settings::new(Method::gd())
        .search_rank(columns)
        .step_size(s.step_size)
        .init(init)
        .precision(s.precision)
        .observe(Schedule::Every(every))
        .stop(Stop::default().max_iterations(s.iterations).stall_window(None).relative_error(0.1 * s.target))
}

/// Ranks of the study.
pub(super) fn ranks(s: &Rerun) -> Vec<usize> {
    let quick = s.n < 80;
    let more: &[usize] = if quick { &[0, 1] } else { &[0, 1, 3] };
    more.iter().map(|more| s.rank + more).filter(|rank| *rank <= s.n).collect()
}

/// Thresholds over the root mean square of the entries.
pub(super) fn thresholds(s: &Rerun) -> Vec<f64> {
    if s.n < 80 { vec![0.0, 0.3] } else { vec![-0.3, 0.0, 0.1, 0.2, 0.3] }
}

/// Number of truths at each rank and threshold.
pub(super) fn truths(s: &Rerun) -> u64 {
    if s.n < 80 { 2 } else { 5 }
}

/// Returns the group of curves of a rank.
pub(super) fn named(rank: usize) -> String {
    format!("rank-{rank}")
}

/// Runs all contenders on all problems of a rank. Curves of equal order have the errors, the relative
/// residuals, and the least numbers of entries in a row against the threshold, and the errors against these numbers.
pub(super) fn measure(s: &Rerun, backend: &Backend, rank: usize, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let mut found: Vec<[Vec<(f64, f64)>; 3]> = vec![Default::default(); Contender::ALL.len()];
    let (thresholds, truths) = (thresholds(s), truths(s));
    let all = thresholds.len() as f64 * truths as f64;
    let mut done = 0.0;
    for &threshold in &thresholds {
        for truth in 0..truths {
            let seen = Seen::new(s.n, rank, threshold, s.seed + truth)?;
            for (contender, trial) in runs(s, backend, &seen, rank, s.seed + truth)? {
                let at = Contender::ALL.iter().position(|of| *of == contender).unwrap_or(0);
                let numbers = [trial.relative_error.unwrap_or(f64::NAN), trial.relative_residual, seen.fewest as f64];
                for (points, number) in found[at].iter_mut().zip(numbers) {
                    points.push((threshold, number));
                }
            }
            done += 1.0;
            if tick(done / all).is_break() {
                return Ok(Vec::new());
            }
        }
    }
    let mut curves = Vec::new();
    for (contender, [errors, residuals, rows]) in Contender::ALL.into_iter().zip(found) {
        let by_rows = rows.iter().zip(&errors).map(|(rows, error)| (rows.1, error.1)).collect();
        for (what, points) in [("error", errors), ("residual", residuals), ("rows", rows), ("by-rows", by_rows)] {
            let group = format!("{}-{what}", named(rank));
            curves.push(MeasuredCurve::new(&group, contender.name(), contender.label(), points));
        }
    }
    Ok(curves)
}

/// Runs all contenders on a problem; those that see the same one run in one batch.
fn runs(s: &Rerun, backend: &Backend, seen: &Seen, rank: usize, seed: u64) -> Result<Vec<(Contender, TrialSolution)>> {
    let solve = |contenders: &[Contender]| -> Result<Vec<TrialSolution>> {
        let widths = contenders.iter().map(|of| rank + usize::from(*of == Contender::Wide));
        let trials = widths.map(|k| Trial::default().search_rank(k));
        let base = settings(s, contenders[0], rank, 50, seed);
        let base = if contenders.len() > 1 { base.trials(trials) } else { base };
        Ok(Solver::new(seen.of(contenders[0])?, base, backend.clone())?.solve()?.trials)
    };
    let mut all = Vec::new();
    for contenders in [&[Contender::Random][..], &[Contender::Spectral], &[Contender::Hinge, Contender::Wide]] {
        all.extend(contenders.iter().copied().zip(solve(contenders)?));
    }
    Ok(all)
}
