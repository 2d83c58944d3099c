//! Pursuit: what it recovers without being told a rank, a scale or a step, and how it ends.

use lowrank::gpu::Device;
use lowrank::methods::Named;
use lowrank::operators::{Dense, Entries, Layout, Loss};
use lowrank::problem::{Domain, Factors, synthetic};
use lowrank::solver::{Checkpoint, SaveEvery};
use lowrank::{Backend, Init, Method, Model, Precision, Problem, Settings, Solution, Solver, Status, Stop, Trial};

use crate::says::assert_says;

fn settings() -> Settings {
    Settings::new(Method::pursuit()).precision(Precision::F64).stop(Stop::default().max_iterations(2000))
}

fn solve(problem: &Problem, settings: &Settings, backend: &Backend) -> Solution {
    Solver::new(problem.clone(), settings.clone(), backend.clone()).unwrap().solve().unwrap()
}

fn psd(n: usize, rank: usize, m: usize, seed: u64) -> Problem {
    let truth = synthetic::psd(n).rank(rank).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), m, seed + 100).unwrap(), truth).unwrap()
}

fn pair(n1: usize, n2: usize, rank: usize, m: usize, seed: u64) -> Problem {
    let truth = synthetic::asymmetric(n1, n2).rank(rank).seed(seed).build().unwrap();
    Problem::measure(Entries::uniform(truth.domain(), m, seed + 100).unwrap(), truth).unwrap()
}

fn error(solution: &Solution) -> f64 {
    solution.best().relative_error.unwrap()
}

/// Columns that are not zero.
fn columns(solution: &Solution, trial: usize) -> usize {
    solution.trials[trial].singular_values.iter().filter(|value| **value > 0.0).count()
}

#[test]
fn noise_in_small_problems_is_no_second_column() {
    for seed in 0..20 {
        let truth = synthetic::psd(32).rank(1).seed(seed).build().unwrap();
        let problem = Problem::measure(Dense::gaussian(truth.domain(), 204, seed).unwrap(), truth).unwrap();
        let problem = problem.with_noise(0.05, seed).unwrap();
        let solution = solve(&problem, &settings().search_rank(8), &Backend::Cpu);
        assert_eq!(columns(&solution, 0), 1, "seed {seed}");
    }
}

#[test]
fn few_measurements_and_many_columns_give_the_rank_and_the_matrix() {
    // 117 degrees of freedom: 3, 2, and 1.5 times as many measurements.
    for m in [350, 240, 175] {
        let solution = solve(&psd(40, 3, m, 1), &settings(), &Backend::Cpu);
        let found = (solution.best().status, columns(&solution, 0));
        assert_eq!(found, (Status::Finished, 3), "m = {m}: {:e}", error(&solution));
        assert!(error(&solution) < 1e-7, "m = {m}: {:e}", error(&solution));
    }
}

#[test]
fn a_column_that_leaves_no_residual_is_kept_where_few_measurements_are_left() {
    // 131 measurements for 87 degrees of freedom: 44 are left beside the truth's, fewer than three times those of a column.
    for seed in 0..10 {
        let problem = psd(30, 3, 131, seed);
        let solution = solve(&problem, &settings().search_rank(3), &Backend::Cpu);
        assert!(error(&solution) < 1e-5, "seed {seed}: {:e} with {} columns", error(&solution), columns(&solution, 0));
    }
}

