//! `lowrank reproduce ss21` through the program: files, claims, exit codes.

use assert_cmd::Command;

use crate::says::assert_says;
use crate::study::Ran;

/// Sizes at which everything takes a second or two.
const TINY: &str = "--quick --n 40 --rank 2 --slope-size 30 --backend cpu";

fn reproduce(words: &str) -> Ran {
    Ran::of(&format!("ss21 {words}"))
}

#[test]
fn the_whole_study_leaves_its_files_and_its_claims_hold() {
    let ran = reproduce(&format!("all {TINY} --seed 3"));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    for name in ["phases", "spectral", "times", "scale", "slopes", "width"] {
        for suffix in ["svg", "csv", "py"] {
            assert!(ran.has(&format!("{name}.{suffix}")), "{name}.{suffix}");
        }
        assert!(!ran.text(&format!("{name}.csv")).contains("NaN"), "{name}");
        assert!(ran.text(&format!("{name}.svg")).contains("T = "), "{name}: the stop time");
    }
    assert!(ran.text("claims.json").contains("2106.15013"));
    let (holds, others) = (ran.with("holds"), ran.with("not_applicable"));
    for id in [
        "angle-shape",
        "error-shape",
        "plateau",
        "power-iteration-angles",
        "power-iteration-outlives-alignment",
        "t-star-constant",
        "t-1-per-decade",
        "test-slope",
        "train-slope",
        "test-slope-5",
        "test-slope-10",
        "test-slope-40",
        "width-median",
        "width-spread",
    ] {
        assert!(holds.iter().any(|h| h == id), "{id}: {}", ran.stdout);
    }
    // n = 40 has no sharp spectral edge.
    assert_eq!(others, ["p-distance"]);
    // As many lines as starts: seven widths (2, 4, 8, 16, 20, 40, 80), eight seeds.
    assert_eq!(ran.text("width.csv").lines().count(), 1 + 7 * 8);
}

/// The phases do not need Gaussian matrices; only the formula for ‖P − M‖ does.
#[test]
fn other_measurements_have_the_same_phases() {
    for operator in ["rank-one", "entries"] {
        let ran = reproduce(&format!("phases --quick --backend cpu --seed 5 --operator {operator}"));
        assert_eq!(ran.code, 0, "{operator}: {}\n{}", ran.stdout, ran.stderr);
        assert_eq!(ran.with("not_applicable"), ["p-distance"], "{operator}: {}", ran.stdout);
        assert_eq!(ran.with("holds").len(), 7, "{operator}: {}", ran.stdout);
    }
}

#[test]
fn the_page_stands_alone_and_says_how_it_was_made() {
    let ran = reproduce(&format!("spectral {TINY} --seed 12"));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let page = ran.text("report.html");
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for text in ["reconstruct", "<svg", "t_power", "n = 40, r* = 2, m = 800", "single precision", "holds"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("lowrank reproduce ss21 spectral --quick") && page.contains("--seed 12"));
    assert!(!page.contains("NaN") && !page.contains("exact setting"));
    assert!(ran.has("spectral.csv") && !ran.has("width.csv"));
}

/// A start of 0.5 has no spectral phase: claims fail, and the program says so by its exit code.
#[test]
fn a_large_start_fails() {
    let ran = reproduce(&format!("phases {TINY} --seed 4 --init-scale 0.5"));
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    let fails = ran.with("fails");
    assert!(["error-shape", "plateau"].iter().all(|id| fails.iter().any(|f| f == id)), "{}", ran.stdout);
    // What the start has no part in still holds.
    assert!(ran.with("holds").iter().any(|id| id == "t-star-constant"), "{}", ran.stdout);
}

/// κ = 3 at m = 10·n·r*: the weakest direction drowns in the noise of P, which is no failure of the claims.
#[test]
fn an_ill_conditioned_truth_is_outside_and_a_mild_one_inside() {
    let far = reproduce(&format!("phases {TINY} --rank 3 --condition-number 3 --seed 2").replace("--rank 2 ", ""));
    assert_eq!(far.code, 0, "{}\n{}", far.stdout, far.stderr);
    assert!(far.with("fails").is_empty() && far.with("holds").is_empty(), "{}", far.stdout);
    assert_says(&far.text("claims.json"), &["measurements", "condition number"]);
    let mild = reproduce(&format!("phases {TINY} --condition-number 1.3 --seed 5"));
    assert_eq!(mild.code, 0, "{}\n{}", mild.stdout, mild.stderr);
    assert!(mild.with("holds").iter().any(|id| id == "plateau"), "{}", mild.stdout);
}

