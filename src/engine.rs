//! The interface between the solver's loop and the hardware.

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

/// Arithmetic of the iteration. Diagnostics are always computed in f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Precision {
    /// Single precision, unit roundoff 2⁻²⁴.
    #[default]
    F32,
    /// Double precision, unit roundoff 2⁻⁵³.
    F64,
    /// f32 increments around an f64 centre: the speed of f32 and the accuracy of f64 without 64-bit hardware on the
    /// device.
    Mixed,
}

impl Precision {
    /// Unit roundoff of the final factors and residuals: 2⁻²⁴ or 2⁻⁵³.
    pub fn unit_roundoff(self) -> f64 {
        match self {
            Self::F32 => f32::EPSILON as f64 / 2.0,
            Self::F64 | Self::Mixed => f64::EPSILON / 2.0,
        }
    }

    /// Bytes of the numbers that engines compute with. Mixed precision has one engine of each kind.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Mixed => 12,
        }
    }

    /// Name of the precision in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "single precision",
            Self::F64 => "double precision",
            Self::Mixed => "mixed precision",
        }
    }

    /// Number type that matrices are read into unless another is asked for: f32 for single precision, which rounds once, and the file's own,
    /// `None`, for other precisions and for the backend `reference`, which computes in double.
    pub fn usual_storage(self, backend: &str) -> Option<Storage> {
        (self == Self::F32 && backend != "reference").then_some(Storage::F32)
    }
}

words!(Precision as "precision", serde { F32 => "f32", F64 => "f64", Mixed => "mixed" });

/// A timed kernel variant, or on the host a timed row traversal. Row traversals give the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name of the variant.
    pub variant: String,
    /// Milliseconds of one gradient.
    pub milliseconds: f64,
}

/// Error for a variant that the engine does not have.
pub(crate) fn unknown_variant(found: &str, allowed: &[&str]) -> Error {
    Error::invalid("variant", format!("'{found}'"), allowed.join(", "), "leave it out and the engine chooses")
}

/// Description of an engine for reports: where and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// Backend: `reference`, `cpu` or `gpu`.
    pub backend: String,
    /// Name of the processor or the graphics adapter.
    pub adapter: String,
    /// Name and version of the driver, if there is one.
    pub driver: String,
    /// Whether the adapter is a software adapter (llvmpipe, SwiftShader).
    pub software_adapter: bool,
    /// Precision of the engine.
    pub precision: Precision,
    /// Number type of the stored measurement data; null for operators that store none.
    pub storage: Option<Storage>,
    /// Number of host threads, or 1.
    pub threads: usize,
    /// Kernel variant: with the same device, seed and variant a run repeats bit for bit. On the host it is the widest
    /// instruction set. The fastest traversal may use another one with the same bits; its name in `candidates` then
    /// says so.
    pub variant: String,
    /// Candidates of the choice with their times, fastest first on the host. Empty where nothing was timed or the
    /// choice is open: the host times its first iterations.
    pub candidates: Vec<Candidate>,
    /// Bytes of measurement data read by one iteration.
    pub operator_bytes_per_iteration: f64,
    /// Bytes held for the measurement data.
    pub operator_bytes: u64,
    /// Number of panels of measurement data.
    pub panels: usize,
    /// Number of panels that are streamed to the device in every iteration.
    pub streamed_panels: usize,
    /// Bytes streamed to the device by one iteration.
    pub streamed_bytes_per_iteration: u64,
    /// Memory that the engine holds, by place.
    pub memory: Memory,
    /// Choices of the engine that were not asked for, as sentences.
    pub notices: Vec<String>,
    /// Whether the engine has found its fastest variant. Earlier iterations count like others and are slower.
    #[serde(skip)]
    pub settled: bool,
    /// Number of f64 passes over the measurement data since the factors were set, besides those of the iterations;
    /// `None` where the engine makes none.
    #[serde(skip)]
    pub f64_passes: Option<usize>,
    /// Sharing of the measurements, for an engine of a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Shared>,
}

/// Sharing of the measurements by the ranks of a team, and its traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Number of ranks.
    pub ranks: usize,
    /// Number of parts of the measurements. Sums are taken part by part, so results depend on it and not on `ranks`.
    pub parts: usize,
    /// Number of measurements of this rank.
    pub measurements: usize,
    /// Bytes that this rank sends for one gradient of all trials. Each node of the tree of sums has n·k numbers (two
    /// factors: (n1 + n2)·k, centred residuals: 2nk) and 24 bytes per trial.
    pub bytes_per_gradient: u64,
    /// Bytes that this rank has sent so far, residuals and decisions included. Every rank receives what the others
    /// send.
    pub bytes_sent: u64,
    /// Number of messages that this rank has sent so far.
    pub messages: u64,
}

/// Engine state for a checkpoint: named arrays with all that the next iteration needs beyond the given inputs. The
/// numbers are exactly those of the engine (every f32 is an f64), so an engine resumes bit for bit. Names and layouts
/// are the same for every backend: another backend resumes to within its own rounding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    arrays: BTreeMap<String, Vec<f64>>,
}