#[test]
fn every_backend_comes_to_the_same_matrix() {
    let mut backends = vec![Backend::Reference, Backend::Cpu];
    let device = Device::open(None).ok();
    let required = std::env::var("LOWRANK_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(device.is_some() || !required, "LOWRANK_REQUIRE_GPU=1 and no adapter: install a Vulkan driver");
    backends.extend(device.map(Backend::Gpu));
    for problem in [psd(24, 2, 300, 3), pair(40, 30, 2, 700, 4)] {
        for backend in &backends {
            let solution = solve(&problem, &settings().precision(Precision::F32), backend);
            assert!(error(&solution) < 1e-5, "{backend:?}: {:e}", error(&solution));
            assert_eq!((solution.best().status, columns(&solution, 0)), (Status::Finished, 2), "{backend:?}");
        }
    }
}

#[test]
fn entries_are_completed_without_a_rank() {
    for (rank, m) in [(1, 1_000), (3, 2_600)] {
        let solution = solve(&pair(70, 60, rank, m, 7), &settings(), &Backend::Cpu);
        assert_eq!(columns(&solution, 0), rank);
        assert!(error(&solution) < 1e-7, "rank {rank}: {:e}", error(&solution));
    }
}

#[test]
fn matrices_of_zeros_and_ones_will_do() {
    // Twice as many equations as unknowns, none of them centred.
    let (n, m) = (10, 120);
    let domain = Domain::symmetric(n);
    let mut state = 1_u64;
    let mut bit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 63) as f64
    };
    let rows: Vec<f64> = (0..m * domain.dimension()).map(|_| bit()).collect();
    let truth = synthetic::psd(n).rank(2).condition_number(2.0).seed(4).build().unwrap();
    let problem = Problem::measure(Dense::from_rows(domain, Layout::Packed, &rows).unwrap(), truth).unwrap();
    let solution = solve(&problem, &settings(), &Backend::Cpu);
    assert_eq!(columns(&solution, 0), 2);
    assert!(error(&solution) < 1e-7, "{:e}", error(&solution));
}

#[test]
fn units_do_not_matter() {
    let (problem, n) = (psd(20, 2, 260, 5), 20);
    let y = problem.observations(0).unwrap().to_vec();
    let plain = solve(&problem, &settings(), &Backend::Cpu);
    // Powers of two, so that no number is rounded.
    for d in [2.0_f64.powi(-40), 2.0_f64.powi(40)] {
        let scaled = Problem::new(problem.operator().clone(), y.iter().map(|y| d * y).collect::<Vec<f64>>()).unwrap();
        let other = solve(&scaled, &settings(), &Backend::Cpu);
        let (a, b) = (plain.best().to_dense(), other.best().to_dense());
        let distance: f64 = a.iter().zip(&b).map(|(a, b)| (a - b / d).powi(2)).sum::<f64>().sqrt();
        let length: f64 = a.iter().map(|a| a * a).sum::<f64>().sqrt();
        assert_eq!(a.len(), n * n);
        assert!(distance < 1e-8 * length, "{d:e}: {distance:e} of {length:e}");
    }
}

#[test]
fn noise_ends_the_run_at_the_rank_of_the_truth() {
    for seed in [11, 12, 13] {
        let problem = psd(30, 3, 1_300, seed).with_noise(0.05, seed).unwrap();
        let solution = solve(&problem, &settings(), &Backend::Cpu);
        assert_eq!((solution.best().status, columns(&solution, 0)), (Status::Finished, 3), "seed {seed}");
        // σ√(dof/m)/‖M‖ with isometric measurements, ‖M‖ about 1.
        assert!(error(&solution) < 0.05, "seed {seed}: {:e}", error(&solution));
    }
}

#[test]
fn a_batch_gives_what_its_trials_give_alone() {
    let problem = psd(16, 2, 220, 9);
    let trials = [Trial::default().search_rank(2), Trial::default().rows(150).seed(3), Trial::default().search_rank(1)];
    let together = solve(&problem, &settings().trials(trials), &Backend::Cpu);
    for (at, trial) in trials.into_iter().enumerate() {
        let alone = solve(&problem, &settings().trials([trial]), &Backend::Cpu);
        let (a, b) = (&together.trials[at], &alone.trials[0]);
        assert_eq!((a.status, columns(&together, at)), (b.status, columns(&alone, 0)), "trial {at}");
        let difference = (a.relative_error.unwrap() - b.relative_error.unwrap()).abs();
        assert!(difference < 1e-9, "trial {at}: {difference:e}");
    }
    assert_eq!(columns(&together, 2), 1);
}

