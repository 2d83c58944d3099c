//! The models of the unknown, and measurements from vectors.

use lowrank::io::read_npz;

use crate::refusals::refused;
use crate::{Dir, table};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// The relative error of the best trial of run.json.
fn error(dir: &Dir) -> f64 {
    dir.json("run.json")["relative_error"].as_f64().unwrap()
}

#[test]
fn two_factors_are_generated_solved_and_continued() {
    let dir = Dir::new();
    dir.run(&words(
        "generate --model asymmetric --shape 14,9 --rank 2 --condition-number 2 --measurements 700 --seed 4 --out p",
    ))
    .done();
    let (shape, _) = dir.array("p/A.npy");
    assert_eq!(shape, [700, 14, 9]);
    let base = "solve --method prec-gd --model asymmetric --matrices p/A.npy --observations p/y.npy --truth p/X.npz --backend cpu";
    let run = |more: &str| dir.run(&words(&format!("{base} {more} --report run.json --out f.npz"))).done();
    run("--search-rank 4 --max-iterations 300 --trace t.csv --snapshots s.npz --observe every:100");
    assert!(error(&dir) < 1e-3, "{:e}", error(&dir));
    assert_eq!(read_npz(dir.path("f.npz"), "right").unwrap().shape(), [1, 9, 4]);
    assert_eq!(read_npz(dir.path("s.npz"), "left").unwrap().shape(), [4, 1, 14, 4]);
    assert_eq!(read_npz(dir.path("s.npz"), "right").unwrap().shape(), [4, 1, 9, 4]);
    let rows = table(&dir.text("t.csv"));
    let imbalance = |at: usize| rows[at]["imbalance"].parse::<f64>().unwrap();
    // Descent keeps it near that of the start.
    assert!(imbalance(0) > 0.0 && imbalance(rows.len() - 1) < 1e-2, "{rows:?}");
    dir.run(&words(&format!("{base} --init f.npz --max-iterations 0 --report run.json"))).done();
    assert!(error(&dir) < 1e-3);
    run("--search-rank 4 --init-scale-ratio 0.3333 --max-iterations 300");
    assert!(error(&dir) < 1e-3);
    assert_eq!(dir.json("run.json")["trials"][0]["init_scale_ratio"], 0.3333);
    refused(&dir, &format!("{base} --precision mixed"), &["mixed", "asymmetric", "f64"]);
    refused(&dir, &format!("{base} --signature 1,1"), &["--signature", "asymmetric"]);
    refused(&dir, &format!("{base} --init p/A.npy"), &["left", "right", "numpy.savez"]);
}

#[test]
fn eigenvalues_of_both_signs_are_recovered() {
    let dir = Dir::new();
    dir.run(&words("generate --model signed --n 16 --signature 2,1 --measurements 900 --seed 5 --out p")).done();
    let base = "solve --model signed --matrices p/A.npy --layout packed --observations p/y.npy --truth p/X.npz \
                --backend cpu --report run.json";
    let other = base.replace("--model signed", "--model signed:signature=4,4");
    dir.run(&words(&format!("{other} --max-iterations 150 --out f.npz"))).done();
    assert!(error(&dir) < 1e-3, "{:e}", error(&dir));
    assert_eq!(read_npz(dir.path("f.npz"), "signature").unwrap().to_vec().unwrap(), [4.0, 4.0]);
    for precision in ["f64", "mixed"] {
        dir.run(&words(&format!("{base} --signature 2,1 --precision {precision} --max-iterations 600"))).done();
        assert!(error(&dir) < 1e-12, "{precision}: {:e}", error(&dir));
    }
    refused(&dir, base, &["--signature", "p,q"]);
    refused(&dir, &format!("{base} --signature 3"), &["--signature", "'3'", "p,q"]);
    refused(&dir, &format!("{base} --signature 0,0"), &["--signature", "0,0"]);
    refused(&dir, &format!("{base} --signature 2,1 --search-rank 5"), &["--search-rank", "3"]);
}

