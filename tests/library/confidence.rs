//! Standard errors against the errors of many draws of the noise.

use lowrank::confidence::StandardErrors;
use lowrank::operators::{Dense, Entries, Loss, Operator};
use lowrank::problem::{Domain, Truth, synthetic};
use lowrank::{Backend, Error, Method, Precision, Problem, Settings, Solver, TrialSolution};

use crate::assert_invalid;

/// Draws of the noise.
const DRAWS: u64 = 12;

fn solved(problem: &Problem, settings: Settings) -> (Solver, TrialSolution) {
    let mut solver = Solver::new(problem.clone(), settings, Backend::Cpu).unwrap();
    let trial = solver.solve().unwrap().trials.remove(0);
    (solver, trial)
}

/// Shares of the entries, over draws of the noise, that lie within 1.645 and 1.96 standard errors, and the means of the
/// estimated noise over the true one.
fn coverage(operator: std::sync::Arc<dyn Operator>, truth: &Truth, rank: usize, noise: f64) -> ([f64; 2], f64) {
    let (mut within, mut count, mut noises) = ([0.0; 2], 0.0, 0.0);
    for seed in 0..DRAWS {
        let problem = Problem::measure(operator.clone(), truth.clone()).unwrap().with_noise(noise, seed).unwrap();
        let settings = Settings::default().search_rank(rank).without_tuning().precision(Precision::F64);
        let (solver, trial) = solved(&problem, settings);
        let errors = StandardErrors::of(&solver, &trial).unwrap();
        assert_eq!(errors.undetermined, 0);
        let (found, wanted) = (trial.to_dense(), truth.product().unwrap().to_dense());
        for ((found, wanted), error) in found.iter().zip(&wanted).zip(&errors.values) {
            let apart = (found - wanted).abs() / error;
            [1.645, 1.96].iter().zip(&mut within).for_each(|(z, within)| *within += f64::from(u8::from(apart < *z)));
            count += 1.0;
        }
        noises += errors.noise_std / noise / DRAWS as f64;
    }
    (within.map(|within| within / count), noises)
}

/// Entries of one matrix share d degrees of freedom, so that a share over them has the spread of about DRAWS·d draws.
#[track_caller]
fn assert_nominal(of: ([f64; 2], f64), freedom: f64, left: f64) {
    let spread = |p: f64| 4.0 * (p * (1.0 - p) / (DRAWS as f64 * freedom)).sqrt();
    for (share, nominal) in of.0.into_iter().zip([0.9, 0.95]) {
        assert!((share - nominal).abs() < spread(nominal), "{share} of nominal {nominal} ± {}", spread(nominal));
    }
    // Relative deviation of an estimated standard deviation: 1/√(2·left) for each draw.
    assert!((of.1 - 1.0).abs() < 4.0 / (2.0 * left * DRAWS as f64).sqrt(), "{} of the noise", of.1);
}

#[test]
fn intervals_cover_what_they_promise() {
    let truth = synthetic::asymmetric(40, 30).rank(2).seed(1).build().unwrap();
    let entries = std::sync::Arc::new(Entries::distinct(truth.domain(), 700, 2).unwrap());
    assert_nominal(coverage(entries, &truth, 2, 0.003), 136.0, 564.0);
    let truth = synthetic::psd(20).rank(2).seed(3).build().unwrap();
    let dense = std::sync::Arc::new(Dense::gaussian(truth.domain(), 200, 4).unwrap());
    assert_nominal(coverage(dense, &truth, 2, 0.1), 39.0, 161.0);
    let truth = synthetic::asymmetric(12, 15).rank(2).seed(5).build().unwrap();
    let dense = std::sync::Arc::new(Dense::gaussian(truth.domain(), 200, 6).unwrap());
    assert_nominal(coverage(dense, &truth, 2, 0.1), 50.0, 150.0);
}

