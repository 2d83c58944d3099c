//! A small problem with its matrices in full, and the formulas of the methods as a textbook writes them.

use std::ops::ControlFlow;

use faer::Mat;
use lowrank::operators::{Dense, Loss, Operator};
use lowrank::problem::{Domain, Factors};
use lowrank::solver::InitStd;
use lowrank::{Backend, Init, Method, Model, Precision, Problem, Progress, Schedule, Settings, Solution, Solver, Stop};

pub type Matrix = Mat<f64>;

/// Numbers between −1 and 1 without a pattern.
pub fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub fn matrix(rows: usize, columns: usize, data: &[f64]) -> Matrix {
    Mat::from_fn(rows, columns, |i, j| data[i * columns + j])
}

/// What is solved: a model on its natural domain, or a pair on a symmetric one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Psd,
    Signed,
    Asymmetric,
    Pair,
}

/// A problem whose observations no matrix fits, and a point of it.
pub struct Case {
    pub operator: std::sync::Arc<Dense>,
    pub matrices: Vec<Matrix>,
    pub y: Vec<f64>,
    pub s: f64,
    pub kind: Kind,
    pub signs: Vec<f64>,
    pub left: Matrix,
    pub right: Matrix,
}

impl Case {
    pub fn new(kind: Kind, k: usize) -> Self {
        let domain = if kind == Kind::Asymmetric { Domain::rectangular(7, 5) } else { Domain::symmetric(7) };
        let m = 40;
        let operator = Dense::gaussian(domain, m, 3).unwrap();
        let (n1, n2) = (domain.rows(), domain.columns());
        let matrices: Vec<Matrix> = (0..m).map(|i| matrix(n1, n2, &operator.sensing_matrix(i))).collect();
        let s = operator.normalization();
        let left = matrix(n1, k, &numbers(n1 * k, 5));
        let right = match kind {
            Kind::Asymmetric | Kind::Pair => matrix(n2, k, &numbers(n2 * k, 6)),
            _ => left.clone(),
        };
        let signs = (0..k).map(|j| if kind == Kind::Signed && j >= k - 1 { -1.0 } else { 1.0 }).collect();
        let y = numbers(m, 7).iter().map(|v| 3.0 * v).collect();
        Self { operator: std::sync::Arc::new(operator), matrices, y, s, kind, signs, left, right }
    }

    pub fn k(&self) -> usize {
        self.left.ncols()
    }

    /// Whether there is one factor.
    pub fn symmetric(&self) -> bool {
        matches!(self.kind, Kind::Psd | Kind::Signed)
    }

    fn signed(&self, u: &Matrix) -> Matrix {
        Mat::from_fn(u.nrows(), u.ncols(), |i, j| u[(i, j)] * self.signs[j])
    }

    /// e at (L, R), or at U S Uᵀ.
    pub fn residual(&self, l: &Matrix, r: &Matrix) -> Vec<f64> {
        let z = if self.symmetric() { self.signed(l) * l.transpose() } else { l * r.transpose() };
        let inner = |a: &Matrix| -> f64 {
            (0..a.nrows()).map(|i| (0..a.ncols()).map(|j| a[(i, j)] * z[(i, j)]).sum::<f64>()).sum()
        };
        self.matrices.iter().zip(&self.y).map(|(a, y)| inner(a) - y).collect()
    }

    /// s·Σ rᵢAᵢ.
    pub fn adjoint(&self, r: &[f64]) -> Matrix {
        let (n1, n2) = (self.matrices[0].nrows(), self.matrices[0].ncols());
        Mat::from_fn(n1, n2, |i, j| self.s * self.matrices.iter().zip(r).map(|(a, r)| r * a[(i, j)]).sum::<f64>())
    }

    /// ∇f at (L, R) for the loss ρ over the measurements that `used` says.
    pub fn gradient(&self, l: &Matrix, r: &Matrix, loss: Loss, used: impl Fn(usize) -> bool) -> (Matrix, Matrix) {
        let e = self.residual(l, r);
        let weights: Vec<f64> =
            e.iter().enumerate().map(|(i, e)| if used(i) { loss.derivative(*e) } else { 0.0 }).collect();
        let g = self.adjoint(&weights);
        if self.symmetric() { (&g * self.signed(l), Mat::zeros(0, 0)) } else { (&g * r, g.transpose() * l) }
    }

