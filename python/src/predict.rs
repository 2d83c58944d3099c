//! Predictions from factors, and lines against fixed factors, for Python.

use std::path::PathBuf;

use lowrank::internals::io::OutputFile;
use lowrank::io::{Labels, Triplets};
use lowrank::predict::{self, FittedLines, NameIndex};
use lowrank::problem::{MatrixView, Product};
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::arrays;
use crate::errors::{invalid, raised};

/// Names of rows or columns, one for each entry.
#[derive(FromPyObject)]
pub enum Ids<'py> {
    Numbers(PyReadonlyArray1<'py, i64>),
    Texts(Vec<String>),
}

impl Ids<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(all) => all.len(),
            Self::Texts(all) => all.len(),
        }
    }

    /// The index of each name, by the searches for a number and for a text.
    fn found(
        &self,
        number: impl Fn(i64) -> Option<usize>,
        text: impl Fn(&str) -> Option<usize>,
    ) -> PyResult<Vec<Option<usize>>> {
        Ok(match self {
            Self::Numbers(all) => all.as_slice()?.iter().map(|&name| number(name)).collect(),
            Self::Texts(all) => all.iter().map(|name| text(name)).collect(),
        })
    }

    fn rows(&self, of: &NameIndex<'_>) -> PyResult<Vec<Option<usize>>> {
        self.found(|name| of.row_number(name), |name| of.row(name))
    }

    fn columns(&self, of: &NameIndex<'_>) -> PyResult<Vec<Option<usize>>> {
        self.found(|name| of.column_number(name), |name| of.column(name))
    }

    fn labels(self) -> PyResult<Labels> {
        Ok(match self {
            Self::Numbers(all) => Labels::Integers(all.as_slice()?.to_vec()),
            Self::Texts(all) => Labels::Texts(all),
        })
    }
}

fn same_length(ids: (&Ids<'_>, &Ids<'_>)) -> PyResult<()> {
    if ids.0.len() == ids.1.len() {
        return Ok(());
    }
    let found = format!("{} rows and {} columns", ids.0.len(), ids.1.len());
    Err(invalid("rows", found, "as many as columns", "Pass the row and the column of every pair"))
}

fn cut(value: f64, clip: Option<(f64, f64)>) -> f64 {
    clip.map_or(value, |(low, high)| value.clamp(low, high))
}

/// Ids as Python has them: whole numbers, or texts.
#[derive(IntoPyObject)]
pub enum Names<'py> {
    Numbers(Bound<'py, PyArray1<i64>>),
    Texts(Vec<String>),
}

fn names<'py>(py: Python<'py>, of: &Labels) -> Names<'py> {
    match of {
        Labels::Counted { first, count } => {
            Names::Numbers(PyArray1::from_iter(py, (0..*count).map(|at| *first as i64 + at as i64)))
        }
        Labels::Integers(all) => Names::Numbers(PyArray1::from_slice(py, all)),
        _ => Names::Texts((0..of.len()).map(|at| of.name(at)).collect()),
    }
}

#[pyclass(frozen, module = "lowrank._lowrank")]
pub struct Predictor(predict::Predictor);

type Floats<'py> = Bound<'py, PyArray1<f64>>;
type Wholes<'py> = Bound<'py, PyArray1<i64>>;

/// Positions of rows in the request, ranks, positions of columns, values.
type Best<'py> = (Wholes<'py>, Wholes<'py>, Wholes<'py>, Floats<'py>);

#[pymethods]
impl Predictor {
    /// Reads the factors that the command line's solve has written.
    #[staticmethod]
    fn open(path: PathBuf, trial: usize) -> PyResult<Self> {
        predict::Predictor::open(path, trial).map(Self).map_err(raised)
    }

    /// Reads complex factors as predictors of the real and of the imaginary part; None for real ones.
    #[staticmethod]
    fn open_complex(path: PathBuf, trial: usize) -> PyResult<Option<(Self, Self)>> {
        let both = predict::Predictor::open_complex(path, trial).map_err(raised)?;
        Ok(both.map(|[real, imaginary]| (Self(real), Self(imaginary))))
    }

