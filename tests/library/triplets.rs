//! Matrix Market files and archives of sparse matrices: what they mean, and what is refused in which line.

use std::path::PathBuf;

use lowrank::io::{Duplicates, TripletOptions, Triplets, read_sparse_rows};
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
    let (rows, columns) = (of.iter().map(|t| t.0).collect(), of.iter().map(|t| t.1).collect());
    Triplets::new(rows, columns, of.iter().map(|t| t.2).collect())
}

#[test]
fn matrix_market_files_are_read() {
    let folder = Folder::new();
    let text = "%%MatrixMarket matrix coordinate real general\n% c\n4 3 2\n1 3 1.5\n4 1 -2\n";
    for (name, text) in [("m.mtx", text.to_owned()), ("marked.mtx", format!("\u{feff}{text}"))] {
        let read = TripletOptions::default().open(folder.file(name, text)).unwrap();
        assert_eq!(read.triplets, triplets(&[(0, 2, 1.5), (3, 0, -2.0)]), "{name}");
        assert_eq!((read.shape, read.symmetric, read.duplicates), ((4, 3), false, Duplicates::Sum), "{name}");
        assert!(read.labels.is_none() && read.notices.is_empty());
    }
    let text = "%%MatrixMarket matrix coordinate pattern symmetric\n3 3 2\n2 1\n3 3\n";
    let mut read = TripletOptions::default().open(folder.file("p.mtx", text)).unwrap();
    assert_eq!((&read.triplets, read.symmetric), (&triplets(&[(1, 0, 1.0), (2, 2, 1.0)]), true));
    read.triplets.mirror();
    assert_eq!(read.triplets, triplets(&[(1, 0, 1.0), (2, 2, 1.0), (0, 1, 1.0)]));
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
        (with("4 3 1\n0 1 1\n"), vec!["index 0", "line 3", "from 1", "scipy.io.mmwrite"]),
        (with("4 3 1\n5 1 1\n"), vec!["'5'", "row", "line 3", "1", "4"]),
        (head.replacen('%', "", 1) + "4 3 1\n1 1 1\n", vec!["two percent signs"]),
        (format!("\n {head}4 3 1\n1 1 1\n"), vec!["blanks", "%%MatrixMarket"]),
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
    assert_says(&message, &["named D", "arr_0"]);
}
