//! Label noise and sharpness-aware gradients: where they lead, what is refused, and that backends agree.

use lowrank::methods::StepRule;
use lowrank::operators::Dense;
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Init, Method, Model, Precision, Problem, Schedule, Settings, Solution, Solver, Stop};

use crate::assert_invalid;

/// Measurements that determine a rank-two matrix.
fn problem() -> Problem {
    let operator = Dense::gaussian(Domain::rectangular(6, 6), 80, 1).unwrap();
    Problem::measure(operator, synthetic::asymmetric(6, 6).rank(2).condition_number(3.0).seed(2).build().unwrap())
        .unwrap()
}

fn descent(iterations: usize) -> Settings {
    Settings::new(Method::gd())
        .model(Model::deep(3))
        .search_rank(6)
        .init(Init::SmallRandom { scale: 0.6, seed: 4 })
        .step_size(0.06)
        .precision(Precision::F64)
        .diagnose(true)
        .observe(Schedule::Every(500))
        .stop(Stop::default().max_iterations(iterations).stall_window(None))
}

fn solve(settings: Settings, backend: Backend) -> Solution {
    Solver::new(problem(), settings, backend).unwrap().solve().unwrap()
}

/// T/T* at the end.
fn steepness(solution: &Solution) -> f64 {
    let flat = solution.trace.last().unwrap().flatness.unwrap();
    // Exact and isotropic traces are close for this many measurements.
    approx::assert_relative_eq!(flat.trace.unwrap(), flat.isotropic, max_relative = 0.3);
    flat.isotropic / flat.least
}

#[test]
fn label_noise_flattens_and_the_matrix_stays() {
    let plain = solve(descent(12_000), Backend::Cpu);
    let noisy = solve(descent(12_000).label_noise(2.0).label_noise_until(10_000), Backend::Cpu);
    for solution in [&plain, &noisy] {
        assert!(solution.trials[0].relative_error.unwrap() < 2e-2, "{:?}", solution.trials[0].relative_error);
    }
    assert!(steepness(&plain) > 1.3, "{}", steepness(&plain));
    assert!(steepness(&noisy) < 1.15, "{}", steepness(&noisy));
    // The noise is not in the reported loss, and the last iterate is the result.
    assert_eq!(noisy.trials[0].kept_iteration, 12_000);
    assert!(noisy.trials[0].train_loss < 1e-3, "{}", noisy.trials[0].train_loss);
}

#[test]
fn sharpness_changes_the_descent_and_zero_does_not() {
    let plain = solve(descent(1000), Backend::Cpu);
    let zero = solve(descent(1000).sharpness(0.0).label_noise(0.0), Backend::Cpu);
    let sharp = solve(descent(1000).sharpness(0.1), Backend::Cpu);
    assert_eq!(plain.trials[0].train_loss, zero.trials[0].train_loss);
    assert!(sharp.trials[0].train_loss > plain.trials[0].train_loss, "{}", sharp.trials[0].train_loss);
    assert!(sharp.trials[0].relative_error.unwrap() < 0.3);
}

/// The same noise on every backend, for every method that takes it, in one trial or several.
#[test]
fn backends_see_the_same_noise() {
    for method in
        Method::fitting(lowrank::operators::Loss::Square, &Model::asymmetric()).into_iter().filter(|m| m.perturbs())
    {
        let settings = |method: &Method| {
            Settings::new(method.clone())
                .model(Model::asymmetric())
                .search_rank(3)
                .precision(Precision::F64)
                .label_noise(0.3)
                .sharpness(0.05)
                .stop(Stop::default().max_iterations(6).stall_window(None))
        };
        let found = |backend| solve(settings(&method), backend).trials[0].train_loss;
        let (reference, cpu) = (found(Backend::Reference), found(Backend::Cpu));
        approx::assert_relative_eq!(reference, cpu, max_relative = 1e-9);
        let quiet = solve(settings(&method).label_noise(0.0), Backend::Cpu).trials[0].train_loss;
        assert!((quiet - cpu).abs() > 1e-6 * quiet, "{method}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let refused = |settings: Settings, name: &str| {
        let error = Solver::new(problem(), settings, Backend::Cpu).and_then(|mut solver| solver.solve()).unwrap_err();
        assert_invalid(&error, name, &[], &[]);
    };
    refused(descent(5).label_noise(-1.0), "label_noise");
    refused(descent(5).sharpness(f64::NAN), "sharpness");
    refused(descent(5).label_noise_until(3), "label_noise_until");
    refused(descent(5).label_noise(1.0).precision(Precision::Mixed), "label_noise");
    let lines = Settings::new(Method::gd().step_rule(StepRule::Exact)).model(Model::asymmetric());
    refused(lines.label_noise(1.0), "label_noise");
    refused(Settings::new(Method::pursuit()).model(Model::asymmetric()).sharpness(0.1), "sharpness");
    // The automatic method bears both.
    let auto = Settings::default().model(Model::asymmetric()).label_noise(0.1).stop(Stop::default().max_iterations(3));
    assert!(Solver::new(problem(), auto, Backend::Cpu).unwrap().solve().is_ok());
}
