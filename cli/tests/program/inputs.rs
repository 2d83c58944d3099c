//! Layouts and number types of the input files.

use crate::says::assert_says;
use crate::{Dir, M, N, distance, npy};

const FLAGS: &str = "--search-rank 3 --init-scale 0.01 --max-iterations 40 --precision f64 --out f.npz";

fn solution(dir: &Dir, more: &str) -> Vec<f64> {
    dir.solve(&format!("{FLAGS} {more}")).done();
    dir.factors("f.npz").1
}

/// The generated matrices in full.
fn full(dir: &Dir) -> Vec<f64> {
    let (_, packed) = dir.array("A.npy");
    let at = |i: usize, j: usize| lowrank::problem::packed_index(N, i, j);
    packed.chunks(N * (N + 1) / 2).flat_map(|row| (0..N * N).map(move |e| row[at(e / N, e % N)])).collect()
}

#[test]
fn packed_full_and_flat_matrices_are_one_problem() {
    let dir = Dir::with_problem();
    let packed = solution(&dir, "");
    let matrices = full(&dir);
    dir.write_f64("A.npy", &[M, N, N], &matrices);
    assert!(distance(&solution(&dir, ""), &packed) < 1e-12);
    dir.write_f64("A.npy", &[M, N * N], &matrices);
    assert!(distance(&solution(&dir, "--layout full"), &packed) < 1e-12);
    assert!(distance(&solution(&dir, "--shape 10,10"), &packed) < 1e-12);
}

#[test]
fn an_ambiguous_width_is_settled_by_a_flag() {
    // 36 numbers are a 6x6 matrix in full or an 8x8 one packed.
    let dir = Dir::new();
    let values: Vec<f64> = (0..60 * 36).map(|i| f64::from(i * i % 17) - 8.0).collect();
    dir.write_f64("A.npy", &[60, 36], &values);
    dir.write_f64("y.npy", &[60], &vec![1.0; 60]);
    for (flag, n) in [("--layout full", 6), ("--layout packed", 8), ("--shape 6,6", 6), ("--shape 8,8", 8)] {
        let flags = format!("--search-rank 2 --step-size 1e-4 --init-scale 0.01 --max-iterations 2 {flag} --out f.npz");
        dir.solve(&flags).done();
        assert_eq!(dir.factors("f.npz").0, [1, n, 2], "{flag}");
    }
}

#[test]
fn asymmetric_matrices_are_symmetrised_with_a_note() {
    let dir = Dir::with_problem();
    let packed = solution(&dir, "");
    let mut matrices = full(&dir);
    for a in matrices.chunks_mut(N * N) {
        a[1] += 0.5;
        a[N] -= 0.5;
    }
    dir.write_f64("A.npy", &[M, N, N], &matrices);
    let said = dir.solve(FLAGS).done();
    assert_says(&said.stderr, &["symmetric", "matrix"]);
    assert!(distance(&dir.factors("f.npz").1, &packed) < 1e-12);
}

#[test]
fn integers_and_doubles_are_read() {
    let dir = Dir::with_problem();
    let p = N * (N + 1) / 2;
    let integers: Vec<i16> = (0..M * p).map(|i| ((i * 7919) % 13) as i16 - 6).collect();
    let shape = format!("({M}, {p})");
    let doubles: Vec<f64> = integers.iter().map(|v| f64::from(*v)).collect();
    dir.write_f64("A.npy", &[M, p], &doubles);
    let flags = "--normalization auto";
    let of_doubles = solution(&dir, flags);
    let bytes: Vec<u8> = integers.iter().flat_map(|v| v.to_le_bytes()).collect();
    dir.write("A.npy", &npy("<i2", &shape, &bytes));
    assert_eq!(solution(&dir, flags), of_doubles);
    let bytes: Vec<u8> = integers.iter().flat_map(|v| i64::from(*v).to_be_bytes()).collect();
    dir.write("A.npy", &npy(">i8", &shape, &bytes));
    assert_eq!(solution(&dir, flags), of_doubles);
}

#[test]
fn rounding_to_single_precision_is_said_with_a_flag_that_exists() {
    let dir = Dir::with_problem();
    let (shape, mut values) = dir.array("A.npy");
    values[0] = 0.1;
    dir.write_f64("A.npy", &shape, &values);
    let said = dir.solve("--max-iterations 1").done();
    assert_says(&said.stderr, &["round", "float32", "--precision f64"]);
    let said = dir.solve("--max-iterations 1 --precision f64").done();
    assert!(!said.stderr.contains("float32"), "{}", said.stderr);
}

#[test]
fn a_column_of_observations_is_a_vector() {
    let dir = Dir::with_problem();
    let vector = solution(&dir, "");
    let (_, y) = dir.array("y.npy");
    dir.write_f64("y.npy", &[M, 1], &y);
    assert_eq!(solution(&dir, ""), vector);
}

#[test]
fn normalizations_are_taken_from_the_count_the_data_or_the_user() {
    let dir = Dir::with_problem();
    let value = |flag: &str| {
        dir.solve(&format!("--max-iterations 1 --report run.json --normalization {flag}")).done();
        dir.json("run.json")["settings"]["normalization_value"].as_f64().unwrap()
    };
    assert_eq!(value("1/m"), 1.0 / M as f64);
    assert_eq!(value("1"), 1.0);
    assert_eq!(value("0.25"), 0.25);
    assert!((value("auto") * M as f64 - 1.0).abs() < 0.1);
    let (shape, values) = dir.array("A.npy");
    dir.write_f64("A.npy", &shape, &values.iter().map(|v| 3.0 * v).collect::<Vec<_>>());
    let said = dir.solve("--max-iterations 1").done();
    assert!(said.stderr.contains("--normalization auto"), "{}", said.stderr);
}
