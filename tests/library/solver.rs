//! The loop: recovery, batches, stop rules, statuses.

use std::ops::ControlFlow;

use lowrank::operators::Dense;
use lowrank::problem::synthetic;
use lowrank::{Backend, Init, Method, Precision, Problem, Schedule, Settings, Solver, Status, Stop, Trial};

use crate::assert_invalid;

fn problem(n: usize, rank: usize, condition_number: f64, m: usize, seed: u64) -> Problem {
    let mut truth = synthetic::psd(n).rank(rank).seed(seed);
    if rank > 1 {
        truth = truth.condition_number(condition_number);
    }
    let truth = truth.build().unwrap();
    let operator = Dense::gaussian(truth.domain(), m, seed + 100).unwrap();
    Problem::measure(operator, truth).unwrap()
}

fn gd(search_rank: usize, scale: f64) -> Settings {
    Settings::new(Method::gd()).search_rank(search_rank).step_size(0.25).init(Init::SmallRandom { scale, seed: 1 })
}

#[test]
fn both_host_backends_recover_the_truth() {
    for (backend, precision) in
        [(Backend::Reference, Precision::F64), (Backend::Cpu, Precision::F32), (Backend::Cpu, Precision::F64)]
    {
        let settings = gd(8, 1e-5).precision(precision).stop(Stop::default().relative_error(1e-4).max_iterations(600));
        let solution = Solver::new(problem(30, 2, 1.5, 900, 3), settings, backend).unwrap().solve().unwrap();
        let best = solution.best();
        assert_eq!(best.status, Status::Converged);
        assert!(best.relative_error.unwrap() <= 1e-4 && best.iterations < 600);
        assert_eq!(best.estimated_rank, 2);
        assert_eq!(solution.trace.first().unwrap().iteration, 0);
        assert!((solution.trace[0].relative_error.unwrap() - 1.0).abs() < 1e-3);
    }
}

#[test]
fn automatic_settings_recover_without_a_truth_and_estimate_the_error() {
    let known = problem(30, 2, 1.5, 900, 5);
    let y = known.observations(0).unwrap().to_vec();
    let truth = known.truth(0).unwrap().clone();
    let blind = Problem::new(known.operator().clone(), y).unwrap();
    let settings = Settings::new(Method::gd()).holdout(0.1, 7).stop(Stop::default().residual(1e-4));
    let mut solver = Solver::new(blind, settings, Backend::Cpu).unwrap();
    assert_eq!(solver.notices().len(), 3, "{:?}", solver.notices());
    let solution = solver.solve().unwrap();
    let best = solution.best();
    let error = lowrank::diagnostics::relative_error(&best.product(), &truth).unwrap();
    let estimate = best.estimated_relative_error.unwrap();
    assert!(error < 1e-3, "{error}");
    assert!(estimate / error > 0.5 && estimate / error < 2.0, "{estimate} {error}");
}

#[test]
fn held_out_loss_keeps_the_best_iterate_under_noise() {
    // Far fewer measurements than unknowns of the wide factor and much noise: the fit overfits in the end.
    let noisy = problem(20, 1, 1.0, 150, 9).with_noise(0.3, 4).unwrap();
    let settings = gd(20, 1e-3).holdout(0.2, 1).stop(Stop::default().max_iterations(1500).stall_window(None));
    let solution = Solver::new(noisy, settings, Backend::Cpu).unwrap().solve().unwrap();
    let best = solution.best();
    let lowest = solution.trace.iter().filter_map(|r| r.holdout_loss).fold(f64::INFINITY, f64::min);
    assert!(best.kept_iteration < best.iterations, "{} {}", best.kept_iteration, best.iterations);
    assert_eq!(best.holdout_loss.unwrap(), lowest);
    let last = solution.trace.last().unwrap();
    assert!(last.holdout_loss.unwrap() > 1.05 * lowest);
    assert!(best.relative_error.unwrap() < last.relative_error.unwrap());
}