#[test]
fn deep_products_are_solved_written_and_continued() {
    let dir = Dir::new();
    dir.run(&words("generate --model deep --shape 12,9 --rank 2 --measurements 500 --seed 4 --out p")).done();
    let base =
        "solve --matrices p/A.npy --observations p/y.npy --truth p/X.npz --backend cpu --report run.json --method gd";
    let run = |more: &str| dir.run(&words(&format!("{base} {more}"))).done();
    run(
        "--model deep:depth=4 --search-rank 4,3 --max-iterations 3000 --stop-relative-error 1e-3 --out f.npz --checkpoint c \
         --snapshots s.npz --observe every:100",
    );
    assert!(error(&dir) <= 1e-3, "{:e}", error(&dir));
    assert_eq!(dir.json("run.json")["settings"]["model"], "deep:depth=4");
    for (name, rows) in [("left", 12), ("middle_1", 4), ("middle_2", 4), ("right", 9)] {
        assert_eq!(read_npz(dir.path("f.npz"), name).unwrap().shape(), [2, rows, 4], "{name}");
        assert_eq!(read_npz(dir.path("s.npz"), name).unwrap().shape()[1..], [2, rows, 4], "{name}");
    }
    run("--model deep:depth=4 --init f.npz --max-iterations 0");
    assert!(error(&dir) <= 1e-3);
    let error_of = |flags: &str, fragments: &[&str]| refused(&dir, &format!("{base} {flags}"), fragments);
    error_of("--model deep:depth=5 --init f.npz", &["middle_3", "middle_2"]);
    error_of("--model deep:depth=1", &["depth", "found 1", "2", "64"]);
    error_of("--model deep:depth=x", &["--model", "depth", "'x'", "whole"]);
    error_of("--model deep:width=3", &["--model", "width", "deep"]);
    error_of("--model deep --signature 1,1", &["--signature", "deep", "signed"]);
    error_of("--model deep --init-scale-ratio 0.5", &["--init-scale-ratio", "deep"]);
    error_of("--model deep --init spectral", &["spectral", "deep", "random"]);
    error_of("--model deep --search-rank 4,3 --resume c", &["depth=3", "depth=4", "checkpoint"]);
    let other = base.replace("--method gd", "--method prec-gd");
    refused(&dir, &format!("{other} --model deep"), &["preconditioning", "gd", "momentum"]);
}

#[test]
fn outer_products_are_generated_and_solved() {
    let dir = Dir::new();
    dir.run(&words("generate --operator rank_one --n 20 --rank 2 --measurements 480 --seed 6 --out p")).done();
    let base = "solve --observations p/y.npy --truth p/X.npy --backend cpu --report run.json --vectors p/a.npy";
    dir.run(&words(&format!("{base} --search-rank 2 --max-iterations 400 --precision f64"))).done();
    let centred = error(&dir);
    assert!(centred < 1e-6, "{centred:e}");
    assert_eq!(dir.json("run.json")["settings"]["centred"], true);
    dir.run(&words(&format!("{base} --method gd --search-rank 4 --max-iterations 200 --no-center"))).done();
    assert!(error(&dir) > 1e-4);
    refused(&dir, &format!("{base} --layout full"), &["--layout", "--vectors"]);
    refused(&dir, &format!("{base} --model asymmetric"), &["--vectors-right", "b.npy"]);
    dir.write("c.npy", &crate::npy("<c16", "(1, 2)", &[0; 32]));
    refused(&dir, "solve --observations p/y.npy --matrices c.npy", &["complex", "(m, n, n)"]);
    refused(&dir, "solve --observations c.npy --vectors p/a.npy", &["complex", "symmetric 2n x 2n"]);
    dir.run(&words(
        "generate --operator rank_one --model asymmetric --shape 12,9 --rank 1 --measurements 300 --seed 6 --out q",
    ))
    .done();
    dir.run(&words(
        "solve --vectors q/a.npy --vectors-right q/b.npy --observations q/y.npy --truth q/X.npz --backend cpu \
         --search-rank 1 --max-iterations 300 --report run.json",
    ))
    .done();
    assert!(error(&dir) < 1e-5, "{:e}", error(&dir));
}
