//! Class of operators, for all ensembles.

use std::sync::Arc;

use lowrank::io::{SparseRows, Triplets};
use lowrank::models::{self, ModelCard};
use lowrank::operators::dense::{Layout, Normalization, OpenOptions};
use lowrank::operators::rank_one::OpenVectors;
use lowrank::operators::{self, Dense, Entries, RankOne, Seeded, Sparse, Storage};
use lowrank::problem::{Domain, Factors};
use numpy::{PyReadonlyArray1, PyUntypedArray};
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::{invalid, keywords, raised};
use crate::options::parsed;

#[pyclass(frozen, module = "lowrank._lowrank")]
pub struct Operator {
    pub inner: Arc<dyn operators::Operator>,
    /// Card of the operator's model.
    pub card: &'static ModelCard,
    /// Word of the model with its parameters.
    pub model: String,
    pub notices: Vec<String>,
    /// Description for messages about inputs that must match.
    pub text: String,
    /// Values of the entries.
    pub observations: Option<Vec<f64>>,
    /// Weights of the measurements, where they differ.
    pub weights: Option<Vec<f64>>,
}

impl Operator {
    pub fn new(
        inner: impl operators::Operator + 'static,
        (card, model): (&'static ModelCard, &str),
        notices: Vec<String>,
        text: impl Into<String>,
    ) -> Self {
        let notices = notices.iter().map(|notice| keywords(notice)).collect();
        let (model, text) = (model.to_owned(), text.into());
        Self { inner: Arc::new(inner), card, model, notices, text, observations: None, weights: None }
    }

    fn factors(
        &self,
        left: &Bound<'_, PyUntypedArray>,
        right: Option<&Bound<'_, PyUntypedArray>>,
    ) -> PyResult<Factors> {
        let domain = self.inner.domain();
        let read = |name: &str, array: &Bound<'_, PyUntypedArray>, n: usize| -> PyResult<(usize, Vec<f64>)> {
            let array = lowrank::internals::io::factor_of(arrays::lent(name, array)?, n, name).map_err(raised)?;
            if array.batch != 1 {
                return Err(invalid(
                    name,
                    format!("a batch of {}", array.batch),
                    "one factor",
                    "Pass them one at a time",
                ));
            }
            Ok((array.columns, array.values))
        };
        let (k, l) = read("left", left, domain.rows())?;
        let Some(right) = right else { return Factors::single(1, domain.rows(), k, l).map_err(raised) };
        let (columns, r) = read("right", right, domain.columns())?;
        if columns != k {
            let allowed = format!("{k} columns, like left");
            return Err(invalid("right", format!("{columns} columns"), &allowed, "Pass two factors of one product"));
        }
        Factors::pair(1, domain, k, l, r).map_err(raised)
    }
}

