use lowrank::operators::dense::{DenseFile, Normalization, OpenOptions};
use lowrank::operators::{Dense, Layout, Operator, Storage};
use lowrank::problem::Domain;

use crate::io::{Files, assert_refused, f32_bytes, f64_bytes, golden, npy};
use crate::says::{assert_says, says};

fn open(files: &Files, bytes: &[u8], options: &OpenOptions) -> lowrank::Result<DenseFile> {
    options.open(files.write("A.npy", bytes))
}

fn defaults() -> OpenOptions {
    OpenOptions::default()
}

/// Three matrices of 2x2, the first and last not symmetric: tests/golden/io/matrices.npy.
const MATRICES: [f64; 12] = [1.0, 2.0, 4.0, 3.0, 0.5, -1.0, -1.0, 8.0, 0.0, 6.0, 0.0, 0.0];
const PACKED: [[f64; 3]; 3] = [[1.0, 3.0, 3.0], [0.5, -1.0, 8.0], [0.0, 3.0, 0.0]];

#[test]
fn numpy_matrices_are_symmetrised_and_the_user_is_told() {
    let file = defaults().open(golden("matrices.npy")).unwrap();
    assert_eq!((file.layout, file.shape.as_slice(), file.dtype.as_str()), (Layout::Full, &[3, 2, 2][..], "float64"));
    assert_eq!((file.operator.domain(), file.operator.measurements()), (Domain::symmetric(2), 3));
    assert_eq!(file.operator.storage(), Storage::F64);
    for (i, row) in PACKED.iter().enumerate() {
        assert_eq!(file.operator.packed_row(i), row, "matrix {i}");
    }
    // The last matrix is the least symmetric: |6 - 0| / 6.
    assert!(
        file.notices.iter().any(|n| ["symmetric", "1.000e0", "matrix 2"].iter().all(|piece| says(n, piece))),
        "{:?}",
        file.notices
    );
}

#[test]
fn every_layout_order_and_type_gives_the_same_operator() {
    let files = Files::new();
    let fortran: Vec<f64> = (0..4).flat_map(|c| (0..3).map(move |i| MATRICES[i * 4 + (c % 2) * 2 + c / 2])).collect();
    let packed: Vec<f64> = PACKED.concat();
    let big: Vec<u8> = MATRICES.iter().flat_map(|v| v.to_be_bytes()).collect();
    let single: Vec<f32> = MATRICES.iter().map(|&v| v as f32).collect();
    let cases = [
        npy("<f8", false, "(3, 2, 2)", &f64_bytes(&MATRICES)),
        npy("<f8", true, "(3, 2, 2)", &f64_bytes(&fortran)),
        npy("<f8", false, "(3, 4)", &f64_bytes(&MATRICES)),
        npy("<f8", false, "(3, 3)", &f64_bytes(&packed)),
        npy(">f8", false, "(3, 2, 2)", &big),
        npy("<f4", false, "(3, 2, 2)", &f32_bytes(&single)),
    ];
    for (case, bytes) in cases.iter().enumerate() {
        for storage in [None, Some(Storage::F32), Some(Storage::F64)] {
            let file = open(&files, bytes, &defaults().storage(storage)).unwrap();
            let natural = if case == 5 { Storage::F32 } else { Storage::F64 };
            assert_eq!(file.operator.storage(), storage.unwrap_or(natural), "case {case}");
            for (i, row) in PACKED.iter().enumerate() {
                assert_eq!(file.operator.packed_row(i), row, "case {case}, matrix {i}");
            }
        }
    }
}

#[test]
fn many_blocks_give_the_rows_in_order() {
    let files = Files::new();
    let (m, n) = (5_000, 6);
    let value = |i: usize, j: usize, l: usize| (i * 100 + j.min(l) * 10 + j.max(l)) as f64;
    let mut c = Vec::new();
    (0..m).for_each(|i| (0..n).for_each(|j| (0..n).for_each(|l| c.push(value(i, j, l)))));
    let mut f = Vec::new();
    (0..n).for_each(|l| (0..n).for_each(|j| (0..m).for_each(|i| f.push(value(i, j, l)))));
    for (fortran, data) in [(false, &c), (true, &f)] {
        let bytes = npy("<f8", fortran, "(5000, 6, 6)", &f64_bytes(data));
        let operator = open(&files, &bytes, &defaults()).unwrap().operator;
        for i in [0, 1, 1_819, 1_820, 4_095, 4_096, 4_999] {
            let row = operator.packed_row(i);
            assert_eq!((row[0], row[1], row[20]), (value(i, 0, 0), value(i, 0, 1), value(i, 5, 5)), "row {i}");
        }
    }
}

