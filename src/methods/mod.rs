//! Algorithms as recipes: lists of stages that every engine knows how to run.

use serde::{Deserialize, Serialize};

/// One step of an iteration, carried out for every active trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// r = A(UUᵀ) − y and D = A*(w∘r)·U at the current factor, in one pass over the operator's data.
    Gradient,
    /// U ← U − step·D with step = μ·s.
    Descend,
}

/// The algorithm that moves the factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Method {
    /// `U ← U − μ·s·A*(A(UUᵀ) − y)·U`, the iteration of Stöger & Soltanolkotabi (arXiv 2106.15013).
    #[default]
    #[serde(rename = "gd")]
    GradientDescent,
}

/// What `lowrank list methods` shows of a method.
#[derive(Clone, Copy, Debug)]
pub struct MethodCard {
    pub method: Method,
    /// The word of `--method`.
    pub word: &'static str,
    pub formula: &'static str,
    pub parameters: &'static str,
    pub source: &'static str,
}

/// Every method, in the order of the help text.
pub const METHODS: &[MethodCard] = &[MethodCard {
    method: Method::GradientDescent,
    word: "gd",
    formula: "U <- U - step_size * s * A*(A(UU') - y) U",
    parameters: "step_size (default 1/(4 ||s A*(y)||)), init_scale, search_rank",
    source: "Stöger & Soltanolkotabi 2021, arXiv 2106.15013",
}];

impl Method {
    /// The stages of one iteration.
    pub(crate) fn recipe(self) -> &'static [Stage] {
        match self {
            Self::GradientDescent => &[Stage::Gradient, Stage::Descend],
        }
    }

    /// The word of `--method` and of reports.
    pub fn word(self) -> &'static str {
        METHODS.iter().find(|card| card.method == self).map_or("gd", |card| card.word)
    }

    /// The method of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        METHODS.iter().find(|card| card.word == word).map(|card| card.method)
    }
}
