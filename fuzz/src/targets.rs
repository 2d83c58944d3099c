//! What is done with bytes of every kind: all readers of the library that such a file can come to. Errors are fine; panics, hangs and
//! more memory than the bytes justify are not. `cli/tests/program/corpus.rs` does the same with the files in `corpus/`.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use lowrank::io::{
    Labels, NpyArray, TripletOptions, Triplets, npz_names, open_array, read_factor, read_npz, read_observations,
    read_pair, read_rectangular_truth, read_signed_factor, read_sparse_rows, read_truth_matrix,
};
use lowrank::operators::Storage;
use lowrank::operators::dense::{Layout, Normalization, OpenOptions};
use lowrank::operators::rank_one::OpenVectors;
use lowrank::operators::{Dense, Entries, Operator, Sparse};
use lowrank::predict::{FoldInAxis, Predictor};
use lowrank::problem::{Domain, MatrixView, Product, synthetic};
use lowrank::solver::{Checkpoint, SaveEvery};
use lowrank::{Backend, Init, Method, Problem, Settings, Solver, Stop};
use serde_json::Value;
use zip::write::SimpleFileOptions;

const LAYOUTS: [Option<Layout>; 3] = [None, Some(Layout::Packed), Some(Layout::Full)];
/// Operators that need more than the file are built up to these sizes of the unknown.
const LARGEST: usize = 1 << 12;

/// The bytes as a file, for readers that take paths.
fn with_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let mut file = tempfile::Builder::new().prefix("fuzz-").tempfile_in(folder).expect("a temporary file");
    file.write_all(bytes).expect("room for a small file");
    read(file.path());
}

/// Every way to look at an array.
fn look(array: &NpyArray) {
    let values = array.to_vec();
    let last: Vec<usize> = array.shape().iter().map(|n| n.wrapping_sub(1)).collect();
    let _ = (array.get(&last), array.get(&[0, 0]), array.as_f32_slice(), array.as_f64_slice(), array.is_fortran());
    let _ = (array.describe(), array.file_bytes().len(), array.dtype().to_string());
    assert!(values.map_or(0, |values| values.len()) <= array.file_bytes().len());
    if array.rows() > 1 && array.len() < 1 << 20 {
        let _ = array.block(1..array.rows(), &mut vec![0.0; array.len() - array.row_len()]);
    }
}

/// Readers of one array, whose sizes are those that it has.
fn arrays(path: &Path, shape: &[usize]) {
    let sizes: Vec<usize> = shape.iter().copied().filter(|n| *n <= LARGEST).chain([0, 3]).collect();
    for &size in &sizes {
        let _ = read_observations(path, size, "A.npy, shape (3, 2, 2), float32");
        let _ = read_factor(path, size, "truth");
        let _ = read_truth_matrix(path, size);
        for &other in &sizes {
            let _ = read_rectangular_truth(path, size, other);
        }
        let _ = read_signed_factor(path, size, "truth");
        let _ = read_pair(path, size, sizes[0], "init");
    }
}

/// Readers of measurements.
fn measurements(path: &Path) {
    let rows = read_sparse_rows(path).ok().inspect(|rows| assert_eq!(rows.indices.len(), rows.values.len()));
    let rows = rows.filter(|rows| rows.width <= LARGEST * LARGEST);
    for symmetric in [true, false] {
        for layout in LAYOUTS {
            let options = OpenOptions::default().symmetric(symmetric).layout(layout);
            let _ = options.open(path).map(|file| first_matrix(&file.operator));
            if let Some(rows) = &rows {
                let _ = Sparse::read(path, rows.clone(), &options).map(|file| first_matrix(&file.operator));
            }
        }
        let normalization = Normalization::Auto;
        let options = OpenOptions::default()
            .symmetric(symmetric)
            .storage(Storage::F16)
            .shape((2, 2))
            .normalization(normalization);
        let _ = options.open(path).map(|file| first_matrix(&file.operator));
        let vectors = OpenVectors::default().symmetric(symmetric).normalization(Normalization::InverseCount);
        let right = (!symmetric).then_some(path);
        let _ = vectors.open(path, right).map(|file| first_matrix(&file.operator));
    }
}

fn first_matrix(operator: &dyn Operator) {
    if operator.domain().rows().max(operator.domain().columns()) <= 64 {
        let _ = operator.sensing_matrix(0);
        let _ = operator.sensing_matrix(operator.measurements() - 1);
    }
}

/// Readers of lists of entries.
fn entries(path: &Path) {
    for index_base in [None, Some(0), Some(1)] {
        for (shape, square) in [(None, false), (None, true), (Some((3, 4)), false)] {
            let options = TripletOptions::default().index_base(index_base).shape(shape).square(square);
            let Ok(mut file) = options.open(path) else { continue };
            if file.symmetric {
                file.triplets.mirror();
            }
            let (rows, columns) = file.shape;
            if rows.max(columns) <= LARGEST {
                let places = |list: &[u32]| list.iter().map(|place| *place as usize).collect::<Vec<_>>();
                let shape = if square { Domain::symmetric(rows) } else { Domain::rectangular(rows, columns) };
                let (rows, columns) = (places(&file.triplets.rows), places(&file.triplets.columns));
                let _ = Entries::new(shape, &rows, &columns).map(|operator| first_matrix(&operator));
            }
        }
    }
}

