//! What a user asked for: texts by the names of options.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::named::Named;
use crate::options::{OptionCard, OptionKind, Scalar, Usual, values};

/// What a user asked for, by the names of options. Options that were not given have their defaults.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a request does nothing by itself"]
pub struct Request {
    texts: Named,
    files: Vec<(String, PathBuf)>,
}

impl Request {
    /// A request that asks for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an option to a value, as text.
    pub fn with(mut self, name: &str, text: impl ToString) -> Self {
        self.texts = self.texts.with(name, Some(text));
        self
    }

    /// Sets an option to a file.
    pub fn with_file(mut self, name: &str, path: impl Into<PathBuf>) -> Self {
        self.files.retain(|(known, _)| known != name);
        self.files.push((name.to_owned(), path.into()));
        self
    }

    /// The same request without these options.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.texts = self.texts.only(|name| !names.contains(&name));
        self.files.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    /// The text of an option, if it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.pairs().find(|(known, _)| *known == name).map(|(_, text)| text)
    }

    /// The file of an option, if it was given.
    pub fn file(&self, name: &str) -> Option<&Path> {
        self.files.iter().find(|(known, _)| known == name).map(|(_, path)| path.as_path())
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.text(name).is_some() || self.file(name).is_some()
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// The value of an option, as written: for messages.
    pub fn written(&self, name: &str) -> Option<String> {
        let file = || self.file(name).map(|path| path.display().to_string());
        self.text(name).map(str::to_owned).or_else(file)
    }

    /// The number of an option, if it was given.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another text; a list is answered with the hint that the option takes one value.
    pub fn one<T: Scalar>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| {
            let (found, fix) = (format!("'{text}'"), "leave it out for the default");
            match text.contains([',', ':']) {
                true => Error::invalid(
                    name,
                    found,
                    "one value is allowed, no list or range, since all trials of a run share it",
                    "run once for each value",
                ),
                false => Error::invalid(name, found, T::ALLOWED, fix),
            }
        })
    }

    /// All values of an option; none if it was not given.
    ///
    /// # Errors
    /// Those of [`values`].
    pub fn list<T: Scalar>(&self, name: &str) -> Result<Vec<T>> {
        self.text(name).map_or_else(|| Ok(Vec::new()), |text| values(name, text))
    }

    /// The value of a word, if it was given.
    ///
    /// # Errors
    /// Those of the type's `FromStr`.
    pub fn word<T: FromStr<Err = Error>>(&self, name: &str) -> Result<Option<T>> {
        self.text(name).map(str::parse).transpose()
    }

    /// Two positive whole numbers, if they were given.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another text.
    pub fn sizes(&self, name: &str) -> Result<Option<(usize, usize)>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let numbers: Vec<usize> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
        match (numbers.as_slice(), text.split(',').count()) {
            (&[a, b], 2) if a > 0 && b > 0 => Ok(Some((a, b))),
            _ => {
                let allowed = "two positive whole numbers n1,n2";
                Err(Error::invalid(name, format!("'{text}'"), allowed, format!("for example {} 60,40", flag(name))))
            }
        }
    }

    /// Given texts of options for which `wanted` holds, by name.
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Named {
        self.texts.only(wanted)
    }

    /// Refuses options that exclude each other, and those that need another one.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub fn check(&self, options: &[&OptionCard]) -> Result<()> {
        for option in options.iter().filter(|option| self.has(option.name)) {
            let found = match option.kind {
                OptionKind::Switch => "given".to_owned(),
                _ => format!("'{}'", self.written(option.name).unwrap_or_default()),
            };
            if let Some(other) = option.conflicts.iter().find(|name| self.has(name)) {
                let found = format!("{found} beside {}", flag(other));
                return Err(Error::invalid(option.name, found, "one of the two", "leave one of the two out"));
            }
            if !option.requires.is_empty() && !option.requires.iter().any(|name| self.has(name)) {
                let needed = option.requires.iter().map(|name| flag(name)).collect::<Vec<_>>().join(" or ");
                let fix = format!("give {needed}, or leave it out");
                let allowed = format!("nothing without {needed}");
                return Err(Error::invalid(option.name, found, allowed, fix));
            }
        }
        Ok(())
    }

    /// The values of these options for a report: numbers and switches as such, lists and words as text, defaults that
    /// are values, and null for what was neither given nor has a value as default.
    pub fn described(&self, command: &str, options: &[&OptionCard]) -> Map<String, Value> {
        let value = |option: &OptionCard| {
            let usual = match option.default_of(command) {
                Usual::Value(text) => Some(text.to_owned()),
                _ => None,
            };
            let text = self.written(option.name).or(usual);
            match (option.kind, text) {
                (OptionKind::Switch, text) => Value::Bool(text.as_deref() == Some("true")),
                (_, None) => Value::Null,
                (OptionKind::File | OptionKind::Text | OptionKind::Pair, Some(text)) => text.into(),
                (OptionKind::Count | OptionKind::Seed | OptionKind::Counts | OptionKind::Seeds, Some(text)) => {
                    text.trim().parse::<u64>().map_or_else(|_| text.into(), Value::from)
                }
                (OptionKind::Number | OptionKind::Numbers, Some(text)) => {
                    text.trim().parse::<f64>().map_or_else(|_| text.into(), Value::from)
                }
            }
        };
        options.iter().map(|option| (option.name.to_owned(), value(option))).collect()
    }
}

/// A name as the advice of messages has it; Python turns flags into keywords.
pub(crate) fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: OptionCard = OptionCard::new("a", OptionKind::Count, "N", "X", "First.").excludes(&["b"]).value("7");
    const B: OptionCard = OptionCard::new("b", OptionKind::Switch, "", "X", "Second.");
    const C: OptionCard = OptionCard::new("c", OptionKind::Numbers, "x", "X", "Third.").requires(&["b"]);

    #[test]
    fn relations_are_refused_by_the_name_of_the_option() {
        let refused = |request: Request| match request.check(&[&A, &B, &C]) {
            Err(Error::Invalid { name, found, .. }) => Some((name, found)),
            _ => None,
        };
        let both = Request::new().with("a", 3).with("b", true);
        assert_eq!(refused(both).unwrap(), ("a".into(), "'3' beside --b".into()));
        assert_eq!(refused(Request::new().with("c", "1,2")).unwrap(), ("c".into(), "'1,2'".into()));
        assert_eq!(refused(Request::new().with("c", "1,2").with("b", true)), None);
    }

    #[test]
    fn reports_have_numbers_lists_and_defaults() {
        let found = Request::new().with("c", "1,2").described("solve", &[&A, &B, &C]);
        assert_eq!(Value::Object(found), serde_json::json!({ "a": 7, "b": false, "c": "1,2" }));
    }

    #[test]
    fn one_value_is_no_list() {
        let found = Request::new().with("a", "1:3").one::<usize>("a").unwrap_err().to_string();
        assert!(found.contains("one value") && found.contains("1:3"), "{found}");
        assert_eq!(Request::new().with("a", " 3 ").one::<usize>("a").unwrap(), Some(3));
    }
}
