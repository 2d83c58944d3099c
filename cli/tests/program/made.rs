//! Problems whose matrices are known by a seed: written, checked against numbers of another program, and solved.

use crate::refusals::refused;
use crate::{Dir, distance};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn golden() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/seeded/entries.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Entries of the matrix of row 2 under seed 7, as tests/golden/seeded/make.py has them.
#[test]
fn written_matrices_are_those_of_another_program() {
    let dir = Dir::new();
    for matrix in golden()["matrices"].as_array().unwrap() {
        let (operator, model) = (matrix[0].as_str().unwrap(), matrix[1].as_str().unwrap());
        let (n1, n2) = (matrix[2][0].as_u64().unwrap() as usize, matrix[2][1].as_u64().unwrap() as usize);
        let rows = matrix[3].as_array().unwrap().iter();
        let wanted: Vec<f64> =
            rows.flat_map(|row| row.as_array().unwrap()).map(|v| v.as_str().unwrap().parse().unwrap()).collect();
        let name = format!("{operator}-{model}");
        dir.run(&words(&format!(
            "generate --operator {operator} --model {model} --shape {n1},{n2} --rank 1 --measurements 3 --seed 7 \
             --materialize --layout full --storage f64 --out {name}"
        )))
        .done();
        let (shape, a) = dir.array(&format!("{name}/A.npy"));
        assert_eq!(shape, [3, n1, n2]);
        assert_eq!(a[2 * n1 * n2..], wanted, "{name}");
    }
}

#[test]
fn packed_matrices_are_upper_triangles_and_observations_what_they_measure() {
    let dir = Dir::new();
    for operator in ["seeded", "rademacher"] {
        for (name, more) in [("full", "--layout full"), ("packed", "--layout packed")] {
            dir.run(&words(&format!(
                "generate --operator {operator} --n 6 --rank 2 --measurements 30 --seed 4 --materialize --storage f64 \
                 --out {operator}/{name} {more}"
            )))
            .done();
        }
        let (_, full) = dir.array(&format!("{operator}/full/A.npy"));
        let (shape, packed) = dir.array(&format!("{operator}/packed/A.npy"));
        assert_eq!(shape, [30, 21]);
        let upper = full.chunks(36).flat_map(|a| (0..6).flat_map(move |i| &a[i * 6 + i..i * 6 + 6]));
        assert!(upper.eq(&packed));
        let ((_, x), (_, y)) =
            (dir.array(&format!("{operator}/full/X.npy")), dir.array(&format!("{operator}/full/y.npy")));
        let m = crate::product(&x, 6, 2);
        let measured: Vec<f64> = full.chunks(36).map(|a| a.iter().zip(&m).map(|(a, m)| a * m).sum()).collect();
        assert!(distance(&measured, &y) < 1e-13);
    }
}

#[test]
fn nothing_is_stored_unless_it_is_asked_for() {
    let dir = Dir::new();
    dir.run(&words("generate --operator seeded --n 6 --rank 2 --measurements 30 --out p")).done();
    assert!(dir.path("p/y.npy").exists() && !dir.path("p/A.npy").exists());
    let problem = dir.json("p/problem.json");
    assert!((problem["normalization"].as_f64().unwrap() - 16384.0 / (30.0 * 21845.0)).abs() < 1e-15);
    assert_eq!(problem["layout"], serde_json::Value::Null);
}

/// A seed is as good as the matrices: the same iterates, within rounding of the matrices that were written.
#[test]
fn a_seed_and_its_matrices_are_one_problem() {
    let dir = Dir::new();
    for (operator, model, size) in [
        ("seeded", "psd", "--n 12"),
        ("rademacher", "psd", "--n 12"),
        ("seeded", "asymmetric", "--shape 12,9"),
        ("rademacher", "signed --signature 1,1", "--n 12"),
    ] {
        let rank = if model.starts_with("signed") { "" } else { "--rank 2" };
        dir.run(&words(&format!(
            "generate --operator {operator} --model {model} {size} {rank} --measurements 300 --seed 3 --materialize \
             --layout full --storage f64 --out p"
        )))
        .done();
        let truth = if model == "psd" { "X.npy" } else { "X.npz" };
        let s = dir.json("p/problem.json")["normalization"].as_f64().unwrap();
        let k = if model.starts_with("signed") { "" } else { "--search-rank 4" };
        let common = format!(
            "--observations p/y.npy --truth p/{truth} --model {model} {k} --backend cpu --precision f64 --step-size 0.25 \
             --init-scale 1e-3 --max-iterations 100"
        );
        let by_seed = format!(
            "solve --operator {operator} --operator-seed 3 --measurements 300 {size} {common} --out a.npz --report a.json"
        );
        dir.run(&words(&by_seed)).done();
        let by_matrices = format!("solve --matrices p/A.npy --normalization {s:e} {common} --out b.npz");
        dir.run(&words(&by_matrices)).done();
        assert!(distance(&dir.factors("a.npz").1, &dir.factors("b.npz").1) < 1e-9, "{operator} {model}");
        let report = dir.json("a.json");
        assert_eq!(
            (&report["settings"]["operator"], &report["settings"]["operator_seed"]),
            (&operator.into(), &3.into())
        );
    }
}

#[test]
fn contradictory_flags_are_refused() {
    let dir = Dir::new();
    dir.run(&words("generate --operator seeded --n 6 --rank 2 --measurements 30 --out p")).done();
    let full =
        "solve --operator seeded --operator-seed 0 --measurements 30 --n 6 --observations p/y.npy --max-iterations 3";
    dir.run(&words(full)).done();
    for (change, wanted) in [
        ("--matrices A.npy", "--matrices"),
        ("--entries a.csv", "--entries"),
        ("--vectors a.npy", "--vectors"),
        ("--shape 6,6", "--shape"),
        ("--layout full", "found 'full'"),
        ("--storage f16", "found 'f16'"),
    ] {
        refused(&dir, &format!("{full} {change}"), &[wanted]);
    }
    for (broken, wanted) in [
        (full.replace("--operator seeded", "--operator dense"), "found 'dense'"),
        (full.replace("--operator seeded", ""), "--operator"),
        (full.replace("--operator-seed 0", ""), "--operator-seed"),
        (full.replace("--measurements 30", ""), "--measurements"),
        (full.replace("--measurements 30", "--measurements 31"), "31"),
        (full.replace("--measurements 30", "--measurements 0"), "found 0"),
        (full.replace("--n 6", ""), "--n"),
        (full.replace("--n 6", "--shape 6,5"), "found 6,5"),
        (full.replace("--n 6", "--n 100000"), "2³²"),
        ("generate --operator seeded --n 6 --rank 2 --measurements 30 --layout full --out q".into(), "--materialize"),
        ("generate --operator seeded --n 6 --rank 2 --measurements 30 --storage f16 --out q".into(), "f64"),
        ("generate --operator dense --n 6 --rank 2 --measurements 30 --materialize --out q".into(), "materialize"),
    ] {
        refused(&dir, &broken, &[wanted]);
    }
    assert!(!dir.path("q").exists());
}
