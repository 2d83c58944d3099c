//! An operator of your own, without touching the crate: differences of squared distances between points.
//!
//! For points p_1 … p_n (the rows of X), M = XXᵀ is their Gram matrix, and ‖p_a − p_b‖² = ⟨A, M⟩ with
//! A = (e_a − e_b)(e_a − e_b)ᵀ. Distances do not see where the origin is, so this operator also measures ⟨11ᵀ, M⟩,
//! which is zero for points centred at it.
//!
//! Run with `cargo run --release --example custom_operator`.

use lowrank::operators::Operator;
use lowrank::problem::{Domain, Factors, Truth};
use lowrank::{Backend, Method, Problem, Settings, Solver, Stop, laws};

struct Distances {
    n: usize,
    pairs: Vec<(usize, usize)>,
}

impl Distances {
    fn all(n: usize) -> Self {
        Self { n, pairs: (0..n).flat_map(|a| (0..a).map(move |b| (a, b))).collect() }
    }

    /// The vector v with A_i = v vᵀ: e_a − e_b, or all ones for the last measurement.
    fn vector(&self, i: usize) -> Vec<f64> {
        match self.pairs.get(i) {
            Some(&(a, b)) => (0..self.n)
                .map(|j| {
                    if j == a {
                        1.0
                    } else if j == b {
                        -1.0
                    } else {
                        0.0
                    }
                })
                .collect(),
            None => vec![1.0; self.n],
        }
    }

    /// vᵀ F for an n×k factor F.
    fn project(&self, i: usize, factor: lowrank::problem::MatrixView<'_>) -> Vec<f64> {
        let v = self.vector(i);
        (0..factor.columns()).map(|c| (0..self.n).map(|j| v[j] * factor.row(j)[c]).sum()).collect()
    }
}

impl Operator for Distances {
    fn name(&self) -> &str {
        "distances"
    }

    fn domain(&self) -> Domain {
        Domain::symmetric(self.n)
    }

    fn measurements(&self) -> usize {
        self.pairs.len() + 1
    }

    fn normalization(&self) -> f64 {
        // Squared distances between n points: A*A is about n times the identity on centred matrices.
        1.0 / self.n as f64
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        let v = self.vector(i);
        v.iter().flat_map(|a| v.iter().map(move |b| a * b)).collect()
    }

    // ⟨v vᵀ, L Rᵀ⟩ = (vᵀL)·(vᵀR)
    fn forward(&self, _shard: usize, point: &Factors, out: &mut [f64]) {
        let m = self.measurements();
        for trial in 0..point.batch() {
            for i in 0..m {
                let (l, r) = (self.project(i, point.left(trial)), self.project(i, point.right(trial)));
                out[trial * m + i] = l.iter().zip(&r).map(|(a, b)| a * b).sum();
            }
        }
    }

    // out += Σ r_i v (vᵀV)
    fn adjoint_apply(&self, _shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let (m, k) = (self.measurements(), applied.search_rank());
        for trial in 0..applied.batch() {
            for i in 0..m {
                let (v, w) = (self.vector(i), self.project(i, applied.right(trial)));
                for j in 0..self.n {
                    for c in 0..k {
                        out[(trial * self.n + j) * k + c] += residual[trial * m + i] * v[j] * w[c];
                    }
                }
            }
        }
    }
}

fn main() -> lowrank::Result<()> {
    // The same laws that the built-in operators obey, on a small instance.
    println!("{} checks of the laws hold", laws::check(&Distances::all(6))?);

    // Thirty points on a helix, centred.
    let n = 30;
    let points: Vec<[f64; 3]> = (0..n).map(|j| 0.3 * j as f64).map(|t| [t.cos(), t.sin(), t / 5.0]).collect();
    let mean = [0, 1, 2].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / n as f64);
    let x: Vec<f64> = points.iter().flat_map(|p| [0, 1, 2].map(|axis| p[axis] - mean[axis])).collect();
    let truth = Truth::from_factor(n, 3, x)?;

    let problem = Problem::measure(Distances::all(n), truth)?;
    let settings =
        Settings::new(Method::gd()).search_rank(6).stop(Stop::default().relative_error(1e-3).max_iterations(20_000));
    let solution = Solver::new(problem, settings, Backend::Cpu)?.solve()?;
    let best = solution.best();
    println!(
        "{} after {} iterations: the points span {} dimensions, relative error {:.1e}",
        best.status,
        best.iterations,
        best.estimated_rank,
        best.relative_error.unwrap_or(f64::NAN),
    );
    Ok(())
}
