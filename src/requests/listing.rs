//! All options in the order of help texts, and their help.

use crate::methods::METHODS;
use crate::models::MODELS;
use crate::operators::open;
use crate::operators::registry::REGISTRY;
use crate::options::{OptionCard, Parameter};
use crate::solver::table::SETTINGS;

/// All options, in the order of help texts: measurements, model, method, limits, failures.
pub fn options() -> Vec<&'static OptionCard> {
    let mut all: Vec<&'static OptionCard> = Vec::new();
    let mut add = |option: &'static OptionCard| {
        if !all.iter().any(|known| known.name == option.name) {
            all.push(option);
        }
    };
    REGISTRY.iter().flat_map(|registration| registration.options).for_each(&mut add);
    let (own, shared) = open::OPTIONS.split_at(2);
    own.iter().for_each(&mut add);
    for (option, ..) in SETTINGS {
        add(option);
        match option.name {
            "model" => {
                MODELS.iter().flat_map(|card| card.parameters).for_each(|of| add(of.option));
                shared.iter().for_each(&mut add);
            }
            "method" => METHODS.iter().flat_map(|card| card.parameters).for_each(|of| add(of.option)),
            _ => {}
        }
    }
    all
}

/// The options of a command of the program.
pub fn options_of(command: &str) -> Vec<&'static OptionCard> {
    options().into_iter().filter(|option| option.in_program && option.commands.contains(&command)).collect()
}

/// Methods and models with a parameter, by their words, with its default in each.
fn owners(name: &str) -> Vec<(&'static str, &'static str)> {
    let with = |word: &'static str, parameters: &'static [Parameter]| {
        parameters.iter().find(|of| of.name() == name).map(|of| (word, of.default))
    };
    let methods = METHODS.iter().filter_map(|card| with(card.word, card.parameters));
    methods.chain(MODELS.iter().filter_map(|card| with(card.word, card.parameters))).collect()
}

/// The default of an option for a command, as text; of a parameter those of all its methods.
pub fn default_text(option: &OptionCard, command: &str) -> Option<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (word, default) in owners(option.name) {
        match groups.iter_mut().find(|(known, _)| *known == default) {
            Some((_, words)) => words.push(word),
            None => groups.push((default, vec![word])),
        }
    }
    match groups.as_slice() {
        [] => option.default_of(command).text().map(str::to_owned),
        [(default, _)] => Some((*default).to_owned()),
        several => {
            let each = several.iter().map(|(default, words)| format!("{default} ({})", words.join(", ")));
            Some(each.collect::<Vec<_>>().join("; "))
        }
    }
}

/// The help text of an option for a command: sentences, methods that have it, words, default.
pub fn help(option: &OptionCard, command: &str) -> String {
    let words = option.words.map_or_else(String::new, |words| words());
    let owners = owners(option.name);
    let default = default_text(option, command);
    let of = match owners.is_empty() || default.as_ref().is_some_and(|text| text.contains(" (")) {
        true => String::new(),
        false => format!(" ({})", owners.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")),
    };
    let default = match default.as_deref() {
        None => String::new(),
        Some("required") => " [required]".to_owned(),
        Some(text) => format!(" [default: {text}]"),
    };
    format!("{}{words}{of}{default}", option.help)
}
