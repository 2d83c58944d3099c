//! `--json` and `--html`: results for scripts, and a page to send.

use serde_json::Value;

use crate::Dir;
use crate::says::assert_says;

/// The document on the standard output.
fn document(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[test]
fn solve_prints_its_report_and_the_text_goes_elsewhere() {
    let dir = Dir::with_problem();
    let said = dir.solve("--json --report run.json --holdout 0.1").done();
    assert_eq!(document(&said.stdout), dir.json("run.json"));
    assert_says(&said.stderr, &["note: ", "status ", "estimated rank"]);
    let said = dir.solve("--json --quiet").done();
    assert!(document(&said.stdout)["inputs"][0]["sha256"].is_string());
    assert_eq!(said.stderr, "");
    // A run that missed its target has a document too, and one that was refused has none.
    let said = dir.solve("--method gd --max-iterations 3 --stop-residual 1e-9 --json --quiet").exits(1);
    assert_eq!(document(&said.stdout)["status"], "IterationLimit");
    let said = dir.solve("--json --out -").exits(2);
    assert_says(&said.stderr, &["outputs", "--json"]);
    assert_eq!(said.stdout, "");
}

#[test]
fn a_report_with_switches_of_outputs_runs_again() {
    let dir = Dir::with_problem();
    let said = dir.solve("--method gd --html run.html --json --max-iterations 40 --report run.json").done();
    assert!(document(&said.stdout)["argv"].as_array().unwrap().contains(&"--html".into()));
    let said = dir.run(&["solve", "--config", "run.json"]).done();
    assert_says(&said.stderr, &["same result"]);
    assert_says(&said.stdout, &["IterationLimit", "iterations        40"]);
    let again = dir.run(&["solve", "--config", "run.json", "--json"]).done();
    let argv = document(&again.stdout)["argv"].as_array().unwrap().clone();
    let outputs = argv.iter().filter(|word| ["--html", "--json", "--report"].map(Value::from).contains(word));
    assert_eq!(outputs.collect::<Vec<_>>(), ["--json"], "where results go is no part of the experiment: {argv:?}");
}

#[test]
fn comparisons_sweeps_and_laws_have_documents() {
    let dir = Dir::with_problem();
    let compare = "compare --matrices A.npy --observations y.npy --truth X.npy --backend cpu --methods gd,prec-gd --max-iterations 50";
    let words = |more: &str| format!("{compare} {more}").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let run = |words: &[String]| dir.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let said = run(&words("--json --out report")).done();
    assert_eq!(document(&said.stdout), dir.json("report/compare.json"));
    assert_says(&said.stderr, &["method", "report.html"]);
    let said = run(&words("--json --quiet")).done();
    assert_eq!(document(&said.stdout)["table"].as_array().unwrap().len(), 2);
    assert_eq!(said.stderr, "");

    let sweep =
        "sweep --n 8 --rank 1 --measurements 20,60 --repetitions 2 --max-iterations 50 --backend cpu --out s --json";
    let said = dir.run(&sweep.split(' ').collect::<Vec<_>>()).done();
    assert_eq!(document(&said.stdout), dir.json("s/sweep.json"));
    let table = document(&said.stdout)["table"].as_array().unwrap().clone();
    assert_eq!(table.iter().map(|cell| cell["measurements"].as_u64().unwrap()).collect::<Vec<_>>(), [20, 60]);
    assert!(table.iter().all(|cell| cell["count"] == 2 && cell["rate"].is_number()));

    let said = dir.run(&["check", "--place", "reference", "--operator", "dense", "--json"]).done();
    let found = document(&said.stdout);
    assert_eq!((&found["failed"], &found["laws"][0]["operator"]), (&0.into(), &"dense".into()));
    let held: u64 = found["laws"].as_array().unwrap().iter().map(|law| law["held"].as_u64().unwrap()).sum();
    assert_eq!(Some(held), found["held"].as_u64());
    assert_says(&said.stderr, &["holds", &format!("{held} checks held")]);
    assert_says(&dir.run(&["check", "--minutes", "0", "--json"]).exits(2).stderr, &["--json", "--minutes"]);
}

/// What every page keeps to.
fn tidy(page: &str, figures: usize) {
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && page.trim_end().ends_with("</html>"));
    assert_eq!(page.matches("<svg role=\"img\" aria-label=\"").count(), figures, "every figure has a name");
    assert_eq!(page.matches("<svg").count(), figures);
    assert_eq!(page.matches("<figcaption>").count(), figures);
    assert_eq!(page.matches("<h1>").count(), 1);
    for text in ["prefers-color-scheme:dark", "width=device-width", "<h2>Settings</h2>", "<h2>Run it again</h2>"] {
        assert!(page.contains(text), "{text}");
    }
    for text in ["<script", "src=", "http", "url(", "@import", "NaN", "null"] {
        assert!(!page.contains(text), "{text} in a page that fetches nothing");
    }
}

#[test]
fn the_page_of_a_run_has_its_result_its_curves_and_its_settings() {
    let dir = Dir::with_problem();
    dir.run(&["generate", "--n", "10", "--rank", "2", "--measurements", "120", "--out", "a<b&c"]).done();
    let problem = "solve --matrices a<b&c/A.npy --observations a<b&c/y.npy --truth a<b&c/X.npy --backend cpu";
    let words = format!("{problem} --method gd --holdout 0.1 --html run.html");
    let printed = dir.run(&words.split(' ').collect::<Vec<_>>()).done().stdout;
    let page = dir.text("run.html");
    // Errors with losses, phases, the spectrum.
    tidy(&page, 3);
    assert!(page.contains("a&lt;b&amp;c/A.npy") && !page.contains("a<b"), "paths are escaped");
    assert!(page.contains("--matrices 'a&lt;b&amp;c/A.npy'"), "the command is quoted for a shell");
    let error = printed.lines().find_map(|line| line.strip_prefix("relative error    ")).unwrap();
    assert!(page.contains(&format!("<td class=\"number\">{error}</td>")), "{error}");
    for text in
        ["A run of gd: 10x10, 120 measurements", "<h2>What to try next</h2>", "relative error", "kept, ", "SHA-256"]
    {
        assert!(page.contains(text), "{text}");
    }
    dir.solve("--method gd --seed 1:14 --max-iterations 60 --html batch.html").done();
    let page = dir.text("batch.html");
    tidy(&page, 3);
    assert!(page.contains("12 of 14 trials") && page.contains("<h2>All trials</h2>"));
    dir.solve("--search-rank auto --html chosen.html").done();
    let page = dir.text("chosen.html");
    tidy(&page, 3);
    assert!(page.contains("<h2>Cross-validation</h2>"));
}
