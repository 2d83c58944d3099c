//! Sparse measurements from files and options.

use std::path::PathBuf;

use serde_json::json;

use crate::error::Result;
use crate::operators::Sparse;
use crate::operators::dense::OpenOptions;
use crate::operators::open::{Common, Opened, Opening, Wanted};
use crate::options::OptionKind::File;
use crate::options::{MEASUREMENTS, OptionCard};

pub(crate) const OPTIONS: &[OptionCard] = &[OptionCard::new(
    "sparse",
    File,
    "FILE",
    MEASUREMENTS,
    "Sensing matrices with few nonzeros, one a row, full (n1·n2 columns) or packed: Matrix Market, or scipy.sparse .npz",
)
.program_only()];

struct Rows {
    path: PathBuf,
    observations: PathBuf,
    options: OpenOptions,
    common: Common,
}

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    Ok(Box::new(Rows {
        path: wanted.file("sparse", "a file of sensing matrices")?,
        observations: wanted.observations()?,
        options: crate::operators::dense::open::options(wanted)?,
        common: wanted.common(),
    }))
}

impl Opening for Rows {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), self.observations.clone()]
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let file = Sparse::open(&self.path, &self.options)?;
        let (text, notices) = (file.describe(), file.notices);
        let described = json!({ "operator": "sparse", "sparse": self.path });
        self.common.opened(file.operator, &text, notices, &self.observations, described)
    }
}