#[pymethods]
impl Operator {
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.inner.domain().shape()
    }

    /// Returns whether the matrices are complex: arrays then hold real parts above imaginary parts.
    #[getter]
    fn complex(&self) -> bool {
        self.inner.domain().is_complex()
    }

    #[getter]
    fn model(&self) -> &'static str {
        self.card.word
    }

    #[getter]
    fn measurements(&self) -> usize {
        self.inner.measurements()
    }

    #[getter]
    fn normalization(&self) -> f64 {
        self.inner.normalization()
    }

    #[getter]
    fn storage(&self) -> Option<&'static str> {
        self.inner.stored_in().map(Storage::word)
    }

    /// Returns (name, place, bytes) of the memory of the measurements.
    #[getter]
    fn memory(&self) -> Vec<(String, String, u64)> {
        let parts = self.inner.memory().into_iter();
        parts.map(|part| (part.name, format!("{:?}", part.place).to_lowercase(), part.bytes)).collect()
    }

    #[getter]
    fn notices(&self) -> Vec<String> {
        self.notices.clone()
    }

    #[getter]
    #[pyo3(name = "observations")]
    fn given<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.observations.as_ref().map(|y| arrays::made(py, y.clone(), &[y.len()])).transpose()
    }

    fn sensing_matrix<'py>(&self, py: Python<'py>, i: usize) -> PyResult<Bound<'py, PyAny>> {
        if i >= self.inner.measurements() {
            let allowed = format!("0 to {}", self.inner.measurements() - 1);
            return Err(invalid("i", i.to_string(), &allowed, "Measurements count from 0"));
        }
        let domain = self.inner.domain();
        arrays::made(py, self.inner.sensing_matrix(i), &[domain.rows(), domain.columns()])
    }

    fn forward<'py>(
        &self,
        py: Python<'py>,
        left: &Bound<'py, PyUntypedArray>,
        right: Option<&Bound<'py, PyUntypedArray>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let factors = self.factors(left, right)?;
        let operator = &self.inner;
        let y = py.detach(|| {
            let part = |shard: usize| {
                let mut out = vec![0.0; operator.shard_range(shard).len()];
                operator.forward(shard, &factors, &mut out);
                out
            };
            (0..operator.shards()).flat_map(part).collect::<Vec<f64>>()
        });
        let m = y.len();
        arrays::made(py, y, &[m])
    }

    /// Returns A*(r) V, or A*(r)ᵀ V with `transposed`.
    fn adjoint_apply<'py>(
        &self,
        py: Python<'py>,
        residual: &Bound<'py, PyUntypedArray>,
        applied: &Bound<'py, PyUntypedArray>,
        transposed: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (operator, domain) = (&self.inner, self.inner.domain());
        let r = arrays::numbers("residual", residual)?;
        if r.len() != operator.measurements() {
            let allowed = format!("{} numbers, one per measurement", operator.measurements());
            return Err(invalid(
                "residual",
                format!("{} numbers", r.len()),
                &allowed,
                "Pass one number per measurement",
            ));
        }
        let (n, rows) = match transposed {
            false => (domain.columns(), domain.rows()),
            true => (domain.rows(), domain.columns()),
        };
        let v = lowrank::internals::io::factor_of(arrays::lent("applied", applied)?, n, "applied").map_err(raised)?;
        let k = v.columns;
        if v.batch != 1 {
            return Err(invalid("applied", format!("a batch of {}", v.batch), "one matrix", "Pass them one at a time"));
        }
        // The other side is not read.
        let pair = match (domain.is_symmetric(), transposed) {
            (true, _) => Factors::single(1, n, k, v.values),
            (false, false) => Factors::pair(1, domain, k, vec![0.0; domain.rows() * k], v.values),
            (false, true) => Factors::pair(1, domain, k, v.values, vec![0.0; domain.columns() * k]),
        };
        let pair = pair.map_err(raised)?;
        let out = py.detach(|| {
            let mut out = vec![0.0; rows * k];
            for shard in 0..operator.shards() {
                let r = &r[operator.shard_range(shard)];
                match transposed {
                    false => operator.adjoint_apply(shard, r, &pair, &mut out),
                    true => operator.adjoint_apply_transposed(shard, r, &pair, &mut out),
                }
            }
            out
        });
        arrays::made(py, out, &[rows, k])
    }
}

fn options(
    model: &str,
    layout: Option<&str>,
    shape: Option<(usize, usize)>,
    storage: Option<&str>,
    normalization: &str,
) -> PyResult<OpenOptions> {
    Ok(OpenOptions::default()
        .symmetric(card(model)?.symmetric)
        .layout(layout.map(parsed::<Layout>).transpose()?)
        .shape(shape)
        .storage(storage.map(parsed::<Storage>).transpose()?)
        .normalization(normalization.parse().map_err(raised)?))
}

/// Returns the card of a model.
pub fn card(model: &str) -> PyResult<&'static ModelCard> {
    models::card(model).map_err(raised)
}

/// Returns the domain of n1×n2 matrices for a model.
fn domain_of(model: &str, (n1, n2): (usize, usize)) -> PyResult<Domain> {
    card(model)?.domain(n1, n2).map_err(raised)
}

/// Returns the domain of real or complex n1×n2 matrices for a model.
pub fn field_domain(card: &ModelCard, shape: (usize, usize), complex: bool) -> PyResult<Domain> {
    // A symmetric model checks that the matrix is square.
    let domain = card.domain(shape.0, shape.1).map_err(raised)?;
    Ok(match (complex, card.symmetric) {
        (false, _) => domain,
        (true, true) => Domain::hermitian(shape.0),
        (true, false) => Domain::complex_rectangular(shape.0, shape.1),
    })
}

