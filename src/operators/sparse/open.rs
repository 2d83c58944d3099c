//! Sparse measurements from files and options.

use crate::error::Result;
use crate::operators::Sparse;
use crate::operators::dense::open::MatrixFiles;
use crate::operators::open::{Opening, Wanted};
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

static FILES: MatrixFiles<Sparse> = MatrixFiles {
    operator: "sparse",
    option: "sparse",
    allowed: "a file of sensing matrices",
    read: |path, options| {
        let file = Sparse::open(path, options)?;
        let text = file.describe();
        Ok((file.operator, text, file.notices))
    },
};

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    FILES.open(wanted)
}
