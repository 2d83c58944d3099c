//! Runs that are saved, resumed and run again.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::says::{assert_says, says};
use crate::{Dir, M, PROGRAM};

const RUN: &str = "--method gd --search-rank 3 --stall-window 0";

#[test]
fn a_resumed_run_ends_with_the_bytes_of_an_uninterrupted_one() {
    let dir = Dir::with_problem();
    dir.solve(&format!("{RUN} --max-iterations 60 --out whole.npz --trials whole.csv")).done();
    dir.solve(&format!("{RUN} --max-iterations 25 --checkpoint run.ckpt --checkpoint-every 7 --out part.npz")).done();
    dir.solve(&format!("{RUN} --max-iterations 60 --resume run.ckpt --out rest.npz --trials rest.csv")).done();
    let bytes = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert_ne!(bytes("whole.npz"), bytes("part.npz"));
    assert_eq!(bytes("whole.npz"), bytes("rest.npz"));
}

#[test]
fn what_is_not_the_saved_run_is_refused_by_name() {
    let dir = Dir::with_problem();
    dir.solve(&format!("{RUN} --max-iterations 25 --checkpoint run.ckpt --out part.npz")).done();
    let refused = |more: &str, fragments: &[&str]| {
        let said = dir.solve(&format!("--method gd --max-iterations 60 --out rest.npz {more}"));
        assert_eq!(said.code, Some(2), "{more}");
        fragments.iter().for_each(|f| assert!(says(&said.stderr, f), "{more}: '{f}' is not in {}", said.stderr));
        assert!(!dir.path("rest.npz").exists());
    };
    refused("--stall-window 0 --search-rank 4 --resume run.ckpt", &["--search-rank", "found 4", "3"]);
    refused(&format!("{} --resume run.ckpt --step-size 0.1", &RUN[12..]), &["--step-size"]);
    refused("--search-rank 3 --resume y.npy", &["y.npy", "checkpoint"]);
    let mut torn = std::fs::read(dir.path("run.ckpt")).unwrap();
    torn.truncate(torn.len() - 5);
    std::fs::write(dir.path("torn.ckpt"), torn).unwrap();
    refused("--search-rank 3 --resume torn.ckpt", &["torn.ckpt"]);
    let (_, mut y) = dir.array("y.npy");
    y[3] += 1.0;
    dir.write_f64("y.npy", &[M], &y);
    refused(&format!("{} --resume run.ckpt", &RUN[12..]), &["observations"]);
}

#[test]
fn a_report_runs_again_and_says_whether_the_result_is_the_same() {
    let dir = Dir::with_problem();
    dir.solve(&format!("{RUN} --max-iterations 40 --out run.npz --report run.json")).done();
    let said = dir.run(&["solve", "--config", "run.json"]).done();
    assert_says(&said.stderr, &["same result", "run.json"]);
    let (_, mut y) = dir.array("y.npy");
    y[3] += 1.0;
    dir.write_f64("y.npy", &[M], &y);
    let said = dir.run(&["solve", "--config", "run.json"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("run.json") && !said.stderr.contains("same result"), "{}", said.stderr);
}

/// Written before methods were tapes, on the backend whose bits no machine changes.
#[test]
fn a_report_of_an_older_version_runs_again() {
    let dir = Dir::with_problem();
    let older = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/reports/older.json");
    std::fs::copy(older, dir.path("older.json")).unwrap();
    let said = dir.run(&["solve", "--config", "older.json"]).done();
    assert_says(&said.stderr, &["same result", "older.json"]);
}

#[test]
fn a_checkpoint_of_an_older_version_is_refused_with_a_way_out() {
    let dir = Dir::with_problem();
    let older = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/checkpoint/file-older");
    std::fs::copy(older, dir.path("older.ckpt")).unwrap();
    let said = dir.solve(&format!("{RUN} --resume older.ckpt --out rest.npz"));
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert_says(&said.stderr, &["older.ckpt", "version 1", "--resume"]);
    assert!(!dir.path("rest.npz").exists());
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_again_and_again_ends_with_the_bytes_of_an_uninterrupted_one() {
    let dir = Dir::with_problem();
    let run = format!("{RUN} --max-iterations 400 --observe every:50");
    dir.solve(&format!("{run} --out whole.npz")).done();
    let saved = format!("{run} --checkpoint run.ckpt --checkpoint-every 1");
    let mut seed = 7_u64;
    for kill in 0..5 {
        let resume = if dir.path("run.ckpt").exists() { "--resume run.ckpt" } else { "" };
        let words = format!("solve --matrices A.npy --observations y.npy --backend cpu {saved} {resume}");
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(dir.root()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(20 + (seed >> 33) % 150));
        // SIGKILL; a run that has ended already is none the worse for it.
        let _ = child.kill();
        let status = child.wait().unwrap();
        assert!(status.code().is_none_or(|code| code == 0), "{kill}: {status}");
    }
    // What a writer leaves that is killed between two lines of the program, and files that are not its own.
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for name in [
        ".run.ckpt.4000000000-1.tmp",
        ".run.ckpt.4000000000-x.tmp",
        ".other.ckpt.4000000000-1.tmp",
        "run.ckpt.4000000000-1.tmp",
    ] {
        dir.write(name, b"part");
        std::fs::File::options().write(true).open(dir.path(name)).unwrap().set_modified(long_ago).unwrap();
    }
    dir.write(".run.ckpt.4000000000-2.tmp", b"of a moment ago, perhaps of another machine");
    let resume = if dir.path("run.ckpt").exists() { "--resume run.ckpt" } else { "" };
    dir.solve(&format!("{saved} {resume} --out rest.npz")).done();
    assert_eq!(std::fs::read(dir.path("whole.npz")).unwrap(), std::fs::read(dir.path("rest.npz")).unwrap());
    if cfg!(target_os = "linux") {
        let names = dir.names();
        assert!(!names.contains(&".run.ckpt.4000000000-1.tmp".to_owned()), "{names:?}");
        for kept in [
            ".run.ckpt.4000000000-2.tmp",
            ".run.ckpt.4000000000-x.tmp",
            ".other.ckpt.4000000000-1.tmp",
            "run.ckpt.4000000000-1.tmp",
        ] {
            assert!(names.iter().any(|name| name == kept), "{kept} is gone: {names:?}");
        }
    }
}
