use lowrank::io::{read_factor, read_observations, read_truth_matrix, write_npz};

use crate::io::{Files, assert_refused, f32_bytes, f64_bytes, golden, npy};

const A: &str = "A.npy, shape (3, 2, 2), float64";

#[test]
fn vectors_columns_and_batches_are_told_apart() {
    let files = Files::new();
    let data = f64_bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let read = |shape: &str, fortran, bytes: usize| {
        read_observations(files.write("y.npy", &npy("<f8", fortran, shape, &data[..bytes])), 3, A)
    };
    assert_eq!(read("(3,)", false, 24).unwrap(), [[1.0, 2.0, 3.0]]);
    assert_eq!(read("(3, 1)", false, 24).unwrap(), [[1.0, 2.0, 3.0]]);
    assert_eq!(read("(1, 3)", false, 24).unwrap(), [[1.0, 2.0, 3.0]]);
    assert_eq!(read("(2, 3)", false, 48).unwrap(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    assert_eq!(read("(2, 3)", true, 48).unwrap(), [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]);
    assert_refused(read("(3, 2)", false, 48), &["(3, 2)", "(3, 2, 2)", "y.T"]);
    assert_refused(read("(4,)", false, 32), &["(4,)", "(3, 2, 2)", "y.npy", "A.npy"]);
    assert_refused(read("(0,)", false, 0), &["observations"]);
    assert_refused(read("(0, 3)", false, 0), &["observations"]);
    assert_refused(read_observations(golden("complex.npy"), 2, A), &["complex", "2n x 2n"]);
}

#[test]
fn the_first_value_that_is_no_number_is_named() {
    let files = Files::new();
    let data = f32_bytes(&[1.0, 2.0, 3.0, 4.0, f32::NAN, f32::INFINITY]);
    let path = files.write("y.npy", &npy("<f4", false, "(2, 3)", &data));
    assert_refused(read_observations(&path, 3, A), &["NaN", "[1, 1]", "y.npy"]);
}

#[test]
fn factors_come_from_npy_and_npz() {
    let files = Files::new();
    let path = files.write("X.npy", &npy("<f8", true, "(2, 3)", &f64_bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
    let factor = read_factor(&path, 2, "truth").unwrap();
    assert_eq!((factor.batch, factor.rows, factor.columns), (1, 2, 3));
    assert_eq!(factor.values, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    assert_refused(read_factor(&path, 3, "truth"), &["truth", "(2, 3)", "(3, k)", "X.T"]);
    assert_refused(read_factor(golden("scalar.npy"), 3, "init"), &["init", "()"]);
    let factors = read_factor(golden("stored.npz"), 3, "init").unwrap();
    assert_eq!((factors.batch, factors.rows, factors.columns, factors.values[23]), (2, 3, 4, 11.5));
    let empty = files.write("U.npy", &npy("<f8", false, "(2, 0)", &[]));
    assert_refused(read_factor(empty, 2, "init"), &["(2, 0)", "1"]);
    let nan = files.write("N.npy", &npy("<f8", false, "(1, 2)", &f64_bytes(&[0.0, f64::NEG_INFINITY])));
    assert_refused(read_factor(nan, 1, "init"), &["-inf", "[0, 1]"]);
}

#[test]
fn a_single_array_of_an_archive_needs_no_name_and_several_do() {
    let files = Files::new();
    let mut one = Vec::new();
    write_npz(&mut one, &[("mine", &[3], &[1.0, 2.0, 3.0])]).unwrap();
    assert_eq!(read_observations(files.write("y.npz", &one), 3, A).unwrap(), [[1.0, 2.0, 3.0]]);
    assert_refused(read_observations(golden("stored.npz"), 3, A), &["left", "other", "observations", "y"]);
}

#[test]
fn truth_matrices_must_be_symmetric_up_to_rounding() {
    let files = Files::new();
    let read =
        |values: &[f64]| read_truth_matrix(files.write("M.npy", &npy("<f8", false, "(2, 2)", &f64_bytes(values))), 2);
    assert_eq!(read(&[1.0, 2.0, 2.0, 3.0]).unwrap(), [1.0, 2.0, 2.0, 3.0]);
    let rounded = read(&[1.0, 2.0, 2.0 + 1e-7, 3.0]).unwrap();
    assert_eq!(rounded[1], rounded[2]);
    assert_refused(read(&[1.0, 2.0, 2.1, 3.0]), &["symmetric", "[0, 1]", "M.T"]);
    assert_refused(read_truth_matrix(files.path("M.npy"), 3), &["(2, 2)", "(3, 3)"]);
}
