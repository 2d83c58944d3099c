//! What methods promise: rates that do not depend on the condition number, descent, invariances, averages.

use lowrank::methods::{Named, StepRule};
use lowrank::operators::{Dense, Loss};
use lowrank::problem::{Domain, Factors, synthetic};
use lowrank::solver::Preprocess;
use lowrank::{Backend, Init, Method, Precision, Problem, Schedule, Settings, Solution, Solver, Status, Stop, Trial};

fn psd(n: usize, rank: usize, kappa_of_m: f64, m: usize, seed: u64) -> Problem {
    let truth = synthetic::psd(n).rank(rank).condition_number(kappa_of_m.sqrt()).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), m, seed + 100).unwrap(), truth).unwrap()
}

fn asymmetric(n1: usize, n2: usize, rank: usize, kappa_of_m: f64, m: usize, seed: u64) -> Problem {
    let truth = synthetic::asymmetric(n1, n2).rank(rank).condition_number(kappa_of_m).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), m, seed + 100).unwrap(), truth).unwrap()
}

fn settings(method: impl Into<Method>, k: usize) -> Settings {
    Settings::new(method).search_rank(k).precision(Precision::F64).observe(Schedule::Every(1))
}

fn solve(problem: Problem, settings: Settings) -> Solution {
    Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap()
}

fn iterations_to(error: f64, problem: Problem, settings: Settings) -> usize {
    let solution = solve(problem, settings.stop(Stop::default().relative_error(error).max_iterations(6000)));
    let best = solution.best();
    assert_eq!(best.status, Status::Converged, "{:?} after {}", best.relative_error, best.iterations);
    best.iterations
}

#[test]
fn preconditioned_methods_do_not_see_the_condition_number() {
    let spectral = Init::Spectral { skip: 0, preprocess: Preprocess::None };
    let cases: [(&str, Settings); 4] = [
        ("prec-gd", settings(Method::prec_gd(), 3)),
        ("prec-gd, k = 2r", settings(Method::prec_gd(), 6)),
        ("scaled-gd", settings(Method::scaled_gd().damping(0.0), 3).init(spectral)),
        ("cg", settings(Method::cg(), 6)),
    ];
    for (name, settings) in cases {
        let counts = [1.0, 10.0, 100.0].map(|kappa| iterations_to(1e-6, psd(30, 3, kappa, 1800, 4), settings.clone()));
        let (least, most) = (*counts.iter().min().unwrap() as f64, *counts.iter().max().unwrap() as f64);
        assert!(most <= 1.4 * least, "{name}: {counts:?}");
    }
    let counts = [1.0, 10.0].map(|kappa| iterations_to(1e-6, psd(30, 3, kappa, 1800, 4), settings(Method::gd(), 3)));
    assert!(counts[1] > 3 * counts[0], "gd does: {counts:?}");
}

/// Near the solution of an ill-conditioned problem steps that keep a share of the last one need a fraction of the iterations.
#[test]
fn the_heavy_ball_is_faster_than_gradient_descent() {
    let [plain, heavy] = [Method::from(Method::gd()), Method::heavy_ball().into()]
        .map(|method| iterations_to(1e-6, psd(20, 2, 25.0, 800, 4), settings(method, 2)));
    assert!(2 * heavy < plain, "{heavy} instead of {plain}");
}

/// ScaledGD contracts by 1 − 0.6μ an iteration (Tong, Ma & Chi 2021, Theorem 1, for μ ≤ 2/3).
#[test]
fn scaled_gradient_descent_contracts_at_the_rate_of_its_theorem() {
    for kappa in [1.0, 20.0] {
        let settings = settings(Method::scaled_gd().damping(0.0), 2)
            .init(Init::Spectral { skip: 0, preprocess: Preprocess::None })
            .step_size(0.5)
            .stop(Stop::default().max_iterations(40));
        let solution = solve(asymmetric(30, 25, 2, kappa, 6000, 8), settings);
        let error = |t: usize| solution.trace[t].relative_error.unwrap();
        let rate = (error(30) / error(5)).powf(1.0 / 25.0);
        assert!(rate <= 1.0 - 0.6 * 0.5, "kappa {kappa}: {rate}");
    }
}

