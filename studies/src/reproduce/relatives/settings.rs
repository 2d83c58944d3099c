//! Choice and sizes of a study.

use serde::{Deserialize, Serialize};

use lowrank::engine::Precision;
use lowrank::{Error, Result};

/// Published experiment whose setting is run with the methods of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Relative {
    /// Tong, Ma & Chi, arXiv 2005.08898.
    #[serde(rename = "scaledgd-2020")]
    ScaledGd2020,
    /// Xu, Shen, Chi & Ma, arXiv 2302.01186.
    #[serde(rename = "scaledgd-lambda-2023")]
    ScaledGdLambda2023,
    /// Approximate Gauss–Newton, NeurIPS 2024.
    #[serde(rename = "agn-2024")]
    Agn2024,
    /// Davis, Drusvyatskiy & Jiang, arXiv 2409.19791.
    #[serde(rename = "gdpolyak-2024")]
    GdPolyak2024,
    /// Soltanolkotabi, Stöger & Xie, arXiv 2303.14244, and the unequal starts of arXiv 2310.01769.
    #[serde(rename = "asymmetric-2023")]
    Asymmetric2023,
    /// Gatmiry et al., arXiv 2306.13239: label noise and flat products.
    #[serde(rename = "flatness-2023")]
    Flatness2023,
    /// Scaled subgradient descent under gross outliers, after Tong, Ma & Chi, arXiv 2010.13364.
    #[serde(rename = "outliers-2025")]
    Outliers2025,
    /// Starts at strict saddles, after Hsieh, Karimi, Krause & Mertikopoulos, arXiv 2311.02374.
    #[serde(rename = "saddles-2023")]
    Saddles2023,
    /// Fan, Yang & Yu, arXiv 2007.08322.
    #[serde(rename = "single-index-2020")]
    SingleIndex2020,
    /// Spectral estimates from rank-one measurements, after arXiv 2502.01583.
    #[serde(rename = "multi-index-2025")]
    MultiIndex2025,
    /// Function values only, arXiv 2406.19617.
    #[serde(rename = "zeroth-order-2024")]
    ZerothOrder2024,
    /// Riemannian descent–ascent, after arXiv 2306.16617, with the robust PCA game of arXiv 2202.06950.
    #[serde(rename = "games-2023")]
    Games2023,
    /// Entries above a threshold, arXiv 2406.05822.
    #[serde(rename = "relu-2024")]
    Relu2024,
    /// Quantum state tomography, arXiv 2104.07006.
    #[serde(rename = "tomography-2021")]
    Tomography2021,
    /// Candès, Li & Soltanolkotabi, arXiv 1407.1065 and 1310.3240.
    #[serde(rename = "phase-retrieval-2014")]
    PhaseRetrieval2014,
}

impl Relative {
    pub const ALL: [Self; 15] = [
        Self::ScaledGd2020,
        Self::ScaledGdLambda2023,
        Self::Agn2024,
        Self::GdPolyak2024,
        Self::Asymmetric2023,
        Self::Flatness2023,
        Self::Outliers2025,
        Self::Saddles2023,
        Self::SingleIndex2020,
        Self::MultiIndex2025,
        Self::ZerothOrder2024,
        Self::Games2023,
        Self::Relu2024,
        Self::Tomography2021,
        Self::PhaseRetrieval2014,
    ];

    /// Returns the word of the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::ScaledGd2020 => "scaledgd-2020",
            Self::ScaledGdLambda2023 => "scaledgd-lambda-2023",
            Self::Agn2024 => "agn-2024",
            Self::GdPolyak2024 => "gdpolyak-2024",
            Self::Asymmetric2023 => "asymmetric-2023",
            Self::Flatness2023 => "flatness-2023",
            Self::Outliers2025 => "outliers-2025",
            Self::Saddles2023 => "saddles-2023",
            Self::SingleIndex2020 => "single-index-2020",
            Self::MultiIndex2025 => "multi-index-2025",
            Self::ZerothOrder2024 => "zeroth-order-2024",
            Self::Games2023 => "games-2023",
            Self::Relu2024 => "relu-2024",
            Self::Tomography2021 => "tomography-2021",
            Self::PhaseRetrieval2014 => "phase-retrieval-2014",
        }
    }

    /// Returns the study of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|study| study.word() == word)
    }
}

