//! Runs that are saved, resumed and run again.

use crate::{Dir, M};

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
        fragments.iter().for_each(|f| assert!(said.stderr.contains(f), "{more}: '{f}' is not in {}", said.stderr));
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
    assert!(said.stderr.contains("the same result as run.json"), "{}", said.stderr);
    let (_, mut y) = dir.array("y.npy");
    y[3] += 1.0;
    dir.write_f64("y.npy", &[M], &y);
    let said = dir.run(&["solve", "--config", "run.json"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("run.json") && !said.stderr.contains("the same result as"), "{}", said.stderr);
}
