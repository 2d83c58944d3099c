//! A fixed trace: the step, what is kept, states from shots, what is refused.

use lowrank::diagnostics::fidelity;
use lowrank::operators::pauli::with_shots;
use lowrank::operators::{Dense, Pauli};
use lowrank::problem::{Factors, Truth, synthetic};
use lowrank::solver::{Checkpoint, SaveEvery};
use lowrank::{Backend, Init, Method, Model, Precision, Problem, Settings, Solution, Solver, Stop, Trial};

use crate::{assert_invalid, notes};

fn solve(problem: &Problem, settings: Settings, backend: Backend) -> Solution {
    Solver::new(problem.clone(), settings, backend).unwrap().solve().unwrap()
}

fn real() -> Problem {
    let truth = synthetic::psd(12).rank(2).seed(1).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), 300, 2).unwrap(), truth).unwrap()
}

fn complex() -> Problem {
    let truth = synthetic::hermitian(16).rank(2).seed(4).build().unwrap();
    Problem::measure(Pauli::random(4, 160, 9).unwrap(), truth).unwrap()
}

/// ‖U‖_F² of a trial, and the trace of its matrix, which are the same.
fn trace(solution: &Solution, trial: usize) -> f64 {
    let trial = &solution.trials[trial];
    let product = trial.product();
    let n = product.left().rows() / if product.is_complex() { 2 } else { 1 };
    let diagonal = (0..n).map(|i| match product.is_complex() {
        true => product.complex_entry(i, i).0,
        false => product.entry(i, i),
    });
    let size: f64 = trial.left().as_slice().iter().map(|v| v * v).sum();
    approx::assert_relative_eq!(diagonal.sum::<f64>(), size, max_relative = 1e-12);
    size
}

fn keeping() -> [Method; 7] {
    [
        Method::momentum().into(),
        Method::heavy_ball().into(),
        Method::gd().into(),
        Method::gd().step_decay(0.99).into(),
        Method::gd_polyak().polyak_every(3).into(),
        Method::sgd().into(),
        Method::zeroth_order().into(),
    ]
}

#[test]
fn every_method_that_keeps_the_trace_ends_with_it() {
    for method in keeping() {
        for problem in [real(), complex()] {
            for (backend, precision, within) in [
                (Backend::Reference, Precision::F64, 1e-12),
                (Backend::Cpu, Precision::F64, 1e-12),
                (Backend::Cpu, Precision::F32, 1e-6),
            ] {
                // The truth has another trace: the factors stay away from it.
                for wanted in [0.25, 3.0] {
                    let trials = [Trial::default().seed(1), Trial::default().seed(2).search_rank(2)];
                    let settings = Settings::new(method.clone()).search_rank(4).precision(precision).trials(trials);
                    let settings = settings.stop(Stop::default().max_iterations(37)).fixed_trace(wanted);
                    let found = solve(&problem, settings, backend.clone());
                    for trial in 0..2 {
                        approx::assert_relative_eq!(trace(&found, trial), wanted, max_relative = within);
                    }
                }
            }
        }
    }
}

#[test]
fn a_step_is_the_free_step_scaled_to_the_trace() {
    for problem in [real(), complex()] {
        for wanted in [0.5, 2.0] {
            let once = |settings: Settings| {
                let settings = settings.precision(Precision::F64).step_size(0.05).search_rank(3);
                solve(&problem, settings.stop(Stop::default().max_iterations(1)), Backend::Cpu)
            };
            // From the start of a run without iterations, which has the trace already.
            let settings = Settings::new(Method::gd()).search_rank(3).precision(Precision::F64).fixed_trace(wanted);
            let start = solve(&problem, settings.stop(Stop::default().max_iterations(0)), Backend::Cpu);
            approx::assert_relative_eq!(trace(&start, 0), wanted, max_relative = 1e-12);
            let rows = start.best().left().rows();
            let start = Factors::single(1, rows, 3, start.best().left().as_slice().to_vec()).unwrap();
            let settings = Settings::new(Method::gd()).init(Init::Given(start));
            let (free, kept) = (once(settings.clone()), once(settings.fixed_trace(wanted)));
            let size = trace(&free, 0);
            assert!((size / wanted - 1.0).abs() > 1e-3, "the free step changes the trace: {size}");
            let factor = (wanted / size).sqrt();
            for (free, kept) in free.best().left().as_slice().iter().zip(kept.best().left().as_slice()) {
                approx::assert_abs_diff_eq!(factor * free, *kept, epsilon = 1e-13);
            }
        }
    }
}

/// A pure state seen through shots of a tenth of the strings, and its truth.
fn shots(seed: u64) -> (Problem, Truth) {
    let truth = synthetic::hermitian(16).rank(1).seed(seed).build().unwrap();
    let exact = Problem::measure(Pauli::random(4, 128, seed).unwrap(), truth.clone()).unwrap();
    let values = with_shots(exact.observations(0).unwrap(), 8192, seed).unwrap();
    (Problem::new(Pauli::random(4, 128, seed).unwrap(), values).unwrap(), truth)
}

