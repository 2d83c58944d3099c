//! Related studies: settings of other papers with the methods of this crate. A study has its sizes, its batches of
//! runs (problems and contenders), and its claims and figures; running and drawing are shared.

mod agn;
mod asymmetric;
mod contest;
mod figure;
mod flatness;
mod gdpolyak;
mod outliers;
mod race;
mod scaledgd;
mod scaledgd_lambda;
mod settings;

use std::ops::ControlFlow;

use crate::reproduce::claims::Claim;
use crate::reproduce::data::Moment;
use crate::reproduce::{StageTime, Study, Subject};
use lowrank::Backend;
use lowrank::Result;

use figure::Picture;
use race::Heat;
pub use race::{RaceCourse, RaceEntry};
pub use settings::{Relative, Rerun};

/// Parts specific to a study.
trait Room: Sync {
    fn title(&self) -> &'static str;

    /// Returns the published sizes, or quick ones that take less than a minute.
    fn settings(&self, quick: bool) -> Rerun;

    /// Returns paragraphs on the results and on the origin of the setting.
    fn about(&self, settings: &Rerun) -> Vec<String>;

    fn heats(&self, settings: &Rerun) -> Result<Vec<Heat>>;

    fn pictures<'a>(&self, settings: &Rerun, courses: &'a [RaceCourse]) -> Vec<Picture<'a>>;

    fn claims(&self, settings: &Rerun, courses: &[RaceCourse]) -> Vec<Claim>;
}

impl Relative {
    fn room(self) -> &'static dyn Room {
        match self {
            Self::ScaledGd2020 => &scaledgd::ScaledGd,
            Self::ScaledGdLambda2023 => &scaledgd_lambda::ScaledGdLambda,
            Self::Agn2024 => &agn::Agn,
            Self::GdPolyak2024 => &gdpolyak::GdPolyak,
            Self::Asymmetric2023 => &asymmetric::Asymmetric,
            Self::Flatness2023 => &flatness::Flatness,
            Self::Outliers2025 => &outliers::Outliers,
        }
    }

    /// Returns the heading of the page.
    pub fn title(self) -> &'static str {
        self.room().title()
    }
}

impl Rerun {
    /// Returns the paragraphs before the figures.
    pub(super) fn about(&self) -> Vec<String> {
        self.study.room().about(self)
    }
}

/// Runs a study, draws its figures, judges its claims.
///
/// # Errors
/// [`lowrank::Error::Invalid`] for impossible sizes, those of the backend (one that does not run a method says so), and the
/// plotting library's.
pub fn rerun(
    settings: &Rerun,
    backend: &Backend,
    observer: impl FnMut(&Moment<'_>) -> ControlFlow<()>,
) -> Result<Study> {
    settings.check()?;
    let room = settings.study.room();
    let started = std::time::Instant::now();
    let heats = room.heats(settings)?;
    let made = StageTime { stage: "measurements".into(), seconds: started.elapsed().as_secs_f64() };
    let finish = race::race(heats, backend, observer)?;
    let pictures = room.pictures(settings, &finish.courses);
    Ok(Study {
        figures: pictures.into_iter().map(|picture| picture.draw(settings)).collect::<Result<_>>()?,
        // A claim about runs that are missing says nothing.
        claims: if finish.interrupted { Vec::new() } else { room.claims(settings, &finish.courses) },
        environment: finish.environment,
        times: std::iter::once(made).chain(finish.times).collect(),
        interrupted: finish.interrupted,
        subject: Subject::Relative { settings: settings.clone(), courses: finish.courses },
    })
}
