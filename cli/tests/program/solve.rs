//! One trial: factors, report, trace and the words on the terminal agree with each other and with the truth.

use crate::says::assert_says;
use crate::{Dir, M, N, RANK, close, distance, product, table};

const GOOD: &str = "--truth X.npy --search-rank 5 --stop-relative-error 1e-5 --out factors.npz --report run.json \
                    --trace trace.csv --trials trials.csv";

#[test]
fn factors_reproduce_the_reported_error() {
    let dir = Dir::with_problem();
    let said = dir.solve(GOOD).done();
    let (shape, left) = dir.factors("factors.npz");
    assert_eq!(shape, [1, N, 5]);
    let error = distance(&product(&left, N, 5), &dir.truth());
    let report = dir.json("run.json");
    assert!(error < 1e-5, "{error}");
    close(report["relative_error"].as_f64().unwrap(), error, 1e-3);
    assert_eq!(report["status"], "Converged");
    assert!(said.stdout.contains("Converged") && said.stdout.contains("relative error"), "{}", said.stdout);
}

#[test]
fn the_report_says_what_was_run_where_and_what_came_out() {
    let dir = Dir::with_problem();
    dir.solve(GOOD).done();
    let report = dir.json("run.json");
    assert!(report["iterations"].as_u64().unwrap() > 0);
    assert!(report["train_loss"].as_f64().unwrap() >= 0.0);
    let trial = &report["trials"][0];
    for key in ["search_rank", "step_size", "init_scale", "seed", "status", "iterations", "train_loss"] {
        assert!(!trial[key].is_null(), "trials[0].{key}");
    }
    for key in ["relative_residual", "relative_error", "estimated_rank"] {
        assert!(trial[key].is_number(), "trials[0].{key}");
    }
    assert_eq!(trial["estimated_rank"], 2);
    let spectrum: Vec<f64> = trial["singular_values"].as_array().unwrap().iter().filter_map(|v| v.as_f64()).collect();
    assert!(spectrum.len() == 5 && spectrum.is_sorted_by(|a, b| a >= b), "{spectrum:?}");
    let argv: Vec<&str> = report["argv"].as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
    assert!(argv.contains(&"solve") && argv.contains(&"--stop-relative-error"), "{argv:?}");
    assert_eq!(report["seeds"]["init"][0], 0);
    assert_eq!(report["settings"]["method"], "gauss-newton");
    assert_eq!(report["settings"]["stop_relative_error"], 1e-5);
    let inputs = report["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 3);
    assert_eq!(inputs[0]["shape"], serde_json::json!([M, N * (N + 1) / 2]));
    assert_eq!((&inputs[0]["dtype"], &inputs[1]["dtype"]), (&"float32".into(), &"float64".into()));
    assert!(inputs.iter().all(|i| i["sha256"].as_str().unwrap().len() == 64));
    let environment = &report["environment"];
    for key in ["version", "commit", "backend", "adapter", "driver", "precision"] {
        assert!(environment[key].is_string(), "environment.{key}");
    }
    assert!(environment["threads"].as_u64().unwrap() >= 1 && environment["debug_build"].is_boolean());
    assert_eq!(environment["backend"], "cpu");
    for key in ["setup", "solve", "seconds_per_iteration", "operator_bytes_per_iteration"] {
        assert!(report["timing"][key].as_f64().unwrap() >= 0.0, "timing.{key}");
    }
}

#[test]
fn the_digest_is_that_of_the_file() {
    let dir = Dir::with_problem();
    dir.write_f64("y.npy", &[3], &[1.0, 2.0, 3.0]);
    dir.write_f32("A.npy", &[3, 1], &[1.0, 2.0, 3.0]);
    dir.solve("--max-iterations 1 --report run.json").done();
    let one = dir.json("run.json")["inputs"][1]["sha256"].clone();
    dir.write_f64("y.npy", &[3], &[1.0, 2.0, 3.5]);
    dir.solve("--max-iterations 1 --report run.json").done();
    assert_ne!(one, dir.json("run.json")["inputs"][1]["sha256"]);
}

#[test]
fn the_trace_has_every_observation_and_ends_with_the_result() {
    let dir = Dir::with_problem();
    dir.solve("--method gd --truth X.npy --max-iterations 25 --observe every:10 --trace trace.csv --report run.json")
        .done();
    let text = dir.text("trace.csv");
    assert!(text.starts_with("trial,iteration,seconds,train_loss,relative_residual,relative_error"), "{text}");
    let rows = table(&text);
    let iterations: Vec<&str> = rows.iter().map(|r| r["iteration"].as_str()).collect();
    assert_eq!(iterations, ["0", "10", "20", "25"]);
    let report = dir.json("run.json");
    let last: f64 = rows[3]["relative_error"].parse().unwrap();
    // The JSON parser may be off by one unit in the last place.
    close(last, report["relative_error"].as_f64().unwrap(), 1e-14);
    close(rows[3]["train_loss"].parse().unwrap(), report["train_loss"].as_f64().unwrap(), 1e-14);
    close(rows[0]["relative_error"].parse().unwrap(), 1.0, 1e-6);
}

#[test]
fn a_logarithmic_schedule_is_dense_at_the_start() {
    let dir = Dir::with_problem();
    dir.solve("--method gd --max-iterations 15 --observe log --trace trace.csv").done();
    let rows = table(&dir.text("trace.csv"));
    let iterations: Vec<usize> = rows.iter().map(|r| r["iteration"].parse().unwrap()).collect();
    assert_eq!(iterations, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15]);
}

