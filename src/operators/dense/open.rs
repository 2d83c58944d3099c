//! Dense measurements from files and options.

use std::path::PathBuf;

use serde_json::json;

use crate::error::Result;
use crate::operators::Layout;
use crate::operators::dense::OpenOptions;
use crate::operators::open::{Common, Opened, Opening, Wanted};
use crate::options::OptionKind::File;
use crate::options::{MEASUREMENTS, OptionCard};

pub(crate) const OPTIONS: &[OptionCard] = &[OptionCard::new(
    "matrices",
    File,
    "A.npy",
    MEASUREMENTS,
    "Sensing matrices, .npy: (m, n1, n2), (m, n1·n2), or packed (m, n(n+1)/2), upper triangles row by row",
)
.program_only()];

/// Options of files with sensing matrices.
pub(crate) fn options(wanted: &Wanted<'_>) -> Result<OpenOptions> {
    Ok(OpenOptions::default()
        .symmetric(wanted.symmetric)
        .layout(wanted.request.word::<Layout>("layout")?)
        .shape(wanted.request.sizes("shape")?)
        .storage(wanted.storage)
        .normalization(wanted.normalization()?))
}

struct Matrices {
    path: PathBuf,
    observations: PathBuf,
    options: OpenOptions,
    common: Common,
}

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    Ok(Box::new(Matrices {
        path: wanted.file("matrices", "a .npy file of sensing matrices")?,
        observations: wanted.observations()?,
        options: options(wanted)?,
        common: wanted.common(),
    }))
}

impl Opening for Matrices {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), self.observations.clone()]
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let file = self.options.open(&self.path)?;
        let (text, notices) = (file.describe(), file.notices);
        let described = json!({ "operator": "dense", "matrices": self.path });
        self.common.opened(file.operator, &text, notices, &self.observations, described)
    }
}
