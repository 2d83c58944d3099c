//! The table of options: one default for Rust and every front end, one place for each option.

use lowrank::internals::options::Request;
use lowrank::internals::requests::{default_text, help, options, options_of};
use lowrank::methods::METHODS;
use lowrank::options::{OptionKind, Usual};
use lowrank::{Method, Settings};

#[test]
fn a_request_for_nothing_has_the_defaults_of_the_library() {
    let nothing = Request::new();
    assert_eq!(nothing.settings().unwrap(), Settings::default());
    assert_eq!(nothing.method().unwrap(), None);
    assert_eq!(nothing.axes_with_method().unwrap(), lowrank::internals::solver::Axes::default());
}

#[test]
fn defaults_that_are_values_are_those_of_the_settings() {
    for option in options().into_iter().filter(|option| !matches!(option.kind, OptionKind::File)) {
        let Usual::Value(text) = option.default else { continue };
        let request = Request::new().with(option.name, text);
        assert_eq!(request.settings().unwrap(), Settings::default(), "{}", option.name);
    }
    // A value that is none of the default reaches the settings.
    let other = Request::new().with("max_iterations", 7).with("stall_window", 0).with("loss", "l1");
    let settings = other.settings().unwrap();
    assert!(settings != Settings::default() && format!("{settings:?}").contains("max_iterations: 7"));
}

#[test]
fn options_have_one_name_a_sentence_and_known_relations() {
    let all = options();
    for option in &all {
        let name = option.name;
        assert_eq!(all.iter().filter(|other| other.name == name).count(), 1, "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert!(!option.help.ends_with('.') && option.help.len() > 10, "{name}: {}", option.help);
        assert!(option.in_program || option.in_python, "{name} is in no front end");
        for other in option.requires.iter().chain(option.conflicts) {
            assert!(all.iter().any(|known| known.name == *other), "{name} names {other}");
        }
    }
    for command in ["solve", "compare", "sweep"] {
        assert!(options_of(command).iter().any(|option| option.name == "backend"));
    }
}

#[test]
fn parameters_of_methods_are_options_with_the_defaults_of_their_methods() {
    for card in METHODS {
        for of in card.parameters {
            let option =
                options().into_iter().find(|option| option.name == of.name()).expect("every parameter is an option");
            let text = default_text(option, "solve").unwrap();
            assert!(text.contains(of.default), "{} {}: {text}", card.word, of.name());
            assert!(help(option, "solve").contains(card.word), "{} {}", card.word, of.name());
        }
    }
    let asked = Request::new().with("method", "lbfgs").with("memory", 4);
    assert_eq!(asked.method().unwrap(), Some(Method::named("lbfgs:memory=4", &Default::default()).unwrap()));
    let refused = Request::new().with("method", "gd").with("memory", 4).method().unwrap_err().to_string();
    assert!(refused.contains("memory") && refused.contains("lbfgs"), "{refused}");
}
