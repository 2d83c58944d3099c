//! Own arrays in, a matrix out: sensing matrices and observations that come from somewhere else.
//!
//! Run with `cargo run --release --example own_arrays`.

use lowrank::operators::Dense;
use lowrank::operators::dense::Layout;
use lowrank::problem::Domain;
use lowrank::{Backend, Method, Problem, Settings, Solver, Stop};

fn main() -> lowrank::Result<()> {
    // Stand-ins for your data: m full n×n matrices, row-major, and y_i = ⟨A_i, M⟩ for M = x xᵀ.
    let (n, m) = (12, 240);
    let x: Vec<f32> = (0..n).map(|j| (0.4 * j as f32).sin() / 2.5).collect();
    let mut state = 12345_u32;
    let mut number = || {
        // Four uniform numbers, centred and scaled to variance 1.
        let mut sum = -2.0_f32;
        for _ in 0..4 {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            sum += (state >> 8) as f32 / (1 << 24) as f32;
        }
        sum * 3.0_f32.sqrt()
    };
    let matrices: Vec<f32> = (0..m * n * n).map(|_| number()).collect();
    let observations: Vec<f64> =
        matrices.chunks(n * n).map(|a| (0..n * n).map(|q| f64::from(a[q] * x[q / n] * x[q % n])).sum()).collect();

    // Full matrices are symmetrised and packed; packed ones (Layout::Packed) are taken as they are.
    let operator = Dense::from_rows(Domain::symmetric(n), Layout::Full, &matrices)?;
    let problem = Problem::new(operator, observations)?;
    // Step, start and search rank are chosen from the data. A tenth of the measurements is kept aside: it says how good
    // the result is although nobody knows the truth.
    let settings = Settings::new(Method::gd()).holdout(0.1, 1).stop(Stop::default().residual(1e-5));
    let mut solver = Solver::new(problem, settings, Backend::auto()?)?;
    for notice in solver.notices() {
        println!("{notice}");
    }
    let solution = solver.solve()?;
    let best = solution.best();
    println!(
        "{} after {} iterations, rank {}, estimated relative error {:.1e}",
        best.status,
        best.iterations,
        best.estimated_rank,
        best.estimated_relative_error.unwrap_or(f64::NAN),
    );
    let at = best.entries(&[(1, 1), (2, 7)]);
    println!("M[1,1] = {:.6} (truth {:.6}), M[2,7] = {:.6} (truth {:.6})", at[0], x[1] * x[1], at[1], x[2] * x[7]);
    Ok(())
}
