//! Measurements by a function without an adjoint, such as a simulator: `cargo run --release --example black_box`.
//!
//! The function blurs an 8×8 matrix and reads 60 values. Nothing tells how the values depend on the entries, so no gradient can be
//! computed; the method `zeroth-order` compares values of the loss at pairs of points instead.

use lowrank::operators::{BlackBox, Dense, Operator};
use lowrank::problem::{Domain, Factors, synthetic};
use lowrank::{Backend, Error, Method, Precision, Problem, Result, Settings, Solver, Stop};

/// A simulator that nobody can look into: values of a matrix of n×n numbers, row by row.
fn simulator(n: usize, values: usize) -> Result<impl Fn(&[f64]) -> Vec<f64> + Send + Sync> {
    let inside = Dense::gaussian(Domain::rectangular(n, n), values, 7)?;
    let identity: Vec<f64> = (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect();
    Ok(move |z: &[f64]| {
        let mut y = vec![0.0; values];
        if let Ok(point) = Factors::pair(1, Domain::rectangular(n, n), n, z.to_vec(), identity.clone()) {
            for shard in 0..inside.shards() {
                inside.forward(shard, &point, &mut y[inside.shard_range(shard)]);
            }
        }
        y
    })
}

fn main() -> Result<()> {
    let n = 8;
    let operator = BlackBox::new(Domain::rectangular(n, n), 60, simulator(n, 60)?)?;
    let problem = Problem::measure(operator, synthetic::asymmetric(n, n).rank(1).seed(2).build()?)?;

    // Other methods say what they need.
    let refused = Solver::new(problem.clone(), Settings::new(Method::gd()), Backend::Cpu).err();
    refused.iter().for_each(|error| println!("{error}"));

    let settings = Settings::new(Method::zeroth_order())
        .search_rank(1)
        .precision(Precision::F64)
        .stop(Stop::default().max_iterations(20_000).relative_error(1e-6).stall_window(None));
    let solution = Solver::new(problem, settings, Backend::Cpu)?.solve()?;
    let trial = solution.best();
    println!("{} iterations, relative error {:?}", trial.iterations, trial.relative_error);
    match trial.relative_error {
        Some(error) if error <= 1e-6 => Ok(()),
        other => Err(Error::unsupported(format!("an error of {other:?}"), "allow more iterations")),
    }
}
