//! Where runs start.

use lowrank::models::Model;
use lowrank::operators::{Dense, RankOne};
use lowrank::problem::{Domain, synthetic};
use lowrank::solver::{InitStd, Preprocess};
use lowrank::{Backend, Init, Method, Precision, Problem, Settings, Solution, Solver, Stop};

fn started(problem: &Problem, settings: Settings) -> Solution {
    let settings = settings.precision(Precision::F64).stop(Stop::default().max_iterations(0));
    Solver::new(problem.clone(), settings, Backend::Cpu).unwrap().solve().unwrap()
}

fn spectral(k: usize, preprocess: Preprocess) -> Settings {
    Settings::new(Method::gd()).search_rank(k).init(Init::Spectral { skip: 0, preprocess })
}

/// The cosine between the start of one column and a truth of rank one.
fn cosine(problem: &Problem, preprocess: Preprocess) -> f64 {
    let solution = started(problem, spectral(1, preprocess));
    let (u, x) = (solution.best().left(), problem.truth(0).unwrap().factor().unwrap());
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (u, x) = (u.as_slice(), x.as_slice());
    dot(u, x).abs() / (dot(u, u) * dot(x, x)).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Phase retrieval from three measurements for each unknown: the plain eigenvector hardly sees the truth, the one of the optimal
/// preprocessing does.
#[test]
fn optimal_preprocessing_sees_the_truth_from_few_quadratic_measurements() {
    let problems: Vec<Problem> = (0..7)
        .map(|seed| {
            let truth = synthetic::psd(100).rank(1).seed(seed).build().unwrap();
            let operator = RankOne::gaussian(truth.domain(), 300, seed + 50).unwrap().centred(false).unwrap();
            Problem::measure(operator, truth).unwrap()
        })
        .collect();
    let of = |preprocess| median(problems.iter().map(|problem| cosine(problem, preprocess)).collect());
    let (plain, optimal) = (of(Preprocess::None), of(Preprocess::Optimal));
    assert!(optimal > 0.7 && optimal > plain + 0.1, "{plain} {optimal}");
}

#[test]
fn truncation_keeps_outliers_out_of_the_start() {
    let clean = {
        let truth = synthetic::psd(30).rank(1).seed(3).build().unwrap();
        Problem::measure(Dense::gaussian(truth.domain(), 1500, 4).unwrap(), truth).unwrap()
    };
    let mut y = clean.observations(0).unwrap().to_vec();
    y.iter_mut().step_by(10).for_each(|y| *y += 200.0);
    let truth = clean.truth(0).unwrap().clone();
    let problem = Problem::new(clean.operator().clone(), y).unwrap().with_truth(truth).unwrap();
    assert!(cosine(&problem, Preprocess::None) < 0.6);
    assert!(cosine(&problem, Preprocess::Truncate) > 0.9);
}

/// With many measurements P is nearly M, and so is the start, of every model.
#[test]
fn spectral_starts_are_near_the_truth_of_every_model() {
    let (square, wide) = (Domain::symmetric(12), Domain::rectangular(14, 11));
    let cases = [
        (Model::psd(), square),
        (Model::asymmetric(), wide),
        (Model::asymmetric(), square),
        (Model::signed(1, 1), square),
    ];
    for (model, domain) in cases {
        let truth = model.truth(&domain, Some(2)).unwrap().seed(3).build().unwrap();
        let problem = Problem::measure(Dense::gaussian(truth.domain(), 12_000, 4).unwrap(), truth).unwrap();
        let settings = spectral(2, Preprocess::None).model(model.clone());
        let error = started(&problem, settings).best().relative_error.unwrap();
        assert!(error < 0.2, "{model:?}: {error}");
    }
}

#[test]
fn the_spread_of_a_random_start_is_that_of_its_rule() {
    let truth = synthetic::psd(40).rank(1).seed(3).build().unwrap();
    let problem = Problem::measure(Dense::gaussian(Domain::symmetric(40), 200, 4).unwrap(), truth).unwrap();
    for (rule, of) in [(InitStd::SearchRank, 10.0), (InitStd::Size, 40.0)] {
        let settings =
            Settings::new(Method::gd()).search_rank(10).init(Init::SmallRandom { scale: 0.5, seed: 2 }).init_std(rule);
        let solution = started(&problem, settings);
        let left = solution.best().left();
        let variance = left.as_slice().iter().map(|v| v * v).sum::<f64>() / 400.0;
        assert!((variance * of / 0.25 - 1.0).abs() < 0.3, "{variance}");
    }
}
