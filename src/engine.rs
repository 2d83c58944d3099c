//! The only seam between the solver's loop and the hardware.

#[doc(hidden)]
pub mod faults;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::methods::{Driven, Recipe, Tuning};
use crate::operators::{Loss, Operator, Storage};
use crate::problem::Factors;

/// Arithmetic of the iteration. Diagnostics are computed in f64 whatever this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    #[default]
    F32,
    F64,
    /// f32 increments around an f64 centre: the speed of f32, the accuracy of f64, no 64-bit hardware on the device.
    Mixed,
}

impl Precision {
    /// Unit roundoff of the factors and residuals it ends with: 2⁻²⁴ or 2⁻⁵³.
    pub fn unit_roundoff(self) -> f64 {
        match self {
            Self::F32 => f32::EPSILON as f64 / 2.0,
            Self::F64 | Self::Mixed => f64::EPSILON / 2.0,
        }
    }

    /// The word of `--precision` and of reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Mixed => "mixed",
        }
    }

    /// The precision of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::F32, Self::F64, Self::Mixed].into_iter().find(|precision| precision.word() == word)
    }
}

/// What an engine is loaded with.
#[derive(Clone)]
pub struct Load<'a> {
    pub operator: Arc<dyn Operator + 'a>,
    pub recipe: Recipe,
    /// A rule on the host that moves the factors instead; the recipe then has no more than its loss.
    pub driven: Option<Driven>,
    pub batch: usize,
    /// Columns of the widest trial; narrower ones are padded with zero columns.
    pub search_rank: usize,
    /// Of the signed model: (p, q) for the iterate U S Uᵀ with S = diag(1 p times, −1 q times), p + q = `search_rank`.
    pub signature: Option<(usize, usize)>,
    /// Kernel variant to use whatever the engine would choose; refused where the engine has none of that name.
    pub variant: Option<String>,
}

impl Load<'_> {
    /// # Errors
    /// [`Error::Unsupported`] for residuals that count from their mean under a loss other than the square: only there is the mean
    /// what takes an offset out.
    pub(crate) fn require_loss(&self) -> Result<()> {
        if self.recipe.loss == Loss::Square || !self.operator.is_centred() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("the loss {} of residuals that count from their mean", self.recipe.loss.word()),
            fix: "say --no-center, or use the square loss".into(),
        })
    }
}

/// A kernel variant that was timed on the loaded data, or on the host a way of going over it, on which no bits depend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub variant: String,
    /// One gradient.
    pub milliseconds: f64,
}

/// The refusal of a variant that an engine does not have.
pub(crate) fn unknown_variant(found: &str, allowed: &[&str]) -> Error {
    Error::invalid("variant", format!("'{found}'"), allowed.join(", "), "leave it out for the engine's own choice")
}

/// Where and how an engine runs, for reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// `reference`, `cpu` or `gpu`.
    pub backend: String,
    /// The processor or the graphics adapter.
    pub adapter: String,
    /// Driver name and version, where there is one.
    pub driver: String,
    /// Whether the adapter is a software one (llvmpipe, SwiftShader).
    pub software_adapter: bool,
    pub precision: Precision,
    /// Number type of the measurement data that it reads; null for operators that store none.
    pub storage: Option<Storage>,
    /// Host threads, or 1.
    pub threads: usize,
    /// The kernel variant: with the same device, seed and variant a run repeats bit for bit. On the host the widest instruction
    /// set; the fastest way may go over the rows on another one of the same bits, which its name below then says.
    pub variant: String,
    /// What was chosen from, with the times that decided; empty where nothing was timed, or the choice is still open (on the host
    /// the first iterations are what is timed; the fastest way is the first one here).
    pub candidates: Vec<Candidate>,
    /// Bytes of measurement data read by one iteration.
    pub operator_bytes_per_iteration: f64,
    /// Bytes held for the measurement data, in how many panels.
    pub operator_bytes: u64,
    pub panels: usize,
    /// How many of the panels do not stay on the device but are brought to it anew in every iteration, and the bytes that
    /// travel for it.
    pub streamed_panels: usize,
    pub streamed_bytes_per_iteration: u64,
    /// What the engine holds, and where.
    pub memory: Memory,
    /// What it chose that was not asked for, in sentences.
    pub notices: Vec<String>,
    /// Of an engine that shares the measurements with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Shared>,
}

