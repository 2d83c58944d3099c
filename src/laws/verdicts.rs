//! Lists of laws, and verdicts on them.

use crate::laws::place::{Held, LawOutcome, Place};
use crate::laws::{engine, operator};
use crate::operators::Operator;
use crate::problem::Domain;

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
    EngineLaw { name: "projected step", run: engine::projected_step },
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
