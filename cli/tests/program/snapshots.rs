//! `--snapshots`: the factors at every observation.

use lowrank::io::{npz_names, read_npz};

use crate::refusals::refused_solve;
use crate::{Dir, N, distance, product, table};

struct Read {
    iterations: Vec<usize>,
    shape: Vec<usize>,
    factors: Vec<f64>,
}

impl Read {
    /// One trial's padded factor at one point.
    fn factor(&self, point: usize, trial: usize) -> &[f64] {
        let size = self.shape[2] * self.shape[3];
        let from = (point * self.shape[1] + trial) * size;
        &self.factors[from..from + size]
    }
}

fn read(dir: &Dir, name: &str) -> Read {
    assert_eq!(npz_names(dir.path(name)).unwrap(), ["iterations", "factors"]);
    let iterations = read_npz(dir.path(name), "iterations").unwrap();
    assert_eq!(iterations.dtype().to_string(), "int64");
    let iterations: Vec<usize> = iterations.to_vec().unwrap().iter().map(|t| *t as usize).collect();
    let factors = read_npz(dir.path(name), "factors").unwrap();
    assert_eq!((factors.dtype().to_string(), factors.shape()[0]), ("float64".to_owned(), iterations.len()));
    Read { iterations, shape: factors.shape().to_vec(), factors: factors.to_vec().unwrap() }
}

#[test]
fn they_are_the_factors_at_the_observation_points() {
    let dir = Dir::with_problem();
    let flags = "--search-rank 2,4 --step-size 0.2 --init-scale 0.01 --precision f64 --truth X.npy";
    dir.solve(&format!("{flags} --max-iterations 25 --snapshots U.npz --out f.npz --trace t.csv")).done();
    let u = read(&dir, "U.npz");
    assert_eq!((&u.iterations[..], &u.shape[..]), (&[0, 10, 20, 25][..], &[4, 2, N, 4][..]));
    let (shape, last) = dir.factors("f.npz");
    assert_eq!(shape, u.shape[1..]);
    assert_eq!(&u.factors[3 * last.len()..], last, "bit for bit");
    // Padding is zero, and each snapshot has the error that the trace has.
    let truth = dir.truth();
    for row in table(&dir.text("t.csv")) {
        let (trial, iteration) = (row["trial"].parse::<usize>().unwrap(), row["iteration"].parse::<usize>().unwrap());
        let point = u.iterations.iter().position(|t| *t == iteration).unwrap();
        let factor = u.factor(point, trial);
        if trial == 0 {
            assert!(factor.chunks(4).all(|row| row[2..] == [0.0, 0.0]), "trial 0 has two columns");
        }
        let error = distance(&product(factor, N, 4), &truth);
        assert!((error / row["relative_error"].parse::<f64>().unwrap() - 1.0).abs() < 1e-9, "{iteration}");
    }
    // A shorter run ends where the longer one was.
    dir.solve(&format!("{flags} --max-iterations 10 --out ten.npz")).done();
    assert!(distance(&dir.factors("ten.npz").1, &u.factors[last.len()..2 * last.len()]) < 1e-12);
}

#[test]
fn a_trial_that_has_ended_keeps_its_last_factor() {
    let dir = Dir::with_problem();
    let flags = "--method gd --step-size 0.25,0.05 --stop-residual 1e-2 --max-iterations 400 --observe log";
    dir.solve(&format!("{flags} --snapshots U.npz --out f.npz --report run.json")).done();
    let (u, report) = (read(&dir, "U.npz"), dir.json("run.json"));
    let ended = |trial: usize| report["trials"][trial]["iterations"].as_u64().unwrap() as usize;
    assert!(ended(0) < ended(1) && *u.iterations.last().unwrap() == ended(1), "{:?}", u.iterations);
    let end = u.iterations.iter().position(|t| *t == ended(0)).unwrap();
    assert!((end..u.iterations.len()).all(|point| u.factor(point, 0) == u.factor(end, 0)));
    assert_ne!(u.factor(end - 1, 0), u.factor(end, 0));
    let (_, last) = dir.factors("f.npz");
    assert_eq!(&u.factors[u.factors.len() - last.len()..], last);
}

#[test]
fn what_would_not_be_read_back_is_refused() {
    let dir = Dir::with_problem();
    let flags = "--max-iterations 1000000000 --search-rank 10 --snapshots U.npz";
    refused_solve(&dir, flags, &["--snapshots", "GiB", "--observe log", "--max-iterations"]);
    dir.solve("--max-iterations 1000000000 --observe log --stop-residual 1e-2 --snapshots U.npz").done();
    assert!(dir.names().iter().all(|name| !name.starts_with('.')), "{:?}", dir.names());
}
