//! Real runs of the program on small problems: files, messages, exit codes, signals and pipes.

mod batch;
mod bench;
mod book;
mod commands;
mod compare;
mod completion;
mod corpus;
mod explain;
mod generate;
mod gpu;
mod implicit;
mod inputs;
mod made;
mod models;
mod predict;
mod process;
mod refusals;
mod refused_files;
mod reproduce;
mod reproduce_relatives;
mod saved;
#[path = "../../../tests/common/says.rs"]
mod says;
mod scripted;
mod selection;
mod snapshots;
mod solve;
mod study;
mod sweep_shapes;
mod sweeps;
mod tomography;

use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use lowrank::io::{open_array, read_npz, write_npy_f32, write_npy_f64};
use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lowrank");
/// Size, rank and measurements of the problem most tests solve.
pub const N: usize = 10;
pub const RANK: usize = 2;
pub const M: usize = 120;

/// A directory that goes away with the test; commands run in it.
pub(crate) struct Dir(tempfile::TempDir);

/// What a run said.
pub(crate) struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// With `A.npy`, `y.npy` and `X.npy` in it.
    pub fn with_problem() -> Self {
        let dir = Self::new();
        let (n, rank, m) = (N.to_string(), RANK.to_string(), M.to_string());
        dir.run(&["generate", "--n", &n, "--rank", &rank, "--measurements", &m, "--seed", "3", "--out", "."]).done();
        dir
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn run(&self, args: &[&str]) -> Said {
        self.run_with(&[], args)
    }

    /// With more environment variables.
    pub fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Said {
        let mut command = Command::new(PROGRAM);
        let output = command
            .envs(variables.iter().copied())
            .args(args)
            .current_dir(self.root())
            .timeout(Duration::from_secs(120))
            .output();
        let output = output.expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// `solve` of the generated problem on the CPU, with more flags, in words separated by blanks.
    pub fn solve(&self, more: &str) -> Said {
        let base = "solve --matrices A.npy --observations y.npy --backend cpu";
        let args: Vec<&str> = base.split(' ').chain(more.split_whitespace()).collect();
        self.run(&args)
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root()).expect("the directory");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("an entry").file_name().into_string().expect("a plain name")).collect();
        names.sort();
        names
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Shape and numbers of a `.npy` file.
    pub fn array(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let array = open_array(self.path(name), &[]).expect("an array");
        (array.shape().to_vec(), array.to_vec().expect("numbers"))
    }

    /// Shape and numbers of `left` in a `.npz` file.
    pub fn factors(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let array = read_npz(self.path(name), "left").expect("an archive with `left`");
        (array.shape().to_vec(), array.to_vec().expect("numbers"))
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("a file in the temporary directory");
    }

    pub fn write_f64(&self, name: &str, shape: &[usize], values: &[f64]) {
        let mut bytes = Vec::new();
        write_npy_f64(&mut bytes, shape, values).expect("an array");
        self.write(name, &bytes);
    }

    pub fn write_f32(&self, name: &str, shape: &[usize], values: &[f32]) {
        let mut bytes = Vec::new();
        write_npy_f32(&mut bytes, shape, values).expect("an array");
        self.write(name, &bytes);
    }

    /// M = X Xᵀ of the generated truth.
    pub fn truth(&self) -> Vec<f64> {
        let (shape, x) = self.array("X.npy");
        product(&x, shape[0], shape[1])
    }
}

impl Said {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn done(self) -> Self {
        self.exits(0)
    }
}

/// A `.npy` file of format 1.0 with any type and bytes.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(b' ');
    }
    text.push(b'\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text);
    bytes.extend(data);
    bytes
}

/// U Uᵀ of an n×k factor.
pub fn product(u: &[f64], n: usize, k: usize) -> Vec<f64> {
    assert_eq!(u.len(), n * k);
    let entry = |at: usize| (0..k).map(|c| u[at / n * k + c] * u[at % n * k + c]).sum();
    (0..n * n).map(entry).collect()
}

/// ‖a − b‖/‖b‖.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

#[track_caller]
pub fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(a.abs()), "{a} is not {b}");
}

/// Lines of a CSV table after its first, as maps from column to field.
pub fn table(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), columns.len(), "{line}");
        columns.iter().zip(fields).map(|(c, f)| ((*c).to_owned(), f.to_owned())).collect()
    };
    lines.map(row).collect()
}
