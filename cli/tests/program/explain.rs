//! `explain`: what happened in a run and what to try next.

use crate::Dir;
use crate::says::assert_says;

/// What `explain` says of a run with these flags, in its three parts.
fn explained(dir: &Dir, flags: &str) -> Vec<String> {
    dir.solve(&format!("{flags} --report run.json"));
    parts(dir)
}

fn parts(dir: &Dir) -> Vec<String> {
    let said = dir.run(&["explain", "run.json"]).done().stdout;
    let parts: Vec<String> = said.split("\n\n").map(str::to_owned).collect();
    let headings: Vec<&str> = parts.iter().filter_map(|part| part.lines().next()).collect();
    assert_eq!(headings, ["What happened", "What the numbers say", "What to try next"], "{said}");
    parts
}

#[test]
fn a_good_run_asks_for_nothing() {
    let dir = Dir::with_problem();
    let said = explained(&dir, "--truth X.npy --stop-relative-error 1e-3");
    assert_says(&said[0], &["gauss-newton ran on cpu", "120 measurements", "Converged after"]);
    assert_says(&said[1], &["against the truth", "was found", "2 of 10 columns"]);
    assert_says(&said[2], &["Nothing"]);
}

#[test]
fn a_run_without_a_judge_asks_for_one_and_digits_cost_precision() {
    let dir = Dir::with_problem();
    let said = explained(&dir, "");
    assert_says(&said[1], &["Nothing but the fit itself"]);
    assert_says(&said[2], &["--holdout", "--precision mixed"]);
    let said = explained(&dir, "--holdout 0.2 --precision f64");
    assert_says(&said[0], &["96 measurements", "double precision"]);
    assert_says(&said[1], &["Held-out measurements estimate the error"]);
    assert!(!said[2].contains("--holdout") && !said[2].contains("--precision"), "{}", said[2]);
}

#[test]
fn too_few_measurements_are_seen() {
    let dir = Dir::with_problem();
    let said = explained(&dir, "--rows 10 --holdout 0.3");
    assert_says(&said[1], &["predicts nothing"]);
    assert_says(&said[2], &["More measurements", "lowrank sweep"]);
}

#[test]
fn limits_steps_and_ranks_have_a_remedy() {
    let dir = Dir::with_problem();
    let said = explained(&dir, "--method gd --max-iterations 20 --holdout 0.1");
    assert_says(&said[0], &["IterationLimit after 20"]);
    assert_says(&said[2], &["--max-iterations than 20", "no --method"]);
    let said = explained(&dir, "--method gd --step-size 10");
    assert_says(&said[0], &["Diverged", "Remark"]);
    assert_says(&said[2], &["No --step-size"]);
    let said = explained(&dir, "--search-rank 1 --holdout 0.1");
    assert_says(&said[1], &["All 1 columns"]);
    assert_says(&said[2], &["larger --search-rank than 1"]);
    let said = explained(&dir, "--method gd --seed 1:3 --max-iterations 30");
    assert_says(&said[0], &["3 trials"]);
}

#[test]
fn entries_are_judged_beside_their_biases() {
    let dir = Dir::new();
    let make = "generate --operator entries --model asymmetric --shape 60,40 --rank 2 --measurements 1200 --out .";
    dir.run(&make.split(' ').collect::<Vec<_>>()).done();
    let solve = |more: &str| {
        let flags = format!("solve --entries entries.csv --backend cpu --holdout 0.1 --report run.json {more}");
        dir.run(&flags.split_whitespace().collect::<Vec<_>>());
        parts(&dir)
    };
    let said = solve("");
    assert!(said[1].contains("better than") && !said[1].contains("no better"), "{}", said[1]);
    let said = solve("--method gd --max-iterations 5");
    assert_says(&said[1], &["no better than"]);
    assert_says(&said[2], &["--max-iterations than 5", "--biases"]);
}

#[test]
fn what_is_no_report_is_refused() {
    let dir = Dir::with_problem();
    assert_says(&dir.run(&["explain", "none.json"]).exits(2).stderr, &["none.json", "path"]);
    for text in ["", "{}", "[1]"] {
        dir.write("run.json", text.as_bytes());
        assert_says(&dir.run(&["explain", "run.json"]).exits(2).stderr, &["run.json", "lowrank solve --report"]);
    }
    dir.solve("--report run.json").done();
    let broken = dir.text("run.json").replace("\"best_trial\": 0", "\"best_trial\": 7");
    dir.write("run.json", broken.as_bytes());
    assert_says(&dir.run(&["explain", "run.json"]).exits(2).stderr, &["best trial"]);
}
