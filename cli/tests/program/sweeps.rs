//! Tests of `lowrank sweep` on tiny grids: results, their independence of batches and interruptions, and refusals.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lowrank::operators::Dense;
use lowrank::problem::{Domain, synthetic};
use lowrank::{Backend, Init, Method, Precision, Problem, Settings, Solver, Status, Stop, Trial};
use lowrank_studies::sweep::{Cell, Grid, Outcome, Sweep};

use crate::says::assert_says;

fn lowrank(arguments: &[&str], out: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lowrank"));
    command.arg("sweep").args(arguments).args(["--backend", "cpu", "--out"]).arg(out).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], out: &Path) -> Output {
    lowrank(arguments, out).output().unwrap()
}

/// Runs to the end and returns `sweep.csv` without the times.
fn table(arguments: &[&str], out: &Path) -> Vec<String> {
    let output = run(arguments, out);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    let at = columns(&text, "seconds");
    let without =
        |line: &str| line.split(',').enumerate().filter(|(i, _)| *i != at).map(|(_, v)| v.to_owned()).collect();
    text.lines()
        .map(|line| {
            let fields: Vec<String> = without(line);
            fields.join(",")
        })
        .collect()
}

/// The number of a column in a table.
fn columns(text: &str, name: &str) -> usize {
    text.lines().next().unwrap().split(',').position(|column| column == name).unwrap()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

const SMALL: &[&str] = &[
    "--n",
    "12",
    "--rank",
    "1:2",
    "--measurements",
    "8,30,70",
    "--noise-std",
    "0,0.001",
    "--repetitions",
    "3",
    "--success",
    "1e-2",
    "--seed",
    "5",
    "--max-iterations",
    "600",
];

#[test]
fn easy_cells_succeed_impossible_cells_fail_and_every_file_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/out");
    let arguments = ["--n", "12", "--rank", "1,2", "--measurements", "7,78", "--repetitions", "5", "--success", "1e-2"];
    let output = run(&arguments, &out);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let cells = std::fs::read_to_string(out.join("cells.csv")).unwrap();
    let field = |line: &str, name: &str| line.split(',').nth(columns(&cells, name)).unwrap().parse::<f64>().unwrap();
    assert_eq!(cells.lines().count(), 5);
    for line in cells.lines().skip(1) {
        let (m, freedom) = (field(line, "measurements"), field(line, "degrees_of_freedom"));
        assert_eq!(freedom, if field(line, "rank") == 1.0 { 12.0 } else { 23.0 });
        let easy = m > 3.0 * freedom;
        assert!(easy || m < freedom, "{line}");
        assert_eq!((field(line, "count"), field(line, "successes")), (5.0, if easy { 5.0 } else { 0.0 }), "{line}");
        assert_eq!(field(line, "rate"), f64::from(easy));
        assert!(field(line, "wilson_low") <= f64::from(easy) && field(line, "wilson_high") >= f64::from(easy));
        assert_eq!(field(line, "median_relative_error") <= 1e-2, easy);
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((&rows[1][..], &rows[2][..]), (&["2", "|", "0", "100"][..], &["1", "|", "0", "100"][..]));
    let svg = std::fs::read_to_string(out.join("heatmap.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("rank r*") && svg.contains("degrees of freedom"));
    let html = std::fs::read_to_string(out.join("sweep.html")).unwrap();
    assert!(html.contains("<svg") && html.contains("--measurements 7,78") && html.contains("5 of 5"));
    let json = json(&out.join("sweep.json"));
    assert_eq!((&json["solves"], &json["successes"]), (&20.into(), &10.into()));
    assert_eq!(json["environments"][0]["backend"], "cpu");
    let mut names: Vec<_> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["cells.csv", "heatmap.svg", "journal.csv", "sweep.csv", "sweep.html", "sweep.json"]);
}

#[test]
fn batches_of_any_size_give_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for method in ["auto", "gd"] {
        let with = |batch: &str| {
            let out = folder.path().join(format!("{method}{batch}"));
            table(&[SMALL, &["--batch", batch, "--method", method]].concat(), &out)
        };
        let whole = with("64");
        assert_eq!(whole.len(), 1 + 2 * 3 * 2 * 3);
        for batch in ["1", "5"] {
            assert_eq!(with(batch), whole, "{method} in batches of {batch}");
        }
    }
}

fn solved(grid: &Grid, backend: Backend) -> (Sweep, Vec<Outcome>) {
    let sweep = Sweep::new(grid.clone(), backend, 7).unwrap();
    let mut outcomes = vec![None; sweep.solves()];
    assert!(sweep.run(&mut outcomes, |_, _| Ok(()), |_| ControlFlow::Continue(())).unwrap());
    (sweep, outcomes.into_iter().map(Option::unwrap).collect())
}

/// Runs the same solve through the library, on an operator of `rows` measurements.
fn alone(sweep: &Sweep, solve: usize, rows: usize, backend: Backend) -> lowrank::TrialSolution {
    let (cell, _, seeds) = sweep.solve(solve);
    let Cell { n, rank, condition_number, measurements, noise_std, search_rank, init_scale, step_size, .. } = *cell;
    let truth = synthetic::psd(n).rank(rank).condition_number(condition_number).seed(seeds.truth).build().unwrap();
    let operator = Dense::gaussian(Domain::symmetric(n), rows, seeds.operator).unwrap();
    let problem = Problem::measure(operator, truth).unwrap().with_noise(noise_std, seeds.noise).unwrap();
    let mut trial = Trial::default().rows(measurements).search_rank(search_rank).seed(seeds.init);
    if let (Some(scale), Some(step)) = (init_scale, step_size) {
        trial = trial.init_scale(scale).step_size(step);
    }
    let grid = sweep.grid();
    let settings = Settings::new(Method::gd())
        .init(Init::Automatic { seed: 0 })
        .precision(grid.precision)
        .stop(Stop::default().relative_error(grid.success).max_iterations(grid.max_iterations))
        .trials([trial]);
    Solver::new(problem, settings, backend).unwrap().solve().unwrap().trials.remove(0)
}

#[test]
fn a_solve_of_a_sweep_is_the_same_problem_solved_alone() {
    let base = Grid {
        method: Some(Method::gd().into()),
        n: vec![12],
        rank: vec![2, 3],
        condition_number: vec![1.5],
        measurements: vec![20, 60, 64],
        noise_std: vec![0.0, 0.01],
        repetitions: 2,
        success: 1e-2,
        max_iterations: 400,
        precision: Precision::F64,
        seed: 9,
        ..Grid::default()
    };
    let explicit = Grid { search_rank: vec![5], init_scale: vec![1e-4], step_size: vec![0.2], ..base.clone() };
    for grid in [Grid { vary_operator: true, ..base.clone() }, explicit, base] {
        let (sweep, outcomes) = solved(&grid, Backend::Cpu);
        let rows = sweep.operator_rows();
        let shared = (0..outcomes.len()).filter(|&s| sweep.solve(s).0.measurements < rows[s]).count();
        assert!(
            !grid.vary_operator || shared > 0,
            "no solve shares a larger operator: the test tests less than it says"
        );
        for (solve, outcome) in outcomes.iter().enumerate() {
            let same = alone(&sweep, solve, rows[solve], Backend::Cpu);
            assert_eq!(same.status, outcome.status, "{solve}");
            assert_eq!(same.iterations, outcome.iterations);
            assert_eq!(same.relative_error.unwrap().to_bits(), outcome.relative_error.to_bits(), "{solve}");
            assert_eq!(same.train_loss.to_bits(), outcome.train_loss.to_bits());
            assert_eq!(Some(same.parameters.step_size), outcome.step_size);
            assert_eq!(same.parameters.init_scale, outcome.init_scale);
            assert!(outcome.step_size.is_some() && outcome.init_scale.is_some());
        }
        // An operator of just the rows that are used differs by rounding only.
        let solve = outcomes.iter().position(|o| o.status == Status::Converged).unwrap();
        let own = alone(&sweep, solve, sweep.solve(solve).0.measurements, Backend::Cpu);
        assert_eq!(own.iterations, outcomes[solve].iterations);
        approx::assert_relative_eq!(own.relative_error.unwrap(), outcomes[solve].relative_error, max_relative = 1e-6);
    }
}

#[test]
fn a_journal_cut_in_the_middle_of_a_line_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let whole = table(SMALL, out);
    let csv = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    // Nothing is left to do: even the times are those of the first run.
    assert_eq!(table(SMALL, out), whole);
    assert_eq!(std::fs::read_to_string(out.join("sweep.csv")).unwrap(), csv);

    let journal = std::fs::read_to_string(out.join("journal.csv")).unwrap();
    let half = journal.char_indices().nth(journal.len() / 2).unwrap().0;
    let cut = journal[..half].rfind('\n').unwrap() + 9;
    std::fs::write(out.join("journal.csv"), &journal[..cut]).unwrap();
    for name in ["sweep.csv", "cells.csv", "sweep.json"] {
        std::fs::remove_file(out.join(name)).unwrap();
    }
    assert_eq!(table(SMALL, out), whole);
    let earlier = json(&out.join("sweep.json"))["timing"]["solves_of_earlier_runs"].as_u64().unwrap();
    assert!(earlier > 0 && earlier < 36, "{earlier}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_keeps_what_is_finished_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // Without the stall rule the impossible cells take all their iterations, which leaves time to interrupt.
    let arguments = [
        "--n",
        "12",
        "--rank",
        "1:2",
        "--measurements",
        "8:38:10",
        "--repetitions",
        "6",
        "--max-iterations",
        "6000",
        "--stall-window",
        "0",
        "--batch",
        "2",
        "--method",
        "gd",
    ];
    let out = folder.path().join("interrupted");
    let mut child = lowrank(&arguments, &out).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let journal = || std::fs::read_to_string(out.join("journal.csv")).unwrap_or_default();
    // All but the plan and the remarks.
    let finished = || journal().lines().skip(1).filter(|line| !line.starts_with('#')).count();
    while finished() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    let kept = finished();
    assert!((3..48).contains(&kept), "{kept} of 48");
    assert_says(&message, &["interrupted", &kept.to_string(), "48"]);
    assert!(!out.join("sweep.csv").exists(), "outputs appear at the end");
    let uninterrupted = table(&arguments, &folder.path().join("whole"));
    assert_eq!(table(&arguments, &out), uninterrupted);
    assert!(!journal().contains("milliseconds"), "times of kernels are no environment: {}", journal());
}

#[test]
fn another_command_into_the_same_directory_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    table(SMALL, out);
    let csv = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    let mut other = SMALL.to_vec();
    other[5] = "8,30,71";
    let refused = run(&other, out);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert_says(&message, &["--measurements", "[8,30,71]", "[8,30,70]", "--restart"]);
    assert_eq!(std::fs::read_to_string(out.join("sweep.csv")).unwrap(), csv);
    other.push("--restart");
    assert_eq!(table(&other, out).iter().filter(|line| line.contains(",71,")).count(), 12);
}

