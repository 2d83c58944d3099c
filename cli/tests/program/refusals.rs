//! Flags that are refused: exit code 2, a message that names the flag, and nothing written.

use crate::says::says;
use crate::{Dir, N};

const OUTPUTS: &str = "--out factors.npz --report run.json --trace trace.csv --trials trials.csv";

/// Runs a refused command and checks that its message says every fragment and that the directory is as it was.
#[track_caller]
pub fn refused(dir: &Dir, args: &str, fragments: &[&str]) {
    let before = dir.names();
    let said = dir.run(&args.split_whitespace().collect::<Vec<_>>());
    assert_eq!(said.code, Some(2), "{args}\nstdout: {}\nstderr: {}", said.stdout, said.stderr);
    for fragment in fragments {
        assert!(says(&said.stderr, fragment), "{args}\n'{fragment}' is missing in: {}", said.stderr);
    }
    assert_eq!(said.stdout, "", "{args}");
    assert_eq!(dir.names(), before, "{args}: files were left");
}

/// [`refused`] for a `solve` with every output.
#[track_caller]
pub fn refused_solve(dir: &Dir, more: &str, fragments: &[&str]) {
    refused(dir, &format!("solve --matrices A.npy --observations y.npy --backend cpu {OUTPUTS} {more}"), fragments);
}

#[test]
fn values_outside_their_range_name_the_flag_and_what_is_allowed() {
    let dir = Dir::with_problem();
    for (flags, fragments) in [
        ("--search-rank 0", &["--search-rank", "found 0", "1"][..]),
        ("--search-rank 3,0", &["--search-rank", "found 0", "1"]),
        ("--search-rank -3", &["--search-rank", "'-3'", "whole"]),
        ("--search-rank 2.5", &["--search-rank", "'2.5'", "whole"]),
        ("--step-size 0", &["--step-size", "found 0", "positive"]),
        ("--step-size -1", &["--step-size", "found -1", "positive"]),
        ("--step-size 0.1,-1", &["--step-size", "found -1", "positive"]),
        ("--step-size nan", &["--step-size", "found NaN", "positive"]),
        ("--step-size inf", &["--step-size", "found inf", "positive"]),
        ("--step-size big", &["--step-size", "'big'", "1:8"]),
        ("--step-size 1:2", &["--step-size", "'1:2'", "a:b:step"]),
        ("--step-size 1:0:0.1", &["--step-size", "'1:0:0.1'"]),
        ("--init-scale 0", &["--init-scale", "found 0", "positive"]),
        ("--init-scale -1e-3", &["--init-scale", "found -0.001", "positive"]),
        ("--init-scale log:0:1:3", &["--init-scale", "log:0:1:3", "log:a:b:count"]),
        ("--seed -1", &["--seed", "'-1'", "whole"]),
        ("--seed 1:999999999", &["--seed", "1:999999999"]),
        ("--holdout 0", &["--holdout", "found 0", "0", "1"]),
        ("--holdout 1", &["--holdout", "found 1", "0", "1"]),
        ("--holdout -0.1", &["--holdout", "found -0.1", "0", "1"]),
        ("--holdout 1.5", &["--holdout", "found 1.5", "0", "1"]),
        ("--holdout nan", &["--holdout", "found NaN", "0", "1"]),
        ("--holdout 0.999", &["--holdout", "120", "share"]),
        ("--stop-loss -1", &["--stop-loss", "found -1", "0"]),
        ("--stop-residual nan", &["--stop-residual", "found NaN", "0"]),
        ("--stop-time -5", &["--stop-time", "found -5", "0"]),
        ("--truth X.npy --stop-relative-error -1", &["--stop-relative-error", "found -1", "0"]),
        ("--stop-relative-error 1e-3", &["--stop-relative-error", "--truth", "--truth-matrix"]),
        ("--observe every:0", &["--observe", "every:0", "log"]),
        ("--observe sometimes", &["--observe", "'sometimes'", "every:J"]),
        ("--max-iterations -1", &["--max-iterations", "-1"]),
        ("--max-iterations 1.5", &["--max-iterations", "1.5"]),
        ("--max-iterations 10,20", &["--max-iterations", "'10,20'", "one"]),
        ("--holdout 0.1:0.3:0.1", &["--holdout", "one"]),
        ("--stop-residual 1e-2,1e-3", &["--stop-residual", "one"]),
        ("--rows 0", &["--rows", "found 0", "1", "120"]),
        ("--rows 60,121", &["--rows", "found 121", "1", "120"]),
        ("--rows x", &["--rows", "'x'", "whole"]),
        ("--search-rank 99999999999", &["--search-rank", "99999999999", "GiB"]),
    ] {
        refused_solve(&dir, flags, fragments);
    }
}

