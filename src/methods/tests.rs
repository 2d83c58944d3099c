//! What holds for every method of the registry.

use super::*;

#[test]
fn what_is_written_reads_back() {
    for text in ["pursuit", "lbfgs:memory=5", "gd:step_rule=exact", "scaled-gd:damping=0.001:step_rule=armijo"] {
        let method = Method::named(text, &Named::default()).unwrap();
        assert_eq!(method.to_string(), text);
    }
}

#[test]
fn methods_that_fit_suit_the_loss_and_the_model() {
    let words = |loss, model: &Model| Method::fitting(loss, model).iter().map(|m| m.word()).collect::<Vec<_>>();
    let psd = words(Loss::Square, &Model::psd());
    assert!(psd.contains(&"pursuit") && psd.contains(&"gd") && !psd.contains(&"alt-scaled-gd"), "{psd:?}");
    assert!(words(Loss::Square, &Model::asymmetric()).contains(&"alt-scaled-gd"));
    assert!(!words(Loss::L1, &Model::psd()).contains(&"pursuit"));
}

#[test]
fn defaults_of_the_cards_are_those_of_the_methods() {
    let trial = TrialNumbers { normalization: 0.5, damping: None, robust: false, search_rank: 3, measurements: 40 };
    let tape = |method: &Method| {
        let domain = Domain::symmetric(6);
        let mut tape = Tape::new(Model::psd().recorded(), domain, 3, Loss::Square, false, false);
        let recorded = method.record(&mut tape, &Context::default());
        let program = tape.finish();
        recorded.map(|()| (program.registers().to_vec(), program.steps().count())).map_err(|error| error.to_string())
    };
    let mut seen = 0;
    for card in METHODS {
        for of in card.parameters {
            // Giving one of these turns Polyak steps on, whatever its value.
            let turns_on = ["optimal_loss", "polyak_scale"].contains(&of.name()) && card.word != "gd-polyak";
            let set = Method::named(card.word, &Named::default().with(of.name(), Some(of.default)));
            let (Ok(set), false) = (set, turns_on) else { continue };
            let usual = card.method();
            let name = format!("{} {}", card.word, of.name());
            assert_eq!(set.numbers(&trial), usual.numbers(&trial), "{name}");
            assert_eq!(set.step_rule(), usual.step_rule(), "{name}");
            assert_eq!(set.minibatches(), usual.minibatches(), "{name}");
            assert_eq!(tape(&set), tape(&usual), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 14, "only {seen} defaults are values: the test reads them wrongly");
}

#[test]
fn residuals_that_no_iteration_leaves_are_measured_alone() {
    let mut seen = Vec::new();
    for card in METHODS {
        let mut tape = Tape::new(Model::psd().recorded(), Domain::symmetric(6), 3, Loss::Square, false, false);
        if card.method().record(&mut tape, &Context::default()).is_err() {
            continue;
        }
        let program = tape.finish();
        if program.leads {
            continue;
        }
        seen.push(card.word);
        for step in &program.head {
            let crate::tape::Op::Pass(pass) = &step.op else { continue };
            assert!(pass.lanes.iter().all(|lane| lane.adjoint.is_none()), "{}", card.word);
        }
    }
    assert!(["sgd", "gauss-newton"].iter().all(|word| seen.contains(word)), "{seen:?}");
}
