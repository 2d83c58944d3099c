//! Outputs of commands: a table of names and writers, opened before the work and put in place after it.

use std::io::Write;
use std::path::{Path, PathBuf};

use lowrank::internals::io::OutputFile;
use lowrank::{Error, Problem, Result, TraceRow};
use lowrank_studies::report::{RunPage, RunReport, run_page};

use super::explain::sentences;

/// An output of a command, from what the finished command holds.
pub struct Output<Finished: 'static> {
    /// Name of the file in a directory, or of the flag that names the file.
    pub name: &'static str,
    pub write: fn(&mut OutputFile, &mut Finished) -> std::io::Result<()>,
}

/// Opened outputs, in the order in which they are written.
pub struct Opened<Finished: 'static>(Vec<(&'static Output<Finished>, OutputFile)>);

impl<Finished> Opened<Finished> {
    /// Opens outputs at their paths.
    pub fn at(wanted: impl Iterator<Item = (&'static Output<Finished>, PathBuf)>) -> Result<Self> {
        wanted.map(|(output, path)| Ok((output, OutputFile::create(path)?))).collect::<Result<_>>().map(Self)
    }

    /// Opens all outputs of a table in a directory, which is made if it is not there.
    pub fn within(folder: &Path, table: &'static [Output<Finished>]) -> Result<Self> {
        make_folder(folder)?;
        Self::at(table.iter().map(|output| (output, folder.join(output.name))))
    }

    /// Writes the outputs one after the other and puts each in place.
    pub fn write(self, finished: &mut Finished) -> Result<()> {
        self.0.into_iter().try_for_each(|(output, mut file)| {
            let written = (output.write)(&mut file, finished);
            file.check(written)?;
            file.finish()
        })
    }
}

/// The paths of a table's outputs in a directory.
pub fn paths<Finished>(folder: &Path, table: &'static [Output<Finished>]) -> impl Iterator<Item = PathBuf> {
    table.iter().map(|output| folder.join(output.name))
}

/// The names of a table's outputs but the page, which messages name first.
pub fn names<Finished>(table: &'static [Output<Finished>]) -> String {
    let others = table.iter().map(|output| output.name).filter(|name| !name.ends_with(".html"));
    others.collect::<Vec<_>>().join(", ")
}

/// Makes a directory for outputs.
pub fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        path: folder.to_owned(),
        source,
        fix: "Name a directory that can be made with --out".into(),
    })
}

/// A figure or a page, or the failure of the plotting library.
pub fn drawn(text: std::result::Result<String, String>) -> Result<String> {
    text.map_err(|what| Error::Unsupported { what, fix: "The tables hold the numbers; report this bug".into() })
}

/// A value as indented JSON.
pub fn json(file: &mut impl Write, value: &impl serde::Serialize) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *file, value).map_err(std::io::Error::from)?;
    writeln!(file)
}

/// The words of the command line.
pub fn argv() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The command line for a shell.
pub fn command() -> String {
    command_of(&argv())
}

/// A command line for a shell, from its words.
fn command_of(argv: &[String]) -> String {
    let words = argv.iter().skip(1).map(|word| quoted(word));
    std::iter::once("lowrank".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Writes the page of a run; `problem` is the problem in a few words.
pub fn page(file: &mut impl Write, report: &RunReport, trace: &[TraceRow], problem: &str) -> std::io::Result<()> {
    let (sentences, command) = (sentences(report), command_of(&report.argv));
    let page = RunPage { report, trace, problem, sentences: &sentences, command: &command };
    file.write_all(run_page(&page).map_err(std::io::Error::other)?.as_bytes())
}

/// Describes a problem in a few words.
pub fn words(problem: &Problem) -> String {
    let operator = problem.operator();
    let (domain, m) = (operator.domain(), operator.measurements());
    let vectors = match problem.instances() {
        1 => String::new(),
        count => format!(", {count} vectors of observations"),
    };
    format!("{domain}, {m} measurements ({}){vectors}", operator.name())
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
