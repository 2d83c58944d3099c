//! What a solver does of which only the measurements are known: the method that it chooses, units, noisy entries, and endings that
//! say what they saw.

use std::ops::ControlFlow;
use std::sync::Arc;

use lowrank::operators::rank_one::RankOne;
use lowrank::operators::{Dense, Entries, Layout, Loss, Operator, Pauli, Seeded, Sparse};
use lowrank::problem::{Domain, Truth, synthetic};
use lowrank::{Backend, Method, Model, Precision, Problem, Settings, Solution, Solver, Status, Stop, Trial};

use crate::notes;
use crate::says::{assert_says, says};

fn solve(problem: &Problem, settings: Settings) -> Solution {
    Solver::new(problem.clone(), settings, Backend::Cpu).unwrap().solve().unwrap()
}

fn psd(n: usize, rank: usize, m: usize, seed: u64) -> Problem {
    let truth = synthetic::psd(n).rank(rank).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), m, seed + 100).unwrap(), truth).unwrap()
}

fn relative_error(solution: &Solution) -> f64 {
    solution.best().relative_error.unwrap()
}

#[test]
fn the_method_is_chosen_by_loss_model_and_what_else_was_asked_for() {
    let domain = Domain::symmetric(8);
    let of = |settings: Settings| settings.method_of(&domain).word();
    assert_eq!(of(Settings::default()), "pursuit");
    assert_eq!(of(Settings::default().model(Model::asymmetric())), "pursuit");
    assert_eq!(of(Settings::default().model(Model::signed(1, 1))), "pursuit");
    assert_eq!(of(Settings::default().model(Model::named("deep", &Default::default()).unwrap())), "gd");
    assert_eq!(of(Settings::default().loss(Loss::L1)), "gd");
    assert_eq!(of(Settings::default().step_size(0.1)), "gd");
    assert_eq!(of(Settings::new(Method::cg())), "cg");
    // The solver knows the operator and the backend.
    let chosen = |problem: &Problem, settings: Settings, word: &str| {
        let solution = solve(problem, settings);
        assert!(notes(&solution, &[&format!("method {word}:")]), "{word}: {:?}", solution.notices);
    };
    let problem = psd(10, 1, 120, 1);
    chosen(&problem, Settings::default(), "gauss-newton");
    chosen(&problem, Settings::default().ridge(1e-6), "pursuit");
    chosen(&problem, Settings::default().trials(vec![Trial::default(); 8]), "pursuit");
    let truth = synthetic::psd(10).rank(1).seed(1).build().unwrap();
    let vectors = RankOne::gaussian(truth.domain(), 120, 2).unwrap();
    chosen(&Problem::measure(vectors, truth).unwrap(), Settings::default(), "pursuit");
}

/// (cA, dy) in single precision, for units so far apart that squares of either leave its range.
#[test]
fn units_of_matrices_and_observations_do_not_matter() {
    let known = psd(16, 2, 260, 3);
    let truth = known.truth(0).unwrap().to_matrix();
    let rows: Vec<f64> = (0..260).flat_map(|i| known.operator().sensing_matrix(i)).collect();
    let y = known.observations(0).unwrap();
    for c in [1e-12, 1.0, 1e12] {
        for d in [1e-24, 1e-12, 1.0, 1e12, 1e24] {
            let scaled: Vec<f32> = rows.iter().map(|v| (c * v) as f32).collect();
            let operator = Dense::from_rows(Domain::symmetric(16), Layout::Full, &scaled).unwrap();
            let problem = Problem::new(operator, y.iter().map(|y| d * y).collect::<Vec<f64>>()).unwrap();
            for settings in [Settings::default(), Settings::new(Method::gd())] {
                let solution = solve(&problem, settings);
                let found = solution.best().to_dense();
                let apart = |(z, m): (&f64, &f64)| (z * c / d - m).powi(2);
                let error = found.iter().zip(&truth).map(apart).sum::<f64>().sqrt();
                let size = truth.iter().map(|m| m * m).sum::<f64>().sqrt();
                assert!(error < 1e-4 * size, "c = {c:e}, d = {d:e}: {:e}, {}", error / size, solution.best().status);
            }
        }
    }
}