#[test]
fn a_batch_gives_what_single_runs_give() {
    let shared = problem(17, 2, 1.0, 300, 2);
    let trials = vec![
        Trial::default().seed(3),
        Trial::default().seed(4).init_scale(1e-2),
        Trial::default().seed(5).step_size(0.1),
        Trial::default().seed(3).search_rank(3),
        Trial::default().seed(6).rows(250),
    ];
    let stop = Stop::default().relative_error(1e-3).max_iterations(200);
    let run = |trials: Vec<Trial>| {
        let settings = gd(6, 1e-4).trials(trials).stop(stop);
        Solver::new(shared.clone(), settings, Backend::Cpu).unwrap().solve().unwrap()
    };
    let batch = run(trials.clone());
    let mut ends = Vec::new();
    for (j, trial) in trials.iter().enumerate() {
        let alone = run(vec![*trial]);
        let (a, b) = (&alone.trials[0], &batch.trials[j]);
        assert_eq!((a.status, a.iterations), (b.status, b.iterations), "trial {j}");
        assert_eq!(a.left().as_slice(), b.left().as_slice(), "trial {j}");
        ends.push(a.iterations);
    }
    ends.dedup();
    assert!(ends.len() > 2, "the trials were meant to end at different times: {ends:?}");
}

#[test]
fn trials_have_their_own_observations_and_truths() {
    let truths: Vec<_> = (0..3).map(|s| synthetic::psd(20).rank(1 + s as usize).seed(s).build().unwrap()).collect();
    let operator = Dense::gaussian(truths[0].domain(), 800, 1).unwrap();
    let problem = Problem::measure_all(operator, truths).unwrap();
    let settings = gd(6, 1e-4).stop(Stop::default().relative_error(1e-3).max_iterations(400));
    let solution = Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap();
    let ranks: Vec<_> = solution.trials.iter().map(|t| t.estimated_rank).collect();
    assert_eq!(ranks, [1, 2, 3]);
    assert!(solution.trials.iter().all(|t| t.status == Status::Converged));
}

#[test]
fn divergence_keeps_the_last_good_iterate() {
    let settings = gd(4, 1e-2).step_size(5.0).stop(Stop::default().max_iterations(500)).observe(Schedule::Every(1));
    let solution = Solver::new(problem(12, 2, 1.0, 300, 1), settings, Backend::Cpu).unwrap().solve().unwrap();
    let best = solution.best();
    assert_eq!(best.status, Status::Diverged);
    assert!(best.kept_iteration < best.iterations);
    assert!(best.train_loss.is_finite() && best.left().as_slice().iter().all(|v| v.is_finite()));
}

#[test]
fn a_long_plateau_is_not_a_stall() {
    // κ(X) = 20: after the first direction the loss stays flat for a thousand iterations while the second grows.
    let settings = gd(4, 1e-4).stop(Stop::default().max_iterations(20_000).relative_error(1e-4));
    let solution = Solver::new(problem(12, 2, 20.0, 800, 6), settings, Backend::Cpu).unwrap().solve().unwrap();
    let best = solution.best();
    let losses: Vec<_> = solution.trace.iter().map(|r| (r.iteration, r.train_loss)).collect();
    let plateau = losses.iter().filter(|(t, _)| (200..700).contains(t)).map(|(_, l)| *l);
    let (low, high) = plateau.fold((f64::INFINITY, 0.0_f64), |(a, b), l| (a.min(l), b.max(l)));
    assert!(low > 0.99 * high, "this run was meant to have a plateau: {low} {high}");
    assert_eq!(best.status, Status::Converged, "at {}: {:?}", best.iterations, best.relative_error);
    assert!(best.iterations > 1000);
}

#[test]
fn a_run_at_its_floor_stalls() {
    let settings = gd(8, 1e-2).stop(Stop::default().max_iterations(100_000));
    let solution = Solver::new(problem(16, 2, 1.0, 500, 6), settings, Backend::Cpu).unwrap().solve().unwrap();
    assert_eq!(solution.best().status, Status::Stalled);
}

