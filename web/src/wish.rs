//! What a user of the page asks for, and the problem and settings that follow.

use lowrank::internals::operators::Registration;
use lowrank::operators::Storage;
use lowrank::problem::{Domain, synthetic};
use lowrank::{Error, Init, Method, Precision, Problem, Result, Schedule, Settings, Stop};
use serde::Deserialize;

use crate::files::{self, File};

/// Most points of a curve on the page.
const POINTS: usize = 200;
/// Largest made problem in bytes of f32. A page has 4 GB at most, and one of them is its own copy.
const LARGEST: u64 = 1 << 30;

/// What the page asks for. Fields that are absent are chosen by the library.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Word of the backend: `auto`, `cpu` or `gpu`.
    pub backend: String,
    /// Precision of the arithmetic.
    pub precision: Precision,
    /// The problem to make; unused where files are loaded.
    pub problem: Made,
    /// Word of the method, or none for the library's choice.
    pub method: Option<String>,
    /// Columns k of the factor.
    pub search_rank: Option<usize>,
    /// Size α of the start.
    pub init_scale: Option<f64>,
    /// Seed of the start.
    pub init_seed: u64,
    /// Step size μ.
    pub step_size: Option<f64>,
    /// Largest number of iterations.
    pub max_iterations: usize,
}

/// A problem with a known truth.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Word of the operator.
    pub operator: String,
    /// Whether the unknown is a complex Hermitian matrix, else it is real and symmetric.
    pub complex: bool,
    /// Rows of the unknown n×n matrix.
    pub n: usize,
    /// Its rank.
    pub rank: usize,
    /// Number m of measurements.
    pub measurements: usize,
    /// Condition number of the factor X.
    pub condition_number: f64,
    /// Standard deviation of the noise.
    pub noise_std: f64,
    /// Seed of the truth, the measurements and the noise.
    pub seed: u64,
}

impl Made {
    /// The problem that `lowrank generate` makes with the same options.
    fn problem(&self) -> Result<Problem> {
        let registration = Registration::find(&self.operator)?;
        let (domain, truth) = match self.complex {
            true => (Domain::hermitian(self.n), synthetic::hermitian(self.n)),
            false => (Domain::symmetric(self.n), synthetic::psd(self.n)),
        };
        // An upper bound for every operator: that of stored matrices.
        let bytes = (self.measurements as u64).saturating_mul(domain.dimension() as u64).saturating_mul(4);
        if self.operator == "dense" && bytes > LARGEST {
            return Err(Error::invalid(
                "measurements",
                format!("{} matrices of {} numbers", self.measurements, domain.dimension()),
                "at most a gigabyte of them in a page",
                "lower n or m, take seeded measurements, or use the program",
            ));
        }
        let truth = truth.rank(self.rank).condition_number(self.condition_number).seed(self.seed).build()?;
        let operator = (registration.generate)(domain, self.measurements, self.seed, Storage::F32)?;
        let problem = Problem::measure(operator, truth)?;
        if self.noise_std > 0.0 { problem.with_noise(self.noise_std, self.seed) } else { Ok(problem) }
    }
}

impl Wish {
    /// The problem: from files if there are any, else made.
    ///
    /// # Errors
    /// Those of the files, and of sizes that do not exist.
    pub fn problem(&self, files: Vec<File>) -> Result<Problem> {
        if files.is_empty() { self.problem.problem() } else { files::problem(files) }
    }

    /// The settings of the run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown method.
    pub fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::default()
            .precision(self.precision)
            .diagnose(true)
            .observe(Schedule::Every(self.max_iterations.div_ceil(POINTS).max(1)))
            .stop(Stop::default().max_iterations(self.max_iterations));
        if let Some(word) = &self.method {
            let method = Method::from_word(word).ok_or_else(|| {
                let words: Vec<_> = lowrank::methods::METHODS.iter().map(|card| card.word).collect();
                Error::invalid("method", format!("'{word}'"), words.join(", "), "pick one of them")
            })?;
            settings = settings.method(method);
        }
        if let Some(k) = self.search_rank {
            settings = settings.search_rank(k);
        }
        if let Some(step_size) = self.step_size {
            settings = settings.step_size(step_size);
        }
        Ok(settings.init(match self.init_scale {
            Some(scale) => Init::SmallRandom { scale, seed: self.init_seed },
            None => Init::Automatic { seed: self.init_seed },
        }))
    }
}
