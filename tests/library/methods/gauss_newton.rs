//! Gauss–Newton on few rows: what it recovers, how few passes it takes, how it ends, and what it refuses.

use lowrank::operators::{Dense, Entries, Layout, Loss, RankOne, Seeded};
use lowrank::problem::{Domain, Factors, synthetic};
use lowrank::solver::{Checkpoint, SaveEvery};
use lowrank::{
    Backend, Init, Method, Model, Precision, Problem, Schedule, Settings, Solution, Solver, Status, Stop, Trial,
};

use crate::says::assert_says;

fn settings() -> Settings {
    let stop = Stop::default().max_iterations(60);
    Settings::new(Method::gauss_newton()).precision(Precision::F64).observe(Schedule::Every(1)).stop(stop)
}

fn solve(problem: &Problem, settings: &Settings) -> Solution {
    Solver::new(problem.clone(), settings.clone(), Backend::Cpu).unwrap().solve().unwrap()
}

fn psd(n: usize, rank: usize, kappa: f64, m: usize, seed: u64) -> Problem {
    let truth = synthetic::psd(n).rank(rank).condition_number(kappa.sqrt()).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), m, seed + 100).unwrap(), truth).unwrap()
}

fn pair(seed: u64) -> Problem {
    let truth = synthetic::asymmetric(40, 25).rank(3).condition_number(4.0).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), 800, seed + 100).unwrap(), truth).unwrap()
}

fn columns(solution: &Solution, trial: usize) -> usize {
    solution.trials[trial].singular_values.iter().filter(|value| **value > 0.0).count()
}

/// (relative error, columns, status) of the first trial.
fn found(solution: &Solution) -> (f64, usize, Status) {
    (solution.trials[0].relative_error.unwrap(), columns(solution, 0), solution.trials[0].status)
}

#[test]
fn it_starts_at_zero() {
    let solution = solve(&psd(30, 2, 1.0, 400, 1), &settings().search_rank(4));
    assert_eq!(solution.trials[0].parameters.init_scale, Some(0.0));
    let first = solution.trace.first().unwrap();
    assert_eq!((first.iteration, first.relative_residual), (0, 1.0));
    assert!((first.relative_error.unwrap() - 1.0).abs() < 1e-12, "{:?}", first.relative_error);
}

#[test]
fn the_rank_and_the_matrix_come_from_few_passes() {
    // The degrees of freedom of rank 3 are 147: m is 2, 4 and 10 times as many.
    for (kappa, m) in [(1.0, 300), (100.0, 600), (10.0, 1500)] {
        for k in [3, 50] {
            let solution = solve(&psd(50, 3, kappa, m, 1), &settings().search_rank(k));
            let (error, columns, status) = found(&solution);
            assert!(error < 1e-12, "kappa {kappa}, m {m}, k {k}: {error:e}");
            assert_eq!((columns, status), (3, Status::Finished));
            let passes = solution.timing.passes;
            assert!(passes > 1.0 && passes < 14.0, "kappa {kappa}, m {m}, k {k}: {passes} passes");
        }
    }
}

/// Its iterations are as dear as observations, so it does not wait for the next of these.
#[test]
fn it_ends_between_observations() {
    let problem = psd(50, 3, 10.0, 1500, 1);
    let run = |stop: Stop, every: usize| {
        let stop = stop.max_iterations(60);
        solve(&problem, &settings().search_rank(5).stop(stop).observe(Schedule::Every(every)))
    };
    let end = |solution: &Solution| (solution.trials[0].iterations, solution.trials[0].status);
    for (stop, status) in
        [(Stop::default(), Status::Finished), (Stop::default().relative_error(1e-3), Status::Converged)]
    {
        let (fine, coarse) = (run(stop, 1), run(stop, 1000));
        assert_eq!(end(&fine), end(&coarse));
        assert_eq!((fine.trials[0].status, coarse.trace.len()), (status, 2));
    }
    let seconds = run(Stop::default(), 1000).timing.solve;
    assert_eq!(end(&run(Stop::default().time(0.1 * seconds), 1000)).1, Status::TimeLimit);
}

