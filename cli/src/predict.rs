//! Commands `lowrank predict` and `lowrank fold-in`: entries, best columns and new rows from saved factors.

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
    fn open(&self, inputs: &[&Path]) -> Result<(Predictor, OutputFile)> {
        if let Some(input) = inputs.iter().find(|input| **input == self.out || same_file(input, &self.out)) {
            let found = format!("the input {}", input.display());
            return Err(Error::invalid("out", found, "a file of its own", "give the output another name"));
        }
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
    let (predictor, mut file) = args.common.open(&inputs)?;
    let written = match (&args.pairs, args.top) {
        (Some(pairs), _) => {
            let table = args.common.options().pairs().open(pairs)?;
            table.notices.iter().for_each(|notice| remark(notice));
            let pairs = predictor.pairs(&table);
            unknown(&predictor, &pairs);
            write_pairs(&mut file, &predictor, &pairs, args.clip)
        }
        (None, count) => write_top(&mut file, &predictor, args, count.unwrap_or(0))?,
    };
    file.check(written.map_err(std::io::Error::from))?;
    file.finish()?;
    Ok(Ending::Done)
}

fn cut(value: f64, clip: Option<(f64, f64)>) -> f64 {
    clip.map_or(value, |(low, high)| value.clamp(low, high))
}

fn write_pairs(
    file: &mut OutputFile,
    predictor: &Predictor,
    pairs: &[IdPair],
    clip: Option<(f64, f64)>,
) -> csv::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(["row", "column", "prediction"])?;
    for pair in pairs {
        let value = predictor.predict(pair.at.0, pair.at.1).value();
        let value = value.map_or_else(String::new, |value| cut(value, clip).to_string());
        table.write_record([&pair.names.0, &pair.names.1, &value])?;
    }
    Ok(table.flush()?)
}

/// Names rows and columns that the factors do not know, and says how they are served.
fn unknown(predictor: &Predictor, pairs: &[IdPair]) {
    let of = |missing: &dyn Fn(&IdPair) -> Option<String>| -> Vec<String> {
        let mut all: Vec<String> = pairs.iter().filter_map(missing).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let rows = of(&|pair| pair.at.0.is_none().then(|| pair.names.0.clone()));
    let columns = of(&|pair| pair.at.1.is_none().then(|| pair.names.1.clone()));
    for (what, names) in [("rows", rows), ("columns", columns)] {
        tell_unknown(predictor, what, &names);
    }
}

fn tell_unknown(predictor: &Predictor, what: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let first = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if names.len() > 5 { ", …" } else { "" };
    let served = match predictor.has_biases() {
        true => "their predictions are the biases of what is known",
        false => "their predictions are left blank, because the factors have no biases; solve with --biases for some",
    };
    remark(&format!("{} {what} are not in the factors ({first}{more}): {served}", names.len()));
}

/// Writes the best columns of each row.
fn write_top(file: &mut OutputFile, predictor: &Predictor, args: &Args, count: usize) -> Result<csv::Result<()>> {
    let rows: Vec<IdPair> = match &args.rows {
        Some(path) => {
            let table = args.common.options().ids().open(path)?;
            table.notices.iter().for_each(|notice| remark(notice));
            predictor.pairs(&table)
        }
        None => predictor.rows(),
    };
    let missing: Vec<String> = rows.iter().filter(|row| row.at.0.is_none()).map(|row| row.names.0.clone()).collect();
    tell_unknown(predictor, "rows", &missing);
    let mut left_out = vec![Vec::new(); predictor.shape().0];
    if let Some(path) = &args.exclude {
        let table = TripletOptions::default().pairs().open(path)?;
        for pair in predictor.pairs(&table) {
            if let (Some(row), Some(column)) = pair.at {
                left_out[row].push(column as u32);
            }
        }
        left_out.iter_mut().for_each(|of| of.sort_unstable());
    }
    Ok(write_ranks(file, predictor, &rows, &left_out, (count, args.clip)))
}

fn write_ranks(
    file: &mut OutputFile,
    predictor: &Predictor,
    rows: &[IdPair],
    left_out: &[Vec<u32>],
    (count, clip): (usize, Option<(f64, f64)>),
) -> csv::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(["row", "rank", "column", "prediction"])?;
    for row in rows {
        let known = row.at.0.map_or(&[][..], |at| &left_out[at]);
        for (rank, (column, value)) in predictor.top(row.at.0, count, known).into_iter().enumerate() {
            let name = predictor.labels().1.name(column);
            table.write_record([&row.names.0, &(rank + 1).to_string(), &name, &cut(value, clip).to_string()])?;
        }
    }
    Ok(table.flush()?)
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
    let folded = predictor.fold_in(&table, axis, args.ridge)?;
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
