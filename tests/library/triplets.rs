//! Files of entries and of sparse matrices: what they mean, and what is refused in which line.

use std::path::PathBuf;

use lowrank::io::{TripletOptions, Triplets, read_sparse_rows};
use lowrank::operators::dense::OpenOptions;
use lowrank::operators::{Operator, Sparse};

use crate::says::{assert_says, says};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn triplets(of: &[(u32, u32, f64)]) -> Triplets {
    Triplets {
        rows: of.iter().map(|t| t.0).collect(),
        columns: of.iter().map(|t| t.1).collect(),
        values: of.iter().map(|t| t.2).collect(),
        weights: Vec::new(),
    }
}

#[test]
fn every_way_of_writing_entries_is_read() {
    let folder = Folder::new();
    let expected = triplets(&[(0, 2, 1.5), (3, 0, -2.0)]);
    for (name, text) in [
        ("plain.csv", "0,2,1.5\n3,0,-2\n"),
        ("header.csv", "user,item,rating\r\n0,2,1.5\r\n3,0,-2e0"),
        ("marked.csv", "\u{feff}\"user\",\"item\",\"rating\"\n\"0\",\"2\",\"1.5\"\n# a remark\n\n\"3\",\"0\",\"-2\"\n"),
        ("tabs.tsv", "0\t2\t1.5\n3\t0\t-2\n"),
        ("semicolons.csv", "0; 2; 1.5\n3; 0; -2\n"),
        ("blanks.txt", "0 2   1.5\n3 0 -2\n"),
        ("more.csv", "u,i,r,time\n0,2,1.5,99\n3,0,-2,98\n"),
        ("m.mtx", "%%MatrixMarket matrix coordinate real general\n% c\n4 3 2\n1 3 1.5\n4 1 -2\n"),
    ] {
        let read = TripletOptions::default().open(folder.file(name, text)).unwrap();
        assert_eq!(read.triplets, expected, "{name}");
        assert_eq!((read.shape, read.symmetric), ((4, 3), false), "{name}");
        assert_eq!(read.notices.iter().any(|n| n.contains("--index-base 1")), name != "m.mtx", "{name}");
        assert_eq!(read.notices.iter().any(|n| says(n, "4 columns")), name == "more.csv", "{name}");
    }
    let one = TripletOptions::default().index_base(Some(1));
    let read = one.open(folder.file("one.csv", "1,3,1.5\n4,1,-2\n")).unwrap();
    assert_eq!((read.triplets, read.notices), (expected.clone(), vec![]));
    let doubtful = TripletOptions::default().open(folder.file("one.csv", "1,3,1.5\n4,1,-2\n")).unwrap();
    assert_says(&doubtful.notices[0], &["row 1", "column 1"]);
    let square = TripletOptions::default().square(true);
    assert_eq!(square.open(folder.file("s.csv", "0,2,1\n")).unwrap().shape, (3, 3));
    let shaped = TripletOptions::default().shape(Some((9, 8)));
    assert_eq!(shaped.open(folder.file("s.csv", "0,2,1\n")).unwrap().shape, (9, 8));

    let text = "%%MatrixMarket matrix coordinate pattern symmetric\n3 3 2\n2 1\n3 3\n";
    let mut read = TripletOptions::default().open(folder.file("p.mtx", text)).unwrap();
    assert_eq!((&read.triplets, read.symmetric), (&triplets(&[(1, 0, 1.0), (2, 2, 1.0)]), true));
    read.triplets.mirror();
    assert_eq!(read.triplets, triplets(&[(1, 0, 1.0), (2, 2, 1.0), (0, 1, 1.0)]));
}