    /// f.
    pub fn loss(&self, l: &Matrix, r: &Matrix, loss: Loss) -> f64 {
        let share = if self.symmetric() { 0.5 } else { 1.0 };
        share * self.s * self.residual(l, r).iter().map(|e| loss.value(*e)).sum::<f64>()
    }

    /// The Gram matrices that precondition L (or U) and R.
    pub fn grams(&self, l: &Matrix, r: &Matrix) -> (Matrix, Matrix) {
        if self.symmetric() { (l.transpose() * l, Mat::zeros(0, 0)) } else { (r.transpose() * r, l.transpose() * l) }
    }

    pub fn start(&self) -> Factors {
        let data = |m: &Matrix| -> Vec<f64> {
            (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| (i, j))).map(|at| m[at]).collect()
        };
        let domain = self.operator.domain();
        match self.symmetric() {
            true => Factors::single(1, domain.rows(), self.k(), data(&self.left)),
            false => Factors::pair(1, domain, self.k(), data(&self.left), data(&self.right)),
        }
        .unwrap()
    }

    /// The factors after so many iterations, on Reference and on Cpu in f64.
    pub fn run(&self, method: impl Into<Method>, step: f64, iterations: usize) -> Vec<(Matrix, Matrix)> {
        self.run_with(method, Loss::Square, step, iterations)
    }

    /// The same with another loss.
    pub fn run_with(
        &self,
        method: impl Into<Method>,
        loss: Loss,
        step: f64,
        iterations: usize,
    ) -> Vec<(Matrix, Matrix)> {
        let settings = Settings::new(method).loss(loss);
        [Backend::Reference, Backend::Cpu]
            .into_iter()
            .map(|b| self.run_on(b, settings.clone(), step, iterations))
            .collect()
    }

    fn run_on(&self, backend: Backend, settings: Settings, step: f64, iterations: usize) -> (Matrix, Matrix) {
        let problem = Problem::new(self.operator.clone(), self.y.clone()).unwrap();
        let mut settings = settings
            .precision(Precision::F64)
            .step_size(step)
            .init(Init::Given(self.start()))
            .init_std(InitStd::SearchRank)
            .observe(Schedule::Every(1))
            .stop(Stop::default().max_iterations(iterations));
        settings = settings.model(match self.kind {
            Kind::Psd => Model::psd(),
            Kind::Signed => Model::signed(self.k() - 1, 1),
            Kind::Asymmetric | Kind::Pair => Model::asymmetric(),
        });
        // The last iterate, whether or not it is the best one.
        let mut last = self.start();
        let observer = |progress: &Progress<'_>| {
            last = progress.factors.clone();
            ControlFlow::Continue(())
        };
        let solution: Solution = Solver::new(problem, settings, backend).unwrap().solve_with(observer).unwrap();
        let best = solution.best();
        assert_eq!(best.iterations, iterations, "{}", best.status);
        let of = |view: lowrank::problem::MatrixView<'_>| matrix(view.rows(), view.columns(), view.as_slice());
        let right = if self.symmetric() { Mat::zeros(0, 0) } else { of(last.right(0)) };
        (of(last.left(0)), right)
    }
}

pub fn inverse(a: &Matrix) -> Matrix {
    use faer::linalg::solvers::DenseSolveCore;
    a.partial_piv_lu().inverse()
}

pub fn damped(gram: &Matrix, damping: f64) -> Matrix {
    Mat::from_fn(gram.nrows(), gram.ncols(), |i, j| gram[(i, j)] + if i == j { damping } else { 0.0 })
}

pub fn dot(a: &Matrix, b: &Matrix) -> f64 {
    (0..a.nrows()).map(|i| (0..a.ncols()).map(|j| a[(i, j)] * b[(i, j)]).sum::<f64>()).sum()
}

#[track_caller]
pub fn close(found: &Matrix, expected: &Matrix, what: &str) {
    assert_eq!((found.nrows(), found.ncols()), (expected.nrows(), expected.ncols()), "{what}");
    let (off, size) = ((found - expected).norm_l2(), expected.norm_l2().max(1e-300));
    assert!(off <= 1e-9 * size, "{what}: off by {:e}\n{found:?}\n{expected:?}", off / size);
}

/// Whether two are the same up to a positive factor.
#[track_caller]
pub fn same_direction(found: &Matrix, expected: &Matrix, what: &str) {
    let cosine = dot(found, expected) / (found.norm_l2() * expected.norm_l2());
    assert!(cosine > 1.0 - 1e-12, "{what}: cosine 1 − {:e}", 1.0 - cosine);
}
