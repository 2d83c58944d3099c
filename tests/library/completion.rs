//! Sampled entries end to end: a job of the size of a small recommender, what is held out, entries above a threshold, and lists
//! that stand in memory as they were announced.

use std::sync::Arc;

use lowrank::Model;
use lowrank::internals::diagnostics::spectral_start;
use lowrank::internals::operators::draw_positions;
use lowrank::io::Triplets;
use lowrank::memory::Location;
use lowrank::operators::entries::Sampled;
use lowrank::operators::{Entries, Operator, Sparse};
use lowrank::problem::{Domain, Holdout, Truth, synthetic};
use lowrank::{Backend, Init, Method, Precision, Problem, Settings, Solver, Status, Stop, TrialSolution};

use crate::{assert_invalid, notes};

/// A matrix of mean square 1 at drawn positions, with noise.
fn observed(truth: &Truth, count: usize, exponent: f64, noise: f64) -> (Triplets, Truth) {
    let domain = truth.domain();
    let product = truth.product().unwrap();
    let scale = (domain.rows() as f64 * domain.columns() as f64 / truth_norm(truth)).sqrt().sqrt();
    let scaled = |values: &[f64]| values.iter().map(|v| scale * v).collect::<Vec<f64>>();
    let (l, r, rank) = (product.left(), product.right(), product.left().columns());
    let truth = if domain.is_symmetric() {
        Truth::from_factor(domain.rows(), rank, scaled(l.as_slice())).unwrap()
    } else {
        let (left, right) = (scaled(l.as_slice()), scaled(r.as_slice()));
        Truth::from_pair(domain.rows(), domain.columns(), rank, left, right).unwrap()
    };
    let mut drawn = draw_positions(domain, count, exponent, 11).unwrap();
    let wide = |places: &[u32]| places.iter().map(|&p| p as usize).collect::<Vec<_>>();
    let operator = Entries::new(domain, &wide(&drawn.rows), &wide(&drawn.columns)).unwrap();
    let problem = Problem::measure(operator, truth.clone()).unwrap().with_noise(noise, 12).unwrap();
    drawn.values = problem.observations(0).unwrap().to_vec();
    (drawn, truth)
}

/// ‖M‖² of a truth with orthonormal factors of condition number 1.
fn truth_norm(truth: &Truth) -> f64 {
    truth.rank().unwrap() as f64
}

fn solve(problem: Problem, settings: Settings) -> TrialSolution {
    let mut solver = Solver::new(problem, settings, Backend::Cpu).unwrap();
    solver.solve().unwrap().trials.remove(0)
}

#[test]
fn held_out_error_is_that_of_least_squares() {
    let (n1, n2, rank, noise, m) = (943, 1682, 5, 0.5, 100_000);
    let truth = synthetic::asymmetric(n1, n2).rank(rank).seed(1).build().unwrap();
    let (entries, _) = observed(&truth, m, 0.5, noise);
    let Sampled { operator, observations, duplicates, .. } =
        Entries::from_triplets(truth.domain(), &entries, 0).unwrap();
    assert_eq!(duplicates, 0);
    let settings =
        Settings::new(Method::gd()).search_rank(10).holdout(0.1, 1).stop(Stop::default().max_iterations(400));
    let best = solve(Problem::new(operator, observations).unwrap(), settings);
    let training = 0.9 * m as f64;
    let bound = noise * (1.0 + (rank * (n1 + n2 - rank)) as f64 / training).sqrt();
    let found = best.holdout_rmse().unwrap();
    assert!(found <= 1.05 * bound && found > noise, "{found}, {bound}");
    assert!(best.train_rmse() < found);
}

