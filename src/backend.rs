//! Where a problem is solved: the one file that names both kinds of engine.

use crate::engine::{Engine, Load, Precision};
use crate::error::{Error, Result};
use crate::{gpu, host};

/// A place to compute, as a value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// f64, one thread, the operators' definitions as written: the oracle. Slow on purpose.
    Reference,
    /// All cores, f32 or f64.
    Cpu,
    /// A graphics adapter, f32.
    Gpu(gpu::Device),
}

impl Backend {
    /// The best real GPU; the Cpu backend where there is none, because a software adapter is far slower than it.
    ///
    /// # Errors
    /// None at present: an adapter that cannot be opened counts as none.
    pub fn auto() -> Result<Self> {
        match gpu::Device::open(None) {
            Ok(device) if !device.is_software() => Ok(Self::Gpu(device)),
            _ => Ok(Self::Cpu),
        }
    }

    /// Reads `auto`, `reference`, `cpu`, `gpu` (the best adapter there is, a software one too) or `gpu:NAME` (an
    /// adapter whose name contains NAME).
    ///
    /// # Errors
    /// [`Error::Invalid`] for another word, [`Error::NoAdapter`] where no adapter fits, [`Error::Device`] where it
    /// refuses.
    pub fn from_word(word: &str) -> Result<Self> {
        match word {
            "auto" => Self::auto(),
            "reference" => Ok(Self::Reference),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(gpu::Device::open(None)?)),
            other => match other.strip_prefix("gpu:") {
                Some(name) => Ok(Self::Gpu(gpu::Device::open(Some(name))?)),
                None => Err(Error::invalid(
                    "backend",
                    format!("'{other}'"),
                    "auto, reference, cpu, gpu or gpu:NAME",
                    "`lowrank list devices` shows the names",
                )),
            },
        }
    }

    /// Loads an engine. `options` concern the Gpu backend only.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for double precision or an operator without a shader on a GPU; [`Error::Device`].
    pub(crate) fn load<'a>(
        &self,
        load: &Load<'a>,
        precision: Precision,
        options: &gpu::Options,
    ) -> Result<Box<dyn Engine + 'a>> {
        match self {
            Self::Reference => host::load_reference(load),
            Self::Cpu => host::load_cpu(load, precision),
            Self::Gpu(_) if precision != Precision::F32 => Err(Error::Unsupported {
                what: "precision f64 on the backend gpu".into(),
                fix: "use precision f32 there, or the backend cpu".into(),
            }),
            Self::Gpu(device) => gpu::load(device, load, options),
        }
    }
}
