//! Sampled entries from files and options: what is held out, and predictions without factors to compare with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::error::{Error, Result};
use crate::io::{TripletFile, TripletOptions, Triplets};
use crate::operators::dense::Normalization;
use crate::operators::entries::{Baseline, Biases, Predictions, Sampled};
use crate::operators::open::{Opened, Opening, Wanted, object};
use crate::operators::{Entries, Operator};
use crate::options::OptionKind::{File, Switch, Text};
use crate::options::{MEASUREMENTS, OptionCard, Request};
use crate::problem::{Domain, Holdout};
use crate::text::readable;

pub(crate) const OPTIONS: &[OptionCard] = &[
    OptionCard::new(
        "entries",
        File,
        "FILE",
        MEASUREMENTS,
        "Sampled entries of the unknown: CSV or TSV lines row,column,value, a Matrix Market file, or a scipy.sparse .npz",
    )
    .program_only(),
    OptionCard::new("index_base", Text, "0|1", MEASUREMENTS, "First index of rows and columns in CSV or TSV entries")
        .program_only()
        .chosen("0; Matrix Market is always 1")
        .requires(&["entries"]),
    OptionCard::new(
        "biases",
        Switch,
        "",
        MEASUREMENTS,
        "Subtract the mean of the entries and the offsets of rows and columns first; factors explain the rest",
    )
    .program_only()
    .requires(&["entries"]),
];

/// What is to be held out of the measurements.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HeldOut {
    /// Nothing.
    Nothing,
    /// A random share.
    Share(Holdout),
    /// The entries of a file.
    File(PathBuf),
}

impl HeldOut {
    /// Reads the options `holdout` and `holdout_seed`: a number is a share, everything else a file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a seed that is no number.
    pub fn of(request: &Request) -> Result<Self> {
        let seed = request.one("holdout_seed")?.unwrap_or(0);
        let Some(text) = request.text("holdout") else { return Ok(Self::Nothing) };
        Ok(match text.trim().parse() {
            Ok(fraction) => Self::Share(Holdout { fraction, seed }),
            Err(_) => Self::File(text.into()),
        })
    }
}

/// Entries and how to read them, as far as options tell.
struct Completion {
    path: PathBuf,
    held_out: HeldOut,
    options: TripletOptions,
    model: &'static str,
    symmetric: bool,
    normalization: Normalization,
    asked_normalization: String,
    index_base: Option<String>,
    biases: bool,
}

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    let request = wanted.request;
    wanted.refuse(&["observations"], "none: the values are in the file of entries")?;
    if let Some(rows) = request.text("rows") {
        let allowed = "all entries, which have an order of their own";
        let fix = "leave it out, or hold entries out with --holdout";
        return Err(Error::invalid("rows", format!("'{rows}'"), allowed, fix));
    }
    let biases = request.is_on("biases");
    if biases && wanted.symmetric {
        let fix = "say --model asymmetric, or leave --biases out";
        return Err(Error::invalid("biases", "a symmetric model", "the model asymmetric", fix));
    }
    let shape = request.sizes("shape")?;
    if let Some((n1, n2)) = shape {
        wanted.domain(n1, n2)?;
    }
    let index_base = match request.text("index_base") {
        None => None,
        Some("0") => Some(0),
        Some("1") => Some(1),
        Some(other) => return Err(Error::invalid("index_base", format!("'{other}'"), "0 or 1", "pick one of them")),
    };
    let held_out = HeldOut::of(request)?;
    if let HeldOut::Share(share) = &held_out {
        share.check()?;
    }
    Ok(Box::new(Completion {
        path: wanted.file("entries", "a file of entries")?,
        held_out,
        options: TripletOptions { index_base, shape, square: wanted.symmetric },
        model: wanted.model,
        symmetric: wanted.symmetric,
        normalization: wanted.normalization()?,
        asked_normalization: request.text("normalization").unwrap_or("auto").to_owned(),
        index_base: request.text("index_base").map(str::to_owned),
        biases,
    }))
}

impl Completion {
    /// Both triangles, where the file has one and the model has no symmetry.
    fn read(&self, path: &Path, notices: &mut Vec<String>) -> Result<TripletFile> {
        let mut file = self.options.open(path)?;
        if file.symmetric && !self.symmetric {
            file.triplets.mirror();
            notices.push(format!("{} is symmetric: its lower triangle stands for both", path.display()));
        }
        for notice in std::mem::take(&mut file.notices) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        Ok(file)
    }

