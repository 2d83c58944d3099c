//! What the loop asks of an engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::EngineInfo;
use crate::error::{Error, Result};
use crate::operators::{Loss, Operator};
use crate::tape::{Program, Register, Rows};

/// Error for a variant that the engine does not have.
pub(crate) fn unknown_variant(found: &str, allowed: &[&str]) -> Error {
    Error::invalid("variant", format!("'{found}'"), allowed.join(", "), "leave it out and the engine chooses")
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

    /// The rows of a trial, with the observations and weights that the program's registers hold.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the rows are not on the host; failures of the connection.
    fn rows(&mut self, trial: usize) -> Result<Box<dyn Rows + '_>>;

    /// Replaces numbers by their maximum over the ranks of a team, so that all ranks decide alike about clocks and
    /// signals. Without a team the numbers stay.
    ///
    /// # Errors
    /// Failures of the connection.
    fn agree(&mut self, numbers: &mut [f64]) -> Result<()>;
}
