//! `lowrank generate`: a synthetic problem as files.

mod dense;
mod frame;
mod listed;
mod made;
mod options;
mod patterns;
mod pauli;
mod truth;
mod vectors;

use std::path::PathBuf;

use lowrank::internals::operators::Registration;
use lowrank::options::OptionCard;
use lowrank::{Error, Result};

use super::Ending;
use super::options::{Flags, OfLibrary, folder};
use super::outputs::make_folder;
use frame::{Generator, Wanted};

/// The command, for its flags.
#[derive(Clone, Copy, Debug)]
pub enum Generate {}

impl OfLibrary for Generate {
    const NAME: &'static str = "generate";

    fn own() -> Vec<&'static OptionCard> {
        options::OPTIONS.iter().chain(GENERATORS.iter().flat_map(|generator| generator.options)).collect()
    }
}

#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    options: Flags<Generate>,
    #[arg(
        long,
        value_name = "DIR",
        help = folder("A.npy, y.npy, X.npy (X.npz, where there are two factors or a signature) and problem.json"),
        help_heading = "Output"
    )]
    out: PathBuf,
}

const GENERATORS: &[&Generator] = &[
    &dense::DENSE,
    &vectors::RANK_ONE,
    &made::SEEDED,
    &pauli::PAULI,
    &patterns::PATTERNS,
    &listed::ENTRIES,
    &listed::SPARSE,
];

/// The generator of an operator's problems.
fn generator(word: &str) -> Result<(&'static Registration, &'static Generator)> {
    let known = Registration::find(word)?;
    let generator = GENERATORS.iter().find(|generator| generator.operators.contains(&known.name));
    let unsupported = || Error::Unsupported {
        what: format!("writing problems of the operator {word}"),
        fix: "choose another operator".into(),
    };
    Ok((known, generator.copied().ok_or_else(unsupported)?))
}

impl Args {
    /// Whether the unknown has at most so many rows and columns: the truth of a larger one takes its time.
    pub fn is_within(&self, most: usize) -> bool {
        let given = ["n", "shape", "signature", "rank"].into_iter().filter_map(|name| self.options.request.text(name));
        let sizes = given.flat_map(|text| text.split(',')).filter_map(|part| part.trim().parse().ok());
        sizes.into_iter().all(|size: usize| size <= most)
    }
}

/// The problem that the flags describe, as far as it is made before there are files.
pub struct Understood {
    generator: &'static Generator,
    wanted: Wanted,
}

/// What the flags say, with no look at files or devices.
pub fn understood(args: &Args) -> Result<Understood> {
    let request = &args.options.request;
    let (registration, generator) = generator(request.text("operator").unwrap_or("dense"))?;
    let others = GENERATORS.iter().flat_map(|of| of.options).filter(|option| request.has(option.name));
    if let Some(stray) = others.into_iter().find(|option| !generator.options.iter().any(|own| own.name == option.name))
    {
        let of = GENERATORS.iter().filter(|of| of.options.iter().any(|option| option.name == stray.name));
        let operators: Vec<&str> = of.flat_map(|generator| generator.operators).copied().collect();
        let found = format!("given for --operator {}", registration.name);
        let allowed = format!("only for --operator {}", operators.join(" and "));
        return Err(refused(stray.name, found, &allowed, "leave it out"));
    }
    request.check(&Generate::options())?;
    if request.is_on("complex") && !(generator.complex)(request) {
        let found = format!("given for --operator {}", registration.name);
        let allowed = "only for --operator dense and rank_one; pauli and cdp are always complex";
        return Err(refused("complex", found, allowed, "leave it out"));
    }
    Ok(Understood {
        generator,
        wanted: Wanted::new(request.clone(), (registration.name, (generator.complex)(request)), args.out.clone())?,
    })
}

pub fn run(args: &Args) -> Result<Ending> {
    let Understood { generator, wanted } = understood(args)?;
    let made = !args.out.exists();
    make_folder(&args.out)?;
    let written = generator.run(&wanted);
    written.inspect_err(|_| {
        if made {
            // A refusal leaves nothing behind; a directory with something in it stays.
            let _ = std::fs::remove_dir(&args.out);
        }
    })
}

fn invalid(name: &str, found: &str, allowed: &str) -> Error {
    refused(name, format!("'{found}'"), allowed, "pick one of them")
}

fn refused(name: &str, found: impl std::fmt::Display, allowed: &str, fix: &str) -> Error {
    Error::Invalid { name: name.into(), found: found.to_string(), allowed: allowed.into(), fix: fix.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::operators::REGISTRY;

    #[test]
    fn every_operator_has_a_generator_and_every_option_one_name() {
        for registration in REGISTRY {
            assert!(generator(registration.name).is_ok(), "{}", registration.name);
        }
        let options = Generate::options();
        for option in &options {
            assert_eq!(options.iter().filter(|other| other.name == option.name).count(), 1, "{}", option.name);
        }
    }
}
