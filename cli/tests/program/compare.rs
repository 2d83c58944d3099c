//! `compare`: methods on one problem, their table and files.

use crate::refusals::refused;
use crate::says::{assert_says, says};
use crate::{Dir, table};

const BASE: &str = "compare --matrices A.npy --observations y.npy --backend cpu --search-rank 4";

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn methods_are_compared_and_the_files_agree() {
    let dir = Dir::with_problem();
    let methods = "gd,prec-gd:damping_factor=0.5,cg,alt-scaled-gd";
    let said = dir
        .run(&words(&format!(
            "{BASE} --truth X.npy --precision f64 --methods {methods} --max-iterations 600 --out report"
        )))
        .done();
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(lines[0].starts_with("method") && says(lines[0], "1e-10"), "{}", said.stdout);
    for (line, label) in lines[1..].iter().zip(["gd ", "prec-gd:damping_factor=0.5 ", "cg ", "alt-scaled-gd"]) {
        assert!(line.starts_with(label), "{line}");
    }
    assert_says(&said.stdout, &["truth"]);

    let rows = table(&dir.text("report/table.csv").lines().take(4).collect::<Vec<_>>().join("\n"));
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[1]["method"].as_str(), rows[1]["start"].as_str()), ("prec-gd", "random"));
    assert_eq!((rows[2]["step_rule"].as_str(), rows[2]["passes_per_iteration"].as_str()), ("exact", "1e0"));
    let number = |row: usize, column: &str| rows[row][column].parse::<f64>().unwrap();
    assert!(number(2, "iterations_to_1e-3") < number(0, "iterations_to_1e-3"));
    assert!(number(2, "error") < 1e-10);

    let report = dir.json("report/compare.json");
    assert_eq!((&report["metric"], &report["interrupted"]), (&"relative_error".into(), &false.into()));
    assert_eq!(report["settings"]["methods"], serde_json::json!(methods.split(',').collect::<Vec<_>>()));
    assert_eq!(report["table"].as_array().unwrap().len(), 4);
    assert_says(report["table"][3]["reason"].as_str().unwrap(), &["alternate"]);
    assert_eq!(report["table"][2]["reached"][0]["iterations"].as_f64().unwrap(), number(2, "iterations_to_1e-3"));
    assert_eq!((&report["environment"]["backend"], report["inputs"].as_array().unwrap().len()), (&"cpu".into(), 3));
    assert_eq!(report["runs"][1]["trials"][0]["search_rank"], 4);

    let curves = table(&dir.text("report/curves.csv"));
    let gd: Vec<_> = curves.iter().filter(|row| row["label"] == "gd").collect();
    // An observation at every iteration.
    assert_eq!(gd[7]["iteration"], "7");
    let first = gd.iter().find(|row| row["relative_error"].parse::<f64>().unwrap() <= 1e-3).unwrap();
    assert_eq!(first["iteration"].parse::<f64>().unwrap(), number(0, "iterations_to_1e-3"));

    let page = dir.text("report/report.html");
    for text in ["1e-6", "alternate", "Polak", "--methods", "</html>"] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(!page.contains("<script") && !page.contains("src="), "self-contained");
    for name in ["error-iterations.svg", "error-seconds.svg"] {
        let svg = dir.text(&format!("report/{name}"));
        assert!(svg.starts_with("<svg") && svg.contains("prec-gd") && svg.contains("relative error"), "{name}");
    }
    assert_eq!(std::fs::read_dir(dir.path("report")).unwrap().count(), 6);
}

#[test]
fn by_default_all_methods_that_fit_the_model_run_and_flags_reach_those_that_have_them() {
    let dir = Dir::with_problem();
    let said = dir.run(&words(&format!("{BASE} --max-iterations 15 --seed 1:2 --memory 3 --levels 0.5 -q"))).done();
    let methods: Vec<&str> = said.stdout.lines().skip(1).filter_map(|l| l.split_whitespace().next()).collect();
    let wanted =
        ["gd", "momentum", "heavy-ball", "gd-polyak", "sgd", "scaled-gd", "prec-gd", "cg", "lbfgs", "riemannian"];
    assert_eq!(methods[..10], wanted, "{}", said.stdout);
    assert_says(&said.stdout, &["5e-1", "2 trials", "truth", "held-out"]);
    assert_eq!(said.stderr, "");
    // Without a target it is no failure that an error is not reached; with one some method has to reach it.
    let target =
        |e: &str| dir.run(&words(&format!("{BASE} --methods gd,cg --max-iterations 80 --stop-residual {e} -q")));
    target("1e-2").done();
    target("1e-30").exits(1);
}

#[test]
fn wrong_methods_and_parameters_are_refused() {
    let dir = Dir::with_problem();
    for (flags, fragments) in [
        ("--methods gd,foo", &["--methods", "'foo'", "scaled-gd", "riemannian", "lowrank list methods"][..]),
        ("--methods gd,,cg", &["--methods", "''"]),
        ("--methods gd,gd", &["--methods", "'gd'"]),
        ("--methods gd:damping=1", &["'damping'", "'gd:damping=1'", "step_rule", "step_size"]),
        ("--methods cg:step_size", &["'step_size'", "'cg:step_size'", "name=value"]),
        ("--methods lbfgs:memory=2.5", &["memory=2.5", "whole"]),
        ("--methods lbfgs:memory=2:memory=3", &["'memory'", "lbfgs:memory=2:memory=3"]),
        ("--methods gd:step_rule=wolfe", &["step_rule=wolfe", "armijo"]),
        ("--methods scaled-gd:damping=1e-2;step_size=-1", &["--methods", "step_size", "-1", "positive"]),
        ("--methods lbfgs:memory=0", &["--methods", "memory", "0", "1"]),
        ("--methods gd --damping 0.1", &["--damping", "scaled-gd"]),
        ("--damping 0.1,0.2", &["--damping", "2", "scaled-gd:damping=0.1"]),
        ("--step-size 0.1,0.2", &["--step-size", "2", "one"]),
        ("--levels 0", &["--levels", "found 0", "positive"]),
        ("--observe never", &["--observe", "'never'", "every:J"]),
        ("--stop-relative-error 1e-3", &["--stop-relative-error", "--truth"]),
        ("--search-rank 0", &["search-rank"]),
    ] {
        let base = if flags.starts_with("--search-rank") { BASE.replace(" --search-rank 4", "") } else { BASE.into() };
        refused(&dir, &format!("{base} --out report {flags}"), fragments);
    }
    // An output that is an input.
    std::fs::create_dir(dir.path("r")).unwrap();
    std::fs::copy(dir.path("y.npy"), dir.path("r/table.csv")).unwrap();
    let args = "compare --matrices A.npy --observations r/table.csv --backend cpu --out r";
    let said = dir.run(&words(args)).exits(2);
    assert!(said.stderr.contains("r/table.csv"), "{}", said.stderr);
    // Nobody can run.
    let said = dir.run(&words(&format!("{BASE} --methods alt-scaled-gd"))).exits(2);
    assert_says(&said.stderr, &["alt-scaled-gd", "alternate"]);
}
