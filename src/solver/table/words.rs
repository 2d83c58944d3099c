//! Words of the registries in help texts.

use crate::methods::METHODS;
use crate::models::{MODELS, ModelCard};

/// Words and formulas of the models.
pub(super) fn models() -> String {
    let parameters =
        |card: &ModelCard| card.parameters.iter().map(|of| format!(":{}=…", of.name())).collect::<String>();
    let each = MODELS.iter().map(|card| format!("{}{} ({})", card.word, parameters(card), card.formula));
    format!(": {}", each.collect::<Vec<_>>().join("; "))
}

/// Words of the methods.
pub(super) fn methods() -> String {
    let words: Vec<&str> = METHODS.iter().map(|card| card.word).collect();
    let more = "see `lowrank list methods`. Parameters may follow it: lbfgs:memory=5";
    format!(" {}; {more}", words.join(", "))
}