pub fn npy(bytes: &[u8]) {
    let Ok(array) = NpyArray::from_bytes("fuzz.npy", bytes.to_vec()) else { return };
    look(&array);
    with_file(bytes, |path| {
        arrays(path, array.shape());
        measurements(path);
        entries(path);
    });
}

/// Names that readers ask for.
const NAMES: [&str; 24] = [
    "observations",
    "y",
    "left",
    "right",
    "truth",
    "M",
    "signature",
    "format",
    "shape",
    "data",
    "indices",
    "indptr",
    "row",
    "col",
    "factors",
    "iterations",
    "rows",
    "columns",
    "mean",
    "row_bias",
    "column_bias",
    "column_scale",
    "middle_1",
    "D",
];

/// An archive whose check sums fit: entries of a name (an index), a length of 16 bits and a `.npy` file.
fn archive(mut bytes: &[u8], deflated: bool) -> Vec<u8> {
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method = if deflated { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    while let [name, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let name = format!("{}.npy", NAMES[usize::from(*name) % NAMES.len()]);
        let options = SimpleFileOptions::default().compression_method(method);
        // A name that occurs twice is refused by the writer, not by readers.
        if file.start_file(name, options).is_ok() {
            file.write_all(&rest[..length]).expect("an archive in memory");
        }
        bytes = &rest[length..];
    }
    file.finish().expect("an archive in memory").into_inner()
}

/// The first byte says what follows: 0 an archive as it is, 1 and 2 entries to be stored or deflated.
pub fn npz(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let whole = match kind {
        0 => rest.to_vec(),
        1 | 2 => archive(rest, *kind == 2),
        _ => return,
    };
    with_file(&whole, |path| {
        let mut shapes = Vec::new();
        for name in npz_names(path).unwrap_or_default() {
            if let Ok(array) = read_npz(path, &name) {
                look(&array);
                shapes.extend(array.shape().iter().copied().take(3));
            }
        }
        shapes.sort_unstable();
        shapes.dedup();
        shapes.truncate(4);
        let _ = open_array(path, &["observations", "y"]).map(|array| look(&array));
        arrays(path, &shapes);
        measurements(path);
        entries(path);
    });
}

pub fn matrix_market(bytes: &[u8]) {
    // The readers go by the first words, which are found here and not by chance.
    let mut whole = b"%%MatrixMarket matrix coordinate ".to_vec();
    whole.extend_from_slice(bytes);
    for bytes in [bytes, &whole] {
        if bytes.starts_with(b"%%MatrixMarket") {
            with_file(bytes, |path| {
                measurements(path);
                entries(path);
            });
        }
    }
}

pub fn csv(bytes: &[u8]) {
    with_file(bytes, entries);
}

/// Headers that are asked for by name, and widths by number.
const COLUMNS: [&[&str]; 4] = [&["user", "item", "rating"], &["1", "2", "3", "4"], &["2", "1"], &[]];

/// The first byte says what is asked of the table; its bit 7 packs the rest with gzip.
pub fn table(bytes: &[u8]) {
    let Some((&asked, text)) = bytes.split_first() else { return };
    let choice = |bits: u8| match asked >> bits & 3 {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    let mut options = TripletOptions::default().header(choice(0)).wide(choice(2));
    let columns = COLUMNS[usize::from(asked >> 4 & 3)];
    if asked >> 6 & 1 == 1 && !columns.is_empty() {
        options = options.columns(Some(columns.iter().map(|name| (*name).to_owned()).collect()));
    }
    let packed = (asked >> 7 == 1).then(|| {
        let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        file.write_all(text).and_then(|()| file.finish()).expect("a packed text in memory")
    });
    with_file(packed.as_deref().unwrap_or(text), |path| {
        for (square, shape) in [(false, None), (true, None), (false, Some((3, 4)))] {
            let options = options.clone().square(square).shape(shape);
            let Ok(file) = options.open(path) else { continue };
            let (rows, columns) = file.names();
            assert!(file.triplets.rows.iter().all(|&row| (row as usize) < file.shape.0));
            assert!(file.triplets.columns.iter().all(|&column| (column as usize) < file.shape.1));
            assert_eq!((rows.len(), columns.len()), file.shape);
            let (n1, n2) = file.shape;
            if n1.max(n2) <= LARGEST {
                let domain = if square { Domain::symmetric(n1) } else { Domain::rectangular(n1, n2) };
                let _ =
                    Entries::from_triplets(domain, &file.triplets, 0).map(|sampled| first_matrix(&sampled.operator));
            }
        }
        let predictor = predictor();
        for options in [options.clone().pairs(), options.ids()] {
            let _ = predictor.for_each_pair(path, &options, |pair| {
                let _ = predictor.predict(pair.at.0, pair.at.1).value();
                Ok(())
            });
        }
    });
}

/// Factors of a matrix of 4 rows and 3 columns, with biases and names.
fn predictor() -> Predictor {
    let (left, right) = ([0.5; 8], [0.25; 6]);
    let (left, right) = (MatrixView::new(4, 2, &left).expect("a matrix"), MatrixView::new(3, 2, &right).expect("one"));
    let texts = ["a", "b", "7"].map(String::from).to_vec();
    Predictor::of(&Product::pair(left, right).expect("a product"))
        .and_then(|of| of.with_biases(1.0, vec![0.1; 4], vec![0.2; 3]))
        .and_then(|of| of.with_labels(Labels::Integers(vec![1, 2, 30, -4]), Labels::Texts(texts)))
        .expect("factors for predictions")
}

/// Factors of `lowrank solve --out` as [`npz`] makes archives, for predictions and new rows.
pub fn predict(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let whole = if *kind == 0 { rest.to_vec() } else { archive(rest, *kind == 2) };
    with_file(&whole, |path| {
        for trial in [0, 1] {
            let Ok(mut of) = Predictor::open(path, trial) else { continue };
            let (n1, n2) = of.shape();
            let last = (n1.checked_sub(1), n2.checked_sub(1));
            let _ = (of.predict(last.0, last.1), of.predict(None, last.1), of.predict(last.0, None));
            if n2 < 1 << 16 {
                let _ = of.top(last.0, 3, &[0]);
            }
            let names = |of: &Labels| (0..of.len().min(8)).map(|at| of.name(at)).collect::<Vec<_>>();
            let (rows, columns) = (names(of.labels().0), names(of.labels().1));
            let index = of.index();
            rows.iter().for_each(|name| _ = index.row(name));
            columns.iter().for_each(|name| _ = index.column(name));
            for axis in [FoldInAxis::Rows, FoldInAxis::Columns] {
                let values = [1.0, -2.0, 0.5].to_vec();
                let triplets = Triplets::new(vec![0, 0, 1], vec![0, 1, 0], values);
                let known =
                    Labels::Texts(rows.iter().chain(&columns).cloned().chain(["new".into(), "9".into()]).collect());
                for ridge in [None, Some(0.0), Some(1.0)] {
                    let _ = of.fold_in(&triplets, (&known, &known), axis, ridge);
                }
            }
            let mut written = Vec::new();
            of.write(&mut written).expect("an archive in memory");
            with_file(&written, |path| {
                let again = Predictor::open(path, 0).expect("what was written");
                assert_eq!(again.shape(), of.shape());
            });
        }
    });
}

/// A run to go on with, and what its checkpoint says of itself.
struct Run {
    problem: Problem,
    identity: Value,
}

fn settings() -> Settings {
    let stop = Stop::default().max_iterations(4).stall_window(Some(3));
    let start = Init::SmallRandom { scale: 1e-2, seed: 1 };
    Settings::new(Method::momentum()).search_rank(2).init(start).stop(stop).diagnose(true)
}

fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let truth = synthetic::psd(3).rank(1).seed(1).build().expect("a truth");
        let operator = Dense::gaussian(truth.domain(), 12, 2).expect("matrices");
        let problem = Problem::measure(operator, truth).expect("a problem");
        let folder = tempfile::Builder::new().prefix("fuzz-").tempdir().expect("a directory");
        let path = folder.path().join("run.ckpt");
        let saved = settings().checkpoint(&path, SaveEvery::Iterations(2));
        let mut solver = Solver::new(problem.clone(), saved, Backend::Reference).expect("a solver");
        solver.solve_with(|_| ControlFlow::Continue(())).expect("a run");
        let identity = Checkpoint::read(&path).expect("its checkpoint").identity().clone();
        Run { problem, identity }
    })
}

/// As a file; and as a header's length in 16 bits, the header and the body, sealed and of the run that it is to go on with, since
/// neither a digest nor an identity is found by chance.
pub fn checkpoint(bytes: &[u8]) {
    let path = Path::new("fuzz.ckpt");
    let _ = Checkpoint::from_bytes(path, bytes);
    let [low, high, rest @ ..] = bytes else { return };
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (header, body) = rest.split_at(length);
    let _ = Checkpoint::parse(path, header, body);
    let Ok(Value::Object(mut header)) = serde_json::from_slice(header) else { return };
    header.insert("identity".into(), run().identity.clone());
    let Ok(from) = Checkpoint::parse(path, Value::Object(header).to_string().as_bytes(), body) else { return };
    let mut solver = Solver::new(run().problem.clone(), settings(), Backend::Reference).expect("a solver");
    let _ = solver.resume(&from);
}
