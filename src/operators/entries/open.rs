//! Sampled entries from files and options: what is held out, and predictions without factors to compare with.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::io::complex::complex_table;
use crate::io::{Duplicates, Labels, TripletFile, TripletOptions, Triplets};
use crate::operators::dense::Normalization;
use crate::operators::entries::training::Training;
use crate::operators::entries::{Confidences, Implicit, Predictions, Sampled};
use crate::operators::open::{Opened, Opening, Wanted, object};
use crate::operators::{Entries, Operator};
use crate::options::{Request, flag};
use crate::problem::{Domain, Holdout};
use crate::text::readable;

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
pub(super) struct Completion {
    pub(super) path: PathBuf,
    pub(super) held_out: HeldOut,
    pub(super) shape: Option<(usize, usize)>,
    options: TripletOptions,
    duplicates: Option<Duplicates>,
    model: &'static str,
    pub(super) symmetric: bool,
    pub(super) normalization: Normalization,
    pub(super) biases: bool,
    pub(super) implicit: Option<Implicit>,
    pub(super) scale_columns: bool,
    pub(super) asked: Map<String, Value>,
}

/// A switch with the words yes and no.
fn yes_or_no(request: &Request, name: &str) -> Result<Option<bool>> {
    choice(request, name, [("yes", true), ("no", false)])
}

/// One of two words, if it was given.
fn choice<T: Copy>(request: &Request, name: &str, words: [(&str, T); 2]) -> Result<Option<T>> {
    let Some(text) = request.text(name) else { return Ok(None) };
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let allowed = format!("{} or {}", words[0].0, words[1].0);
            Err(Error::invalid(name, format!("'{text}'"), allowed, "pick one of them"))
        }
    }
}

pub(crate) fn open(wanted: &Wanted<'_>) -> Result<Box<dyn Opening>> {
    let request = wanted.request;
    wanted.refuse(&["observations"], "none: the values are in the file of entries")?;
    wanted.refuse(&["weights"], "none: the weights of entries are a column of their table")?;
    if let Some(rows) = request.text("rows") {
        let allowed = "all entries, which have an order of their own";
        let fix = "leave it out, or hold entries out with --holdout";
        return Err(Error::invalid("rows", format!("'{rows}'"), allowed, fix));
    }
    for name in ["biases", "scale_columns"] {
        if request.is_on(name) && wanted.symmetric {
            let fix = format!("say --model asymmetric, or leave {} out", flag(name));
            return Err(Error::invalid(name, "a symmetric model", "the model asymmetric", fix));
        }
    }
    let shape = request.sizes("shape")?;
    if let Some((n1, n2)) = shape {
        wanted.domain(n1, n2)?;
    }
    let held_out = HeldOut::of(request)?;
    if let HeldOut::Share(share) = &held_out {
        share.check()?;
    }
    let names = |text: &str| text.split(',').map(|name| name.trim().to_owned()).collect();
    let options = TripletOptions::default()
        .index_base(choice(request, "index_base", [("0", 0), ("1", 1)])?)
        .shape(shape)
        .square(wanted.symmetric)
        .columns(request.text("columns").map(names))
        .header(yes_or_no(request, "header")?)
        .wide(choice(request, "table", [("wide", true), ("long", false)])?);
    let asked = ["index_base", "columns", "header", "table", "duplicates", "normalization"];
    Ok(Box::new(Completion {
        path: wanted.file("entries", "a file of entries")?,
        held_out,
        shape,
        options,
        duplicates: request.word("duplicates")?,
        model: wanted.model,
        symmetric: wanted.symmetric,
        normalization: wanted.normalization()?,
        biases: request.is_on("biases"),
        implicit: request.one("implicit")?.map(Implicit::new).transpose()?,
        scale_columns: request.is_on("scale_columns"),
        asked: asked.iter().map(|name| ((*name).to_owned(), json!(request.text(name)))).collect(),
    }))
}

