//! Runs that are saved, killed and resumed end as those that never were.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lowrank::operators::dense::Layout;
use lowrank::operators::{Dense, Pauli};
use lowrank::problem::{Truth, synthetic};
use lowrank::solver::{Checkpoint, SaveEvery};
use lowrank::{
    Backend, Error, Init, Method, Model, Precision, Problem, Schedule, Settings, Solution, Solver, Status, Stop,
    TraceRow, Trial,
};

use crate::adapter::gpu;
use crate::says::says;

fn problem(n: usize, seed: u64) -> Problem {
    let truth = synthetic::psd(n).rank(2).condition_number(1.5).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), 12 * n, seed + 100).unwrap(), truth).unwrap()
}

fn pair(seed: u64) -> Problem {
    let truth = synthetic::asymmetric(9, 7).rank(2).seed(seed).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), 140, seed + 100).unwrap(), truth).unwrap()
}

/// Complex problems: of one factor, and of a pair.
fn complex() -> Problem {
    let truth = synthetic::hermitian(8).rank(2).seed(4).build().unwrap();
    Problem::measure(Pauli::random(3, 60, 1).unwrap(), truth).unwrap()
}

fn complex_pair() -> Problem {
    let truth = synthetic::complex(7, 5).rank(2).seed(4).build().unwrap();
    Problem::measure(Dense::gaussian(truth.domain(), 140, 1).unwrap(), truth).unwrap()
}

fn settings(method: impl Into<Method>) -> Settings {
    let stop = Stop::default().max_iterations(90).stall_window(Some(30));
    let start = Init::SmallRandom { scale: 1e-2, seed: 1 };
    Settings::new(method).search_rank(4).init(start).stop(stop).observe(Schedule::Every(10)).diagnose(true)
}

/// Factors bit for bit, the status, two counts and the losses of a trial.
type Told = (Vec<u64>, Status, usize, usize, String);

/// Everything of a solution but times.
fn told(solution: &Solution) -> (Vec<Told>, Vec<String>) {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let trials = solution.trials.iter().map(|t| {
        let phases = format!("{:?} {:?} {:?}", t.phases, t.phases_proxy, t.remark);
        (
            t.blocks().flat_map(|block| bits(block.as_slice())).collect(),
            t.status,
            t.iterations,
            t.kept_iteration,
            phases,
        )
    });
    // As text, which is exact and where a number that is none equals itself.
    let trace = solution.trace.iter().map(|row| format!("{:?}", TraceRow { seconds: 0.0, ..*row }));
    (trials.collect(), trace.collect())
}

