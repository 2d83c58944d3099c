//! The laws that every operator obeys on every engine, as functions. The crate's conformance tests, `lowrank check` and
//! users' own operators run the same code.
//!
//! Tolerances are computed from the data (running error bounds), never constants. A custom operator needs only
//! [`check`].

mod engine;
mod expected;
mod operator;

use crate::backend::Backend;
use crate::engine::{Engine, Load, Precision};
use crate::error::{Error, Result};
use crate::gpu;
use crate::operators::{InstructionSet, Operator, Storage};
use crate::problem::Domain;

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
    pub options: gpu::Options,
}

/// Bytes of panels so small that every conformance case needs several.
const SMALL_PANEL_BYTES: u64 = 4096;

impl Place {
    /// A place with the engine's own variant and default options.
    pub fn new(name: impl Into<String>, backend: Backend, precision: Precision) -> Self {
        Self { name: name.into(), backend, precision, variant: None, options: gpu::Options::default() }
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

    /// The places of a graphics adapter: each of its precisions, with default panels and with panels of a few rows, and
    /// each kernel variant. All have poisoned outputs and guard words, which reveal missing and excess writes.
    pub fn adapter(device: &gpu::Device) -> Vec<Self> {
        let place = |precision, variant: Option<&str>, panel_bytes: Option<u64>| {
            let words = [
                (precision == Precision::F64).then(|| "f64".to_owned()),
                variant.map(str::to_owned),
                panel_bytes.map(|_| "small panels".to_owned()),
            ];
            let words: String = words.into_iter().flatten().map(|word| format!(", {word}")).collect();
            let name = format!("gpu:{}{words}", device.name());
            Self {
                options: gpu::Options { panel_bytes, paranoid: true, ..gpu::Options::default() },
                variant: variant.map(str::to_owned),
                ..Self::new(name, Backend::Gpu(device.clone()), precision)
            }
        };
        // Without forcing, problems as small as the cases run `two-kernel`.
        let (small, own_rows) = (Some(SMALL_PANEL_BYTES), ["one-pass", "row-resident"]);
        let mut places = Vec::new();
        for precision in [Precision::F32, Precision::F64].into_iter().filter(|p| device.require(*p).is_ok()) {
            places.extend([None, small].map(|panels| place(precision, None, panels)));
            places.extend(own_rows.into_iter().chain(["tiled"]).map(|variant| place(precision, Some(variant), small)));
        }
        let widest = own_rows.map(|word| if device.has_subgroups() { format!("{word}+subgroup") } else { word.into() });
        let whole = widest.into_iter().chain(["tiled/8".into()]);
        places.extend(whole.map(|variant| place(Precision::F32, Some(&variant), None)));
        places
    }

    /// Whether the operator can be checked at this place. A forced kernel variant must exist for it, and it must hold
    /// its numbers in the place's precision or in a shorter one that only this precision reads.
    pub fn applies_to(&self, operator: &dyn Operator) -> bool {
        if matches!(self.backend, Backend::Gpu(_)) && operator.gpu().is_none() {
            return false;
        }
        let Some(variant) = &self.variant else { return true };
        let Backend::Gpu(device) = &self.backend else {
            return operator.kernel_f32().is_some() || operator.gather_f32().is_some();
        };
        let double = operator.stored_in() == Some(Storage::F64);
        double == (self.precision == Precision::F64)
            && gpu::variants(device, operator, 1, self.precision)
                .is_ok_and(|names| names.iter().any(|name| name == variant))
    }

    /// The places of every backend and adapter of this machine, and sentences about adapters that cannot be opened.
    pub fn everywhere() -> (Vec<Self>, Vec<String>) {
        let (mut places, mut notices) = (Self::host(), Vec::new());
        let adapters = gpu::list_adapters();
        if adapters.is_empty() {
            notices.push("no GPU adapter on this machine: only the backends reference and cpu are checked".into());
        }
        let mut seen = Vec::new();
        for adapter in adapters {
            if seen.contains(&adapter.name) {
                continue;
            }
            match gpu::Device::open(Some(&adapter.name)) {
                Ok(device) => places.extend(Self::adapter(&device)),
                Err(error) => notices.push(format!("{} is left out: {error}", adapter.name)),
            }
            seen.push(adapter.name);
        }
        (places, notices)
    }

    /// Loads an engine for the laws.
    ///
    /// # Errors
    /// Those of the backend.
    #[doc(hidden)]
    pub fn load<'a>(&self, load: &Load<'a>) -> Result<Box<dyn Engine + 'a>> {
        self.backend.load(load, self.precision, &self.options)
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

/// A law of the operator's own functions.
#[derive(Clone, Copy)]
pub struct OperatorLaw {
    /// Name of the law.
    pub name: &'static str,
    run: fn(&dyn Operator) -> LawOutcome,
}

/// A law of the operator on an engine.
#[derive(Clone, Copy)]
pub struct EngineLaw {
    /// Name of the law.
    pub name: &'static str,
    run: fn(&dyn Operator, &Place) -> LawOutcome,
}

impl OperatorLaw {
    /// Checks the law. The error states what was found and what was expected.
    ///
    /// # Errors
    /// The violation.
    pub fn check(&self, operator: &dyn Operator) -> LawOutcome {
        (self.run)(operator)
    }
}

impl EngineLaw {
    /// Whether the law applies to matrices of this domain. Increments and signs belong to one factor; on rectangular
    /// domains every law has pairs.
    pub fn concerns(&self, domain: Domain) -> bool {
        domain.is_symmetric() || !["increments around a centre", "signed columns", "pairs"].contains(&self.name)
    }

