//! Robust recovery as a game: its saddle, its first steps by the formula, adaptive steps, and what is refused.

use lowrank::methods::GameMetric;
use lowrank::operators::{Dense, Loss};
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Error, Init, Method, Model, Precision, Problem, Settings, Solution, Solver, Stop};

use crate::{assert_invalid, says};

const DELTA: f64 = 0.05;

/// A tenth of the observations are wrong.
fn corrupted(asymmetric: bool) -> Problem {
    let (domain, truth) = match asymmetric {
        true => (Domain::rectangular(8, 6), synthetic::asymmetric(8, 6)),
        false => (Domain::symmetric(8), synthetic::psd(8)),
    };
    let truth = truth.rank(2).condition_number(3.0).seed(2).build().unwrap();
    let clean = Problem::measure(Dense::gaussian(domain, 160, 1).unwrap(), truth.clone()).unwrap();
    let wrong = |(i, y): (usize, &f64)| if i % 10 == 3 { y + 5.0 } else { *y };
    let y: Vec<f64> = clean.observations(0).unwrap().iter().enumerate().map(wrong).collect();
    Problem::new(clean.operator().clone(), y).unwrap().with_truth(truth).unwrap()
}

fn settings(method: impl Into<Method>, iterations: usize) -> Settings {
    Settings::new(method)
        .search_rank(2)
        .loss(Loss::Huber { delta: DELTA })
        .precision(Precision::F64)
        .init(Init::SmallRandom { scale: 0.6, seed: 7 })
        .stop(Stop::default().max_iterations(iterations).stall_window(None))
}

fn solve(asymmetric: bool, settings: Settings, backend: Backend) -> Solution {
    Solver::new(corrupted(asymmetric), settings, backend).unwrap().solve().unwrap()
}

fn apart(one: &Solution, other: &Solution) -> f64 {
    let [one, other] = [one, other].map(|solution| solution.trials[0].product().to_dense());
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
    (square(&mut one.iter().zip(&other).map(|(a, b)| a - b)) / square(&mut one.iter().copied())).sqrt()
}

#[test]
fn the_saddle_is_the_huber_solution() {
    for asymmetric in [false, true] {
        let descent = solve(asymmetric, settings(Method::scaled_gd().damping(0.0), 1500).step_size(0.4), Backend::Cpu);
        assert!(descent.trials[0].relative_error.unwrap() < 0.05, "{:?}", descent.trials[0].relative_error);
        for (method, step) in [
            (Method::from(Method::descent_ascent()), 0.2),
            (Method::extragradient().into(), 0.4),
            // A step that is far too long.
            (Method::extragradient().adaptive(true).into(), 50.0),
        ] {
            let game = solve(asymmetric, settings(method.clone(), 4000).step_size(step), Backend::Cpu);
            assert!(apart(&descent, &game) < 1e-8, "{method} {asymmetric}: {}", apart(&descent, &game));
        }
    }
}

/// The same steps on the sequential backend, for every metric and model; and none at first, where the dual variables are 0.
#[test]
fn backends_agree_and_dual_variables_begin_at_zero() {
    let methods: [Method; 4] = [
        Method::descent_ascent().into(),
        Method::descent_ascent().metric(GameMetric::Euclidean).dual_step(0.7).into(),
        Method::extragradient().into(),
        Method::extragradient().metric(GameMetric::Euclidean).adaptive(true).into(),
    ];
    for method in methods {
        for model in [Model::psd(), Model::signed(1, 1), Model::asymmetric(), Model::deep(3)] {
            let asymmetric = model.check(&Domain::symmetric(8)).is_err() || model.factors() > 1;
            let run = |iterations: usize, backend: Backend| {
                let of = settings(method.clone(), iterations).model(model.clone()).step_size(0.05);
                match Solver::new(corrupted(asymmetric), of, backend) {
                    Ok(mut solver) => Some(solver.solve().unwrap()),
                    // No Gram matrix.
                    Err(Error::Unsupported { .. }) if model.factors() > 2 => None,
                    Err(error) => panic!("{method} {}: {error}", model.word()),
                }
            };
            let Some(found) = run(5, Backend::Cpu) else { continue };
            let reference = run(5, Backend::Reference).unwrap();
            assert!(apart(&reference, &found) < 1e-10, "{method} {}", model.word());
            let first = run(1, Backend::Cpu).unwrap();
            let losses: Vec<f64> = first.trace.iter().map(|row| row.train_loss).collect();
            let moves = method.word() == "extragradient";
            assert_eq!(losses[0] != *losses.last().unwrap(), moves, "{method} {}: {losses:?}", model.word());
        }
    }
}

#[test]
fn steps_are_those_of_the_formula() {
    let problem = corrupted(false);
    let step = 0.05;
    let method = Method::descent_ascent().metric(GameMetric::Euclidean).dual_step(0.5);
    let run = |iterations: usize| {
        let of = settings(method, iterations).step_size(step);
        let solution = Solver::new(problem.clone(), of, Backend::Reference).unwrap().solve().unwrap();
        solution.trials[0].left().as_slice().to_vec()
    };
    let (n, k, m) = (8, 2, 160);
    let matrices: Vec<Vec<f64>> = (0..m).map(|i| problem.operator().sensing_matrix(i)).collect();
    let y = problem.observations(0).unwrap();
    let errors = |u: &[f64]| -> Vec<f64> {
        let z = |a: usize, b: usize| (0..k).map(|c| u[a * k + c] * u[b * k + c]).sum::<f64>();
        let of = |i: usize| (0..n * n).map(|at| matrices[i][at] * z(at / n, at % n)).sum::<f64>() - y[i];
        (0..m).map(of).collect()
    };
    let mut u = run(1);
    // The first iteration moves v alone, from 0.
    let mut v: Vec<f64> = errors(&u).iter().map(|e| (0.5 * e).clamp(-DELTA, DELTA)).collect();
    let s = problem.operator().normalization();
    for _ in 1..4 {
        let e = errors(&u);
        let g = |a: usize, b: usize| (0..m).map(|i| v[i] * matrices[i][a * n + b]).sum::<f64>();
        let moved = |at: usize| {
            let (a, c) = (at / k, at % k);
            u[at] - step * s * (0..n).map(|b| g(a, b) * u[b * k + c]).sum::<f64>()
        };
        let next: Vec<f64> = (0..n * k).map(moved).collect();
        v = v.iter().zip(&e).map(|(v, e)| (0.5 * v + 0.5 * e).clamp(-DELTA, DELTA)).collect();
        u = next;
    }
    for (found, expected) in run(4).iter().zip(&u) {
        approx::assert_relative_eq!(found, expected, epsilon = 1e-10);
    }
}

#[test]
fn other_losses_and_shares_are_refused() {
    let refused = |settings: Settings| Solver::new(corrupted(false), settings, Backend::Cpu).err().unwrap();
    let square = refused(settings(Method::descent_ascent(), 3).loss(Loss::Square));
    says::assert_says(&square.to_string(), &["descent-ascent", "square", "huber"]);
    let l1 = refused(settings(Method::extragradient(), 3).loss(Loss::L1));
    says::assert_says(&l1.to_string(), &["extragradient", "l1", "huber"]);
    for share in [0.0, 1.5, f64::NAN] {
        assert_invalid(&refused(settings(Method::descent_ascent().dual_step(share), 3)), "dual_step", &[], &[]);
    }
}