/// A whole run, and one that goes on from what was saved somewhere in it, with a solver of its own.
fn check(name: &str, problem: &dyn Fn() -> Problem, settings: &Settings, backend: &Backend) {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("run.ckpt"), dir.path().join("copy.ckpt"));
    let saved = settings.clone().checkpoint(&path, SaveEvery::Iterations(7));
    let mut solver = Solver::new(problem(), saved, backend.clone()).unwrap();
    let whole = solver
        .solve_with(|progress| {
            if progress.iteration == 40 {
                std::fs::copy(&path, &copy).unwrap();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let plain = Solver::new(problem(), settings.clone(), backend.clone()).unwrap();
    let variant = plain.engine().variant.clone();
    let from = Checkpoint::read(&copy).unwrap();
    assert_eq!(from.iteration(), 35, "{name}: between two observations");
    let resumed = { plain }.resume(&from).unwrap();
    assert!(whole.engine.variant == resumed.engine.variant, "{name}: {variant} on resuming");
    assert_eq!(resumed.resumed_at, Some(35));
    assert!(told(&whole) == told(&resumed), "{name}: another result\n{:?}\n{:?}", whole.trials, resumed.trials);
    // Resumed at its end, a run has nothing left to do.
    let end = Checkpoint::read(&path).unwrap();
    let again = Solver::new(problem(), settings.clone(), backend.clone()).unwrap().resume(&end).unwrap();
    assert!(told(&whole) == told(&again), "{name}: another result at its end");
}

fn cases() -> Vec<(&'static str, bool, Settings)> {
    let batch = [Trial::default(), Trial::default().search_rank(2).seed(5), Trial::default().step_size(3.0)];
    vec![
        ("gd", false, settings(Method::gd())),
        ("a batch, one of which diverges", false, settings(Method::gd()).trials(batch)),
        ("held out", false, settings(Method::gd()).holdout(0.2, 3)),
        ("a decaying step", false, settings(Method::gd().step_decay(0.99))),
        ("momentum", false, settings(Method::momentum())),
        ("momentum of a pair", true, settings(Method::momentum())),
        ("heavy-ball of a pair", true, settings(Method::heavy_ball())),
        (
            "gd of more than a pair",
            true,
            settings(Method::gd()).model(Model::deep(3)).init(Init::Automatic { seed: 1 }),
        ),
        ("gd-polyak", false, settings(Method::gd_polyak())),
        ("sgd", false, settings(Method::sgd())),
        ("scaled-gd", false, settings(Method::scaled_gd())),
        ("prec-gd", true, settings(Method::prec_gd())),
        ("cg", false, settings(Method::cg())),
        ("lbfgs", false, settings(Method::lbfgs())),
        ("alt-scaled-gd", true, settings(Method::alt_scaled_gd()).init(Init::Automatic { seed: 0 })),
        ("riemannian", true, settings(Method::riemannian()).init(Init::Automatic { seed: 0 })),
    ]
}

fn all(backend: &Backend, precision: Precision, which: impl Fn(&str) -> bool) {
    for (name, two, settings) in cases().into_iter().filter(|(name, ..)| which(name)) {
        let make: &dyn Fn() -> Problem = if two { &|| pair(4) } else { &|| problem(10, 3) };
        let name = format!("{name}, {}, {backend:?}", precision.word());
        check(&name, make, &settings.precision(precision), backend);
    }
}

#[test]
fn every_method_resumes_bit_for_bit_on_the_host() {
    all(&Backend::Cpu, Precision::F32, |_| true);
    all(&Backend::Cpu, Precision::F64, |_| true);
    all(&Backend::Reference, Precision::F64, |name| !name.contains("diverges"));
    let one = |name: &str| !["pair", "prec-gd", "alt-scaled-gd", "riemannian"].iter().any(|two| name.contains(two));
    all(&Backend::Cpu, Precision::Mixed, one);
}

#[test]
fn complex_factors_resume_bit_for_bit() {
    for (name, of) in [("complex", complex as fn() -> Problem), ("a complex pair", complex_pair)] {
        for method in
            [Method::from(Method::gd()), Method::prec_gd().into(), Method::cg().into(), Method::riemannian().into()]
        {
            let name = format!("{name}, {method}");
            let plain = settings(method).diagnose(name.starts_with("complex"));
            check(&name, &of, &plain.clone().precision(Precision::F64), &Backend::Cpu);
            check(&name, &of, &plain, &Backend::Cpu);
        }
    }
}

#[test]
fn methods_resume_bit_for_bit_on_an_adapter() {
    let Some(backend) = gpu() else { return };
    let some = [
        "gd",
        "a batch, one of which diverges",
        "momentum of a pair",
        "gd of more than a pair",
        "scaled-gd",
        "a decaying step",
        "lbfgs",
        "sgd",
    ];
    all(&backend, Precision::F32, |name| some.contains(&name));
    all(&backend, Precision::Mixed, |name| name == "gd");
}

fn saved(problem: Problem, settings: Settings, path: &Path) -> Solution {
    let settings = settings.checkpoint(path, SaveEvery::Iterations(10));
    Solver::new(problem, settings, Backend::Cpu).unwrap().solve().unwrap()
}

#[test]
fn limits_may_change_and_an_interrupted_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.ckpt");
    let limit = |iterations| settings(Method::momentum()).stop(Stop::default().max_iterations(iterations));
    let whole = Solver::new(problem(10, 3), limit(120), Backend::Cpu).unwrap().solve().unwrap();
    assert_eq!(saved(problem(10, 3), limit(50), &path).trials[0].status, Status::IterationLimit);
    let from = Checkpoint::read(&path).unwrap();
    let resumed = Solver::new(problem(10, 3), limit(120), Backend::Cpu).unwrap().resume(&from).unwrap();
    assert!(told(&whole) == told(&resumed));
    let message = Solver::new(problem(10, 3), limit(120), Backend::Cpu).map(|mut s| s.resume(&from)).is_ok();
    assert!(message);
    let settings = limit(120).checkpoint(&path, SaveEvery::Seconds(1e3));
    let mut solver = Solver::new(problem(10, 3), settings, Backend::Cpu).unwrap();
    let stop = |progress: &lowrank::Progress<'_>| match progress.iteration {
        30 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert_eq!(solver.solve_with(stop).unwrap().trials[0].status, Status::Interrupted);
    let from = Checkpoint::read(&path).unwrap();
    assert!(told(&whole) == told(&solver.resume(&from).unwrap()));
}

#[test]
fn other_data_or_settings_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.ckpt");
    saved(problem(10, 3), settings(Method::gd()), &path);
    let from = Checkpoint::read(&path).unwrap();
    let refused = |problem: Problem, settings: Settings, wanted: &str| {
        let error = Solver::new(problem, settings, Backend::Cpu).unwrap().resume(&from).unwrap_err();
        match &error {
            Error::Invalid { name, found, allowed, .. } if name == wanted && found != allowed => {}
            other => panic!("{wanted}: {other}"),
        }
    };
    let usual = || settings(Method::gd());
    let known = || problem(10, 3);
    refused(known(), usual().step_size(0.01), "step_size");
    refused(known(), settings(Method::momentum()), "method");
    refused(known(), usual().search_rank(3), "search_rank");
    refused(known(), usual().init(Init::SmallRandom { scale: 1e-2, seed: 2 }), "seed");
    refused(known(), usual().precision(Precision::F64), "precision");
    refused(known(), usual().observe(Schedule::Log), "observe");
    refused(known(), usual().trials([Trial::default(); 2]), "trials");
    refused(known().with_noise(1e-9, 1).unwrap(), usual(), "observations");
    // One number of one matrix in its last bit.
    let y = known().observations(0).unwrap().to_vec();
    let truth = known().truth(0).unwrap().clone();
    let other = |bits: u64| {
        let operator = Dense::gaussian(truth.domain(), 120, 103).unwrap();
        let mut rows: Vec<f64> =
            (0..120).flat_map(|i| lowrank::operators::Operator::sensing_matrix(&operator, i)).collect();
        rows[57] = f64::from(f32::from_bits((rows[57] as f32).to_bits() + bits as u32));
        let operator = Dense::from_rows(truth.domain(), Layout::Full, &rows).unwrap();
        Problem::new(operator, y.clone()).unwrap().with_truth(Truth::clone(&truth)).unwrap()
    };
    let error = |problem: Problem| {
        let settings = usual().step_size(0.1);
        saved(other(0), settings.clone(), &path);
        let from = Checkpoint::read(&path).unwrap();
        Solver::new(problem, settings, Backend::Cpu).unwrap().resume(&from).err()
    };
    assert!(error(other(0)).is_none());
    assert!(matches!(error(other(1)), Some(Error::Invalid { name, .. }) if name == "measurements"));
}

