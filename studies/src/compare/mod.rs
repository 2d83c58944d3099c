//! Several methods on one problem, from one start, one after the other: their errors over iterations and seconds.
//!
//! A [`Contender`] is a name and the settings of a run. The start depends on the problem and on the seed, scale and
//! columns in the settings, so contenders that agree in these begin at the same factors, bit for bit. Contenders
//! whose automatic start is spectral share one spectral start; [`Entry::start`] tells which kind it was. Contenders
//! never run at the same time, which would distort their times. A contender that cannot run on the problem is listed
//! with the reason and does not end the comparison.

mod entry;
mod metric;

use std::ops::ControlFlow;

use lowrank::Backend;
use lowrank::methods::Method;
use lowrank::solver::{Problem, Progress, Schedule, Settings, Solver};
use lowrank::{Error, Result};

use entry::Ran;
pub use entry::{Entry, Point, Start};
pub use metric::Metric;

/// Default error levels whose times are compared.
pub const LEVELS: [f64; 3] = [1e-3, 1e-6, 1e-10];

/// One run of a comparison: a unique name, and settings that include the method.
#[derive(Clone, Debug)]
pub struct Contender {
    pub label: String,
    pub settings: Settings,
}

/// Default observation schedule of a method: every iteration; every ten on a GPU, where observations cost more; and
/// once per epoch for methods with minibatches, because an observation takes a pass over all measurements.
pub fn usual_schedule(method: &Method, backend: &Backend) -> Schedule {
    match method.minibatches() {
        Some(groups) => Schedule::Every(groups),
        None if matches!(backend, Backend::Gpu(_)) => Schedule::default(),
        None => Schedule::Every(1),
    }
}

impl Contender {
    pub fn new(label: impl Into<String>, settings: Settings) -> Self {
        Self { label: label.into(), settings }
    }
}

/// A contender without a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Absent {
    /// Its number among all contenders.
    pub position: usize,
    pub label: String,
    pub method: Method,
    /// Reason as a sentence.
    pub reason: String,
}

/// Results of a comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Metric of all entries.
    pub metric: Metric,
    /// Contenders that ran, in the given order. Not empty.
    pub entries: Vec<Entry>,
    /// Contenders that cannot run on this problem, or that an interruption left out.
    pub absent: Vec<Absent>,
    /// Whether the observer interrupted the comparison; the running entry then has its best iterates so far.
    pub interrupted: bool,
}

impl Comparison {
    /// Returns sentences about automatic choices: those common to all entries once, the others after their labels.
    pub fn notices(&self) -> Vec<String> {
        let mut notices: Vec<(&str, Vec<&str>)> = Vec::new();
        for entry in &self.entries {
            for notice in &entry.solution.notices {
                match notices.iter_mut().find(|(text, _)| text == notice) {
                    Some((_, labels)) => labels.push(&entry.label),
                    None => notices.push((notice, vec![&entry.label])),
                }
            }
        }
        let said = |(text, labels): (&str, Vec<&str>)| match labels.len() == self.entries.len() {
            true => text.to_owned(),
            false => format!("{}: {text}", labels.join(", ")),
        };
        notices.into_iter().map(said).collect()
    }
}

/// Progress of a comparison, as its observer sees it.
#[derive(Debug)]
pub struct CompareProgress<'a> {
    /// Index of the running contender, from 0.
    pub index: usize,
    pub count: usize,
    pub label: &'a str,
    pub progress: &'a Progress<'a>,
}

/// Returns whether an error concerns a method (or its settings) on a problem, and not the machine or the files.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Unsupported { .. } | Error::Invalid { .. } | Error::Memory { .. })
}

/// Runs the contenders one after the other. `Break` from the observer ends the running one as
/// [`Status::Interrupted`](lowrank::Status::Interrupted) and leaves out those after it.
///
/// # Errors
/// [`Error::Invalid`] for no contenders, or two of one label. Where no contender can run, the refusal that they share, or
/// [`Error::Invalid`] with that of each. Device failures.
pub fn compare(
    problem: &Problem,
    contenders: Vec<Contender>,
    backend: &Backend,
    mut observer: impl FnMut(&CompareProgress<'_>) -> ControlFlow<()>,
) -> Result<Comparison> {
    if contenders.is_empty() {
        return Err(Error::invalid("methods", "none", "at least one", "name the methods to compare"));
    }
    if let Some(twice) = (1..contenders.len()).find(|&i| contenders[..i].iter().any(|c| c.label == contenders[i].label))
    {
        let found = format!("'{}' twice", contenders[twice].label);
        return Err(Error::invalid("methods", found, "each method once", "leave one out, or change its parameters"));
    }
    let metric = Metric::of(problem, contenders.iter().map(|c| &c.settings));
    let count = contenders.len();
    let (mut entries, mut absent, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    let mut interrupted = false;
    for (position, Contender { label, settings }) in contenders.into_iter().enumerate() {
        let method = settings.method_of(&problem.operator().domain());
        if interrupted {
            let reason = "the comparison was interrupted before this method ran".to_owned();
            absent.push(Absent { position, label, method, reason });
            continue;
        }
        let run = || -> Result<Entry> {
            let mut solver = Solver::new(problem.clone(), settings.clone(), backend.clone())?;
            let solution = solver.solve_with(|progress| {
                let flow = observer(&CompareProgress { index: position, count, label: &label, progress });
                interrupted |= flow.is_break();
                flow
            })?;
            let iterations = solution.trials.iter().map(|trial| trial.iterations).max().unwrap_or(0);
            let passes = solution.timing.passes / iterations.max(1) as f64;
            let damping_floor_iterations = solver.damping_floor_iterations()?;
            Ok(Entry::new(
                (position, label.clone(), method.clone()),
                settings,
                metric,
                Ran { solution, passes, damping_floor_iterations },
            ))
        };
        match run() {
            Ok(entry) => entries.push(entry),
            Err(error) if is_refusal(&error) => {
                absent.push(Absent { position, label, method, reason: error.to_string() });
                refusals.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    if entries.is_empty() {
        return Err(none_runs(&absent, refusals));
    }
    Ok(Comparison { metric, entries, absent, interrupted })
}

/// Returns the refusal that all contenders share, or one that lists all refusals.
fn none_runs(absent: &[Absent], mut refusals: Vec<Error>) -> Error {
    let same = absent.iter().all(|one| one.reason == absent[0].reason);
    if same && let Some(error) = refusals.pop() {
        return error;
    }
    let reasons: Vec<String> = absent.iter().map(|one| format!("{}: {}", one.label, one.reason)).collect();
    let found = format!("no method that can run here ({})", reasons.join("; "));
    Error::invalid("methods", found, "at least one method that can run", "`lowrank list methods` describes them")
}
