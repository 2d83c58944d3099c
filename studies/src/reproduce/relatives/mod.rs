//! Related studies: settings of other papers with the methods of this crate. A study has its sizes, its batches of
//! runs (problems and contenders), curves that it measures without the solver, and its claims and figures; running and
//! drawing are shared.

mod agn;
mod asymmetric;
mod contest;
mod figure;
mod flatness;
mod gallery;
mod games;
mod gdpolyak;
mod graph;
mod multi_index;
mod outliers;
mod phase_retrieval;
mod race;
mod relu;
mod saddles;
mod scaledgd;
mod scaledgd_lambda;
mod settings;
mod single_index;
mod small;
mod tasks;
mod tomography;
mod zeroth;

use crate::reproduce::claims::Claim;
use crate::reproduce::data::StudyObserver;
use crate::reproduce::figures::FigureData;
use crate::reproduce::{StageTime, Study, Subject};
use lowrank::Backend;
use lowrank::Result;

use figure::Picture;
use graph::Graph;
use race::Heat;
pub use race::{RaceCourse, RaceEntry};
pub use settings::{Relative, Rerun};
pub use tasks::MeasuredCurve;
use tasks::Task;

/// Parts specific to a study.
trait Room: Sync {
    fn title(&self) -> &'static str;

    /// Returns the paper, for the table of studies.
    fn source(&self) -> &'static str;

    /// Returns what the study is about, as one sentence of that table.
    fn claimed(&self) -> &'static str;

    /// Returns the published sizes, or quick ones that take less than a minute.
    fn settings(&self, quick: bool) -> Rerun;

    /// Returns paragraphs on the results and on the origin of the setting.
    fn about(&self, settings: &Rerun) -> Vec<String>;

    /// Returns the runs of the solver.
    fn heats(&self, _: &Rerun) -> Result<Vec<Heat>> {
        Ok(Vec::new())
    }

    /// Returns what the study measures itself, after the runs. Sizes keep their meaning in [`Rerun`] as far as they
    /// have one; [`Room::about`] says what the others mean.
    fn tasks<'a>(&self, _: &'a Rerun, _: &'a Backend) -> Result<Vec<Task<'a>>> {
        Ok(Vec::new())
    }

    /// Returns the figures of the runs.
    fn pictures<'a>(&self, _: &Rerun, _: &'a [RaceCourse]) -> Vec<Picture<'a>> {
        Vec::new()
    }

    /// Returns the figures of the curves.
    fn graphs<'a>(&self, _: &Rerun, _: &'a [MeasuredCurve]) -> Vec<Graph<'a>> {
        Vec::new()
    }

    /// Returns the figures that show pictures.
    fn galleries(&self, _: &Rerun, _: &[MeasuredCurve]) -> Vec<FigureData> {
        Vec::new()
    }

    fn claims(&self, settings: &Rerun, courses: &[RaceCourse], curves: &[MeasuredCurve]) -> Vec<Claim>;
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
            Self::Saddles2023 => &saddles::Saddles,
            Self::SingleIndex2020 => &single_index::SingleIndex,
            Self::MultiIndex2025 => &multi_index::MultiIndex,
            Self::ZerothOrder2024 => &zeroth::ZerothOrder,
            Self::Games2023 => &games::Games,
            Self::Relu2024 => &relu::Relu,
            Self::Tomography2021 => &tomography::Tomography,
            Self::PhaseRetrieval2014 => &phase_retrieval::PhaseRetrieval,
        }
    }

    /// Returns the heading of the page.
    pub fn title(self) -> &'static str {
        self.room().title()
    }

    /// Returns the paper.
    pub fn source(self) -> &'static str {
        self.room().source()
    }

    /// Returns what the study is about, in one sentence.
    pub fn claimed(self) -> &'static str {
        self.room().claimed()
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
pub fn rerun(settings: &Rerun, backend: &Backend, mut observer: impl StudyObserver) -> Result<Study> {
    settings.check()?;
    let room = settings.study.room();
    let started = std::time::Instant::now();
    let (heats, tasks) = (room.heats(settings)?, room.tasks(settings, backend)?);
    let made = StageTime { stage: "measurements".into(), seconds: started.elapsed().as_secs_f64() };
    let finish = race::race(heats, tasks, backend, &mut observer)?;
    let (courses, curves) = (finish.courses, finish.curves);
    let pictures = room.pictures(settings, &courses).into_iter().map(|picture| picture.draw(settings));
    let graphs = room.graphs(settings, &curves).into_iter().map(|graph| graph.draw(settings));
    let galleries = room.galleries(settings, &curves).into_iter().map(Ok);
    Ok(Study {
        figures: pictures.chain(graphs).chain(galleries).collect::<Result<_>>()?,
        // A claim about runs that are missing says nothing.
        claims: if finish.interrupted { Vec::new() } else { room.claims(settings, &courses, &curves) },
        environment: finish.environment,
        times: std::iter::once(made).chain(finish.times).collect(),
        interrupted: finish.interrupted,
        subject: Subject::Relative { settings: settings.clone(), courses, curves },
    })
}
