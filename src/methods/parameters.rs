//! Options of the methods' parameters; several methods share one.

use crate::options::OptionKind::{Count, Number, Numbers, Seed, Text};
use crate::options::{ALL, METHOD, OptionCard};

/// λ.
pub(super) const DAMPING: OptionCard =
    OptionCard::new("damping", Numbers, "λ", METHOD, "Damping λ in (VᵀV + λI)⁻¹, in units of ‖M‖");
/// c in λ = c·√s·‖residual‖.
pub(super) const DAMPING_FACTOR: OptionCard =
    OptionCard::new("damping_factor", Number, "c", METHOD, "c in the damping λ = c·√s·‖A(UUᵀ)−y‖").of(ALL);
/// Rule for the length of steps.
pub(super) const STEP_RULE: OptionCard = OptionCard::new(
    "step_rule",
    Text,
    "NAME",
    METHOD,
    "Rule for the length of steps: constant, armijo, or exact, the least loss along the direction",
)
.of(ALL);
/// Factor from step to step.
pub(super) const STEP_DECAY: OptionCard =
    OptionCard::new("step_decay", Number, "q", METHOD, "Factor of the step from one iteration to the next").of(ALL);
/// Period of Polyak steps.
pub(super) const POLYAK_EVERY: OptionCard =
    OptionCard::new("polyak_every", Count, "K", METHOD, "Every K-th iteration takes a Polyak step").of(ALL);
/// Target of Polyak steps.
pub(super) const OPTIMAL_LOSS: OptionCard = OptionCard::new(
    "optimal_loss",
    Number,
    "f",
    METHOD,
    "Loss that Polyak steps aim at; gd and scaled-gd then take only Polyak steps",
)
.of(ALL);
/// Share of a Polyak step.
pub(super) const POLYAK_SCALE: OptionCard =
    OptionCard::new("polyak_scale", Number, "γ", METHOD, "Share of a Polyak step that is taken").of(ALL);
/// Number of groups of measurements.
pub(super) const MINIBATCHES: OptionCard =
    OptionCard::new("minibatches", Count, "N", METHOD, "Groups of measurements; an iteration uses one of them").of(ALL);
/// Seed of the order of groups.
pub(super) const METHOD_SEED: OptionCard =
    OptionCard::new("method_seed", Seed, "SEED", METHOD, "Seed of the order of the groups").of(ALL);
/// Steps in memory.
pub(super) const MEMORY: OptionCard =
    OptionCard::new("memory", Count, "N", METHOD, "Number of past steps in the quasi-Newton approximation").of(ALL);
/// Share of the last step.
pub(super) const MOMENTUM: OptionCard =
    OptionCard::new("momentum", Number, "β", METHOD, "Share of the last step that is added to the next one").of(ALL);
/// Share τ of the ascent.
pub(super) const DUAL_STEP: OptionCard = OptionCard::new(
    "dual_step",
    Number,
    "τ",
    METHOD,
    "Share of the way from the dual variables of the residuals to their best response",
)
.of(ALL);
/// Metric of the factors.
pub(super) const METRIC: OptionCard =
    OptionCard::new("metric", Text, "NAME", METHOD, "Metric of the factors in a game: quotient or euclidean").of(ALL);
/// Whether the step adapts.
pub(super) const ADAPTIVE: OptionCard = OptionCard::new(
    "adaptive",
    Text,
    "WORD",
    METHOD,
    "true halves a step that is too long for the variation of the gradients, and lets others grow",
)
.of(ALL);
/// Directions in an iteration.
pub(super) const DIRECTIONS: OptionCard =
    OptionCard::new("directions", Count, "q", METHOD, "Random directions in an iteration of zeroth-order").of(ALL);
/// Distance of the points.
pub(super) const RADIUS: OptionCard = OptionCard::new(
    "radius",
    Number,
    "ρ",
    METHOD,
    "Size of the displacements of zeroth-order over that of the iterate",
)
.of(ALL);
