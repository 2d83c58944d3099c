//! Identity of runs: the data and settings that decide whether two runs are the same, for each question.
//!
//! | question | asked by | identity |
//! |---|---|---|
//! | does one loaded engine serve both? | `Solver::reload` | [`Identity::of`] at [`Level::Engine`] |
//! | does one resume where the other was saved? | `Solver::resume` | [`Identity::of`] at [`Level::Run`] |
//! | is it the same experiment? | the journal of a sweep | [`Identity::of_experiment`] |
//! | is it the same experiment, with the same results? | `--config` | [`Identity::is_destination`], [`Identity::of_results`] |
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
use crate::solver::place::{BOTH, ENGINE, Level, Place, RUN};
use crate::solver::plan::Task;
use crate::solver::solution::{Status, TrialSolution};
use crate::solver::table::SETTINGS;
use crate::solver::trial::TrialParameters;

/// One part of the identity of a run that belongs to no single option.
struct Fact {
    name: &'static str,
    levels: &'static [Level],
    value: fn(Task<'_>) -> Result<Value>,
}

const fn fact(name: &'static str, levels: &'static [Level], value: fn(Task<'_>) -> Result<Value>) -> Fact {
    Fact { name, levels, value }
}

/// Parts of the identity that several options or the data decide. Those of single options are in [`SETTINGS`], where every
/// option has its [`Place`]. Limits, outputs and the reaction to a device failure do not belong to the identity, and neither
/// do the backend and the kernel variant of a resumed run.
const FACTS: &[Fact] = &[
    fact("operator", RUN, |t| Ok(json!(t.problem.operator().name()))),
    fact("size", BOTH, |t| {
        let (shape, m) = (t.problem.operator().domain(), t.problem.operator().measurements());
        Ok(json!([shape.rows(), shape.columns(), m]))
    }),
    fact("measurements", RUN, |t| Ok(json!(of_operator(&**t.problem.operator())?))),
    fact("observations", RUN, |t| Ok(json!(digest([&t.plan.target[..]])))),
    fact("truth", RUN, truths),
    fact("holdout", RUN, |t| Ok(json!(digest([&t.plan.weights[..]])))),
    fact("parameters", BOTH, |t| Ok(json!(format!("{:?}", t.plan.method)))),
    fact("model_parameters", BOTH, |t| Ok(json!(format!("{:?}", t.plan.model)))),
    fact("undamped", ENGINE, |t| Ok(json!(t.plan.is_undamped()))),
    fact("has_ridge", ENGINE, |t| Ok(json!(t.plan.has_ridge()))),
    fact("weighs_unobserved", ENGINE, |t| Ok(json!(t.plan.weighs_unobserved()))),
    fact("unobserved_weight", RUN, |t| Ok(json!(t.plan.weighs_unobserved().then_some(&t.plan.unobserved)))),
    fact("upper_bounds", BOTH, |t| Ok(json!(t.problem.upper_bounds().map(bounds_digest)))),
    fact("batch", ENGINE, |t| Ok(json!(t.plan.start.batch()))),
    fact("search_rank", ENGINE, |t| Ok(json!(t.plan.start.search_rank()))),
    fact(TRIALS, RUN, trials),
    fact("init", RUN, |t| Ok(json!(digest(t.plan.start.blocks().iter().map(Block::data))))),
];

const TRIALS: &str = "trials";

/// Entries that follow from others and are named last as a difference: the start, and the digests of every trial.
const DERIVED: &[&str] = &["init", "holdout"];

/// Identity of a run: names and values. Two runs are the same if none of them differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity(Map<String, Value>);

impl Identity {
    /// The identity of a run.
    pub(crate) fn of(task: Task<'_>, level: Level) -> Result<Self> {
        let facts = FACTS.iter().filter(|fact| fact.levels.contains(&level));
        let facts = facts.map(|fact| Ok((fact.name.to_owned(), (fact.value)(task)?)));
        let options = SETTINGS.iter().filter_map(|(option, place, _)| match place {
            Place::Entry(levels, value) => levels.contains(&level).then(|| Ok((option.name.to_owned(), value(task)))),
            Place::Within(_) | Place::Apart | Place::Destination => None,
        });
        Ok(Self(facts.chain(options).collect::<Result<_>>()?))
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

    /// Whether a flag, without its dashes, is an option that belongs to no experiment.
    pub fn is_destination(flag: &str) -> bool {
        SETTINGS.iter().any(|(option, place, _)| matches!(place, Place::Destination) && option.flag() == flag)
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

/// Parameters of the trials. Their ridges have an entry of their own.
fn trials(task: Task<'_>) -> Result<Value> {
    let without = |of: &TrialParameters| TrialParameters { ridge: None, ..of.clone() };
    Ok(task.plan.trials.iter().map(|of| json!(without(of))).collect())
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
    let found = match operator.has_adjoint() {
        true => host::adjoint(operator, &r, &applied),
        // Values see every Aᵢ too.
        false => host::measure(operator, &applied),
    };
    Ok(digest([&found[..]]))
}

/// Digest of which observations are upper bounds.
fn bounds_digest(bounds: &[bool]) -> String {
    let numbers: Vec<f64> = bounds.iter().map(|bound| f64::from(u8::from(*bound))).collect();
    digest([&numbers[..]])
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
    use crate::options::{OptionCard, OptionKind, Request};
    use crate::problem::synthetic;
    use crate::solver::plan::plan;
    use crate::solver::{Problem, Settings, Stop};
    use crate::{Method, Precision};

    fn identity(settings: &Settings, level: Level) -> Identity {
        let truth = synthetic::psd(6).rank(1).seed(1).build().unwrap();
        let problem = Problem::measure(Dense::gaussian(truth.domain(), 40, 2).unwrap(), truth).unwrap();
        let plan = plan(&problem, settings, true).unwrap();
        Identity::of(Task { problem: &problem, settings, plan: &plan }, level).unwrap()
    }

    fn usual() -> Settings {
        Settings::new(Method::gd()).search_rank(2)
    }

    /// A value of an option that is not its default, and options that it needs beside it.
    fn sample(option: &OptionCard) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match (option.kind, option.name) {
            (_, "init") => ("spectral", &[]),
            (_, "init_preprocess") => ("truncate", &[("init", "spectral")]),
            (_, "holdout_seed") => ("9", &[("holdout", "0.5")]),
            (_, "model") => ("deep", &[]),
            (_, "method") => ("momentum", &[]),
            (_, "init_std") => ("n", &[]),
            (_, "loss") => ("l1", &[]),
            (_, "label_noise_until") => ("3", &[("label_noise", "0.5")]),
            (_, "backend") => ("reference", &[]),
            (_, "precision") => ("f64", &[]),
            (_, "variant") => ("avx", &[]),
            (_, "device_memory") => ("8G", &[]),
            (_, "observe") => ("log", &[]),
            (_, "checkpoint_every") => ("10", &[]),
            (_, "on_device_loss") => ("retry", &[]),
            (OptionKind::Switch, _) => ("true", &[]),
            (OptionKind::Number | OptionKind::Numbers, _) => ("0.25", &[]),
            (OptionKind::Count | OptionKind::Counts, _) => ("3", &[]),
            (OptionKind::Seed | OptionKind::Seeds, _) => ("9", &[]),
            (kind, name) => panic!("{name} needs a sample here: {kind:?}"),
        }
    }

    fn asked(options: &[(&str, &str)], level: Level) -> Identity {
        let all = [("method", "gd"), ("search_rank", "2")].iter().chain(options);
        let request = all.fold(Request::new(), |request, (name, text)| request.with(name, text));
        let settings = request.settings().unwrap().model(request.model("asymmetric").unwrap());
        let settings = settings.method(request.method().unwrap().unwrap());
        let (start, preprocess) = request.start().unwrap().unwrap();
        let trials = request.axes_with_method().unwrap().trials(1);
        let settings = settings.init_word(start, preprocess).trials(trials);
        let truth = synthetic::asymmetric(6, 5).rank(1).seed(1).build().unwrap();
        let problem = Problem::measure(Dense::gaussian(truth.domain(), 40, 2).unwrap(), truth).unwrap();
        let plan = plan(&problem, &settings, true).unwrap();
        Identity::of(Task { problem: &problem, settings: &settings, plan: &plan }, level).unwrap()
    }

    #[test]
    fn every_option_shows_where_its_place_says() {
        for (option, place, _) in SETTINGS {
            // Data, and a file that is written.
            // A fixed trace needs another model; the next test has it.
            if ["truth", "truth_matrix", "checkpoint", "fixed_trace"].contains(&option.name) {
                continue;
            }
            let (value, beside) = sample(option);
            let with: Vec<_> = beside.iter().copied().chain([(option.name, value)]).collect();
            for level in [Level::Engine, Level::Run] {
                let (then, now) = (asked(beside, level), asked(&with, level));
                let differs = |name: &str| then.entries().get(name) != now.entries().get(name);
                match place {
                    Place::Entry(levels, _) => {
                        assert_eq!(differs(option.name), levels.contains(&level), "{} {level:?}", option.name);
                    }
                    Place::Within(name) => assert!(level == Level::Engine || differs(name), "{}", option.name),
                    Place::Apart | Place::Destination => assert_eq!(then, now, "{}", option.name),
                }
            }
        }
    }

    #[test]
    fn settings_differ_at_their_levels() {
        let differs = |other: Settings, level| {
            let difference = identity(&usual(), level).difference(&identity(&other, level));
            difference.map(|difference| difference.innermost().name)
        };
        for (other, engine, run) in [
            (usual(), None, None),
            (usual().stop(Stop::default().max_iterations(7)), None, None),
            (usual().precision(Precision::F64), Some("precision"), Some("precision")),
            (usual().nonnegative(true), Some("nonnegative"), Some("nonnegative")),
            // The size of the start differs, too.
            (usual().fixed_trace(2.0), Some("fixed_trace"), Some("init_scale")),
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
