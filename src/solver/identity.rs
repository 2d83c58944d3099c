//! Identity of runs: the data and settings that decide whether two runs are the same, for each question.
//!
//! | question | asked by | identity |
//! |---|---|---|
//! | does one loaded engine serve both? | `Solver::reload` | [`Identity::of`] at [`Level::Engine`] |
//! | does one resume where the other was saved? | `Solver::resume` | [`Identity::of`] at [`Level::Run`] |
//! | is it the same experiment? | the journal of a sweep | [`Identity::of_experiment`] |
//! | is it the same experiment, with the same results? | `--config` | [`Identity::has_option`], [`Identity::of_results`] |
//!
//! All questions compare an [`Identity`] and report a difference in their own words.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::host;
use crate::io::hexadecimal;
use crate::operators::Operator;
use crate::problem::random::{Purpose, normals};
use crate::problem::{Block, Factors};
use crate::solver::plan::Task;
use crate::solver::solution::{Status, TrialSolution};

/// Level of the comparison of two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// The loaded engine; both runs have the same operator.
    Engine,
    /// Data, settings and start: everything that the numbers of a run depend on.
    Run,
}

/// One part of the identity of a run.
struct Entry {
    name: &'static str,
    levels: &'static [Level],
    value: fn(Task<'_>) -> Result<Value>,
}

const ENGINE: &[Level] = &[Level::Engine];
const RUN: &[Level] = &[Level::Run];
const BOTH: &[Level] = &[Level::Engine, Level::Run];

const fn entry(name: &'static str, levels: &'static [Level], value: fn(Task<'_>) -> Result<Value>) -> Entry {
    Entry { name, levels, value }
}

/// All parts of the identity of a run. Limits, outputs and the reaction to a device failure do not belong to it, and
/// neither do the backend and the kernel variant of a resumed run.
const ENTRIES: &[Entry] = &[
    entry("operator", RUN, |t| Ok(json!(t.problem.operator().name()))),
    entry("model", BOTH, |t| Ok(json!(t.plan.model))),
    entry("size", BOTH, |t| {
        let (shape, m) = (t.problem.operator().domain(), t.problem.operator().measurements());
        Ok(json!([shape.rows(), shape.columns(), m]))
    }),
    entry("measurements", RUN, |t| Ok(json!(of_operator(&**t.problem.operator())?))),
    entry("observations", RUN, |t| Ok(json!(digest([&t.plan.target[..]])))),
    entry("truth", RUN, truths),
    entry("holdout", RUN, |t| Ok(json!(digest([&t.plan.weights[..]])))),
    entry("method", BOTH, |t| Ok(json!(t.plan.method.word()))),
    entry("parameters", BOTH, |t| Ok(json!(format!("{:?}", t.plan.method)))),
    entry("loss", BOTH, |t| Ok(json!(t.settings.loss.word()))),
    entry("undamped", ENGINE, |t| Ok(json!(t.plan.is_undamped()))),
    entry("has_ridge", ENGINE, |t| Ok(json!(t.plan.has_ridge()))),
    entry("precision", BOTH, |t| Ok(json!(t.settings.precision.word()))),
    entry("model_parameters", BOTH, |t| Ok(json!(format!("{:?}", t.plan.model)))),
    entry("variant", ENGINE, |t| Ok(json!(t.settings.variant))),
    entry("device_memory", ENGINE, |t| Ok(json!(t.settings.device_memory))),
    entry("batch", ENGINE, |t| Ok(json!(t.plan.start.batch()))),
    entry("search_rank", ENGINE, |t| Ok(json!(t.plan.start.search_rank()))),
    entry("ridge", RUN, |t| Ok(json!(t.plan.ridge))),
    entry("observe", RUN, |t| Ok(json!(format!("{:?}", t.settings.observe)))),
    entry("stop_relative_error", RUN, |t| Ok(json!(t.settings.stop.relative_error))),
    entry("stop_loss", RUN, |t| Ok(json!(t.settings.stop.loss))),
    entry("stop_residual", RUN, |t| Ok(json!(t.settings.stop.residual))),
    entry("stall_window", RUN, |t| Ok(json!(t.settings.stop.stall_window))),
    entry(TRIALS, RUN, |t| Ok(serde_json::to_value(&t.plan.trials).unwrap_or_default())),
    entry("init", RUN, |t| Ok(json!(digest(t.plan.start.blocks().iter().map(Block::data))))),
];

const TRIALS: &str = "trials";

/// Entries that follow from others and are named last as a difference: the start, and the digests of every trial.
const DERIVED: &[&str] = &["init", "holdout"];

/// Options of a command that do not belong to its experiment: destinations of results, and the point where a run
/// resumes.
const APART: &[&str] =
    &["out", "report", "trace", "trials", "selection", "snapshots", "checkpoint", "resume", "config"];

/// Identity of a run: names and values. Two runs are the same if none of them differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity(Map<String, Value>);

impl Identity {
    /// The identity of a run.
    pub(crate) fn of(task: Task<'_>, level: Level) -> Result<Self> {
        let entries = ENTRIES.iter().filter(|entry| entry.levels.contains(&level));
        let entries = entries.map(|entry| Ok((entry.name.to_owned(), (entry.value)(task)?)));
        Ok(Self(entries.collect::<Result<_>>()?))
    }

    /// The identity of an experiment: its requested settings, its backend, and the version.
    pub fn of_experiment(settings: Value, backend: &str) -> Self {
        let mut all = Self::from(&settings).0;
        all.insert("backend".into(), backend.into());
        all.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        Self(all)
    }

    /// The identity of results: the status of each trial, and its factors bit for bit.
    pub fn of_results<'a>(trials: impl IntoIterator<Item = (Status, &'a str)>) -> Self {
        let trials = trials.into_iter().map(|(status, digest)| json!({ "status": status, "factors_sha256": digest }));
        let mut all = Map::new();
        all.insert(TRIALS.to_owned(), trials.collect());
        Self(all)
    }

