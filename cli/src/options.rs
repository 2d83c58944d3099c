//! Flags from cards of options.

use std::io::Write;
use std::marker::PhantomData;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};
use lowrank::Result;
use lowrank::internals::options::Request;
use lowrank::internals::requests::{help, options_of};
use lowrank::options::{OptionCard, OptionKind, Usual};

use super::outputs::json;
use super::said;

/// A command whose flags are options of the library, and options of its own.
pub trait OfLibrary {
    /// Its name.
    const NAME: &'static str;

    /// Options that it alone has.
    fn own() -> Vec<&'static OptionCard> {
        Vec::new()
    }

    /// All its options.
    fn options() -> Vec<&'static OptionCard> {
        Self::own().into_iter().chain(options_of(Self::NAME)).collect()
    }
}

/// The flag of commands with progress and notes.
#[derive(clap::Args, Clone, Debug)]
pub struct Talk {
    /// No notes and no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// The flag of commands whose results are one document too.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Json {
    #[arg(long, help = JSON)]
    pub json: bool,
}

/// Help of `--json`.
pub const JSON: &str =
    "Print the results as one JSON document on the standard output; the text goes to the standard error";

impl Json {
    /// Where the text of a command goes.
    pub fn text(self, quiet: bool) -> Box<dyn Write> {
        match (self.json, quiet) {
            (false, _) => Box::new(std::io::stdout()),
            (true, false) => Box::new(std::io::stderr()),
            (true, true) => Box::new(std::io::sink()),
        }
    }

    /// Prints the document, where it was asked for.
    pub fn print(self, document: &impl serde::Serialize) -> Result<()> {
        match self.json {
            true => said(json(&mut std::io::stdout().lock(), document)),
            false => Ok(()),
        }
    }
}

/// Help of `--out` for commands that write several files.
pub fn folder(files: &str) -> String {
    format!("Directory for {files}; made if it is not there")
}

/// What the flags of a command ask for.
#[derive(Debug)]
pub struct Flags<C> {
    pub request: Request,
    command: PhantomData<C>,
}

impl<C> Clone for Flags<C> {
    fn clone(&self) -> Self {
        Self { request: self.request.clone(), command: PhantomData }
    }
}

/// The flag of an option. Its text is read by the library, which names the flag in a refusal.
fn flag(option: &OptionCard, command: &str) -> Arg {
    let arg = Arg::new(option.name).long(option.flag()).help(help(option, command)).help_heading(option.heading);
    let arg = arg.required(option.default_of(command) == Usual::Required);
    match option.kind {
        OptionKind::Switch => arg.action(ArgAction::SetTrue),
        OptionKind::File => arg.value_name(option.symbol).value_parser(clap::value_parser!(PathBuf)),
        _ => arg.value_name(symbol(option)).allow_hyphen_values(true),
    }
}

/// Lists are called LIST.
fn symbol(option: &OptionCard) -> &'static str {
    if option.kind.is_list() { "LIST" } else { option.symbol }
}

impl<C: OfLibrary> clap::FromArgMatches for Flags<C> {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut request = Request::new();
        for option in C::options() {
            request = match option.kind {
                OptionKind::Switch if matches.get_flag(option.name) => request.with(option.name, true),
                OptionKind::Switch => request,
                OptionKind::File => match matches.get_one::<PathBuf>(option.name) {
                    Some(path) => request.with_file(option.name, path),
                    None => request,
                },
                _ => match matches.get_one::<String>(option.name) {
                    Some(text) => request.with(option.name, text),
                    None => request,
                },
            };
        }
        Ok(Self { request, command: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<C: OfLibrary> clap::Args for Flags<C> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(C::options().into_iter().map(|option| flag(option, C::NAME)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}
