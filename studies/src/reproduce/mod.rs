//! Published experiments, run again: settings → runs → pure functions from traces to claims and figures → files.
//!
//! [`Ss21`] is Stöger & Soltanolkotabi, arXiv 2106.15013: X ∈ R^{n×r*} with orthonormal columns, m = 10·n·r* symmetric
//! Gaussian measurements, μ = 1/4, U₀ with entries N(0, α²/k). The setting is the paper's *as we could reconstruct it*.
//! Four experiments: the phases of a run, the run beside its power-iteration twin Ũ_t = (I + μP)ᵗU₀, the final error
//! against the scale α of the start, and the iterations needed against the width k.
//!
//! [`Relative`] names the studies of `relatives`: contenders on the settings of other papers, a race each.

mod claims;
mod data;
mod facts;
mod figures;
mod fit;
mod judged;
mod page;
mod rates;
mod relatives;
mod runs;
mod settings;
mod shapes;
mod write;

pub use claims::{Claim, Value, Verdict};
pub use data::{Moment, PhaseRun, Results, ScalePoint, ScaleRun, Stage, StartTime, TimesRun, WidthRun, WidthTrial};
pub use facts::Facts;
pub use figures::FigureData;
pub use fit::{Line, fit_line};
pub use relatives::{RaceCourse, RaceEntry, Relative, Rerun, rerun};
pub use settings::{Experiment, Ss21};
pub use write::{SCRIPTS, write};

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::report::Environment;
use lowrank::Backend;
use lowrank::Result;

/// Time of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    pub stage: String,
    pub seconds: f64,
}

/// Which study it is, with what was run.
#[derive(Clone, Debug)]
pub enum Subject {
    Ss21 { settings: Ss21, results: Box<Results> },
    Relative { settings: Rerun, courses: Vec<RaceCourse> },
}

/// What a study leaves: figures with their data and a table of claims.
#[derive(Clone, Debug)]
pub struct Study {
    pub subject: Subject,
    pub figures: Vec<FigureData>,
    pub claims: Vec<Claim>,
    pub environment: Option<Environment>,
    pub times: Vec<StageTime>,
    /// Stopped by the observer: later experiments are missing.
    pub interrupted: bool,
}

impl Study {
    /// Whether a claim was tested and found wrong.
    pub fn any_failed(&self) -> bool {
        self.claims.iter().any(|c| c.verdict == Verdict::Fails)
    }
}

/// Runs the experiments, draws the figures, judges the claims.
///
/// # Errors
/// [`lowrank::Error::Invalid`] for impossible sizes, those of the backend, and the plotting library's.
pub fn reproduce(
    settings: &Ss21,
    experiments: &[Experiment],
    backend: &Backend,
    observer: impl FnMut(&Moment<'_>) -> ControlFlow<()>,
) -> Result<Study> {
    let outcome = runs::run(settings, experiments, backend, observer)?;
    let figures = figures::figures(settings, &outcome.results)?;
    let claims = judged::claims(&outcome.results);
    Ok(Study {
        subject: Subject::Ss21 { settings: settings.clone(), results: Box::new(outcome.results) },
        figures,
        claims,
        environment: outcome.environment,
        times: outcome.times,
        interrupted: outcome.interrupted,
    })
}
