//! A problem made by NumPy, through the files it wrote (tests/golden/sensing/make.py), on every backend.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial as Test};
use lowrank::io::{read_factor, read_observations};
use lowrank::operators::Storage;
use lowrank::operators::dense::{Normalization, OpenOptions};
use lowrank::problem::{Factors, Truth};
use lowrank::{Backend, Init, Method, Problem, Schedule, Settings, Solution, Solver, Status, Stop};

const N: usize = 60;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sensing").join(name)
}

fn normalization() -> f64 {
    let text = std::fs::read_to_string(file("problem.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["normalization"].as_f64().unwrap()
}

fn problem(storage: Option<Storage>) -> Problem {
    let options = OpenOptions::default().storage(storage).normalization(Normalization::Value(normalization()));
    let opened = options.open(file("A.npy")).unwrap();
    assert!((opened.implied_normalization / normalization() - 1.0).abs() < 0.01);
    let m = 10 * N * 3;
    let y = read_observations(file("y.npy"), m, &opened.describe()).unwrap();
    let x = read_factor(file("X.npy"), N, "truth").unwrap();
    let truth = Truth::from_factor(N, 3, x.values).unwrap();
    Problem::batch(opened.operator, y).unwrap().with_truth(truth).unwrap()
}

fn solve(backend: &Backend, storage: Option<Storage>, settings: Settings) -> Solution {
    Solver::new(problem(storage), settings, backend.clone()).unwrap().solve().unwrap()
}

/// Five steps from NumPy's U0 end at NumPy's U5, relative to its largest entry; the losses on the way agree too.
fn five_steps(backend: &Backend, storage: Option<Storage>, tolerance: f64) -> Result<(), Failed> {
    let start = read_factor(file("U0.npy"), N, "init").unwrap();
    let wanted = read_factor(file("U5.npy"), N, "init").unwrap();
    let settings = Settings::new(Method::gd())
        .step_size(0.25)
        .init(Init::Given(Factors::single(1, N, 12, start.values).unwrap()))
        .observe(Schedule::Every(1))
        .stop(Stop::default().max_iterations(5));
    let solution = solve(backend, storage, settings);
    let scale = wanted.values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    let found = solution.best().left();
    for (at, (f, w)) in found.as_slice().iter().zip(&wanted.values).enumerate() {
        if (f - w).is_nan() || (f - w).abs() > tolerance * scale {
            return Err(format!("U5[{at}] = {f:e}, NumPy has {w:e}").into());
        }
    }
    let text = std::fs::read_to_string(file("problem.json")).unwrap();
    let losses = serde_json::from_str::<serde_json::Value>(&text).unwrap()["train_losses"].clone();
    for (row, loss) in solution.trace.iter().zip(losses.as_array().unwrap()) {
        let loss = loss.as_f64().unwrap();
        if row.train_loss.is_nan() || (row.train_loss - loss).abs() > 10.0 * tolerance * loss {
            return Err(format!("loss {} at {}, NumPy has {loss}", row.train_loss, row.iteration).into());
        }
    }
    Ok(())
}

/// From a small random start the truth is found to 1e-3.
fn recovers(backend: &Backend, storage: Option<Storage>) -> Result<(), Failed> {
    let settings = Settings::new(Method::gd())
        .search_rank(12)
        .init(Init::SmallRandom { scale: 1e-4, seed: 1 })
        .stop(Stop::default().relative_error(1e-3).max_iterations(400));
    let solution = solve(backend, storage, settings);
    let best = solution.best();
    match (best.status, best.relative_error, best.estimated_rank) {
        (Status::Converged, Some(error), 3) if error <= 1e-3 => Ok(()),
        other => Err(format!("{other:?} after {} iterations", best.iterations).into()),
    }
}

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut tests = Vec::new();
    let mut add = |name: String, backend: Backend, storage: Option<Storage>, tolerance: f64| {
        let again = backend.clone();
        tests.push(Test::test(format!("five steps, {name}"), move || five_steps(&backend, storage, tolerance)));
        tests.push(Test::test(format!("recovery, {name}"), move || recovers(&again, storage)));
    };
    // int8 files are kept in f64 unless asked otherwise.
    add("reference".into(), Backend::Reference, None, 1e-12);
    add("cpu".into(), Backend::Cpu, Some(Storage::F32), 2e-5);
    for device in crate::common::devices() {
        add(format!("gpu:{}", device.name()), Backend::Gpu(device), Some(Storage::F32), 2e-5);
    }
    tests.extend(crate::common::missing_adapter("golden"));
    tests
}