/// Settings of a study; [`Rerun::new`] and [`Rerun::quick`] return its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rerun {
    pub study: Relative,
    /// Size n of the unknown n×n matrix.
    pub n: usize,
    /// Rank r* of the truth.
    pub rank: usize,
    /// Number of columns k.
    pub search_rank: usize,
    /// Number of measurements m.
    pub measurements: usize,
    /// Condition numbers of M for two factors, of X for M = XXᵀ, where κ(M) is the square.
    pub condition_numbers: Vec<f64>,
    /// Step μ, in units of 1/‖M‖ for gradient descent.
    pub step_size: f64,
    /// Relative error to which iterations are counted.
    pub target: f64,
    /// Maximal number of iterations of gradient descent.
    pub iterations: usize,
    /// Seed of truth, measurements and start.
    pub seed: u64,
    pub precision: Precision,
}

impl Rerun {
    /// Returns the published sizes.
    pub fn new(study: Relative) -> Self {
        study.room().settings(false)
    }

    /// Returns sizes that take less than a minute on two cores.
    pub fn quick(study: Relative) -> Self {
        study.room().settings(true)
    }

    /// Checks the settings that the solver does not check.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the setting.
    pub fn check(&self) -> Result<()> {
        for (name, count) in [
            ("n", self.n),
            ("rank", self.rank),
            ("search_rank", self.search_rank),
            ("measurements", self.measurements),
            ("iterations", self.iterations),
        ] {
            if count == 0 {
                return Err(Error::invalid(name, 0, "at least 1", "pass at least one"));
            }
        }
        if self.rank > self.n {
            let allowed = format!("1 to n = {}", self.n);
            return Err(Error::invalid("rank", self.rank, allowed, "a rank cannot exceed the size"));
        }
        if self.rank < 2 && self.condition_numbers.iter().any(|kappa| *kappa != 1.0) {
            let fix = "a matrix of rank one has one singular value: raise the rank";
            let allowed = "at least 2, because this study varies the condition number";
            return Err(Error::invalid("rank", self.rank, allowed, fix));
        }
        if self.search_rank < self.rank || self.search_rank > self.n {
            let allowed = format!("the rank {} to n = {}", self.rank, self.n);
            let fix = "with fewer columns than the rank, no claim of the study can hold";
            return Err(Error::invalid("search_rank", self.search_rank, allowed, fix));
        }
        if self.condition_numbers.is_empty() {
            return Err(Error::invalid("condition_numbers", "none", "at least one", "pass at least one"));
        }
        for (name, value) in [("step_size", self.step_size), ("target", self.target)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::invalid(name, value, "a positive finite number", "choose another value"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_study_has_a_word_and_defaults_that_pass() {
        for study in Relative::ALL {
            assert_eq!(Relative::from_word(study.word()), Some(study));
            assert_eq!(serde_json::to_string(&study).unwrap(), format!("\"{}\"", study.word()));
            for settings in [Rerun::new(study), Rerun::quick(study)] {
                assert_eq!(settings.study, study);
                settings.check().unwrap();
            }
            let (full, quick) = (Rerun::new(study), Rerun::quick(study));
            assert!(quick.n * quick.n * quick.measurements <= full.n * full.n * full.measurements);
        }
        assert_eq!(Relative::from_word("ss21"), None);
    }

    #[test]
    fn impossible_settings_are_named() {
        let bad = |change: fn(&mut Rerun)| {
            let mut s = Rerun::quick(Relative::Agn2024);
            change(&mut s);
            s.check().unwrap_err().to_string()
        };
        assert!(bad(|s| s.rank = s.n + 1).starts_with("rank: found"));
        assert!(bad(|s| s.rank = 1).starts_with("rank: found 1"));
        assert!(bad(|s| s.search_rank = s.rank - 1).starts_with("search_rank: found"));
        assert!(bad(|s| s.measurements = 0).starts_with("measurements: found 0"));
        assert!(bad(|s| s.condition_numbers.clear()).starts_with("condition_numbers"));
        assert!(bad(|s| s.target = f64::NAN).starts_with("target"));
    }
}