#[test]
fn a_mapped_operator_computes_what_an_owned_one_does() {
    let files = Files::new();
    let single: Vec<f32> = PACKED.concat().iter().map(|&v| v as f32).collect();
    let mapped = open(&files, &npy("<f4", false, "(3, 3)", &f32_bytes(&single)), &defaults()).unwrap();
    let owned = Dense::from_rows(Domain::symmetric(2), Layout::Packed, &single).unwrap();
    assert_eq!((mapped.layout, mapped.notices.iter().filter(|n| n.contains("symmetric")).count()), (Layout::Packed, 0));
    for i in 0..3 {
        assert_eq!(mapped.operator.packed_row(i), owned.packed_row(i));
        assert_eq!(mapped.operator.sensing_matrix(i), owned.sensing_matrix(i));
    }
    assert_eq!(Dense::open(files.path("A.npy")).unwrap().implied_normalization(), owned.implied_normalization());
}

#[test]
fn widths_with_two_readings_are_refused_until_a_flag_settles_them() {
    let files = Files::new();
    for (width, full, packed) in [(36_usize, 6_usize, 8_usize), (1225, 35, 49), (41_616, 204, 288)] {
        let bytes = npy("<f4", false, &format!("(1, {width})"), &f32_bytes(&vec![1.0; width]));
        let parts = [format!("{full} x {full}"), format!("{packed} x {packed}")];
        assert_refused(
            open(&files, &bytes, &defaults()),
            &[&parts[0], &parts[1], "--layout packed", "--layout full", &format!("--shape {full},{full}")],
        );
        for (options, n) in [
            (defaults().layout(Layout::Full), full),
            (defaults().layout(Layout::Packed), packed),
            (defaults().shape((full, full)), full),
            (defaults().shape((packed, packed)), packed),
        ] {
            assert_eq!(open(&files, &bytes, &options).unwrap().operator.domain(), Domain::symmetric(n), "{options:?}");
        }
        assert_refused(
            open(&files, &bytes, &defaults().shape((full, full)).layout(Layout::Packed)),
            &[&width.to_string(), "packed"],
        );
    }
    let one = npy("<f4", false, "(2, 1)", &f32_bytes(&[1.0, 2.0]));
    assert_eq!(open(&files, &one, &defaults()).unwrap().operator.domain(), Domain::symmetric(1));
}

#[test]
fn shapes_that_are_no_matrices_name_the_way_out() {
    let files = Files::new();
    let zeros = |shape: &str, count: usize| npy("<f8", false, shape, &f64_bytes(&vec![1.0; count]));
    assert_refused(open(&files, &zeros("(2, 5)", 10), &defaults()), &["5", "4", "9", "3", "6", "n = 2", "n = 3"]);
    assert_refused(open(&files, &zeros("(2, 2, 3)", 12), &defaults()), &["2 x 3", "--model asymmetric"]);
    assert_refused(open(&files, &zeros("(12,)", 12), &defaults()), &["(12,)", "(m, n, n)"]);
    assert_refused(open(&files, &zeros("(0, 2, 2)", 0), &defaults()), &["measurements", "(0, 2, 2)"]);
    assert_refused(open(&files, &zeros("(3, 0, 0)", 0), &defaults()), &["(3, 0, 0)"]);
    assert_refused(open(&files, &zeros("(3, 0)", 0), &defaults()), &["(3, 0)"]);
    assert_refused(open(&files, &zeros("(0, 9)", 0), &defaults()), &["measurements", "(0, 9)"]);
    let shape = |n1, n2| defaults().shape((n1, n2));
    assert_refused(open(&files, &zeros("(2, 2, 2)", 8), &shape(3, 3)), &["2 x 2", "3 x 3", "--shape"]);
    assert_refused(open(&files, &zeros("(2, 6)", 12), &shape(2, 3)), &["shape", "2,3", "--model asymmetric"]);
    let packed = defaults().layout(Layout::Packed);
    assert_refused(open(&files, &zeros("(2, 2, 2)", 8), &packed), &["--layout packed"]);
    assert_refused(open(&files, &zeros("(2, 4)", 8), &packed), &["4", "3", "6", "n = 2", "n = 3"]);
}

