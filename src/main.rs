//! The command line of `lowrank`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
