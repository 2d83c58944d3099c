//! Command `lowrank list devices|operators|methods|models|options|studies`.

use std::fmt::Write as _;
use std::io::Write as _;

use lowrank::Result;
use lowrank::internals::operators::{REGISTRY, Registration};
use lowrank::methods::{METHODS, MethodCard};
use lowrank::models::{MODELS, ModelCard};
use lowrank::options::Parameter;

use super::{Ending, remark, said};

#[derive(clap::Args)]
pub struct Args {
    /// What to list
    #[arg(value_enum)]
    what: What,
    /// Operators, methods and models as Markdown
    #[arg(long)]
    markdown: bool,
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
            let adapters = lowrank::gpu::list_adapters();
            if adapters.is_empty() {
                remark("no graphics adapter was found: the backend 'gpu' needs a Vulkan, Metal or DX12 driver");
            }
            for adapter in adapters {
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
        What::Operators => said(out.write_all(printed(&operators(), args.markdown).as_bytes()))?,
        What::Methods => said(out.write_all(printed(&methods(), args.markdown).as_bytes()))?,
        What::Models => said(out.write_all(printed(&models(), args.markdown).as_bytes()))?,
        What::Options => said(write!(out, "{}", super::reference::page()))?,
        What::Studies => said(write!(out, "{}", lowrank_studies::reproduce::family_page()))?,
    }
    Ok(Ending::Done)
}

/// A card: a word, what it stands for, and facts with their names.
struct Card {
    word: &'static str,
    about: &'static str,
    facts: Vec<(&'static str, String)>,
}

fn operators() -> Vec<Card> {
    let card = |r: &Registration| Card {
        word: r.name,
        about: r.summary,
        facts: vec![
            ("measures", r.formula.into()),
            ("normalization", r.normalization.into()),
            ("bytes", format!("{} per iteration", r.bytes_per_iteration)),
            ("flops", format!("{} per iteration", r.flops_per_iteration)),
            ("memory", r.memory.into()),
            ("backends", r.backends.into()),
        ],
    };
    REGISTRY.iter().map(card).collect()
}

fn methods() -> Vec<Card> {
    let card = |m: &&MethodCard| Card {
        word: m.word,
        about: m.formula,
        facts: vec![
            ("step_size", m.step_size.into()),
            ("parameters", parameters(m.parameters)),
            ("cost", m.cost.into()),
            ("source", m.source.into()),
        ],
    };
    METHODS.iter().map(card).collect()
}

fn models() -> Vec<Card> {
    let card = |m: &&ModelCard| Card {
        word: m.word,
        about: m.summary,
        facts: vec![("iterate", m.formula.into()), ("parameters", parameters(m.parameters)), ("truth", m.truth.into())],
    };
    MODELS.iter().map(card).collect()
}

/// Formats cards as aligned lines, or as Markdown with a heading for each.
fn printed(cards: &[Card], markdown: bool) -> String {
    let mut text = String::new();
    for Card { word, about, facts } in cards {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
        let _ = match markdown {
            true => write!(text, "\n### {word}\n\n{}\n\n", escaped(about)),
            false => write!(text, "{word}\n  {about}\n"),
        };
        for (name, fact) in facts {
            let _ = match markdown {
                true => writeln!(text, "- {}: {}", name.replace('_', " "), escaped(fact)),
                false => writeln!(text, "  {name:<width$}{fact}"),
            };
        }
    }
    if markdown { text + "\n" } else { text }
}

/// A text whose stars and brackets are none of Markdown's.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| "*<".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Formats parameters as `name (default)`, or none.
fn parameters(of: &[Parameter]) -> String {
    let all: Vec<String> = of.iter().map(|of| format!("{} ({})", of.name(), of.default)).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}
