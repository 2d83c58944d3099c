//! `generate --operator pauli`: a random state of q qubits and expectation values of random Pauli strings.

use std::io::Write;
use std::sync::Arc;

use lowrank::operators::Pauli;
use lowrank::operators::pauli::with_shots;
use lowrank::options::OptionCard;
use lowrank::options::OptionKind::Count;
use lowrank::{Problem, Result};
use serde_json::json;

use super::frame::{Generator, Made, Wanted};
use super::options::{COMMANDS, OF_OPERATORS};
use super::{refused, truth};

pub const PAULI: Generator = Generator {
    operators: &["pauli"],
    options: &[OptionCard::new(
        "shots",
        Count,
        "N",
        OF_OPERATORS,
        "Of pauli: outcomes ±1 of which each expectation value is the mean",
    )
    .of(COMMANDS)
    .chosen("exact values")],
    usual_model: "psd",
    complex: |_| true,
    has_observations: true,
    files: |wanted| {
        let n = wanted.truth.domain().order();
        if !n.is_power_of_two() || n < 2 {
            return Err(refused("n", n, "a power of two, 2^q for q qubits", "for example --n 64 for six qubits"));
        }
        if wanted.request.has("shots") && wanted.noise_std > 0.0 {
            let fix = "leave out one of them: outcomes bring their own noise";
            return Err(refused("noise_std", "given beside --shots", "one of them", fix));
        }
        Ok(vec!["strings.txt"])
    },
    make,
};

fn make(wanted: &Wanted) -> Result<Made> {
    let (domain, m, seeds) = (wanted.truth.domain(), wanted.measurements, wanted.seeds);
    let operator = Arc::new(Pauli::random(domain.order().ilog2() as usize, m, seeds.operator)?);
    let truth = truth::with_unit_trace(&wanted.truth)?;
    let problem = wanted.observed(operator.clone(), truth.clone())?;
    let shots: Option<u64> = wanted.request.one("shots")?;
    let problem = match shots {
        None => problem,
        Some(shots) => {
            let y = with_shots(problem.observations(0).unwrap_or_default(), shots, seeds.noise)?;
            Problem::new(operator.clone(), y)?.with_truth(truth)?
        }
    };
    let qubits = operator.qubits();
    let observed = match shots {
        None => "exact expectation values".to_owned(),
        Some(shots) => format!("means of {shots} outcomes each (seed {})", seeds.noise),
    };
    Ok(Made {
        problem,
        write: Box::new(move |_, file| operator.strings().iter().try_for_each(|string| writeln!(file, "{string}"))),
        described: json!({ "qubits": qubits, "shots": shots }),
        measured: format!("{m} different Pauli strings on {qubits} qubits (seed {})", seeds.operator),
        observed,
        flags: (format!("--pauli {}", wanted.at("strings.txt")), String::new()),
    })
}