    /// Takes factors from arrays; `right` is None for one factor, whose first `positive` columns have the sign 1.
    #[staticmethod]
    fn of(
        left: PyReadonlyArray2<'_, f64>,
        right: Option<PyReadonlyArray2<'_, f64>>,
        positive: usize,
        biases: Option<(f64, Vec<f64>, Vec<f64>)>,
        labels: Option<(Ids<'_>, Ids<'_>)>,
    ) -> PyResult<Self> {
        fn view<'a>(array: &'a PyReadonlyArray2<'_, f64>) -> PyResult<MatrixView<'a>> {
            MatrixView::new(array.shape()[0], array.shape()[1], array.as_slice()?).map_err(raised)
        }
        let product = match &right {
            Some(right) => Product::pair(view(&left)?, view(right)?).map_err(raised)?,
            None => Product::signed(view(&left)?, positive),
        };
        let mut of = predict::Predictor::of(&product).map_err(raised)?;
        if let Some((mean, rows, columns)) = biases {
            of = of.with_biases(mean, rows, columns).map_err(raised)?;
        }
        if let Some((rows, columns)) = labels {
            of = of.with_labels(rows.labels()?, columns.labels()?).map_err(raised)?;
        }
        Ok(Self(of))
    }

    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.0.shape()
    }

    #[getter]
    fn has_biases(&self) -> bool {
        self.0.has_biases()
    }

    /// Returns L (n1, k) and R (n2, k).
    fn factors<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let ((left, right), (n1, n2)) = (self.0.factors(), self.0.shape());
        let k = left.len() / n1.max(1);
        Ok((arrays::made(py, left.to_vec(), &[n1, k])?, arrays::made(py, right.to_vec(), &[n2, k])?))
    }

    /// Returns the mean, and the offsets of rows and columns.
    fn biases<'py>(&self, py: Python<'py>) -> Option<(f64, Floats<'py>, Floats<'py>)> {
        let of = self.0.biases()?;
        Some((of.mean, PyArray1::from_slice(py, &of.rows), PyArray1::from_slice(py, &of.columns)))
    }

    /// Returns the names of rows and columns.
    fn labels<'py>(&self, py: Python<'py>) -> (Names<'py>, Names<'py>) {
        let (rows, columns) = self.0.labels();
        (names(py, rows), names(py, columns))
    }

    /// Returns predictions (nan where nothing is known), and whether each row and each column is known.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        rows: Ids<'py>,
        columns: Ids<'py>,
        clip: Option<(f64, f64)>,
    ) -> PyResult<(Floats<'py>, Vec<bool>, Vec<bool>)> {
        same_length((&rows, &columns))?;
        let index = self.0.index();
        let (rows, columns) = (rows.rows(&index)?, columns.columns(&index)?);
        let value = |(row, column): (&Option<usize>, &Option<usize>)| {
            self.0.predict(*row, *column).value().map_or(f64::NAN, |value| cut(value, clip))
        };
        let values: Vec<f64> = py.detach(|| rows.iter().zip(&columns).map(value).collect());
        let known = |of: &[Option<usize>]| of.iter().map(Option::is_some).collect();
        Ok((PyArray1::from_vec(py, values), known(&rows), known(&columns)))
    }

    /// Returns the best columns of each row, without pairs that are left out, and whether each row is known.
    fn top<'py>(
        &self,
        py: Python<'py>,
        rows: Ids<'py>,
        count: usize,
        exclude: Option<(Ids<'py>, Ids<'py>)>,
        clip: Option<(f64, f64)>,
    ) -> PyResult<(Best<'py>, Vec<bool>)> {
        let index = self.0.index();
        let rows = rows.rows(&index)?;
        let mut left_out = vec![Vec::new(); self.0.shape().0];
        if let Some((of, columns)) = exclude {
            same_length((&of, &columns))?;
            for pair in of.rows(&index)?.into_iter().zip(columns.columns(&index)?) {
                if let (Some(row), Some(column)) = pair {
                    left_out[row].push(column as u32);
                }
            }
            left_out.iter_mut().for_each(|of| of.sort_unstable());
        }
        let (mut at, mut ranks, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        py.detach(|| {
            for (position, row) in rows.iter().enumerate() {
                let known = row.map_or(&[][..], |row| &left_out[row]);
                for (rank, (column, value)) in self.0.top(*row, count, known).into_iter().enumerate() {
                    at.push(position as i64);
                    ranks.push(rank as i64 + 1);
                    columns.push(column as i64);
                    values.push(cut(value, clip));
                }
            }
        });
        let whole = |of| PyArray1::from_vec(py, of);
        let best = (whole(at), whole(ranks), whole(columns), PyArray1::from_vec(py, values));
        Ok((best, rows.iter().map(Option::is_some).collect()))
    }

    /// Returns factors with new rows or columns, and what was done: added, ridge, left-out rmse, known, unknown.
    #[allow(clippy::too_many_arguments)]
    fn fold_in(
        &self,
        py: Python<'_>,
        rows: PyReadonlyArray1<'_, u32>,
        columns: PyReadonlyArray1<'_, u32>,
        values: PyReadonlyArray1<'_, f64>,
        labels: (Ids<'_>, Ids<'_>),
        axis: &str,
        ridge: Option<f64>,
    ) -> PyResult<(Self, usize, f64, Option<f64>, usize, usize)> {
        let axis = axis.parse().map_err(raised)?;
        let (rows, columns, values) = (rows.as_slice()?.to_vec(), columns.as_slice()?.to_vec(), values.as_slice()?);
        let entries = Triplets::new(rows, columns, values.to_vec());
        let names = (labels.0.labels()?, labels.1.labels()?);
        let mut of = self.0.clone();
        let done = py.detach(|| of.fold_in(&entries, (&names.0, &names.1), axis, ridge)).map_err(raised)?;
        Ok((Self(of), done.added, done.ridge, done.left_out_rmse, done.known, done.unknown))
    }

    /// Writes the factors as `open` reads them.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        let mut file = OutputFile::create(&path).map_err(raised)?;
        let written = self.0.write(&mut file);
        file.check(written).map_err(raised)?;
        file.finish().map_err(raised)
    }
}

/// Ridge least squares of lines: coefficients (lines, p), and for every entry its residual in the fit of the others.
#[pyfunction]
pub fn fit_lines<'py>(
    py: Python<'py>,
    features: PyReadonlyArray2<'py, f64>,
    penalties: PyReadonlyArray1<'py, f64>,
    nonnegative: bool,
    starts: Vec<usize>,
    places: PyReadonlyArray1<'py, u32>,
    values: PyReadonlyArray1<'py, f64>,
) -> PyResult<(Bound<'py, PyAny>, Floats<'py>)> {
    let width = features.shape()[1];
    let (features, penalties) = (features.as_slice()?, penalties.as_slice()?);
    let (places, values) = (places.as_slice()?, values.as_slice()?);
    let lines = FittedLines { features, width, starts: &starts, places, values };
    let fits = py.detach(|| lines.fit(penalties, nonnegative)).map_err(raised)?;
    let count = starts.len().saturating_sub(1);
    Ok((arrays::made(py, fits.coefficients, &[count, width])?, PyArray1::from_vec(py, fits.left_out)))
}
