//! `solve --search-rank auto`, `--ridge auto` and `--confidence`.

use lowrank::io::read_npz;

use crate::Dir;
use crate::says::says;

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

const SOLVE: &str = "solve --entries p/entries.csv --index-base 0 --shape 40,30 --truth p/X.npz --backend cpu";

fn made(noise: &str) -> Dir {
    let dir = Dir::new();
    let generate =
        "generate --operator entries --model asymmetric --shape 40,30 --rank 2 --measurements 700 --seed 2 --out p";
    dir.run(&words(&format!("{generate} --noise-std {noise}"))).done();
    dir
}

#[test]
fn a_rank_is_chosen_and_the_curve_is_written() {
    let dir = made("0.1");
    let said =
        dir.run(&words(&format!("{SOLVE} --search-rank auto --report run.json --selection c.svg --out f.npz"))).done();
    let report = dir.json("run.json");
    let selection = &report["selection"];
    assert_eq!((&selection["search_rank"], &selection["folds"]), (&2.into(), &5.into()), "{selection}");
    assert_eq!(report["trials"][0]["search_rank"], 2);
    assert_eq!(report["trials"][0]["holdout_rows"], 0, "the final solve uses all measurements");
    assert_eq!(report["settings"]["search_rank"], "auto");
    let candidates = selection["candidates"].as_array().unwrap();
    assert!(candidates.len() >= 8 && candidates[0]["fold_rmse"].as_array().unwrap().len() == 5, "{selection}");
    assert!(candidates[0]["rmse"].as_f64().unwrap() > 3.0 * candidates[1]["rmse"].as_f64().unwrap(), "{selection}");
    assert!(dir.text("c.svg").contains("k = 2"));
    let line = said.stdout.lines().find(|line| line.contains("chosen")).unwrap();
    assert_eq!(words(line)[0], "2", "{}", said.stdout);
    assert!(says(&said.stderr, "chosen by cross-validation"), "{}", said.stderr);
    // The report repeats the choice.
    let again = dir.run(&words("solve --config run.json --quiet")).done();
    assert!(says(&again.stderr, "bit for bit"), "{}", again.stderr);
}

#[test]
fn a_ridge_is_chosen_from_candidates() {
    let dir = made("0.5");
    let flags = "--search-rank 4 --ridge auto:0,0.1,0.3,1 --folds 3 --holdout 0.2 --report run.json --selection c.svg --max-iterations 300";
    dir.run(&words(&format!("{SOLVE} {flags}"))).done();
    let report = dir.json("run.json");
    let selection = &report["selection"];
    assert_eq!((&selection["search_rank"], &selection["folds"]), (&4.into(), &3.into()), "{selection}");
    assert!(selection["ridge"].as_f64().unwrap() > 0.0, "{selection}");
    assert_eq!(selection["candidates"].as_array().unwrap().len(), 4);
    assert!(report["holdout_rmse"].as_f64().is_some());
    assert!(dir.text("c.svg").contains("search rank 4"));
}

#[test]
fn standard_errors_are_written_beside_the_factors() {
    let dir = made("0.1");
    let said = dir.run(&words(&format!("{SOLVE} --search-rank 2 --confidence --report run.json --out f.npz"))).done();
    let confidence = &dir.json("run.json")["confidence"];
    let noise = confidence["noise_std"].as_f64().unwrap();
    assert!((noise / 0.1 - 1.0).abs() < 0.15, "{confidence}");
    assert_eq!((&confidence["degrees_of_freedom"], &confidence["measurements"]), (&136.into(), &700.into()));
    let errors = read_npz(dir.path("f.npz"), "standard_errors").unwrap();
    assert_eq!(errors.shape(), [40, 30]);
    assert!(says(&said.stdout, "noise std"), "{}", said.stdout);
    // The fit stays where there can be none.
    let said =
        dir.run(&words(&format!("{SOLVE} --search-rank 2 --loss l1 --max-iterations 20 --confidence --out g.npz")));
    let said = said.exits(1);
    assert!(says(&said.stderr, "no standard errors"), "{}", said.stderr);
    assert!(dir.path("g.npz").exists());
}

#[test]
fn choices_without_a_meaning_are_refused() {
    let dir = made("0.1");
    for (flags, pieces) in [
        ("--folds 3", &["--folds", "--search-rank auto"][..]),
        ("--selection c.svg", &["--selection", "--ridge auto"]),
        ("--search-rank auto --seed 1:3", &["--search-rank", "3 trials"]),
        ("--search-rank auto:0:2", &["--search-rank", "0", "at least 1"]),
        ("--search-rank auto --loss l1", &["--search-rank", "l1"]),
        ("--ridge auto:-1", &["--ridge", "-1"]),
        ("--search-rank auto --folds 1", &["--folds", "2 folds"]),
    ] {
        let said = dir.run(&words(&format!("{SOLVE} {flags}"))).exits(2);
        pieces.iter().for_each(|piece| assert!(says(&said.stderr, piece), "{flags}: {}", said.stderr));
    }
    let compare = "compare --entries p/entries.csv --index-base 0 --shape 40,30 --search-rank auto";
    let said = dir.run(&words(compare)).exits(2);
    assert!(says(&said.stderr, "--search-rank"), "{}", said.stderr);
}
