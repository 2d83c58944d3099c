//! Non-negative factors: what is kept, what is recovered, what is refused.

use lowrank::methods::StepRule;
use lowrank::operators::{Dense, Entries};
use lowrank::problem::{Domain, Factors, Truth, synthetic};
use lowrank::{Backend, Init, Method, Precision, Problem, Settings, Solution, Solver, Status, Stop};

use crate::{assert_invalid, notes};

fn solve(problem: Problem, settings: Settings, backend: Backend) -> Solution {
    Solver::new(problem, settings, backend).unwrap().solve().unwrap()
}

/// Uniform numbers in [0, 1).
fn uniform(count: usize, mut state: u64) -> Vec<f64> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(|_| next()).collect()
}

/// A truth L Rᵀ with non-negative factors of which half the entries are 0.
fn truth(n1: usize, n2: usize, rank: usize) -> Truth {
    let of = |count, seed| uniform(count, seed).into_iter().map(|v| (v - 0.5).max(0.0)).collect();
    Truth::from_pair(n1, n2, rank, of(n1 * rank, 1), of(n2 * rank, 2)).unwrap()
}

/// Half of the entries of the truth.
fn completion(n1: usize, n2: usize, rank: usize) -> Problem {
    let seen = uniform(n1 * n2, 3);
    let places: Vec<usize> = (0..n1 * n2).filter(|at| seen[*at] < 0.5).collect();
    let (rows, columns): (Vec<_>, Vec<_>) = places.iter().map(|at| (at / n2, at % n2)).unzip();
    let operator = Entries::new(Domain::rectangular(n1, n2), &rows, &columns).unwrap();
    Problem::measure(operator, truth(n1, n2, rank)).unwrap()
}

fn assert_nonnegative(solution: &Solution) {
    for trial in &solution.trials {
        assert!(trial.blocks().all(|block| block.as_slice().iter().all(|v| *v >= 0.0)));
    }
}

#[test]
fn every_method_that_projects_keeps_its_factors_nonnegative() {
    let psd = synthetic::psd(12).rank(2).seed(1).build().unwrap();
    let symmetric = Problem::measure(Dense::gaussian(psd.domain(), 300, 2).unwrap(), psd).unwrap();
    let wide = synthetic::asymmetric(9, 12).rank(2).seed(1).build().unwrap();
    let rectangular = Problem::measure(Dense::gaussian(wide.domain(), 300, 2).unwrap(), wide).unwrap();
    let methods: [Method; 5] = [
        Method::momentum().into(),
        Method::gd().into(),
        Method::gd().step_decay(0.99).into(),
        Method::gd_polyak().polyak_every(3).into(),
        Method::sgd().into(),
    ];
    for method in methods {
        for problem in [&symmetric, &rectangular] {
            for backend in [Backend::Reference, Backend::Cpu] {
                let settings = Settings::new(method.clone()).search_rank(4).stop(Stop::default().max_iterations(150));
                let free = solve(problem.clone(), settings.clone(), backend.clone());
                assert!(free.best().blocks().any(|block| block.as_slice().iter().any(|v| *v < 0.0)));
                let kept = solve(problem.clone(), settings.nonnegative(true), backend);
                assert_nonnegative(&kept);
                // The truth has both signs: the best non-negative fit misses it, and is still a fit.
                let residual = kept.best().relative_residual;
                assert!(residual > 0.1 && residual < 1.0, "{method:?}: {residual}");
            }
        }
    }
}

#[test]
fn a_nonnegative_matrix_is_recovered_from_half_of_its_entries() {
    let settings = Settings::default().nonnegative(true).search_rank(5).stop(Stop::default().residual(1e-4));
    let found = solve(completion(60, 50, 3), settings, Backend::Cpu);
    assert_nonnegative(&found);
    let best = found.best();
    assert!(best.relative_error.unwrap() < 1e-3, "{:?} {:?}", best.status, best.relative_error);
    assert_eq!(best.status, Status::Converged);
    assert!(notes(&found, &["momentum", "non-negative"]));
}

#[test]
fn methods_precisions_and_starts_that_cannot_are_refused() {
    let of = |settings: Settings| settings.nonnegative(true).check().unwrap_err();
    for method in [Method::from(Method::pursuit()), Method::prec_gd().into(), Method::heavy_ball().into()] {
        let word = method.word();
        assert_invalid(&of(Settings::new(method)), "nonnegative", &[word], &["gd", "gd-polyak", "sgd"]);
    }
    let armijo = Settings::new(Method::gd().step_rule(StepRule::Armijo));
    assert_invalid(&of(armijo), "nonnegative", &["armijo"], &["constant"]);
    let mixed = Settings::default().precision(Precision::Mixed);
    assert_invalid(&of(mixed), "nonnegative", &["mixed"], &["f64"]);
    let start = Factors::single(1, 3, 1, vec![1.0, -1.0, 0.0]).unwrap();
    assert_invalid(&of(Settings::default().init(Init::Given(start))), "init", &["negative"], &["0"]);
}
