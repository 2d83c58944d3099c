//! Descriptions of the methods, and the numbers that a run passes to them.

use crate::error::Result;
use crate::methods::Method;
use crate::named::Named;
use crate::options::Parameter;

/// Word for the automatic choice by loss and model, see [`crate::Settings::method_of`].
pub const AUTOMATIC: &str = "auto";

/// Description of a method, as in `lowrank list methods`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MethodCard {
    /// Word of `--method`.
    pub word: &'static str,
    /// Formula of the iteration.
    pub formula: &'static str,
    /// The method's own parameters with their defaults.
    pub parameters: &'static [Parameter],
    /// Default step size.
    pub step_size: &'static str,
    /// Passes over the measurements and data returned to the host in an iteration.
    pub cost: &'static str,
    /// Source in the literature.
    pub source: &'static str,
    /// Constructor from named parameters.
    pub make: fn(&Named) -> Result<Method>,
}

impl PartialEq for MethodCard {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl MethodCard {
    /// The card of a method of your own, without parameters: its word, its formula and its constructor from named
    /// parameters.
    #[must_use]
    pub const fn new(word: &'static str, formula: &'static str, make: fn(&Named) -> Result<Method>) -> Self {
        Self { word, formula, parameters: &[], step_size: "given", cost: NOTHING, source: "", make }
    }

    /// Sets the method's own parameters with their defaults.
    #[must_use]
    pub const fn parameters(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    /// Sets the description of the default step size.
    #[must_use]
    pub const fn step_size(mut self, step_size: &'static str) -> Self {
        self.step_size = step_size;
        self
    }

    /// Sets the cost of an iteration, by default one pass with nothing read back.
    #[must_use]
    pub const fn cost(mut self, cost: &'static str) -> Self {
        self.cost = cost;
        self
    }

    /// Sets the source in the literature.
    #[must_use]
    pub const fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// Whether the method has a parameter of that name.
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|known| known.name() == parameter)
    }

    /// The subset of the parameters that the method has.
    pub fn fitting(&self, parameters: &Named) -> Named {
        parameters.only(|name| self.has(name))
    }

    /// The method with default parameters.
    pub fn method(&self) -> Method {
        // Defaults are in range: a test constructs every method.
        (self.make)(&Named::default()).unwrap_or_else(|_| Method::gd().into())
    }
}

/// The default step 1/(4‖s·A*(y)‖) in cards.
pub(super) const GRADIENT_STEP: &str = "1/(4 ||s A*(y)||)";
/// The cost of most methods in cards.
pub(super) const NOTHING: &str = "1 pass, nothing read back";

/// Name of the register in which a method that reads some of the rows counts its passes.
pub(crate) const PASSES: &str = "passes";

/// Default step size of a method.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StepSize {
    /// The step 1/(4‖s·A*(y)‖).
    FromNorm,
    /// This number, for steps without a unit.
    Number(f64),
    /// Result of a line search.
    Found,
}

/// Kind of a default start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartKind {
    /// Small random factors.
    SmallRandom,
    /// Random directions of arbitrary size.
    Directions,
    /// Leading eigenvectors of s·A*(y), for methods that leave a neighbourhood of zero slowly or never.
    Spectral,
}

/// Numbers of a trial for its method.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrialNumbers {
    /// Normalisation s of its training measurements.
    pub normalization: f64,
    /// Damping λ, for methods that have one.
    pub damping: Option<f64>,
    /// Whether ρ is another loss than the square.
    pub robust: bool,
    /// Search rank k.
    pub search_rank: usize,
    /// Number of training measurements.
    pub measurements: usize,
}

/// Properties of a run for recording a method. They do not depend on the number of trials, so a batch is recorded like
/// its trials.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Context {
    /// Whether some trial has λ = 0.
    pub undamped: bool,
    /// Share of the largest singular value below which singular values of factors are rounding noise.
    pub floor: f64,
    /// Degrees of freedom of matrices of rank 0, 1, …, k.
    pub freedom: Vec<usize>,
    /// Operations per byte of measurement data in a gradient of one trial.
    pub flops_per_byte: f64,
    /// Whether measurements touch few lines of the factors, as entries do: some of them say nothing about a line, and
    /// residuals are not white.
    pub touches_few_lines: bool,
}

impl Context {
    /// Operations per byte up to which a pass takes as long as reading the data.
    const READING: f64 = 4.0;

    /// Whether a pass is bound by reading the measurement data, so that further lanes cost less than another pass.
    pub fn is_bound_by_reading(&self) -> bool {
        self.flops_per_byte <= Self::READING
    }
}
