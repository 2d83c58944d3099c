//! Replays of the fuzzer's corpus: inputs that found faults, and initial inputs. This needs no cargo-fuzz and no
//! nightly compiler.

#[path = "../../../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

/// Runs a target on every file of its corpus.
fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "{}: {} files, which is no corpus", folder.display(), paths.len());
    for path in paths {
        let (bytes, started) = (std::fs::read(&path).unwrap(), Instant::now());
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&bytes))).is_err() {
            panic!("{}: a panic", path.display());
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{}: {:?}", path.display(), started.elapsed());
    }
}

#[test]
fn npy() {
    replay("npy", targets::npy);
}

#[test]
fn npz() {
    replay("npz", targets::npz);
}

#[test]
fn matrix_market() {
    replay("matrix_market", targets::matrix_market);
}

#[test]
fn csv() {
    replay("csv", targets::csv);
}

#[test]
fn table() {
    replay("table", targets::table);
}

#[test]
fn predict() {
    replay("predict", targets::predict);
}

#[test]
fn checkpoint() {
    replay("checkpoint", targets::checkpoint);
}

#[test]
fn command_line() {
    replay("cli", |bytes| {
        let _ = lowrank_cli::understand::words(bytes);
    });
}
