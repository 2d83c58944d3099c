//! Commands `lowrank predict` and `lowrank fold-in`: entries, best columns and new rows from saved factors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lowrank::internals::io::{OutputFile, same_file};
use lowrank::io::TripletOptions;
use lowrank::predict::{FoldInAxis, IdPair, Predictor};
use lowrank::{Error, Result};

use super::{Ending, remark};

/// Flags of both commands.
#[derive(clap::Args)]
struct Common {
    /// Factors that `lowrank solve --out` wrote
    #[arg(long, value_name = "factors.npz")]
    factors: PathBuf,
    /// Trial of a batch whose factors are used
    #[arg(long, value_name = "B", default_value_t = 0)]
    trial: usize,
    /// Columns of the table: names, or numbers from 1
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Output; - is the standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Common {
    /// Refuses an output that is an input.
    fn require_other(&self, inputs: &[&Path]) -> Result<()> {
        if let Some(input) = inputs.iter().find(|input| **input == self.out || same_file(input, &self.out)) {
            let found = format!("the input {}", input.display());
            return Err(Error::invalid("out", found, "a file of its own", "give the output another name"));
        }
        Ok(())
    }

    fn open(&self, inputs: &[&Path]) -> Result<(Predictor, OutputFile)> {
        self.require_other(inputs)?;
        let predictor = Predictor::open(&self.factors, self.trial)?;
        Ok((predictor, OutputFile::create(&self.out)?))
    }

    fn options(&self) -> TripletOptions {
        TripletOptions::default().columns(self.columns.clone())
    }
}

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["pairs", "top"])))]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Table of the pairs of row and column to predict
    #[arg(long, value_name = "pairs.csv")]
    pairs: Option<PathBuf>,
    /// Number of columns with the largest predictions, for each row
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// List of the rows for --top; all rows otherwise
    #[arg(long = "for", value_name = "ids.csv", requires = "top")]
    rows: Option<PathBuf>,
    /// Table of entries that --top leaves out, as a rule those of the training
    #[arg(long, value_name = "train.csv", requires = "top")]
    exclude: Option<PathBuf>,
    /// Least and largest value: predictions beyond are cut
    #[arg(long, value_name = "LO,HI", value_parser = bounds, allow_hyphen_values = true)]
    clip: Option<(f64, f64)>,
}

/// Two numbers in ascending order.
fn bounds(text: &str) -> std::result::Result<(f64, f64), String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match numbers[..] {
        [low, high] if low <= high => Ok((low, high)),
        _ => Err("two numbers LO,HI, the first not above the second; for example 0.5,5".into()),
    }
}

pub fn run(args: &Args) -> Result<Ending> {
    let inputs = [Some(&args.common.factors), args.pairs.as_ref(), args.rows.as_ref(), args.exclude.as_ref()];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
    args.common.require_other(&inputs)?;
    let table = |file| Table { rows: csv::Writer::from_writer(file), path: args.common.out.clone() };
    if let Some(parts) = Predictor::open_complex(&args.common.factors, args.common.trial)? {
        let pairs = args.pairs.as_ref().filter(|_| args.clip.is_none());
        let refused = || {
            let what = "an order of complex numbers, which --top and --clip need,";
            Error::Unsupported { what: what.into(), fix: "pass --pairs without --clip".into() }
        };
        let pairs = pairs.ok_or_else(refused)?;
        predict_complex(args, &parts, pairs, table(OutputFile::create(&args.common.out)?))?;
        return Ok(Ending::Done);
    }
    let (predictor, file) = args.common.open(&inputs)?;
    match (&args.pairs, args.top) {
        (Some(pairs), _) => predict_pairs(args, &predictor, pairs, table(file))?,
        (None, count) => predict_top(args, &predictor, count.unwrap_or(0), table(file))?,
    }
    Ok(Ending::Done)
}

fn cut(value: f64, clip: Option<(f64, f64)>) -> f64 {
    clip.map_or(value, |(low, high)| value.clamp(low, high))
}

/// A table that is written line by line.
struct Table {
    rows: csv::Writer<OutputFile>,
    path: PathBuf,
}

impl Table {
    fn write<const N: usize>(&mut self, fields: [&str; N]) -> Result<()> {
        self.rows.write_record(fields).map_err(|e| self.failed(e.into()))
    }

    fn failed(&self, e: std::io::Error) -> Error {
        Error::io(&self.path, e, "Check the space on the disk, or name another file")
    }

    fn finish(self) -> Result<()> {
        let Self { rows, path } = self;
        let failed = |e| Error::io(&path, e, "Check the space on the disk, or name another file");
        rows.into_inner().map_err(|e| failed(e.into_error()))?.finish()
    }
}

/// Names of rows and columns that the factors do not know.
#[derive(Default)]
struct Unknown {
    rows: BTreeSet<String>,
    columns: BTreeSet<String>,
}

impl Unknown {
    fn see(&mut self, pair: &IdPair) {
        let of = [(pair.at.0, &pair.names.0, &mut self.rows), (pair.at.1, &pair.names.1, &mut self.columns)];
        for (at, name, all) in of {
            if at.is_none() && !all.contains(name) {
                all.insert(name.clone());
            }
        }
    }

    /// Names them, and says how they are served.
    fn tell(&self, predictor: &Predictor) {
        for (what, names) in [("rows", &self.rows), ("columns", &self.columns)] {
            tell_unknown(predictor, what, names.len(), &names.iter().take(SHOWN).cloned().collect::<Vec<_>>());
        }
    }
}

