//! Several methods on one problem, from one start, one after the other: which of them gets how far in how many iterations, and
//! in how many seconds.
//!
//! A [`Contender`] is a name and the settings of a run. Starts are functions of the problem and of what settings say of seed,
//! scale and columns, so that contenders whose settings agree in these begin at the same factors, bit for bit; those whose
//! automatic start is spectral begin at the same spectral one, and [`Entry::start`] says which it was. Contenders never run at
//! the same time: seconds would then be those of the others too. What cannot run on the problem is listed with its
//! reason and ends nothing.

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

/// Error levels whose times are compared unless others are asked for.
pub const LEVELS: [f64; 3] = [1e-3, 1e-6, 1e-10];

/// One run of a comparison: a name that is its own, and settings, the method among them.
#[derive(Clone, Debug)]
pub struct Contender {
    pub label: String,
    pub settings: Settings,
}

/// When a method is looked at unless something else is asked for: in every iteration, on a GPU, where looks cost more, every ten;
/// of methods that take groups of measurements in turn once an epoch, as a look takes a pass over all of them.
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
    /// Why, in a sentence.
    pub reason: String,
}

/// What contenders did.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What errors are, of all entries.
    pub metric: Metric,
    /// Contenders that ran, in the order they were given. Not empty.
    pub entries: Vec<Entry>,
    /// Those that cannot run on this problem, and those that an interruption left out.
    pub absent: Vec<Absent>,
    /// Whether the observer ended it; the entry that ran then has its best iterates so far.
    pub interrupted: bool,
}

impl Comparison {
    /// Sentences about automatic choices: those of all entries once and as they are, the others behind the labels they belong to.
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

/// What an observer of a comparison sees.
#[derive(Debug)]
pub struct CompareProgress<'a> {
    /// Which contender is running, from 0, of how many.
    pub index: usize,
    pub count: usize,
    pub label: &'a str,
    pub progress: &'a Progress<'a>,
}

/// Whether an error concerns a method (or its settings) on a problem and not the machine or the files.
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
        return Err(Error::invalid("methods", found, "each contender once", "leave one out, or change its parameters"));
    }
    let metric = Metric::of(problem, contenders.iter().map(|c| &c.settings));
    let count = contenders.len();
    let (mut entries, mut absent, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    let mut interrupted = false;
    for (position, Contender { label, settings }) in contenders.into_iter().enumerate() {
        let method = settings.method_of(&problem.operator().domain());
        if interrupted {
            let reason = "the comparison was interrupted before its turn".to_owned();
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
            let (passes, damping_raised) = (solver.passes(), solver.damping_raised()?);
            Ok(Entry::new(
                (position, label.clone(), method.clone()),
                settings,
                metric,
                Ran { solution, passes, damping_raised },
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

/// The refusal that all share, or one with all of them.
fn none_runs(absent: &[Absent], mut refusals: Vec<Error>) -> Error {
    let same = absent.iter().all(|one| one.reason == absent[0].reason);
    if same && let Some(error) = refusals.pop() {
        return error;
    }
    let reasons: Vec<String> = absent.iter().map(|one| format!("{}: {}", one.label, one.reason)).collect();
    let found = format!("none that can run here ({})", reasons.join("; "));
    Error::invalid("methods", found, "at least one that can", "`lowrank list methods` describes them")
}
