//! How a given option is put into the settings.

use crate::error::{Error, Result};
use crate::operators::entries::HeldOut;
use crate::options::Request;
use crate::solver::schedule::SaveEvery;
use crate::solver::settings::Settings;

/// Puts a given option into the settings.
pub(crate) type Apply = fn(Settings, &Request) -> Result<Settings>;

/// The setting has its own place: the method, the axes of the batch, the backend or the files.
pub(super) fn elsewhere(settings: Settings, _: &Request) -> Result<Settings> {
    Ok(settings)
}

/// Sets a value that was given.
pub(super) fn put<T>(settings: Settings, value: Option<T>, set: fn(Settings, T) -> Settings) -> Settings {
    match value {
        Some(value) => set(settings, value),
        None => settings,
    }
}

pub(super) fn holdout(settings: Settings, of: &Request) -> Result<Settings> {
    match HeldOut::of(of)? {
        // Entries are held out when their file is read.
        _ if of.has("entries") => Ok(settings),
        HeldOut::Share(share) => Ok(settings.holdout(share.fraction, share.seed)),
        HeldOut::File(path) => {
            let allowed = "one value, a share between 0 and 1, or with --entries a file";
            let found = format!("'{}'", path.display());
            Err(Error::invalid("holdout", found, allowed, "0.1 keeps a tenth of the measurements aside"))
        }
        HeldOut::Nothing => Ok(settings),
    }
}

pub(super) fn checkpoint(settings: Settings, of: &Request) -> Result<Settings> {
    let Some(path) = of.file("checkpoint") else { return Ok(settings) };
    if path.as_os_str() == "-" {
        let fix = "the standard output cannot be resumed from";
        return Err(Error::invalid("checkpoint", "'-'", "a file", fix));
    }
    Ok(settings.checkpoint(path, of.word("checkpoint_every")?.unwrap_or(SaveEvery::Seconds(30.0))))
}
