//! A service: one device, one uploaded operator, many observation vectors.
//!
//! Run with `cargo run --release --example service`.

use std::sync::Arc;
use std::time::Instant;

use lowrank::operators::Dense;
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Method, Problem, Settings, Solver, Stop};

fn main() -> lowrank::Result<()> {
    let operator = Arc::new(Dense::gaussian(Domain::symmetric(50), 1500, 1)?);
    // Requests come from elsewhere; here each is measured from its own truth.
    let truths = (1..=5).map(|seed| synthetic::psd(50).rank(2).seed(seed).build()).collect::<Result<Vec<_>, _>>()?;
    let requests: Vec<Vec<f64>> = truths
        .iter()
        .map(|truth| {
            let measured = Problem::measure(operator.clone(), truth.clone())?;
            Ok(measured.observations(0).unwrap_or_default().to_vec())
        })
        .collect::<lowrank::Result<_>>()?;

    // The device is opened and the matrices are uploaded here, once.
    let started = Instant::now();
    let settings = Settings::new(Method::gd()).search_rank(6).stop(Stop::default().residual(1e-4));
    let problem = Problem::new(operator, requests[0].clone())?;
    let mut solver = Solver::new(problem, settings, Backend::auto()?)?;
    println!("loaded on {} in {:.3} s", solver.engine().adapter, started.elapsed().as_secs_f64());

    for (request, truth) in requests.iter().zip(&truths) {
        let started = Instant::now();
        solver.set_observations(request)?;
        let solution = solver.solve()?;
        let best = solution.best();
        println!(
            "{} in {} iterations, {:.3} s, error {:.1e}",
            best.status,
            best.iterations,
            started.elapsed().as_secs_f64(),
            lowrank::diagnostics::relative_error(&best.product(), truth)?,
        );
    }
    Ok(())
}
