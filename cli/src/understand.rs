//! Parsing of the command line before any access to files or devices, for fuzzing.

use std::ffi::OsString;
use std::path::Path;

use clap::FromArgMatches;

use super::{Cli, Command, bench, command, compare, generate, message, reproduce, solve, sweep};

/// Maximal size of truths that `generate` makes here.
const LARGEST: usize = 64;

/// Parses `bytes` as the words of a command, one per line, after a report for `--config` if they begin with one and a
/// NUL. Returns the message, or `None` if the command would start to work.
pub fn words(bytes: &[u8]) -> Option<String> {
    let (json, words) = match bytes.iter().position(|b| *b == 0) {
        Some(end) if bytes.starts_with(b"{") => (Some(&bytes[..end]), &bytes[end + 1..]),
        _ => (None, bytes),
    };
    let mut arguments = vec![OsString::from("lowrank")];
    arguments.extend(words.split(|b| *b == b'\n').map(word));
    if let Some(json) = json {
        match solve::report(Path::new("run.json"), json) {
            Ok(report) => arguments = solve::merged(arguments, &report),
            Err(error) => return Some(error.to_string()),
        }
    }
    let parsed = command(json.is_some()).try_get_matches_from(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return Some(error.to_string()),
    };
    let (name, understood) = match cli.command {
        Command::Solve(args) => ("solve", solve::understood(&args).map(|_| ())),
        Command::Compare(args) => ("compare", compare::Understood::new(&args).map(|_| ())),
        Command::Sweep(args) => ("sweep", sweep::understood(&args).map(|_| ())),
        Command::Reproduce(args) => ("reproduce", reproduce::understood(&args)),
        Command::Generate(args) if args.is_within(LARGEST) => ("generate", generate::understood(&args).map(|_| ())),
        Command::Bench(args) => ("bench", bench::understood(&args).map(|_| ())),
        Command::Explain(_)
        | Command::Predict(_)
        | Command::FoldIn(_)
        | Command::Demo(_)
        | Command::Generate(_)
        | Command::Check(_)
        | Command::List(_)
        | Command::Completions(_)
        | Command::Man(_) => return None,
    };
    understood.err().map(|error| message(name, &error))
}

#[cfg(unix)]
fn word(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn word(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn lists_whose_product_has_no_end_are_refused() {
        let lists = "--seed\n1:90000\n--init-scale\n1:90000:1\n--rows\n1:90000";
        for command in ["solve", "compare"] {
            let said = words(format!("{command}\n--matrices\nA.npy\n--observations\ny.npy\n{lists}").as_bytes());
            assert!(said.as_ref().is_some_and(|said| said.contains("trials")), "{said:?}");
        }
    }
}
