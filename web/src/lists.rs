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
    pub operators: Vec<Measured>,
    pub methods: Vec<Word>,
    pub precisions: Vec<&'static str>,
}

/// A word and one line about it.
#[derive(Debug, Serialize)]
pub struct Word {
    pub word: &'static str,
    pub meaning: &'static str,
}

/// An operator, and the unknowns n×n that it measures.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub word: &'static str,
    pub meaning: &'static str,
    /// Real symmetric ones.
    pub real: bool,
    /// Complex Hermitian ones.
    pub complex: bool,
}

/// Operators, the methods that fit squares of a symmetric matrix, and precisions.
pub fn lists() -> Lists {
    let methods = Method::fitting(Loss::Square, &Model::natural(&Domain::symmetric(1)));
    Lists {
        operators: REGISTRY
            .iter()
            .map(|of| {
                let (real, complex) = (is_made(of, Domain::symmetric(4)), is_made(of, Domain::hermitian(4)));
                Measured { word: of.name, meaning: of.formula, real, complex }
            })
            .collect(),
        methods: methods.iter().map(|of| Word { word: of.word(), meaning: of.card().formula }).collect(),
        precisions: Precision::ALL.iter().map(|of| of.word()).collect(),
    }
}

/// Whether an operator measures matrices of a domain. As many measurements as rows suit those that come in blocks.
fn is_made(of: &Registration, domain: Domain) -> bool {
    (of.generate)(domain, 4, 0, Storage::F32).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_offered_for_the_matrices_that_it_measures() {
        let operators = lists().operators;
        assert!(operators.iter().all(|of| of.real || of.complex), "{operators:?}");
        let of = |kind: fn(&Measured) -> bool| -> Vec<_> {
            operators.iter().filter(|of| kind(of)).map(|of| of.word).collect()
        };
        let real = of(|of| of.real);
        assert!(
            ["dense", "rank_one", "entries", "sparse", "seeded", "rademacher"].iter().all(|word| real.contains(word))
        );
        assert!(!real.contains(&"pauli") && !real.contains(&"cdp"));
        let complex = of(|of| of.complex);
        assert!(
            ["dense", "rank_one", "seeded", "rademacher", "pauli", "cdp"].iter().all(|word| complex.contains(word))
        );
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
