//! `generate --operator dense`: stored Gaussian matrices.

use std::sync::Arc;

use lowrank::internals::io::{NpyNumber, NpyWriter, OutputFile};
use lowrank::operators::{Dense, Operator, Storage};
use serde_json::json;

use super::frame::{Generator, Made};

pub const DENSE: Generator = Generator {
    operators: &["dense"],
    options: &[],
    usual_model: "psd",
    complex: |_| false,
    has_observations: true,
    files: |_| Ok(vec!["A.npy"]),
    make: |wanted| {
        let (domain, m, seed) = (wanted.truth.domain(), wanted.measurements, wanted.seeds.operator);
        let (full, storage, layout) = (wanted.full, wanted.storage, wanted.layout());
        let operator = Arc::new(Dense::gaussian_stored(domain, m, seed, storage)?);
        let dtype = if storage == Storage::F64 { "float64" } else { "float32" };
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
    match storage {
        Storage::F64 => by_rows(file, operator, full, |v| v),
        _ => by_rows(file, operator, full, |v| v as f32),
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