#[test]
fn matrices_of_two_factors_and_of_both_signs_are_read() {
    let files = Files::new();
    let numbers: Vec<f64> = (1..=12).map(f64::from).collect();
    let bytes = npy("<f8", false, "(2, 2, 3)", &f64_bytes(&numbers));
    let asymmetric = defaults().symmetric(false);
    let flat = npy("<f8", false, "(2, 6)", &f64_bytes(&numbers));
    let shaped = asymmetric.clone().shape((2, 3));
    for (bytes, options) in [(&bytes, &asymmetric), (&flat, &shaped)] {
        let operator = open(&files, bytes, options).unwrap().operator;
        assert_eq!(operator.domain(), Domain::rectangular(2, 3));
        assert_eq!(operator.sensing_matrix(1), numbers[6..]);
    }
    assert_refused(open(&files, &flat, &asymmetric), &["shape", "--shape n1,n2"]);
    assert_refused(open(&files, &flat, &asymmetric.shape((2, 2))), &["6", "4", "full"]);
    let square = npy("<f8", false, "(2, 2, 2)", &f64_bytes(&[1.0; 8]));
    let symmetric = open(&files, &square, &defaults()).unwrap().operator;
    assert_eq!(symmetric.domain(), Domain::symmetric(2));
}

#[test]
fn the_first_number_that_is_none_is_named_in_every_path() {
    let files = Files::new();
    let mut full = MATRICES;
    full[6] = f64::NAN;
    full[11] = f64::INFINITY;
    let wanted = ["NaN", "measurement 1", "[1, 1, 0]"];
    assert_refused(open(&files, &npy("<f8", false, "(3, 2, 2)", &f64_bytes(&full)), &defaults()), &wanted);
    let packed = f32_bytes(&[0.0, 1.0, 2.0, 3.0, f32::NEG_INFINITY, 5.0]);
    assert_refused(
        open(&files, &npy("<f4", false, "(2, 3)", &packed), &defaults()),
        &["-inf", "measurement 1", "[1, 1]"],
    );
}

#[test]
fn rounding_is_reported_and_overflow_refused() {
    let files = Files::new();
    let single = defaults().storage(Storage::F32);
    let bytes = npy("<f8", false, "(2, 3)", &f64_bytes(&[1.0, 0.5, 2.0, 1.0, 0.1, 1.0]));
    let notices = open(&files, &bytes, &single).unwrap().notices;
    let error = (f64::from(0.1_f32) - 0.1) / 0.1;
    assert!(
        notices.iter().any(|n| ["round", &format!("{error:.3e}"), "matrix 1"].iter().all(|piece| says(n, piece))),
        "{notices:?}"
    );
    assert!(!open(&files, &bytes, &defaults()).unwrap().notices.iter().any(|n| says(n, "round")));
    let large = npy("<f8", false, "(2, 3)", &f64_bytes(&[1.0, 0.5, 2.0, 1.0, 1e39, 1.0]));
    assert_refused(open(&files, &large, &single), &["1e39", "measurement 1", "1", "--precision f64"]);
    open(&files, &large, &defaults()).unwrap();
    let full = npy("<f8", false, "(1, 2, 2)", &f64_bytes(&[1.0, 0.0, 0.0, 1e39]));
    assert_refused(open(&files, &full, &single), &["1e39", "measurement 0", "(1, 1)"]);
}

#[test]
fn half_precision_is_announced_and_what_it_does_not_hold_is_refused() {
    let files = Files::new();
    let half = defaults().storage(Storage::F16);
    // 1 + 2^-12 lies a quarter of a unit above 1; the largest entry of its matrix is 2.
    let bytes = npy("<f4", false, "(2, 3)", &f32_bytes(&[1.0, 0.5, 2.0, 1.0 + 2f32.powi(-12), -2.0, 1e-3]));
    let file = open(&files, &bytes, &half).unwrap();
    assert_eq!(file.operator.storage(), Storage::F16);
    assert_eq!(file.operator.packed_row(0), [1.0, 0.5, 2.0]);
    assert_eq!(file.operator.packed_row(1)[..2], [1.0, -2.0]);
    let notice = file.notices.iter().find(|n| n.starts_with("storage")).expect("a notice about the rounding");
    assert_says(notice, &[&format!("{:.3e}", 2f64.powi(-13)), "matrix 1"]);
    // What half precision holds is not rounded, in any layout.
    for bytes in [
        npy("<f8", false, "(3, 2, 2)", &f64_bytes(&MATRICES)),
        npy("<f8", false, "(3, 3)", &f64_bytes(&PACKED.concat())),
        npy("<f2", false, "(2, 3)", &[0, 60, 0, 56, 0, 64, 1, 60, 0, 64, 255, 123]),
    ] {
        let exact = open(&files, &bytes, &defaults().storage(Storage::F64)).unwrap();
        let file = open(&files, &bytes, &half).unwrap();
        assert!(!file.notices.iter().any(|n| n.starts_with("storage")), "{:?}", file.notices);
        for i in 0..file.operator.measurements() {
            assert_eq!(file.operator.packed_row(i), exact.operator.packed_row(i), "matrix {i}");
        }
    }
    // A scale a matrix reaches as far as f32 does, and no further.
    let wide = npy("<f8", false, "(2, 3)", &f64_bytes(&[1e38, 1.0, 2.0, 1e-30, 2e-30, 0.0]));
    let file = open(&files, &wide, &half).unwrap();
    assert_eq!(file.operator.packed_row(0)[1], 0.0);
    assert!((file.operator.packed_row(1)[1] / 2e-30 - 1.0).abs() < 2f64.powi(-11));
    let large = npy("<f8", false, "(2, 3)", &f64_bytes(&[1.0, 0.5, 2.0, 1.0, 1e39, 1.0]));
    assert_refused(open(&files, &large, &half), &["1e39", "measurement 1", "position 1", "float16", "--storage f64"]);
    let full = npy("<f8", false, "(1, 2, 2)", &f64_bytes(&[1.0, f64::NAN, 0.0, 1.0]));
    assert_refused(open(&files, &full, &half), &["NaN", "measurement 0"]);
}

