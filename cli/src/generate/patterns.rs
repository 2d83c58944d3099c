//! `generate --operator cdp`: coded diffraction patterns of a random complex signal.

use std::sync::Arc;

use lowrank::io::write_npy_c128;
use lowrank::operators::CodedDiffraction;
use serde_json::json;

use super::frame::{Generator, Made};
use super::refused;

pub const PATTERNS: Generator = Generator {
    operators: &["cdp"],
    options: &[],
    usual_model: "psd",
    complex: |_| true,
    has_observations: true,
    files: |wanted| {
        let (n, m) = (wanted.truth.domain().order(), wanted.measurements);
        if m == 0 || m % n != 0 {
            let allowed = format!("a positive multiple of n = {n}, since each mask gives n intensities");
            return Err(refused("measurements", m, &allowed, "for example six times n"));
        }
        Ok(vec!["masks.npy"])
    },
    make: |wanted| {
        let (n, m, seed) = (wanted.truth.domain().order(), wanted.measurements, wanted.seeds.operator);
        let operator = Arc::new(CodedDiffraction::random(&[n], m, seed)?);
        let patterns = operator.patterns();
        Ok(Made {
            problem: wanted.observed(operator.clone(), wanted.truth.clone())?,
            write: Box::new(move |_, file| {
                let parts: Vec<f64> = operator.masks().flat_map(|(real, imaginary)| [real, imaginary]).collect();
                write_npy_c128(file, &[patterns, n], &parts)
            }),
            described: json!({ "patterns": patterns }),
            measured: format!("{patterns} masks of {n} numbers (seed {seed})"),
            observed: format!("{m} intensities"),
            flags: (format!("--masks {}", wanted.at("masks.npy")), String::new()),
        })
    },
};
