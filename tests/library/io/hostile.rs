use std::time::{Duration, Instant};

use lowrank::io::{NpyArray, npz_names, read_npz, read_observations};
use lowrank::operators::dense::OpenOptions;
use proptest::prelude::*;

use crate::io::{Files, assert_refused, f64_bytes, golden, npy, raw};

fn open(bytes: Vec<u8>) -> lowrank::Result<NpyArray> {
    NpyArray::from_bytes("hostile.npy", bytes)
}

#[test]
fn files_that_are_something_else_say_what_they_are() {
    let files = Files::new();
    assert_refused(NpyArray::open(files.write("empty.npy", b"")), &["empty.npy", "empty", "numpy.save"]);
    assert_refused(NpyArray::open(files.write("a.csv", b"1,2,3\n4,5,6\n")), &["1,2,3", "numpy.save"]);
    assert_refused(NpyArray::open(files.path("missing.npy")), &["missing.npy", "path"]);
    assert_refused(NpyArray::open(files.path("")), &["directory"]);
    #[cfg(unix)]
    assert_refused(NpyArray::open("/dev/zero"), &["pipe"]);
}

#[test]
fn a_file_cut_anywhere_is_refused_and_bytes_behind_it_are_tolerated() {
    let whole = npy("<f8", false, "(3,)", &f64_bytes(&[1.0, 2.0, 3.0]));
    for length in 0..whole.len() {
        assert!(open(whole[..length].to_vec()).is_err(), "{length} bytes of {}", whole.len());
    }
    assert_refused(open(whole[..whole.len() - 1].to_vec()), &["23", "24", "truncated", "(3,)"]);
    let mut longer = whole;
    longer.extend([7; 5]);
    assert_eq!(open(longer).unwrap().to_vec().unwrap(), [1.0, 2.0, 3.0]);
}

#[test]
fn lying_headers_are_refused_before_anything_is_allocated() {
    for shape in [
        "(1000000000000000000,)",
        "(4294967296, 4294967296)",
        "(0, 99999999999999999999)",
        "(0, 4294967296, 4294967296, 4294967296)",
        "(18446744073709551615,)",
        "(99999999999999999999999999999999999999999999999999,)",
    ] {
        assert_refused(open(npy("<f8", false, shape, &[0; 64])), &["hostile.npy", "bytes"]);
    }
    let empty = open(npy("<f8", true, "(0, 1000000000000000000)", &[])).unwrap();
    assert!(empty.to_vec().unwrap().is_empty());
    let empty = open(npy("<f8", true, "(1000000000000000000, 0)", &[])).unwrap();
    empty.block(0..1_000_000_000_000_000_000, &mut []).unwrap();
}

#[test]
fn header_lengths_beyond_the_file_or_beyond_reason_are_refused() {
    let mut bytes = npy("<f8", false, "(1,)", &[0; 8]);
    bytes[8..10].copy_from_slice(&60_000_u16.to_le_bytes());
    assert_refused(open(bytes), &["60000", "truncated"]);
    let mut version_2 = b"\x93NUMPY\x02\x00".to_vec();
    version_2.extend(u32::MAX.to_le_bytes());
    version_2.extend([b' '; 100]);
    assert_refused(open(version_2), &["4294967295", "100"]);
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(20_000_u32.to_le_bytes());
    long.extend([b' '; 20_000]);
    assert_refused(open(long), &["20000 bytes"]);
    let mut future = npy("<f8", false, "(1,)", &[0; 8]);
    future[6] = 9;
    assert_refused(open(future), &["9.0", "3.0"]);
}

#[test]
fn version_2_and_3_headers_are_read() {
    for version in [2, 3] {
        let text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n";
        let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text);
        bytes.extend(2.5_f64.to_le_bytes());
        // The numbers are not aligned here: they are read, but not in place.
        assert_eq!(open(bytes).unwrap().to_vec().unwrap(), [2.5]);
    }
}

#[test]
fn header_texts_made_to_break_a_parser_are_refused_quickly() {
    let deep = "(".repeat(9_000);
    let braces = "{".repeat(9_000);
    // Before a parser that recurses sees them.
    assert_refused(open(raw(&deep, &[])), &["'('"]);
    assert_refused(open(raw(&braces, &[])), &["'{'"]);
    for header in [
        deep.as_str(),
        &braces,
        "",
        "{",
        "None",
        "{'descr': '<f8'}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1.0,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0xffff,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1e9,)}",
        "{'descr': '<f99999999999', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<q', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '\\N{DIGIT ONE}', 'fortran_order': False, 'shape': (1,)}",
    ] {
        let started = Instant::now();
        assert!(open(raw(header, &[0; 64])).is_err(), "{header}");
        assert!(started.elapsed() < Duration::from_secs(5), "{}", &header[..header.len().min(40)]);
    }
}

fn use_everything(array: &NpyArray) {
    let _ = array.to_vec();
    let _ = array.get(&vec![0; array.shape().len()]);
    let _ = (array.as_f32_slice(), array.as_f64_slice(), array.describe(), array.rows(), array.row_len());
    if array.rows() > 1 && array.len() < 1 << 20 {
        let _ = array.block(1..array.rows(), &mut vec![0.0; array.len() - array.row_len()]);
    }
}

/// Runs every reader on the bytes as a file; errors are fine, panics are not.
fn use_file(files: &Files, bytes: &[u8]) {
    let path = files.write("any", bytes);
    let _ = OpenOptions::default().open(&path);
    let _ = read_observations(&path, 3, "A.npy");
    if npz_names(&path).is_ok() {
        for name in npz_names(&path).unwrap_or_default() {
            let _ = read_npz(&path, &name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in 0..3_u8) {
        let mut file = match magic { 0 => vec![], 1 => b"\x93NUMPY\x01\x00".to_vec(), _ => b"PK\x03\x04".to_vec() };
        file.extend(bytes);
        use_file(&Files::new(), &file);
        if let Ok(array) = open(file) {
            use_everything(&array);
        }
    }

    #[test]
    fn arbitrary_header_texts_never_panic(text in "[\\{\\}\\(\\)\\[\\]',: 0-9a-fTF<>|_.+-]{0,120}", length in 0..64_usize) {
        if let Ok(array) = open(raw(&text, &vec![0xff; length])) {
            use_everything(&array);
        }
    }

    #[test]
    fn plausible_headers_never_panic(
        descr in "[<>|=]?[biufcmMSaUOV]([0-9]{1,3}|[0-9]{18,21})",
        shape in "\\(([0-9]{1,3}|[0-9]{9,20})(, ?([0-9]{1,3}|[0-9]{9,20})){0,3},?\\)",
        fortran: bool,
        length in 0..4096_usize,
    ) {
        let bytes = npy(&descr, fortran, &shape, &vec![0x40; length]);
        use_file(&Files::new(), &bytes);
        if let Ok(array) = open(bytes) {
            use_everything(&array);
        }
    }

    #[test]
    fn mutated_files_never_panic(
        which in 0..5_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        let names = ["matrices.npy", "fortran_f4.npy", "stored.npz", "deflated.npz", "big_i4.npy"];
        let mut bytes = std::fs::read(golden(names[which])).expect("a golden file");
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        use_file(&Files::new(), &bytes);
        if let Ok(array) = open(bytes) {
            use_everything(&array);
        }
    }
}
