//! Robust recovery as a game: min over U, max over |w_i| ≤ 1 of f = (1/m)·(Σ w_i e_i − (δ/2)‖w‖²) with e = A(UUᵀ) − y.
//! The inner maximum is at w = clip(e/δ, ±1), and its value is the Huber loss over δ.

use faer::{Mat, Side};

use super::super::small::{add, inner, normal_matrix, normal_symmetric, random_basis};
use lowrank::engine::Precision;
use lowrank::internals::{Purpose, normal, stream};
use lowrank::methods::Method;
use lowrank::operators::{Dense, Layout, Loss};
use lowrank::problem::{Domain, Factors};
use lowrank::solver::{Init, Problem, Settings, Solver, Stop};
use lowrank::{Backend, Result};
use rand::seq::SliceRandom;

/// δ; the smallest eigenvalue of M is 1.
pub(super) const DELTA: f64 = 0.1;
/// Share of corrupted observations, and their deviation over the root mean square of y.
const OUTLIERS: (f64, f64) = (0.1, 10.0);
/// Step of the weights, times δ.
const WEIGHT_STEP: f64 = 0.5;
/// Step of the solver that finds the Huber solution.
const SOLVER_STEP: f64 = 0.4;

/// Measurements, observations and a start near the truth.
pub(super) struct RecoveryGame {
    n: usize,
    /// Rows a_ij, i ≤ j, of the symmetric A_i; m×n(n+1)/2, row by row.
    packed: Vec<f64>,
    matrix: Mat<f64>,
    y: Vec<f64>,
    start: Mat<f64>,
}

/// Strategies of both players.
#[derive(Clone)]
pub(super) struct Strategies {
    pub u: Mat<f64>,
    pub w: Vec<f64>,
}

/// Metric of U: Euclidean, or the quotient metric, whose gradient is that of U times (UᵀU)^−1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    Euclidean,
    Quotient,
}

/// Direction of U (descent) and of w (ascent).
struct Directions {
    u: Mat<f64>,
    w: Vec<f64>,
    /// Size of the gradient of U in its metric, and root mean square distance of w from its best response.
    residual: f64,
}

impl RecoveryGame {
    /// Draws M with eigenvalues evenly spaced from κ to 1, m Gaussian measurements, outliers, and a start at the distance
    /// 0.1·√r of a factor of M.
    pub(super) fn new(n: usize, rank: usize, m: usize, kappa: f64, seed: u64) -> Self {
        let q = random_basis(n, rank, &mut stream(seed, Purpose::Truth, 0));
        let value = |j: usize| kappa - (kappa - 1.0) * j as f64 / (rank.max(2) - 1) as f64;
        let truth = Mat::from_fn(n, rank, |i, j| q[(i, j)] * value(j).sqrt());
        let (mut packed, mut rng) = (Vec::new(), stream(seed, Purpose::Operator, 0));
        for _ in 0..m {
            let a = normal_symmetric(n, &mut rng);
            packed.extend((0..n).flat_map(|i| (i..n).map(move |j| (i, j))).map(|at| a[at]));
        }
        let width = n * (n + 1) / 2;
        let matrix = Mat::from_fn(m, width, |i, j| packed[i * width + j]);
        let mut game = Self { n, packed, matrix, y: vec![0.0; m], start: Mat::zeros(n, rank) };
        game.y = game.errors(&truth);
        let rms = (game.y.iter().map(|y| y * y).sum::<f64>() / m as f64).sqrt();
        let (mut rng, mut order) = (stream(seed, Purpose::Outliers, 0), (0..m).collect::<Vec<usize>>());
        order.shuffle(&mut rng);
        order.truncate((OUTLIERS.0 * m as f64).round() as usize);
        order.into_iter().for_each(|at| game.y[at] += OUTLIERS.1 * rms * normal(&mut rng));
        let away = normal_matrix(n, rank, &mut stream(seed, Purpose::Init, 0));
        game.start = truth + away * faer::Scale(0.1 / (n as f64).sqrt());
        game
    }

    pub(super) fn start(&self) -> Strategies {
        Strategies { u: self.start.clone(), w: vec![0.0; self.y.len()] }
    }

    /// Returns e = A(UUᵀ) − y.
    fn errors(&self, u: &Mat<f64>) -> Vec<f64> {
        let x = u * u.transpose();
        let entries: Vec<f64> = (0..self.n)
            .flat_map(|i| (i..self.n).map(move |j| (i, j)))
            .map(|(i, j)| if i == j { x[(i, j)] } else { 2.0 * x[(i, j)] })
            .collect();
        let products = &self.matrix * Mat::from_fn(entries.len(), 1, |i, _| entries[i]);
        self.y.iter().enumerate().map(|(i, y)| products[(i, 0)] - y).collect()
    }

