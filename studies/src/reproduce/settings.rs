//! Settings of the study; every default follows from n and r*.

use serde::{Deserialize, Serialize};

use lowrank::engine::Precision;
use lowrank::operators::{Dense, Entries, RankOne};
use lowrank::problem::Truth;
use lowrank::solver::Problem;
use lowrank::{Error, Result};

/// Maximal number of starts per width.
const MOST_STARTS: usize = 1000;

/// One of the paper's four experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Experiment {
    /// Errors and angles of one run against the iteration.
    Phases,
    /// The same angles for the power iteration.
    Spectral,
    /// The final error against α.
    Scale,
    /// Iterations to a given error against k.
    Width,
}

impl Experiment {
    pub const ALL: [Self; 4] = [Self::Phases, Self::Spectral, Self::Scale, Self::Width];

    /// Reads a name, or `all`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another word.
    pub fn from_word(word: &str) -> Result<Vec<Self>> {
        match word {
            "all" => Ok(Self::ALL.to_vec()),
            "phases" => Ok(vec![Self::Phases]),
            "spectral" => Ok(vec![Self::Spectral]),
            "scale" => Ok(vec![Self::Scale]),
            "width" => Ok(vec![Self::Width]),
            other => {
                let allowed = "phases, spectral, scale, width or all";
                Err(Error::invalid("experiment", format!("'{other}'"), allowed, "pick one of them"))
            }
        }
    }
}

/// Measurements of the study: the paper's, or others beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ensemble {
    /// Symmetric Gaussian matrices, the paper's.
    #[default]
    Dense,
    /// Gaussian vectors: aᵀM a.
    RankOne,
    /// Distinct entries of M, at random.
    Entries,
}

impl Ensemble {
    pub const ALL: [Self; 3] = [Self::Dense, Self::RankOne, Self::Entries];

    /// Returns the operator's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::RankOne => "rank-one",
            Self::Entries => "entries",
        }
    }

    /// Reads an operator's word.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another word.
    pub fn from_word(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|ensemble| ensemble.word() == word).ok_or_else(|| {
            let allowed = "dense, rank-one or entries";
            Error::invalid("operator", format!("'{word}'"), allowed, "pick one of them")
        })
    }

    /// Measures a symmetric truth.
    ///
    /// # Errors
    /// Errors of the operator: entries are at most n(n+1)/2.
    pub fn measure(self, truth: Truth, measurements: usize, seed: u64) -> Result<Problem> {
        let domain = truth.domain();
        match self {
            Self::Dense => Problem::measure(Dense::gaussian(domain, measurements, seed)?, truth),
            Self::RankOne => Problem::measure(RankOne::gaussian(domain, measurements, seed)?, truth),
            Self::Entries => Problem::measure(Entries::distinct(domain, measurements, seed)?, truth),
        }
    }
}

/// Settings of the study of arXiv 2106.15013.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ss21 {
    pub n: usize,
    /// Rank r* of the truth.
    pub rank: usize,
    pub operator: Ensemble,
    /// Number of measurements m.
    pub measurements: usize,
    /// Condition number κ of X.
    pub condition_number: f64,
    /// Step size μ.
    pub step_size: f64,
    /// k of the phases and spectral experiments.
    pub search_rank: usize,
    /// α of the phases, spectral and width experiments.
    pub init_scale: f64,
    /// α of the runs that show how t_* and t_1 depend on it.
    pub time_scales: Vec<f64>,
    /// k of the scale experiment.
    pub scale_search_rank: usize,
    /// α of the scale experiment.
    pub scales: Vec<f64>,
    /// n of the extra scale runs with m = factor·n·r*.
    pub slope_size: usize,
    pub slope_factors: Vec<usize>,
    /// k of the width experiment.
    pub widths: Vec<usize>,
    /// Starts per width.
    pub starts: usize,
    /// Relative test error of the width experiment.
    pub target: f64,
    pub seed: u64,
    /// Precision of every experiment; by default f64 for the scale experiments (f32 on a GPU) and f32 for the others.
    pub precision: Option<Precision>,
}

