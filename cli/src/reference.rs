//! The reference page of all options: `lowrank list options`.

use std::fmt::Write;

use clap::CommandFactory;
use lowrank::internals::requests::{default_text, options};
use lowrank::options::{OptionCard, OptionKind};

use super::Cli;
use super::generate::Generate;
use super::options::OfLibrary;
use super::sweep::Swept;

const COMMANDS: [&str; 4] = ["solve", "compare", "sweep", "generate"];

const HEAD: &str = "\
# Options

This page is the output of `lowrank list options`; a test compares the two.

## Options of the solver

Flags of the program, and keywords of the Python functions of the same names. Python writes `search_rank` for `--search-rank`.
A list is one value, `1,2,5`, an inclusive range (`1:8`, or `0.1:0.5:0.1` with a step), or `log:1e-1:1e-7:7`, or in Python any
iterable; several lists make one trial for every combination of their values.
";

/// The page, as Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let all = options();
    let mut headings: Vec<&str> = Vec::new();
    for option in &all {
        if !headings.contains(&option.heading) {
            headings.push(option.heading);
        }
    }
    for heading in headings {
        let _ =
            write!(page, "\n### {heading}\n\n| option | type | default | where | meaning |\n|---|---|---|---|---|\n");
        for option in all.iter().filter(|option| option.heading == heading) {
            page.push_str(&row(option));
        }
    }
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let own: Vec<_> = command.get_arguments().filter(|arg| is_own(arg, name, &all)).collect();
        if own.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## Further flags of {name}\n\n| flag | default | meaning |\n|---|---|---|\n");
        let cards = match name {
            Swept::NAME => Swept::own(),
            Generate::NAME => Generate::own(),
            _ => Vec::new(),
        };
        for arg in own {
            let (default, help) = match cards.iter().find(|option| option.name == arg.get_id().as_str()) {
                Some(option) => (default_text(option, name).unwrap_or_default(), option.help.to_owned()),
                None => written(arg),
            };
            let flag = arg.get_long().map_or_else(|| format!("`{}`", arg.get_id()), |long| format!("`--{long}`"));
            let _ = writeln!(page, "| {flag} | {} | {} |", cell(&default), cell(&help));
        }
    }
    page
}

/// Default and help of an argument without a card.
fn written(arg: &clap::Arg) -> (String, String) {
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    (default.join(","), arg.get_help().map(ToString::to_string).unwrap_or_default())
}

/// Whether an argument is a flag of the command alone.
fn is_own(arg: &clap::Arg, command: &str, all: &[&OptionCard]) -> bool {
    let of_library = |option: &&OptionCard| option.name == arg.get_id().as_str() && option.commands.contains(&command);
    !all.iter().any(of_library) && !["help", "version"].contains(&arg.get_id().as_str())
}

fn row(option: &OptionCard) -> String {
    let kind = match option.kind {
        OptionKind::Switch => "switch",
        OptionKind::Number => "number",
        OptionKind::Count => "whole number",
        OptionKind::Seed => "seed",
        OptionKind::Text => "word",
        OptionKind::Pair => "pair",
        OptionKind::File => "file",
        OptionKind::Numbers => "numbers",
        OptionKind::Counts => "whole numbers",
        OptionKind::Seeds => "seeds",
        _ => "value",
    };
    let mut default = default_text(option, "solve").unwrap_or_default();
    for (command, usual) in option.defaults {
        let _ = write!(default, "; {command}: {}", usual.text().unwrap_or("none"));
    }
    let commands: Vec<&str> = COMMANDS.into_iter().filter(|name| option.commands.contains(name)).collect();
    let ends = match (option.in_program, option.in_python) {
        (true, false) => ", program only",
        (false, true) => ", Python only",
        _ => "",
    };
    let help = format!("{}{}", option.help, option.words.map_or_else(String::new, |words| words()));
    format!("| `{}` | {kind} | {} | {}{ends} | {} |\n", option.name, cell(&default), commands.join(", "), cell(&help))
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
