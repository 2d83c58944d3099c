//! `generate --operator rank_one`: Gaussian vectors a of a·aᵀ, or a and b of a·bᵀ.

use std::ops::Range;
use std::sync::Arc;

use lowrank::internals::io::{NpyWriter, OutputFile};
use lowrank::io::{in_turn, write_npy_c128};
use lowrank::operators::{GpuVectors, Operator, RankOne};
use lowrank::problem::Domain;
use serde_json::json;

use super::frame::{Generator, Made};

pub const RANK_ONE: Generator = Generator {
    operators: &["rank_one"],
    options: &[],
    usual_model: "psd",
    complex: |request| request.is_on("complex"),
    has_observations: true,
    files: |wanted| Ok(["a.npy", "b.npy"][..sides(wanted.truth.domain()).len()].to_vec()),
    make: |wanted| {
        let (domain, m, seed) = (wanted.truth.domain(), wanted.measurements, wanted.seeds.operator);
        let operator = Arc::new(RankOne::gaussian(domain, m, seed)?);
        let right = (!domain.is_symmetric()).then(|| format!(" --vectors-right {}", wanted.at("b.npy")));
        Ok(Made {
            problem: wanted.observed(operator.clone(), wanted.truth.clone())?,
            write: Box::new(move |at, file| write(file, &operator, sides(domain)[at].clone())),
            described: json!({ "dtype": if domain.is_complex() { "complex128" } else { "float32" } }),
            measured: format!("{m} vectors each, seed {seed}"),
            observed: "observations".into(),
            flags: (format!("--vectors {}{}", wanted.at("a.npy"), right.unwrap_or_default()), String::new()),
        })
    },
};

/// Places of the numbers of a, and of b where there are pairs, among those of a measurement.
fn sides(domain: Domain) -> Vec<Range<usize>> {
    let (n1, n2) = (domain.rows(), domain.columns());
    if domain.is_symmetric() { std::iter::once(0..n1).collect() } else { vec![0..n1, n1..n1 + n2] }
}

/// Writes the vectors of one side.
fn write(file: &mut OutputFile, operator: &RankOne, at: Range<usize>) -> std::io::Result<()> {
    let m = operator.measurements();
    if operator.domain().is_complex() {
        // The vectors a and i·a of a measurement come before b and i·b.
        let mut all = vec![0.0; 2 * sides(operator.domain()).last().map_or(0, |side| side.end)];
        let mut parts = Vec::with_capacity(m * at.len());
        for i in 0..m {
            operator.write(i, &mut all);
            parts.extend(in_turn(&all[2 * at.start..2 * at.start + at.len()]));
        }
        return write_npy_c128(file, &[m, at.len() / 2], &parts);
    }
    let mut both = vec![0.0; sides(operator.domain()).last().map_or(0, |side| side.end)];
    let mut npy = NpyWriter::<_, f32>::new(file, &[m, at.len()])?;
    for i in 0..m {
        operator.write(i, &mut both);
        npy.write(&both[at.clone()].iter().map(|&v| v as f32).collect::<Vec<_>>())?;
    }
    npy.finish().map(|_| ())
}