#[test]
fn exact_steps_descend() {
    let exact = Named::default().with("step_rule", Some(StepRule::Exact));
    for word in ["gd", "scaled-gd", "prec-gd", "cg", "lbfgs", "riemannian"] {
        let method = Method::named(word, &exact).unwrap();
        for problem in [psd(16, 2, 4.0, 500, 5), asymmetric(14, 11, 2, 4.0, 600, 5)] {
            let settings = settings(method.clone(), 4)
                .init(Init::Spectral { skip: 0, preprocess: Preprocess::None })
                .stop(Stop::default().max_iterations(25));
            let solution = solve(problem, settings);
            for pair in solution.trace.windows(2) {
                // The retraction of the last one is beside the line, by the square of what is left.
                let slack = if word == "riemannian" { 1e-3 } else { 1e-12 };
                assert!(
                    pair[1].train_loss <= pair[0].train_loss * (1.0 + slack) + 1e-28,
                    "{method:?} at {}: {:e} after {:e}",
                    pair[1].iteration,
                    pair[1].train_loss,
                    pair[0].train_loss
                );
            }
        }
    }
}

#[test]
fn armijo_steps_descend_and_arrive() {
    let found = solve(
        psd(16, 2, 4.0, 500, 5),
        settings(Method::prec_gd().step_rule(StepRule::Armijo), 4)
            .stop(Stop::default().relative_error(1e-6).max_iterations(300)),
    );
    assert_eq!(found.best().status, Status::Converged);
    assert!(found.trace.windows(2).all(|pair| pair[1].train_loss <= pair[0].train_loss));
}

/// The product after some iterations from a given start.
fn product(problem: &Problem, method: impl Into<Method>, start: Factors) -> Vec<f64> {
    let settings =
        settings(method, start.search_rank()).init(Init::Given(start)).stop(Stop::default().max_iterations(12));
    solve(problem.clone(), settings).best().to_dense()
}

#[track_caller]
fn same(a: &[f64], b: &[f64], what: &str) {
    let size = a.iter().map(|v| v * v).sum::<f64>().sqrt();
    let off = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    assert!(off <= 1e-8 * size, "{what}: {:e}", off / size);
}

/// A·B, row-major.
fn times(a: &[f64], inner: usize, b: &[f64], columns: usize) -> Vec<f64> {
    let entry = |i: usize, j: usize| (0..inner).map(|l| a[i * inner + l] * b[l * columns + j]).sum();
    (0..a.len() / inner).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()
}

#[test]
fn turned_factors_give_the_same_matrices() {
    let problem = psd(12, 2, 9.0, 300, 6);
    let u = crate::methods::textbook::numbers(24, 1);
    let (c, s) = (0.6, 0.8);
    let turned = times(&u, 2, &[c, -s, s, c], 2);
    let methods: [Method; 9] = [
        Method::gd().into(),
        Method::heavy_ball().into(),
        Method::scaled_gd().damping(0.05).into(),
        Method::prec_gd().into(),
        Method::cg().into(),
        Method::lbfgs().into(),
        Method::riemannian().into(),
        Method::momentum().into(),
        Method::gd_polyak().polyak_every(4).into(),
    ];
    for method in methods {
        let [a, b] =
            [&u, &turned].map(|u| product(&problem, method.clone(), Factors::single(1, 12, 2, u.clone()).unwrap()));
        same(&a, &b, method.word());
    }
}

/// L B and R B⁻ᵀ are the same matrix, and an undamped method treats them so, whatever B is; a damped one does not.
#[test]
fn undamped_methods_do_not_see_how_a_product_is_split() {
    let problem = asymmetric(10, 8, 2, 3.0, 300, 6);
    let domain = Domain::rectangular(10, 8);
    let (l, r) = (crate::methods::textbook::numbers(20, 1), crate::methods::textbook::numbers(16, 2));
    // B and its inverse, transposed.
    let (b, inverse) = ([3.0, 1.0, 0.0, 0.5], [1.0 / 3.0, 0.0, -2.0 / 3.0, 2.0]);
    let (lb, rb) = (times(&l, 2, &b, 2), times(&r, 2, &inverse, 2));
    let starts = [(l, r), (lb, rb)].map(|(l, r)| Factors::pair(1, domain, 2, l, r).unwrap());
    let methods: [Method; 3] = [
        Method::scaled_gd().damping(0.0).into(),
        Method::alt_scaled_gd().step_rule(StepRule::Constant).into(),
        Method::riemannian().into(),
    ];
    for method in methods {
        let [a, b] = starts.each_ref().map(|start| product(&problem, method.clone(), start.clone()));
        same(&a, &b, method.word());
    }
    let [a, b] = starts.each_ref().map(|start| product(&problem, Method::scaled_gd().damping(0.5), start.clone()));
    assert!(a.iter().zip(&b).any(|(a, b)| (a - b).abs() > 1e-3));
}

