//! Command line of `lowrank`. Results go to the standard output, progress and remarks to the standard error.
//!
//! Exit codes: 0 done and every requested target reached; 1 finished, but a target was missed, a run diverged or was
//! interrupted, or a law or a claim failed; 2 bad usage, input or device.

mod bench;
mod check;
mod compare;
mod demo;
mod explain;
mod generate;
mod grid;
mod list;
mod options;
mod outputs;
mod predict;
mod progress;
mod reference;
mod reproduce;
mod shell;
mod solve;
mod sweep;
#[doc(hidden)]
pub mod understand;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use lowrank::{Error, Result};

/// Recover a low-rank matrix from linear measurements, by gradient descent from a small random start.
#[derive(Parser)]
#[command(name = "lowrank", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Recover a random matrix and show how: start here, it takes seconds
    Demo(demo::Args),
    /// Write a synthetic problem: sensing matrices, observations, truth
    Generate(generate::Args),
    /// Recover a matrix from measurement files
    #[command(after_help = SOLVE_NOTES)]
    Solve(Box<solve::Args>),
    /// Say what happened in a run and what to try next, from the report that solve wrote
    Explain(explain::Args),
    /// Predict entries, or the best columns of rows, from factors that solve wrote
    Predict(predict::Args),
    /// Add new rows or columns to factors that solve wrote, by least squares
    FoldIn(predict::FoldIn),
    /// Run several methods on measurement files, one after the other: who reaches which error when
    #[command(after_help = COMPARE_NOTES)]
    Compare(Box<compare::Args>),
    /// Success rates over a grid of problems: phase transitions, as a map and tables
    Sweep(Box<sweep::Args>),
    /// Run a paper's experiments again: figures, data, and a table of claims with verdicts
    Reproduce(Box<reproduce::Args>),
    /// Check on this machine's backends the laws that every operator obeys
    Check(check::Args),
    /// Time iterations on this machine, beside what its memory allows
    Bench(bench::Args),
    /// List devices, operators, methods, models, options or studies
    List(list::Args),
    /// Print a script that completes commands and flags in a shell
    Completions(shell::Completions),
    /// Print the page of the manual, or write the pages of all commands
    Man(shell::Manual),
}

// One line a paragraph: clap wraps it to the terminal.
const SOLVE_NOTES: &str = "\
A LIST is one number, a list 1,2,5, an inclusive range (1:8, or 0.1:0.5:0.1 with a step), or log:1e-1:1e-7:7 for \
seven values evenly spaced in their logarithm. Several lists make one batch of trials: every combination of their \
values.

Exit codes: 0 done, every target reached; 1 finished, but a target was missed, a trial diverged, or Ctrl-C; 2 a flag, \
a file or a device was refused.";

const COMPARE_NOTES: &str = "\
The error is the relative error where a truth is given, else that of the held-out measurements (--holdout), else the relative \
residual. A method that cannot run on the problem is listed with the reason. Flags of parameters apply to the methods that \
have them; what is written behind a method comes before them. --step-size and --damping belong to the methods and take one \
value here: name a method several times for several. Lists of other flags make trials of every method.

Exit codes: 0 done, and if targets were set some method reached them; 1 finished, but none did, or Ctrl-C (what there is has \
been written); 2 a flag, a file or a device was refused, or no method can run.";

/// Outcome of a command that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    /// A device failed during the run; the outputs hold the results so far.
    Broken(String),
    /// A target was missed, a run diverged or was interrupted, a law or a claim failed.
    Missed,
    /// Another rank failed and reports its own error.
    Refused,
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let given = arguments.len();
    let arguments = match solve::expand(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return refused("solve", &error),
    };
    let again = arguments.len() != given;
    let matches = command(again).get_matches_from(arguments);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let (name, outcome) = match cli.command {
        Command::Demo(args) => ("demo", demo::run(&args)),
        Command::Generate(args) => ("generate", generate::run(&args)),
        Command::Solve(args) => ("solve", solve::run(&args)),
        Command::Explain(args) => ("explain", explain::run(&args)),
        Command::Predict(args) => ("predict", predict::run(&args)),
        Command::FoldIn(args) => ("fold-in", predict::fold_in(&args)),
        Command::Compare(args) => ("compare", compare::run(&args)),
        Command::Sweep(args) => ("sweep", sweep::run(&args)),
        Command::Reproduce(args) => ("reproduce", reproduce::run(&args)),
        Command::Check(args) => ("check", check::run(&args)),
        Command::Bench(args) => ("bench", bench::run(&args)),
        Command::List(args) => ("list", list::run(&args)),
        Command::Completions(args) => ("completions", shell::completions(&args)),
        Command::Man(args) => ("man", shell::manual(&args)),
    };
    match outcome {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Missed) => ExitCode::from(1),
        Ok(Ending::Refused) => ExitCode::from(2),
        Ok(Ending::Broken(message)) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
        // Whoever reads the output has seen enough.
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => refused(name, &error),
    }
}

/// Returns the commands and their flags. Flags stored in a report may repeat, and the last one counts; other repeated
/// flags are errors.
fn command(again: bool) -> clap::Command {
    Cli::command().mut_subcommand("solve", |solve| solve.args_override_self(again))
}

/// Prints an error on the standard error, if it is open.
fn complain(command: &str, error: &Error) {
    let _ = writeln!(std::io::stderr(), "error: {}", message(command, error));
}

fn refused(command: &str, error: &Error) -> ExitCode {
    complain(command, error);
    ExitCode::from(2)
}

/// The library names settings (`search_rank`) and writes flags in its advice; here a refusal begins with the flag (`--search-rank`).
fn message(command: &str, error: &Error) -> String {
    let text = error.to_string();
    let Some((name, rest)) = text.split_once(": ") else { return text };
    let flag = name.replace('_', "-");
    let known = Cli::command()
        .find_subcommand(command)
        .is_some_and(|c| c.get_arguments().any(|a| a.get_long() == Some(flag.as_str())));
    if known { format!("--{flag}: {rest}") } else { text }
}

/// Adds the standard output to its errors.
fn said(result: std::io::Result<()>) -> Result<()> {
    result.map_err(|source| Error::Io {
        path: "standard output".into(),
        source,
        fix: "Check the destination of the output".into(),
    })
}

/// Returns a flag that Ctrl-C sets. The library installs no signal handler; this program does.
fn interrupt() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let in_handler = flag.clone();
    // The first asks the loop to stop and write what it has; the second is from someone who will not wait for that.
    let handler = move || {
        if in_handler.swap(true, Ordering::SeqCst) {
            std::process::exit(1);
        }
    };
    // Where no handler can be installed, Ctrl-C ends the program as it always does.
    let _ = ctrlc::set_handler(handler);
    flag
}

/// Prints remarks on the standard error.
fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {text}");
}