#[test]
fn unknown_words_are_answered_with_the_known_ones() {
    let dir = Dir::with_problem();
    for (flags, fragments) in [
        ("--method lbfgs:memory=0", &["--method", "memory", "0", "'lbfgs:memory=0'", "1"][..]),
        ("--method lbfgs:memory=2 --memory 3", &["--memory", "3", "2"]),
        ("--method lbfgs:memory", &["--method", "'memory'", "'lbfgs:memory'", "name=value"]),
        ("--method gd:memory=2", &["--method", "memory", "2", "lbfgs"]),
        ("--method newton", &["--method", "'newton'", "gd", "lowrank list methods"]),
        ("--model rectangular", &["--model", "'rectangular'", "psd"]),
        ("--model asymmetric", &["--shape", "55", "n1,n2"]),
        ("--model signed", &["--signature", "p,q", "signed"]),
        ("--layout upper", &["--layout", "'upper'", "packed", "full"]),
        ("--device-memory 8X", &["--device-memory", "'8X'", "1000", "8G"]),
        ("--device-memory -1G", &["--device-memory", "'-1G'", "positive"]),
        ("--device-memory 0", &["--device-memory", "'0'", "positive"]),
        ("--normalization half", &["--normalization", "'half'", "auto"]),
        ("--normalization 0", &["--normalization", "'0'", "positive"]),
        ("--normalization -1", &["--normalization", "'-1'", "positive"]),
        ("--precision f16", &["--precision", "'f16'", "f32", "f64"]),
        ("--shape 10", &["--shape", "'10'", "n1,n2"]),
        ("--shape 10,0", &["--shape", "'10,0'", "positive"]),
        ("--shape 10,x", &["--shape", "'10,x'", "n1,n2"]),
        ("--shape 10,12", &["--shape", "10,12", "n,n"]),
        ("--unknown 1", &["--unknown"]),
    ] {
        refused_solve(&dir, flags, fragments);
    }
    let base = format!("solve --matrices A.npy --observations y.npy {OUTPUTS}");
    refused(
        &dir,
        &format!("{base} --backend tpu"),
        &["--backend", "'tpu'", "reference", "cpu", "gpu", "lowrank list devices"],
    );
    refused(&dir, &format!("{base} --backend gpu:nothing-of-that-name"), &["--backend", "nothing-of-that-name", "cpu"]);
    refused(&dir, "solve --observations y.npy", &["--matrices"]);
    refused(&dir, "solve --matrices A.npy", &["--observations"]);
    refused(&dir, "dissolve", &["dissolve"]);
    refused(&dir, "list things", &["things", "devices"]);
    refused(&dir, "check --operator none", &["--operator", "'none'", "dense"]);
    refused(&dir, "check --place moon", &["--place", "'moon'", "cpu f64"]);
    refused(&dir, "demo --backend tpu --out demo", &["--backend", "'tpu'"]);
}

#[test]
fn flags_that_exclude_each_other_are_named() {
    let dir = Dir::with_problem();
    dir.write_f64("U.npy", &[N, 3], &[0.1; 3 * N]);
    dir.write_f64("UU.npy", &[2, N, 3], &[0.1; 6 * N]);
    for (flags, fragments) in [
        ("--init U.npy --init-scale 0.1", &["--init U.npy", "--init-scale"][..]),
        ("--init U.npy --seed 1", &["--init U.npy", "--seed"]),
        ("--truth X.npy --truth-matrix X.npy", &["--truth:", "--truth-matrix"]),
        ("--init U.npy --search-rank 4", &["--search-rank", "found 4", "3"]),
        ("--init U.npy --search-rank 3,4", &["--search-rank", "found 4", "3"]),
        ("--init UU.npy --step-size 0.1,0.2,0.3", &["--init", "(2, 10, 3)", "3, 10, k)"]),
    ] {
        refused_solve(&dir, flags, fragments);
    }
}

