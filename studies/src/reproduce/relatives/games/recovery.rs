//! Robust recovery as a game: min over U, max over |w_i| ≤ 1 of f = (1/m)·(Σ w_i e_i − (δ/2)‖w‖²) with e = A(UUᵀ) − y, played by
//! the methods `descent-ascent` and `extragradient` of the solver. Their dual variables are v = δw, and a step η of f is the step
//! μ = 2η/δ of theirs.

use faer::Mat;
use rand::seq::SliceRandom;

use super::super::small::{normal_matrix, normal_symmetric, random_basis};
use lowrank::engine::Precision;
use lowrank::internals::{Purpose, normal, stream};
use lowrank::methods::{GameMetric, Method};
use lowrank::operators::{Dense, Layout, Loss};
use lowrank::problem::{Domain, Factors, Truth};
use lowrank::solver::{Init, Problem, Progress, Schedule, Settings, Solution, Solver, Stop};
use lowrank::{Backend, Result};
use std::ops::ControlFlow;

/// δ; the smallest eigenvalue of M is 1.
pub(super) const DELTA: f64 = 0.1;
/// Share of corrupted observations, and their deviation over the root mean square of y.
const OUTLIERS: (f64, f64) = (0.1, 10.0);
/// Step of the solver that finds the Huber solution.
const SOLVER_STEP: f64 = 0.4;

/// Measurements, observations and a start near the truth.
pub(super) struct RecoveryGame {
    n: usize,
    problem: Problem,
    start: Factors,
}

/// Returns the step of a method for a step η of f.
fn step_size(eta: f64) -> f64 {
    2.0 * eta / DELTA
}

/// Returns descent–ascent in a metric.
pub(super) fn descent_ascent(metric: GameMetric) -> Method {
    Method::descent_ascent().metric(metric).into()
}

impl RecoveryGame {
    /// Draws M with eigenvalues evenly spaced from κ to 1, m Gaussian measurements, outliers, and a start at the distance
    /// 0.1·√r of a factor of M.
    ///
    /// # Errors
    /// [`lowrank::Error::Invalid`] for impossible sizes.
    pub(super) fn new(n: usize, rank: usize, m: usize, kappa: f64, seed: u64) -> Result<Self> {
        let q = random_basis(n, rank, &mut stream(seed, Purpose::Truth, 0));
        let value = |j: usize| kappa - (kappa - 1.0) * j as f64 / (rank.max(2) - 1) as f64;
        let factor = Mat::from_fn(n, rank, |i, j| q[(i, j)] * value(j).sqrt());
        let (mut packed, mut rng) = (Vec::new(), stream(seed, Purpose::Operator, 0));
        for _ in 0..m {
            let a = normal_symmetric(n, &mut rng);
            packed.extend((0..n).flat_map(|i| (i..n).map(move |j| (i, j))).map(|at| a[at]));
        }
        let operator = Dense::from_rows(Domain::symmetric(n), Layout::Packed, &packed)?;
        let clean = Problem::measure(operator, Truth::from_factor(n, rank, by_rows(&factor))?)?;
        let mut y = clean.observations(0).unwrap_or_default().to_vec();
        let rms = (y.iter().map(|y| y * y).sum::<f64>() / m as f64).sqrt();
        let (mut rng, mut order) = (stream(seed, Purpose::Outliers, 0), (0..m).collect::<Vec<usize>>());
        order.shuffle(&mut rng);
        order.truncate((OUTLIERS.0 * m as f64).round() as usize);
        order.into_iter().for_each(|at| y[at] += OUTLIERS.1 * rms * normal(&mut rng));
        let away = normal_matrix(n, rank, &mut stream(seed, Purpose::Init, 0));
        let start = factor + away * faer::Scale(0.1 / (n as f64).sqrt());
        Ok(Self {
            n,
            problem: Problem::new(clean.operator().clone(), y)?,
            start: Factors::single(1, n, rank, by_rows(&start))?,
        })
    }

    fn settings(&self, method: Method, step_size: f64, iterations: usize, every: usize) -> Settings {
        Settings::new(method)
            .search_rank(self.start.search_rank())
            .precision(Precision::F64)
            .loss(Loss::Huber { delta: DELTA })
            .init(Init::Given(self.start.clone()))
            .step_size(step_size)
            .observe(Schedule::Every(every.max(1)))
            .stop(Stop::default().max_iterations(iterations).stall_window(None))
    }

    /// Returns UUᵀ after so many steps η of a method of the game.
    ///
    /// # Errors
    /// Those of the solver.
    pub(super) fn product(&self, method: Method, eta: f64, iterations: usize, backend: &Backend) -> Result<Vec<f64>> {
        let settings = self.settings(method, step_size(eta), iterations, iterations);
        let solution = Solver::new(self.problem.clone(), settings, backend.clone())?.solve()?;
        Ok(solution.best().product().to_dense())
    }

    /// Returns UUᵀ of scaled descent on the same data with the loss huber:δ, from the same start.
    ///
    /// # Errors
    /// Those of the solver.
    pub(super) fn huber(&self, iterations: usize, backend: &Backend) -> Result<Vec<f64>> {
        let settings = self.settings(Method::scaled_gd().damping(0.0).into(), SOLVER_STEP, iterations, iterations);
        let solution = Solver::new(self.problem.clone(), settings, backend.clone())?.solve()?;
        Ok(solution.best().product().to_dense())
    }

    /// Runs steps η of a method until UUᵀ is within `distance` of a matrix, which is looked at every `every` iterations;
    /// relative errors are those to that matrix.
    ///
    /// # Errors
    /// Those of the solver.
    pub(super) fn run(
        &self,
        (method, eta): (Method, f64),
        (matrix, distance): (&[f64], f64),
        (iterations, every): (usize, usize),
        backend: &Backend,
        observer: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Solution> {
        let problem = self.problem.clone().with_truth(Truth::from_matrix(self.n, matrix.to_vec())?)?;
        let stop =
            Stop::default().max_iterations(iterations).stall_window(None).relative_error(distance / norm(matrix));
        let settings = self.settings(method, step_size(eta), iterations, every).stop(stop);
        Solver::new(problem, settings, backend.clone())?.solve_with(observer)
    }
}

/// Returns the numbers of a matrix, row by row.
fn by_rows(matrix: &Mat<f64>) -> Vec<f64> {
    (0..matrix.nrows()).flat_map(|i| (0..matrix.ncols()).map(move |j| (i, j))).map(|at| matrix[at]).collect()
}

/// Returns ‖A‖_F.
pub(super) fn norm(matrix: &[f64]) -> f64 {
    matrix.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Returns ‖A − B‖_F.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// Returns UUᵀ of the first trial.
pub(super) fn square(factors: &Factors) -> Vec<f64> {
    let u = factors.left(0);
    let entry = |i: usize, j: usize| u.row(i).iter().zip(u.row(j)).map(|(a, b)| a * b).sum::<f64>();
    (0..u.rows()).flat_map(|i| (0..u.rows()).map(move |j| entry(i, j))).collect()
}
