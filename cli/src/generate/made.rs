//! `generate --operator seeded` and `--operator rademacher`: problems whose matrices are known by a seed, and written only where
//! that is asked for.

use std::sync::Arc;

use lowrank::operators::{Seeded, Storage};
use lowrank::options::OptionCard;
use lowrank::options::OptionKind::Switch;
use serde_json::json;

use super::dense::write_matrices;
use super::frame::{Generator, Made};
use super::options::{COMMANDS, OF_OPERATORS};
use super::refused;

pub const SEEDED: Generator = Generator {
    operators: &["seeded", "rademacher"],
    options: &[OptionCard::new(
        "materialize",
        Switch,
        "",
        OF_OPERATORS,
        "Of seeded and rademacher: write A.npy too, so that other programs can check; see --layout and --storage",
    )
    .of(COMMANDS)],
    usual_model: "psd",
    complex: |_| false,
    has_observations: true,
    files: |wanted| {
        let materialize = wanted.request.is_on("materialize");
        if wanted.request.has("layout") && !materialize {
            let fix = "say --materialize, or leave it out";
            return Err(refused("layout", "a layout, and no matrices to write", "none without --materialize", fix));
        }
        if wanted.storage == Storage::F16 {
            return Err(refused("storage", "f16", "f32 or f64, of the matrices of --materialize", "pick one of them"));
        }
        Ok(if materialize { vec!["A.npy"] } else { Vec::new() })
    },
    make: |wanted| {
        let (domain, m, seed) = (wanted.truth.domain(), wanted.measurements, wanted.seeds.operator);
        let (full, storage, layout, word) = (wanted.full, wanted.storage, wanted.layout(), wanted.operator);
        let make = if word == "rademacher" { Seeded::rademacher } else { Seeded::new };
        let operator = Arc::new(make(domain, m, seed)?);
        let written = wanted.request.is_on("materialize");
        let size = match domain.is_symmetric() {
            true => format!("--n {}", domain.rows()),
            false => format!("--shape {},{}", domain.rows(), domain.columns()),
        };
        Ok(Made {
            problem: wanted.observed(operator.clone(), wanted.truth.clone())?,
            write: Box::new(move |_, file| write_matrices(file, &*operator, full, storage)),
            described: json!({ "layout": written.then_some(layout), "storage": written.then_some(storage.word()) }),
            measured: format!("{m} {layout} {domain} matrices, to check with other programs"),
            observed: format!("observations by {m} {word} matrices (seed {seed})"),
            flags: (format!("--operator {word} --operator-seed {seed} --measurements {m} {size}"), String::new()),
        })
    },
};