impl State {
    pub(crate) fn put(&mut self, name: &str, values: Vec<f64>) {
        self.arrays.insert(name.to_owned(), values);
    }

    /// Stores whole numbers below 2⁵³, here numbers of iterations.
    pub(crate) fn put_counts(&mut self, name: &str, counts: impl IntoIterator<Item = usize>) {
        self.put(name, counts.into_iter().map(|count| count as f64).collect());
    }

    /// The array of that name and length.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is missing: the state belongs to another method or size.
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
            let fix = "the checkpoint is damaged, or another program wrote it: start a new run";
            let refused = || Error::invalid(format!("state '{name}'"), count, "whole numbers below 2^53", fix);
            if known { Ok(*count as usize) } else { Err(refused()) }
        };
        self.get(name, length)?.iter().map(whole).collect()
    }

    pub(crate) fn count(&self, name: &str) -> Result<usize> {
        Ok(self.counts(name, 1)?[0])
    }

    /// The array of that name, of any length, if present.
    pub(crate) fn find(&self, name: &str) -> Option<&[f64]> {
        self.arrays.get(name).map(Vec::as_slice)
    }

    /// Stores another state under `prefix`.
    pub(crate) fn nest(&mut self, prefix: &str, inner: Self) {
        self.arrays.extend(inner.arrays.into_iter().map(|(name, values)| (format!("{prefix}.{name}"), values)));
    }

    /// The state stored under `prefix`.
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

/// The two programs of mixed precision.
#[derive(Clone)]
pub struct Increments {
    /// Program of the increments in iterative refinement.
    pub program: Arc<Program>,
    /// Program whose residual is that of its iterate.
    pub exact: Arc<Program>,
}

/// Inputs for loading an engine.
#[derive(Clone)]
pub struct Load<'a> {
    /// Measurement operator A.
    pub operator: Arc<dyn Operator + 'a>,
    /// Program of the iteration.
    pub program: Arc<Program>,
    /// Programs of mixed precision; `None` where the method needs the whole point.
    pub increments: Option<Increments>,
    /// Number of trials, which share the operator and advance together.
    pub batch: usize,
    /// Forced kernel variant; an engine without a variant of that name refuses it.
    pub variant: Option<String>,
}

impl Load<'_> {
    /// # Errors
    /// [`Error::Unsupported`] for residuals centred at their mean under a loss other than the square: only under the
    /// square does subtracting the mean remove an offset.
    pub(crate) fn require_loss(&self) -> Result<()> {
        if self.program.loss == Loss::Square || !self.operator.is_centred() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("the loss {} with centred residuals", self.program.loss.word()),
            fix: "pass --no-center, or use the square loss".into(),
        })
    }

    /// Size of a register over all trials.
    pub fn numbers(&self, register: impl Into<Register>) -> usize {
        self.batch * self.program.declaration(register).kind.len(self.operator.measurements())
    }
}

/// A problem loaded on some hardware.
///
/// Registers are read and written as (batch, numbers of a trial), in f64; engines round to their own precision. Every
/// engine and every wrapper implements all methods: there are no defaults.
pub trait Engine: Send {
    /// The engine's description.
    fn info(&self) -> &EngineInfo;

    /// Overwrites a register. Writing the iterate restarts: the next iteration is number 0 and resets the other kept
    /// registers to their initial values.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length; device failures.
    fn write(&mut self, register: Register, values: &[f64]) -> Result<()>;

    /// Reads a register. Reading the residual runs the head of the next iteration unless it has run already. Rows of
    /// frozen trials are stale.
    ///
    /// # Errors
    /// Device failures.
    fn read(&mut self, register: Register) -> Result<Vec<f64>>;

    /// State for [`Engine::restore`]: kept registers by name, the number of the next iteration, and further state of
    /// the engine.
    ///
    /// # Errors
    /// Device failures.
    fn state(&mut self) -> Result<State>;

    /// Resumes from a state, bit for bit on the same backend with the same kernel variant. Observations, weights and
    /// parameters are not part of the state.
    ///
    /// # Errors
    /// Device failures; [`Error::Invalid`] for the state of another method or size.
    fn restore(&mut self, state: &State) -> Result<()>;

    /// Selects the trials that advance. A frozen trial keeps its registers bit for bit.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong number of flags; device failures.
    fn set_active(&mut self, active: &[bool]) -> Result<()>;

    /// Runs `iterations` iterations and returns when they are done.
    ///
    /// # Errors
    /// Device failures.
    fn run(&mut self, iterations: usize) -> Result<()>;

    /// Replaces numbers by their maximum over the ranks of a team, so that all ranks decide alike about clocks and
    /// signals. Without a team the numbers stay.
    ///
    /// # Errors
    /// Failures of the connection.
    fn agree(&mut self, numbers: &mut [f64]) -> Result<()>;
}