#[test]
fn half_precision_rows_are_read_from_their_file_where_every_device_reads_them_alike() {
    let files = Files::new();
    let half = defaults().storage(Storage::F16);
    // 1, 1/2, 2; 1 + 2^-10, 0, 65504.
    let plain = npy("<f2", false, "(2, 3)", &[0, 60, 0, 56, 0, 64, 1, 60, 0, 0, 255, 123]);
    let file = open(&files, &plain, &half).unwrap();
    assert!(file.operator.is_mapped());
    assert_eq!(file.operator.packed_row(1), [1.0 + 2f64.powi(-10), 0.0, 65504.0]);
    // 2^-24, which some devices read as 0: the rows are copied, with a scale, and keep what they hold.
    let small = npy("<f2", false, "(2, 3)", &[1, 0, 0, 0, 2, 0, 0, 60, 0, 56, 0, 64]);
    let file = open(&files, &small, &half).unwrap();
    assert!(!file.operator.is_mapped());
    assert_eq!(file.operator.packed_row(0), [2f64.powi(-24), 0.0, 2f64.powi(-23)]);
    let infinite = npy("<f2", false, "(1, 3)", &[0, 60, 0, 124, 0, 64]);
    assert_refused(open(&files, &infinite, &half), &["inf"]);
    // Another type than the file's is a copy.
    assert!(!open(&files, &plain, &defaults().storage(Storage::F32)).unwrap().operator.is_mapped());
}

#[test]
fn a_normalization_that_does_not_fit_is_pointed_out() {
    let files = Files::new();
    // Two matrices with |A|^2 = 3 over a space of dimension 3: 1/m fits. Doubled, it is off by 4.
    let fits = npy("<f8", false, "(2, 3)", &f64_bytes(&[1.0, 0.5_f64.sqrt(), 1.0, 1.0, 0.5_f64.sqrt(), 1.0]));
    let file = open(&files, &fits, &defaults()).unwrap();
    assert!((file.implied_normalization - 0.5).abs() < 1e-12 && file.notices.is_empty(), "{:?}", file.notices);
    assert!(file.operator.is_isotropic());
    let doubled = npy("<f8", false, "(2, 3)", &f64_bytes(&[2.0, 2.0_f64.sqrt(), 2.0, 2.0, 2.0_f64.sqrt(), 2.0]));
    let usual = defaults().normalization(Normalization::InverseCount);
    let file = open(&files, &doubled, &usual).unwrap();
    assert!(file.notices[0].contains("--normalization auto") && file.notices[0].contains("1.25"), "{:?}", file.notices);
    assert_eq!((file.operator.normalization(), file.operator.is_isotropic()), (0.5, false));
    let file = open(&files, &doubled, &defaults()).unwrap();
    assert!((file.operator.normalization() - 0.125).abs() < 1e-12 && !file.operator.is_isotropic());
    assert!(file.notices[0].contains("s = 1.25"), "{:?}", file.notices);
    let zero = npy("<f8", false, "(1, 3)", &f64_bytes(&[0.0; 3]));
    assert!(open(&files, &zero, &defaults()).unwrap().notices[0].contains("zero"));
}
