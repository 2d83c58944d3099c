//! Truths, synthetic or from arrays.

use lowrank::internals::io::{factor_of, pair_of, rectangular_truth_of, truth_matrix_of};
use lowrank::methods::Named;
use lowrank::models::{self, Model};
use lowrank::{Problem, problem};
use numpy::PyUntypedArray;
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::{invalid, raised};
use crate::operator::{Operator, field_domain};

#[pyclass(frozen, module = "lowrank._lowrank")]
pub struct Truth(pub problem::Truth);

#[pymethods]
impl Truth {
    /// Returns (n1, n2).
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.0.domain().shape()
    }

    /// Returns whether the matrix is complex: arrays then hold real parts above imaginary parts.
    #[getter]
    fn complex(&self) -> bool {
        self.0.domain().is_complex()
    }

    fn matrix<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        arrays::made(py, self.0.to_matrix(), &[self.0.domain().rows(), self.0.domain().columns()])
    }

    fn left<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let view = self.0.product().map(|product| product.left());
        view.map(|v| arrays::made(py, v.as_slice().to_vec(), &[v.rows(), v.columns()])).transpose()
    }

    fn right<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let view = self.0.product().map(|product| product.right());
        view.map(|v| arrays::made(py, v.as_slice().to_vec(), &[v.rows(), v.columns()])).transpose()
    }

    /// Returns y = A(M) in f64, with noise N(0, noise_std²).
    fn measure<'py>(
        &self,
        py: Python<'py>,
        operator: &Operator,
        noise_std: f64,
        seed: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (operator, truth) = (operator.inner.clone(), self.0.clone());
        let y = py
            .detach(move || {
                let problem = Problem::measure(operator, truth)?.with_noise(noise_std, seed)?;
                Ok(problem.observations(0).unwrap_or_default().to_vec())
            })
            .map_err(raised)?;
        let m = y.len();
        arrays::made(py, y, &[m])
    }
}

#[pyfunction]
#[pyo3(signature = (model, sizes, rank, condition_number, seed, signature, complex))]
pub fn synthetic(
    model: &str,
    sizes: (usize, usize),
    rank: usize,
    condition_number: f64,
    seed: u64,
    signature: Option<(usize, usize)>,
    complex: bool,
) -> PyResult<Truth> {
    let card = models::card(model).map_err(raised)?;
    let signature = Named::default().with("signature", signature.map(|(p, q)| format!("{p},{q}")));
    let domain = field_domain(card, sizes, complex)?;
    let builder = || Model::named(model, &signature)?.truth(&domain, Some(rank));
    builder().map_err(raised)?.condition_number(condition_number).seed(seed).build().map(Truth).map_err(raised)
}

/// Truth as given in Python: (kind, arrays).
#[derive(FromPyObject)]
pub enum Given<'py> {
    Made(Bound<'py, Truth>),
    Pair(Bound<'py, PyUntypedArray>, Bound<'py, PyUntypedArray>),
    Signed(Bound<'py, PyUntypedArray>, (usize, usize)),
    #[pyo3(transparent)]
    Factor(Bound<'py, PyUntypedArray>),
}

/// Attaches a truth to a problem.
pub fn attached(
    (problem, operator): (Problem, &Operator),
    truth: Option<Given<'_>>,
    matrix: Option<Bound<'_, PyUntypedArray>>,
) -> PyResult<Problem> {
    let domain = problem.operator().domain();
    let (n1, n2) = (domain.rows(), domain.columns());
    let fits = |word: &str| match operator.card.word == word {
        true => Ok(()),
        false => {
            let allowed = format!("{} for the model {}", operator.card.truth, operator.card.word);
            let fix = "Pass truth_matrix, or the factors of the model";
            Err(invalid("truth", "factors of another model", &allowed, fix))
        }
    };
    let problem = match truth {
        None => problem,
        Some(Given::Made(truth)) => problem.with_truth(truth.get().0.clone()).map_err(raised)?,
        Some(Given::Pair(left, right)) => {
            fits("asymmetric")?;
            let (left, right) = (arrays::lent("truth", &left)?, arrays::lent("truth", &right)?);
            let (left, right) = pair_of("truth", left, right, (n1, n2), "truth").map_err(raised)?;
            let k = left.columns;
            let pairs = left.values.chunks(n1 * k).zip(right.values.chunks(n2 * k));
            let truths = pairs.map(|(l, r)| problem::Truth::from_pair_on(domain, k, l.to_vec(), r.to_vec()));
            let truths = truths.collect::<lowrank::Result<_>>().map_err(raised)?;
            problem.with_truths(truths).map_err(raised)?
        }
        Some(Given::Signed(x, signature)) => {
            fits("signed")?;
            let x = factor_of(arrays::lent("truth", &x)?, n1, "truth").map_err(raised)?;
            let truth = problem::Truth::from_signed_factor(n1, signature, x.values).map_err(raised)?;
            problem.with_truth(truth).map_err(raised)?
        }
        Some(Given::Factor(x)) => {
            fits("psd")?;
            let x = factor_of(arrays::lent("truth", &x)?, n1, "truth").map_err(raised)?;
            let truths =
                x.values.chunks(n1 * x.columns).map(|v| problem::Truth::from_factor_on(domain, x.columns, v.to_vec()));
            let truths = truths.collect::<lowrank::Result<_>>().map_err(raised)?;
            problem.with_truths(truths).map_err(raised)?
        }
    };
    let Some(matrix) = matrix else { return Ok(problem) };
    let array = arrays::lent("truth_matrix", &matrix)?;
    let matrix = if domain.is_symmetric() { truth_matrix_of(array, n1) } else { rectangular_truth_of(array, n1, n2) };
    let truth = matrix.and_then(|matrix| problem::Truth::from_matrix_of(domain, matrix)).map_err(raised)?;
    problem.with_truth(truth).map_err(raised)
}
