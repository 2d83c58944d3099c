//! One operator value, solved with every model that its domain allows.

use std::sync::Arc;

use lowrank::operators::{Dense, Entries, Loss, Operator, RankOne, Seeded, Sparse};
use lowrank::problem::{Block, Domain, Factors, synthetic};
use lowrank::solver::Preprocess;
use lowrank::{Backend, Error, Init, Method, Model, Precision, Problem, Settings, Solver, Status, Stop, Trial};

use crate::says::says;

/// What each model finds; the operator is made once.
fn solve_with_all(operator: &Arc<dyn Operator>, method: Method, allowed: f64, search_rank: usize) {
    let truth = synthetic::psd(14).rank(2).condition_number(2.0).seed(3).build().unwrap();
    let problem = Problem::measure(operator.clone(), truth).unwrap();
    let models = [Model::psd(), Model::signed(search_rank, 1), Model::asymmetric()];
    for (backend, precision) in
        [(Backend::Reference, Precision::F64), (Backend::Cpu, Precision::F64), (Backend::Cpu, Precision::F32)]
    {
        for model in &models {
            let settings = Settings::new(method.clone())
                .model(model.clone())
                .search_rank(model.search_rank().unwrap_or(search_rank))
                .init(Init::SmallRandom { scale: 1e-6, seed: 5 })
                .precision(precision)
                .stop(Stop::default().relative_error(allowed).max_iterations(4000));
            let solution = Solver::new(problem.clone(), settings, backend.clone()).unwrap().solve().unwrap();
            let best = solution.best();
            let (error, words) = (best.relative_error.unwrap(), operator.name());
            assert!(error <= allowed, "{words}, {model:?}, {}: {error:e}, {}", precision.word(), best.status);
            assert_eq!(best.product().is_single(), model.factors() == 1);
        }
    }
}

#[test]
fn every_model_recovers_the_same_matrix_from_the_same_operator() {
    let domain = Domain::symmetric(14);
    // Each entry once: as many draws miss a third of them, and what is left does not determine four columns.
    let (rows, columns): (Vec<usize>, Vec<usize>) = (0..14).flat_map(|i| (i..14).map(move |j| (i, j))).unzip();
    let operators: Vec<Arc<dyn Operator>> = vec![
        Arc::new(Dense::gaussian(domain, 400, 4).unwrap()),
        Arc::new(Seeded::new(domain, 400, 4).unwrap()),
        Arc::new(Entries::new(domain, &rows, &columns).unwrap()),
        Arc::new(Sparse::random(domain, 400, 4, 4).unwrap()),
        Arc::new(RankOne::gaussian(domain, 400, 4).unwrap()),
    ];
    for operator in &operators {
        // Of a pair four nonzeros a measurement leave more of the antisymmetric part where it was.
        let allowed = if operator.name() == "sparse" { 1e-3 } else { 1e-4 };
        solve_with_all(operator, Method::prec_gd().into(), allowed, 4);
    }
}

/// What measurements do not see, the antisymmetric part of L Rᵀ, these methods move where they like.
#[test]
fn methods_that_decide_on_the_host_fit_the_symmetric_part_of_a_pair() {
    let truth = synthetic::psd(14).rank(2).condition_number(2.0).seed(3).build().unwrap();
    let problem = Problem::measure(Dense::gaussian(Domain::symmetric(14), 400, 4).unwrap(), truth.clone()).unwrap();
    for method in [Method::from(Method::lbfgs()), Method::cg().into()] {
        for backend in [Backend::Reference, Backend::Cpu] {
            let settings = Settings::new(method.clone())
                .model(Model::asymmetric())
                .search_rank(3)
                .init(Init::SmallRandom { scale: 0.1, seed: 5 })
                .precision(Precision::F64)
                .stop(Stop::default().residual(1e-7).max_iterations(1000));
            let solution = Solver::new(problem.clone(), settings, backend).unwrap().solve().unwrap();
            let (z, m) = (solution.best().product().to_dense(), truth.to_matrix());
            let apart = |at: usize| 0.5 * (z[at] + z[at % 14 * 14 + at / 14]) - m[at];
            let error = (0..196).map(|at| apart(at).powi(2)).sum::<f64>().sqrt();
            assert!(error < 1e-5, "{}: {error:e}, {}", method.word(), solution.best().status);
        }
    }
}

#[test]
fn models_are_refused_where_their_matrices_are_not() {
    let operator: Arc<dyn Operator> = Arc::new(Dense::gaussian(Domain::rectangular(5, 5), 30, 4).unwrap());
    let problem = Problem::new(operator, vec![1.0; 30]).unwrap();
    for model in [Model::psd(), Model::signed(1, 1)] {
        let settings = Settings::default().model(model);
        let refused = Solver::new(problem.clone(), settings, Backend::Reference).map(drop);
        assert!(matches!(refused, Err(Error::Invalid { ref name, .. }) if name == "model"), "{refused:?}");
    }
}