#[test]
fn states_from_shots_have_the_trace_and_lose_no_fidelity() {
    for seed in 1..=5 {
        let (problem, truth) = shots(seed);
        let with = |settings: Settings| solve(&problem, settings, Backend::Cpu);
        let fidelity = |of: &Solution| fidelity(&of.best().product(), &truth).unwrap();
        let (free, kept) = (with(Settings::default()), with(Settings::default().fixed_trace(1.0)));
        approx::assert_relative_eq!(trace(&kept, 0), 1.0, max_relative = 1e-6);
        assert!(notes(&kept, &["fixed_trace 1", "momentum"]), "{:?}", kept.notices);
        assert!(notes(&kept, &["pursuit"]), "{:?}", kept.notices);
        assert!(fidelity(&kept) > fidelity(&free) - 1e-4, "{seed}: {} {}", fidelity(&kept), fidelity(&free));
        let double = with(Settings::default().fixed_trace(1.0).precision(Precision::F64));
        approx::assert_relative_eq!(trace(&double, 0), 1.0, max_relative = 1e-12);
        // The loss falls below that of the scaled fit.
        let scaled = with(Settings::default().fixed_trace(1.0).stop(Stop::default().max_iterations(0)));
        assert!(kept.best().train_loss < scaled.best().train_loss);
    }
}

#[test]
fn a_batch_and_a_fit_of_nothing_have_the_trace_too() {
    let trials = [Trial::default().rows(120), Trial::default().rows(160).search_rank(2)];
    let found = solve(&complex(), Settings::default().search_rank(4).trials(trials).fixed_trace(2.0), Backend::Cpu);
    (0..2).for_each(|trial| approx::assert_relative_eq!(trace(&found, trial), 2.0, max_relative = 1e-6));
    assert_eq!(found.trials[0].parameters.rows, 120);
    // Nothing psd explains −I, so the free fit is zero.
    let operator = Pauli::all(2).unwrap();
    let problem = Problem::measure(operator, synthetic::hermitian(4).rank(1).seed(1).build().unwrap()).unwrap();
    let against: Vec<f64> = problem.observations(0).unwrap().iter().map(|v| -v).collect();
    let problem = Problem::new(Pauli::all(2).unwrap(), against).unwrap();
    let found = solve(&problem, Settings::default().fixed_trace(1.0), Backend::Cpu);
    approx::assert_relative_eq!(trace(&found, 0), 1.0, max_relative = 1e-6);
}

#[test]
fn a_resumed_run_keeps_the_trace_and_refuses_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("saved");
    for method in [None, Some(Method::from(Method::momentum()))] {
        let settings = |trace: f64, last: usize| {
            let settings = Settings::default().fixed_trace(trace).stop(Stop::default().max_iterations(last));
            match &method {
                Some(method) => settings.method(method.clone()),
                None => settings,
            }
        };
        let (problem, _) = shots(1);
        let whole = solve(&problem, settings(1.0, 300), Backend::Cpu);
        solve(&problem, settings(1.0, 10).checkpoint(&path, SaveEvery::Iterations(10)), Backend::Cpu);
        let saved = Checkpoint::read(&path).unwrap();
        let resume = |settings| Solver::new(problem.clone(), settings, Backend::Cpu).unwrap().resume(&saved);
        let found = resume(settings(1.0, 300)).unwrap();
        approx::assert_relative_eq!(trace(&found, 0), 1.0, max_relative = 1e-6);
        assert_eq!(found.best().left().as_slice(), whole.best().left().as_slice());
        assert_invalid(&resume(settings(2.0, 300)).unwrap_err(), "fixed_trace", &["2.0"], &["1.0", "checkpoint"]);
    }
}

#[test]
fn traces_models_and_settings_that_contradict_are_refused() {
    let of = |settings: Settings| settings.check().unwrap_err();
    for (trace, found) in [(0.0, "0"), (-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        assert_invalid(&of(Settings::default().fixed_trace(trace)), "fixed_trace", &[found], &["positive", "finite"]);
    }
    let one = || Settings::default().fixed_trace(1.0);
    assert_invalid(&of(one().precision(Precision::Mixed)), "fixed_trace", &["mixed"], &["f32", "f64"]);
    assert_invalid(&of(one().ridge(0.5)), "fixed_trace", &["ridge"], &["no ridge"]);
    let small = Init::SmallRandom { scale: 0.1, seed: 1 };
    assert_invalid(&of(one().init(small)), "fixed_trace", &["init_scale"], &["no init_scale"]);
    let zero = Factors::single(1, 12, 1, vec![0.0; 12]).unwrap();
    assert_invalid(&of(one().init(Init::Given(zero))), "init", &["zeros"], &["not zero"]);
    for model in [Model::asymmetric(), Model::signed(1, 1)] {
        let word = model.word();
        let refused = Solver::new(real(), one().model(model), Backend::Cpu).err().unwrap();
        assert_invalid(&refused, "fixed_trace", &["1", word], &["psd"]);
    }
}
