//! Solves for Python.

use std::ops::ControlFlow;

use lowrank::confidence::StandardErrors;
use lowrank::internals::io::{factor_of, observations_of, pair_of};
use lowrank::internals::options::Request;
use lowrank::operators::entries::Implicit;
use lowrank::problem::{Domain, Factors, MatrixView};
use lowrank::selection::Selection;
use lowrank::{Init, Problem, Progress, Settings, Solution, Solver, TrialSolution};
use lowrank_studies::report::{ConfidenceReport, RunReport, write_trace, write_trials};
use numpy::PyUntypedArray;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use serde_json::{Map, Value};

use crate::arrays;
use crate::errors::{invalid, keywords, raised};
use crate::operator::Operator;
use crate::options::{checked, in_python, request};
use crate::truth::{Given, attached};

/// Observer that checks at every observation for signals and asks the user's function whether to continue. An
/// exception in either ends the run and is raised afterwards.
pub struct Observer {
    pub function: Option<Py<PyAny>>,
    pub factors: bool,
    pub error: Option<PyErr>,
}

impl Observer {
    pub fn new(function: Option<Bound<'_, PyAny>>, factors: bool) -> Self {
        Self { function: function.map(Bound::unbind), factors, error: None }
    }

    /// Calls the user's function; `said` fills in its argument.
    pub fn ask(&mut self, said: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<()>) -> ControlFlow<()> {
        let answer = Python::attach(|py| -> PyResult<bool> {
            py.check_signals()?;
            let Some(function) = &self.function else { return Ok(false) };
            let what = PyDict::new(py);
            said(&what)?;
            function.bind(py).call1((what,))?.is_truthy()
        });
        match answer {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    pub fn observe(&mut self, progress: &Progress<'_>, name: Option<&str>) -> ControlFlow<()> {
        let factors = self.factors;
        self.ask(|what| {
            let py = what.py();
            what.set_item("label", name)?;
            what.set_item("iteration", progress.iteration)?;
            what.set_item("max_iterations", progress.max_iterations)?;
            what.set_item("seconds", progress.seconds)?;
            what.set_item("active", progress.active)?;
            what.set_item("trial", PyList::new(py, progress.rows.iter().map(|r| r.trial))?)?;
            what.set_item("train_loss", PyList::new(py, progress.rows.iter().map(|r| r.train_loss))?)?;
            what.set_item("relative_residual", PyList::new(py, progress.rows.iter().map(|r| r.relative_residual))?)?;
            what.set_item("relative_error", PyList::new(py, progress.rows.iter().map(|r| r.relative_error))?)?;
            what.set_item("holdout_loss", PyList::new(py, progress.rows.iter().map(|r| r.holdout_loss))?)?;
            if factors {
                let (f, k) = (progress.factors, progress.factors.search_rank());
                let left = f.left_data().to_vec();
                what.set_item("left", arrays::made(py, left, &[f.batch(), f.rows(), k])?)?;
                if !f.is_single() {
                    let right = f.right_data().to_vec();
                    what.set_item("right", arrays::made(py, right, &[f.batch(), f.columns(), k])?)?;
                }
            }
            Ok(())
        })
    }

    /// Raises the exception of the function, if any.
    pub fn finish(self) -> PyResult<()> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Creates the problem of observations and an optional truth.
pub fn problem(
    operator: &Operator,
    observations: Option<Bound<'_, PyUntypedArray>>,
    truth: Option<Given<'_>>,
    truth_matrix: Option<Bound<'_, PyUntypedArray>>,
    implicit: Option<Implicit>,
) -> PyResult<Problem> {
    let m = operator.inner.measurements();
    let y = match (observations, operator.observations.as_deref()) {
        (Some(_), Some(_)) => {
            let fix = "leave it out: Entries hold their values";
            return Err(invalid("observations", "an array together with Entries", "none", fix));
        }
        (None, Some(own)) => vec![own.to_vec()],
        (Some(array), None) => {
            observations_of(arrays::lent("observations", &array)?, m, &operator.text).map_err(raised)?
        }
        (None, None) => {
            let allowed = "an array of y, one number per measurement";
            return Err(invalid("observations", "nothing", allowed, "give y"));
        }
    };
    let problem = Problem::batch(operator.inner.clone(), y).map_err(raised)?;
    let problem = match implicit {
        None => operator.weights.clone().into_iter().try_fold(problem, Problem::with_weights),
        Some(_) if operator.weights.is_some() => {
            let fix = "Leave the weights out, or solve without implicit";
            return Err(invalid("implicit", "entries with weights", "counts, which give the weights", fix));
        }
        Some(implicit) => implicit.confidences(problem.observations(0).unwrap_or_default()).and_then(|of| {
            Problem::new(operator.inner.clone(), of.targets).and_then(|problem| problem.with_weights(of.weights))
        }),
    };
    let problem = problem.map_err(raised)?;
    attached((problem, operator), truth, truth_matrix)
}

/// Start as given in Python.
#[derive(FromPyObject)]
pub enum Start<'py> {
    Word(String),
    Pair(Bound<'py, PyUntypedArray>, Bound<'py, PyUntypedArray>),
    #[pyo3(transparent)]
    Factor(Bound<'py, PyUntypedArray>),
}

/// Settings of a request for an operator, without start, trials and method.
pub fn settings(request: &Request, operator: &Operator) -> PyResult<Settings> {
    let settings = request.settings().map_err(raised)?;
    let settings = request.with_implicit(settings, operator.observations.is_some()).map_err(raised)?;
    Ok(settings.model(request.model(&operator.model).map_err(raised)?))
}

/// Adds the start; scales and seeds are on the trials. A start by a word is part of the request.
pub fn started(request: &Request, settings: Settings, init: Option<Start<'_>>, domain: Domain) -> PyResult<Settings> {
    let given = match init {
        None | Some(Start::Word(_)) => match request.start().map_err(raised)? {
            Some((word, preprocess)) => return Ok(settings.init_word(word, preprocess)),
            None => {
                let found = request.written("init").unwrap_or_default();
                let allowed = "small-random, imbalanced, spectral, spectral:J, or factors";
                return Err(invalid("init", format!("'{found}'"), allowed, "Give one of these words or the arrays"));
            }
        },
        Some(Start::Factor(u)) if settings.model_of(&domain).factors() == 1 => {
            let u = factor_of(arrays::lent("init", &u)?, domain.rows(), "init").map_err(raised)?;
            Factors::single(u.batch, domain.rows(), u.columns, u.values).map_err(raised)?
        }
        Some(Start::Pair(l, r)) if settings.model_of(&domain).factors() == 2 => {
            let (l, r) = (arrays::lent("init", &l)?, arrays::lent("init", &r)?);
            let (l, r) = pair_of("init", l, r, (domain.rows(), domain.columns()), "init").map_err(raised)?;
            Factors::pair(l.batch, domain, l.columns, l.values, r.values).map_err(raised)?
        }
        Some(_) => {
            let allowed = "U for a symmetric model, (L, R) for the model asymmetric";
            return Err(invalid("init", "factors of another model", allowed, "Pass the factors of the model"));
        }
    };
    for name in ["init_scale", "seed"] {
        if request.has(name) {
            let allowed = "nothing beside a start that is not random";
            return Err(invalid(name, "a value beside init", allowed, "leave one of the two out"));
        }
    }
    Ok(settings.init(Init::Given(given)))
}

/// The request of keywords, with the start where it is a word.
pub fn asked(keywords: &Bound<'_, PyDict>, init: Option<&Start<'_>>) -> PyResult<Request> {
    let request = request(keywords)?;
    checked(match init {
        Some(Start::Word(word)) => request.with("init", word),
        _ => request,
    })
}

/// Factors of all trials, (n, k) each.
fn factors<'py>(
    py: Python<'py>,
    solution: &Solution,
    of: fn(&TrialSolution) -> MatrixView<'_>,
) -> PyResult<Bound<'py, PyList>> {
    let views = solution.trials.iter().map(of);
    let arrays = views.map(|v| arrays::made(py, v.as_slice().to_vec(), &[v.rows(), v.columns()]));
    PyList::new(py, arrays.collect::<PyResult<Vec<_>>>()?)
}

/// Mean, and offsets of rows and columns.
type Offsets<'py> = (f64, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Biases that were chosen for a trial.
fn biases<'py>(py: Python<'py>, trial: &TrialSolution) -> PyResult<Option<Offsets<'py>>> {
    let Some(biases) = trial.biases() else { return Ok(None) };
    let array = |values: &[f64]| arrays::made(py, values.to_vec(), &[values.len()]);
    Ok(Some((biases.mean, array(&biases.rows)?, array(&biases.columns)?)))
}