#[test]
fn outputs_are_refused_before_the_work_starts() {
    let dir = Dir::with_problem();
    std::fs::create_dir(dir.path("folder")).unwrap();
    dir.write("locked.csv", b"old");
    let mut permissions = std::fs::metadata(dir.path("locked.csv")).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(dir.path("locked.csv"), permissions).unwrap();
    std::fs::hard_link(dir.path("y.npy"), dir.path("link.npy")).unwrap();
    // So many iterations that a run that started would be cut by the time limit of the test.
    let base = "solve --matrices A.npy --observations y.npy --truth X.npy --backend cpu --max-iterations 1000000000 \
                --stall-window 0";
    for (flags, fragments) in [
        ("--out nowhere/factors.npz", &["nowhere/factors.npz", "directory"][..]),
        ("--report run.json --trace nowhere/trace.csv", &["nowhere/trace.csv"]),
        ("--out folder", &["folder", "directory"]),
        ("--out A.npy/factors.npz", &["A.npy/factors.npz", "directory"]),
        ("--trace locked.csv", &["locked.csv", "read-only"]),
        ("--out A.npy", &["A.npy", "input"]),
        ("--trace ./y.npy", &["./y.npy", "input", " y.npy"]),
        ("--report folder/../X.npy", &["folder/../X.npy", "input", " X.npy"]),
        ("--trials link.npy", &["link.npy", "input", "y.npy"]),
        ("--snapshots X.npy", &["X.npy", "input"]),
        ("--snapshots nowhere/U.npz", &["nowhere/U.npz", "directory"]),
        ("--out a.npz --snapshots folder/../a.npz", &["a.npz", "outputs", "--snapshots"]),
        ("--out a.npz --report a.npz", &["a.npz", "outputs", "--trials"]),
        ("--out a.npz --report ./a.npz", &["a.npz", "outputs"]),
        ("--trace folder/t.csv --trials folder/../folder/t.csv", &["t.csv", "outputs"]),
        ("--trace - --report -", &["-", "outputs"]),
    ] {
        refused(&dir, &format!("{base} {flags}"), fragments);
    }
    assert_eq!(dir.text("locked.csv"), "old");
    assert!(std::fs::read_dir(dir.path("folder")).unwrap().next().is_none());
}

#[test]
fn a_refused_run_leaves_older_results_as_they_were() {
    let dir = Dir::with_problem();
    dir.solve(&format!("--max-iterations 5 {OUTPUTS}")).done();
    let before = dir.text("run.json");
    dir.write_f64("y.npy", &[3], &[1.0, 2.0, 3.0]);
    refused_solve(&dir, "", &["y.npy", "(3,)"]);
    assert_eq!(dir.text("run.json"), before);
}

#[test]
fn problems_that_cannot_be_generated_make_no_directory() {
    let dir = Dir::new();
    for (flags, fragments) in [
        ("--n 0 --rank 1 --measurements 5", &["found 0"][..]),
        ("--n 5 --rank 0 --measurements 5", &["--rank", "found 0"]),
        ("--n 5 --rank 6 --measurements 5", &["--rank", "found 6"]),
        ("--n 5 --rank 2 --measurements 0", &["--measurements", "found 0", "1"]),
        ("--n 5 --rank 2 --measurements 5 --noise-std -1", &["--noise-std", "found -1", "0"]),
        ("--n 5 --rank 2 --measurements 5 --noise-std nan", &["--noise-std", "found NaN"]),
        ("--n 5 --rank 2 --measurements 5 --condition-number 0.5", &["--condition-number", "found 0.5"]),
        ("--n 5 --rank 2 --measurements 5 --condition-number -2", &["--condition-number", "found -2"]),
        ("--n 5 --rank 2 --measurements 5 --layout half", &["--layout", "'half'", "packed", "full"]),
        ("--n 5 --rank 2 --measurements 5 --operator none", &["--operator", "'none'", "dense"]),
        ("--n -5 --rank 2 --measurements 5", &["-5"]),
        ("--n 5 --rank 1:2 --measurements 5", &["--rank", "one"]),
        ("--n 5 --rank 2 --measurements 5 --seed 1,2", &["--seed", "one"]),
        ("--n 3000 --rank 2 --measurements 9000000000000000", &["--measurements", "9000000000000000"]),
        (
            "--n 3000 --rank 2 --measurements 900000000 --storage f64",
            &["--measurements", "32.4 PB", "--storage f32", "16.2 PB", "--storage f16", "8.1 PB"],
        ),
    ] {
        refused(&dir, &format!("generate {flags} --out problem"), fragments);
    }
    dir.write("file", b"");
    refused(&dir, "generate --n 5 --rank 2 --measurements 5 --out file/problem", &["file/problem"]);
}
