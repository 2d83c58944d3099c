//! Rank-one measurements from files and options.

use std::path::PathBuf;

use serde_json::json;

use crate::error::Result;
use crate::operators::Operator;
use crate::operators::open::{Common, Opened, Opening, Wanted};
use crate::operators::rank_one::OpenVectors;
use crate::options::OptionKind::{File, Switch};
use crate::options::{MEASUREMENTS, OptionCard};

pub(crate) const OPTIONS: &[OptionCard] = &[
    OptionCard::new(
        "vectors",
        File,
        "a.npy",
        MEASUREMENTS,
        "Vectors a of rank-one measurements a·aᵀ, .npy: (m, n), or (m, n, q) for sums of q products",
    )
    .program_only(),
    OptionCard::new("vectors_right", File, "b.npy", MEASUREMENTS, "Vectors b of a·bᵀ, for the model asymmetric")
        .program_only()
        .requires(&["vectors"]),
    OptionCard::new(
        "no_center",
        Switch,
        "",
        MEASUREMENTS,
        "Use the plain residuals of a·aᵀ; by default their mean is subtracted",
    )
    .program_only()
    .requires(&["vectors"])
    .excludes(&["vectors_right"]),
];

struct Vectors {
    left: PathBuf,
    right: Option<PathBuf>,
    observations: PathBuf,
    options: OpenVectors,
    common: Common,
}

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    wanted.refuse(&["layout", "shape"], "nothing with --vectors, which have the size of the unknown")?;
    let options = OpenVectors::default()
        .symmetric(wanted.symmetric)
        .storage(wanted.storage)
        .normalization(wanted.normalization()?)
        .centred(!wanted.request.is_on("no_center"));
    Ok(Box::new(Vectors {
        left: wanted.file("vectors", "a .npy file of vectors")?,
        right: wanted.request.file("vectors_right").map(PathBuf::from),
        observations: wanted.observations()?,
        options,
        common: wanted.common(),
    }))
}

impl Opening for Vectors {
    fn inputs(&self) -> Vec<PathBuf> {
        std::iter::once(&self.left).chain(&self.right).chain([&self.observations]).cloned().collect()
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let file = self.options.open(&self.left, self.right.as_deref())?;
        let described = json!({
            "operator": "rank_one", "vectors": self.left, "vectors_right": self.right,
            "products": file.operator.products(), "centred": file.operator.is_centred(),
        });
        let (text, notices) = (file.describe(), file.notices);
        self.common.opened(file.operator, &text, notices, &self.observations, described)
    }
}
