//! Flags of checkpoints and of what happens where a device fails.

use std::ops::ControlFlow;

use lowrank::solver::{Checkpoint, SaveEvery};
use lowrank::{Error, Progress, Result, Settings, Solution, Solver};

use super::Args;

fn invalid(name: &str, found: &str, allowed: &str, fix: &str) -> Error {
    Error::Invalid { name: name.into(), found: format!("'{found}'"), allowed: allowed.into(), fix: fix.into() }
}

/// `30s`, or a number of iterations.
fn every(text: &str) -> Result<SaveEvery> {
    let seconds = text.strip_suffix('s').and_then(|text| text.trim().parse::<f64>().ok());
    match (seconds, text.parse::<usize>()) {
        (Some(seconds), _) if seconds.is_finite() && seconds > 0.0 => Ok(SaveEvery::Seconds(seconds)),
        (None, Ok(iterations)) if iterations > 0 => Ok(SaveEvery::Iterations(iterations)),
        _ => Err(invalid(
            "checkpoint_every",
            text,
            "a number of iterations, at least 1, or of seconds with an s behind it",
            "for example 100, or 30s",
        )),
    }
}

pub fn with_saving(args: &Args, settings: Settings) -> Result<Settings> {
    let settings = settings.on_device_loss(args.on_device_loss.parse()?);
    let every = every(&args.checkpoint_every)?;
    Ok(match &args.checkpoint {
        Some(path) if path.as_os_str() == "-" => {
            return Err(invalid("checkpoint", "-", "a file", "the standard output cannot be resumed from"));
        }
        Some(path) => settings.checkpoint(path, every),
        None => settings,
    })
}

/// The checkpoint of --resume, before anything is computed.
pub fn resumed(args: &Args) -> Result<Option<Checkpoint>> {
    args.resume.as_ref().map(Checkpoint::read).transpose()
}

pub fn solve(
    solver: &mut Solver,
    from: Option<&Checkpoint>,
    observer: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<Solution> {
    match from {
        Some(from) => solver.resume_with(from, observer),
        None => solver.solve_with(observer),
    }
}
