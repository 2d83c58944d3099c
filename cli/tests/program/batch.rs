//! Lists and ranges make one batch.

use crate::says::assert_says;
use crate::{Dir, N, close, distance, table};

#[test]
fn a_batch_is_the_product_of_its_lists_in_order() {
    let dir = Dir::with_problem();
    let flags = "--search-rank 2,3 --step-size 0.1:0.2:0.1 --init-scale log:1e-1:1e-2:2 --seed 5,7 --max-iterations 20";
    let said = dir.solve(&format!("{flags} --truth X.npy --report run.json --trials trials.csv --out f.npz")).done();
    let report = dir.json("run.json");
    let trials = report["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 16);
    let rows = table(&dir.text("trials.csv"));
    let mut at = 0;
    for k in [2, 3] {
        for mu in [0.1, 0.2] {
            for alpha in [0.1, 0.01] {
                for seed in [5_u64, 7] {
                    let t = &trials[at];
                    assert_eq!((&t["trial"], &t["search_rank"], &t["seed"]), (&at.into(), &k.into(), &seed.into()));
                    assert_eq!((t["step_size"].as_f64(), t["init_scale"].as_f64()), (Some(mu), Some(alpha)), "{at}");
                    let row = &rows[at];
                    let number = |column: &str| row[column].parse::<f64>().ok();
                    assert_eq!((number("trial"), number("seed")), (Some(at as f64), Some(seed as f64)));
                    assert_eq!((number("search_rank"), number("step_size")), (Some(f64::from(k)), Some(mu)));
                    assert_eq!(number("init_scale"), Some(alpha));
                    close(number("train_loss").unwrap(), t["train_loss"].as_f64().unwrap(), 1e-14);
                    close(number("relative_error").unwrap(), t["relative_error"].as_f64().unwrap(), 1e-14);
                    assert_eq!((row["status"].as_str(), number("iterations")), ("IterationLimit", Some(20.0)));
                    at += 1;
                }
            }
        }
    }
    assert_eq!((rows.len(), dir.factors("f.npz").0), (16, vec![16, N, 3]));
    assert_eq!(said.stdout.lines().filter(|line| line.contains("IterationLimit")).count(), 16);
    assert_eq!(said.stdout.matches("  best").count(), 1);
    assert_says(&said.stderr, &["16 trials", "5", "7"]);
}

#[test]
fn a_batch_gives_what_single_runs_give() {
    let dir = Dir::with_problem();
    let flags = "--step-size 0.2 --init-scale 0.01 --max-iterations 50 --precision f64";
    dir.solve(&format!("{flags} --search-rank 2,4 --seed 1:2 --out batch.npz --report batch.json")).done();
    let (_, batch) = dir.factors("batch.npz");
    for (at, (k, seed)) in [(2, 1), (2, 2), (4, 1), (4, 2)].into_iter().enumerate() {
        dir.solve(&format!("{flags} --search-rank {k} --seed {seed} --out one.npz")).done();
        let (_, one) = dir.factors("one.npz");
        let of_batch: Vec<f64> =
            batch[at * N * 4..(at + 1) * N * 4].chunks(4).flat_map(|row| &row[..k]).copied().collect();
        assert!(distance(&of_batch, &one) < 1e-12, "trial {at}");
        let padding = batch[at * N * 4..(at + 1) * N * 4].chunks(4).flat_map(|row| &row[k..]);
        assert!(padding.into_iter().all(|v| *v == 0.0), "trial {at}");
    }
}

#[test]
fn the_report_leads_with_the_best_trial() {
    let dir = Dir::with_problem();
    dir.solve("--step-size 0.01,0.25 --truth X.npy --max-iterations 100 --report run.json").done();
    let report = dir.json("run.json");
    assert_eq!(report["best_trial"], 1);
    for key in ["status", "iterations", "train_loss", "relative_error"] {
        assert_eq!(report[key], report["trials"][1][key], "{key}");
    }
    assert!(report["trials"][0]["train_loss"].as_f64() > report["trials"][1]["train_loss"].as_f64());
}

#[test]
fn one_trial_that_fails_is_the_exit_code() {
    let dir = Dir::with_problem();
    let said = dir.solve("--step-size 0.2,50 --init-scale 1 --max-iterations 100 --report run.json").exits(1);
    assert!(said.stdout.contains("Diverged"), "{}", said.stdout);
    let report = dir.json("run.json");
    assert_eq!((&report["best_trial"], &report["trials"][1]["status"]), (&0.into(), &"Diverged".into()));
    dir.solve("--step-size 0.001,0.25 --max-iterations 300 --stop-residual 1e-3").exits(1);
    dir.solve("--step-size 0.2,0.25 --max-iterations 300 --stop-residual 1e-3").done();
}

#[test]
fn rows_of_observations_are_instances() {
    let dir = Dir::with_problem();
    let (_, y) = dir.array("y.npy");
    let m = y.len();
    let both: Vec<f64> = y.iter().copied().chain(y.iter().map(|v| 4.0 * v)).collect();
    dir.write_f64("y.npy", &[2, m], &both);
    let (shape, x) = dir.array("X.npy");
    let truths: Vec<f64> = x.iter().copied().chain(x.iter().map(|v| 2.0 * v)).collect();
    dir.write_f64("XX.npy", &[2, shape[0], shape[1]], &truths);
    dir.solve("--truth XX.npy --seed 1,2 --search-rank 3 --stop-relative-error 1e-4 --report run.json").done();
    let report = dir.json("run.json");
    let places: Vec<(u64, u64)> = report["trials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["instance"].as_u64().unwrap(), t["seed"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(0, 1), (0, 2), (1, 1), (1, 2)]);
    let largest = |trial: usize| report["trials"][trial]["singular_values"][0].as_f64().unwrap();
    assert!((largest(2) / largest(0) - 2.0).abs() < 1e-2);
}

#[test]
fn a_batch_of_factors_goes_on_as_a_batch() {
    let dir = Dir::with_problem();
    let flags = "--search-rank 3 --step-size 0.2 --precision f64";
    dir.solve(&format!("{flags} --init-scale 0.01 --seed 1:3 --max-iterations 10 --out half.npz")).done();
    dir.solve(&format!("{flags} --init-scale 0.01 --seed 1:3 --max-iterations 20 --out whole.npz")).done();
    dir.solve(&format!("{flags} --init half.npz --max-iterations 10 --out twice.npz")).done();
    let ((shape, whole), (_, twice)) = (dir.factors("whole.npz"), dir.factors("twice.npz"));
    assert_eq!(shape, [3, N, 3]);
    assert!(distance(&twice, &whole) < 1e-12);
}

#[test]
fn rows_use_the_first_measurements() {
    let dir = Dir::with_problem();
    let flags = "--search-rank 3 --step-size 0.2 --init-scale 0.01 --max-iterations 30 --precision f64";
    dir.solve(&format!("{flags} --rows 80:120:40 --out batch.npz --trials trials.csv")).done();
    let rows: Vec<String> = table(&dir.text("trials.csv")).iter().map(|row| row["rows"].clone()).collect();
    assert_eq!(rows, ["80", "120"]);
    // The same as files that hold no more.
    let ((shape, a), (_, y)) = (dir.array("A.npy"), dir.array("y.npy"));
    dir.write_f64("A.npy", &[80, shape[1]], &a[..80 * shape[1]]);
    dir.write_f64("y.npy", &[80], &y[..80]);
    dir.solve(&format!("{flags} --layout packed --out one.npz")).done();
    let (_, batch) = dir.factors("batch.npz");
    assert!(distance(&batch[..3 * N], &dir.factors("one.npz").1) < 1e-12);
}
