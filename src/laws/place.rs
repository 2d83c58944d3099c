//! Places where laws are checked, and what a check says.

use crate::backend::Backend;
use crate::engine::{Engine, Load, Options, Precision};
use crate::error::Result;
use crate::operators::{GpuForm, InstructionSet, Operator, Storage};

/// Most small panels of an operator's rows: each is a dispatch of its own, and more of them show nothing new.
const MOST_PANELS: u64 = 12;

/// A place to check laws: a backend with its options.
#[derive(Clone, Debug)]
pub struct Place {
    /// Name for people: `cpu f32`, `gpu:llvmpipe, small panels`.
    pub name: String,
    /// Backend on which the laws are checked.
    pub backend: Backend,
    /// Precision of the engine.
    pub precision: Precision,
    /// Kernel variant; `None` for the engine's own choice.
    pub variant: Option<String>,
    /// Options of the Gpu backend.
    pub options: Options,
}

impl Place {
    /// A place with the engine's own variant and default options.
    pub fn new(name: impl Into<String>, backend: Backend, precision: Precision) -> Self {
        Self { name: name.into(), backend, precision, variant: None, options: Options::default() }
    }

    /// The places that every machine has: Reference and Cpu.
    pub fn host() -> Vec<Self> {
        let mut places = vec![
            Self::new("reference f64", Backend::Reference, Precision::F64),
            Self::new("cpu f32", Backend::Cpu, Precision::F32),
            Self::new("cpu f64", Backend::Cpu, Precision::F64),
        ];
        // The backend already chooses the first one.
        for set in InstructionSet::available().into_iter().skip(1) {
            for (name, precision) in [("f32", Precision::F32), ("f64", Precision::F64)] {
                let name = format!("cpu {name}, {}", set.word());
                places.push(Self { variant: Some(set.word().into()), ..Self::new(name, Backend::Cpu, precision) });
            }
        }
        places
    }

    /// The places of one backend: each of its precisions and kernel variants.
    pub(super) fn on(backend: &Backend) -> Vec<Self> {
        #[cfg(feature = "gpu")]
        if let Backend::Gpu(device) = backend {
            return Self::adapter(device);
        }
        let single = backend.word() == "reference";
        let all = [Precision::F32, Precision::F64].into_iter().skip(usize::from(single));
        all.map(|precision| Self::new(format!("{} {}", backend.word(), precision.word()), backend.clone(), precision))
            .collect()
    }

    /// The places of every backend and adapter of this machine, and sentences about adapters that cannot be opened.
    pub fn everywhere() -> (Vec<Self>, Vec<String>) {
        #[cfg(feature = "gpu")]
        return Self::with_adapters();
        #[cfg(not(feature = "gpu"))]
        (
            Self::host(),
            vec!["this build has no backend gpu: the check covers only the backends reference and cpu".into()],
        )
    }

    /// Whether the operator can be checked at this place. A forced kernel variant must exist for it, and it must hold
    /// its numbers in the place's precision or in a shorter one that only this precision reads.
    pub fn applies_to(&self, operator: &dyn Operator) -> bool {
        #[cfg(feature = "gpu")]
        if let Backend::Gpu(device) = &self.backend {
            return self.adapter_applies_to(device, operator);
        }
        self.variant.is_none() || operator.accelerate().has_kernels()
    }

    /// Loads an engine for the laws.
    ///
    /// # Errors
    /// Those of the backend.
    #[doc(hidden)]
    pub fn load<'a>(&self, load: &Load<'a>) -> Result<Box<dyn Engine + 'a>> {
        let panels = |bytes: u64| bytes.max(rows_bytes(&*load.operator) / MOST_PANELS);
        let options = Options { panel_bytes: self.options.panel_bytes.map(panels), ..self.options.clone() };
        self.backend.load(load, self.precision, &options)
    }
}

/// Bytes of an operator's rows of P numbers. Vectors and nonzeros have none: small panels of them stay as small as they
/// are, or no row would be cut into pieces.
fn rows_bytes(operator: &dyn Operator) -> u64 {
    match operator.accelerate().gpu {
        Some(GpuForm::Rows(source)) => (operator.measurements() * source.plan(Storage::F32).row_bytes()) as u64,
        _ => 0,
    }
}

/// Outcome of a law that is not violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The law holds.
    Holds,
    /// The law concerns a property that this operator does not claim or have.
    NotApplicable,
}

/// Result of checking a law; the error is the violation as text.
pub type LawOutcome = std::result::Result<Held, String>;
