//! A run between two iterations, saved as a file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::{EngineInfo, State};
use crate::error::{Error, Result};
use crate::io::{read_sealed, unseal, write_sealed};
use crate::solver::solution::TraceRow;
use crate::solver::watch::Watched;

/// A saved run: the state of the engine, the observations of every trial, and the inputs of the run.
///
/// A resumed run ends with the same factors, statuses and trace, bit for bit, as an uninterrupted one on the same
/// backend with the same kernel variant. Times may differ.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    pub(crate) header: Header,
    pub(crate) record: Record,
    pub(crate) state: State,
}

/// The readable part of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    pub program: String,
    pub iteration: usize,
    pub backend: String,
    pub variant: String,
    pub diagnose: bool,
    /// Identity of the run, which must not change.
    pub identity: Value,
    record_bytes: usize,
    arrays: Vec<Array>,
}

/// One array of the body: a list of little-endian numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Array {
    name: String,
    numbers: usize,
    /// Whether the numbers are f32, which must hold all of them exactly.
    single: bool,
}

/// State outside the engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub seconds: f64,
    pub engine_seconds: f64,
    pub trace: Vec<TraceRow>,
    pub watches: Vec<Watched>,
    pub notices: Vec<String>,
}

impl Checkpoint {
    pub(crate) fn new(
        engine: &EngineInfo,
        iteration: usize,
        diagnose: bool,
        identity: Value,
        record: Record,
        state: State,
    ) -> Self {
        let header = Header {
            program: env!("CARGO_PKG_VERSION").into(),
            iteration,
            backend: engine.backend.clone(),
            variant: engine.variant.clone(),
            diagnose,
            identity,
            record_bytes: 0,
            arrays: Vec::new(),
        };
        Self { path: PathBuf::new(), header, record, state }
    }

    /// Number of completed iterations.
    pub fn iteration(&self) -> usize {
        self.header.iteration
    }

    /// Backend of the run.
    pub fn backend(&self) -> &str {
        &self.header.backend
    }

    /// Kernel variant, in the form of [`EngineInfo::variant`].
    pub fn variant(&self) -> &str {
        &self.header.variant
    }

    /// Identity that a resumed run must share: digests of the data, settings, and the chosen trials.
    #[doc(hidden)]
    pub fn identity(&self) -> &Value {
        &self.header.identity
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] for a file of another kind or version, or a torn or changed file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (header, body) = read_sealed(path)?;
        Self::parse(path, &header, &body)
    }

    /// Reads a checkpoint from bytes; `path` is for messages.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`].
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        let (header, body) = unseal(path.as_ref(), bytes)?;
        Self::parse(path.as_ref(), &header, &body)
    }

    /// Parses header and body without the seal around them.
    #[doc(hidden)]
    pub fn parse(path: &Path, header: &[u8], body: &[u8]) -> Result<Self> {
        let refused = |what: String| {
            let fix = "Another program or version wrote it: start a new run";
            Error::file(path, what, "a checkpoint of this version", fix)
        };
        let header: Header =
            serde_json::from_slice(header).map_err(|e| refused(format!("an incomplete header: {e}")))?;
        let (record, mut rest) = body
            .split_at_checked(header.record_bytes)
            .ok_or_else(|| refused("too few bytes after the header".into()))?;
        let record: Record = decoded(record).map_err(|e| refused(format!("unreadable observations: {e}")))?;
        let mut state = State::default();
        for array in &header.arrays {
            let width = if array.single { 4 } else { 8 };
            let split = array.numbers.checked_mul(width).and_then(|bytes| rest.split_at_checked(bytes));
            let (own, others) = split.ok_or_else(|| refused(format!("too few bytes for '{}'", array.name)))?;
            rest = others;
            let values = match array.single {
                true => own.as_chunks().0.iter().map(|word| f64::from(f32::from_le_bytes(*word))).collect(),
                false => own.as_chunks().0.iter().map(|word| f64::from_le_bytes(*word)).collect(),
            };
            state.put(&array.name, values);
        }
        if !rest.is_empty() {
            return Err(refused(format!("{} surplus bytes", rest.len())));
        }
        Ok(Self { path: path.to_owned(), header, record, state })
    }

    /// Writes the file; the old file stays until the new one is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |e: &dyn std::fmt::Display| {
            Error::io(
                path,
                std::io::Error::other(e.to_string()),
                "Report \
                                                                                                        this as a \
                                                                                                        bug",
            )
        };
        let mut body = encoded(path, &self.record)?;
        let mut header = self.header.clone();
        header.record_bytes = body.len();
        header.arrays.clear();
        for (name, values) in self.state.arrays() {
            let single = values.iter().all(|v| f64::from(*v as f32).to_bits() == v.to_bits());
            header.arrays.push(Array { name: name.to_owned(), numbers: values.len(), single });
            match single {
                true => values.iter().for_each(|v| body.extend((*v as f32).to_le_bytes())),
                false => values.iter().for_each(|v| body.extend(v.to_le_bytes())),
            }
        }
        let header = serde_json::to_vec_pretty(&header).map_err(|e| failed(&e))?;
        write_sealed(path, &header, &body)
    }

    /// Path of the file that was read; empty otherwise.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
#[cfg(feature = "io")]
fn encoded(path: &Path, record: &Record) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let failed = |e| Error::io(path, std::io::Error::other(format!("{e}")), "Report this as a bug");
    ciborium::into_writer(record, &mut body).map_err(failed)?;
    Ok(body)
}

#[cfg(not(feature = "io"))]
fn encoded(path: &Path, _record: &Record) -> Result<Vec<u8>> {
    let what = format!("{}: a checkpoint in a build without the feature io", path.display());
    Err(Error::Unsupported { what, fix: "Build with the feature io, or run without checkpoints".into() })
}

#[cfg(feature = "io")]
fn decoded(bytes: &[u8]) -> std::result::Result<Record, String> {
    ciborium::from_reader(bytes).map_err(|e| e.to_string())
}

#[cfg(not(feature = "io"))]
fn decoded(_bytes: &[u8]) -> std::result::Result<Record, String> {
    Err("this build lacks the feature io".into())
}