#[pyfunction]
#[pyo3(signature = (matrices, model, layout, shape, storage, normalization, complex, both_parts))]
#[expect(clippy::too_many_arguments, reason = "the matrices and their interpretation")]
pub fn dense(
    py: Python<'_>,
    matrices: &Bound<'_, PyUntypedArray>,
    model: &str,
    layout: Option<&str>,
    shape: Option<(usize, usize)>,
    storage: Option<&str>,
    normalization: &str,
    complex: bool,
    both_parts: bool,
) -> PyResult<Operator> {
    let options = options(model, layout, shape, storage, normalization)?.both_parts(both_parts);
    let array = arrays::lent("matrices", matrices)?;
    let array = if complex { array.as_complex().map_err(raised)? } else { array };
    let file = py.detach(|| options.read(array)).map_err(raised)?;
    let text = file.describe();
    Ok(Operator::new(file.operator, (card(model)?, model), file.notices, text))
}

#[pyfunction]
pub fn dense_gaussian(
    py: Python<'_>,
    model: &str,
    shape: (usize, usize),
    measurements: usize,
    seed: u64,
    storage: &str,
    complex: bool,
) -> PyResult<Operator> {
    let (domain, storage) = (field_domain(card(model)?, shape, complex)?, parsed::<Storage>(storage)?);
    let made = py.detach(|| Dense::gaussian_stored(domain, measurements, seed, storage)).map_err(raised)?;
    Ok(Operator::new(
        made,
        (card(model)?, model),
        Vec::new(),
        format!("Dense.gaussian, {measurements} matrices of {domain}"),
    ))
}

#[pyfunction]
pub fn made(
    name: &str,
    model: &str,
    shape: (usize, usize),
    measurements: usize,
    seed: u64,
    normalization: &str,
) -> PyResult<Operator> {
    let domain = domain_of(model, shape)?;
    let make = if name == "rademacher" { Seeded::rademacher } else { Seeded::new };
    let operator = make(domain, measurements, seed).map_err(raised)?;
    let operator = match normalization.parse::<Normalization>().map_err(raised)? {
        // The ensemble knows its own.
        Normalization::InverseCount | Normalization::Auto => Ok(operator),
        other => other.resolve(measurements, 1.0).and_then(|s| operator.with_normalization(s)),
    };
    Ok(Operator::new(
        operator.map_err(raised)?,
        (card(model)?, model),
        Vec::new(),
        format!("{measurements} measurements of {name}"),
    ))
}

#[pyfunction]
#[pyo3(signature = (vectors, right, model, storage, normalization, centred, complex))]
#[expect(clippy::too_many_arguments, reason = "the vectors and their interpretation")]
pub fn rank_one(
    py: Python<'_>,
    vectors: &Bound<'_, PyUntypedArray>,
    right: Option<&Bound<'_, PyUntypedArray>>,
    model: &str,
    storage: Option<&str>,
    normalization: &str,
    centred: bool,
    complex: bool,
) -> PyResult<Operator> {
    let options = OpenVectors::default()
        .symmetric(card(model)?.symmetric)
        .storage(storage.map(parsed::<Storage>).transpose()?)
        .normalization(normalization.parse().map_err(raised)?)
        .centred(centred);
    let left = arrays::lent("vectors", vectors)?;
    let left = if complex { left.as_complex().map_err(raised)? } else { left };
    let right = right.map(|array| arrays::lent("vectors_right", array)).transpose()?;
    let right = right.map(|array| if complex { array.as_complex() } else { Ok(array) }).transpose().map_err(raised)?;
    let file = py.detach(|| options.read(left, right)).map_err(raised)?;
    let text = file.describe();
    Ok(Operator::new(file.operator, (card(model)?, model), file.notices, text))
}

#[pyfunction]
pub fn rank_one_gaussian(
    py: Python<'_>,
    model: &str,
    shape: (usize, usize),
    measurements: usize,
    products: usize,
    seed: u64,
    complex: bool,
) -> PyResult<Operator> {
    let domain = field_domain(card(model)?, shape, complex)?;
    let made = py.detach(|| RankOne::gaussian_sums(domain, measurements, products, seed)).map_err(raised)?;
    Ok(Operator::new(
        made,
        (card(model)?, model),
        Vec::new(),
        format!("RankOne.gaussian, {measurements} measurements of {domain}"),
    ))
}

