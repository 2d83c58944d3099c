//! Module `lowrank._lowrank`: the library's functions for Python. It converts arrays and keywords into the library's
//! types, and results into arrays, JSON and CSV; the package `lowrank` builds objects from them.

mod arrays;
mod complex;
mod errors;
mod operator;
mod options;
mod predict;
mod session;
mod solve;
mod studies;
mod truth;

use pyo3::prelude::*;

/// Returns the library's defaults as JSON, to test signatures in Python against them.
#[pyfunction]
fn defaults() -> String {
    let (stop, grid) = (lowrank::Stop::default(), lowrank_studies::sweep::Grid::default());
    serde_json::json!({
        "method": lowrank::internals::methods::AUTOMATIC,
        "precision": lowrank::Precision::default(),
        "max_iterations": stop.max_iterations,
        "stall_window": stop.stall_window,
        "normalization": lowrank::operators::dense::Normalization::default(),
        "observe": lowrank::Schedule::default(),
        "loss": format!("{:?}", lowrank::operators::Loss::default()).to_lowercase(),
        "levels": lowrank_studies::compare::LEVELS,
        "sweep": grid,
    })
    .to_string()
}

/// Returns the default storage of matrices; `None` for the array's own type.
#[pyfunction]
fn usual_storage(precision: &str, backend: &str) -> PyResult<Option<&'static str>> {
    let precision = options::parsed::<lowrank::Precision>(precision)?;
    Ok(precision.usual_storage(backend).map(lowrank::operators::Storage::word))
}

/// Returns (name, kind, driver, whether it has f64) of each graphics adapter.
#[pyfunction]
fn devices(py: Python<'_>) -> Vec<(String, String, String, bool)> {
    let adapters = py.detach(lowrank::gpu::list_adapters);
    adapters.into_iter().map(|a| (a.name, a.kind.to_string(), a.driver, a.double_precision)).collect()
}

#[pymodule]
fn _lowrank(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("InvalidInput", m.py().get_type::<errors::InvalidInput>())?;
    m.add("LowrankError", m.py().get_type::<errors::LowrankError>())?;
    m.add_class::<operator::Operator>()?;
    m.add_class::<predict::Predictor>()?;
    m.add_class::<session::Session>()?;
    m.add_class::<truth::Truth>()?;
    m.add_function(wrap_pyfunction!(defaults, m)?)?;
    m.add_function(wrap_pyfunction!(devices, m)?)?;
    m.add_function(wrap_pyfunction!(options::options_of, m)?)?;
    m.add_function(wrap_pyfunction!(options::method_parameters, m)?)?;
    m.add_function(wrap_pyfunction!(usual_storage, m)?)?;
    m.add_function(wrap_pyfunction!(operator::dense, m)?)?;
    m.add_function(wrap_pyfunction!(operator::dense_gaussian, m)?)?;
    m.add_function(wrap_pyfunction!(operator::made, m)?)?;
    m.add_function(wrap_pyfunction!(operator::rank_one, m)?)?;
    m.add_function(wrap_pyfunction!(operator::rank_one_gaussian, m)?)?;
    m.add_function(wrap_pyfunction!(complex::pauli, m)?)?;
    m.add_function(wrap_pyfunction!(complex::pauli_drawn, m)?)?;
    m.add_function(wrap_pyfunction!(complex::pauli_counts, m)?)?;
    m.add_function(wrap_pyfunction!(complex::pauli_settings, m)?)?;
    m.add_function(wrap_pyfunction!(complex::coded_diffraction, m)?)?;
    m.add_function(wrap_pyfunction!(complex::complex_entries, m)?)?;
    m.add_function(wrap_pyfunction!(operator::sparse, m)?)?;
    m.add_function(wrap_pyfunction!(operator::entries, m)?)?;
    m.add_function(wrap_pyfunction!(predict::fit_lines, m)?)?;
    m.add_function(wrap_pyfunction!(truth::synthetic, m)?)?;
    m.add_function(wrap_pyfunction!(solve::solve, m)?)?;
    m.add_function(wrap_pyfunction!(studies::compare, m)?)?;
    m.add_function(wrap_pyfunction!(studies::sweep, m)?)?;
    m.add_function(wrap_pyfunction!(studies::reproduce, m)?)?;
    Ok(())
}
