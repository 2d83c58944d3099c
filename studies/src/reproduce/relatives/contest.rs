//! Shared parts of the studies: problems from settings, lookup of runs, and sentences about them.

use crate::reproduce::claims::{Claim, Draft, Value};
use lowrank::Result;
use lowrank::operators::Dense;
use lowrank::problem::{Domain, Truth, synthetic};
use lowrank::solver::{Problem, Schedule, Settings, Stop};

use super::{RaceCourse, Rerun};
use lowrank::methods::Method;

/// Returns one truth per condition number, all with the same subspaces.
pub(super) fn truths(settings: &Rerun, asymmetric: bool) -> Result<Vec<Truth>> {
    let n = settings.n;
    let builder = if asymmetric { synthetic::asymmetric(n, n) } else { synthetic::psd(n) };
    let of = |kappa: &f64| builder.rank(settings.rank).condition_number(*kappa).seed(settings.seed).build();
    settings.condition_numbers.iter().map(of).collect()
}

/// Measures those truths with one Gaussian operator stored in f32, one instance per truth.
pub(super) fn gaussian(settings: &Rerun, asymmetric: bool) -> Result<Problem> {
    let domain = if asymmetric { Domain::rectangular(settings.n, settings.n) } else { Domain::symmetric(settings.n) };
    let operator = Dense::gaussian(domain, settings.measurements, settings.seed)?;
    Problem::measure_all(operator, truths(settings, asymmetric)?)
}

/// Returns the settings of a method, observed every `every` iterations up to `iterations`, until its error is
/// `error`.
pub(super) fn entrant(
    settings: &Rerun,
    method: impl Into<Method>,
    every: usize,
    iterations: usize,
    error: f64,
) -> Settings {
    Settings::new(method)
        .search_rank(settings.search_rank)
        .precision(settings.precision)
        .observe(Schedule::Every(every))
        .stop(Stop::default().max_iterations(iterations).stall_window(None).relative_error(error))
}

/// Returns the numbers read by one pass over the measurements, the unit of work.
pub(super) fn pass(settings: &Rerun) -> f64 {
    (settings.n * settings.n) as f64 * settings.measurements as f64
}

/// Returns the runs of one contender, in the order of the condition numbers.
pub(super) fn of<'a>(courses: &'a [RaceCourse], name: &str) -> Vec<&'a RaceCourse> {
    courses.iter().filter(|course| course.entry.name == name).collect()
}

/// Returns the run of a contender at a condition number.
pub(super) fn at<'a>(courses: &'a [RaceCourse], name: &str, kappa: f64) -> Option<&'a RaceCourse> {
    courses.iter().find(|course| course.entry.name == name && course.entry.condition_number == kappa)
}

/// Returns the smallest and the largest condition number.
pub(super) fn span(settings: &Rerun) -> (f64, f64) {
    let kappas = settings.condition_numbers.iter().copied();
    (kappas.clone().fold(f64::INFINITY, f64::min), kappas.fold(0.0, f64::max))
}

/// Returns whether the study has several condition numbers.
pub(super) fn several(settings: &Rerun) -> bool {
    span(settings).0 < span(settings).1
}

/// Formats iterations to an error, as in "141, 139, >1000" if the last run did not reach it.
pub(super) fn counts(courses: &[&RaceCourse], target: f64) -> String {
    let one = |course: &&RaceCourse| match course.iterations_to(target) {
        Some(iterations) => iterations.to_string(),
        None => format!(">{}", course.iterations()),
    };
    courses.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Returns the iterations to the target, or a lower bound, all iterations, if the run did not reach it.
pub(super) fn at_least(course: &RaceCourse, target: f64) -> f64 {
    course.iterations_to(target).unwrap_or_else(|| course.iterations()) as f64
}

/// Formats values, as in "1, 5, 10".
pub(super) fn listed(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
}

/// Claims that every run reaches an error.
pub(super) fn all_reach(draft: Draft, courses: &[&RaceCourse], target: f64) -> Claim {
    let holds = !courses.is_empty() && courses.iter().all(|course| course.reached(target).is_some());
    let missed: Vec<String> = (courses.iter().filter(|course| course.reached(target).is_none()))
        .map(|course| {
            let (entry, error) = (&course.entry, course.last_error());
            let ended = error.map_or("no finite error".into(), |error| format!("{error:.1e}"));
            format!("{} at {} ends with {ended} ({})", entry.name, entry.condition_number, course.status)
        })
        .collect();
    let note = (!holds).then(|| if missed.is_empty() { "the run is missing".into() } else { missed.join("; ") });
    draft.judge(Value::text(format!("{} iterations", counts(courses, target))), holds, note)
}
