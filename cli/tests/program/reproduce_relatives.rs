//! `lowrank reproduce` of the first study's relatives through the program: files, claims, exit codes.

use assert_cmd::Command;

use crate::says::says;
use crate::study::Ran;

/// Runs a study at its small sizes: every claim holds but those that belong to other sizes, and the files are there.
fn holds(words: &str, figures: &[&str], ids: &[&str], not_applicable: &[&str]) -> Ran {
    judged(words, figures, ids, not_applicable, &[])
}

/// The same where some claims fail.
fn judged(words: &str, figures: &[&str], ids: &[&str], not_applicable: &[&str], failing: &[&str]) -> Ran {
    let ran = Ran::of(&format!("{words} --quick --backend cpu"));
    assert_eq!(ran.code, i32::from(!failing.is_empty()), "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(ran.with("holds"), ids, "{}", ran.stdout);
    assert_eq!(ran.with("fails"), failing, "{}", ran.stdout);
    assert_eq!(ran.with("not_applicable"), not_applicable, "{}", ran.stdout);
    for figure in figures {
        for suffix in ["svg", "csv", "py"] {
            assert!(ran.has(&format!("{figure}.{suffix}")), "{figure}.{suffix}");
        }
        let csv = ran.text(&format!("{figure}.csv"));
        assert!(csv.starts_with("panel,contender,condition_number,iteration,relative_error,train_loss,imbalance,"));
        assert!(!csv.contains("NaN") && !csv.contains("inf"), "{figure}");
        assert!(csv.lines().all(|line| line.split(',').count() == 10), "{figure}");
    }
    let page = ran.text("report.html");
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for text in ["<svg", "double precision", "seed", words] {
        assert!(says(&page, text), "{text}");
    }
    // Either the setting of a paper or one of this program's own.
    assert!(says(&page, "reconstruct") || says(&page, "own"), "{words}");
    assert!(!page.contains("NaN") && !page.contains("exact setting"));
    ran
}

#[test]
fn scaled_descent_does_not_notice_the_condition_number() {
    let ids = ["scaledgd-reaches", "scaledgd-independent", "gd-grows", "equal-at-one", "scaledgd-precise"];
    let ran = holds("scaledgd-2020", &["errors"], &ids, &["scaledgd-count"]);
    assert!(ran.text("report.html").contains("κ is κ(M)"));
    // Two panels of four contenders that begin at iteration 0.
    assert_eq!(ran.text("errors.csv").lines().filter(|line| line.split(',').nth(3) == Some("0")).count(), 8);
}

#[test]
fn damped_scaled_descent_finds_all_directions_at_once() {
    let ids = ["lambda-reaches", "lambda-log-kappa", "gd-grows", "lambda-pays"];
    holds("scaledgd-lambda-2023", &["errors"], &ids, &[]);
}

#[test]
fn preconditioned_methods_bear_excess_columns() {
    let ids = [
        "agn-reaches",
        "agn-exact-reaches",
        "precgd-reaches",
        "scaledgd-reaches",
        "agn-independent",
        "order",
        "gd-behind",
    ];
    let times = ["seconds-10", "precgd-near-10", "seconds-50", "precgd-near-50"];
    holds("agn-2024", &["errors"], &ids, &times);
}

#[test]
fn a_long_step_now_and_then_is_nearly_linear() {
    let ids = ["gd-sublinear", "polyak-linear", "polyak-fewer", "polyak-reaches", "exact-rank-linear"];
    holds("gdpolyak-2024", &["errors"], &ids, &[]);
}

#[test]
fn two_factors_balance_by_themselves() {
    let ids = [
        "small-start-error",
        "balanced-by-itself",
        "imbalance-from-step",
        "imbalance-not-from-start",
        "unequal-linear",
        "unequal-wide",
        "balanced-slower",
    ];
    judged("asymmetric-2023", &["errors", "imbalance"], &ids, &[], &["unequal-full-width"]);
}

#[test]
fn label_noise_makes_deep_products_flat() {
    let ids = [
        "noise-flattens",
        "plain-descent-does-not",
        "same-matrix",
        "flat-middle",
        "sharpness-aware",
        "nuclear-norm-2",
        "nuclear-norm-3",
        "error-2",
        "error-3",
    ];
    holds("flatness-2023", &["flatness", "nuclear"], &ids, &[]);
}

#[test]
fn absolute_residuals_bear_gross_outliers() {
    let ids = ["l1-reaches", "l1-independent", "plain-fails", "square-fails", "huber-floor"];
    holds("outliers-2025", &["errors"], &ids, &[]);
}

#[test]
fn unseen_entries_lead_random_starts() {
    let ids =
        ["random-fails", "spectral-succeeds", "rows-decide", "hinge-succeeds", "positive-threshold", "one-more-column"];
    holds("relu-2024", &["errors"], &ids, &[]);
}

/// Fewer measurements than the factors have degrees of freedom: everything is interpolated and nothing recovered, and the
/// program says so by its exit code.
#[test]
fn too_few_measurements_fail() {
    let ran = Ran::of("agn-2024 --quick --backend cpu --measurements 400 --seed 2");
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    let fails = ran.with("fails");
    for id in ["agn-reaches", "precgd-reaches", "order", "gd-behind"] {
        assert!(fails.iter().any(|f| f == id), "{id}: {}", ran.stdout);
    }
    let robust = Ran::of("outliers-2025 --quick --backend cpu --measurements 260");
    assert_eq!(robust.code, 1, "{}\n{}", robust.stdout, robust.stderr);
    assert!(robust.with("fails").iter().any(|f| f == "l1-reaches"), "{}", robust.stdout);
}

/// Single precision ends before double does, which some claims are about.
#[test]
fn single_precision_is_not_judged_by_what_double_does() {
    let ran = Ran::of(
        "scaledgd-2020 --quick --backend cpu --precision f32 --n 30 --rank 3 --search-rank 3 --measurements 700",
    );
    assert_eq!(ran.with("not_applicable"), ["scaledgd-count", "scaledgd-precise"], "{}", ran.stdout);
    assert!(says(&ran.text("report.html"), "single precision"));
}

#[test]
fn the_oracle_runs_a_study() {
    let sizes = "--n 12 --rank 2 --search-rank 2 --measurements 200";
    let ran = Ran::of(&format!("scaledgd-2020 --quick --backend reference {sizes}"));
    assert!(ran.code <= 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.with("holds").iter().any(|id| id == "scaledgd-independent"), "{}", ran.stdout);
}

#[test]
fn what_a_study_does_not_have_is_refused_and_hostile_sizes_give_a_message_or_a_verdict() {
    for (words, code, text) in [
        ("agn-2024 scale --quick", 2, "experiment ss21"),
        ("agn-2024 --quick --scales 1e-1", 2, "--scales"),
        ("agn-2024 --quick --widths 4", 2, "--widths"),
        ("agn-2024 --quick --starts 4", 2, "--starts"),
        ("agn-2024 --quick --slope-size 4", 2, "--slope-size"),
        ("agn-2024 --quick --condition-number 4", 2, "--condition-number"),
        ("agn-2024 --quick --init-scale 4", 2, "--init-scale"),
        ("agn-2024 --quick --rank 0", 2, "--rank"),
        ("agn-2024 --quick --rank 1", 2, "--rank 1"),
        ("agn-2024 --quick --rank 41", 2, "--rank 41"),
        ("agn-2024 --quick --search-rank 2", 2, "--search-rank 2"),
        ("agn-2024 --quick --measurements 0", 2, "--measurements"),
        ("agn-2024 --n 100000000", 2, "--measurements"),
        ("agn-2024 --quick --precision mixed --backend cpu", 2, "mixed precision"),
        ("agn-2024 --quick --precision f16", 2, "--precision"),
        ("agn-2024 --quick --backend abacus", 2, "--backend"),
        ("agn-2025 --quick", 2, "scaledgd-lambda-2023 agn-2024"),
        ("agn-2024 --quick --n 3 --rank 2 --search-rank 3 --measurements 1 --backend cpu", 1, ""),
        ("scaledgd-2020 --quick --n 2 --rank 2 --search-rank 2 --measurements 1 --backend cpu", 1, ""),
        ("scaledgd-lambda-2023 --quick --n 4 --rank 2 --search-rank 2 --measurements 2 --backend cpu", 1, ""),
        ("gdpolyak-2024 --quick --n 4 --rank 1 --search-rank 1 --measurements 2 --backend cpu", 1, ""),
        ("asymmetric-2023 --quick --n 4 --rank 2 --search-rank 4 --measurements 3 --backend cpu", 1, ""),
        ("outliers-2025 --quick --n 3 --rank 2 --search-rank 2 --measurements 1 --backend cpu", 1, ""),
    ] {
        Ran::of(words).ends(words, code, text);
    }
    let help = Command::cargo_bin("lowrank").unwrap().args(["reproduce", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let studies = [
        "ss21",
        "scaledgd-2020",
        "scaledgd-lambda-2023",
        "agn-2024",
        "gdpolyak-2024",
        "asymmetric-2023",
        "outliers-2025",
    ];
    for study in studies {
        assert!(help.contains(study), "{study}: {help}");
    }
}
