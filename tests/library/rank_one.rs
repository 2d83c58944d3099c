//! Recovery from sums of outer products, and complex phase retrieval through the real lift.

use lowrank::operators::{Operator, RankOne};
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Init, Method, Precision, Problem, Schedule, Settings, Solution, Solver, Stop, Trial};

use crate::assert_invalid;
use crate::says::assert_says;

fn solve(problem: Problem, settings: Settings) -> Solution {
    let stop = Stop::default().max_iterations(800);
    let settings = settings.precision(Precision::F64).stop(stop).observe(Schedule::Every(50));
    Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap()
}

fn gd(search_rank: usize, scale: f64, seed: u64) -> Settings {
    Settings::new(Method::gd()).search_rank(search_rank).init(Init::SmallRandom { scale, seed })
}

/// m = 12·n·r of a·aᵀ at a size of seconds.
fn quadratic(centred: bool, seed: u64) -> Problem {
    let truth = synthetic::psd(60).rank(3).seed(seed).build().unwrap();
    let operator = RankOne::gaussian(truth.domain(), 12 * 60 * 3, seed + 1).unwrap();
    Problem::measure(operator.centred(centred).unwrap(), truth).unwrap()
}

fn error(solution: &Solution) -> f64 {
    solution.best().relative_error.unwrap()
}

#[test]
fn centred_residuals_recover_where_plain_ones_stall() {
    for seed in [11, 12] {
        let exact = error(&solve(quadratic(true, seed), gd(3, 1e-4, seed)));
        assert!(exact <= 1e-6, "k = r: {exact:e}");
        let wide = error(&solve(quadratic(true, seed), gd(6, 1e-4, seed)));
        assert!(wide <= 1e-3, "k = 2r: {wide:e}");
        let plain = error(&solve(quadratic(false, seed), gd(6, 1e-4, seed)));
        assert!(plain > 5.0 * wide && plain > 2e-3, "plain: {plain:e}, centred: {wide:e}");
    }
}

#[test]
fn two_factors_are_recovered_from_products_of_two_vectors() {
    let truth = synthetic::asymmetric(40, 30).rank(2).condition_number(2.0).seed(3).build().unwrap();
    let operator = RankOne::gaussian(truth.domain(), 10 * 70 * 2, 4).unwrap();
    let problem = Problem::measure(operator, truth).unwrap();
    for (k, bound) in [(2, 1e-6), (4, 1e-3)] {
        let found = error(&solve(problem.clone(), gd(k, 1e-4, 5)));
        assert!(found <= bound, "k = {k}: {found:e}");
    }
}

#[test]
fn a_complex_vector_is_found_up_to_its_phase() {
    // |aᴴx|² for a complex x of 12 entries: z = (p; q) ∈ R²⁴, and any rotation of the phase of x has the same data.
    let n = 12;
    let numbers = |seed: u64, count: usize| {
        let truth = synthetic::psd(count.max(2)).rank(1).seed(seed).build().unwrap();
        truth.factor().unwrap().as_slice().iter().map(|v| v * (count as f64).sqrt()).collect::<Vec<f64>>()
    };
    let x = numbers(21, 2 * n);
    let m = 12 * n;
    let a: Vec<(f64, f64)> = {
        let all = numbers(22, 2 * m * n);
        all.chunks(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let y: Vec<f64> = (a.chunks(n))
        .map(|a| {
            let inner = |re: &dyn Fn(usize) -> f64| (0..n).map(re).sum::<f64>();
            // aᴴx = Σ (u − iv)(p + iq)
            let real = inner(&|j| a[j].0 * x[j] + a[j].1 * x[n + j]);
            let imaginary = inner(&|j| a[j].0 * x[n + j] - a[j].1 * x[j]);
            real * real + imaginary * imaginary
        })
        .collect();
    let lifted = RankOne::complex_lift(n, &a);
    let operator = RankOne::from_vectors(Domain::symmetric(2 * n), 2, &lifted, None).unwrap();
    let measured = operator.measurements();
    assert_eq!(measured, m);
    let trials = (0..4).map(|seed| Trial::default().seed(seed));
    let solution = solve(Problem::new(operator, y).unwrap(), gd(1, 1e-3, 0).trials(trials));
    let u = solution.best().left();
    let u: Vec<f64> = (0..2 * n).map(|i| u.row(i)[0]).collect();
    // The phase that brings u next to x: the argument of uᴴx.
    let (mut real, mut imaginary, mut norm) = (0.0, 0.0, 0.0);
    for j in 0..n {
        real += u[j] * x[j] + u[n + j] * x[n + j];
        imaginary += u[j] * x[n + j] - u[n + j] * x[j];
        norm += x[j] * x[j] + x[n + j] * x[n + j];
    }
    let size = real.hypot(imaginary);
    let (c, s) = (real / size, imaginary / size);
    let distance: f64 =
        (0..n).map(|j| (c * u[j] - s * u[n + j] - x[j]).powi(2) + (s * u[j] + c * u[n + j] - x[n + j]).powi(2)).sum();
    let relative = (distance / norm).sqrt();
    assert!(relative < 1e-6, "{relative:e}");
}

#[test]
fn vectors_that_do_not_fit_are_refused_in_words() {
    let refused = |outcome: lowrank::Result<RankOne>| outcome.err().expect("a refusal");
    let error = refused(RankOne::from_vectors(Domain::symmetric(4), 1, &[1.0; 7], None));
    assert_invalid(&error, "vectors", &["7"], &["4"]);
    let error = refused(RankOne::from_vectors(Domain::symmetric(4), 1, &[1.0; 8], Some(&[1.0; 8])));
    assert_invalid(&error, "vectors_right", &[], &[]);
    assert_says(&error.to_string(), &["asymmetric"]);
    let error = refused(RankOne::from_vectors(Domain::rectangular(4, 3), 1, &[1.0; 8], Some(&[1.0; 5])));
    assert_invalid(&error, "vectors_right", &["5"], &["6"]);
    let error = refused(RankOne::from_vectors(Domain::symmetric(2), 1, &[1.0, f64::NAN], None));
    assert_invalid(&error, "vectors", &["NaN", "1"], &["finite"]);
    let error = refused(RankOne::gaussian(Domain::rectangular(3, 3), 4, 1).unwrap().centred(true));
    assert_says(&error.to_string(), &["centred"]);
    assert!(
        RankOne::gaussian(Domain::symmetric(3), 0, 1).is_err()
            && RankOne::gaussian_sums(Domain::symmetric(3), 2, 0, 1).is_err()
    );
}