/// A problem of rank 2 on 9×7 matrices, which a few hundred Gaussian measurements determine.
fn small(m: usize) -> Problem {
    let truth = synthetic::asymmetric(9, 7).rank(2).condition_number(1.5).seed(3).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), m, 4).unwrap(), truth).unwrap()
}

fn numbers(count: usize, seed: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * 7919 + 104_729 * seed + 13) % 1009) as f64 / 504.5 - 1.0).collect()
}

/// All factors of a model on a domain, moved by t·D.
fn moved(model: &Model, domain: &Domain, k: usize, t: f64) -> Factors {
    let block = |(at, (rows, columns)): (usize, (usize, usize))| {
        let (u, d) = (numbers(rows * columns, at), numbers(rows * columns, at + 10));
        Block::new(rows, columns, u.iter().zip(d).map(|(u, d)| 0.6 * u + t * d).collect())
    };
    Factors::of_blocks(1, model.sizes(domain, k).into_iter().enumerate().map(block).collect()).unwrap()
}

/// After so many steps of gradient descent: f, and the factors.
fn descended(
    problem: &Problem,
    model: &Model,
    start: Factors,
    steps: usize,
    at: (Backend, Precision),
) -> (f64, Vec<f64>) {
    let settings = Settings::new(Method::gd())
        .model(model.clone())
        .init(Init::Given(start))
        .step_size(0.01)
        .precision(at.1)
        .stop(Stop::default().max_iterations(steps));
    let solution = Solver::new(problem.clone(), settings, at.0).unwrap().solve().unwrap();
    let best = solution.best();
    (best.train_loss, best.blocks().flat_map(|block| block.as_slice().to_vec()).collect())
}

fn adapter() -> Option<Backend> {
    let found = lowrank::gpu::list_adapters().first().map(|a| lowrank::gpu::Device::open(Some(&a.name)).unwrap());
    assert!(found.is_some() || std::env::var("LOWRANK_REQUIRE_GPU").is_err(), "no adapter");
    found.map(Backend::Gpu)
}

/// A step of descent is −μ times what differences of the loss say, for every model; in f32, on an adapter too, it is the same step.
#[test]
fn gradients_of_every_model_are_derivatives_of_its_loss() {
    let (square, wide) = (Domain::symmetric(8), Domain::rectangular(9, 7));
    let deep = [2, 3, 4, 5].map(|depth| (Model::deep(depth), wide));
    let others =
        [(Model::psd(), square), (Model::signed(2, 2), square), (Model::asymmetric(), wide), (Model::deep(3), square)];
    for (model, domain) in others.into_iter().chain(deep) {
        let problem = Problem::new(Dense::gaussian(domain, 60, 4).unwrap(), numbers(60, 40)).unwrap();
        let exact = |t: f64, steps: usize, backend: Backend| {
            descended(&problem, &model, moved(&model, &domain, 4, t), steps, (backend, Precision::F64))
        };
        let (_, start) = exact(0.0, 0, Backend::Reference);
        let direction: Vec<f64> = exact(1.0, 0, Backend::Cpu).1.iter().zip(&start).map(|(a, b)| a - b).collect();
        let h = 1e-5;
        let slope = (exact(h, 0, Backend::Reference).0 - exact(-h, 0, Backend::Reference).0) / (2.0 * h);
        let (_, wanted) = exact(0.0, 1, Backend::Reference);
        let size = wanted.iter().map(|v| v * v).sum::<f64>().sqrt();
        for (backend, precision, allowed) in [
            (Some(Backend::Reference), Precision::F64, 1e-12),
            (Some(Backend::Cpu), Precision::F64, 1e-12),
            (Some(Backend::Cpu), Precision::F32, 1e-5),
            (adapter(), Precision::F32, 1e-5),
        ] {
            let Some(backend) = backend else { continue };
            let what = format!("{model:?} on {domain}, {backend:?}, {}", precision.word());
            let (_, found) = descended(&problem, &model, moved(&model, &domain, 4, 0.0), 1, (backend, precision));
            let along: f64 = found.iter().zip(&start).zip(&direction).map(|((a, b), d)| (b - a) / 0.01 * d).sum();
            assert!((along - slope).abs() <= 1e-4 * slope.abs() + allowed * 100.0 * size, "{what}: {along} {slope}");
            let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            assert!(off <= allowed * size, "{what}: off by {:e}", off / size);
        }
    }
}

