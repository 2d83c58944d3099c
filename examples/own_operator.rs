//! An operator of your own, in forty lines: differences of rows, which are distances between points.
//!
//! For points p_1 … p_n (the rows of X), M = XXᵀ is their Gram matrix, and ‖p_a − p_b‖² = ⟨A, M⟩ with
//! A = (e_a − e_b)(e_a − e_b)ᵀ. A program that knows distances of some pairs recovers the points, up to a motion. The
//! weight w of a pair multiplies its A.
//!
//! Run with `cargo run --release --example own_operator`.

use lowrank::operators::Operator;
use lowrank::problem::{Domain, Factors, Truth};
use lowrank::{Backend, Method, Problem, Settings, Solver, Stop, laws};

/// Weighted squared distances of pairs (a, b, w) among n points.
struct Distances {
    n: usize,
    pairs: Vec<(usize, usize, f64)>,
}

impl Operator for Distances {
    fn name(&self) -> &str {
        "distances"
    }

    fn domain(&self) -> Domain {
        Domain::symmetric(self.n)
    }

    fn measurements(&self) -> usize {
        self.pairs.len()
    }

    // A*A is about 4m/n² times the identity on centred matrices where all weights are 1.
    fn normalization(&self) -> f64 {
        (self.n * self.n) as f64 / (4 * self.pairs.len()) as f64
    }

    // Threads work on different shards, which `shard_range` cuts evenly.
    fn shards(&self) -> usize {
        16
    }

    fn sensing_matrix(&self, i: usize) -> Vec<f64> {
        let (a, b, w) = self.pairs[i];
        let v = |j| f64::from(j == a) - f64::from(j == b);
        (0..self.n * self.n).map(|at| w * v(at / self.n) * v(at % self.n)).collect()
    }

    // ⟨A, L Rᵀ⟩ = w·(l_a − l_b)·(r_a − r_b)
    fn forward(&self, shard: usize, point: &Factors, out: &mut [f64]) {
        let pairs = &self.pairs[self.shard_range(shard)];
        for (trial, out) in out.chunks_mut(pairs.len().max(1)).enumerate() {
            let (l, r) = (point.left(trial), point.right(trial));
            for (out, &(a, b, w)) in out.iter_mut().zip(pairs) {
                let (l, r) = (l.row(a).iter().zip(l.row(b)), r.row(a).iter().zip(r.row(b)));
                *out = w * l.zip(r).map(|((la, lb), (ra, rb))| (la - lb) * (ra - rb)).sum::<f64>();
            }
        }
    }

    // out_a += e·w·(v_a − v_b) and out_b −= the same
    fn adjoint_apply(&self, shard: usize, residual: &[f64], applied: &Factors, out: &mut [f64]) {
        let (pairs, k) = (&self.pairs[self.shard_range(shard)], applied.search_rank());
        for (trial, out) in out.chunks_mut(self.n * k).enumerate() {
            let (v, residual) = (applied.right(trial), &residual[trial * pairs.len()..][..pairs.len()]);
            for (e, &(a, b, w)) in residual.iter().zip(pairs) {
                for (row, weight) in [(a, e * w), (b, -e * w)] {
                    let difference = v.row(a).iter().zip(v.row(b)).map(|(va, vb)| va - vb);
                    out[row * k..][..k].iter_mut().zip(difference).for_each(|(out, d)| *out += weight * d);
                }
            }
        }
    }
}

/// Most of the pairs of n points; those far apart in the list weigh less.
fn pairs(n: usize) -> Vec<(usize, usize, f64)> {
    let all = (0..n).flat_map(|a| (0..a).map(move |b| (a, b, if a - b > n / 2 { 0.5 } else { 1.0 })));
    all.filter(|(a, b, _)| (a * a + 7 * b) % 5 < 3).collect()
}

fn main() -> lowrank::Result<()> {
    // The same laws that the built-in operators obey, on a small instance.
    println!("{} checks of the laws hold", laws::check(&Distances { n: 6, pairs: pairs(6) })?);

    // Points on a helix, centred: distances do not see where the origin is.
    let n = 300;
    let points: Vec<[f64; 3]> = (0..n).map(|j| 0.03 * j as f64).map(|t| [t.cos(), t.sin(), t / 5.0]).collect();
    let mean = [0, 1, 2].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / n as f64);
    let x: Vec<f64> = points.iter().flat_map(|p| [0, 1, 2].map(|axis| p[axis] - mean[axis])).collect();
    let truth = Truth::from_factor(n, 3, x)?;

    let problem = Problem::measure(Distances { n, pairs: pairs(n) }, truth)?;
    let settings = Settings::new(Method::momentum())
        .search_rank(6)
        .stop(Stop::default().relative_error(1e-3).max_iterations(20_000));
    let solution = Solver::new(problem, settings, Backend::Cpu)?.solve()?;
    let best = solution.best();
    println!(
        "{} after {} iterations of {:.2} ms: the points span {} dimensions, relative error {:.1e}",
        best.status,
        best.iterations,
        1e3 * solution.timing.seconds_per_iteration,
        best.estimated_rank,
        best.relative_error.unwrap_or(f64::NAN),
    );
    Ok(())
}
