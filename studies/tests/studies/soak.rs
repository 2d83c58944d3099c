//! A short soak, and that a soak sees what is wrong.

use lowrank::internals::laws::Place;
use lowrank_studies::soak::Soak;

#[test]
fn a_thousand_random_problems_have_the_right_answers() {
    let mut soak = Soak::new(Place::host(), 7, 0);
    for _ in 0..1000 {
        let tried = soak.step();
        assert!(tried.outcome.is_ok(), "problem {}: {}: {:?}", tried.index, tried.what, tried.outcome);
    }
    let tally = soak.tally();
    assert_eq!(tally.problems(), 1000);
    // Most of what was drawn could be compared. Operators without kernels of their own are refused at places that force one.
    assert!(tally.agreed > tally.incomparable && 3 * tally.refused < tally.problems(), "{tally:?}");
}

#[test]
fn a_problem_is_the_same_one_whenever_it_is_tried() {
    let mut all = Soak::new(Place::host(), 3, 0);
    let tried: Vec<_> = (0..40).map(|_| all.step()).collect();
    for wanted in tried.iter().skip(30) {
        let again = Soak::new(Place::host(), 3, wanted.index).step();
        assert_eq!((&again.what, &again.outcome), (&wanted.what, &wanted.outcome));
    }
}

/// Double precision that is off by a rounding of single precision is seen.
#[test]
fn wrong_precision_is_a_wrong_answer() {
    let places: Vec<Place> = Place::host().into_iter().filter(|place| place.name == "cpu f64").collect();
    let mut soak = Soak::new(places, 11, 0);
    soak.falsify(1e-7);
    let wrong = (0..400).filter(|_| soak.step().outcome.is_err()).count();
    let agreed = soak.tally().agreed;
    assert!(wrong > 20 && agreed * 10 < wrong as u64, "{wrong} wrong, {agreed} agreed");
}
