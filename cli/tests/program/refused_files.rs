//! Files that are refused: the message names the file, what is in it and what belongs there.

use crate::refusals::refused_solve;
use crate::says::assert_says;
use crate::{Dir, M, N, npy};

const P: usize = N * (N + 1) / 2;

fn ones(count: usize) -> Vec<f64> {
    vec![1.0; count]
}

#[test]
fn matrices_of_other_shapes() {
    let dir = Dir::with_problem();
    for (shape, flags, fragments) in [
        (&[M][..], "", &["A.npy", "(120,)", "(m, n, n)"][..]),
        (&[M, 10, 9], "", &["A.npy", "10 x 9", "square"]),
        (&[M, 50], "", &["A.npy", "50", "49", "n = 7", "45", "n = 9"]),
        (&[M, 36], "", &["A.npy", "6 x 6", "8 x 8", "--layout full", "--layout packed"]),
        (&[M, P], "--layout full", &["A.npy", "55", "49", "n = 7", "64", "n = 8"]),
        (&[M, P], "--shape 9,9", &["A.npy", "55", "--shape 9,9", "45", "packed"]),
        (&[M, 10, 10], "--layout packed", &["A.npy", "--layout packed"]),
        (&[M, 10, 10], "--shape 9,9", &["A.npy", "10 x 10", "9 x 9"]),
        (&[0, P], "", &["A.npy", "measurements"]),
        (&[M, 0], "", &["A.npy", "measurements"]),
        (&[3, P], "", &["y.npy", "(120,)", "3", "A.npy", "(3, 55)"]),
    ] {
        dir.write_f64("A.npy", shape, &ones(shape.iter().product()));
        refused_solve(&dir, flags, fragments);
    }
}

#[test]
fn observations_of_other_shapes() {
    let dir = Dir::with_problem();
    for (shape, fragments) in [
        (&[M - 1][..], &["y.npy", "(119,)", "120", "A.npy"][..]),
        (&[M, 2], &["y.npy", "(120, 2)", "Transpose"]),
        (&[2, M, 1], &["y.npy", "(2, 120, 1)", "(b, 120)"]),
        (&[0], &["y.npy", "observations"]),
        (&[0, M], &["y.npy", "observations"]),
    ] {
        dir.write_f64("y.npy", shape, &ones(shape.iter().product()));
        refused_solve(&dir, "", fragments);
    }
}

#[test]
fn numbers_that_are_not_finite_are_located() {
    let dir = Dir::with_problem();
    let ((shape, a), (_, y)) = (dir.array("A.npy"), dir.array("y.npy"));
    for (value, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let mut bad = a.clone();
        bad[7 * P + 4] = value;
        dir.write_f64("A.npy", &shape, &bad);
        refused_solve(&dir, "", &["A.npy", name, "7", "[7, 4]"]);
        // Single precision is used in place, on another path.
        let single: Vec<f32> = bad.iter().map(|v| *v as f32).collect();
        dir.write_f32("A.npy", &shape, &single);
        refused_solve(&dir, "", &["A.npy", name, "7", "[7, 4]"]);
        dir.write_f64("A.npy", &shape, &a);
        let mut bad = y.clone();
        bad[11] = value;
        dir.write_f64("y.npy", &[M], &bad);
        refused_solve(&dir, "", &["y.npy", name, "11"]);
        dir.write_f64("y.npy", &[M], &y);
    }
    let mut large = a.clone();
    large[3 * P] = 1e39;
    dir.write_f64("A.npy", &shape, &large);
    refused_solve(&dir, "", &["A.npy", "1e39", "3", "--precision f64"]);
}

#[test]
fn files_that_are_not_arrays_of_real_numbers() {
    let dir = Dir::with_problem();
    let whole = std::fs::read(dir.path("A.npy")).unwrap();
    let mut long_header = whole.clone();
    long_header[8..10].copy_from_slice(&60_000_u16.to_le_bytes());
    let lying = npy("<f8", "(1000000000000, 55)", &[0; 64]);
    for (bytes, fragments) in [
        (npy("<c16", "(2, 1)", &[0; 32]), &["A.npy", "complex", "(m, n, n)"][..]),
        (npy("|S4", "(2, 1)", &[0; 8]), &["A.npy", "S4"]),
        (npy("<M8[s]", "(2, 1)", &[0; 16]), &["A.npy", "date"]),
        (whole[..whole.len() - 1].to_vec(), &["A.npy", "truncated"]),
        (whole[..40].to_vec(), &["A.npy"]),
        (long_header, &["A.npy", "60000"]),
        (lying, &["A.npy", "bytes"]),
        (b"1,2,3\n".to_vec(), &["A.npy", "numpy.save"]),
        (Vec::new(), &["A.npy", "empty"]),
    ] {
        dir.write("A.npy", &bytes);
        refused_solve(&dir, "", fragments);
    }
    dir.write("A.npy", &whole);
    dir.write("y.npy", &npy("<c16", "(120,)", &[0; 120 * 16]));
    refused_solve(&dir, "", &["y.npy", "complex"]);
    std::fs::remove_file(dir.path("y.npy")).unwrap();
    refused_solve(&dir, "", &["y.npy", "path"]);
    std::fs::create_dir(dir.path("y.npy")).unwrap();
    refused_solve(&dir, "", &["y.npy", "directory"]);
}

#[test]
fn truths_and_starts_of_another_size() {
    let dir = Dir::with_problem();
    dir.write_f64("wide.npy", &[2, N], &ones(2 * N));
    dir.write_f64("small.npy", &[N - 1, 2], &ones(2 * (N - 1)));
    dir.write_f64("three.npy", &[3, N, 2], &ones(6 * N));
    dir.write_f64("empty.npy", &[N, 0], &[]);
    let mut skew = ones(N * N);
    skew[1] = 2.0;
    dir.write_f64("skew.npy", &[N, N], &skew);
    let mut nan = ones(2 * N);
    nan[5] = f64::NAN;
    dir.write_f64("nan.npy", &[N, 2], &nan);
    for (flags, fragments) in [
        ("--truth wide.npy", &["wide.npy", "(2, 10)", "truth", "Transpose"][..]),
        ("--truth small.npy", &["small.npy", "(9, 2)", "10 x 10"]),
        ("--truth three.npy", &["--truth", "3", "1"]),
        ("--truth empty.npy", &["empty.npy", "(10, 0)"]),
        ("--truth nan.npy", &["nan.npy", "NaN", "[2, 1]"]),
        ("--truth missing.npy", &["missing.npy"]),
        ("--truth-matrix X.npy", &["X.npy", "(10, 2)", "(10, 10)"]),
        ("--truth-matrix skew.npy", &["skew.npy", "symmetric", "[0, 1]"]),
        ("--init small.npy", &["small.npy", "(9, 2)", "init"]),
        ("--init wide.npy", &["wide.npy", "(2, 10)", "init"]),
        ("--init nan.npy", &["nan.npy", "NaN"]),
    ] {
        refused_solve(&dir, flags, fragments);
    }
}

#[test]
fn observations_of_zero_are_those_of_the_zero_matrix() {
    let dir = Dir::with_problem();
    dir.write_f64("y.npy", &[M], &[0.0; M]);
    for method in ["", "--method gd"] {
        let said = dir.solve(&format!("--out factors.npz {method}")).done();
        assert_says(&said.stdout, &["Converged", "zero"]);
        assert!(dir.factors("factors.npz").1.iter().all(|v| *v == 0.0));
    }
}
