//! The place where a problem is solved. Only this file names both kinds of engine.

use crate::engine::{Engine, Increments, Load, Options, Precision};
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu;
use crate::operators::Operator;
use crate::tape::out_of_reach;
use crate::team::Member;
use crate::{distributed, host, mixed};

/// A place to compute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// Sequential f64 reference: one thread, the operators' definitions as written. Slow on purpose.
    Reference,
    /// All processor cores, in f32, f64 or mixed precision.
    Cpu,
    /// A graphics adapter, in f32 or mixed precision, or in f64 where it has 64-bit shader numbers. Only with the
    /// feature `gpu`.
    #[cfg(feature = "gpu")]
    Gpu(gpu::Device),
    /// This rank's share of the measurements on another backend. Ranks may use different backends.
    Team(Member, Box<Self>),
}

impl Backend {
    /// The best real GPU, or the Cpu backend where there is none: a software adapter is far slower than the Cpu
    /// backend.
    ///
    /// # Errors
    /// None at present: an adapter that cannot be opened is skipped.
    pub fn auto() -> Result<Self> {
        #[cfg(feature = "gpu")]
        if let Some(device) = gpu::Device::open(None).ok().filter(|device| !device.is_software()) {
            return Ok(Self::Gpu(device));
        }
        Ok(Self::Cpu)
    }

    /// [`Backend::auto`] for a precision: a real GPU that computes in it, or the Cpu backend.
    ///
    /// # Errors
    /// Those of [`Backend::auto`].
    pub fn auto_for(precision: Precision) -> Result<Self> {
        let chosen = Self::auto()?;
        Ok(if chosen.require(precision).is_ok() { chosen } else { Self::Cpu })
    }

    /// Checks that the backend computes in a precision. Reference always computes in f64.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for double precision on an adapter without it.
    // Only adapters lack a precision.
    #[cfg_attr(not(feature = "gpu"), allow(clippy::only_used_in_recursion))]
    pub fn require(&self, precision: Precision) -> Result<()> {
        match self {
            Self::Reference | Self::Cpu => Ok(()),
            #[cfg(feature = "gpu")]
            Self::Gpu(device) => device.require(precision),
            Self::Team(_, own) => own.require(precision),
        }
    }

    /// Checks that the backend has kernels for an operator.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an operator without a shader, or for one that is too large for it.
    // Only adapters lack an operator.
    #[cfg_attr(not(feature = "gpu"), allow(clippy::only_used_in_recursion))]
    pub fn require_operator(&self, operator: &dyn Operator, precision: Precision) -> Result<()> {
        match self {
            Self::Reference | Self::Cpu => Ok(()),
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => gpu::require_operator(operator, precision),
            Self::Team(_, own) => own.require_operator(operator, precision),
        }
    }

    /// [`Backend::auto_for`] for an operator: a real GPU that has kernels for it, or the Cpu backend.
    ///
    /// # Errors
    /// Those of [`Backend::auto_for`].
    pub fn auto_with(operator: &dyn Operator, precision: Precision) -> Result<Self> {
        let chosen = Self::auto_for(precision)?;
        Ok(if chosen.require_operator(operator, precision).is_ok() { chosen } else { Self::Cpu })
    }

    /// The backend with the processor in place of this process's own.
    pub(crate) fn on_cpu(self) -> Self {
        match self {
            Self::Team(member, _) => Self::Team(member, Box::new(Self::Cpu)),
            _ => Self::Cpu,
        }
    }

    /// Parses `auto`, `reference`, `cpu`, `gpu` (the best adapter, software included) or `gpu:NAME` (an adapter whose
    /// name contains NAME).
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other word, [`Error::NoAdapter`] where no adapter matches, [`Error::Device`] where
    /// the adapter cannot be opened.
    pub fn from_word(word: &str) -> Result<Self> {
        match word {
            "auto" => Self::auto(),
            "reference" => Ok(Self::Reference),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Self::adapter(None),
            other => match other.strip_prefix("gpu:") {
                Some(name) => Self::adapter(Some(name)),
                None => Err(Error::invalid(
                    "backend",
                    format!("'{other}'"),
                    "auto, reference, cpu, gpu or gpu:NAME",
                    "`lowrank list devices` shows the names",
                )),
            },
        }
    }

