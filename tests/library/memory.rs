//! Memory is predicted and refused before it is taken, or a result that needs none of it is kept with a sentence.

use lowrank::confidence::StandardErrors;
use lowrank::internals::memory::with_available;
use lowrank::io::read_npz;
use lowrank::memory::Location;
use lowrank::operators::{Dense, Entries, Seeded};
use lowrank::problem::{Truth, synthetic};
use lowrank::selection::CrossValidation;
use lowrank::{Backend, Error, Method, Precision, Problem, Result, Settings, Solver, Trial};
use std::ops::ControlFlow;

use crate::notes;
use crate::says::assert_says;

/// Fails unless memory was refused under `name`, and `part` is among its largest parts.
#[track_caller]
fn assert_refused<T>(found: Result<T>, name: &str, part: &str) {
    match found {
        Err(Error::Memory { name: of, parts, .. }) => {
            assert_eq!(of, name, "{parts}");
            assert_says(&parts, &[part]);
        }
        Err(other) => panic!("another refusal: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

fn psd(n: usize, m: usize) -> Problem {
    let truth = synthetic::psd(n).rank(2).seed(1).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), m, 2).unwrap(), truth).unwrap()
}

/// Noisy entries of a matrix.
fn noisy() -> Problem {
    let truth = synthetic::asymmetric(60, 45).rank(3).seed(1).build().unwrap();
    let operator = Entries::distinct(truth.domain(), 1500, 2).unwrap();
    Problem::measure(operator, truth).unwrap().with_noise(0.3, 3).unwrap()
}

#[test]
fn trials_and_diagnoses_are_refused_before_they_are_made() {
    let problem = psd(40, 200);
    let settings = || Settings::new(Method::gd()).search_rank(4);
    let new = |settings: Settings| Solver::new(problem.clone(), settings, Backend::Reference);
    let needed = |solver: &Solver| solver.memory().bytes(Location::Host);
    let (plain, diagnosed) = (new(settings()).unwrap(), new(settings().diagnose(true)).unwrap());
    // Spectra of 40 × 41 numbers and more.
    assert!(needed(&diagnosed) > needed(&plain) + 8 * 40 * 41);
    let many = settings().trials((0..1000).map(|seed| Trial::default().seed(seed)));
    with_available(2 * needed(&diagnosed), || {
        assert!(new(settings()).is_ok());
        assert_refused(new(many), "search_rank", "observations");
    });
    let many = |diagnose| settings().diagnose(diagnose).trials((1..=200).map(|rows| Trial::default().rows(rows)));
    let bytes = needed(&new(many(false)).unwrap());
    with_available(bytes + bytes / 10, || {
        assert!(new(many(false)).is_ok());
        assert_refused(new(many(true)), "search_rank", "diagnoses");
    });
}

#[test]
fn engines_ask_for_their_own_part() {
    let problem = psd(40, 200);
    for backend in [Backend::Reference, Backend::Cpu] {
        let settings = Settings::new(Method::gd()).search_rank(4).step_size(0.1);
        let solver = Solver::new(problem.clone(), settings.clone(), backend.clone()).unwrap();
        let engine = solver.engine().memory.bytes(Location::Host);
        let others = solver.memory().bytes(Location::Host) - engine;
        // Enough for the solver, not for an engine with a batch of 20 trials.
        let many = settings.trials((0..20).map(|seed| Trial::default().seed(seed)));
        let own = Solver::new(problem.clone(), many.clone(), backend.clone()).unwrap();
        assert!(own.engine().memory.bytes(Location::Host) > engine && others > 0);
        let own = own.memory().bytes(Location::Host) - own.engine().memory.bytes(Location::Host);
        let own = own - problem.operator().memory().iter().map(|part| part.bytes).sum::<u64>();
        let found = with_available(own, || Solver::new(problem.clone(), many.clone(), backend.clone()));
        match backend {
            Backend::Cpu => assert_refused(found, "batch", "copy of the matrices"),
            // Its registers are smaller than what the solver holds.
            _ => assert!(found.is_ok()),
        }
    }
}

