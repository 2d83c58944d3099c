//! Diffraction patterns from files.

use std::path::PathBuf;

use serde_json::json;

use crate::error::{Error, Result};
use crate::io::complex::read_numbers;
use crate::io::{open_array, shape_text};
use crate::operators::cdp::CodedDiffraction;
use crate::operators::dense::Normalization;
use crate::operators::open::{Common, Opened, Opening, Wanted, object};
use crate::options::OptionKind::File;
use crate::options::{MEASUREMENTS, OptionCard};

pub(crate) const OPTIONS: &[OptionCard] = &[OptionCard::new(
    "masks",
    File,
    "masks.npy",
    MEASUREMENTS,
    "Masks of coded diffraction patterns, .npy, real or complex: (l, n) for signals, (l, h, w) for pictures; y holds the intensities \
     |FFT(mask·x)|² in that shape",
)
.program_only()];

struct Patterns {
    masks: PathBuf,
    observations: PathBuf,
    normalization: Normalization,
    common: Common,
}

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    wanted.refuse(&["layout", "shape", "storage"], "nothing with --masks, which have the size of the unknown")?;
    if !wanted.symmetric {
        let allowed = "psd, because intensities measure Hermitian matrices";
        return Err(Error::invalid("model", wanted.model, allowed, "leave the model out"));
    }
    Ok(Box::new(Patterns {
        masks: wanted.file("masks", "a .npy file of masks")?,
        observations: wanted.observations()?,
        normalization: wanted.normalization()?,
        common: wanted.common(),
    }))
}

impl Opening for Patterns {
    fn inputs(&self) -> Vec<PathBuf> {
        vec![self.masks.clone(), self.observations.clone()]
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let Self { masks: path, observations, normalization, common } = *self;
        let masks = read_numbers(&path, &["masks"])?;
        let [_, shape @ ..] = &*masks.shape else {
            let found = "a single number";
            return Err(Error::file(&path, found, "shape (l, n) or (l, h, w)", "Stack the masks along the first axis"));
        };
        let numbers: Vec<(f64, f64)> = masks.parts.chunks(2).map(|part| (part[0], part[1])).collect();
        if shape.is_empty() {
            let found = format!("masks of shape {}", shape_text(&masks.shape));
            return Err(Error::file(&path, found, "shape (l, n) or (l, h, w)", "Stack the masks along the first axis"));
        }
        let operator = CodedDiffraction::new(shape, &numbers)?;
        let operator = match normalization {
            Normalization::InverseCount | Normalization::Auto => operator,
            Normalization::One => operator.with_normalization(1.0)?,
            Normalization::Value(s) => operator.with_normalization(s)?,
        };
        // Intensities come in the shape of the patterns.
        let array = open_array(&observations, &["observations", "y"])?;
        if array.shape() != masks.shape {
            let described = json!({ "operator": "cdp", "masks": path, "patterns": operator.patterns() });
            let text = format!("{}, shape {}", path.display(), shape_text(&masks.shape));
            return common.opened(operator, &text, Vec::new(), &observations, described);
        }
        let y = array.to_vec()?;
        array.require_finite(&y)?;
        if let Some(at) = y.iter().position(|v| *v < 0.0) {
            let found = format!("a negative intensity {} at index {}", y[at], array.index_text(at));
            let fix = "Set it to 0 where it is noise: numpy.maximum(y, 0)";
            return Err(Error::file(&observations, found, "intensities of at least 0", fix));
        }
        let described = object(json!({
            "operator": "cdp", "masks": path, "patterns": operator.patterns(), "observations": observations,
        }));
        common.with_values(operator, vec![y], Vec::new(), described)
    }
}
