//! Comparisons, sweeps and reproduced experiments, as tables.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lowrank::methods::METHODS;
use lowrank::operators::Loss;
use lowrank::{Backend, Error, Method};
use lowrank_studies::compare::{self as contest, Contender, LEVELS, usual_schedule};
use lowrank_studies::report::{comparison_rows, write_cells, write_comparison, write_curves, write_solves};
use lowrank_studies::reproduce::{self as study, Experiment, Relative, Rerun, Ss21};
use lowrank_studies::sweep::{Grid, Sweep, summarise};
use numpy::PyUntypedArray;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::{invalid, keywords, raised};
use crate::operator::Operator;
use crate::options::Options;
use crate::solve::{Observer, Start, problem, started};
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
    let options = Options(options);
    let settings = options.settings(operator)?;
    let domain = operator.inner.domain();
    let model = settings.model_of(&domain);
    let problem = problem(operator, observations, truth, truth_matrix)?;
    let backend = options.backend()?;
    let settings = started(&options, settings, init, domain)?;
    let axes = options.axes()?;
    axes.check(problem.instances()).map_err(raised)?;
    let trials = axes.trials_from(&settings, problem.instances());
    let settings = settings.trials(trials);
    let contender = |label: String, method: Method, loss: Loss, step_size: Option<f64>| {
        let schedule = match options.observe()? {
            Some(asked) => asked,
            None => usual_schedule(&method, &backend),
        };
        let mut settings = settings.clone().method(method).loss(loss).observe(schedule);
        if let Some(step) = step_size {
            settings = settings.step_size(step);
        }
        Ok::<_, PyErr>(Contender::new(label, settings))
    };
    let contenders = match methods {
        Some(methods) => {
            let of = |(label, own): (String, Bound<'py, PyDict>)| {
                let own = Options(own);
                let parameters = own.parameters()?.with("damping", own.one::<f64>("damping")?);
                contender(label, own.method_with(parameters)?, own.loss()?, own.one("step_size")?)
            };
            methods.into_iter().map(of).collect::<PyResult<Vec<_>>>()?
        }
        None => {
            let plain = Loss::default();
            let methods = METHODS.iter().map(|card| card.method()).filter(|method| method.suits(plain, &model).is_ok());
            methods.map(|m| contender(m.word().to_owned(), m, plain, None)).collect::<PyResult<Vec<_>>>()?
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
    let notices = operator.notices.iter().chain(&comparison.notices()).map(|notice| keywords(notice)).collect();
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
    let options = Options(options);
    let usual = Grid::default();
    let grid = Grid {
        n: options.several("n")?.unwrap_or(usual.n),
        rank: options.several("rank")?.unwrap_or(usual.rank),
        condition_number: options.several("condition_number")?.unwrap_or(usual.condition_number),
        measurements: options.several("measurements")?.unwrap_or(usual.measurements),
        noise_std: options.several("noise_std")?.unwrap_or(usual.noise_std),
        search_rank: options.several("search_rank")?.unwrap_or(usual.search_rank),
        init_scale: options.several("init_scale")?.unwrap_or(usual.init_scale),
        step_size: options.several("step_size")?.unwrap_or(usual.step_size),
        repetitions: options.one("repetitions")?.unwrap_or(usual.repetitions),
        success: options.one("success")?.unwrap_or(usual.success),
        max_iterations: options.one("max_iterations")?.unwrap_or(usual.max_iterations),
        stall_window: options.one("stall_window")?.map_or(usual.stall_window, |window| Some(window).filter(|w| *w > 0)),
        vary_operator: options.one("vary_operator")?.unwrap_or(usual.vary_operator),
        precision: options.precision()?,
        seed: options.one("seed")?.unwrap_or(usual.seed),
    };
    let (backend, batch) = (options.backend()?, options.one("batch")?.unwrap_or(64));
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
    write_cells(&mut table, &cells)?;
    write_solves(&mut solves, &sweep, &outcomes)?;
    let notices = grid.notices().iter().map(|notice| keywords(notice)).collect();
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
    let options = Options(options);
    let (n, rank) = (options.one::<usize>("n")?, options.one::<usize>("rank")?);
    let (m, k) = (options.one::<usize>("measurements")?, options.one::<usize>("search_rank")?);
    let (seed, precision) = (options.one::<u64>("seed")?, options.word("precision")?);
    let word = options.one::<String>("backend")?.unwrap_or_else(|| "auto".into());
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
