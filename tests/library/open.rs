//! Results that the measurements leave open, and those that only seem so.

use lowrank::operators::{Pauli, PauliString};
use lowrank::problem::synthetic;
use lowrank::{Backend, Model, Precision, Problem, Settings, Solver, TrialSolution};

fn solved(problem: Problem, settings: Settings) -> TrialSolution {
    let mut solver = Solver::new(problem, settings, Backend::Cpu).unwrap();
    solver.solve().unwrap().best().clone()
}

/// ⟨XX⟩ = ⟨ZZ⟩ = 1 determines a pure state, although small changes move neither.
#[test]
fn the_second_order_of_a_change_determines_a_bell_state() {
    let words = ["II", "XX", "ZZ", "YY", "XI", "IX", "ZI", "IZ", "XY", "YX"];
    let strings = words.map(|word| PauliString::from_word(word).unwrap());
    let pauli = Pauli::new(strings.into()).unwrap();
    let y = [1.0, 1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let settings = Settings::default().precision(Precision::F64).search_rank(1).model(Model::psd());
    let best = solved(Problem::new(pauli, y.to_vec()).unwrap(), settings);
    assert!(best.relative_residual < 1e-6 && best.doubt.is_none(), "{} {:?}", best.relative_residual, best.doubt);
}

/// Strings with I or Z for the first qubit measure two blocks and nothing between them: not the phase of one against the other.
/// With three strings more everything is seen.
#[test]
fn a_phase_that_no_string_sees_is_said() {
    let truth = synthetic::hermitian(8).rank(1).seed(4).build().unwrap();
    let all = (0..64).map(|at| PauliString::of_index(3, at).unwrap());
    let letters: Vec<PauliString> = all.filter(|string| string.flips() & 4 == 0).collect();
    let more =
        [letters.clone(), ["XXY", "YIX", "XZZ"].map(|word| PauliString::from_word(word).unwrap()).into()].concat();
    for (strings, open) in [(letters, true), (more, false)] {
        let problem = Problem::measure(Pauli::new(strings).unwrap(), truth.clone()).unwrap();
        let settings = Settings::default().precision(Precision::F64).search_rank(1);
        let best = solved(problem, settings.model(Model::psd()));
        let doubt = best.doubt.as_deref().unwrap_or_default();
        assert_eq!(doubt.contains("see 14 of the 15 degrees of freedom"), open, "{doubt:?} {:?}", best.relative_error);
        assert_eq!(best.relative_error.unwrap() < 1e-6, !open, "{:?}", best.relative_error);
    }
}
