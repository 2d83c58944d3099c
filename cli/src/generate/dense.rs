//! `generate --operator dense`: stored Gaussian matrices.

use std::sync::Arc;

use lowrank::internals::io::{NpyNumber, NpyWriter, OutputFile};
use lowrank::operators::{Dense, Operator, Storage};
use serde_json::json;

use super::frame::{Generator, Made};
use super::refused;

pub const DENSE: Generator = Generator {
    operators: &["dense"],
    options: &[],
    usual_model: "psd",
    complex: |request| request.is_on("complex"),
    has_observations: true,
    files: |wanted| {
        if wanted.truth.domain().is_complex() && wanted.storage == Storage::F16 {
            return Err(refused("storage", "f16", "f32 or f64 for complex matrices", "pick one of them"));
        }
        Ok(vec!["A.npy"])
    },
    make: |wanted| {
        let (domain, m, seed) = (wanted.truth.domain(), wanted.measurements, wanted.seeds.operator);
        let (full, storage, layout) = (wanted.full, wanted.storage, wanted.layout());
        let operator = Arc::new(Dense::gaussian_stored(domain, m, seed, storage)?);
        let dtype = match (domain.is_complex(), storage) {
            (false, Storage::F64) => "float64",
            (false, _) => "float32",
            (true, Storage::F64) => "complex128",
            (true, _) => "complex64",
        };
        Ok(Made {
            problem: wanted.observed(operator.clone(), wanted.truth.clone())?,
            write: Box::new(move |_, file| write_matrices(file, &*operator, full, storage)),
            described: json!({ "layout": layout, "dtype": dtype, "storage": storage.word() }),
            measured: format!("{m} {layout} {domain} matrices, seed {seed}"),
            observed: "observations".into(),
            flags: (
                format!("--matrices {}", wanted.at("A.npy")),
                // Some widths can be read both ways; three axes cannot.
                if full { String::new() } else { "--layout packed".into() },
            ),
        })
    },
};

/// Writes the matrices. What half precision holds, single precision holds exactly.
pub fn write_matrices(
    file: &mut OutputFile,
    operator: &dyn Operator,
    full: bool,
    storage: Storage,
) -> std::io::Result<()> {
    match (operator.domain().is_complex(), storage) {
        (false, Storage::F64) => by_rows(file, operator, full, |v| v),
        (false, _) => by_rows(file, operator, full, |v| v as f32),
        (true, Storage::F64) => complex_by_rows(file, operator, |parts| parts),
        (true, _) => complex_by_rows(file, operator, |parts| parts.map(|v| v as f32)),
    }
}

/// Row by row, so that the full matrices are never held at once.
fn by_rows<T: NpyNumber + Default>(
    file: &mut OutputFile,
    operator: &dyn Operator,
    full: bool,
    number: fn(f64) -> T,
) -> std::io::Result<()> {
    let (domain, m) = (operator.domain(), operator.measurements());
    let (n1, n2) = (domain.rows(), domain.columns());
    let sizes: &[usize] = if full { &[m, n1, n2] } else { &[m, domain.dimension()] };
    let mut npy = NpyWriter::<_, T>::new(file, sizes)?;
    for i in 0..m {
        let matrix = operator.sensing_matrix(i);
        // Of a packed matrix the upper triangle.
        let rows = matrix.chunks(n2).enumerate().flat_map(|(i, row)| if full { row } else { &row[i..] });
        npy.write(&rows.map(|v| number(*v)).collect::<Vec<T>>())?;
    }
    npy.finish().map(|_| ())
}

/// The complex matrices A + iB of real forms [[A, −B], [B, A]].
fn complex_by_rows<T: NpyNumber>(
    file: &mut OutputFile,
    operator: &dyn Operator,
    number: fn([f64; 2]) -> T,
) -> std::io::Result<()> {
    let ((n1, n2), m) = (operator.domain().shape(), operator.measurements());
    let mut npy = NpyWriter::<_, T>::new(file, &[m, n1, n2])?;
    for i in 0..m {
        let matrix = operator.sensing_matrix(i);
        let (upper, lower) = matrix.split_at(2 * n1 * n2);
        let rows = upper.chunks(2 * n2).zip(lower.chunks(2 * n2));
        let parts = rows.flat_map(|(a, b)| a[..n2].iter().zip(b).map(|(a, b)| number([*a, *b])));
        npy.write(&parts.collect::<Vec<T>>())?;
    }
    npy.finish().map(|_| ())
}
