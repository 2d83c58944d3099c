//! Measurements as files and options give them: what is common to the operators.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::io::complex::{is_complex, read_both_parts};
use crate::io::{open_array, read_observations};
use crate::operators::dense::Normalization;
use crate::operators::entries::Predictions;
use crate::operators::{Operator, Storage};
use crate::options::OptionKind::{File, Pair, Text};
use crate::options::{MEASUREMENTS, OptionCard, Request, flag};
use crate::problem::Domain;
use crate::text::readable;

/// Options of measurements that several operators share.
pub(crate) const OPTIONS: &[OptionCard] = &[
    OptionCard::new(
        "observations",
        File,
        "y.npy",
        MEASUREMENTS,
        "Observations y, .npy: (m,), (m, 1), or (b, m) for several vectors",
    )
    .program_only(),
    OptionCard::new(
        "weights",
        File,
        "w.npy",
        MEASUREMENTS,
        "Weight of each measurement, .npy (m,): the loss is 1/(2m)·Σ w e², with w scaled to a mean of 1",
    )
    .program_only()
    .requires(&["observations"]),
    OptionCard::new(
        "layout",
        Text,
        "NAME",
        MEASUREMENTS,
        "packed or full: layout of the matrices, needed only where their width has two readings",
    )
    .chosen("from the file"),
    OptionCard::new("shape", Pair, "n1,n2", MEASUREMENTS, "Size of the unknown matrix, where the file does not tell it")
        .chosen("from the file"),
    OptionCard::new(
        "normalization",
        Text,
        "s",
        MEASUREMENTS,
        "Scale s that makes s·A*A about the identity: auto (from the matrices), 1/m (entries of variance 1), 1, or a number; of \
         sampled entries auto and 1/m mean n1·n2/m",
    )
    .value("auto"),
    OptionCard::new("storage", Text, "TYPE", MEASUREMENTS, "Number type of the matrices in memory: f16, f32 or f64")
        .chosen("f32; the file's own with precision f64 or mixed"),
];

/// A request for measurements, with what the model and the precision imply.
pub struct Wanted<'a> {
    /// What the user asked for.
    pub request: &'a Request,
    /// Word of the model.
    pub model: &'static str,
    /// Whether the model is one of symmetric matrices.
    pub symmetric: bool,
    /// Number type of stored measurements; `None` keeps the file's own.
    pub storage: Option<Storage>,
}

/// Measurements that are understood but not read yet.
pub trait Opening {
    /// Files that will be read.
    fn inputs(&self) -> Vec<PathBuf>;

    /// Reads the measurements.
    ///
    /// # Errors
    /// Those of the files.
    fn open(self: Box<Self>) -> Result<Opened>;
}

/// Measurements that were read.
#[non_exhaustive]
pub struct Opened {
    /// The operator.
    pub operator: Arc<dyn Operator>,
    /// Vectors of observations, one or several.
    pub observations: Vec<Vec<f64>>,
    /// Weights of the measurements, where they differ.
    pub weights: Option<Vec<f64>>,
    /// What the user should know.
    pub notices: Vec<String>,
    /// Description for reports.
    pub described: Map<String, Value>,
    /// Measurements to hold out, where the files or the operator decide them.
    pub held_out: Option<Vec<usize>>,
    /// Predictions without factors, of sampled entries.
    pub predictions: Option<Predictions>,
}

impl Wanted<'_> {
    /// Domain of the unknown.
    ///
    /// # Errors
    /// [`Error::Invalid`] for two different sizes of symmetric matrices.
    pub(crate) fn domain(&self, n1: usize, n2: usize) -> Result<Domain> {
        Domain::of_model(self.model, self.symmetric, n1, n2)
    }

    /// The normalisation that was asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another text.
    pub(crate) fn normalization(&self) -> Result<Normalization> {
        Ok(self.request.word("normalization")?.unwrap_or_default())
    }

    /// The file of an option that must be given.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it was not.
    pub(crate) fn file(&self, name: &str, allowed: &str) -> Result<PathBuf> {
        let missing = || Error::invalid(name, "nothing", allowed, format!("name the file with {}", flag(name)));
        self.request.file(name).map(Path::to_path_buf).ok_or_else(missing)
    }

    /// The file of y.
    pub(crate) fn observations(&self) -> Result<PathBuf> {
        self.file("observations", "a .npy file of y, one number a measurement")
    }

    /// Refuses options that have no meaning for the operator.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub(crate) fn refuse(&self, names: &[&str], allowed: &str) -> Result<()> {
        match names.iter().find(|name| self.request.has(name)) {
            None => Ok(()),
            Some(name) => {
                let found = format!("'{}'", self.request.written(name).unwrap_or_default());
                Err(Error::invalid(*name, found, allowed, "leave it out"))
            }
        }
    }

    /// What every operator with a file of observations says of itself.
    pub(crate) fn common(&self) -> Common {
        let text = |name: &str| self.request.text(name).map(str::to_owned);
        Common {
            layout: text("layout"),
            shape: text("shape"),
            normalization: text("normalization").unwrap_or_else(|| "auto".into()),
            weights: self.request.file("weights").map(Path::to_path_buf),
        }
    }
}

/// Description of measurements with a file of observations.
pub(crate) struct Common {
    layout: Option<String>,
    shape: Option<String>,
    normalization: String,
    weights: Option<PathBuf>,
}

impl Common {
    /// Reads the observations of an operator. `text` describes the measurements for messages.
    pub(crate) fn opened(
        self,
        operator: impl Operator + 'static,
        text: &str,
        notices: Vec<String>,
        observations: &Path,
        described: Value,
    ) -> Result<Opened> {
        let (m, domain) = (operator.measurements(), operator.domain());
        let y = match domain.is_complex() && !domain.is_symmetric() && is_complex(observations) {
            true => read_both_parts(observations, m / 2, text)?,
            false => read_observations(observations, m, text)?,
        };
        let mut all = object(described);
        all.insert("observations".into(), json!(observations));
        self.with_values(operator, y, notices, all)
    }

    /// An operator with observations that were read.
    pub(crate) fn with_values(
        self,
        operator: impl Operator + 'static,
        observations: Vec<Vec<f64>>,
        mut notices: Vec<String>,
        described: Map<String, Value>,
    ) -> Result<Opened> {
        let m = operator.measurements();
        let weights = self.weights.as_ref().map(|path| read_weights(path, m)).transpose()?;
        let s = operator.normalization();
        notices.push(format!("normalization {}: s of --normalization {}", readable(s), self.normalization));
        let mut all = described;
        all.extend(object(json!({
            "weights": self.weights, "layout": self.layout, "shape": self.shape,
            "normalization": self.normalization, "normalization_value": s,
        })));
        Ok(Opened {
            operator: Arc::new(operator),
            observations,
            weights,
            notices,
            described: all,
            held_out: None,
            predictions: None,
        })
    }
}

/// Weights of m measurements from a file.
fn read_weights(path: &Path, m: usize) -> Result<Vec<f64>> {
    let array = open_array(path, &["weights", "w"])?;
    if array.len() != m {
        let allowed = format!("{m} numbers, one for each measurement");
        return Err(Error::file(
            path,
            format!("{} numbers", array.len()),
            allowed,
            "Pass a weight for each measurement",
        ));
    }
    array.to_vec()
}

/// The map of a JSON object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
