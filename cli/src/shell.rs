//! Commands `lowrank completions` and `lowrank man`: what a shell and `man` know about the program.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;
use lowrank::internals::io::OutputFile;
use lowrank::{Error, Result};

use super::{Cli, Ending, said};

/// The word that starts the program.
const NAME: &str = "lowrank";

#[derive(clap::Args)]
pub struct Completions {
    /// Shell that completes words of the command line
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

#[derive(clap::Args)]
pub struct Manual {
    /// Directory for a page of every command; made if it is not there. Without it the page lowrank(1) is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints the script that a shell reads to complete commands and flags.
pub fn completions(args: &Completions) -> Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    said(std::io::stdout().lock().write_all(&script))?;
    Ok(Ending::Done)
}

/// Prints the page of the program, or writes the pages of all commands.
pub fn manual(args: &Manual) -> Result<Ending> {
    let mut command = Cli::command().name(NAME).disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        said(of(&command).render(&mut page))?;
        said(std::io::stdout().lock().write_all(&page))?;
        return Ok(Ending::Done);
    };
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        path: folder.clone(),
        source,
        fix: "Name a directory that can be made".into(),
    })?;
    std::iter::once(&command).chain(command.get_subcommands()).try_for_each(|command| write(&of(command), folder))?;
    Ok(Ending::Done)
}

/// The page of a command.
fn of(command: &clap::Command) -> Man {
    Man::new(command.clone()).source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
}

fn write(page: &Man, folder: &Path) -> Result<()> {
    let mut file = OutputFile::create(folder.join(page.get_filename()))?;
    let written = page.render(&mut file);
    file.check(written)?;
    file.finish()
}
