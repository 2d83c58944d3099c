//! Choice of s for matrices from a file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Choice of the normalisation s, for which s·A*A is about the identity. Written `1/m`, `1`, `auto` or as a number.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub enum Normalization {
    /// Normalisation 1/m: entries such that E⟨Aᵢ, Z⟩² = ‖Z‖_F², as in the Gaussian ensemble.
    InverseCount,
    /// Normalisation 1: the scale is already in the matrices.
    One,
    /// Normalisation dim/Σ‖Aᵢ‖_F², implied by the data if they are isotropic; 1/m where the two agree within a tenth,
    /// or where all matrices are zero.
    #[default]
    Auto,
    /// A given number, positive and finite.
    Value(f64),
}

impl Normalization {
    /// The normalisation s for `measurements` matrices that imply `implied` (see
    /// [`super::Dense::implied_normalization`]).
    ///
    /// # Errors
    /// [`Error::Invalid`] where s is not positive and finite.
    pub fn resolve(self, measurements: usize, implied: f64) -> Result<f64> {
        let s = match self {
            Self::InverseCount => 1.0 / measurements as f64,
            Self::One => 1.0,
            Self::Auto if Self::is_usual(measurements, implied) || !implied.is_finite() => 1.0 / measurements as f64,
            Self::Auto => implied,
            Self::Value(s) => s,
        };
        if s.is_finite() && s > 0.0 { Ok(s) } else { Err(invalid(format!("{self} = {s}"))) }
    }
}

/// Relative difference up to which the chosen and the implied s agree.
const AGREEMENT: f64 = 0.1;

impl Normalization {
    /// Whether the data imply about 1/m.
    pub(crate) fn is_usual(measurements: usize, implied: f64) -> bool {
        (implied * measurements as f64 - 1.0).abs() <= AGREEMENT
    }
}

fn invalid(found: String) -> Error {
    Error::invalid(
        "normalization",
        found,
        "1/m, 1, auto or a positive finite number",
        "Leave it out for auto, which derives it from the matrices",
    )
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InverseCount => f.write_str("1/m"),
            Self::One => f.write_str("1"),
            Self::Auto => f.write_str("auto"),
            Self::Value(s) => write!(f, "{s:?}"),
        }
    }
}

impl FromStr for Normalization {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "1/m" => Ok(Self::InverseCount),
            "1" => Ok(Self::One),
            "auto" => Ok(Self::Auto),
            number => match number.parse::<f64>() {
                Ok(s) if s.is_finite() && s > 0.0 => Ok(Self::Value(s)),
                _ => Err(invalid(format!("'{text}'"))),
            },
        }
    }
}

impl TryFrom<String> for Normalization {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Normalization> for String {
    fn from(normalization: Normalization) -> Self {
        normalization.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_inverse() {
        for value in
            [Normalization::InverseCount, Normalization::One, Normalization::Auto, Normalization::Value(2.5e-9)]
        {
            assert_eq!(value.to_string().parse::<Normalization>().unwrap(), value);
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Normalization>(&json).unwrap(), value);
        }
    }

    #[test]
    fn what_is_not_a_positive_number_is_refused_by_name() {
        for text in ["", "0", "-1", "nan", "inf", "1/n", "m"] {
            let message = text.parse::<Normalization>().unwrap_err().to_string();
            assert!(message.starts_with("normalization: ") && message.contains("auto"), "{message}");
        }
    }

    #[test]
    fn what_is_chosen_automatically_is_the_usual_one_where_data_are_usual_or_say_nothing() {
        assert_eq!(Normalization::Auto.resolve(4, f64::INFINITY).unwrap(), 0.25);
        assert_eq!(Normalization::Auto.resolve(4, 0.26).unwrap(), 0.25);
        assert_eq!(Normalization::Auto.resolve(4, 0.29).unwrap(), 0.29);
        assert_eq!(Normalization::InverseCount.resolve(4, 9.0).unwrap(), 0.25);
        assert_eq!(Normalization::One.resolve(4, 9.0).unwrap(), 1.0);
    }
}