#[test]
fn bad_text_is_refused_with_its_line() {
    let folder = Folder::new();
    let shaped = TripletOptions::default().shape(Some((4, 3)));
    let one = TripletOptions::default().index_base(Some(1));
    let plain = TripletOptions::default();
    for (text, options, words) in [
        ("", plain, vec!["empty", "row,column,value"]),
        ("user,item,rating\n", plain, vec!["header"]),
        ("# nothing\n\n", plain, vec!["entries"]),
        ("0,1,2\n0,-1,2\n", plain, vec!["'-1'", "column", "line 2", "whole", "0"]),
        ("0,1,2\n1.5,1,2\n", plain, vec!["'1.5'", "row", "line 2"]),
        ("0,1,2\nx,1,2\n", plain, vec!["'x'", "row", "line 2"]),
        ("0,1,2\n0,2,abc\n", plain, vec!["'abc'", "value", "line 2", "finite"]),
        ("0,1,abc\n0,2,1\n", plain, vec!["'abc'", "value", "line 1"]),
        ("0,1,2\n\n0,2,nan\n", plain, vec!["'nan'", "value", "line 3"]),
        ("0,1,2\n0,2,inf\n", plain, vec!["'inf'", "value", "line 2"]),
        ("0,1,2\n0,2\n", plain, vec!["2 fields", "line 2", "3"]),
        ("0,1\n", plain, vec!["2 fields", "line 1", "row", "column", "value"]),
        ("0,1,2\n0,1,2,3\n", plain, vec!["4 fields", "line 2"]),
        ("0,1,2\n4,1,2\n", shaped, vec!["'4'", "row", "line 2", "0", "3", "--index-base 1"]),
        ("0,1,2\n0,9,2\n", shaped, vec!["'9'", "column", "line 2", "0", "2", "--shape"]),
        ("1,1,2\n0,1,2\n", one, vec!["'0'", "row", "line 2", "1", "--index-base 0"]),
        ("99999999999999999999999,1,2\n", plain, vec!["line 1", "2147483647"]),
        ("4000000000,1,2\n", plain, vec!["'4000000000'", "row", "line 1", "2147483647"]),
    ] {
        let path = folder.file("bad.csv", text);
        let message = options.open(&path).unwrap_err().to_string();
        for word in words.into_iter().chain(["bad.csv"]) {
            assert!(says(&message, word), "{text:?}: {message} lacks {word:?}");
        }
    }
    let binary: Vec<u8> = (0..200_000_u32).map(|i| (i % 9 + 1) as u8).collect();
    let message = plain.open(folder.file("binary", binary)).unwrap_err().to_string();
    assert_says(&message, &["65536 bytes", "line 1"]);
}

#[test]
fn bad_matrix_market_files_are_refused() {
    let folder = Folder::new();
    let head = "%%MatrixMarket matrix coordinate real general\n";
    let with = |rest: &str| format!("{head}{rest}");
    for (text, words) in [
        (with(""), vec!["sizes", "truncated"]),
        (with("4 3\n"), vec!["'4 3'", "line 2", "rows", "columns", "entries"]),
        (with("4 3 2\n1 1 1\n"), vec!["1", "2", "truncated"]),
        (with("4 3 1\n1 1 1\n2 2 2\n"), vec!["line 4", "1"]),
        (with("4 3 1\n0 1 1\n"), vec!["'0'", "row", "line 3", "1", "4"]),
        (with("4 3 1\n1 4 1\n"), vec!["'4'", "column", "line 3", "1", "3"]),
        (with("4 3 1\n1 1 x\n"), vec!["'x'", "value", "line 3"]),
        (with("4 3 1\n1 1\n"), vec!["2 fields", "line 3"]),
        (with("4 3 0\n"), vec!["entries"]),
        (with("4 3 1000000000000\n1 1 1\n"), vec!["1000000000000", "bytes"]),
        (with("99999999999 3 1\n1 1 1\n"), vec!["99999999999 x 3"]),
        (with("0 3 1\n1 1 1\n"), vec!["0 x 3"]),
        ("%%MatrixMarket matrix array real general\n1 1\n1\n".into(), vec!["'array'", "coordinate"]),
        ("%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n".into(), vec!["complex", "lift"]),
        ("%%MatrixMarket matrix coordinate real hermitian\n1 1 1\n1 1 1\n".into(), vec!["'hermitian'"]),
        ("%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n1 2 1\n".into(), vec!["diagonal", "line 3"]),
        ("%%MatrixMarket matrix\n1 1 1\n".into(), vec!["line 1", "coordinate", "real", "integer", "pattern"]),
    ] {
        let message = TripletOptions::default().open(folder.file("bad.mtx", &text)).unwrap_err().to_string();
        for word in words.into_iter().chain(["bad.mtx"]) {
            assert!(says(&message, word), "{text:?}: {message} lacks {word:?}");
        }
    }
    let good = folder.file("good.mtx", with("4 3 1\n1 1 1\n"));
    let zero = TripletOptions::default().index_base(Some(0));
    assert_says(&zero.open(&good).unwrap_err().to_string(), &["index_base", "0", "1"]);
    let shaped = TripletOptions::default().shape(Some((4, 4)));
    assert_says(&shaped.open(&good).unwrap_err().to_string(), &["4 x 4", "--shape"]);
}