    /// Returns the directions ∇_U f = (2/m)·A*(w)U, times (UᵀU)^−1 in the quotient metric, and e − δw.
    fn directions(&self, at: &Strategies, metric: Metric) -> Directions {
        let m = at.w.len() as f64;
        let adjoint = self.matrix.transpose() * Mat::from_fn(at.w.len(), 1, |i, _| at.w[i]);
        // Position of (i, j), i ≤ j, in a packed row.
        let place = |i: usize, j: usize| i * self.n - i * (i + 1) / 2 + j;
        let s = Mat::from_fn(self.n, self.n, |i, j| adjoint[(place(i.min(j), i.max(j)), 0)] * 2.0 / m);
        let gradient = s * &at.u;
        let scaled = &gradient * inverse(&(at.u.transpose() * &at.u));
        let size = inner(gradient.as_ref(), scaled.as_ref()).sqrt();
        let w: Vec<f64> = self.errors(&at.u).iter().zip(&at.w).map(|(e, w)| e - DELTA * w).collect();
        let response = w.iter().zip(&at.w).map(|(g, w)| (w - (w + g / DELTA).clamp(-1.0, 1.0)).powi(2)).sum::<f64>();
        let u = if metric == Metric::Quotient { scaled } else { gradient };
        Directions { u, w, residual: size.max((response / m).sqrt()) }
    }

    fn moved(at: &Strategies, eta: f64, along: &Directions) -> Strategies {
        let mut u = at.u.clone();
        add(&mut u, -eta, along.u.as_ref());
        let step = |(w, g): (&f64, &f64)| (w + WEIGHT_STEP / DELTA * g).clamp(-1.0, 1.0);
        Strategies { u, w: at.w.iter().zip(&along.w).map(step).collect() }
    }

    /// Takes one step of descent-ascent, or of the extragradient method; returns the residual before it.
    pub(super) fn step(&self, at: &mut Strategies, metric: Metric, extra: bool, eta: f64) -> f64 {
        let along = self.directions(at, metric);
        let half = Self::moved(at, eta, &along);
        *at = if extra { Self::moved(at, eta, &self.directions(&half, metric)) } else { half };
        along.residual
    }

    /// Returns the distance of w from clip(e/δ, ±1), root mean square.
    pub(super) fn response_gap(&self, at: &Strategies) -> f64 {
        let gap = |(e, w): (&f64, &f64)| (w - (e / DELTA).clamp(-1.0, 1.0)).powi(2);
        let errors = self.errors(&at.u);
        (errors.iter().zip(&at.w).map(gap).sum::<f64>() / at.w.len() as f64).sqrt()
    }

    /// Returns UUᵀ of the solver on the same data with the loss huber:δ, from the same start.
    ///
    /// # Errors
    /// Those of the solver.
    pub(super) fn solver_product(&self, iterations: usize, backend: &Backend) -> Result<Mat<f64>> {
        let rank = self.start.ncols();
        let operator = Dense::from_rows(Domain::symmetric(self.n), Layout::Packed, &self.packed)?;
        let start: Vec<f64> =
            (0..self.n).flat_map(|i| (0..rank).map(move |j| (i, j))).map(|at| self.start[at]).collect();
        let settings = Settings::new(Method::scaled_gd().damping(0.0))
            .search_rank(rank)
            .precision(Precision::F64)
            .loss(Loss::Huber { delta: DELTA })
            .init(Init::Given(Factors::single(1, self.n, rank, start)?))
            .step_size(SOLVER_STEP)
            .stop(Stop::default().max_iterations(iterations).stall_window(None));
        let solution = Solver::new(Problem::new(operator, self.y.clone())?, settings, backend.clone())?.solve()?;
        let found = solution.best().left();
        let u = Mat::from_fn(self.n, rank, |i, j| found.row(i)[j]);
        Ok(&u * u.transpose())
    }
}

fn inverse(gram: &Mat<f64>) -> Mat<f64> {
    use faer::linalg::solvers::DenseSolveCore;
    match gram.llt(Side::Lower) {
        Ok(found) => found.inverse(),
        // A run with too long a step: its residual is then not finite, which ends it.
        Err(_) => Mat::full(gram.nrows(), gram.ncols(), f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_gradients_and_the_best_response_gives_huber() {
        let game = RecoveryGame::new(5, 2, 40, 3.0, 1);
        let mut at = game.start();
        let mut rng = stream(1, Purpose::Noise, 0);
        at.w.iter_mut().for_each(|w| *w = 0.5 * normal(&mut rng));
        let m = at.w.len() as f64;
        let value = |at: &Strategies| {
            let terms = game.errors(&at.u).iter().zip(&at.w).map(|(e, w)| w * e - 0.5 * DELTA * w * w).sum::<f64>();
            terms / m
        };
        let z = normal_matrix(5, 2, &mut rng);
        let along = game.directions(&at, Metric::Euclidean);
        let shifted = |h: f64| Strategies { u: &at.u + &z * faer::Scale(h), w: at.w.clone() };
        let slope = (value(&shifted(1e-5)) - value(&shifted(-1e-5))) / 2e-5;
        approx::assert_relative_eq!(slope, inner(along.u.as_ref(), z.as_ref()), max_relative = 1e-6);
        let quotient = game.directions(&at, Metric::Quotient);
        let gram = at.u.transpose() * &at.u;
        assert!((quotient.u * gram - along.u).norm_l2() < 1e-12);
        // The inner maximum is the Huber loss over δ.
        let errors = game.errors(&at.u);
        at.w = errors.iter().map(|e| (e / DELTA).clamp(-1.0, 1.0)).collect();
        let huber = errors.iter().map(|e| Loss::Huber { delta: DELTA }.value(*e)).sum::<f64>() / (DELTA * m);
        approx::assert_relative_eq!(value(&at), huber, max_relative = 1e-12);
        assert_eq!(game.response_gap(&at), 0.0);
    }
}