#[test]
fn without_a_truth_the_error_is_null_and_empty() {
    let dir = Dir::with_problem();
    let said = dir.solve("--max-iterations 10 --report run.json --trace trace.csv").done();
    let report = dir.json("run.json");
    assert!(report.as_object().unwrap().contains_key("relative_error") && report["relative_error"].is_null());
    assert!(table(&dir.text("trace.csv")).iter().all(|row| row["relative_error"].is_empty()));
    assert!(!said.stdout.contains("relative error"), "{}", said.stdout);
}

#[test]
fn what_was_chosen_automatically_is_said_with_the_seed_and_the_device() {
    let dir = Dir::with_problem();
    let said = dir.solve("--max-iterations 1 --report run.json").done();
    assert_says(&said.stderr, &["method gauss-newton", "search_rank 10", "1 trial", "seed 0", "cpu", "normalization"]);
    let said = dir.solve("--max-iterations 1 --method gd --report run.json").done();
    assert!(said.stderr.contains("init_scale") && !said.stderr.contains("method gd"), "{}", said.stderr);
    let notices = dir.json("run.json")["notices"].to_string();
    assert!(notices.contains("step_size") && notices.contains("init_scale") && notices.contains("search_rank"));
    let said = dir.solve("--max-iterations 1 --method gd --search-rank 3 --step-size 0.2 --init-scale 1e-3").done();
    assert!(!said.stderr.contains("chosen"), "{}", said.stderr);
    let said = dir.solve("--max-iterations 1 --quiet").done();
    assert!(!said.stderr.contains("note:"), "{}", said.stderr);
}

#[test]
fn stop_rules_end_runs_with_their_status_and_exit_code() {
    let dir = Dir::with_problem();
    for (flags, status, code) in [
        ("--stop-residual 1e-3", "Converged", 0),
        ("--stop-loss 1e-6", "Converged", 0),
        ("--method gd --max-iterations 5", "IterationLimit", 0),
        ("--method gd --max-iterations 5 --stop-residual 1e-3", "IterationLimit", 1),
        ("--method gd --max-iterations 5 --stop-loss 1e-6", "IterationLimit", 1),
        ("--method gd --max-iterations 5 --truth X.npy --stop-relative-error 1e-3", "IterationLimit", 1),
        ("--method gd --max-iterations 100000000 --stall-window 0 --stop-time 0.2", "TimeLimit", 0),
        ("--method gd --max-iterations 100000000 --stall-window 0 --stop-time 0.2 --stop-loss 0", "TimeLimit", 1),
        ("--method prec-gd --stall-window 50", "Stalled", 0),
        ("--stall-window 50", "Finished", 0),
        ("--step-size 50 --init-scale 1", "Diverged", 1),
    ] {
        dir.solve(&format!("{flags} --report run.json")).exits(code);
        assert_eq!(dir.json("run.json")["status"], status, "{flags}");
    }
}

#[test]
fn a_truth_matrix_equals_its_factor() {
    let dir = Dir::with_problem();
    dir.write_f64("M.npy", &[N, N], &dir.truth());
    dir.solve("--truth X.npy --max-iterations 60 --report factor.json").done();
    dir.solve("--truth-matrix M.npy --max-iterations 60 --report matrix.json").done();
    let error = |name: &str| dir.json(name)["relative_error"].as_f64().unwrap();
    // The entries of M are rounded, to 1e-16 of its norm: a billionth of an error of 1e-7.
    close(error("factor.json"), error("matrix.json"), 1e-7);
}