impl Completion {
    /// The training entries and, where a file has them, the held-out entries. Both triangles, where a file has one and the
    /// model has no symmetry.
    fn read(&self, notices: &mut Vec<String>) -> Result<(TripletFile, Option<TripletFile>)> {
        let mut paths = vec![self.path.as_path()];
        if let HeldOut::File(path) = &self.held_out {
            paths.push(path);
        }
        let mut files = self.options.open_all(&paths)?;
        for (file, path) in files.iter_mut().zip(paths) {
            if file.symmetric && !self.symmetric {
                file.triplets.mirror();
                notices.push(format!("{} is symmetric: its lower triangle stands for both", path.display()));
            }
            for notice in std::mem::take(&mut file.notices) {
                if !notices.contains(&notice) {
                    notices.push(notice);
                }
            }
        }
        let test = if files.len() > 1 { files.pop() } else { None };
        let missing = || Error::file(&self.path, "no entries", "a file of entries", "Pass another file");
        Ok((files.pop().ok_or_else(missing)?, test))
    }

    /// The domain of the training entries and of the held-out entries.
    fn domain(&self, train: &TripletFile, test: Option<&TripletFile>) -> Result<Domain> {
        let (n1, n2) = test.map_or(train.shape, |test| {
            let (one, other) = (train.shape, test.shape);
            (one.0.max(other.0), one.1.max(other.1))
        });
        if self.symmetric && n1 != n2 {
            return Err(Error::File {
                path: self.path.clone(),
                found: format!("a matrix of {n1} x {n2}"),
                allowed: "a square one for a symmetric model".into(),
                fix: "Say --model asymmetric for a rectangular unknown".into(),
            });
        }
        Domain::of_model(self.model, self.symmetric, n1, n2)
    }

    /// Refuses repeated positions where they are a mistake, and says what was made of others.
    fn repeated(
        &self,
        sampled: &Sampled,
        labels: Option<&(Labels, Labels)>,
        duplicates: Duplicates,
    ) -> Result<Option<String>> {
        let Some((row, column)) = sampled.repeated else { return Ok(None) };
        let of = |labels: Option<&Labels>, at: usize| labels.map_or_else(|| at.to_string(), |labels| labels.name(at));
        let (row, column) = (of(labels.map(|l| &l.0), row), of(labels.map(|l| &l.1), column));
        let made = match duplicates {
            Duplicates::Refuse => {
                let found = format!(
                    "{} entries repeat a position, the first of row {row}, column {column}",
                    sampled.duplicates
                );
                let fix = "Remove the others, or say --duplicates mean, last or sum";
                return Err(Error::file(&self.path, found, "one entry per position", fix));
            }
            Duplicates::Mean => "the mean of each position is used",
            Duplicates::Last => "the last of each position is used",
            Duplicates::Sum => "the sum of each position is used",
        };
        Ok(Some(format!("{} entries repeat a position: {made}", sampled.duplicates)))
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

    /// Observations and weights of the values; those of implicit feedback where they are counts.
    fn measured(&self, values: Vec<f64>, weights: Option<Vec<f64>>) -> Result<(Vec<f64>, Option<Vec<f64>>)> {
        let Some(implicit) = self.implicit else { return Ok((values, weights)) };
        if weights.is_some() {
            let fix = "Name the columns of row, column and count with --columns, or leave --implicit out";
            return Err(Error::file(&self.path, "weights beside --implicit", "counts, which give the weights", fix));
        }
        let Confidences { targets, weights } = implicit.confidences(&values)?;
        Ok((targets, Some(weights)))
    }

    fn described(&self, domain: Domain, s: f64, labels: Option<&(Labels, Labels)>) -> Map<String, Value> {
        let ids = labels.map(|(rows, columns)| json!({ "rows": rows.described(), "columns": columns.described() }));
        let mut described = self.asked.clone();
        described.entry("normalization").and_modify(|text| {
            if text.is_null() {
                *text = "auto".into();
            }
        });
        described.extend(object(json!({
            "operator": "entries", "entries": self.path, "shape": [domain.rows(), domain.columns()], "ids": ids,
            "biases": self.biases, "scale_columns": self.scale_columns, "normalization_value": s,
        })));
        described
    }
}

impl Opening for Completion {
    fn inputs(&self) -> Vec<PathBuf> {
        let test = if let HeldOut::File(path) = &self.held_out { Some(path.clone()) } else { None };
        std::iter::once(self.path.clone()).chain(test).collect()
    }