/// Unknown names that are shown.
const SHOWN: usize = 5;

fn tell_unknown(predictor: &Predictor, what: &str, count: usize, first: &[String]) {
    if count == 0 {
        return;
    }
    let (first, more) = (first.join(", "), if count > first.len() { ", …" } else { "" });
    let served = match predictor.has_biases() {
        true => "their predictions are the biases of what is known",
        false => "their predictions are left blank, because the factors have no biases; solve with --biases for some",
    };
    remark(&format!("{count} {what} are not in the factors ({first}{more}): {served}"));
}

/// Predicts pair after pair as they are read.
fn predict_pairs(args: &Args, predictor: &Predictor, pairs: &Path, mut out: Table) -> Result<()> {
    let mut unknown = Unknown::default();
    out.write(["row", "column", "prediction"])?;
    let notices = predictor.for_each_pair(pairs, &args.common.options().pairs(), |pair| {
        unknown.see(&pair);
        let value = predictor.predict(pair.at.0, pair.at.1).value();
        let value = value.map_or_else(String::new, |value| cut(value, args.clip).to_string());
        out.write([&pair.names.0, &pair.names.1, &value])
    })?;
    notices.iter().for_each(|notice| remark(notice));
    unknown.tell(predictor);
    out.finish()
}

/// Predicts the real and the imaginary part of pair after pair.
fn predict_complex(args: &Args, [real, imaginary]: &[Predictor; 2], pairs: &Path, mut out: Table) -> Result<()> {
    let mut unknown = Unknown::default();
    out.write(["row", "column", "real", "imaginary"])?;
    let notices = real.for_each_pair(pairs, &args.common.options().pairs(), |pair| {
        unknown.see(&pair);
        let [real, imaginary] = [real, imaginary]
            .map(|part| part.predict(pair.at.0, pair.at.1).value().map_or_else(String::new, |v| v.to_string()));
        out.write([&pair.names.0, &pair.names.1, &real, &imaginary])
    })?;
    notices.iter().for_each(|notice| remark(notice));
    unknown.tell(real);
    out.finish()
}

/// Predicts the best columns of each row.
fn predict_top(args: &Args, predictor: &Predictor, count: usize, mut out: Table) -> Result<()> {
    let rows: Vec<IdPair> = match &args.rows {
        Some(path) => {
            let mut rows = Vec::new();
            let keep = |row| {
                rows.push(row);
                Ok(())
            };
            let notices = predictor.for_each_pair(path, &args.common.options().ids(), keep)?;
            notices.iter().for_each(|notice| remark(notice));
            rows
        }
        None => predictor.rows(),
    };
    let missing: Vec<String> = rows.iter().filter(|row| row.at.0.is_none()).map(|row| row.names.0.clone()).collect();
    tell_unknown(predictor, "rows", missing.len(), &missing[..missing.len().min(SHOWN)]);
    let mut left_out = vec![Vec::new(); predictor.shape().0];
    if let Some(path) = &args.exclude {
        predictor.for_each_pair(path, &TripletOptions::default().pairs(), |pair| {
            if let (Some(row), Some(column)) = pair.at {
                left_out[row].push(column as u32);
            }
            Ok(())
        })?;
        left_out.iter_mut().for_each(|of| of.sort_unstable());
    }
    out.write(["row", "rank", "column", "prediction"])?;
    for row in &rows {
        let known = row.at.0.map_or(&[][..], |at| &left_out[at]);
        for (rank, (column, value)) in predictor.top(row.at.0, count, known).into_iter().enumerate() {
            let (rank, name) = ((rank + 1).to_string(), predictor.labels().1.name(column));
            out.write([&row.names.0, &rank, &name, &cut(value, args.clip).to_string()])?;
        }
    }
    out.finish()
}

#[derive(clap::Args)]
pub struct FoldIn {
    #[command(flatten)]
    common: Common,
    /// Table of the entries of new rows or columns
    #[arg(long, value_name = "new.csv")]
    entries: PathBuf,
    /// What is new: rows or columns
    #[arg(long, value_name = "WORD", default_value = "rows")]
    axis: String,
    /// Ridge λ of the least squares problems [default: by leave-one-out error]
    #[arg(long, value_name = "LAMBDA", allow_hyphen_values = true)]
    ridge: Option<f64>,
}

pub fn fold_in(args: &FoldIn) -> Result<Ending> {
    let axis: FoldInAxis = args.axis.parse()?;
    let (mut predictor, mut file) = args.common.open(&[&args.common.factors, &args.entries])?;
    let table = args.common.options().open(&args.entries)?;
    table.notices.iter().for_each(|notice| remark(notice));
    let (rows, columns) = table.names();
    let folded = predictor.fold_in(&table.triplets, (&rows, &columns), axis, args.ridge)?;
    let chosen =
        folded.left_out_rmse.map_or_else(String::new, |rmse| format!(", by a leave-one-out rmse of {rmse:.4}"));
    remark(&format!("{} {axis} were added with the ridge {:.3e}{chosen}", folded.added, folded.ridge));
    if folded.known > 0 {
        remark(&format!(
            "{} entries of {axis} that the factors know are left out: fit again to use them",
            folded.known
        ));
    }
    if folded.unknown > 0 {
        remark(&format!("{} entries are left out, because their other id is not in the factors", folded.unknown));
    }
    let written = predictor.write(&mut file);
    file.check(written)?;
    file.finish()?;
    Ok(Ending::Done)
}
