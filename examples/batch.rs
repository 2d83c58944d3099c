//! A batch of trials over one operator: how the error follows the size of the start. One read of the measurements serves
//! all trials of an iteration.
//!
//! Run with `cargo run --release --example batch`.

use lowrank::operators::Dense;
use lowrank::problem::synthetic;
use lowrank::{Backend, Method, Problem, Settings, Solver, Stop, Trial};

fn main() -> lowrank::Result<()> {
    let truth = synthetic::psd(60).rank(3).condition_number(1.5).seed(7).build()?;
    let operator = Dense::gaussian(truth.domain(), 1800, 8)?;
    let problem = Problem::measure(operator, truth)?;

    let scales = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];
    let trials =
        scales.iter().flat_map(|&scale| (1..=4).map(move |seed| Trial::default().init_scale(scale).seed(seed)));
    let settings = Settings::new(Method::gd())
        .search_rank(40)
        .step_size(0.25)
        .trials(trials)
        .stop(Stop::default().max_iterations(250).stall_window(None));
    let mut solver = Solver::new(problem, settings, Backend::auto()?)?;
    let solution = solver.solve()?;

    println!("init scale   median test error after 250 iterations");
    for (scale, group) in scales.iter().zip(solution.trials.chunks(4)) {
        let mut errors: Vec<f64> = group.iter().filter_map(|t| t.relative_error).collect();
        errors.sort_by(f64::total_cmp);
        println!("{scale:>10.0e}   {:.2e}", (errors[1] + errors[2]) / 2.0);
    }
    println!("{:.2e} s an iteration of all {} trials", solution.timing.seconds_per_iteration, solution.trials.len());
    Ok(())
}
