//! Command `lowrank bench limit|iteration|overhead|scale`: speed on this machine.

use std::io::Write;
use std::path::{Path, PathBuf};

use lowrank::internals::io::OutputFile;
use lowrank::internals::memory::{parse_size, readable_bytes};
use lowrank::internals::operators::Registration;
use lowrank::operators::Storage;
use lowrank::options::OptionCard;
use lowrank::problem::Domain;
use lowrank::{Backend, Error, Precision, Result};
use lowrank_studies::bench::{Case, Effort, Limit, Measurement, Probe, SCALE_AXES, overhead, scale, time_iterations};

use lowrank_studies::sweep::operator;

use super::options::{Flags, OfLibrary};
use super::{Ending, grid, said};

/// The command, for its flags.
pub enum Timed {}

const PROBLEM: &str = "Problem";
const OPERATOR: OptionCard = operator(PROBLEM, &["bench"]);

impl OfLibrary for Timed {
    const NAME: &'static str = "bench";

    fn own() -> Vec<&'static OptionCard> {
        vec![&OPERATOR]
    }
}

#[derive(clap::Args)]
pub struct Args {
    /// What to time
    #[arg(value_enum, default_value = "iteration")]
    what: What,
    #[command(flatten)]
    options: Flags<Timed>,
    /// Rows and columns of the unknown matrix
    #[arg(long, value_name = "LIST", help_heading = PROBLEM, default_value = "200")]
    n: String,
    /// Measurements m
    #[arg(long, value_name = "LIST", help_heading = PROBLEM, default_value = "10000")]
    measurements: String,
    /// Columns k of the factor
    #[arg(long, value_name = "LIST", help_heading = PROBLEM, default_value = "20")]
    search_rank: String,
    /// Trials that share the measurements
    #[arg(long, value_name = "LIST", help_heading = PROBLEM, default_value = "1")]
    batch: String,
    /// f16, f32 or f64, or several with commas: number type that holds the matrices
    #[arg(long, value_name = "TYPES", help_heading = PROBLEM, default_value = "f32")]
    storage: String,
    /// Samples of each case; the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    samples: usize,
    /// Length of a sample at least
    #[arg(long, value_name = "SECONDS", default_value_t = 0.3)]
    seconds: f64,
    /// Megabytes that the test of the memory goes over between the samples; 0 leaves it out
    #[arg(long, value_name = "MB", default_value_t = 800)]
    read: usize,
    /// Table, CSV; - is the standard output
    #[arg(long, value_name = "bench.csv")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// How fast memory is read (cpu) or copied (gpu): the limit of an iteration over stored matrices
    Limit,
    /// One iteration of gradient descent, for every combination of the sizes given
    Iteration,
    /// One iteration of the cpu backend whose operator does nothing: what the loop itself costs
    Overhead,
    /// Growth of an iteration's time with n, m, k and the batch: fitted exponents beside the theory
    Scale,
}

fn invalid(name: &str, found: &str, allowed: &str) -> Error {
    Error::Invalid {
        name: name.into(),
        found: format!("'{found}'"),
        allowed: allowed.into(),
        fix: "pick one of them".into(),
    }
}

/// Checked flags, before any access to files or devices.
pub struct Understood {
    operator: &'static Registration,
    precision: Precision,
    storages: Vec<Storage>,
    effort: Effort,
    ns: Vec<usize>,
    ms: Vec<usize>,
    ks: Vec<usize>,
    batches: Vec<usize>,
    device_memory: Option<u64>,
}

pub fn understood(args: &Args) -> Result<Understood> {
    let request = &args.options.request;
    let operator = Registration::find(request.text("operator").unwrap_or("dense"))?;
    let precision = request.precision()?;
    let storages = (args.storage.split(',')).map(str::parse).collect::<Result<Vec<Storage>>>()?;
    if !(args.seconds > 0.0 && args.seconds.is_finite()) || args.samples == 0 {
        let found = format!("{} samples of {} s", args.samples, args.seconds);
        return Err(invalid("samples", &found, "at least one sample of more than 0 s"));
    }
    let effort = Effort { samples: args.samples, seconds: args.seconds };
    let sizes = |name: &str, text: &str| grid::parse::<usize>(name, text);
    let (ns, ms) = (sizes("n", &args.n)?, sizes("measurements", &args.measurements)?);
    let (ks, batches) = (sizes("search_rank", &args.search_rank)?, sizes("batch", &args.batch)?);
    let device_memory = request.text("device_memory").map(|text| parse_size("device_memory", text)).transpose()?;
    Ok(Understood { operator, precision, storages, effort, ns, ms, ks, batches, device_memory })
}