#[test]
fn factors_of_a_run_serve_as_truth_and_as_start() {
    let dir = Dir::with_problem();
    let flags = "--search-rank 4 --step-size 0.25 --precision f64";
    dir.solve(&format!("{flags} --init-scale 0.01 --max-iterations 20 --out half.npz")).done();
    dir.solve(&format!("{flags} --init-scale 0.01 --max-iterations 40 --out whole.npz")).done();
    let said = dir.solve(&format!("{flags} --init half.npz --max-iterations 20 --out twice.npz --report run.json"));
    let said = said.done();
    assert_says(&said.stderr, &["start", "cpu"]);
    let ((_, whole), (_, twice)) = (dir.factors("whole.npz"), dir.factors("twice.npz"));
    assert!(distance(&twice, &whole) < 1e-12);
    let trial = &dir.json("run.json")["trials"][0];
    assert!(trial["seed"].is_null() && trial["init_scale"].is_null());
    dir.solve(&format!("{flags} --init half.npz --truth whole.npz --max-iterations 20 --report run.json")).done();
    assert!(dir.json("run.json")["relative_error"].as_f64().unwrap() < 1e-12);
}

#[test]
fn held_out_measurements_give_an_estimate() {
    let dir = Dir::with_problem();
    let flags = "--truth X.npy --search-rank 3 --max-iterations 150 --holdout 0.1";
    let said = dir.solve(&format!("{flags} --report run.json --trace trace.csv")).done();
    let trial = &dir.json("run.json")["trials"][0];
    assert_eq!((&trial["rows"], &trial["holdout_rows"]), (&M.into(), &(M / 10).into()));
    let (estimate, error) =
        (trial["estimated_relative_error"].as_f64().unwrap(), trial["relative_error"].as_f64().unwrap());
    assert!(estimate < 10.0 * error && error < 10.0 * estimate, "{estimate} for {error}");
    assert!(table(&dir.text("trace.csv")).iter().all(|row| !row["holdout_loss"].is_empty()));
    assert!(said.stdout.contains("held-out loss") && said.stdout.contains("estimated error"), "{}", said.stdout);
    let first = trial["holdout_loss"].clone();
    dir.solve(&format!("{flags} --holdout-seed 1 --report run.json")).done();
    let report = dir.json("run.json");
    assert_ne!(report["trials"][0]["holdout_loss"], first);
    assert_eq!(report["seeds"]["holdout"], 1);
}

#[test]
fn backends_agree() {
    let dir = Dir::with_problem();
    let run = |more: &str, out: &str| {
        let text = format!(
            "solve --matrices A.npy --observations y.npy --search-rank 4 --init-scale 0.01 --step-size 0.2 \
             --max-iterations 60 --out {out} {more}"
        );
        dir.run(&text.split_whitespace().collect::<Vec<_>>()).done();
        let (_, left) = dir.factors(out);
        product(&left, N, 4)
    };
    let oracle = run("--backend reference", "reference.npz");
    assert!(distance(&run("--backend cpu --precision f64", "f64.npz"), &oracle) < 1e-10);
    assert!(distance(&run("--backend cpu", "f32.npz"), &oracle) < 1e-4);
    assert!(distance(&run("--backend auto", "auto.npz"), &oracle) < 1e-4);
}

#[test]
fn phases_without_a_truth_are_called_a_proxy() {
    let dir = Dir::with_problem();
    let flags = "--method gd --observe every:1 --max-iterations 200 --step-size 0.2 --search-rank 6 --trace trace.csv --report run.json";
    let said = dir.solve(flags).done();
    assert!(said.stdout.contains("phases (proxy)") && !said.stdout.contains("phases   "), "{}", said.stdout);
    let guess = dir.json("run.json")["trials"][0]["phases_proxy"].clone();
    let guessed = |row: &std::collections::HashMap<String, String>| row["phase_proxy"] == "3";
    let rows = table(&dir.text("trace.csv"));
    assert!(rows.iter().all(|row| row["phase"].is_empty()) && guess["group"] == RANK);
    assert_eq!(rows.iter().position(guessed), guess["t_1"].as_u64().map(|t| t as usize));
    let said = dir.solve(&format!("{flags} --truth X.npy")).done();
    assert!(said.stdout.contains("phases   ") && !said.stdout.contains("proxy"), "{}", said.stdout);
    let trial = dir.json("run.json")["trials"][0].clone();
    assert!(trial.get("phases_proxy").is_none());
    assert!(trial["phases"]["t_1"].as_u64().unwrap().abs_diff(guess["t_1"].as_u64().unwrap()) <= 1);
    assert!(table(&dir.text("trace.csv")).iter().all(|row| row["phase_proxy"].is_empty() && !row["phase"].is_empty()));
}