#[test]
fn spectra_are_refused() {
    let problem = psd(40, 200);
    let settings = Settings::new(Method::scaled_gd()).search_rank(1);
    let own = {
        let solver = Solver::new(problem.clone(), settings.clone(), Backend::Reference).unwrap();
        let others = problem.operator().memory().iter().map(|part| part.bytes).sum::<u64>();
        solver.memory().bytes(Location::Host) - solver.engine().memory.bytes(Location::Host) - others
    };
    let found = with_available(own, || Solver::new(problem, settings, Backend::Reference));
    assert_refused(found, "matrix", "spectrum");
    let truth = synthetic::asymmetric(40, 30).rank(1).seed(1).build().unwrap();
    let problem = Problem::measure(Seeded::new(truth.domain(), 100, 2).unwrap(), truth).unwrap();
    let settings = Settings::new(Method::gd()).search_rank(1);
    let found = with_available(20_000, || Solver::new(problem, settings, Backend::Reference));
    assert_refused(found, "matrix", "spectrum");
}

#[test]
fn truth_matrices_are_measured_where_they_fit_and_compared_row_by_row() {
    let truth = synthetic::psd(60).rank(2).seed(1).build().unwrap();
    let matrix = Truth::from_matrix(60, truth.to_matrix()).unwrap();
    let operator = std::sync::Arc::new(Entries::distinct(truth.domain(), 300, 2).unwrap());
    with_available(8 * 60 * 60, || {
        assert_refused(Problem::measure(operator.clone(), matrix.clone()), "truth_matrix", "factors");
        assert!(Problem::measure(operator.clone(), truth.clone()).is_ok());
        // The test error needs one row.
        let product = truth.product().unwrap();
        assert!(lowrank::diagnostics::relative_error(&product, &matrix).unwrap() < 1e-15);
    });
}

#[test]
fn standard_errors_are_refused() {
    let problem = psd(20, 200).with_noise(0.1, 3).unwrap();
    let mut solver = Solver::new(problem, Settings::default().search_rank(2), Backend::Cpu).unwrap();
    let solution = solver.solve().unwrap();
    let of = || StandardErrors::of(&solver, &solution.trials[0]);
    // Five matrices of 40 × 40 and a Jacobian of 200 × 40, twice.
    assert_refused(with_available(8 * 40 * (5 * 40 + 400), of), "confidence", "Jacobian");
    assert!(with_available(8 * 40 * (5 * 40 + 400) + 8 * 400, of).is_ok());
}

#[test]
fn fits_are_kept_where_a_second_look_has_no_room() {
    // A choice of a ridge among noisy entries.
    let go_on = |_: &lowrank::Progress<'_>| ControlFlow::Continue(());
    let mut solver = Solver::new(noisy(), Settings::default(), Backend::Cpu).unwrap();
    let solution = with_available(100, || solver.solve()).unwrap();
    assert!(notes(&solution, &["no ridge", "free memory"]), "{:?}", solution.notices);
    assert!(!notes(&solver.solve().unwrap(), &["free memory"]));
    // An analysis of what is left.
    let problem = psd(20, 100).with_noise(0.5, 3).unwrap();
    let settings = Settings::new(Method::cg()).search_rank(1).precision(Precision::F64);
    let mut solver = Solver::new(problem.clone(), settings.clone(), Backend::Cpu).unwrap();
    let remark = |solution: lowrank::Solution| solution.trials[0].remark.clone().unwrap_or_default();
    assert_says(&remark(with_available(100, || solver.solve()).unwrap()), &["free memory"]);
    // A cross-validation is the request itself.
    let choose = || CrossValidation::new().search_ranks([1, 2]).choose(&problem, &settings, &Backend::Cpu, go_on);
    assert_refused(with_available(100, choose), "search_rank", "observations");
    let found = with_available(600_000, choose).unwrap().unwrap();
    assert_eq!(found, choose().unwrap().unwrap());
}

#[test]
fn a_second_fit_without_room_leaves_the_first() {
    // Noise alone leaves a large residual.
    let problem = psd(20, 150).with_noise(50.0, 3).unwrap();
    let mut solver = Solver::new(problem, Settings::default(), Backend::Cpu).unwrap();
    let solution = with_available(10_000, || solver.solve()).unwrap();
    assert!(
        notes(&solution, &["no second fit", "free memory"]),
        "{:?} {:?}",
        solution.notices,
        solution.trials[0].status
    );
}

#[test]
fn arrays_of_archives_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("factors.npz");
    let mut file = std::fs::File::create(&path).unwrap();
    lowrank::io::write_npz(&mut file, &[("left", &[100, 4], &[0.5; 400])]).unwrap();
    let name = format!("{}:left", path.display());
    assert_refused(with_available(6000, || read_npz(&path, "left")), &name, "array");
    assert!(with_available(8000, || read_npz(&path, "left")).is_ok());
}