    /// Checks the law at a place. It is not applicable where the operator lacks the place's forced variant.
    ///
    /// # Errors
    /// The violation, or the failure of the engine.
    pub fn check(&self, operator: &dyn Operator, place: &Place) -> LawOutcome {
        if !place.applies_to(operator) {
            return Ok(Held::NotApplicable);
        }
        (self.run)(operator, place)
    }
}

/// Laws of the definition and its f64 reference implementation.
pub const OPERATOR_LAWS: &[OperatorLaw] = &[
    OperatorLaw { name: "shards partition", run: operator::shards_partition },
    OperatorLaw { name: "definition is twin", run: operator::definition_is_twin },
    OperatorLaw { name: "adjoint identity", run: operator::adjoint_identity },
    OperatorLaw { name: "bilinearity", run: operator::bilinearity },
    OperatorLaw { name: "gradient is derivative", run: operator::gradient_is_derivative },
    OperatorLaw { name: "isometry", run: operator::isometry },
];

/// Laws of an engine for an operator.
pub const ENGINE_LAWS: &[EngineLaw] = &[
    EngineLaw { name: "within the bound", run: engine::within_bound },
    EngineLaw { name: "exact on integers", run: engine::exact_on_integers },
    EngineLaw { name: "one step", run: engine::one_step },
    EngineLaw { name: "increments around a centre", run: engine::increments },
    EngineLaw { name: "signed columns", run: engine::signed_columns },
    EngineLaw { name: "pairs", run: engine::pairs },
    EngineLaw { name: "repeats", run: engine::repeats },
    EngineLaw { name: "batch is singles", run: engine::batch_is_singles },
    EngineLaw { name: "declared bytes", run: engine::declared_bytes },
];

/// Verdict on one law.
#[derive(Clone, Debug)]
pub struct LawVerdict {
    /// Name of the law.
    pub law: &'static str,
    /// `definition`, or the name of the [`Place`].
    pub place: String,
    /// Outcome of the check.
    pub outcome: LawOutcome,
}

/// Verdicts on all laws of one operator, for its own functions and at each place.
pub fn verdicts(operator: &dyn Operator, places: &[Place]) -> Vec<LawVerdict> {
    let own = OPERATOR_LAWS.iter().map(|law| LawVerdict {
        law: law.name,
        place: "definition".into(),
        outcome: law.check(operator),
    });
    let engines = places.iter().flat_map(|place| {
        ENGINE_LAWS.iter().map(|law| LawVerdict {
            law: law.name,
            place: place.name.clone(),
            outcome: law.check(operator, place),
        })
    });
    own.chain(engines).collect()
}

/// Runs every law on a small operator (definitions are evaluated entry by entry) with the Reference and Cpu backends.
/// Returns the number of laws that held.
///
/// # Errors
/// [`Error::Law`] naming every violation.
pub fn check(operator: &dyn Operator) -> Result<usize> {
    let verdicts = verdicts(operator, &Place::host());
    let violations: Vec<String> = (verdicts.iter())
        .filter_map(|v| v.outcome.as_ref().err().map(|why| format!("{} ({}): {why}", v.law, v.place)))
        .collect();
    if violations.is_empty() {
        Ok(verdicts.iter().filter(|v| v.outcome == Ok(Held::Holds)).count())
    } else {
        Err(Error::Law { operator: operator.name().to_owned(), violations: violations.join("; ") })
    }
}
