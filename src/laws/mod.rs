//! The laws that every operator obeys on every engine, as functions. The crate's conformance tests, `lowrank check` and
//! users' own operators run the same code.
//!
//! Tolerances are computed from the data (running error bounds), never constants. A custom operator needs only
//! [`check`].

#[cfg(feature = "gpu")]
mod adapters;
mod engine;
mod expected;
mod operator;

use crate::backend::Backend;
use crate::engine::{Engine, Load, Options, Precision};
use crate::error::{Error, Result};
use crate::operators::{InstructionSet, Operator};
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
        self.variant.is_none() || operator.kernel_f32().is_some() || operator.gather_f32().is_some()
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
        domain.is_symmetric() || !["iterative refinement", "signed columns", "pairs"].contains(&self.name)
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
    OperatorLaw { name: "definition is reference", run: operator::definition_is_reference },
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
    EngineLaw { name: "iterative refinement", run: engine::increments },
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