#[test]
fn a_start_that_fits_is_gone_on_from() {
    let problem = psd(20, 2, 260, 5);
    let first = solve(&problem, &settings(), &Backend::Cpu);
    let left = first.best().left();
    let (rows, kept) = (left.rows(), columns(&first, 0));
    let k = left.columns();
    let start: Vec<f64> = left.as_slice().chunks(k).flat_map(|row| row[..kept].iter().map(|v| 1.001 * v)).collect();
    let given = settings().init(Init::Given(Factors::single(1, rows, kept, start).unwrap()));
    let again = solve(&problem, &given, &Backend::Cpu);
    assert!(error(&again) < 1e-8, "{:e}", error(&again));
    assert!(again.best().iterations < first.best().iterations, "{}", again.best().iterations);
}

#[test]
fn a_ridge_shrinks_it_as_it_shrinks_what_others_find() {
    let problem = psd(16, 2, 220, 9);
    let matrix = |settings: Settings| solve(&problem, &settings.ridge(0.05), &Backend::Cpu).best().to_dense();
    let here = matrix(settings());
    let there = matrix(settings().method(Method::cg()).search_rank(2));
    let norm = |values: Vec<f64>| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let distance = norm(here.iter().zip(&there).map(|(a, b)| a - b).collect());
    let plain = norm(solve(&problem, &settings(), &Backend::Cpu).best().to_dense());
    assert!(distance < 1e-3 * plain, "{distance:e}");
    assert!(norm(here) < 0.99 * plain);
}

#[test]
fn a_saved_run_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("run.ckpt"), dir.path().join("copy.ckpt"));
    let problem = psd(20, 2, 150, 6);
    let saved = settings().checkpoint(&path, SaveEvery::Iterations(7));
    let mut solver = Solver::new(problem.clone(), saved, Backend::Cpu).unwrap();
    let whole = solver
        .solve_with(|progress| {
            if progress.iteration == 20 {
                std::fs::copy(&path, &copy).unwrap();
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    let from = Checkpoint::read(&copy).unwrap();
    assert_eq!(from.iteration(), 14);
    let resumed = Solver::new(problem, settings(), Backend::Cpu).unwrap().resume(&from).unwrap();
    assert_eq!(whole.best().left().as_slice(), resumed.best().left().as_slice());
    assert_eq!(whole.best().iterations, resumed.best().iterations);
}

#[test]
fn what_it_is_not_for_is_refused() {
    let problem = psd(8, 1, 60, 1);
    let refused = |settings: Settings| match Solver::new(problem.clone(), settings, Backend::Cpu) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    let text = refused(settings().loss(Loss::L1));
    assert_says(&text, &["loss", "square"]);
    let text = refused(settings().model(Model::named("deep", &Named::default()).unwrap()));
    assert_says(&text, &["pursuit", "deep"]);
}

#[test]
fn eigenvalues_of_both_signs_are_found_with_more_columns_than_there_are() {
    for (signature, m, seed) in [((2, 1), 240, 3), ((6, 5), 150, 4), ((1, 3), 260, 5)] {
        let of_truth = (signature.0.min(2), signature.1.min(3).min(1 + signature.1 / 3));
        let truth = synthetic::signed(24, of_truth).seed(seed).build().unwrap();
        let problem = Problem::measure(Dense::gaussian(truth.domain(), m, seed + 100).unwrap(), truth).unwrap();
        let rank = of_truth.0 + of_truth.1;
        for backend in [Backend::Reference, Backend::Cpu] {
            let settings = settings().model(Model::signed(signature.0, signature.1));
            let solution = solve(&problem, &settings, &backend);
            let found = (solution.best().status, solution.best().estimated_rank);
            assert_eq!(found, (Status::Finished, rank), "{signature:?}");
            assert!(error(&solution) < 1e-6, "{signature:?}: {:e}", error(&solution));
        }
    }
}
