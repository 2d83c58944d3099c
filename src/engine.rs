//! The interface between the solver's loop and the hardware.

pub(crate) mod faults;
pub(crate) mod interface;
pub(crate) mod options;

use serde::{Deserialize, Serialize};

use crate::memory::Memory;
use crate::operators::Storage;

pub(crate) use interface::{Engine, Increments, Load, State, unknown_variant};
pub(crate) use options::Options;

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
#[non_exhaustive]
pub struct Candidate {
    /// Name of the variant.
    pub variant: String,
    /// Milliseconds of one gradient.
    pub milliseconds: f64,
}

/// Description of an engine for reports: where and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
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
#[non_exhaustive]
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
