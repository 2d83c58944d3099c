//! Comparisons, sweeps and reproduced experiments, as tables.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lowrank::operators::Loss;
use lowrank::{Backend, Error, Method, Schedule};
use lowrank_studies::compare::{self as contest, Contender, LEVELS, usual_schedule};
use lowrank_studies::report::{comparison_rows, write_cells, write_comparison, write_curves, write_solves};
use lowrank_studies::reproduce::{self as study, Experiment, Relative, Rerun, Ss21};
use lowrank_studies::sweep::{BATCH, Grid, Sweep, summarise};
use numpy::PyUntypedArray;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::{invalid, keywords, raised};
use crate::operator::Operator;
use crate::options;
use crate::solve::{Observer, Start, asked, problem, settings, started};
use crate::truth::Given;

/// Table and curves (CSV), the word of their error, whether the comparison was interrupted, notices.
type Compared<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, String, bool, Vec<String>);

/// Compares methods; `methods` are (label, keywords) with a `method` and its own parameters.
#[pyfunction]
#[pyo3(signature = (operator, observations, truth, truth_matrix, init, methods, options, levels, observer))]
#[expect(clippy::too_many_arguments, reason = "the settings of a solve, and the methods")]
pub fn compare<'py>(
    py: Python<'py>,
    operator: &Operator,
    observations: Option<Bound<'py, PyUntypedArray>>,
    truth: Option<Given<'py>>,
    truth_matrix: Option<Bound<'py, PyUntypedArray>>,
    init: Option<Start<'py>>,
    methods: Option<Vec<(String, Bound<'py, PyDict>)>>,
    options: Bound<'py, PyDict>,
    levels: Option<Vec<f64>>,
    observer: Option<Bound<'py, PyAny>>,
) -> PyResult<Compared<'py>> {
    let request = asked(&options, init.as_ref())?;
    let settings = settings(&request, operator)?;
    let domain = operator.inner.domain();
    let model = settings.model_of(&domain);
    let problem = problem(operator, observations, truth, truth_matrix, None)?;
    let backend = request.backend().map_err(raised)?;
    let (backend, moved) = request.settled(backend, &**problem.operator()).map_err(raised)?;
    let settings = started(&request, settings, init, domain)?;
    let axes = request.axes().map_err(raised)?;
    axes.check(problem.instances()).map_err(raised)?;
    let trials = axes.trials_from(&settings, problem.instances());
    let settings = settings.trials(trials);
    let schedule = request.word::<Schedule>("observe").map_err(raised)?;
    let contender = |label: String, method: Method, loss: Loss, step_size: Option<f64>| {
        let schedule = schedule.unwrap_or_else(|| usual_schedule(&method, &backend));
        let settings = settings.clone().method(method).loss(loss).observe(schedule);
        Contender::new(label, step_size.map_or(settings.clone(), |step| settings.step_size(step)))
    };
    let contenders = match methods {
        Some(methods) => {
            let of = |(label, own): (String, Bound<'py, PyDict>)| {
                let own = options::request(&own)?;
                let found = || {
                    let parameters = own.parameters().with("damping", own.one::<f64>("damping")?);
                    let method = Method::named(own.text("method").unwrap_or_default(), &parameters)?;
                    Ok(contender(label, method, own.word("loss")?.unwrap_or_default(), own.one("step_size")?))
                };
                found().map_err(raised)
            };
            methods.into_iter().map(of).collect::<PyResult<Vec<_>>>()?
        }
        None => {
            let plain = request.word("loss").map_err(raised)?.unwrap_or_default();
            let methods = Method::fitting(plain, &model).into_iter();
            methods.map(|method| contender(method.word().to_owned(), method, plain, None)).collect()
        }
    };
    let levels = levels.unwrap_or_else(|| LEVELS.to_vec());
    let mut observer = Observer::new(observer, false);
    let found = py.detach(|| {
        contest::compare(&problem, contenders, &backend, |running| {
            observer.observe(running.progress, Some(running.label))
        })
    });
    observer.finish()?;
    let comparison = found.map_err(raised)?;
    let (mut table, mut curves) = (Vec::new(), Vec::new());
    write_comparison(&mut table, &comparison_rows(&comparison, &levels), &levels)?;
    write_curves(&mut curves, &comparison)?;
    let notices =
        operator.notices.iter().chain(&moved).chain(&comparison.notices()).map(|notice| keywords(notice)).collect();
    let (table, curves) = (PyBytes::new(py, &table), PyBytes::new(py, &curves));
    Ok((table, curves, comparison.metric.word().to_owned(), comparison.interrupted, notices))
}

/// Cells and solves (CSV), whether every solve finished, notices.
type Swept<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, bool, Vec<String>);