#[test]
fn torn_foreign_older_and_newer_files_get_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.ckpt");
    saved(problem(10, 3), settings(Method::lbfgs()), &path);
    let bytes = std::fs::read(&path).unwrap();
    assert!(Checkpoint::from_bytes("run.ckpt", &bytes).is_ok());
    let refused = |bytes: &[u8], word: &str| match Checkpoint::from_bytes("run.ckpt", bytes) {
        Err(Error::File { found, .. }) => assert!(says(&found, word), "{found}, not {word}"),
        other => panic!("{word}: {other:?}"),
    };
    for length in (0..bytes.len()).step_by(61) {
        refused(&bytes[..length], if length < 8 { "kind" } else { "bytes" });
    }
    for at in (60..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 16;
        refused(&changed, "checksum");
    }
    let with = |at: usize, value: &[u8]| {
        let mut changed = bytes.clone();
        changed[at..at + value.len()].copy_from_slice(value);
        changed
    };
    refused(&with(8, &3_u32.to_le_bytes()), "version 3");
    // One that version 1 wrote.
    refused(include_bytes!("../../fuzz/corpus/checkpoint/file-older"), "version 1");
    refused(&with(12, &u64::MAX.to_le_bytes()), "header");
    refused(&with(20, &(1_u64 << 60).to_le_bytes()), "header");
    refused(b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "kind");
}

const EVERY: usize = 5;

