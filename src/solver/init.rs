//! Starts of an iteration.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::problem::Factors;

/// Start of the iteration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// Small random start U₀ = α·G with Gᵢⱼ ~ N(0, 1/k), that is entries of standard deviation α/√k. For two factors L₀
    /// = α·G and R₀ = ρ·α·G′, see [`crate::Settings::init_scale_ratio`].
    SmallRandom {
        /// Scale α.
        scale: f64,
        /// Seed of G.
        seed: u64,
    },
    /// Small random start with α = 1e-6·√‖s·A*(y)‖, so small that it limits the result no more than single precision
    /// does. ‖s·A*(y)‖ estimates ‖M‖ = ‖X‖².
    Automatic {
        /// Seed of G.
        seed: u64,
    },
    /// Given factors, (1, n, k) for all trials or (batch, n, k).
    Given(Factors),
    /// Spectral start: the leading eigenvectors or singular vectors of s·A*(T(y)) after the first `skip`, scaled by the
    /// square roots of their values.
    Spectral {
        /// Number of leading vectors to skip.
        skip: usize,
        /// Preprocessing T of the observations.
        preprocess: Preprocess,
    },
}

/// Size of R over that of L in an imbalanced start (arXiv 2310.01769), for [`crate::Settings::init_scale_ratio`].
pub const IMBALANCED: f64 = 1.0 / 3.0;

/// Preprocessing T of the observations for a spectral start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preprocess {
    /// Identity T(y) = y.
    #[default]
    None,
    /// Truncation: T(y) = y where |y| is at most six medians, else 0, against gross outliers.
    Truncate,
    /// T(y) = 1 − ȳ/y, for few quadratic measurements aᵀMa (Luo, Alghamdi & Lu, arXiv 1811.04420, for rank one).
    Optimal,
}

words!(Preprocess as "init_preprocess", serde { None => "none", Truncate => "truncate", Optimal => "optimal" });

/// Divisor of the variance of a small random start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InitStd {
    /// Divisor k: entries N(0, α²/k).
    #[default]
    SearchRank,
    /// Divisor n, the larger side: entries N(0, α²/n).
    Size,
}

words!(InitStd as "init_std" { SearchRank => "k", Size => "n" });

/// The word of a start; factors to start from have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitWord {
    /// `small-random`.
    SmallRandom,
    /// `imbalanced`: [`InitWord::SmallRandom`] with R a third of the size of L.
    Imbalanced,
    /// `spectral`, or `spectral:J` without the first J eigenvectors.
    Spectral {
        /// J.
        skip: usize,
    },
}

impl InitWord {
    /// Whether a text is meant as a word, and not as the name of a file.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("spectral") || text.parse::<Self>().is_ok()
    }

    /// Whether the start is drawn at random.
    pub fn is_random(self) -> bool {
        !matches!(self, Self::Spectral { .. })
    }
}

impl std::str::FromStr for InitWord {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let skip = match text.strip_prefix("spectral") {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix(':').and_then(|count| count.parse().ok()),
            None => None,
        };
        match (text, skip) {
            ("small-random", _) => Ok(Self::SmallRandom),
            ("imbalanced", _) => Ok(Self::Imbalanced),
            (_, Some(skip)) => Ok(Self::Spectral { skip }),
            _ => {
                let allowed =
                    "small-random, imbalanced, spectral, spectral:J (skips the first J eigenvectors), or factors";
                Err(Error::invalid("init", format!("'{text}'"), allowed, "for example spectral:1"))
            }
        }
    }
}

impl Default for Init {
    fn default() -> Self {
        Self::Automatic { seed: 0 }
    }
}