#[test]
fn too_few_columns_and_a_ridge_are_not_covered() {
    let truth = synthetic::asymmetric(40, 30).rank(2).seed(1).build().unwrap();
    let entries = std::sync::Arc::new(Entries::distinct(truth.domain(), 700, 2).unwrap());
    let (within, noise) = coverage(entries.clone(), &truth, 1, 0.003);
    assert!(within[1] < 0.9 && noise > 5.0, "{within:?} {noise}");
    let problem = Problem::measure(entries, truth).unwrap().with_noise(0.003, 1).unwrap();
    let (solver, trial) = solved(&problem, Settings::default().search_rank(2).ridge(0.1));
    let errors = StandardErrors::of(&solver, &trial).unwrap();
    assert!(errors.notices.iter().any(|notice| notice.contains("bias of the ridge")), "{:?}", errors.notices);
}

#[test]
fn rows_without_entries_have_infinite_standard_errors() {
    let domain = Domain::rectangular(12, 10);
    let truth = synthetic::asymmetric(12, 10).rank(1).seed(1).build().unwrap();
    // No entry of row 3, and one of column 7.
    let places: Vec<(usize, usize)> = (0..120)
        .map(|at| (at / 10, at % 10))
        .filter(|&(a, b)| a != 3 && (b != 7 || a == 5) && (a + 2 * b) % 3 != 0)
        .collect();
    assert!(places.contains(&(5, 7)));
    let (rows, columns): (Vec<usize>, Vec<usize>) = places.iter().copied().unzip();
    let operator = Entries::new(domain, &rows, &columns).unwrap();
    let problem = Problem::measure(operator, truth).unwrap().with_noise(1e-3, 2).unwrap();
    let (solver, trial) = solved(&problem, Settings::default().search_rank(1).without_tuning());
    let errors = StandardErrors::of(&solver, &trial).unwrap();
    for (at, value) in errors.values.iter().enumerate() {
        assert_eq!(value.is_infinite(), at / 10 == 3, "{at}: {value}");
    }
    assert_eq!((errors.undetermined, errors.rank, errors.degrees_of_freedom), (10, 1, 21));
}

#[test]
fn held_out_measurements_inform_nothing() {
    let truth = synthetic::psd(10).rank(1).seed(3).build().unwrap();
    let operator = std::sync::Arc::new(Dense::gaussian(truth.domain(), 120, 4).unwrap());
    let problem = Problem::measure(operator, truth).unwrap().with_noise(0.1, 1).unwrap();
    let settings = || Settings::default().search_rank(1);
    let of = |settings: Settings| {
        let (solver, trial) = solved(&problem, settings);
        StandardErrors::of(&solver, &trial).unwrap()
    };
    let (all, half) = (of(settings()), of(settings().holdout(0.5, 1)));
    assert_eq!((all.measurements, half.measurements), (120, 60));
    let ratio = half.median() / half.noise_std / (all.median() / all.noise_std);
    assert!((1.2..1.8).contains(&ratio), "√2 in the mean: {ratio}");
}

#[test]
fn what_the_delta_method_does_not_hold_for_is_refused() {
    let truth = synthetic::psd(10).rank(3).seed(3).build().unwrap();
    let problem = Problem::measure(Dense::gaussian(truth.domain(), 24, 4).unwrap(), truth.clone()).unwrap();
    let (solver, trial) = solved(&problem, Settings::new(Method::gd()).search_rank(3));
    let error = StandardErrors::of(&solver, &trial).unwrap_err();
    assert_invalid(&error, "confidence", &["24 training", "27 degrees"], &["more measurements"]);
    let (solver, trial) = solved(&problem, Settings::default().search_rank(1).loss(Loss::L1));
    assert!(matches!(StandardErrors::of(&solver, &trial), Err(Error::Unsupported { .. })));
    let zero = Problem::new(Dense::gaussian(truth.domain(), 24, 4).unwrap(), vec![0.0; 24]).unwrap();
    let (solver, trial) = solved(&zero, Settings::default().search_rank(1));
    assert_invalid(&StandardErrors::of(&solver, &trial).unwrap_err(), "confidence", &["zero matrix"], &["another"]);
}
