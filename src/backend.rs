//! Where a problem is solved: the one file that names both kinds of engine.

use crate::engine::{Engine, Load, Precision};
use crate::error::{Error, Result};
use crate::host;

/// A place to compute, as a value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// f64, one thread, the operators' definitions as written: the oracle. Slow on purpose.
    Reference,
    /// All cores, f32 or f64.
    Cpu,
}

impl Backend {
    /// The Cpu backend, unless there is a real GPU (a software adapter is far slower than the Cpu backend).
    ///
    /// # Errors
    /// None at present; reserved for systems without any backend.
    pub fn auto() -> Result<Self> {
        Ok(Self::Cpu)
    }

    /// Reads `auto`, `reference`, `cpu`, `gpu` or `gpu:NAME`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another word, [`Error::NoAdapter`] where no adapter fits.
    pub fn from_word(word: &str) -> Result<Self> {
        match word {
            "auto" => Self::auto(),
            "reference" => Ok(Self::Reference),
            "cpu" => Ok(Self::Cpu),
            other => Err(Error::invalid(
                "backend",
                other,
                "auto, reference, cpu, gpu or gpu:NAME",
                "`lowrank list devices` shows the names",
            )),
        }
    }

    pub(crate) fn load<'a>(&self, load: &Load<'a>, precision: Precision) -> Result<Box<dyn Engine + 'a>> {
        match self {
            Self::Reference => host::load_reference(load),
            Self::Cpu => host::load_cpu(load, precision),
        }
    }
}
