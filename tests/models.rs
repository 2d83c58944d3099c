//! One operator value, solved with every model that its domain allows.

use std::sync::Arc;

use lowrank::operators::{Dense, Entries, Operator, RankOne, Seeded, Sparse};
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Error, Init, Method, Model, Precision, Problem, Settings, Solver, Stop};

/// What each model finds; the operator is made once.
fn solve_with_all(operator: &Arc<dyn Operator>, method: Method, allowed: f64) {
    let truth = synthetic::psd(14).rank(2).condition_number(2.0).seed(3).build().unwrap();
    let problem = Problem::measure(operator.clone(), truth).unwrap();
    let models = [Model::psd(), Model::signed(2, 1), Model::asymmetric()];
    for (backend, precision) in
        [(Backend::Reference, Precision::F64), (Backend::Cpu, Precision::F64), (Backend::Cpu, Precision::F32)]
    {
        for model in &models {
            let settings = Settings::new(method.clone())
                .model(model.clone())
                .search_rank(model.search_rank().unwrap_or(2))
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
    let operators: Vec<Arc<dyn Operator>> = vec![
        Arc::new(Dense::gaussian(domain, 400, 4).unwrap()),
        Arc::new(Seeded::new(domain, 400, 4).unwrap()),
        Arc::new(Entries::uniform(domain, 800, 4).unwrap()),
        Arc::new(Sparse::random(domain, 400, 4, 4).unwrap()),
        Arc::new(RankOne::gaussian(domain, 400, 4).unwrap()),
    ];
    for operator in &operators {
        solve_with_all(operator, Method::default(), 1e-3);
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