/// 80×60 of rank 3 with biases and noise, a fifth of the entries.
fn ratings(seed: u64) -> (Arc<Entries>, Vec<f64>) {
    let (n1, n2) = (80, 60);
    let truth = synthetic::asymmetric(n1, n2).rank(3).seed(seed).build().unwrap();
    let entries = Arc::new(Entries::uniform(Domain::rectangular(n1, n2), 960, seed + 1).unwrap());
    let problem = Problem::measure(entries.clone(), truth).unwrap().with_noise(0.03, seed + 2).unwrap();
    let of = |at: usize, by: usize| ((at * 7919 + by * 131) % 101) as f64 / 50.0 - 1.0;
    let size = problem.observations(0).unwrap().iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    let at = |i: usize| entries.position(i);
    let bias = |i: usize| size * (3.0 + 0.5 * of(at(i).0, 1) + 0.5 * of(at(i).1, 2));
    let y = problem.observations(0).unwrap().iter().enumerate().map(|(i, y)| y + bias(i)).collect();
    (entries, y)
}

#[test]
fn noisy_entries_get_what_predicts_best() {
    let (entries, y) = ratings(5);
    let problem = Problem::new(entries.clone(), y.clone()).unwrap();
    let held: Vec<usize> = (0..960).step_by(10).collect();
    let settings = || Settings::default().holdout_measurements(held.clone());
    let tuned = solve(&problem, settings());
    let plain = solve(&problem, Settings::new(Method::pursuit()).holdout_measurements(held.clone()));
    let (with, without) = (tuned.best().holdout_rmse().unwrap(), plain.best().holdout_rmse().unwrap());
    assert!(with <= without, "{with} with what was chosen, {without} without");
    assert!(tuned.best().biases().is_some(), "{:?}", tuned.notices);
    assert!(notes(&tuned, &["chosen", "held-out"]), "{:?}", tuned.notices);
    // The matrix that is returned has them.
    let at: Vec<(usize, usize)> = held.iter().map(|&i| entries.position(i)).collect();
    let misses: f64 = tuned.best().entries(&at).iter().zip(&held).map(|(z, &i)| (z - y[i]).powi(2)).sum();
    assert!(((misses / held.len() as f64).sqrt() / with - 1.0).abs() < 1e-3);
    let (dense, (i, j)) = (tuned.best().to_dense(), at[0]);
    assert!((dense[i * 60 + j] - tuned.best().entries(&[(i, j)])[0]).abs() < 1e-9);
    // With a truth the error is that of the whole matrix, too.
    let (n1, n2) = (80, 60);
    let flat = Truth::from_pair(n1, n2, 1, vec![1.0; n1], vec![3.0; n2]).unwrap();
    let judged = solve(&problem.clone().with_truth(flat).unwrap(), settings());
    let apart: f64 = judged.best().to_dense().iter().map(|z| (z - 3.0).powi(2)).sum();
    let expected = (apart / (9.0 * (n1 * n2) as f64)).sqrt();
    assert!((relative_error(&judged) / expected - 1.0).abs() < 1e-6, "{} and {expected}", relative_error(&judged));
    // Nothing held out: a tenth chooses, and all are used.
    let all = solve(&problem, Settings::default());
    assert!(all.best().parameters.holdout_rows == 0 && all.best().biases().is_some(), "{:?}", all.notices);
    assert!(notes(&all, &["96", "held out"]), "{:?}", all.notices);
    // Biases that were taken off already are not tried.
    let none = solve(&problem, settings().without_biases());
    assert!(none.best().biases().is_none());
    // Whoever names a method gets that.
    assert!(plain.best().biases().is_none() && !plain.notices.iter().any(|notice| notice.contains("ridge")));
}

#[test]
fn entries_without_noise_are_completed_and_nothing_is_chosen() {
    let truth = synthetic::asymmetric(40, 30).rank(2).seed(2).build().unwrap();
    let problem = Problem::measure(Entries::uniform(truth.domain(), 700, 3).unwrap(), truth).unwrap();
    let solution = solve(&problem, Settings::default());
    assert!(relative_error(&solution) < 1e-5, "{:e}", relative_error(&solution));
    assert!(!solution.notices.iter().any(|notice| notice.contains("ridge")), "{:?}", solution.notices);
}