#[test]
fn a_list_of_held_out_measurements_is_what_a_share_of_them_is() {
    let truth = synthetic::asymmetric(40, 30).rank(2).seed(2).build().unwrap();
    let (entries, _) = observed(&truth, 700, 0.0, 0.1);
    let Sampled { operator, observations, .. } = Entries::from_triplets(truth.domain(), &entries, 0).unwrap();
    let problem = Problem::new(Arc::new(operator), observations).unwrap();
    let base = Settings::new(Method::gd()).stop(Stop::default().max_iterations(60));
    let share = lowrank::solver::Holdout::new(0.2, 4);
    let by_share = solve(problem.clone(), base.clone().holdout(0.2, 4));
    let list = share.measurements(700).unwrap();
    let by_list = solve(problem.clone(), base.clone().holdout_measurements(list.iter().rev().copied()));
    assert_eq!(by_share, by_list);
    // The root mean squares are those of the residuals.
    let z = by_list.product();
    let rmse = |held: bool| {
        let of = |i: usize| problem.observations(0).unwrap()[i];
        let domain = problem.operator().domain();
        let matrix = |i: usize| problem.operator().sensing_matrix(i).iter().position(|v| *v != 0.0).unwrap();
        let at = |i: usize| z.entry(matrix(i) / domain.columns(), matrix(i) % domain.columns()) - of(i);
        let squares: Vec<f64> =
            (0..700).filter(|i| list.binary_search(i).is_ok() == held).map(|i| at(i).powi(2)).collect();
        (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
    };
    approx::assert_relative_eq!(by_list.train_rmse(), rmse(false), max_relative = 1e-4);
    approx::assert_relative_eq!(by_list.holdout_rmse().unwrap(), rmse(true), max_relative = 1e-4);
    for (bad, count) in [(vec![700], "700"), ((0..700).collect(), "700")] {
        let settings = base.clone().holdout_measurements(bad);
        let error = Solver::new(problem.clone(), settings, Backend::Cpu).err().unwrap();
        assert_invalid(&error, "holdout", &[count], &[]);
    }
    let both = base.holdout(0.1, 0).holdout_measurements([1]);
    assert_invalid(&both.check().unwrap_err(), "holdout", &[], &["one"]);
}

#[test]
fn entries_above_a_threshold_need_their_own_start() {
    let (n, rank) = (100, 3);
    for (seed, threshold) in [(1, 0.0), (2, 0.0), (3, 0.1)] {
        let truth = synthetic::psd(n).rank(rank).seed(seed).build().unwrap();
        let (all, truth) = observed(&truth, truth.domain().dimension(), 0.0, 0.0);
        let keep: Vec<usize> = (0..all.len()).filter(|&q| all.values[q] >= threshold).collect();
        let seen = Triplets::new(
            keep.iter().map(|&q| all.rows[q]).collect(),
            keep.iter().map(|&q| all.columns[q]).collect(),
            keep.iter().map(|&q| all.values[q]).collect(),
        );
        let Sampled { operator, observations, .. } = Entries::from_triplets(Domain::symmetric(n), &seen, 0).unwrap();
        let start =
            spectral_start(&Model::psd(), &operator, &observations, None, operator.normalization(), (rank, 1)).unwrap();
        let problem = Problem::new(operator, observations).unwrap().with_truth(truth).unwrap();
        let base = Settings::new(Method::gd())
            .stop(Stop::default().relative_error(1e-4).max_iterations(20_000).stall_window(None));
        let random = solve(problem.clone(), base.clone().search_rank(rank));
        let own = solve(problem, base.init(Init::Given(start)));
        let errors = (random.relative_error.unwrap(), own.relative_error.unwrap());
        assert!(errors.0 > 0.3, "a random start is expected to fail: {errors:?}");
        assert_eq!(own.status, Status::Converged, "{errors:?}");
    }
}

#[test]
fn sparse_matrices_recover_what_dense_ones_do() {
    let truth = synthetic::psd(60).rank(2).seed(5).build().unwrap();
    let operator = Sparse::random(truth.domain(), 3000, 4, 6).unwrap();
    let problem = Problem::measure(operator, truth).unwrap();
    let stop = Stop::default().relative_error(1e-4).max_iterations(3000);
    let found = solve(problem, Settings::new(Method::gd()).search_rank(6).stop(stop));
    assert_eq!(found.status, Status::Converged, "{:?}", found.relative_error);
}

#[test]
fn memory_is_stated_by_list() {
    let entries = Entries::uniform(Domain::rectangular(1000, 500), 20_000, 1).unwrap();
    let parts = entries.memory();
    let bytes = |name: &str| parts.iter().find(|part| part.name == name).unwrap().bytes;
    assert_eq!(bytes("nonzeros by measurement"), 8 * 20_000);
    assert_eq!(bytes("nonzeros by row"), 8 * 20_000 + 4 * 1001);
    assert_eq!(bytes("nonzeros by column"), 8 * 20_000 + 4 * 501);
    assert!(parts.iter().all(|part| part.place == Location::Host));
}

#[test]
fn held_out_errors_are_weighted() {
    let truth = synthetic::asymmetric(30, 20).rank(2).seed(1).build().unwrap();
    let operator = Entries::distinct(truth.domain(), 400, 2).unwrap();
    let problem = Problem::measure(operator, truth).unwrap().with_noise(0.1, 3).unwrap();
    let weights: Vec<f64> = (0..400).map(|i| [0.0, 0.5, 2.0, 7.0][i % 4]).collect();
    let settings = || {
        let stop = Stop::default().max_iterations(40);
        Settings::new(Method::cg()).search_rank(2).precision(Precision::F64).holdout(0.2, 5).stop(stop)
    };
    let solved = |problem: &Problem| {
        let mut solver = Solver::new(problem.clone(), settings(), Backend::Cpu).unwrap();
        let solution = solver.solve().unwrap();
        (solution.trials[0].clone(), notes(&solution, &["weights", "held-out", "weighted"]))
    };
    let (plain, said) = solved(&problem);
    assert!(!said);
    // Equal weights change nothing.
    let (same, _) = solved(&problem.clone().with_weights(vec![3.0; 400]).unwrap());
    assert!((same.holdout_rmse().unwrap() / plain.holdout_rmse().unwrap() - 1.0).abs() < 1e-6);
    let weighted = problem.clone().with_weights(weights.clone()).unwrap();
    let (trial, said) = solved(&weighted);
    assert!(said);
    let held = Holdout { fraction: 0.2, seed: 5 };
    let entries = problem.operator().entries().unwrap();
    let (mut sum, mut total, mut norm) = (0.0, 0.0, 0.0);
    for i in held.measurements(400).unwrap() {
        let ((row, column), y) = (entries.position(i), problem.observations(0).unwrap()[i]);
        let e = trial.product().entry(row, column) - y;
        (sum, total, norm) = (sum + weights[i] * e * e, total + weights[i], norm + weights[i] * y * y);
    }
    let found = trial.holdout_rmse().unwrap();
    assert!((found / (sum / total).sqrt() - 1.0).abs() < 1e-9, "{found} {}", (sum / total).sqrt());
    let ratio = trial.estimated_relative_error.unwrap();
    assert!((ratio / (sum / norm).sqrt() - 1.0).abs() < 1e-9, "{ratio}");
    // Held-out measurements without any weight judge nothing.
    let mut none = vec![1.0; 400];
    held.measurements(400).unwrap().into_iter().for_each(|i| none[i] = 0.0);
    let refused = Solver::new(problem.with_weights(none).unwrap(), settings(), Backend::Cpu).err().unwrap();
    assert_invalid(&refused, "weights", &["held-out"], &["positive"]);
}

#[test]
fn a_local_minimum_is_not_taken_for_noise() {
    // The first fit ends at 8 % of the observations, which are exact.
    let truth = synthetic::asymmetric(2000, 2000).rank(2).seed(0).build().unwrap();
    let operator = Entries::uniform(truth.domain(), 60_000, 1).unwrap();
    let problem = Problem::measure(operator, truth).unwrap();
    let solution = Solver::new(problem, Settings::default().search_rank(2), Backend::Cpu).unwrap().solve().unwrap();
    assert!(notes(&solution, &["stalled", "second fit"]), "{:?}", solution.notices);
    assert!(solution.trials[0].relative_error < Some(1e-4), "{:?}", solution.trials[0].relative_error);
}
