//! Signals, pipes and streams.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Dir, PROGRAM, table};

/// A solve that would take hours.
const ENDLESS: &str = "solve --matrices A.npy --observations y.npy --method gd --backend cpu --max-iterations 1000000000 \
                       --stall-window 0 --observe every:100000 --truth X.npy";

#[cfg(unix)]
#[test]
fn ctrl_c_stops_at_the_next_check_and_writes_everything() {
    let dir = Dir::with_problem();
    let files = "--out factors.npz --report run.json --trace trace.csv --trials trials.csv";
    let mut child = Command::new(PROGRAM)
        .args(format!("{ENDLESS} {files}").split_whitespace())
        .current_dir(dir.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The line with the device comes right before the loop.
    let mut stderr = child.stderr.take().unwrap();
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains("on cpu") && stderr.read(&mut byte).unwrap() == 1 {
        said.push(byte[0]);
    }
    std::thread::sleep(Duration::from_millis(200));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let started = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the run goes on a minute after the signal");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(code, Some(1));
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(stdout.contains("Interrupted"), "{stdout}");
    let report = dir.json("run.json");
    assert_eq!(report["status"], "Interrupted");
    let last: usize = table(&dir.text("trace.csv")).last().unwrap()["iteration"].parse().unwrap();
    assert_eq!(report["iterations"], last);
    assert_eq!(dir.factors("factors.npz").0[0], 1);
    assert_eq!(table(&dir.text("trials.csv"))[0]["status"], "Interrupted");
    assert_eq!(dir.names().len(), 8, "{:?}", dir.names());
}

/// Exit code and standard error of a run whose reader went away at once.
fn without_reader(dir: &Dir, args: &str) -> (Option<i32>, String) {
    let mut child = Command::new(PROGRAM)
        .args(args.split_whitespace())
        .current_dir(dir.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = Dir::with_problem();
    let solve = "solve --matrices A.npy --observations y.npy --backend cpu --max-iterations 20";
    let long = "--seed 1:200 --observe every:1";
    for args in [
        "list operators".to_owned(),
        "list methods".to_owned(),
        "check --place reference".to_owned(),
        solve.to_owned(),
        format!("{solve} {long} --trace -"),
        format!("{solve} {long} --trials -"),
        format!("{solve} {long} --report -"),
        format!("{solve} {long} --out -"),
        "generate --n 4 --rank 1 --measurements 5 --out other".to_owned(),
    ] {
        let (code, stderr) = without_reader(&dir, &args);
        assert_eq!(code, Some(0), "{args}: {stderr}");
        // Drivers may complain; this program may not.
        assert!(!stderr.contains("panicked") && !stderr.contains("pipe"), "{args}: {stderr}");
    }
    assert!(dir.path("other/problem.json").exists());
}

#[test]
fn a_dash_sends_one_output_alone_to_the_standard_output() {
    let dir = Dir::with_problem();
    let flags = "--method gd --max-iterations 20 --seed 1,2";
    let said = dir.solve(&format!("{flags} --trace - --report run.json")).done();
    assert_eq!(table(&said.stdout).len(), 6);
    assert!(dir.path("run.json").exists() && !dir.path("-").exists());
    let said = dir.solve(&format!("{flags} --report -")).done();
    let report: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(report["trials"].as_array().unwrap().len(), 2);
    let said = dir.solve(&format!("{flags} --trials -")).done();
    assert_eq!(table(&said.stdout).len(), 2);
    let output = Command::new(PROGRAM)
        .args(format!("solve --matrices A.npy --observations y.npy --backend cpu {flags} --out -").split_whitespace())
        .current_dir(dir.root())
        .output()
        .unwrap();
    dir.write("piped.npz", &output.stdout);
    assert_eq!(dir.factors("piped.npz").0, [2, 10, 10]);
}

#[test]
fn without_a_terminal_there_is_no_progress_bar_and_no_colour() {
    let dir = Dir::with_problem();
    for said in [dir.solve("--max-iterations 20000 --stall-window 0").done(), dir.solve("--step-size 0")] {
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.contains('\u{1b}') && !text.contains('\r') && !text.contains("iterations,"), "{text:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_link_is_written_and_not_replaced() {
    let dir = Dir::with_problem();
    std::fs::File::create(dir.path("real.csv")).unwrap().write_all(b"old").unwrap();
    std::os::unix::fs::symlink("real.csv", dir.path("link.csv")).unwrap();
    dir.solve("--max-iterations 1 --trace link.csv").done();
    assert!(dir.text("real.csv").starts_with("trial,"));
    assert!(std::fs::symlink_metadata(dir.path("link.csv")).unwrap().is_symlink());
    dir.solve("--max-iterations 1 --trace link.csv --report real.csv").exits(2);
}
