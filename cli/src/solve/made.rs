//! Measurements that are known by a seed: `--operator seeded|rademacher`.

use std::path::PathBuf;
use std::sync::Arc;

use lowrank::models::ModelCard;
use lowrank::operators::dense::Normalization;
use lowrank::operators::{Operator, Seeded};
use lowrank::{Error, Result};
use serde_json::json;

use super::Common;
use super::files::{Measured, measured};

/// What the flags say of them.
pub struct Made {
    operator: Seeded,
    seed: u64,
    observations: PathBuf,
}

fn refused(name: &str, found: impl Into<String>, allowed: &str, fix: &str) -> Error {
    Error::Invalid { name: name.into(), found: found.into(), allowed: allowed.into(), fix: fix.into() }
}

impl Made {
    /// From the flags alone, which hold everything but y.
    pub fn new(
        args: &Common,
        name: &str,
        model: &ModelCard,
        shape: Option<(usize, usize)>,
        observations: PathBuf,
    ) -> Result<Self> {
        for (flag, found) in [("layout", &args.layout), ("storage", &args.storage)] {
            if let Some(found) = found {
                let allowed = "nothing with --operator, whose matrices are stored nowhere";
                return Err(refused(flag, format!("'{found}'"), allowed, "leave it out"));
            }
        }
        let make = match name {
            "seeded" => Seeded::new,
            "rademacher" => Seeded::rademacher,
            other => {
                let fix = "other measurements come from files: --matrices, --vectors, --sparse or --entries";
                return Err(refused("operator", format!("'{other}'"), "seeded or rademacher", fix));
            }
        };
        let missing =
            |flag: &str, what: &str| refused(flag, "nothing", what, "say what the observations were made with");
        let seed = args.operator_seed.ok_or_else(|| missing("operator_seed", "the seed of the matrices"))?;
        let m = args.measurements.ok_or_else(|| missing("measurements", "the number of measurements"))?;
        let (n1, n2) = match (args.n, shape) {
            (Some(n), None) => (n, n),
            (None, Some(sizes)) => sizes,
            _ => return Err(refused("n", "no size", "--n n, or --shape n1,n2", "give the size of the unknown matrix")),
        };
        let operator = make(model.domain(n1, n2)?, m, seed)?;
        let operator = match args.normalization.parse::<Normalization>()? {
            // The ensemble knows its own.
            Normalization::InverseCount | Normalization::Auto => operator,
            Normalization::One => operator.with_normalization(1.0)?,
            Normalization::Value(s) => operator.with_normalization(s)?,
        };
        Ok(Self { operator, seed, observations })
    }

    pub fn observations(&self) -> &PathBuf {
        &self.observations
    }

    pub fn open(self, args: &Common) -> Result<Measured> {
        let Self { operator, seed, observations } = self;
        let (domain, m) = (operator.domain(), operator.measurements());
        let text = format!("{m} measurements of --operator {}", operator.name());
        let described = json!({
            "operator": operator.name(), "operator_seed": seed, "measurements": m,
            "size": [domain.rows(), domain.columns()],
        });
        measured(args, Arc::new(operator), &text, Vec::new(), observations, described)
    }
}