pub fn run(args: &Args) -> Result<Ending> {
    let understood = understood(args)?;
    let backend = args.options.request.backend()?;
    // Opened before the work: a path that cannot be written should not cost the minutes that the work takes.
    let file = args.out.as_ref().map(OutputFile::create).transpose()?;
    let alone = args.out.as_deref() == Some(Path::new("-"));
    let mut out: Box<dyn Write> = if alone { Box::new(std::io::sink()) } else { Box::new(std::io::stdout()) };
    let bench = Bench { args, of: understood, backend };
    let measured = match args.what {
        What::Limit => bench.limit(&mut out)?,
        What::Iteration => bench.iterations(&mut out)?,
        What::Overhead => bench.overheads(&mut out)?,
        What::Scale => bench.scales(&mut out)?,
    };
    if let Some(mut file) = file {
        let written = write_csv(&mut file, &measured);
        file.check(written)?;
        file.finish()?;
    }
    Ok(Ending::Done)
}

/// What is measured, and where. Every kind prints as it goes and returns its rows.
struct Bench<'a> {
    args: &'a Args,
    of: Understood,
    backend: Backend,
}

impl Bench<'_> {
    fn probe_bytes(&self) -> Option<usize> {
        (self.args.read > 0).then_some(self.args.read.saturating_mul(1 << 20))
    }

    fn limit(&self, out: &mut impl Write) -> Result<Vec<Measurement>> {
        let Some(mut probe) = self.probe_bytes().and_then(|bytes| Probe::new(&self.backend, bytes)) else {
            let backend = self.args.options.request.text("backend").unwrap_or("auto");
            let found = format!("{backend} with --read {}", self.args.read);
            return Err(invalid("backend", &found, "cpu, gpu or gpu:NAME, with --read above 0"));
        };
        (0..self.args.samples).try_for_each(|_| probe.round())?;
        said(print_limit(out, &probe.limit()))?;
        Ok(Vec::new())
    }

    fn iterations(&self, out: &mut impl Write) -> Result<Vec<Measurement>> {
        said(writeln!(out, "{HEADING}"))?;
        let mut measured = Vec::new();
        for &n in &self.of.ns {
            for &m in &self.of.ms {
                for &storage in &self.of.storages {
                    self.iterations_of((n, m, storage), out, &mut measured)?;
                }
            }
        }
        Ok(measured)
    }

    /// All numbers of columns and trials of one operator.
    fn iterations_of(
        &self,
        (n, m, storage): (usize, usize, Storage),
        out: &mut impl Write,
        measured: &mut Vec<Measurement>,
    ) -> Result<()> {
        let Understood { operator: ensemble, precision, effort, device_memory, .. } = self.of;
        let request = &self.args.options.request;
        let domain = (ensemble.domain)(Domain::symmetric(n)).unwrap_or_else(|| Domain::symmetric(n));
        let operator = (ensemble.generate)(domain, m, 1, storage)?;
        let (backend, moved) = request.settled(self.backend.clone(), &*operator)?;
        moved.iter().for_each(|notice| crate::remark(notice));
        for &search_rank in &self.of.ks {
            for &batch in &self.of.batches {
                let (operator, backend) = (operator.clone(), backend.clone());
                let variant = request.text("variant").map(str::to_owned);
                let case = Case { operator, batch, search_rank, backend, precision, variant, device_memory };
                let result = time_iterations(&case, effort, self.probe_bytes())?;
                said(print_row(out, &result))?;
                measured.push(result);
            }
        }
        Ok(())
    }

    fn overheads(&self, out: &mut impl Write) -> Result<Vec<Measurement>> {
        said(writeln!(out, "     n       m     k  batch  microseconds per empty iteration"))?;
        let mut measured = Vec::new();
        for &n in &self.of.ns {
            for &m in &self.of.ms {
                for &k in &self.of.ks {
                    for &batch in &self.of.batches {
                        let result = overhead(n, m, k, batch, self.of.effort)?;
                        said(writeln!(out, "{n:>6} {m:>7} {k:>5} {batch:>6}  {:.2}", 1e3 * result.milliseconds))?;
                        measured.push(result);
                    }
                }
            }
        }
        Ok(measured)
    }

    fn scales(&self, out: &mut impl Write) -> Result<Vec<Measurement>> {
        let Understood { precision, effort, device_memory, .. } = self.of;
        let mut measured = Vec::new();
        for axis in SCALE_AXES {
            let fit = scale(axis, &self.backend, precision, effort, device_memory)?;
            said(writeln!(out, "time ~ {}^{:.2}    (theory {})", fit.name, fit.measured, fit.theory))?;
            said(writeln!(out, "{HEADING}"))?;
            for point in &fit.points {
                said(print_row(out, point))?;
                let predicted = readable_bytes(point.predicted_bytes);
                let peak = point.peak_bytes.map_or_else(|| "unknown".into(), readable_bytes);
                said(writeln!(out, "        memory: {predicted} predicted, {peak} peak"))?;
            }
            measured.extend(fit.points);
        }
        Ok(measured)
    }
}

