//! Descent by values of the loss alone, and measurements without an adjoint.

use lowrank::operators::{BlackBox, Dense, Loss, Operator};
use lowrank::problem::{Domain, Factors, synthetic};
use lowrank::{Backend, Error, Init, Method, Model, Precision, Problem, Settings, Solution, Solver, Stop};

use crate::{assert_invalid, says};

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect()
}

/// A function of an n×n matrix with the values of Gaussian measurements.
fn function(domain: Domain, m: usize) -> impl Fn(&[f64]) -> Vec<f64> + Send + Sync {
    let (n, dense) = (domain.rows(), Dense::gaussian(domain, m, 7).unwrap());
    move |z: &[f64]| {
        let point = Factors::pair(1, domain, n, z.to_vec(), identity(n)).unwrap();
        let mut y = vec![0.0; m];
        (0..dense.shards()).for_each(|shard| dense.forward(shard, &point, &mut y[dense.shard_range(shard)]));
        y
    }
}

fn box_of(domain: Domain, m: usize) -> impl Operator {
    BlackBox::new(domain, m, function(domain, m)).unwrap()
}

fn settings(iterations: usize) -> Settings {
    Settings::new(Method::zeroth_order())
        .search_rank(1)
        .precision(Precision::F64)
        .init(Init::SmallRandom { scale: 0.5, seed: 3 })
        .stop(Stop::default().max_iterations(iterations).stall_window(None).relative_error(1e-6))
}

fn solve(problem: &Problem, settings: Settings, backend: Backend) -> Solution {
    Solver::new(problem.clone(), settings, backend).unwrap().solve().unwrap()
}

#[test]
fn values_alone_recover_the_matrix() {
    for (domain, truth) in
        [(Domain::symmetric(6), synthetic::psd(6)), (Domain::rectangular(6, 6), synthetic::asymmetric(6, 6))]
    {
        let problem = Problem::measure(box_of(domain, 50), truth.rank(1).seed(2).build().unwrap()).unwrap();
        // With the automatic method, start and step too.
        for of in [settings(6000), settings(6000).init(Init::Automatic { seed: 1 })] {
            let found = solve(&problem, of, Backend::Cpu);
            assert!(found.trials[0].relative_error.unwrap() <= 1e-6, "{domain} {:?}", found.trials[0].relative_error);
        }
        let automatic = Settings::default().search_rank(1).stop(Stop::default().max_iterations(3));
        assert!(crate::notes(&solve(&problem, automatic, Backend::Cpu), &["zeroth-order", "adjoint"]));
    }
}

/// Over many directions the steps are those of gradient descent, in every model, with a ridge and a robust loss.
#[test]
fn estimates_are_gradients_on_average() {
    for (model, domain) in [
        (Model::psd(), Domain::symmetric(5)),
        (Model::signed(1, 1), Domain::symmetric(5)),
        (Model::asymmetric(), Domain::rectangular(5, 5)),
    ] {
        for loss in [Loss::Square, Loss::Huber { delta: 0.3 }] {
            let truth = model.truth(&domain, (model.word() != "signed").then_some(2)).unwrap().seed(4).build().unwrap();
            let problem = Problem::measure(Dense::gaussian(domain, 40, 1).unwrap(), truth).unwrap();
            let (directions, step) = (4000, 0.05);
            let one = |method: Method, step: f64| {
                let of = settings(1).method(method).search_rank(2).model(model.clone()).loss(loss);
                let of = of.stop(Stop::default().max_iterations(1)).ridge(0.1).step_size(step);
                solve(&problem, of, Backend::Cpu).trials[0]
                    .blocks()
                    .flat_map(|b| b.as_slice().to_vec())
                    .collect::<Vec<_>>()
            };
            let start = one(Method::gd().into(), 1e-300);
            let numbers = start.len();
            // The factor that keeps the step stable.
            let longer = step * (directions + numbers + 1) as f64 / directions as f64;
            let (descent, values) =
                (one(Method::gd().into(), step), one(Method::zeroth_order().directions(directions).into(), longer));
            let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            // The estimate has the relative deviation √(numbers/directions), three of which are allowed; the ridge, which is longer
            // by the factor, adds its share.
            let bound = 4.0 * (numbers as f64 / directions as f64).sqrt() * apart(&descent, &start);
            assert!(apart(&descent, &start) > 1e-3);
            assert!(apart(&values, &descent) < bound, "{} {}: {}", model.word(), loss.word(), apart(&values, &descent));
        }
    }
}

#[test]
fn backends_agree_and_seeds_differ() {
    let truth = synthetic::psd(6).rank(1).seed(2).build().unwrap();
    let problem = Problem::measure(Dense::gaussian(truth.domain(), 50, 1).unwrap(), truth).unwrap();
    let loss = |seed: u64, backend: Backend| {
        let of = settings(20).init(Init::SmallRandom { scale: 0.5, seed });
        solve(&problem, of, backend).trials[0].train_loss
    };
    let (reference, cpu) = (loss(3, Backend::Reference), loss(3, Backend::Cpu));
    approx::assert_relative_eq!(reference, cpu, max_relative = 1e-6);
    assert!((loss(4, Backend::Cpu) - cpu).abs() > 1e-3 * cpu);
}

#[test]
fn what_needs_the_adjoint_is_refused() {
    let truth = synthetic::psd(6).rank(1).seed(2).build().unwrap();
    let problem = Problem::measure(box_of(truth.domain(), 30), truth).unwrap();
    let refused = |settings: Settings| Solver::new(problem.clone(), settings, Backend::Cpu).err().unwrap();
    for method in lowrank::methods::METHODS.iter().map(|card| card.method()).filter(|method| method.needs_adjoint()) {
        let loss =
            if method.suits(Loss::Square, &Model::psd()).is_ok() { Loss::Square } else { Loss::Huber { delta: 1.0 } };
        if method.suits(loss, &Model::psd()).is_err() {
            continue;
        }
        let error = refused(Settings::new(method.clone()).model(Model::psd()).loss(loss));
        assert!(matches!(error, Error::Unsupported { .. }), "{method}: {error}");
        says::assert_says(&error.to_string(), &[method.word(), "adjoint", "zeroth-order"]);
    }
    let spectral = settings(3).init(Init::Spectral { skip: 0, preprocess: lowrank::solver::Preprocess::None });
    says::assert_says(&refused(spectral).to_string(), &["spectral", "adjoint"]);
    assert_invalid(&refused(settings(3).method(Method::zeroth_order().directions(0))), "directions", &[], &[]);
    assert_invalid(&refused(settings(3).method(Method::zeroth_order().radius(0.0))), "radius", &[], &[]);
    let domain = Domain::symmetric(3);
    assert_invalid(&BlackBox::new(domain, 4, |_: &[f64]| vec![0.0; 5]).err().unwrap(), "measurements", &["5"], &["4"]);
    assert_invalid(&BlackBox::new(domain, 1, |_: &[f64]| vec![1.0]).err().unwrap(), "function", &["1"], &[]);
}
