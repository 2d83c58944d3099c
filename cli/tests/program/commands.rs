//! `demo`, `check`, `list` and the help.

use crate::says::assert_says;
use crate::{Dir, close, distance, product, table};

#[test]
fn the_reference_page_lists_every_option() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/options.md");
    let found = Dir::new().run(&["list", "options"]).done().stdout;
    let written = std::fs::read_to_string(page).unwrap();
    assert!(written == found, "docs/options.md is old: lowrank list options > docs/options.md");
}

#[test]
fn the_demo_recovers_its_matrix_and_leaves_its_files() {
    let dir = Dir::new();
    let said = dir.run(&["demo", "--backend", "cpu", "--out", "demo"]).done();
    assert_says(&said.stdout, &["rank 3"]);
    let ((shape, left), (_, x)) = (dir.factors("demo/factors.npz"), dir.array("demo/X.npy"));
    assert_eq!(shape, [1, 100, 20]);
    let error = distance(&product(&left, 100, 20), &product(&x, 100, 3));
    let report = dir.json("demo/run.json");
    assert!(error < 1e-5, "{error}");
    close(report["relative_error"].as_f64().unwrap(), error, 1e-3);
    assert_eq!(report["seeds"], serde_json::json!({ "truth": 1, "operator": 1, "init": [1] }));
    assert_eq!(table(&dir.text("demo/trace.csv")).len(), 41);
    assert!(dir.text("demo/error.svg").starts_with("<svg"));
    assert_eq!(std::fs::read_dir(dir.path("demo")).unwrap().count(), 5);
}

#[test]
fn laws_hold_on_the_processor() {
    let dir = Dir::new();
    let said = dir.run(&["check", "--place", "cpu", "--operator", "dense"]).done();
    assert!(said.stdout.trim_end().ends_with(" 0 failed") && !said.stdout.contains("FAILS"), "{}", said.stdout);
    assert!(said.stdout.contains("cpu f64") && !said.stdout.contains("reference f64"), "{}", said.stdout);
}

#[test]
fn lists_name_what_the_flags_take() {
    let dir = Dir::new();
    let devices = dir.run(&["list", "devices"]).done().stdout;
    assert!(devices.lines().any(|l| l.starts_with("cpu")) && devices.lines().any(|l| l.starts_with("reference")));
    assert!(dir.run(&["list", "operators"]).done().stdout.starts_with("dense\n"));
    assert!(dir.run(&["list", "methods"]).done().stdout.starts_with("gd\n"));
    assert!(dir.run(&["list", "models"]).done().stdout.starts_with("psd\n"));
    assert!(dir.run(&["--version"]).done().stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_fits_110_columns_explains_every_flag_and_names_defaults() {
    let dir = Dir::new();
    for command in ["", "solve", "compare", "generate", "demo", "check", "list"] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = dir.run(&args).done().stdout;
        for line in help.lines() {
            assert!(line.chars().count() <= 110, "{command}: {line}");
        }
        let lines: Vec<&str> = help.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.trim_start().starts_with("--")) {
            // The text stands behind the flag, or on the next line where flags are long.
            let beside = line.trim().split_once("  ").map_or("", |(_, text)| text).trim();
            let below = lines.get(at + 1).map_or("", |l| l.trim());
            let text = if beside.is_empty() { below } else { beside };
            assert!(!text.is_empty() && !text.starts_with('[') && !text.starts_with('-'), "{command}: {line}");
        }
    }
    let help = dir.run(&["solve", "--help"]).done().stdout;
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for default in
        ["min(n, 20)", "1/(4 ‖s·A*(y)‖)", "1e-6 √‖s·A*(y)‖", "[default: 5000]", "[default: auto]", "every:10"]
    {
        assert!(words.contains(default), "{default}");
    }
    for text in ["1:8", "log:1e-1:1e-7:7", "Exit codes"] {
        assert!(words.contains(text), "{text}");
    }
    dir.run(&[]).exits(2);
}