#[pyfunction]
#[pyo3(signature = (options, observer))]
pub fn sweep<'py>(
    py: Python<'py>,
    options: Bound<'py, PyDict>,
    observer: Option<Bound<'py, PyAny>>,
) -> PyResult<Swept<'py>> {
    let of = options::request(&options)?;
    let grid = Grid::asked(&of).map_err(raised)?;
    let backend = of.backend().map_err(raised)?;
    let batch = of.one("batch").map_err(raised)?.unwrap_or(BATCH);
    let mut observer = Observer::new(observer, false);
    let found = py.detach(|| {
        let sweep = Sweep::new(grid, backend, batch)?;
        let mut outcomes = vec![None; sweep.solves()];
        let complete = sweep.run(
            &mut outcomes,
            |_, _| Ok(()),
            |progress| {
                observer.ask(|what| {
                    what.set_item("finished", progress.finished)?;
                    what.set_item("solves", progress.solves)?;
                    what.set_item("iteration", progress.iteration)
                })
            },
        )?;
        Ok((sweep, outcomes, complete))
    });
    observer.finish()?;
    let (sweep, outcomes, complete) = found.map_err(raised)?;
    let grid = sweep.grid();
    let cells = summarise(sweep.cells(), grid.repetitions, grid.success, &outcomes);
    let (mut table, mut solves) = (Vec::new(), Vec::new());
    write_cells(&mut table, grid, &cells)?;
    write_solves(&mut solves, &sweep, &outcomes)?;
    let notices = sweep.notices().iter().map(|notice| keywords(notice)).collect();
    Ok((PyBytes::new(py, &table), PyBytes::new(py, &solves), complete, notices))
}

/// Claims (JSON), (name, SVG, CSV) of each figure, whether the study was interrupted.
type Reproduced = (String, Vec<(String, String, String)>, bool);

#[pyfunction]
#[pyo3(signature = (name, experiment, quick, options, out, observer))]
pub fn reproduce<'py>(
    py: Python<'py>,
    name: &str,
    experiment: &str,
    quick: bool,
    options: Bound<'py, PyDict>,
    out: Option<PathBuf>,
    observer: Option<Bound<'py, PyAny>>,
) -> PyResult<Reproduced> {
    let of = options::request(&options)?;
    let whole = |name: &str| of.one::<usize>(name).map_err(raised);
    let (n, rank, m, k) = (whole("n")?, whole("rank")?, whole("measurements")?, whole("search_rank")?);
    let (seed, precision) = (of.one::<u64>("seed").map_err(raised)?, of.word("precision").map_err(raised)?);
    let word = of.text("backend").unwrap_or("auto").to_owned();
    let mut observer = Observer::new(observer, false);
    let mut observe =
        |moment: &study::Moment<'_>| -> ControlFlow<()> { observer.observe(moment.progress, Some(&moment.stage.name)) };
    let found = if name == "ss21" {
        let experiments = Experiment::from_word(experiment).map_err(raised)?;
        let mut settings = match quick {
            true => Ss21::quick(n.unwrap_or(100), rank.unwrap_or(3)),
            false => Ss21::new(n.unwrap_or(200), rank.unwrap_or(5)),
        };
        settings.measurements = m.unwrap_or(settings.measurements);
        settings.search_rank = k.unwrap_or(settings.search_rank);
        settings.seed = seed.unwrap_or(1);
        settings.precision = precision;
        py.detach(|| {
            settings.check()?;
            let backend = Backend::from_word(&word)?;
            study::reproduce(&settings, &experiments, &backend, &mut observe)
        })
    } else {
        let Some(relative) = Relative::from_word(name) else {
            let words: Vec<&str> = std::iter::once("ss21").chain(Relative::ALL.map(Relative::word)).collect();
            return Err(invalid("study", format!("'{name}'"), &words.join(", "), "pick one of them"));
        };
        if experiment != "all" {
            let fix = "leave it out: only ss21 has experiments";
            return Err(invalid("experiment", format!("'{experiment}'"), "all", fix));
        }
        let mut settings = if quick { Rerun::quick(relative) } else { Rerun::new(relative) };
        (settings.n, settings.rank) = (n.unwrap_or(settings.n), rank.unwrap_or(settings.rank));
        settings.measurements = m.unwrap_or(settings.measurements);
        settings.search_rank = k.unwrap_or(settings.search_rank);
        settings.seed = seed.unwrap_or(1);
        settings.precision = precision.unwrap_or(settings.precision);
        py.detach(|| {
            settings.check()?;
            let backend = match word.as_str() {
                "auto" => Backend::auto_for(settings.precision)?,
                word => Backend::from_word(word)?,
            };
            study::rerun(&settings, &backend, &mut observe)
        })
    };
    observer.finish()?;
    let study = found.map_err(raised)?;
    if let Some(folder) = out {
        let command = format!("lowrank.reproduce('{name}')");
        py.detach(|| -> Result<(), Error> { study::write(&study, &folder, &command) }).map_err(raised)?;
    }
    let claims = serde_json::to_string(&study.claims).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let interrupted = study.interrupted;
    Ok((claims, study.figures.into_iter().map(|f| (f.name.to_string(), f.svg, f.csv)).collect(), interrupted))
}
