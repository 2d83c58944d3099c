//! Descriptions of the models for front ends, and their constructors.

use crate::error::Result;
use crate::models::Model;
use crate::named::Named;
use crate::options::Parameter;
use crate::problem::Domain;

/// Description of a model for front ends. Only the built-in models have one: yours is a [`crate::models::FactorModel`].
#[non_exhaustive]
pub struct ModelCard {
    /// Word of the model in flags and reports.
    pub word: &'static str,
    /// Formulas of the matrix and the iterate.
    pub formula: &'static str,
    /// Summary in one sentence.
    pub summary: &'static str,
    /// Formula of the degrees of freedom of a matrix of rank r.
    pub degrees_of_freedom: &'static str,
    /// Its parameters with their defaults.
    pub parameters: &'static [Parameter],
    /// Whether front ends use a symmetric domain for its measurements.
    pub symmetric: bool,
    /// Description of the factors of a truth, for messages.
    pub truth: &'static str,
    /// Constructor from named parameters, all of which the model has.
    pub make: fn(&Named) -> Result<Model>,
}

impl ModelCard {
    /// Whether the model has a parameter of that name.
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|known| known.name() == parameter)
    }

    /// Domain of its measurements.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for two different sizes of symmetric matrices.
    pub fn domain(&self, n1: usize, n2: usize) -> Result<Domain> {
        Domain::of_model(self.word, self.symmetric, n1, n2)
    }
}