#[test]
fn a_grid_too_short_for_a_slope_is_not_judged() {
    let ran = reproduce(&format!("scale {TINY} --scales 1e-2,1e-3 --seed 6"));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.with("fails").is_empty() && ran.with("not_applicable").iter().any(|id| id == "test-slope"));
    assert_says(&ran.stdout, &["slope", "3"]);
    let words = format!("scale {TINY} --scales 1e-2,1e-3 --seed 6").replace("--slope-size 30", "--slope-size 1");
    let none = reproduce(&words);
    assert_eq!(none.code, 0, "{}\n{}", none.stdout, none.stderr);
    assert_says(&none.stdout, &["n = 1", "r* = 2"]);
    assert!(!none.has("slopes.csv"));
}

#[test]
fn few_starts_are_not_judged() {
    let ran = reproduce(&format!("width {TINY} --starts 2 --widths 2,4 --seed 7"));
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(ran.text("width.csv").lines().count(), 1 + 2 * 2);
    assert!(ran.with("not_applicable").iter().any(|id| id == "width-median"), "{}", ran.stdout);
}

#[test]
fn hostile_sizes_give_a_message_or_a_verdict() {
    for (words, code, text) in [
        ("all --quick --rank 200", 2, "--rank 200"),
        ("all --quick --rank 0", 2, "--rank"),
        ("all --quick --n 0", 2, "--n"),
        ("all --quick --measurements 0", 2, "--measurements"),
        ("all --quick --init-scale -1", 2, "--init-scale"),
        ("all --quick --condition-number 0.5", 2, "--condition-number"),
        ("all --quick --starts 0", 2, "--starts"),
        ("width --quick --starts 99999999", 2, "--starts 99999999"),
        ("width --quick --widths 0", 2, "--widths 0"),
        ("width --quick --widths 4,99999999999", 2, "99999999999 GiB"),
        ("all --quick --n 30:60:10", 2, "--n one"),
        ("phases --quick --condition-number nan", 2, "--condition-number"),
        ("phases --n 100000000 --rank 1", 2, "--measurements"),
        ("scale --quick --n 12 --rank 2 --measurements 1 --slope-size 20 --backend cpu", 0, ""),
        ("width --quick --n 12 --rank 2 --measurements 1 --backend cpu", 0, ""),
        ("width --quick --n 12 --rank 4 --widths 1:4 --backend cpu", 0, ""),
        ("phases --quick --n 12 --rank 2 --condition-number 1e200 --backend cpu", 0, ""),
        ("phases --quick --n 12 --rank 2 --init-scale 1e200 --backend cpu", 2, "--init-scale 1e200"),
        ("phases --quick --n 30 --rank 2 --init-scale 1e30 --backend cpu", 1, ""),
        ("phases --quick --n 30 --rank 2 --init-scale 1e-300 --backend cpu", 1, ""),
        ("all --quick --precision f16", 2, "--precision"),
        ("all --quick --scales a", 2, "--scales"),
        ("everything --quick", 2, "experiment"),
        ("all --quick --backend abacus", 2, "--backend"),
        ("all --quick --n 1 --rank 1 --backend cpu", 0, ""),
        ("all --quick --n 3 --rank 3 --backend cpu", 0, ""),
        ("phases --quick --n 12 --rank 1 --measurements 1 --backend cpu", 0, ""),
        ("width --quick --n 12 --rank 2 --measurements 20 --backend cpu", 0, ""),
        ("phases --quick --n 30 --rank 4 --search-rank 2 --backend cpu", 1, ""),
        ("spectral --quick --n 20 --rank 1 --backend reference", 0, ""),
    ] {
        reproduce(words).ends(words, code, text);
    }
    let other = Command::cargo_bin("lowrank").unwrap().args(["reproduce", "another"]).output().unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("ss21"));
}
