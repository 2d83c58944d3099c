//! The words that the page offers: those of the library's registries.

use lowrank::internals::operators::{REGISTRY, Registration};
use lowrank::models::Model;
use lowrank::operators::{Loss, Storage};
use lowrank::problem::Domain;
use lowrank::{Method, Precision};
use serde::Serialize;

/// Words with what they mean.
#[derive(Debug, Serialize)]
pub struct Lists {
    pub operators: Vec<Word>,
    pub methods: Vec<Word>,
    pub precisions: Vec<&'static str>,
}

/// A word and one line about it.
#[derive(Debug, Serialize)]
pub struct Word {
    pub word: &'static str,
    pub meaning: &'static str,
}

/// Operators, the methods that fit squares of a symmetric matrix, and precisions.
pub fn lists() -> Lists {
    let methods = Method::fitting(Loss::Square, &Model::natural(&Domain::symmetric(1)));
    Lists {
        operators: REGISTRY
            .iter()
            .filter(|of| is_made(of))
            .map(|of| Word { word: of.name, meaning: of.formula })
            .collect(),
        methods: methods.iter().map(|of| Word { word: of.word(), meaning: of.card().formula }).collect(),
        precisions: Precision::ALL.iter().map(|of| of.word()).collect(),
    }
}

/// Whether an operator measures the page's unknowns, real symmetric matrices.
fn is_made(of: &Registration) -> bool {
    (of.generate)(Domain::symmetric(2), 1, 0, Storage::F32).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_of_real_matrices_are_offered() {
        let operators: Vec<_> = lists().operators.iter().map(|of| of.word).collect();
        let wanted = ["dense", "rank_one", "entries", "sparse", "seeded", "rademacher"];
        assert!(wanted.iter().all(|word| operators.contains(word)), "{operators:?}");
    }

    #[test]
    fn the_methods_of_the_square_loss_are_offered() {
        let methods: Vec<_> = lists().methods.iter().map(|of| of.word).collect();
        assert!(
            methods.contains(&"gd") && methods.contains(&"gauss-newton") && !methods.contains(&"extragradient"),
            "{methods:?}"
        );
    }
}