    /// Whether an option of a command, without its dashes, belongs to the experiment.
    pub fn has_option(option: &str) -> bool {
        !APART.contains(&option)
    }

    /// Entries by name.
    pub fn entries(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Converts the entries to a value for storage.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// First difference in `now`: the number of trials, then named settings, then entries that follow from them.
    pub fn difference(&self, now: &Self) -> Option<Difference> {
        let (then, now) = (self.without_nulls(), now.without_nulls());
        let counts = (then.count() != now.count()).then_some(TRIALS);
        let names = || then.0.keys().chain(now.0.keys().filter(|name| !then.0.contains_key(*name)));
        let differing = |derived: bool| {
            let mut of = names().filter(|name| DERIVED.contains(&name.as_str()) == derived);
            of.find(|name| then.0.get(*name) != now.0.get(*name)).map(String::as_str)
        };
        let name = counts.or_else(|| differing(false)).or_else(|| differing(true))?;
        let of = |all: &Map<String, Value>| all.get(name).cloned().unwrap_or_default();
        Some(Difference { name: name.to_owned(), then: of(&then.0), now: of(&now.0) })
    }

    /// Removes nulls: an entry of a later version is null in the record of an earlier one.
    fn without_nulls(&self) -> Self {
        fn of(value: &Value) -> Value {
            match value {
                Value::Object(all) => Value::Object(pruned(all)),
                Value::Array(all) => all.iter().map(of).collect(),
                other => other.clone(),
            }
        }
        fn pruned(all: &Map<String, Value>) -> Map<String, Value> {
            all.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), of(value))).collect()
        }
        Self(pruned(&self.0))
    }

    fn count(&self) -> usize {
        self.0.get(TRIALS).and_then(Value::as_array).map_or(0, Vec::len)
    }
}

/// Reads a stored identity; anything but names and values is empty.
impl From<&Value> for Identity {
    fn from(stored: &Value) -> Self {
        Self(stored.as_object().cloned().unwrap_or_default())
    }
}

/// A difference between two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Name of the entry.
    pub name: String,
    /// Value in the earlier run; null where it has none.
    pub then: Value,
    /// Value in this run.
    pub now: Value,
}

impl Difference {
    /// Index of the first difference between two lists of the same length.
    pub fn at(&self) -> Option<usize> {
        match (&self.then, &self.now) {
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a.iter().zip(b).position(|(a, b)| a != b),
            _ => None,
        }
    }

    /// The first difference inside lists and objects, down to single values.
    pub(crate) fn innermost(self) -> Self {
        let missing = Value::Null;
        let (name, then, now) = match (&self.then, &self.now) {
            (Value::Object(a), Value::Object(b)) => {
                let mut keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
                let Some(key) = keys.find(|key| a.get(*key) != b.get(*key)) else { return self };
                (key.clone(), a.get(key).unwrap_or(&missing).clone(), b.get(key).unwrap_or(&missing).clone())
            }
            (Value::Array(a), Value::Array(b)) if a.len() != b.len() => {
                let count = |of: &[Value]| match self.name == TRIALS {
                    true => json!(of.len()),
                    false => json!(format!("{} of them", of.len())),
                };
                return Self { then: count(a), now: count(b), name: self.name };
            }
            (Value::Array(a), Value::Array(b)) => match self.at() {
                Some(at) => (self.name.clone(), a[at].clone(), b[at].clone()),
                None => return self,
            },
            _ => return self,
        };
        Self { name, then, now }.innermost()
    }
}

fn truths(task: Task<'_>) -> Result<Value> {
    let truths = (0..task.problem.instances()).filter_map(|j| task.problem.truth(j));
    let digests = truths.map(|truth| {
        let factors = truth.as_factors()?;
        Ok(json!(digest([factors.left_data(), factors.right_data()])))
    });
    Ok(Value::Array(digests.collect::<Result<_>>()?))
}