/// Operators, models and methods that sweep together: each finds what is easy and misses what is impossible.
const KINDS: &[(&str, &str, &str, &str)] = &[
    ("dense", "psd", "auto", "5,110"),
    ("dense", "signed:signature=1,1", "auto", "5,110"),
    ("dense", "asymmetric", "gd", "5,190"),
    ("seeded", "psd", "cg", "5,110"),
    ("rademacher", "psd", "scaled-gd:damping=0.001", "5,110"),
    ("rank_one", "psd", "auto", "5,200"),
    ("rank_one", "asymmetric", "prec-gd", "5,250"),
    ("entries", "psd", "gd:step_rule=exact", "5,55"),
    ("entries", "asymmetric", "lbfgs:memory=3", "5,100"),
    ("sparse", "psd", "auto", "5,200"),
    ("dense", "deep:depth=3", "gd", "5,190"),
    ("sparse", "asymmetric", "riemannian", "5,400"),
];

#[test]
fn every_kind_of_operator_model_and_method_sweeps() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (operator, model, method, measurements)) in KINDS.iter().enumerate() {
        let (out, what) = (folder.path().join(number.to_string()), format!("{operator}, {model}, {method}"));
        let kind = ["--operator", operator, "--model", model, "--method", method, "--measurements", measurements];
        let grid = ["--n", "10", "--rank", "2", "--repetitions", "2", "--success", "1e-2", "--max-iterations", "3000"];
        let output = run(&[&grid[..], &kind[..]].concat(), &out);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let cells = std::fs::read_to_string(out.join("cells.csv")).unwrap();
        let of = |line: &str, name: &str| line.split(',').nth(columns(&cells, name)).unwrap().to_owned();
        let lines: Vec<&str> = cells.lines().skip(1).collect();
        assert_eq!((of(lines[0], "successes").as_str(), of(lines[1], "successes").as_str()), ("0", "2"), "{what}");
        let symmetric = model.starts_with("psd") || model.starts_with("signed");
        assert_eq!(of(lines[0], "degrees_of_freedom"), if symmetric { "19" } else { "36" }, "{what}");
        let used = if *method == "auto" { "pursuit" } else { method };
        let ending = if model.contains(',') {
            format!(",{operator},\"{model}\",{used},")
        } else {
            format!(",{operator},{model},{used},")
        };
        assert!(lines.iter().all(|line| line.contains(&ending)), "{what}: {cells}");
        let settings = &json(&out.join("sweep.json"))["settings"];
        for (name, said) in [("operator", *operator), ("model", *model), ("method", used)] {
            assert_eq!(settings[name], said, "{what}");
        }
        let page = std::fs::read_to_string(out.join("sweep.html")).unwrap();
        for said in [format!("operator {operator}"), format!("model {model}"), format!("method {used}")] {
            assert!(page.contains(&said), "{what}: {said}");
        }
        assert!(!page.to_lowercase().contains("gradient descent"), "{what}");
        // Steps and scales of the start stand where the method has them.
        let solves = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
        let line = solves.lines().nth(1).unwrap();
        let filled = |name: &str| !line.split(',').nth(columns(&solves, name)).unwrap().is_empty();
        let found = ["pursuit", "cg", "lbfgs", "riemannian"].iter().any(|word| used.starts_with(word));
        assert_eq!(filled("step_size"), !found, "{what}: {line}");
        let other = ["pursuit", "riemannian"].contains(&used);
        assert_eq!(filled("init_scale"), !other, "{what}: {line}");
    }
}

