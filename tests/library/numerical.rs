//! Numerical faults: each has a status, a sentence, and no surprise.

use lowrank::operators::Dense;
use lowrank::operators::dense::Layout;
use lowrank::problem::{Factors, synthetic};
use lowrank::{Backend, Init, Method, Precision, Problem, Settings, Solution, Solver, Status, Stop};

use crate::notes;
use crate::says::{assert_says, says};

fn problem() -> Problem {
    let truth = synthetic::psd(10).rank(2).condition_number(1.5).seed(3).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), 150, 7).unwrap(), truth).unwrap()
}

fn gd() -> Settings {
    Settings::new(Method::gd()).search_rank(4).init(Init::SmallRandom { scale: 1e-2, seed: 1 })
}

fn solve(problem: Problem, settings: Settings) -> Solution {
    Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap()
}

fn remark(solution: &Solution) -> &str {
    solution.trials[0].remark.as_deref().unwrap_or_default()
}

#[test]
fn too_large_a_step_names_one_that_is_stable() {
    for precision in [Precision::F32, Precision::F64] {
        let solution = solve(problem(), gd().precision(precision).step_size(8.0));
        let trial = &solution.trials[0];
        assert_eq!(trial.status, Status::Diverged);
        assert!(trial.left().as_slice().iter().all(|v| v.is_finite()));
        let text = remark(&solution);
        let (_, tail) = text.split_once("1/‖s·A*(y)‖ = ").unwrap_or_else(|| panic!("{text}"));
        let bound: f64 = tail.split([',', ' ']).next().unwrap().parse().unwrap();
        // An estimate: a good part of it is stable, a multiple of it is not.
        let fine = solve(problem(), gd().precision(precision).step_size(0.5 * bound));
        assert_ne!(fine.trials[0].status, Status::Diverged, "half of {bound}");
        assert!(fine.trials[0].relative_error.unwrap() < 1e-3);
        assert_eq!(solve(problem(), gd().step_size(4.0 * bound)).trials[0].status, Status::Diverged);
    }
}

#[test]
fn zero_observations_are_the_zero_matrix() {
    let operator = problem().operator().clone();
    let zero = || Problem::new(operator.clone(), vec![0.0; 150]).unwrap();
    for settings in [Settings::new(Method::gd()), gd().step_size(0.1), Settings::new(Method::scaled_gd())] {
        let solution = solve(zero(), settings);
        let trial = &solution.trials[0];
        assert_eq!((trial.status, trial.iterations, trial.train_loss), (Status::Converged, 0, 0.0));
        assert!(trial.to_dense().iter().all(|v| *v == 0.0));
        assert_says(remark(&solution), &["observations", "zero"]);
    }
}

#[test]
fn a_start_of_lower_rank_is_named_and_stays_there() {
    let given = |columns: [f64; 3]| {
        // Multiples of one column.
        let data = (0..30).map(|at| columns[at % 3] * (0.1 + (at / 3) as f64 * 0.01)).collect();
        gd().search_rank(3).step_size(0.1).init(Init::Given(Factors::single(1, 10, 3, data).unwrap()))
    };
    for (columns, rank) in [([1.0, 0.0, 0.0], 1), ([1.0, -2.0, 0.5], 1), ([0.0; 3], 0)] {
        let solution = solve(problem(), given(columns).precision(Precision::F64));
        let wanted = if rank == 0 { &["start", "zero"][..] } else { &["start", "rank 1", "3"] };
        assert!(notes(&solution, wanted), "{:?}", solution.notices);
        let sigma = &solution.trials[0].singular_values;
        assert!(sigma[1] <= 1e-6 * sigma[0].max(1.0), "{sigma:?}");
        assert_eq!(solution.trials[0].status, Status::Stalled);
    }
    let full = solve(problem(), gd());
    assert!(!notes(&full, &["start", "rank 1"]) && !notes(&full, &["start", "zero"]), "{:?}", full.notices);
}

#[test]
fn contradictions_and_heavy_noise_end_in_a_stall_with_a_sentence() {
    let known = problem();
    let rows: Vec<f64> =
        (0..150).flat_map(|i| lowrank::operators::Operator::sensing_matrix(&**known.operator(), i)).collect();
    let y = known.observations(0).unwrap();
    // Every measurement twice, the second time with another result.
    let twice = Dense::from_rows(known.operator().domain(), Layout::Full, &[&rows[..], &rows].concat()).unwrap();
    let contradictory: Vec<f64> = y.iter().copied().chain(y.iter().map(|v| v + 1.0)).collect();
    let stop = Stop::default().max_iterations(4000);
    let noisy = problem().with_noise(5.0, 1).unwrap();
    for (name, problem) in [("contradictory", Problem::new(twice, contradictory).unwrap()), ("noisy", noisy)] {
        let solution = solve(problem, gd().stop(stop));
        let trial = &solution.trials[0];
        assert_eq!(trial.status, Status::Stalled, "{name}");
        // Noise that is larger than the matrix makes the result doubtful.
        let said = [remark(&solution), trial.doubt.as_deref().unwrap_or_default()][usize::from(name == "noisy")];
        assert!(says(said, "stands out"), "{name}: {said}");
        assert_eq!(trial.doubt.is_some(), name == "noisy", "{said}");
        assert!(trial.relative_residual > 0.05 && trial.train_loss.is_finite());
    }
    assert!(!remark(&solve(problem(), gd())).contains("stands out"));
}

#[test]
fn the_floor_of_single_precision_is_named() {
    // Without surplus columns, which would hold the residual up for longer.
    let solution = solve(problem(), gd().search_rank(2));
    assert_says(remark(&solution), &["single-precision floor"]);
}

#[test]
fn numbers_beyond_single_precision_are_divergence_and_not_a_result() {
    let known = problem();
    let y: Vec<f64> = known.observations(0).unwrap().iter().map(|y| y * 1e38).collect();
    let huge = Problem::new(known.operator().clone(), y).unwrap();
    let solution = solve(huge, gd().step_size(0.25));
    let trial = &solution.trials[0];
    assert_eq!(trial.status, Status::Diverged);
    assert_says(remark(&solution), &["finite"]);
    assert!(trial.left().as_slice().iter().all(|v| v.is_finite()));
}