/// Creates an operator from compressed rows, each a flattened matrix.
#[pyfunction]
#[pyo3(signature = (indptr, indices, values, width, model, layout, shape, normalization))]
#[expect(clippy::too_many_arguments, reason = "from_csr takes the arrays of a csr_matrix and their interpretation")]
pub fn sparse(
    py: Python<'_>,
    indptr: PyReadonlyArray1<'_, i64>,
    indices: PyReadonlyArray1<'_, i64>,
    values: PyReadonlyArray1<'_, f64>,
    width: usize,
    model: &str,
    layout: Option<&str>,
    shape: Option<(usize, usize)>,
    normalization: &str,
) -> PyResult<Operator> {
    let options = options(model, layout, shape, None, normalization)?;
    // A negative place is past the end of every row, and refused as such.
    let places = |array: &PyReadonlyArray1<'_, i64>| -> PyResult<Vec<usize>> {
        Ok(array.as_slice()?.iter().map(|&place| usize::try_from(place).unwrap_or(usize::MAX)).collect())
    };
    let rows = SparseRows::new(width, places(&indptr)?, places(&indices)?, values.as_slice()?.to_vec());
    let file = py.detach(|| Sparse::read("matrices", rows, &options)).map_err(raised)?;
    let text = format!("{} sparse matrices of width {}", operators::Operator::measurements(&file.operator), file.width);
    Ok(Operator::new(file.operator, (card(model)?, model), file.notices, text))
}

#[pyfunction]
#[pyo3(signature = (rows, columns, values, weights, shape, model, normalization))]
#[expect(clippy::too_many_arguments, reason = "the lists of entries and their interpretation")]
pub fn entries(
    py: Python<'_>,
    rows: PyReadonlyArray1<'_, i64>,
    columns: PyReadonlyArray1<'_, i64>,
    values: PyReadonlyArray1<'_, f64>,
    weights: Option<PyReadonlyArray1<'_, f64>>,
    shape: Option<(usize, usize)>,
    model: &str,
    normalization: &str,
) -> PyResult<Operator> {
    let places = |name: &str, array: &PyReadonlyArray1<'_, i64>| -> PyResult<Vec<u32>> {
        let fits = |place: &i64| {
            let fix = "Positions count from 0";
            u32::try_from(*place).map_err(|_| invalid(name, place.to_string(), "0 to 4294967295", fix))
        };
        array.as_slice()?.iter().map(fits).collect()
    };
    let (rows, columns) = (places("rows", &rows)?, places("columns", &columns)?);
    let values = values.as_slice()?.to_vec();
    if rows.len() != columns.len() || rows.len() != values.len() {
        let found = format!("{} rows, {} columns and {} values", rows.len(), columns.len(), values.len());
        let fix = "Pass the row, the column and the value of every entry";
        return Err(invalid("entries", found, "three lists of the same length", fix));
    }
    let weights = weights.map(|weights| weights.as_slice().map(<[f64]>::to_vec)).transpose()?.unwrap_or_default();
    let triplets = Triplets::new(rows, columns, values).weights(weights);
    let (n1, n2) = shape.unwrap_or_else(|| {
        let (n1, n2) = triplets.extent();
        if models::card(model).is_ok_and(|card| !card.symmetric) { (n1, n2) } else { (n1.max(n2), n1.max(n2)) }
    });
    let domain = domain_of(model, (n1, n2))?;
    let normalization: Normalization = normalization.parse().map_err(raised)?;
    let (operator, observations, weights, duplicates) = py
        .detach(|| {
            let sampled = Entries::from_triplets(domain, &triplets, 0)?;
            let m = operators::Operator::measurements(&sampled.operator);
            let operator = match normalization {
                // Of entries n1·n2/m is what 1/m is of matrices with entries of variance 1.
                Normalization::InverseCount | Normalization::Auto => sampled.operator,
                other => sampled.operator.with_normalization(other.resolve(m, 1.0)?)?,
            };
            Ok((operator, sampled.observations, sampled.weights, sampled.duplicates))
        })
        .map_err(raised)?;
    let mut notices = Vec::new();
    if duplicates > 0 {
        notices.push(format!("{duplicates} entries repeat a position: lowrank uses the mean of each position"));
    }
    let text = format!("{} entries", observations.len());
    let made = Operator::new(operator, (card(model)?, model), notices, text);
    Ok(Operator { observations: Some(observations), weights, ..made })
}
