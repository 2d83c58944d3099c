//! Residuals, losses and gradients for loops written in Python.

use std::sync::{Mutex, PoisonError};

use lowrank::operators::Loss;
use lowrank::problem::{Block, Domain, Factors};
use lowrank::{Backend, Error, Model, Precision};
use numpy::PyUntypedArray;
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::{invalid, raised};
use crate::operator::Operator;
use crate::options::parsed;

/// Residuals (batch, m), losses, and one gradient per factor.
type Found<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Vec<Bound<'py, PyAny>>);

#[pyclass(frozen, module = "lowrank._lowrank")]
pub struct Session {
    inner: Mutex<lowrank::Session>,
    model: Model,
    domain: Domain,
    measurements: usize,
}

impl Session {
    fn factors(&self, blocks: &[Bound<'_, PyUntypedArray>]) -> PyResult<Factors> {
        let sizes = self.model.sizes(&self.domain, 1);
        if blocks.len() != sizes.len() {
            let allowed = format!("{} of the model {}", sizes.len(), self.model.word());
            return Err(invalid("factors", format!("{} arrays", blocks.len()), &allowed, "Pass U, or the pair (L, R)"));
        }
        let read = |(array, (rows, _)): (&Bound<'_, PyUntypedArray>, &(usize, usize))| {
            lowrank::internals::io::factor_of(arrays::lent("factors", array)?, *rows, "factors").map_err(raised)
        };
        let read = blocks.iter().zip(&sizes).map(read).collect::<PyResult<Vec<_>>>()?;
        let batch = read.first().map_or(0, |first| first.batch);
        let sizes: Vec<_> = read.iter().zip(&sizes).map(|(array, (rows, _))| (*rows, array.columns)).collect();
        Factors::of_sizes(batch, &sizes, read.into_iter().map(|array| array.values).collect()).map_err(raised)
    }
}

/// The blocks of factors as arrays, (batch, n, k).
fn arrays_of<'py>(py: Python<'py>, factors: &Factors) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let batch = factors.batch();
    let of = |block: &Block| arrays::made(py, block.data().to_vec(), &[batch, block.rows(), block.columns()]);
    factors.blocks().iter().map(of).collect()
}

#[pymethods]
impl Session {
    #[new]
    fn new(
        operator: &Operator,
        observations: Option<&Bound<'_, PyUntypedArray>>,
        model: Option<&str>,
        backend: &str,
        precision: Option<&str>,
        loss: &str,
    ) -> PyResult<Self> {
        let model =
            Model::named(model.unwrap_or(&operator.model), &lowrank::methods::Named::default()).map_err(raised)?;
        let precision = precision.map(parsed::<Precision>).transpose()?;
        let backend = match backend {
            // A graphics adapter computes in single precision first of all.
            "auto" => Backend::auto_with(&*operator.inner, precision.unwrap_or(Precision::F64)),
            other => Backend::from_word(other),
        };
        let loss: Loss = parsed(loss)?;
        let opened = || -> Result<lowrank::Session, Error> {
            let session = lowrank::Session::open_shared(operator.inner.clone(), model.clone(), backend?)?;
            let session = session.loss_function(loss);
            match precision {
                Some(precision) => session.precision(precision),
                None => Ok(session),
            }
        };
        let mut inner = opened().map_err(raised)?;
        if let Some(y) = observations {
            inner = inner.observations(&arrays::numbers("observations", y)?).map_err(raised)?;
        }
        let (domain, measurements) = (operator.inner.domain(), operator.inner.measurements());
        Ok(Self { inner: Mutex::new(inner), model, domain, measurements })
    }

    /// Returns ∇f by factor, (batch, n, k).
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        blocks: Vec<Bound<'py, PyUntypedArray>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let factors = self.factors(&blocks)?;
        let found = py.detach(|| self.inner.lock().unwrap_or_else(PoisonError::into_inner).gradient(&factors));
        arrays_of(py, &found.map_err(raised)?)
    }

    /// Returns losses, (batch,).
    fn loss<'py>(&self, py: Python<'py>, blocks: Vec<Bound<'py, PyUntypedArray>>) -> PyResult<Bound<'py, PyAny>> {
        let factors = self.factors(&blocks)?;
        let found = py.detach(|| self.inner.lock().unwrap_or_else(PoisonError::into_inner).loss(&factors));
        arrays::made(py, found.map_err(raised)?, &[factors.batch()])
    }

    /// Returns residuals (batch, m), losses (batch,), and ∇f by factor, (batch, n, k).
    fn evaluate<'py>(&self, py: Python<'py>, blocks: Vec<Bound<'py, PyUntypedArray>>) -> PyResult<Found<'py>> {
        let factors = self.factors(&blocks)?;
        let found = py.detach(|| self.inner.lock().unwrap_or_else(PoisonError::into_inner).evaluate(&factors));
        let found = found.map_err(raised)?;
        let batch = factors.batch();
        let gradients = arrays_of(py, &found.gradient)?;
        let residual = arrays::made(py, found.residual, &[batch, self.measurements])?;
        Ok((residual, arrays::made(py, found.loss, &[batch])?, gradients))
    }

    /// Returns residuals only, (batch, m).
    fn residual<'py>(&self, py: Python<'py>, blocks: Vec<Bound<'py, PyUntypedArray>>) -> PyResult<Bound<'py, PyAny>> {
        let factors = self.factors(&blocks)?;
        let found = py.detach(|| self.inner.lock().unwrap_or_else(PoisonError::into_inner).residual(&factors));
        arrays::made(py, found.map_err(raised)?, &[factors.batch(), self.measurements])
    }
}
