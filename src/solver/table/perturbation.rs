//! Options of perturbed descent.

use serde_json::json;

use crate::options::OptionKind::{Count, Number};
use crate::options::{ALL, METHOD, OptionCard};
use crate::solver::apply::put;
use crate::solver::place::{BOTH, Place};
use crate::solver::settings::Settings;

use super::Row;

/// σ of noise on the labels.
pub(super) const LABEL_NOISE: Row = (
    OptionCard::new(
        "label_noise",
        Number,
        "σ",
        METHOD,
        "Add fresh noise N(0, σ²) to the observations in every iteration, which moves the factors towards flat fits",
    )
    .of(ALL)
    .value("0"),
    Place::Entry(BOTH, |t| json!((t.settings.label_noise > 0.0).then_some(t.settings.label_noise))),
    |settings, of| Ok(put(settings, of.one("label_noise")?, Settings::label_noise)),
);

/// Iterations with noise.
pub(super) const LABEL_NOISE_UNTIL: Row = (
    OptionCard::new(
        "label_noise_until",
        Count,
        "N",
        METHOD,
        "Iterations with label noise; the later ones settle on the labels as given",
    )
    .of(ALL)
    .chosen("all"),
    Place::Entry(BOTH, |t| json!(t.settings.label_noise_until)),
    |settings, of| Ok(put(settings, of.one("label_noise_until")?, Settings::label_noise_until)),
);

/// ρ of sharpness-aware gradients.
pub(super) const SHARPNESS: Row = (
    OptionCard::new(
        "sharpness",
        Number,
        "ρ",
        METHOD,
        "Sharpness-aware: take gradients at U + ρ·∇f/‖∇f‖, in two passes",
    )
    .of(ALL)
    .value("0"),
    Place::Entry(BOTH, |t| json!((t.settings.sharpness > 0.0).then_some(t.settings.sharpness))),
    |settings, of| Ok(put(settings, of.one("sharpness")?, Settings::sharpness)),
);