#[test]
fn sparse_rows_are_read_from_matrix_market() {
    let folder = Folder::new();
    let text = "%%MatrixMarket matrix coordinate integer general\n3 6 4\n3 1 7\n1 6 2\n3 2 -1\n1 1 1\n";
    let path = folder.file("A.mtx", text);
    let rows = read_sparse_rows(&path).unwrap();
    assert_eq!((rows.width, &rows.indptr[..]), (6, &[0, 2, 2, 4][..]));
    assert_eq!((&rows.indices[..], &rows.values[..]), (&[5, 0, 0, 1][..], &[2.0, 1.0, 7.0, -1.0][..]));
    // Six is a packed 3x3 matrix.
    let file = Sparse::open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(file.operator.domain().rows(), 3);
    assert_eq!(file.operator.sensing_matrix(2), [7.0, -1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert!(file.notices.iter().any(|n| says(n, "1 of 3") && says(n, "nonzero")), "{:?}", file.notices);
    assert!(file.notices.iter().any(|n| says(n, "normalization") && n.contains("1.07")), "{:?}", file.notices);
    let shape = |n1, n2| OpenOptions::default().symmetric(false).shape((n1, n2));
    let file = Sparse::open(&path, &shape(2, 3)).unwrap();
    assert_eq!(file.operator.sensing_matrix(0), [1.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    let message = Sparse::open(&path, &shape(2, 4)).err().unwrap().to_string();
    assert_says(&message, &["A.mtx", "6", "8"]);
    let message = read_sparse_rows(folder.file("a.csv", "0,1,2\n")).unwrap_err().to_string();
    assert_says(&message, &["scipy.sparse.save_npz"]);
}

#[test]
fn archives_of_scipy_are_read_in_three_formats() {
    let golden = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/io").join(name);
    for format in ["coo", "csr", "csc"] {
        let path = golden(&format!("sparse_{format}.npz"));
        let read = TripletOptions::default().open(&path).unwrap();
        let all = read.triplets;
        let mut found: Vec<_> = (0..all.len()).map(|q| (all.rows[q], all.columns[q], all.values[q] as i32)).collect();
        found.sort_unstable();
        assert_eq!(found, [(0, 0, 1), (0, 5, 2), (2, 0, 7), (2, 1, -1)], "{format}");
        assert_eq!(read.shape, (3, 6));
        let rows = read_sparse_rows(&path).unwrap();
        assert_eq!((rows.width, &rows.indptr[..]), (6, &[0, 2, 2, 4][..]), "{format}");
        let one = TripletOptions::default().index_base(Some(1));
        assert!(says(&one.open(&path).unwrap_err().to_string(), "scipy"), "{format}");
    }
    let message = TripletOptions::default().open(golden("stored.npz")).unwrap_err().to_string();
    assert_says(&message, &["'format'"]);
}