/// How measurements are shared by the ranks of a team, and what that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    pub ranks: usize,
    /// Into which the measurements are cut: sums are taken part by part, so that results depend on it and not on `ranks`.
    pub parts: usize,
    /// Of this rank.
    pub measurements: usize,
    /// Bytes that this rank handed to the others for one gradient of all trials: so many nodes of the tree of sums, each n·k numbers
    /// (two factors: (n1 + n2)·k, centred residuals: 2nk) and 24 bytes a trial.
    pub bytes_per_gradient: u64,
    /// All that it handed to the others so far, residuals and decisions included; every rank receives what the others hand out.
    pub bytes_sent: u64,
    pub messages: u64,
}

/// A gradient at an arbitrary pair, for the laws.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// (batch, m): eᵢ = ⟨Aᵢ, L Rᵀ⟩ − targetᵢ.
    pub residual: Vec<f64>,
    /// (batch, n1, k): Σ wᵢ eᵢ Aᵢ V.
    pub left: Vec<f64>,
    /// (batch, n2, k): Σ wᵢ eᵢ Aᵢᵀ W; empty for symmetric models.
    pub right: Vec<f64>,
}

/// Everything that the next iteration depends on and that was not given to the engine from outside: arrays by name. Numbers are
/// exactly those that the engine holds (every f32 is an f64), so that an engine that is given them goes on bit for bit. Names and
/// layouts are the same for every backend: what one saved, another one goes on from, to within its own rounding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    arrays: BTreeMap<String, Vec<f64>>,
}

impl State {
    pub(crate) fn put(&mut self, name: &str, values: Vec<f64>) {
        self.arrays.insert(name.to_owned(), values);
    }

    /// Whole numbers below 2⁵³, which are numbers of iterations here.
    pub(crate) fn put_counts(&mut self, name: &str, counts: impl IntoIterator<Item = usize>) {
        self.put(name, counts.into_iter().map(|count| count as f64).collect());
    }

    /// The array of that name and length.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is none: the state is that of another method or size.
    pub(crate) fn get(&self, name: &str, length: usize) -> Result<&[f64]> {
        let found = self.arrays.get(name).map(Vec::as_slice);
        found.filter(|values| values.len() == length).ok_or_else(|| {
            let found = found.map_or_else(|| "nothing".to_owned(), |values| format!("{} numbers", values.len()));
            let fix = "it was saved by another version, for another method, or for other sizes";
            Error::invalid(format!("state '{name}'"), found, format!("{length} numbers"), fix)
        })
    }

    pub(crate) fn counts(&self, name: &str, length: usize) -> Result<Vec<usize>> {
        let whole = |count: &f64| {
            let known = *count >= 0.0 && *count < 9_007_199_254_740_992.0 && count.fract() == 0.0;
            let fix = "the checkpoint is damaged, or another program wrote it: start anew";
            let refused = || Error::invalid(format!("state '{name}'"), count, "whole numbers below 2^53", fix);
            if known { Ok(*count as usize) } else { Err(refused()) }
        };
        self.get(name, length)?.iter().map(whole).collect()
    }

    pub(crate) fn count(&self, name: &str) -> Result<usize> {
        Ok(self.counts(name, 1)?[0])
    }

    /// An array that may be missing, of any length.
    pub(crate) fn find(&self, name: &str) -> Option<&[f64]> {
        self.arrays.get(name).map(Vec::as_slice)
    }

    /// Takes in another state under `prefix`.
    pub(crate) fn nest(&mut self, prefix: &str, inner: Self) {
        self.arrays.extend(inner.arrays.into_iter().map(|(name, values)| (format!("{prefix}.{name}"), values)));
    }

    /// What lies under `prefix`.
    pub(crate) fn nested(&self, prefix: &str) -> Self {
        let inner = self.arrays.iter().filter_map(|(name, values)| {
            Some((name.strip_prefix(prefix)?.strip_prefix('.')?.to_owned(), values.clone()))
        });
        Self { arrays: inner.collect() }
    }

    pub(crate) fn arrays(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.arrays.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }
}

/// A loaded problem on some hardware. The factor is at iteration t; `residuals` evaluates the gradient there and the
/// next `advance` starts from it, so that watching a run costs no extra pass over the measurements.
pub trait Engine: Send {
    fn info(&self) -> &EngineInfo;

    /// Whether the engine is through with finding its fastest way to work: iterations before count like others, and are slower.
    fn settled(&self) -> bool {
        true
    }

