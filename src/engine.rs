//! The only seam between the solver's loop and the hardware.

#[doc(hidden)]
pub mod faults;
mod options;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::operators::{Loss, Operator, Storage};
use crate::tape::{Program, Register};

#[doc(hidden)]
pub use options::Mutation;
pub use options::Options;

/// Arithmetic of the iteration. Diagnostics are computed in f64 whatever this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
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

    /// Bytes of the numbers that engines compute with; mixed precision has an engine of either kind.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Mixed => 12,
        }
    }

    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "single precision",
            Self::F64 => "double precision",
            Self::Mixed => "mixed precision",
        }
    }
}

words!(Precision as "precision", serde { F32 => "f32", F64 => "f64", Mixed => "mixed" });

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
    /// Whether it is through with finding its fastest way to work: iterations before count like others, and are slower.
    #[serde(skip)]
    pub settled: bool,
    /// Passes over the measurement data in f64 since the factors were set, beside those of the iterations; `None` where it makes
    /// none.
    #[serde(skip)]
    pub f64_passes: Option<usize>,
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

/// What mixed precision is made of.
#[derive(Clone)]
pub struct Increments {
    /// The iteration of increments around a centre.
    pub program: Arc<Program>,
    /// A program whose residual is that of its iterate.
    pub exact: Arc<Program>,
}

/// What an engine is loaded with.
#[derive(Clone)]
pub struct Load<'a> {
    /// A.
    pub operator: Arc<dyn Operator + 'a>,
    /// The iteration.
    pub program: Arc<Program>,
    /// The same for increments around a centre, for mixed precision; `None` where the method needs the whole point.
    pub increments: Option<Increments>,
    /// Trials that share the operator and advance together.
    pub batch: usize,
    /// Kernel variant to use whatever the engine would choose; refused where the engine has none of that name.
    pub variant: Option<String>,
}

impl Load<'_> {
    /// # Errors
    /// [`Error::Unsupported`] for residuals that count from their mean under a loss other than the square: only there is the mean
    /// what takes an offset out.
    pub(crate) fn require_loss(&self) -> Result<()> {
        if self.program.loss == Loss::Square || !self.operator.is_centred() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("the loss {} of residuals that count from their mean", self.program.loss.word()),
            fix: "say --no-center, or use the square loss".into(),
        })
    }

    /// Numbers of a register, all trials together.
    pub fn numbers(&self, register: impl Into<Register>) -> usize {
        self.batch * self.program.declaration(register).kind.len(self.operator.measurements())
    }
}

/// A loaded problem on some hardware.
///
/// Registers are read and written as (batch, numbers of a trial), in f64; engines round to what they compute in. Every engine and
/// everything around one implements all of it: there are no defaults to fall back to.
pub trait Engine: Send {
    /// Where and how it runs.
    fn info(&self) -> &EngineInfo;

    /// Overwrites a register. Who writes the iterate begins anew: the next iteration is number 0, and the other kept registers have
    /// their initial values in it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong number of numbers; device failures.
    fn write(&mut self, register: Register, values: &[f64]) -> Result<()>;

    /// What a register holds. That of the residual carries out the head of the next iteration, unless it has been: rows of frozen
    /// trials are stale.
    ///
    /// # Errors
    /// Device failures.
    fn read(&mut self, register: Register) -> Result<Vec<f64>>;

    /// What [`Engine::restore`] goes on from: kept registers by name, the number of the next iteration, and what an engine has beside
    /// them.
    ///
    /// # Errors
    /// Device failures.
    fn state(&mut self) -> Result<State>;

    /// Goes on where a state was taken, bit for bit on the same backend with the same kernel variant. Observations, weights and
    /// parameters are not part of it.
    ///
    /// # Errors
    /// Device failures; [`Error::Invalid`] for the state of another method or size.
    fn restore(&mut self, state: &State) -> Result<()>;

    /// Only active trials move; a frozen one keeps its registers bit for bit.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong number of flags; device failures.
    fn set_active(&mut self, active: &[bool]) -> Result<()>;

    /// Carries out so many iterations. Returns when the work is done.
    ///
    /// # Errors
    /// Device failures.
    fn run(&mut self, iterations: usize) -> Result<()>;

    /// Numbers of which all ranks of a team get the largest, so that they decide alike about clocks and signals; without a team they
    /// stay as they are.
    ///
    /// # Errors
    /// Those of the connection.
    fn agree(&mut self, numbers: &mut [f64]) -> Result<()>;
}
