//! Dense measurements from files and options.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::Result;
use crate::io::complex::is_complex;
use crate::operators::Operator;
use crate::operators::dense::{Dense, Layout, OpenOptions};
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

/// An operator, its description for messages, and notices.
type Read<O> = (O, String, Vec<String>);

/// A kind of files with sensing matrices.
pub(crate) struct MatrixFiles<O> {
    /// Word of the operator.
    pub operator: &'static str,
    /// Option that names the file.
    pub option: &'static str,
    /// What the option allows, for messages.
    pub allowed: &'static str,
    /// Reads a file.
    pub read: fn(&Path, &OpenOptions) -> Result<Read<O>>,
}

struct Matrices<O: 'static> {
    of: &'static MatrixFiles<O>,
    path: PathBuf,
    observations: PathBuf,
    options: OpenOptions,
    common: Common,
}

impl<O: Operator + 'static> MatrixFiles<O> {
    /// The measurements of a request.
    pub(crate) fn open(&'static self, wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
        let options = OpenOptions::default()
            .symmetric(wanted.symmetric)
            .layout(wanted.request.word::<Layout>("layout")?)
            .shape(wanted.request.sizes("shape")?)
            .storage(wanted.storage)
            .normalization(wanted.normalization()?);
        Ok(Box::new(Matrices {
            of: self,
            path: wanted.file(self.option, self.allowed)?,
            observations: wanted.observations()?,
            options,
            common: wanted.common(),
        }))
    }
}

impl<O: Operator + 'static> Opening for Matrices<O> {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), self.observations.clone()]
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let MatrixFiles { operator: word, option, read, .. } = *self.of;
        let options = self.options.both_parts(is_complex(&self.observations));
        let (operator, text, notices) = read(&self.path, &options)?;
        let described = json!({ "operator": word, option: self.path });
        self.common.opened(operator, &text, notices, &self.observations, described)
    }
}

static FILES: MatrixFiles<Dense> = MatrixFiles {
    operator: "dense",
    option: "matrices",
    allowed: "a .npy file of sensing matrices",
    read: |path, options| {
        let file = options.open(path)?;
        let text = file.describe();
        Ok((file.operator, text, file.notices))
    },
};

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    FILES.open(wanted)
}