    fn open(self: Box<Self>) -> Result<Opened> {
        if let Some(array) = complex_table(&self.path)? {
            return self.open_complex(&array);
        }
        let mut notices = Vec::new();
        let (mut train, test) = self.read(&mut notices)?;
        let domain = self.domain(&train, test.as_ref())?;
        let labels = train.labels.take();
        // Several counts of one position are a count of them all.
        let usual = if self.implicit.is_some() { Duplicates::Sum } else { train.duplicates };
        let duplicates = self.duplicates.unwrap_or(usual);
        let none = Triplets::default();
        let held = test.as_ref().map_or(&none, |file| &file.triplets);
        // A refusal names ids, which the operator does not know.
        let how = if duplicates == Duplicates::Refuse { Duplicates::Mean } else { duplicates };
        let mut sampled = Entries::with_held_out(domain, &train.triplets, held, how, 0)?;
        drop((train, test));
        notices.extend(self.repeated(&sampled, labels.as_ref(), duplicates)?);
        if sampled.shared > 0 {
            notices.push(format!("{} held-out positions are training positions too", sampled.shared));
        }
        let m = sampled.operator.measurements();
        if let HeldOut::Share(share) = &self.held_out {
            // By lines of the file, so that the names of rows and columns change nothing.
            let mut held: Vec<usize> =
                share.measurements(m)?.into_iter().map(|at| sampled.given[at] as usize).collect();
            held.sort_unstable();
            sampled.held_out = held;
        }
        let Sampled { operator, observations, weights, held_out, .. } = sampled;
        let (mut observations, weights) = self.measured(observations, weights)?;
        let operator = self.normalized(operator)?;
        let mut training = weights.clone().unwrap_or_else(|| vec![1.0; m]);
        let mut held = vec![0.0; if held_out.is_empty() { 0 } else { m }];
        held_out.iter().for_each(|&i| held[i] = std::mem::take(&mut training[i]));
        let judged = if held_out.is_empty() { &training } else { &held };
        let training = Training { operator: &operator, weights: &training, judged };
        notices.extend(training.gaps());
        let spreads = training.column_spreads(&observations);
        let column_scales = self.scale_columns.then(|| spreads.scales());
        match &column_scales {
            Some(scales) => {
                observations.iter_mut().enumerate().for_each(|(i, y)| *y /= scales[operator.position(i).1]);
                notices.push("values are divided by the spread of their columns: errors are in these units".into());
            }
            None if self.implicit.is_some() => {}
            None => notices.extend(spreads.doubt()),
        }
        let s = operator.normalization();
        let asked = self.asked.get("normalization").and_then(Value::as_str).unwrap_or("auto");
        notices.push(format!("normalization {}: s of --normalization {asked}", readable(s)));

        let (biases, baseline) = training.without_factors(&observations)?;
        let biases = self.biases.then_some(biases);
        let y = match &biases {
            Some(biases) => biases.without(&operator, &observations),
            None => observations,
        };
        let described = self.described(domain, s, labels.as_ref());
        Ok(Opened {
            operator: Arc::new(operator),
            observations: vec![y],
            weights,
            notices,
            described,
            held_out: (!held_out.is_empty()).then_some(held_out),
            predictions: Some(Predictions {
                baseline: self.implicit.is_none().then_some(baseline),
                biases,
                column_scales,
                labels,
            }),
        })
    }
}
