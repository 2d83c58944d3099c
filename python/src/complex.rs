//! Operators on complex matrices alone.

use lowrank::operators::dense::Normalization;
use lowrank::operators::pauli::{Bases, Counts};
use lowrank::operators::{CodedDiffraction, Pauli, PauliString, Sparse};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::errors::raised;
use crate::operator::{Operator, card, field_domain};

/// Returns the operator of Pauli strings, with the model psd, and its words.
fn of_strings(made: lowrank::Result<Pauli>, normalization: &str) -> PyResult<(Operator, Vec<String>)> {
    let operator = made.map_err(raised)?;
    let operator = match normalization.parse::<Normalization>().map_err(raised)? {
        // The strings know their own.
        Normalization::InverseCount | Normalization::Auto => Ok(operator),
        other => other.resolve(operator.strings().len(), 1.0).and_then(|s| operator.with_normalization(s)),
    };
    let operator = operator.map_err(raised)?;
    let words = operator.strings().iter().map(ToString::to_string).collect();
    let text = format!("{} Pauli strings", operator.strings().len());
    Ok((Operator::new(operator, (card("psd")?, "psd"), Vec::new(), text), words))
}

#[pyfunction]
pub fn pauli(py: Python<'_>, words: Vec<String>, normalization: &str) -> PyResult<(Operator, Vec<String>)> {
    let of = || Pauli::new(words.iter().map(|word| PauliString::from_word(word)).collect::<lowrank::Result<_>>()?);
    of_strings(py.detach(of), normalization)
}

#[pyfunction]
#[pyo3(signature = (qubits, measurements, seed))]
pub fn pauli_drawn(
    py: Python<'_>,
    qubits: usize,
    measurements: Option<usize>,
    seed: u64,
) -> PyResult<(Operator, Vec<String>)> {
    let of = || measurements.map_or_else(|| Pauli::all(qubits), |m| Pauli::random(qubits, m, seed));
    of_strings(py.detach(of), "auto")
}

/// Returns the settings of Pauli strings as (basis, indices of strings).
#[pyfunction]
pub fn pauli_settings(py: Python<'_>, words: Vec<String>) -> PyResult<Vec<(String, Vec<usize>)>> {
    let of = || -> lowrank::Result<_> {
        let strings = words.iter().map(|word| PauliString::from_word(word)).collect::<lowrank::Result<_>>()?;
        let settings = Pauli::new(strings)?.settings();
        Ok(settings.into_iter().map(|setting| (setting.basis, setting.strings)).collect())
    };
    py.detach(of).map_err(raised)
}

#[pyfunction]
pub fn pauli_counts(py: Python<'_>, counts: Bases, normalization: &str) -> PyResult<(Operator, Vec<String>)> {
    let found = py.detach(|| Counts::new("counts".as_ref(), counts)?.expectations()).map_err(raised)?;
    let (operator, words) = of_strings(Pauli::new(found.strings), normalization)?;
    let (observations, weights) = (Some(found.values), Some(found.weights));
    Ok((Operator { observations, weights, ..operator }, words))
}

/// Creates coded diffraction patterns from masks, real and imaginary parts in turn.
#[pyfunction]
pub fn coded_diffraction(
    py: Python<'_>,
    parts: PyReadonlyArray1<'_, f64>,
    shape: Vec<usize>,
    normalization: &str,
) -> PyResult<Operator> {
    let masks: Vec<(f64, f64)> = parts.as_slice()?.chunks(2).map(|part| (part[0], part[1])).collect();
    let operator = py.detach(|| CodedDiffraction::new(&shape, &masks)).map_err(raised)?;
    let operator = match normalization.parse::<Normalization>().map_err(raised)? {
        // The masks know their own.
        Normalization::InverseCount | Normalization::Auto => Ok(operator),
        other => other.resolve(operator.masks().count(), 1.0).and_then(|s| operator.with_normalization(s)),
    };
    let operator = operator.map_err(raised)?;
    let text = format!("{} masks of shape {shape:?}", operator.patterns());
    Ok(Operator::new(operator, (card("psd")?, "psd"), Vec::new(), text))
}

/// Creates an operator of the entries of a complex matrix from their real and imaginary parts in turn.
#[pyfunction]
pub fn complex_entries(
    rows: PyReadonlyArray1<'_, i64>,
    columns: PyReadonlyArray1<'_, i64>,
    parts: PyReadonlyArray1<'_, f64>,
    shape: (usize, usize),
    model: &str,
    normalization: &str,
) -> PyResult<Operator> {
    let card = card(model)?;
    // A negative place is outside of every matrix, and refused as such.
    let place = |at: &i64| usize::try_from(*at).unwrap_or(usize::MAX);
    let positions = rows.as_slice()?.iter().zip(columns.as_slice()?).map(|(i, j)| (place(i), place(j)));
    let positions: Vec<(usize, usize)> = positions.collect();
    let domain = field_domain(card, shape, true)?;
    let made = || {
        let operator = Sparse::complex_entries(domain, &positions)?;
        match normalization.parse::<Normalization>()? {
            Normalization::InverseCount | Normalization::Auto => Ok(operator),
            other => operator.with_normalization(other.resolve(positions.len(), 1.0)?),
        }
    };
    let text = format!("{} complex entries", positions.len());
    let operator = Operator::new(made().map_err(raised)?, (card, model), Vec::new(), text);
    Ok(Operator { observations: Some(parts.as_slice()?.to_vec()), ..operator })
}