/// What the killed process and its judge solve.
fn long(case: usize) -> (Problem, Settings, Backend) {
    let methods = ["gd", "momentum", "lbfgs", "sgd", "cg"];
    let stop = Stop::default().max_iterations(1000).stall_window(None);
    let method = Method::from_word(methods[case % methods.len()]).unwrap();
    let settings = settings(method).search_rank(30).stop(stop).observe(Schedule::Every(1)).diagnose(false);
    let precision = [Precision::F32, Precision::F64][case / methods.len() % 2];
    (problem(30, 9), settings.precision(precision), Backend::Cpu)
}

/// Not a test of its own: what `killed_at_random_moments…` starts and kills.
#[test]
fn child() {
    let (Ok(dir), Ok(case)) = (std::env::var("RESUME_CHILD"), std::env::var("RESUME_CASE")) else { return };
    let dir = PathBuf::from(dir);
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let (problem, settings, backend) = long(case.parse().unwrap());
    let path = dir.join("run.ckpt");
    let from = path.exists().then(|| Checkpoint::read(&path).unwrap());
    let mut solver = Solver::new(problem, settings.checkpoint(&path, SaveEvery::Iterations(EVERY)), backend).unwrap();
    let mut observe = |progress: &lowrank::Progress<'_>| {
        // In one write: a kill between a number and its line end would run it into the next process's first.
        log.write_all(format!("{}\n", progress.iteration).as_bytes()).unwrap();
        ControlFlow::Continue(())
    };
    match from {
        Some(from) => solver.resume_with(&from, &mut observe).unwrap(),
        None => solver.solve_with(&mut observe).unwrap(),
    };
}

/// Uniform enough for moments.
fn random(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*seed >> 11) as f64 / (1_u64 << 53) as f64
}

#[test]
fn killed_at_random_moments_a_run_loses_one_interval_at_most_and_ends_the_same() {
    let (mut seed, mut kills, mut during_writes) = (2024, 0, 0);
    for case in 0..10 {
        let (problem, settings, backend) = long(case);
        let whole = Solver::new(problem.clone(), settings.clone(), backend.clone()).unwrap().solve().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (path, log) = (dir.path().join("run.ckpt"), dir.path().join("log"));
        // Three kills in a row of the same run, each of which goes on from the one before.
        for _ in 0..3 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["resume::child", "--exact", "--nocapture"])
                .envs([("RESUME_CHILD", dir.path().to_str().unwrap()), ("RESUME_CASE", &case.to_string())])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Wherever it is by then, once it has begun.
            let before = std::fs::metadata(&log).map_or(0, |meta| meta.len());
            let begun = Instant::now();
            while std::fs::metadata(&log).map_or(0, |meta| meta.len()) == before {
                if let Some(status) = child.try_wait().unwrap() {
                    // The one before it had come to the end.
                    assert!(status.success());
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(60));
                std::thread::sleep(Duration::from_micros(200));
            }
            std::thread::sleep(Duration::from_secs_f64(0.06 * random(&mut seed)));
            child.kill().unwrap();
            let left = !child.wait().unwrap().success();
            kills += usize::from(left);
            let temporary = |entry: std::io::Result<std::fs::DirEntry>| {
                let path = entry.unwrap().path();
                let torn = path.extension().is_some_and(|e| e == "tmp");
                if torn {
                    std::fs::remove_file(path).unwrap();
                }
                torn
            };
            during_writes += std::fs::read_dir(dir.path()).unwrap().map(temporary).filter(|torn| *torn).count();
            let reached: usize =
                std::fs::read_to_string(&log).unwrap().lines().filter_map(|line| line.parse().ok()).max().unwrap();
            // The very first one may be killed before anything is saved.
            if path.exists() {
                let saved = Checkpoint::read(&path).unwrap().iteration();
                assert!(reached <= saved + EVERY, "reached {reached}, saved {saved}");
            } else {
                assert_eq!(reached, 0);
            }
        }
        let resumed = match path.exists() {
            true => Solver::new(problem, settings, backend).unwrap().resume(&Checkpoint::read(&path).unwrap()).unwrap(),
            false => continue,
        };
        assert!(told(&whole) == told(&resumed), "case {case}: another result");
    }
    let _ = writeln!(std::io::stderr(), "\n{kills} processes killed, {during_writes} of them while they wrote");
    assert!(
        kills >= 25 && during_writes > 0,
        "{kills} killed, {during_writes} while they wrote: moments are not random"
    );
}
