//! Results of the runs: plain data, from which claims and figures are computed.

use std::ops::ControlFlow;

use crate::reproduce::facts::Facts;
use lowrank::diagnostics::Phases;
use lowrank::engine::Precision;
use lowrank::solver::{Progress, TraceRow};

/// Stage of the study, for progress displays.
#[derive(Clone, Debug)]
pub struct Stage {
    pub name: String,
    /// Index among the stages, from 0.
    pub index: usize,
    pub count: usize,
    /// Finished share of the study's work, from 0 to 1.
    pub done: f64,
}

/// Progress of the study, as an observer sees it.
#[derive(Debug)]
pub struct Moment<'a> {
    pub stage: &'a Stage,
    pub progress: &'a Progress<'a>,
}

/// Receiver of a study's progress; it may stop the study. Closures of a [`Moment`] are receivers that see the runs of
/// the solver only.
pub trait StudyObserver {
    fn run(&mut self, moment: &Moment<'_>) -> ControlFlow<()>;

    /// Sees a stage that does not run the solver.
    fn stage(&mut self, _: &Stage) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(&Moment<'_>) -> ControlFlow<()>> StudyObserver for F {
    fn run(&mut self, moment: &Moment<'_>) -> ControlFlow<()> {
        self(moment)
    }
}

/// One run and its power iteration, observed at every iteration.
#[derive(Clone, Debug)]
pub struct PhaseRun {
    pub facts: Facts,
    pub search_rank: usize,
    pub init_scale: f64,
    pub precision: Precision,
    pub phases: Phases,
    pub trace: Vec<TraceRow>,
}

/// Times of one start.
#[derive(Clone, Debug)]
pub struct StartTime {
    pub init_scale: f64,
    pub phases: Phases,
}

/// t_* and t_1 for several α.
#[derive(Clone, Debug)]
pub struct TimesRun {
    pub facts: Facts,
    pub search_rank: usize,
    pub precision: Precision,
    pub stop_time: usize,
    pub starts: Vec<StartTime>,
}

/// Final errors of one start of the scale experiment.
#[derive(Clone, Debug)]
pub struct ScalePoint {
    pub init_scale: f64,
    pub test_error: f64,
    pub train_loss: f64,
    /// The test error 20 iterations before the stop time.
    pub earlier_error: f64,
    pub phases: Phases,
}

/// The scale experiment with one number of measurements.
#[derive(Clone, Debug)]
pub struct ScaleRun {
    pub facts: Facts,
    /// Ratio m/(n·r*), for the extra runs.
    pub factor: Option<usize>,
    pub search_rank: usize,
    pub precision: Precision,
    pub stop_time: usize,
    pub points: Vec<ScalePoint>,
}

/// One start of the width experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WidthTrial {
    pub search_rank: usize,
    pub seed: u64,
    /// Iterations to the target; absent if the trial did not reach it.
    pub iterations: Option<usize>,
}

/// The width experiment.
#[derive(Clone, Debug)]
pub struct WidthRun {
    pub facts: Facts,
    pub init_scale: f64,
    pub target: f64,
    pub limit: usize,
    pub precision: Precision,
    pub trials: Vec<WidthTrial>,
}

/// All results of the study.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub phases: Option<PhaseRun>,
    /// Whether the phases experiment was requested; it shares its run with the spectral one.
    pub wants_phases: bool,
    pub wants_spectral: bool,
    pub times: Option<TimesRun>,
    pub scale: Option<ScaleRun>,
    /// Extra runs with m = factor·n·r*.
    pub slopes: Vec<ScaleRun>,
    /// Skipped extra runs, with the reason.
    pub skipped: Vec<(usize, String)>,
    pub width: Option<WidthRun>,
}