/// The mean of a minibatch step over seeds is the step of gradient descent: within 4.5 standard errors, which one number of 60 is
/// beyond once in 2000 tries.
#[test]
fn minibatch_steps_are_gradient_steps_on_average() {
    let problem = psd(12, 2, 4.0, 240, 7);
    let start = Factors::single(1, 12, 5, crate::methods::textbook::numbers(60, 3)).unwrap();
    let one = |method: Method| -> Vec<f64> {
        let settings = settings(method, 5)
            .step_size(0.01)
            .init(Init::Given(start.clone()))
            .stop(Stop::default().max_iterations(1));
        solve(problem.clone(), settings).best().left().as_slice().to_vec()
    };
    let expected = one(Method::gd().into());
    let seeds = 200;
    let runs: Vec<Vec<f64>> = (0..seeds).map(|seed| one(Method::sgd().minibatches(6).seed(seed).into())).collect();
    for (at, expected) in expected.iter().enumerate() {
        let mean = runs.iter().map(|run| run[at]).sum::<f64>() / seeds as f64;
        let variance = runs.iter().map(|run| (run[at] - mean).powi(2)).sum::<f64>() / (seeds - 1) as f64;
        assert!((mean - expected).abs() <= 4.5 * (variance / seeds as f64).sqrt() + 1e-12, "entry {at}");
        assert!(variance > 0.0);
    }
}

/// Minibatches of all seeds together: the median run arrives, and with a tenth of the passes.
#[test]
fn stochastic_runs_arrive() {
    for (word, k) in [("sgd", 4), ("riemannian", 2)] {
        let groups = Named::default().with("minibatches", Some(5));
        let mut errors: Vec<f64> = (0..7)
            .map(|seed| {
                let method = Method::named(word, &groups.clone().with("method_seed", Some(seed))).unwrap();
                let settings = settings(method, k).stop(Stop::default().max_iterations(300));
                solve(psd(20, 2, 2.0, 1200, 9), settings).best().relative_error.unwrap()
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        assert!(errors[3] < 1e-4, "{word}: {errors:?}");
    }
}

/// Trials of a batch with their own damping and step are what they are alone, bit for bit.
#[test]
fn a_batch_is_its_trials() {
    for word in ["prec-gd", "scaled-gd", "momentum", "heavy-ball", "gd-polyak", "cg", "lbfgs"] {
        let method = Method::from_word(word).unwrap();
        let problem = psd(14, 2, 4.0, 400, 5);
        let trial = |j: usize| {
            let trial = Trial::default().seed(j as u64).step_size([0.02, 0.03, 0.01][j]);
            if word == "scaled-gd" { trial.damping([0.1, 0.02, 0.3][j]) } else { trial }
        };
        let base = settings(method.clone(), 4).stop(Stop::default().max_iterations(30));
        let together = solve(problem.clone(), base.clone().trials((0..3).map(trial)));
        for j in 0..3 {
            let alone = solve(problem.clone(), base.clone().trials([trial(j)]));
            assert_eq!(together.trials[j].left().as_slice(), alone.trials[0].left().as_slice(), "{word} {j}");
        }
    }
}

/// A tenth of the observations are gross outliers.
#[test]
fn absolute_and_huber_losses_bear_outliers() {
    for kappa in [1.0, 10.0] {
        let clean = psd(24, 2, kappa, 1400, 12);
        let mut y = clean.observations(0).unwrap().to_vec();
        let noise = crate::methods::textbook::numbers(y.len(), 13);
        let outlying: Vec<usize> = (0..y.len()).filter(|i| i % 10 == 3).collect();
        outlying.iter().for_each(|&i| y[i] += 30.0 * noise[i]);
        let truth = clean.truth(0).unwrap().clone();
        let problem = Problem::new(clean.operator().clone(), y).unwrap().with_truth(truth).unwrap();
        let error = |settings: Settings| {
            let start = Init::Spectral { skip: 0, preprocess: Preprocess::Truncate };
            let settings = settings.init(start).stop(Stop::default().max_iterations(400));
            solve(problem.clone(), settings).best().relative_error.unwrap()
        };
        let square = error(settings(Method::scaled_gd(), 2));
        let absolute = error(settings(Method::scaled_gd(), 2).loss(Loss::L1));
        let huber = error(settings(Method::scaled_gd(), 2).loss(Loss::Huber { delta: 0.05 }));
        assert!(square > 0.1 && absolute < 1e-6 && huber < 1e-1, "{kappa}: {square:e} {absolute:e} {huber:e}");
    }
}