    #[cfg(feature = "gpu")]
    fn adapter(name: Option<&str>) -> Result<Self> {
        Ok(Self::Gpu(gpu::Device::open(name)?))
    }

    #[cfg(not(feature = "gpu"))]
    fn adapter(_name: Option<&str>) -> Result<Self> {
        let fix = "build with the feature gpu, or use the backend 'cpu'";
        Err(Error::Unsupported { what: "the backend gpu, which this build leaves out,".into(), fix: fix.into() })
    }

    /// The backend's word: `reference`, `cpu`, `gpu` or `team`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Cpu => "cpu",
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => "gpu",
            Self::Team(..) => "team",
        }
    }

    /// The rank's own backend inside a team, or the backend itself.
    pub fn own(&self) -> &Self {
        if let Self::Team(_, own) = self { own.own() } else { self }
    }

    /// Whether the automatic method may be one that reads single rows, on every rank of a team.
    pub(crate) fn reads_rows(&self) -> bool {
        match self {
            Self::Team(member, own) => member.reads_rows && own.reads_rows(),
            _ => self.has_rows(),
        }
    }

    /// Whether engines read single rows for a method that asks for them.
    pub(crate) fn has_rows(&self) -> bool {
        matches!(self.own(), Self::Reference | Self::Cpu)
    }

    /// The same backend; a device is opened again.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where the adapter is gone, [`Error::Device`] where it cannot be opened.
    pub(crate) fn reopened(&self) -> Result<Self> {
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(device) => Ok(Self::Gpu(device.reopened()?)),
            other => Ok(other.clone()),
        }
    }

    /// Precision of the factors and residuals of an engine loaded for precision `wanted`.
    pub(crate) fn precision(&self, wanted: Precision) -> Precision {
        match self {
            Self::Reference => Precision::F64,
            _ => wanted,
        }
    }

    /// Loads an engine. `options` apply to the Gpu backend only.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an operator without a shader, or double precision on an adapter without it;
    /// [`Error::Device`].
    #[doc(hidden)]
    pub fn load<'a>(&self, load: &Load<'a>, precision: Precision, options: &Options) -> Result<Box<dyn Engine + 'a>> {
        load.require_loss()?;
        if load.program.reads_rows() && !self.has_rows() {
            return Err(out_of_reach("on the backend gpu"));
        }
        if precision == Precision::Mixed && !matches!(self, Self::Reference) {
            return self.load_mixed(load, options);
        }
        match self {
            Self::Team(member, own) => distributed::load(load, member, precision, &|part, engines| {
                let memory_bytes = options.memory_bytes.map(|bytes| bytes / engines as u64);
                own.load(part, precision, &Options { memory_bytes, ..options.clone() })
            }),
            Self::Reference => host::load_reference(load),
            Self::Cpu => host::load_cpu(load, precision),
            #[cfg(feature = "gpu")]
            Self::Gpu(device) => gpu::load(device, load, &Options { precision, ..options.clone() }),
        }
    }

    /// Loads the problem on the processor, with the same ranks.
    fn on_processor<'a>(&self, load: &Load<'a>, options: &Options) -> Result<Box<dyn Engine + 'a>> {
        match self {
            Self::Team(member, _) => {
                Self::Team(member.clone(), Box::new(Self::Cpu)).load(load, Precision::F64, options)
            }
            _ => host::load_cpu(load, Precision::F64),
        }
    }

    fn load_mixed<'a>(&self, load: &Load<'a>, options: &Options) -> Result<Box<dyn Engine + 'a>> {
        // The inner engine owns the kernel variant; on the Cpu backend the other engine has it too.
        let variant = load.variant.clone().filter(|_| matches!(self, Self::Cpu));
        let Some(Increments { program, exact }) = &load.increments else {
            // Rank decisions are made in f64 and need the whole point.
            return self.on_processor(&Load { variant, ..load.clone() }, options);
        };
        let of_inner = Load { program: program.clone(), increments: None, ..load.clone() };
        let of_exact = Load { program: exact.clone(), increments: None, variant, ..load.clone() };
        let inner = self.load(&of_inner, Precision::F32, options)?;
        let outer = self.on_processor(&of_exact, options)?;
        let sizes = (load.batch, load.operator.measurements());
        Ok(mixed::new(sizes, (program.clone(), inner), (exact, outer)))
    }
}