#[test]
fn the_method_is_the_solvers_choice_and_belongs_to_the_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let small = ["--n", "8", "--rank", "1", "--measurements", "60", "--repetitions", "2", "--max-iterations", "200"];
    fn of<'a>(small: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        [small, more].concat()
    }
    let method = || json(&out.join("sweep.json"))["settings"]["method"].clone();
    table(&of(&small, &[]), out);
    let chosen = Settings::default().method_of(&Domain::symmetric(8));
    assert_eq!(method(), chosen.word());
    // Naming what was chosen changes nothing.
    table(&of(&small, &["--method", chosen.word()]), out);
    // A step or a scale of the start asks for gradient descent.
    for (named, flag) in [("--method", ["--step-size", "0.1"]), ("--init-scale", ["--init-scale", "1e-3"])] {
        let message = String::from_utf8(run(&of(&small, &flag), out).stderr).unwrap();
        assert!(message.starts_with(&format!("error: {named}: found")), "{message}");
        table(&of(&small, &[&flag[..], &["--restart"]].concat()), out);
        assert_eq!(method(), "gd");
        table(&of(&small, &["--restart"]), out);
    }
    // Other parameters are another sweep, and so are another operator and another model.
    table(&of(&small, &["--method", "lbfgs:memory=5", "--restart"]), out);
    for (flag, other) in [
        ("--method", vec!["--method", "lbfgs:memory=6"]),
        ("--method", vec!["--method", "cg"]),
        ("--operator", vec!["--method", "lbfgs:memory=5", "--operator", "seeded"]),
        ("--model", vec!["--method", "lbfgs:memory=5", "--model", "signed:signature=1,0"]),
    ] {
        let refused = run(&of(&small, &other), out);
        let message = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{other:?}: {message}");
        assert!(message.starts_with(&format!("error: {flag}: found")), "{other:?}: {message}");
    }
    let finished = table(&of(&small, &["--method", "lbfgs:memory=6", "--restart"]), out);
    assert!(finished.last().unwrap().contains(",lbfgs:memory=6,") && method() == "lbfgs:memory=6");
}

