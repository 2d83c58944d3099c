//! The choice by cross-validation that a request asks for.

use crate::error::{Error, Result};
use crate::options::{Request, Scalar, values};
use crate::selection::CrossValidation;

/// The word that has a value chosen, with candidates after the colon.
const AUTO: &str = "auto";

impl Request {
    /// The cross-validation that the request asks for, and the request without the values that it chooses.
    ///
    /// # Errors
    /// [`Error::Invalid`] for candidates that cannot be read, and for a number of folds without a choice.
    pub fn cross_validation(&self) -> Result<(Option<CrossValidation>, Self)> {
        let (ranks, ridges) = (self.candidates::<usize>("search_rank")?, self.candidates::<f64>("ridge")?);
        let folds = self.one("folds")?;
        if ranks.is_none() && ridges.is_none() {
            return match folds {
                None => Ok((None, self.clone())),
                Some(folds) => {
                    let allowed = "nothing without --search-rank auto or --ridge auto";
                    Err(Error::invalid("folds", folds, allowed, "say what the folds are to choose, or leave it out"))
                }
            };
        }
        let mut of = CrossValidation::new().seed(self.one("holdout_seed")?.unwrap_or_default());
        if let Some(folds) = folds {
            of = of.folds(folds);
        }
        let mut request = self.clone().without(&["folds"]);
        if let Some(list) = ranks {
            of = if list.is_empty() { of.search_rank() } else { of.search_ranks(list) };
            request = request.without(&["search_rank"]);
        }
        if let Some(list) = ridges {
            of = if list.is_empty() { of.ridge() } else { of.ridges(list) };
            request = request.without(&["ridge"]);
        }
        Ok((Some(of), request))
    }

    /// The candidates of an option whose value is to be chosen, none for those of the library.
    fn candidates<T: Scalar>(&self, name: &str) -> Result<Option<Vec<T>>> {
        match self.text(name).map(str::trim) {
            Some(AUTO) => Ok(Some(Vec::new())),
            Some(text) => {
                let list = text.strip_prefix(AUTO).and_then(|rest| rest.strip_prefix(':'));
                list.map(|list| values(name, list)).transpose()
            }
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_asks_for_a_choice_and_leaves_the_rest() {
        let of = |request: Request| request.cross_validation().unwrap();
        let plain = Request::new().with("search_rank", "1:3").with("ridge", 0.5);
        assert_eq!(of(plain.clone()), (None, plain));
        let (choice, rest) = of(Request::new().with("search_rank", "auto").with("seed", 4).with("folds", 3));
        assert_eq!(choice, Some(CrossValidation::new().search_rank().folds(3)));
        assert_eq!(rest, Request::new().with("seed", 4));
        let (choice, rest) = of(Request::new().with("search_rank", "auto:1:3").with("ridge", "auto:log:1:0.01:3"));
        let wanted = CrossValidation::new().search_ranks([1, 2, 3]).ridges([1.0, 0.1, 0.01]);
        assert_eq!((choice, rest), (Some(wanted), Request::new()));
    }

    #[test]
    fn slips_are_refused_by_the_name_of_the_option() {
        for (name, text) in [("search_rank", "auto:x"), ("ridge", "auto:"), ("folds", "3")] {
            let message = Request::new().with(name, text).cross_validation().unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
        // Elsewhere the word is no number.
        let message = Request::new().with("search_rank", "auto").axes().unwrap_err().to_string();
        assert!(message.contains("search_rank") && message.contains("auto"), "{message}");
    }
}
