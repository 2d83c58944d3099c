//! What front ends know of each model, and how they make it.

use crate::error::{Error, Result};
use crate::models::Model;
use crate::named::Named;
use crate::problem::Domain;

/// What front ends know of a model.
pub struct ModelCard {
    /// The word of flags and reports.
    pub word: &'static str,
    /// The matrix, and the iterate.
    pub formula: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Names of its parameters with their defaults.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Whether front ends open and make its measurements on a symmetric domain.
    pub symmetric: bool,
    /// The factors of a truth, for messages.
    pub truth: &'static str,
    /// Makes it from parameters by name, all of which it has.
    pub make: fn(&Named) -> Result<Model>,
}

impl ModelCard {
    /// Whether it has a parameter.
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, _)| *name == parameter)
    }

    /// The domain that its measurements are opened on.
    ///
    /// # Errors
    /// [`Error::Invalid`] for two sizes of symmetric matrices.
    pub fn domain(&self, n1: usize, n2: usize) -> Result<Domain> {
        match self.symmetric {
            false => Ok(Domain::rectangular(n1, n2)),
            true if n1 == n2 => Ok(Domain::symmetric(n1)),
            true => {
                let allowed = format!("n,n for the model {}", self.word);
                Err(Error::invalid("shape", format!("{n1},{n2}"), allowed, "say --model asymmetric"))
            }
        }
    }
}