    /// The domain of the training entries and, where a file has them, the held-out entries.
    fn domain(&self, train: &TripletFile, test: Option<&TripletFile>) -> Result<Domain> {
        let (n1, n2) = test.map_or(train.shape, |test| {
            let (one, other) = (train.shape, test.shape);
            (one.0.max(other.0), one.1.max(other.1))
        });
        if self.options.square && n1 != n2 {
            return Err(Error::File {
                path: self.path.clone(),
                found: format!("a matrix of {n1} x {n2}"),
                allowed: "a square one for a symmetric model".into(),
                fix: "Say --model asymmetric for a rectangular unknown".into(),
            });
        }
        Domain::of_model(self.model, self.symmetric, n1, n2)
    }

    /// The operator with the normalisation that was asked for.
    fn normalized(&self, operator: Entries) -> Result<Entries> {
        let m = operator.measurements();
        match self.normalization {
            // Of entries n1·n2/m is what 1/m is of matrices with entries of variance 1.
            Normalization::InverseCount | Normalization::Auto => Ok(operator),
            other => operator.with_normalization(other.resolve(m, 1.0)?),
        }
    }
}

impl Opening for Completion {
    fn inputs(&self) -> Vec<PathBuf> {
        let test = if let HeldOut::File(path) = &self.held_out { Some(path.clone()) } else { None };
        std::iter::once(self.path.clone()).chain(test).collect()
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        let mut notices = Vec::new();
        let train = self.read(&self.path, &mut notices)?;
        let test = match &self.held_out {
            HeldOut::File(path) => Some(self.read(path, &mut notices)?),
            _ => None,
        };
        let domain = self.domain(&train, test.as_ref())?;
        let none = Triplets::default();
        let held = test.as_ref().map_or(&none, |file| &file.triplets);
        let Sampled { operator, observations, mut held_out, duplicates, shared } =
            Entries::with_held_out(domain, &train.triplets, held, 0)?;
        let m = operator.measurements();
        if let HeldOut::Share(share) = &self.held_out {
            held_out = share.measurements(m)?;
        }
        drop((train, test));
        let operator = self.normalized(operator)?;
        let mut training = vec![true; m];
        held_out.iter().for_each(|&i| training[i] = false);

        if duplicates > 0 {
            let same = if domain.is_symmetric() { ", (a, b) and (b, a) being one" } else { "" };
            notices.push(format!("{duplicates} entries repeat a position{same}: the mean of each position is used"));
        }
        if shared > 0 {
            notices.push(format!("{shared} held-out positions are training positions too"));
        }
        notices.extend(gaps(&operator, &training));
        let s = operator.normalization();
        notices.push(format!("normalization {}: s of --normalization {}", readable(s), self.asked_normalization));

        let (biases, baseline) = without_factors(&operator, &observations, &training)?;
        let biases = self.biases.then_some(biases);
        let y = match &biases {
            Some(biases) => biases.without(&operator, &observations),
            None => observations,
        };
        let described = object(json!({
            "operator": "entries", "entries": self.path,
            "shape": [domain.rows(), domain.columns()], "index_base": self.index_base, "biases": self.biases,
            "normalization": self.asked_normalization, "normalization_value": s,
        }));
        Ok(Opened {
            operator: Arc::new(operator),
            observations: vec![y],
            notices,
            described,
            held_out: (!held_out.is_empty()).then_some(held_out),
            predictions: Some(Predictions { baseline, biases }),
        })
    }
}

/// Biases of the training entries, and the errors of predictions by them.
fn without_factors(operator: &Entries, observations: &[f64], training: &[bool]) -> Result<(Biases, Baseline)> {
    let used = |i: usize| training[i];
    let all = training.iter().all(|used| *used);
    let over = |i: usize| all || !training[i];
    let mean = Biases::mean_of(operator, observations, used)?;
    let symmetric = operator.domain().is_symmetric();
    let biases = if symmetric { mean.clone() } else { Biases::fit(operator, observations, used)? };
    let baseline = Baseline {
        global_mean: mean.rmse(operator, observations, over),
        row_and_column_biases: biases.rmse(operator, observations, over),
    };
    Ok((biases, baseline))
}

/// Says how many rows and columns have no training entry.
fn gaps(operator: &Entries, training: &[bool]) -> Option<String> {
    let domain = operator.domain();
    let (mut rows, mut columns) = (vec![false; domain.rows()], vec![false; domain.columns()]);
    for i in (0..training.len()).filter(|&i| training[i]) {
        let (row, column) = operator.position(i);
        (rows[row], columns[column]) = (true, true);
        if domain.is_symmetric() {
            (rows[column], columns[row]) = (true, true);
        }
    }
    let missing = |seen: &[bool]| seen.iter().filter(|seen| !**seen).count();
    let (rows, columns) = (missing(&rows), missing(&columns));
    (rows + columns > 0).then(|| {
        format!(
            "{rows} of {} rows and {columns} of {} columns have no training entry: nothing is learned of them",
            domain.rows(),
            domain.columns()
        )
    })
}
