//! Generated measurements from options.

use std::path::PathBuf;

use serde_json::json;

use crate::error::{Error, Result};
use crate::operators::dense::Normalization;
use crate::operators::open::{Common, Opened, Opening, Wanted};
use crate::operators::{Operator, Seeded};
use crate::options::OptionKind::{Count, Seed, Text};
use crate::options::{MEASUREMENTS, OptionCard};
use crate::problem::Domain;

pub(crate) const OPTIONS: &[OptionCard] = &[
    OptionCard::new(
        "operator",
        Text,
        "NAME",
        MEASUREMENTS,
        "seeded or rademacher: sensing matrices made from a seed, stored nowhere; see `lowrank list operators`",
    )
    .program_only(),
    OptionCard::new("operator_seed", Seed, "SEED", MEASUREMENTS, "Seed of the sensing matrices of --operator")
        .program_only()
        .requires(&["operator"]),
    OptionCard::new("measurements", Count, "m", MEASUREMENTS, "Number of measurements of --operator")
        .program_only()
        .requires(&["operator"]),
    OptionCard::new("n", Count, "n", MEASUREMENTS, "Size of the unknown n×n matrix of --operator; or give --shape")
        .program_only()
        .requires(&["operator"])
        .excludes(&["shape"]),
];

struct Made {
    operator: Seeded,
    seed: u64,
    observations: PathBuf,
    common: Common,
}

/// Understands the options, which hold everything but y, for matrices of one of the ensembles.
pub(crate) fn open(wanted: &Wanted<'_>, make: fn(Domain, usize, u64) -> Result<Seeded>) -> Result<Box<dyn Opening>> {
    let observations = wanted.observations()?;
    wanted.refuse(&["layout", "storage"], "nothing with --operator, whose matrices are stored nowhere")?;
    let missing = |name: &str, what: &str| Error::invalid(name, "nothing", what, "say how the observations were made");
    let request = wanted.request;
    let seed = request.one("operator_seed")?.ok_or_else(|| missing("operator_seed", "the seed of the matrices"))?;
    let m = request.one("measurements")?.ok_or_else(|| missing("measurements", "the number of measurements"))?;
    let (n1, n2) = match (request.one("n")?, request.sizes("shape")?) {
        (Some(n), None) => (n, n),
        (None, Some(sizes)) => sizes,
        _ => {
            return Err(Error::invalid(
                "n",
                "no size",
                "--n n, or --shape n1,n2",
                "give the size of the unknown matrix",
            ));
        }
    };
    let operator = make(wanted.domain(n1, n2)?, m, seed)?;
    let operator = match wanted.normalization()? {
        // The ensemble knows its own.
        Normalization::InverseCount | Normalization::Auto => operator,
        Normalization::One => operator.with_normalization(1.0)?,
        Normalization::Value(s) => operator.with_normalization(s)?,
    };
    Ok(Box::new(Made { operator, seed, observations, common: wanted.common() }))
}

impl Opening for Made {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.observations.clone()]
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let Self { operator, seed, observations, common } = *self;
        let (domain, m) = (operator.domain(), operator.measurements());
        let text = format!("{m} measurements of --operator {}", operator.name());
        let described = json!({
            "operator": operator.name(), "operator_seed": seed, "measurements": m,
            "size": [domain.rows(), domain.columns()],
        });
        common.opened(operator, &text, Vec::new(), &observations, described)
    }
}