fn unwritten(error: serde_json::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// What Python says of the measurements, for the settings of the report.
fn measurements(settings_json: &str) -> PyResult<Map<String, Value>> {
    serde_json::from_str(settings_json).map_err(unwritten)
}

/// The report of a run as JSON; `said` are its settings, defaults included.
fn report(
    solution: &Solution,
    said: Map<String, Value>,
    notices: Vec<String>,
    selection: Option<Selection>,
    errors: Option<&StandardErrors>,
) -> PyResult<String> {
    let seeds = serde_json::json!({
        "init": solution.trials.iter().map(|t| t.parameters.seed).collect::<Vec<_>>(),
        "holdout": said.get("holdout").filter(|share| !share.is_null()).and(said.get("holdout_seed")),
    });
    let mut report = RunReport::new(solution, said.into(), Vec::new(), seeds, Vec::new(), notices);
    (report.selection, report.confidence) = (selection, errors.map(ConfidenceReport::from));
    serde_json::to_string(&report).map_err(unwritten)
}

/// Report (JSON), trace and trials (CSV), the factors of each trial (left, right or None), its chosen biases, the standard
/// errors of the best trial, and doubts about the input.
type Solved<'py> = (
    String,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyList>,
    Option<Bound<'py, PyList>>,
    Vec<Option<Offsets<'py>>>,
    Option<Bound<'py, PyAny>>,
    Vec<String>,
);

