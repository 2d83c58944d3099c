//! Published experiments, run again: settings → runs → pure functions from traces to claims and figures → files.
//!
//! [`Ss21`] is Stöger & Soltanolkotabi, arXiv 2106.15013: X ∈ R^{n×r*} with orthonormal columns, m = 10·n·r*
//! symmetric Gaussian measurements, μ = 1/4, U₀ with entries N(0, α²/k). The setting is a *reconstruction* of the
//! paper's. There are four experiments: the phases of a run, the run with its power iteration Ũ_t = (I + μP)ᵗU₀, the
//! final error against the scale α of the start, and the number of iterations against the width k.
//!
//! [`Relative`] names the studies of `relatives`: comparisons of methods in the settings of other papers.

mod claims;
mod data;
mod facts;
mod family;
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
pub use data::{
    Moment, PhaseRun, Results, ScalePoint, ScaleRun, Stage, StartTime, StudyObserver, TimesRun, WidthRun, WidthTrial,
};
pub use facts::Facts;
pub use family::family_page;
pub use figures::FigureData;
pub use fit::{Line, fit_line};
pub use relatives::{MeasuredCurve, RaceCourse, RaceEntry, Relative, Rerun, rerun};
pub use settings::{Ensemble, Experiment, Ss21};
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

/// Study with its results.
#[derive(Clone, Debug)]
pub enum Subject {
    Ss21 { settings: Ss21, results: Box<Results> },
    Relative { settings: Rerun, courses: Vec<RaceCourse>, curves: Vec<MeasuredCurve> },
}

/// Outcome of a study: figures with their data and a table of claims.
#[derive(Clone, Debug)]
pub struct Study {
    pub subject: Subject,
    pub figures: Vec<FigureData>,
    pub claims: Vec<Claim>,
    pub environment: Option<Environment>,
    pub times: Vec<StageTime>,
    /// Whether the observer stopped the study; later experiments are then missing.
    pub interrupted: bool,
}

impl Study {
    /// Returns whether any claim failed.
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
