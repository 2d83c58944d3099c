//! States, their measurement, and what the solver makes of it.

use std::time::Instant;

use crate::reproduce::fit::median;
use crate::reproduce::relatives::tasks::Tick;
use crate::reproduce::relatives::{MeasuredCurve, Rerun};
use lowrank::diagnostics::fidelity;
use lowrank::operators::Pauli;
use lowrank::operators::pauli::with_shots;
use lowrank::problem::{Domain, Truth, synthetic};
use lowrank::solver::Solution;
use lowrank::{Backend, Method, Problem, Result, Settings, Solver, Stop};

/// Shots for each string.
pub(super) const SHOTS: u64 = 1 << 13;
/// Qubits of the runs whose number of shots or condition number changes.
const QUBITS: usize = 6;
const CONDITIONED: usize = 5;
/// Rank of the states with a condition number.
const CONDITIONED_RANK: usize = 3;

/// Kind of a state.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum State {
    /// (|0…0⟩ + |1…1⟩)/√2.
    Ghz,
    /// The equal superposition of all bits.
    Hadamard,
    /// Random, of a rank, with equal eigenvalues.
    Random(usize),
}

impl State {
    pub(super) const ALL: [Self; 6] =
        [Self::Ghz, Self::Hadamard, Self::Random(1), Self::Random(2), Self::Random(3), Self::Random(4)];

    /// Returns whether so many strings determine it with some room: half as many again as it has degrees of freedom.
    fn is_determined(self, n: usize, m: usize) -> bool {
        let rank = if let Self::Random(rank) = self { rank } else { 1 };
        2 * m >= 3 * (2 * n * rank - rank * rank)
    }

    /// Returns the name in files.
    fn name(self) -> String {
        match self {
            Self::Ghz => "ghz".into(),
            Self::Hadamard => "hadamard".into(),
            Self::Random(rank) => format!("rank-{rank}"),
        }
    }

    /// Returns the legend.
    fn label(self) -> String {
        match self {
            Self::Ghz => "GHZ".into(),
            Self::Hadamard => "Hadamard".into(),
            Self::Random(rank) => format!("random, rank {rank}"),
        }
    }

    /// Returns the state of trace 1 on n = 2^q rows.
    fn truth(self, n: usize, seed: u64, condition_number: f64) -> Result<Truth> {
        let domain = Domain::hermitian(n);
        let ones = |of: &dyn Fn(usize) -> bool| {
            let mut x: Vec<f64> = (0..2 * n).map(|i| f64::from(u8::from(i < n && of(i)))).collect();
            let norm = x.iter().sum::<f64>().sqrt();
            x.iter_mut().for_each(|v| *v /= norm);
            x
        };
        match self {
            Self::Ghz => Truth::from_factor_on(domain, 1, ones(&|i| i == 0 || i == n - 1)),
            Self::Hadamard => Truth::from_factor_on(domain, 1, ones(&|_| true)),
            Self::Random(rank) => {
                let truth = synthetic::hermitian(n).rank(rank).condition_number(condition_number).seed(seed).build()?;
                let x: Vec<f64> = truth.factor().map_or_else(Vec::new, |x| x.as_slice().to_vec());
                let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
                Truth::from_factor_on(domain, rank, x.into_iter().map(|v| v / norm).collect())
            }
        }
    }
}

/// Returns the numbers of qubits of the study.
pub(super) fn qubits(s: &Rerun) -> Vec<usize> {
    (6..=s.n.max(64).ilog2() as usize).collect()
}

/// Returns the condition numbers of factors.
pub(super) fn conditions(s: &Rerun) -> &'static [f64] {
    if s.n < 128 { &[1.0, 10.0] } else { &[1.0, 3.0, 10.0, 30.0] }
}

/// Returns the exact expectation values of a state.
pub(super) fn exact(state: State, n: usize, m: usize, seed: u64, condition_number: f64) -> Result<Problem> {
    let pauli = Pauli::random(n.ilog2() as usize, m.min(n * n), seed)?;
    Problem::measure(pauli, state.truth(n, seed, condition_number)?)
}

/// Name of the curve without points that says that a software adapter ran.
pub(super) const SOFTWARE: &str = "software adapter";

/// Returns means of shots in their place.
fn shot(problem: &Problem, shots: u64, seed: u64) -> Result<Problem> {
    let y = with_shots(problem.observations(0).unwrap_or_default(), shots, seed)?;
    let noisy = Problem::new(problem.operator().clone(), y)?;
    problem.truth(0).cloned().map_or_else(|| Ok(noisy.clone()), |truth| noisy.clone().with_truth(truth))
}

fn solved(problem: Problem, settings: Settings, backend: &Backend) -> Result<Solution> {
    Solver::new(problem, settings, backend.clone())?.solve()
}

