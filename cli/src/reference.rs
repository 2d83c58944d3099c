//! The reference page of all options: `lowrank list options`.

use std::fmt::Write;

use clap::CommandFactory;
use lowrank::internals::requests::{default_text, options};
use lowrank::options::{OptionCard, OptionKind};

use super::Cli;
use super::bench::Timed;
use super::compare::Compare;
use super::demo::Demo;
use super::generate::Generate;
use super::options::OfLibrary;
use super::reproduce::Reproduced;
use super::solve::Solve;
use super::sweep::Swept;

/// Commands with options of the library, and the cards that they alone have.
fn commands() -> [(&'static str, Vec<&'static OptionCard>); 7] {
    fn of<C: OfLibrary>() -> (&'static str, Vec<&'static OptionCard>) {
        (C::NAME, C::own())
    }
    [of::<Solve>(), of::<Compare>(), of::<Swept>(), of::<Generate>(), of::<Demo>(), of::<Reproduced>(), of::<Timed>()]
}

const HEAD: &str = "\
# Options

This page is the output of `lowrank list options`; a test compares the two.

## Options of the solver

Flags of the program's commands, and keywords of the Python functions solve, compare, sweep and generate. Python writes
`search_rank` for `--search-rank`. A list is one value, `1,2,5`, an inclusive range (`1:8`, or `0.1:0.5:0.1` with a step), or
`log:1e-1:1e-7:7`, or in Python any iterable; several lists make one trial for every combination of their values.
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
        let cards = commands().into_iter().find(|(command, _)| *command == name).map_or_else(Vec::new, |(_, own)| own);
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
    let commands: Vec<&str> =
        commands().into_iter().map(|(name, _)| name).filter(|name| option.commands.contains(name)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags whose names the table has too, and which mean another thing in a command.
    const OTHERS: &[(&str, &[&str])] = &[
        ("demo", &["seed"]),
        ("generate", &["layout", "measurements", "n", "operator", "operator_seed", "seed", "shape", "storage"]),
        ("predict", &["columns"]),
        ("fold-in", &["columns", "entries", "ridge"]),
        ("sweep", &["init_scale", "measurements", "n", "operator", "ridge", "search_rank", "seed", "step_size"]),
        ("reproduce", &["init_scale", "measurements", "n", "operator", "search_rank", "seed"]),
        ("check", &["operator", "seed"]),
        ("bench", &["measurements", "n", "operator", "search_rank", "storage"]),
    ];

    #[test]
    fn an_option_of_the_table_is_declared_nowhere_else() {
        let all = options();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let own = command.get_arguments().filter(|arg| is_own(arg, name, &all));
            let mut again: Vec<&str> = own
                .filter_map(|arg| all.iter().find(|card| arg.get_long() == Some(&card.flag())))
                .map(|c| c.name)
                .collect();
            again.sort_unstable();
            let known = OTHERS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, ids)| *ids);
            assert_eq!(again, known, "{name}: let the card in the table list the command instead");
        }
    }

    #[test]
    fn the_page_has_every_flag_of_every_command() {
        let page = page();
        let (shared, own) = page.split_once("## Further flags of").expect("two parts");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let section = format!("## Further flags of{own}");
            let section = section.split(&format!("## Further flags of {name}\n")).nth(1).unwrap_or_default();
            let section = section.split("\n## ").next().unwrap_or_default();
            for arg in command.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
                let id = arg.get_id().as_str();
                let flag = arg.get_long().map_or_else(|| format!("| `{id}` |"), |long| format!("| `--{long}` |"));
                let listed = shared.lines().find(|line| line.starts_with(&format!("| `{id}` |")));
                let for_all = listed.is_some_and(|line| {
                    let place = line.replace("\\|", "").split(" | ").nth(3).unwrap_or_default().to_owned();
                    place.split(", ").any(|word| word == name)
                });
                assert!(for_all != section.contains(&flag), "{name} {id}: in one place of the page\n{section}");
            }
        }
    }
}
