//! Default settings, on every kind of measurement: no number is tuned to the problem.

use std::sync::Arc;

use lowrank::operators::rank_one::RankOne;
use lowrank::operators::{Dense, Entries, Operator, Seeded};
use lowrank::problem::{Domain, Truth, synthetic};
use lowrank::{Backend, Method, Precision, Problem, Settings, Solver, Stop};

fn truth(domain: Domain, kappa_of_m: f64) -> Truth {
    let (n1, n2, rank) = (domain.rows(), domain.columns(), 3);
    match domain.is_symmetric() {
        true => synthetic::psd(n1).rank(rank).condition_number(kappa_of_m.sqrt()).seed(2).build().unwrap(),
        false => synthetic::asymmetric(n1, n2).rank(rank).condition_number(kappa_of_m).seed(2).build().unwrap(),
    }
}

/// Ensembles with ten or more measurements for each degree of freedom.
fn operators() -> Vec<(&'static str, Arc<dyn Operator>)> {
    let (square, wide) = (Domain::symmetric(40), Domain::rectangular(40, 30));
    // Distinct positions, three quarters of all.
    let order = crate::methods::textbook::numbers(120 * 100, 5);
    let mut cells: Vec<usize> = (0..120 * 100).collect();
    cells.sort_by(|a, b| order[*a].total_cmp(&order[*b]));
    let (rows, columns): (Vec<usize>, Vec<usize>) = cells[..9000].iter().map(|at| (at / 100, at % 100)).unzip();
    vec![
        ("dense", Arc::new(Dense::gaussian(square, 1200, 5).unwrap())),
        ("dense, asymmetric", Arc::new(Dense::gaussian(wide, 2000, 5).unwrap())),
        ("seeded", Arc::new(Seeded::new(square, 1200, 5).unwrap())),
        ("rademacher", Arc::new(Seeded::rademacher(square, 1200, 5).unwrap())),
        ("rank_one", Arc::new(RankOne::gaussian(square, 1440, 5).unwrap())),
        ("entries", Arc::new(Entries::new(Domain::rectangular(120, 100), &rows, &columns).unwrap())),
    ]
}

#[test]
fn every_condition_number_and_search_rank() {
    for (name, operator) in operators() {
        for kappa in [1.0, 10.0, 100.0] {
            let domain = operator.domain();
            let n = domain.rows().min(domain.columns());
            for k in [3, 6, n] {
                let problem = Problem::measure(operator.clone(), truth(domain, kappa)).unwrap();
                let settings =
                    Settings::default().search_rank(k).stop(Stop::default().relative_error(1e-3).max_iterations(200));
                let solution = Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap();
                let error = solution.best().relative_error.unwrap();
                assert!(error <= 1e-3, "{name}, κ(M) = {kappa}, k = {k}: {error:e}");
            }
        }
    }
}

/// Noise: the default, stopped by held-out measurements, is within 1.3 of what gradient descent reaches, stopped the same way, in
/// twenty times the iterations.
#[test]
fn noise_is_not_fitted_where_measurements_are_held_out() {
    for kappa in [1.0, 10.0] {
        for k in [3, 6, 40] {
            let operator = Dense::gaussian(Domain::symmetric(40), 1600, 5).unwrap();
            let clean = Problem::measure(operator, truth(Domain::symmetric(40), kappa)).unwrap();
            let problem = clean.with_noise(0.02, 8).unwrap();
            let error = |settings: Settings, iterations: usize| {
                let settings = settings
                    .search_rank(k)
                    .precision(Precision::F64)
                    .holdout(0.1, 3)
                    .stop(Stop::default().max_iterations(iterations));
                Solver::new(problem.clone(), settings, Backend::Cpu)
                    .unwrap()
                    .solve()
                    .unwrap()
                    .best()
                    .relative_error
                    .unwrap()
            };
            let (found, slow) = (error(Settings::default(), 150), error(Settings::new(Method::gd()), 3000));
            assert!(found <= 1.3 * slow && found < 0.1, "κ(M) = {kappa}, k = {k}: {found:e}, gd {slow:e}");
        }
    }
}