/// From a small start, with more columns than the rank; trials of a batch with their own widths are what they are alone.
#[test]
fn deep_products_recover_a_matrix_on_every_backend() {
    let problem = small(400);
    let places = [
        (Some(Backend::Reference), Precision::F64),
        (Some(Backend::Cpu), Precision::F64),
        (Some(Backend::Cpu), Precision::F32),
        (adapter(), Precision::F32),
    ];
    for (backend, precision) in places {
        let Some(backend) = backend else { continue };
        for depth in if matches!(backend, Backend::Cpu) { 3..=4 } else { 3..=3 } {
            let settings = |trials: Vec<Trial>| {
                Settings::new(Method::gd())
                    .model(Model::deep(depth))
                    .precision(precision)
                    .trials(trials)
                    .step_size(0.3)
                    .stop(Stop::default().relative_error(1e-3).max_iterations(4000))
            };
            let solve = |trials: Vec<Trial>| {
                Solver::new(problem.clone(), settings(trials), backend.clone()).unwrap().solve().unwrap()
            };
            let trials = [Trial::default().search_rank(5), Trial::default().search_rank(3).seed(7)];
            let together = solve(trials.to_vec());
            for (trial, found) in trials.iter().zip(&together.trials) {
                let (what, k) = (format!("{backend:?} {} L = {depth}", precision.word()), found.parameters.search_rank);
                assert_eq!(found.status, Status::Converged, "{what}, k = {k}: {:?}", found.relative_error);
                let sizes: Vec<_> = found.blocks().map(|block| (block.rows(), block.columns())).collect();
                assert_eq!(sizes, Model::deep(depth).sizes(&Domain::rectangular(9, 7), k), "{what}");
                if !matches!(backend, Backend::Gpu(_)) {
                    let alone = solve(vec![*trial]);
                    assert!(found.blocks().eq(alone.trials[0].blocks()), "{what}, k = {k}: not what it is alone");
                }
                // The error from its definition.
                let times = |a: &[f64], inner: usize, b: &[f64], columns: usize| -> Vec<f64> {
                    let entry = |i: usize, j: usize| (0..inner).map(|l| a[i * inner + l] * b[l * columns + j]).sum();
                    (0..a.len() / inner * columns).map(|at| entry(at / columns, at % columns)).collect()
                };
                let blocks: Vec<_> = found.blocks().collect();
                let (middle, last) = (&blocks[1..depth - 1], blocks[depth - 1]);
                let transposed: Vec<f64> = (0..7 * k).map(|at| last.row(at % 7)[at / 7]).collect();
                let left = middle.iter().fold(blocks[0].as_slice().to_vec(), |z, w| times(&z, k, w.as_slice(), k));
                let (z, m) = (times(&left, k, &transposed, 7), problem.truth(0).unwrap().to_matrix());
                let norm = |of: &[f64]| of.iter().map(|v| v * v).sum::<f64>().sqrt();
                let error = norm(&z.iter().zip(&m).map(|(z, m)| z - m).collect::<Vec<_>>()) / norm(&m);
                assert!((error - found.relative_error.unwrap()).abs() <= 1e-12, "{what}: {error}");
                assert!(together.trace.iter().all(|row| row.imbalance.is_none()));
            }
        }
    }
}

#[test]
fn methods_that_need_more_of_a_model_are_refused_for_a_deep_product() {
    for depth in [2, 3] {
        for word in ["scaled-gd", "prec-gd", "alt-scaled-gd", "cg", "lbfgs", "riemannian"] {
            let settings = Settings::new(Method::from_word(word).unwrap()).model(Model::deep(depth));
            let refused = Solver::new(small(100), settings, Backend::Cpu).map(drop).unwrap_err();
            assert!(matches!(&refused, Error::Unsupported { fix, .. } if says(fix, "gd")), "{word}: {refused}");
        }
        for word in ["gd", "momentum", "heavy-ball", "gd-polyak", "sgd", "gd:step_rule=armijo"] {
            assert!(Method::from_word(word).unwrap().suits(Loss::Square, &Model::deep(depth)).is_ok(), "{word}");
        }
    }
    let spectral = Init::Spectral { skip: 0, preprocess: Preprocess::None };
    let mixed = Settings::new(Method::gd()).model(Model::deep(3)).precision(Precision::Mixed);
    for settings in [Settings::new(Method::gd()).model(Model::deep(3)).init(spectral), mixed] {
        let refused = Solver::new(small(100), settings, Backend::Cpu).map(drop).unwrap_err();
        assert!(matches!(&refused, Error::Unsupported { what, .. } if says(what, "deep")), "{refused}");
    }
    for depth in [0, 1, 65, usize::MAX] {
        let settings = Settings::new(Method::gd()).model(Model::deep(depth));
        let refused = Solver::new(small(100), settings, Backend::Cpu).map(drop).unwrap_err();
        assert!(matches!(&refused, Error::Invalid { name, .. } if name == "depth"), "{refused}");
    }
}