/// Where there are many rows, most steps read some of them: Z is known to rounding before all were read a few times.
#[test]
fn few_rows_suffice_while_the_rank_grows() {
    let solution = solve(&psd(60, 2, 9.0, 12_000, 3), &settings().search_rank(60));
    let (passes, iterations) = (solution.timing.passes, solution.trials[0].iterations as f64);
    assert!(found(&solution).0 < 1e-12);
    assert!(passes < 0.7 * iterations, "{passes} passes in {iterations} iterations");
}

#[test]
fn every_model_and_operator_comes_to_the_matrix() {
    let signed = synthetic::signed(30, (2, 1)).seed(5).build().unwrap();
    let signed = Problem::measure(Dense::gaussian(signed.domain(), 600, 7).unwrap(), signed).unwrap();
    let seeded = synthetic::psd(30).rank(2).seed(6).build().unwrap();
    let seeded = Problem::measure(Seeded::new(seeded.domain(), 500, 8).unwrap(), seeded).unwrap();
    let vectors = synthetic::psd(30).rank(2).seed(4).build().unwrap();
    let vectors = Problem::measure(RankOne::gaussian(vectors.domain(), 500, 9).unwrap(), vectors).unwrap();
    let cases = [
        ("asymmetric", pair(2), settings().search_rank(10), 3),
        ("signed", signed, settings().model(Model::signed(4, 4)), 3),
        ("seeded", seeded, settings().search_rank(8), 2),
        ("rank_one", vectors, settings().search_rank(8), 2),
    ];
    for (name, problem, settings, rank) in cases {
        let solution = solve(&problem, &settings);
        let (error, columns, status) = found(&solution);
        let trial = &solution.trials[0];
        assert!(error < 1e-11, "{name}: {error:e}, residual {:e}", trial.relative_residual);
        assert_eq!((columns, status), (rank, Status::Finished), "{name}");
    }
}

#[test]
fn noise_ends_the_growth_at_the_rank() {
    let truth = synthetic::psd(40).rank(2).seed(2).build().unwrap();
    let problem =
        Problem::measure(Dense::gaussian(truth.domain(), 1500, 3).unwrap(), truth).unwrap().with_noise(0.05, 4);
    let ours = solve(&problem.unwrap(), &settings().search_rank(40));
    let (error, columns, status) = found(&ours);
    assert_eq!((columns, status), (2, Status::Finished));
    // 79 degrees of freedom, √2 as the size of M.
    let expected = 0.05 * (79.0_f64 / 1500.0).sqrt() / 2.0_f64.sqrt();
    assert!(error < 2.0 * expected, "{error:e} against {expected:e}");
}

#[test]
fn user_matrices_of_any_scale_and_single_precision_work() {
    let (n, m) = (20, 300);
    let truth = synthetic::psd(n).rank(2).seed(3).build().unwrap();
    for scale in [1e-4, 1e3] {
        let numbers: Vec<f32> = (0..m * n * (n + 1) / 2)
            .map(|i| (scale * (((i as f64 + 1.0) * 12.9898).sin() * 43_758.545_3).fract()) as f32)
            .collect();
        let dense = Dense::from_rows(Domain::symmetric(n), Layout::Packed, &numbers).unwrap();
        let problem = Problem::measure(dense, truth.clone()).unwrap();
        let solution = solve(&problem, &settings().precision(Precision::F32).search_rank(20));
        let (error, columns, _) = found(&solution);
        assert!(error < 2e-5 && columns == 2, "{scale}: {error:e}, {columns} columns");
    }
}

#[test]
fn zero_observations_give_the_zero_matrix() {
    let dense = Dense::gaussian(Domain::symmetric(8), 60, 1).unwrap();
    let problem = Problem::new(dense, vec![0.0; 60]).unwrap();
    let solution = solve(&problem, &settings().search_rank(4));
    assert_eq!((columns(&solution, 0), solution.trials[0].status == Status::Diverged), (0, false));
}