fn digest<'v>(parts: impl IntoIterator<Item = &'v [f64]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        for piece in part.chunks(1 << 12) {
            let bytes: Vec<u8> = piece.iter().flat_map(|v| v.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    }
    hexadecimal(&hash.finalize())
}

/// SHA-256 of Σ rᵢAᵢv for fixed random r and v, computed in f64 in one pass over the data. Every number of every Aᵢ
/// contributes, so a changed number shows unless it is lost in the rounding of the sum. The digest detects mix-ups, not
/// forgeries.
fn of_operator(operator: &dyn Operator) -> Result<String> {
    let (domain, m) = (operator.domain(), operator.measurements());
    let r = normals(1, Purpose::Laws, 1.0, m);
    let (left, right) =
        (normals(2, Purpose::Laws, 1.0, domain.rows()), normals(3, Purpose::Laws, 1.0, domain.columns()));
    // On a symmetric domain the vector of the left side is used.
    let applied = match domain.is_symmetric() {
        true => Factors::single(1, domain.rows(), 1, left)?,
        false => Factors::pair(1, domain, 1, left, right)?,
    };
    Ok(digest([&host::adjoint(operator, &r, &applied)[..]]))
}

impl TrialSolution {
    /// SHA-256 of the factors, in hexadecimal: equal for the same bits. A single factor counts as a pair with itself.
    pub fn digest(&self) -> String {
        let mut parts: Vec<&[f64]> = self.blocks().map(|block| block.as_slice()).collect();
        if parts.len() == 1 {
            parts.push(parts[0]);
        }
        digest(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Dense;
    use crate::problem::synthetic;
    use crate::solver::plan::plan;
    use crate::solver::{Problem, Settings, Stop};
    use crate::{Method, Precision};

    fn identity(settings: &Settings, level: Level) -> Identity {
        let truth = synthetic::psd(6).rank(1).seed(1).build().unwrap();
        let problem = Problem::measure(Dense::gaussian(truth.domain(), 40, 2).unwrap(), truth).unwrap();
        let plan = plan(&problem, settings).unwrap();
        Identity::of(Task { problem: &problem, settings, plan: &plan }, level).unwrap()
    }

    fn usual() -> Settings {
        Settings::new(Method::gd()).search_rank(2)
    }

    #[test]
    fn every_setting_has_its_level() {
        // The pattern is exhaustive, so a new setting does not compile before its level is decided here.
        let Settings {
            // These belong to the engine, and to the run where its numbers depend on them.
            method: _,
            loss: _,
            precision: _,
            model: _,
            variant: _,
            device_memory: _,
            // These belong to the run, most of them through the trials and their starts.
            init_std: _,
            search_rank: _,
            step_size: _,
            init: _,
            init_scale_ratio: _,
            ridge: _,
            observe: _,
            holdout: _,
            held_out: _,
            trials: _,
            stop: _,
            // These belong to neither; a resumed run diagnoses what its checkpoint did.
            diagnose: _,
            retune: _,
            without_biases: _,
            without_tuning: _,
            checkpoint: _,
            on_device_loss: _,
        } = usual();
        let differs = |other: Settings, level| {
            let difference = identity(&usual(), level).difference(&identity(&other, level));
            difference.map(|difference| difference.innermost().name)
        };
        for (other, engine, run) in [
            (usual(), None, None),
            (usual().stop(Stop::default().max_iterations(7)), None, None),
            (usual().precision(Precision::F64), Some("precision"), Some("precision")),
            (usual().step_size(0.25), None, Some("step_size")),
            (usual().search_rank(3), Some("search_rank"), Some("search_rank")),
            (usual().device_memory(1 << 30), Some("device_memory"), None),
            (usual().variant("avx"), Some("variant"), None),
            (usual().trials([Default::default(); 2]), Some("batch"), Some("trials")),
            (usual().stop(Stop::default().residual(0.5)), None, Some("stop_residual")),
        ] {
            assert_eq!(differs(other.clone(), Level::Engine).as_deref(), engine, "{other:?}");
            assert_eq!(differs(other.clone(), Level::Run).as_deref(), run, "{other:?}");
        }
    }

    #[test]
    fn results_differ_in_their_number_or_at_a_trial() {
        let results = |digests: &[&'static str]| Identity::of_results(digests.iter().map(|d| (Status::Converged, *d)));
        let then = results(&["a", "b", "c"]);
        assert_eq!(then.difference(&results(&["a", "b", "c"])), None);
        assert_eq!(then.difference(&results(&["a", "x", "y"])).unwrap().at(), Some(1));
        assert_eq!(then.difference(&results(&["x", "b"])).unwrap().at(), None);
    }
}
