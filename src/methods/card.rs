//! What there is to say of each method, and what a run tells it.

use crate::error::Result;
use crate::methods::Method;
use crate::named::Named;

/// What `lowrank list methods` shows of a method.
#[derive(Clone, Copy, Debug)]
pub struct MethodCard {
    /// The word of `--method`.
    pub word: &'static str,
    /// The iteration.
    pub formula: &'static str,
    /// Names of its own parameters with their defaults.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Default of `step_size`.
    pub step_size: &'static str,
    /// Passes over the measurements in an iteration, and what comes back to the host in it.
    pub cost: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Makes it from parameters by name.
    pub make: fn(&Named) -> Result<Method>,
}

impl PartialEq for MethodCard {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl MethodCard {
    /// Whether it has a parameter.
    pub fn has(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, _)| *name == parameter)
    }

    /// Those of some parameters that the method has.
    pub fn fitting(&self, parameters: &Named) -> Named {
        parameters.only(|name| self.has(name))
    }

    /// The method with default parameters.
    pub fn method(&self) -> Method {
        // Defaults are in range: a test makes every method.
        (self.make)(&Named::default()).unwrap_or_else(|_| Method::gd().into())
    }
}

/// The default step 1/(4‖s·A*(y)‖), as cards say it.
pub(super) const GRADIENT_STEP: &str = "1/(4 ||s A*(y)||)";
/// The cost of most methods, as cards say it.
pub(super) const NOTHING: &str = "1 pass, nothing read back";

/// Default of a step size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepSize {
    /// 1/(4‖s·A*(y)‖)
    FromNorm,
    /// This number, because steps have no unit.
    Number(f64),
    /// A line search finds it; where it begins.
    Found,
}

/// Kind of the default start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartKind {
    /// Small and random.
    SmallRandom,
    /// Random directions, whose size says nothing.
    Directions,
    /// From the leading eigenvectors of s·A*(y): near zero the method does not get away, or not within reason.
    Spectral,
}

/// What a trial tells its method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrialNumbers {
    /// s of its training measurements.
    pub normalization: f64,
    /// λ, for methods that have one.
    pub damping: Option<f64>,
    /// ρ is not the square.
    pub robust: bool,
    /// k.
    pub search_rank: usize,
    /// Training measurements.
    pub measurements: usize,
}

/// What a run tells the method that is recorded. Nothing in it depends on how many trials there are: a batch is recorded as its
/// trials are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// Some trial has λ = 0.
    pub undamped: bool,
    /// Singular values of factors below this share of the largest are noise of the factors' own arithmetic.
    pub floor: f64,
    /// Degrees of freedom of matrices of rank 0, 1, …, k.
    pub freedom: Vec<usize>,
    /// Operations that a gradient of one trial takes for each byte of measurement data that it reads.
    pub flops_per_byte: f64,
}

impl Context {
    /// Operations a byte up to which a pass takes as long as reading the data does.
    const READING: f64 = 4.0;

    /// Whether reading the measurement data is what a pass costs, so that more lanes of it are cheaper than another pass.
    pub fn is_bound_by_reading(&self) -> bool {
        self.flops_per_byte <= Self::READING
    }
}