/// Trials of a batch have ranks and rows of their own.
#[test]
fn a_batch_of_trials_gives_what_each_gives_alone() {
    let problem = psd(20, 2, 1.0, 400, 4);
    let trials = [Trial::default().search_rank(2), Trial::default().search_rank(6).rows(300)];
    let together = solve(&problem, &settings().trials(trials));
    for (at, trial) in trials.into_iter().enumerate() {
        let alone = solve(&problem, &settings().trials([trial]));
        let values = |solution: &Solution, at: usize| solution.trials[at].singular_values.clone();
        let (together, alone) = (values(&together, at), values(&alone, 0));
        let apart = together.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-12, "trial {at}: {together:?} {alone:?}");
    }
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    let problem = psd(30, 3, 25.0, 500, 6);
    let whole = solve(&problem, &settings().search_rank(8));
    let short = settings().search_rank(8).stop(Stop::default().max_iterations(3));
    solve(&problem, &short.checkpoint(&path, SaveEvery::Iterations(3)));
    let checkpoint = Checkpoint::read(&path).unwrap();
    let mut solver = Solver::new(problem, settings().search_rank(8), Backend::Cpu).unwrap();
    let resumed = solver.resume(&checkpoint).unwrap();
    assert_eq!(resumed.trials[0].singular_values, whole.trials[0].singular_values);
    assert_eq!(resumed.timing.passes, whole.timing.passes);
}

#[test]
fn other_losses_and_devices_are_refused_with_what_to_use() {
    let refused = |settings: Settings, backend: Backend| {
        Solver::new(psd(8, 1, 1.0, 60, 1), settings, backend).err().expect("refused").to_string()
    };
    assert_says(&refused(settings().loss(Loss::L1), Backend::Cpu), &["l1", "square"]);
    let truth = synthetic::asymmetric(20, 15).rank(1).seed(4).build().unwrap();
    let entries = Problem::measure(Entries::uniform(truth.domain(), 200, 9).unwrap(), truth).unwrap();
    let error = Solver::new(entries, settings(), Backend::Cpu).err().expect("refused").to_string();
    assert_says(&error, &["entries", "pursuit"]);
    if let Ok(device) = lowrank::gpu::Device::open(None) {
        let text = refused(settings().precision(Precision::F32), Backend::Gpu(device));
        assert_says(&text, &["gpu", "backend cpu", "pursuit"]);
    }
}

/// A warm start belongs to a method that uses it: the default does, and gauss-newton says that it does not.
#[test]
fn a_given_start_is_used_or_refused() {
    let problem = psd(12, 1, 1.0, 150, 1);
    let factors = Factors::single(1, 12, 2, vec![0.1; 24]).unwrap();
    let given = |settings: Settings| settings.init(Init::Given(factors.clone()));
    let plain = given(Settings::default().precision(Precision::F64));
    let mut solver = Solver::new(problem.clone(), plain, Backend::Cpu).unwrap();
    assert_eq!(solver.method().word(), "pursuit");
    assert!(found(&solver.solve().unwrap()).0 < 1e-6);
    let error = Solver::new(problem, given(settings()), Backend::Cpu).err().expect("refused").to_string();
    assert_says(&error, &["start", "gauss-newton", "pursuit"]);
}

/// Residuals of a·aᵀ are centred, so a constant in the observations changes nothing.
#[test]
fn an_offset_of_centred_observations_does_not_matter() {
    let truth = synthetic::psd(20).rank(2).seed(4).build().unwrap();
    let vectors = RankOne::gaussian(truth.domain(), 400, 9).unwrap().centred(true).unwrap();
    let plain = Problem::measure(vectors, truth.clone()).unwrap();
    let shifted: Vec<f64> = plain.observations(0).unwrap().iter().map(|y| y + 30.0).collect();
    let vectors = RankOne::gaussian(truth.domain(), 400, 9).unwrap().centred(true).unwrap();
    let shifted = Problem::new(vectors, shifted).unwrap().with_truth(truth).unwrap();
    for problem in [plain, shifted] {
        let (error, columns, status) = found(&solve(&problem, &settings().search_rank(6)));
        assert!(error < 1e-11, "{error:e}");
        assert_eq!((columns, status), (2, Status::Finished));
    }
}