const HEADING: &str =
    "     n       m     k  batch  storage  precision   ms/iteration    GB/s  of limit  GFLOP/s  variant";

fn print_limit(out: &mut impl Write, limit: &Limit) -> std::io::Result<()> {
    writeln!(out, "reading {:.2} GB of memory, GB/s (median)", limit.bytes as f64 * 1e-9)?;
    for test in &limit.tests {
        writeln!(out, "  {:<38} {:>8.1}", test.name, test.gigabytes_per_second)?;
    }
    writeln!(out, "limit: {:.1} GB/s", limit.gigabytes_per_second())
}

fn print_row(out: &mut impl Write, m: &Measurement) -> std::io::Result<()> {
    let share = m.share_of_limit().map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
    let storage = m.storage.map_or("-", Storage::word);
    let precision = format!("{:?}", m.precision).to_lowercase();
    writeln!(
        out,
        "{:>6} {:>7} {:>5} {:>6}  {:>7}  {:>9} {:>14.4} {:>7.1}  {:>8}  {:>7.1}  {}",
        m.n,
        m.measurements,
        m.search_rank,
        m.batch,
        storage,
        precision,
        m.milliseconds,
        m.gigabytes_per_second,
        share,
        m.gigaflops,
        m.variant
    )?;
    out.flush()
}

fn write_csv(out: &mut impl Write, rows: &[Measurement]) -> std::io::Result<()> {
    writeln!(
        out,
        "n,measurements,search_rank,batch,storage,precision,backend,adapter,software_adapter,variant,iterations,\
         milliseconds,fastest,slowest,gigabytes_per_second,gigaflops,limit_gigabytes_per_second,share_of_limit"
    )?;
    for m in rows {
        let empty = || String::new();
        writeln!(
            out,
            "{},{},{},{},{},{},{},\"{}\",{},{},{},{},{},{},{},{},{},{}",
            m.n,
            m.measurements,
            m.search_rank,
            m.batch,
            m.storage.map_or("", Storage::word),
            format!("{:?}", m.precision).to_lowercase(),
            m.backend,
            m.adapter.replace('"', "'"),
            m.software_adapter,
            m.variant,
            m.iterations,
            m.milliseconds,
            m.fastest,
            m.slowest,
            m.gigabytes_per_second,
            m.gigaflops,
            m.limit.as_ref().map_or_else(empty, |limit| limit.gigabytes_per_second().to_string()),
            m.share_of_limit().map_or_else(empty, |share| share.to_string()),
        )?;
    }
    Ok(())
}