/// 1 − F of the best fit.
fn infidelity(solution: &Solution, truth: Option<&Truth>) -> Result<f64> {
    let Some(truth) = truth else { return Ok(f64::NAN) };
    Ok((1.0 - fidelity(&solution.best().product(), truth)?).max(f64::EPSILON))
}

/// Measures infidelity and seconds of every state against the number of qubits.
pub(super) fn states(s: &Rerun, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let (mut curves, mut software) = (Vec::new(), false);
    for (at, state) in State::ALL.into_iter().enumerate() {
        let (mut infidelities, mut times) = (Vec::new(), Vec::new());
        for q in qubits(s) {
            let (n, m) = (1 << q, (1 << (2 * q)) / 5);
            if !state.is_determined(n, m) {
                continue;
            }
            let problem = shot(&exact(state, n, m, s.seed, 1.0)?, SHOTS, s.seed)?;
            let settings = Settings::default().search_rank(s.search_rank).precision(s.precision);
            let started = Instant::now();
            let mut solver = Solver::new(problem.clone(), settings, backend.clone())?;
            software |= solver.engine().software_adapter;
            let solution = solver.solve()?;
            times.push((q as f64, started.elapsed().as_secs_f64()));
            infidelities.push((q as f64, infidelity(&solution, problem.truth(0))?));
        }
        for (what, points) in [("infidelity", infidelities), ("seconds", times)] {
            curves.push(MeasuredCurve::new(what, &state.name(), state.label(), points));
        }
        if tick((at + 1) as f64 / State::ALL.len() as f64).is_break() {
            return Ok(Vec::new());
        }
    }
    curves.extend(software.then(|| MeasuredCurve::new(SOFTWARE, "states", "", Vec::new())));
    Ok(curves)
}

/// Measures the infidelity of a random pure state against the number of shots.
pub(super) fn shots(s: &Rerun, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let (n, repetitions) = (1 << QUBITS, if s.n < 128 { 3 } else { 8 });
    let numbers: Vec<u64> = (9..=17).step_by(2).map(|power| 1 << power).collect();
    let (mut points, mut medians) = (Vec::new(), Vec::new());
    for (at, &shots) in numbers.iter().enumerate() {
        let mut found = Vec::new();
        for repetition in 0..repetitions {
            let seed = s.seed + repetition;
            let problem = shot(&exact(State::Random(1), n, n * n / 5, seed, 1.0)?, shots, seed + 100)?;
            let settings = Settings::default().search_rank(s.search_rank).precision(s.precision);
            let lost = infidelity(&solved(problem.clone(), settings, backend)?, problem.truth(0))?;
            points.push((shots as f64, lost));
            found.push(lost);
        }
        medians.extend(median(&found).map(|lost| (shots as f64, lost)));
        if tick((at + 1) as f64 / numbers.len() as f64).is_break() {
            return Ok(Vec::new());
        }
    }
    // 1/shots through the geometric mean.
    let logs = medians.iter().map(|(x, y)| (x * y).ln()).sum::<f64>() / medians.len() as f64;
    let guide = medians.iter().map(|(x, _)| (*x, logs.exp() / x)).collect();
    Ok(vec![
        MeasuredCurve::new("shots", "runs", "runs", points),
        MeasuredCurve::new("shots-median", "median", "median", medians),
        MeasuredCurve::new("shots-fit", "guide", "1/shots", guide),
    ])
}

/// Measures iterations to the target against the condition number, from exact values.
pub(super) fn condition_numbers(s: &Rerun, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let n = 1 << CONDITIONED;
    let m = 2 * n * n / 5;
    let contenders = [("default", "the default"), ("gd", "gradient descent")];
    let mut curves = Vec::new();
    for (at, (name, label)) in contenders.into_iter().enumerate() {
        let mut points = Vec::new();
        for &kappa in conditions(s) {
            let problem = exact(State::Random(CONDITIONED_RANK), n, m, s.seed, kappa)?;
            let stop = Stop::default().relative_error(s.target).max_iterations(s.iterations);
            let settings = Settings::default().search_rank(s.search_rank).precision(s.precision).stop(stop);
            // With surplus columns descent is slow at any condition number.
            let settings = match name {
                "gd" => settings.method(Method::gd()).search_rank(CONDITIONED_RANK),
                _ => settings,
            };
            let solution = solved(problem, settings, backend)?;
            let best = solution.best();
            let reached = best.relative_error.is_some_and(|error| error <= s.target);
            points.push((kappa, if reached { best.iterations as f64 } else { s.iterations as f64 }));
        }
        curves.push(MeasuredCurve::new("iterations", name, label, points));
        if tick((at + 1) as f64 / contenders.len() as f64).is_break() {
            return Ok(Vec::new());
        }
    }
    Ok(curves)
}
