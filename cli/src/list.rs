//! Command `lowrank list devices|operators|methods|models|options|studies`.

use std::io::Write;

use lowrank::Result;
use lowrank::internals::operators::REGISTRY;
use lowrank::methods::METHODS;
use lowrank::models::MODELS;
use lowrank::options::Parameter;

use super::{Ending, said};

#[derive(clap::Args)]
pub struct Args {
    /// What to list
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// Backends and graphics adapters of this machine
    Devices,
    /// Kinds of measurements
    Operators,
    /// Algorithms
    Methods,
    /// How factors make the matrix
    Models,
    /// Flags and keywords, as Markdown
    Options,
    /// Studies of `lowrank reproduce` with their papers and verdicts, as Markdown
    Studies,
}

pub fn run(args: &Args) -> Result<Ending> {
    let mut out = std::io::stdout().lock();
    match args.what {
        What::Devices => {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            said(writeln!(out, "cpu          {threads} threads, f32, f64 or mixed"))?;
            said(writeln!(out, "reference    one thread, f64: slow; the other backends are compared with it"))?;
            for adapter in lowrank::gpu::list_adapters() {
                said(writeln!(
                    out,
                    "{:<12} {} ({}, {}, {}){}{}",
                    "gpu",
                    adapter.name,
                    adapter.backend,
                    adapter.kind,
                    if adapter.double_precision { "f32, f64 or mixed" } else { "f32 or mixed" },
                    if adapter.driver.is_empty() { "" } else { ", driver " },
                    adapter.driver
                ))?;
            }
        }
        What::Operators => {
            for r in REGISTRY {
                said(writeln!(
                    out,
                    "{}\n  {}\n  measures       {}\n  normalization  {}\n  bytes          {} per iteration\n  \
                     flops          {} per iteration\n  memory         {}\n  backends       {}",
                    r.name,
                    r.summary,
                    r.formula,
                    r.normalization,
                    r.bytes_per_iteration,
                    r.flops_per_iteration,
                    r.memory,
                    r.backends
                ))?;
            }
        }
        What::Methods => {
            for m in METHODS {
                said(writeln!(
                    out,
                    "{}\n  {}\n  step_size   {}\n  parameters  {}\n  cost        {}\n  source      {}",
                    m.word,
                    m.formula,
                    m.step_size,
                    parameters(m.parameters),
                    m.cost,
                    m.source
                ))?;
            }
        }
        What::Options => said(write!(out, "{}", super::reference::page()))?,
        What::Studies => said(write!(out, "{}", lowrank_studies::reproduce::family_page()))?,
        What::Models => {
            for m in MODELS {
                let (of, truth) = (parameters(m.parameters), m.truth);
                said(writeln!(
                    out,
                    "{}\n  {}\n  iterate     {}\n  parameters  {of}\n  truth       {truth}",
                    m.word, m.summary, m.formula
                ))?;
            }
        }
    }
    Ok(Ending::Done)
}

/// Formats parameters as `name (default)`, or none.
fn parameters(of: &[Parameter]) -> String {
    let all: Vec<String> = of.iter().map(|of| format!("{} ({})", of.name(), of.default)).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}
