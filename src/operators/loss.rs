//! The scalar loss ρ of a residual.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::real::Real;

/// Scalar loss ρ in f = c·Σ wᵢ·ρ(eᵢ), with c = s/2 for models of one factor and s for pairs (so `Square` gives the
/// usual (s/4)‖e‖² and (s/2)‖e‖²).
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Loss {
    /// Square loss ρ(e) = e²/2.
    #[default]
    Square,
    /// Absolute loss ρ(e) = |e|.
    L1,
    /// Huber loss ρ(e) = e²/2 for |e| ≤ δ and δ|e| − δ²/2 beyond.
    Huber {
        /// Threshold δ.
        delta: f64,
    },
}

impl Loss {
    /// Word of the loss: `square`, `l1` or `huber:δ`.
    pub fn word(self) -> String {
        match self {
            Self::Square => "square".into(),
            Self::L1 => "l1".into(),
            Self::Huber { delta } => format!("huber:{delta}"),
        }
    }

    /// Parses the word of a loss.
    #[inline(always)]
    pub fn value(self, e: f64) -> f64 {
        match self {
            Self::Square => 0.5 * e * e,
            Self::L1 => e.abs(),
            Self::Huber { delta } if e.abs() <= delta => 0.5 * e * e,
            Self::Huber { delta } => delta * e.abs() - 0.5 * delta * delta,
        }
    }

    /// Derivative ρ′(e), with ρ′(0) = 0 for `L1`.
    #[inline(always)]
    pub fn derivative<T: Real>(self, e: T) -> T {
        match self {
            Self::Square => e,
            Self::L1 if e == T::ZERO => T::ZERO,
            Self::L1 => T::from_f64(e.to_f64().signum()),
            Self::Huber { delta } => T::from_f64(e.to_f64().clamp(-delta, delta)),
        }
    }
}

impl std::str::FromStr for Loss {
    type Err = Error;

    /// `square`, `l1` or `huber:δ`.
    fn from_str(word: &str) -> Result<Self> {
        match (word, word.strip_prefix("huber:").map(str::parse)) {
            ("square", _) => Ok(Self::Square),
            ("l1", _) => Ok(Self::L1),
            (_, Some(Ok(delta))) => Ok(Self::Huber { delta }),
            _ => {
                let fix = "for example huber:0.1";
                Err(Error::invalid("loss", format!("'{word}'"), "square, l1, huber:δ", fix))
            }
        }
    }
}
