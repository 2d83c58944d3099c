//! Descriptions of the models for front ends, and their constructors.

use crate::error::{Error, Result};
use crate::models::Model;
use crate::named::Named;
use crate::problem::Domain;

/// Description of a model for front ends.
pub struct ModelCard {
    /// Word of the model in flags and reports.
    pub word: &'static str,
    /// Formulas of the matrix and the iterate.
    pub formula: &'static str,
    /// Summary in one sentence.
    pub summary: &'static str,
    /// Names of its parameters with their defaults.
    pub parameters: &'static [(&'static str, &'static str)],
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
        self.parameters.iter().any(|(name, _)| *name == parameter)
    }

    /// Domain of its measurements.
    ///
    /// # Errors
    /// [`Error::Invalid`] for two different sizes of symmetric matrices.
    pub fn domain(&self, n1: usize, n2: usize) -> Result<Domain> {
        match self.symmetric {
            false => Ok(Domain::rectangular(n1, n2)),
            true if n1 == n2 => Ok(Domain::symmetric(n1)),
            true => {
                let allowed = format!("n,n for the model {}", self.word);
                Err(Error::invalid("shape", format!("{n1},{n2}"), allowed, "pass --model asymmetric"))
            }
        }
    }
}
