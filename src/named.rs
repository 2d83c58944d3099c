//! Named parameters from command lines, reports and Python.

use std::fmt::Formatter;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Parameters of a method or a model by name, as text. Missing ones have their defaults.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "parameters do nothing by themselves"]
pub struct Named(Vec<(String, String)>);

impl Named {
    /// The word of a text such as `lbfgs:memory=5`, and the parameters after it. `what` says what the word names, for
    /// messages.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a piece other than name=value, and for a repeated name.
    pub(crate) fn spelled<'t>(what: &str, text: &'t str) -> Result<(&'t str, Self)> {
        let mut pieces = text.split([':', ';']).map(str::trim);
        let (word, mut all) = (pieces.next().unwrap_or_default(), Self::default());
        for piece in pieces {
            let Some((name, value)) = piece.split_once('=') else {
                let found = format!("'{piece}' in '{text}'");
                return Err(Error::invalid(what, found, "word:name=value", "write each parameter as name=value"));
            };
            all = all.joined(&Self::default().with(name.trim(), Some(value.trim())))?;
        }
        Ok((word, all))
    }

    /// Writes a word and these parameters as [`Named::spelled`] reads them.
    pub(crate) fn spell(&self, word: &str, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(word)?;
        self.pairs().try_for_each(|(name, value)| write!(f, ":{name}={value}"))
    }

    /// The union of two sets of parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name in both.
    pub(crate) fn joined(mut self, others: &Self) -> Result<Self> {
        for (name, value) in others.pairs() {
            if let Some((_, first)) = self.pairs().find(|(known, _)| *known == name) {
                let found = format!("{first} and {value}");
                return Err(Error::invalid(name, found, "one value", "leave one of them out"));
            }
            self = self.with(name, Some(value));
        }
        Ok(self)
    }

    /// Sets a parameter if there is a value.
    pub fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.0.retain(|(known, _)| known != name);
            self.0.push((name.to_owned(), value.to_string()));
        }
        self
    }

    /// Error for one of these parameters, which followed a word for `what` in `text`.
    pub(crate) fn refused(&self, what: &str, text: &str, error: Error) -> Error {
        match error {
            Error::Invalid { name, found, allowed, fix } if self.pairs().any(|(known, _)| known == name) => {
                Error::invalid(what, format!("{name} {found} in '{text}'"), allowed, fix)
            }
            other => other,
        }
    }

    /// Names and values in the order in which they were set.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The subset of parameters with wanted names.
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| wanted(name)).cloned().collect())
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a parameter, if it was set.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text that is not such a value.
    pub(crate) fn get<V: FromStr>(&self, name: &str, allowed: &str) -> Result<Option<V>> {
        let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) else { return Ok(None) };
        let fix = "leave it out for the default";
        value.parse().map(Some).map_err(|_| Error::invalid(name, format!("'{value}'"), allowed, fix))
    }
}

/// Refuses a number that is negative or not finite.
pub(crate) fn at_least_zero(name: &str, value: Option<f64>, fix: &str) -> Result<()> {
    match value {
        Some(v) if !(v.is_finite() && v >= 0.0) => Err(Error::invalid(name, v, "a finite number of at least 0", fix)),
        _ => Ok(()),
    }
}

/// Refuses a count of 0.
pub(crate) fn at_least_one(name: &str, value: Option<usize>) -> Result<()> {
    match value {
        Some(0) => Err(Error::invalid(name, 0, "at least 1", "leave it out for the default")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_behind_a_word_once() {
        let (word, all) = Named::spelled("method", "lbfgs:memory=5; step_rule = exact").unwrap();
        assert_eq!(word, "lbfgs");
        assert_eq!(all.pairs().collect::<Vec<_>>(), [("memory", "5"), ("step_rule", "exact")]);
        assert_eq!(Named::spelled("method", "gd").unwrap(), ("gd", Named::default()));
        for wrong in ["gd:", "gd:memory", "gd:memory=1:memory=2"] {
            assert!(Named::spelled("method", wrong).is_err(), "{wrong}");
        }
        assert!(all.joined(&Named::default().with("memory", Some(5))).is_err());
    }
}