#[test]
fn an_observer_is_asked_while_choices_are_tried_and_can_end_them() {
    let (entries, y) = ratings(6);
    let problem = Problem::new(entries, y).unwrap();
    let mut solver = Solver::new(problem, Settings::default(), Backend::Cpu).unwrap();
    let mut choices = 0;
    let observer = |progress: &lowrank::Progress<'_>| {
        choices += usize::from(progress.is_choice);
        if progress.is_choice { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let solution = solver.solve_with(observer).unwrap();
    assert!(choices > 0 && solution.best().biases().is_none());
    assert_eq!(solution.best().status, Status::Interrupted);
    assert!(notes(&solution, &["interrupted"]), "{:?}", solution.notices);
}

#[test]
fn the_residual_of_a_misfit_is_analysed() {
    let (n, m) = (16, 500);
    let signed = synthetic::signed(n, (2, 1)).seed(3).build().unwrap();
    let indefinite = Problem::measure(Dense::gaussian(signed.domain(), m, 4).unwrap(), signed).unwrap();
    let of = |solution: &Solution| {
        let best = solution.best();
        (best.doubt.clone().unwrap_or_default(), best.remark.clone().unwrap_or_default())
    };
    let (doubt, _) = of(&solve(&indefinite, Settings::default()));
    assert_says(&doubt, &["positive semidefinite"]);
    let (doubt, remark) = of(&solve(&psd(n, 3, m, 5), Settings::default().search_rank(1)));
    assert!(doubt.is_empty() && says(&remark, "--search-rank"), "{doubt} {remark}");
    let noisy = psd(n, 2, m, 6).with_noise(0.1, 7).unwrap();
    let (doubt, remark) = of(&solve(&noisy, Settings::default()));
    assert!(doubt.is_empty() && says(&remark, "noise"), "{doubt} {remark}");
    let clean = psd(n, 2, m, 8);
    let mut y = clean.observations(0).unwrap().to_vec();
    y.iter_mut().step_by(100).for_each(|y| *y += 30.0);
    let (doubt, _) = of(&solve(&Problem::new(clean.operator().clone(), y).unwrap(), Settings::default()));
    assert_says(&doubt, &["outliers"]);
    let (doubt, remark) = of(&solve(&clean, Settings::default()));
    assert!(doubt.is_empty() && !remark.contains("left"), "{doubt} {remark}");
}

#[test]
fn a_loss_that_goes_up_and_down_is_no_stall_and_the_best_iterate_is_kept() {
    let settings = Settings::new(Method::prec_gd()).step_size(3.0).stop(Stop::default().max_iterations(3000));
    let solution = solve(&psd(12, 2, 200, 9), settings);
    let best = solution.best();
    assert_eq!(best.status, Status::Diverged, "{:?}", best.remark);
    let lowest = solution.trace.iter().map(|row| row.train_loss).fold(f64::INFINITY, f64::min);
    assert!(best.train_loss <= 1.02 * lowest, "{} and {lowest}", best.train_loss);
}

/// A row with fewer entries than the rank: it fits, and nobody knows the rest of it.
#[test]
fn rows_with_fewer_entries_than_the_rank_are_doubted() {
    let (n1, n2) = (14, 12);
    let truth = synthetic::asymmetric(n1, n2).rank(2).seed(3).build().unwrap();
    let of = |entries_of_row_3: usize| {
        let seen = |at: &usize| !at.is_multiple_of(5) && (at / n2 != 3 || at % n2 < entries_of_row_3);
        let (rows, columns): (Vec<usize>, Vec<usize>) = (0..n1 * n2).filter(seen).map(|at| (at / n2, at % n2)).unzip();
        let entries = Entries::new(truth.domain(), &rows, &columns).unwrap();
        solve(&Problem::measure(entries, truth.clone()).unwrap(), Settings::default())
    };
    let whole = of(n2);
    assert!(relative_error(&whole) < 1e-5 && whole.best().doubt.is_none(), "{:?}", whole.best().doubt);
    let short = of(1);
    assert!(relative_error(&short) > 1e-2 && short.best().relative_residual < 1e-5);
    assert_says(short.best().doubt.as_deref().unwrap_or_default(), &["1 rows", "0 columns", "the rank 2"]);
}

/// Matrices that are zero in the last row and column do not see that row, few or many.
#[test]
fn changes_that_no_measurement_sees_are_doubted() {
    let n = 12;
    let truth = synthetic::psd(n).rank(2).seed(3).build().unwrap();
    for (m, blind) in [(40, true), (40, false), (120, true), (120, false)] {
        let gaussian = Dense::gaussian(truth.domain(), m, 5).unwrap();
        let mut rows: Vec<f64> = (0..m).flat_map(|i| gaussian.sensing_matrix(i)).collect();
        if blind {
            let last = |at: usize| at % n == n - 1 || at / n % n == n - 1;
            rows.iter_mut().enumerate().filter(|(at, _)| last(*at)).for_each(|(_, v)| *v = 0.0);
        }
        let operator = Dense::from_rows(truth.domain(), Layout::Full, &rows).unwrap();
        let solution = solve(&Problem::measure(operator, truth.clone()).unwrap(), Settings::default());
        let doubt = solution.best().doubt.clone().unwrap_or_default();
        if blind {
            assert!(relative_error(&solution) > 0.1, "m = {m}");
            assert_says(&doubt, &[&format!("{m} measurements"), "21 of the 23", "rank 2"]);
        } else {
            assert!(relative_error(&solution) < 1e-5 && doubt.is_empty(), "m = {m}: {doubt}");
        }
    }
}

/// A matrix of rank 4 fits as well, and a further one of lower rank is the truth.
#[test]
fn a_fit_of_too_high_a_rank_gives_way_to_one_of_a_lower_rank() {
    let truth = synthetic::psd(30).rank(3).seed(3000).build().unwrap();
    let operator = Sparse::random(truth.domain(), 131, 4, 3000).unwrap();
    let solution = solve(&Problem::measure(operator, truth).unwrap(), Settings::default());
    assert!(relative_error(&solution) < 1e-5, "{:e}", relative_error(&solution));
    assert_eq!(solution.best().estimated_rank, 3);
}

#[test]
fn a_result_worse_than_the_zero_matrix_is_doubted() {
    let settings = Settings::new(Method::gd())
        .init(lowrank::Init::SmallRandom { scale: 100.0, seed: 1 })
        .step_size(1e-9)
        .stop(Stop::default().max_iterations(5));
    let solution = solve(&psd(12, 2, 200, 9), settings);
    assert!(solution.best().doubt.as_ref().is_some_and(|doubt| says(doubt, "zero")));
}

/// 1.5 measurements for each degree of freedom, and no column to spare: growing the rank comes to rest in a local minimum.
#[test]
fn a_hard_fit_that_misses_is_fitted_a_second_time() {
    let truth = synthetic::psd(30).rank(3).seed(1000).build().unwrap();
    let problem = Problem::measure(RankOne::gaussian(truth.domain(), 131, 1000).unwrap(), truth).unwrap();
    let alone = solve(&problem, Settings::new(Method::pursuit()).search_rank(3));
    assert!(relative_error(&alone) > 0.1, "the problem is not hard: {:e}", relative_error(&alone));
    let found = solve(&problem, Settings::default().search_rank(3));
    assert!(relative_error(&found) < 1e-4, "{:e}", relative_error(&found));
    assert!(notes(&found, &["second"]), "{:?}", found.notices);
}

#[test]
fn a_fading_column_is_looked_at_again() {
    // The first fit ends at 3 % of exact observations, with its third column in the way of the direction that is needed.
    let (domain, seed) = (Domain::symmetric(4), 2_539_595_372_611_870);
    let truth = synthetic::psd(4).rank(2).seed(seed + 1).build().unwrap();
    let problem = Problem::measure(Seeded::new(domain, 30, seed).unwrap(), truth).unwrap();
    for k in 2..5 {
        let settings = Settings::default().search_rank(k).precision(Precision::F64);
        let solution = Solver::new(problem.clone(), settings, Backend::Cpu).unwrap().solve().unwrap();
        assert!(solution.trials[0].relative_error < Some(1e-4), "{k}: {:?}", solution.notices);
    }
}

/// Three measurements for two degrees of freedom: growth on few rows goes astray in some of these problems, and leaves most of y.
/// Another method, asked about it, leaves the noise.
#[test]
fn a_fit_that_leaves_most_of_the_observations_gives_way_to_one_that_leaves_the_noise() {
    let (n, rank) = (40, 3);
    let m = 3 * Model::psd().degrees_of_freedom(&Domain::symmetric(n), rank) / 2;
    let mut replaced = 0;
    for seed in [7, 16, 28, 45, 49] {
        let problem = psd(n, rank, m, seed);
        let y = problem.observations(0).unwrap();
        let noise = 0.05 * (y.iter().map(|y| y * y).sum::<f64>() / m as f64).sqrt();
        let found = solve(&problem.with_noise(noise, seed + 50).unwrap(), Settings::default());
        assert!(relative_error(&found) < 0.15, "seed {seed}: {}", relative_error(&found));
        replaced += usize::from(notes(&found, &["second fit, by pursuit"]));
    }
    assert!(replaced > 0, "none of these problems shows it");
}

/// Half as many measurements again as degrees of freedom, and noise: growth of the rank ends at too few columns, or takes one for
/// noise. Other starts and fewer columns are tried, and the loss decides as far as noise lets it.
#[test]
fn few_noisy_measurements_give_what_the_right_number_of_columns_gives() {
    let (n, rank) = (30, 3);
    let m = (3 * Model::psd().degrees_of_freedom(&Domain::symmetric(n), rank)).div_ceil(2);
    for (share, seed) in [(0.05, 0), (0.05, 36), (0.05, 41), (0.2, 7), (0.2, 9), (0.2, 24), (0.2, 29), (0.2, 41)] {
        let problem = psd(n, rank, m, seed);
        let y = problem.observations(0).unwrap();
        let noise = share * (y.iter().map(|y| y * y).sum::<f64>() / m as f64).sqrt();
        let problem = problem.with_noise(noise, seed + 50).unwrap();
        let told = solve(&problem, Settings::new(Method::prec_gd()).search_rank(rank));
        let found = solve(&problem, Settings::default());
        assert_eq!(found.best().estimated_rank, rank, "seed {seed}: {:?}", found.notices);
        let (error, known) = (relative_error(&found), relative_error(&told));
        assert!(error < 1.2 * known, "seed {seed}: {error} and {known}: {:?}", found.notices);
    }
}

/// The method that was asked for ends at two of three columns. So few measurements need not show the third.
#[test]
fn what_few_measurements_need_not_show_is_doubted() {
    let problem = psd(30, 3, 131, 7);
    let y = problem.observations(0).unwrap();
    let noise = 0.2 * (y.iter().map(|y| y * y).sum::<f64>() / 131.0).sqrt();
    let found = solve(&problem.with_noise(noise, 57).unwrap(), Settings::new(Method::pursuit()).search_rank(10));
    assert!(relative_error(&found) > 0.5, "{}", relative_error(&found));
    let doubt = found.best().doubt.as_deref().unwrap_or_default();
    assert_says(doubt, &["131 measurements", "59 degrees of freedom", "need not show"]);
}

/// With six measurements per degree of freedom noise explains what a good fit leaves, however much that is.
#[test]
fn noise_of_ample_measurements_asks_for_no_second_fit() {
    let truth = synthetic::hermitian(64).rank(4).seed(7).build().unwrap();
    let exact = Problem::measure(Pauli::random(6, 2400, 7).unwrap(), truth).unwrap();
    let size = exact.observations(0).unwrap().iter().map(|y| y * y).sum::<f64>().sqrt() / 2400_f64.sqrt();
    let problem = exact.with_noise(0.5 * size, 7).unwrap();
    let found = solve(&problem, Settings::default());
    let (best, passes) = (found.best(), found.timing.passes);
    assert!(
        best.relative_residual > 0.3 && best.estimated_rank == 4,
        "{} {}",
        best.relative_residual,
        best.estimated_rank
    );
    assert!(passes < 150.0, "{passes}");
}