#[test]
fn limits_and_interruption() {
    let p = problem(12, 1, 1.0, 200, 1);
    let run = |stop: Stop, break_at: usize| {
        let mut solver = Solver::new(p.clone(), gd(3, 1e-3).stop(stop), Backend::Cpu).unwrap();
        let observer = |progress: &lowrank::Progress<'_>| {
            if progress.iteration >= break_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let solution = solver.solve_with(observer).unwrap();
        (solution.best().status, solution.best().iterations)
    };
    assert_eq!(run(Stop::default().max_iterations(25), usize::MAX), (Status::IterationLimit, 25));
    assert_eq!(run(Stop::default().max_iterations(0), usize::MAX), (Status::IterationLimit, 0));
    assert_eq!(run(Stop::default().time(0.0), usize::MAX), (Status::TimeLimit, 0));
    assert_eq!(run(Stop::default(), 30), (Status::Interrupted, 30));
}

#[test]
fn new_observations_reuse_the_loaded_operator() {
    let truths: Vec<_> = (0..2).map(|s| synthetic::psd(15).rank(2).seed(s).build().unwrap()).collect();
    let operator = std::sync::Arc::new(Dense::gaussian(truths[0].domain(), 400, 1).unwrap());
    let y: Vec<Vec<f64>> = truths
        .iter()
        .map(|t| Problem::measure(operator.clone(), t.clone()).unwrap().observations(0).unwrap().to_vec())
        .collect();
    let settings = Settings::new(Method::gd()).search_rank(4).stop(Stop::default().residual(1e-4));
    let mut solver = Solver::new(Problem::new(operator, y[0].clone()).unwrap(), settings, Backend::Cpu).unwrap();
    for (y, truth) in y.iter().zip(&truths) {
        solver.set_observations(y).unwrap();
        let solution = solver.solve().unwrap();
        assert!(lowrank::diagnostics::relative_error(&solution.best().product(), truth).unwrap() < 1e-3);
    }
    assert!(solver.set_observations(&y[0][1..]).unwrap_err().to_string().contains("399"));
}

#[test]
fn refusals_name_the_setting_and_the_fix() {
    let p = problem(12, 1, 1.0, 200, 1);
    let base = gd(3, 1e-3);
    let cases = [
        ("step_size", base.clone().step_size(0.0)),
        ("step_size", base.clone().step_size(f64::NAN)),
        ("step_size", base.clone().trials([Trial::default().step_size(-1.0)])),
        ("init_scale", base.clone().init(Init::SmallRandom { scale: 0.0, seed: 0 })),
        ("search_rank", base.clone().search_rank(0)),
        ("rows", base.clone().trials([Trial::default().rows(201)])),
        ("instance", base.clone().trials([Trial::default().instance(1)])),
        ("holdout", base.clone().holdout(1.0, 0)),
        ("holdout", base.clone().holdout(0.9, 0).trials([Trial::default().rows(1)])),
        ("observe", base.clone().observe(Schedule::Every(0))),
        ("stop_residual", base.clone().stop(Stop::default().residual(f64::NAN))),
    ];
    for (name, settings) in cases {
        let error = Solver::new(p.clone(), settings, Backend::Cpu).err().expect(name);
        assert_invalid(&error, name, &[], &[]);
    }
    let blind = Problem::new(p.operator().clone(), p.observations(0).unwrap()).unwrap();
    let settings = base.stop(Stop::default().relative_error(1e-3));
    assert_invalid(&Solver::new(blind, settings, Backend::Cpu).err().unwrap(), "stop_relative_error", &["truth"], &[]);
    let zero = Problem::new(p.operator().clone(), vec![0.0; 200]).unwrap();
    let found = Solver::new(zero, Settings::new(Method::gd()), Backend::Cpu).unwrap().solve().unwrap();
    assert_eq!(found.trials[0].status, Status::Converged);
    assert!(found.trials[0].to_dense().iter().all(|v| *v == 0.0));
    let mut bad = p.observations(0).unwrap().to_vec();
    bad[17] = f64::NAN;
    let error = Problem::new(p.operator().clone(), bad).err().unwrap();
    assert_invalid(&error, "observations", &["NaN", "17"], &["finite"]);
}