#[pyfunction]
#[pyo3(signature = (operator, observations, truth, truth_matrix, init, options, observer, observe_factors, settings_json))]
#[expect(clippy::too_many_arguments, reason = "all arguments but the first are optional")]
pub fn solve<'py>(
    py: Python<'py>,
    operator: &Operator,
    observations: Option<Bound<'py, PyUntypedArray>>,
    truth: Option<Given<'py>>,
    truth_matrix: Option<Bound<'py, PyUntypedArray>>,
    init: Option<Start<'py>>,
    options: Bound<'py, PyDict>,
    observer: Option<Bound<'py, PyAny>>,
    observe_factors: bool,
    settings_json: &str,
) -> PyResult<Solved<'py>> {
    let whole = asked(&options, init.as_ref())?;
    let (choice, request) = whole.cross_validation().map_err(raised)?;
    let settings = self::settings(&request, operator)?;
    let settings = match request.method().map_err(raised)? {
        Some(method) => settings.method(method),
        None => settings,
    };
    let axes = request.axes_with_method().map_err(raised)?;
    settings.clone().trials(axes.trials(1)).check().map_err(raised)?;
    let implicit = request.implicit().map_err(raised)?;
    let problem = problem(operator, observations, truth, truth_matrix, implicit)?;
    let (problem, unseen) = request.with_unseen(problem).map_err(raised)?;
    let (settings, ridge) = request.with_usual_ridge(settings, &problem).map_err(raised)?;
    let backend = request.backend().map_err(raised)?;
    let (backend, moved) = request.settled(backend, &**problem.operator()).map_err(raised)?;
    let settings = started(&request, settings, init, operator.inner.domain())?;
    axes.check(problem.instances()).map_err(raised)?;
    let trials = axes.trials_from(&settings, problem.instances());
    let settings = settings.trials(trials);
    let mut observer = Observer::new(observer, observe_factors);
    let found = py.detach(|| {
        let mut watch = |progress: &Progress<'_>| observer.observe(progress, None);
        let selection = match &choice {
            Some(choice) => choice.choose(&problem, &settings, &backend, &mut watch)?,
            None => None,
        };
        // The end of the search is the end of the run.
        let ended = choice.is_some() && selection.is_none();
        let settings = selection.iter().fold(settings, |settings, found| found.settings(settings));
        let mut solver = Solver::new(problem, settings, backend)?;
        let solution = solver.solve_with(|progress| if ended { ControlFlow::Break(()) } else { watch(progress) })?;
        let errors = request.is_on("confidence").then(|| StandardErrors::of(&solver, solution.best()));
        let doubts: Vec<String> = solver.doubts().iter().map(|doubt| keywords(doubt)).collect();
        lowrank::Result::Ok((solution, selection, errors, doubts))
    });
    observer.finish()?;
    let (solution, selection, errors, doubts) = found.map_err(raised)?;
    let (mut trace, mut table) = (Vec::new(), Vec::new());
    write_trace(&mut trace, &solution.trace)?;
    write_trials(&mut table, &solution)?;
    let mut said = whole.described("solve", &in_python());
    said.extend(measurements(settings_json)?);
    let chosen = selection.iter().flat_map(|found| found.notices());
    let about = errors.iter().flat_map(|errors| match errors {
        Ok(errors) => errors.notices.clone(),
        Err(error) => vec![format!("no standard errors: {error}")],
    });
    let more: Vec<String> = ridge.into_iter().chain(unseen).chain(moved).chain(chosen).chain(about).collect();
    let notices =
        operator.notices.iter().chain(&more).chain(&solution.notices).map(|notice| keywords(notice)).collect();
    let errors = errors.and_then(lowrank::Result::ok);
    let report = report(&solution, said, notices, selection, errors.as_ref())?;
    let single = solution.best().product().is_single();
    let right = if single { None } else { Some(factors(py, &solution, TrialSolution::right)?) };
    let left = factors(py, &solution, TrialSolution::left)?;
    let biases = solution.trials.iter().map(|trial| biases(py, trial)).collect::<PyResult<Vec<_>>>()?;
    let product = solution.best().product();
    let errors =
        errors.map(|errors| arrays::made(py, errors.values, &[product.rows(), product.columns()])).transpose()?;
    Ok((report, PyBytes::new(py, &trace), PyBytes::new(py, &table), left, right, biases, errors, doubts))
}
