//! Observations that are upper bounds: where random starts lead with and without them, and what is refused.

use lowrank::methods::StepRule;
use lowrank::operators::{Dense, Entries, Loss};
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Error, Init, Method, Model, Precision, Problem, Settings, Solution, Solver, Stop};

use crate::{assert_invalid, says};

const THRESHOLD: f64 = 0.0;

/// The entries of a psd matrix of rank two that reach the threshold.
fn seen(n: usize, seed: u64) -> Problem {
    let truth = synthetic::psd(n).rank(2).seed(seed).build().unwrap();
    let domain = Domain::symmetric(n);
    let all = Entries::distinct(domain, domain.dimension(), seed).unwrap();
    let whole = Problem::measure(Entries::distinct(domain, domain.dimension(), seed).unwrap(), truth.clone()).unwrap();
    let y = whole.observations(0).unwrap();
    let kept: Vec<usize> = (0..y.len()).filter(|i| y[*i] >= THRESHOLD).collect();
    let (rows, columns): (Vec<_>, Vec<_>) = kept.iter().map(|i| all.position(*i)).unzip();
    let observations: Vec<f64> = kept.iter().map(|i| y[*i]).collect();
    assert!(kept.len() < y.len() * 2 / 3 && kept.len() > y.len() / 5, "{} of {}", kept.len(), y.len());
    Problem::new(Entries::new(domain, &rows, &columns).unwrap(), observations).unwrap().with_truth(truth).unwrap()
}

fn settings(method: impl Into<Method>) -> Settings {
    Settings::new(method)
        .model(Model::psd())
        .search_rank(2)
        .init(Init::SmallRandom { scale: 1e-2, seed: 3 })
        .precision(Precision::F64)
        .stop(Stop::default().max_iterations(1500).relative_error(1e-6))
}

fn unsupported(error: &Error, pieces: &[&str]) {
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    says::assert_says(&error.to_string(), pieces);
}

fn solve(problem: Problem, settings: Settings, backend: Backend) -> Solution {
    Solver::new(problem, settings, backend).unwrap().solve().unwrap()
}

#[test]
fn upper_bounds_lead_a_random_start_to_the_matrix() {
    for seed in [1, 2] {
        let problem = seen(30, seed);
        let alone = solve(problem.clone(), settings(Method::momentum()), Backend::Cpu);
        assert!(alone.trials[0].relative_error.unwrap() > 0.1, "{:?}", alone.trials[0].relative_error);
        let bounded = problem.with_unseen_below(THRESHOLD).unwrap();
        let found = solve(bounded, settings(Method::momentum()), Backend::Cpu);
        assert!(found.trials[0].relative_error.unwrap() <= 1e-6, "{:?}", found.trials[0].relative_error);
    }
}

/// Every method that takes them makes the same step on both host backends; the loss is that of the clipped residuals.
#[test]
fn backends_and_definition_agree() {
    let problem = seen(12, 5).with_unseen_below(THRESHOLD).unwrap();
    for method in Method::fitting(Loss::Square, &Model::psd()).into_iter().filter(|method| method.perturbs()) {
        let few = settings(method.clone())
            .init(Init::SmallRandom { scale: 0.5, seed: 3 })
            .stop(Stop::default().max_iterations(4).stall_window(None));
        let [reference, cpu] =
            [Backend::Reference, Backend::Cpu].map(|backend| solve(problem.clone(), few.clone(), backend));
        approx::assert_relative_eq!(reference.trials[0].train_loss, cpu.trials[0].train_loss, max_relative = 1e-9);
        let z = cpu.trials[0].product();
        let entries = problem.operator().entries().unwrap();
        let bounds = problem.upper_bounds().unwrap();
        let y = problem.observations(0).unwrap();
        let e = |i: usize| {
            let (a, b) = entries.position(i);
            let e = z.entry(a, b) - y[i];
            if bounds[i] { e.max(0.0) } else { e }
        };
        let sum: f64 = (0..y.len()).map(|i| e(i).powi(2)).sum();
        let s = problem.operator().normalization();
        approx::assert_relative_eq!(cpu.trials[0].train_loss, 0.25 * s * sum, max_relative = 1e-9);
    }
}

#[test]
fn unseen_entries_follow_the_observed_ones() {
    let rows = [0, 1];
    let entries = Entries::new(Domain::symmetric(3), &rows, &[0, 0]).unwrap();
    let problem = Problem::new(entries, [1.0, 2.0]).unwrap().with_weights([1.0, 3.0]).unwrap();
    let problem = problem.with_unseen_below(-0.5).unwrap();
    let of = problem.operator().entries().unwrap();
    let places: Vec<_> = (0..6).map(|i| of.position(i)).collect();
    assert_eq!(places, [(0, 0), (1, 0), (0, 2), (1, 1), (1, 2), (2, 2)]);
    assert_eq!(problem.observations(0).unwrap(), [1.0, 2.0, -0.5, -0.5, -0.5, -0.5]);
    assert_eq!(problem.upper_bounds().unwrap(), [false, false, true, true, true, true]);
    assert_eq!(problem.weights().unwrap(), [1.0, 3.0, 1.0, 1.0, 1.0, 1.0]);
    approx::assert_relative_eq!(problem.operator().normalization(), 9.0 / 6.0);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let bounded = || seen(12, 1).with_unseen_below(THRESHOLD).unwrap();
    let refused = |settings: Settings| {
        Solver::new(bounded(), settings, Backend::Cpu).and_then(|mut solver| solver.solve()).unwrap_err()
    };
    unsupported(&refused(settings(Method::gd().step_rule(StepRule::Exact))), &["upper bounds"]);
    unsupported(&refused(Settings::new(Method::pursuit())), &["pursuit", "upper bounds", "momentum"]);
    assert_invalid(&refused(settings(Method::gd()).precision(Precision::Mixed)), "precision", &[], &[]);
    assert_invalid(&seen(12, 1).with_unseen_below(f64::NAN).err().unwrap(), "loss_unseen", &[], &[]);
    assert_invalid(&bounded().with_unseen_below(0.0).err().unwrap(), "loss_unseen", &[], &[]);
    let truth = synthetic::psd(4).rank(1).seed(1).build().unwrap();
    let dense = Problem::measure(Dense::gaussian(Domain::symmetric(4), 12, 1).unwrap(), truth).unwrap();
    unsupported(&dense.clone().with_unseen_below(0.0).err().unwrap(), &["entries"]);
    assert_invalid(&dense.clone().with_upper_bounds([12]).err().unwrap(), "upper_bounds", &["12"], &[]);
    assert_invalid(&dense.clone().with_upper_bounds(0..12).err().unwrap(), "upper_bounds", &[], &[]);
    // The automatic method bears them, for any measurements.
    let some = dense.with_upper_bounds([0, 5]).unwrap();
    let settings = Settings::default().stop(Stop::default().max_iterations(20));
    assert!(Solver::new(some, settings, Backend::Cpu).unwrap().solve().is_ok());
}