impl Ss21 {
    /// Returns the paper's setting for n×n truths of rank r*: m = 10·n·r*, κ = 1, μ = 1/4, α = 1/(70 n²), k = 20.
    pub fn new(n: usize, rank: usize) -> Self {
        let wide = |k: usize| k.max(2 * rank).max(1);
        let mut widths: Vec<usize> = [1, 2, 4, 8].iter().map(|f| f * rank).chain([n / 2, n, 2 * n]).collect();
        widths.retain(|&k| k >= rank.max(1));
        widths.sort_unstable();
        widths.dedup();
        Self {
            n,
            rank,
            operator: Ensemble::Dense,
            measurements: 10 * n * rank,
            condition_number: 1.0,
            step_size: 0.25,
            search_rank: wide(20),
            init_scale: 1.0 / (70.0 * (n.max(1) * n.max(1)) as f64),
            time_scales: (3..=9).map(|d| 10f64.powi(-d)).collect(),
            scale_search_rank: wide(3 * n / 4),
            scales: (1..=7).map(|d| 10f64.powi(-d)).collect(),
            slope_size: n.min(100),
            slope_factors: vec![5, 10, 40],
            widths,
            starts: 8,
            target: 1e-2,
            seed: 1,
            precision: None,
        }
    }

    /// Returns the same setting for runs of some seconds: the extra scale runs have n ≤ 50.
    pub fn quick(n: usize, rank: usize) -> Self {
        Self { slope_size: n.min(50), ..Self::new(n, rank) }
    }

    /// Checks the settings that the solver does not check.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let bound = "pass at least one";
        for (name, count) in [("n", self.n), ("rank", self.rank), ("measurements", self.measurements)] {
            if count == 0 {
                return Err(Error::invalid(name, 0, "at least 1", bound));
            }
        }
        if self.rank > self.n {
            let allowed = format!("1 to n = {}", self.n);
            return Err(Error::invalid("rank", self.rank, allowed, "a rank cannot exceed the size"));
        }
        for (name, empty) in [
            ("scales", self.scales.is_empty() || self.time_scales.is_empty()),
            ("widths", self.widths.is_empty()),
            ("starts", self.starts == 0),
        ] {
            if empty {
                return Err(Error::invalid(name, "none", "at least one", bound));
            }
        }
        if self.widths.contains(&0) {
            return Err(Error::invalid("widths", 0, "at least 1", "a factor has at least one column"));
        }
        if self.starts > MOST_STARTS {
            let allowed = format!("1 to {MOST_STARTS}");
            return Err(Error::invalid(
                "starts",
                self.starts,
                allowed,
                "they run as one batch: 8 suffice to show \
                                                                       the spread",
            ));
        }
        // The other settings are checked by the solver; these feed formulas before it sees them.
        let positive = [("step_size", self.step_size), ("init_scale", self.init_scale), ("target", self.target)];
        let scales = self.scales.iter().chain(&self.time_scales).map(|v| ("scales", *v));
        for (name, value) in positive.into_iter().chain(scales) {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::invalid(name, value, "a positive finite number", "choose another value"));
            }
        }
        Ok(())
    }

    /// Returns the smallest α.
    pub(crate) fn smallest(scales: &[f64]) -> f64 {
        scales.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_papers() {
        let s = Ss21::new(200, 5);
        assert_eq!((s.measurements, s.search_rank, s.scale_search_rank), (10_000, 20, 150));
        assert_eq!(s.widths, [5, 10, 20, 40, 100, 200, 400]);
        approx::assert_relative_eq!(s.init_scale, 1.0 / 2.8e6);
        assert_eq!(Ss21::quick(100, 3).scale_search_rank, 75);
        assert!(s.check().is_ok());
    }

    #[test]
    fn impossible_settings_are_named() {
        let bad = |change: fn(&mut Ss21)| {
            let mut s = Ss21::new(20, 2);
            change(&mut s);
            s.check().unwrap_err().to_string()
        };
        assert!(bad(|s| s.rank = 21).starts_with("rank: found 21"));
        assert!(bad(|s| s.measurements = 0).starts_with("measurements"));
        assert!(bad(|s| s.widths.clear()).starts_with("widths"));
        assert!(bad(|s| s.widths.push(0)).starts_with("widths: found 0"));
        assert!(bad(|s| s.starts = 1001).starts_with("starts: found 1001"));
        assert!(bad(|s| s.init_scale = f64::NAN).starts_with("init_scale"));
        assert!(bad(|s| s.scales.push(-1.0)).starts_with("scales"));
    }
}