    /// Targets and weights, (batch, m) each. Weight 0 leaves a measurement out of the gradient; its residual is still
    /// computed.
    fn set_observations(&mut self, target: &[f64], weights: &[f64]) -> Result<()>;

    /// μ·s of each trial.
    fn set_steps(&mut self, steps: &[f64]) -> Result<()>;

    /// μ·ridge of each trial, zero until it is set: U ← U − step·D − shrink·U, which is descent on the loss plus
    /// (ridge/2)‖U‖² (plus (ridge/2)(‖L‖² + ‖R‖²) for two factors). Not for increments around a centre.
    fn set_ridge(&mut self, shrink: &[f64]) -> Result<()>;

    /// What else trials bring to the stages of the recipe, [`Tuning::default`] until it is set. The method begins anew: the next
    /// iteration is number 0, and nothing is remembered.
    fn set_tuning(&mut self, tuning: &[Tuning]) -> Result<()>;

    /// In how many iterations since then λ had to be raised to keep VᵀV + λI positive definite.
    fn damping_raised(&mut self) -> Result<Vec<usize>>;

    /// The current factors, (batch, n, k), or a pair of them. Momentum begins anew.
    fn set_factors(&mut self, factors: &Factors) -> Result<()>;

    /// From now on the iteration moves increments V around the centre U₀, and the factors of this engine are V:
    ///
    /// e = A((2U₀ + V)Vᵀ) − target,   V ← V − step·A*(w∘e)(U₀ + V)
    ///
    /// The symmetric part of (2U₀ + V)Vᵀ is UUᵀ − U₀U₀ᵀ at U = U₀ + V, so that with the target y − A(U₀U₀ᵀ) this is the
    /// iteration at U, and its rounding errors are in proportion to V. With a signature both 2U₀ + V and U₀ + V are
    /// multiplied by S. For models of one factor.
    fn set_centre(&mut self, centre: &Factors) -> Result<()>;

    /// Only active trials move; a frozen one keeps its factor bit for bit.
    fn set_active(&mut self, active: &[bool]) -> Result<()>;

    /// Runs the recipe `iterations` times. Returns when the work is done.
    fn advance(&mut self, iterations: usize) -> Result<()>;

    /// eᵢ at the current factor, (batch, m); rows of frozen trials are stale.
    fn residuals(&mut self) -> Result<Vec<f64>>;

    /// The current factors.
    fn factors(&mut self) -> Result<Factors>;

    /// The gradient at `point` with the adjoint applied to `applied`, through the same kernels as the iteration; the
    /// current factors are left as they are. Both have the loaded batch and search rank.
    fn evaluate(&mut self, point: &Factors, applied: &Factors) -> Result<Evaluation> {
        self.evaluate_some(point, applied, &vec![true; point.batch()])
    }

    /// [`Engine::evaluate`] of some trials; what it returns of the others is arbitrary.
    fn evaluate_some(&mut self, point: &Factors, applied: &Factors, which: &[bool]) -> Result<Evaluation>;

    /// Numbers of which all ranks of a team get the largest, so that they decide alike about clocks and signals; without a team they
    /// stay as they are.
    fn agree(&mut self, _numbers: &mut [f64]) -> Result<()> {
        Ok(())
    }

    /// What [`Engine::set_state`] goes on from, at this iteration.
    ///
    /// # Errors
    /// Device failures; [`Error::Unsupported`] for engines whose runs cannot be saved.
    fn state(&mut self) -> Result<State> {
        Err(Error::Unsupported { what: "saving a run of this engine".into(), fix: "run without checkpoints".into() })
    }

    /// In place of [`Engine::set_factors`], after everything else was set (a centre apart): the next iterations are those that would
    /// have followed when the state was taken, bit for bit on the same backend with the same kernel variant.
    ///
    /// # Errors
    /// Device failures; [`Error::Invalid`] for the state of another method or size; [`Error::Unsupported`] as above.
    fn set_state(&mut self, state: &State) -> Result<()> {
        let _ = state;
        Err(Error::Unsupported { what: "resuming a run on this engine".into(), fix: "start anew".into() })
    }

    /// Passes over the measurement data in f64 since the factors were set, beside those of the iterations; `None` where
    /// the engine makes none.
    fn f64_passes(&self) -> Option<usize> {
        None
    }
}
