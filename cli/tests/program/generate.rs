//! `generate`: the same seeds give the same bytes, and each seed moves its own file only.

use crate::{Dir, close, distance};

fn generate(dir: &Dir, name: &str, more: &str) {
    let more = if more.contains("--measurements") { more.to_owned() } else { format!("--measurements 40 {more}") };
    let base = format!("generate --n 8 --rank 2 --out {name} {more}");
    dir.run(&base.split_whitespace().collect::<Vec<_>>()).done();
}

fn bytes(dir: &Dir, name: &str) -> [Vec<u8>; 3] {
    ["A.npy", "y.npy", "X.npy"].map(|file| std::fs::read(dir.path(name).join(file)).unwrap())
}

#[test]
fn one_seed_gives_one_problem_and_another_seed_another() {
    let dir = Dir::new();
    generate(&dir, "a", "--seed 5 --noise-std 0.1");
    generate(&dir, "b", "--seed 5 --noise-std 0.1");
    generate(&dir, "c", "--seed 6 --noise-std 0.1");
    let (a, b, c) = (bytes(&dir, "a"), bytes(&dir, "b"), bytes(&dir, "c"));
    assert_eq!(a, b);
    assert!((0..3).all(|file| a[file] != c[file]));
}

#[test]
fn the_three_seeds_are_independent() {
    let dir = Dir::new();
    generate(&dir, "a", "--seed 5 --noise-std 0.1");
    let a = bytes(&dir, "a");
    // Which of A, y, X change.
    for (flag, changed) in [
        ("--truth-seed 9", [false, true, true]),
        ("--operator-seed 9", [true, true, false]),
        ("--noise-seed 9", [false, true, false]),
        ("--truth-seed 5 --operator-seed 5 --noise-seed 5", [false, false, false]),
    ] {
        generate(&dir, "b", &format!("--seed 5 --noise-std 0.1 {flag}"));
        let b = bytes(&dir, "b");
        assert_eq!([0, 1, 2].map(|file| a[file] != b[file]), changed, "{flag}");
    }
    assert_eq!(dir.json("b/problem.json")["seeds"], serde_json::json!({ "truth": 5, "operator": 5, "noise": 5 }));
}

#[test]
fn observations_are_what_the_matrices_measure_of_the_truth() {
    let dir = Dir::new();
    generate(&dir, "p", "--layout full --condition-number 3");
    let ((shape, a), (_, y), (x_shape, x)) = (dir.array("p/A.npy"), dir.array("p/y.npy"), dir.array("p/X.npy"));
    assert_eq!((shape.as_slice(), x_shape.as_slice()), (&[40, 8, 8][..], &[8, 2][..]));
    let m = crate::product(&x, 8, 2);
    let measured: Vec<f64> = a.chunks(64).map(|row| row.iter().zip(&m).map(|(a, m)| a * m).sum()).collect();
    assert!(distance(&measured, &y) < 1e-12);
    // κ of X, from the eigenvalues of the 2×2 matrix XᵀX.
    let gram = |i: usize, j: usize| x.chunks(2).map(|row| row[i] * row[j]).sum::<f64>();
    let (trace, det) = (gram(0, 0) + gram(1, 1), gram(0, 0) * gram(1, 1) - gram(0, 1).powi(2));
    let root = (trace * trace / 4.0 - det).sqrt();
    close(((trace / 2.0 + root) / (trace / 2.0 - root)).sqrt(), 3.0, 1e-9);
}

#[test]
fn both_layouts_are_the_same_problem() {
    let dir = Dir::new();
    generate(&dir, "packed", "--layout packed");
    generate(&dir, "full", "--layout full");
    assert_eq!(bytes(&dir, "packed")[1..], bytes(&dir, "full")[1..]);
    assert_eq!((dir.array("packed/A.npy").0, dir.array("full/A.npy").0), (vec![40, 36], vec![40, 8, 8]));
    let solve = |name: &str, layout: &str| {
        let text = format!(
            "solve --matrices {name}/A.npy --observations {name}/y.npy --backend cpu --max-iterations 30 \
             --init-scale 0.01 --out {name}.npz {layout}"
        );
        dir.run(&text.split_whitespace().collect::<Vec<_>>()).done();
        dir.factors(&format!("{name}.npz")).1
    };
    assert_eq!(solve("packed", "--layout packed"), solve("full", ""));
}

#[test]
fn noise_has_the_asked_size() {
    let dir = Dir::new();
    generate(&dir, "clean", "--measurements 2000");
    generate(&dir, "noisy", "--measurements 2000 --noise-std 0.5");
    let ((_, clean), (_, noisy)) = (dir.array("clean/y.npy"), dir.array("noisy/y.npy"));
    let variance = clean.iter().zip(&noisy).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / clean.len() as f64;
    close(variance.sqrt(), 0.5, 0.1);
}

#[test]
fn the_description_and_the_words_say_what_was_made() {
    let dir = Dir::new();
    let args = ["generate", "--n", "8", "--rank", "2", "--measurements", "40", "--seed", "4", "--out", "made/here"];
    let said = dir.run(&args).done();
    let problem = dir.json("made/here/problem.json");
    for (key, value) in [("n", 8), ("rank", 2), ("measurements", 40)] {
        assert_eq!(problem[key], value, "{key}");
    }
    assert_eq!((&problem["layout"], &problem["operator"]), (&"packed".into(), &"dense".into()));
    // The command it proposes works.
    let command = said.stdout.lines().last().unwrap().trim();
    let words: Vec<&str> = command.split(' ').skip(1).chain(["--backend", "cpu"]).collect();
    let solved = dir.run(&words).done();
    assert!(solved.stdout.contains("relative error"), "{command}: {}", solved.stdout);
}
