//! What has to be the same for a run to go on: the data, the settings, the start.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::host;
use crate::io::hexadecimal;
use crate::operators::Operator;
use crate::problem::random::{Purpose, normals};
use crate::problem::{Factors, MatrixView};
use crate::solver::plan::Plan;
use crate::solver::problem::Problem;
use crate::solver::settings::Settings;

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

/// SHA-256 of Σ rᵢAᵢv for fixed random r and v, computed in f64 in one pass over the data: every number of every Aᵢ has its part
/// in it, so that another number shows unless it is lost in the rounding of the sum. It tells apart what was mixed up, not what was
/// forged.
fn of_operator(operator: &dyn Operator) -> Result<String> {
    let (shape, m) = (operator.shape(), operator.measurements());
    let r = normals(1, Purpose::Laws, 1.0, m);
    let (left, right) = (normals(2, Purpose::Laws, 1.0, shape.rows()), normals(3, Purpose::Laws, 1.0, shape.columns()));
    let applied = match shape.is_symmetric() {
        true => Factors::symmetric(1, shape.rows(), 1, left)?,
        false => Factors::pair(1, shape, 1, left, right)?,
    };
    Ok(digest([&host::adjoint(operator, &r, &applied)[..]]))
}

/// Keys and values that a run and what resumes it have in common. Limits, outputs, the backend and its kernel variant are not among
/// them.
pub(crate) fn identity(problem: &Problem, settings: &Settings, plan: &Plan) -> Result<Value> {
    let operator = problem.operator();
    let shape = operator.shape();
    let truths: Vec<String> = (0..problem.instances())
        .filter_map(|j| problem.truth(j))
        .map(|truth| {
            let factors = truth.as_factors()?;
            Ok(digest([factors.left_data(), factors.right_data()]))
        })
        .collect::<Result<_>>()?;
    let signature = settings.signature.map(|(p, q)| format!("{p},{q}"));
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
    put("operator", json!(operator.name()));
    put("model", json!(format!("{:?}", shape.model()).to_lowercase()));
    put("size", json!([shape.rows(), shape.columns(), operator.measurements()]));
    put("measurements", json!(of_operator(&**operator)?));
    put("observations", json!(digest([&plan.target[..]])));
    put("truth", json!(truths));
    put("holdout", json!(digest([&plan.weights[..]])));
    put("method", json!(settings.method.word()));
    put("parameters", json!(format!("{:?}", settings.parameters)));
    put("precision", json!(settings.precision.word()));
    put("signature", json!(signature));
    put("ridge", json!(settings.ridge));
    put("observe", json!(format!("{:?}", settings.observe)));
    put("stop_relative_error", json!(settings.stop.relative_error));
    put("stop_loss", json!(settings.stop.loss));
    put("stop_residual", json!(settings.stop.residual));
    put("stall_window", json!(settings.stop.stall_window));
    put("trials", serde_json::to_value(&plan.trials).unwrap_or_default());
    put("init", json!(digest([plan.start.left_data(), plan.start.right_data()])));
    Ok(Value::Object(all))
}

/// Refuses where the two differ, naming the first difference.
pub(crate) fn require_same(stored: &Value, given: &Value) -> Result<()> {
    // The start, and what is digested of every trial, follow from what has a name of its own.
    let count = |of: &Value| of["trials"].as_array().map_or(0, Vec::len);
    let part = |of: &Value, derived: bool| match of {
        Value::Object(all) => all
            .iter()
            .filter(|(key, _)| (*key == "init" || *key == "holdout") == derived)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        other => other.clone(),
    };
    let counts =
        (count(stored) != count(given)).then(|| ("trials".to_owned(), json!(count(stored)), json!(count(given))));
    let named =
        [false, true].into_iter().find_map(|derived| difference("", &part(stored, derived), &part(given, derived)));
    match counts.or(named) {
        None => Ok(()),
        Some((name, stored, given)) => {
            let fix = "resume with what the run was started with, or start a new one without --resume";
            Err(Error::invalid(name, short(&given), format!("{}, as in the checkpoint", short(&stored)), fix))
        }
    }
}

fn difference(name: &str, stored: &Value, given: &Value) -> Option<(String, Value, Value)> {
    match (stored, given) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                difference(key, &of(a), &of(b))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).find_map(|(a, b)| difference(name, a, b))
        }
        (Value::Array(a), Value::Array(b)) => {
            Some((name.to_owned(), json!(format!("{} of them", a.len())), json!(format!("{} of them", b.len()))))
        }
        (a, b) => (a != b).then(|| (name.to_owned(), a.clone(), b.clone())),
    }
}

/// Digests by their beginning.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("data with the digest {}…", &text[..12])
        }
        Value::String(text) => format!("'{text}'"),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// SHA-256 of a trial's factors, for reports.
pub(crate) fn factor_digest(left: MatrixView<'_>, right: MatrixView<'_>) -> String {
    digest([left.as_slice(), right.as_slice()])
}