#[test]
fn bad_input_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[&str]); 23] = [
        ("--rank", &["--rank", "13"]),
        ("--rank", &["--rank", "0"]),
        ("--rank", &["--rank", "1,1"]),
        ("--rank", &["--rank", "-1"]),
        ("--measurements", &["--measurements", "0"]),
        ("--measurements", &["--measurements", "ten"]),
        ("--measurements", &["--measurements", "1000000000000"]),
        ("--repetitions", &["--repetitions", "0"]),
        ("--success", &["--success", "0"]),
        ("--success", &["--success", "-1e-3"]),
        ("--noise-std", &["--noise-std", "-0.1"]),
        ("--condition-number", &["--condition-number", "3"]),
        ("--batch", &["--batch", "0"]),
        ("--precision", &["--precision", "f16"]),
        ("--operator", &["--operator", "fourier"]),
        ("--model", &["--model", "positive"]),
        ("--model", &["--model", "signed:depth=2"]),
        ("--method", &["--method", "newton"]),
        ("--method", &["--method", "gd:memory=3"]),
        ("--rank", &["--model", "signed:signature=2,1"]),
        ("--search-rank", &["--model", "signed:signature=1,0", "--search-rank", "2"]),
        ("--init-scale", &["--method", "riemannian", "--init-scale", "1e-3"]),
        ("--measurements", &["--operator", "entries", "--measurements", "79"]),
    ];
    for (flag, changed) in cases {
        let out = folder.path().join("none");
        let mut arguments = vec!["--n", "12"];
        for pair in [["--rank", "1"], ["--measurements", "30"]].iter().filter(|pair| !changed.contains(&pair[0])) {
            arguments.extend(pair);
        }
        arguments.extend(changed);
        let output = run(&arguments, &out);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{changed:?}: {message}");
        assert!(message.starts_with(&format!("error: {flag}: ")), "{changed:?}: {message}");
        assert!(!out.exists(), "{changed:?} left a directory behind");
    }
}
