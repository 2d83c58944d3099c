//! Parameters by name, as command lines, reports and Python bring them.

use std::str::FromStr;

use crate::error::{Error, Result};

/// Parameters of a method by name, as text; what is not there has the method's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named(Vec<(String, String)>);

impl Named {
    /// Sets a parameter, where there is a value.
    pub fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.0.retain(|(known, _)| known != name);
            self.0.push((name.to_owned(), value.to_string()));
        }
        self
    }

    /// Names and values in the order in which they were set.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Only those of these names.
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| wanted(name)).cloned().collect())
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a parameter, where it was set.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is no such value.
    pub(super) fn get<V: FromStr>(&self, name: &str, allowed: &str) -> Result<Option<V>> {
        let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) else { return Ok(None) };
        let fix = "leave it out for the default";
        value.parse().map(Some).map_err(|_| Error::invalid(name, format!("'{value}'"), allowed, fix))
    }
}

/// Refuses a number that is negative or not finite.
pub(super) fn at_least_zero(name: &str, value: Option<f64>, fix: &str) -> Result<()> {
    match value {
        Some(v) if !(v.is_finite() && v >= 0.0) => Err(Error::invalid(name, v, "a finite number of at least 0", fix)),
        _ => Ok(()),
    }
}

/// Refuses a count of 0.
pub(super) fn at_least_one(name: &str, value: Option<usize>) -> Result<()> {
    match value {
        Some(0) => Err(Error::invalid(name, 0, "at least 1", "leave it out for the default")),
        _ => Ok(()),
    }
}
